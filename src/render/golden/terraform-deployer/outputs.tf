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

output "repository_url_where-car-backend" {
  description = "Where CI pushes where-car-backend."
  value       = aws_ecr_repository.where-car-backend.repository_url
}
