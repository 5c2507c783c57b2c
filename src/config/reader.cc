#include "config/reader.h"

#include <algorithm>
#include <charconv>

#include "base/text.h"

namespace slipway::config {
namespace {

constexpr std::size_t kNearDistanceMax = 3;  // Edits.

// How many letters must be changed, added or removed to make `b` of `a`.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
    }
  }
  return row[b.size()];
}

std::string kind_of(const YAML::Node& node) {
  if (node.IsSequence()) return "a list";
  if (node.IsMap()) return "a mapping";
  if (node.IsScalar()) return "a single value";
  return "nothing";
}

std::optional<long long> parse_integer(std::string_view text) {
  long long value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

std::string nearest(std::string_view word, const std::vector<std::string>& allowed) {
  std::string best;
  std::size_t best_distance = kNearDistanceMax + 1;
  for (const std::string& candidate : allowed) {
    const std::size_t distance = edit_distance(to_lower(word), candidate);
    // A word that would be changed throughout is not meant.
    if (distance < best_distance && distance < candidate.size()) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}

std::optional<Duration> parse_duration(std::string_view text) {
  const auto unit_at = text.find_first_not_of("0123456789");
  if (unit_at == 0 || unit_at == std::string_view::npos || unit_at > 9) return std::nullopt;
  const auto number = parse_integer(text.substr(0, unit_at));
  const std::string_view unit = text.substr(unit_at);
  if (!number) return std::nullopt;
  if (unit == "ms") return Duration(*number);
  if (unit == "s") return std::chrono::seconds(*number);
  if (unit == "m") return std::chrono::minutes(*number);
  if (unit == "h") return std::chrono::hours(*number);
  return std::nullopt;
}

std::string duration_text(Duration duration) {
  if (duration.count() % 1000 == 0) return fmt::format("{}s", duration.count() / 1000);
  return fmt::format("{}ms", duration.count());
}

std::string Reader::at(const YAML::Mark& place, std::string_view what) const {
  if (place.is_null()) return fmt::format("{}: {}", file_, what);
  return fmt::format("{}:{}:{}: {}", file_, place.line + 1, place.column + 1, what);
}

void Reader::wrong(const YAML::Mark& place, std::string_view what) {
  if (!error_) error_ = Error{.fault = Fault::invalid, .code = "SLW-201", .message = at(place, what)};
}

void Reader::warn(const YAML::Mark& place, std::string_view what) {
  warnings.push_back(at(place, what));
}

std::vector<std::pair<std::string, YAML::Node>> Reader::entries(const YAML::Node& node, std::string_view what) {
  std::vector<std::pair<std::string, YAML::Node>> out;
  if (!node.IsMap()) {
    wrong(node.Mark(), fmt::format("{} is {}; write a mapping (name: value)", what, kind_of(node)));
    return out;
  }
  for (const auto& pair : node) {
    const std::string key = scalar(pair.first, fmt::format("a key of {}", what));
    const bool again = std::ranges::any_of(out, [&](const auto& earlier) { return earlier.first == key; });
    if (again) wrong(pair.first.Mark(), fmt::format("{} has \"{}\" twice; keep one", what, key));
    out.emplace_back(key, pair.second);
  }
  return out;
}

bool Reader::mapping(const YAML::Node& node, std::string_view what, const std::vector<std::string>& allowed) {
  entries(node, what);
  if (!ok()) return false;
  for (const auto& pair : node) {
    const std::string key = pair.first.Scalar();
    if (std::ranges::find(allowed, key) != allowed.end()) continue;
    const std::string meant = nearest(key, allowed);
    const std::string hint = meant.empty() ? "" : fmt::format(" (did you mean {}?)", meant);
    wrong(pair.first.Mark(), fmt::format("{} has no \"{}\"{}; allowed: {}", what, key, hint, join(allowed, ", ")));
  }
  return ok();
}

std::string Reader::scalar(const YAML::Node& node, std::string_view what) {
  if (node.IsScalar()) return node.Scalar();
  wrong(node.Mark(), fmt::format("{} is {}; write a single value", what, kind_of(node)));
  return {};
}

void Reader::text(const YAML::Node& parent, const std::string& key, std::string& into) {
  const YAML::Node node = parent[key];
  if (!node || !ok()) return;
  into = scalar(node, key);
  if (ok() && into.empty()) wrong(node.Mark(), fmt::format("{} is empty", key));
}

void Reader::integer(const YAML::Node& parent, const std::string& key, Range range, int& into) {
  const YAML::Node node = parent[key];
  if (!node || !ok()) return;
  const std::string word = scalar(node, key);
  const auto value = parse_integer(word);
  if (!value || *value < range.low || *value > range.high) {
    wrong(node.Mark(),
          fmt::format("{} is \"{}\"; allowed: a whole number from {} to {}", key, word, range.low, range.high));
    return;
  }
  into = static_cast<int>(*value);
}

void Reader::duration(const YAML::Node& parent, const std::string& key, Duration low, Duration high, Duration& into) {
  const YAML::Node node = parent[key];
  if (!node || !ok()) return;
  const std::string word = scalar(node, key);
  const auto value = parse_duration(word);
  if (!value || *value < low || *value > high) {
    wrong(node.Mark(), fmt::format("{} is \"{}\"; allowed: a time like 5s or 300ms, from {} to {}", key, word,
                                   duration_text(low), duration_text(high)));
    return;
  }
  into = *value;
}

void Reader::texts(const YAML::Node& parent, const std::string& key, std::vector<std::string>& into) {
  const YAML::Node node = parent[key];
  if (!node || !ok()) return;
  if (!node.IsSequence()) {
    wrong(node.Mark(), fmt::format("{} is {}; write a list: [a, b]", key, kind_of(node)));
    return;
  }
  into.clear();
  for (const auto& item : node) into.push_back(scalar(item, fmt::format("an entry of {}", key)));
}

void Reader::text_map(const YAML::Node& parent, const std::string& key, std::map<std::string, std::string>& into) {
  const YAML::Node node = parent[key];
  if (!node || !ok()) return;
  for (const auto& [name, value] : entries(node, key)) {
    if (ok()) into[name] = value.IsNull() ? std::string() : scalar(value, name);
  }
}

void Reader::require_word(const YAML::Mark& place, std::string_view what, const std::string& word,
                          const std::vector<std::string>& allowed) {
  if (std::ranges::find(allowed, word) != allowed.end()) return;
  const std::string meant = nearest(word, allowed);
  const std::string hint = meant.empty() ? "" : fmt::format(" (did you mean {}?)", meant);
  wrong(place, fmt::format("{} is \"{}\"{}; allowed: {}", what, word, hint, join(allowed, ", ")));
}

}  // namespace slipway::config
