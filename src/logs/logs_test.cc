#include <gtest/gtest.h>

#include "base/run.h"
#include "logs/api.h"

namespace slipway::logs {
namespace {

class LogsTest : public testing::Test {
 protected:
  asio::io_context io{1};
  database::Database db{io.get_executor(), ":memory:"};
  host::SystemClock clock;
  Archive archive{io.get_executor(), db, clock, Place{}};
  wire::Service api = service(archive);
  void SetUp() override { db.migrate(schema()); }
  json::object ask(const char* operation, const char* input) {
    wire::Call context;
    context.now = clock.now();
    auto answer = run(wire::call(api, operation, parse_json(input)->as_object(), context), io);
    return answer ? answer->output : json::object{{"error", answer.error().code}};
  }
  void write(int count, std::string stream = "s") {
    for (int i = 0; i < count; ++i)
      archive.append("g", stream, {{.at = instant_ms(1000 + i), .message = "line " + std::to_string(i)}});
  }
};

TEST_F(LogsTest, WhatWasAppendedIsReadInOrder) {
  write(3);
  const auto page = ask("GetLogEvents", R"({"logGroupName":"g","logStreamName":"s","startFromHead":true})");
  ASSERT_EQ(get_array(page, "events").size(), 3U);
  EXPECT_EQ(get_string(get_array(page, "events").at(0).as_object(), "message"), "line 0");
}

TEST_F(LogsTest, TheForwardTokenStandsStillAtTheEnd) {
  write(3);
  const auto first = ask("GetLogEvents", R"({"logGroupName":"g","logStreamName":"s","startFromHead":true})");
  const json::object next = {
      {"logGroupName", "g"}, {"logStreamName", "s"}, {"nextToken", first.at("nextForwardToken")}};
  const auto second = ask("GetLogEvents", json::serialize(next).c_str());
  EXPECT_TRUE(get_array(second, "events").empty());
  EXPECT_EQ(second.at("nextForwardToken"), first.at("nextForwardToken"));
}

TEST_F(LogsTest, WithoutATokenTheNewestPageIsAnswered) {
  write(5);
  const auto page = ask("GetLogEvents", R"({"logGroupName":"g","logStreamName":"s","limit":2})");
  EXPECT_EQ(get_string(get_array(page, "events").at(0).as_object(), "message"), "line 3");
}

TEST_F(LogsTest, FiltersByTermsTimeAndStream) {
  write(3);
  write(2, "other");
  EXPECT_EQ(get_array(ask("FilterLogEvents", R"({"logGroupName":"g","filterPattern":"\"line 1\""})"), "events").size(),
            2U);
  EXPECT_EQ(
      get_array(ask("FilterLogEvents", R"({"logGroupName":"g","startTime":1001,"logStreamNames":["s"]})"), "events")
          .size(),
      2U);
  EXPECT_EQ(ask("FilterLogEvents", R"({"logGroupName":"g","filterPattern":"{ $.a = 1 }"})").at("error"),
            "InvalidParameterException");
}

TEST_F(LogsTest, UnknownGroupsAndStreamsAreErrors) {
  EXPECT_EQ(ask("GetLogEvents", R"({"logGroupName":"x","logStreamName":"s"})").at("error"),
            "ResourceNotFoundException");
  EXPECT_EQ(
      ask("PutLogEvents", R"({"logGroupName":"x","logStreamName":"s","logEvents":[{"timestamp":1,"message":"m"}]})")
          .at("error"),
      "ResourceNotFoundException");
}

TEST_F(LogsTest, RetentionForgetsWhatIsOlder) {
  write(3);
  run(archive.flush(), io);
  ask("PutRetentionPolicy", R"({"logGroupName":"g","retentionInDays":1})");
  auto forget = [](database::Transaction& tx) { return prune(tx, instant_ms(86'400'000 + 1002)); };
  EXPECT_EQ(run(db.write(forget), io), 2);
}

}  // namespace
}  // namespace slipway::logs
