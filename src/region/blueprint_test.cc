#include "region/blueprint.h"

#include <gtest/gtest.h>

namespace slipway::region {
namespace {

config::Config example(const char* tags) {
  const std::string text = std::string("project: car\nservices:\n  rest:\n    repository: backend\n    tags: ") + tags +
                           "\n    port: 8080\n    listen: 80\n";
  return *config::parse(text, "test");
}

TEST(Blueprint, TheRuleMatchesPushesOfTheTagsAndNothingElse) {
  const auto config = example("[latest]");
  EXPECT_EQ(
      json::serialize(push_pattern(config.services.begin()->second)),
      R"({"source":["aws.ecr"],"detail-type":["ECR Image Action"],"detail":{"action-type":["PUSH"],"repository-name":["backend"],"image-tag":["latest"]}})");
}

TEST(Blueprint, WildcardsGoIntoThePatternAndVersionsToTheDeployer) {
  const auto wildcard = example("[release-*]");
  EXPECT_NE(json::serialize(push_pattern(wildcard.services.begin()->second)).find(R"({"wildcard":"release-*"})"),
            std::string::npos);
  const auto versions = example("[{semver: \">=2 <3\"}]");
  EXPECT_EQ(json::serialize(push_pattern(versions.services.begin()->second)).find("image-tag"), std::string::npos);
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
