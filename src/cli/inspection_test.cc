#include "cli/inspection.h"

#include <gtest/gtest.h>

namespace slipway::cli {
namespace {

constexpr const char* kRuleStart = "arn:aws:events:r:111122223333:rule/";

config::Config config_of(const std::string& more = "") {
  return *config::parse("project: p\nservices:\n  web:\n    repository: rr\n    port: 1\n" + more, "f");
}
json::object object(const char* text) {
  return json::parse(text).as_object();
}
SeenService healthy() {
  SeenService seen;
  seen.repository.value = object(R"({"repositoryName":"rr"})");
  seen.image.value = "sha256:1";
  seen.platforms = {"linux/amd64"};
  seen.cluster.value = json::object{};
  seen.service.value = object(R"({"desiredCount":2,"deploymentConfiguration":{"minimumHealthyPercent":100,
    "maximumPercent":200,"deploymentCircuitBreaker":{"enable":true,"rollback":true}}})");
  seen.task_definition.value = object(R"({"family":"web","revision":3,"containerDefinitions":[{"name":"web"}]})");
  seen.running_image.value = true;
  seen.roles = {{.name = "web-task", .trust = {.value = R"({"Service":"ecs-tasks.amazonaws.com"})"}}};
  seen.target_group.value = SeenTargetGroup{.deregistration_seconds = 30};
  return seen;
}
SeenDeployer healthy_deployer() {
  SeenDeployer seen{.function = "d", .arn = "arn:d"};
  seen.configuration.value = object(R"({"State":"Active","Runtime":"provided.al2023"})");
  seen.policy.value = object(R"({"Statement":[{"Effect":"Allow","Principal":{"Service":"events.amazonaws.com"},
    "Condition":{"ArnLike":{"AWS:SourceArn":"arn:aws:events:r:111122223333:rule/push"}}}]})");
  seen.reserved_concurrency.value = 1;
  seen.rules.value = {
      {.name = "push",
       .pattern = R"({"source":["aws.ecr"],"detail":{"repository-name":["rr"],"image-tag":["latest"]}})",
       .dead_letters = true}};
  return seen;
}
// What says something worse than "ok", with its advice.
void collect(const Finding& finding, std::vector<std::string>& out) {
  if (finding.mark != Finding::Mark::ok) out.push_back(finding.what + ": " + finding.detail);
  for (const Finding& part : finding.parts) collect(part, out);
}
std::string wrong_with(const SeenService& seen, const std::string& more = "") {
  const auto config = config_of(more);
  std::vector<std::string> out;
  collect(judge_service(config.services.at("web"), seen), out);
  return out.empty() ? "" : out.front();
}
std::string wrong_with(const SeenDeployer& seen) {
  std::vector<std::string> out;
  collect(judge_deployer(config_of(), seen, kRuleStart), out);
  return out.empty() ? "" : out.front();
}

TEST(Inspection, AServiceThatIsAsItShouldBeIsGood) {
  EXPECT_EQ(wrong_with(healthy()), "");
  EXPECT_EQ(wrong_with(healthy_deployer()), "");
}

TEST(Inspection, FindsWhatIsMissing) {
  SeenService seen = healthy();
  seen.repository.value.reset();
  EXPECT_EQ(wrong_with(seen), "repository: rr does not exist");
  seen = healthy();
  seen.service.value.reset();
  EXPECT_EQ(wrong_with(seen), "service: web is not in cluster p");
  seen.cluster.value.reset();
  EXPECT_EQ(wrong_with(seen), "service: there is no cluster p");
  seen = healthy();
  seen.task_definition.value = object(R"({"family":"web","revision":3,"containerDefinitions":[{"name":"app"}]})");
  EXPECT_EQ(wrong_with(seen), "task definition: web:3 has no container web; it has app");
  seen = healthy();
  seen.running_image.value = false;
  EXPECT_EQ(wrong_with(seen), "image that runs: its digest is no longer in the repository: no task can start again");
}

TEST(Inspection, WhatMayNotBeAskedIsNoVerdict) {
  SeenService seen = healthy();
  seen.lifecycle.trouble = "AccessDeniedException: not allowed";
  EXPECT_EQ(wrong_with(seen), "retention: could not be asked: AccessDeniedException: not allowed");
  EXPECT_EQ(worst(judge_service(config_of().services.at("web"), seen)), Finding::Mark::note);
}

TEST(Inspection, AnImageOfAnotherPlatformFails) {
  SeenService seen = healthy();
  seen.platforms = {"linux/arm64"};
  EXPECT_EQ(wrong_with(seen), "image: sha256:1 is for linux/arm64, and the task runs linux/amd64");
  (*seen.task_definition.value)["runtimePlatform"] = json::object{{"cpuArchitecture", "ARM64"}};
  EXPECT_EQ(wrong_with(seen), "");
}

