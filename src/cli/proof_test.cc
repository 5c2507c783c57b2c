#include "cli/proof.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/text.h"

namespace slipway::cli {
namespace {

const render::Account kAccount{.id = "111122223333", .region = "eu-west-1"};

constexpr const char* kShop = R"(
project: shop
github: {repository: acme/shop}
services:
  web:
    repository: shop/web
    port: 8080
    listen: 80
    verify: {for: 1m, alarms: [too-many-errors]}
  worker:
    repository: shop/worker
    port: 8081
    deploy: {pin: tag}
notify:
  - sns: {topic: deploys}
  - slack: {webhook: "ssm:/shop/slack"}
)";

config::Config shop(const std::string& text = kShop) {
  const auto config = config::parse(text, "test");
  EXPECT_TRUE(config) << config.error().message;
  return *config;
}

std::string wrong(const std::vector<Cell>& cells) {
  std::string all;
  for (const Cell& cell : cells) {
    if (!cell.good())
      all += cell.role + " " + cell.action + " " + cell.resource + " " + cell.with + "; " + cell.why + "\n";
  }
  return all;
}
std::vector<Cell> prove_shop(const Policies& policies) {
  return prove(shop(), kAccount, policies);
}
Policies rendered() {
  return rendered_policies(shop(), kAccount);
}
// The statement of `policy` called `sid`.
json::object& statement(json::object& policy, const char* sid) {
  for (json::value& one : policy.at("Statement").as_array()) {
    if (get_string(one.as_object(), "Sid") == sid) return one.as_object();
  }
  throw std::runtime_error(sid);
}

TEST(Proof, WhatIsRenderedAllowsWhatMustBeAndNothingElse) {
  const auto cells = prove_shop(rendered());
  EXPECT_EQ(wrong(cells), "");
  EXPECT_GT(std::ranges::count_if(cells, &Cell::must), 50);
  EXPECT_GT(std::ranges::count_if(cells, [](const Cell& cell) { return !cell.must; }), 100);
}

TEST(Proof, HoldsForEveryWayToTrustGitHub) {
  for (const char* github :
       {"{repository: acme/shop, owner_id: 12, repository_id: 34}", "{repository: acme/shop, environment: production}",
        "{repository: acme/shop, owner_id: 12, repository_id: 34, environment: production}"}) {
    std::string text = kShop;
    text.replace(text.find("{repository: acme/shop}"), 23, github);
    const auto config = shop(text);
    EXPECT_EQ(wrong(prove(config, kAccount, rendered_policies(config, kAccount))), "") << github;
  }
}

TEST(Proof, SaysWhichStatementDecided) {
  const auto cells = prove_shop(rendered());
  const auto find = [&](std::string_view action, std::string_view with) {
    return std::ranges::find_if(
        cells, [&](const Cell& cell) { return cell.role == "deployer" && cell.action == action && cell.with == with; });
  };
  EXPECT_EQ(find("ecs:RegisterTaskDefinition", "")->why, "allowed by RegisterTheseFamilies");
  EXPECT_EQ(find("ecs:RegisterTaskDefinition", "privileged")->why, "denied by NeverPrivileged");
  EXPECT_EQ(find("ecs:UpdateService", "without a task definition")->why, "nothing allows it");
}

TEST(Proof, FindsARoleThatMayDoMore) {
  auto policies = rendered();
  statement(policies.push, "PushToTheseRepositories")["Resource"] = "*";
  EXPECT_NE(wrong(prove_shop(policies)).find("CI ecr:PutImage arn:aws:ecr:eu-west-1:111122223333:repository/someone"),
            std::string::npos);
  policies = rendered();
  statement(policies.deployer, "NeverPrivileged")["Effect"] = "Allow";
  EXPECT_NE(wrong(prove_shop(policies)).find("privileged"), std::string::npos);
  policies = rendered();
  statement(policies.deployer, "PassOnlyTheTaskRoles").erase("Condition");
  EXPECT_NE(wrong(prove_shop(policies)).find("to Lambda"), std::string::npos);
}

TEST(Proof, FindsARoleThatMayDoLess) {
  auto policies = rendered();
  statement(policies.deployer, "TheirLastWords")["Action"] = "logs:FilterLogEvents";
  EXPECT_NE(wrong(prove_shop(policies)).find("logs:GetLogEvents"), std::string::npos);
}

TEST(Proof, FindsAPermissionForEveryRuleOrEveryRepository) {
  auto policies = rendered();
  statement(policies.function, "OnlyTheRules").erase("Condition");
  EXPECT_NE(wrong(prove_shop(policies)).find("by another rule"), std::string::npos);
  policies = rendered();
  statement(*policies.push_trust, "OnlyThisRepository")["Condition"] =
      json::object{{"StringEquals", json::object{{"token.actions.githubusercontent.com:aud", "sts.amazonaws.com"}}}};
  EXPECT_NE(wrong(prove_shop(policies)).find("repo:acme-evil/shop"), std::string::npos);
}

TEST(Proof, LinesNameWhatIsWrongAtTheEnd) {
  auto policies = rendered();
  EXPECT_TRUE(proof_lines(prove_shop(policies)).back().ends_with(" 0 not as it must be"));
  statement(policies.queue, "OnlyTheRules").erase("Condition");
  const auto lines = proof_lines(prove_shop(policies));
  EXPECT_TRUE(lines.back().starts_with("  queue must not be allowed sqs:SendMessage")) << lines.back();
  EXPECT_FALSE(to_json(prove_shop(policies)).at("proven").as_bool());
}

}  // namespace
}  // namespace slipway::cli
