// Pattern: EventBridge's event pattern language, compiled, and whether an event matches it.  Pure.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html
//
// The grammar, the order of the checks and the texts are those of aws/event-ruler (JsonRuleCompiler), which AWS runs;
// they agree with every answer of AWS that is recorded (the cases of patterns.md).
//
// A pattern is kept as alternatives (one for each combination of $or branches), each a list of fields sorted by path,
// each field a list of predicates of which one must hold.  matcher.h matches many patterns at once.
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "events/predicate.h"

namespace slipway::events {

// At most so many wildcard prefixes of one field may be alive at once; AWS calls a rule beyond it too complex.
constexpr int kWildcardComplexityMax = 10;
constexpr std::size_t kFieldsPerAlternativeMax = 256;
constexpr std::size_t kAlternativesMax = 1000;
// AWS's API takes 4,096 characters, which are at most so many bytes.
constexpr std::size_t kPatternBytesMax = 4 * 4096;

struct Field {
  std::string path;  // Keys joined with dots.
  std::shared_ptr<const std::vector<Predicate>> any_of;
};

using Alternative = std::vector<Field>;

struct Pattern {
  std::vector<Alternative> any_of;
};

// Reads a pattern.  Fails with Fault::invalid, "InvalidEventPatternException" and AWS's sentence
// "Event pattern is not valid. Reason: …" (without the position in the text that AWS adds on further lines).
Result<Pattern> compile(std::string_view text);

// Whether the event `text` (a JSON object) matches one pattern.  Fields that lie in the same array must hold for the
// same element.  Fails with Fault::invalid where Matcher::match() does.  To match many events, keep a Matcher.
Result<bool> matches(const Pattern& pattern, std::string_view text);
// The same of an event that is a value already.  How its numbers were spelled is not known any more.
bool matches(const Pattern& pattern, const json::value& event);

}  // namespace slipway::events
