#include "ecs/rollout.h"

#include <algorithm>

namespace slipway::ecs {
namespace {

using namespace std::chrono_literals;

// Restarts after failures in a row: none is delayed below this many, then 1 s, doubling, to five minutes.
constexpr int kFreeRestarts = 3;
constexpr Duration kRestartDelayMax = 5min;

Duration restart_delay(int failures) {
  if (failures <= kFreeRestarts) return 0ms;
  return std::min<Duration>(Duration(1s) * (1LL << std::min(failures - kFreeRestarts - 1, 20)), kRestartDelayMax);
}

void sooner(std::optional<Instant>& wake_at, Instant at) {
  if (!wake_at || at < *wake_at) wake_at = at;
}

// One call of advance(): the plan as it grows, and the tasks it still may touch.
class Planner {
 public:
  Planner(const ServiceState& state, const std::vector<TaskSeen>& seen, Instant now) : seen_(seen), now_(now) {
    plan_.next = state;
  }

  Plan run() {
    if (plan_.next.deployments.empty()) return std::move(plan_);
    count_outcomes();
    judge_primary();
    stop_unhealthy();
    start_missing();
    stop_surplus();
    complete();
    return std::move(plan_);
  }

 private:
  Deployment& primary() { return plan_.next.deployments.front(); }
  bool is_primary(const TaskSeen& task) { return task.deployment == primary().id; }
  bool is_stopping(const TaskSeen& task) const {
    const auto same = [&](const StopTask& stop) { return stop.id == task.id; };
    return task.stop_wanted || std::ranges::any_of(plan_.stop, same);
  }
  // Pending or running and meant to stay.
  bool is_active(const TaskSeen& task) const {
    return (task.stage == Stage::pending || task.stage == Stage::running) && !is_stopping(task);
  }
  static bool serves(const TaskSeen& task) {
    return task.stage == Stage::running && task.health == Health::healthy && task.in_traffic;
  }

  int count_active() const {
    return static_cast<int>(std::ranges::count_if(seen_, [&](const TaskSeen& t) { return is_active(t); }));
  }
  int count_active_primary() {
    return static_cast<int>(
        std::ranges::count_if(seen_, [&](const TaskSeen& t) { return is_active(t) && is_primary(t); }));
  }
  int count_serving() const {
    return static_cast<int>(std::ranges::count_if(seen_, [&](const TaskSeen& t) { return is_active(t) && serves(t); }));
  }

  Deployment* find(const std::string& id) {
    const auto found = std::ranges::find(plan_.next.deployments, id, &Deployment::id);
    return found == plan_.next.deployments.end() ? nullptr : &*found;
  }

  // A task that ended without being asked to, or that never came up, is a failure of its deployment; one that became
  // healthy forgives the failures before it (resetOnHealthyTask).
  void count_outcomes() {
    for (const TaskSeen& task : seen_) {
      Deployment* deployment = find(task.deployment);
      const bool forgives = is_active(task) && serves(task) && !task.was_healthy;
      if (deployment != nullptr && forgives) deployment->failed_tasks = 0;
      if (task.stage == Stage::stopped && !task.counted) {
        plan_.counted.push_back(task.id);
        if (deployment != nullptr && !task.stop_wanted) count_failure(*deployment);
      }
    }
  }

  void count_failure(Deployment& deployment) {
    ++deployment.failed_tasks;
    deployment.updated_at = now_;
    deployment.start_after = now_ + restart_delay(deployment.failed_tasks);
  }

  void note(Note::Kind kind, std::string deployment, std::vector<std::string> tasks = {}, std::string text = {}) {
    plan_.notes.push_back(
        {.kind = kind, .deployment = std::move(deployment), .tasks = std::move(tasks), .text = std::move(text)});
  }

  void judge_primary() {
    Deployment& failed = primary();
    if (failed.rollout != Rollout::in_progress || !plan_.next.breaker || failed.was_completed) return;
    if (failed.failed_tasks < breaker_threshold(plan_.next)) return;
    failed.rollout = Rollout::failed;
    failed.reason = "ECS deployment circuit breaker: tasks failed to start.";
    failed.updated_at = now_;
    const std::string failed_id = failed.id;
    note(Note::Kind::failed, failed_id, {}, failed.reason);
    if (!plan_.next.rollback) return;
    auto& all = plan_.next.deployments;
    const auto good = std::ranges::find_if(all, [](const Deployment& d) { return d.was_completed; });
    if (good == all.end()) return;  // Nothing to go back to: the failed one stays, and launches nothing more.
    std::rotate(all.begin(), good, good + 1);
    Deployment& target = primary();
    target.rollout = Rollout::in_progress;
    target.reason = "ECS deployment circuit breaker: rolling back to deploymentId " + target.id + ".";
    target.failed_tasks = 0;
    target.steady = false;
    target.updated_at = now_;
    note(Note::Kind::rolling_back, target.id, {}, target.reason);
  }

  // Unhealthy beyond its grace: it serves nobody, so it goes at once; start_missing() sees to a replacement.
  void stop_unhealthy() {
    for (const TaskSeen& task : seen_) {
      if (!is_active(task) || task.stage != Stage::running || task.health != Health::unhealthy) continue;
      const Instant graced = task.started_at + plan_.next.grace;
      if (now_ < graced) {
        sooner(plan_.wake_at, graced);
        continue;
      }
      Deployment* deployment = find(task.deployment);
      if (deployment != nullptr) count_failure(*deployment);
      plan_.counted.push_back(task.id);
      plan_.stop.push_back({task.id, "Task failed health checks"});
      note(Note::Kind::replaced_unhealthy, task.deployment, {task.id});
    }
    // What was just counted may have been one failure too many.
    judge_primary();
  }

