// The ECR API (https://docs.aws.amazon.com/AmazonECR/latest/APIReference/), awsJson 1.1.
#pragma once
#include "ecr/worker.h"
#include "wire/service.h"

namespace slipway::ecr {

// `registry` outlives the service.
wire::Service service(Registry& registry);

}  // namespace slipway::ecr
