# Made by `slipway render terraform` from slipway.yaml: change that, and render again.
resource "aws_iam_role" "deployer" {
  name        = "slipway-shop-deployer"
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
        Resource = [
          "arn:aws:ecr:${local.region}:${local.account}:repository/shop/jobs",
          "arn:aws:ecr:${local.region}:${local.account}:repository/shop/web",
        ]
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
          "arn:aws:ecs:${local.region}:${local.account}:service-deployment/shop-production/jobs/*",
          "arn:aws:ecs:${local.region}:${local.account}:service-deployment/shop-production/web/*",
          "arn:aws:ecs:${local.region}:${local.account}:service-deployment/shop-staging/web/*",
          "arn:aws:ecs:${local.region}:${local.account}:service-revision/shop-production/jobs/*",
          "arn:aws:ecs:${local.region}:${local.account}:service-revision/shop-production/web/*",
          "arn:aws:ecs:${local.region}:${local.account}:service-revision/shop-staging/web/*",
          "arn:aws:ecs:${local.region}:${local.account}:service/shop-production/jobs",
          "arn:aws:ecs:${local.region}:${local.account}:service/shop-production/web",
          "arn:aws:ecs:${local.region}:${local.account}:service/shop-staging/web",
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
            "ecs:cluster" = [
              "arn:aws:ecs:${local.region}:${local.account}:cluster/shop-production",
              "arn:aws:ecs:${local.region}:${local.account}:cluster/shop-staging",
            ]
          }
        }
      },
      {
        Sid    = "TheirLastWords"
        Effect = "Allow"
        Action = "logs:GetLogEvents"
        Resource = [
          "arn:aws:logs:${local.region}:${local.account}:log-group:/ecs/production-jobs:log-stream:*",
          "arn:aws:logs:${local.region}:${local.account}:log-group:/ecs/production-web:log-stream:*",
          "arn:aws:logs:${local.region}:${local.account}:log-group:/ecs/staging-web:log-stream:*",
        ]
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
        Sid      = "Alarms"
        Effect   = "Allow"
        Action   = "cloudwatch:DescribeAlarms"
        Resource = "arn:aws:cloudwatch:${local.region}:${local.account}:alarm:web-5xx"
      },
      {
        Sid      = "ReadTaskDefinitions"
        Effect   = "Allow"
        Action   = "ecs:DescribeTaskDefinition"
        Resource = "*"
      },
      {
        Sid    = "RegisterTheseFamilies"
        Effect = "Allow"
        Action = "ecs:RegisterTaskDefinition"
        Resource = [
          "arn:aws:ecs:${local.region}:${local.account}:task-definition/production-jobs:*",
          "arn:aws:ecs:${local.region}:${local.account}:task-definition/production-web:*",
          "arn:aws:ecs:${local.region}:${local.account}:task-definition/staging-web:*",
        ]
      },
      {
        Sid    = "RememberOnTheRevisions"
        Effect = "Allow"
        Action = "ecs:TagResource"
        Resource = [
          "arn:aws:ecs:${local.region}:${local.account}:task-definition/production-jobs:*",
          "arn:aws:ecs:${local.region}:${local.account}:task-definition/production-web:*",
          "arn:aws:ecs:${local.region}:${local.account}:task-definition/staging-web:*",
        ]
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
        Resource = "arn:aws:ecs:${local.region}:${local.account}:service/shop-production/jobs"
      },
      {
        Sid      = "Update2"
        Effect   = "Allow"
        Action   = "ecs:UpdateService"
        Resource = "arn:aws:ecs:${local.region}:${local.account}:service/shop-production/web"
        Condition = {
          ArnLike = {
            "ecs:task-definition" = "arn:aws:ecs:${local.region}:${local.account}:task-definition/production-web:*"
          }
        }
      },
      {
        Sid      = "Update3"
        Effect   = "Allow"
        Action   = "ecs:UpdateService"
        Resource = "arn:aws:ecs:${local.region}:${local.account}:service/shop-staging/web"
        Condition = {
          ArnLike = {
            "ecs:task-definition" = "arn:aws:ecs:${local.region}:${local.account}:task-definition/staging-web:*"
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
        Resource = [
          "arn:aws:ecs:${local.region}:${local.account}:service/shop-production/jobs",
          "arn:aws:ecs:${local.region}:${local.account}:service/shop-production/web",
          "arn:aws:ecs:${local.region}:${local.account}:service/shop-staging/web",
        ]
      },
      {
        Sid    = "PassOnlyTheTaskRoles"
        Effect = "Allow"
        Action = "iam:PassRole"
        Resource = [
          "arn:aws:iam::${local.account}:role/production-jobs-execution",
          "arn:aws:iam::${local.account}:role/production-jobs-task",
          "arn:aws:iam::${local.account}:role/production-web-execution",
          "arn:aws:iam::${local.account}:role/production-web-task",
          "arn:aws:iam::${local.account}:role/staging-web-execution",
          "arn:aws:iam::${local.account}:role/staging-web-task",
        ]
        Condition = {
          StringEquals = {
            "iam:PassedToService" = "ecs-tasks.amazonaws.com"
          }
        }
      },
      {
        Sid      = "Tell"
        Effect   = "Allow"
        Action   = "sns:Publish"
        Resource = "arn:aws:sns:${local.region}:${local.account}:deploys"
      },
      {
        Sid      = "Parameters"
        Effect   = "Allow"
        Action   = "ssm:GetParameter"
        Resource = "arn:aws:ssm:${local.region}:${local.account}:parameter/slipway/slack"
      },
      {
        Sid      = "Secrets"
        Effect   = "Allow"
        Action   = "secretsmanager:GetSecretValue"
        Resource = "arn:aws:secretsmanager:${local.region}:${local.account}:secret:slack-??????"
      },
      {
        Sid      = "KeepWhatFailed"
        Effect   = "Allow"
        Action   = "sqs:SendMessage"
        Resource = "arn:aws:sqs:${local.region}:${local.account}:slipway-shop-dead-letters"
      },
      {
        Sid    = "OwnLog"
        Effect = "Allow"
        Action = [
          "logs:CreateLogStream",
          "logs:PutLogEvents",
        ]
        Resource = "arn:aws:logs:${local.region}:${local.account}:log-group:/aws/lambda/slipway-shop-deployer:*"
      },
    ]
  })
}

resource "aws_cloudwatch_log_group" "deployer" {
  name              = "/aws/lambda/slipway-shop-deployer"
  retention_in_days = 30
}

resource "aws_lambda_function" "deployer" {
  function_name    = "slipway-shop-deployer"
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
  name                      = "slipway-shop-dead-letters"
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
        Resource = "arn:aws:sqs:${local.region}:${local.account}:slipway-shop-dead-letters"
        Condition = {
          ArnEquals = {
            "aws:SourceArn" = [
              "arn:aws:events:${local.region}:${local.account}:rule/slipway-shop-push-shop-jobs",
              "arn:aws:events:${local.region}:${local.account}:rule/slipway-shop-push-shop-web",
              "arn:aws:events:${local.region}:${local.account}:rule/slipway-shop-sweep",
              "arn:aws:events:${local.region}:${local.account}:rule/slipway-shop-verdict",
            ]
          }
        }
      },
    ]
  })
}
