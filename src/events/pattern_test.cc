#include "events/pattern.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "events/casing.h"
#include "events/decimal.h"
#include "events/glob.h"

namespace slipway::events {
namespace {

bool match(std::string_view pattern, std::string_view event) {
  const auto compiled = compile(pattern);
  if (!compiled) {
    ADD_FAILURE() << compiled.error().message;
    return false;
  }
  const auto matched = matches(*compiled, event);
  if (!matched) ADD_FAILURE() << event << ": " << matched.error().message;
  return matched.value_or(false);
}

std::string refusal(std::string_view pattern) {
  const auto compiled = compile(pattern);
  if (compiled) return "accepted";
  EXPECT_EQ(compiled.error().code, "InvalidEventPatternException");
  static constexpr std::string_view kBefore = "Event pattern is not valid. Reason: ";
  EXPECT_TRUE(compiled.error().message.starts_with(kBefore));
  return compiled.error().message.substr(kBefore.size());
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
  const auto matched = matches(*compiled, get_string(one, "event"));
  ASSERT_TRUE(matched) << name << ": " << matched.error().message;
  EXPECT_EQ(*matched, expected == "POS") << name;
}

TEST(Pattern, AgreesWithEveryRecordedAnswerOfAws) {
  std::ifstream file(test_data() + "/patterns/cases.jsonl");
  if (!file) GTEST_SKIP() << "no pattern cases in " << test_data();
  int cases = 0;
  for (std::string line; std::getline(file, line); ++cases) check_case(json::parse(line).as_object());
  EXPECT_GT(cases, 90);
}

// "event:Y", "event:N" or "event:EXC[why]".
void check_verdict(const std::string& pattern, const std::string& verdict) {
  const auto refused = verdict.rfind(":EXC[");
  const auto compiled = compile(pattern);
  if (!compiled) {  // What the pattern itself is refused for is told of each event.
    ASSERT_NE(refused, std::string::npos) << pattern << " on " << verdict << ": " << compiled.error().message;
    EXPECT_EQ(refusal(pattern), verdict.substr(refused + 5, verdict.size() - refused - 6)) << pattern;
    return;
  }
  if (refused != std::string::npos) {
    EXPECT_FALSE(matches(*compiled, verdict.substr(0, refused))) << pattern << " on " << verdict;
    return;
  }
  const auto event = verdict.substr(0, verdict.size() - 2);
  const auto matched = matches(*compiled, event);
  const bool trailing = event.ends_with(" x") || event.ends_with("}{\"a\":2}");
  EXPECT_EQ(matched.has_value(), !trailing) << event;  // We take nothing after the event; event-ruler does not look.
  if (!trailing && matched) EXPECT_EQ(*matched, verdict.back() == 'Y') << pattern << " on " << verdict;
}

// "COMPILE pattern -> OK" or "COMPILE pattern -> why", perhaps with "   || RuleCompiler: …", which AWS does not use.
void check_compiled(const std::string& line) {
  const auto arrow = line.find(" -> ");
  const auto pattern = line.substr(8, arrow - 8);
  auto expected = line.substr(arrow + 4, line.find("   || ") - arrow - 4);
  if (expected == "OK") expected = "accepted";
  EXPECT_EQ(refusal(pattern), expected) << pattern;
}

// Lines are "pattern  ==> verdict   verdict   " or "COMPILE …".
TEST(Pattern, AgreesWithTheVerdictsOfEventRuler) {
  std::ifstream file(test_data() + "/patterns/event-ruler-verdicts.txt");
  if (!file) GTEST_SKIP() << "no verdicts in " << test_data();
  int checked = 0;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("COMPILE ")) {
      check_compiled(line);
      ++checked;
    }
    const auto arrow = line.find("  ==> ");
    if (line.starts_with('#') || arrow == std::string::npos) continue;
    const std::string rest = line.substr(arrow + 6);
    for (std::size_t at = 0, end = 0; (end = rest.find("   ", at)) != std::string::npos; at = end + 3, ++checked) {
      check_verdict(line.substr(0, arrow), rest.substr(at, end - at));
    }
  }
  EXPECT_GT(checked, 300);
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
  EXPECT_EQ(wildcard_complexity({"a\\*b"}, 100), 0);
  EXPECT_EQ(
      refusal(
          R"({"a":[{"wildcard":"*:stack/X/*"},{"anything-but":{"wildcard":["*:stack/A/*","*:stack/B/*","*:stack/C/*"]}}]})"),
      "Rule is too complex - try using fewer wildcard characters or fewer repeating character sequences after a "
      "wildcard character");
}

TEST(Pattern, TheFirstFaultOfTheTextIsTold) {
  EXPECT_EQ(refusal(R"({"a":[{"foo":1}],"b":)"), "Unrecognized match type foo");
  EXPECT_EQ(refusal(R"({"a":[{"foo":tru}]})"),
            "Unrecognized token 'tru': was expecting (JSON String, Number, Array, Object or token 'null', 'true' or "
            "'false')");
  EXPECT_EQ(
      refusal(R"({"a":["x")"),
      R"--(Unexpected end-of-input: expected close marker for Array (start marker at [Source: (String)"{"a":["x""; line: 1, column: 6]))--");
  EXPECT_EQ(
      refusal(R"({"a":["x"})"),
      R"--(Unexpected close marker '}': expected ']' (for Array starting at [Source: (String)"{"a":["x"}"; line: 1, column: 6]))--");
  EXPECT_EQ(refusal(R"({"a" ["x"]})"),
            "Unexpected character ('[' (code 91)): was expecting a colon to separate field name and value");
  EXPECT_EQ(refusal(R"({"a":["x" "y"]})"),
            "Unexpected character ('\"' (code 34)): was expecting comma to separate Array entries");
  EXPECT_EQ(refusal(R"({"a":["x)"), "Unexpected end-of-input: was expecting closing quote for a string value");
  EXPECT_EQ(refusal("{\"a\":[\"x\ny\"]}"),
            "Illegal unquoted character ((CTRL-CHAR, code 10)): has to be escaped using backslash to be included in "
            "string value");
  EXPECT_EQ(
      refusal(R"({"a":[-x]})"),
      "Unexpected character ('x' (code 120)) in numeric value: expected digit (0-9) to follow minus sign, for valid "
      "numeric value");
}

TEST(Pattern, ALaterFieldOfTheSamePathReplacesAnEarlierOne) {
  EXPECT_TRUE(match(R"({"a":{"b":[1]},"a.b":[2]})", R"({"a":{"b":2}})"));
  EXPECT_FALSE(match(R"({"a":{"b":[1]},"a.b":[2]})", R"({"a":{"b":1}})"));
  EXPECT_TRUE(match(R"({"a":[5],"$or":[{"a":[1]},{"b":[2]}]})", R"({"a":1})"));
  EXPECT_FALSE(match(R"({"a":[5],"$or":[{"a":[1]},{"b":[2]}]})", R"({"b":2})"));
}

TEST(Pattern, HostileNestingOfOrIsRefusedAndNotMultiplied) {
  std::string wide = "{";
  for (int i = 0; i < 9; ++i) {
    const auto key = std::to_string(i);
    wide += "\"$or\":[{\"a" + key + "\":[1]},{\"b" + key + "\":[1]}],";
  }
  EXPECT_EQ(refusal(wide + "\"z\":[1]}"), "accepted");  // 512 alternatives.
  EXPECT_TRUE(refusal(wide + R"("$or":[{"z":[1]},{"y":[1]}]})").starts_with("Rule is too complex"));
  std::string deep = wide;
  for (int i = 0; i < 300; ++i) deep += R"("$or":[{)";
  EXPECT_TRUE(refusal(deep).starts_with("Rule is too complex"));
  EXPECT_EQ(refusal(std::string(5000, '[')), "Filter is not an object");
  std::string nested;
  for (int i = 0; i < 3000; ++i) nested += R"({"":)";
  EXPECT_EQ(refusal(nested), "Document nesting depth (1001) exceeds the maximum allowed (1000)");
}

TEST(Decimal, OrdersAsTheValuesDo) {
  const std::vector<std::string> ordered = {"-1e300", "-12.5",  "-12.05", "-1",     "-0.001", "-1e-300",
                                            "0",      "1e-300", "0.001",  "0.0011", "1",      "1.5",
                                            "9",      "10",     "12.05",  "12.5",   "1e300"};
  for (std::size_t i = 0; i + 1 < ordered.size(); ++i) {
    EXPECT_LT(read_decimal(ordered[i]).value, read_decimal(ordered[i + 1]).value) << ordered[i];
    EXPECT_TRUE(is_comparable(read_decimal(ordered[i]), ordered[i])) << ordered[i];
  }
  for (const auto* one :
       {"1", "1.0", "10e-1", "0.1e1", "0.01E+2", "100000000000000000000e-20", "1.00000000000000000000"}) {
    EXPECT_EQ(read_decimal(one).value, read_decimal("1").value) << one;
  }
  for (const auto* text :
       {"1e400", "1e-400", "9007199254740993", "0.1000000000000000055", "123456789012345678", "1e999999999999"}) {
    EXPECT_FALSE(is_comparable(read_decimal(text), text)) << text;
  }
}

TEST(Casing, TheFoldedFormOfEveryCharacterIsAtRest) {
  for (char32_t c = 1; c < 0x10000; ++c) {
    std::string one;
    append_utf8(one, c);
    std::string folded;
    fold_case(one, folded);
    std::string again;
    fold_case(folded, again);
    ASSERT_EQ(folded, again) << static_cast<unsigned>(c);
  }
}

TEST(Address, IsReadAsJavaReadsIt) {
  const auto same = [](const char* a, const char* b) {
    const auto x = read_address(a);
    const auto y = read_address(b);
    return x.size != 0 && x.size == y.size && std::equal(x.bytes, x.bytes + x.size, y.bytes);
  };
  EXPECT_TRUE(same("010.0.0.1", "10.0.0.1"));
  EXPECT_TRUE(same("::ffff:a00:1", "10.0.0.1"));
  EXPECT_TRUE(same("2001:DB8::1", "2001:0db8:0:0:0:0:0:1"));
  EXPECT_TRUE(same("1::", "1:0:0:0:0:0:0:0"));
  EXPECT_TRUE(same("::", "0:0:0:0:0:0:0:0"));
  for (const auto* text : {"10.0.0", "256.0.0.1", "1.2.3.4.5", "0000000000010.0.0.1", ":", ":::", "1:2:3:4:5:6:7",
                           "1::2::3", "1:2:3:4:5:6:7:8:9", "12345::", "::ffff:10.0.0.1", ":1::", "1:2:3:4:5:6:7:8::"}) {
    EXPECT_EQ(read_address(text).size, 0) << text;
  }
}

}  // namespace
}  // namespace slipway::events
