# Made by `slipway render terraform` from slipway.yaml: change that, and render again.
resource "aws_ecs_cluster" "shop-production" {
  name = "shop-production"
}

resource "aws_ecs_cluster" "shop-staging" {
  name = "shop-staging"
}

resource "aws_cloudwatch_log_group" "production_jobs" {
  name              = "/ecs/production-jobs"
  retention_in_days = 30
}

resource "aws_iam_role" "production_jobs_task" {
  name        = "production-jobs-task"
  description = "What production/jobs may do"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect = "Allow"
        Principal = {
          Service = "ecs-tasks.amazonaws.com"
        }
        Action = "sts:AssumeRole"
      },
    ]
  })
}

resource "aws_iam_role" "production_jobs_execution" {
  name        = "production-jobs-execution"
  description = "With which ECS starts production/jobs"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect = "Allow"
        Principal = {
          Service = "ecs-tasks.amazonaws.com"
        }
        Action = "sts:AssumeRole"
      },
    ]
  })
}

resource "aws_iam_role_policy" "production_jobs_execution" {
  name = "slipway"
  role = aws_iam_role.production_jobs_execution.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "Login"
        Effect   = "Allow"
        Action   = "ecr:GetAuthorizationToken"
        Resource = "*"
      },
      {
        Sid    = "PullItsImage"
        Effect = "Allow"
        Action = [
          "ecr:BatchCheckLayerAvailability",
          "ecr:BatchGetImage",
          "ecr:GetDownloadUrlForLayer",
        ]
        Resource = "arn:aws:ecr:${local.region}:${local.account}:repository/shop/jobs"
      },
      {
        Sid    = "WriteItsLog"
        Effect = "Allow"
        Action = [
          "logs:CreateLogStream",
          "logs:PutLogEvents",
        ]
        Resource = "arn:aws:logs:${local.region}:${local.account}:log-group:/ecs/production-jobs:*"
      },
    ]
  })
}

resource "aws_ecs_task_definition" "production_jobs" {
  family                   = "production-jobs"
  network_mode             = "awsvpc"
  requires_compatibilities = ["FARGATE"]
  cpu                      = 256
  memory                   = 512
  task_role_arn            = aws_iam_role.production_jobs_task.arn
  execution_role_arn       = aws_iam_role.production_jobs_execution.arn
  container_definitions = jsonencode([
    {
      name      = "jobs"
      image     = "${aws_ecr_repository.shop_jobs.repository_url}:latest"
      essential = true
      portMappings = [
        {
          containerPort = 9000
          protocol      = "tcp"
        },
      ]
      environment = []
      logConfiguration = {
        logDriver = "awslogs"
        options = {
          awslogs-group         = "/ecs/production-jobs"
          awslogs-region        = local.region
          awslogs-stream-prefix = "ecs"
        }
      }
    },
  ])
}

resource "aws_security_group" "production_jobs" {
  name        = "slipway-production-jobs"
  description = "Tasks of production/jobs"
  vpc_id      = var.vpc_id
}

resource "aws_vpc_security_group_egress_rule" "production_jobs" {
  security_group_id = aws_security_group.production_jobs.id
  ip_protocol       = "-1"
  cidr_ipv4         = "0.0.0.0/0"
}

resource "aws_ecs_service" "production_jobs" {
  name                               = "jobs"
  cluster                            = aws_ecs_cluster.shop-production.arn
  task_definition                    = aws_ecs_task_definition.production_jobs.arn
  desired_count                      = 4
  launch_type                        = "FARGATE"
  deployment_minimum_healthy_percent = 100
  deployment_maximum_percent         = 200

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  network_configuration {
    subnets          = var.subnet_ids
    security_groups  = [aws_security_group.production_jobs.id]
    assign_public_ip = var.assign_public_ip
  }

  # What runs is the deployer's matter, and how many of it the autoscaler's.
  lifecycle {
    ignore_changes = [task_definition, desired_count]
  }
}

resource "aws_cloudwatch_log_group" "production_web" {
  name              = "/ecs/production-web"
  retention_in_days = 30
}

