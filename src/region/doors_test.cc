#include "region/doors.h"

#include <gtest/gtest.h>

#include "base/run.h"
#include "database/journal.h"

namespace slipway::region {
namespace {

TEST(Doors, ARecordOfAnInvocationBecomesAnEvent) {
  const json::object record{{"requestContext",
                             {{"functionArn", "arn:aws:lambda:us-east-1:000000000000:function:f:$LATEST"},
                              {"condition", "RetriesExhausted"}}}};
  const auto bus = "arn:aws:events:us-east-1:000000000000:event-bus/default";
  const auto event = invocation_event(record, bus, instant_ms(1));
  EXPECT_EQ(event.source, "lambda");
  EXPECT_EQ(event.detail_type, "Lambda Function Invocation Result - Failure");
  EXPECT_EQ(event.resources,
            (std::vector<std::string>{"arn:aws:lambda:us-east-1:000000000000:function:f:$LATEST", bus}));
  EXPECT_EQ(event.detail, record);
}

TEST(Doors, ALogLineIsThePayloadOrWhatItIsShapedAs) {
  const auto plain = log_line(R"({"a":1})", instant_ms(5));
  EXPECT_EQ(plain.message, R"({"a":1})");
  EXPECT_EQ(plain.at, instant_ms(5));
  const auto shaped = log_line(R"({"timestamp":"1970-01-01T00:00:02Z","message":"sold"})", instant_ms(5));
  EXPECT_EQ(shaped.message, "sold");
  EXPECT_EQ(shaped.at, instant_ms(2000));
  EXPECT_EQ(log_line(R"({"timestamp":7,"message":{"b":2}})", instant_ms(5)).message, R"({"b":2})");
}

TEST(Doors, AQueueTakesEventsOfTheRulesThatItsPolicyNames) {
  asio::io_context io{1};
  database::Database db{io.get_executor(), ":memory:"};
  db.migrate(sqs::schema());
  host::SystemClock clock;
  host::SeededRandom random{7};
  sqs::Queues queues(io.get_executor(), db, clock, random, Place{}, "http://127.0.0.1");
  const std::string arn = "arn:aws:sqs:us-east-1:000000000000:q";
  const std::string rule_arn = "arn:aws:events:us-east-1:000000000000:rule/push";
  const Sender rule{"events.amazonaws.com", rule_arn};
  EXPECT_TRUE(queue_permits(db.read(), queues, arn, rule, false));  // Not there: whoever sends says so.
  ASSERT_TRUE(run(queues.create("q", {}, {}), io));
  EXPECT_EQ(queue_permits(db.read(), queues, arn, rule, false).error().code, "NO_PERMISSIONS");
  EXPECT_TRUE(queue_permits(db.read(), queues, arn, rule, true));
  const json::object statement{{"Effect", "Allow"},
                               {"Principal", {{"Service", "events.amazonaws.com"}}},
                               {"Action", "sqs:SendMessage"},
                               {"Resource", arn},
                               {"Condition", {{"ArnEquals", {{"aws:SourceArn", rule_arn}}}}}};
  const json::object policy{{"Version", "2012-10-17"}, {"Statement", json::array{statement}}};
  ASSERT_TRUE(run(queues.set_attributes("q", {{"Policy", json::serialize(policy)}}), io));
  EXPECT_TRUE(queue_permits(db.read(), queues, arn, rule, false));
  EXPECT_FALSE(queue_permits(db.read(), queues, arn, {rule.principal, rule_arn + "2"}, false));
}

// The targets of events with the real rooms behind them, on a database in memory, and with permissions open.
class TargetsTest : public testing::Test {
 protected:
  TargetsTest() {
    for (const auto& schema :
         {database::journal_schema(), iam::schema(), logs::schema(), sqs::schema(), lambda::schema(), sns::schema()})
      db.migrate(schema);
    authority.emplace(db, clock, random, Place{}, std::filesystem::path(testing::TempDir()) / "doors-key.json");
    roles.emplace(*authority);
    functions.emplace(io.get_executor(), db, pool, clock, random, Place{}, testing::TempDir(), "http://127.0.0.1",
                      function_logs, *roles, letters);
    endpoints.emplace(*functions, queues, true);
    topics.emplace(io.get_executor(), db, clock, random, Place{}, "http://127.0.0.1", *endpoints, topic_permissions);
    permissions.emplace(*authority, true);
    targets.emplace(*functions, queues, *topics, archive, clock, *permissions, Place{}, true);
  }

