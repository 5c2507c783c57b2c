#include "ecs/record.h"

#include <fmt/format.h>

#include <algorithm>

namespace slipway::ecs {
namespace {

json::object to_json(const Takeover& t) {
  return {{"strategy", static_cast<int>(t.strategy)},
          {"bake", t.bake.count()},
          {"step", t.step},
          {"stepBake", t.step_bake.count()}};
}
Takeover takeover_from(const json::object& o) {
  return {.strategy = static_cast<Strategy>(get_int(o, "strategy")),
          .bake = Duration{get_int(o, "bake")},
          .step = static_cast<int>(get_int(o, "step", kAll)),
          .step_bake = Duration{get_int(o, "stepBake")}};
}

json::array to_json(const std::vector<Hook>& hooks) {
  json::array out;
  for (const Hook& hook : hooks) out.push_back(describe(hook));
  return out;
}
std::vector<Hook> hooks_from(const json::array& given) {
  std::vector<Hook> out;
  for (const json::value& one : given) out.push_back(hook_from(one.as_object()));
  return out;
}

json::object to_json(const HookRun& r) {
  return {{"id", r.id},
          {"hook", r.hook},
          {"phase", static_cast<int>(r.phase)},
          {"step", r.step},
          {"status", static_cast<int>(r.status)},
          {"expiresAt", r.expires_at.ms()},
          {"nextAt", r.next_at.ms()}};
}
HookRun run_from(const json::object& o) {
  return {.id = get_string(o, "id"),
          .hook = static_cast<std::size_t>(get_int(o, "hook")),
          .phase = static_cast<Phase>(get_int(o, "phase")),
          .step = static_cast<int>(get_int(o, "step")),
          .status = static_cast<HookRun::Status>(get_int(o, "status")),
          .expires_at = instant_ms(get_int(o, "expiresAt")),
          .next_at = instant_ms(get_int(o, "nextAt"))};
}

json::object to_json(const Deployment& d) {
  json::object images;
  for (const auto& [name, image] : d.images) images[name] = image;
  json::array runs;
  for (const HookRun& run : d.runs) runs.push_back(to_json(run));
  return {{"id", d.id},
          {"taskDefinition", d.task_definition},
          {"rollout", static_cast<int>(d.rollout)},
          {"reason", d.reason},
          {"failedTasks", d.failed_tasks},
          {"failuresInRow", d.failures_in_row},
          {"wasCompleted", d.was_completed},
          {"rollingBack", d.rolling_back},
          {"steady", d.steady},
          {"stuck", d.stuck},
          {"wish", static_cast<int>(d.wish)},
          {"how", to_json(d.how)},
          {"hooks", to_json(d.hooks)},
          {"runs", runs},
          {"alternate", d.alternate},
          {"phase", static_cast<int>(d.phase)},
          {"phaseSince", d.phase_since.ms()},
          {"step", d.step},
          {"stepSince", d.step_since.ms()},
          {"createdAt", d.created_at.ms()},
          {"updatedAt", d.updated_at.ms()},
          {"startAfter", d.start_after.ms()},
          {"images", images}};
}

Deployment deployment_from(const json::object& o) {
  Deployment d{.id = get_string(o, "id"),
               .task_definition = get_string(o, "taskDefinition"),
               .rollout = static_cast<Rollout>(get_int(o, "rollout")),
               .reason = get_string(o, "reason"),
               .failed_tasks = static_cast<int>(get_int(o, "failedTasks")),
               .failures_in_row = static_cast<int>(get_int(o, "failuresInRow")),
               .was_completed = get_bool(o, "wasCompleted"),
               .rolling_back = get_bool(o, "rollingBack"),
               .steady = get_bool(o, "steady"),
               .stuck = get_bool(o, "stuck"),
               .wish = static_cast<StopWish>(get_int(o, "wish")),
               .how = takeover_from(get_object(o, "how")),
               .alternate = get_bool(o, "alternate"),
               .phase = static_cast<Phase>(get_int(o, "phase")),
               .phase_since = instant_ms(get_int(o, "phaseSince")),
               .step = static_cast<int>(get_int(o, "step")),
               .step_since = instant_ms(get_int(o, "stepSince")),
               .created_at = instant_ms(get_int(o, "createdAt")),
               .updated_at = instant_ms(get_int(o, "updatedAt")),
               .start_after = instant_ms(get_int(o, "startAfter"))};
  d.hooks = hooks_from(get_array(o, "hooks"));
  for (const json::value& run : get_array(o, "runs")) d.runs.push_back(run_from(run.as_object()));
  for (const auto& entry : get_object(o, "images"))
    d.images[std::string(entry.key())] = std::string(view(entry.value().as_string()));
  return d;
}

json::object to_json(const Breaker& b) {
  return {{"enable", b.enable},
          {"rollback", b.rollback},
          {"resetOnHealthy", b.reset_on_healthy},
          {"type", static_cast<int>(b.type)},
          {"value", b.value}};
}

// Of a service's document.  Those written before the thresholds could be chosen hold two truth values.
Breaker breaker_from(const json::object& o) {
  if (const json::value* old = find(o, "breaker"); old != nullptr && old->is_bool())
    return {.enable = old->get_bool(), .rollback = get_bool(o, "rollback")};
  const json::object b = get_object(o, "breaker");
  return {.enable = get_bool(b, "enable"),
          .rollback = get_bool(b, "rollback"),
          .reset_on_healthy = get_bool(b, "resetOnHealthy", true),
          .type = static_cast<Breaker::Threshold>(get_int(b, "type")),
          .value = static_cast<int>(get_int(b, "value", Breaker{}.value))};
}

json::object to_json(const TaskContainer& c) {
  return {{"name", c.name},     {"image", c.image},          {"pinned", c.pinned},
          {"digest", c.digest}, {"runtimeId", c.runtime_id}, {"logCursor", c.log_cursor},
          {"reason", c.reason}, {"exitCode", c.exit_code},   {"essential", c.essential},
          {"health", c.health}, {"checked", c.checked}};
}

TaskContainer container_from(const json::object& o) {
  return {.name = get_string(o, "name"),
          .image = get_string(o, "image"),
          .pinned = get_string(o, "pinned"),
          .digest = get_string(o, "digest"),
          .runtime_id = get_string(o, "runtimeId"),
          .log_cursor = get_string(o, "logCursor"),
          .reason = get_string(o, "reason"),
          .exit_code = static_cast<int>(get_int(o, "exitCode", -1)),
          .health = get_string(o, "health", "UNKNOWN"),
          .checked = get_bool(o, "checked"),
          .essential = get_bool(o, "essential", true)};
}

void put_time(json::object& out, const char* name, Instant at, Times times) {
  if (at == Instant{}) return;
  if (times == Times::seconds) {
    out[name] = epoch_seconds(at);
  } else {
    out[name] = iso_millis(at);
  }
}

json::array describe_tags(const json::object& tags) {
  json::array out;
  for (const auto& entry : tags) out.push_back({{"key", entry.key()}, {"value", entry.value()}});
  return out;
}

// The address of a task shows as AWS shows its network interface.
std::string attachment_id(const TaskRecord& task) {
  const std::string& id = task.id;
  return id.substr(0, 8) + "-" + id.substr(8, 4) + "-4" + id.substr(13, 3) + "-8" + id.substr(17, 3) + "-" +
         id.substr(20, 12);
}

json::array attachments(const TaskRecord& task, Times times) {
  if (task.address.empty() || task.id.size() < 32) return {};
  const json::object address = {{"name", "privateIPv4Address"}, {"value", task.address}};
  const char* status = task.stage == Stage::stopped ? "DELETED" : "ATTACHED";
  return {json::object{{"id", attachment_id(task)},
                       {"type", times == Times::iso ? "eni" : "ElasticNetworkInterface"},
                       {"status", status},
                       {"details", json::array{address}}}};
}

json::object overrides(const TaskRecord& task) {
  if (!task.overrides.empty()) return task.overrides;
  json::array names;
  for (const TaskContainer& one : task.containers) names.push_back(json::object{{"name", one.name}});
  return {{"containerOverrides", names}};
}

json::object describe(const TaskContainer& container, const TaskRecord& task, const Place& place) {
  json::object out = {
      {"containerArn", place.arn("ecs", "container/" + task.cluster + "/" + task.id + "/" + container.name)},
      {"taskArn", task.arn(place)},
      {"name", container.name},
      {"image", container.image},
      {"lastStatus", status_text(container.exit_code >= 0 ? Stage::stopped : task.stage)},
      {"networkBindings", json::array{}},
      {"networkInterfaces", json::array{}},
      {"cpu", "0"},
      {"healthStatus", container.health}};
  if (!task.address.empty())
    out["networkInterfaces"] =
        json::array{json::object{{"attachmentId", attachment_id(task)}, {"privateIpv4Address", task.address}}};
  if (!container.digest.empty()) out["imageDigest"] = container.digest;
  if (!container.runtime_id.empty()) out["runtimeId"] = container.runtime_id;
  if (container.exit_code >= 0) out["exitCode"] = container.exit_code;
  if (!container.reason.empty()) out["reason"] = container.reason;
  return out;
}

}  // namespace

const char* status_text(Stage stage) {
  switch (stage) {
    case Stage::pending:
      return "PENDING";
    case Stage::running:
      return "RUNNING";
    case Stage::deactivating:
      return "DEACTIVATING";
    case Stage::stopping:
      return "STOPPING";
    case Stage::stopped:
      return "STOPPED";
  }
  return "";
}

const char* rollout_text(Rollout rollout) {
  return rollout == Rollout::completed ? "COMPLETED" : rollout == Rollout::failed ? "FAILED" : "IN_PROGRESS";
}

json::object to_json(const ServiceRecord& r) {
  json::array deployments;
  for (const Deployment& d : r.state.deployments) deployments.push_back(to_json(d));
  return {{"cluster", r.cluster},
          {"name", r.name},
          {"status", r.status},
          {"desired", r.state.desired},
          {"minimum", r.state.minimum_healthy_percent},
          {"maximum", r.state.maximum_percent},
          {"breaker", to_json(r.state.breaker)},
          {"grace", r.state.grace.count()},
          {"how", to_json(r.state.how)},
          {"hooks", to_json(r.state.hooks)},
          {"production", r.state.traffic.production},
          {"test", r.state.traffic.test},
          {"deployments", deployments},
          {"loadBalancers", r.load_balancers},
          {"echo", r.echo},
          {"tags", r.tags},
          {"serviceDeployment", r.service_deployment},
          {"createdBy", r.created_by},
          {"request", r.request},
          {"createdAt", r.created_at.ms()}};
}

ServiceRecord service_from(const json::object& o) {
  ServiceRecord r;
  r.cluster = get_string(o, "cluster");
  r.name = get_string(o, "name");
  r.status = get_string(o, "status");
  r.state.desired = static_cast<int>(get_int(o, "desired"));
  r.state.minimum_healthy_percent = static_cast<int>(get_int(o, "minimum"));
  r.state.maximum_percent = static_cast<int>(get_int(o, "maximum"));
  r.state.breaker = breaker_from(o);
  r.state.grace = Duration{get_int(o, "grace")};
  r.state.how = takeover_from(get_object(o, "how"));
  r.state.hooks = hooks_from(get_array(o, "hooks"));
  r.state.traffic = {.production = static_cast<int>(get_int(o, "production")),
                     .test = static_cast<int>(get_int(o, "test"))};
  for (const json::value& d : get_array(o, "deployments"))
    r.state.deployments.push_back(deployment_from(d.as_object()));
  r.load_balancers = get_array(o, "loadBalancers");
  r.echo = get_object(o, "echo");
  r.tags = get_object(o, "tags");
  r.service_deployment = get_string(o, "serviceDeployment");
  r.created_by = get_string(o, "createdBy");
  r.request = get_string(o, "request");
  r.created_at = instant_ms(get_int(o, "createdAt"));
  return r;
}

json::object to_json(const TaskRecord& t) {
  json::array containers;
  for (const TaskContainer& c : t.containers) containers.push_back(to_json(c));
  return {{"id", t.id},
          {"cluster", t.cluster},
          {"service", t.service},
          {"deployment", t.deployment},
          {"taskDefinition", t.task_definition},
          {"startedBy", t.started_by},
          {"stage", static_cast<int>(t.stage)},
          {"address", t.address},
          {"stopReason", t.stop_reason},
          {"stopCode", t.stop_code},
          {"stopWanted", t.stop_wanted},
          {"counted", t.counted},
          {"wasHealthy", t.was_healthy},
          {"wasInTraffic", t.was_in_traffic},
          {"alternate", t.alternate},
          {"registered", t.registered},
          {"group", t.named_group},
          {"request", t.request},
          {"pullStartedAt", t.pull_started_at.ms()},
          {"pullStoppedAt", t.pull_stopped_at.ms()},
          {"createdAt", t.created_at.ms()},
          {"startedAt", t.started_at.ms()},
          {"stoppingAt", t.stopping_at.ms()},
          {"stoppedAt", t.stopped_at.ms()},
          {"version", t.version},
          {"overrides", t.overrides},
          {"tags", t.tags},
          {"containers", containers}};
}

TaskRecord task_from(const json::object& o) {
  TaskRecord t;
  t.id = get_string(o, "id");
  t.cluster = get_string(o, "cluster");
  t.service = get_string(o, "service");
  t.deployment = get_string(o, "deployment");
  t.task_definition = get_string(o, "taskDefinition");
  t.started_by = get_string(o, "startedBy");
  t.stage = static_cast<Stage>(get_int(o, "stage"));
  t.address = get_string(o, "address");
  t.stop_reason = get_string(o, "stopReason");
  t.stop_code = get_string(o, "stopCode");
  t.stop_wanted = get_bool(o, "stopWanted");
  t.counted = get_bool(o, "counted");
  t.was_healthy = get_bool(o, "wasHealthy");
  t.was_in_traffic = get_bool(o, "wasInTraffic");
  t.alternate = get_bool(o, "alternate");
  t.registered = get_bool(o, "registered");
  t.named_group = get_string(o, "group");
  t.request = get_string(o, "request");
  t.pull_started_at = instant_ms(get_int(o, "pullStartedAt"));
  t.pull_stopped_at = instant_ms(get_int(o, "pullStoppedAt"));
  t.created_at = instant_ms(get_int(o, "createdAt"));
  t.started_at = instant_ms(get_int(o, "startedAt"));
  t.stopping_at = instant_ms(get_int(o, "stoppingAt"));
  t.stopped_at = instant_ms(get_int(o, "stoppedAt"));
  t.version = get_int(o, "version", 1);
  t.overrides = get_object(o, "overrides");
  t.tags = get_object(o, "tags");
  for (const json::value& c : get_array(o, "containers")) t.containers.push_back(container_from(c.as_object()));
  return t;
}

bool TaskRecord::is_checked() const {
  return std::ranges::any_of(containers, [](const TaskContainer& one) { return one.essential && one.checked; });
}

std::string TaskRecord::container_health() const {
  if (!is_checked()) return "UNKNOWN";
  std::string worst = "HEALTHY";
  for (const TaskContainer& one : containers) {
    if (!one.essential || !one.checked) continue;
    if (one.health == "UNHEALTHY") return "UNHEALTHY";
    if (one.health == "UNKNOWN") worst = "UNKNOWN";
  }
  return worst;
}

json::object describe(const TaskRecord& t, const Place& place, const json::object& definition, Times times) {
  json::array containers;
  for (const TaskContainer& c : t.containers) containers.push_back(describe(c, t, place));
  json::object out = {{"taskArn", t.arn(place)},
                      {"clusterArn", place.arn("ecs", "cluster/" + t.cluster)},
                      {"taskDefinitionArn", t.task_definition},
                      {"containers", containers},
                      {"desiredStatus", t.stop_wanted || t.stage >= Stage::deactivating ? "STOPPED" : "RUNNING"},
                      {"lastStatus", status_text(t.stage)},
                      {"group", t.group(get_string(definition, "family"))},
                      {"launchType", "FARGATE"},
                      {"connectivity", "CONNECTED"},
                      {"healthStatus", t.container_health()},
                      {"attachments", attachments(t, times)},
                      {"availabilityZone", place.region + "a"},
                      {"platformVersion", "1.4.0"},
                      {"platformFamily", "Linux"},
                      {"overrides", overrides(t)},
                      {"tags", describe_tags(t.tags)},
                      {"version", t.version}};
  if (has(definition, "cpu")) out["cpu"] = definition.at("cpu");
  if (has(definition, "memory")) out["memory"] = definition.at("memory");
  if (!t.started_by.empty()) out["startedBy"] = t.started_by;
  if (!t.stop_reason.empty()) out["stoppedReason"] = t.stop_reason;
  if (!t.stop_code.empty()) out["stopCode"] = t.stop_code;
  put_time(out, "createdAt", t.created_at, times);
  put_time(out, "pullStartedAt", t.pull_started_at, times);
  put_time(out, "pullStoppedAt", t.pull_stopped_at, times);
  put_time(out, "startedAt", t.started_at, times);
  put_time(out, "stoppingAt", t.stopping_at, times);
  if (t.stage == Stage::stopped) put_time(out, "executionStoppedAt", t.stopped_at, times);
  put_time(out, "stoppedAt", t.stopped_at, times);
  return out;
}

json::object describe_configuration(const ServiceState& state) {
  json::object breaker = {{"enable", state.breaker.enable}, {"rollback", state.breaker.rollback}};
  // What nobody set is not shown, as AWS SDKs from before do not know it.
  const Breaker defaults;
  if (!state.breaker.reset_on_healthy) breaker["resetOnHealthyTask"] = false;
  if (state.breaker.type != defaults.type || state.breaker.value != defaults.value)
    breaker["thresholdConfiguration"] =
        json::object{{"type", threshold_text(state.breaker.type)}, {"value", state.breaker.value}};
  const Takeover& how = state.how;
  const auto minutes = [](Duration time) { return std::chrono::duration_cast<std::chrono::minutes>(time).count(); };
  json::object out = {{"deploymentCircuitBreaker", breaker},
                      {"maximumPercent", state.maximum_percent},
                      {"minimumHealthyPercent", state.minimum_healthy_percent},
                      {"strategy", strategy_text(how.strategy)},
                      {"bakeTimeInMinutes", minutes(how.bake)}};
  if (!state.hooks.empty()) out["lifecycleHooks"] = to_json(state.hooks);
  if (how.strategy == Strategy::linear)
    out["linearConfiguration"] =
        json::object{{"stepPercent", how.step / 10.0}, {"stepBakeTimeInMinutes", minutes(how.step_bake)}};
  if (how.strategy == Strategy::canary)
    out["canaryConfiguration"] =
        json::object{{"canaryPercent", how.step / 10.0}, {"canaryBakeTimeInMinutes", minutes(how.step_bake)}};
  return out;
}

json::object describe(const Hook& hook) {
  json::array stages;
  for (const Phase phase : hook.phases) stages.emplace_back(phase_text(phase));
  json::object out = {
      {"targetType", hook.pause ? "PAUSE" : "AWS_LAMBDA"},
      {"lifecycleStages", stages},
      {"timeoutConfiguration",
       json::object{{"timeoutInMinutes", std::chrono::duration_cast<std::chrono::minutes>(hook.timeout).count()},
                    {"action", hook.continue_on_timeout ? "CONTINUE" : "ROLLBACK"}}}};
  if (!hook.function.empty()) out["hookTargetArn"] = hook.function;
  if (!hook.role.empty()) out["roleArn"] = hook.role;
  if (const auto details = parse_json(hook.details); !hook.details.empty() && details) out["hookDetails"] = *details;
  return out;
}

Hook hook_from(const json::object& given) {
  const json::object timeout = get_object(given, "timeoutConfiguration");
  Hook hook{.pause = get_string(given, "targetType") == "PAUSE",
            .function = get_string(given, "hookTargetArn"),
            .role = get_string(given, "roleArn"),
            .phases = {},
            .details = has(given, "hookDetails") ? json::serialize(given.at("hookDetails")) : "",
            .timeout = std::chrono::minutes(get_int(timeout, "timeoutInMinutes", 1440)),
            .continue_on_timeout = get_string(timeout, "action") == "CONTINUE"};
  for (const std::string& stage : get_strings(given, "lifecycleStages")) {
    for (int phase = static_cast<int>(Phase::reconcile); phase <= static_cast<int>(Phase::clean_up); ++phase) {
      if (stage == phase_text(static_cast<Phase>(phase))) hook.phases.push_back(static_cast<Phase>(phase));
    }
  }
  return hook;
}

std::string target_group(const json::object& load_balancer, bool alternate) {
  return alternate ? get_string(get_object(load_balancer, "advancedConfiguration"), "alternateTargetGroupArn")
                   : get_string(load_balancer, "targetGroupArn");
}

const char* threshold_text(Breaker::Threshold type) {
  switch (type) {
    case Breaker::Threshold::count:
      return "COUNT";
    case Breaker::Threshold::unbounded_percent:
      return "UNBOUNDED_PERCENT";
    case Breaker::Threshold::bounded_percent:
      return "BOUNDED_PERCENT";
  }
  return "";
}

json::object describe(const ServiceRecord& s, const std::vector<TaskRecord>& tasks, const Place& place) {
  const auto count = [&](const std::string& deployment, Stage stage) {
    return std::ranges::count_if(tasks, [&](const TaskRecord& t) {
      return t.stage == stage && !t.stop_wanted && (deployment.empty() || t.deployment == deployment);
    });
  };
  json::array deployments;
  for (const Deployment& d : s.state.deployments) {
    const bool primary = deployments.empty();
    json::object out = s.echo;
    for (const char* member : {"deploymentConfiguration", "schedulingStrategy", "enableECSManagedTags", "propagateTags",
                               "enableExecuteCommand", "deploymentController", "availabilityZoneRebalancing",
                               "healthCheckGracePeriodSeconds"})
      out.erase(member);
    out["id"] = d.id;
    out["status"] = primary ? "PRIMARY" : "ACTIVE";
    out["taskDefinition"] = d.task_definition;
    out["desiredCount"] = primary ? s.state.desired : count(d.id, Stage::running) + count(d.id, Stage::pending);
    out["pendingCount"] = count(d.id, Stage::pending);
    out["runningCount"] = count(d.id, Stage::running);
    out["failedTasks"] = d.failed_tasks;
    out["createdAt"] = epoch_seconds(d.created_at);
    out["updatedAt"] = epoch_seconds(d.updated_at);
    out["rolloutState"] = rollout_text(d.rollout);
    out["rolloutStateReason"] = d.reason;
    deployments.push_back(out);
  }
  json::object out = s.echo;
  out["serviceArn"] = s.arn(place);
  out["serviceName"] = s.name;
  out["clusterArn"] = place.arn("ecs", "cluster/" + s.cluster);
  out["loadBalancers"] = s.load_balancers;
  out["serviceRegistries"] = json::array{};
  out["status"] = s.status;
  out["desiredCount"] = s.state.desired;
  out["runningCount"] = count("", Stage::running);
  out["pendingCount"] = count("", Stage::pending);
  out["taskDefinition"] = s.state.deployments.empty() ? "" : s.state.deployments.front().task_definition;
  out["deploymentConfiguration"] = describe_configuration(s.state);
  out["healthCheckGracePeriodSeconds"] = s.state.grace.count() / 1000;
  out["deployments"] = deployments;
  out["createdAt"] = epoch_seconds(s.created_at);
  if (!s.created_by.empty()) out["createdBy"] = s.created_by;
  out["placementConstraints"] = json::array{};
  out["placementStrategy"] = json::array{};
  out["tags"] = describe_tags(s.tags);
  return out;
}

}  // namespace slipway::ecs
