#include <gtest/gtest.h>

#include "base/run.h"
#include "logs/api.h"
#include "logs/pattern.h"

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
    return answer ? answer->output : json::object{{"error", answer.error().code}, {"message", answer.error().message}};
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

TEST_F(LogsTest, PagesLeadForwardAndBackwardThroughAStream) {
  write(5);
  const auto newest = ask("GetLogEvents", R"({"logGroupName":"g","logStreamName":"s","limit":2})");
  const auto page = [&](const json::value& token) {
    return ask(
        "GetLogEvents",
        json::serialize(json::object{{"logGroupName", "g"}, {"logStreamName", "s"}, {"limit", 2}, {"nextToken", token}})
            .c_str());
  };
  const auto before = page(newest.at("nextBackwardToken"));
  ASSERT_EQ(get_array(before, "events").size(), 2U);
  EXPECT_EQ(before.at("events").at(0).at("message"), "line 1");
  const auto first = page(before.at("nextBackwardToken"));
  EXPECT_EQ(get_array(first, "events").size(), 1U);
  const auto end = page(first.at("nextBackwardToken"));
  EXPECT_TRUE(get_array(end, "events").empty());
  EXPECT_EQ(end.at("nextBackwardToken"), first.at("nextBackwardToken"));
  EXPECT_EQ(page(before.at("nextForwardToken")).at("events").at(0).at("message"), "line 3");
  EXPECT_EQ(page("nonsense").at("error"), "InvalidParameterException");
}

TEST_F(LogsTest, EventsAreReadByTimeWhateverCameFirst) {
  archive.append("g", "s", {{.at = instant_ms(2000), .message = "later"}});
  archive.append("g", "t", {{.at = instant_ms(1000), .message = "earlier"}});
  const auto all = ask("FilterLogEvents", R"({"logGroupName":"g"})");
  EXPECT_EQ(all.at("events").at(0).at("message"), "earlier");
  const auto until = ask("GetLogEvents", R"({"logGroupName":"g","logStreamName":"s","endTime":2000})");
  EXPECT_TRUE(get_array(until, "events").empty());
  EXPECT_EQ(get_array(ask("FilterLogEvents", R"({"logGroupName":"g","endTime":2000})"), "events").size(), 2U);
}

TEST_F(LogsTest, AFilterWithALimitLooksOnUntilItHasFoundSo) {
  write(2500);
  const auto first = ask("FilterLogEvents", R"({"logGroupName":"g","filterPattern":"99","limit":1})");
  EXPECT_EQ(first.at("events").at(0).at("message"), "line 99");
  const json::object next = {{"logGroupName", "g"}, {"filterPattern", "2499"}, {"nextToken", first.at("nextToken")}};
  const auto second = ask("FilterLogEvents", json::serialize(next).c_str());
  EXPECT_EQ(get_array(second, "events").size(), 1U);
  EXPECT_FALSE(second.contains("nextToken"));
}

TEST_F(LogsTest, GroupsAndStreamsAreDescribedInPages) {
  for (const char* name : {"a", "B", "c"})
    ask("CreateLogGroup", json::serialize(json::object{{"logGroupName", name}}).c_str());
  const auto first = ask("DescribeLogGroups", R"({"limit":2})");
  EXPECT_EQ(get_array(first, "logGroups").size(), 2U);
  const json::object next = {{"limit", 2}, {"nextToken", first.at("nextToken")}};
  const auto second = ask("DescribeLogGroups", json::serialize(next).c_str());
  EXPECT_EQ(get_array(second, "logGroups").size(), 1U);
  EXPECT_FALSE(second.contains("nextToken"));
  EXPECT_EQ(get_array(ask("DescribeLogGroups", R"({"logGroupNamePattern":"b"})"), "logGroups").size(), 1U);
}