  asio::io_context io{1};
  database::Database db{io.get_executor(), ":memory:"};
  host::SystemClock clock;
  host::SeededRandom random{7};
  host::Pool pool{1};
  logs::Archive archive{io.get_executor(), db, clock, Place{}};
  sqs::Queues queues{io.get_executor(), db, clock, random, Place{}, "http://127.0.0.1"};
  FunctionLogs function_logs{archive};
  QueueLetters letters{queues, Place{}};
  TopicPermissions topic_permissions;
  std::optional<iam::Authority> authority;
  std::optional<FunctionRoles> roles;
  std::optional<lambda::Functions> functions;
  std::optional<TopicEndpoints> endpoints;
  std::optional<sns::Topics> topics;
  std::optional<BusPermissions> permissions;
  std::optional<EventTargets> targets;
};

TEST_F(TargetsTest, ATaskThatIsStartedAgainForTheSameDeliveryHasTheSameToken) {
  std::vector<std::string> tokens;
  wire::Service ecs{.name = "ecs"};
  auto run_task = [&tokens](wire::Call call) -> task<Result<wire::Answer>> {
    tokens.push_back(get_string(call.input, "clientToken"));
    co_return wire::Answer{};
  };
  ecs.operations.push_back({.name = "RunTask",
                            .input = wire::structure({wire::optional("clientToken", wire::text(0, 64))}),
                            .handler = run_task});
  targets->connect_tasks(ecs);
  events::Delivery delivery{
      .target_arn = "arn:aws:ecs:us-east-1:000000000000:cluster/c",
      .payload = "{}",
      .parameters = {{"RoleArn", "arn:aws:iam::000000000000:role/r"}, {"EcsParameters", {{"TaskDefinitionArn", "d"}}}}};
  for (const auto* key : {"rule/1", "rule/1", "rule/2"}) {
    delivery.key = key;
    EXPECT_TRUE(run(targets->deliver(delivery), io));
  }
  ASSERT_EQ(tokens.size(), 3U);
  EXPECT_EQ(tokens[0], tokens[1]);
  EXPECT_NE(tokens[0], tokens[2]);
  EXPECT_EQ(tokens[0].size(), 64U) << "as long as ECS lets it be";
}

TEST_F(TargetsTest, AQueueGetsAnEventInTheTransactionThatRecordsIt) {
  ASSERT_TRUE(run(queues.create("q", {}, {}), io));
  const events::Delivery delivery{
      .target_arn = "arn:aws:sqs:us-east-1:000000000000:q", .payload = "hello", .at = clock.now(), .fresh_id = "id-1"};
  EXPECT_TRUE(targets->in_database(delivery.target_arn));
  EXPECT_FALSE(targets->in_database("arn:aws:sns:us-east-1:000000000000:t"));
  auto undone = [&](database::Transaction& tx) -> Result<void> {
    EXPECT_TRUE(targets->deliver_in(tx, delivery));
    return fail(Fault::conflict, "No", "no");
  };
  EXPECT_FALSE(run(db.write(undone), io));
  EXPECT_EQ(queues.counts("q").visible, 0);
  auto kept = [&](database::Transaction& tx) { return targets->deliver_in(tx, delivery); };
  EXPECT_TRUE(run(db.write(kept), io));
  const auto messages = run(queues.receive("q", 1, std::nullopt, Duration(0)), io);
  ASSERT_TRUE(messages && messages->size() == 1);
  EXPECT_EQ(messages->front().body, "hello");
  EXPECT_EQ(messages->front().id, "id-1");
}

TEST_F(TargetsTest, AQueueThatIsGoneAndAMessageThatIsTooLongAreFinal) {
  events::Delivery delivery{.target_arn = "arn:aws:sqs:us-east-1:000000000000:none", .payload = "hello"};
  auto hand_over = [&](database::Transaction& tx) { return targets->deliver_in(tx, delivery); };
  EXPECT_EQ(run(db.write(hand_over), io).error().code, "NO_RESOURCE");
  ASSERT_TRUE(run(queues.create("q", {{"MaximumMessageSize", "1024"}}, {}), io));
  delivery.target_arn = "arn:aws:sqs:us-east-1:000000000000:q";
  delivery.payload = std::string(2000, 'x');
  EXPECT_EQ(run(db.write(hand_over), io).error().code, "SDK_CLIENT_ERROR");
}

TEST_F(TargetsTest, AnEventIsPublishedToATopic) {
  ASSERT_TRUE(run(topics->create({.name = "t", .attributes = {}, .tags = {}}), io));
  ASSERT_TRUE(run(queues.create("q", {}, {}), io));
  ASSERT_TRUE(run(topics->subscribe("t", "sqs", "arn:aws:sqs:us-east-1:000000000000:q", true), io));
  topics->start();
  const events::Delivery delivery{.target_arn = "arn:aws:sns:us-east-1:000000000000:t", .payload = R"({"n":1})"};
  EXPECT_TRUE(run(targets->deliver(delivery), io));
  const auto messages = run(queues.receive("q", 1, std::nullopt, std::chrono::seconds(5)), io);
  ASSERT_TRUE(messages && messages->size() == 1);
  EXPECT_EQ(messages->front().body, R"({"n":1})");
  run(topics->stop(), io);
}

TEST_F(TargetsTest, ATopicTakesEventsOfTheRulesThatItsPolicyNames) {
  const std::string arn = "arn:aws:sns:us-east-1:000000000000:t";
  const Sender rule{"events.amazonaws.com", "arn:aws:events:us-east-1:000000000000:rule/push"};
  ASSERT_TRUE(run(topics->create({.name = "t", .attributes = {}, .tags = {}}), io));
  EXPECT_EQ(topic_permits(*topics, arn, rule, false).error().code, "NO_PERMISSIONS");
  const json::object statement{{"Effect", "Allow"},
                               {"Principal", {{"Service", "events.amazonaws.com"}}},
                               {"Action", "sns:Publish"},
                               {"Resource", arn},
                               {"Condition", {{"ArnEquals", {{"aws:SourceArn", rule.arn}}}}}};
  const json::object policy{{"Version", "2012-10-17"}, {"Statement", json::array{statement}}};
  EXPECT_TRUE(TopicPermissions().check_policy(json::serialize(policy)));
  EXPECT_FALSE(TopicPermissions().check_policy(R"({"Statement":[{"Effect":"Perhaps"}]})"));
  ASSERT_TRUE(run(topics->set_attribute("t", "Policy", json::serialize(policy)), io));
  EXPECT_TRUE(topic_permits(*topics, arn, rule, false));
  EXPECT_FALSE(topic_permits(*topics, arn, {rule.principal, rule.arn + "2"}, false));
}

}  // namespace
}  // namespace slipway::region
