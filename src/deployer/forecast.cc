#include "deployer/forecast.h"

#include <fmt/format.h>

#include <algorithm>

#include "deployer/notify.h"

namespace slipway::deployer {
namespace {

using namespace std::chrono_literals;

constexpr Duration kUncheckedHealthy = 40s;  // Without any check, a task counts so long after it runs.
constexpr long long kStopTimeoutDefault = 30;

long long whole_up(long long value, long long by) {
  return by <= 0 ? 0 : (value + by - 1) / by;
}

// The longest stop time-out of the definition's containers.
Duration stop_timeout(const json::object& task_definition) {
  long long longest = 0;
  for (const json::value& value : get_array(task_definition, "containerDefinitions"))
    longest = std::max(longest, get_int(value.as_object(), "stopTimeout", kStopTimeoutDefault));
  return std::chrono::seconds(longest);
}

struct ContainerCheck {
  Duration healthy{};
  Duration unhealthy{};
};
// https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_HealthCheck.html
std::optional<ContainerCheck> container_check(const json::object& task_definition) {
  std::optional<ContainerCheck> slowest;
  for (const json::value& value : get_array(task_definition, "containerDefinitions")) {
    if (!has(value.as_object(), "healthCheck")) continue;
    const json::object check = get_object(value.as_object(), "healthCheck");
    const auto interval = std::chrono::seconds(get_int(check, "interval", 30));
    const ContainerCheck one{
        .healthy = interval,
        .unhealthy = std::chrono::seconds(get_int(check, "startPeriod")) + interval * get_int(check, "retries", 3)};
    if (!slowest || one.healthy > slowest->healthy) slowest = one;
  }
  return slowest;
}

void warn(Forecast& out, const json::object& service, const std::optional<TargetGroup>& group) {
  if (out.stuck)
    out.warnings.push_back(fmt::format(
        "of {} tasks, {} must stay healthy and {} may exist: none can start or stop. Raise maximumPercent or lower "
        "minimumHealthyPercent",
        out.desired, out.bounds.minimum, out.bounds.maximum));
  if (!out.stuck && !out.zero_downtime && out.desired > 0)
    out.warnings.push_back(fmt::format("for a time only {} of {} tasks serve", out.bounds.minimum, out.desired));
  if (out.desired == 0) out.warnings.push_back("the service wants no task: nothing will show whether the image works");
  if (!out.breaker)
    out.warnings.push_back("the circuit breaker is off: ECS tries a bad image for ever; the deployer reports it");
  const Duration grace = std::chrono::seconds(get_int(service, "healthCheckGracePeriodSeconds"));
  if (group && grace == Duration::zero() && group->interval * group->unhealthy < kStartAssumed)
    out.warnings.push_back(fmt::format(
        "a task that needs more than {} to answer is replaced before it does: set healthCheckGracePeriodSeconds",
        short_duration(group->interval * group->unhealthy)));
}

}  // namespace

long long breaker_threshold(const json::object& breaker, long long desired) {
  const json::object configured = get_object(breaker, "thresholdConfiguration");
  const std::string type = get_string(configured, "type", "BOUNDED_PERCENT");
  const long long value = get_int(configured, "value", 50);
  if (type == "COUNT") return value;
  const long long failures = whole_up(desired * value, 100);
  return type == "UNBOUNDED_PERCENT" ? failures : std::clamp(failures, 3LL, 200LL);
}

Forecast forecast(const json::object& service, const json::object& task_definition,
                  const std::optional<TargetGroup>& group) {
  Forecast out{.desired = get_int(service, "desiredCount"), .bounds = bounds_of(service)};
  const long long startable = out.bounds.maximum - out.desired;  // Before an old one stops.
  const long long stoppable = out.desired - out.bounds.minimum;  // Before a new one is there.
  out.stuck = out.desired > 0 && startable < 1 && stoppable < 1;
  out.zero_downtime = out.desired > 0 && stoppable < 1 && startable >= 1;
  const json::object configuration = get_object(service, "deploymentConfiguration");
  const json::object breaker = get_object(configuration, "deploymentCircuitBreaker");
  out.breaker = get_bool(breaker, "enable");
  out.breaker_threshold = breaker_threshold(breaker, out.desired);

  const auto checked = container_check(task_definition);
  Duration unhealthy_after{};
  if (group) {
    out.healthy_after = group->interval * group->healthy;
    unhealthy_after = group->interval * group->unhealthy;
  }
  if (checked) {
    out.healthy_after = std::max(out.healthy_after, checked->healthy);
    unhealthy_after = std::max(unhealthy_after, checked->unhealthy);
  }
  if (!group && !checked) out.healthy_after = kUncheckedHealthy;
  out.drain = stop_timeout(task_definition) + (group ? group->deregistration_delay : Duration{});

  // Tasks that can be replaced at once: those that may start besides the old ones, and those that may stop first.
  const long long at_once = std::clamp(startable + stoppable, 0LL, out.desired);
  const long long waves = whole_up(out.desired, at_once);
  if (!out.stuck && out.desired > 0) {
    out.expected = (kStartAssumed + out.healthy_after) * waves + out.drain;
    // Between two waves old tasks have to go before there is room.
    if (waves > 1) out.expected += out.drain * (waves - 1);
    const Duration grace = std::chrono::seconds(get_int(service, "healthCheckGracePeriodSeconds"));
    if (out.breaker)
      out.breaker_trips_after =
          (kStartAssumed + std::max(grace, unhealthy_after)) * whole_up(out.breaker_threshold, at_once);
  }
  warn(out, service, group);
  return out;
}

json::object to_json(const Forecast& f) {
  json::object out = {{"desired", f.desired},
                      {"minimumTasks", f.bounds.minimum},
                      {"maximumTasks", f.bounds.maximum},
                      {"stuck", f.stuck},
                      {"zeroDowntime", f.zero_downtime},
                      {"healthyAfterSeconds", f.healthy_after.count() / 1000},
                      {"drainSeconds", f.drain.count() / 1000},
                      {"expectedSeconds", f.expected.count() / 1000},
                      {"assumedStartSeconds", kStartAssumed.count() / 1000},
                      {"warnings", to_array(f.warnings)}};
  if (f.breaker) {
    out["breakerThreshold"] = f.breaker_threshold;
    out["breakerTripsAfterSeconds"] = f.breaker_trips_after.count() / 1000;
  }
  return out;
}

std::vector<std::string> lines_of(const Forecast& f) {
  std::vector<std::string> lines = {fmt::format("tasks: {} wanted, never fewer than {}, never more than {}", f.desired,
                                                f.bounds.minimum, f.bounds.maximum)};
  if (!f.stuck && f.desired > 0)
    lines.push_back(fmt::format("duration: about {} (start assumed {}, healthy after {}, an old task drains up to {})",
                                short_duration(f.expected), short_duration(kStartAssumed),
                                short_duration(f.healthy_after), short_duration(f.drain)));
  if (f.breaker && !f.stuck && f.desired > 0)
    lines.push_back(fmt::format("a bad image: the circuit breaker trips after {} failed tasks, at worst about {}",
                                f.breaker_threshold, short_duration(f.breaker_trips_after)));
  for (const std::string& warning : f.warnings) lines.push_back("warning: " + warning);
  return lines;
}

}  // namespace slipway::deployer
