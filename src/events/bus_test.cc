#include "events/bus.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <random>

#include "base/run.h"
#include "database/journal.h"
#include "events/api.h"

namespace slipway::events {
namespace {

constexpr int kPollsMax = 5000;

class HandClock final : public host::Clock {
 public:
  Instant now() const override { return now_; }
  task<void> sleep_until(Instant at) override {
    now_ = std::max(now_, at);
    co_return;
  }
  void advance(Duration by) { now_ = now_ + by; }

 private:
  Instant now_ = instant_ms(1'700'000'000'000);
};

class FakeTargets final : public Targets {
 public:
  Result<void> accepts(const std::string& arn) override {
    if (arn.starts_with("arn:aws:lambda:")) return {};
    return fail(Fault::invalid, "ValidationException", "Provided Arn is not in correct format.");
  }
  task<Result<void>> deliver(Delivery delivery) override {
    ++attempts;
    if (slow) co_await pause(Duration(1));
    if (fails_left > 0) {
      --fails_left;
      co_return fail(fault, "Code", "the target said no");
    }
    delivered.insert(delivery.event_id + " " + delivery.target_id);
    last_payload = delivery.payload;
    if (slow) co_await pause(Duration(1));
    co_return Result<void>{};
  }
  std::multiset<std::string> delivered;
  std::string last_payload;
  int attempts = 0;
  int fails_left = 0;
  bool slow = false;  // A cut can fall before and after the target takes the event.
  Fault fault = Fault::unavailable;
};

class FakeDeadLetters final : public DeadLetters {
 public:
  task<Result<void>> send(std::string queue_arn, std::string body,
                          std::map<std::string, std::pair<std::string, std::string>> attributes) override {
    letters.push_back({queue_arn, body});
    last = attributes;
    co_return Result<void>{};
  }
  std::vector<std::pair<std::string, std::string>> letters;
  std::map<std::string, std::pair<std::string, std::string>> last;
};

class BusTest : public testing::Test {
 protected:
  void SetUp() override {
    db.migrate(database::journal_schema());
    db.migrate(schema());
    restart();
  }
  void restart() {
    bus.reset();
    bus.emplace(io.get_executor(), db, clock, random, Place{}, targets, dead_letters);
  }
  json::object call(std::string operation, json::object input) {
    const auto api = service(*bus);
    auto answer = run(wire::call(api, std::move(operation), std::move(input), {.place = {}, .now = clock.now()}), io);
    last_error = answer ? Error{} : answer.error();
    return answer ? answer->output : json::object{};
  }
  void push_rule(json::object more = {}) {
    call("PutRule", {{"Name", "push"}, {"EventPattern", R"({"source":["shop"]})"}});
    json::object target{{"Id", "f"}, {"Arn", "arn:aws:lambda:us-east-1:000000000000:function:f"}};
    for (const auto& member : more) target[member.key()] = member.value();
    call("PutTargets", {{"Rule", "push"}, {"Targets", json::array{target}}});
  }
  std::string put_event(const char* source = "shop") {
    const json::object entry{{"Source", source}, {"DetailType", "Sold"}, {"Detail", R"({"n":1})"}};
    const auto out = call("PutEvents", {{"Entries", json::array{entry}}});
    return get_string(out.at("Entries").at(0).as_object(), "EventId");
  }
  task<void> until_idle() {
    for (int i = 0; i < kPollsMax && !bus->idle(); ++i) co_await pause(Duration(1));
  }
  void settle() {
    bus->wake();
    run(until_idle(), io);
  }

