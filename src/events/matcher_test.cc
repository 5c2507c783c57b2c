#include "events/matcher.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <new>
#include <string>
#include <vector>

#include "events/globs.h"
#include "events/range_tree.h"

namespace {
std::size_t allocations = 0;
}

// Counts what the test below must not do.
void* operator new(std::size_t size) {
  ++allocations;
  if (void* memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}

namespace slipway::events {
namespace {

Matcher::Rule add(Matcher& matcher, const std::string& pattern) {
  const auto compiled = compile(pattern);
  EXPECT_TRUE(compiled) << pattern;
  return compiled ? matcher.add(*compiled) : 0;
}

std::vector<Matcher::Rule> matched(Matcher& matcher, std::string_view event) {
  const auto found = matcher.match(event);
  EXPECT_TRUE(found) << event << ": " << found.error().message;
  std::vector<Matcher::Rule> out;
  if (found) out.assign(found->begin(), found->end());
  std::sort(out.begin(), out.end());
  return out;
}

using Rules = std::vector<Matcher::Rule>;

std::vector<Kernel> kernels() {
  std::vector<Kernel> out;
  for (const auto kernel : {Kernel::portable, Kernel::avx2, Kernel::avx512}) {
    if (kernel <= best_kernel()) out.push_back(kernel);
  }
  return out;
}

// Wherever a text lies in a block, and whatever the kernel, the verdict is the same.
void expect_verdict(const std::string& value, bool valid) {
  for (std::size_t before = 0; before < 130; before += before < 70 ? 1 : 13) {
    const std::string text = std::string(before, ' ') + "{\"k\": " + value + "}";
    std::size_t at = 0;
    ASSERT_EQ(json_fault(text, at).empty(), valid) << value;
    for (const auto kernel : kernels()) {
      ASSERT_EQ(Scan(kernel).read(text), valid)
          << value << " behind " << before << ", kernel " << static_cast<int>(kernel);
    }
  }
}

TEST(Scan, TakesWhatIsJson) {
  for (const auto* value : {"1",
                            "-1",
                            "0",
                            "-0",
                            "10",
                            "0.5",
                            "1.25e3",
                            "1E+2",
                            "1e-2",
                            "123456789012345678901234567890",
                            "true",
                            "false",
                            "null",
                            "\"\"",
                            "\"a\\\"b\"",
                            "\"\\\\\"",
                            "\"\\u00e9\\/\\b\\f\\n\\r\\t\"",
                            "\"{[,:]}\"",
                            "[]",
                            "{}",
                            "[[],{}]",
                            "[1,2 , 3]",
                            "[true,false,null]",
                            "{\"a\":{\"b\":[1,{\"c\":null}]},\"d\":\"e\"}",
                            "\"\xc3\xa9\xe2\x82\xac\xf0\x90\x90\x80\"",
                            "[\t\n\r 1 \t]",
                            "{\"a\" :1 , \"b\": 2}",
                            "[1.5,2.5e5,\"x\"]"}) {
    expect_verdict(value, true);
  }
}

TEST(Scan, RefusesWhatIsNot) {
  for (const auto* value : {"",
                            "01",
                            "-",
                            "+1",
                            ".5",
                            "1.",
                            "1.e2",
                            "1e",
                            "1e+",
                            "1.2.3",
                            "1e2.5",
                            "1e2e3",
                            "1-2",
                            "--1",
                            "-a",
                            "0x1",
                            "00",
                            "-01",
                            "tru",
                            "truee",
                            "nul",
                            "True",
                            "falsefalse",
                            "null1",
                            "1null",
                            "\"",
                            "\"\\\"",
                            "\"\\x\"",
                            "\"\\u12g4\"",
                            "\"\\u12\"",
                            "\"a\nb\"",
                            "[",
                            "]",
                            "[1",
                            "[1,]",
                            "[,1]",
                            "[1 2]",
                            "[1:2]",
                            "{\"a\"}",
                            "{\"a\":}",
                            "{\"a\":1,}",
                            "{,}",
                            "{1:2}",
                            "{\"a\":1 \"b\":2}",
                            "{\"a\":1:2}",
                            "{\"a\":1,2}",
                            "{\"a\":1]",
                            "[1}",
                            "{\"a\":[1}]",
                            "1,2",
                            "\"a\"\"b\"",
                            "\"a\"1",
                            "1\"a\"",
                            "[]{}",
                            "{\"a\":\"b\":1}",
                            "[\"a\":1]",
                            "\"\x80\"",
                            "\"\xc3\"",
                            "\"\xed\xa0\x80\"",
                            "\"\xc0\xaf\"",
                            "\"\xf5\x80\x80\x80\"",
                            "\x01",
                            "1}{\"b\":2",
                            "1} x",
                            "'a'",
                            "{a:1}",
                            "NaN",
                            "[1,,2]",
                            "{\"a\":1,,\"b\":2}",
                            "\\"}) {
    expect_verdict(value, false);
  }
  for (const auto* text : {"", " ", "[]", "1", "\"a\"", "{", "}", "{}{}", "{} {", "{}1", ",{}", "{},"}) {
    for (const auto kernel : kernels()) EXPECT_FALSE(Scan(kernel).read(text)) << text;
  }
}

TEST(Scan, BoundsTheDepth) {
  const auto nested = [](std::size_t depth) {
    return "{\"a\":" + std::string(depth - 1, '[') + std::string(depth - 1, ']') + "}";
  };
  for (const auto kernel : kernels()) {
    EXPECT_TRUE(Scan(kernel).read(nested(kEventDepthMax)));
    EXPECT_FALSE(Scan(kernel).read(nested(kEventDepthMax + 1)));
  }
}

TEST(Matcher, SaysWhereAnEventIsNoJson) {
  Matcher matcher;
  const auto refused = matcher.match(R"({"a": 01})");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, "InvalidEvent");
  EXPECT_EQ(refused.error().message,
            "The event is not valid JSON at byte 7: a comma or a closing bracket must stand here");
}

TEST(Matcher, FindsEachRuleThatMatchesOnce) {
  Matcher matcher;
  const auto a = add(matcher, R"({"x":["1","2"]})");
  const auto b = add(matcher, R"({"$or":[{"x":["1"]},{"y":["1"]}]})");
  const auto c = add(matcher, R"({"x":[{"prefix":"1"}],"y":["1"]})");
  add(matcher, R"({"x":["3"]})");
  EXPECT_EQ(matched(matcher, R"({"x":["1","2","1"],"y":"1"})"), (Rules{a, b, c}));
  EXPECT_EQ(matched(matcher, R"({"y":"1"})"), (Rules{b}));
  EXPECT_EQ(matched(matcher, R"({})"), (Rules{}));
}

TEST(Matcher, ForgetsARuleThatIsRemoved) {
  Matcher matcher;
  const auto empty = matcher.bytes();
  std::vector<Matcher::Rule> rules;
  const auto pattern = [](int i) {
    const auto n = std::to_string(i);
    return R"({"a":["v)" + n + R"(",{"prefix":"p)" + n + R"("},{"wildcard":"*w)" + n + R"(*"}],"k)" + n +
           R"(":[{"exists":false}],"n":[{"numeric":[">",)" + n + R"(]},{"anything-but":{"suffix":["x)" + n +
           R"("]}}]})";
  };
  for (int i = 0; i < 300; ++i) rules.push_back(add(matcher, pattern(i)));
  EXPECT_EQ(matched(matcher, R"({"a":"v7","n":400})"), (Rules{rules[7]}));
  for (int i = 0; i < 300; ++i) {
    if (i != 7) matcher.remove(rules[static_cast<std::size_t>(i)]);
  }
  EXPECT_EQ(matched(matcher, R"({"a":"p7 w8","n":400})"), (Rules{rules[7]}));
  EXPECT_EQ(matched(matcher, R"({"a":"v8","n":400})"), (Rules{}));
  EXPECT_EQ(matched(matcher, R"({"a":"p7","n":400,"k7":1})"), (Rules{}));
  matcher.remove(rules[7]);
  EXPECT_EQ(matcher.size(), 0U);
  EXPECT_EQ(matched(matcher, R"({"a":"p7","n":400})"), (Rules{}));
  const auto used = matcher.bytes();
  for (int round = 0; round < 3; ++round) {  // What was given back is used again.
    rules.clear();
    for (int i = 0; i < 300; ++i) rules.push_back(add(matcher, pattern(i)));
    for (const auto rule : rules) matcher.remove(rule);
  }
  EXPECT_LE(matcher.bytes(), 2 * used);
  EXPECT_GT(used, empty);
}

