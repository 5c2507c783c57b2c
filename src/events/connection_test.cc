#include "events/connection.h"

#include <gtest/gtest.h>

#include "events/bus_test.h"
#include "http/server.h"

namespace slipway::events {
namespace {

constexpr const char* kPath =
    R"({"HeaderParameters":[{"Key":"X-From","Value":"bus"},{"Key":"X-Key","Value":"hidden","IsValueSecret":true}],)"
    R"("QueryStringParameters":[{"Key":"a","Value":"1 2"}],"BodyParameters":[{"Key":"extra","Value":"more"}]})";

Connection basic() {
  return {.name = "shop",
          .id = "1",
          .type = "BASIC",
          .parameters = {{"BasicAuthParameters", {{"Username", "me"}, {"Password", "secret"}}},
                         {"InvocationHttpParameters", json::parse(kPath)}}};
}

TEST(Connection, ACallCarriesWhoWeAreAndWhatTheConnectionAdds) {
  const ApiDestination destination{.endpoint = "https://shop.test/orders/*?v=2", .method = "POST"};
  const json::object parameters{{"PathParameterValues", json::array{"a/b"}},
                                {"HeaderParameters", {{"X-From", "target"}, {"X-Own", "yes"}}},
                                {"QueryStringParameters", {{"b", "3"}}}};
  const auto call = destination_call(basic(), destination, parameters, R"({"n":1})", "");
  ASSERT_TRUE(call);
  EXPECT_EQ(call->origin, "https://shop.test");
  EXPECT_EQ(call->target, "/orders/a%2Fb?v=2&b=3&a=1%202");
  EXPECT_EQ(call->headers.at("Authorization"),
            "Basic "
            "bWU6c2VjcmV0");
  EXPECT_EQ(call->headers.at("X-From"), "bus");
  EXPECT_EQ(call->headers.at("X-Own"), "yes");
  EXPECT_EQ(json::parse(call->body), (json::value{{"n", 1}, {"extra", "more"}}));
}

TEST(Connection, SecretsStayInside) {
  const auto shown = json::serialize(public_parameters(basic()));
  EXPECT_FALSE(shown.contains("secret")) << shown;
  EXPECT_FALSE(shown.contains("hidden")) << shown;
  EXPECT_TRUE(shown.contains(R"("Username":"me")")) << shown;
}

TEST(Connection, AnEndpointIsHttpsOrThisMachine) {
  for (const auto* good : {"https://shop.test/x", "http://127.0.0.1:8080/x", "http://localhost"})
    EXPECT_TRUE(check_endpoint(good, "InvocationEndpoint")) << good;
  for (const auto* bad : {"http://shop.test/x", "http://127.0.0.1.shop.test/", "ftp://x", "https:///x", ""})
    EXPECT_FALSE(check_endpoint(bad, "InvocationEndpoint")) << bad;
}

TEST(Connection, TheTypeAndItsParametersBelongTogether) {
  auto connection = basic();
  EXPECT_TRUE(check_connection(connection));
  connection.type = "API_KEY";
  EXPECT_FALSE(check_connection(connection));
}

TEST(Connection, AnAnswerDecidesWhatFollows) {
  EXPECT_TRUE(outcome_of(204, "e"));
  for (const int again : {401, 407, 409, 429, 500, 503}) {
    const auto fault = outcome_of(again, "e").error().fault;
    EXPECT_TRUE(fault == Fault::throttled || fault == Fault::unavailable) << again;
  }
  for (const int final : {301, 400, 403, 404, 413}) EXPECT_EQ(outcome_of(final, "e").error().fault, Fault::unsupported);
}

TEST(Connection, ParametersMayPointIntoTheEvent) {
  const json::object event{{"detail", {{"id", "7"}, {"n", 3}}}};
  const json::object parameters{
      {"HttpParameters",
       {{"PathParameterValues", json::array{"$.detail.id", "x"}}, {"HeaderParameters", {{"N", "$.detail.n"}}}}}};
  EXPECT_EQ(resolve_parameters(parameters, event).at("HttpParameters"),
            (json::value{{"PathParameterValues", json::array{"7", "x"}}, {"HeaderParameters", {{"N", "3"}}}}));
}

// A shop that takes orders of whoever has the token that it gave.
class ApiDestinationTest : public BusTest {
 protected:
  void SetUp() override {
    BusTest::SetUp();
    ASSERT_TRUE(server.listen());
  }
  void TearDown() override {
    run(bus->stop(), io);
    run(server.stop(Duration(0)), io);
  }
  task<http::Response> answer(http::Request& request) {
    auto body = co_await http::read_all(*request.body, 65536);
    if (request.path() == "/token") {
      ++tokens;
      if (!body || !body->contains("client_secret=word")) co_return http::json_response(401, "{}");
      co_return http::json_response(200, R"({"access_token":"t)" + std::to_string(tokens) + R"(","expires_in":3600})");
    }
    calls.push_back(request.headers.get("Authorization") + " " + request.path() + " " + body.value_or(""));
    co_return http::json_response(statuses.empty() ? 200 : statuses.at(std::min(calls.size(), statuses.size()) - 1),
                                  "{}");
  }
  std::string origin() const { return "http://127.0.0.1:" + std::to_string(server.port()); }
  void orders(const char* secret) {
    const json::object oauth{{"ClientParameters", {{"ClientID", "us"}, {"ClientSecret", secret}}},
                             {"AuthorizationEndpoint", origin() + "/token"},
                             {"HttpMethod", "POST"}};
    const auto connection = call("CreateConnection", {{"Name", "shop"},
                                                      {"AuthorizationType", "OAUTH_CLIENT_CREDENTIALS"},
                                                      {"AuthParameters", {{"OAuthParameters", oauth}}}});
    EXPECT_EQ(get_string(connection, "ConnectionState"), "AUTHORIZING") << last_error.message;
    const auto made = call("CreateApiDestination", {{"Name", "orders"},
                                                    {"ConnectionArn", get_string(connection, "ConnectionArn")},
                                                    {"InvocationEndpoint", origin() + "/orders"},
                                                    {"HttpMethod", "POST"}});
    call("PutRule", {{"Name", "push"}, {"EventPattern", R"({"source":["shop"]})"}});
    const auto put = call("PutTargets", {{"Rule", "push"},
                                         {"Targets", json::array{{{"Id", "o"},
                                                                  {"Arn", get_string(made, "ApiDestinationArn")},
                                                                  {"RoleArn", "arn:aws:iam::000000000000:role/r"},
                                                                  {"InputPath", "$.detail"}}}}});
    EXPECT_EQ(get_int(put, "FailedEntryCount"), 0);
  }
  std::string state() { return get_string(call("DescribeConnection", {{"Name", "shop"}}), "ConnectionState"); }
  void until(std::function<bool()> done) {
    for (int i = 0; i < kPollsMax && !done(); ++i) run(pause(Duration(1)), io);
  }

