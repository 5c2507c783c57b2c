// Wildcards of the pattern language: '*' stands for any run of bytes, "\*" and "\\" for themselves.  Pure.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace slipway::events {

// A wildcard without its escapes: the bytes, and which of them are stars.
struct Glob {
  std::string bytes;
  std::vector<bool> star;
};

// AWS's reason when the escapes or stars are wrong; empty when they are right.
std::string glob_fault(std::string_view pattern);
Glob read_glob(std::string_view pattern);
bool glob_matches(const Glob& glob, std::string_view text);  // Time: the product of the lengths at most.

// The largest number of prefixes of `patterns`, counting prefixes that hold a star, which one and the same text can
// match; counted up to `enough`.  It is what event-ruler's MachineComplexityEvaluator measures and AWS limits.  The
// search visits a bounded number of sets of prefixes, and answers `enough` when there are more.
int wildcard_complexity(const std::vector<std::string_view>& patterns, int enough);

}  // namespace slipway::events