  void start_missing() {
    const int room = maximum_tasks(plan_.next) - count_active();
    int started = start_primary(room);
    // Old tasks that died while the new ones are not there yet are replaced by their own revision, up to the minimum.
    const auto& all = plan_.next.deployments;
    const auto old =
        std::ranges::find_if(all, [&](const Deployment& d) { return &d != &all.front() && d.was_completed; });
    if (old == all.end() || primary().rollout == Rollout::completed) return;
    const int missing = minimum_tasks(plan_.next) - count_active() - started;
    if (now_ < old->start_after) {
      if (missing > 0) sooner(plan_.wake_at, old->start_after);
      return;
    }
    for (int i = 0; i < std::min(missing, room - started); ++i) plan_.start.push_back(old->id);
  }

  int start_primary(int room) {
    Deployment& newest = primary();
    if (newest.rollout == Rollout::failed) return 0;
    const int missing = std::min(plan_.next.desired - count_active_primary(), room);
    if (missing <= 0) return 0;
    if (now_ < newest.start_after) {
      sooner(plan_.wake_at, newest.start_after);
      return 0;
    }
    for (int i = 0; i < missing; ++i) plan_.start.push_back(newest.id);
    newest.steady = false;
    return missing;
  }

  // Old tasks go while enough serve without them; those that serve nobody go first.  Then what exceeds the desired
  // count.
  void stop_surplus() {
    std::vector<const TaskSeen*> candidates;
    const bool replacing = primary().rollout != Rollout::failed;
    for (const TaskSeen& task : seen_) {
      if (is_active(task) && !is_primary(task) && (replacing || !belongs_to_good(task))) candidates.push_back(&task);
    }
    const std::string reason = "Scaling activity initiated by (deployment " + primary().id + ")";
    stop_while_enough_serve(candidates, static_cast<int>(candidates.size()), reason);
    candidates.clear();
    for (const TaskSeen& task : seen_) {
      if (is_active(task) && is_primary(task)) candidates.push_back(&task);
    }
    // Scale-in keeps the longest running.
    std::ranges::stable_sort(candidates,
                             [](const TaskSeen* a, const TaskSeen* b) { return a->created_at > b->created_at; });
    stop_while_enough_serve(candidates, static_cast<int>(candidates.size()) - plan_.next.desired, reason);
  }

  // When a deployment has failed for good, the tasks of the last good one are what keeps the service alive.
  bool belongs_to_good(const TaskSeen& task) {
    const Deployment* deployment = find(task.deployment);
    return deployment != nullptr && deployment->was_completed;
  }

  void stop_while_enough_serve(std::vector<const TaskSeen*>& candidates, int count, const std::string& reason) {
    std::ranges::stable_sort(candidates,
                             [](const TaskSeen* a, const TaskSeen* b) { return !serves(*a) && serves(*b); });
    std::vector<std::string> stopped;
    for (const TaskSeen* task : candidates) {
      if (count <= 0) break;
      if (serves(*task) && count_serving() - 1 < minimum_tasks(plan_.next)) break;
      plan_.stop.push_back({task->id, reason});
      stopped.push_back(task->id);
      --count;
    }
    if (!stopped.empty()) note(Note::Kind::stopped_tasks, primary().id, stopped);
  }

  void complete() {
    Deployment& newest = primary();
    if (newest.rollout == Rollout::failed) return;
    int serving = 0;
    bool others = !plan_.start.empty() || !plan_.stop.empty();
    for (const TaskSeen& task : seen_) {
      if (task.stage == Stage::stopped) continue;
      if (is_primary(task) && serves(task) && !is_stopping(task)) {
        ++serving;
      } else {
        others = true;  // Old, not yet serving, or on its way out.
      }
    }
    if (serving != plan_.next.desired || others) return;
    if (newest.rollout == Rollout::in_progress) {
      newest.rollout = Rollout::completed;
      newest.was_completed = true;
      newest.reason = "ECS deployment " + newest.id + " completed.";
      newest.updated_at = now_;
      newest.failed_tasks = 0;
      note(Note::Kind::completed, newest.id, {}, newest.reason);
      plan_.next.deployments.resize(1);
    }
    if (!primary().steady) {
      primary().steady = true;
      note(Note::Kind::steady, primary().id);
    }
  }

  const std::vector<TaskSeen>& seen_;
  Instant now_;
  Plan plan_;
};

}  // namespace

int minimum_tasks(const ServiceState& state) {
  return (state.desired * state.minimum_healthy_percent + 99) / 100;
}
int maximum_tasks(const ServiceState& state) {
  return state.desired * state.maximum_percent / 100;
}
int breaker_threshold(const ServiceState& state) {
  return std::clamp((state.desired + 1) / 2, 3, 200);
}

void supersede(ServiceState& state, Deployment newest) {
  // Those that never completed and are not the newest any more serve no purpose but to be stopped.
  state.deployments.insert(state.deployments.begin(), std::move(newest));
}

Plan advance(const ServiceState& state, const std::vector<TaskSeen>& seen, Instant now) {
  Planner planner(state, seen, now);
  return planner.run();
}

}  // namespace slipway::ecs
