// The operations on task definitions.
#pragma once
#include "ecs/worker.h"
#include "wire/service.h"

namespace slipway::ecs {

void add_definition_operations(wire::Service& out, Scheduler& scheduler);

}  // namespace slipway::ecs