TEST_F(LogsTest, ABatchIsTakenAsFarAsItsTimesAllow) {
  ask("CreateLogGroup", R"({"logGroupName":"g"})");
  ask("CreateLogStream", R"({"logGroupName":"g","logStreamName":"s"})");
  const auto put = [&](std::vector<long long> times) {
    json::array events;
    for (const long long at : times) events.push_back({{"timestamp", at}, {"message", "m"}});
    return ask(
        "PutLogEvents",
        json::serialize(json::object{{"logGroupName", "g"}, {"logStreamName", "s"}, {"logEvents", events}}).c_str());
  };
  const long long now = clock.now().ms();
  EXPECT_EQ(put({now, now - 1}).at("message"),
            "Log events in a single PutLogEvents request must be in chronological order.");
  EXPECT_EQ(put({now - 90'000'000, now}).at("error"), "InvalidParameterException");
  const auto ahead = put({now, now + 3 * 3'600'000});
  EXPECT_EQ(ahead.at("rejectedLogEventsInfo").at("tooNewLogEventStartIndex"), 1);
  const auto old = put({now - 15 * 86'400'000LL});
  EXPECT_EQ(old.at("rejectedLogEventsInfo").at("tooOldLogEventEndIndex"), 1);
  EXPECT_EQ(get_array(ask("FilterLogEvents", R"({"logGroupName":"g"})"), "events").size(), 1U);
}

TEST_F(LogsTest, RetentionTakesTheDaysThatCloudWatchTakes) {
  ask("CreateLogGroup", R"({"logGroupName":"g"})");
  EXPECT_NE(get_string(ask("PutRetentionPolicy", R"({"logGroupName":"g","retentionInDays":2})"), "message")
                .find("enum value set: [1, 3, 5, 7, 14"),
            std::string::npos);
  EXPECT_TRUE(ask("PutRetentionPolicy", R"({"logGroupName":"g","retentionInDays":3653})").empty());
  EXPECT_TRUE(ask("DeleteRetentionPolicy", R"({"logGroupName":"g"})").empty());
}

TEST_F(LogsTest, TheOldestGoesWhenTooMuchIsKept) {
  for (int i = 0; i < 20; ++i) archive.append("g", "s", {{.at = instant_ms(i), .message = std::string(100, 'x')}});
  run(archive.flush(), io);
  const auto bytes = [&] {
    return get_int(ask("DescribeLogGroups", "{}").at("logGroups").at(0).as_object(), "storedBytes");
  };
  EXPECT_EQ(bytes(), 2000);
  auto less = [](database::Transaction& tx) { return shrink(tx, 1000); };
  EXPECT_EQ(run(db.write(less), io), 11);
  EXPECT_EQ(bytes(), 900);
  EXPECT_EQ(run(db.write(less), io), 0);
}

TEST_F(LogsTest, AReaderSeesWhatIsOnItsWayToTheDisk) {
  write(1);
  const auto both = [](Archive& to) -> task<void> {
    TaskGroup group(co_await asio::this_coro::executor);
    group.spawn("a batch", to.flush());
    co_await pause(Duration(0));
    co_await to.flush();
  };
  run(both(archive), io);
  EXPECT_EQ(read(db.read(), {.group = "g"}).size(), 1U);
}

TEST(Pattern, TermsMustMayOrMustNotOccur) {
  const auto fits = [](const char* pattern, const char* message) { return matches(*parse_pattern(pattern), message); };
  EXPECT_TRUE(fits("", "anything"));
  EXPECT_TRUE(fits("ERROR \"not found\"", "ERROR: not found"));
  EXPECT_FALSE(fits("ERROR \"not found\"", "ERROR: found"));
  EXPECT_TRUE(fits("?ERROR ?WARN", "a WARN"));
  EXPECT_FALSE(fits("?ERROR ?WARN", "fine"));
  EXPECT_FALSE(fits("ERROR -retried", "ERROR retried"));
  EXPECT_TRUE(fits("ERROR -retried", "ERROR"));
  EXPECT_FALSE(parse_pattern("\"open"));
  EXPECT_EQ(parse_pattern("%[0-9]%").error().fault, Fault::unsupported);
  EXPECT_EQ(parse_pattern("[a, b]").error().fault, Fault::unsupported);
}

}  // namespace
}  // namespace slipway::logs
