# Made by `slipway render terraform` from slipway.yaml: change that, and render again.
resource "aws_cloudwatch_event_rule" "push_where-car-backend" {
  name        = "slipway-where-car-push-where-car-backend"
  description = "Pushes to where-car-backend that deploy"
  event_pattern = jsonencode({
    source = ["aws.ecr"]
    detail-type = [
      "ECR Image Action",
      "ECR Replication Action",
    ]
    detail = {
      action-type = [
        "PUSH",
        "REPLICATE",
      ]
      result          = ["SUCCESS"]
      repository-name = ["where-car-backend"]
      image-tag       = ["latest"]
    }
  })
}

resource "aws_cloudwatch_event_target" "push_where-car-backend" {
  rule      = aws_cloudwatch_event_rule.push_where-car-backend.name
  target_id = "deployer"
  arn       = aws_lambda_function.deployer.arn

  dead_letter_config {
    arn = aws_sqs_queue.dead_letters.arn
  }
}

resource "aws_lambda_permission" "push_where-car-backend" {
  statement_id  = "slipway-where-car-push-where-car-backend"
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.deployer.function_name
  principal     = "events.amazonaws.com"
  source_arn    = aws_cloudwatch_event_rule.push_where-car-backend.arn
}

resource "aws_cloudwatch_event_rule" "verdict" {
  name        = "slipway-where-car-verdict"
  description = "How deployments end"
  event_pattern = jsonencode({
    source      = ["aws.ecs"]
    detail-type = ["ECS Deployment State Change"]
    resources   = ["arn:aws:ecs:${local.region}:${local.account}:service/where-car/rest-service"]
    detail = {
      eventName = [
        "SERVICE_DEPLOYMENT_COMPLETED",
        "SERVICE_DEPLOYMENT_FAILED",
      ]
    }
  })
}

resource "aws_cloudwatch_event_target" "verdict" {
  rule      = aws_cloudwatch_event_rule.verdict.name
  target_id = "deployer"
  arn       = aws_lambda_function.deployer.arn

  dead_letter_config {
    arn = aws_sqs_queue.dead_letters.arn
  }
}

resource "aws_lambda_permission" "verdict" {
  statement_id  = "slipway-where-car-verdict"
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.deployer.function_name
  principal     = "events.amazonaws.com"
  source_arn    = aws_cloudwatch_event_rule.verdict.arn
}

resource "aws_cloudwatch_event_rule" "sweep" {
  name                = "slipway-where-car-sweep"
  description         = "Looks for pushes whose event was lost"
  schedule_expression = "rate(5 minutes)"
}

resource "aws_cloudwatch_event_target" "sweep" {
  rule      = aws_cloudwatch_event_rule.sweep.name
  target_id = "deployer"
  arn       = aws_lambda_function.deployer.arn

  dead_letter_config {
    arn = aws_sqs_queue.dead_letters.arn
  }
}

resource "aws_lambda_permission" "sweep" {
  statement_id  = "slipway-where-car-sweep"
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.deployer.function_name
  principal     = "events.amazonaws.com"
  source_arn    = aws_cloudwatch_event_rule.sweep.arn
}
