#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

#include "base/text.h"
#include "config/config.h"
#include "events/pattern.h"
#include "iam/policy.h"
#include "render/diff.h"
#include "render/events.h"
#include "render/hcl.h"
#include "render/policies.h"
#include "render/terraform.h"
#include "render/workflow.h"

namespace slipway::render {
namespace {

constexpr const char* kOneService = R"(project: where-car
region: ap-northeast-2
github: {repository: acme/where-car}
services:
  rest-service:
    cluster: where-car
    repository: where-car-backend
    port: 8080
    listen: 80
)";

constexpr const char* kShop = R"(project: shop
region: eu-central-1
aws: {account: '111122223333', create: [repository, cluster, service, load-balancer], keep_images: 30}
github: {repository: acme/web, owner_id: 123456, repository_id: 456789}
environments:
  staging: {tags: ["main-*"]}
  production: {tags: ["v*"], count: 4, services: {web: {listen: 443}}}
services:
  web:
    repository: shop/web
    port: 8080
    listen: 80
    environment: {GREETING: "hello ${USER}"}
    health: {path: /up, interval: 1s, timeout: 1s}
    verify: {for: 2m, alarms: [web-5xx]}
  jobs:
    repository: shop/jobs
    port: 9000
    environments: [production]
    build: {context: jobs, dockerfile: jobs/Dockerfile}
    deploy: {pin: tag}
notify:
  - slack: {webhook: ssm:/slipway/slack}
  - slack: {token: "secretsmanager:slack#token", channel: deploys}
  - sns: {topic: deploys}
)";

config::Config config_of(const std::string& text) {
  auto config = config::parse(text, "slipway.yaml");
  if (!config) ADD_FAILURE() << config.error().message;
  return config ? *config : config::Config{};
}
const Account kAccount{.partition = "aws", .id = "111122223333", .region = "eu-central-1"};

// The text must be that of golden/NAME.  SLIPWAY_WRITE_GOLDEN=1 writes it, to be read before it is committed.
void expect_golden(const std::string& name, const std::string& text) {
  const std::filesystem::path path = std::filesystem::path(SLIPWAY_GOLDEN) / name;
  if (std::getenv("SLIPWAY_WRITE_GOLDEN") != nullptr) {
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << text;
  }
  std::ifstream file(path);
  const std::string wanted{std::istreambuf_iterator<char>(file), {}};
  EXPECT_EQ(unified_diff(wanted, text, name), "");
}

iam::Decision ask(const json::object& policy, const std::string& action, const std::string& resource,
                  iam::ConditionKeys keys = {}) {
  const auto checked = iam::parse_policy(json::serialize(policy), false);
  if (!checked) ADD_FAILURE() << checked.error().message;
  iam::Request request{.action = action, .resource = resource, .keys = std::move(keys)};
  return iam::evaluate({policy}, request, false);
}
bool may(const json::object& policy, const std::string& action, const std::string& resource,
         iam::ConditionKeys keys = {}) {
  return ask(policy, action, resource, std::move(keys)) == iam::Decision::allowed;
}

json::value push_event(const std::string& repository, const std::string& tag, const std::string& action = "PUSH",
                       const std::string& result = "SUCCESS") {
  return json::object{
      {"source", "aws.ecr"},
      {"detail-type", action == "REPLICATE" ? "ECR Replication Action" : "ECR Image Action"},
      {"detail",
       json::object{{"action-type", action}, {"result", result}, {"repository-name", repository}, {"image-tag", tag}}}};
}
bool hears(const json::object& pattern, const json::value& event) {
  const auto compiled = events::compile(json::serialize(pattern));
  if (!compiled) ADD_FAILURE() << compiled.error().message;
  return compiled && events::matches(*compiled, event);
}

