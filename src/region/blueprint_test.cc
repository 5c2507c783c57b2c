#include "region/blueprint.h"

#include <gtest/gtest.h>

#include "render/policies.h"

namespace slipway::region {
namespace {

config::Config example(const char* tags) {
  const std::string text = std::string("project: car\nservices:\n  rest:\n    repository: backend\n    tags: ") + tags +
                           "\n    port: 8080\n    listen: 80\n";
  return *config::parse(text, "test");
}

TEST(Blueprint, TheDeployerHearsOfPushesOfHowDeploymentsEndAndTheClock) {
  const auto rules = deployer_rules(example("[latest]"), {.account = "111122223333", .region = "eu-west-1"});
  ASSERT_EQ(rules.size(), 3u);
  EXPECT_EQ(get_string(rules[0], "Name"), "slipway-car-push-backend");
  const auto push = parse_json(get_string(rules[0], "EventPattern"));
  ASSERT_TRUE(push);
  EXPECT_EQ(json::serialize(*find_path(*push, {"detail", "repository-name"})), R"(["backend"])");
  const auto pattern = parse_json(get_string(rules[1], "EventPattern"));
  ASSERT_TRUE(pattern);
  EXPECT_EQ(json::serialize(*find_path(*pattern, {"resources"})),
            R"(["arn:aws:ecs:eu-west-1:111122223333:service/car/rest"])");
  EXPECT_EQ(get_string(rules[2], "ScheduleExpression"), "rate(5 minutes)");
}

TEST(Blueprint, AFunctionOfTheUsersOwnHearsOfPushesOnly) {
  auto config = example("[latest]");
  config.function = config::Function{};
  EXPECT_EQ(deployer_rules(config, {}).size(), 1u);
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

TEST(Blueprint, TheRolesAreTheRenderedOnes) {
  const Place place{.account = "111122223333", .region = "eu-west-1"};
  const auto config = example("[latest]");
  const auto made = roles(config, place);
  ASSERT_EQ(made.size(), 2u);
  EXPECT_EQ(get_string(made[0].role, "RoleName"), "slipway-car-deployer");
  EXPECT_EQ(get_string(made[0].policy, "PolicyDocument"),
            json::serialize(render::deployer_policy(config, account_of(place))));
  EXPECT_EQ(get_string(made[1].role, "RoleName"), "slipway-car-push");
  EXPECT_EQ(get_string(made[1].policy, "PolicyDocument"),
            json::serialize(render::push_policy(config, account_of(place))));
}

}  // namespace
}  // namespace slipway::region
