#include "events/bus.h"

#include <gtest/gtest.h>

#include <random>

#include "events/bus_test.h"

namespace slipway::events {
namespace {

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

TEST_F(BusTest, ATargetThatHangsStarvesNobody) {
  push_rule();
  const auto hanging = "arn:aws:lambda:us-east-1:000000000000:function:slow";
  call("PutTargets", {{"Rule", "push"}, {"Targets", json::array{{{"Id", "slow"}, {"Arn", hanging}}}}});
  targets.hanging.insert(hanging);
  bus->start();
  constexpr std::size_t kEvents = 500;
  for (std::size_t i = 0; i < kEvents; ++i) put_event();
  for (int i = 0; i < kPollsMax && targets.delivered.size() < kEvents; ++i) run(pause(Duration(1)), io);
  EXPECT_EQ(targets.delivered.size(), kEvents);
}

TEST_F(BusTest, AnEventGoesOnToAnotherBusOnce) {
  bus->start();
  call("CreateEventBus", {{"Name", "orders"}});
  call("PutRule", {{"Name", "on"}, {"EventPattern", R"({"source":["shop"]})"}});
  call("PutTargets",
       {{"Rule", "on"},
        {"Targets", json::array{{{"Id", "b"}, {"Arn", "arn:aws:events:us-east-1:000000000000:event-bus/orders"}}}}});
  call("PutRule", {{"Name", "in"}, {"EventBusName", "orders"}, {"EventPattern", R"({"source":["shop"]})"}});
  call("PutTargets",
       {{"Rule", "in"},
        {"EventBusName", "orders"},
        {"Targets", json::array{{{"Id", "f"}, {"Arn", "arn:aws:lambda:us-east-1:000000000000:function:f"}}}}});
  const auto id = put_event();
  settle();
  EXPECT_EQ(targets.delivered, std::multiset<std::string>{id + " f"});
  EXPECT_EQ(targets.last.rule_arn, "arn:aws:events:us-east-1:000000000000:rule/orders/in");
}

TEST_F(BusTest, BusesThatPointAtEachOtherEndTheRound) {
  bus->start();
  call("CreateEventBus", {{"Name", "orders"}});
  const auto rule = [&](const char* on, const char* to) {
    call("PutRule", {{"Name", "on"}, {"EventBusName", on}, {"EventPattern", R"({"source":["shop"]})"}});
    call("PutTargets",
         {{"Rule", "on"},
          {"EventBusName", on},
          {"Targets", json::array{{{"Id", "b"},
                                   {"Arn", std::string("arn:aws:events:us-east-1:000000000000:event-bus/") + to},
                                   {"DeadLetterConfig", {{"Arn", "arn:aws:sqs:us-east-1:000000000000:dlq"}}}}}}});
  };
  rule("default", "orders");
  rule("orders", "default");
  put_event();
  settle();
  ASSERT_EQ(dead_letters.letters.size(), 1U);
  EXPECT_EQ(deliveries_of(db.read(), get_string(json::parse(dead_letters.letters[0].second).as_object(), "id")).size(),
            static_cast<std::size_t>(kHopsMax + 1));
}

TEST_F(BusTest, AScheduleFiresOnceAfterADowntime) {
  call("PutRule", {{"Name", "sweep"}, {"ScheduleExpression", "cron(0/5 * * * ? *)"}});
  call("PutTargets",
       {{"Rule", "sweep"},
        {"Targets", json::array{{{"Id", "f"}, {"Arn", "arn:aws:lambda:us-east-1:000000000000:function:f"}}}}});
  clock.advance(std::chrono::hours(24));
  bus->start();
  run(pause(Duration(20)), io);
  settle();
  EXPECT_EQ(targets.attempts, 1);
}

TEST_F(BusTest, ADeeplyNestedEventIsDelivered) {
  bus->start();
  push_rule();
  std::string deep = "1";
  for (int i = 0; i < kNestingMax - 2; ++i) deep = "[" + deep + "]";
  const auto put = [&](const std::string& detail) {
    return call("PutEvents",
                {{"Entries", json::array{{{"Source", "shop"}, {"DetailType", "Sold"}, {"Detail", detail}}}}});
  };
  EXPECT_EQ(get_int(put(R"({"a":)" + deep + "}"), "FailedEntryCount"), 0);
  const auto refused = put(R"({"a":[)" + deep + "]}");
  EXPECT_EQ(refused.at("Entries").at(0).at("ErrorCode"), "MalformedDetail");
  settle();
  EXPECT_EQ(targets.delivered.size(), 1U);
}

TEST_F(BusTest, WhatIsFinishedIsForgottenInStepsAndWhatIsNotStays) {
  constexpr long long kEvents = 10;
  auto fill = [](database::Transaction& tx) {
    for (long long i = 1; i <= kEvents; ++i) {
      const auto id = std::to_string(i);
      const auto event = append_event(tx, {.at = instant_ms(i), .event_id = id, .envelope = json::object{}});
      DeliveryRow row;
      row.event_number = event;
      row.event_id = id;
      row.received = instant_ms(i);
      add_delivery(tx, row);
      row.number = i;
      row.state = i == 3 ? DeliveryState::pending : DeliveryState::delivered;
      update_delivery(tx, row);
      add_attempt(tx, i, 1, instant_ms(i), "", "");
    }
    advance_cursor(tx, kEvents);
  };
  run(db.write(fill), io);
  constexpr long long kKeep = 4;
  PrunePass pass;
  int steps = 0;
  do {
    auto forget = [pass](database::Transaction& tx) { return prune(tx, Instant{}, kKeep, 2, pass); };
    pass = run(db.write(forget), io);
  } while (pass.more && ++steps < 100);
  EXPECT_GE(steps, 3) << "two rows a step";
  for (long long i = 1; i <= kEvents; ++i) {
    const bool kept = i == 3 || i > kEvents - kKeep;
    EXPECT_EQ(find_event(db.read(), std::to_string(i)).has_value(), kept) << i;
    EXPECT_EQ(find_delivery(db.read(), i).has_value(), kept) << i;
    EXPECT_EQ(attempts_of(db.read(), i).empty(), !kept) << i;
  }
}

// A target that keeps its events in this database.
constexpr const char* kKept = "arn:aws:lambda:us-east-1:000000000000:function:kept";

TEST_F(BusTest, WhatWaitsForATargetOfThisDatabaseIsHandedOverTogether) {
  push_rule({{"Arn", kKept}});
  std::multiset<std::string> expected;
  for (int i = 0; i < 3 * kTogetherMax / 2; ++i) expected.insert(put_event() + " f");
  bus->start();
  settle();
  EXPECT_EQ(targets.delivered, expected);
  EXPECT_EQ(attempts_of(db.read(), 1).size(), 1U);
}

TEST_F(BusTest, ARefusalOfATargetOfThisDatabaseIsTriedAgainOrGivenUp) {
  bus->start();
  push_rule({{"Arn", kKept}, {"DeadLetterConfig", {{"Arn", "arn:aws:sqs:us-east-1:000000000000:dlq"}}}});
  targets.fails_left = 1;
  put_event();
  settle();
  EXPECT_TRUE(targets.delivered.empty());
  clock.advance(kLongestBackOff);
  settle();
  EXPECT_EQ(targets.delivered.size(), 1U);
  targets.fails_left = 1;
  targets.fault = Fault::not_found;
  put_event();
  settle();
  ASSERT_EQ(dead_letters.letters.size(), 1U);
  EXPECT_EQ(dead_letters.last.at("ERROR_CODE").second, "NO_RESOURCE");
}

TEST_F(BusTest, OneThatCannotBeHandedOverTogetherIsHandedOverAlone) {
  bus->start();
  push_rule({{"Arn", kKept}});
  targets.throws = true;
  put_event();
  settle();
  EXPECT_EQ(targets.delivered.size(), 1U);
}

}  // namespace
}  // namespace slipway::events
