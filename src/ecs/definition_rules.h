// What makes a task definition one, beyond the types of its members, and what is filled in where it says nothing.
// Pure.  The messages are AWS's where they are known.
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_definition_parameters.html
#pragma once
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace slipway::ecs {

// `definition` as RegisterTaskDefinition takes it.  Code ClientException.
Result<void> check_definition(const json::object& definition);
// With the defaults that DescribeTaskDefinition shows, and cpu and memory as numbers: "1 vCPU" is "1024".
json::object complete_definition(json::object definition);

// A pair of a task's cpu units and MiB that AWS Fargate has.
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-cpu-memory-error.html
bool fargate_has(long long cpu, long long memory);

// The containers in the order in which they start: each after those that it depends on.  Empty when they wait for each
// other in a circle.
std::vector<std::string> start_order(const json::object& definition);
// The container whose network the others of the task share: the first to start that is not meant to complete.
std::string network_owner(const json::object& definition);

}  // namespace slipway::ecs
