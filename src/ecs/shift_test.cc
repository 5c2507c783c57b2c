#include "ecs/shift.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace slipway::ecs {
namespace {

using namespace std::chrono_literals;

const Instant kNow = instant_ms(1'000'000);

TaskSeen serving(std::string id, std::string of, bool alternate) {
  return {.id = std::move(id),
          .deployment = std::move(of),
          .stage = Stage::running,
          .health = Health::healthy,
          .in_traffic = true,
          .was_healthy = true,
          .alternate = alternate};
}

// v1 runs on `desired` tasks; v2 is to take over as `how` says.
struct Service {
  ServiceState state;
  std::vector<TaskSeen> tasks;
  Instant now = kNow;
  std::vector<std::string> heard;
  int started = 0;

  Service(int desired, Takeover how) {
    state = {.desired = desired, .breaker = {.enable = true, .rollback = true}, .how = how};
    state.deployments = {{.id = "v1", .rollout = Rollout::completed, .was_completed = true}};
    for (int i = 0; i < desired; ++i) tasks.push_back(serving("old" + std::to_string(i), "v1", false));
    supersede(state, {.id = "v2"});
  }
  // One look: everything asked for happens at once, except that the load balancer may lag.
  Plan look(bool follows = true) {
    Plan plan = advance(state, tasks, now, follows ? std::optional<Traffic>() : Traffic{.production = -1});
    state = plan.next;
    for (const StopTask& stop : plan.stop) std::erase_if(tasks, [&](const TaskSeen& t) { return t.id == stop.id; });
    for (const std::string& of : plan.start) {
      const auto own = std::ranges::find(state.deployments, of, &Deployment::id);
      tasks.push_back({.id = "new" + std::to_string(started++), .deployment = of, .alternate = own->alternate});
    }
    for (const Note& note : plan.notes) {
      if (note.kind == Note::Kind::stage) heard.push_back(note.text);
    }
    return plan;
  }
  void all_serve() {
    for (TaskSeen& task : tasks) task = serving(task.id, task.deployment, task.alternate);
  }
  int tasks_of(const std::string& deployment) {
    return static_cast<int>(std::ranges::count(tasks, deployment, &TaskSeen::deployment));
  }
  Phase phase() { return state.deployments.front().phase; }
  // Looks until nothing changes any more.
  void settle() {
    for (int i = 0; i < 10; ++i) look();
  }
};

const Takeover kBlueGreen{.strategy = Strategy::blue_green, .bake = 5min};

TEST(Shift, TheNewRevisionComesBesideTheOldOneAndTakesNoTraffic) {
  Service service(2, kBlueGreen);
  service.settle();
  EXPECT_EQ(service.tasks_of("v2"), 2);
  EXPECT_EQ(service.tasks_of("v1"), 2);
  EXPECT_EQ(service.phase(), Phase::scale_up);
  EXPECT_EQ(service.state.traffic, Traffic{});
}

TEST(Shift, TrafficMovesWhenAllOfThemServeAndTheOldOnesStayUntilTheBakeEnds) {
  Service service(2, kBlueGreen);
  service.settle();
  service.all_serve();
  service.settle();
  EXPECT_EQ(service.state.traffic.production, kAll);
  EXPECT_EQ(service.phase(), Phase::bake);
  EXPECT_EQ(service.tasks_of("v1"), 2);
  service.now = kNow + 5min - 1ms;
  EXPECT_EQ(service.look().wake_at, kNow + 5min);
  EXPECT_EQ(service.tasks_of("v1"), 2);
  service.now = kNow + 5min;
  service.settle();
  EXPECT_EQ(service.tasks_of("v1"), 0);
  EXPECT_EQ(service.state.deployments.front().rollout, Rollout::completed);
  EXPECT_EQ(service.heard, (std::vector<std::string>{"PRE_SCALE_UP", "SCALE_UP", "POST_SCALE_UP", "TEST_TRAFFIC_SHIFT",
                                                     "POST_TEST_TRAFFIC_SHIFT", "PRODUCTION_TRAFFIC_SHIFT",
                                                     "POST_PRODUCTION_TRAFFIC_SHIFT", "BAKE_TIME", "CLEAN_UP"}));
}

TEST(Shift, GoingBackIsOneChangeOfWeightsAndComesBeforeAnyTaskStops) {
  Service service(2, kBlueGreen);
  service.settle();
  service.all_serve();
  service.settle();
  service.state.deployments.front().wish = StopWish::roll_back;
  Plan plan = service.look();
  EXPECT_EQ(plan.next.traffic.production, 0);
  EXPECT_EQ(plan.next.deployments.front().id, "v1");
  EXPECT_TRUE(plan.start.empty());
  EXPECT_TRUE(plan.stop.empty());
  plan = service.look(false);  // The load balancer has not followed yet.
  EXPECT_TRUE(plan.stop.empty());
  service.settle();
  EXPECT_EQ(service.tasks_of("v2"), 0);
  EXPECT_EQ(service.tasks_of("v1"), 2);
  EXPECT_EQ(service.state.deployments.front().rollout, Rollout::completed);
}

TEST(Shift, TheNextDeploymentTakesTheOtherTargetGroup) {
  Service service(1, {.strategy = Strategy::blue_green});
  service.settle();
  service.all_serve();
  service.settle();
  ASSERT_EQ(service.state.deployments.size(), 1U);
  EXPECT_TRUE(service.state.deployments.front().alternate);
  supersede(service.state, {.id = "v3"});
  service.settle();
  service.all_serve();
  service.settle();
  EXPECT_EQ(service.state.traffic, Traffic{});
  EXPECT_FALSE(service.state.deployments.front().alternate);
  EXPECT_EQ(service.state.deployments.front().rollout, Rollout::completed);
}

TEST(Shift, ACanaryMovesAPartAndWaitsAndThenTheRest) {
  Service service(2, {.strategy = Strategy::canary, .step = 50, .step_bake = 10min});
  service.settle();
  service.all_serve();
  service.settle();
  EXPECT_EQ(service.state.traffic, (Traffic{.production = 50, .test = kAll}));
  service.now = kNow + 10min - 1ms;
  service.settle();
  EXPECT_EQ(service.state.traffic.production, 50);
  service.now = kNow + 10min;
  service.settle();
  EXPECT_EQ(service.state.traffic.production, kAll);
}

TEST(Shift, ALinearShiftStopsWhereTheNewRevisionIsNotWhole) {
  Service service(2, {.strategy = Strategy::linear, .step = 400, .step_bake = 1min});
  service.settle();
  service.all_serve();
  service.settle();
  EXPECT_EQ(service.state.traffic.production, 400);
  service.tasks.back().health = Health::starting;
  service.now = service.now + 2min;
  service.settle();
  EXPECT_EQ(service.state.traffic.production, 400);
  service.all_serve();
  service.settle();
  EXPECT_EQ(service.state.traffic.production, 800);
  service.now = service.now + 1min;
  service.settle();
  EXPECT_EQ(service.state.traffic.production, kAll);
}

TEST(Shift, TheBakeOfAStepBeginsWhenTheLoadBalancerCarriesItOut) {
  Service service(1, {.strategy = Strategy::canary, .step = 50, .step_bake = 10min});
  service.settle();
  service.all_serve();
  for (int i = 0; i < 10 && service.phase() != Phase::production_shift; ++i) service.look();
  service.look(false);
  service.now = kNow + 1min;
  service.look(false);
  service.look();
  service.now = kNow + 10min + 30s;
  service.settle();
  EXPECT_EQ(service.state.traffic.production, 50);
}

TEST(Shift, ANewerDeploymentTakesTheTrafficBackAndClearsTheGroupBeforeItComes) {
  Service service(1, {.strategy = Strategy::canary, .step = 500, .step_bake = 10min});
  service.settle();
  service.all_serve();
  service.settle();
  ASSERT_EQ(service.state.traffic.production, 500);
  supersede(service.state, {.id = "v3"});
  Plan plan = service.look();
  EXPECT_EQ(plan.next.traffic.production, 0);
  EXPECT_TRUE(plan.stop.empty());  // They may still get requests.
  EXPECT_TRUE(plan.start.empty());
  plan = service.look();
  EXPECT_EQ(service.tasks_of("v2"), 0);
  service.settle();
  EXPECT_EQ(service.tasks_of("v3"), 1);
  EXPECT_EQ(service.tasks_of("v1"), 1);
}

TEST(Shift, ARollingDeploymentThatSupersedesAShiftKeepsTheTasksUntilTheTrafficIsBack) {
  Service service(1, {.strategy = Strategy::canary, .step = 500, .step_bake = 10min});
  service.settle();
  service.all_serve();
  service.settle();
  service.state.how = Takeover{};
  supersede(service.state, {.id = "v3"});
  Plan plan = service.look();
  EXPECT_EQ(plan.next.traffic.production, 0);
  EXPECT_EQ(service.tasks_of("v2"), 1);
  plan = service.look(false);
  EXPECT_EQ(service.tasks_of("v2"), 1);
  service.settle();
  EXPECT_EQ(service.tasks_of("v2"), 0);
  service.all_serve();
  service.settle();
  EXPECT_EQ(service.tasks_of("v3"), 1);
  EXPECT_EQ(service.tasks_of("v1"), 0);
}

TEST(Shift, TheCircuitBreakerGivesTheTrafficBack) {
  Service service(2, kBlueGreen);
  service.state.breaker.rollback = false;  // A shift always goes back.
  service.settle();
  for (int i = 0; i < 3; ++i)
    service.tasks.push_back({.id = "dead" + std::to_string(i), .deployment = "v2", .stage = Stage::stopped});
  service.look();
  EXPECT_EQ(service.state.deployments.front().id, "v1");
  std::erase_if(service.tasks, [](const TaskSeen& t) { return t.stage == Stage::stopped; });
  service.settle();
  EXPECT_EQ(service.tasks_of("v2"), 0);
  EXPECT_EQ(service.tasks_of("v1"), 2);
  EXPECT_EQ(service.state.deployments.size(), 1U);
}

TEST(Shift, AStageWaitsForItsHooksAndAFailedOneGivesTheTrafficBack) {
  Service service(1, {.strategy = Strategy::blue_green, .bake = 5min});
  service.state.deployments.front().hooks = {
      {.function = "f", .phases = {Phase::post_scale_up, Phase::production_shift}}};
  service.settle();
  service.all_serve();
  service.settle();
  ASSERT_EQ(service.phase(), Phase::post_scale_up);
  service.state.deployments.front().runs.at(0).status = HookRun::Status::succeeded;
  service.settle();
  ASSERT_EQ(service.phase(), Phase::production_shift);
  EXPECT_EQ(service.state.traffic.production, kAll);
  service.state.deployments.front().runs.at(1).status = HookRun::Status::failed;
  service.look();
  EXPECT_EQ(service.state.traffic.production, 0);
  EXPECT_EQ(service.state.deployments.front().id, "v1");
}

TEST(Shift, APauseThatNobodyAnswersDoesAfterItsTimeWhatItSays) {
  for (const bool on : {true, false}) {
    Service service(1, {.strategy = Strategy::blue_green, .bake = 5min});
    service.state.deployments.front().hooks = {
        {.pause = true, .phases = {Phase::pre_scale_up}, .timeout = 10min, .continue_on_timeout = on}};
    service.settle();
    EXPECT_EQ(service.phase(), Phase::pre_scale_up);
    EXPECT_EQ(service.look().wake_at, kNow + 10min);
    service.now = kNow + 10min;
    service.settle();
    EXPECT_EQ(service.state.deployments.front().id, on ? "v2" : "v1");
    EXPECT_EQ(service.tasks_of("v2"), on ? 1 : 0);
  }
}

TEST(Shift, AServiceWithNothingToGoBackToRolls) {
  ServiceState state{.desired = 1, .how = kBlueGreen};
  supersede(state, {.id = "v1"});
  EXPECT_EQ(state.deployments.front().phase, Phase::none);
  EXPECT_EQ(advance(state, {}, kNow).start, std::vector<std::string>{"v1"});
}

TEST(Shift, ADeploymentThatSupersedesACleanUpGoesOnFromTheSideThatHasTheTraffic) {
  Service service(2, {.strategy = Strategy::blue_green});
  service.settle();
  service.all_serve();
  for (int i = 0; i < 10 && service.phase() != Phase::clean_up; ++i) service.look();
  ASSERT_EQ(service.phase(), Phase::clean_up);
  service.state.how = Takeover{};
  supersede(service.state, {.id = "v3"});
  EXPECT_TRUE(service.state.deployments.front().alternate);
  service.settle();
  EXPECT_EQ(service.state.traffic.production, kAll);
}

TEST(Shift, WhileItCleansUpItIsNotTakenBack) {
  Service service(1, {.strategy = Strategy::blue_green});
  service.settle();
  service.all_serve();
  for (int i = 0; i < 10 && service.phase() != Phase::clean_up; ++i) service.look();
  service.tasks.push_back(serving("leaving", "v1", false));
  service.tasks.back().stop_wanted = true;
  service.state.deployments.front().phase = Phase::clean_up;
  service.state.deployments.front().rollout = Rollout::in_progress;
  service.state.deployments.front().wish = StopWish::roll_back;
  EXPECT_EQ(service.look().next.deployments.front().id, "v2");
}

}  // namespace
}  // namespace slipway::ecs
