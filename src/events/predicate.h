// The predicates of the pattern language, one value at a time.  Pure.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "events/pattern.h"

namespace slipway::events {

// Whether `value` (null, boolean, number or text) satisfies `predicate`.  `absent` is never
// satisfied by a value.
bool holds(const Predicate& predicate, const json::value& value);

// nullopt when `value` is no number.
std::optional<Number> number_of(const json::value& value);

// The 4 or 16 bytes of an IP address in any usual spelling; leading zeros are decimal
// ("010.0.0.1").
std::optional<std::string> address_of(std::string_view text);

// "10.0.0.0/8", "2001:db8::/32".  Host bits are ignored.  Fails with the reason AWS gives.
Result<Block> parse_block(std::string_view text);

// '*' stands for any run of characters; "\*" and "\\" for themselves.
bool wildcard_matches(std::string_view pattern, std::string_view text);

// Checks the escapes and stars of a wildcard; empty when it is fine, else AWS's reason.
std::string wildcard_fault(std::string_view pattern);

// The largest number of prefixes of `patterns` (prefixes that hold a star) which one and the same
// text can match, counted up to `enough`.  It is what a matcher has to keep in mind for each
// character.
int wildcard_complexity(const std::vector<std::string>& patterns, int enough);

// `text` as it compares without regard to case: letters of Latin, Greek and Cyrillic are made lower
// case.
std::string fold_case(std::string_view text);

}  // namespace slipway::events
