#include "cli/offline_plan.h"

#include <gtest/gtest.h>

namespace slipway::cli {
namespace {

config::Config shop() {
  return *config::parse(R"(project: shop
environments:
  staging: {tags: ["main-*"]}
  production: {tags: [{semver: ">=2 <3"}]}
services:
  web: {repository: shop/web, port: 1}
  jobs: {repository: shop/jobs, port: 1, environments: [production], deploy: {pin: tag}}
)",
                        "f");
}
std::vector<std::string> lines_for(const std::string& what) {
  const auto plan = plan_offline(shop(), *event_of_tag(what));
  EXPECT_TRUE(plan);
  return plan_lines(*plan);
}

TEST(OfflinePlan, SaysWhichServicesDeployByWhichRuleAndWhyTheOthersDoNot) {
  EXPECT_EQ(
      lines_for("shop/web:main-7"),
      (std::vector<std::string>{
          "shop/web:main-7", "├─ rule slipway-shop-push-shop-web passes it to the deployer",
          "├─ [not] production/jobs: it follows shop/jobs",
          "├─ [not] production/web: main-7 is none of its tags: versions >=2 <3",
          "└─ [deploys] staging/web: by main-*; service web in cluster shop-staging gets a revision of staging-web "
          "with the image's digest"}));
}

TEST(OfflinePlan, AServiceOfALaterWaveWaits) {
  auto config = shop();
  config.services.at("staging/web").deploy.wave = 2;
  const auto plan = plan_offline(config, *event_of_tag("shop/web:main-7"));
  ASSERT_TRUE(plan);
  EXPECT_TRUE(plan_lines(*plan).back().ends_with("digest, once those of lower waves are live"));
}

TEST(OfflinePlan, ARangeDeploysItsVersionsOnly) {
  const auto plan = plan_offline(shop(), *event_of_tag("shop/jobs:v2.1.0"));
  ASSERT_TRUE(plan);
  EXPECT_TRUE(plan->services.at(0).deploys);
  EXPECT_EQ(plan->services.at(0).rule, "versions >=2 <3");
  EXPECT_FALSE(plan_offline(shop(), *event_of_tag("shop/jobs:3.0.0"))->services.at(0).deploys);
}

TEST(OfflinePlan, AnEventThatIsNoPushDeploysNothingAndSaysWhy) {
  json::value event = *event_of_tag("shop/web:main-7");
  event.as_object()["detail"].as_object()["action-type"] = "DELETE";
  const auto plan = plan_offline(shop(), event);
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan_lines(*plan), (std::vector<std::string>{"nothing deploys: the action is DELETE, not PUSH"}));
}

TEST(OfflinePlan, ARepositoryThatNobodyFollowsHasNoRule) {
  EXPECT_EQ(lines_for("other:latest").at(1), "├─ no rule of EventBridge: no service follows this repository");
}

TEST(OfflinePlan, WhatIsNeitherAFileNorATagIsRefused) {
  EXPECT_EQ(event_of_tag("shop/web").error().code, "SLW-209");
  EXPECT_EQ(event_of_tag(":x").error().code, "SLW-209");
  EXPECT_EQ(event_of_tag("shop/web:").error().code, "SLW-209");
}

}  // namespace
}  // namespace slipway::cli
