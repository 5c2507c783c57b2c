// From a task definition to what the engine runs.  Pure.
#pragma once
#include "base/json.h"
#include "ecs/record.h"
#include "host/containers.h"

namespace slipway::ecs {

// The definition of `name` in a task definition, with the overrides of the task applied.
json::object container_definition(const json::object& definition, const json::object& overrides,
                                  const std::string& name);
// The name of a task's container on the engine: its key.
std::string container_name(const TaskRecord& task, const std::string& container);
// What to run for `container`.  One container of a task owns the network (definition_rules.h); those that start after
// it join it, those that start and complete before it have one of their own.
host::ContainerSpec container_spec(const TaskRecord& task, const TaskContainer& container,
                                   const json::object& definition);
// Whether a container that waits for `on` (dependsOn) may start.
enum class Dependency { met, waiting, impossible };
Dependency dependency(const TaskContainer& on, const std::string& condition);
Duration stop_timeout(const json::object& container_definition);

}  // namespace slipway::ecs
