#include <gtest/gtest.h>
#include <unistd.h>

#include "base/run.h"
#include "host/hand_clock.h"
#include "iam/api.h"

namespace slipway::iam {
namespace {

using namespace std::chrono_literals;

class NoKeys final : public TokenKeys {
 public:
  task<Result<std::string>> jwks(std::string) override { co_return std::string(); }
};

constexpr const char* kAnyoneHere =
    R"({"Statement":{"Effect":"Allow","Principal":{"AWS":"000000000000"},"Action":"sts:AssumeRole"}})";

class AuthorityTest : public testing::Test {
 protected:
  void SetUp() override { db.migrate(schema()); }
  void TearDown() override { std::filesystem::remove(key_file); }

  // The error's code; empty when it went well.  The answer is in `output`.
  std::string call(const wire::Service& service, std::string operation, json::object input, wire::Caller caller) {
    const wire::Call context{.caller = std::move(caller), .place = Place{}, .now = clock.now()};
    auto answer = run(wire::call(service, std::move(operation), std::move(input), context), io);
    output = answer ? answer->output : json::object{};
    message = answer ? "" : answer.error().message;
    return answer ? "" : answer.error().code;
  }
  void role(const std::string& name, const char* trust, const std::string& policy = {}, long long seconds = 3600) {
    const json::object made = {
        {"RoleName", name}, {"AssumeRolePolicyDocument", trust}, {"MaxSessionDuration", seconds}};
    ASSERT_EQ(call(iam, "CreateRole", made, admin()), "") << message;
    const json::object put = {{"RoleName", name}, {"PolicyName", "p"}, {"PolicyDocument", policy}};
    if (!policy.empty()) ASSERT_EQ(call(iam, "PutRolePolicy", put, admin()), "") << message;
  }
  // Takes the role and returns who that is.
  wire::Caller session(const std::string& name) {
    EXPECT_EQ(assume(name, admin()), "") << message;
    return authority.find(get_string(get_object(output, "Credentials"), "AccessKeyId"))->caller;
  }
  std::string assume(const std::string& name, const wire::Caller& caller, json::object more = {}) {
    more["RoleArn"] = arn(name);
    more["RoleSessionName"] = "s1";
    return call(sts, "AssumeRole", more, caller);
  }
  std::string why(const wire::Caller& caller, const std::string& action, const std::string& resource) {
    const auto allowed = authority.authorize(caller, action, resource);
    return allowed ? "" : allowed.error().message;
  }
  static std::string arn(const std::string& name) { return "arn:aws:iam::000000000000:role/" + name; }
  wire::Caller admin() { return authority.administrator(); }

  std::filesystem::path key_file =
      std::filesystem::temp_directory_path() / ("slipway-authority-" + std::to_string(::getpid()));
  asio::io_context io{1};
  database::Database db{io.get_executor(), ":memory:"};
  host::HandClock clock;
  host::SeededRandom random{7};
  Authority authority{db, clock, random, Place{}, key_file};
  wire::Service iam = iam_service(authority);
  NoKeys no_keys;
  wire::Service sts = sts_service(authority, no_keys);
  json::object output;
  std::string message;
};

TEST_F(AuthorityTest, DeniesInAwsWords) {
  role("reader", kAnyoneHere,
       R"({"Statement":[{"Effect":"Allow","Action":"ecs:*","Resource":"*"},
                        {"Effect":"Deny","Action":"ecs:Delete*","Resource":"*"}]})");
  const auto caller = session("reader");
  EXPECT_EQ(caller.arn, "arn:aws:sts::000000000000:assumed-role/reader/s1");
  EXPECT_EQ(why(caller, "ecs:ListTasks", "*"), "");
  EXPECT_EQ(
      why(caller, "ecr:DescribeImages", "arn:r"),
      "User: arn:aws:sts::000000000000:assumed-role/reader/s1 is not authorized to perform: ecr:DescribeImages on "
      "resource: arn:r because no identity-based policy allows the ecr:DescribeImages action");
  EXPECT_EQ(why(caller, "ecs:DeleteService", "arn:s"),
            "User: arn:aws:sts::000000000000:assumed-role/reader/s1 is not authorized to perform: ecs:DeleteService on "
            "resource: arn:s with an explicit deny in an identity-based policy");
  EXPECT_EQ(why(caller, "sts:GetCallerIdentity", "*"), "");
}

TEST_F(AuthorityTest, ATrustPolicyMayNameARoleAndThenItsSessionsNeedNothingElse) {
  role("a", kAnyoneHere);
  role("denied", kAnyoneHere, R"({"Statement":{"Effect":"Deny","Action":"sts:*","Resource":"*"}})");
  role("b", R"({"Statement":{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"AWS":
       ["arn:aws:iam::000000000000:role/a","arn:aws:iam::000000000000:role/denied"]}}})");
  role("c", kAnyoneHere);
  const auto a = session("a");
  EXPECT_EQ(why(a, "sts:AssumeRole", arn("b")), "");
  EXPECT_EQ(assume("b", a), "");
  EXPECT_NE(why(a, "sts:AssumeRole", arn("c")), "");  // Trusts the account, so that a's policies decide.
  EXPECT_EQ(assume("b", admin()), "AccessDenied");    // Trusts a, not the administrator.
  EXPECT_EQ(message,
            "User: arn:aws:iam::000000000000:user/admin is not authorized to perform: sts:AssumeRole on resource: "
            "arn:aws:iam::000000000000:role/b");
  EXPECT_NE(why(session("denied"), "sts:AssumeRole", arn("b")).find("with an explicit deny"), std::string::npos);
}