resource "aws_iam_role" "production_web_task" {
  name        = "production-web-task"
  description = "What production/web may do"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect = "Allow"
        Principal = {
          Service = "ecs-tasks.amazonaws.com"
        }
        Action = "sts:AssumeRole"
      },
    ]
  })
}

resource "aws_iam_role" "production_web_execution" {
  name        = "production-web-execution"
  description = "With which ECS starts production/web"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect = "Allow"
        Principal = {
          Service = "ecs-tasks.amazonaws.com"
        }
        Action = "sts:AssumeRole"
      },
    ]
  })
}

resource "aws_iam_role_policy" "production_web_execution" {
  name = "slipway"
  role = aws_iam_role.production_web_execution.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "Login"
        Effect   = "Allow"
        Action   = "ecr:GetAuthorizationToken"
        Resource = "*"
      },
      {
        Sid    = "PullItsImage"
        Effect = "Allow"
        Action = [
          "ecr:BatchCheckLayerAvailability",
          "ecr:BatchGetImage",
          "ecr:GetDownloadUrlForLayer",
        ]
        Resource = "arn:aws:ecr:${local.region}:${local.account}:repository/shop/web"
      },
      {
        Sid    = "WriteItsLog"
        Effect = "Allow"
        Action = [
          "logs:CreateLogStream",
          "logs:PutLogEvents",
        ]
        Resource = "arn:aws:logs:${local.region}:${local.account}:log-group:/ecs/production-web:*"
      },
    ]
  })
}

resource "aws_ecs_task_definition" "production_web" {
  family                   = "production-web"
  network_mode             = "awsvpc"
  requires_compatibilities = ["FARGATE"]
  cpu                      = 256
  memory                   = 512
  task_role_arn            = aws_iam_role.production_web_task.arn
  execution_role_arn       = aws_iam_role.production_web_execution.arn
  container_definitions = jsonencode([
    {
      name      = "web"
      image     = "${aws_ecr_repository.shop_web.repository_url}:latest"
      essential = true
      portMappings = [
        {
          containerPort = 8080
          protocol      = "tcp"
        },
      ]
      environment = [
        {
          name  = "GREETING"
          value = "hello $${USER}"
        },
      ]
      logConfiguration = {
        logDriver = "awslogs"
        options = {
          awslogs-group         = "/ecs/production-web"
          awslogs-region        = local.region
          awslogs-stream-prefix = "ecs"
        }
      }
    },
  ])
}

resource "aws_security_group" "production_web" {
  name        = "slipway-production-web"
  description = "Tasks of production/web"
  vpc_id      = var.vpc_id
}

resource "aws_vpc_security_group_egress_rule" "production_web" {
  security_group_id = aws_security_group.production_web.id
  ip_protocol       = "-1"
  cidr_ipv4         = "0.0.0.0/0"
}

resource "aws_vpc_security_group_ingress_rule" "production_web" {
  security_group_id            = aws_security_group.production_web.id
  referenced_security_group_id = aws_security_group.balancer_production.id
  ip_protocol                  = "tcp"
  from_port                    = 8080
  to_port                      = 8080
}

resource "aws_ecs_service" "production_web" {
  name                               = "web"
  cluster                            = aws_ecs_cluster.shop-production.arn
  task_definition                    = aws_ecs_task_definition.production_web.arn
  desired_count                      = 4
  launch_type                        = "FARGATE"
  deployment_minimum_healthy_percent = 100
  deployment_maximum_percent         = 200
  health_check_grace_period_seconds  = 0

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  network_configuration {
    subnets          = var.subnet_ids
    security_groups  = [aws_security_group.production_web.id]
    assign_public_ip = var.assign_public_ip
  }

  load_balancer {
    target_group_arn = aws_lb_target_group.production_web.arn
    container_name   = "web"
    container_port   = 8080
  }

  # What runs is the deployer's matter, and how many of it the autoscaler's.
  lifecycle {
    ignore_changes = [task_definition, desired_count]
  }

  depends_on = [aws_lb_listener.production_web]
}

resource "aws_cloudwatch_log_group" "staging_web" {
  name              = "/ecs/staging-web"
  retention_in_days = 30
}

