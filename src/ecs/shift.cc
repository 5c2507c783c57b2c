#include "ecs/shift.h"

#include <algorithm>

#include "ecs/planted.h"

namespace slipway::ecs {
namespace {

// One call of shift().
class Shifter {
 public:
  Shifter(Plan& plan, const std::vector<TaskSeen>& seen, bool confirmed, Instant now)
      : plan_(plan), seen_(seen), confirmed_(confirmed), now_(now) {}

  void run() {
    while (pass()) {
    }
    stop_hopeless();
    if (newest().phase >= Phase::scale_up) start_missing(newest());
    if (Deployment* old = source(); old != nullptr && newest().phase < Phase::clean_up) start_missing(*old);
    for (const Deployment& one : plan_.next.deployments) {
      stop_replaced(one);
      stop_surplus(one);
    }
    if (newest().phase == Phase::clean_up) stop_all_but({newest().id});
  }

 private:
  Deployment& newest() { return plan_.next.deployments.front(); }
  // Who has the traffic until it is moved; nobody on the way back, where the newest is the old one.
  Deployment* source() {
    if (newest().rolling_back) return nullptr;
    auto& all = plan_.next.deployments;
    const auto good = std::find_if(all.begin() + 1, all.end(), [](const Deployment& d) { return d.was_completed; });
    return good == all.end() ? nullptr : &*good;
  }

  // ---- stages ----

  void enter(Phase phase) {
    newest().phase = phase;
    newest().phase_since = now_;
    newest().step = 0;
    newest().step_since = {};
    newest().updated_at = now_;
    // From here on the old revision is no longer whole: this one is what a later deployment goes back to.
    if (phase == Phase::clean_up) newest().was_completed = true;
    plan_.notes.push_back(
        {.kind = Note::Kind::stage, .deployment = newest().id, .tasks = {}, .text = phase_text(phase)});
  }

  // Passes one stage, if its end is reached.
  bool pass() {
    switch (newest().phase) {
      case Phase::none:
      case Phase::clean_up:
        return false;
      case Phase::reconcile:
        return reconciled() && hooked() && next(Phase::pre_scale_up);
      case Phase::pre_scale_up:
        return hooked() && next(Phase::scale_up);
      case Phase::scale_up:
        return whole(newest()) && next(Phase::post_scale_up);
      case Phase::post_scale_up:
        return hooked() && next(Phase::test_shift);
      case Phase::test_shift:
        want({.production = plan_.next.traffic.production, .test = share_of(newest(), kAll)});
        return confirmed_ && hooked() && next(Phase::post_test_shift);
      case Phase::post_test_shift:
        return hooked() && next(Phase::production_shift);
      case Phase::production_shift:
        return shifted() && next(newest().rolling_back ? Phase::clean_up : Phase::post_production_shift);
      case Phase::post_production_shift:
        return hooked() && next(Phase::bake);
      case Phase::bake:
        return baked() && next(Phase::clean_up);
    }
    return false;
  }
  bool next(Phase phase) {
    enter(phase);
    return true;
  }

  // Whether every hook of this stage (and step) has agreed; those that were not asked yet are asked.
  bool hooked() {
    Deployment& own = newest();
    bool agreed = true;
    for (std::size_t i = 0; i < own.hooks.size(); ++i) {
      const Hook& hook = own.hooks[i];
      if (std::ranges::find(hook.phases, own.phase) == hook.phases.end()) continue;
      auto run = std::ranges::find_if(own.runs, [&](const HookRun& one) {
        return one.hook == i && one.phase == own.phase && one.step == own.step;
      });
      if (run == own.runs.end()) {
        own.runs.push_back({.id = own.id.substr(own.id.rfind('/') + 1) + "-" + std::to_string(own.runs.size() + 1),
                            .hook = i,
                            .phase = own.phase,
                            .step = own.step,
                            .status = hook.pause ? HookRun::Status::awaiting_action : HookRun::Status::in_progress,
                            .expires_at = now_ + hook.timeout,
                            .next_at = now_});
        run = own.runs.end() - 1;
      }
      agreed &= has_agreed(*run, hook);
    }
    return agreed;
  }
  bool has_agreed(HookRun& run, const Hook& hook) {
    const bool open = run.status == HookRun::Status::in_progress || run.status == HookRun::Status::awaiting_action;
    if (open && now_ >= run.expires_at) {
      run.status = HookRun::Status::timed_out;
      if (!hook.continue_on_timeout) sooner(now_);  // It fails the deployment at the next look.
    } else if (open) {
      sooner(run.expires_at);
    }
    return run.status == HookRun::Status::succeeded ||
           (run.status == HookRun::Status::timed_out && hook.continue_on_timeout) || planted(Bug::hooks_not_awaited);
  }

