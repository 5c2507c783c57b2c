// The ECS API (https://docs.aws.amazon.com/AmazonECS/latest/APIReference/), awsJson 1.1.
#pragma once
#include "ecs/worker.h"
#include "wire/service.h"

namespace slipway::ecs {

// `scheduler` outlives the service.
wire::Service service(Scheduler& scheduler);

}  // namespace slipway::ecs
