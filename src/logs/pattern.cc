#include "logs/pattern.h"

#include <algorithm>

#include "base/text.h"

namespace slipway::logs {

Result<Pattern> parse_pattern(std::string_view text) {
  text = trim(text);
  if (text.starts_with('{') || text.starts_with('[') || text.starts_with('%'))
    return fail(Fault::unsupported, "InvalidParameterException",
                "only plain terms are supported as a filter pattern here, e.g. ERROR \"not found\" -retried");
  Pattern pattern;
  while (!text.empty()) {
    std::vector<std::string>* kind = &pattern.all;
    if (text.front() == '?') kind = &pattern.any;
    if (text.front() == '-') kind = &pattern.none;
    if (kind != &pattern.all) text.remove_prefix(1);
    const bool quoted = text.starts_with('"');
    if (quoted) text.remove_prefix(1);
    const auto end = text.find(quoted ? '"' : ' ');
    if (quoted && end == std::string_view::npos)
      return fail(Fault::invalid, "InvalidParameterException",
                  "Invalid filter pattern: a quotation mark is not closed");
    const std::string_view term = text.substr(0, end);
    if (!term.empty()) kind->emplace_back(term);
    text = end == std::string_view::npos ? std::string_view{} : trim(text.substr(end + 1));
  }
  return pattern;
}

bool matches(const Pattern& pattern, std::string_view message) {
  const auto occurs = [&](const std::string& term) { return message.find(term) != std::string_view::npos; };
  if (!std::ranges::all_of(pattern.all, occurs) || std::ranges::any_of(pattern.none, occurs)) return false;
  const bool alone = pattern.all.empty() && pattern.none.empty() && !pattern.any.empty();
  return !alone || std::ranges::any_of(pattern.any, occurs);
}

}  // namespace slipway::logs
