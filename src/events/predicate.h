// The predicates of the pattern language, one value of an event at a time.  Pure.
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "events/address.h"
#include "events/decimal.h"

namespace slipway::events {

// A leaf of an event: null, a boolean, a number as it is spelled, or a text with its escapes resolved.
struct Value {
  enum class Kind { null, yes, no, number, text };
  Kind kind = Kind::null;
  std::string_view text;
};

struct Bound {
  Decimal at;
  bool given = false;
  bool open = false;  // The bound itself is not in the range.
};

struct Range {
  Bound low, high;
  bool contains(const Decimal& value) const;
};

enum class Test {
  null,
  yes,
  no,
  text,
  number,  // An exact number.
  prefix,
  suffix,
  same_ignoring_case,
  prefix_ignoring_case,
  suffix_ignoring_case,
  wildcard,
  range,         // numeric
  block,         // cidr, and an exact text that spells an IP address: any spelling of the address matches
  present,       // exists: true
  absent,        // exists: false
  anything_but,  // Present, and none of `none_of` holds.
};

struct Predicate {
  Test test = Test::null;
  std::string
      text;        // As the pattern has it; of an exact number its spelling, which may match where its value does not.
  Decimal number;  // Of an exact number that compares.
  bool compares = false;
  Range range;
  Block block;
  std::vector<Predicate> none_of;
};

// Whether `value` satisfies `predicate`.  `absent` is satisfied by no value.
bool holds(const Predicate& predicate, const Value& value);

}  // namespace slipway::events
