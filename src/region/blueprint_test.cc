#include "region/blueprint.h"

#include <gtest/gtest.h>

namespace slipway::region {
namespace {

config::Config example(const char* tags) {
  const std::string text = std::string("project: car\nservices:\n  rest:\n    repository: backend\n    tags: ") + tags +
                           "\n    port: 8080\n    listen: 80\n";
  return *config::parse(text, "test");
}

TEST(Blueprint, TheRuleHearsOfPushesToTheServicesRepository) {
  const auto config = example("[latest]");
  const auto rule = service_blueprint(config, config.services.begin()->second, "localhost:4566", {}).rule;
  const auto pattern = parse_json(get_string(rule, "EventPattern"));
  ASSERT_TRUE(pattern);
  EXPECT_EQ(json::serialize(*find_path(*pattern, {"detail", "repository-name"})), R"(["backend"])");
}

TEST(Blueprint, TheDeployerHearsHowDeploymentsEndAndTheClock) {
  const auto rules = deployer_rules(example("[latest]"), {.account = "111122223333", .region = "eu-west-1"});
  ASSERT_EQ(rules.size(), 2u);
  const auto pattern = parse_json(get_string(rules[0], "EventPattern"));
  ASSERT_TRUE(pattern);
  EXPECT_EQ(json::serialize(*find_path(*pattern, {"resources"})),
            R"(["arn:aws:ecs:eu-west-1:111122223333:service/car/rest"])");
  EXPECT_EQ(get_string(rules[1], "ScheduleExpression"), "rate(5 minutes)");
}

TEST(Blueprint, TheFingerprintChangesWithTheTasksOnly) {
  const auto config = example("[latest]");
  auto service = config.services.begin()->second;
  const auto before = service_blueprint(config, service, "localhost:4566", {});
  service.health.path = "/other";
  EXPECT_EQ(service_blueprint(config, service, "localhost:4566", {}).fingerprint, before.fingerprint);
  service.count = 7;
  EXPECT_NE(service_blueprint(config, service, "localhost:4566", {}).fingerprint, before.fingerprint);
}

TEST(Blueprint, TheDeployerMayTouchItsOwnServicesOnly) {
  const auto policy = json::serialize(deployer_policy(example("[latest]"), {}));
  EXPECT_NE(policy.find("service/car/rest"), std::string::npos);
  EXPECT_EQ(policy.find("ecs:*"), std::string::npos);
}

}  // namespace
}  // namespace slipway::region
