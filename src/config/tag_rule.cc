#include "config/tag_rule.h"

#include <algorithm>
#include <charconv>
#include <vector>

#include "base/text.h"

namespace slipway::config {
namespace {

constexpr std::size_t kTagLengthMax = 128;
constexpr std::size_t kVersionPartDigitsMax = 9;

struct Comparison {
  std::string_view relation;
  Version version;
  int parts = 3;  // How many parts were written: "^1.2" has two.
};
using Alternative = std::vector<Comparison>;

std::optional<long long> parse_number(std::string_view text) {
  if (text.empty() || text.size() > kVersionPartDigitsMax) return std::nullopt;
  if (!std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; })) return std::nullopt;
  if (text.size() > 1 && text.front() == '0') return std::nullopt;
  long long number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

// One to three numbers separated by dots; how many there were goes to `count`.
std::optional<Version> parse_parts(std::string_view text, int& count) {
  if (text.starts_with('v')) text.remove_prefix(1);
  const auto pieces = split(text, '.');
  if (pieces.size() > 3) return std::nullopt;
  Version version;
  count = 0;
  for (const std::string& piece : pieces) {
    const auto number = parse_number(piece);
    if (!number) return std::nullopt;
    version.parts[static_cast<std::size_t>(count++)] = *number;
  }
  return version;
}

std::optional<Comparison> parse_comparison(std::string_view text) {
  Comparison comparison{.relation = "="};
  for (const std::string_view relation : {">=", "<=", ">", "<", "=", "^", "~"}) {
    if (!text.starts_with(relation)) continue;
    comparison.relation = relation;
    text.remove_prefix(relation.size());
    break;
  }
  const auto version = parse_parts(text, comparison.parts);
  if (!version) return std::nullopt;
  comparison.version = *version;
  return comparison;
}

std::optional<std::vector<Alternative>> parse_range(std::string_view text) {
  std::vector<Alternative> alternatives(1);
  for (const std::string& word : split(text, ' ')) {
    if (word.empty()) continue;
    if (word == "||") {
      if (alternatives.back().empty()) return std::nullopt;
      alternatives.emplace_back();
      continue;
    }
    // The relation of a comparison points into static text, so that `word` may go.
    const auto comparison = parse_comparison(word);
    if (!comparison) return std::nullopt;
    alternatives.back().push_back(*comparison);
  }
  if (alternatives.back().empty()) return std::nullopt;
  return alternatives;
}

// The first version after `version` that differs in the part at `index`.
Version after(Version version, std::size_t index) {
  ++version.parts[index];
  for (std::size_t i = index + 1; i < version.parts.size(); ++i) version.parts[i] = 0;
  return version;
}

bool holds(const Comparison& comparison, const Version& version) {
  const Version& bound = comparison.version;
  const auto last_written = static_cast<std::size_t>(comparison.parts - 1);
  if (comparison.relation == ">=") return version >= bound;
  if (comparison.relation == "<") return version < bound;
  // A version that leaves parts out stands for all that begin like it: ">1" begins at 2.0.0, "<=1"
  // ends before it.
  if (comparison.relation == ">") return version >= after(bound, last_written);
  if (comparison.relation == "<=") return version < after(bound, last_written);
  if (comparison.relation == "=") return version >= bound && version < after(bound, last_written);
  if (comparison.relation == "~")
    return version >= bound && version < after(bound, std::min<std::size_t>(last_written, 1));
  // "^": nothing changes left of, and at, the first number that is not 0.
  std::size_t fixed = 0;
  while (fixed < last_written && bound.parts[fixed] == 0) ++fixed;
  return version >= bound && version < after(bound, fixed);
}

}  // namespace

std::optional<Version> parse_version(std::string_view text) {
  int count = 0;
  const auto version = parse_parts(text, count);
  return count == 3 ? version : std::nullopt;
}

bool matches(const TagRule& rule, std::string_view tag) {
  if (rule.kind == TagRule::Kind::exact) return rule.text == tag;
  if (rule.kind == TagRule::Kind::wildcard) return glob_match(rule.text, tag);
  const auto version = parse_version(tag);
  const auto range = parse_range(rule.text);
  if (!version || !range) return false;
  return std::ranges::any_of(*range, [&](const Alternative& all) {
    return std::ranges::all_of(all, [&](const Comparison& comparison) { return holds(comparison, *version); });
  });
}

bool follows_versions(const TagRule& rule) {
  if (rule.kind == TagRule::Kind::semver) return true;
  return rule.kind == TagRule::Kind::wildcard && glob_match(rule.text, "v1.2.3") &&
         !glob_match(rule.text, "git-0123456789abcdef0123456789abcdef01234567");
}

TagRule tag_rule(std::string text) {
  const bool wild = text.find_first_of("*?") != std::string::npos;
  return {.kind = wild ? TagRule::Kind::wildcard : TagRule::Kind::exact, .text = std::move(text)};
}

bool valid_version_range(std::string_view text) {
  return parse_range(text).has_value();
}

bool valid_tag(std::string_view text) {
  if (text.empty() || text.size() > kTagLengthMax || text.front() == '.' || text.front() == '-') return false;
  return std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' ||
           c == '-';
  });
}

}  // namespace slipway::config
