#include "ecs/worker.h"

#include <fmt/format.h>

#include <algorithm>
#include <csignal>

#include "base/digest.h"
#include "base/log.h"
#include "base/text.h"
#include "database/journal.h"
#include "ecs/container_spec.h"
#include "ecs/definition_rules.h"
#include "ecs/events.h"
#include "ecs/planted.h"
#include "ecs/service_deployment.h"

namespace slipway::ecs {
namespace {

using namespace std::chrono_literals;

constexpr Duration kIdle = 30s;           // A service or task without news is looked at this often: news may be lost.
constexpr Duration kTroubleRetry = 1s;    // After a write that failed.
constexpr Duration kEngineRetry = 500ms;  // An engine that does not answer is asked again.
constexpr Duration kCursorEvery = 1s;     // The log cursor is saved at most this often.
constexpr Duration kStoppedKept = 1h;     // DescribeTasks shows stopped tasks this long.
constexpr Duration kPruneEvery = 5min;
constexpr Duration kHistoryKept = std::chrono::hours(24 * 90);  // Service deployments, as long as ECS shows them.
constexpr Duration kStartTimeout = 3min;  // A container waits for those that it depends on no longer.
constexpr Duration kLastLines = 2s;       // A container that ended is removed once its logs are read, or after this.
constexpr Duration kKillTakes = 10s;      // SIGKILL works at once, unless the kernel is busy.
constexpr Duration kLastLinesEvery = 5ms;
constexpr Duration kHookDelay = 30s;  // Between two calls of a hook that is in progress, unless it says otherwise.
constexpr Duration kHookDelayMax = 1h;
constexpr const char* kEssentialExited = "Essential container in task exited";

bool passing(const Error& error) {
  return error.fault == Fault::unavailable || error.fault == Fault::timed_out;
}

json::object task_detail(const TaskRecord& task) {
  json::object detail = {{"task", task.id}, {"deployment", task.deployment}};
  if (!task.containers.empty()) {
    detail["image"] =
        task.containers.front().pinned.empty() ? task.containers.front().image : task.containers.front().pinned;
    detail["digest"] = task.containers.front().digest;
  }
  return detail;
}

std::string task_subject(const TaskRecord& task) {
  return task.cluster + "/" + (task.service.empty() ? task.id : task.service);
}

void journal_task(database::Transaction& tx, Instant now, std::string_view what, const TaskRecord& task,
                  std::string text) {
  json::object detail = task_detail(task);
  if (!task.stop_reason.empty()) detail["reason"] = task.stop_reason;
  for (const TaskContainer& container : task.containers) {
    if (container.exit_code >= 0) detail["exitCode"] = container.exit_code;
  }
  database::append_journal(tx, now, fmt::format("ecs.task.{}", what), task_subject(task), std::move(text),
                           std::move(detail));
}

std::string short_id(const TaskRecord& task) {
  return task.id.substr(0, 8);
}

}  // namespace

Scheduler::Scheduler(asio::any_io_executor executor, database::Database& db, host::Clock& clock, host::Random& random,
                     Place place, host::Containers& containers, Images& images, TargetGroups& targets,
                     Functions& functions, Logs& logs, EventSink& events, Options options)
    : db_(db),
      clock_(clock),
      random_(random),
      place_(std::move(place)),
      containers_(containers),
      images_(images),
      targets_(targets),
      functions_(functions),
      logs_(logs),
      events_(events),
      options_(std::move(options)),
      group_(std::move(executor)) {}

void Scheduler::start() {
  targets_.on_change([this] {
    for (auto& [name, bell] : service_bells_) bell->ring();
    for (auto& [id, bell] : task_bells_) bell->ring();
  });
  for (const TaskRecord& task : unfinished_tasks(db_.read())) {
    if (planted(Bug::restart_forgets_the_dying) && task.stage >= Stage::deactivating) continue;
    wake_task(task.id);
  }
  for (const ServiceRecord& service : list_services(db_.read(), "")) wake_service(service.cluster, service.name);
  group_.spawn("remove orphans", remove_orphans());
  group_.spawn("prune tasks", again("prune tasks", [this] { return prune(); }));
}

task<void> Scheduler::stop() {
  return group_.stop();
}

task<void> Scheduler::again(std::string name, std::function<task<void>()> work) {
  for (;;) {
    std::string trouble;
    try {
      co_await work();
      co_return;
    } catch (const boost::system::system_error& error) {
      if (error.code() == asio::error::operation_aborted || planted(Bug::ended_by_a_full_disk)) throw;
      trouble = error.what();
    } catch (const std::exception& error) {
      if (planted(Bug::ended_by_a_full_disk)) throw;
      trouble = error.what();
    }
    log_error("ecs", name + " begins again after: " + trouble);
    co_await pause(kTroubleRetry);
  }
}

void Scheduler::wake_service(const std::string& cluster, const std::string& name) {
  auto& bell = service_bells_[cluster + "/" + name];
  if (bell) {
    bell->ring();
    return;
  }
  bell = std::make_unique<Bell>(group_.executor());
  auto work = [this, cluster, name] { return run_service(cluster, name); };
  group_.spawn("service " + cluster + "/" + name, again("service " + cluster + "/" + name, std::move(work)));
}

void Scheduler::wake_task(const std::string& id) {
  auto& bell = task_bells_[id];
  if (bell) {
    bell->ring();
    return;
  }
  bell = std::make_unique<Bell>(group_.executor());
  auto work = [this, id] { return run_task(id); };
  group_.spawn("task " + id, again("task " + id, std::move(work)));
}

// ---- services ----

task<void> Scheduler::run_service(std::string cluster, std::string name) {
  const std::string key = cluster + "/" + name;
  for (;;) {
    const Decision decision = co_await decide(cluster, name);
    for (const std::string& id : decision.wake_tasks) wake_task(id);
    if (decision.gone) break;
    if (decision.traffic_differs) {
      if (co_await carry_traffic(cluster, name)) continue;
      co_await pause(kTroubleRetry);
      continue;
    }
    const auto next_call = call_hooks(cluster, name);
    const Instant now = clock_.now();
    Duration wait = planted(Bug::news_never_lost) ? Duration(1h) : kIdle;
    if (decision.wake_at) wait = std::min(wait, std::max<Duration>(*decision.wake_at - now, 1ms));
    if (next_call) wait = std::min(wait, std::max<Duration>(*next_call - now, 1ms));
    co_await service_bells_.at(key)->wait(wait);
  }
  service_bells_.erase(key);
}

std::map<std::string, Scheduler::Observed> Scheduler::observe(const ServiceRecord& service,
                                                              const std::vector<TaskRecord>& tasks, Instant now,
                                                              std::optional<Instant>& wake_at) {
  std::map<std::string, Observed> seen;
  for (const TaskRecord& task : tasks) {
    if (task.stage != Stage::running) continue;
    Observed& one = seen[task.id];
    const bool balanced = !service.load_balancers.empty();
    if (task.is_checked()) {
      const std::string verdict = task.container_health();
      if (verdict == "HEALTHY") one.health = Health::healthy;
      if (verdict == "UNHEALTHY") one.health = Health::unhealthy;
    } else if (balanced) {
      one.health = Health::healthy;  // Until the load balancer says otherwise, below.
    } else {
      const Instant settled = task.started_at + options_.settle;
      if (now >= settled) one.health = Health::healthy;
      if (now < settled && (!wake_at || settled < *wake_at)) wake_at = settled;
    }
    one.why.task = task.id;
    one.in_traffic = !balanced && one.health == Health::healthy;
  }
  for (const json::value& balancer : service.load_balancers) {
    std::map<std::string, TargetStatus> by_id;
    std::map<std::string, std::string> group_of;
    for (const bool alternate : {false, true}) {
      const std::string arn = target_group(balancer.as_object(), alternate);
      if (arn.empty()) continue;
      for (const TaskRecord& task : tasks) {
        if (task.alternate == alternate) group_of[task.id] = arn;
      }
      for (TargetStatus& target : targets_.targets(arn)) {
        if (group_of[target.id] == arn) by_id[target.id] = target;
      }
    }
    for (auto& [id, one] : seen) {
      const std::string& group = group_of[id];
      const auto target = by_id.find(id);
      const bool known = target != by_id.end();
      if (known && target->second.state == TargetStatus::State::unhealthy && one.health != Health::unhealthy) {
        one.health = Health::unhealthy;
        one.why.target_group = group;
        one.why.port = get_int(balancer.as_object(), "containerPort");
        one.why.reason = target->second.description;
      }
      if (one.health == Health::healthy && (!known || target->second.state != TargetStatus::State::healthy))
        one.health = Health::starting;
      one.in_traffic = known && target->second.in_traffic;
    }
  }
  return seen;
}

task<Scheduler::Decision> Scheduler::decide(std::string cluster, std::string name) {
  const Instant now = clock_.now();
  std::optional<Instant> wake_at;
  const auto known = get_service(db_.read(), cluster, name);
  if (!known) co_return Decision{.gone = true};
  const auto observed = observe(*known, list_tasks(db_.read(), cluster, name), now, wake_at);
  const auto traffic = traffic_of(*known);
  const std::string seed = random_.hex(32);
  const Place place = place_;
  EventSink* events = &events_;
  auto record = [=](database::Transaction& tx) {
    Decision decision{.wake_at = wake_at};
    auto service = get_service(tx, cluster, name);
    if (!service || service->status == "INACTIVE") {
      decision.gone = true;
      return decision;
    }
    auto tasks = list_tasks(tx, cluster, name);
    std::vector<TaskSeen> seen;
    for (TaskRecord& task : tasks) {
      const auto at = observed.find(task.id);
      const Observed one = at == observed.end() ? Observed{} : at->second;
      seen.push_back({.id = task.id,
                      .deployment = task.deployment,
                      .stage = task.stage,
                      .health = one.health,
                      .in_traffic = one.in_traffic,
                      .was_healthy = task.was_healthy,
                      .stop_wanted = task.stop_wanted,
                      .counted = task.counted,
                      .alternate = task.alternate,
                      .started_at = task.started_at,
                      .created_at = task.created_at});
      if (task.stage != Stage::running) continue;
      const bool newly_healthy = one.health == Health::healthy && !task.was_healthy;
      const bool newly_in_traffic = one.in_traffic && !task.was_in_traffic;
      if (newly_healthy) journal_task(tx, now, "healthy", task, fmt::format("task {} is healthy", short_id(task)));
      if (newly_in_traffic)
        journal_task(tx, now, "in_traffic", task,
                     fmt::format("task {} takes traffic at {}", short_id(task), task.address));
      if (newly_healthy || newly_in_traffic) {
        task.was_healthy |= newly_healthy;
        task.was_in_traffic |= newly_in_traffic;
        put_task(tx, task);
      }
    }
    const json::object as_it_was = to_json(*service);
    Plan plan = advance(service->state, seen, now, traffic.value_or(Traffic{.production = -1, .test = -1}));
    const Teller teller{.tx = tx, .now = now, .place = place, .events = *events, .seed = seed};
    service->state = plan.next;
    std::vector<std::string> started;
    for (const std::string& deployment : plan.start) {
      const auto of = std::ranges::find(service->state.deployments, deployment, &Deployment::id);
      TaskRecord task = new_task(*service, *of, get_definition(tx, of->task_definition).value_or(json::object{}),
                                 sha256_hex(seed + std::to_string(started.size())).substr(0, 32), now);
      put_task(tx, task);
      tell_task(tx, task, get_definition(tx, task.task_definition).value_or(json::object{}), place, *events, now);
      started.push_back(task.id);
      decision.wake_tasks.push_back(task.id);
    }
    std::vector<std::string> stopped_running;
    std::size_t stopped_pending = 0;
    for (const StopTask& stop : plan.stop) {
      auto task = get_task(tx, stop.id);
      task->stop_wanted = true;
      task->stop_code = "ServiceSchedulerInitiated";
      task->stop_reason = stop.reason;
      const auto at = observed.find(stop.id);
      if (at != observed.end() && at->second.health == Health::unhealthy && stop.reason.starts_with("Task failed")) {
        tell_unhealthy(teller, *service, at->second.why);
        task->stop_reason = stopped_reason(at->second.why);
      }
      task->stopping_at = now;
      put_task(tx, *task);
      if (task->stage == Stage::running) {
        stopped_running.push_back(stop.id);
      } else {
        ++stopped_pending;
      }
      decision.wake_tasks.push_back(stop.id);
    }
    for (const std::string& id : plan.counted) {
      auto task = get_task(tx, id);
      task->counted = true;
      put_task(tx, *task);
    }
    const auto sick = std::ranges::count_if(
        seen, [](const TaskSeen& task) { return task.health == Health::unhealthy && !task.stop_wanted; });
    if (!started.empty())
      tell_started(teller, *service, started, std::min(started.size(), static_cast<std::size_t>(sick)));
    tell_stopped(teller, *service, stopped_running, stopped_pending);
    for (const Note& note : plan.notes) tell(teller, *service, note);
    if (auto deployment = get_service_deployment(tx, service->service_deployment)) {
      const json::object before = *deployment;
      follow(*deployment, *service, plan.notes, list_tasks(tx, cluster, name), now, place);
      if (*deployment != before) put_service_deployment(tx, *service, *deployment);
    }
    const bool drained =
        std::ranges::all_of(tasks, [](const TaskRecord& task) { return task.stage == Stage::stopped; });
    if (service->status == "DRAINING" && drained && started.empty()) service->status = "INACTIVE";
    if (to_json(*service) != as_it_was) put_service(tx, *service);
    if (plan.wake_at && (!decision.wake_at || *plan.wake_at < *decision.wake_at)) decision.wake_at = plan.wake_at;
    decision.gone = service->status == "INACTIVE";
    decision.traffic_differs = traffic != service->state.traffic;
    return decision;
  };
  co_return co_await db_.write(record);
}

namespace {

// A listener rule that the service's deployments move, and what it is to do.
struct MovedRule {
  std::string arn;
  std::string group;
  std::string alternate;
  bool test = false;
};

std::vector<MovedRule> moved_rules(const ServiceRecord& service) {
  std::vector<MovedRule> out;
  for (const json::value& balancer : service.load_balancers) {
    const json::object advanced = get_object(balancer.as_object(), "advancedConfiguration");
    for (const char* member : {"productionListenerRule", "testListenerRule"}) {
      const std::string rule = get_string(advanced, member);
      if (rule.empty()) continue;
      out.push_back({.arn = rule,
                     .group = target_group(balancer.as_object(), false),
                     .alternate = target_group(balancer.as_object(), true),
                     .test = std::string_view(member) == "testListenerRule"});
    }
  }
  return out;
}

}  // namespace

std::optional<Traffic> Scheduler::traffic_of(const ServiceRecord& service) {
  Traffic seen = service.state.traffic;
  for (const MovedRule& rule : moved_rules(service)) {
    const auto share = targets_.share(rule.arn, rule.group, rule.alternate);
    int& wanted = rule.test ? seen.test : seen.production;
    if (!share) return std::nullopt;
    if (*share != (rule.test ? service.state.traffic.test : service.state.traffic.production)) wanted = *share;
  }
  return seen;
}

// Makes the load balancer do what the state says; false when it did not follow.
task<bool> Scheduler::carry_traffic(std::string cluster, std::string name) {
  const auto service = get_service(db_.read(), cluster, name);
  if (!service) co_return true;
  for (const MovedRule& rule : moved_rules(*service)) {
    const int share = rule.test ? service->state.traffic.test : service->state.traffic.production;
    auto moved = co_await targets_.set_share(rule.arn, rule.group, rule.alternate, share);
    if (moved) continue;
    log_warn("ecs", "cannot move the traffic of " + name + " yet: " + moved.error().message);
    co_return false;
  }
  co_return traffic_of(*service) == service->state.traffic;
}

namespace {

// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/blue-green-deployment-lifecycle-hooks.html
json::object hook_payload(const ServiceRecord& service, const Deployment& deployment, const Hook& hook,
                          const HookRun& run, const Place& place) {
  const std::string target = revision_arn(service, deployment.id, place);
  json::object details = {{"testTrafficWeights", json::object{}},
                          {"productionTrafficWeights", json::object{}},
                          {"serviceArn", service.arn(place)},
                          {"targetServiceRevisionArn", target}};
  const auto weigh = [&](const char* member, int at) {
    for (const Deployment& one : service.state.deployments) {
      const bool between = one.id != deployment.id && !one.was_completed;
      if (!between)
        details[member].as_object()[revision_arn(service, one.id, place)] = (one.alternate ? at : kAll - at) / 10.0;
    }
  };
  if (run.phase >= Phase::test_shift) weigh("testTrafficWeights", service.state.traffic.test);
  if (run.phase >= Phase::production_shift) weigh("productionTrafficWeights", service.state.traffic.production);
  json::object out = {{"executionDetails", details},
                      {"executionId", run.id},
                      {"lifecycleStage", phase_text(run.phase)},
                      {"resourceArn", service.service_deployment}};
  if (const auto given = parse_json(hook.details); !hook.details.empty() && given) out["hookDetails"] = *given;
  return out;
}

}  // namespace

std::optional<Instant> Scheduler::call_hooks(const std::string& cluster, const std::string& name) {
  std::optional<Instant> next;
  const auto service = get_service(db_.read(), cluster, name);
  if (!service || service->state.deployments.empty()) return next;
  const Deployment& newest = service->state.deployments.front();
  for (const HookRun& run : newest.runs) {
    if (run.status != HookRun::Status::in_progress || newest.phase != run.phase || calling_.contains(run.id)) continue;
    if (run.next_at > clock_.now()) {
      if (!next || run.next_at < *next) next = run.next_at;
      continue;
    }
    const Hook& hook = newest.hooks[run.hook];
    calling_.insert(run.id);
    const json::object payload = hook_payload(*service, newest, hook, run, place_);
    auto work = [this, cluster, name, hook, run, payload] { return call_hook(cluster, name, hook, run, payload); };
    group_.spawn("hook " + run.id, again("hook " + run.id, std::move(work)));
  }
  return next;
}

// One call and what it answers.  After a restart in between it is called again.
task<void> Scheduler::call_hook(std::string cluster, std::string name, Hook hook, HookRun run, json::object payload) {
  auto answer = co_await functions_.call(hook.function, hook.role, payload);
  const Instant now = clock_.now();
  HookRun::Status status = HookRun::Status::failed;
  Duration delay = kHookDelay;
  std::string said = answer ? get_string(*answer, "hookStatus") : answer.error().message;
  if (answer && said == "SUCCEEDED") status = HookRun::Status::succeeded;
  if (answer && said == "IN_PROGRESS") {
    status = HookRun::Status::in_progress;
    delay = std::clamp<Duration>(std::chrono::seconds(get_int(*answer, "callBackDelay", kHookDelay / 1s)), 1s,
                                 kHookDelayMax);
  }
  if (!answer && (passing(answer.error()) || answer.error().fault == Fault::throttled)) {
    status = HookRun::Status::in_progress;
    delay = kTroubleRetry;
  }
  if (said.empty()) said = "an answer without hookStatus";
  auto note = [=](database::Transaction& tx) {
    auto service = get_service(tx, cluster, name);
    if (!service) return;
    for (Deployment& one : service->state.deployments) {
      for (HookRun& own : one.runs) {
        if (own.id != run.id || own.status != HookRun::Status::in_progress) continue;
        own.status = status;
        own.next_at = now + delay;
        database::append_journal(tx, now, "ecs.deployment.hook", service->subject(),
                                 fmt::format("{} at {}: {}", hook.function, phase_text(run.phase), said),
                                 {{"deployment", one.id}, {"status", status_text(status)}});
      }
    }
    put_service(tx, *service);
  };
  co_await db_.write(note);
  calling_.erase(run.id);
  wake_service(cluster, name);
}

// ---- tasks ----

task<std::optional<TaskRecord>> Scheduler::change(std::string id,
                                                  std::function<void(database::Transaction&, TaskRecord&)> edit) {
  auto work = [id, edit](database::Transaction& tx) {
    auto task = get_task(tx, id);
    if (task) {
      edit(tx, *task);
      put_task(tx, *task);
    }
    return task;
  };
  co_return co_await db_.write(work);
}

void Scheduler::publish_task(database::Transaction& tx, const TaskRecord& task, Instant now) {
  tell_task(tx, task, get_definition(tx, task.task_definition).value_or(json::object{}), place_, events_, now);
}

bool Scheduler::stop_wanted(const std::string& id) {
  const auto task = get_task(db_.read(), id);
  return !task || task->stop_wanted;
}

task<void> Scheduler::run_task(std::string id) {
  const auto task = get_task(db_.read(), id);
  if (task && task->stage == Stage::pending && !task->stop_wanted) {
    auto launched = co_await launch(id);
    if (!launched) {
      const std::string reason = launched.error().message;
      const bool died = exited_.contains(id);
      auto give_up = [reason, died](database::Transaction&, TaskRecord& record) {
        if (record.stop_wanted) return;
        record.stop_code = died ? "EssentialContainerExited" : "TaskFailedToStart";
        record.stop_reason = died ? kEssentialExited : reason;
      };
      co_await change(id, give_up);
    }
  }
  const auto running = get_task(db_.read(), id);
  if (running && running->stage == Stage::running && !running->stop_wanted) {
    co_await register_targets(id);
    co_await watch_until_stop(id);
  }
  co_await take_down(id);
  task_bells_.erase(id);
  exited_.erase(id);
  if (running) {
    for (const TaskContainer& container : running->containers) watched_.erase(container_name(*running, container.name));
  }
  if (running && !running->service.empty()) wake_service(running->cluster, running->service);
}

// The first task of a deployment settles what its tags mean; all others follow it, those too that start beside it.
task<std::map<std::string, std::string>> Scheduler::settle_images(TaskRecord task,
                                                                  std::map<std::string, std::string> images) {
  const Place place = place_;
  auto settle = [task, images, place](database::Transaction& tx) {
    auto service = get_service(tx, task.cluster, task.service);
    if (!service) return images;
    const auto own = std::ranges::find(service->state.deployments, task.deployment, &Deployment::id);
    if (own == service->state.deployments.end() || planted(Bug::tag_resolved_each_time)) return images;
    if (!own->images.empty()) return own->images;
    own->images = images;
    put_service(tx, *service);
    if (auto revision = get_service_revision(tx, revision_arn(*service, task.deployment, place))) {
      pin_images(*revision, images);
      put_service_revision(tx, *revision);
    }
    return images;
  };
  co_return co_await db_.write(settle);
}

task<Result<ResolvedImage>> Scheduler::resolve_image(std::string image) {
  auto resolved = co_await images_.resolve(image);
  if (!resolved)
    co_return fail(resolved.error().fault, "CannotPullContainerError",
                   "CannotPullContainerError: " + resolved.error().message);
  co_return resolved;
}

task<Result<void>> Scheduler::resolve_images(TaskRecord& task) {
  std::map<std::string, ResolvedImage> resolved;
  std::map<std::string, std::string> images;
  std::map<std::string, std::string> known;
  if (const auto service = get_service(db_.read(), task.cluster, task.service)) {
    const auto own = std::ranges::find(service->state.deployments, task.deployment, &Deployment::id);
    if (own != service->state.deployments.end() && !planted(Bug::tag_resolved_each_time)) known = own->images;
  }
  for (const TaskContainer& container : task.containers) {
    // A task that is taken up after a restart keeps what it resolved before.
    const std::string wanted = !container.pinned.empty()        ? container.pinned
                               : known.contains(container.name) ? known.at(container.name)
                                                                : container.image;
    auto one = co_await resolve_image(wanted);
    if (!one) co_return fail(one);
    images[container.name] = one->reference;
    resolved[container.name] = std::move(*one);
  }
  const auto settled = co_await settle_images(task, images);
  for (TaskContainer& container : task.containers) {
    ResolvedImage& own = resolved.at(container.name);
    const auto wanted = settled.find(container.name);
    if (wanted != settled.end() && wanted->second != own.reference) {
      auto other = co_await resolve_image(wanted->second);
      if (!other) co_return fail(other);
      own = std::move(*other);
    }
    for (;;) {
      auto present = co_await containers_.ensure_image(own.reference, own.login);
      if (present) break;
      if (!passing(present.error()))
        co_return fail(Fault::invalid, "CannotPullContainerError",
                       "CannotPullContainerError: " + present.error().message);
      if (stop_wanted(task.id)) co_return fail(present);
      co_await pause(kEngineRetry);
    }
    container.pinned = own.reference;
    container.digest = own.digest;
  }
  co_return Result<void>{};
}

// Waits until `container` may start: its dependsOn.
task<Result<void>> Scheduler::await_dependencies(std::string id, std::string container, json::object definition) {
  const json::object own = container_definition(definition, {}, container);
  const json::array waits = get_array(own, "dependsOn");
  const Duration limit = has(own, "startTimeout") ? std::chrono::seconds(get_int(own, "startTimeout")) : kStartTimeout;
  const Instant until = clock_.now() + limit;
  for (;;) {
    const auto task = get_task(db_.read(), id);
    if (!task || task->stop_wanted) co_return fail(Fault::conflict, "Stopped", "stopped before it started");
    if (exited_.contains(id)) co_return fail(Fault::conflict, "EssentialContainerExited", kEssentialExited);
    std::string waiting_for;
    for (const json::value& value : waits) {
      const std::string name = get_string(value.as_object(), "containerName");
      const std::string condition = get_string(value.as_object(), "condition");
      const auto on = std::ranges::find(task->containers, name, &TaskContainer::name);
      const Dependency state = dependency(*on, condition);
      if (state == Dependency::impossible)
        co_return fail(
            Fault::invalid, "DependencyFailed",
            fmt::format("container {} cannot start: {} ended with status {} or is unhealthy, and it waits for "
                        "{}",
                        container, name, on->exit_code, condition));
      if (state == Dependency::waiting) waiting_for = name + " to be " + condition;
    }
    if (waiting_for.empty()) co_return Result<void>{};
    if (clock_.now() >= until)
      co_return fail(
          Fault::timed_out, "DependencyTimeout",
          fmt::format("container {} waited for {} longer than {} s", container, waiting_for, limit.count() / 1000));
    co_await task_bells_.at(id)->wait(std::min<Duration>(until - clock_.now(), 1s));
  }
}

task<Result<void>> Scheduler::start_container(std::string id, std::string container, json::object definition) {
  const auto task = get_task(db_.read(), id);
  const auto own = std::ranges::find(task->containers, container, &TaskContainer::name);
  host::ContainerSpec spec = container_spec(*task, *own, definition);
  spec.labels[kInstanceLabel] = options_.instance_id;
  spec.labels[kTaskLabel] = id;
  spec.labels["slipway.cluster"] = task->cluster;
  for (;;) {
    auto made = co_await containers_.create(spec);
    // One that ran before a restart of ours is not run again.
    const bool fresh = made && made->state == host::Container::State::created;
    auto started = fresh ? co_await containers_.start(made->id) : made;
    if (started) {
      const std::string runtime_id = started->id;
      const std::string address = network_owner(definition) == container ? started->address : "";
      auto keep = [container, runtime_id, address](database::Transaction&, TaskRecord& record) {
        for (TaskContainer& one : record.containers) {
          if (one.name == container) one.runtime_id = runtime_id;
        }
        if (!address.empty()) record.address = address;
      };
      co_await change(id, keep);
      if (own->essential && started->state == host::Container::State::exited) exited_.insert(id);
      watch(*task, container, definition);
      co_return Result<void>{};
    }
    if (!passing(started.error()))
      co_return fail(Fault::invalid, "CannotStartContainerError",
                     "CannotStartContainerError: " + started.error().message);
    if (stop_wanted(id)) co_return fail(started);
    co_await pause(kEngineRetry);
  }
}

task<Result<void>> Scheduler::start_containers(std::string id, json::object definition) {
  for (const std::string& container : start_order(definition)) {
    auto ready = co_await await_dependencies(id, container, definition);
    if (!ready) co_return ready;
    auto started = co_await start_container(id, container, definition);
    if (!started) co_return started;
  }
  co_return Result<void>{};
}

task<Result<void>> Scheduler::launch(std::string id) {
  auto task = get_task(db_.read(), id);
  const auto definition = get_definition(db_.read(), task->task_definition);
  if (!definition)
    co_return fail(Fault::not_found, "ClientException", "the task definition " + task->task_definition + " is gone");
  const Instant pull_started = clock_.now();
  auto resolved = co_await resolve_images(*task);
  if (!resolved) co_return resolved;
  if (stop_wanted(id)) co_return fail(Fault::conflict, "Stopped", "stopped before it started");
  const Instant pull_stopped = clock_.now();
  const auto images = task->containers;
  auto keep_images = [images, pull_started, pull_stopped](database::Transaction&, TaskRecord& record) {
    record.pull_started_at = pull_started;
    record.pull_stopped_at = pull_stopped;
    for (std::size_t i = 0; i < record.containers.size() && i < images.size(); ++i) {
      record.containers[i].pinned = images[i].pinned;
      record.containers[i].digest = images[i].digest;
    }
  };
  co_await change(id, keep_images);
  auto started = co_await start_containers(id, *definition);
  if (!started) co_return started;
  if (exited_.contains(id)) co_return fail(Fault::conflict, "EssentialContainerExited", kEssentialExited);
  const Instant now = clock_.now();
  auto run = [this, now](database::Transaction& tx, TaskRecord& record) {
    record.stage = Stage::running;
    record.started_at = now;
    ++record.version;
    journal_task(tx, now, "started", record,
                 fmt::format("task {} started {}", short_id(record), record.containers.front().pinned.substr(0, 90)));
    publish_task(tx, record, now);
  };
  co_await change(id, run);
  if (!task->service.empty()) wake_service(task->cluster, task->service);
  co_return Result<void>{};
}

task<void> Scheduler::register_targets(std::string id) {
  const auto task = get_task(db_.read(), id);
  const auto service = get_service(db_.read(), task->cluster, task->service);
  if (!service) co_return;
  for (const json::value& value : service->load_balancers) {
    const std::string arn = target_group(value.as_object(), task->alternate);
    const int port = static_cast<int>(get_int(value.as_object(), "containerPort"));
    for (;;) {
      auto registered = co_await targets_.register_target(arn, id, task->address, port);
      if (registered) {
        co_await tell_in_traffic(id, arn);
        break;
      }
      log_error("ecs", "cannot register task " + id + " in " + arn + ": " + registered.error().message);
      if (!passing(registered.error()) || stop_wanted(id) || exited_.contains(id)) break;
      co_await pause(kEngineRetry);
    }
  }
}

// Told once each, however often the daemon starts again in between.
task<void> Scheduler::tell_in_traffic(std::string id, std::string target_group) {
  const Instant now = clock_.now();
  const std::string seed = random_.hex(32);
  auto tell = [this, now, seed, target_group](database::Transaction& tx, TaskRecord& record) {
    const auto service = get_service(tx, record.cluster, record.service);
    if (record.registered || !service) return;
    record.registered = true;
    const Teller teller{.tx = tx, .now = now, .place = place_, .events = events_, .seed = seed};
    tell_registered(teller, *service, target_group);
  };
  co_await change(id, tell);
}

task<void> Scheduler::tell_out_of_traffic(std::string id, std::string target_group) {
  const Instant now = clock_.now();
  const std::string seed = random_.hex(32);
  auto tell = [this, now, seed, target_group](database::Transaction& tx, TaskRecord& record) {
    const auto service = get_service(tx, record.cluster, record.service);
    if (!record.registered || !service) return;
    record.registered = false;
    const Teller teller{.tx = tx, .now = now, .place = place_, .events = events_, .seed = seed};
    tell_draining(teller, *service, record.deployment, target_group);
  };
  co_await change(id, tell);
}

void Scheduler::watch(const TaskRecord& task, const std::string& container, const json::object& definition) {
  const std::string name = container_name(task, container);
  if (!watched_.insert(name).second) return;
  running_.insert(name);
  const std::string id = task.id;
  auto exit = [this, id, container] { return watch_exit(id, container); };
  auto logs = [this, id, container] { return follow_logs(id, container); };
  group_.spawn("exit of " + container, again("exit of " + container, std::move(exit)));
  group_.spawn("logs of " + container, again("logs of " + container, std::move(logs)));
  const json::object check = get_object(container_definition(definition, task.overrides, container), "healthCheck");
  auto health = [this, id, container, check] { return check_health(id, container, check); };
  if (!check.empty()) group_.spawn("health of " + container, again("health of " + container, std::move(health)));
}

task<void> Scheduler::watch_until_stop(std::string id) {
  const auto task = get_task(db_.read(), id);
  const json::object definition = get_definition(db_.read(), task->task_definition).value_or(json::object{});
  for (const TaskContainer& container : task->containers) watch(*task, container.name, definition);
  while (!stop_wanted(id) && !exited_.contains(id)) co_await task_bells_.at(id)->wait(kIdle);
}

task<void> Scheduler::watch_exit(std::string id, std::string container) {
  const auto task = get_task(db_.read(), id);
  for (;;) {
    auto ended = co_await containers_.wait_for_exit(container_name(*task, container));
    if (!ended && passing(ended.error())) {
      co_await pause(kEngineRetry);
      continue;
    }
    const bool vanished = !ended;
    const int code = vanished ? 137 : ended->exit_code;
    const std::string why = vanished               ? "the container is gone"
                            : ended->out_of_memory ? "OutOfMemoryError: Container killed due to memory usage"
                                                   : ended->error;
    auto note_exit = [container, code, why](database::Transaction&, TaskRecord& record) {
      for (TaskContainer& one : record.containers) {
        if (one.name != container) continue;
        one.exit_code = code;
        one.reason = why;
      }
    };
    co_await change(id, note_exit);
    const auto own = std::ranges::find(task->containers, container, &TaskContainer::name);
    if (own->essential) exited_.insert(id);
    running_.erase(container_name(*task, container));
    if (task_bells_.contains(id)) wake_task(id);
    co_return;
  }
}

task<void> Scheduler::follow_logs(std::string id, std::string container) {
  const auto task = get_task(db_.read(), id);
  const json::object definition = get_definition(db_.read(), task->task_definition).value_or(json::object{});
  const json::object from = container_definition(definition, task->overrides, container);
  const json::object options = get_object(get_object(from, "logConfiguration"), "options");
  const std::string group = get_string(options, "awslogs-group");
  if (group.empty()) co_return;
  const std::string engine_name = container_name(*task, container);
  following_.insert(engine_name);
  const std::string stream = get_string(options, "awslogs-stream-prefix", "ecs") + "/" + container + "/" + id;
  const auto own = std::ranges::find(task->containers, container, &TaskContainer::name);
  auto cursor = std::make_shared<std::string>(own->log_cursor);
  std::string saved = *cursor;
  auto sink = [this, cursor, group, stream](host::LogLine line) {
    *cursor = line.nanoseconds;
    logs_.append(group, stream, {.at = line.at, .message = line.text});
    return true;
  };
  for (;;) {
    auto following = containers_.follow_logs(engine_name, *cursor, sink);
    auto ended = co_await with_deadline(kCursorEvery * 10, std::move(following));
    if (*cursor != saved) {
      saved = *cursor;
      auto save = [container, saved](database::Transaction&, TaskRecord& record) {
        for (TaskContainer& one : record.containers) {
          if (one.name == container) one.log_cursor = saved;
        }
      };
      co_await change(id, save);
    }
    if (ended && (*ended || !passing(ended->error()))) break;
    if (ended) co_await pause(kEngineRetry);
  }
  following_.erase(engine_name);
}

task<void> Scheduler::check_health(std::string id, std::string container, json::object check) {
  auto command = get_strings(check, "command");
  if (command.empty() || command[0] == "NONE") co_return;
  if (command[0] == "CMD-SHELL") {
    command = {"/bin/sh", "-c", command.size() > 1 ? command[1] : ""};
  } else if (command[0] == "CMD") {
    command.erase(command.begin());
  }
  const Duration interval = std::chrono::seconds(get_int(check, "interval", 30));
  const Duration timeout = std::chrono::seconds(get_int(check, "timeout", 5));
  const long long retries = get_int(check, "retries", 3);
  const auto task = get_task(db_.read(), id);
  const Instant began = task->started_at == Instant{} ? clock_.now() : task->started_at;
  const Instant counts_from = began + Duration(std::chrono::seconds(get_int(check, "startPeriod")));
  long long failures = 0;
  bool first =
      true;  // The engine would wait an interval before it; that it comes early must not count against the task.
  std::string shown = std::ranges::find(task->containers, container, &TaskContainer::name)->health;
  while (!stop_wanted(id) && !exited_.contains(id)) {
    auto outcome = co_await containers_.exec(container_name(*task, container), command, timeout);
    const bool good = outcome && *outcome == 0;
    if (!good && !outcome && outcome.error().fault == Fault::unavailable) {
      co_await pause(kEngineRetry);
      continue;
    }
    failures = good || first || clock_.now() < counts_from ? 0 : failures + 1;
    first = false;
    const std::string verdict = good ? "HEALTHY" : failures >= retries ? "UNHEALTHY" : shown;
    if (verdict != shown) {
      shown = verdict;
      auto save = [container, verdict](database::Transaction&, TaskRecord& record) {
        for (TaskContainer& one : record.containers) {
          if (one.name == container) one.health = verdict;
        }
      };
      co_await change(id, save);
      if (task_bells_.contains(id)) wake_task(id);
      if (!task->service.empty()) wake_service(task->cluster, task->service);
    }
    co_await pause(interval);
  }
}

// ---- the end of a task ----

task<void> Scheduler::take_down(std::string id) {
  const auto before = get_task(db_.read(), id);
  if (!before || before->stage == Stage::stopped) co_return;
  if (before->stage == Stage::running) {
    const Instant now = clock_.now();
    const bool died = exited_.contains(id);
    auto deactivate = [this, now, died](database::Transaction& tx, TaskRecord& record) {
      record.stage = Stage::deactivating;
      ++record.version;
      if (record.stopping_at == Instant{}) record.stopping_at = now;
      if (!record.stop_wanted && record.stop_reason.empty()) {
        record.stop_code = "EssentialContainerExited";
        record.stop_reason = kEssentialExited;
      }
      journal_task(tx, now, "draining", record,
                   died ? fmt::format("task {} ended by itself; out of traffic", short_id(record))
                        : fmt::format("task {} is drained", short_id(record)));
      publish_task(tx, record, now);
    };
    co_await change(id, deactivate);
  }
  const auto task = get_task(db_.read(), id);
  const bool stays = planted(Bug::target_left_behind) && exited_.contains(id);
  if (task->stage == Stage::deactivating && !planted(Bug::signalled_in_traffic) && !stays)
    co_await leave_traffic(*task);
  co_await end_containers(id);
  co_await finish(id, "", "");
}

task<void> Scheduler::leave_traffic(const TaskRecord& task) {
  const TaskRecord own = task;  // The caller's may change while we wait.
  const auto service = get_service(db_.read(), own.cluster, own.service);
  if (!service) co_return;
  for (const json::value& balancer : service->load_balancers) {
    const std::string arn = target_group(balancer.as_object(), own.alternate);
    for (;;) {
      auto out = co_await targets_.deregister_target(arn, own.id);
      if (out || out.error().fault == Fault::not_found) break;
      log_warn("ecs", "cannot take task " + own.id + " out of traffic yet: " + out.error().message);
      co_await pause(kEngineRetry);
    }
    co_await tell_out_of_traffic(own.id, arn);
    for (;;) {
      const auto targets = targets_.targets(arn);
      if (std::ranges::none_of(targets, [&](const TargetStatus& target) { return target.id == own.id; })) break;
      co_await task_bells_.at(own.id)->wait(1s);
    }
  }
}

// One container: its stop signal, SIGKILL after its stop time-out, the last of its logs, and it is removed.
task<void> Scheduler::end_container(std::string id, std::string container, json::object definition) {
  const auto task = get_task(db_.read(), id);
  const std::string name = container_name(*task, container);
  auto there = co_await containers_.inspect(name);
  while (!there && passing(there.error())) {
    co_await pause(kEngineRetry);
    there = co_await containers_.inspect(name);
  }
  if (!there) co_return;  // Never made, or gone.
  if (there->state == host::Container::State::running) {
    const Duration grace = planted(Bug::killed_without_grace)
                               ? Duration(1ms)
                               : stop_timeout(container_definition(definition, task->overrides, container));
    co_await signal_surely(name, there->stop_signal.empty() ? "SIGTERM" : there->stop_signal);
    if (!co_await ends_within(name, grace)) {
      co_await signal_surely(name, "SIGKILL");
      (void)co_await ends_within(name, kKillTakes);
    }
  }
  auto last = co_await containers_.inspect(name);
  if (last && last->state == host::Container::State::exited) {
    const int code = last->exit_code;
    auto note_exit = [container, code](database::Transaction&, TaskRecord& record) {
      for (TaskContainer& one : record.containers) {
        if (one.name == container && one.exit_code < 0) one.exit_code = code;
      }
    };
    co_await change(id, note_exit);
  }
  const auto unread = [&] { return following_.contains(name) || running_.contains(name); };
  for (Duration waited{}; unread() && waited < kLastLines; waited += kLastLinesEvery) co_await pause(kLastLinesEvery);
  co_await remove_surely(name);
}

// Engine trouble passes: what has to be done is tried until it is done, or cannot be.
task<void> Scheduler::signal_surely(std::string container, std::string signal) {
  for (;;) {
    auto sent = co_await containers_.signal(container, signal);
    if (sent || !passing(sent.error())) co_return;
    co_await pause(kEngineRetry);
  }
}

task<void> Scheduler::remove_surely(std::string container) {
  for (;;) {
    auto removed = co_await containers_.remove(container);
    if (!removed && !passing(removed.error()))
      log_warn("ecs", "cannot remove container " + container + ": " + removed.error().message);
    if (removed || !passing(removed.error())) co_return;
    co_await pause(kEngineRetry);
  }
}

// False when it still runs after `limit`; an engine that does not answer says nothing about that.
task<bool> Scheduler::ends_within(std::string container, Duration limit) {
  const Instant until = clock_.now() + limit;
  for (;;) {
    auto ending = containers_.wait_for_exit(container);
    auto ended = co_await with_deadline(std::max<Duration>(until - clock_.now(), 1ms), std::move(ending));
    if (!ended) co_return false;
    if (*ended || !passing(ended->error())) co_return true;
    if (clock_.now() >= until) co_return false;
    co_await pause(kEngineRetry);
  }
}

task<void> Scheduler::end_containers(std::string id) {
  const auto task = get_task(db_.read(), id);
  const json::object definition = get_definition(db_.read(), task->task_definition).value_or(json::object{});
  if (task->stage != Stage::pending) {
    const Instant now = clock_.now();
    auto stopping = [this, now](database::Transaction& tx, TaskRecord& record) {
      if (record.stage == Stage::stopping) return;
      record.stage = Stage::stopping;
      ++record.version;
      journal_task(tx, now, "stopping", record, fmt::format("task {} is asked to stop", short_id(record)));
      publish_task(tx, record, now);
    };
    co_await change(id, stopping);
  }
  // Those that wait for others at the start end before them.
  auto order = start_order(definition);
  std::ranges::reverse(order);
  for (const std::string& container : order) co_await end_container(id, container, definition);
}

task<void> Scheduler::finish(std::string id, std::string code, std::string reason) {
  const Instant now = clock_.now();
  auto stopped = [this, now, code, reason](database::Transaction& tx, TaskRecord& record) {
    if (record.stage == Stage::stopped) return;
    record.stage = Stage::stopped;
    record.stopped_at = now;
    ++record.version;
    if (record.stop_code.empty()) record.stop_code = code;
    if (record.stop_reason.empty()) record.stop_reason = reason;
    journal_task(tx, now, "stopped", record, fmt::format("task {} stopped: {}", short_id(record), record.stop_reason));
    publish_task(tx, record, now);
  };
  const auto task = co_await change(id, stopped);
  if (task && !task->service.empty()) wake_service(task->cluster, task->service);
}

// ---- housekeeping ----

task<void> Scheduler::remove_orphans() {
  for (;;) {
    auto all = co_await containers_.list(kInstanceLabel, options_.instance_id);
    if (all) {
      for (const host::Container& container : *all) {
        const auto label = container.labels.find(kTaskLabel);
        const auto owner = label == container.labels.end() ? std::nullopt : get_task(db_.read(), label->second);
        if (owner && owner->stage != Stage::stopped) continue;
        log_info("ecs", "removing container " + container.name + ", which belongs to no task");
        co_await remove_surely(container.id);
      }
      co_return;
    }
    co_await pause(kEngineRetry);
  }
}

task<void> Scheduler::prune() {
  for (;;) {
    const Instant before = clock_.now() - kStoppedKept;
    const Instant history = clock_.now() - kHistoryKept;
    auto forget = [before, history](database::Transaction& tx) {
      prune_tasks(tx, before);
      prune_definitions(tx);
      prune_history(tx, history);
    };
    co_await db_.write(forget);
    co_await pause(kPruneEvery);
  }
}

}  // namespace slipway::ecs
