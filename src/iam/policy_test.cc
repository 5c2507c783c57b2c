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

Decision ask_with(const char* condition, ConditionKeys keys) {
  const std::string statement =
      std::string(R"({"Effect":"Allow","Action":"*","Resource":"*","Condition":)") + condition + "}";
  return ask({statement.c_str()}, "a:B", "*", std::move(keys));
}

TEST(Policy, OperatorsOverSeveralValues) {
  const ConditionKeys both = {{"k", {"a", "b"}}};
  const auto holds = [](const char* condition, const ConditionKeys& keys) {
    return ask_with(condition, keys) == Decision::allowed;
  };
  EXPECT_TRUE(holds(R"({"ForAnyValue:StringEquals":{"k":"a"}})", both));
  EXPECT_FALSE(holds(R"({"ForAllValues:StringEquals":{"k":"a"}})", both));
  EXPECT_TRUE(holds(R"({"ForAllValues:StringEquals":{"k":["a","b","c"]}})", both));
  EXPECT_TRUE(holds(R"({"ForAllValues:StringEquals":{"k":"a"}})", {}));
  EXPECT_TRUE(holds(R"({"ForAnyValue:StringNotEquals":{"k":"a"}})", both));
  EXPECT_FALSE(holds(R"({"ForAnyValue:StringNotEquals":{"k":["a","b"]}})", both));
  EXPECT_FALSE(holds(R"({"ForAnyValue:StringEquals":{"k":"a"}})", {}));
  EXPECT_FALSE(holds(R"({"ForAnyValue:StringNotEquals":{"k":"a"}})", {}));
  EXPECT_TRUE(holds(R"({"StringNotEquals":{"k":"a"}})", {}));
  EXPECT_TRUE(holds(R"({"StringEqualsIfExists":{"k":"a"}})", {}));
  EXPECT_TRUE(holds(R"({"Null":{"k":"TRUE"}})", {}));
  EXPECT_FALSE(holds(R"({"Null":{"k":true}})", both));
}

