#include "region/front_door.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "base/run.h"
#include "host/hand_clock.h"
#include "iam/api.h"
#include "region/authenticate.h"

namespace slipway::region {
namespace {

using namespace std::chrono_literals;

task<Result<wire::Answer>> list_things(wire::Call) {
  wire::Answer answer;
  answer.output["things"] = json::array{};
  co_return answer;
}

// A JSON service to stand beside IAM and STS.
wire::Service things() {
  wire::Service out;
  out.name = "things";
  out.protocols = {wire::Protocol::json_1_1};
  out.target_prefix = "Things";
  wire::Operation list{.name = "ListThings", .input = wire::structure({}), .handler = list_things};
  out.operations.push_back(std::move(list));
  wire::Operation confirm{
      .name = "ConfirmThing", .input = wire::structure({}), .handler = list_things, .unsigned_too = true};
  out.operations.push_back(std::move(confirm));
  return out;
}

class TextBody final : public http::BodyReader {
 public:
  explicit TextBody(std::string text) : text_(std::move(text)) {}
  task<Result<std::string>> read_some() override { co_return std::exchange(text_, {}); }

 private:
  std::string text_;
};

struct Sent {
  std::string body;
  std::string target = "/";
  std::string method = "POST";
  http::Headers headers = {{"Host", "localhost:4566"}};
};

Sent json_call(std::string target) {
  Sent sent{.body = "{}"};
  sent.headers.set("X-Amz-Target", std::move(target));
  sent.headers.set("Content-Type", "application/x-amz-json-1.1");
  return sent;
}

Sent query_call(std::string form) {
  Sent sent{.body = std::move(form)};
  sent.headers.set("Content-Type", "application/x-www-form-urlencoded");
  return sent;
}

class NoKeys final : public iam::TokenKeys {
 public:
  task<Result<std::string>> jwks(std::string) override { co_return std::string(); }
};

class FrontDoorTest : public testing::Test {
 protected:
  void SetUp() override { db.migrate(iam::schema()); }
  void TearDown() override { std::filesystem::remove(key_file); }

  http::Response ask(const Sent& sent) {
    TextBody body(sent.body);
    http::Request request{.method = sent.method, .target = sent.target, .headers = sent.headers, .body = &body};
    return run(door.answer(request), io);
  }
  static signing::Message message_of(const Sent& sent) {
    const auto mark = sent.target.find('?');
    return {.method = sent.method,
            .raw_path = sent.target.substr(0, mark),
            .raw_query = mark == std::string::npos ? "" : sent.target.substr(mark + 1),
            .headers = sent.headers.entries(),
            .body = sent.body};
  }
  Sent with_signature(Sent sent, const std::string& service, const std::string& region, const signing::Key& key) {
    const auto signature = signing::sign(message_of(sent), key, region, service, clock.now());
    for (const auto& [name, value] : signature.added) sent.headers.set(name, value);
    return sent;
  }
  Sent by_admin(Sent sent, const std::string& service, const std::string& region = "us-east-1") {
    return with_signature(std::move(sent), service, region, admin_key());
  }
  signing::Key admin_key() {
    const auto caller = authority.administrator();
    return {caller.access_key_id, authority.find(caller.access_key_id)->secret_access_key, ""};
  }
  static std::string code(const http::Response& response) {
    const std::string type = response.headers.get("x-amzn-ErrorType");
    if (!type.empty()) return type;
    const auto begin = response.body.find("<Code>");
    return begin == std::string::npos ? "" : response.body.substr(begin + 6, response.body.find("</Code>") - begin - 6);
  }

  std::filesystem::path key_file =
      std::filesystem::temp_directory_path() / ("slipway-front-door-" + std::to_string(::getpid()));
  asio::io_context io{1};
  database::Database db{io.get_executor(), ":memory:"};
  host::HandClock clock{*parse_iso("2026-11-23T17:24:23Z")};
  host::SeededRandom random{7};
  iam::Authority authority{db, clock, random, Place{}, key_file};
  NoKeys no_keys;
  std::vector<wire::Service> services = {things(), iam::iam_service(authority), iam::sts_service(authority, no_keys)};
  FrontDoor door{parts()};