  asio::io_context io{1};
  database::Database db{io.get_executor(), ":memory:"};
  HandClock clock;
  host::SeededRandom random{7};
  FakeTargets targets;
  FakeDeadLetters dead_letters;
  std::optional<Bus> bus;
  Error last_error;
};

TEST_F(BusTest, AMatchingEventReachesItsTarget) {
  bus->start();
  push_rule();
  const auto id = put_event();
  put_event("other");
  settle();
  EXPECT_EQ(targets.delivered, std::multiset<std::string>{id + " f"});
  EXPECT_EQ(json::parse(targets.last_payload).at("detail").at("n"), 1);
}

TEST_F(BusTest, ADisabledRuleMatchesNothing) {
  bus->start();
  push_rule();
  call("DisableRule", {{"Name", "push"}});
  put_event();
  settle();
  EXPECT_TRUE(targets.delivered.empty());
}

TEST_F(BusTest, AFailedDeliveryIsTriedAgainLater) {
  bus->start();
  push_rule();
  targets.fails_left = 2;
  put_event();
  settle();
  EXPECT_EQ(targets.attempts, 1);
  for (int i = 0; i < 2; ++i) {
    clock.advance(kLongestBackOff);
    settle();
  }
  EXPECT_EQ(targets.attempts, 3);
  EXPECT_EQ(targets.delivered.size(), 1U);
}

TEST_F(BusTest, ADeniedDeliveryGoesToTheDeadLetterQueueAtOnce) {
  bus->start();
  push_rule({{"DeadLetterConfig", {{"Arn", "arn:aws:sqs:us-east-1:000000000000:dlq"}}}});
  targets.fails_left = 1;
  targets.fault = Fault::denied;
  const auto id = put_event();
  settle();
  ASSERT_EQ(dead_letters.letters.size(), 1U);
  EXPECT_EQ(json::parse(dead_letters.letters[0].second).at("id"), json::value(id));
  EXPECT_EQ(dead_letters.last.at("ERROR_CODE").second, "NO_PERMISSIONS");
  EXPECT_EQ(dead_letters.last.at("RETRY_ATTEMPTS").second, "0");
  EXPECT_FALSE(dead_letters.last.contains("EXHAUSTED_RETRY_CONDITION"));
}

TEST_F(BusTest, RetriesThatRunOutGoToTheDeadLetterQueue) {
  bus->start();
  push_rule({{"DeadLetterConfig", {{"Arn", "arn:aws:sqs:us-east-1:000000000000:dlq"}}},
             {"RetryPolicy", {{"MaximumRetryAttempts", 1}}}});
  targets.fails_left = 100;
  put_event();
  settle();
  clock.advance(kLongestBackOff);
  settle();
  ASSERT_EQ(dead_letters.letters.size(), 1U);
  EXPECT_EQ(dead_letters.last.at("EXHAUSTED_RETRY_CONDITION").second, "MaximumRetryAttempts");
  EXPECT_EQ(dead_letters.last.at("RETRY_ATTEMPTS").second, "1");
}

TEST_F(BusTest, ABusThatStopsAtAnyMomentLosesNothing) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937 chance(seed);
  targets.slow = true;
  push_rule();
  std::set<std::string> expected;
  for (int round = 0; round < 60; ++round) {
    expected.insert(put_event() + " f");
    bus->start();
    run(pause(Duration(chance() % 6)), io);
    run(bus->stop(), io);
    restart();
  }
  bus->start();
  settle();
  const std::set<std::string> delivered(targets.delivered.begin(), targets.delivered.end());
  EXPECT_EQ(delivered, expected);
}

TEST_F(BusTest, AnEventOfARolledBackWriteIsNeverSent) {
  bus->start();
  push_rule();
  auto refuse = [this](database::Transaction& tx) -> Result<int> {
    bus->publish(tx, {.source = "shop", .detail_type = "Sold", .time = instant_ms(1)});
    return fail(Fault::conflict, "No", "no");
  };
  EXPECT_FALSE(run(db.write(refuse), io));
  settle();
  EXPECT_EQ(targets.attempts, 0);
}

TEST_F(BusTest, AScheduleFiresOncePerInterval) {
  bus->start();
  call("PutRule", {{"Name", "sweep"}, {"ScheduleExpression", "rate(5 minutes)"}});
  call("PutTargets",
       {{"Rule", "sweep"},
        {"Targets", json::array{{{"Id", "f"}, {"Arn", "arn:aws:lambda:us-east-1:000000000000:function:f"}}}}});
  settle();
  EXPECT_EQ(targets.attempts, 0);
  for (int i = 1; i <= 2; ++i) {
    clock.advance(std::chrono::minutes(5));
    bus->wake();
    run(pause(Duration(20)), io);
    settle();
    EXPECT_EQ(targets.attempts, i);
  }
  EXPECT_EQ(json::parse(targets.last_payload).at("detail-type"), "Scheduled Event");
}

TEST_F(BusTest, ATargetThatWeCannotReachIsRefused) {
  call("PutRule", {{"Name", "push"}, {"EventPattern", R"({"source":["shop"]})"}});
  const auto out = call(
      "PutTargets",
      {{"Rule", "push"}, {"Targets", json::array{{{"Id", "k"}, {"Arn", "arn:aws:kinesis:us-east-1:0:stream/s"}}}}});
  EXPECT_EQ(get_int(out, "FailedEntryCount"), 1);
}

TEST_F(BusTest, ARuleWithTargetsCannotBeDeleted) {
  push_rule();
  call("DeleteRule", {{"Name", "push"}});
  EXPECT_EQ(last_error.message, "Rule can't be deleted since it has targets.");
  call("RemoveTargets", {{"Rule", "push"}, {"Ids", json::array{"f"}}});
  call("DeleteRule", {{"Name", "push"}});
  EXPECT_EQ(last_error, Error{});
  call("DescribeRule", {{"Name", "push"}});
  EXPECT_EQ(last_error.message, "Rule push does not exist on EventBus default.");
}

TEST_F(BusTest, AnAwsSourceIsNotForUsers) {
  const auto out =
      call("PutEvents", {{"Entries", json::array{{{"Source", "aws.ecr"}, {"DetailType", "x"}, {"Detail", "{}"}}}}});
  EXPECT_EQ(get_int(out, "FailedEntryCount"), 1);
  EXPECT_EQ(out.at("Entries").at(0).at("ErrorCode"), "NotAuthorizedForSourceException");
}

TEST_F(BusTest, RulesAreListedInPages) {
  for (const auto* name : {"a", "b", "c"})
    call("PutRule", {{"Name", name}, {"EventPattern", R"({"source":["shop"]})"}});
  const auto first = call("ListRules", {{"Limit", 2}});
  EXPECT_EQ(get_array(first, "Rules").size(), 2U);
  const auto second = call("ListRules", {{"Limit", 2}, {"NextToken", get_string(first, "NextToken")}});
  EXPECT_EQ(second.at("Rules").at(0).at("Name"), "c");
  EXPECT_FALSE(second.contains("NextToken"));
}

TEST_F(BusTest, AnInvalidPatternIsRefused) {
  call("PutRule", {{"Name", "bad"}, {"EventPattern", R"({"source":"shop"})"}});
  EXPECT_EQ(last_error.code, "InvalidEventPatternException");
}

}  // namespace
}  // namespace slipway::events
