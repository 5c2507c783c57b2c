#include "ecs/rollout.h"

#include <algorithm>

#include "ecs/planted.h"
#include "ecs/shift.h"

namespace slipway::ecs {
namespace {

using namespace std::chrono_literals;

// Restarts after failures in a row: none is delayed below this many, then 1 s, doubling, to five minutes.
constexpr int kFreeRestarts = 3;
constexpr Duration kRestartDelayMax = 5min;
constexpr int kThresholdMin = 3;  // Of a bounded percentage.
constexpr int kThresholdMax = 200;

constexpr const char* kTasksFailed = "ECS deployment circuit breaker: tasks failed to start.";
constexpr const char* kHookFailed = "ECS deployment lifecycle hook failed.";
constexpr const char* kStoppedByUser = "ECS deployment was stopped by a user request.";

Duration restart_delay(int failures) {
  if (failures <= kFreeRestarts || planted(Bug::restarts_without_delay)) return 0ms;
  return std::min<Duration>(Duration(1s) * (1LL << std::min(failures - kFreeRestarts - 1, 20)), kRestartDelayMax);
}

void sooner(std::optional<Instant>& wake_at, Instant at) {
  if (!wake_at || at < *wake_at) wake_at = at;
}

int percent_up(int desired, int percent) {
  const long long rest = planted(Bug::minimum_rounded_down) ? 0 : 99;
  return static_cast<int>((static_cast<long long>(desired) * percent + rest) / 100);
}

// It launches nothing more.  One that has been good once is never given up: it is what keeps the service alive.
bool given_up(const Deployment& deployment) {
  return deployment.rollout == Rollout::failed && !deployment.was_completed && !planted(Bug::failed_goes_on);
}

// One call of advance(): the plan as it grows, and the tasks it still may touch.
class Planner {
 public:
  Planner(const ServiceState& state, const std::vector<TaskSeen>& seen, Instant now, std::optional<Traffic> traffic)
      : seen_(seen), now_(now), confirmed_(!traffic || *traffic == state.traffic) {
    plan_.next = state;
  }

  Plan run() {
    if (plan_.next.deployments.empty()) return std::move(plan_);
    count_outcomes();
    judge_primary();
    if (is_shifting()) {
      shift(plan_, seen_, confirmed_, now_);
    } else {
      keep_traffic();
      stop_hopeless();
      start_missing();
      stop_sick();
      stop_surplus();
      notice_deadlock();
    }
    complete();
    forget_superseded();
    return std::move(plan_);
  }

 private:
  Deployment& primary() { return plan_.next.deployments.front(); }
  bool is_shifting() const {
    const Deployment& newest = plan_.next.deployments.front();
    return newest.phase != Phase::none && newest.rollout == Rollout::in_progress;
  }
  // Tasks of a deployment that was shifting when another took its place are in the other target group: they serve
  // nobody once the traffic has left it, and must not go before.
  void keep_traffic() {
    const int at = primary().alternate ? kAll : 0;
    const Traffic wanted{.production = at, .test = at};
    if (plan_.next.traffic != wanted) confirmed_ = false;
    plan_.next.traffic = wanted;
  }
  bool is_astray(const TaskSeen& task) {
    return !is_shifting() && task.alternate != primary().alternate && !confirmed_;
  }
  bool is_primary(const TaskSeen& task) { return task.deployment == primary().id; }
  bool is_stopping(const TaskSeen& task) const {
    const auto same = [&](const StopTask& stop) { return stop.id == task.id; };
    return task.stop_wanted || std::ranges::any_of(plan_.stop, same);
  }
  // Pending or running and meant to stay.
  bool is_active(const TaskSeen& task) const {
    return (task.stage == Stage::pending || task.stage == Stage::running) && !is_stopping(task);
  }
  // Requests come, or will come, to its side.
  bool is_reached(const TaskSeen& task) const {
    return is_shifting() || task.alternate == plan_.next.deployments.front().alternate;
  }
  bool serves(const TaskSeen& task) const {
    return task.stage == Stage::running && task.health == Health::healthy && is_reached(task) &&
           (task.in_traffic || planted(Bug::health_without_traffic));
  }
  // Unhealthy beyond its grace: to be replaced.
  bool is_sick(const TaskSeen& task) const {
    return task.stage == Stage::running && task.health == Health::unhealthy &&
           now_ >= task.started_at + plan_.next.grace;
  }

