#include "events/pattern.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "events/predicate.h"

namespace slipway::events {
namespace {

bool match(const char* pattern, const char* event) {
  const auto compiled = compile(pattern);
  if (!compiled) {
    ADD_FAILURE() << compiled.error().message;
    return false;
  }
  return matches(*compiled, json::parse(event));
}

std::string test_data() {
  const char* folder = std::getenv("SLIPWAY_TESTDATA");
  return folder ? folder : std::string(SLIPWAY_SOURCE_DIR) + "/../shared/testdata";
}

void check_case(const json::object& one) {
  const auto name = get_string(one, "name");
  const auto expected = get_string(one, "expect");
  const auto compiled = compile(get_string(one, "pattern"));
  if (expected == "EXC") {
    ASSERT_FALSE(compiled) << name;
    EXPECT_EQ(compiled.error().code, get_string(one, "code")) << name;
    EXPECT_EQ(compiled.error().message, get_string(one, "message")) << name;
    return;
  }
  ASSERT_TRUE(compiled) << name << ": " << compiled.error().message;
  const auto event = parse_json(get_string(one, "event"));
  ASSERT_TRUE(event) << name;
  EXPECT_EQ(matches(*compiled, *event), expected == "POS") << name;
}

TEST(Pattern, AgreesWithEveryRecordedCase) {
  std::ifstream file(test_data() + "/patterns/cases.jsonl");
  if (!file) GTEST_SKIP() << "no pattern cases in " << test_data();
  int cases = 0;
  for (std::string line; std::getline(file, line); ++cases) check_case(json::parse(line).as_object());
  EXPECT_GT(cases, 90);
}

// Lines are "pattern  ==> event:Y   event:N   ".
TEST(Pattern, AgreesWithRecordedVerdictsOnCornerCases) {
  std::ifstream file(test_data() + "/patterns/event-ruler-verdicts.txt");
  if (!file) GTEST_SKIP() << "no verdicts in " << test_data();
  int checked = 0;
  int different = 0;
  for (std::string line; std::getline(file, line);) {
    const auto arrow = line.find("  ==> ");
    if (line.starts_with('#') || arrow == std::string::npos) continue;
    const auto compiled = compile(line.substr(0, arrow));
    std::string rest = line.substr(arrow + 6);
    for (std::size_t at = 0, end = 0; (end = rest.find("   ", at)) != std::string::npos; at = end + 3) {
      const std::string verdict = rest.substr(at, end - at);
      if (verdict.size() < 3 || verdict[verdict.size() - 2] != ':' || !compiled) continue;
      const auto event = parse_json(verdict.substr(0, verdict.size() - 2));
      if (!event) continue;
      ++checked;
      if (matches(*compiled, *event) != (verdict.back() == 'Y')) {
        ++different;
        std::printf("differs: %s on %s\n", line.substr(0, arrow).c_str(), verdict.c_str());
      }
    }
  }
  // What differs is numbers whose spelling the parser does not keep, and letters beyond the
  // alphabets that fold_case() knows.
  EXPECT_LE(different * 10, checked);
}

TEST(Pattern, AnEcrPushOfTheRightTagMatches) {
  const auto* pattern = R"({"source":["aws.ecr"],"detail":{"action-type":["PUSH"],"image-tag":["latest"]}})";
  EXPECT_TRUE(match(pattern, R"({"source":"aws.ecr","detail":{"action-type":"PUSH","image-tag":"latest"}})"));
  EXPECT_FALSE(match(pattern, R"({"source":"aws.ecr","detail":{"action-type":"PUSH","image-tag":"v2"}})"));
  EXPECT_FALSE(match(pattern, R"({"source":"aws.ecr","detail":{"action-type":"PUSH"}})"));
}

TEST(Pattern, FieldsOfOneArrayHoldForOneElement) {
  const auto* pattern = R"({"d":{"a":[1],"b":[2]}})";
  EXPECT_TRUE(match(pattern, R"({"d":[{"a":1,"b":2},{"a":3}]})"));
  EXPECT_FALSE(match(pattern, R"({"d":[{"a":1,"b":3},{"a":3,"b":2}]})"));
}

TEST(Pattern, IndependentArraysDoNotMultiply) {
  json::object event;
  std::string pattern = "{";
  for (int i = 0; i < 8; ++i) {
    const std::string key = "k" + std::to_string(i);
    event[key] = json::array(200, json::value(1));
    pattern += "\"" + key + "\":[1],";
  }
  pattern += R"("z":[{"exists":true}]})";
  event["z"] = 1;
  EXPECT_TRUE(match(pattern.c_str(), json::serialize(event).c_str()));
}

TEST(Pattern, WildcardsThatShareManyPrefixesAreTooComplex) {
  EXPECT_EQ(wildcard_complexity({"*:*:*:*:*:event-bus/*"}, 100), 11);
  EXPECT_EQ(wildcard_complexity({"*:stack/X/*"}, 100), 3);
  EXPECT_EQ(wildcard_complexity({"*:stack/A/*", "*:stack/B/*", "*:stack/C/*", "*:stack/D/*"}, 100), 12);
}

TEST(Pattern, AnUnknownMatcherIsNamedInTheError) {
  const auto refused = compile(R"({"a":[{"regexp":"x"}]})");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message, "Event pattern is not valid. Reason: Unrecognized match type regexp");
}

}  // namespace
}  // namespace slipway::events
