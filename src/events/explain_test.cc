#include "events/explain.h"

#include <gtest/gtest.h>

namespace slipway::events {
namespace {

const json::value kEvent = json::parse(
    R"({"source":"aws.ecr","detail":{"state":"stopped","tags":["a","b"],"parts":[{"n":1,"on":true},{"n":2,"on":false}]}})");

std::string why(std::string_view pattern) {
  const auto answer = explain(pattern, kEvent);
  if (!answer) return answer.error().code;
  return *answer ? (*answer)->text() : "matches";
}

TEST(Explain, AMatchNeedsNoReason) {
  EXPECT_EQ(why(R"({"source":["aws.ecr"],"detail":{"state":[{"prefix":"st"}]}})"), "matches");
}

TEST(Explain, TheFirstFieldThatFailsIsNamed) {
  EXPECT_EQ(why(R"({"source":["aws.ecr"],"detail":{"state":["running"],"tags":["c"]}})"),
            R"(detail.state is "stopped", asked was ["running"])");
  EXPECT_EQ(why(R"({"detail":{"owner":[{"exists":true}]}})"),
            R"(detail.owner is (absent), asked was [{"exists":true}])");
  EXPECT_EQ(why(R"({"detail":{"parts":{"n":[3]}}})"), "detail.parts.n is 1, 2, asked was [3]");
}

TEST(Explain, NoBranchOfAnOrHolds) {
  EXPECT_TRUE(why(R"({"detail":{"$or":[{"state":["a"]},{"tags":["c"]}]}})").starts_with("detail.$or is "));
}

TEST(Explain, FieldsOfDifferentElementsDoNotCombine) {
  EXPECT_EQ(why(R"({"detail":{"parts":{"n":[1],"on":[false]}}})"),
            "each field matches on its own, but not within the same element of an array");
}

TEST(Explain, APatternThatIsNoneIsAnError) {
  EXPECT_EQ(why(R"({"source":"x"})"), "InvalidEventPatternException");
}

}  // namespace
}  // namespace slipway::events
