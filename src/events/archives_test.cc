#include "events/archives.h"

#include <gtest/gtest.h>

#include "events/bus_test.h"

namespace slipway::events {
namespace {

constexpr const char* kBus = "arn:aws:events:us-east-1:000000000000:event-bus/default";
constexpr const char* kArchive = "arn:aws:events:us-east-1:000000000000:archive/sales";

class ArchivesTest : public BusTest {
 protected:
  void archive(json::object more = {}) {
    json::object input{{"ArchiveName", "sales"}, {"EventSourceArn", kBus}};
    for (const auto& member : more) input[member.key()] = member.value();
    call("CreateArchive", input);
  }
  json::object replay(const char* name, json::object more = {}) {
    const double now = epoch_seconds(clock.now());
    json::object input{{"ReplayName", name},
                       {"EventSourceArn", kArchive},
                       {"EventStartTime", now - 3600},
                       {"EventEndTime", now + 3600},
                       {"Destination", {{"Arn", kBus}}}};
    for (const auto& member : more) input[member.key()] = member.value();
    return call("StartReplay", input);
  }
  // Until the worker has nothing left to replay and deliver.
  void settle_replays() {
    bus->wake();
    for (int i = 0; i < kPollsMax && replays_wait(db.read()); ++i) run(pause(Duration(1)), io);
    settle();
  }
};

TEST_F(ArchivesTest, AReplayBringsBackWhatTheArchiveKept) {
  bus->start();
  archive({{"EventPattern", R"({"source":["shop"]})"}});
  push_rule();
  const auto id = put_event();
  put_event("other");
  settle();
  EXPECT_EQ(get_int(call("DescribeArchive", {{"ArchiveName", "sales"}}), "EventCount"), 1);
  EXPECT_EQ(get_string(replay("again"), "State"), "STARTING");
  settle_replays();
  EXPECT_EQ(targets.delivered.count(id + " f"), 2U);
  EXPECT_EQ(json::parse(targets.last_payload).at("replay-name"), "again");
  const auto described = call("DescribeReplay", {{"ReplayName", "again"}});
  EXPECT_EQ(get_string(described, "State"), "COMPLETED");
  EXPECT_TRUE(described.contains("ReplayEndTime"));
  // What was replayed is not kept a second time.
  EXPECT_EQ(get_int(call("DescribeArchive", {{"ArchiveName", "sales"}}), "EventCount"), 1);
}

TEST_F(ArchivesTest, AReplayGoesToTheRulesAskedForAlone) {
  bus->start();
  archive();
  push_rule();
  call("PutRule", {{"Name", "other"}, {"EventPattern", R"({"source":["shop"]})"}});
  call("PutTargets",
       {{"Rule", "other"},
        {"Targets", json::array{{{"Id", "g"}, {"Arn", "arn:aws:lambda:us-east-1:000000000000:function:g"}}}}});
  const auto id = put_event();
  settle();
  replay("again", {{"Destination",
                    {{"Arn", kBus}, {"FilterArns", json::array{"arn:aws:events:us-east-1:000000000000:rule/other"}}}}});
  settle_replays();
  EXPECT_EQ(targets.delivered.count(id + " f"), 1U);
  EXPECT_EQ(targets.delivered.count(id + " g"), 2U);
}

TEST_F(ArchivesTest, AReplayOfManyGoesOnAfterAStop) {
  bus->start();
  archive();
  push_rule();
  constexpr int kEvents = 350;
  std::set<std::string> ids;
  for (int i = 0; i < kEvents; ++i) ids.insert(put_event() + " f");
  settle();
  targets.delivered.clear();
  replay("again");
  for (int i = 0; i < 3; ++i) {
    run(pause(Duration(1)), io);
    run(bus->stop(), io);
    restart();
    bus->start();
  }
  settle_replays();
  const std::set<std::string> seen(targets.delivered.begin(), targets.delivered.end());
  EXPECT_EQ(seen, ids);
}

TEST_F(ArchivesTest, AReplayThatIsCancelledEnds) {
  archive();
  replay("again");
  EXPECT_EQ(get_string(call("CancelReplay", {{"ReplayName", "again"}}), "State"), "CANCELLING");
  bus->start();
  settle_replays();
  EXPECT_EQ(get_string(call("DescribeReplay", {{"ReplayName", "again"}}), "State"), "CANCELLED");
  call("CancelReplay", {{"ReplayName", "again"}});
  EXPECT_EQ(last_error.code, "IllegalStatusException");
  EXPECT_EQ(last_error.message, "Replay again is not in a valid state for this operation.");
}

TEST_F(ArchivesTest, WhatIsOlderThanItsRetentionIsForgotten) {
  bus->start();
  archive({{"RetentionDays", 1}});
  put_event();
  settle();
  clock.advance(std::chrono::hours(25));
  settle();
  run(pause(Duration(20)), io);
  EXPECT_EQ(get_int(call("DescribeArchive", {{"ArchiveName", "sales"}}), "EventCount"), 0);
}

TEST_F(ArchivesTest, TheRuleOfAnArchiveIsManaged) {
  archive();
  const auto rule = call("DescribeRule", {{"Name", "Events-Archive-sales"}});
  EXPECT_EQ(get_string(rule, "ManagedBy"), kArchiveManager);
  call("DisableRule", {{"Name", "Events-Archive-sales"}});
  EXPECT_EQ(last_error.code, "ManagedRuleException");
  EXPECT_EQ(last_error.message, "Events-Archive-sales is a managed rule. Set 'force' parameter to true to override.");
  call("DeleteArchive", {{"ArchiveName", "sales"}});
  call("DescribeRule", {{"Name", "Events-Archive-sales"}});
  EXPECT_EQ(last_error.code, "ResourceNotFoundException");
}

TEST_F(ArchivesTest, WrongInputIsAnsweredAsAwsDoes) {
  archive();
  archive();
  EXPECT_EQ(last_error.message, "Archive sales already exists.");
  call("CreateArchive", {{"ArchiveName", "x"}, {"EventSourceArn", std::string(kBus) + "2"}});
  EXPECT_EQ(last_error.message, "Event bus default2 does not exist.");
  call("CreateArchive", {{"ArchiveName", "x"}, {"EventSourceArn", kBus}, {"EventPattern", "{"}});
  EXPECT_EQ(last_error.code, "InvalidEventPatternException");
  call("DescribeArchive", {{"ArchiveName", "none"}});
  EXPECT_EQ(last_error.message, "Archive none does not exist.");
  call("ListArchives", {{"NamePrefix", "s"}, {"State", "ENABLED"}});
  EXPECT_EQ(last_error.message,
            "At most one filter is allowed for ListArchives. Use either : State, EventSourceArn, or NamePrefix.");
  replay("r", {{"EventSourceArn", "arn:aws:events:us-east-1:000000000000:archive/none"}});
  EXPECT_EQ(last_error.message, "Parameter EventSourceArn is not valid. Reason: Archive none does not exist.");
  replay("r", {{"EventEndTime", 1}});
  EXPECT_EQ(last_error.message,
            "Parameter EventEndTime is not valid. Reason: EventStartTime must be before EventEndTime.");
  call("CreateEventBus", {{"Name", "orders"}});
  replay("r", {{"Destination", {{"Arn", "arn:aws:events:us-east-1:000000000000:event-bus/orders"}}}});
  EXPECT_EQ(last_error.message,
            "Parameter Destination.Arn is not valid. Reason: Cross event bus replay is not permitted.");
  for (int i = 0; i < 10; ++i) replay(("r" + std::to_string(i)).c_str());
  EXPECT_EQ(last_error, Error{});
  replay("r10");
  EXPECT_EQ(last_error.code, "LimitExceededException");
  replay("r1");
  EXPECT_EQ(last_error.message, "Replay r1 already exists.");
}

}  // namespace
}  // namespace slipway::events
