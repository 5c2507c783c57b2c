#include "sns/message.h"

#include <gtest/gtest.h>

namespace slipway::sns {
namespace {

const Origin kOrigin{.subscription_arn = "arn:aws:sns:us-east-1:1:t:u", .endpoint_url = "http://h:1"};

Message message(json::object input) {
  auto read = read_message(input);
  EXPECT_TRUE(read) << read.error().message;
  if (!read) return {};
  read->id = "m-1";
  read->topic_arn = "arn:aws:sns:us-east-1:1:t";
  read->at = instant_ms(1'700'000'000'123);
  return *read;
}

std::string refusal(json::object input) {
  const auto read = read_message(input);
  return read ? "" : read.error().code + ": " + read.error().message;
}

TEST(Message, ANotificationIsLaidOutAsSnsDoes) {
  const auto one = message({{"Message", "say \"hi\"\n"},
                            {"Subject", "news"},
                            {"MessageAttributes",
                             {{"store", {{"DataType", "String"}, {"StringValue", "north"}}},
                              {"n", {{"DataType", "Number"}, {"StringValue", "7"}}}}}});
  EXPECT_EQ(notification(one, "sqs", kOrigin), R"({
  "Type" : "Notification",
  "MessageId" : "m-1",
  "TopicArn" : "arn:aws:sns:us-east-1:1:t",
  "Subject" : "news",
  "Message" : "say \"hi\"\n",
  "Timestamp" : "2023-11-14T22:13:20.123Z",
  "SignatureVersion" : "1",
  "Signature" : "",
  "SigningCertURL" : "",
  "UnsubscribeURL" : "http://h:1/?Action=Unsubscribe&Version=2010-03-31&SubscriptionArn=arn%3Aaws%3Asns%3Aus-east-1%3A1%3At%3Au",
  "MessageAttributes" : {
    "n" : {"Type":"Number","Value":"7"},
    "store" : {"Type":"String","Value":"north"}
  }
})");
}

TEST(Message, WithoutSubjectAndAttributesTheirMembersAreNotThere) {
  const auto parsed = parse_json(notification(message({{"Message", "a"}}), "sqs", kOrigin));
  ASSERT_TRUE(parsed);
  EXPECT_FALSE(parsed->get_object().contains("Subject"));
  EXPECT_FALSE(parsed->get_object().contains("MessageAttributes"));
}

TEST(Message, AFunctionIsInvokedWithARecord) {
  const auto event = json::parse(function_event(message({{"Message", "a"}}), kOrigin));
  const auto& record = event.at("Records").at(0);
  EXPECT_EQ(record.at("EventSource"), "aws:sns");
  EXPECT_EQ(record.at("EventSubscriptionArn"), json::value(kOrigin.subscription_arn));
  EXPECT_EQ(record.at("Sns").at("Message"), "a");
  EXPECT_TRUE(record.at("Sns").at("Subject").is_null());
}

TEST(Message, AStructureHasATextForEachProtocol) {
  const auto one = message({{"MessageStructure", "json"}, {"Message", R"({"default":"a","sqs":"b"})"}});
  EXPECT_EQ(text_for(one, "sqs"), "b");
  EXPECT_EQ(text_for(one, "http"), "a");
  EXPECT_EQ(refusal({{"MessageStructure", "json"}, {"Message", "{"}}),
            "InvalidParameter: Invalid parameter: Message Structure - JSON message body failed to parse");
  EXPECT_EQ(refusal({{"MessageStructure", "json"}, {"Message", R"({"sqs":"b"})"}}),
            "InvalidParameter: Invalid parameter: Message Structure - No default entry in JSON message body");
}

TEST(Message, WhatSnsDoesNotTakeIsRefusedInItsWords) {
  EXPECT_EQ(refusal({{"Message", ""}}), "InvalidParameter: Invalid parameter: Empty message");
  EXPECT_EQ(refusal({{"Message", std::string(kMessageBytesMax + 1, 'x')}}),
            "InvalidParameter: Invalid parameter: Message too long");
  for (const auto& subject : {std::string(kSubjectMax + 1, 's'), std::string("a\nb"), std::string(" a"), std::string()})
    EXPECT_EQ(refusal({{"Message", "m"}, {"Subject", subject}}), "InvalidParameter: Invalid parameter: Subject");
  EXPECT_TRUE(refusal({{"Message", "m"}, {"MessageAttributes", {{"a", {{"DataType", "Text"}, {"StringValue", "b"}}}}}})
                  .starts_with("ParameterValueInvalid: "));
}

TEST(Message, ABatchHasOneToTenDistinctIds) {
  EXPECT_TRUE(check_batch({"a", "b"}));
  EXPECT_EQ(check_batch({}).error().code, "EmptyBatchRequest");
  EXPECT_EQ(check_batch({"a", "a"}).error().code, "BatchEntryIdsNotDistinct");
  EXPECT_EQ(check_batch({"a.b"}).error().code, "InvalidBatchEntryId");
  EXPECT_EQ(check_batch(std::vector<std::string>(kBatchMax + 1, "a")).error().code, "TooManyEntriesInBatchRequest");
}

TEST(Message, AnEndpointFitsItsProtocol) {
  EXPECT_TRUE(check_endpoint("sqs", "arn:aws:sqs:us-east-1:1:q"));
  EXPECT_TRUE(check_endpoint("lambda", "arn:aws:lambda:us-east-1:1:function:f"));
  EXPECT_TRUE(check_endpoint("https", "https://h/x?y=1"));
  EXPECT_FALSE(check_endpoint("sqs", "https://sqs/q"));
  EXPECT_FALSE(check_endpoint("sqs", "arn:aws:sqs:us-east-1:1:q.fifo"));
  EXPECT_FALSE(check_endpoint("http", "https://h/"));
  EXPECT_FALSE(check_endpoint("http", "http://user:secret@h/"));
  EXPECT_FALSE(check_endpoint("email", "a@b"));
  EXPECT_EQ(check_endpoint("pigeon", "x").error().message,
            "Invalid parameter: Amazon SNS does not support this protocol string: pigeon");
}

TEST(Message, AnHttpEndpointIsTriedFourTimesAndAQueueForDays) {
  EXPECT_EQ(retry_after("https", 1), std::chrono::seconds(20));
  EXPECT_EQ(retry_after("https", 3), std::chrono::seconds(20));
  EXPECT_FALSE(retry_after("https", 4));
  Duration all{};
  int attempts = 1;
  for (; retry_after("sqs", attempts); ++attempts) all += *retry_after("sqs", attempts);
  EXPECT_EQ(attempts, 100'015);
  EXPECT_NEAR(static_cast<double>(all / std::chrono::hours(24)), 23, 1);
}

TEST(Message, AStatusSaysWhetherAnotherAttemptCanHelp) {
  EXPECT_TRUE(outcome_of_status(204));
  EXPECT_TRUE(worth_another(outcome_of_status(429).error()));
  EXPECT_TRUE(worth_another(outcome_of_status(503).error()));
  EXPECT_FALSE(worth_another(outcome_of_status(404).error()));
  EXPECT_FALSE(worth_another(outcome_of_status(301).error()));
}

}  // namespace
}  // namespace slipway::sns