TEST(Events, ThePatternHearsOfPushesThatDeployAndOfNothingElse) {
  const auto pattern = push_pattern(config_of(kShop), "shop/web");
  EXPECT_TRUE(hears(pattern, push_event("shop/web", "main-123")));
  EXPECT_TRUE(hears(pattern, push_event("shop/web", "v1.2.3")));
  EXPECT_TRUE(hears(pattern, push_event("shop/web", "v1.2.3", "REPLICATE")));
  EXPECT_FALSE(hears(pattern, push_event("shop/web", "git-123")));
  EXPECT_FALSE(hears(pattern, push_event("shop/web", "")));
  EXPECT_FALSE(hears(pattern, push_event("shop/jobs", "v1.2.3")));
  EXPECT_FALSE(hears(pattern, push_event("shop/web", "v1.2.3", "DELETE")));
  EXPECT_FALSE(hears(pattern, push_event("shop/web", "v1.2.3", "PUSH", "FAILURE")));
}

TEST(Events, ARangeOfVersionsIsLeftToTheDeployer) {
  const auto config = config_of("project: p\nservices: {a: {repository: aa, port: 1, tags: [{semver: ^2}]}}");
  EXPECT_TRUE(hears(push_pattern(config, "aa"), push_event("aa", "2.0.0")));
  EXPECT_FALSE(push_pattern(config, "aa").at("detail").as_object().contains("image-tag"));
}

TEST(Events, AQuestionMarkIsWidenedAsEventBridgeTakesItForALetter) {
  const auto config = config_of("project: p\nservices: {a: {repository: aa, port: 1, tags: ['r?', 'x?*']}}");
  const auto pattern = push_pattern(config, "aa");
  EXPECT_TRUE(hears(pattern, push_event("aa", "r7")));
  EXPECT_TRUE(hears(pattern, push_event("aa", "x77")));
}

TEST(Events, TheVerdictPatternHearsOfTheEndsOfOwnServices) {
  const auto pattern = verdict_pattern(config_of(kShop), kAccount);
  const auto event = [](const char* service, const char* name) -> json::value {
    return json::object{{"source", "aws.ecs"},
                        {"detail-type", "ECS Deployment State Change"},
                        {"resources", json::array{service}},
                        {"detail", json::object{{"eventName", name}}}};
  };
  const char* own = "arn:aws:ecs:eu-central-1:111122223333:service/shop-production/web";
  EXPECT_TRUE(hears(pattern, event(own, "SERVICE_DEPLOYMENT_FAILED")));
  EXPECT_FALSE(hears(pattern, event(own, "SERVICE_DEPLOYMENT_IN_PROGRESS")));
  EXPECT_FALSE(
      hears(pattern, event("arn:aws:ecs:eu-central-1:111122223333:service/other/web", "SERVICE_DEPLOYMENT_FAILED")));
}

TEST(Events, ASweepOfOneMinuteIsNotSpelledAsSeveral) {
  auto config = config_of(kOneService);
  EXPECT_EQ(sweep_schedule(config), "rate(5 minutes)");
  config.sweep = std::chrono::minutes(1);
  EXPECT_EQ(sweep_schedule(config), "rate(1 minute)");
}

TEST(Events, FilesAreStable) {
  for (const File& file : event_files(config_of(kShop), kAccount)) expect_golden("events/" + file.path, file.text);
}

TEST(Policies, CiPushesToItsRepositoriesAndDoesNothingElse) {
  const auto policy = push_policy(config_of(kShop), kAccount);
  const std::string own = "arn:aws:ecr:eu-central-1:111122223333:repository/shop/web";
  EXPECT_TRUE(may(policy, "ecr:GetAuthorizationToken", "*"));
  EXPECT_TRUE(may(policy, "ecr:PutImage", own));
  EXPECT_FALSE(may(policy, "ecr:PutImage", "arn:aws:ecr:eu-central-1:111122223333:repository/shop/other"));
  for (const char* action : {"ecr:BatchDeleteImage", "ecr:DeleteRepository", "ecr:SetRepositoryPolicy"})
    EXPECT_FALSE(may(policy, action, own)) << action;
  for (const char* action : {"ecs:UpdateService", "ecs:RegisterTaskDefinition", "iam:PassRole", "lambda:InvokeFunction",
                             "events:PutEvents", "events:PutRule", "sts:AssumeRole"})
    EXPECT_FALSE(may(policy, action, "*")) << action;
}

