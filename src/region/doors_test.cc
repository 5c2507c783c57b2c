#include "region/doors.h"

#include <gtest/gtest.h>

#include "base/run.h"

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
  EXPECT_TRUE(queue_permits(queues, arn, rule, false));  // Not there: whoever sends says so.
  ASSERT_TRUE(run(queues.create("q", {}, {}), io));
  EXPECT_EQ(queue_permits(queues, arn, rule, false).error().code, "NO_PERMISSIONS");
  EXPECT_TRUE(queue_permits(queues, arn, rule, true));
  const json::object statement{{"Effect", "Allow"},
                               {"Principal", {{"Service", "events.amazonaws.com"}}},
                               {"Action", "sqs:SendMessage"},
                               {"Resource", arn},
                               {"Condition", {{"ArnEquals", {{"aws:SourceArn", rule_arn}}}}}};
  const json::object policy{{"Version", "2012-10-17"}, {"Statement", json::array{statement}}};
  ASSERT_TRUE(run(queues.set_attributes("q", {{"Policy", json::serialize(policy)}}), io));
  EXPECT_TRUE(queue_permits(queues, arn, rule, false));
  EXPECT_FALSE(queue_permits(queues, arn, {rule.principal, rule_arn + "2"}, false));
}

}  // namespace
}  // namespace slipway::region