TEST(Inspection, PercentagesThatLetNothingStartOrStopAreFound) {
  EXPECT_TRUE(bounds_of(2, 100, 100).stuck);
  EXPECT_TRUE(bounds_of(1, 50, 150).stuck);  // One rounds up to 1, one and a half down to 1.
  EXPECT_FALSE(bounds_of(2, 50, 150).stuck);
  EXPECT_FALSE(bounds_of(1, 0, 100).stuck);
  EXPECT_EQ(bounds_of(3, 50, 150).minimum, 2);
  EXPECT_EQ(bounds_of(3, 50, 150).maximum, 4);
  SeenService seen = healthy();
  (*seen.service.value)["deploymentConfiguration"].as_object()["maximumPercent"] = 100;
  EXPECT_TRUE(wrong_with(seen).starts_with("percentages: 100/100 of 2")) << wrong_with(seen);
}

TEST(Inspection, ALongDrainAndALooseBreakerAreDoubtful) {
  SeenService seen = healthy();
  seen.target_group.value->deregistration_seconds = 300;
  EXPECT_TRUE(wrong_with(seen).starts_with("draining: deregistration delay 300 s")) << wrong_with(seen);
  seen = healthy();
  (*seen.service.value)["deploymentConfiguration"].as_object().erase("deploymentCircuitBreaker");
  EXPECT_EQ(wrong_with(seen), "circuit breaker: it is off: a bad image is tried for ever");
}

TEST(Inspection, ALifecycleThatTakesRollbackTargetsIsDoubtful) {
  SeenService seen = healthy();
  seen.lifecycle.value =
      R"({"rules":[{"selection":{"tagStatus":"untagged","countType":"sinceImagePushed","countNumber":1}}]})";
  EXPECT_TRUE(wrong_with(seen).starts_with("retention: a rule for untagged images keeps 1 days only"))
      << wrong_with(seen);
}

TEST(Inspection, RolesMustBeThoseThatTheDeployerMayPass) {
  SeenService seen = healthy();
  seen.roles[0].name = "other";
  EXPECT_EQ(wrong_with(seen), "other: the deployer may pass web-task and web-execution only");
  EXPECT_EQ(wrong_with(seen, "    roles: {task: other}\n"), "");
  seen.roles[0].trust.value = R"({"Service":"lambda.amazonaws.com"})";
  EXPECT_EQ(wrong_with(seen), "other: ECS may not take it");
}

TEST(Inspection, AnAlarmThatIsOnAlreadyFails) {
  SeenService seen = healthy();
  seen.alarms["web-5xx"].value = "ALARM";
  EXPECT_EQ(wrong_with(seen), "web-5xx: it is in ALARM already: every deployment would be taken back");
}

TEST(Inspection, ThePathFromThePushToTheFunctionIsFollowed) {
  SeenDeployer seen = healthy_deployer();
  seen.rules.value->front().enabled = false;
  EXPECT_EQ(wrong_with(seen), "push of rr:latest: the rule push is disabled");
  seen.rules.value->front().pattern = R"({"source":["aws.ecr"],"detail":{"repository-name":["other"]}})";
  EXPECT_EQ(wrong_with(seen), "push of rr:latest: no rule with the deployer as its target matches it");
  seen = healthy_deployer();
  seen.rules.value->front().dead_letters = false;
  EXPECT_EQ(wrong_with(seen), "dead letters: after a day of failures the event is lost");
  seen = healthy_deployer();
  seen.policy.value = object(R"({"Statement":[{"Principal":{"Service":"events.amazonaws.com"}}]})");
  EXPECT_EQ(wrong_with(seen), "permission: any rule of any account may invoke the function");
  seen.policy.value = json::object{};
  EXPECT_EQ(wrong_with(seen), "permission: the rule may not invoke the function");
  seen = healthy_deployer();
  seen.reserved_concurrency.value.reset();
  EXPECT_EQ(wrong_with(seen), "one at a time: two pushes at once may race for one service");
}

TEST(Inspection, ASampleOfARuleIsDeployedByIt) {
  for (const char* range : {">=2 <3", "^1.4", "~2.1", ">1", "<=1", "1 || 3.1", "<0.2", ">1.2.3 <1.3"}) {
    const config::TagRule rule{.kind = config::TagRule::Kind::semver, .text = range};
    EXPECT_TRUE(config::matches(rule, sample_tag(rule))) << range;
  }
  EXPECT_EQ(sample_tag(config::tag_rule("release-*")), "release-1");
  EXPECT_EQ(sample_tag({.kind = config::TagRule::Kind::semver, .text = ">2 <1"}), "");
}

}  // namespace
}  // namespace slipway::cli