TEST(Matcher, AValueThatIsExcludedTwiceIsExcludedOnce) {
  Matcher matcher;
  const auto rule = add(matcher, R"({"b":[{"anything-but":[1.0,10e-1]}]})");
  EXPECT_EQ(matched(matcher, R"({"b":[1.0,"1"]})"), (Rules{rule}));
  EXPECT_EQ(matched(matcher, R"({"b":[1.0,1]})"), (Rules{}));
}

TEST(Matcher, AllocatesNothingForAnEventLikeOneItHasSeen) {
  Matcher matcher;
  for (
      const auto* pattern :
      {R"({"detail":{"state":["running",{"prefix":"r"},{"suffix":"G"},{"equals-ignore-case":"Running"}]}})",
       R"({"detail":{"n":[{"numeric":[">",0.5]}],"state":[{"wildcard":"r*n*"},{"anything-but":{"wildcard":["*x*","y*"]}}]}})",
       R"({"items":{"a":[1],"b":[2]},"ip":[{"cidr":"10.0.0.0/8"}],"z":[{"exists":false}]})"}) {
    add(matcher, pattern);
  }
  const std::vector<std::string> events = {
      R"({"detail":{"state":"running","n":17.25},"ip":"10.1.2.3","items":[{"a":1,"b":3},{"a":1,"b":2},{"b":2}]})",
      R"({"detail":{"state":"a \"quoted\" \u0072unninG","n":[0,1,2.5e3]},"ip":["::1","10.1.2.3"],"items":[]})"};
  for (const auto& event : events) matched(matcher, event);
  const auto before = allocations;
  std::size_t found = 0;
  for (int i = 0; i < 100; ++i) {
    for (const auto& event : events) found += matcher.match(event)->size();
  }
  EXPECT_EQ(allocations, before);
  EXPECT_GT(found, 0U);
}

