// Deployments that shift traffic, by the real scheduler over an engine and a load balancer in memory.
#include "ecs/world_test.h"

namespace slipway::ecs {
namespace {

class ShiftTest : public SchedulerTest {
 protected:
  static json::object configuration(const char* strategy, int bake) {
    return {{"strategy", strategy},
            {"bakeTimeInMinutes", bake},
            {"deploymentCircuitBreaker", json::object{{"enable", true}, {"rollback", true}}}};
  }
  static json::object request(json::object deployment_configuration, bool advanced = true) {
    json::object balancer = {{"targetGroupArn", "tg"}, {"containerName", "app"}, {"containerPort", 80}};
    if (advanced)
      balancer["advancedConfiguration"] = json::object{
          {"alternateTargetGroupArn", "tg2"}, {"productionListenerRule", "production"}, {"testListenerRule", "test"}};
    return {{"cluster", "c"},
            {"serviceName", "s"},
            {"taskDefinition", "f"},
            {"desiredCount", 2},
            {"loadBalancers", json::array{balancer}},
            {"deploymentConfiguration", std::move(deployment_configuration)}};
  }
  // v1 runs; v2 is on its way.
  void deploy_second(json::object deployment_configuration) {
    ASSERT_EQ(error_of("CreateService", request(std::move(deployment_configuration))), "");
    ASSERT_EQ(settle("1 COMPLETED 2"), "1 COMPLETED 2");
    publish("2");
    redeploy();
  }
  json::object deployment() {
    const std::string arn = get_string(shown(), "currentServiceDeployment");
    const json::object answer = ask("DescribeServiceDeployments", {{"serviceDeploymentArns", json::array{arn}}});
    return get_array(answer, "serviceDeployments").at(0).as_object();
  }
  // "IN_PROGRESS BAKE_TIME", for two seconds at most.
  std::string reach(const std::string& wanted) {
    std::string now;
    for (int i = 0; i < 1000 && now != wanted; ++i) {
      const json::object one = deployment();
      now = get_string(one, "status") + " " + get_string(one, "lifecycleStage");
      run(rest(), io);
    }
    return now;
  }
  std::string roll_back() {
    return error_of("StopServiceDeployment",
                    {{"serviceDeploymentArn", get_string(shown(), "currentServiceDeployment")}});
  }
  int targets_in(const std::string& group) { return static_cast<int>(targets.targets(group).size()); }
};

TEST_F(ShiftTest, ABlueGreenDeploymentEndsOnTheOtherTargetGroupAndTheNextOneComesBack) {
  deploy_second(configuration("BLUE_GREEN", 0));
  EXPECT_EQ(reach("SUCCESSFUL CLEAN_UP"), "SUCCESSFUL CLEAN_UP");
  EXPECT_EQ(targets.shares, (std::map<std::string, int>{{"production", kAll}, {"test", kAll}}));
  EXPECT_EQ(targets_in("tg"), 0);
  EXPECT_EQ(targets_in("tg2"), 2);
  EXPECT_EQ(digests(), (std::vector<std::string>{"app@sha256:2", "app@sha256:2"}));
  redeploy();
  EXPECT_EQ(reach("SUCCESSFUL CLEAN_UP"), "SUCCESSFUL CLEAN_UP");
  EXPECT_EQ(targets.shares.at("production"), 0);
  EXPECT_EQ(targets_in("tg"), 2);
}

TEST_F(ShiftTest, WhileItBakesBothRunAndStoppingItIsAChangeOfWeights) {
  deploy_second(configuration("BLUE_GREEN", 5));
  ASSERT_EQ(reach("IN_PROGRESS BAKE_TIME"), "IN_PROGRESS BAKE_TIME");
  EXPECT_EQ(targets_in("tg"), 2);
  EXPECT_EQ(targets_in("tg2"), 2);
  const json::object target = get_object(deployment(), "targetServiceRevision");
  EXPECT_EQ(get_double(target, "requestedProductionTrafficWeight"), 100.0);
  ASSERT_EQ(roll_back(), "");
  EXPECT_EQ(reach("ROLLBACK_SUCCESSFUL CLEAN_UP"), "ROLLBACK_SUCCESSFUL CLEAN_UP");
  EXPECT_EQ(targets.shares_seen, (std::vector<int>{0, 0, kAll, 0}));
  EXPECT_EQ(targets_in("tg"), 2);
  EXPECT_EQ(targets_in("tg2"), 0);
  EXPECT_EQ(digests(), (std::vector<std::string>{"app@sha256:1", "app@sha256:1"}));
}

TEST_F(ShiftTest, ARestartOfTheDaemonGoesOnWhereTheShiftWas) {
  json::object canary = configuration("CANARY", 5);
  canary["canaryConfiguration"] = json::object{{"canaryPercent", 12.5}, {"canaryBakeTimeInMinutes", 5}};
  deploy_second(canary);
  ASSERT_EQ(reach("IN_PROGRESS PRODUCTION_TRAFFIC_SHIFT"), "IN_PROGRESS PRODUCTION_TRAFFIC_SHIFT");
  for (int i = 0; i < 100 && targets.shares["production"] != 125; ++i) run(rest(), io);
  end();
  begin();
  EXPECT_EQ(reach("IN_PROGRESS PRODUCTION_TRAFFIC_SHIFT"), "IN_PROGRESS PRODUCTION_TRAFFIC_SHIFT");
  EXPECT_EQ(targets.shares["production"], 125);
  EXPECT_EQ(targets_in("tg2"), 2);
  targets.shares["production"] = 700;  // Somebody else has changed it.
  ASSERT_EQ(roll_back(), "");
  EXPECT_EQ(reach("ROLLBACK_SUCCESSFUL CLEAN_UP"), "ROLLBACK_SUCCESSFUL CLEAN_UP");
  EXPECT_EQ(targets.shares["production"], 0);
}

json::object hook(const char* type, const char* stage) {
  json::object out = {{"targetType", type}, {"lifecycleStages", json::array{stage}}};
  if (std::string_view(type) == "PAUSE") return out;
  out["hookTargetArn"] = "arn:aws:lambda:us-east-1:000000000000:function:check";
  out["roleArn"] = "arn:aws:iam::000000000000:role/hooks";
  out["hookDetails"] = json::object{{"suite", "smoke"}};
  return out;
}

TEST_F(ShiftTest, AFunctionIsAskedAgainUntilItAgrees) {
  functions.answers = {{{"hookStatus", "IN_PROGRESS"}, {"callBackDelay", 1}}, {{"hookStatus", "SUCCEEDED"}}};
  json::object wanted = configuration("BLUE_GREEN", 0);
  wanted["lifecycleHooks"] = json::array{hook("AWS_LAMBDA", "POST_TEST_TRAFFIC_SHIFT")};
  deploy_second(wanted);
  EXPECT_EQ(reach("SUCCESSFUL CLEAN_UP"), "SUCCESSFUL CLEAN_UP");
  ASSERT_EQ(functions.payloads.size(), 2U);
  const json::object& asked = functions.payloads[0];
  EXPECT_EQ(get_string(asked, "lifecycleStage"), "POST_TEST_TRAFFIC_SHIFT");
  EXPECT_EQ(get_string(asked, "resourceArn"), get_string(shown(), "currentServiceDeployment"));
  EXPECT_EQ(get_string(get_object(asked, "hookDetails"), "suite"), "smoke");
  EXPECT_EQ(get_object(get_object(asked, "executionDetails"), "testTrafficWeights").size(), 2U);
  const json::array details = get_array(deployment(), "lifecycleHookDetails");
  ASSERT_EQ(details.size(), 1U);
  EXPECT_EQ(get_string(details.at(0).as_object(), "status"), "SUCCEEDED");
}

TEST_F(ShiftTest, AFunctionThatFailsOrSaysNothingTakesTheDeploymentBack) {
  for (const json::object& answer : {json::object{{"hookStatus", "FAILED"}}, json::object{}}) {
    functions.answers = {answer};
    json::object wanted = configuration("BLUE_GREEN", 0);
    wanted["lifecycleHooks"] = json::array{hook("AWS_LAMBDA", "POST_SCALE_UP")};
    if (functions.payloads.empty()) {
      deploy_second(wanted);
    } else {
      redeploy();
    }
    EXPECT_EQ(reach("ROLLBACK_SUCCESSFUL CLEAN_UP"), "ROLLBACK_SUCCESSFUL CLEAN_UP");
    EXPECT_EQ(get_string(deployment(), "statusReason"),
              "Service deployment rolled back because a lifecycle hook failed.");
    EXPECT_EQ(targets.shares.at("production"), 0);
  }
}

TEST_F(ShiftTest, APauseWaitsForAPersonAndSurvivesARestart) {
  json::object wanted = configuration("BLUE_GREEN", 0);
  wanted["lifecycleHooks"] = json::array{hook("PAUSE", "PRE_SCALE_UP")};
  deploy_second(wanted);
  ASSERT_EQ(reach("IN_PROGRESS PRE_SCALE_UP"), "IN_PROGRESS PRE_SCALE_UP");
  for (int i = 0; i < 100 && get_array(deployment(), "lifecycleHookDetails").empty(); ++i) run(rest(), io);
  end();
  begin();
  const json::object waiting = get_array(deployment(), "lifecycleHookDetails").at(0).as_object();
  EXPECT_EQ(get_string(waiting, "status"), "AWAITING_ACTION");
  const json::object go_on = {{"serviceDeploymentArn", get_string(shown(), "currentServiceDeployment")},
                              {"hookId", waiting.at("hookId")}};
  EXPECT_EQ(error_of("ContinueServiceDeployment", go_on), "");
  EXPECT_EQ(reach("SUCCESSFUL CLEAN_UP"), "SUCCESSFUL CLEAN_UP");
  EXPECT_NE(error_of("ContinueServiceDeployment", go_on), "");
}

TEST_F(ShiftTest, AHookThatCannotWorkIsRefused) {
  json::object wanted = configuration("BLUE_GREEN", 0);
  wanted["lifecycleHooks"] = json::array{hook("PAUSE", "TEST_TRAFFIC_SHIFT")};
  EXPECT_NE(error_of("CreateService", request(wanted)), "");
  json::object nameless = hook("AWS_LAMBDA", "POST_SCALE_UP");
  nameless.erase("hookTargetArn");
  wanted["lifecycleHooks"] = json::array{nameless};
  EXPECT_NE(error_of("CreateService", request(wanted)), "");
  json::object rolling = {{"lifecycleHooks", json::array{hook("PAUSE", "PRE_SCALE_UP")}}};
  EXPECT_NE(error_of("CreateService", request(rolling)), "");
}

TEST_F(ShiftTest, AStrategyIsShownAsItWasGiven) {
  json::object linear = configuration("LINEAR", 3);
  linear["linearConfiguration"] = json::object{{"stepPercent", 12.5}, {"stepBakeTimeInMinutes", 2}};
  ASSERT_EQ(error_of("CreateService", request(linear)), "");
  const json::object shown_configuration = get_object(shown(), "deploymentConfiguration");
  EXPECT_EQ(get_string(shown_configuration, "strategy"), "LINEAR");
  EXPECT_EQ(get_int(shown_configuration, "bakeTimeInMinutes"), 3);
  EXPECT_EQ(get_double(get_object(shown_configuration, "linearConfiguration"), "stepPercent"), 12.5);
  EXPECT_EQ(get_int(get_object(shown_configuration, "linearConfiguration"), "stepBakeTimeInMinutes"), 2);
}

TEST_F(ShiftTest, WhatCannotShiftTrafficIsRefused) {
  EXPECT_NE(error_of("CreateService", request(configuration("BLUE_GREEN", 1), false)), "");
  EXPECT_NE(error_of("CreateService", request({{"strategy", "BLUE_GREEN"}})), "");
  EXPECT_NE(error_of("CreateService", request(configuration("ROLLING", 1))), "");
  json::object linear = configuration("LINEAR", 1);
  linear["linearConfiguration"] = json::object{{"stepPercent", 2.5}};
  EXPECT_NE(error_of("CreateService", request(linear)), "");
  linear["linearConfiguration"] = json::object{{"stepPercent", 10.05}};
  EXPECT_NE(error_of("CreateService", request(linear)), "");
  json::object canary = configuration("BLUE_GREEN", 1);
  canary["canaryConfiguration"] = json::object{{"canaryPercent", 5}};
  EXPECT_NE(error_of("CreateService", request(canary)), "");
}

}  // namespace
}  // namespace slipway::ecs
