// The scheduler of ecs: one coroutine a service that decides (observe, decide, record, act), one a task that leads it
// through its life.  Everything it needs to go on after `kill -9` stands in the tables and in the containers' labels.
#pragma once
#include <map>
#include <memory>
#include <set>
#include <string>

#include "base/task.h"
#include "database/database.h"
#include "ecs/events.h"
#include "ecs/ports.h"
#include "ecs/store.h"
#include "host/clock.h"
#include "host/containers.h"

namespace slipway::ecs {

struct Options {
  std::string instance_id;  // Labels this region's containers: two regions on one engine do not touch each other.
  // Without a load balancer and without a container health check a task counts as healthy this long after its start.
  Duration settle = std::chrono::seconds(40);
};

constexpr const char* kInstanceLabel = "slipway.region-id";
constexpr const char* kTaskLabel = "slipway.task";

class Scheduler {
 public:
  Scheduler(asio::any_io_executor executor, database::Database& db, host::Clock& clock, host::Random& random,
            Place place, host::Containers& containers, Images& images, TargetGroups& targets, Functions& functions,
            Logs& logs, EventSink& events, Options options);

  // Takes up every service and task where the tables say it stands, and removes containers of ours that no task owns.
  void start();
  task<void> stop();  // Ends the coroutines; containers go on.

  // News for a service or a task, or a new one of either: its coroutine looks at the tables again.
  void wake_service(const std::string& cluster, const std::string& name);
  void wake_task(const std::string& id);

  database::Database& db() { return db_; }
  host::Clock& clock() { return clock_; }
  host::Random& random() { return random_; }
  const Place& place() const { return place_; }
  TargetGroups& targets() { return targets_; }
  EventSink& events() { return events_; }

 private:
  struct Decision {
    bool gone = false;
    std::vector<std::string> wake_tasks;
    std::optional<Instant> wake_at;
    bool traffic_differs = false;  // The load balancer does not do what the state says.
  };
  struct Observed {
    Health health = Health::starting;
    bool in_traffic = false;
    Unhealthy why;  // When it is unhealthy.
  };

  // Runs `work` to its end; when something breaks under it (a full disk), it begins again: everything it does starts
  // from the tables.
  task<void> again(std::string name, std::function<task<void>()> work);
  task<void> run_service(std::string cluster, std::string name);
  task<Decision> decide(std::string cluster, std::string name);
  std::map<std::string, Observed> observe(const ServiceRecord& service, const std::vector<TaskRecord>& tasks,
                                          Instant now, std::optional<Instant>& wake_at);

  // What the load balancer does, where all rules of the service agree; nothing when they do not.  A service without
  // rules does what it wants.
  std::optional<Traffic> traffic_of(const ServiceRecord& service);
  task<bool> carry_traffic(std::string cluster, std::string name);
  // Calls the functions that are due; returns when the next one is.
  std::optional<Instant> call_hooks(const std::string& cluster, const std::string& name);
  task<void> call_hook(std::string cluster, std::string name, Hook hook, HookRun run, json::object payload);

  task<void> run_task(std::string id);
  task<Result<void>> launch(std::string id);
  task<Result<void>> resolve_images(TaskRecord& task);
  task<Result<ResolvedImage>> resolve_image(std::string image);
  task<std::map<std::string, std::string>> settle_images(TaskRecord task, std::map<std::string, std::string> images);
  task<Result<void>> start_containers(std::string id, json::object definition);
  task<Result<void>> start_container(std::string id, std::string container, json::object definition);
  task<Result<void>> await_dependencies(std::string id, std::string container, json::object definition);
  void watch(const TaskRecord& task, const std::string& container, const json::object& definition);
  task<void> register_targets(std::string id);
  task<void> watch_until_stop(std::string id);
  task<void> take_down(std::string id);
  task<void> leave_traffic(const TaskRecord& task);
  task<void> tell_in_traffic(std::string id, std::string target_group);
  task<void> tell_out_of_traffic(std::string id, std::string target_group);
  task<void> end_containers(std::string id);
  task<void> finish(std::string id, std::string code, std::string reason);
  task<void> watch_exit(std::string id, std::string container);
  task<void> follow_logs(std::string id, std::string container);
  task<void> check_health(std::string id, std::string container, json::object check);
  task<void> remove_orphans();
  task<void> prune();

  // Changes one task's record in a transaction and returns it; nothing when it is gone.
  task<std::optional<TaskRecord>> change(std::string id, std::function<void(database::Transaction&, TaskRecord&)> edit);
  void publish_task(database::Transaction& tx, const TaskRecord& task, Instant now);
  task<void> signal_surely(std::string container, std::string signal);
  task<void> remove_surely(std::string container);
  task<bool> ends_within(std::string container, Duration limit);
  task<void> end_container(std::string id, std::string container, json::object definition);
  bool stop_wanted(const std::string& id);

  database::Database& db_;
  host::Clock& clock_;
  host::Random& random_;
  Place place_;
  host::Containers& containers_;
  Images& images_;
  TargetGroups& targets_;
  Functions& functions_;
  Logs& logs_;
  EventSink& events_;
  Options options_;
  std::map<std::string, std::unique_ptr<Bell>> service_bells_;  // By "cluster/name"; there while its coroutine runs.
  std::map<std::string, std::unique_ptr<Bell>> task_bells_;
  std::set<std::string> calling_;    // Hooks whose function is being called, by the ids of their runs.
  std::set<std::string> exited_;     // Tasks one of whose essential containers has ended.
  std::set<std::string> watched_;    // Containers whose end, logs and health are followed, by their engine names.
  std::set<std::string> running_;    // Containers whose end is not noted yet.
  std::set<std::string> following_;  // Containers whose logs are not read to their end yet.
  TaskGroup group_;
};

}  // namespace slipway::ecs