  // All traffic is with the old revision, and nothing is left of deployments in between: their tasks are in the target
  // group that the new ones will come to.
  bool reconciled() {
    const Deployment* old = source();
    const int at = old != nullptr ? share_of(*old, kAll) : share_of(newest(), kAll);
    want({.production = at, .test = at});
    if (!confirmed_ && !planted(Bug::stopped_under_traffic)) return false;
    const std::vector<std::string> kept = {newest().id, old != nullptr ? old->id : newest().id};
    stop_all_but(kept);
    return planted(Bug::colours_mixed) || std::ranges::none_of(seen_, [&](const TaskSeen& task) {
             return task.stage != Stage::stopped && std::ranges::find(kept, task.deployment) == kept.end();
           });
  }

  // Step by step; each only while the new revision is whole, except on the way back.
  bool shifted() {
    Deployment& own = newest();
    if (own.rolling_back) {
      want({.production = share_of(own, kAll), .test = share_of(own, kAll)});
      return confirmed_;
    }
    if (own.step == 0) return step_on();
    if (!confirmed_) return false;
    if (own.step_since == Instant{}) own.step_since = now_;
    if (!hooked()) return false;
    if (share_after(own.how, own.step) >= kAll) return true;
    const Instant due = own.step_since + own.how.step_bake;
    if (now_ >= due || planted(Bug::steps_not_baked)) return step_on();
    sooner(due);
    return false;
  }
  bool step_on() {
    Deployment& own = newest();
    if (!whole(own) && !planted(Bug::shifted_before_whole)) return false;
    ++own.step;
    own.step_since = {};
    want({.production = share_of(own, share_after(own.how, own.step)), .test = plan_.next.traffic.test});
    return false;
  }

  bool baked() {
    const Instant due = newest().phase_since + newest().how.bake;
    if (now_ < due && !planted(Bug::bake_cut_short)) {
      sooner(due);
      return false;
    }
    return whole(newest());
  }

  // What the alternate target group has to get, so that the deployment gets `share`.
  static int share_of(const Deployment& deployment, int share) { return deployment.alternate ? share : kAll - share; }
  void want(Traffic traffic) {
    if (plan_.next.traffic == traffic) return;
    plan_.next.traffic = traffic;
    confirmed_ = false;
  }
  void sooner(Instant at) {
    if (!plan_.wake_at || at < *plan_.wake_at) plan_.wake_at = at;
  }

  // ---- tasks ----

  bool is_stopping(const TaskSeen& task) const {
    return task.stop_wanted || std::ranges::find(plan_.stop, task.id, &StopTask::id) != plan_.stop.end();
  }
  bool is_active(const TaskSeen& task) const {
    return (task.stage == Stage::pending || task.stage == Stage::running) && !is_stopping(task);
  }
  static bool serves(const TaskSeen& task) {
    return task.stage == Stage::running && task.health == Health::healthy && task.in_traffic;
  }
  bool is_sick(const TaskSeen& task) const {
    return task.stage == Stage::running && task.health == Health::unhealthy &&
           now_ >= task.started_at + plan_.next.grace;
  }
  template <class Which>
  int count(const Deployment& of, Which which) const {
    return static_cast<int>(std::ranges::count_if(
        seen_, [&](const TaskSeen& t) { return t.deployment == of.id && is_active(t) && which(t); }));
  }
  int serving(const Deployment& of) const {
    return count(of, [](const TaskSeen& t) { return serves(t); });
  }
  bool whole(const Deployment& deployment) const { return serving(deployment) >= plan_.next.desired; }

  void start_missing(Deployment& deployment) {
    const int hopeful = count(deployment, [&](const TaskSeen& t) { return !is_sick(t); });
    const int missing = plan_.next.desired - hopeful;
    if (missing <= 0) return;
    if (now_ < deployment.start_after) return sooner(deployment.start_after);
    plan_.start.insert(plan_.start.end(), static_cast<std::size_t>(missing), deployment.id);
    deployment.steady = false;
  }

