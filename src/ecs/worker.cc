#include "ecs/worker.h"

#include <fmt/format.h>

#include <algorithm>
#include <csignal>

#include "base/digest.h"
#include "base/log.h"
#include "base/text.h"
#include "database/journal.h"
#include "ecs/container_spec.h"
#include "ecs/events.h"
#include "ecs/service_deployment.h"

namespace slipway::ecs {
namespace {

using namespace std::chrono_literals;

constexpr Duration kIdle = 1h;            // A service without news is looked at this often.
constexpr Duration kEngineRetry = 500ms;  // An engine that does not answer is asked again.
constexpr Duration kCursorEvery = 1s;     // The log cursor is saved at most this often.
constexpr Duration kStoppedKept = 1h;     // DescribeTasks shows stopped tasks this long.
constexpr Duration kPruneEvery = 5min;

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

std::string container_name(const TaskRecord& task, const std::string& container) {
  return "slipway-" + task.id + "-" + container;
}

Scheduler::Scheduler(asio::any_io_executor executor, database::Database& db, host::Clock& clock, host::Random& random,
                     Place place, host::Containers& containers, Images& images, TargetGroups& targets, Logs& logs,
                     EventSink& events, Options options)
    : db_(db),
      clock_(clock),
      random_(random),
      place_(std::move(place)),
      containers_(containers),
      images_(images),
      targets_(targets),
      logs_(logs),
      events_(events),
      options_(std::move(options)),
      group_(std::move(executor)) {}

void Scheduler::start() {
  targets_.on_change([this] {
    for (auto& [name, bell] : service_bells_) bell->ring();
    for (auto& [id, bell] : task_bells_) bell->ring();
  });
  for (const TaskRecord& task : unfinished_tasks(db_.read())) wake_task(task.id);
  for (const ServiceRecord& service : list_services(db_.read(), "")) wake_service(service.cluster, service.name);
  group_.spawn("remove orphans", remove_orphans());
  group_.spawn("prune tasks", prune());
}

task<void> Scheduler::stop() {
  return group_.stop();
}

void Scheduler::wake_service(const std::string& cluster, const std::string& name) {
  auto& bell = service_bells_[cluster + "/" + name];
  if (bell) {
    bell->ring();
    return;
  }
  bell = std::make_unique<Bell>(group_.executor());
  group_.spawn("service " + cluster + "/" + name, run_service(cluster, name));
}

void Scheduler::wake_task(const std::string& id) {
  auto& bell = task_bells_[id];
  if (bell) {
    bell->ring();
    return;
  }
  bell = std::make_unique<Bell>(group_.executor());
  group_.spawn("task " + id, run_task(id));
}

// ---- services ----

task<void> Scheduler::run_service(std::string cluster, std::string name) {
  const std::string key = cluster + "/" + name;
  for (;;) {
    const Decision decision = co_await decide(cluster, name);
    for (const std::string& id : decision.wake_tasks) wake_task(id);
    if (decision.gone) break;
    const Instant now = clock_.now();
    const Duration wait = decision.wake_at ? std::max<Duration>(*decision.wake_at - now, 1ms) : kIdle;
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
    const bool container_judged = task.container_health != "UNKNOWN" || service.load_balancers.empty();
    if (task.container_health == "HEALTHY") one.health = Health::healthy;
    if (task.container_health == "UNHEALTHY") one.health = Health::unhealthy;
    if (service.load_balancers.empty() && task.container_health == "UNKNOWN") {
      const Instant settled = task.started_at + options_.settle;
      if (now >= settled) one.health = Health::healthy;
      if (now < settled && (!wake_at || settled < *wake_at)) wake_at = settled;
    }
    one.in_traffic = service.load_balancers.empty() && one.health == Health::healthy;
    if (!container_judged) one.health = Health::healthy;  // Until the load balancer says otherwise, below.
  }
  for (const json::value& balancer : service.load_balancers) {
    std::map<std::string, TargetStatus> by_id;
    for (TargetStatus& target : targets_.targets(get_string(balancer.as_object(), "targetGroupArn")))
      by_id[target.id] = target;
    for (auto& [id, one] : seen) {
      const auto target = by_id.find(id);
      const bool known = target != by_id.end();
      if (known && target->second.state == TargetStatus::State::unhealthy) one.health = Health::unhealthy;
      if (one.health == Health::healthy && (!known || target->second.state != TargetStatus::State::healthy))
        one.health = Health::starting;
      one.in_traffic = known && target->second.in_traffic;
      if (known) one.description = target->second.description;
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
    Plan plan = advance(service->state, seen, now);
    const Teller teller{.tx = tx, .now = now, .place = place, .events = *events, .seed = seed};
    service->state = plan.next;
    std::vector<std::string> started;
    for (const std::string& deployment : plan.start) {
      const auto of = std::ranges::find(service->state.deployments, deployment, &Deployment::id);
      TaskRecord task = new_task(*service, *of, get_definition(tx, of->task_definition).value_or(json::object{}),
                                 sha256_hex(seed + std::to_string(started.size())).substr(0, 32), now);
      put_task(tx, task);
      started.push_back(task.id);
      decision.wake_tasks.push_back(task.id);
    }
    for (const StopTask& stop : plan.stop) {
      auto task = get_task(tx, stop.id);
      task->stop_wanted = true;
      task->stop_code = "ServiceSchedulerInitiated";
      const auto at = observed.find(stop.id);
      const bool unhealthy = stop.reason.starts_with("Task failed");
      task->stop_reason = unhealthy && at != observed.end() && !at->second.description.empty()
                              ? stop.reason + ": " + at->second.description
                              : stop.reason;
      task->stopping_at = now;
      put_task(tx, *task);
      decision.wake_tasks.push_back(stop.id);
    }
    for (const std::string& id : plan.counted) {
      auto task = get_task(tx, id);
      task->counted = true;
      put_task(tx, *task);
    }
    if (!started.empty()) tell_started(teller, *service, started);
    for (const Note& note : plan.notes) tell(teller, *service, note);
    if (auto deployment = get_service_deployment(tx, service->service_deployment)) {
      const json::object before = *deployment;
      follow(*deployment, *service, plan.notes, list_tasks(tx, cluster, name), now, place);
      if (*deployment != before) put_service_deployment(tx, *service, *deployment);
    }
    const bool drained =
        std::ranges::all_of(tasks, [](const TaskRecord& task) { return task.stage == Stage::stopped; });
    if (service->status == "DRAINING" && drained && started.empty()) service->status = "INACTIVE";
    put_service(tx, *service);
    if (plan.wake_at && (!decision.wake_at || *plan.wake_at < *decision.wake_at)) decision.wake_at = plan.wake_at;
    decision.gone = service->status == "INACTIVE";
    return decision;
  };
  co_return co_await db_.write(record);
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
  const json::object definition = get_definition(tx, task.task_definition).value_or(json::object{});
  json::object detail = describe(task, place_, definition, Times::iso);
  detail["updatedAt"] = iso_millis(now);
  detail.erase("tags");
  detail.erase("healthStatus");
  events_.publish(tx, Event{.id = {},
                            .source = "aws.ecs",
                            .detail_type = "ECS Task State Change",
                            .account = place_.account,
                            .region = place_.region,
                            .time = now,
                            .resources = {task.arn(place_)},
                            .detail = detail});
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
      auto give_up = [reason](database::Transaction&, TaskRecord& record) {
        if (record.stop_wanted) return;
        record.stop_code = "TaskFailedToStart";
        record.stop_reason = reason;
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
  if (running && !running->service.empty()) wake_service(running->cluster, running->service);
}

task<Result<void>> Scheduler::resolve_images(TaskRecord& task) {
  std::map<std::string, std::string> known;
  std::optional<host::RegistryLogin> login;
  const auto service = get_service(db_.read(), task.cluster, task.service);
  if (service) {
    const auto of = std::ranges::find(service->state.deployments, task.deployment, &Deployment::id);
    if (of != service->state.deployments.end()) known = of->images;
  }
  for (TaskContainer& container : task.containers) {
    const std::string wanted = known.contains(container.name) ? known.at(container.name) : container.image;
    auto resolved = co_await images_.resolve(wanted);
    if (!resolved)
      co_return fail(resolved.error().fault, "CannotPullContainerError",
                     "CannotPullContainerError: " + resolved.error().message);
    for (;;) {
      auto present = co_await containers_.ensure_image(resolved->reference, resolved->login);
      if (present) break;
      if (!passing(present.error()))
        co_return fail(Fault::invalid, "CannotPullContainerError",
                       "CannotPullContainerError: " + present.error().message);
      if (stop_wanted(task.id)) co_return fail(present);
      co_await pause(kEngineRetry);
    }
    container.pinned = resolved->reference;
    container.digest = resolved->digest;
    known[container.name] = resolved->reference;
  }
  // The first task of a deployment settles what its tags mean; all later ones follow it.
  const std::string cluster = task.cluster;
  const std::string name = task.service;
  const std::string deployment = task.deployment;
  const Place place = place_;
  auto settle = [cluster, name, deployment, known, place](database::Transaction& tx) {
    auto now = get_service(tx, cluster, name);
    if (!now) return;
    for (Deployment& one : now->state.deployments) {
      if (one.id != deployment || !one.images.empty()) continue;
      one.images = known;
      auto revision = get_service_revision(tx, revision_arn(*now, deployment, place));
      if (!revision) continue;
      pin_images(*revision, known);
      put_service_revision(tx, *revision);
    }
    put_service(tx, *now);
  };
  co_await db_.write(settle);
  co_return Result<void>{};
}

task<Result<void>> Scheduler::start_containers(TaskRecord& task, const json::object& definition) {
  for (TaskContainer& container : task.containers) {
    host::ContainerSpec spec = container_spec(task, container, definition);
    spec.labels[kInstanceLabel] = options_.instance_id;
    spec.labels[kTaskLabel] = task.id;
    spec.labels["slipway.cluster"] = task.cluster;
    for (;;) {
      auto made = co_await containers_.create(spec);
      auto started = made ? co_await containers_.start(made->id) : made;
      if (started) {
        container.runtime_id = started->id;
        if (task.address.empty()) task.address = started->address;
        break;
      }
      if (!passing(started.error()))
        co_return fail(Fault::invalid, "CannotStartContainerError",
                       "CannotStartContainerError: " + started.error().message);
      if (stop_wanted(task.id)) co_return fail(started);
      co_await pause(kEngineRetry);
    }
  }
  co_return Result<void>{};
}

task<Result<void>> Scheduler::launch(std::string id) {
  auto task = get_task(db_.read(), id);
  const auto definition = get_definition(db_.read(), task->task_definition);
  if (!definition)
    co_return fail(Fault::not_found, "ClientException", "the task definition " + task->task_definition + " is gone");
  auto resolved = co_await resolve_images(*task);
  if (!resolved) co_return resolved;
  if (stop_wanted(id)) co_return fail(Fault::conflict, "Stopped", "stopped before it started");
  const auto images = task->containers;
  auto keep_images = [images](database::Transaction&, TaskRecord& record) { record.containers = images; };
  co_await change(id, keep_images);
  auto started = co_await start_containers(*task, *definition);
  if (!started) co_return started;
  const Instant now = clock_.now();
  const TaskRecord launched = *task;
  auto run = [this, launched, now](database::Transaction& tx, TaskRecord& record) {
    record.stage = Stage::running;
    record.containers = launched.containers;
    record.address = launched.address;
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
    const std::string arn = get_string(value.as_object(), "targetGroupArn");
    const int port = static_cast<int>(get_int(value.as_object(), "containerPort"));
    auto registered = co_await targets_.register_target(arn, id, task->address, port);
    if (!registered) log_error("ecs", "cannot register task " + id + " in " + arn + ": " + registered.error().message);
  }
}

task<void> Scheduler::watch_until_stop(std::string id) {
  const auto task = get_task(db_.read(), id);
  const json::object definition = get_definition(db_.read(), task->task_definition).value_or(json::object{});
  for (const TaskContainer& container : task->containers) {
    group_.spawn("exit of " + container.name, watch_exit(id, container.name));
    group_.spawn("logs of " + container.name, follow_logs(id, container.name));
    const json::object check =
        get_object(container_definition(definition, task->overrides, container.name), "healthCheck");
    if (!check.empty()) group_.spawn("health of " + container.name, check_health(id, container.name, check));
  }
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
    bool essential = true;
    auto note_exit = [container, code, why, &essential](database::Transaction&, TaskRecord& record) {
      for (TaskContainer& one : record.containers) {
        if (one.name != container) continue;
        one.exit_code = code;
        one.reason = why;
        essential = one.essential;
      }
    };
    co_await change(id, note_exit);
    if (essential) {
      exited_.insert(id);
      wake_task(id);
    }
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
    auto following = containers_.follow_logs(container_name(*task, container), *cursor, sink);
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
    if (ended && *ended) co_return;
    if (ended && !passing(ended->error())) co_return;
    if (ended) co_await pause(kEngineRetry);
  }
}

task<void> Scheduler::check_health(std::string id, std::string container, json::object check) {
  auto command = get_strings(check, "command");
  if (command.empty()) co_return;
  if (command[0] == "CMD-SHELL") {
    command = {"/bin/sh", "-c", command.size() > 1 ? command[1] : ""};
  } else if (command[0] == "CMD") {
    command.erase(command.begin());
  }
  const Duration interval = std::chrono::seconds(get_int(check, "interval", 30));
  const Duration timeout = std::chrono::seconds(get_int(check, "timeout", 5));
  const long long retries = get_int(check, "retries", 3);
  const auto task = get_task(db_.read(), id);
  const Instant counts_from = task->started_at + Duration(std::chrono::seconds(get_int(check, "startPeriod")));
  long long failures = 0;
  std::string shown = task->container_health;
  while (!stop_wanted(id) && !exited_.contains(id)) {
    auto outcome = co_await containers_.exec(container_name(*task, container), command, timeout);
    const bool good = outcome && *outcome == 0;
    if (!good && !outcome && outcome.error().fault == Fault::unavailable) {
      co_await pause(kEngineRetry);
      continue;
    }
    failures = good ? 0 : clock_.now() < counts_from ? 0 : failures + 1;
    const std::string verdict = good ? "HEALTHY" : failures >= retries ? "UNHEALTHY" : shown;
    if (verdict != shown) {
      shown = verdict;
      auto save = [verdict](database::Transaction&, TaskRecord& record) { record.container_health = verdict; };
      co_await change(id, save);
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
        record.stop_reason = "Essential container in task exited";
      }
      journal_task(tx, now, "draining", record,
                   died ? fmt::format("task {} ended by itself; out of traffic", short_id(record))
                        : fmt::format("task {} is drained", short_id(record)));
      publish_task(tx, record, now);
    };
    co_await change(id, deactivate);
  }
  const auto task = get_task(db_.read(), id);
  if (task->stage == Stage::deactivating) co_await leave_traffic(*task);
  co_await end_containers(id);
  co_await finish(id, "", "");
}

task<void> Scheduler::leave_traffic(const TaskRecord& task) {
  const TaskRecord own = task;  // The caller's may change while we wait.
  const auto service = get_service(db_.read(), own.cluster, own.service);
  if (!service) co_return;
  for (const json::value& balancer : service->load_balancers) {
    const std::string arn = get_string(balancer.as_object(), "targetGroupArn");
    for (;;) {
      auto out = co_await targets_.deregister_target(arn, own.id);
      if (out || out.error().fault == Fault::not_found) break;
      log_warn("ecs", "cannot take task " + own.id + " out of traffic yet: " + out.error().message);
      co_await pause(kEngineRetry);
    }
    for (;;) {
      const auto targets = targets_.targets(arn);
      if (std::ranges::none_of(targets, [&](const TargetStatus& target) { return target.id == own.id; })) break;
      co_await task_bells_.at(own.id)->wait(1s);
    }
  }
}

task<void> Scheduler::end_containers(std::string id) {
  const auto task = get_task(db_.read(), id);
  const json::object definition = get_definition(db_.read(), task->task_definition).value_or(json::object{});
  if (task->stage != Stage::pending) {
    const Instant now = clock_.now();
    auto stopping = [now](database::Transaction& tx, TaskRecord& record) {
      if (record.stage == Stage::stopping) return;
      record.stage = Stage::stopping;
      journal_task(tx, now, "stopping", record, fmt::format("task {} is asked to stop", short_id(record)));
    };
    co_await change(id, stopping);
  }
  for (const TaskContainer& container : task->containers) {
    const std::string name = container_name(*task, container.name);
    auto there = co_await containers_.inspect(name);
    while (!there && passing(there.error())) {
      co_await pause(kEngineRetry);
      there = co_await containers_.inspect(name);
    }
    if (!there) continue;  // Never made, or gone.
    if (there->state == host::Container::State::running) {
      (void)co_await containers_.signal(name, there->stop_signal.empty() ? "SIGTERM" : there->stop_signal);
      auto ending = containers_.wait_for_exit(name);
      auto ended = co_await with_deadline(
          stop_timeout(container_definition(definition, task->overrides, container.name)), std::move(ending));
      if (!ended || !*ended) {
        (void)co_await containers_.signal(name, "SIGKILL");
        (void)co_await containers_.wait_for_exit(name);
      }
    }
    auto last = co_await containers_.inspect(name);
    if (last) {
      const int code = last->exit_code;
      const std::string which = container.name;
      auto note_exit = [which, code](database::Transaction&, TaskRecord& record) {
        for (TaskContainer& one : record.containers) {
          if (one.name == which && one.exit_code < 0) one.exit_code = code;
        }
      };
      co_await change(id, note_exit);
    }
    // The log follower reads to the end before the container goes.
    co_await pause(20ms);
    auto removed = co_await containers_.remove(name);
    if (!removed) log_warn("ecs", "cannot remove container " + name + ": " + removed.error().message);
  }
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
        (void)co_await containers_.remove(container.id);
      }
      co_return;
    }
    co_await pause(kEngineRetry);
  }
}

task<void> Scheduler::prune() {
  for (;;) {
    const Instant before = clock_.now() - kStoppedKept;
    auto forget = [before](database::Transaction& tx) { prune_tasks(tx, before); };
    co_await db_.write(forget);
    co_await pause(kPruneEvery);
  }
}

}  // namespace slipway::ecs
