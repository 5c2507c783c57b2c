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

TEST(Input, APlaceholderThatNothingFillsIsRefused) {
  EXPECT_FALSE(check_input({.template_text = R"("<who>")"}));
  EXPECT_FALSE(check_input({.template_text = "not quoted", .paths = {{"a", "$.a"}}}));
  EXPECT_FALSE(check_input({.fixed = "{}", .path = "$.a"}));
}

}  // namespace
}  // namespace slipway::events
