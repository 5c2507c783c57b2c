#include "deployer/verdict.h"

#include <gtest/gtest.h>

namespace slipway::deployer {
namespace {

const std::string kDigest = "sha256:" + std::string(64, 'd');
constexpr Duration kTimeout = std::chrono::minutes(30);

json::object service(const std::string& primary, const std::string& rollout, double created_at = 100) {
  return {{"desiredCount", 2},
          {"deployments",
           json::array{json::object{
               {"id", primary}, {"status", "PRIMARY"}, {"rolloutState", rollout}, {"createdAt", created_at}}}}};
}

Observation seen(const std::string& status) {
  Observation out{.digest = kDigest,
                  .deployment = "ecs-svc/1",
                  .service = service("ecs-svc/1", "IN_PROGRESS"),
                  .running = {kDigest, kDigest},
                  .started_at = instant_ms(100'000)};
  if (!status.empty()) out.record = ServiceDeployment{.status = status, .created_at = instant_ms(100'000)};
  return out;
}

End end_of_status(const std::string& status) {
  return judge(seen(status), kTimeout, instant_ms(200'000)).end;
}

TEST(Verdict, FollowsTheRecordOfTheServiceDeployment) {
  EXPECT_EQ(end_of_status("SUCCESSFUL"), End::live);
  EXPECT_EQ(end_of_status("IN_PROGRESS"), End::open);
  EXPECT_EQ(end_of_status("ROLLBACK_IN_PROGRESS"), End::open);
  EXPECT_EQ(end_of_status("ROLLBACK_SUCCESSFUL"), End::rolled_back_by_ecs);
  EXPECT_EQ(end_of_status("ROLLBACK_FAILED"), End::failed);
  EXPECT_EQ(end_of_status("STOPPED"), End::stopped);
}

TEST(Verdict, TellsAStopOfTheBreakerFromOneByAPerson) {
  Observation breaker = seen("STOPPED");
  breaker.record->reason = "Service deployment stopped because the circuit breaker threshold was exceeded.";
  EXPECT_EQ(judge(breaker, kTimeout, instant_ms(200'000)).end, End::failed);
  Observation newer = seen("STOPPED");
  newer.service = service("ecs-svc/2", "IN_PROGRESS", 150);
  EXPECT_EQ(judge(newer, kTimeout, instant_ms(200'000)).end, End::superseded);
}

TEST(Verdict, IsNotLiveWithoutARunningTaskOfThisDigest) {
  Observation none = seen("SUCCESSFUL");
  none.running.clear();
  EXPECT_EQ(judge(none, kTimeout, instant_ms(200'000)).end, End::open);
  none.service["desiredCount"] = 0;
  EXPECT_EQ(judge(none, kTimeout, instant_ms(200'000)).end, End::scaled_to_zero);
  Observation other = seen("SUCCESSFUL");
  other.running.push_back("sha256:other");
  EXPECT_EQ(judge(other, kTimeout, instant_ms(200'000)).end, End::failed);
}

TEST(Verdict, SeesPercentagesThatAllowNothing) {
  Observation stuck = seen("IN_PROGRESS");
  stuck.service["events"] =
      json::array{json::object{{"createdAt", 150.0},
                               {"message",
                                "(service rest) was unable to stop or start tasks during a deployment because of the "
                                "service deployment configuration. Update …"}}};
  const Judgement judgement = judge(stuck, kTimeout, instant_ms(200'000));
  EXPECT_EQ(judgement.end, End::stuck);
  EXPECT_NE(judgement.why.find("of 2 tasks, 2 must stay healthy and 4 may exist"), std::string::npos) << judgement.why;
  // The same message of an earlier deployment says nothing.
  stuck.started_at = instant_ms(160'000);
  EXPECT_EQ(judge(stuck, kTimeout, instant_ms(200'000)).end, End::open);
}

TEST(Verdict, TimesOut) {
  EXPECT_EQ(judge(seen("IN_PROGRESS"), kTimeout, instant_ms(100'000 + 1'800'001)).end, End::timed_out);
  EXPECT_EQ(judge(seen(""), kTimeout, instant_ms(100'000 + 1'800'001)).end, End::timed_out);
}

TEST(Verdict, ManagesWithTheServicesOwnDeployments) {
  Observation own = seen("");
  own.service = service("ecs-svc/1", "COMPLETED");
  EXPECT_EQ(judge(own, kTimeout, instant_ms(200'000)).end, End::live);
  own.service = service("ecs-svc/1", "FAILED");
  EXPECT_EQ(judge(own, kTimeout, instant_ms(200'000)).end, End::failed);
  own.service = service("ecs-svc/0", "COMPLETED", 50);
  EXPECT_EQ(judge(own, kTimeout, instant_ms(200'000)).end, End::rolled_back_by_ecs);
  own.service = service("ecs-svc/2", "IN_PROGRESS", 150);
  EXPECT_EQ(judge(own, kTimeout, instant_ms(200'000)).end, End::superseded);
  own.service = service("ecs-svc/0", "IN_PROGRESS", 50);
  own.completed = false;
  EXPECT_TRUE(judge(own, kTimeout, instant_ms(200'000)).ecs_rolls_back);
}

TEST(Verdict, NamesEveryEnd) {
  for (const End end :
       {End::open, End::live, End::rolled_back_by_ecs, End::rolled_back_by_slipway, End::failed, End::superseded,
        End::stopped, End::stuck, End::scaled_to_zero, End::timed_out, End::unverified}) {
    EXPECT_EQ(end_of(end_name(end)), end);
    EXPECT_FALSE(end_words(end).empty());
  }
}

TEST(Evidence, IsOfTheFailedTasksOfThisDeployment) {
  const Route route{.name = "rest", .container = "app"};
  const json::object log = {
      {"options", json::object{{"awslogs-group", "/ecs/rest"}, {"awslogs-stream-prefix", "ecs"}}}};
  const json::object definition = {
      {"containerDefinitions", json::array{json::object{{"name", "app"}, {"logConfiguration", log}}}}};
  const auto task = [](const char* id, const char* deployment, const char* reason, int exit_code) {
    return json::object{{"taskArn", std::string("arn:task/cars/") + id},
                        {"startedBy", deployment},
                        {"stoppedReason", reason},
                        {"containers", json::array{json::object{{"name", "side"}, {"exitCode", 0}},
                                                   json::object{{"name", "app"}, {"exitCode", exit_code}}}}};
  };
  const Evidence evidence = evidence_of(
      route, {}, definition,
      {task("t0", "ecs-svc/0", "old", 1), task("t1", "ecs-svc/1", "Essential container in task exited", 137),
       task("t2", "ecs-svc/1", "Essential container in task exited", 137)},
      "ecs-svc/1", instant_ms(0));
  ASSERT_EQ(evidence.tasks.size(), 1u);
  EXPECT_EQ(evidence.tasks[0].task, "t1");
  EXPECT_EQ(evidence.tasks[0].exit_code, 137);
  EXPECT_EQ(evidence.tasks[0].log_stream, "ecs/app/t1");
  EXPECT_EQ(summary(evidence), "exit code 137: Essential container in task exited");
}

TEST(Bounds, RoundAsEcsDoes) {
  EXPECT_EQ(bounds_of(3, 50, 125).minimum, 2);
  EXPECT_EQ(bounds_of(3, 50, 125).maximum, 3);
  EXPECT_EQ(bounds_of(1, 100, 200).maximum, 2);
}

}  // namespace
}  // namespace slipway::deployer
