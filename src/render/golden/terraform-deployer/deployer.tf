# Made by `slipway render terraform` from slipway.yaml: change that, and render again.
resource "aws_iam_role" "deployer" {
  name        = "slipway-where-car-deployer"
  description = "What Slipway's deployer may do"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect = "Allow"
        Principal = {
          Service = "lambda.amazonaws.com"
        }
        Action = "sts:AssumeRole"
      },
    ]
  })
}

resource "aws_iam_role_policy" "deployer" {
  name = "slipway"
  role = aws_iam_role.deployer.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid    = "ReadPushedImages"
        Effect = "Allow"
        Action = [
          "ecr:DescribeImages",
          "ecr:DescribeRepositories",
          "ecr:BatchGetImage",
          "ecr:GetDownloadUrlForLayer",
        ]
        Resource = "arn:aws:ecr:${local.region}:${local.account}:repository/where-car-backend"
      },
      {
        Sid    = "WatchTheServices"
        Effect = "Allow"
        Action = [
          "ecs:DescribeServices",
          "ecs:ListServiceDeployments",
          "ecs:DescribeServiceDeployments",
          "ecs:DescribeServiceRevisions",
          "ecs:StopServiceDeployment",
        ]
        Resource = [
          "arn:aws:ecs:${local.region}:${local.account}:service-deployment/where-car/rest-service/*",
          "arn:aws:ecs:${local.region}:${local.account}:service-revision/where-car/rest-service/*",
          "arn:aws:ecs:${local.region}:${local.account}:service/where-car/rest-service",
        ]
      },
      {
        Sid    = "WhyDidItFail"
        Effect = "Allow"
        Action = [
          "ecs:ListTasks",
          "ecs:DescribeTasks",
        ]
        Resource = "*"
        Condition = {
          ArnEquals = {
            "ecs:cluster" = "arn:aws:ecs:${local.region}:${local.account}:cluster/where-car"
          }
        }
      },
      {
        Sid      = "TheirLastWords"
        Effect   = "Allow"
        Action   = "logs:GetLogEvents"
        Resource = "arn:aws:logs:${local.region}:${local.account}:log-group:/ecs/rest-service:log-stream:*"
      },
      {
        Sid    = "WhatTheChecksSaid"
        Effect = "Allow"
        Action = [
          "elasticloadbalancing:DescribeListeners",
          "elasticloadbalancing:DescribeLoadBalancers",
          "elasticloadbalancing:DescribeTargetGroups",
        ]
        Resource = "*"
      },
      {
        Sid      = "ReadTaskDefinitions"
        Effect   = "Allow"
        Action   = "ecs:DescribeTaskDefinition"
        Resource = "*"
      },
      {
        Sid      = "RegisterTheseFamilies"
        Effect   = "Allow"
        Action   = "ecs:RegisterTaskDefinition"
        Resource = "arn:aws:ecs:${local.region}:${local.account}:task-definition/rest-service:*"
      },
      {
        Sid      = "RememberOnTheRevisions"
        Effect   = "Allow"
        Action   = "ecs:TagResource"
        Resource = "arn:aws:ecs:${local.region}:${local.account}:task-definition/rest-service:*"
      },
      {
        Sid      = "NeverPrivileged"
        Effect   = "Deny"
        Action   = "ecs:RegisterTaskDefinition"
        Resource = "*"
        Condition = {
          Bool = {
            "ecs:privileged" = "true"
          }
        }
      },
      {
        Sid      = "Update1"
        Effect   = "Allow"
        Action   = "ecs:UpdateService"
        Resource = "arn:aws:ecs:${local.region}:${local.account}:service/where-car/rest-service"
        Condition = {
          ArnLike = {
            "ecs:task-definition" = "arn:aws:ecs:${local.region}:${local.account}:task-definition/rest-service:*"
          }
        }
      },
      {
        Sid      = "NeverOpenAShell"
        Effect   = "Deny"
        Action   = "ecs:UpdateService"
        Resource = "*"
        Condition = {
          Bool = {
            "ecs:enable-execute-command" = "true"
          }
        }
      },
      {
        Sid    = "RememberOnTheServices"
        Effect = "Allow"
        Action = [
          "ecs:TagResource",
          "ecs:UntagResource",
          "ecs:ListTagsForResource",
        ]
        Resource = "arn:aws:ecs:${local.region}:${local.account}:service/where-car/rest-service"
      },
      {
        Sid    = "PassOnlyTheTaskRoles"
        Effect = "Allow"
        Action = "iam:PassRole"
        Resource = [
          "arn:aws:iam::${local.account}:role/rest-service-execution",
          "arn:aws:iam::${local.account}:role/rest-service-task",
        ]
        Condition = {
          StringEquals = {
            "iam:PassedToService" = "ecs-tasks.amazonaws.com"
          }
        }
      },
      {
        Sid      = "KeepWhatFailed"
        Effect   = "Allow"
        Action   = "sqs:SendMessage"
        Resource = "arn:aws:sqs:${local.region}:${local.account}:slipway-where-car-dead-letters"
      },
      {
        Sid    = "OwnLog"
        Effect = "Allow"
        Action = [
          "logs:CreateLogStream",
          "logs:PutLogEvents",
        ]
        Resource = "arn:aws:logs:${local.region}:${local.account}:log-group:/aws/lambda/slipway-where-car-deployer:*"
      },
    ]
  })
}

resource "aws_cloudwatch_log_group" "deployer" {
  name              = "/aws/lambda/slipway-where-car-deployer"
  retention_in_days = 30
}

resource "aws_lambda_function" "deployer" {
  function_name    = "slipway-where-car-deployer"
  description      = "Deploys what is pushed: slipway.json in the package says what where"
  role             = aws_iam_role.deployer.arn
  runtime          = "provided.al2023"
  architectures    = ["x86_64"]
  handler          = "bootstrap"
  filename         = var.deployer_package
  source_code_hash = filebase64sha256(var.deployer_package)
  timeout          = 60
  memory_size      = 128

  # One at a time: two that read and then write one service would race.
  reserved_concurrent_executions = 1
  depends_on = [
    aws_cloudwatch_log_group.deployer,
    aws_iam_role_policy.deployer,
  ]
}

# What the function could not do is kept, also when its error came after Lambda had taken the event.
resource "aws_lambda_function_event_invoke_config" "deployer" {
  function_name                = aws_lambda_function.deployer.function_name
  maximum_retry_attempts       = 2
  maximum_event_age_in_seconds = 21600

  destination_config {
    on_failure {
      destination = aws_sqs_queue.dead_letters.arn
    }
  }
}

resource "aws_sqs_queue" "dead_letters" {
  name                      = "slipway-where-car-dead-letters"
  message_retention_seconds = 1209600
  sqs_managed_sse_enabled   = true
}

resource "aws_sqs_queue_policy" "dead_letters" {
  queue_url = aws_sqs_queue.dead_letters.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid    = "OnlyTheRules"
        Effect = "Allow"
        Principal = {
          Service = "events.amazonaws.com"
        }
        Action   = "sqs:SendMessage"
        Resource = "arn:aws:sqs:${local.region}:${local.account}:slipway-where-car-dead-letters"
        Condition = {
          ArnEquals = {
            "aws:SourceArn" = [
              "arn:aws:events:${local.region}:${local.account}:rule/slipway-where-car-push-where-car-backend",
              "arn:aws:events:${local.region}:${local.account}:rule/slipway-where-car-sweep",
              "arn:aws:events:${local.region}:${local.account}:rule/slipway-where-car-verdict",
            ]
          }
        }
      },
    ]
  })
}
