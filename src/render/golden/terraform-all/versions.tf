# Made by `slipway render terraform` from slipway.yaml: change that, and render again.
terraform {
  required_version = ">= 1.5"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.40"
    }
  }
}

provider "aws" {
  region = var.region
}

data "aws_caller_identity" "current" {
}

locals {
  account = data.aws_caller_identity.current.account_id
  region  = var.region
}