TEST(Policies, TheDeployerUpdatesItsServicesWithDefinitionsOfTheirFamily) {
  const auto policy = deployer_policy(config_of(kShop), kAccount);
  const std::string ecs = "arn:aws:ecs:eu-central-1:111122223333:";
  const iam::ConditionKeys own = {{"ecs:task-definition", {ecs + "task-definition/production-web:7"}}};
  EXPECT_TRUE(may(policy, "ecs:UpdateService", ecs + "service/shop-production/web", own));
  // Of another service's family; none at all (a bare forceNewDeployment); another service.
  const iam::ConditionKeys other = {{"ecs:task-definition", {ecs + "task-definition/staging-web:7"}}};
  EXPECT_FALSE(may(policy, "ecs:UpdateService", ecs + "service/shop-production/web", other));
  EXPECT_FALSE(may(policy, "ecs:UpdateService", ecs + "service/shop-production/web"));
  EXPECT_FALSE(may(policy, "ecs:UpdateService", ecs + "service/shop-production/other", own));
  EXPECT_TRUE(may(policy, "ecs:UpdateService", ecs + "service/shop-production/jobs"));  // It deploys by tag.
  iam::ConditionKeys shell = own;
  shell["ecs:enable-execute-command"] = {"true"};
  EXPECT_EQ(ask(policy, "ecs:UpdateService", ecs + "service/shop-production/web", shell),
            iam::Decision::explicitly_denied);
  EXPECT_TRUE(may(policy, "ecs:RegisterTaskDefinition", ecs + "task-definition/production-web:*"));
  EXPECT_FALSE(may(policy, "ecs:RegisterTaskDefinition", ecs + "task-definition/other:*"));
  EXPECT_EQ(ask(policy, "ecs:RegisterTaskDefinition", ecs + "task-definition/production-web:*",
                {{"ecs:privileged", {"true"}}}),
            iam::Decision::explicitly_denied);
}

TEST(Policies, TheDeployerPassesTheTaskRolesToEcsOnly) {
  const auto policy = deployer_policy(config_of(kShop), kAccount);
  const std::string role = "arn:aws:iam::111122223333:role/production-web-task";
  EXPECT_TRUE(may(policy, "iam:PassRole", role, {{"iam:passedtoservice", {"ecs-tasks.amazonaws.com"}}}));
  EXPECT_FALSE(may(policy, "iam:PassRole", role, {{"iam:passedtoservice", {"lambda.amazonaws.com"}}}));
  EXPECT_FALSE(may(policy, "iam:PassRole", role));
  EXPECT_FALSE(may(policy, "iam:PassRole", "arn:aws:iam::111122223333:role/admin",
                   {{"iam:passedtoservice", {"ecs-tasks.amazonaws.com"}}}));
}

