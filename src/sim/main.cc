// slipway_sim SEED N: drives the rollout through N seeded worlds in which tasks crash, start slowly, flap, and the
// daemon dies between deciding, recording and acting.  Prints the seed of the first world in which something bad
// happens.
//
// Never: more than the maximum of tasks that are meant to stay; an old task that serves taken away while fewer than the
// minimum would serve; a task started for a deployment that failed; a rolled-back deployment in front again. Finally:
// when faults end, the service comes to rest, on the desired count or failed for good.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <set>
#include <string>

#include "ecs/rollout.h"

namespace {

using namespace slipway;
using namespace slipway::ecs;
using namespace std::chrono_literals;

constexpr Duration kStep = 100ms;
constexpr Instant kFaultsEnd = Instant{120s};
constexpr Instant kEnd = Instant{1200s};

// A task of the simulated machine.
struct SimTask {
  TaskSeen seen;
  bool bad = false;    // Of an image that never becomes healthy.
  Instant ready_at{};  // Running, and then healthy.
  Instant gone_at{};   // When a stop that was asked for is done.
};

class World {
 public:
  explicit World(unsigned long seed) : random_(seed) {
    state_.desired = pick(1, 6);
    state_.minimum_healthy_percent = std::vector{50, 75, 100}[index(3)];
    state_.maximum_percent = std::vector{150, 200, 300}[index(3)];
    state_.breaker.enable = chance(80);
    state_.breaker.rollback = chance(80);
    state_.grace = chance(30) ? Duration(2s) : Duration(0s);
    deploy(false);
    state_.deployments.front().rollout = Rollout::completed;
    state_.deployments.front().was_completed = true;
    for (int i = 0; i < state_.desired; ++i) add_task(state_.deployments.front().id, true);
  }

  // Empty when all went well, else what went wrong.
  std::string run() {
    const Instant second = Instant{Duration(pick(1000, 8000))};
    const Instant third = Instant{Duration(pick(8000, 40000))};
    bool second_done = false;
    bool third_done = chance(50);
    for (now_ = Instant{}; now_ < kEnd; now_ = now_ + kStep) {
      if (!second_done && now_ >= second) {
        deploy(chance(40));
        second_done = true;
      }
      if (!third_done && now_ >= third) {
        deploy(chance(40));
        third_done = true;
      }
      if (now_ < kFaultsEnd && chance(1)) state_.desired = pick(1, 6);
      live();
      if (std::string wrong = tick(); !wrong.empty()) return wrong;
      if (now_ > kFaultsEnd && second_done && third_done && at_rest()) return {};
    }
    return at_rest() ? "" : "it does not come to rest";
  }

 private:
  int pick(int from, int to) { return from + static_cast<int>(random_() % static_cast<unsigned long>(to - from + 1)); }
  std::size_t index(std::size_t count) { return static_cast<std::size_t>(random_() % count); }
  bool chance(unsigned percent) { return random_() % 100 < percent; }

  void deploy(bool bad) {
    Deployment newest{.id = "d" + std::to_string(next_deployment_++), .created_at = now_};
    if (bad) bad_.insert(newest.id);
    supersede(state_, newest);
  }

  void add_task(const std::string& deployment, bool serving) {
    SimTask task;
    task.seen.id = "t" + std::to_string(next_task_++);
    task.seen.deployment = deployment;
    task.seen.created_at = now_;
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
    const bool faults = now_ < kFaultsEnd;
    for (SimTask& task : tasks_) {
      TaskSeen& seen = task.seen;
      if (seen.stage == Stage::pending && now_ >= task.ready_at) {
        seen.stage = Stage::running;
        seen.started_at = now_;
        task.ready_at = now_ + Duration(pick(100, 2000));
        if (task.bad && chance(50)) seen.stage = Stage::stopped;  // It exits at once.
      } else if (seen.stage == Stage::running && now_ >= task.ready_at && seen.health != Health::healthy) {
        seen.health = task.bad ? Health::unhealthy : Health::healthy;
        seen.in_traffic = seen.health == Health::healthy;
      } else if (faults && seen.stage == Stage::running && seen.health == Health::healthy && random_() % 4000 == 0) {
        seen.health = Health::unhealthy;  // Flaps.
        seen.in_traffic = false;
        task.ready_at = now_ + Duration(pick(500, 5000));
      } else if (faults && seen.stage != Stage::stopped && !seen.stop_wanted && random_() % 4000 == 0) {
        seen.stage = Stage::stopped;  // Crashes.
        seen.in_traffic = false;
      }
      if (seen.stop_wanted && seen.stage != Stage::stopped && now_ >= task.gone_at) seen.stage = Stage::stopped;
    }
    std::erase_if(tasks_, [](const SimTask& task) { return task.seen.stage == Stage::stopped && task.seen.counted; });
  }