  FrontDoorParts parts() {
    FrontDoorParts out;
    for (const auto& service : services) out.services.push_back(&service);
    out.authenticate = [this](const http::Request& request, std::string_view body, Instant now) {
      return authenticate(authority, request, body, now);
    };
    out.scope = [](const http::Request& request) { return signing::claimed_scope(region::message_of(request, {})); };
    out.database = &db;
    out.clock = &clock;
    out.random = &random;
    return out;
  }
};

TEST_F(FrontDoorTest, AnswersWhoSignedAndSaysTheTime) {
  const auto answer = ask(by_admin(json_call("Things.ListThings"), "things"));
  EXPECT_EQ(answer.body, R"({"things":[]})");
  EXPECT_EQ(answer.headers.get("Date"), "Mon, 23 Nov 2026 17:24:23 GMT");
  EXPECT_FALSE(answer.headers.find("X-Slipway-Warning"));
}

TEST_F(FrontDoorTest, ASignatureIsGoodForItsServiceOnly) {
  const auto json = ask(by_admin(json_call("Things.ListThings"), "ecs"));
  EXPECT_EQ(code(json), "InvalidSignatureException");
  EXPECT_NE(json.body.find("Credential should be scoped to correct service: 'things'. "), std::string::npos);
  const auto sts = ask(by_admin(query_call("Action=GetCallerIdentity&Version=2011-06-15"), "sts"));
  EXPECT_NE(sts.body.find("<Arn>arn:aws:iam::000000000000:user/admin</Arn>"), std::string::npos);
}

TEST_F(FrontDoorTest, AnotherRegionIsWarnedOf) {
  const auto answer = ask(by_admin(json_call("Things.ListThings"), "things", "eu-west-1"));
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.headers.get("X-Slipway-Warning"), "signed for eu-west-1, answered by the region us-east-1");
  const auto global = ask(by_admin(query_call("Action=ListRoles&Version=2010-05-08"), "iam", "eu-west-1"));
  EXPECT_FALSE(global.headers.find("X-Slipway-Warning"));
}

TEST_F(FrontDoorTest, EachProtocolHasItsNamesForWhoIsNotLetIn) {
  const Sent json = json_call("Things.ListThings");
  const Sent query = query_call("Action=ListRoles&Version=2010-05-08");
  EXPECT_EQ(code(ask(json)), "MissingAuthenticationTokenException");
  EXPECT_EQ(code(ask(query)), "MissingAuthenticationToken");
  const signing::Key unknown{"AKIAUNKNOWN", "x", ""};
  EXPECT_EQ(code(ask(with_signature(json, "things", "us-east-1", unknown))), "UnrecognizedClientException");
  EXPECT_EQ(code(ask(with_signature(query, "iam", "us-east-1", unknown))), "InvalidClientTokenId");
  const signing::Key wrong{admin_key().access_key_id, "x", ""};
  EXPECT_EQ(code(ask(with_signature(json, "things", "us-east-1", wrong))), "InvalidSignatureException");
  EXPECT_EQ(code(ask(with_signature(query, "iam", "us-east-1", wrong))), "SignatureDoesNotMatch");
  Sent broken = json;
  broken.headers.set("Authorization", "Bearer x");
  EXPECT_EQ(code(ask(broken)), "IncompleteSignatureException");
}

TEST_F(FrontDoorTest, WhatProvesItselfNeedsNoSignatureButNoWrongOne) {
  const Sent confirm = json_call("Things.ConfirmThing");
  EXPECT_EQ(ask(confirm).status, 200);
  EXPECT_EQ(ask(by_admin(confirm, "things")).status, 200);
  const signing::Key wrong{admin_key().access_key_id, "x", ""};
  EXPECT_EQ(code(ask(with_signature(confirm, "things", "us-east-1", wrong))), "InvalidSignatureException");
}

TEST_F(FrontDoorTest, ATemporaryKeyNeedsItsTokenAndEnds) {
  const json::object made = {{"RoleName", "r"},
                             {"AssumeRolePolicyDocument",
                              R"({"Statement":{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}})"}};
  const wire::Call context{.caller = authority.administrator(), .place = Place{}, .now = clock.now()};
  ASSERT_TRUE(run(wire::call(services[1], "CreateRole", made, context), io));
  const json::object take = {{"RoleArn", "arn:aws:iam::000000000000:role/r"}, {"RoleSessionName", "me"}};
  const auto taken = run(wire::call(services[2], "AssumeRole", take, context), io);
  ASSERT_TRUE(taken);
  const json::object given = get_object(taken->output, "Credentials");
  const signing::Key key{get_string(given, "AccessKeyId"), get_string(given, "SecretAccessKey"),
                         get_string(given, "SessionToken")};
  const Sent who = query_call("Action=GetCallerIdentity&Version=2011-06-15");
  EXPECT_NE(ask(with_signature(who, "sts", "us-east-1", key)).body.find(":assumed-role/r/me</Arn>"), std::string::npos);
  const signing::Key without{key.access_key_id, key.secret_access_key, ""};
  EXPECT_EQ(code(ask(with_signature(who, "sts", "us-east-1", without))), "InvalidClientTokenId");
  clock.advance(1h);
  EXPECT_EQ(code(ask(with_signature(who, "sts", "us-east-1", key))), "ExpiredToken");
}

TEST_F(FrontDoorTest, APresignedGetIsACall) {
  Sent sent{.target = "/?Action=GetCallerIdentity&Version=2011-06-15", .method = "GET"};
  const auto signature = signing::presign(message_of(sent), admin_key(), "us-east-1", "sts", clock.now(), 60);
  sent.target = "/?" + signature.query;
  EXPECT_EQ(ask(sent).status, 200);
  clock.advance(61s);
  EXPECT_EQ(code(ask(sent)), "SignatureDoesNotMatch");
}

TEST_F(FrontDoorTest, WhatNobodyKnowsIsA400InTheShapeOfTheCaller) {
  const auto target = ask(by_admin(json_call("Other_2026.Do"), "other"));
  EXPECT_EQ(target.status, 400);
  EXPECT_EQ(code(target), "UnknownOperationException");
  const auto action = ask(by_admin(query_call("Action=Do&Version=2000-01-01"), "other"));
  EXPECT_EQ(action.status, 400);
  EXPECT_EQ(code(action), "InvalidAction");
  const auto nothing = ask(by_admin(query_call(""), "iam"));
  EXPECT_EQ(nothing.status, 400);
  EXPECT_EQ(code(nothing), "MissingAction");
  Sent untargeted{.body = "{}"};
  EXPECT_EQ(code(ask(by_admin(untargeted, "things"))), "UnknownOperationException");
}

TEST_F(FrontDoorTest, WhoComesWithATokenNeedsNoSignature) {
  const std::string form =
      "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=arn:aws:iam::000000000000:role/ci"
      "&RoleSessionName=run-1&WebIdentityToken=no-token";
  EXPECT_EQ(code(ask(query_call(form))), "InvalidIdentityToken");
  EXPECT_EQ(code(ask(by_admin(query_call(form), "sts"))), "InvalidIdentityToken");
  // Anything else of STS does.
  EXPECT_EQ(code(ask(query_call("Action=GetCallerIdentity&Version=2011-06-15"))), "MissingAuthenticationToken");
}

}  // namespace
}  // namespace slipway::region
