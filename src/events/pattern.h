// Pattern: EventBridge's event pattern language, compiled, and whether an event matches it.  Pure.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html
//
// A pattern is kept as alternatives (one for each combination of $or branches), each a list of
// fields sorted by path, each field a list of predicates of which one must hold.  This flat form is
// what a matcher of many rules can index.
#pragma once
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace slipway::events {

// At most so many wildcard prefixes of one field may be alive at once; AWS calls a rule beyond it
// too complex.
constexpr int kWildcardComplexityMax = 10;
constexpr std::size_t kFieldsPerAlternativeMax = 256;
constexpr std::size_t kAlternativesMax = 1000;

// A number that compares: equal values compare equal however they were written.  Integers that a
// double cannot hold are equal to themselves only.
struct Number {
  double value = 0;
  bool comparable = true;
  std::string digits;  // Of an integer that is not comparable.
  bool operator==(const Number&) const = default;
};

struct Range {
  std::optional<double> low, high;
  bool low_open = false, high_open = false;
  bool contains(double value) const;
};

// An address block: the bytes of the network (4 or 16) and how many leading bits count.
struct Block {
  std::string network;
  int bits = 0;
  bool contains(std::string_view address) const;
};

enum class Test {
  null,
  yes,
  no,  // null, true, false
  text,
  number,  // exact
  prefix,
  suffix,
  same_ignoring_case,
  prefix_ignoring_case,
  suffix_ignoring_case,
  wildcard,
  range,
  block,  // numeric, cidr
  present,
  absent,        // exists
  anything_but,  // none of `none_of` holds
};

struct Predicate {
  Test test = Test::null;
  std::string text;
  std::string address;  // Of an exact text that spells an IP address: its bytes, so that other
                        // spellings match.
  Number number;
  Range range;
  Block block;
  std::vector<Predicate> none_of;
};

struct Field {
  std::string path;  // Keys joined with dots.
  std::vector<Predicate> any_of;
};

using Alternative = std::vector<Field>;

struct Pattern {
  std::vector<Alternative> any_of;
};

// Reads a pattern.  Fails with Fault::invalid, "InvalidEventPatternException" and AWS's sentence
// "Event pattern is not valid. Reason: …" (without the position in the text).
Result<Pattern> compile(std::string_view text);

// True when `event` (an object) matches.  Fields that lie in the same array must hold for the same
// element.
bool matches(const Pattern& pattern, const json::value& event);

}  // namespace slipway::events