TEST(Policies, TheDeployerReadsWhatItNeedsAndNoMore) {
  const auto policy = deployer_policy(config_of(kShop), kAccount);
  const std::string here = "eu-central-1:111122223333:";
  EXPECT_TRUE(may(policy, "ecr:DescribeImages", "arn:aws:ecr:" + here + "repository/shop/jobs"));
  EXPECT_TRUE(may(policy, "ecs:DescribeTasks", "arn:aws:ecs:" + here + "task/shop-staging/1",
                  {{"ecs:cluster", {"arn:aws:ecs:" + here + "cluster/shop-staging"}}}));
  EXPECT_FALSE(may(policy, "ecs:DescribeTasks", "arn:aws:ecs:" + here + "task/other/1",
                   {{"ecs:cluster", {"arn:aws:ecs:" + here + "cluster/other"}}}));
  EXPECT_TRUE(may(policy, "logs:GetLogEvents", "arn:aws:logs:" + here + "log-group:/ecs/staging-web:log-stream:a/b/c"));
  EXPECT_FALSE(may(policy, "logs:GetLogEvents", "arn:aws:logs:" + here + "log-group:/aws/lambda/x:log-stream:y"));
  EXPECT_TRUE(may(policy, "ssm:GetParameter", "arn:aws:ssm:" + here + "parameter/slipway/slack"));
  EXPECT_TRUE(may(policy, "secretsmanager:GetSecretValue", "arn:aws:secretsmanager:" + here + "secret:slack-AbC123"));
  EXPECT_FALSE(
      may(policy, "secretsmanager:GetSecretValue", "arn:aws:secretsmanager:" + here + "secret:slack-db-AbC123"));
  EXPECT_TRUE(may(policy, "sns:Publish", "arn:aws:sns:" + here + "deploys"));
  EXPECT_TRUE(may(policy, "cloudwatch:DescribeAlarms", "arn:aws:cloudwatch:" + here + "alarm:web-5xx"));
  for (const char* action : {"ecr:PutImage", "ecr:BatchDeleteImage", "ecs:DeleteService", "ecs:CreateService",
                             "ecs:RunTask", "ecs:ExecuteCommand", "iam:CreateRole", "lambda:UpdateFunctionCode"})
    EXPECT_FALSE(may(policy, action, "*")) << action;
}

TEST(Policies, OnlyTheRulesInvokeTheFunctionAndFillTheQueue) {
  const auto config = config_of(kShop);
  const auto ask_as = [](const json::object& policy, const char* action, const char* resource, const char* rule) {
    const iam::Request request{.action = action,
                               .resource = resource,
                               .principal_service = "events.amazonaws.com",
                               .keys = {{"aws:sourcearn", {rule}}}};
    return iam::evaluate({policy}, request, true) == iam::Decision::allowed;
  };
  const auto permission = function_permission(config, kAccount);
  const char* function = "arn:aws:lambda:eu-central-1:111122223333:function:slipway-shop-deployer";
  const char* queue = "arn:aws:sqs:eu-central-1:111122223333:slipway-shop-dead-letters";
  for (const std::string& name : rule_names(config)) {
    const std::string rule = "arn:aws:events:eu-central-1:111122223333:rule/" + name;
    EXPECT_TRUE(ask_as(permission, "lambda:InvokeFunction", function, rule.c_str())) << rule;
    EXPECT_TRUE(ask_as(queue_policy(config, kAccount), "sqs:SendMessage", queue, rule.c_str())) << rule;
  }
  const char* strange = "arn:aws:events:eu-central-1:999999999999:rule/slipway-shop-sweep";
  EXPECT_FALSE(ask_as(permission, "lambda:InvokeFunction", function, strange));
  EXPECT_FALSE(ask_as(queue_policy(config, kAccount), "sqs:SendMessage", queue, strange));
}

TEST(Policies, OnlyTheNamedRepositoryOnGitHubIsTrusted) {
  auto config = config_of(kShop);
  EXPECT_EQ(subjects(config).exact, (std::vector<std::string>{"repo:acme@123456/web@456789:ref:refs/heads/main"}));
  EXPECT_EQ(subjects(config).wild, (std::vector<std::string>{"repo:acme@123456/web@456789:ref:refs/tags/v*"}));
  config.github->environment = "production";
  config.github->owner_id = 0;
  EXPECT_EQ(subjects(config).exact, (std::vector<std::string>{"repo:acme/web:environment:production"}));
  EXPECT_TRUE(subjects(config).wild.empty());
  const auto trust = json::serialize(push_trust(config, kAccount));
  EXPECT_NE(trust.find(R"("token.actions.githubusercontent.com:aud":"sts.amazonaws.com")"), std::string::npos);
  EXPECT_EQ(trust.find("StringLike"), std::string::npos);
}

TEST(Policies, FilesAreStable) {
  const auto files = policy_files(config_of(kShop), kAccount);
  ASSERT_TRUE(files) << files.error().message;
  for (const File& file : *files) expect_golden("policies/" + file.path, file.text);
}

