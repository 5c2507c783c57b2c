// Forecast: how a rolling deployment of a service will go, by what is configured now: how many tasks at a time, whether
// it can move at all, how long it takes, and how long a bad image would keep it.  Pure; times that nobody can know
// (pulling and starting) are an assumption that is said.
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-type-ecs.html
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "base/instant.h"
#include "base/json.h"
#include "deployer/verdict.h"

namespace slipway::deployer {

// From being started to answering.
constexpr Duration kStartAssumed = std::chrono::seconds(30);

// What the load balancer does; the defaults are AWS's.
struct TargetGroup {
  Duration interval = std::chrono::seconds(30);
  int healthy = 5;
  int unhealthy = 2;
  Duration deregistration_delay = std::chrono::seconds(300);
};

struct Forecast {
  long long desired = 0;
  Bounds bounds;
  bool stuck = false;          // Neither a start nor a stop is allowed.
  bool zero_downtime = false;  // Never fewer tasks than wanted.
  bool breaker = false;
  long long breaker_threshold = 0;  // Failed tasks that end it.
  Duration healthy_after{};         // A task's start until it counts.
  Duration drain{};                 // An old task, at most: deregistration and stop time-out.
  Duration expected{};              // The whole deployment; zero when it is stuck.
  Duration breaker_trips_after{};   // At worst; zero without a breaker.
  std::vector<std::string> warnings;
};

// `service` and `task_definition` as ECS describes them; `group` when there is a load balancer.
Forecast forecast(const json::object& service, const json::object& task_definition,
                  const std::optional<TargetGroup>& group);
json::object to_json(const Forecast& forecast);
std::vector<std::string> lines_of(const Forecast& forecast);

// ceil(value % of desired) within 3 and 200, or as deploymentCircuitBreaker.thresholdConfiguration says.
// https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DeploymentCircuitBreaker.html
long long breaker_threshold(const json::object& breaker, long long desired);

}  // namespace slipway::deployer