TEST(Matcher, LooksAtEachWayToSpellAPath) {
  Matcher matcher;
  const auto rule = add(matcher, R"({"a":{"b":{"c":[1]}}})");
  for (const auto* event : {R"({"a":{"b":{"c":1}}})", R"({"a.b":{"c":1}})", R"({"a":{"b.c":1}})", R"({"a.b.c":1})",
                            R"({"a":{"x":1},"a.b":{"c":[1]}})", R"({"\u0061.b":{"\u0063":1}})"}) {
    EXPECT_EQ(matched(matcher, event), (Rules{rule})) << event;
  }
  EXPECT_EQ(matched(matcher, R"({"a":{"b":1},"b":{"c":1},"a.c":1,"a.":{"b.c":1}})"), (Rules{}));
}

TEST(Matcher, ManyKeysOfOneObjectAreFound) {
  Matcher matcher;
  std::vector<Matcher::Rule> rules;
  for (int i = 0; i < 100; ++i) rules.push_back(add(matcher, R"({"key number )" + std::to_string(i) + R"(":[1]})"));
  EXPECT_EQ(matched(matcher, R"({"key number 42":1,"key number 99":1,"key number 100":1})"),
            (Rules{rules[42], rules[99]}));
  for (int i = 0; i < 95; ++i) matcher.remove(rules[static_cast<std::size_t>(i)]);
  EXPECT_EQ(matched(matcher, R"({"key number 42":1,"key number 99":1})"), (Rules{rules[99]}));
}

// An array of objects whose elements satisfy each condition, but never both.
std::string crossed(int elements, const std::string& between) {
  std::string out = R"({"e":[)";
  for (int i = 0; i < elements; ++i) {
    out += i == 0 ? "" : ",";
    out += i % 2 == 0 ? R"({"f":1,)" + between + R"("l":0})" : R"({"f":0,)" + between + R"("l":1})";
  }
  return out + "]}";
}

