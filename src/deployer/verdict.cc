#include "deployer/verdict.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.h"

namespace slipway::deployer {
namespace {

struct EndName {
  End end;
  std::string_view name;
  std::string_view words;
  bool final;
};
constexpr std::array<EndName, 11> kEnds = {{{End::open, "open", "still running", false},
                                            {End::live, "live", "live", true},
                                            {End::rolled_back_by_ecs, "rolled-back-by-ecs", "rolled back by ECS", true},
                                            {End::rolled_back_by_slipway, "rolled-back", "rolled back", true},
                                            {End::failed, "failed", "failed", false},
                                            {End::superseded, "superseded", "superseded", true},
                                            {End::stopped, "stopped", "stopped", true},
                                            {End::stuck, "stuck", "stuck", false},
                                            {End::scaled_to_zero, "scaled-to-zero", "scaled to 0", true},
                                            {End::timed_out, "timed-out", "timed out", false},
                                            {End::unverified, "unverified", "not verified", false}}};

// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-event-messages-list.html
constexpr std::string_view kStuckMessage =
    "was unable to stop or start tasks during a deployment because of the service deployment configuration";
constexpr std::size_t kEventsKept = 5;
constexpr std::size_t kTasksKept = 2;
// Words of service events that tell of failures.
constexpr std::array<std::string_view, 7> kTelling = {"unhealthy",    "failed",    "unable to", "Health checks",
                                                      "rolling back", "timed out", "CannotPull"};

json::object deployment_of(const json::object& service, const std::string& id) {
  for (const json::value& value : get_array(service, "deployments")) {
    if (get_string(value.as_object(), "id") == id) return value.as_object();
  }
  return {};
}

// Messages of the service since then, newest first, as DescribeServices has them.
std::vector<std::string> events_since(const json::object& service, Instant since) {
  std::vector<std::string> messages;
  for (const json::value& value : get_array(service, "events")) {
    const json::object& event = value.as_object();
    if (instant_of(get_double(event, "createdAt")) < since) continue;
    messages.push_back(get_string(event, "message"));
  }
  return messages;
}

Judgement success(const Observation& seen, const std::string& primary) {
  if (get_int(seen.service, "desiredCount") == 0)
    return {.end = End::scaled_to_zero, .why = "the service wants no task, so that nothing shows whether it works"};
  if (seen.running.empty()) {
    if (primary != seen.deployment)
      return {.end = End::superseded, .why = fmt::format("it completed, and {} replaced it at once", primary)};
    return {.end = End::open, .why = "it completed, and no running task of it is seen yet"};
  }
  for (const std::string& digest : seen.running) {
    const bool same = digest == seen.digest || std::ranges::find(seen.same, digest) != seen.same.end();
    if (!same)
      return {.end = End::failed,
              .why = fmt::format("it completed, but a task of it runs {} and not {}", digest, seen.digest)};
  }
  return {.end = End::live,
          .why = fmt::format("{} running task{} of {} have {}", seen.running.size(),
                             seen.running.size() == 1 ? "" : "s", seen.deployment, seen.digest)};
}

Judgement in_progress(const Observation& seen, Duration timeout, Instant now) {
  for (const std::string& message : events_since(seen.service, seen.started_at)) {
    if (!message.contains(kStuckMessage)) continue;
    const Bounds bounds = bounds_of(seen.service);
    return {.end = End::stuck,
            .why = fmt::format("of {} tasks, {} must stay healthy and {} may exist, so that none can start or stop: "
                               "change minimumHealthyPercent or maximumPercent",
                               get_int(seen.service, "desiredCount"), bounds.minimum, bounds.maximum)};
  }
  if (now - seen.started_at > timeout)
    return {.end = End::timed_out,
            .why = fmt::format("no end within {} minutes; ECS goes on", timeout.count() / 60'000)};
  return {.end = End::open, .why = "it still runs"};
}

std::string failure_reason(const Observation& seen) {
  if (seen.record && !seen.record->reason.empty()) return seen.record->reason;
  const std::string reason = get_string(deployment_of(seen.service, seen.deployment), "rolloutStateReason");
  return !reason.empty() ? reason : !seen.reason.empty() ? seen.reason : "ECS says that it failed";
}

// By the record of the service deployment: what exactly became of it.
Judgement by_record(const Observation& seen, const json::object& primary, Duration timeout, Instant now) {
  const std::string& status = seen.record->status;
  const std::string why = failure_reason(seen);
  if (status == "SUCCESSFUL") return success(seen, get_string(primary, "id"));
  if (status == "ROLLBACK_SUCCESSFUL") return {.end = End::rolled_back_by_ecs, .why = why};
  if (status == "ROLLBACK_FAILED") return {.end = End::failed, .why = "and its rollback failed: " + why};
  if (status == "ROLLBACK_REQUESTED" || status == "ROLLBACK_IN_PROGRESS")
    return {.end = End::open, .why = why, .ecs_rolls_back = true};
  if (status != "STOPPED") return in_progress(seen, timeout, now);
  const bool replaced = get_string(primary, "id") != seen.deployment &&
                        instant_of(get_double(primary, "createdAt")) >= seen.record->created_at;
  if (replaced)
    return {.end = End::superseded, .why = fmt::format("{} replaced it before its end", get_string(primary, "id"))};
  const bool breaker = why.contains("circuit breaker") || why.contains("alarm") || seen.completed == false;
  if (breaker) return {.end = End::failed, .why = why};
  return {.end = End::stopped, .why = why};
}

// By the service's own deployments, where there is no record.
Judgement by_service(const Observation& seen, const json::object& primary, Duration timeout, Instant now) {
  const json::object own = deployment_of(seen.service, seen.deployment);
  const bool is_primary = get_string(primary, "id") == seen.deployment;
  const std::string state = get_string(own, "rolloutState");
  const std::string why = failure_reason(seen);
  if (state == "COMPLETED" || (own.empty() && seen.completed == true)) return success(seen, get_string(primary, "id"));
  const bool failed = state == "FAILED" || seen.completed == false;
  if (failed && is_primary) return {.end = End::failed, .why = why};
  // What is there instead is what was there before: ECS puts the older deployment in front again.
  const bool older = instant_of(get_double(primary, "createdAt")) < seen.started_at;
  if (failed && older && get_string(primary, "rolloutState") == "COMPLETED")
    return {.end = End::rolled_back_by_ecs, .why = why};
  if (failed && older) return {.end = End::open, .why = why, .ecs_rolls_back = true};
  if (!is_primary && older)
    return {.end = End::rolled_back_by_ecs, .why = fmt::format("{} is in place again", get_string(primary, "id"))};
  if (!is_primary)
    return {.end = End::superseded, .why = fmt::format("{} replaced it before its end", get_string(primary, "id"))};
  return in_progress(seen, timeout, now);
}

json::object container_definition(const json::object& task_definition, const std::string& name) {
  for (const json::value& value : get_array(task_definition, "containerDefinitions")) {
    if (get_string(value.as_object(), "name") == name) return value.as_object();
  }
  return {};
}

// The container that ended badly, else the route's, else the first.
json::object failed_container(const Route& route, const json::object& task) {
  const json::array containers = get_array(task, "containers");
  const json::object* chosen = nullptr;
  for (const json::value& value : containers) {
    const json::object& container = value.as_object();
    const bool bad = get_int(container, "exitCode") != 0 || has(container, "reason");
    const bool own = get_string(container, "name") == route.container;
    if (chosen == nullptr || bad || (own && get_int(*chosen, "exitCode") == 0)) chosen = &container;
    if (bad) break;
  }
  return chosen == nullptr ? json::object{} : *chosen;
}

TaskEvidence task_evidence(const Route& route, const json::object& task, const json::object& task_definition) {
  const json::object container = failed_container(route, task);
  const std::string arn = get_string(task, "taskArn");
  TaskEvidence out{.task = arn.substr(arn.rfind('/') + 1),
                   .container = get_string(container, "name"),
                   .reason = get_string(task, "stoppedReason")};
  if (has(container, "exitCode")) out.exit_code = static_cast<int>(get_int(container, "exitCode"));
  const std::string own = get_string(container, "reason");
  if (!own.empty()) out.reason += (out.reason.empty() ? "" : ": ") + own;
  // The awslogs driver calls a stream "prefix/container/task"
  // (https://docs.aws.amazon.com/AmazonECS/latest/developerguide/using_awslogs.html).
  const json::object log = get_object(container_definition(task_definition, out.container), "logConfiguration");
  const json::object options = get_object(log, "options");
  const std::string prefix = get_string(options, "awslogs-stream-prefix");
  out.log_group = get_string(options, "awslogs-group");
  if (!out.log_group.empty() && !prefix.empty())
    out.log_stream = fmt::format("{}/{}/{}", prefix, out.container, out.task);
  return out;
}

}  // namespace

std::string_view end_name(End end) {
  return std::ranges::find(kEnds, end, &EndName::end)->name;
}
End end_of(std::string_view name) {
  const auto* const found = std::ranges::find(kEnds, name, &EndName::name);
  return found == kEnds.end() ? End::open : found->end;
}
std::string_view end_words(End end) {
  return std::ranges::find(kEnds, end, &EndName::end)->words;
}
bool is_final(End end) {
  return std::ranges::find(kEnds, end, &EndName::end)->final;
}

Bounds bounds_of(long long desired, long long minimum_healthy_percent, long long maximum_percent) {
  return {.minimum = (desired * minimum_healthy_percent + 99) / 100, .maximum = desired * maximum_percent / 100};
}
Bounds bounds_of(const json::object& service) {
  const json::object configuration = get_object(service, "deploymentConfiguration");
  return bounds_of(get_int(service, "desiredCount"), get_int(configuration, "minimumHealthyPercent", 100),
                   get_int(configuration, "maximumPercent", 200));
}

Judgement judge(const Observation& seen, Duration timeout, Instant now) {
  const json::object primary = primary_deployment(seen.service);
  return seen.record ? by_record(seen, primary, timeout, now) : by_service(seen, primary, timeout, now);
}

Evidence evidence_of(const Route& route, const json::object& service, const json::object& task_definition,
                     const std::vector<json::object>& stopped, const std::string& deployment, Instant since) {
  Evidence out;
  for (const std::string& message : events_since(service, since)) {
    const bool tells = std::ranges::any_of(kTelling, [&](std::string_view word) { return message.contains(word); });
    if (tells && out.events.size() < kEventsKept) out.events.push_back(message);
    if (out.health.empty() && (message.contains("Health checks failed") || message.contains("unhealthy in")))
      out.health = message;
  }
  for (const json::object& task : stopped) {
    if (get_string(task, "startedBy") != deployment || out.tasks.size() == kTasksKept) continue;
    // Tasks that ECS stops because it goes back have done nothing wrong.
    if (get_string(task, "stopCode") == "ServiceSchedulerInitiated" &&
        get_string(task, "stoppedReason").starts_with("Scaling activity"))
      continue;
    TaskEvidence one = task_evidence(route, task, task_definition);
    const bool known = std::ranges::any_of(out.tasks, [&](const TaskEvidence& other) {
      return other.reason == one.reason && other.exit_code == one.exit_code;
    });
    if (out.health.empty() && one.reason.contains("health checks")) out.health = one.reason;
    if (!known) out.tasks.push_back(std::move(one));
  }
  return out;
}

std::string summary(const Evidence& evidence) {
  if (evidence.tasks.empty()) return evidence.health.empty() ? "" : evidence.health;
  const TaskEvidence& task = evidence.tasks.front();
  std::string line = task.exit_code ? fmt::format("exit code {}: ", *task.exit_code) : "";
  line += task.reason;
  if (!evidence.health.empty() && evidence.health != task.reason) line += "; " + evidence.health;
  if (!task.log_lines.empty()) line += "; it wrote: " + task.log_lines.back();
  return line;
}

json::object to_json(const Evidence& evidence) {
  json::array tasks;
  for (const TaskEvidence& task : evidence.tasks) {
    json::object one = {{"task", task.task}, {"container", task.container}, {"reason", task.reason}};
    if (task.exit_code) one["exitCode"] = *task.exit_code;
    if (!task.log_lines.empty()) one["log"] = to_array(task.log_lines);
    tasks.push_back(std::move(one));
  }
  json::object out = {{"events", to_array(evidence.events)}, {"tasks", tasks}};
  if (!evidence.health.empty()) out["health"] = evidence.health;
  return out;
}

}  // namespace slipway::deployer