  template <class Which>
  int count(Which which) const {
    return static_cast<int>(std::ranges::count_if(seen_, [&](const TaskSeen& t) { return is_active(t) && which(t); }));
  }
  int count_active() const {
    return count([](const TaskSeen&) { return true; });
  }
  int count_serving() const {
    return count([&](const TaskSeen& t) { return serves(t); });
  }
  // Serving, or on the way to it.
  int count_hopeful(const std::string& deployment) const {
    return count([&](const TaskSeen& t) { return t.deployment == deployment && !is_sick(t); });
  }

  Deployment* find(const std::string& id) {
    const auto found = std::ranges::find(plan_.next.deployments, id, &Deployment::id);
    return found == plan_.next.deployments.end() ? nullptr : &*found;
  }

  void note(Note::Kind kind, std::string deployment, std::vector<std::string> tasks = {}, std::string text = {}) {
    plan_.notes.push_back(
        {.kind = kind, .deployment = std::move(deployment), .tasks = std::move(tasks), .text = std::move(text)});
  }

  // ---- failures ----

  // A task that ended without being asked to, that never came up, or that is unhealthy, is a failure of its
  // deployment, once; one that becomes healthy forgives the failures before it.
  void count_outcomes() {
    for (const TaskSeen& task : seen_) {
      Deployment* deployment = find(task.deployment);
      if (deployment != nullptr && is_active(task) && serves(task) && !task.was_healthy) {
        deployment->failures_in_row = 0;
        if (plan_.next.breaker.reset_on_healthy) deployment->failed_tasks = 0;
      }
      const bool ended = task.stage == Stage::stopped;
      const bool sick = is_active(task) && is_sick(task);
      if (task.counted || (!ended && !sick)) continue;
      plan_.counted.push_back(task.id);
      if (deployment != nullptr && !task.stop_wanted) count_failure(*deployment);
    }
  }

  void count_failure(Deployment& deployment) {
    if (!planted(Bug::failures_not_counted)) ++deployment.failed_tasks;
    ++deployment.failures_in_row;
    deployment.updated_at = now_;
    deployment.start_after = now_ + restart_delay(deployment.failures_in_row);
    if (deployment.failures_in_row == kFreeRestarts + 1) note(Note::Kind::impaired, deployment.id);
  }

  void judge_primary() {
    const Deployment& newest = primary();
    // While it cleans up, there is nothing warm left to go back to.
    if (newest.rollout != Rollout::in_progress || newest.phase == Phase::clean_up) return;
    // One that was shifting traffic always gives it back.
    const bool back = newest.phase != Phase::none;
    if (newest.wish != StopWish::none) {
      fail_primary(Note::Cause::user, back || newest.wish == StopWish::roll_back);
    } else if (std::ranges::any_of(newest.runs, [&](const HookRun& run) { return has_refused(newest, run); })) {
      fail_primary(Note::Cause::hook, back);
    } else if (plan_.next.breaker.enable && newest.failed_tasks >= breaker_threshold(plan_.next)) {
      fail_primary(Note::Cause::breaker, back || plan_.next.breaker.rollback);
    }
  }

  void fail_primary(Note::Cause cause, bool roll_back) {
    Deployment& failed = primary();
    const bool was_shifting = failed.phase != Phase::none;
    failed.rollout = Rollout::failed;
    failed.reason = cause == Note::Cause::breaker ? kTasksFailed
                    : cause == Note::Cause::hook  ? kHookFailed
                                                  : kStoppedByUser;
    failed.wish = StopWish::none;
    failed.updated_at = now_;
    note(Note::Kind::failed, failed.id, {}, failed.reason);
    plan_.notes.back().cause = cause;
    plan_.notes.back().of_rollback = failed.rolling_back;
    plan_.notes.back().rollback_wanted = roll_back;
    if (!roll_back || failed.was_completed) return;
    auto& all = plan_.next.deployments;
    const auto good = std::find_if(all.begin() + 1, all.end(), [](const Deployment& d) {
      return d.was_completed || planted(Bug::rolls_back_to_anything);
    });
    if (good == all.end()) return;  // Nothing to go back to: the failed one stays, and launches nothing more.
    const std::string from = cause == Note::Cause::breaker ? "ECS deployment circuit breaker: " : "ECS deployment: ";
    std::rotate(all.begin(), good, good + 1);
    Deployment& target = primary();
    target.rollout = Rollout::in_progress;
    target.reason = from + "rolling back to deploymentId " + target.id + ".";
    target.failed_tasks = target.failures_in_row = 0;
    target.start_after = now_;
    target.rolling_back = true;
    target.steady = target.stuck = false;
    target.updated_at = target.phase_since = now_;
    target.phase = was_shifting ? Phase::production_shift : Phase::none;
    note(Note::Kind::rolling_back, target.id, {}, target.reason);
  }

