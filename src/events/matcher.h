// Matcher: many patterns, and which of them an event matches, in one pass over the event's text.  Pure.
//
// - The whole text is validated (RFC 8259, UTF-8, kEventDepthMax); of it only the fields that some pattern names are
// looked at.
// - An event allocates no memory once the buffers have seen one as large.
// - The time of an event is that of its text, of the values of named fields, and of the patterns that nearly match (see
//   rule_index.h); it does not depend on the number of patterns otherwise.
// - Adding and removing a pattern takes time in proportion to the pattern.
//
// What matches is what aws/event-ruler matches, with these differences: text after the event is refused (event-ruler
// does not look at it), and an event that would take more than kMatchWorkMax steps to compare the elements of its
// arrays is refused.
//
//     slipway::events::Matcher matcher;
//     const auto pattern = slipway::events::compile(R"({"source": ["aws.ecr"]})");
//     const auto rule = matcher.add(*pattern);
//     for (const auto matched : *matcher.match(R"({"source": "aws.ecr"})")) assert(matched == rule);
//
// Not thread-safe: matching writes into the matcher.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "base/result.h"
#include "events/pattern.h"
#include "events/scan.h"

namespace slipway::events {

// Steps that one event may take where arrays of objects are compared element by element; some tenths of a second.
constexpr std::size_t kMatchWorkMax = 20'000'000;

class Matcher {
 public:
  using Rule = std::uint32_t;

  explicit Matcher(Kernel kernel = best_kernel());
  ~Matcher();
  Matcher(Matcher&&) noexcept;
  Matcher& operator=(Matcher&&) noexcept;

  // Adds a pattern.  The numbers are small; that of a removed rule is given out again.
  Rule add(const Pattern& pattern);
  void remove(Rule rule);  // One that was added and not removed.
  std::size_t size() const;

  // The rules that `event` (a JSON object) matches, in no order that means anything; they stay where they are until the
  // next call.  Fails with Fault::invalid, "InvalidEvent" when it is no JSON, "EventTooComplex" beyond kMatchWorkMax.
  Result<std::span<const Rule>> match(std::string_view event);

  std::size_t bytes() const;  // Memory that the rules take, without what the allocator adds.

 private:
  class Run;
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace slipway::events
