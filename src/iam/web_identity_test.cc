#include <gtest/gtest.h>
#include <unistd.h>

#include "base/run.h"
#include "iam/api.h"
#include "iam/signed_token_test.h"

namespace slipway::iam {
namespace {

class FixedClock final : public host::Clock {
 public:
  Instant now() const override { return instant_ms(1'700'000'000'000); }
  task<void> sleep_until(Instant) override { co_return; }
};

// Issuers' keys; one that has none cannot be reached.
class TestKeys final : public TokenKeys {
 public:
  task<Result<std::string>> jwks(std::string provider) override {
    ++asked;
    if (const auto found = known.find(provider); found != known.end()) co_return found->second;
    co_return fail(Fault::unavailable, "ConnectFailed", "nobody answers");
  }
  std::map<std::string, std::string> known;
  int asked = 0;
};

constexpr const char* kGitHub = "token.actions.githubusercontent.com";

class WebIdentity : public testing::Test {
 protected:
  void SetUp() override {
    db.migrate(schema());
    keys.known[kGitHub] = issuer().jwks();
    ASSERT_EQ(admin("CreateOpenIDConnectProvider", {{"Url", "https://token.actions.githubusercontent.com"},
                                                    {"ClientIDList", json::array{"sts.amazonaws.com"}}}),
              "");
  }
  void TearDown() override { std::filesystem::remove(key_file); }
  static const TestIssuer& issuer() {
    static const TestIssuer made("k");
    return made;
  }