TEST(Policies, OneRoleForTooManyServicesIsRefused) {
  std::string text = "project: p\nservices:\n";
  for (int i = 0; i < 60; ++i) text += "  service-number-" + std::to_string(i) + ": {repository: rr, port: 1}\n";
  const auto files = policy_files(config_of(text), kAccount);
  ASSERT_FALSE(files);
  EXPECT_EQ(files.error().code, "SLW-205");
}

TEST(Workflow, IsStable) {
  const auto text = workflow_yaml(config_of(kShop), {.account = "111122223333", .region = "eu-central-1"});
  ASSERT_TRUE(text);
  expect_golden("workflow/shop.yml", *text);
  expect_golden("workflow/one-service.yml", *workflow_yaml(config_of(kOneService), {.region = "ap-northeast-2"}));
  expect_golden(
      "workflow/static-keys.yml",
      *workflow_yaml(config_of(kOneService), {.static_keys = true, .provenance = true, .region = "ap-northeast-2"}));
}

TEST(Workflow, EveryActionIsNamedByFullCommit) {
  const auto text = *workflow_yaml(config_of(kShop), {.region = "eu-central-1"});
  for (const std::string& line : split(text, '\n')) {
    const auto uses = line.find("uses: ");
    if (uses == std::string::npos) continue;
    const auto at = line.find('@');
    ASSERT_NE(at, std::string::npos) << line;
    EXPECT_EQ(line.substr(at + 1).find_first_not_of("0123456789abcdef"), 40u) << line;
    EXPECT_NE(line.find("# v"), std::string::npos) << line;
  }
}

TEST(Workflow, TheDeployingPushIsTheLast) {
  const auto text = *workflow_yaml(config_of(kOneService), {.region = "x"});
  EXPECT_LT(text.find("docker push \"$IMAGE:git-$GITHUB_SHA\""), text.find("docker push \"$IMAGE:latest\""));
}

TEST(Workflow, ARoleNeedsTheRepositoryItTrusts) {
  const auto config = config_of("project: p\nservices: {a: {repository: aa, port: 1}}");
  EXPECT_EQ(workflow_yaml(config, {.region = "r"}).error().code, "SLW-204");
  EXPECT_TRUE(workflow_yaml(config, {.static_keys = true, .region = "r"}));
}

// Reads HCL far enough to know that it is well formed: blocks, attributes, brackets and texts that are closed.  Notes
// what is declared and what is referred to.
class HclCheck {
 public:
  explicit HclCheck(std::string text) : text_(std::move(text)) {}
  std::string run() {
    body(0);
    return error_;
  }
  std::set<std::string> declared;
  std::set<std::string> referred;

