#include "client/client.h"

#include <gtest/gtest.h>

#include "base/run.h"
#include "client/endpoint.h"
#include "client/retry.h"
#include "http/server.h"
#include "signing/sigv4.h"

namespace slipway::client {
namespace {

using namespace std::chrono_literals;

TEST(Endpoint, FollowsTheVariableOfTheServiceThenTheCommonOneThenTheProfile) {
  const auto profiles = parse_profiles(
      "[default]\nregion = eu-west-1\nendpoint_url = http://profile\nservices = s\n[services "
      "s]\necr =\n  endpoint_url = http://of-ecr\n",
      "");
  ASSERT_TRUE(profiles);
  EXPECT_EQ(find_endpoint("ecs", "r", {{"AWS_ENDPOINT_URL_ECS", "http://one"}, {"AWS_ENDPOINT_URL", "http://all"}},
                          *profiles, "default"),
            "http://one");
  EXPECT_EQ(find_endpoint("ecs", "r", {{"AWS_ENDPOINT_URL", "http://all"}}, *profiles, "default"), "http://all");
  EXPECT_EQ(find_endpoint("ecr", "r", {}, *profiles, "default"), "http://of-ecr");
  EXPECT_EQ(find_endpoint("ecs", "r", {}, *profiles, "default"), "http://profile");
  EXPECT_EQ(find_endpoint("events", "r", {{"AWS_ENDPOINT_URL_EVENTBRIDGE", "http://bus"}}, {}, "default"),
            "http://bus");
  EXPECT_EQ(find_endpoint("ecs", "r", {{"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true"}}, *profiles, "default"),
            "https://ecs.r.amazonaws.com");
  EXPECT_EQ(find_region({}, *profiles, "default"), "eu-west-1");
}

TEST(Endpoint, KnowsTheHostsOfAws) {
  EXPECT_EQ(find_endpoint("ecr", "us-east-1", {}, {}, ""), "https://api.ecr.us-east-1.amazonaws.com");
  EXPECT_EQ(find_endpoint("iam", "us-east-1", {}, {}, ""), "https://iam.amazonaws.com");
  EXPECT_EQ(find_endpoint("sts", "cn-north-1", {}, {}, ""), "https://sts.cn-north-1.amazonaws.com.cn");
  EXPECT_EQ(find_endpoint("ecs", "us-east-1", {{"AWS_USE_FIPS_ENDPOINT", "true"}}, {}, ""),
            "https://ecs-fips.us-east-1.amazonaws.com");
}

TEST(Retry, WaitsLongerEachTimeAndLongerWhenThrottled) {
  EXPECT_EQ(repeat_wait(Repeat::transient, 0, 1.0), 50ms);
  EXPECT_EQ(repeat_wait(Repeat::transient, 2, 0.5), 100ms);
  EXPECT_EQ(repeat_wait(Repeat::throttled, 0, 1.0), 1s);
  EXPECT_EQ(repeat_wait(Repeat::throttled, 30, 1.0), 20s);
}

TEST(Retry, StopsWhenTheQuotaIsUsedUpAndGoesOnAfterSuccesses) {
  RepeatQuota quota;
  int taken = 0;
  while (quota.take(Repeat::transient)) ++taken;
  EXPECT_EQ(taken, 500 / 14);
  quota.succeeded();
  EXPECT_TRUE(quota.take(Repeat::transient));
}

TEST(Errors, AreReadFromJsonHeadersAndXml) {
  const Error json =
      read_error({.status = 400,
                  .body = R"({"__type":"com.amazonaws.ecs#ClusterNotFoundException","message":"Cluster not found."})"});
  EXPECT_EQ(json, (Error{Fault::not_found, "ClusterNotFoundException", "Cluster not found."}));
  const Error header = read_error({.status = 400,
                                   .headers = {{"x-amzn-ErrorType", "ThrottlingException:http://x"}},
                                   .body = R"({"Message":"Rate exceeded"})"});
  EXPECT_EQ(header, (Error{Fault::throttled, "ThrottlingException", "Rate exceeded"}));
  const Error xml = read_error({.status = 403,
                                .body = "<ErrorResponse><Error><Code>AccessDenied</Code><Message>a "
                                        "&lt; b</Message></Error></ErrorResponse>"});
  EXPECT_EQ(xml, (Error{Fault::denied, "AccessDenied", "a < b"}));
  EXPECT_EQ(read_error({.status = 502, .body = "bad gateway"}).fault, Fault::unavailable);
}

// Answers each request with the next of the statuses, then with 200.
class FakeAws : public testing::Test {
 protected:
  task<http::Response> answer(http::Request& request) {
    ++requests;
    last_authorization = request.headers.get("authorization");
    last_target = request.headers.get("x-amz-target");
    auto body = co_await http::read_all(*request.body);
    last_body = body.value_or("");
    check_signature(request);
    if (statuses.empty()) co_return http::json_response(200, R"({"ok":true})");
    const int status = statuses.front();
    statuses.erase(statuses.begin());
    co_return http::json_response(status, status == 400 ? R"({"__type":"InvalidParameterException","message":"no"})"
                                                        : R"({"__type":"ServerException"})");
  }
  // What arrived must be what was signed.
  void check_signature(const http::Request& request) const {
    const signing::Message message{.method = request.method,
                                   .raw_path = std::string(request.raw_path()),
                                   .raw_query = std::string(request.raw_query()),
                                   .headers = request.headers.entries(),
                                   .body = last_body};
    const auto claim = signing::read_claim(message);
    ASSERT_TRUE(claim && *claim);
    const auto now = parse_amz_date((*claim)->date);
    const auto verified = signing::verify(message, **claim, {.access_key_id = "AKID", .secret_access_key = "secret"},
                                          now.value_or(Instant{}));
    EXPECT_TRUE(verified) << (verified ? "" : verified.error().message);
  }
  void SetUp() override { ASSERT_TRUE(server.listen()); }
  AwsClient client() {
    return AwsClient(io.get_executor(),
                     {.endpoint = "http://127.0.0.1:" + std::to_string(server.port()),
                      .region = "eu-west-1",
                      .credentials = Credentials{.access_key_id = "AKID", .secret_access_key = "secret"}});
  }
  asio::io_context io{1};
  int requests = 0;
  std::vector<int> statuses;
  std::string last_authorization, last_target, last_body;
  http::Server server{io.get_executor(), {}, [this](http::Request& request) { return answer(request); }};
};

TEST_F(FakeAws, SignsAndNamesTheOperation) {
  AwsClient aws = client();
  const auto answer = run(aws.json_call("ecs", "Prefix", "ListClusters", {{"maxResults", 1}}), io);
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_TRUE(get_bool(*answer, "ok"));
  EXPECT_EQ(last_target, "Prefix.ListClusters");
  EXPECT_EQ(last_body, R"({"maxResults":1})");
  EXPECT_TRUE(last_authorization.starts_with("AWS4-HMAC-SHA256 Credential=AKID/")) << last_authorization;
  EXPECT_NE(last_authorization.find("/eu-west-1/ecs/aws4_request"), std::string::npos);
}

TEST_F(FakeAws, RepeatsWhatMayPass) {
  statuses = {503, 500};
  AwsClient aws = client();
  EXPECT_TRUE(run(aws.json_call("ecs", "P", "X", {}), io));
  EXPECT_EQ(requests, 3);
}

TEST_F(FakeAws, GivesUpAfterThreeAttempts) {
  statuses = {500, 500, 500, 500};
  AwsClient aws = client();
  const auto answer = run(aws.json_call("ecs", "P", "X", {}), io);
  EXPECT_EQ(answer.error().fault, Fault::unavailable);
  EXPECT_EQ(requests, 3);
}

TEST_F(FakeAws, DoesNotRepeatWhatIsWrong) {
  statuses = {400};
  AwsClient aws = client();
  EXPECT_EQ(run(aws.json_call("ecs", "P", "X", {}), io).error().code, "InvalidParameterException");
  EXPECT_EQ(requests, 1);
}

TEST_F(FakeAws, SpeaksTheQueryProtocol) {
  AwsClient aws = client();
  EXPECT_TRUE(run(aws.query_call("sts", "2011-06-15", "GetCallerIdentity", {{"A", "b c"}}), io));
  EXPECT_EQ(last_body, "Action=GetCallerIdentity&Version=2011-06-15&A=b%20c");
}

TEST_F(FakeAws, SignsPathsAndQueriesAsTheyAreSent) {
  AwsClient aws = client();
  const auto answer = run(
      aws.rest_call("lambda", "GET", "/2015-03-31/functions/arn%3Aaws%3Alambda/invocations?b=2&a=%20x", {}, ""), io);
  EXPECT_TRUE(answer) << answer.error().message;
}

TEST_F(FakeAws, RepeatsNothingPastTheDeadline) {
  statuses = {503, 503, 503};
  AwsClient aws = client();
  aws.give_up_at(instant_ms(0));
  EXPECT_FALSE(run(aws.json_call("ecs", "P", "X", {}), io));
  EXPECT_LE(requests, 1);
}

TEST(AwsClient, SaysThatNobodyAnswers) {
  asio::io_context io{1};
  AwsClient aws(
      io.get_executor(),
      {.endpoint = "http://127.0.0.1:1", .region = "r", .credentials = Credentials{"a", "b"}, .attempts_max = 1});
  EXPECT_EQ(run(aws.json_call("ecs", "P", "X", {}), io).error().code, "ConnectFailed");
}

}  // namespace
}  // namespace slipway::client
