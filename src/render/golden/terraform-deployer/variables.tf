# Made by `slipway render terraform` from slipway.yaml: change that, and render again.
variable "region" {
  description = "The AWS region."
  type        = string
  default     = "ap-northeast-2"
}

variable "deployer_package" {
  description = "What `slipway render lambda` made."
  type        = string
  default     = "deployer.zip"
}

variable "create_oidc_provider" {
  description = "An account has GitHub's OIDC provider once; false when it is there."
  type        = bool
  default     = true
}
