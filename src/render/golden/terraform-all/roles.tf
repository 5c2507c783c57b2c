# Made by `slipway render terraform` from slipway.yaml: change that, and render again.
resource "aws_iam_openid_connect_provider" "github" {
  count          = var.create_oidc_provider ? 1 : 0
  url            = "https://token.actions.githubusercontent.com"
  client_id_list = ["sts.amazonaws.com"]
}

resource "aws_iam_role" "push" {
  name        = "slipway-shop-push"
  description = "What CI may do: push images"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid    = "OnlyThisRepository"
        Effect = "Allow"
        Principal = {
          Federated = "arn:aws:iam::${local.account}:oidc-provider/token.actions.githubusercontent.com"
        }
        Action = "sts:AssumeRoleWithWebIdentity"
        Condition = {
          StringEquals = {
            "token.actions.githubusercontent.com:aud" = "sts.amazonaws.com"
            "token.actions.githubusercontent.com:sub" = "repo:acme@123456/web@456789:ref:refs/heads/main"
          }
        }
      },
      {
        Sid    = "ItsVersionTags"
        Effect = "Allow"
        Principal = {
          Federated = "arn:aws:iam::${local.account}:oidc-provider/token.actions.githubusercontent.com"
        }
        Action = "sts:AssumeRoleWithWebIdentity"
        Condition = {
          StringEquals = {
            "token.actions.githubusercontent.com:aud" = "sts.amazonaws.com"
          }
          StringLike = {
            "token.actions.githubusercontent.com:sub" = "repo:acme@123456/web@456789:ref:refs/tags/v*"
          }
        }
      },
    ]
  })
}

resource "aws_iam_role_policy" "push" {
  name = "slipway"
  role = aws_iam_role.push.id
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
        Sid    = "PushToTheseRepositories"
        Effect = "Allow"
        Action = [
          "ecr:BatchCheckLayerAvailability",
          "ecr:InitiateLayerUpload",
          "ecr:UploadLayerPart",
          "ecr:CompleteLayerUpload",
          "ecr:PutImage",
          "ecr:BatchGetImage",
        ]
        Resource = [
          "arn:aws:ecr:${local.region}:${local.account}:repository/shop/jobs",
          "arn:aws:ecr:${local.region}:${local.account}:repository/shop/web",
        ]
      },
    ]
  })
}
