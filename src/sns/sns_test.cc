#include <gtest/gtest.h>

#include <random>
#include <set>

#include "base/run.h"
#include "database/journal.h"
#include "host/hand_clock.h"
#include "http/server.h"
#include "sns/api.h"

namespace slipway::sns {
namespace {

constexpr int kPollsMax = 5000;
constexpr const char* kQueue = "arn:aws:sqs:us-east-1:000000000000:q";
constexpr const char* kFunction = "arn:aws:lambda:us-east-1:000000000000:function:f";

class FakeEndpoints final : public Endpoints {
 public:
  task<Result<void>> deliver(Handover handover) override {
    ++attempts;
    if (slow) co_await pause(Duration(1));
    if (hanging.contains(handover.endpoint)) co_await pause(std::chrono::hours(1));
    if (fails_left > 0) {
      --fails_left;
      co_return fail(fault, "Code", "no");
    }
    delivered.push_back(handover);
    if (slow) co_await pause(Duration(1));
    co_return Result<void>{};
  }
  std::vector<Handover> delivered;
  std::set<std::string> hanging;
  int attempts = 0;
  int fails_left = 0;
  bool slow = false;
  Fault fault = Fault::unavailable;
};

class FakePermissions final : public Permissions {
 public:
  Result<void> check_policy(const std::string& text) override {
    if (parse_json(text)) return {};
    return fail(Fault::invalid, "MalformedPolicyDocument", "no JSON");
  }
};

class SnsTest : public testing::Test {
 protected:
  void SetUp() override {
    db.migrate(database::journal_schema());
    db.migrate(schema());
    restart();
  }
  void restart() {
    topics.reset();
    topics.emplace(io.get_executor(), db, clock, random, Place{}, "http://127.0.0.1:1", endpoints, permissions);
  }
  json::object call(std::string operation, json::object input) {
    const auto api = service(*topics);
    auto answer = run(wire::call(api, std::move(operation), std::move(input),
                                 {.place = {}, .now = clock.now(), .headers = {}, .warnings = {}}),
                      io);
    last_error = answer ? Error{} : answer.error();
    return answer ? answer->output : json::object{};
  }
  std::string make_topic(json::object more = {}) {
    more["Name"] = "deploys";
    return get_string(call("CreateTopic", more), "TopicArn");
  }
  std::string subscribe(const std::string& protocol, const std::string& endpoint, json::object more = {}) {
    more["TopicArn"] = kTopic;
    more["Protocol"] = protocol;
    more["Endpoint"] = endpoint;
    return get_string(call("Subscribe", more), "SubscriptionArn");
  }
  std::string publish(const std::string& text) {
    return get_string(call("Publish", {{"TopicArn", kTopic}, {"Message", text}}), "MessageId");
  }
  std::string attribute(const std::string& operation, json::object input, const std::string& name) {
    const auto answer = call(operation, std::move(input));
    if (!answer.contains("Attributes")) return {};
    for (const auto& entry : answer.at("Attributes").at("*entry").as_array()) {
      if (get_string(entry.as_object(), "key") == name) return get_string(entry.as_object(), "value");
    }
    return {};
  }
  task<void> until_idle() {
    for (int i = 0; i < kPollsMax && !topics->idle(); ++i) co_await pause(Duration(1));
  }
  void settle() { run(until_idle(), io); }

