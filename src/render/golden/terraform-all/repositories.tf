# Made by `slipway render terraform` from slipway.yaml: change that, and render again.
resource "aws_ecr_repository" "shop_jobs" {
  name                 = "shop/jobs"
  image_tag_mutability = "MUTABLE"

  image_scanning_configuration {
    scan_on_push = true
  }
}

resource "aws_ecr_lifecycle_policy" "shop_jobs" {
  repository = aws_ecr_repository.shop_jobs.name
  policy = jsonencode({
    rules = [
      {
        rulePriority = 1
        description  = "What deploys by v*"
        selection = {
          tagStatus      = "tagged"
          tagPatternList = ["v*"]
          countType      = "imageCountMoreThan"
          countNumber    = 30
        }
        action = {
          type = "expire"
        }
      },
      {
        rulePriority = 2
        description  = "What a commit made"
        selection = {
          tagStatus      = "tagged"
          tagPatternList = ["git-*"]
          countType      = "imageCountMoreThan"
          countNumber    = 30
        }
        action = {
          type = "expire"
        }
      },
      {
        rulePriority = 3
        description  = "What lost its tags: rollback targets of mutable tags, parts of indexes"
        selection = {
          tagStatus   = "untagged"
          countType   = "imageCountMoreThan"
          countNumber = 30
        }
        action = {
          type = "expire"
        }
      },
    ]
  })
}

resource "aws_ecr_repository" "shop_web" {
  name                 = "shop/web"
  image_tag_mutability = "MUTABLE"

  image_scanning_configuration {
    scan_on_push = true
  }
}

resource "aws_ecr_lifecycle_policy" "shop_web" {
  repository = aws_ecr_repository.shop_web.name
  policy = jsonencode({
    rules = [
      {
        rulePriority = 1
        description  = "What deploys by v*"
        selection = {
          tagStatus      = "tagged"
          tagPatternList = ["v*"]
          countType      = "imageCountMoreThan"
          countNumber    = 30
        }
        action = {
          type = "expire"
        }
      },
      {
        rulePriority = 2
        description  = "What deploys by main-*"
        selection = {
          tagStatus      = "tagged"
          tagPatternList = ["main-*"]
          countType      = "imageCountMoreThan"
          countNumber    = 30
        }
        action = {
          type = "expire"
        }
      },
      {
        rulePriority = 3
        description  = "What a commit made"
        selection = {
          tagStatus      = "tagged"
          tagPatternList = ["git-*"]
          countType      = "imageCountMoreThan"
          countNumber    = 30
        }
        action = {
          type = "expire"
        }
      },
      {
        rulePriority = 4
        description  = "What lost its tags: rollback targets of mutable tags, parts of indexes"
        selection = {
          tagStatus   = "untagged"
          countType   = "imageCountMoreThan"
          countNumber = 30
        }
        action = {
          type = "expire"
        }
      },
    ]
  })
}