TEST(Matcher, ComparesTheElementsOfALargeArrayInLinearTime) {
  Matcher matcher;
  const auto rule = add(matcher, R"({"e":{"f":[1],"l":[1]}})");
  EXPECT_EQ(matched(matcher, crossed(20'000, "")), (Rules{}));
  auto hit = crossed(20'000, "");
  hit.insert(hit.size() - 2, R"(,{"f":1,"l":1})");
  EXPECT_EQ(matched(matcher, hit), (Rules{rule}));
}

TEST(Matcher, RefusesAnEventWhoseArraysMultiply) {
  // The same path by several keys, each an array: every choice of elements is another one.
  Matcher matcher;
  std::string pattern = R"({"a":{)";
  for (int i = 0; i < 30; ++i) pattern += (i == 0 ? "\"k" : ",\"k") + std::to_string(i) + R"(":[1])";
  add(matcher, pattern + "}}");
  std::string event = "{";
  for (int array = 0; array < 30; ++array) {
    event += array == 0 ? R"("a":[)" : R"(,"a":[)";
    for (int element = 0; element < 20; ++element) {
      event += element == 0 ? "{" : ",{";
      bool first = true;
      for (int i = 0; i < 30; ++i) {
        if ((i * 7 + element * 3 + array) % 5 < 2 || i == 29) continue;
        event += (first ? "\"k" : ",\"k") + std::to_string(i) + "\":1";
        first = false;
      }
      event += "}";
    }
    event += "]";
  }
  event += R"(,"a":[{"k29":1},{"k28":1}]})";
  const auto answer = matcher.match(event);
  if (!answer) EXPECT_EQ(answer.error().code, "EventTooComplex");
}

TEST(Globs, KeepTheirCacheWithinItsBound) {
  Globs globs;
  for (std::uint32_t i = 0; i < 40; ++i) {
    const std::string letter(1, static_cast<char>('a' + i % 13));
    std::string text = "*" + letter;
    for (std::uint32_t k = 0; k < 6; ++k) text += "*" + std::string(1, static_cast<char>('a' + (i * 5 + k * 3) % 13));
    globs.add(read_glob(text + "*" + std::to_string(i)), i);
  }
  std::string text;
  std::uint64_t random = 1;
  for (int i = 0; i < 200'000; ++i) {
    random = random * 6364136223846793005U + 1442695040888963407U;
    text += static_cast<char>('a' + (random >> 33) % 13);
  }
  int found = 0;
  globs.each(text + "7", [&](std::uint32_t id) { found += id == 7 ? 1 : 100; });
  EXPECT_EQ(found, 1);  // The others end otherwise.
  EXPECT_LT(globs.bytes(), 4 * kGlobCacheMax);
}

TEST(RangeTree, FindsTheRangesAroundAValue) {
  const auto value = [](int i) { return read_decimal(std::to_string(i)).value; };
  RangeTree tree;
  std::vector<Range> ranges;
  for (int i = 0; i < 500; ++i) {
    Range range;
    if (i % 11 != 0) range.low = {.at = value(i * 37 % 1000), .given = true, .open = i % 2 == 0};
    if (i % 7 != 0) range.high = {.at = value(i * 37 % 1000 + i % 90 + 1), .given = true, .open = i % 3 == 0};
    ranges.push_back(range);
    tree.add(range, static_cast<std::uint32_t>(i));
  }
  const auto expect_found = [&](int from) {
    for (int x = -5; x < 1100; x += 3) {
      Rules found;
      tree.each(value(x), [&](std::uint32_t id) { found.push_back(id); });
      std::sort(found.begin(), found.end());
      Rules expected;
      for (int i = from; i < 500; ++i) {
        if (ranges[static_cast<std::size_t>(i)].contains(value(x))) expected.push_back(static_cast<std::uint32_t>(i));
      }
      ASSERT_EQ(found, expected) << x;
    }
  };
  expect_found(0);
  for (int i = 0; i < 250; ++i) tree.remove(ranges[static_cast<std::size_t>(i)], static_cast<std::uint32_t>(i));
  expect_found(250);
}

}  // namespace
}  // namespace slipway::events