resource "aws_iam_role" "staging_web_task" {
  name        = "staging-web-task"
  description = "What staging/web may do"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect = "Allow"
        Principal = {
          Service = "ecs-tasks.amazonaws.com"
        }
        Action = "sts:AssumeRole"
      },
    ]
  })
}

resource "aws_iam_role" "staging_web_execution" {
  name        = "staging-web-execution"
  description = "With which ECS starts staging/web"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect = "Allow"
        Principal = {
          Service = "ecs-tasks.amazonaws.com"
        }
        Action = "sts:AssumeRole"
      },
    ]
  })
}

resource "aws_iam_role_policy" "staging_web_execution" {
  name = "slipway"
  role = aws_iam_role.staging_web_execution.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "Login"
        Effect   = "Allow"
        Action   = "ecr:GetAuthorizationToken"
        Resource = "*"
      },
      {
        Sid    = "PullItsImage"
        Effect = "Allow"
        Action = [
          "ecr:BatchCheckLayerAvailability",
          "ecr:BatchGetImage",
          "ecr:GetDownloadUrlForLayer",
        ]
        Resource = "arn:aws:ecr:${local.region}:${local.account}:repository/shop/web"
      },
      {
        Sid    = "WriteItsLog"
        Effect = "Allow"
        Action = [
          "logs:CreateLogStream",
          "logs:PutLogEvents",
        ]
        Resource = "arn:aws:logs:${local.region}:${local.account}:log-group:/ecs/staging-web:*"
      },
    ]
  })
}

resource "aws_ecs_task_definition" "staging_web" {
  family                   = "staging-web"
  network_mode             = "awsvpc"
  requires_compatibilities = ["FARGATE"]
  cpu                      = 256
  memory                   = 512
  task_role_arn            = aws_iam_role.staging_web_task.arn
  execution_role_arn       = aws_iam_role.staging_web_execution.arn
  container_definitions = jsonencode([
    {
      name      = "web"
      image     = "${aws_ecr_repository.shop_web.repository_url}:latest"
      essential = true
      portMappings = [
        {
          containerPort = 8080
          protocol      = "tcp"
        },
      ]
      environment = [
        {
          name  = "GREETING"
          value = "hello $${USER}"
        },
      ]
      logConfiguration = {
        logDriver = "awslogs"
        options = {
          awslogs-group         = "/ecs/staging-web"
          awslogs-region        = local.region
          awslogs-stream-prefix = "ecs"
        }
      }
    },
  ])
}

resource "aws_security_group" "staging_web" {
  name        = "slipway-staging-web"
  description = "Tasks of staging/web"
  vpc_id      = var.vpc_id
}

resource "aws_vpc_security_group_egress_rule" "staging_web" {
  security_group_id = aws_security_group.staging_web.id
  ip_protocol       = "-1"
  cidr_ipv4         = "0.0.0.0/0"
}

resource "aws_vpc_security_group_ingress_rule" "staging_web" {
  security_group_id            = aws_security_group.staging_web.id
  referenced_security_group_id = aws_security_group.balancer_staging.id
  ip_protocol                  = "tcp"
  from_port                    = 8080
  to_port                      = 8080
}

resource "aws_ecs_service" "staging_web" {
  name                               = "web"
  cluster                            = aws_ecs_cluster.shop-staging.arn
  task_definition                    = aws_ecs_task_definition.staging_web.arn
  desired_count                      = 1
  launch_type                        = "FARGATE"
  deployment_minimum_healthy_percent = 100
  deployment_maximum_percent         = 200
  health_check_grace_period_seconds  = 0

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  network_configuration {
    subnets          = var.subnet_ids
    security_groups  = [aws_security_group.staging_web.id]
    assign_public_ip = var.assign_public_ip
  }

  load_balancer {
    target_group_arn = aws_lb_target_group.staging_web.arn
    container_name   = "web"
    container_port   = 8080
  }

  # What runs is the deployer's matter, and how many of it the autoscaler's.
  lifecycle {
    ignore_changes = [task_definition, desired_count]
  }

  depends_on = [aws_lb_listener.staging_web]
}
