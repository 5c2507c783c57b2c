#include "sim/rollout_world.h"

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <vector>

#include "ecs/rollout.h"

namespace slipway::sim {
namespace {

using namespace ecs;
using namespace std::chrono_literals;

constexpr Duration kStep = 100ms;
constexpr Instant kStart{Duration(1'000'000)};
constexpr Duration kFaults = 60s;
constexpr Duration kWhole = 1200s;
// From this many failures in a row on, the next start is at least this long after the last of them.
constexpr int kManyFailures = 8;
constexpr Duration kPause = 4s;

// A task of the simulated machine.
struct SimTask {
  TaskSeen seen;
  bool bad = false;      // Of an image that never becomes healthy.
  Instant ready_at{};    // Running, and then healthy.
  Instant traffic_at{};  // Healthy ones come into traffic a little later.
  Instant gone_at{};     // When a stop that was asked for is done.
  bool in_row = false;   // Its end has been counted.
};

class World {
 public:
  explicit World(unsigned long seed) : random_(seed) {
    state_.desired = pick(0, 6);
    do {
      state_.minimum_healthy_percent = std::vector{0, 25, 50, 75, 100}[index(5)];
      state_.maximum_percent = std::vector{100, 125, 150, 200, 300}[index(5)];
    } while (state_.minimum_healthy_percent == 100 && state_.maximum_percent == 100);
    state_.breaker.enable = chance(80);
    state_.breaker.rollback = chance(80);
    state_.breaker.reset_on_healthy = chance(70);
    if (chance(20)) {
      state_.breaker.type = Breaker::Threshold::count;
      state_.breaker.value = pick(1, 5);
    }
    state_.grace = chance(30) ? Duration(2s) : Duration(0s);
    if (chance(50)) shift();
    deploy(false);
    state_.deployments.front().rollout = Rollout::completed;
    state_.deployments.front().was_completed = true;
    completed_.insert(state_.deployments.front().id);
    for (int i = 0; i < state_.desired; ++i) add_task(state_.deployments.front().id, true);
  }

  std::string run() {
    std::vector<Instant> deployments;
    for (int i = pick(1, 3); i > 0; --i) deployments.push_back(kStart + Duration(pick(1000, 40000)));
    std::ranges::sort(deployments);
    for (now_ = kStart; now_ < kStart + kWhole; now_ = now_ + kStep) {
      if (!deployments.empty() && now_ >= deployments.front()) {
        deploy(chance(40));
        deployments.erase(deployments.begin());
      }
      if (faults()) disturb();
      live();
      if (std::string wrong = tick(); !wrong.empty()) return wrong;
      if (!faults() && deployments.empty() && at_rest()) return {};
    }
    return at_rest() ? "" : "it does not come to rest";
  }