  const std::string kTopic = "arn:aws:sns:us-east-1:000000000000:deploys";
  asio::io_context io{1};
  database::Database db{io.get_executor(), ":memory:"};
  host::HandClock clock;
  host::SeededRandom random{7};
  FakeEndpoints endpoints;
  FakePermissions permissions;
  std::optional<Topics> topics;
  Error last_error;
};

TEST_F(SnsTest, AMessageReachesEverySubscription) {
  topics->start();
  EXPECT_EQ(make_topic(), kTopic);
  subscribe("sqs", kQueue);
  subscribe("lambda", kFunction);
  const auto id = publish("hello");
  settle();
  ASSERT_EQ(endpoints.delivered.size(), 2U);
  for (const auto& one : endpoints.delivered) {
    const auto body = json::parse(one.body);
    const auto& notification = one.protocol == "lambda" ? body.at("Records").at(0).at("Sns") : body;
    EXPECT_EQ(notification.at("MessageId"), json::value(id));
    EXPECT_EQ(notification.at("Message"), "hello");
    EXPECT_EQ(one.topic_arn, kTopic);
  }
}

TEST_F(SnsTest, ARawMessageIsTheTextWithItsAttributes) {
  topics->start();
  make_topic();
  subscribe("sqs", kQueue, {{"Attributes", {{"RawMessageDelivery", "true"}}}});
  call("Publish", {{"TopicArn", kTopic},
                   {"Message", "plain"},
                   {"MessageAttributes", {{"a", {{"DataType", "String"}, {"StringValue", "b"}}}}}});
  settle();
  ASSERT_EQ(endpoints.delivered.size(), 1U);
  EXPECT_EQ(endpoints.delivered[0].body, "plain");
  EXPECT_EQ(endpoints.delivered[0].attributes.at("a"), (std::pair<std::string, std::string>{"String", "b"}));
}

TEST_F(SnsTest, AFailedDeliveryIsTriedAgainAndADeniedOneIsNot) {
  topics->start();
  make_topic();
  subscribe("sqs", kQueue);
  endpoints.fails_left = 2;
  publish("a");
  for (int i = 0; i < 3; ++i) {
    clock.advance(std::chrono::seconds(1));
    run(pause(Duration(5)), io);
    settle();
  }
  EXPECT_EQ(endpoints.attempts, 3);
  EXPECT_EQ(endpoints.delivered.size(), 1U);
  endpoints.fails_left = 1;
  endpoints.fault = Fault::denied;
  publish("b");
  settle();
  EXPECT_EQ(endpoints.attempts, 4);
  EXPECT_EQ(endpoints.delivered.size(), 1U);
}

TEST_F(SnsTest, TopicsThatStopAtAnyMomentLoseNothing) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937 chance(seed);
  endpoints.slow = true;
  make_topic();
  subscribe("sqs", kQueue, {{"Attributes", {{"RawMessageDelivery", "true"}}}});
  std::set<std::string> expected;
  for (int round = 0; round < 60; ++round) {
    expected.insert(std::to_string(round));
    publish(std::to_string(round));
    topics->start();
    run(pause(Duration(chance() % 6)), io);
    run(topics->stop(), io);
    restart();
  }
  topics->start();
  settle();
  std::set<std::string> delivered;
  for (const auto& one : endpoints.delivered) delivered.insert(one.body);
  EXPECT_EQ(delivered, expected);
}

TEST_F(SnsTest, ASubscriptionThatHangsStarvesNobody) {
  topics->start();
  make_topic();
  // More than all places can hold.
  for (int i = 0; i <= kInFlightMax / kInFlightPerSubscriptionMax; ++i) {
    const auto slow = std::string(kQueue) + std::to_string(i);
    subscribe("sqs", slow);
    endpoints.hanging.insert(slow);
  }
  subscribe("sqs", kQueue);
  constexpr std::size_t kMessages = 40;
  for (std::size_t i = 0; i < kMessages; ++i) publish("m");
  for (int i = 0; i < kPollsMax && endpoints.delivered.size() < kMessages; ++i) run(pause(Duration(1)), io);
  EXPECT_EQ(endpoints.delivered.size(), kMessages);
}

TEST_F(SnsTest, AnHttpEndpointConfirmsAndThenReceives) {
  std::vector<http::Request> requests;
  std::vector<std::string> bodies;
  auto take = [&](http::Request& request) -> task<http::Response> {
    auto body = co_await http::read_all(*request.body, 100'000);
    bodies.push_back(body ? *body : "");
    requests.push_back({.method = request.method, .target = request.target, .headers = request.headers});
    co_return http::text_response(200, "", "text/plain");
  };
  http::Server server(io.get_executor(), {.address = "127.0.0.1"}, take);
  ASSERT_TRUE(server.listen());
  topics->start();
  make_topic();
  const auto url = "http://127.0.0.1:" + std::to_string(server.port()) + "/hook?a=1";
  EXPECT_EQ(subscribe("http", url), "pending confirmation");
  publish("too early");
  settle();
  ASSERT_EQ(bodies.size(), 1U);
  EXPECT_EQ(requests[0].target, "/hook?a=1");
  EXPECT_EQ(requests[0].headers.get("x-amz-sns-message-type"), "SubscriptionConfirmation");
  const auto asked = json::parse(bodies[0]).as_object();
  EXPECT_EQ(get_string(asked, "TopicArn"), kTopic);
  call("ConfirmSubscription", {{"TopicArn", kTopic}, {"Token", "guessed"}});
  EXPECT_EQ(last_error.message, "Invalid parameter: Token");
  const auto confirmed = call("ConfirmSubscription", {{"TopicArn", kTopic}, {"Token", get_string(asked, "Token")}});
  EXPECT_TRUE(get_string(confirmed, "SubscriptionArn").starts_with(kTopic + ":"));
  publish("news");
  settle();
  ASSERT_EQ(bodies.size(), 2U);
  EXPECT_EQ(requests[1].headers.get("x-amz-sns-message-type"), "Notification");
  EXPECT_EQ(json::parse(bodies[1]).at("Message"), "news");
  run(server.stop(Duration(100)), io);
}

TEST_F(SnsTest, ASubscriptionThatNobodyConfirmsIsForgotten) {
  make_topic();
  subscribe("http", "http://127.0.0.1:1/");
  EXPECT_EQ(attribute("GetTopicAttributes", {{"TopicArn", kTopic}}, "SubscriptionsPending"), "1");
  clock.advance(kUnconfirmedKept + Duration(1));
  topics->start();
  for (int i = 0; i < kPollsMax && count_subscriptions(db.read(), "deploys").pending > 0; ++i)
    run(pause(Duration(1)), io);
  EXPECT_EQ(attribute("GetTopicAttributes", {{"TopicArn", kTopic}}, "SubscriptionsPending"), "0");
}

TEST_F(SnsTest, ATopicIsMadeDescribedTaggedAndRemoved) {
  const json::array tags{{{"Key", "team"}, {"Value", "shop"}}};
  make_topic({{"Tags", tags}, {"Attributes", {{"DisplayName", "Deploys"}}}});
  EXPECT_EQ(make_topic({{"Attributes", {{"DisplayName", "Deploys"}}}}), kTopic) << "as it is";
  make_topic({{"Attributes", {{"DisplayName", "Other"}}}});
  EXPECT_EQ(last_error.message, "Invalid parameter: Attributes Reason: Topic already exists with different attributes");
  EXPECT_EQ(attribute("GetTopicAttributes", {{"TopicArn", kTopic}}, "DisplayName"), "Deploys");
  EXPECT_EQ(call("ListTagsForResource", {{"ResourceArn", kTopic}}).at("Tags"), json::value(tags));
  EXPECT_EQ(get_array(call("ListTopics", {}), "Topics").size(), 1U);
  subscribe("sqs", kQueue);
  call("DeleteTopic", {{"TopicArn", kTopic}});
  call("DeleteTopic", {{"TopicArn", kTopic}});
  EXPECT_EQ(last_error, Error{}) << "deleting what is gone succeeds";
  EXPECT_TRUE(get_array(call("ListSubscriptions", {}), "Subscriptions").empty());
  publish("x");
  EXPECT_EQ(last_error.code, "NotFound");
  EXPECT_EQ(last_error.message, "Topic does not exist");
}

TEST_F(SnsTest, WhatIsNotActedOnIsRefused) {
  make_topic();
  const auto set = [&](const char* name, const char* value) {
    call("SetTopicAttributes", {{"TopicArn", kTopic}, {"AttributeName", name}, {"AttributeValue", value}});
    return last_error.code;
  };
  EXPECT_EQ(set("Policy", "{}"), "");
  EXPECT_EQ(set("Policy", "{"), "InvalidParameter");
  EXPECT_EQ(set("SQSSuccessFeedbackSampleRate", "0"), "");
  EXPECT_EQ(set("SQSSuccessFeedbackSampleRate", "10"), "InvalidParameter");
  EXPECT_EQ(set("KmsMasterKeyId", "alias/k"), "InvalidParameter");
  EXPECT_EQ(set("DeliveryPolicy", "{}"), "InvalidParameter");
  EXPECT_EQ(set("Colour", "red"), "InvalidParameter");
  subscribe("sqs", kQueue, {{"Attributes", {{"FilterPolicy", R"({"a":["b"]})"}}}});
  EXPECT_EQ(last_error.code, "InvalidParameter");
  call("CreateTopic", {{"Name", "a.fifo"}});
  EXPECT_EQ(last_error.code, "InvalidParameter");
}

TEST_F(SnsTest, SubscriptionsAreListedChangedAndEnded) {
  make_topic();
  const auto one = subscribe("sqs", kQueue);
  EXPECT_EQ(subscribe("sqs", kQueue), one) << "the same again";
  call("SetSubscriptionAttributes",
       {{"SubscriptionArn", one}, {"AttributeName", "RawMessageDelivery"}, {"AttributeValue", "true"}});
  EXPECT_EQ(attribute("GetSubscriptionAttributes", {{"SubscriptionArn", one}}, "RawMessageDelivery"), "true");
  const auto listed = call("ListSubscriptionsByTopic", {{"TopicArn", kTopic}});
  EXPECT_EQ(get_string(listed.at("Subscriptions").at(0).as_object(), "SubscriptionArn"), one);
  call("Unsubscribe", {{"SubscriptionArn", one}});
  call("Unsubscribe", {{"SubscriptionArn", one}});
  EXPECT_EQ(last_error.message, "Subscription does not exist");
}

TEST_F(SnsTest, ABatchAnswersForEachEntry) {
  topics->start();
  make_topic();
  subscribe("sqs", kQueue);
  const auto answer =
      call("PublishBatch",
           {{"TopicArn", kTopic},
            {"PublishBatchRequestEntries",
             json::array{{{"Id", "a"}, {"Message", "1"}}, {{"Id", "b"}, {"Message", "2"}, {"Subject", "a\nb"}}}}});
  EXPECT_EQ(answer.at("Successful").at(0).at("Id"), "a");
  EXPECT_EQ(answer.at("Failed").at(0).at("Code"), "InvalidParameter");
  settle();
  EXPECT_EQ(endpoints.delivered.size(), 1U);
}

}  // namespace
}  // namespace slipway::sns
