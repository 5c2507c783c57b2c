#include "iam/policy.h"

#include <gtest/gtest.h>

namespace slipway::iam {
namespace {

json::object policy(const char* statement) {
  return {{"Version", "2012-10-17"}, {"Statement", json::array{*parse_json(statement)}}};
}

Decision ask(std::initializer_list<const char*> statements, const char* action, const char* resource,
             ConditionKeys keys = {}) {
  std::vector<json::object> policies;
  for (const char* statement : statements) policies.push_back(policy(statement));
  return evaluate(policies, {.action = action, .resource = resource, .keys = std::move(keys)}, false);
}

constexpr const char* kUpdate = R"({"Effect":"Allow","Action":"ecs:Update*","Resource":"arn:aws:ecs:*:*:service/c/s"})";

TEST(Policy, AllowsWhatItNamesAndNothingElse) {
  EXPECT_EQ(ask({kUpdate}, "ecs:UpdateService", "arn:aws:ecs:r:1:service/c/s"), Decision::allowed);
  EXPECT_EQ(ask({kUpdate}, "ECS:updateservice", "arn:aws:ecs:r:1:service/c/s"), Decision::allowed);
  EXPECT_EQ(ask({kUpdate}, "ecs:DeleteService", "arn:aws:ecs:r:1:service/c/s"), Decision::implicitly_denied);
  EXPECT_EQ(ask({kUpdate}, "ecs:UpdateService", "arn:aws:ecs:r:1:service/c/other"), Decision::implicitly_denied);
  EXPECT_EQ(ask({kUpdate}, "ecs:UpdateService", "*"), Decision::implicitly_denied);
}

TEST(Policy, AnExplicitDenyWins) {
  EXPECT_EQ(ask({kUpdate, R"({"Effect":"Deny","Action":"*","Resource":"*"})"}, "ecs:UpdateService",
                "arn:aws:ecs:r:1:service/c/s"),
            Decision::explicitly_denied);
}

TEST(Policy, NotActionAndNotResourceTurnAround) {
  constexpr const char* kAllBut = R"({"Effect":"Allow","NotAction":"iam:*","NotResource":"arn:secret"})";
  EXPECT_EQ(ask({kAllBut}, "ecs:X", "arn:a"), Decision::allowed);
  EXPECT_EQ(ask({kAllBut}, "iam:X", "arn:a"), Decision::implicitly_denied);
  EXPECT_EQ(ask({kAllBut}, "ecs:X", "arn:secret"), Decision::implicitly_denied);
}

TEST(Policy, ConditionsMustHold) {
  constexpr const char* kPass =
      R"({"Effect":"Allow","Action":"iam:PassRole","Resource":"*","Condition":{"StringEquals":{"iam:PassedToService":"ecs-tasks.amazonaws.com"}}})";
  EXPECT_EQ(ask({kPass}, "iam:PassRole", "arn:r", {{"iam:passedtoservice", {"ecs-tasks.amazonaws.com"}}}),
            Decision::allowed);
  EXPECT_EQ(ask({kPass}, "iam:PassRole", "arn:r", {{"iam:passedtoservice", {"lambda.amazonaws.com"}}}),
            Decision::implicitly_denied);
  EXPECT_EQ(ask({kPass}, "iam:PassRole", "arn:r"), Decision::implicitly_denied);
}

TEST(Policy, TrustNamesServicesAndAccounts) {
  const auto trust = policy(
      R"({"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com","AWS":"arn:aws:iam::1:root"},"Action":"sts:AssumeRole"})");
  EXPECT_EQ(evaluate({trust},
                     {.action = "sts:AssumeRole", .resource = "r", .principal_service = "lambda.amazonaws.com"}, true),
            Decision::allowed);
  EXPECT_EQ(
      evaluate({trust}, {.action = "sts:AssumeRole", .resource = "r", .principal_service = "ecs.amazonaws.com"}, true),
      Decision::implicitly_denied);
  EXPECT_EQ(
      evaluate({trust},
               {.action = "sts:AssumeRole", .resource = "r", .principal_arn = "arn:x", .principal_account = "1"}, true),
      Decision::allowed);
  EXPECT_EQ(
      evaluate({trust},
               {.action = "sts:AssumeRole", .resource = "r", .principal_arn = "arn:x", .principal_account = "2"}, true),
      Decision::implicitly_denied);
}

TEST(Policy, AResourceMayAllowARoleOrASessionAndDenyAnAccount) {
  const std::string session = "arn:aws:sts::1:assumed-role/ci/run";
  const std::string role = "arn:aws:iam::1:role/ci";
  const auto says = [&](const std::string& effect, const std::string& principal) {
    const std::string text =
        R"({"Statement":[{"Effect":")" + effect + R"(","Principal":)" + principal + R"(,"Action":"ecr:PutImage"}]})";
    return evaluate_of_resource(text, {.action = "ecr:PutImage", .principal_arn = session, .principal_account = "1"},
                                role);
  };
  EXPECT_EQ(says("Allow", R"({"AWS":")" + role + "\"}"), Decision::allowed);
  EXPECT_EQ(says("Allow", R"({"AWS":")" + session + "\"}"), Decision::allowed);
  EXPECT_EQ(says("Allow", R"("*")"), Decision::allowed);
  EXPECT_EQ(says("Allow", R"({"AWS":"arn:aws:iam::1:role/other"})"), Decision::implicitly_denied);
  EXPECT_EQ(says("Allow", R"({"AWS":"arn:aws:iam::1:root"})"), Decision::implicitly_denied);
  EXPECT_EQ(says("Deny", R"({"AWS":"arn:aws:iam::1:root"})"), Decision::explicitly_denied);
  EXPECT_EQ(says("Deny", R"({"AWS":")" + role + "\"}"), Decision::explicitly_denied);
  EXPECT_EQ(evaluate_of_resource("", {.action = "ecr:PutImage"}, role), Decision::implicitly_denied);
}

TEST(Policy, RefusesWhatItCannotEvaluate) {
  EXPECT_FALSE(parse_policy("{", false));
  EXPECT_FALSE(parse_policy(R"({"Statement":[{"Effect":"Maybe","Action":"*","Resource":"*"}]})", false));
  EXPECT_FALSE(parse_policy(
      R"({"Statement":[{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"DateGreaterThan":{"aws:CurrentTime":"x"}}}]})",
      false));
  EXPECT_FALSE(
      parse_policy(R"({"Statement":[{"Effect":"Allow","Action":"*","Resource":"arn:${aws:username}"}]})", false));
  EXPECT_TRUE(parse_policy(R"({"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}})", false));
}

}  // namespace
}  // namespace slipway::iam
