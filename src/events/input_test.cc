#include "events/input.h"

#include <gtest/gtest.h>

namespace slipway::events {
namespace {

const json::object kEvent =
    json::parse(R"({"id":"1","source":"aws.ecr","detail":{"tag":"latest","n":3,"list":["a","b"]}})").as_object();
const InputContext kContext{.rule_arn = "arn:aws:events:us-east-1:000000000000:rule/push", .rule_name = "push"};

TEST(Input, IsTheWholeEventByDefault) {
  EXPECT_EQ(json::parse(shape_input({}, kEvent, kContext)), json::value(kEvent));
}

TEST(Input, APathTakesAPart) {
  EXPECT_EQ(shape_input({.path = "$.detail.list[1]"}, kEvent, kContext), R"("b")");
  EXPECT_EQ(shape_input({.path = "$.nowhere"}, kEvent, kContext), "null");
}

TEST(Input, ATemplateInsertsTextInQuotesAndJsonElsewhere) {
  const InputShape shape{.template_text = R"({"t":"<tag>!","n":<n>,"rule":<aws.events.rule-name>,"gone":"<gone>"})",
                         .paths = {{"tag", "$.detail.tag"}, {"n", "$.detail.n"}, {"gone", "$.detail.gone"}}};
  ASSERT_TRUE(check_input(shape));
  EXPECT_EQ(shape_input(shape, kEvent, kContext), R"({"t":"latest!","n":3,"rule":"push","gone":""})");
}

std::string filled(std::string text, std::map<std::string, std::string> paths) {
  const InputShape shape{.template_text = std::move(text), .paths = std::move(paths)};
  const auto good = check_input(shape);
  return good ? shape_input(shape, kEvent, kContext) : good.error().message;
}

TEST(Input, InQuotesAnObjectLosesItsOwn) {
  EXPECT_EQ(filled(R"("got <d>")", {{"d", "$.detail"}}), R"("got {tag:latest,n:3,list:[a,b]}")");
  EXPECT_EQ(filled(R"({"t":"<l> and <n>"})", {{"l", "$.detail.list"}, {"n", "$.detail.n"}}), R"({"t":"[a,b] and 3"})");
  EXPECT_EQ(filled(R"({"t":<d>})", {{"d", "$.detail.list"}}), R"({"t":["a","b"]})");
}

TEST(Input, QuotedLinesAreATemplate) {
  EXPECT_EQ(filled("\"one <t>\"\n\"two <t>\"", {{"t", "$.detail.tag"}}), "\"one latest\"\n\"two latest\"");
}

TEST(Input, AStarGathersEveryElement) {
  const auto event = json::parse(R"({"detail":{"items":[{"id":1},{"id":2},{}]}})").as_object();
  EXPECT_EQ(shape_input({.path = "$.detail.items[*].id"}, event, kContext), "[1,2]");
  EXPECT_EQ(shape_input({.path = "$.detail.items[*].name"}, event, kContext), "null");
}

TEST(Input, EveryPredefinedVariableIsFilled) {
  const json::object event{{"id", "1"}, {"detail", {{"a", 1}}}};
  const InputShape shape{
      .template_text =
          R"({"arn":<aws.events.rule-arn>,"name":"<aws.events.rule-name>","at":<aws.events.event.ingestion-time>,)"
          R"("event":<aws.events.event>,"json":<aws.events.event.json>})"};
  ASSERT_TRUE(check_input(shape));
  EXPECT_EQ(json::parse(shape_input(shape, event, kContext)),
            (json::value{{"arn", kContext.rule_arn},
                         {"name", "push"},
                         {"at", "1970-01-01T00:00:00Z"},
                         {"event", {{"id", "1"}}},
                         {"json", {{"id", "1"}, {"detail", {{"a", 1}}}}}}));
}

TEST(Input, APlaceholderCannotBeAKey) {
  EXPECT_TRUE(filled(R"({"<t>":1})", {{"t", "$.detail.tag"}}).contains("cannot be a key"));
  EXPECT_TRUE(filled(R"("<t>")", {{"t.x", "$.detail.tag"}, {"t", "$.id"}}).contains("Invalid InputPathsMap key t.x"));
}

TEST(Input, APlaceholderThatNothingFillsIsRefused) {
  EXPECT_FALSE(check_input({.template_text = R"("<who>")"}));
  EXPECT_FALSE(check_input({.template_text = "not quoted", .paths = {{"a", "$.a"}}}));
  EXPECT_FALSE(check_input({.fixed = "{}", .path = "$.a"}));
}

}  // namespace
}  // namespace slipway::events
