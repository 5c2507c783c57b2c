#include "events/predicate.h"

#include <algorithm>

#include "events/casing.h"
#include "events/glob.h"

namespace slipway::events {

namespace {

bool number_holds(const Predicate& predicate, std::string_view text) {
  const auto read = read_decimal(text);
  const bool compares = is_comparable(read, text);
  if (predicate.test == Test::range) return compares && predicate.range.contains(read.value);
  return (compares && predicate.compares && read.value == predicate.number) || text == predicate.text;
}

bool text_holds(const Predicate& predicate, std::string_view text) {
  switch (predicate.test) {
    case Test::text:
      return text == predicate.text;
    case Test::prefix:
      return text.starts_with(predicate.text);
    case Test::suffix:
      return text.ends_with(predicate.text);
    case Test::same_ignoring_case:
      return matches_ignoring_case(predicate.text, text, Part::whole);
    case Test::prefix_ignoring_case:
      return matches_ignoring_case(predicate.text, text, Part::front);
    case Test::suffix_ignoring_case:
      return matches_ignoring_case(predicate.text, text, Part::back);
    case Test::wildcard:
      return glob_matches(read_glob(predicate.text), text);
    case Test::block: {
      const auto address = read_address(text);
      return address.size != 0 && predicate.block.contains(address);
    }
    default:
      return false;
  }
}

}  // namespace

bool Range::contains(const Decimal& value) const {
  if (low.given && (low.open ? value <= low.at : value < low.at)) return false;
  return !(high.given && (high.open ? value >= high.at : value > high.at));
}

bool holds(const Predicate& predicate, const Value& value) {
  switch (predicate.test) {
    case Test::null:
      return value.kind == Value::Kind::null;
    case Test::yes:
      return value.kind == Value::Kind::yes;
    case Test::no:
      return value.kind == Value::Kind::no;
    case Test::present:
      return true;
    case Test::absent:
      return false;
    case Test::number:
    case Test::range:
      return value.kind == Value::Kind::number && number_holds(predicate, value.text);
    case Test::anything_but:
      return std::none_of(predicate.none_of.begin(), predicate.none_of.end(),
                          [&](const Predicate& inner) { return holds(inner, value); });
    default:
      return value.kind == Value::Kind::text && text_holds(predicate, value.text);
  }
}

}  // namespace slipway::events