  http::Server server{io.get_executor(), {.address = "127.0.0.1", .port = 0}, [this](http::Request& request) {
                        return answer(request);
                      }};
  std::vector<std::string> calls;
  std::vector<int> statuses;  // Of the calls, in order; the last of all further ones.
  int tokens = 0;
};

TEST_F(ApiDestinationTest, AnEventIsPostedWithTheTokenThatTheConnectionGot) {
  bus->start();
  orders("word");
  until([&] { return state() == "AUTHORIZED"; });
  EXPECT_EQ(state(), "AUTHORIZED");
  put_event();
  until([&] { return !calls.empty(); });
  EXPECT_EQ(calls, std::vector<std::string>{R"(Bearer t1 /orders {"n":1})"});
  EXPECT_EQ(tokens, 1);
}

TEST_F(ApiDestinationTest, ARefusedTokenIsReplacedByTheNextAttempt) {
  statuses = {401, 200};
  bus->start();
  orders("word");
  until([&] { return state() == "AUTHORIZED"; });
  put_event();
  until([&] { return calls.size() == 1; });
  settle();
  clock.advance(kLongestBackOff);
  bus->wake();
  until([&] { return calls.size() == 2; });
  settle();
  EXPECT_EQ(calls.back(), R"(Bearer t2 /orders {"n":1})");
}

TEST_F(ApiDestinationTest, AnAnswerThatIsFinalIsNotTriedAgain) {
  statuses = {400};
  bus->start();
  orders("word");
  until([&] { return state() == "AUTHORIZED"; });
  const auto id = put_event();
  until([&] { return calls.size() == 1; });
  settle();
  const auto rows = deliveries_of(db.read(), id);
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_EQ(rows[0].state, DeliveryState::dead);
  EXPECT_EQ(rows[0].attempts, 1);
}

TEST_F(ApiDestinationTest, AConnectionThatGetsNoTokenIsNotAuthorized) {
  bus->start();
  orders("wrong");
  until([&] { return state() != "AUTHORIZING"; });
  EXPECT_EQ(state(), "DEAUTHORIZED");
}

TEST_F(ApiDestinationTest, ARoleThatMayNotIsNoPermission) {
  permissions.forbidden.insert("arn:aws:iam::000000000000:role/r");
  bus->start();
  orders("word");
  const auto id = put_event();
  settle();
  EXPECT_EQ(deliveries_of(db.read(), id).at(0).error_code, "NO_PERMISSIONS");
  EXPECT_TRUE(calls.empty());
}

}  // namespace
}  // namespace slipway::events