  std::string call(const wire::Service& service, std::string operation, json::object input, wire::Caller caller) {
    const wire::Call context{.caller = std::move(caller), .place = Place{}, .now = clock.now()};
    auto answer = run(wire::call(service, std::move(operation), std::move(input), context), io);
    output = answer ? answer->output : json::object{};
    message = answer ? "" : answer.error().message;
    return answer ? "" : answer.error().code;
  }
  std::string admin(std::string operation, json::object input) {
    return call(iam, std::move(operation), std::move(input), authority.administrator());
  }
  void trust(const char* op, const char* sub) {
    const json::object condition = {
        {"StringEquals", json::object{{std::string(kGitHub) + ":aud", "sts.amazonaws.com"}}},
        {op, json::object{{std::string(kGitHub) + ":sub", sub}}}};
    json::object all = condition;
    if (std::string_view(op) == "StringEquals")
      all = {{"StringEquals", json::object{{std::string(kGitHub) + ":aud", "sts.amazonaws.com"},
                                           {std::string(kGitHub) + ":sub", sub}}}};
    const json::object policy = {
        {"Version", "2012-10-17"},
        {"Statement", json::object{{"Effect", "Allow"},
                                   {"Principal", json::object{{"Federated", provider_arn(Place{}, kGitHub)}}},
                                   {"Action", "sts:AssumeRoleWithWebIdentity"},
                                   {"Condition", all}}}};
    ASSERT_EQ(admin("CreateRole", {{"RoleName", "ci"}, {"AssumeRolePolicyDocument", json::serialize(policy)}}), "")
        << message;
  }
  static std::string token(const std::string& sub, json::object more = {}) {
    json::object claims = {{"iss", "https://token.actions.githubusercontent.com"},
                           {"sub", sub},
                           {"aud", "sts.amazonaws.com"},
                           {"exp", 1'700'000'300}};
    for (const auto& [name, value] : more) claims[name] = value;
    return issuer().sign(claims);
  }
  std::string assume(const std::string& text, json::object more = {}) {
    json::object input = {
        {"RoleArn", "arn:aws:iam::000000000000:role/ci"}, {"RoleSessionName", "run-1"}, {"WebIdentityToken", text}};
    for (const auto& [name, value] : more) input[name] = value;
    return call(sts, "AssumeRoleWithWebIdentity", std::move(input), {});
  }

  std::filesystem::path key_file =
      std::filesystem::temp_directory_path() / ("slipway-web-identity-" + std::to_string(::getpid()));
  asio::io_context io{1};
  database::Database db{io.get_executor(), ":memory:"};
  FixedClock clock;
  host::SeededRandom random{7};
  Authority authority{db, clock, random, Place{}, key_file};
  TestKeys keys;
  wire::Service iam = iam_service(authority);
  wire::Service sts = sts_service(authority, keys);
  json::object output;
  std::string message;
};

TEST_F(WebIdentity, ATrustedTokenGetsKeysOfTheRole) {
  trust("StringEquals", "repo:acme/web:ref:refs/heads/main");
  ASSERT_EQ(assume(token("repo:acme/web:ref:refs/heads/main")), "") << message;
  EXPECT_EQ(get_string(output, "SubjectFromWebIdentityToken"), "repo:acme/web:ref:refs/heads/main");
  EXPECT_EQ(get_string(output, "Audience"), "sts.amazonaws.com");
  EXPECT_EQ(get_string(output, "Provider"), "https://token.actions.githubusercontent.com");
  EXPECT_EQ(get_string(get_object(output, "AssumedRoleUser"), "Arn"),
            "arn:aws:sts::000000000000:assumed-role/ci/run-1");
  EXPECT_TRUE(authority.find(get_string(get_object(output, "Credentials"), "AccessKeyId")));
}

TEST_F(WebIdentity, AnotherSubjectIsRefused) {
  trust("StringEquals", "repo:acme/web:ref:refs/heads/main");
  for (const char* sub : {"repo:acme/web:ref:refs/heads/other", "repo:acme/web:pull_request",
                          "repo:evil/web:ref:refs/heads/main", "repo:acme@1/web@2:ref:refs/heads/main"}) {
    EXPECT_EQ(assume(token(sub)), "AccessDenied") << sub;
    EXPECT_EQ(message, "Not authorized to perform sts:AssumeRoleWithWebIdentity");
  }
}

TEST_F(WebIdentity, GitHubsSubjectsWithNumbersAreOthersThanThoseWithout) {
  trust("StringLike", "repo:acme@123/web@456:ref:refs/tags/v*");
  EXPECT_EQ(assume(token("repo:acme@123/web@456:ref:refs/tags/v1.2.3")), "") << message;
  EXPECT_EQ(assume(token("repo:acme/web:ref:refs/tags/v1.2.3")), "AccessDenied");
  EXPECT_EQ(assume(token("repo:acme@999/web@456:ref:refs/tags/v1.2.3")), "AccessDenied");
  EXPECT_EQ(assume(token("repo:acme@123/web@456:ref:refs/heads/v1")), "AccessDenied");
}

TEST_F(WebIdentity, EachTroubleHasItsCode) {
  trust("StringEquals", "repo:acme/web:ref:refs/heads/main");
  const std::string sub = "repo:acme/web:ref:refs/heads/main";
  EXPECT_EQ(assume(token(sub, {{"exp", 1'699'999'999}})), "ExpiredTokenException");
  EXPECT_EQ(assume(token(sub, {{"aud", "https://github.com/acme"}})), "InvalidIdentityToken");
  EXPECT_EQ(message, "Incorrect token audience");
  EXPECT_EQ(assume("not.a.token"), "InvalidIdentityToken");
  EXPECT_EQ(assume(token(sub), {{"RoleArn", "arn:aws:iam::000000000000:role/none"}}), "AccessDenied");
  EXPECT_EQ(assume(token(sub), {{"DurationSeconds", 7200}}), "ValidationError");
  EXPECT_EQ(assume(TestIssuer("k").sign({{"iss", "https://token.actions.githubusercontent.com"},
                                         {"sub", sub},
                                         {"aud", "sts.amazonaws.com"},
                                         {"exp", 1'700'000'300}})),
            "InvalidIdentityToken");
  keys.known.clear();
  EXPECT_EQ(assume(token(sub)), "IDPCommunicationError");
  EXPECT_NE(message.find("nobody answers"), std::string::npos);
}

TEST_F(WebIdentity, AnIssuerThatTheAccountDoesNotKnowIsNotAsked) {
  trust("StringEquals", "repo:acme/web:ref:refs/heads/main");
  EXPECT_EQ(assume(token("x", {{"iss", "https://evil.example"}})), "InvalidIdentityToken");
  EXPECT_EQ(message, "No OpenIDConnect provider found in your account for https://evil.example");
  EXPECT_EQ(assume(token("x", {{"iss", "http://token.actions.githubusercontent.com"}})), "InvalidIdentityToken");
  EXPECT_EQ(keys.asked, 0);
}

TEST_F(WebIdentity, ATokenMustBeForAnAudienceOfItsProvider) {
  trust("StringEquals", "s");
  const json::object which = {{"OpenIDConnectProviderArn", provider_arn(Place{}, kGitHub)},
                              {"ClientID", "sts.amazonaws.com"}};
  ASSERT_EQ(admin("RemoveClientIDFromOpenIDConnectProvider", which), "");
  EXPECT_EQ(assume(token("s")), "InvalidIdentityToken");
  ASSERT_EQ(admin("AddClientIDToOpenIDConnectProvider", which), "");
  EXPECT_EQ(assume(token("s")), "");
}

TEST_F(WebIdentity, ProvidersAreMadeShownListedAndDeleted) {
  const json::object which = {{"OpenIDConnectProviderArn", provider_arn(Place{}, kGitHub)}};
  EXPECT_EQ(admin("CreateOpenIDConnectProvider", {{"Url", "https://token.actions.githubusercontent.com"}}),
            "EntityAlreadyExists");
  EXPECT_EQ(admin("CreateOpenIDConnectProvider", {{"Url", "http://id.example"}}), "InvalidInput");
  ASSERT_EQ(
      admin("UpdateOpenIDConnectProviderThumbprint", {{"OpenIDConnectProviderArn", provider_arn(Place{}, kGitHub)},
                                                      {"ThumbprintList", json::array{std::string(40, 'a')}}}),
      "");
  ASSERT_EQ(admin("GetOpenIDConnectProvider", which), "");
  EXPECT_EQ(get_string(output, "Url"), kGitHub);
  EXPECT_EQ(get_strings(output, "ClientIDList"), std::vector<std::string>{"sts.amazonaws.com"});
  EXPECT_EQ(get_strings(output, "ThumbprintList"), std::vector<std::string>{std::string(40, 'a')});
  ASSERT_EQ(admin("ListOpenIDConnectProviders", {}), "");
  EXPECT_EQ(get_array(output, "OpenIDConnectProviderList").size(), 1U);
  EXPECT_EQ(admin("DeleteOpenIDConnectProvider", which), "");
  EXPECT_EQ(admin("DeleteOpenIDConnectProvider", which), "");
  EXPECT_EQ(admin("GetOpenIDConnectProvider", which), "NoSuchEntity");
}

}  // namespace
}  // namespace slipway::iam
