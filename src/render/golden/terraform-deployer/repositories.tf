# Made by `slipway render terraform` from slipway.yaml: change that, and render again.
resource "aws_ecr_repository" "where-car-backend" {
  name                 = "where-car-backend"
  image_tag_mutability = "MUTABLE"

  image_scanning_configuration {
    scan_on_push = true
  }
}

resource "aws_ecr_lifecycle_policy" "where-car-backend" {
  repository = aws_ecr_repository.where-car-backend.name
  policy = jsonencode({
    rules = [
      {
        rulePriority = 1
        description  = "What deploys by latest"
        selection = {
          tagStatus      = "tagged"
          tagPatternList = ["latest"]
          countType      = "imageCountMoreThan"
          countNumber    = 50
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
          countNumber    = 50
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
          countNumber = 50
        }
        action = {
          type = "expire"
        }
      },
    ]
  })
}