  // ---- starting ----

  void start_missing() {
    int room = maximum_tasks(plan_.next) - count_active();
    Deployment& newest = primary();
    if (!given_up(newest)) room -= start(newest, plan_.next.desired - count_hopeful(newest.id), room);
    if (newest.rollout == Rollout::completed) return;
    // Old tasks that died while the new ones are not there yet are replaced by their own revision: up to the minimum,
    // and up to the desired count where nobody else will come.
    const auto old = std::find_if(plan_.next.deployments.begin() + 1, plan_.next.deployments.end(),
                                  [](const Deployment& d) { return d.was_completed; });
    if (old == plan_.next.deployments.end()) return;
    const int wanted = given_up(newest) ? plan_.next.desired : minimum_tasks(plan_.next);
    const int hopeful =
        count([&](const TaskSeen& t) { return !is_sick(t) && is_reached(t); }) + static_cast<int>(plan_.start.size());
    start(*old, wanted - hopeful, room);
  }

  int start(Deployment& deployment, int missing, int room) {
    const int number = std::min(missing, room);
    if (number <= 0) return 0;
    if (now_ < deployment.start_after) {
      sooner(plan_.wake_at, deployment.start_after);
      return 0;
    }
    plan_.start.insert(plan_.start.end(), static_cast<std::size_t>(number), deployment.id);
    deployment.steady = false;
    return number;
  }

  // ---- stopping ----

  void stop(const TaskSeen& task, std::string reason) { plan_.stop.push_back({task.id, std::move(reason)}); }

  // A sick task that never served goes at once.
  void stop_hopeless() {
    for (const TaskSeen& task : seen_) {
      if (!is_active(task)) continue;
      if (is_sick(task) && !task.was_healthy) replace(task);
      const bool in_grace = task.stage == Stage::running && task.health == Health::unhealthy && !is_sick(task);
      if (in_grace) sooner(plan_.wake_at, task.started_at + plan_.next.grace);
    }
  }
  // One that did serve may still answer somebody: its replacement comes first where the maximum has room, else one goes
  // at a time.
  void stop_sick() {
    for (const TaskSeen& task : seen_) {
      if (!is_active(task) || !is_sick(task)) continue;
      const bool makes_room = must_make_room(task);
      if (!is_replaced(task) && !makes_room) continue;
      replace(task);
      if (makes_room) sooner(plan_.wake_at, now_);
    }
  }
  void replace(const TaskSeen& task) {
    stop(task, "Task failed health checks");
    note(Note::Kind::replaced_unhealthy, task.deployment, {task.id});
  }
  bool is_replaced(const TaskSeen& task) {
    const Deployment* own = find(task.deployment);
    return own == nullptr || given_up(*own) || count_serving() >= plan_.next.desired;
  }
  bool must_make_room(const TaskSeen& task) {
    if (!plan_.start.empty() || count_active() < maximum_tasks(plan_.next)) return false;
    const auto on_its_way = [&](const TaskSeen& other) {
      return other.deployment == task.deployment && !serves(other) && !is_sick(other);
    };
    return count(on_its_way) == 0 && !any_stopping(task.deployment);
  }
  bool any_stopping(const std::string& deployment) const {
    return std::ranges::any_of(seen_, [&](const TaskSeen& t) {
      return t.deployment == deployment && t.stage != Stage::stopped && is_stopping(t);
    });
  }

