// From a task definition to what the engine runs.  Pure.
#pragma once
#include "base/json.h"
#include "ecs/record.h"
#include "host/containers.h"

namespace slipway::ecs {

// The definition of `name` in a task definition, with the overrides of the task applied.
json::object container_definition(const json::object& definition, const json::object& overrides,
                                  const std::string& name);
// What to run for `container`; the first container of a task owns the network, the others join it.
host::ContainerSpec container_spec(const TaskRecord& task, const TaskContainer& container,
                                   const json::object& definition);
Duration stop_timeout(const json::object& container_definition);

}  // namespace slipway::ecs