 private:
  char now() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  void blanks(bool lines) {
    while (now() == ' ' || (lines && now() == '\n') || now() == '#') {
      if (now() == '#') {
        while (now() != '\n' && now() != '\0') ++at_;
      } else {
        ++at_;
      }
    }
  }
  void wrong(const std::string& what) {
    if (!error_.empty()) return;
    error_ = what + " at line " +
             std::to_string(std::count(text_.begin(), text_.begin() + static_cast<long>(at_), '\n') + 1);
    at_ = text_.size();
  }
  std::string word() {
    std::string out;
    while (std::isalnum(static_cast<unsigned char>(now())) || now() == '_' || now() == '-') out += text_[at_++];
    return out;
  }
  std::string quoted_text() {
    std::string out;
    for (++at_; now() != '"'; ++at_) {
      if (now() == '\0' || now() == '\n') {
        wrong("a text that does not end");
        return out;
      }
      if (now() == '$' && at_ + 1 < text_.size() && text_[at_ + 1] == '$') {
        ++at_;  // "$${" is no expression.
      } else if (now() == '$' && text_[at_ + 1] == '{') {
        at_ += 2;
        value("}");
        if (now() != '}') wrong("an expression in a text that does not end");
        continue;
      }
      if (now() == '\\') out += text_[at_++];
      out += now();
    }
    ++at_;
    return out;
  }
  // An expression up to a line's end or one of `ends`.
  void value(const std::string& ends) {
    while (error_.empty()) {
      blanks(false);
      const char c = now();
      if (c == '\0' || c == '\n' || ends.find(c) != std::string::npos) return;
      if (c == '"') {
        quoted_text();
      } else if (c == '{' || c == '[' || c == '(') {
        brackets(c);
      } else if (std::isalpha(static_cast<unsigned char>(c))) {
        std::string name = word();
        std::string reference = name;
        while (now() == '.') {
          ++at_;
          reference += "." + word();
        }
        referred.insert(reference);
      } else if (std::string("0123456789.?:,=!<>&|*-").find(c) != std::string::npos) {
        ++at_;
      } else {
        wrong(std::string("what is '") + c + "'?");
      }
    }
  }
  void brackets(char open) {
    const char close = open == '{' ? '}' : open == '[' ? ']' : ')';
    ++at_;
    while (error_.empty()) {
      blanks(true);
      if (now() == close) {
        ++at_;
        return;
      }
      if (now() == '\0') return wrong("a bracket that is not closed");
      if (open == '{') {
        if (now() == '"') {
          quoted_text();
        } else if (word().empty()) {
          return wrong("a member without a name");
        }
        blanks(false);
        if (now() != '=') return wrong("a member without =");
        ++at_;
      }
      value(std::string(1, close) + ",");
      if (now() == ',') ++at_;
    }
  }
  void body(int depth) {
    while (error_.empty()) {
      blanks(true);
      if (now() == '\0') return depth == 0 ? void() : wrong("a block that is not closed");
      if (now() == '}') {
        if (depth == 0) return wrong("a brace too many");
        ++at_;
        return;
      }
      const std::string name = word();
      if (name.empty()) return wrong("a name is missing");
      blanks(false);
      if (now() == '=') {
        ++at_;
        value("");
        continue;
      }
      std::vector<std::string> labels;
      while (now() == '"') {
        labels.push_back(quoted_text());
        blanks(false);
      }
      if (now() != '{') return wrong("neither = nor {");
      ++at_;
      declare(name, labels);
      const bool locals = depth == 0 && name == "locals";
      if (locals) in_locals();
      body(depth + 1);
    }
  }
  void declare(const std::string& kind, const std::vector<std::string>& labels) {
    std::string id;
    if (kind == "resource") id = labels.at(0) + "." + labels.at(1);
    if (kind == "data") id = "data." + labels.at(0) + "." + labels.at(1);
    if (kind == "variable") id = "var." + labels.at(0);
    if (!id.empty() && !declared.insert(id).second) wrong(id + " is declared twice");
  }
  void in_locals() {
    const auto end = text_.find('}', at_);
    for (const std::string& line : split(text_.substr(at_, end - at_), '\n')) {
      const auto equal = line.find('=');
      if (equal != std::string::npos) declared.insert("local." + std::string(trim(line.substr(0, equal))));
    }
  }

  std::string text_;
  std::size_t at_ = 0;
  std::string error_;
};

void expect_whole(const std::vector<File>& files) {
  std::string all;
  for (const File& file : files) {
    EXPECT_EQ(HclCheck(file.text).run(), "") << file.path;
    all += file.text;
  }
  HclCheck check(all);
  EXPECT_EQ(check.run(), "");
  for (const std::string& reference : check.referred) {
    const bool named = reference.starts_with("aws_") || reference.starts_with("data.") ||
                       reference.starts_with("var.") || reference.starts_with("local.");
    if (!named) continue;
    const auto parts = split(reference, '.');
    const std::size_t count = reference.starts_with("data.") ? 3 : 2;
    const std::string id = join({parts.begin(), parts.begin() + static_cast<long>(std::min(count, parts.size()))}, ".");
    EXPECT_TRUE(check.declared.contains(id)) << reference << " is not declared";
  }
}

