# Made by `slipway render terraform` from slipway.yaml: change that, and render again.
variable "region" {
  description = "The AWS region."
  type        = string
  default     = "eu-central-1"
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

variable "vpc_id" {
  description = "The VPC of the tasks."
  type        = string
}

variable "subnet_ids" {
  description = "Where tasks run; they must reach ECR."
  type        = list(string)
}

variable "assign_public_ip" {
  description = "True for tasks in public subnets without NAT."
  type        = bool
  default     = false
}

variable "public_subnet_ids" {
  description = "Where the load balancer stands, in two zones or more."
  type        = list(string)
}

variable "allowed_cidrs" {
  description = "Who may reach the load balancer."
  type        = list(string)
  default     = ["0.0.0.0/0"]
}
