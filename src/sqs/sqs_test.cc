#include <gtest/gtest.h>

#include <boost/asio/detached.hpp>

#include "base/run.h"
#include "host/hand_clock.h"
#include "sqs/api.h"
#include "sqs/query_answer.h"
#include "wire/query.h"

namespace slipway::sqs {
namespace {

class SqsTest : public testing::Test {
 protected:
  void SetUp() override { db.migrate(schema()); }
  json::object call(std::string operation, json::object input) {
    const auto api = service(queues);
    auto answer = run(wire::call(api, std::move(operation), std::move(input), {.place = {}, .now = clock.now()}), io);
    last_error = answer ? Error{} : answer.error();
    return answer ? answer->output : json::object{};
  }
  std::string make_queue() { return get_string(call("CreateQueue", {{"QueueName", "dlq"}}), "QueueUrl"); }

  asio::io_context io{1};
  database::Database db{io.get_executor(), ":memory:"};
  host::HandClock clock;
  host::SeededRandom random{7};
  Queues queues{io.get_executor(), db, clock, random, Place{}, "http://127.0.0.1:4566"};
  Error last_error;
};

TEST_F(SqsTest, AMessageIsGivenOutUntilItIsDeleted) {
  const auto url = make_queue();
  EXPECT_EQ(url, "http://127.0.0.1:4566/000000000000/dlq");
  const auto sent = call("SendMessage", {{"QueueUrl", url}, {"MessageBody", "hello"}});
  EXPECT_EQ(get_string(sent, "MD5OfMessageBody"), "5d41402abc4b2a76b9719d911017c592");
  const auto first = call("ReceiveMessage", {{"QueueUrl", url}});
  ASSERT_EQ(get_array(first, "Messages").size(), 1U);
  EXPECT_FALSE(call("ReceiveMessage", {{"QueueUrl", url}}).contains("Messages"));
  clock.advance(std::chrono::seconds(31));
  const auto second = call("ReceiveMessage", {{"QueueUrl", url}, {"AttributeNames", json::array{"All"}}});
  const auto message = second.at("Messages").at(0).as_object();
  EXPECT_EQ(message.at("Attributes").at("ApproximateReceiveCount"), "2");
  call("DeleteMessage", {{"QueueUrl", url}, {"ReceiptHandle", get_string(message, "ReceiptHandle")}});
  clock.advance(std::chrono::seconds(31));
  EXPECT_FALSE(call("ReceiveMessage", {{"QueueUrl", url}}).contains("Messages"));
}

TEST_F(SqsTest, AnotherRoomSendsByArn) {
  const auto url = make_queue();
  const auto arn = queues.arn("dlq");
  EXPECT_TRUE(queues.exists(arn));
  ASSERT_TRUE(run(queues.send(arn, "body", {{"RULE_ARN", {"String", "arn:x"}}}), io));
  const auto got = call("ReceiveMessage", {{"QueueUrl", url}, {"MessageAttributeNames", json::array{"All"}}});
  EXPECT_EQ(got.at("Messages").at(0).at("MessageAttributes").at("RULE_ARN").at("StringValue"), "arn:x");
  EXPECT_EQ(run(queues.send(queues.arn("none"), "body", {}), io).error().fault, Fault::not_found);
}

TEST_F(SqsTest, ALongPollEndsWhenAMessageComes) {
  const auto url = make_queue();
  std::size_t received = 0;
  const auto later = [](Queues& to, std::size_t& count) -> task<void> {
    const auto messages = co_await to.receive("dlq", 1, std::nullopt, std::chrono::seconds(20));
    count = messages->size();
  };
  asio::co_spawn(io, later(queues, received), asio::detached);
  run(pause(Duration(5)), io);
  call("SendMessage", {{"QueueUrl", url}, {"MessageBody", "x"}});
  run(pause(Duration(20)), io);
  EXPECT_EQ(received, 1U);
}

TEST_F(SqsTest, AnUnknownQueueIsSaidSo) {
  call("SendMessage", {{"QueueUrl", queues.url("none")}, {"MessageBody", "x"}});
  EXPECT_EQ(last_error.code, "com.amazonaws.sqs#QueueDoesNotExist");
}

TEST_F(SqsTest, AFifoQueueIsRefused) {
  call("CreateQueue", {{"QueueName", "a.fifo"}, {"Attributes", {{"FifoQueue", "true"}}}});
  EXPECT_EQ(last_error.fault, Fault::unsupported);
}

TEST_F(SqsTest, CreatingAgainWithOtherAttributesIsAConflict) {
  make_queue();
  EXPECT_EQ(make_queue(), queues.url("dlq"));
  call("CreateQueue", {{"QueueName", "dlq"}, {"Attributes", {{"VisibilityTimeout", "5"}}}});
  EXPECT_EQ(last_error.code, "com.amazonaws.sqs#QueueNameExists");
  EXPECT_EQ(last_error.message,
            "A queue already exists with the same name and a different value for attribute VisibilityTimeout");
}

TEST_F(SqsTest, AMessageThatIsReceivedTooOftenGoesToTheDeadLetters) {
  const auto letters = make_queue();
  const std::string policy = R"({"deadLetterTargetArn":")" + queues.arn("dlq") + R"(","maxReceiveCount":"2"})";
  const auto work =
      get_string(call("CreateQueue",
                      {{"QueueName", "work"}, {"Attributes", {{"RedrivePolicy", policy}, {"VisibilityTimeout", "1"}}}}),
                 "QueueUrl");
  call("SendMessage", {{"QueueUrl", work}, {"MessageBody", "poison"}});
  for (int i = 0; i < 2; ++i) {
    EXPECT_TRUE(call("ReceiveMessage", {{"QueueUrl", work}}).contains("Messages"));
    clock.advance(std::chrono::seconds(2));
  }
  EXPECT_FALSE(call("ReceiveMessage", {{"QueueUrl", work}}).contains("Messages"));
  const auto got = call("ReceiveMessage", {{"QueueUrl", letters}, {"AttributeNames", json::array{"All"}}});
  ASSERT_TRUE(got.contains("Messages"));
  EXPECT_EQ(got.at("Messages").at(0).at("Attributes").at("DeadLetterQueueSourceArn"), json::value(queues.arn("work")));
  EXPECT_EQ(get_array(call("ListDeadLetterSourceQueues", {{"QueueUrl", letters}}), "queueUrls"),
            json::array{json::value(work)});
}

TEST_F(SqsTest, ARedrivePolicyNeedsATargetThatIsThereAndAllowsIt) {
  make_queue();
  const auto with = [](const std::string& policy) {
    return json::object{{"QueueName", "work"}, {"Attributes", {{"RedrivePolicy", policy}}}};
  };
  call("CreateQueue", with(R"({"deadLetterTargetArn":")" + queues.arn("none") + R"(","maxReceiveCount":2})"));
  EXPECT_NE(last_error.message.find("Dead letter target does not exist"), std::string::npos);
  call("CreateQueue", with(R"({"deadLetterTargetArn":")" + queues.arn("dlq") + R"("})"));
  EXPECT_NE(last_error.message.find("mandatory attribute: maxReceiveCount"), std::string::npos);
  call("SetQueueAttributes", {{"QueueUrl", queues.url("dlq")},
                              {"Attributes", {{"RedriveAllowPolicy", R"({"redrivePermission":"denyAll"})"}}}});
  call("CreateQueue", with(R"({"deadLetterTargetArn":")" + queues.arn("dlq") + R"(","maxReceiveCount":2})"));
  EXPECT_EQ(last_error.code, "InvalidParameterValue");
}

TEST_F(SqsTest, ABatchIsCheckedAsAWholeAndAnsweredEntryByEntry) {
  const auto url = make_queue();
  const auto entry = [](const char* id, const char* body) { return json::object{{"Id", id}, {"MessageBody", body}}; };
  call("SendMessageBatch", {{"QueueUrl", url}, {"Entries", json::array{}}});
  EXPECT_EQ(last_error.code, "com.amazonaws.sqs#EmptyBatchRequest");
  call("SendMessageBatch", {{"QueueUrl", url}, {"Entries", json::array{entry("a", "1"), entry("a", "2")}}});
  EXPECT_EQ(last_error.message, "Id a repeated.");
  call("SendMessageBatch", {{"QueueUrl", url}, {"Entries", json::array{entry("a b", "1")}}});
  EXPECT_EQ(last_error.code, "com.amazonaws.sqs#InvalidBatchEntryId");
  const auto mixed =
      call("SendMessageBatch", {{"QueueUrl", url}, {"Entries", json::array{entry("a", "1"), entry("b", "\x01")}}});
  EXPECT_EQ(mixed.at("Successful").at(0).at("Id"), "a");
  EXPECT_EQ(mixed.at("Failed").at(0).at("Code"), "InvalidMessageContents");
}

TEST_F(SqsTest, VisibilityChangesInBatches) {
  const auto url = make_queue();
  call("SendMessage", {{"QueueUrl", url}, {"MessageBody", "x"}});
  const auto got = call("ReceiveMessage", {{"QueueUrl", url}});
  const auto receipt = get_string(got.at("Messages").at(0).as_object(), "ReceiptHandle");
  const json::array entries{json::object{{"Id", "a"}, {"ReceiptHandle", receipt}, {"VisibilityTimeout", 0}},
                            json::object{{"Id", "b"}, {"ReceiptHandle", "?"}, {"VisibilityTimeout", 0}}};
  const auto changed = call("ChangeMessageVisibilityBatch", {{"QueueUrl", url}, {"Entries", entries}});
  EXPECT_EQ(changed.at("Failed").at(0).at("Code"), "ReceiptHandleIsInvalid");
  EXPECT_TRUE(call("ReceiveMessage", {{"QueueUrl", url}}).contains("Messages"));
}

TEST_F(SqsTest, BoundsAreSaidInSqssWords) {
  const auto url = make_queue();
  call("ReceiveMessage", {{"QueueUrl", url}, {"MaxNumberOfMessages", 11}});
  EXPECT_EQ(last_error.message,
            "Value 11 for parameter MaxNumberOfMessages is invalid. Reason: Must be between 1 and 10, if provided.");
  call("SendMessage", {{"QueueUrl", url}, {"MessageBody", "x"}, {"DelaySeconds", 901}});
  EXPECT_EQ(last_error.message,
            "Value 901 for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 and <= 900.");
}

TEST_F(SqsTest, QueuesAreListedInPages) {
  for (const char* name : {"a", "b", "c"}) call("CreateQueue", {{"QueueName", name}});
  const auto first = call("ListQueues", {{"MaxResults", 2}});
  EXPECT_EQ(get_array(first, "QueueUrls").size(), 2U);
  const auto second = call("ListQueues", {{"MaxResults", 2}, {"NextToken", get_string(first, "NextToken")}});
  EXPECT_EQ(get_array(second, "QueueUrls"), json::array{json::value(queues.url("c"))});
  EXPECT_FALSE(second.contains("NextToken"));
}

TEST_F(SqsTest, PurgingTwiceWithinAMinuteIsRefused) {
  const auto url = make_queue();
  call("PurgeQueue", {{"QueueUrl", url}});
  call("PurgeQueue", {{"QueueUrl", url}});
  EXPECT_EQ(last_error.code, "com.amazonaws.sqs#PurgeQueueInProgress");
  clock.advance(std::chrono::seconds(61));
  call("PurgeQueue", {{"QueueUrl", url}});
  EXPECT_EQ(last_error, Error{});
}

TEST_F(SqsTest, WhatNobodyReadsIsForgottenAfterItsRetentionPeriod) {
  const auto url = make_queue();
  call("SendMessage", {{"QueueUrl", url}, {"MessageBody", "old"}});
  clock.advance(std::chrono::hours(24 * 5));
  call("SendMessage", {{"QueueUrl", url}, {"MessageBody", "new"}});
  EXPECT_EQ(queues.counts("dlq").visible, 1);
}

TEST_F(SqsTest, ErrorsHaveTheNamesOfBothProtocols) {
  EXPECT_EQ(query_error_code("com.amazonaws.sqs#QueueDoesNotExist"), "AWS.SimpleQueueService.NonExistentQueue");
  EXPECT_EQ(query_error_code("com.amazonaws.sqs#EmptyBatchRequest"), "AWS.SimpleQueueService.EmptyBatchRequest");
  EXPECT_EQ(query_error_code("InvalidParameterValue"), "InvalidParameterValue");
}

TEST(Message, DigestOfAttributesIsOverNamesTypesAndValues) {
  std::string bytes;
  for (const std::string_view part : {"a", "String"})
    bytes += std::string(3, '\0') + static_cast<char>(part.size()) + std::string(part);
  bytes += '\1';
  bytes += std::string(3, '\0') + '\1' + "v";
  EXPECT_EQ(md5_of_attributes({{"a", {.type = "String", .value = "v"}}}), md5_hex(bytes));
}

TEST(QueryAnswer, ListsAndMapsAreFlattened) {
  const json::object answer{
      {"Messages", json::array{json::object{{"Body", "b"}, {"Attributes", {{"SenderId", "1"}}}}}}};
  EXPECT_EQ(wire::encode_xml(query_answer("ReceiveMessage", answer)),
            "<Message><Body>b</Body><Attribute><Name>SenderId</Name><Value>1</Value></Attribute></"
            "Message>");
}

}  // namespace
}  // namespace slipway::sqs