TEST(Terraform, IsStableAndWholeForAnAccountWithNothingInIt) {
  const auto files = terraform_files(config_of(kShop));
  expect_whole(files);
  for (const File& file : files) expect_golden("terraform-all/" + file.path, file.text);
}

TEST(Terraform, IsStableAndWholeForServicesThatAreThere) {
  const auto files = terraform_files(config_of(kOneService));
  expect_whole(files);
  for (const File& file : files) expect_golden("terraform-deployer/" + file.path, file.text);
}

TEST(Terraform, IsWholeForEveryChoiceOfWhatIsMade) {
  for (const char* create : {"[]", "[repository]", "[cluster]", "[service]", "[cluster, service]",
                             "[service, load-balancer]", "[repository, service, load-balancer]"}) {
    SCOPED_TRACE(create);
    expect_whole(terraform_files(config_of(std::string(kOneService) + "aws: {create: " + create + "}\n")));
  }
}

TEST(Terraform, WhatDeploysOutlivesCommits) {
  std::string repositories;
  for (const File& file : terraform_files(config_of(kShop)))
    if (file.path == "repositories.tf") repositories = file.text;
  repositories.erase(0, repositories.find("\"aws_ecr_lifecycle_policy\" \"shop_web\""));
  EXPECT_LT(repositories.find("[\"main-*\"]"), repositories.find("[\"git-*\"]"));
  EXPECT_LT(repositories.find("[\"git-*\"]"), repositories.find("\"untagged\""));
}

TEST(Terraform, WhatAUserWroteIsNoExpression) {
  std::string services;
  for (const File& file : terraform_files(config_of(kShop)))
    if (file.path == "services.tf") services = file.text;
  EXPECT_NE(services.find("\"hello $${USER}\""), std::string::npos);
}

TEST(Terraform, TheCheckFindsWhatIsBroken) {
  EXPECT_NE(HclCheck("resource \"a\" \"b\" {\n  x = [1,\n}\n").run(), "");
  EXPECT_NE(HclCheck("resource \"a\" \"b\" {\n  x = \"open\n}\n").run(), "");
  EXPECT_NE(HclCheck("resource \"a\" \"b\" {\n  x 1\n}\n").run(), "");
  EXPECT_NE(HclCheck("resource \"a\" \"b\" {\n").run(), "");
  EXPECT_NE(HclCheck("}\n").run(), "");
  EXPECT_EQ(HclCheck("resource \"a\" \"b\" {\n  x = f({ a = 1 })\n}\n").run(), "");
}

TEST(Hcl, NeighboursShareAColumnAndLongOnesStandForThemselves) {
  Hcl hcl;
  hcl.open("x");
  hcl.set("a", "1");
  hcl.set("longer", "2");
  hcl.set("object", expression(json::object{{"k", "v"}, {"longest", json::array{1, 2}}, {"aws:x", true}}));
  hcl.set("b", "3");
  hcl.close();
  EXPECT_EQ(hcl.text(),
            "x {\n"
            "  a      = 1\n"
            "  longer = 2\n"
            "  object = {\n"
            "    k = \"v\"\n"
            "    longest = [\n"
            "      1,\n"
            "      2,\n"
            "    ]\n"
            "    \"aws:x\" = true\n"
            "  }\n"
            "  b = 3\n"
            "}\n");
}

TEST(Difference, ShowsWhatChangesWithWhatIsAround) {
  EXPECT_EQ(unified_diff("a\nb\nc\nd\ne\nf\n", "a\nb\nc\nd\nE\nf\n", "x"),
            "--- x\n+++ x (rendered)\n@@ -2,5 +2,5 @@\n b\n c\n d\n-e\n+E\n f\n");
  EXPECT_EQ(unified_diff("a\n", "a\n", "x"), "");
  EXPECT_EQ(unified_diff("", "a\n", "x"), "--- x\n+++ x (rendered)\n@@ -1,0 +1,1 @@\n+a\n");
}

}  // namespace
}  // namespace slipway::render