  // Old tasks go while enough serve without them; those that serve nobody go first.  Then what exceeds the desired
  // count.
  void stop_surplus() {
    const std::string reason = "Scaling activity initiated by (deployment " + primary().id + ")";
    if (planted(Bug::superseded_stays) && plan_.next.deployments.size() > 2) return;
    std::vector<const TaskSeen*> old;
    std::vector<const TaskSeen*> own;
    for (const TaskSeen& task : seen_) {
      if (is_active(task) && !is_astray(task)) (is_primary(task) ? own : old).push_back(&task);
    }
    const int own_number = static_cast<int>(own.size());
    int old_surplus = static_cast<int>(old.size());
    if (given_up(primary())) {
      // The last good deployment keeps the service alive beside what serves of the failed one.
      std::erase_if(old, [&](const TaskSeen* t) { return belongs_to_good(*t); });
      stop_while_enough_serve(old, static_cast<int>(old.size()), reason);
      old.clear();
      for (const TaskSeen& task : seen_) {
        if (is_active(task) && belongs_to_good(task)) old.push_back(&task);
      }
      const int of_failed = count([&](const TaskSeen& t) { return is_primary(t) && serves(t); });
      old_surplus = static_cast<int>(old.size()) + of_failed - plan_.next.desired;
    }
    youngest_first(old);
    stop_while_enough_serve(old, old_surplus, reason);
    youngest_first(own);
    // A sick task that waits for its replacement is no surplus: stop_unhealthy() sees to it.
    std::erase_if(own, [&](const TaskSeen* t) { return is_sick(*t); });
    const int hopeful_surplus = static_cast<int>(own.size()) - plan_.next.desired;
    stop_while_enough_serve(own, plan_.next.desired == 0 ? own_number : hopeful_surplus, reason);
  }

  // Scale-in keeps the longest running.
  static void youngest_first(std::vector<const TaskSeen*>& tasks) {
    std::ranges::stable_sort(tasks, [](const TaskSeen* a, const TaskSeen* b) { return a->created_at > b->created_at; });
  }

  bool belongs_to_good(const TaskSeen& task) {
    const Deployment* deployment = find(task.deployment);
    return deployment != nullptr && deployment->was_completed;
  }

  void stop_while_enough_serve(std::vector<const TaskSeen*>& candidates, int number, const std::string& reason) {
    std::ranges::stable_sort(candidates,
                             [&](const TaskSeen* a, const TaskSeen* b) { return !serves(*a) && serves(*b); });
    std::vector<std::string> stopped;
    for (const TaskSeen* task : candidates) {
      if (number <= 0) break;
      if (is_needed(*task)) continue;
      stop(*task, reason);
      stopped.push_back(task->id);
      --number;
    }
    if (!stopped.empty()) note(Note::Kind::stopped_tasks, primary().id, stopped);
  }
  // Without it, fewer than the minimum would serve, or would ever come to.
  bool is_needed(const TaskSeen& task) const {
    const int minimum = minimum_tasks(plan_.next);
    if (serves(task)) return count_serving() - 1 < minimum && !planted(Bug::old_stopped_before_new);
    if (is_sick(task) || !is_reached(task) || planted(Bug::starts_old_and_stops_it)) return false;
    const int hopeful =
        count([&](const TaskSeen& t) { return !is_sick(t) && is_reached(t); }) + static_cast<int>(plan_.start.size());
    return hopeful - 1 < minimum;
  }

  // ---- what is told ----

  // Nothing may start, nothing may stop, and nothing is under way that could change it.
  void notice_deadlock() {
    Deployment& newest = primary();
    if (newest.rollout != Rollout::in_progress || newest.stuck || plan_.wake_at) return;
    if (!plan_.start.empty() || !plan_.stop.empty()) return;
    if (count_hopeful(newest.id) >= plan_.next.desired) return;
    const bool moving = std::ranges::any_of(
        seen_, [&](const TaskSeen& t) { return t.stage != Stage::stopped && (is_stopping(t) || !serves(t)); });
    if (moving || count_active() < maximum_tasks(plan_.next)) return;
    newest.stuck = true;
    note(
        Note::Kind::stuck, newest.id, {},
        "was unable to stop or start tasks during a deployment because of the service deployment configuration. Update "
        "the minimumHealthyPercent or maximumPercent value and try again.");
  }