  void replace(const TaskSeen& task) {
    plan_.stop.push_back({task.id, "Task failed health checks"});
    plan_.notes.push_back({.kind = Note::Kind::replaced_unhealthy, .deployment = task.deployment, .tasks = {task.id}});
  }
  // A sick task that never served goes at once.
  void stop_hopeless() {
    for (const TaskSeen& task : seen_) {
      if (!is_active(task) || task.stage != Stage::running || task.health != Health::unhealthy) continue;
      if (!is_sick(task)) {
        sooner(task.started_at + plan_.next.grace);
      } else if (!task.was_healthy) {
        replace(task);
      }
    }
  }
  // One that did serve may still answer somebody: it goes when its replacement serves.
  void stop_replaced(const Deployment& deployment) {
    for (const TaskSeen& task : seen_) {
      if (task.deployment == deployment.id && is_active(task) && is_sick(task) && whole(deployment)) replace(task);
    }
  }
  // Scale-in: those that serve nobody first, then the youngest.
  void stop_surplus(const Deployment& deployment) {
    std::vector<const TaskSeen*> own;
    for (const TaskSeen& task : seen_) {
      if (task.deployment == deployment.id && is_active(task) && !is_sick(task)) own.push_back(&task);
    }
    std::ranges::stable_sort(own, [](const TaskSeen* a, const TaskSeen* b) {
      return serves(*a) != serves(*b) ? !serves(*a) : a->created_at > b->created_at;
    });
    int surplus = static_cast<int>(own.size()) - plan_.next.desired;
    for (auto at = own.begin(); surplus > 0; ++at, --surplus)
      plan_.stop.push_back({(*at)->id, "Scaling activity initiated by (deployment " + newest().id + ")"});
  }
  void stop_all_but(const std::vector<std::string>& kept) {
    std::vector<std::string> stopped;
    for (const TaskSeen& task : seen_) {
      if (!is_active(task) || std::ranges::find(kept, task.deployment) != kept.end()) continue;
      plan_.stop.push_back({task.id, "Scaling activity initiated by (deployment " + newest().id + ")"});
      stopped.push_back(task.id);
    }
    if (!stopped.empty())
      plan_.notes.push_back({.kind = Note::Kind::stopped_tasks, .deployment = newest().id, .tasks = stopped});
  }

  Plan& plan_;
  const std::vector<TaskSeen>& seen_;
  bool confirmed_;
  Instant now_;
};

}  // namespace

const char* phase_text(Phase phase) {
  constexpr const char* kTexts[] = {"",
                                    "RECONCILE_SERVICE",
                                    "PRE_SCALE_UP",
                                    "SCALE_UP",
                                    "POST_SCALE_UP",
                                    "TEST_TRAFFIC_SHIFT",
                                    "POST_TEST_TRAFFIC_SHIFT",
                                    "PRODUCTION_TRAFFIC_SHIFT",
                                    "POST_PRODUCTION_TRAFFIC_SHIFT",
                                    "BAKE_TIME",
                                    "CLEAN_UP"};
  return kTexts[static_cast<int>(phase)];
}

const char* strategy_text(Strategy strategy) {
  constexpr const char* kTexts[] = {"ROLLING", "BLUE_GREEN", "LINEAR", "CANARY"};
  return kTexts[static_cast<int>(strategy)];
}

int share_after(const Takeover& how, int steps) {
  if (steps <= 0) return 0;
  switch (how.strategy) {
    case Strategy::linear:
      return static_cast<int>(std::min<long long>(static_cast<long long>(how.step) * steps, kAll));
    case Strategy::canary:
      return steps == 1 ? how.step : kAll;
    case Strategy::rolling:
    case Strategy::blue_green:
      break;
  }
  return kAll;
}

const char* status_text(HookRun::Status status) {
  constexpr const char* kTexts[] = {"IN_PROGRESS", "AWAITING_ACTION", "SUCCEEDED", "FAILED", "TIMED_OUT"};
  return kTexts[static_cast<int>(status)];
}

bool has_refused(const Deployment& deployment, const HookRun& run) {
  return run.status == HookRun::Status::failed ||
         (run.status == HookRun::Status::timed_out && !deployment.hooks[run.hook].continue_on_timeout);
}

void shift(Plan& plan, const std::vector<TaskSeen>& seen, bool confirmed, Instant now) {
  Shifter shifter(plan, seen, confirmed, now);
  shifter.run();
}

}  // namespace slipway::ecs
