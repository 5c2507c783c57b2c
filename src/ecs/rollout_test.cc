#include "ecs/rollout.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace slipway::ecs {
namespace {

using namespace std::chrono_literals;

const Instant kNow = instant_ms(1'000'000);

Deployment deployment(std::string id, Rollout rollout) {
  return {.id = std::move(id), .rollout = rollout, .was_completed = rollout == Rollout::completed};
}

TaskSeen serving(std::string id, std::string of) {
  return {.id = std::move(id),
          .deployment = std::move(of),
          .stage = Stage::running,
          .health = Health::healthy,
          .in_traffic = true,
          .was_healthy = true};
}
TaskSeen starting(std::string id, std::string of) {
  return {.id = std::move(id), .deployment = std::move(of), .stage = Stage::running};
}
TaskSeen dead(std::string id, std::string of) {
  return {.id = std::move(id), .deployment = std::move(of), .stage = Stage::stopped};
}

// v2 is being rolled out over v1, which runs on `desired` tasks.
ServiceState rolling(int desired, int minimum = 100, int maximum = 200) {
  return {.desired = desired,
          .minimum_healthy_percent = minimum,
          .maximum_percent = maximum,
          .breaker = {.enable = true, .rollback = true},
          .deployments = {deployment("v2", Rollout::in_progress), deployment("v1", Rollout::completed)}};
}

// "start v2 v2 | stop a | completed": the plan as one line.
std::string text(const Plan& plan) {
  std::string out = "start";
  for (const auto& id : plan.start) out += " " + id;
  out += " | stop";
  for (const auto& stop : plan.stop) out += " " + stop.id;
  out += " |";
  for (const auto& note : plan.notes) {
    if (note.kind == Note::Kind::completed) out += " completed";
    if (note.kind == Note::Kind::failed) out += " failed";
    if (note.kind == Note::Kind::rolling_back) out += " rolling-back-to-" + note.deployment;
    if (note.kind == Note::Kind::steady) out += " steady";
  }
  return out;
}

TEST(Rollout, StartsAllNewTasksWhenTwiceAsManyMayExist) {
  EXPECT_EQ(text(advance(rolling(2), {serving("a", "v1"), serving("b", "v1")}, kNow)), "start v2 v2 | stop |");
}

TEST(Rollout, KeepsOldTasksUntilNewOnesServe) {
  EXPECT_EQ(text(advance(rolling(2), {serving("a", "v1"), serving("b", "v1"), starting("c", "v2"), starting("d", "v2")},
                         kNow)),
            "start | stop |");
  EXPECT_EQ(text(advance(rolling(2), {serving("a", "v1"), serving("b", "v1"), serving("c", "v2"), starting("d", "v2")},
                         kNow)),
            "start | stop a |");
}

TEST(Rollout, ANewTaskThatIsHealthyButOutOfTrafficReplacesNobody) {
  TaskSeen healthy = starting("c", "v2");
  healthy.health = Health::healthy;
  EXPECT_EQ(text(advance(rolling(1), {serving("a", "v1"), healthy}, kNow)), "start | stop |");
}

TEST(Rollout, CompletesOnlyWhenNoOldTaskIsLeft) {
  TaskSeen draining = serving("a", "v1");
  draining.stage = Stage::deactivating;
  draining.stop_wanted = true;
  EXPECT_EQ(text(advance(rolling(1), {draining, serving("c", "v2")}, kNow)), "start | stop |");
  const Plan plan = advance(rolling(1), {serving("c", "v2")}, kNow);
  EXPECT_EQ(text(plan), "start | stop | completed steady");
  EXPECT_EQ(plan.next.deployments.size(), 1U);
}

TEST(Rollout, RoundsTheMinimumUpAndTheMaximumDown) {
  EXPECT_EQ(minimum_tasks(rolling(3, 50)), 2);
  EXPECT_EQ(maximum_tasks(rolling(3, 50, 150)), 4);
  EXPECT_EQ(text(advance(rolling(3, 50, 150), {serving("a", "v1"), serving("b", "v1"), serving("c", "v1")}, kNow)),
            "start v2 | stop a |");
}

TEST(Rollout, AllowedToServeFewerItStopsFirstWhenNothingMoreMayExist) {
  EXPECT_EQ(text(advance(rolling(2, 50, 100), {serving("a", "v1"), serving("b", "v1")}, kNow)), "start | stop a |");
}

TEST(Rollout, TheBreakerTripsAtTheThirdFailureAndGoesBack) {
  ServiceState state = rolling(2);
  state.deployments[0].failed_tasks = 2;
  const Plan plan =
      advance(state, {serving("a", "v1"), serving("b", "v1"), dead("c", "v2"), starting("d", "v2")}, kNow);
  EXPECT_EQ(text(plan), "start | stop d | failed rolling-back-to-v1");
  EXPECT_EQ(plan.next.deployments[0].id, "v1");
  EXPECT_EQ(plan.next.deployments[1].rollout, Rollout::failed);
  EXPECT_EQ(plan.counted, std::vector<std::string>{"c"});
}

TEST(Rollout, AfterTheRollbackTheOldDeploymentIsCompletedAgain) {
  ServiceState state = rolling(2);
  std::swap(state.deployments[0], state.deployments[1]);
  state.deployments[0].rollout = Rollout::in_progress;
  state.deployments[1].rollout = Rollout::failed;
  const Plan plan = advance(state, {serving("a", "v1"), serving("b", "v1")}, kNow);
  EXPECT_EQ(text(plan), "start | stop | completed steady");
  EXPECT_EQ(plan.next.deployments.size(), 1U);
}

TEST(Rollout, WithNothingToGoBackToItStaysFailedAndLaunchesNoMore) {
  ServiceState state{.desired = 1,
                     .breaker = {.enable = true, .rollback = true},
                     .deployments = {deployment("v1", Rollout::in_progress)}};
  state.deployments[0].failed_tasks = 2;
  const Plan plan = advance(state, {dead("a", "v1")}, kNow);
  EXPECT_EQ(text(plan), "start | stop | failed");
  EXPECT_EQ(text(advance(plan.next, {}, kNow + 1h)), "start | stop |");
}

TEST(Rollout, WithoutRollbackTheGoodTasksStay) {
  ServiceState state = rolling(1);
  state.breaker.rollback = false;
  state.deployments[0].rollout = Rollout::failed;
  EXPECT_EQ(text(advance(state, {serving("a", "v1"), starting("c", "v2")}, kNow)), "start | stop |");
}

TEST(Rollout, AHealthyTaskForgivesTheFailuresBefore) {
  ServiceState state = rolling(2);
  state.deployments[0].failed_tasks = 2;
  TaskSeen fresh = serving("c", "v2");
  fresh.was_healthy = false;
  EXPECT_EQ(advance(state, {serving("a", "v1"), serving("b", "v1"), fresh}, kNow).next.deployments[0].failed_tasks, 0);
}

TEST(Rollout, AnUnhealthyTaskIsReplacedOnceItsGraceIsOver) {
  ServiceState state{.desired = 1, .grace = 10s, .deployments = {deployment("v1", Rollout::completed)}};
  TaskSeen sick = starting("a", "v1");
  sick.health = Health::unhealthy;
  sick.started_at = kNow;
  const Plan early = advance(state, {sick}, kNow + 9s);
  EXPECT_EQ(text(early), "start | stop |");
  EXPECT_EQ(early.wake_at, kNow + 10s);
  EXPECT_EQ(text(advance(state, {sick}, kNow + 10s)), "start v1 | stop a |");
}

TEST(Rollout, AnOldTaskThatDiesIsReplacedByItsOwnRevision) {
  EXPECT_EQ(text(advance(rolling(2, 100, 150), {serving("a", "v1"), dead("b", "v1")}, kNow)), "start v2 v2 | stop |");
  ServiceState slow = rolling(2, 100, 150);
  slow.deployments[0].start_after = kNow + 1s;
  EXPECT_EQ(text(advance(slow, {serving("a", "v1"), dead("b", "v1")}, kNow)), "start v1 | stop |");
}

TEST(Rollout, RestartsSlowDownAfterManyFailures) {
  ServiceState state{.desired = 1, .deployments = {deployment("v1", Rollout::in_progress)}};
  state.deployments[0].failures_in_row = 5;
  const Plan plan = advance(state, {dead("a", "v1")}, kNow);
  EXPECT_EQ(text(plan), "start | stop |");
  EXPECT_EQ(plan.wake_at, kNow + 4s);
}

TEST(Rollout, ANewerDeploymentSupersedesOneUnderWay) {
  ServiceState state = rolling(2);
  supersede(state, deployment("v3", Rollout::in_progress));
  EXPECT_EQ(
      text(advance(state, {serving("a", "v1"), serving("b", "v1"), starting("c", "v2"), starting("d", "v2")}, kNow)),
      "start | stop c d |");
}

TEST(Rollout, ScaleInStopsTheYoungestAndKeepsTheMinimum) {
  ServiceState state{.desired = 1, .deployments = {deployment("v1", Rollout::completed)}};
  TaskSeen young = serving("b", "v1");
  young.created_at = kNow;
  EXPECT_EQ(text(advance(state, {serving("a", "v1"), young}, kNow)), "start | stop b |");
}

TEST(Rollout, DesiredZeroStopsEverythingAndCompletes) {
  ServiceState state{.desired = 0, .deployments = {deployment("v1", Rollout::in_progress)}};
  EXPECT_EQ(text(advance(state, {serving("a", "v1")}, kNow)), "start | stop a |");
  EXPECT_EQ(text(advance(state, {}, kNow)), "start | stop | completed steady");
}

TEST(Rollout, TheThresholdIsHalfBetweenThreeAndTwoHundred) {
  EXPECT_EQ(breaker_threshold({.desired = 1}), 3);
  EXPECT_EQ(breaker_threshold({.desired = 25}), 13);
  EXPECT_EQ(breaker_threshold({.desired = 800}), 200);
}

TEST(Rollout, TheThresholdCanBeANumberOrAPercentageWithoutBounds) {
  ServiceState state{.desired = 10, .breaker = {.type = Breaker::Threshold::count, .value = 7}};
  EXPECT_EQ(breaker_threshold(state), 7);
  state.breaker = {.type = Breaker::Threshold::unbounded_percent, .value = 5};
  EXPECT_EQ(breaker_threshold(state), 1);
  state.desired = 1000;
  EXPECT_EQ(breaker_threshold(state), 50);
  state.breaker = {.value = 100};
  EXPECT_EQ(breaker_threshold(state), 200);
}

TEST(Rollout, FailuresAreNotForgivenWhenTheServiceSaysSo) {
  ServiceState state = rolling(2);
  state.breaker.reset_on_healthy = false;
  state.deployments[0].failed_tasks = 2;
  TaskSeen fresh = serving("c", "v2");
  fresh.was_healthy = false;
  EXPECT_EQ(advance(state, {serving("a", "v1"), serving("b", "v1"), fresh}, kNow).next.deployments[0].failed_tasks, 2);
}

TEST(Rollout, PercentagesThatAllowNothingAreReportedOnce) {
  const std::vector<TaskSeen> seen{serving("a", "v1"), serving("b", "v1")};
  const Plan plan = advance(rolling(2, 75, 100), seen, kNow);
  EXPECT_EQ(plan.notes.size(), 1U);
  EXPECT_EQ(plan.notes.at(0).kind, Note::Kind::stuck);
  EXPECT_EQ(plan.notes.at(0).text,
            "was unable to stop or start tasks during a deployment because of the service deployment configuration. "
            "Update the minimumHealthyPercent or maximumPercent value and try again.");
  EXPECT_TRUE(advance(plan.next, seen, kNow).notes.empty());
}

TEST(Rollout, ATaskOfTheOldRevisionThatIsNeededIsNotStoppedAgain) {
  ServiceState slow = rolling(2, 100, 150);
  slow.deployments[0].start_after = kNow + 1s;
  EXPECT_EQ(text(advance(slow, {serving("a", "v1"), starting("b", "v1")}, kNow)), "start | stop |");
}

TEST(Rollout, AnUnhealthyTaskThatServedGoesWhenItsReplacementServes) {
  const ServiceState state{.desired = 1, .deployments = {deployment("v1", Rollout::completed)}};
  TaskSeen sick = serving("a", "v1");
  sick.health = Health::unhealthy;
  EXPECT_EQ(text(advance(state, {sick}, kNow)), "start v1 | stop |");
  EXPECT_EQ(text(advance(state, {sick, starting("b", "v1")}, kNow)), "start | stop |");
  EXPECT_EQ(text(advance(state, {sick, serving("b", "v1")}, kNow)), "start | stop a |");
}

TEST(Rollout, WithoutRoomOneUnhealthyTaskMakesRoomAtATime) {
  ServiceState state{.desired = 2, .minimum_healthy_percent = 0, .maximum_percent = 100};
  state.deployments = {deployment("v1", Rollout::completed)};
  TaskSeen a = serving("a", "v1");
  TaskSeen b = serving("b", "v1");
  a.health = b.health = Health::unhealthy;
  const Plan plan = advance(state, {a, b}, kNow);
  EXPECT_EQ(text(plan), "start | stop a |");
  EXPECT_EQ(plan.wake_at, kNow);
}

TEST(Rollout, ARollbackThatFailsIsToldAndGoesOnTrying) {
  ServiceState state = rolling(1);
  std::swap(state.deployments[0], state.deployments[1]);
  state.deployments[0].rollout = Rollout::in_progress;
  state.deployments[0].rolling_back = true;
  state.deployments[0].failed_tasks = 2;
  state.deployments[1].rollout = Rollout::failed;
  const Plan plan = advance(state, {dead("a", "v1")}, kNow);
  EXPECT_EQ(text(plan), "start v1 | stop | failed");
  EXPECT_TRUE(plan.notes.at(0).of_rollback);
  const Plan later = advance(plan.next, {serving("b", "v1")}, kNow + 1min);
  EXPECT_EQ(text(later), "start | stop | completed steady");
}

TEST(Rollout, AWishToRollBackIsGrantedWithoutABreaker) {
  ServiceState state = rolling(1);
  state.breaker = {};
  state.deployments[0].wish = StopWish::roll_back;
  EXPECT_EQ(text(advance(state, {serving("a", "v1"), starting("b", "v2")}, kNow)),
            "start | stop b | failed rolling-back-to-v1");
}

TEST(Rollout, AnAbortedDeploymentLaunchesNothingAndKeepsWhatServes) {
  ServiceState state = rolling(2);
  state.deployments[0].wish = StopWish::abort;
  const Plan plan = advance(state, {serving("a", "v1"), serving("b", "v1"), starting("c", "v2")}, kNow);
  EXPECT_EQ(text(plan), "start | stop | failed");
  EXPECT_EQ(text(advance(plan.next, {serving("a", "v1"), starting("c", "v2")}, kNow)), "start | stop |");
}

TEST(Rollout, SupersededDeploymentsWithoutTasksAreForgotten) {
  ServiceState state = rolling(1);
  supersede(state, deployment("v3", Rollout::in_progress));
  const Plan plan = advance(state, {serving("a", "v1")}, kNow);
  ASSERT_EQ(plan.next.deployments.size(), 2U);
  EXPECT_EQ(plan.next.deployments[1].id, "v1");
}

TEST(Rollout, ADesiredCountOfZeroStopsTheTasksOfAFailedServiceToo) {
  ServiceState state = rolling(2);
  state.breaker.rollback = false;
  state.deployments[0].rollout = Rollout::failed;
  state.desired = 0;
  EXPECT_EQ(text(advance(state, {serving("a", "v1"), serving("c", "v2")}, kNow)), "start | stop a c |");
}

}  // namespace
}  // namespace slipway::ecs
