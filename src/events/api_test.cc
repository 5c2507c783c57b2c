#include "events/api.h"

#include <gtest/gtest.h>

#include "events/bus_test.h"

namespace slipway::events {
namespace {

using EventsApi = BusTest;

constexpr const char* kPattern = R"({"source":["shop"]})";
constexpr const char* kFunction = "arn:aws:lambda:us-east-1:000000000000:function:f";

TEST_F(EventsApi, ATargetThatWeCannotReachIsRefused) {
  call("PutRule", {{"Name", "push"}, {"EventPattern", R"({"source":["shop"]})"}});
  const auto out = call(
      "PutTargets",
      {{"Rule", "push"}, {"Targets", json::array{{{"Id", "k"}, {"Arn", "arn:aws:kinesis:us-east-1:0:stream/s"}}}}});
  EXPECT_EQ(get_int(out, "FailedEntryCount"), 1);
}

TEST_F(EventsApi, ARuleWithTargetsCannotBeDeleted) {
  push_rule();
  call("DeleteRule", {{"Name", "push"}});
  EXPECT_EQ(last_error.message, "Rule can't be deleted since it has targets.");
  call("RemoveTargets", {{"Rule", "push"}, {"Ids", json::array{"f"}}});
  call("DeleteRule", {{"Name", "push"}});
  EXPECT_EQ(last_error, Error{});
  call("DescribeRule", {{"Name", "push"}});
  EXPECT_EQ(last_error.message, "Rule push does not exist on EventBus default.");
}

TEST_F(EventsApi, AnAwsSourceIsNotForUsers) {
  const auto out =
      call("PutEvents", {{"Entries", json::array{{{"Source", "aws.ecr"}, {"DetailType", "x"}, {"Detail", "{}"}}}}});
  EXPECT_EQ(get_int(out, "FailedEntryCount"), 1);
  EXPECT_EQ(out.at("Entries").at(0).at("ErrorCode"), "NotAuthorizedForSourceException");
}

TEST_F(EventsApi, RulesAreListedInPages) {
  for (const auto* name : {"a", "b", "c"})
    call("PutRule", {{"Name", name}, {"EventPattern", R"({"source":["shop"]})"}});
  const auto first = call("ListRules", {{"Limit", 2}});
  EXPECT_EQ(get_array(first, "Rules").size(), 2U);
  const auto second = call("ListRules", {{"Limit", 2}, {"NextToken", get_string(first, "NextToken")}});
  EXPECT_EQ(second.at("Rules").at(0).at("Name"), "c");
  EXPECT_FALSE(second.contains("NextToken"));
}

TEST_F(EventsApi, AnInvalidPatternIsRefused) {
  call("PutRule", {{"Name", "bad"}, {"EventPattern", R"({"source":"shop"})"}});
  EXPECT_EQ(last_error.code, "InvalidEventPatternException");
}

TEST_F(EventsApi, ABusIsMadeDescribedListedAndRemoved) {
  const auto made = call("CreateEventBus", {{"Name", "orders"},
                                            {"Description", "what is sold"},
                                            {"Tags", json::array{{{"Key", "team"}, {"Value", "shop"}}}}});
  EXPECT_EQ(get_string(made, "EventBusArn"), "arn:aws:events:us-east-1:000000000000:event-bus/orders");
  call("CreateEventBus", {{"Name", "orders"}});
  EXPECT_EQ(last_error.code, "ResourceAlreadyExistsException");
  EXPECT_EQ(last_error.message, "Event bus orders already exists.");
  const auto there = call("DescribeEventBus", {{"Name", get_string(made, "EventBusArn")}});
  EXPECT_EQ(get_string(there, "Description"), "what is sold");
  EXPECT_EQ(get_double(there, "CreationTime"), epoch_seconds(clock.now()));
  EXPECT_EQ(call("ListEventBuses", {{"NamePrefix", "ord"}}).at("EventBuses").as_array().size(), 1U);
  EXPECT_EQ(call("ListEventBuses", {}).at("EventBuses").as_array().size(), 2U);
  EXPECT_EQ(
      call("ListTagsForResource", {{"ResourceARN", get_string(made, "EventBusArn")}}).at("Tags").at(0).at("Value"),
      "shop");
  call("PutRule", {{"Name", "r"}, {"EventBusName", "orders"}, {"EventPattern", kPattern}});
  call("DeleteEventBus", {{"Name", "orders"}});
  EXPECT_EQ(last_error.message, "EventBus can't be deleted since it has rules.");
  call("DeleteRule", {{"Name", "r"}, {"EventBusName", "orders"}});
  call("DeleteEventBus", {{"Name", "orders"}});
  EXPECT_EQ(last_error, Error{});
  call("DescribeEventBus", {{"Name", "orders"}});
  EXPECT_EQ(last_error.code, "ResourceNotFoundException");
  EXPECT_EQ(last_error.message, "Event bus orders does not exist.");
}

TEST_F(EventsApi, TheDefaultBusStays) {
  call("DeleteEventBus", {{"Name", "default"}});
  EXPECT_EQ(last_error.message, "Cannot delete event bus default.");
  call("CreateEventBus", {{"Name", "default"}});
  EXPECT_EQ(last_error.message, "Event bus default already exists.");
  call("CreateEventBus", {{"Name", "a/b"}});
  EXPECT_EQ(last_error.message, "Event bus name must not contain '/'.");
}

TEST_F(EventsApi, RulesOfTwoBusesMayHaveOneName) {
  call("CreateEventBus", {{"Name", "orders"}});
  const auto here = call("PutRule", {{"Name", "r"}, {"EventPattern", kPattern}});
  const auto there = call("PutRule", {{"Name", "r"},
                                      {"EventBusName", "arn:aws:events:us-east-1:000000000000:event-bus/orders"},
                                      {"EventPattern", R"({"source":["till"]})"}});
  EXPECT_EQ(get_string(here, "RuleArn"), "arn:aws:events:us-east-1:000000000000:rule/r");
  EXPECT_EQ(get_string(there, "RuleArn"), "arn:aws:events:us-east-1:000000000000:rule/orders/r");
  EXPECT_EQ(get_string(call("DescribeRule", {{"Name", "r"}}), "EventPattern"), kPattern);
  const auto described = call("DescribeRule", {{"Name", "r"}, {"EventBusName", "orders"}});
  EXPECT_EQ(get_string(described, "EventPattern"), R"({"source":["till"]})");
  EXPECT_EQ(get_string(described, "EventBusName"), "orders");
  call("PutRule", {{"Name", "r"}, {"EventBusName", "gone"}, {"EventPattern", kPattern}});
  EXPECT_EQ(last_error.message, "Event bus gone does not exist.");
  call("PutRule", {{"Name", "s"}, {"EventBusName", "orders"}, {"ScheduleExpression", "rate(1 minute)"}});
  EXPECT_EQ(last_error.message, "ScheduleExpression is supported only on the default event bus.");
}

TEST_F(EventsApi, ABusHasOnlySoManyRules) {
  quotas.rules_per_bus = 2;
  restart();
  for (const auto* name : {"a", "b"}) call("PutRule", {{"Name", name}, {"EventPattern", kPattern}});
  EXPECT_EQ(last_error, Error{});
  call("PutRule", {{"Name", "c"}, {"EventPattern", kPattern}});
  EXPECT_EQ(last_error.code, "LimitExceededException");
  call("PutRule", {{"Name", "b"}, {"EventPattern", kPattern}});
  EXPECT_EQ(last_error, Error{});
}

TEST_F(EventsApi, ATargetThatFailsDoesNotKeepTheOthers) {
  call("PutRule", {{"Name", "r"}, {"EventPattern", kPattern}});
  const auto out =
      call("PutTargets",
           {{"Rule", "r"},
            {"Targets", json::array{{{"Id", "bad"}, {"Arn", "nonsense"}}, {{"Id", "good"}, {"Arn", kFunction}}}}});
  EXPECT_EQ(get_int(out, "FailedEntryCount"), 1);
  EXPECT_EQ(out.at("FailedEntries").at(0).at("ErrorMessage"),
            "Parameter nonsense is not valid. Reason: Provided Arn is not in correct format.");
  EXPECT_EQ(call("ListTargetsByRule", {{"Rule", "r"}}).at("Targets").as_array().size(), 1U);
  const auto removed = call("RemoveTargets", {{"Rule", "r"}, {"Ids", json::array{"good", "none"}}});
  EXPECT_EQ(get_int(removed, "FailedEntryCount"), 1);
  EXPECT_EQ(removed.at("FailedEntries").at(0).at("ErrorMessage"),
            "Rule 'r' does not have a target with the Id 'none'.");
}

TEST_F(EventsApi, ARuleHasFiveTargetsAtMost) {
  call("PutRule", {{"Name", "r"}, {"EventPattern", kPattern}});
  json::array six;
  for (int i = 0; i < 6; ++i) six.push_back({{"Id", std::to_string(i)}, {"Arn", kFunction}});
  call("PutTargets", {{"Rule", "r"}, {"Targets", six}});
  EXPECT_EQ(last_error.code, "LimitExceededException");
  EXPECT_EQ(call("ListTargetsByRule", {{"Rule", "r"}}).at("Targets").as_array().size(), 0U);
}

TEST_F(EventsApi, APermissionIsAddedReplacedAndRemoved) {
  call("RemovePermission", {{"StatementId", "other"}});
  EXPECT_EQ(last_error.message, "EventBus does not have a policy.");
  const json::object permission{
      {"Action", "events:PutEvents"}, {"Principal", "111111111111"}, {"StatementId", "other"}};
  call("PutPermission", permission);
  call("PutPermission", permission);
  const auto policy = parse_json(get_string(call("DescribeEventBus", {}), "Policy")).value();
  ASSERT_EQ(policy.at("Statement").as_array().size(), 1U);
  EXPECT_EQ(policy.at("Statement").at(0).at("Principal").at("AWS"), "arn:aws:iam::111111111111:root");
  call("RemovePermission", {{"StatementId", "nobody"}});
  EXPECT_EQ(last_error.message, "Statement with the provided id does not exist.");
  call("RemovePermission", {{"StatementId", "other"}});
  EXPECT_FALSE(call("DescribeEventBus", {}).contains("Policy"));
  call("PutPermission", {{"Action", "events:PutRule"}, {"Principal", "*"}, {"StatementId", "s"}});
  EXPECT_EQ(last_error.message, "Provided value in parameter 'action' is not supported.");
}

TEST_F(EventsApi, EventsForABusThatIsForbiddenAreRefused) {
  call("CreateEventBus", {{"Name", "orders"}});
  permissions.forbidden.insert("arn:aws:events:us-east-1:000000000000:event-bus/orders");
  call(
      "PutEvents",
      {{"Entries", json::array{{{"Source", "s"}, {"DetailType", "x"}, {"Detail", "{}"}},
                               {{"Source", "s"}, {"DetailType", "x"}, {"Detail", "{}"}, {"EventBusName", "orders"}}}}});
  EXPECT_EQ(last_error.code, "AccessDeniedException");
}

TEST_F(EventsApi, EventsForABusThatIsNotThereAreDroppedWithAWarning) {
  EXPECT_FALSE(put_event("shop", "gone").empty());
  ASSERT_EQ(last_warnings.size(), 1U);
  EXPECT_TRUE(last_warnings[0].contains("Event bus gone does not exist"));
}

TEST_F(EventsApi, EachEntryIsJudgedAlone) {
  const auto out =
      call("PutEvents", {{"Entries", json::array{{{"Source", "s"}, {"DetailType", "x"}, {"Detail", "{}"}},
                                                 {{"DetailType", "x"}, {"Detail", "{}"}},
                                                 {{"Source", "s"}, {"Detail", "{}"}},
                                                 {{"Source", "s"}, {"DetailType", "x"}},
                                                 {{"Source", "s"}, {"DetailType", "x"}, {"Detail", "[]"}}}}});
  EXPECT_EQ(get_int(out, "FailedEntryCount"), 4);
  const auto& entries = out.at("Entries").as_array();
  EXPECT_TRUE(entries[0].as_object().contains("EventId"));
  EXPECT_EQ(entries[1].at("ErrorMessage"), "Parameter Source is not valid. Reason: Source is a required argument.");
  EXPECT_EQ(entries[2].at("ErrorMessage"),
            "Parameter DetailType is not valid. Reason: DetailType is a required argument.");
  EXPECT_EQ(entries[3].at("ErrorMessage"), "Parameter Detail is not valid. Reason: Detail is a required argument.");
  EXPECT_EQ(entries[4].at("ErrorCode"), "MalformedDetail");
}

TEST_F(EventsApi, ACallThatIsTooLargeIsRefusedWhole) {
  const std::string big(kEntryBytesMax / 2, 'x');
  const json::object entry{{"Source", "s"}, {"DetailType", "x"}, {"Detail", R"({"a":")" + big + "\"}"}};
  call("PutEvents", {{"Entries", json::array{entry, entry}}});
  EXPECT_EQ(last_error.message, "Total size of the entries in the request is over the limit.");
}

TEST_F(EventsApi, TagsBelongToTheirResource) {
  const auto rule = get_string(call("PutRule", {{"Name", "r"}, {"EventPattern", kPattern}}), "RuleArn");
  call("TagResource", {{"ResourceARN", rule}, {"Tags", json::array{{{"Key", "a"}, {"Value", "1"}}}}});
  call("TagResource", {{"ResourceARN", rule}, {"Tags", json::array{{{"Key", "aws:a"}, {"Value", "1"}}}}});
  EXPECT_EQ(last_error.code, "ValidationException");
  call("UntagResource", {{"ResourceARN", rule}, {"TagKeys", json::array{"a"}}});
  EXPECT_TRUE(call("ListTagsForResource", {{"ResourceARN", rule}}).at("Tags").as_array().empty());
  call("ListTagsForResource", {{"ResourceARN", "arn:aws:events:us-east-1:000000000000:rule/none"}});
  EXPECT_EQ(last_error.message, "Rule none does not exist on EventBus default.");
}

TEST_F(EventsApi, APrefixPagesThroughManyRules) {
  for (int i = 0; i < 25; ++i) call("PutRule", {{"Name", "job-" + std::to_string(i)}, {"EventPattern", kPattern}});
  call("PutRule", {{"Name", "jon"}, {"EventPattern", kPattern}});
  std::set<std::string> seen;
  std::string next;
  do {
    json::object ask{{"NamePrefix", "job-"}, {"Limit", 10}};
    if (!next.empty()) ask["NextToken"] = next;
    const auto answer = call("ListRules", ask);
    for (const auto& rule : answer.at("Rules").as_array())
      EXPECT_TRUE(seen.insert(get_string(rule.as_object(), "Name")).second);
    next = get_string(answer, "NextToken");
  } while (!next.empty());
  EXPECT_EQ(seen.size(), 25U);
}

TEST_F(EventsApi, ATraceHeaderIsHandedOnAndSaidNothingOf) {
  bus->start();
  push_rule();
  const json::object entry{{"Source", "shop"},
                           {"DetailType", "Sold"},
                           {"Detail", "{}"},
                           {"TraceHeader", "Root=1-5759e988-bd862e3fe1be46a994272793"}};
  call("PutEvents", {{"Entries", json::array{entry}}});
  EXPECT_TRUE(last_warnings.empty());
  settle();
  EXPECT_EQ(targets.last.trace, "Root=1-5759e988-bd862e3fe1be46a994272793");
}

TEST_F(EventsApi, FifoQueuesAreRefusedAsTargetsAndForDeadLetters) {
  call("PutRule", {{"Name", "push"}, {"EventPattern", kPattern}});
  call("PutTargets", {{"Rule", "push"},
                      {"Targets", json::array{{{"Id", "q"},
                                               {"Arn", "arn:aws:sqs:us-east-1:000000000000:q.fifo"},
                                               {"SqsParameters", {{"MessageGroupId", "g"}}}}}}});
  EXPECT_NE(last_error.message.find("FIFO queue targets are not supported yet"), std::string::npos);
  const auto out =
      call("PutTargets",
           {{"Rule", "push"},
            {"Targets", json::array{{{"Id", "f"},
                                     {"Arn", kFunction},
                                     {"DeadLetterConfig", {{"Arn", "arn:aws:sqs:us-east-1:000000000000:q.fifo"}}}}}}});
  EXPECT_EQ(get_int(out, "FailedEntryCount"), 1);
}

TEST_F(EventsApi, RulesThatAreMadeChangedAndRemovedAreCounted) {
  quotas.rules_per_bus = 2;
  restart();
  for (const auto* name : {"a", "b", "a"}) call("PutRule", {{"Name", name}, {"EventPattern", kPattern}});
  EXPECT_EQ(last_error, Error{});
  call("PutRule", {{"Name", "c"}, {"EventPattern", kPattern}});
  EXPECT_EQ(last_error.code, "LimitExceededException");
  call("DeleteRule", {{"Name", "a"}});
  call("PutRule", {{"Name", "c"}, {"EventPattern", kPattern}});
  EXPECT_EQ(last_error, Error{});
}

}  // namespace
}  // namespace slipway::events