  int serving() const {
    return static_cast<int>(std::ranges::count_if(tasks_, [](const SimTask& t) {
      return t.seen.stage == Stage::running && t.seen.health == Health::healthy && t.seen.in_traffic &&
             !t.seen.stop_wanted;
    }));
  }
  int meant_to_stay() const {
    return static_cast<int>(std::ranges::count_if(tasks_, [](const SimTask& t) {
      return (t.seen.stage == Stage::pending || t.seen.stage == Stage::running) && !t.seen.stop_wanted;
    }));
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
    const Plan plan = advance(state_, seen, now_);
    if (now_ < kFaultsEnd && chance(5)) return {};
    const int before = serving();
    state_ = plan.next;
    for (const std::string& id : plan.counted) find(id)->seen.counted = true;
    for (SimTask& task : tasks_) task.seen.was_healthy |= task.seen.health == Health::healthy && task.seen.in_traffic;
    for (const StopTask& stop : plan.stop) {
      SimTask* task = find(stop.id);
      task->seen.stop_wanted = true;
      task->gone_at = now_ + Duration(pick(0, 2000));
    }
    if (!plan.stop.empty() && serving() < before && serving() < minimum_tasks(state_))
      return "a serving task was stopped below the minimum";
    for (const std::string& deployment : plan.start) {
      for (const Deployment& one : state_.deployments) {
        if (one.id == deployment && one.rollout == Rollout::failed) return "a task was started for a failed deployment";
      }
      add_task(deployment, false);
    }
    if (!plan.start.empty() && meant_to_stay() > std::max(maximum_tasks(state_), 1))
      return "more tasks than the maximum";
    for (const Note& note : plan.notes) {
      if (note.kind == Note::Kind::failed) failed_.insert(note.deployment);
    }
    if (failed_.contains(state_.deployments.front().id) && state_.deployments.front().rollout != Rollout::failed)
      return "a deployment that failed came back";
    return {};
  }

  bool at_rest() {
    const Deployment& newest = state_.deployments.front();
    if (newest.rollout == Rollout::failed) return true;
    // A bad image without a breaker is tried for ever, more and more slowly; the good tasks go on serving.
    if (bad_.contains(newest.id) && !state_.breaker.enable) return true;
    // A first deployment that keeps its breaker's count but has nothing to go back to is failed, above.
    return newest.rollout == Rollout::completed && serving() == state_.desired && meant_to_stay() == state_.desired;
  }

  std::mt19937_64 random_;
  ServiceState state_;
  std::vector<SimTask> tasks_;
  std::set<std::string> bad_;
  std::set<std::string> failed_;
  Instant now_{};
  int next_deployment_ = 1;
  int next_task_ = 1;
};

}  // namespace

int main(int argc, char** argv) {
  const unsigned long first = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 1;
  const unsigned long count = argc > 2 ? std::strtoul(argv[2], nullptr, 10) : 1;
  for (unsigned long seed = first; seed < first + count; ++seed) {
    World world(seed);
    const std::string wrong = world.run();
    if (wrong.empty()) continue;
    std::printf("seed %lu: %s\n", seed, wrong.c_str());
    return 1;
  }
  std::printf("%lu worlds from seed %lu: nothing bad, and all came to rest\n", count, first);
}