TEST_F(AuthorityTest, AnExternalIdIsActedOn) {
  role("partner", R"({"Statement":{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole",
       "Condition":{"StringEquals":{"sts:ExternalId":"secret"}}}})");
  EXPECT_EQ(assume("partner", admin()), "AccessDenied");
  EXPECT_EQ(assume("partner", admin(), {{"ExternalId", "wrong"}}), "AccessDenied");
  EXPECT_EQ(assume("partner", admin(), {{"ExternalId", "secret"}}), "");
}

TEST_F(AuthorityTest, ASessionLastsNoLongerThanItsRoleAllows) {
  role("short", kAnyoneHere);
  role("long", kAnyoneHere, R"({"Statement":{"Effect":"Allow","Action":"sts:*","Resource":"*"}})", 43200);
  EXPECT_EQ(assume("short", admin(), {{"DurationSeconds", 3601}}), "ValidationError");
  EXPECT_EQ(message, "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.");
  EXPECT_EQ(assume("long", admin(), {{"DurationSeconds", 43200}}), "");
  EXPECT_EQ(assume("long", session("long"), {{"DurationSeconds", 3601}}), "ValidationError");
  EXPECT_NE(message.find("role chaining"), std::string::npos);
}

TEST_F(AuthorityTest, ASessionOfARoleThatIsGoneMayNothing) {
  constexpr const char* kAll = R"({"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}})";
  role("r", kAnyoneHere, kAll);
  const auto caller = session("r");
  EXPECT_EQ(why(caller, "ecs:ListTasks", "*"), "");
  ASSERT_EQ(call(iam, "DeleteRolePolicy", {{"RoleName", "r"}, {"PolicyName", "p"}}, admin()), "");
  ASSERT_EQ(call(iam, "DeleteRole", {{"RoleName", "r"}}, admin()), "");
  EXPECT_NE(why(caller, "ecs:ListTasks", "*"), "");
  role("r", kAnyoneHere, kAll);  // Another role of that name.
  EXPECT_NE(why(caller, "ecs:ListTasks", "*"), "");
}

TEST_F(AuthorityTest, GivesTheKeysThatEveryRequestHas) {
  role("here", kAnyoneHere,
       R"({"Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"*","Resource":"*",
           "Condition":{"StringNotEquals":{"aws:RequestedRegion":["us-east-1"]}}}]})");
  role("elsewhere", kAnyoneHere,
       R"({"Statement":{"Effect":"Allow","Action":"*","Resource":"*",
           "Condition":{"StringEquals":{"aws:RequestedRegion":"eu-west-1"}}}})");
  role(
      "tls", kAnyoneHere,
      R"({"Statement":{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"true"}}}})");
  EXPECT_EQ(why(session("here"), "ecs:ListTasks", "*"), "");
  EXPECT_NE(why(session("elsewhere"), "ecs:ListTasks", "*"), "");
  EXPECT_NE(why(session("tls"), "ecs:ListTasks", "*"), "");
}

TEST_F(AuthorityTest, APolicyMayEndAndAskFromWhere) {
  // The clock stands at 2023-11-14T22:13:20Z.
  role("ends", kAnyoneHere,
       R"({"Statement":{"Effect":"Allow","Action":"*","Resource":"*","Condition":{
           "DateLessThan":{"aws:CurrentTime":"2023-11-14T22:13:21Z"},"IpAddress":{"aws:SourceIp":"127.0.0.0/8"}}}})");
  role("elsewhere", kAnyoneHere,
       R"({"Statement":{"Effect":"Allow","Action":"*","Resource":"*","Condition":{
           "IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}}})");
  const auto ends = session("ends");
  const auto elsewhere = session("elsewhere");
  EXPECT_EQ(why(ends, "ecs:ListTasks", "*"), "");
  EXPECT_NE(why(elsewhere, "ecs:ListTasks", "*"), "");
  clock.advance(1s);
  EXPECT_NE(why(ends, "ecs:ListTasks", "*"), "");
}

TEST_F(AuthorityTest, AServiceIsTrustedWithItsAccount) {
  role("task", R"({"Statement":{"Effect":"Allow","Principal":{"Service":"ecs-tasks.amazonaws.com"},
       "Action":"sts:AssumeRole","Condition":{"StringEquals":{"aws:SourceAccount":"000000000000"}}}})");
  EXPECT_TRUE(authority.check_role(arn("task"), "ecs-tasks.amazonaws.com"));
  EXPECT_FALSE(authority.check_role(arn("task"), "lambda.amazonaws.com"));
  EXPECT_FALSE(authority.check_role(arn("none"), "ecs-tasks.amazonaws.com"));
}

TEST_F(AuthorityTest, TheKeyOfAnEndedSessionIsKnownAsEnded) {
  role("r", kAnyoneHere);
  const auto caller = session("r");
  clock.advance(2h);
  const auto found = authority.find(caller.access_key_id);
  ASSERT_TRUE(found);
  EXPECT_LE(*found->expires, clock.now());
}

TEST_F(AuthorityTest, APathPrefixThatNoRoleHasListsNone) {
  role("r", kAnyoneHere);
  EXPECT_EQ(call(iam, "ListRoles", {}, admin()), "");
  EXPECT_EQ(get_array(output, "Roles").size(), 1U);
  EXPECT_EQ(call(iam, "ListRoles", {{"PathPrefix", "/service-role/"}}, admin()), "");
  EXPECT_EQ(get_array(output, "Roles").size(), 0U);
}

}  // namespace
}  // namespace slipway::iam