 private:
  // Deployments to come shift traffic.
  void shift() {
    Takeover& how = state_.how;
    how.strategy = std::vector{Strategy::blue_green, Strategy::linear, Strategy::canary}[index(3)];
    how.bake = Duration(pick(0, 10'000));
    state_.hooks.clear();
    if (chance(40))
      state_.hooks.push_back({.pause = true,
                              .phases = {Phase::pre_scale_up, Phase::post_test_shift},
                              .timeout = Duration(pick(1000, 6000)),
                              .continue_on_timeout = chance(80)});
    if (how.strategy == Strategy::blue_green) return;
    how.step = pick(1, 10) * 100;
    how.step_bake = Duration(pick(1000, 5000));
  }

  int pick(int from, int to) { return from + static_cast<int>(random_() % static_cast<unsigned long>(to - from + 1)); }
  std::size_t index(std::size_t count) { return static_cast<std::size_t>(random_() % count); }
  bool chance(unsigned percent) { return random_() % 100 < percent; }
  bool faults() const { return now_ < kStart + kFaults; }

  int minimum() const { return (state_.desired * state_.minimum_healthy_percent + 99) / 100; }
  int maximum() const { return state_.desired * state_.maximum_percent / 100; }

  void deploy(bool bad) {
    Deployment newest{.id = "d" + std::to_string(next_deployment_++), .created_at = now_};
    if (bad) bad_.insert(newest.id);
    supersede(state_, newest);
  }

  void disturb() {
    Deployment& newest = state_.deployments.front();
    if (random_() % 400 == 0) {
      state_.desired = pick(0, 6);
      newest.stuck = false;
    }
    if (random_() % 3000 == 0 && newest.rollout == Rollout::in_progress && !newest.was_completed)
      newest.wish = chance(50) ? StopWish::roll_back : StopWish::abort;
    if (random_() % 4000 == 0) bad_.insert("d1");  // What was good is not any more.
    if (random_() % 3000 == 0) state_.how = Takeover{};
    if (random_() % 3000 == 0) shift();
    for (HookRun& run : newest.runs) {
      if (run.status == HookRun::Status::awaiting_action && random_() % 40 == 0)
        run.status = chance(80) ? HookRun::Status::succeeded : HookRun::Status::failed;
    }
  }

  void add_task(const std::string& deployment, bool serving) {
    SimTask task;
    task.seen.id = "t" + std::to_string(next_task_++);
    task.seen.deployment = deployment;
    task.seen.created_at = now_;
    for (const Deployment& one : state_.deployments) {
      if (one.id == deployment) task.seen.alternate = one.alternate;
    }
    task.bad = bad_.contains(deployment);
    task.ready_at = now_ + Duration(pick(100, 3000));
    if (serving) {
      task.seen.stage = Stage::running;
      task.seen.health = Health::healthy;
      task.seen.in_traffic = task.seen.was_healthy = true;
    }
    tasks_.push_back(task);
  }

  // What the machine does by itself.
  void live() {
    for (SimTask& task : tasks_) {
      TaskSeen& seen = task.seen;
      const bool runs = seen.stage == Stage::running;
      if (seen.stage == Stage::pending && now_ >= task.ready_at) {
        seen.stage = Stage::running;
        seen.started_at = now_;
        task.ready_at = now_ + Duration(pick(100, 2000));
        if (task.bad && chance(50)) seen.stage = Stage::stopped;  // It exits at once.
      } else if (runs && now_ >= task.ready_at && seen.health != Health::healthy) {
        seen.health = task.bad ? Health::unhealthy : Health::healthy;
        task.traffic_at = now_ + Duration(pick(0, 1500));
      } else if (runs && seen.health == Health::healthy && !seen.in_traffic && now_ >= task.traffic_at) {
        seen.in_traffic = true;
      } else if (faults() && runs && seen.health == Health::healthy && random_() % 4000 == 0) {
        seen.health = Health::unhealthy;  // Flaps.
        seen.in_traffic = false;
        task.ready_at = now_ + Duration(pick(500, 5000));
      } else if (faults() && seen.stage != Stage::stopped && !seen.stop_wanted && random_() % 4000 == 0) {
        seen.stage = Stage::stopped;  // Crashes.
        seen.in_traffic = false;
      }
      if (seen.stop_wanted && seen.stage != Stage::stopped && now_ >= task.gone_at) seen.stage = Stage::stopped;
    }
    for (SimTask& task : tasks_) {
      if (task.seen.stage == Stage::stopped && !task.seen.stop_wanted && !task.in_row) {
        task.in_row = true;
        ++rows_[task.seen.deployment].failures;
        rows_[task.seen.deployment].last = now_;
      }
      const bool sick = task.seen.stage == Stage::running && task.seen.health == Health::unhealthy;
      if ((task.seen.stage == Stage::stopped || sick) && failing_.insert(task.seen.id).second)
        ++failures_[task.seen.deployment];
    }
    std::erase_if(tasks_, [](const SimTask& task) { return task.seen.stage == Stage::stopped && task.seen.counted; });
  }

  template <class Which>
  int count(Which which) const {
    return static_cast<int>(std::ranges::count_if(tasks_, [&](const SimTask& t) {
      return (t.seen.stage == Stage::pending || t.seen.stage == Stage::running) && !t.seen.stop_wanted && which(t.seen);
    }));
  }
  static bool serves(const TaskSeen& t) {
    return t.stage == Stage::running && t.health == Health::healthy && t.in_traffic;
  }
  // The part of the requests that a side gets.
  int reach(bool alternate) const { return alternate ? carried_.production : kAll - carried_.production; }
  int serving() const {
    return count([&](const TaskSeen& t) { return serves(t) && reach(t.alternate) > 0; });
  }
  int serving_of(const std::string& deployment) const {
    return count([&](const TaskSeen& t) { return serves(t) && t.deployment == deployment; });
  }
  int meant_to_stay() const {
    return count([](const TaskSeen&) { return true; });
  }
  bool is_sick(const TaskSeen& t) const { return t.health == Health::unhealthy && now_ >= t.started_at + state_.grace; }
  int hopeful() const {
    const bool side = state_.deployments.front().alternate;
    return count([&](const TaskSeen& t) { return !is_sick(t) && t.alternate == side; });
  }

  SimTask* find(const std::string& id) {
    const auto found = std::ranges::find_if(tasks_, [&](const SimTask& t) { return t.seen.id == id; });
    return found == tasks_.end() ? nullptr : &*found;
  }

  // Decide, record, act; the daemon may die before it recorded (nothing happened) or before it acted (the record
  // stands, and what it asked for happens later: here at once, as steps are keyed).
  std::string tick() {
    std::vector<TaskSeen> seen;
    for (const SimTask& task : tasks_) seen.push_back(task.seen);
    const Plan plan = advance(state_, seen, now_, carried_);
    if (faults() && chance(5)) return {};
    if (std::string wrong = judge_traffic(plan); !wrong.empty()) return wrong;
    const int served = serving();
    const bool shifts = plan.next.deployments.front().phase != Phase::none;
    state_ = plan.next;
    for (const std::string& id : plan.counted) find(id)->seen.counted = true;
    for (SimTask& task : tasks_) {
      if (!serves(task.seen) || task.seen.was_healthy) continue;
      task.seen.was_healthy = true;
      rows_[task.seen.deployment].failures = 0;
    }
    bool needed = false;
    for (const StopTask& stop : plan.stop) {
      SimTask* task = find(stop.id);
      needed |= !is_sick(task->seen) && task->seen.alternate == state_.deployments.front().alternate;
      task->seen.stop_wanted = true;
      task->gone_at = now_ + Duration(pick(0, 2000));
    }
    if (!plan.stop.empty() && serving() < served && serving() < minimum())
      return "a serving task was stopped below the minimum";
    if (needed && !shifts && hopeful() + static_cast<int>(plan.start.size()) < minimum())
      return "a task was stopped that was needed to reach the minimum";
    if (std::string wrong = hear(plan); !wrong.empty()) return wrong;
    if (std::string wrong = start(plan); !wrong.empty()) return wrong;
    // The load balancer follows sooner or later.
    if (carried_ != state_.traffic && chance(faults() ? 10 : 50)) {
      carried_ = state_.traffic;
      carried_since_ = now_;
    }
    return {};
  }

  // What must hold of the traffic that the plan moves, before anything of it happens.
  std::string judge_traffic(const Plan& plan) {
    const Deployment& newest = plan.next.deployments.front();
    const auto share = [&](const Traffic& traffic) {
      return newest.alternate ? traffic.production : kAll - traffic.production;
    };
    const bool in_shift = newest.phase != Phase::none && newest.rollout == Rollout::in_progress;
    const bool forward = in_shift && !newest.rolling_back && newest.phase >= Phase::production_shift;
    if (forward && share(plan.next.traffic) > share(state_.traffic)) {
      if (serving_of(newest.id) < state_.desired) return "traffic was moved to a revision that is not whole";
      if (share(state_.traffic) > 0 && now_ < carried_since_ + newest.how.step_bake)
        return "a step was taken before the bake of the one before was over";
    }
    if (in_shift && newest.rolling_back && share(plan.next.traffic) != kAll) return "a failed shift keeps its traffic";
    for (const StopTask& stop : plan.stop) {
      const TaskSeen& task = find(stop.id)->seen;
      const bool other_side = task.alternate != newest.alternate || in_shift;
      if (is_sick(task) || task.deployment == newest.id || !other_side || reach(task.alternate) == 0) continue;
      if (task.stage != Stage::running || left_of(task.deployment, plan) >= state_.desired) continue;
      return "a task was stopped while its side has traffic";
    }
    const bool comes = std::ranges::find(plan.start, newest.id) != plan.start.end();
    for (const SimTask& task : tasks_) {
      if (in_shift && comes && !newest.rolling_back && task.seen.stage != Stage::stopped &&
          task.seen.deployment != newest.id && task.seen.alternate == newest.alternate)
        return "new tasks come to a target group in which others still are";
    }
    return {};
  }
  // Tasks of a deployment that are meant to stay, and are not sick, after the plan.
  int left_of(const std::string& deployment, const Plan& plan) const {
    return count([&](const TaskSeen& t) {
      return t.deployment == deployment && !is_sick(t) &&
             std::ranges::find(plan.stop, t.id, &StopTask::id) == plan.stop.end();
    });
  }

  std::string start(const Plan& plan) {
    for (const std::string& deployment : plan.start) {
      if (failed_.contains(deployment) && !completed_.contains(deployment))
        return "a task was started for a failed deployment";
      const Row& row = rows_[deployment];
      if (row.failures >= kManyFailures && now_ - row.last < kPause) return "a storm of restarts";
      add_task(deployment, false);
    }
    const bool shifts = state_.deployments.front().phase != Phase::none;
    if (!plan.start.empty() && !shifts && meant_to_stay() > maximum()) return "more tasks than the maximum";
    for (const std::string& deployment : plan.start) {
      const int active = count([&](const TaskSeen& t) { return t.deployment == deployment && !is_sick(t); });
      if (shifts && active > state_.desired) return "more tasks of a revision than wanted";
    }
    return {};
  }

  std::string hear(const Plan& plan) {
    for (const Note& note : plan.notes) {
      // A deployment that is completed, or gone back to, begins anew.
      const bool anew = note.kind == Note::Kind::completed || note.kind == Note::Kind::rolling_back;
      if (anew) rows_[note.deployment].failures = 0;
      if (note.kind == Note::Kind::completed) {
        back_.erase(note.deployment);
        completed_.insert(note.deployment);
        const auto other = [&](const SimTask& t) {
          return t.seen.stage != Stage::stopped && t.seen.deployment != note.deployment;
        };
        if (std::ranges::any_of(tasks_, other)) return "completed beside old tasks";
      }
      if (note.kind == Note::Kind::stage && !hooks_agreed(note.text)) return "a stage ended before its hooks agreed";
      if (note.kind == Note::Kind::rolling_back) back_.insert(note.deployment);
      if (note.kind == Note::Kind::stage && note.text == phase_text(Phase::clean_up)) {
        const Deployment& done = state_.deployments.front();
        completed_.insert(note.deployment);
        if (!back_.contains(done.id) && now_ < carried_since_ + done.how.bake)
          return "the old revision went before the bake was over";
      }
      if (note.kind == Note::Kind::failed) {
        failed_.insert(note.deployment);
        if (note.cause == Note::Cause::breaker && failures_[note.deployment] < breaker_threshold(state_))
          return "failed before the threshold";
      }
      if (note.kind == Note::Kind::rolling_back && !completed_.contains(note.deployment))
        return "a rollback to what was never completed";
    }
    const Deployment& newest = state_.deployments.front();
    if (failed_.contains(newest.id) && !completed_.contains(newest.id) && newest.rollout != Rollout::failed)
      return "a deployment that failed came back";
    if (state_.deployments.size() > 8) return "superseded deployments are never forgotten";
    return {};
  }

  // The stages before this one have no hook that is open.
  bool hooks_agreed(const std::string& entered) {
    for (const HookRun& run : state_.deployments.front().runs) {
      const bool open = run.status == HookRun::Status::in_progress || run.status == HookRun::Status::awaiting_action;
      if (open && phase_text(run.phase) != entered) return false;
    }
    return true;
  }

  bool at_rest() {
    const Deployment& newest = state_.deployments.front();
    if (newest.rollout == Rollout::failed || newest.stuck) return true;
    // A bad image without a breaker is tried for ever, more and more slowly; so is one that was good once.
    if (bad_.contains(newest.id)) return !state_.breaker.enable || newest.was_completed;
    return newest.rollout == Rollout::completed && serving() == state_.desired && meant_to_stay() == state_.desired;
  }

  std::mt19937_64 random_;
  ServiceState state_;
  std::vector<SimTask> tasks_;
  std::set<std::string> bad_;
  std::set<std::string> failed_;
  std::set<std::string> completed_;
  Traffic carried_;  // What the load balancer does.
  Instant carried_since_{};
  std::set<std::string> back_;           // Deployments that traffic is given back to.
  std::set<std::string> failing_;        // Tasks whose failure the world has seen.
  std::map<std::string, int> failures_;  // Of a deployment.
  struct Row {
    int failures = 0;
    Instant last{};
  };
  std::map<std::string, Row> rows_;  // Of a deployment: tasks that ended by themselves since one was healthy.
  Instant now_ = kStart;
  int next_deployment_ = 1;
  int next_task_ = 1;
};

}  // namespace

std::string run_rollout_world(unsigned long seed) {
  World world(seed);
  return world.run();
}

}  // namespace slipway::sim