TEST(Policy, ArnsAreComparedPartByPart) {
  const ConditionKeys role = {{"k", {"arn:aws:iam::1:role/a"}}};
  EXPECT_EQ(ask_with(R"({"ArnLike":{"k":"arn:aws:iam::*:role/*"}})", role), Decision::allowed);
  EXPECT_EQ(ask_with(R"({"ArnEquals":{"k":"arn:aws:iam::1:role/?"}})", role), Decision::allowed);
  EXPECT_EQ(ask_with(R"({"ArnLike":{"k":"arn:aws:*:role/a"}})", role), Decision::implicitly_denied);
  EXPECT_EQ(ask_with(R"({"ArnNotLike":{"k":"arn:aws:iam::2:*"}})", role), Decision::allowed);
  // A resource's '*' does reach over colons and slashes; all else is letter by letter.
  constexpr const char* kDots = R"({"Effect":"Allow","Action":"a:*","Resource":"arn:a.b*"})";
  EXPECT_EQ(ask({kDots}, "a:B", "arn:a.b:c/d"), Decision::allowed);
  EXPECT_EQ(ask({kDots}, "a:B", "arn:axb"), Decision::implicitly_denied);
  EXPECT_EQ(ask({kDots}, "a:B", "ARN:A.B"), Decision::implicitly_denied);
}

std::string refusal(const std::string& text, bool trust = false) {
  const auto parsed = trust ? parse_trust(text) : parse_policy(text, false);
  return parsed ? "" : parsed.error().message;
}

TEST(Policy, AMisspeltElementIsRefusedAndNotIgnored) {
  const auto statement = [](const std::string& more) {
    return refusal(R"({"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"ecs:*","Resource":"*")" + more +
                   "}]}");
  };
  EXPECT_EQ(statement(""), "");
  EXPECT_EQ(statement(R"(,"Condition":{"Bool":{"a:b":true}},"Sid":"x")"), "");
  for (const char* more : {R"(,"Conditions":{})", R"(,"condition":{})", R"(,"Condition":[])", R"(,"Condition":"x")",
                           R"(,"Condition":{"Bool":"x"})", R"(,"Condition":{"Bool":{"a":{}}})",
                           R"(,"NotAction":"ecs:X")", R"(,"NotResource":"*")", R"(,"NotPrincipal":"*")"})
    EXPECT_NE(statement(more), "") << more;
  for (const char* policy :
       {R"({"Version":"2020-01-01","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}})",
        R"({"Extra":1,"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}})",
        R"({"Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},"x"]})", R"({"Statement":[]})", R"([])",
        R"({"Statement":{"Effect":"Allow","Action":[],"Resource":"*"}})",
        R"({"Statement":{"Effect":"Allow","Action":{"a":1},"Resource":"*"}})",
        R"({"Statement":{"Effect":"Allow","Action":["ecs:X",1],"Resource":"*"}})"})
    EXPECT_NE(refusal(policy), "") << policy;
}

TEST(Policy, SaysWhatIsWrongAsAwsDoes) {
  const auto with = [](const char* action, const char* resource) {
    return refusal(std::string(R"({"Statement":{"Effect":"Allow","Action":")") + action + R"(","Resource":")" +
                   resource + "\"}}");
  };
  EXPECT_EQ(with("UpdateService", "*"), "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.");
  EXPECT_EQ(with("ecs:service:x", "*"), "Actions/Condition can contain only one colon.");
  EXPECT_EQ(with("ecs:X", "service"), "Resource service must be in ARN format or \"*\".");
  EXPECT_EQ(refusal(R"({"Statement":[{"Sid":"a","Effect":"Allow","Action":"*","Resource":"*"},
                                     {"Sid":"a","Effect":"Allow","Action":"*","Resource":"*"}]})"),
            "Statement IDs (SID) in a single policy must be unique.");
  const auto trust = [](const std::string& principal, const char* action = "sts:AssumeRole") {
    return refusal(
        R"({"Statement":{"Effect":"Allow","Action":")" + std::string(action) + R"(","Principal":)" + principal + "}}",
        true);
  };
  EXPECT_EQ(trust(R"({"Service":["lambda.amazonaws.com","ecs-tasks.amazonaws.com"],"AWS":"123456789012"})"), "");
  EXPECT_EQ(trust(R"({"AWS":"me"})"), "Invalid principal in policy: \"AWS\":\"me\"");
  EXPECT_EQ(trust(R"({"Service":"lambda"})"), "Invalid principal in policy: \"SERVICE\":\"lambda\"");
  EXPECT_NE(trust(R"({"Everyone":"*"})"), "");
  EXPECT_NE(trust(R"("me")"), "");
  EXPECT_EQ(trust("\"*\"", "ecs:UpdateService"), "AssumeRole policy may only specify STS AssumeRole actions.");
}

TEST(Policy, AVariableInAResourceIsTheCallers) {
  constexpr const char* kOwn =
      R"({"Effect":"Allow","Action":"ecs:*","Resource":"arn:aws:ecs:r:1:service/${aws:username}/*"})";
  EXPECT_EQ(ask({kOwn}, "ecs:X", "arn:aws:ecs:r:1:service/ana/s", {{"aws:username", {"ana"}}}), Decision::allowed);
  EXPECT_EQ(ask({kOwn}, "ecs:X", "arn:aws:ecs:r:1:service/bob/s", {{"aws:username", {"ana"}}}),
            Decision::implicitly_denied);
  EXPECT_EQ(ask({kOwn}, "ecs:X", "arn:aws:ecs:r:1:service/*/s", {{"aws:username", {"*"}}}), Decision::allowed);
  EXPECT_EQ(ask({kOwn}, "ecs:X", "arn:aws:ecs:r:1:service/bob/s", {{"aws:username", {"*"}}}),
            Decision::implicitly_denied);
  EXPECT_EQ(ask({kOwn}, "ecs:X", "arn:aws:ecs:r:1:service//s"), Decision::implicitly_denied);
}

TEST(Policy, RefusesWhatItCannotEvaluate) {
  EXPECT_FALSE(parse_policy("{", false));
  EXPECT_FALSE(parse_policy(R"({"Statement":[{"Effect":"Maybe","Action":"*","Resource":"*"}]})", false));
  EXPECT_FALSE(parse_policy(
      R"({"Statement":[{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"DateGreaterThan":{"aws:CurrentTime":"x"}}}]})",
      false));
  EXPECT_FALSE(parse_policy(R"({"Statement":[{"Effect":"Allow","Action":"*","Resource":"arn:${username}"}]})", false));
  EXPECT_TRUE(parse_policy(R"({"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}})", false));
}

}  // namespace
}  // namespace slipway::iam
