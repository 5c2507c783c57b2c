// The operations on service deployments and service revisions: the history of a service, and stopping what is under
// way.
#pragma once
#include "ecs/worker.h"
#include "wire/service.h"

namespace slipway::ecs {

void add_deployment_operations(wire::Service& out, Scheduler& scheduler);

}  // namespace slipway::ecs
