#include "config/reader.h"

#include <algorithm>
#include <charconv>
#include <regex>

#include "base/text.h"

namespace slipway::config {
namespace {

constexpr std::size_t kNearDistanceMax = 3;    // Edits.
constexpr std::size_t kPatternTextMax = 4096;  // Bytes; std::regex needs stack for each of them.

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

std::string Reader::at(const YAML::Mark& place, std::string_view what) const {
  if (place.is_null()) return fmt::format("{}: {}", file_, what);
  return fmt::format("{}:{}:{}: {}", file_, place.line + 1, place.column + 1, what);
}

void Reader::wrong(const YAML::Mark& place, std::string_view what) {
  if (!error_) error_ = Error{.fault = Fault::invalid, .code = "SLW-201", .message = at(place, what)};
}

void Reader::warn(const YAML::Mark& place, std::string_view what) {
  // What holds in several environments is read once for each of them.
  const std::string warning = at(place, what);
  if (std::ranges::find(warnings, warning) == warnings.end()) warnings.push_back(warning);
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

std::string Reader::scalar(const YAML::Node& node, std::string_view what) {
  if (node.IsScalar()) return node.Scalar();
  wrong(node.Mark(), fmt::format("{} is {}; write a single value", what, kind_of(node)));
  return {};
}

void Reader::require_word(const YAML::Mark& place, std::string_view what, const std::string& word,
                          const std::vector<std::string>& allowed) {
  if (std::ranges::find(allowed, word) != allowed.end()) return;
  const std::string meant = nearest(word, allowed);
  const std::string hint = meant.empty() ? "" : fmt::format(" (did you mean {}?)", meant);
  wrong(place, fmt::format("{} is \"{}\"{}; allowed: {}", what, word, hint, join(allowed, ", ")));
}

Section::Section(Reader& reader, YAML::Node node, const Table& table, std::string what, bool on_top)
    : reader_(reader), node_(std::move(node)), table_(table) {
  if (what.empty()) what = table.name;
  reader_.entries(node_, what);
  if (!ok()) return;
  const std::vector<std::string> allowed = member_names(table);
  for (const auto& pair : node_) {
    const std::string key = pair.first.Scalar();
    if (find(key) != nullptr) continue;
    const std::string meant = nearest(key, allowed);
    const std::string hint = meant.empty() ? "" : fmt::format(" (did you mean {}?)", meant);
    reader_.wrong(pair.first.Mark(),
                  fmt::format("{} has no \"{}\"{}; allowed: {}", what, key, hint, join(allowed, ", ")));
  }
  for (const Member& described : table.members) {
    if (described.needed && !on_top && !has(std::string(described.name)))
      reader_.wrong(place(),
                    fmt::format("{} has no {}; it is needed: {}", what, described.name, allowed_text(described)));
  }
}

YAML::Node Section::member(const std::string& name) const {
  const YAML::Node& node = node_;  // The operator of a constant node adds nothing to it.
  return node.IsMap() ? node[name] : YAML::Node(YAML::NodeType::Undefined);
}

YAML::Mark Section::place(const std::string& name) const {
  const YAML::Node found = member(name);
  return found ? found.Mark() : node_.Mark();
}

void Section::text(const std::string& name, std::string& into) {
  const Member* const described = find(name);
  if (described == nullptr || !has(name) || !ok()) return;
  std::string value = reader_.scalar(member(name), name);
  if (ok() && value.empty()) return wrong(name, name + " is empty; allowed: " + allowed_text(*described));
  if (!described->pattern.empty() &&
      (value.size() > kPatternTextMax || !std::regex_match(value, std::regex(std::string(described->pattern)))))
    wrong(name,
          fmt::format("{} is \"{}\"; allowed: {}", name, value.substr(0, kPatternTextMax), allowed_text(*described)));
  if (ok()) into = std::move(value);
}

void Section::number(const std::string& name, long long& into) {
  const Member* const described = find(name);
  if (described == nullptr || !has(name) || !ok()) return;
  const std::string word = reader_.scalar(member(name), name);
  const auto value = parse_integer(word);
  if (!value || *value < described->range.low || *value > described->range.high)
    return wrong(name, fmt::format("{} is \"{}\"; allowed: {}", name, word, allowed_text(*described)));
  if (ok()) into = *value;
}

void Section::number(const std::string& name, int& into) {
  long long value = into;
  number(name, value);
  into = static_cast<int>(value);
}

void Section::time(const std::string& name, Duration& into) {
  const Member* const described = find(name);
  if (described == nullptr || !has(name) || !ok()) return;
  const std::string word = reader_.scalar(member(name), name);
  const auto value = parse_duration(word);
  if (!value || value->count() < described->range.low || value->count() > described->range.high)
    return wrong(name, fmt::format("{} is \"{}\"; allowed: {}", name, word, allowed_text(*described)));
  if (ok()) into = *value;
}

void Section::texts(const std::string& name, std::vector<std::string>& into) {
  const Member* const described = find(name);
  if (described == nullptr || !has(name) || !ok()) return;
  const YAML::Node node = member(name);
  if (!node.IsSequence()) return wrong(name, fmt::format("{} is {}; write a list: [a, b]", name, kind_of(node)));
  into.clear();
  for (const auto& item : node) {
    const std::string word = reader_.scalar(item, fmt::format("an entry of {}", name));
    if (ok() && !described->words.empty()) reader_.require_word(item.Mark(), name, word, described->words);
    into.push_back(word);
  }
}

void Section::text_map(const std::string& name, std::map<std::string, std::string>& into) {
  if (find(name) == nullptr || !has(name) || !ok()) return;
  for (const auto& [key, value] : reader_.entries(member(name), name)) {
    if (ok()) into[key] = value.IsNull() ? std::string() : reader_.scalar(value, key);
  }
}

}  // namespace slipway::config