  void complete() {
    Deployment& newest = primary();
    if (given_up(newest) || (is_shifting() && newest.phase != Phase::clean_up)) return;
    int serving = 0;
    bool others = !plan_.start.empty() || !plan_.stop.empty();
    for (const TaskSeen& task : seen_) {
      if (task.stage == Stage::stopped) continue;
      if (is_primary(task) && serves(task) && !is_stopping(task)) {
        ++serving;
      } else {
        others |= !planted(Bug::completed_too_early);  // Old, not yet serving, or on its way out.
      }
    }
    if (serving != plan_.next.desired || others) return;
    if (newest.rollout != Rollout::completed) {
      newest.rollout = Rollout::completed;
      newest.was_completed = true;
      newest.phase = Phase::none;
      newest.runs.clear();
      newest.reason = "ECS deployment " + newest.id + " completed.";
      newest.updated_at = now_;
      newest.failed_tasks = newest.failures_in_row = 0;
      note(Note::Kind::completed, newest.id, {}, newest.reason);
      plan_.notes.back().of_rollback = newest.rolling_back;
      newest.rolling_back = false;
      plan_.next.deployments.resize(1);
    }
    if (!primary().steady) {
      primary().steady = true;
      note(Note::Kind::steady, primary().id);
    }
  }

  // A deployment without tasks that nobody will go back to is INACTIVE.  The newest good one is kept: a rollback goes
  // there.
  void forget_superseded() {
    bool good_kept = primary().was_completed;
    auto& all = plan_.next.deployments;
    const auto gone = [&](const Deployment& d) {
      const bool target = d.was_completed && !good_kept;
      good_kept |= target;
      const bool starts = std::ranges::find(plan_.start, d.id) != plan_.start.end();
      const bool has_tasks = std::ranges::any_of(
          seen_, [&](const TaskSeen& t) { return t.deployment == d.id && t.stage != Stage::stopped; });
      return !target && !starts && !has_tasks;
    };
    std::vector<Deployment> kept{all.front()};
    for (std::size_t i = 1; i < all.size(); ++i) {
      if (!gone(all[i])) kept.push_back(all[i]);
    }
    all = std::move(kept);
  }

  const std::vector<TaskSeen>& seen_;
  Instant now_;
  bool confirmed_;  // The load balancer does what the state says.
  Plan plan_;
};

}  // namespace

int minimum_tasks(const ServiceState& state) {
  return percent_up(state.desired, state.minimum_healthy_percent);
}
int maximum_tasks(const ServiceState& state) {
  const long long rest = planted(Bug::maximum_rounded_up) ? 99 : 0;
  return static_cast<int>((static_cast<long long>(state.desired) * state.maximum_percent + rest) / 100);
}
int breaker_threshold(const ServiceState& state) {
  switch (state.breaker.type) {
    case Breaker::Threshold::count:
      return state.breaker.value;
    case Breaker::Threshold::unbounded_percent:
      return std::max(percent_up(state.desired, state.breaker.value), 1);
    case Breaker::Threshold::bounded_percent:
      break;
  }
  return std::clamp(percent_up(state.desired, state.breaker.value), kThresholdMin, kThresholdMax);
}

void supersede(ServiceState& state, Deployment newest) {
  const auto good = std::ranges::find_if(state.deployments, &Deployment::was_completed);
  const bool fresh = good == state.deployments.end();
  // Where the good one shares its side with one that replaces it, the side is whole only with both.
  const bool mixed = std::ranges::any_of(state.deployments, [&](const Deployment& one) {
    return !fresh && one.id != good->id && one.alternate == good->alternate;
  });
  newest.how = fresh || mixed ? Takeover{} : state.how;
  const bool shifts = newest.how.strategy != Strategy::rolling;
  newest.hooks = shifts ? state.hooks : std::vector<Hook>{};
  newest.alternate = fresh ? state.traffic.production == kAll : good->alternate != shifts;
  newest.phase = shifts ? Phase::reconcile : Phase::none;
  newest.phase_since = newest.created_at;
  state.deployments.insert(state.deployments.begin(), std::move(newest));
}

Plan advance(const ServiceState& state, const std::vector<TaskSeen>& seen, Instant now,
             std::optional<Traffic> traffic) {
  Planner planner(state, seen, now, traffic);
  return planner.run();
}

}  // namespace slipway::ecs
