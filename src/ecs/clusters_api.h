// The operations on clusters and their capacity providers.
#pragma once
#include "ecs/worker.h"
#include "wire/service.h"

namespace slipway::ecs {

void add_cluster_operations(wire::Service& out, Scheduler& scheduler);

}  // namespace slipway::ecs
