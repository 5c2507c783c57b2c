# Made by `slipway render terraform` from slipway.yaml: change that, and render again.
resource "aws_cloudwatch_event_rule" "push_shop_jobs" {
  name        = "slipway-shop-push-shop-jobs"
  description = "Pushes to shop/jobs that deploy"
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
      repository-name = ["shop/jobs"]
      image-tag = [
        {
          wildcard = "v*"
        },
      ]
    }
  })
}

resource "aws_cloudwatch_event_target" "push_shop_jobs" {
  rule      = aws_cloudwatch_event_rule.push_shop_jobs.name
  target_id = "deployer"
  arn       = aws_lambda_function.deployer.arn

  dead_letter_config {
    arn = aws_sqs_queue.dead_letters.arn
  }
}

resource "aws_lambda_permission" "push_shop_jobs" {
  statement_id  = "slipway-shop-push-shop-jobs"
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.deployer.function_name
  principal     = "events.amazonaws.com"
  source_arn    = aws_cloudwatch_event_rule.push_shop_jobs.arn
}

resource "aws_cloudwatch_event_rule" "push_shop_web" {
  name        = "slipway-shop-push-shop-web"
  description = "Pushes to shop/web that deploy"
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
      repository-name = ["shop/web"]
      image-tag = [
        {
          wildcard = "v*"
        },
        {
          wildcard = "main-*"
        },
      ]
    }
  })
}

resource "aws_cloudwatch_event_target" "push_shop_web" {
  rule      = aws_cloudwatch_event_rule.push_shop_web.name
  target_id = "deployer"
  arn       = aws_lambda_function.deployer.arn

  dead_letter_config {
    arn = aws_sqs_queue.dead_letters.arn
  }
}

resource "aws_lambda_permission" "push_shop_web" {
  statement_id  = "slipway-shop-push-shop-web"
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.deployer.function_name
  principal     = "events.amazonaws.com"
  source_arn    = aws_cloudwatch_event_rule.push_shop_web.arn
}

resource "aws_cloudwatch_event_rule" "verdict" {
  name        = "slipway-shop-verdict"
  description = "How deployments end"
  event_pattern = jsonencode({
    source      = ["aws.ecs"]
    detail-type = ["ECS Deployment State Change"]
    resources = [
      "arn:aws:ecs:${local.region}:${local.account}:service/shop-production/jobs",
      "arn:aws:ecs:${local.region}:${local.account}:service/shop-production/web",
      "arn:aws:ecs:${local.region}:${local.account}:service/shop-staging/web",
    ]
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
  statement_id  = "slipway-shop-verdict"
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.deployer.function_name
  principal     = "events.amazonaws.com"
  source_arn    = aws_cloudwatch_event_rule.verdict.arn
}

resource "aws_cloudwatch_event_rule" "sweep" {
  name                = "slipway-shop-sweep"
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
  statement_id  = "slipway-shop-sweep"
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.deployer.function_name
  principal     = "events.amazonaws.com"
  source_arn    = aws_cloudwatch_event_rule.sweep.arn
}
