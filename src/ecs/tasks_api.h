// The operations on tasks: run, stop, describe, list.
#pragma once
#include "ecs/worker.h"
#include "wire/service.h"

namespace slipway::ecs {

void add_task_operations(wire::Service& out, Scheduler& scheduler);

}  // namespace slipway::ecs
