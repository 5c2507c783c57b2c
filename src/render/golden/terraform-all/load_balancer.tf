# Made by `slipway render terraform` from slipway.yaml: change that, and render again.
resource "aws_security_group" "balancer_production" {
  name        = "slipway-shop-production-balancer"
  description = "The load balancer of shop-production"
  vpc_id      = var.vpc_id
}

resource "aws_vpc_security_group_egress_rule" "balancer_production" {
  security_group_id = aws_security_group.balancer_production.id
  ip_protocol       = "-1"
  cidr_ipv4         = "0.0.0.0/0"
}

resource "aws_lb" "balancer_production" {
  name               = "shop-production"
  load_balancer_type = "application"
  internal           = false
  subnets            = var.public_subnet_ids
  security_groups    = [aws_security_group.balancer_production.id]
}

resource "aws_security_group" "balancer_staging" {
  name        = "slipway-shop-staging-balancer"
  description = "The load balancer of shop-staging"
  vpc_id      = var.vpc_id
}

resource "aws_vpc_security_group_egress_rule" "balancer_staging" {
  security_group_id = aws_security_group.balancer_staging.id
  ip_protocol       = "-1"
  cidr_ipv4         = "0.0.0.0/0"
}

resource "aws_lb" "balancer_staging" {
  name               = "shop-staging"
  load_balancer_type = "application"
  internal           = false
  subnets            = var.public_subnet_ids
  security_groups    = [aws_security_group.balancer_staging.id]
}

resource "aws_vpc_security_group_ingress_rule" "listen_production_web" {
  for_each          = toset(var.allowed_cidrs)
  security_group_id = aws_security_group.balancer_production.id
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  cidr_ipv4         = each.value
}

resource "aws_lb_target_group" "production_web" {
  name                 = "shop-production-web"
  port                 = 8080
  protocol             = "HTTP"
  target_type          = "ip"
  vpc_id               = var.vpc_id
  deregistration_delay = 30

  health_check {
    path                = "/up"
    interval            = 5
    timeout             = 2
    healthy_threshold   = 2
    unhealthy_threshold = 2
    matcher             = "200-399"
  }
}

resource "aws_lb_listener" "production_web" {
  load_balancer_arn = aws_lb.balancer_production.arn
  port              = 443
  protocol          = "HTTP"

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.production_web.arn
  }
}

resource "aws_vpc_security_group_ingress_rule" "listen_staging_web" {
  for_each          = toset(var.allowed_cidrs)
  security_group_id = aws_security_group.balancer_staging.id
  ip_protocol       = "tcp"
  from_port         = 80
  to_port           = 80
  cidr_ipv4         = each.value
}

resource "aws_lb_target_group" "staging_web" {
  name                 = "shop-staging-web"
  port                 = 8080
  protocol             = "HTTP"
  target_type          = "ip"
  vpc_id               = var.vpc_id
  deregistration_delay = 30

  health_check {
    path                = "/up"
    interval            = 5
    timeout             = 2
    healthy_threshold   = 2
    unhealthy_threshold = 2
    matcher             = "200-399"
  }
}

resource "aws_lb_listener" "staging_web" {
  load_balancer_arn = aws_lb.balancer_staging.arn
  port              = 80
  protocol          = "HTTP"

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.staging_web.arn
  }
}
