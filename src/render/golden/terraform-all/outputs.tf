# Made by `slipway render terraform` from slipway.yaml: change that, and render again.
output "deployer_function" {
  description = "The function that deploys."
  value       = aws_lambda_function.deployer.function_name
}

output "dead_letters_url" {
  description = "Events that could not be handled."
  value       = aws_sqs_queue.dead_letters.url
}

output "push_role_arn" {
  description = "For the workflow: the variable SLIPWAY_PUSH_ROLE."
  value       = aws_iam_role.push.arn
}

output "repository_url_shop_jobs" {
  description = "Where CI pushes shop/jobs."
  value       = aws_ecr_repository.shop_jobs.repository_url
}

output "repository_url_shop_web" {
  description = "Where CI pushes shop/web."
  value       = aws_ecr_repository.shop_web.repository_url
}

output "balancer_production_name" {
  description = "Where users come in."
  value       = aws_lb.balancer_production.dns_name
}

output "balancer_staging_name" {
  description = "Where users come in."
  value       = aws_lb.balancer_staging.dns_name
}
