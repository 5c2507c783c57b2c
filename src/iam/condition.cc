#include "iam/condition.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <optional>

#include "base/instant.h"
#include "base/text.h"

namespace slipway::iam {
namespace {

// ---- texts with wildcards and variables ----

// A pattern whose variables have been replaced: each character, and whether it stands for itself.
struct Expanded {
  std::string text;
  std::vector<bool> literal;
  void add(std::string_view part, bool as_is) {
    text += part;
    literal.insert(literal.end(), part.size(), as_is);
  }
  bool is_wild(std::size_t at, char c) const { return text[at] == c && !literal[at]; }
};

// "key" or "key, 'default'" -> its value.
std::optional<std::string> value_of(std::string_view variable, const ConditionKeys& keys) {
  if (variable == "*" || variable == "?" || variable == "$") return std::string(variable);
  const auto comma = variable.find(',');
  const auto found = keys.find(to_lower(trim(variable.substr(0, comma))));
  if (found != keys.end() && found->second.size() == 1) return found->second.front();
  if (comma == std::string_view::npos || found != keys.end()) return std::nullopt;
  const std::string_view quoted = trim(variable.substr(comma + 1));
  if (quoted.size() < 2 || quoted.front() != '\'' || quoted.back() != '\'') return std::nullopt;
  return std::string(quoted.substr(1, quoted.size() - 2));
}

std::optional<Expanded> expand(std::string_view pattern, const Context& context) {
  Expanded out;
  while (!pattern.empty()) {
    const auto begin = context.variables ? pattern.find("${") : std::string_view::npos;
    out.add(pattern.substr(0, begin), false);
    if (begin == std::string_view::npos) break;
    const auto end = pattern.find('}', begin);
    if (end == std::string_view::npos) return std::nullopt;
    const auto value = value_of(pattern.substr(begin + 2, end - begin - 2), context.keys);
    if (!value) return std::nullopt;
    out.add(*value, true);
    pattern.remove_prefix(end + 1);
  }
  return out;
}

// Characters [from, to) of the pattern against `text`; the last '*' is gone back to when what follows it does not fit.
bool fits(const Expanded& pattern, std::size_t from, std::size_t to, std::string_view text) {
  std::size_t at = from, seen = 0, star = to, star_seen = 0;
  bool starred = false;
  while (seen < text.size()) {
    if (at < to && pattern.is_wild(at, '*')) {
      starred = true;
      star = at++;
      star_seen = seen;
    } else if (at < to && (pattern.is_wild(at, '?') || pattern.text[at] == text[seen])) {
      ++at;
      ++seen;
    } else if (starred) {
      at = star + 1;
      seen = ++star_seen;
    } else {
      return false;
    }
  }
  while (at < to && pattern.is_wild(at, '*')) ++at;
  return at == to;
}

// ARNs are compared part by part, so that '*' does not reach over a colon; the last part is the rest.
bool arn_fits(const Expanded& pattern, std::string_view arn) {
  std::size_t from = 0;
  for (int part = 0; part < 5; ++part) {
    const auto end = pattern.text.find(':', from);
    const auto arn_end = arn.find(':');
    if (end == std::string::npos || arn_end == std::string_view::npos) return false;
    if (!fits(pattern, from, end, arn.substr(0, arn_end))) return false;
    from = end + 1;
    arn.remove_prefix(arn_end + 1);
  }
  return fits(pattern, from, pattern.text.size(), arn);
}

// ---- typed values ----

std::optional<double> number_of(std::string_view text) {
  double value = 0;
  const auto end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stop != end) return std::nullopt;
  return value;
}

// ISO 8601, a day of it, or seconds since 1970; in milliseconds.
std::optional<double> date_of(std::string_view text) {
  if (const auto seconds = number_of(text)) return *seconds * 1000;
  const bool day = text.size() == 10 && text.find('T') == std::string_view::npos;
  const auto at = parse_iso(day ? std::string(text) + "T00:00:00Z" : std::string(text));
  if (!at) return std::nullopt;
  return static_cast<double>(at->ms());
}

// Addresses that begin with the same bits: "10.0.0.0/8", "2001:db8::/32"; an address alone is all of its bits.
struct Network {
  std::array<std::uint8_t, 16> bytes{};
  int length = 0;  // Of an address, in bits: 32 or 128.
  int prefix = 0;
};
std::optional<Network> network_of(const std::string& text) {
  const auto slash = text.find('/');
  const std::string address = text.substr(0, slash);
  Network network;
  if (::inet_pton(AF_INET, address.c_str(), network.bytes.data()) == 1) {
    network.length = 32;
  } else if (::inet_pton(AF_INET6, address.c_str(), network.bytes.data()) == 1) {
    network.length = 128;
  } else {
    return std::nullopt;
  }
  network.prefix = network.length;
  if (slash == std::string::npos) return network;
  const auto end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data() + slash + 1, end, network.prefix);
  if (error != std::errc() || stop != end || network.prefix < 0 || network.prefix > network.length) return std::nullopt;
  return network;
}
bool contains(const Network& network, const Network& address) {
  if (network.length != address.length || address.prefix != address.length) return false;
  for (int bit = 0; bit < network.prefix; ++bit) {
    const auto byte = static_cast<std::size_t>(bit / 8);
    const int mask = 0x80 >> (bit % 8);
    if ((network.bytes[byte] & mask) != (address.bytes[byte] & mask)) return false;
  }
  return true;
}

// ---- operators ----

enum class Test { equals, equals_ignoring_case, like, arn, boolean, number, date, address, null_key, unknown };
enum class Order { equal, less, less_equal, greater, greater_equal };  // Of the request's value to the policy's.

// An operator without its modifiers.
struct Known {
  std::string_view name;
  Test test = Test::unknown;
  bool negated = false;
  Order order = Order::equal;
};
constexpr std::array<Known, 26> kKnown = {{
    {"StringEquals", Test::equals},
    {"StringNotEquals", Test::equals, true},
    {"StringEqualsIgnoreCase", Test::equals_ignoring_case},
    {"StringNotEqualsIgnoreCase", Test::equals_ignoring_case, true},
    {"StringLike", Test::like},
    {"StringNotLike", Test::like, true},
    {"ArnEquals", Test::arn},
    {"ArnNotEquals", Test::arn, true},
    {"ArnLike", Test::arn},
    {"ArnNotLike", Test::arn, true},
    {"Bool", Test::boolean},
    {"NumericEquals", Test::number},
    {"NumericNotEquals", Test::number, true},
    {"NumericLessThan", Test::number, false, Order::less},
    {"NumericLessThanEquals", Test::number, false, Order::less_equal},
    {"NumericGreaterThan", Test::number, false, Order::greater},
    {"NumericGreaterThanEquals", Test::number, false, Order::greater_equal},
    {"DateEquals", Test::date},
    {"DateNotEquals", Test::date, true},
    {"DateLessThan", Test::date, false, Order::less},
    {"DateLessThanEquals", Test::date, false, Order::less_equal},
    {"DateGreaterThan", Test::date, false, Order::greater},
    {"DateGreaterThanEquals", Test::date, false, Order::greater_equal},
    {"IpAddress", Test::address},
    {"NotIpAddress", Test::address, true},
    {"Null", Test::null_key},
}};

struct Operator {
  Known known;
  bool if_exists = false;
  bool for_all = false;
  bool for_any = false;
};

Operator read_operator(std::string_view name) {
  Operator out;
  if (name.starts_with("ForAllValues:")) {
    out.for_all = true;
    name.remove_prefix(13);
  } else if (name.starts_with("ForAnyValue:")) {
    out.for_any = true;
    name.remove_prefix(12);
  }
  if (name.ends_with("IfExists")) {
    out.if_exists = true;
    name.remove_suffix(8);
  }
  const auto found = std::ranges::find(kKnown, name, &Known::name);
  // Whether a key is there is asked of the key, not of its values.
  const bool odd =
      found != kKnown.end() && found->test == Test::null_key && (out.if_exists || out.for_all || out.for_any);
  if (found != kKnown.end() && !odd) out.known = *found;
  return out;
}

bool in_order(std::optional<double> value, std::optional<double> wanted, Order order) {
  if (!value || !wanted) return false;
  switch (order) {
    case Order::equal:
      return *value == *wanted;
    case Order::less:
      return *value < *wanted;
    case Order::less_equal:
      return *value <= *wanted;
    case Order::greater:
      return *value > *wanted;
    case Order::greater_equal:
      return *value >= *wanted;
  }
  return false;
}

bool value_is(const Known& known, const std::string& wanted, const std::string& value, const Context& context) {
  switch (known.test) {
    case Test::boolean:
      return equal_ignoring_case(wanted, value);
    case Test::number:
      return in_order(number_of(value), number_of(wanted), known.order);
    case Test::date:
      return in_order(date_of(value), date_of(wanted), known.order);
    case Test::address: {
      const auto network = network_of(wanted);
      const auto address = network_of(value);
      return network && address && contains(*network, *address);
    }
    default:
      break;
  }
  // Texts and ARNs may hold variables.
  const auto pattern = expand(wanted, context);
  if (!pattern) return false;
  if (known.test == Test::equals) return pattern->text == value;
  if (known.test == Test::equals_ignoring_case) return equal_ignoring_case(pattern->text, value);
  if (known.test == Test::like) return fits(*pattern, 0, pattern->text.size(), value);
  return known.test == Test::arn && arn_fits(*pattern, value);
}

bool condition_holds(std::string_view name, const json::object& tests, const Context& context) {
  const Operator op = read_operator(name);
  if (op.known.test == Test::unknown) return false;
  const bool negated = op.known.negated;
  for (const auto& entry : tests) {
    const auto values = context.keys.find(to_lower(std::string_view(entry.key().data(), entry.key().size())));
    const bool present = values != context.keys.end() && !values->second.empty();
    const auto wanted = texts_of(entry.value());
    if (op.known.test == Test::null_key) {
      if (wanted.empty() || equal_ignoring_case(wanted[0], "true") == present) return false;
      continue;
    }
    if (!present) {
      // ForAnyValue needs a value, even where a plain negated operator is true without one.
      if (op.if_exists || op.for_all || (negated && !op.for_any)) continue;
      return false;
    }
    const auto good = [&](const std::string& value) {
      return negated != std::ranges::any_of(
                            wanted, [&](const std::string& one) { return value_is(op.known, one, value, context); });
    };
    const bool all = op.for_all || (negated && !op.for_any);
    if (!(all ? std::ranges::all_of(values->second, good) : std::ranges::any_of(values->second, good))) return false;
  }
  return true;
}

// Why a value cannot be what the operator compares; empty: it can.
std::string value_trouble(const Known& known, const std::string& value) {
  const bool good = known.test == Test::number    ? number_of(value).has_value()
                    : known.test == Test::date    ? date_of(value).has_value()
                    : known.test == Test::address ? network_of(value).has_value()
                                                  : true;
  if (!good) return fmt::format("Syntax errors in policy: {} does not compare with \"{}\".", known.name, value);
  const bool text = known.test == Test::equals || known.test == Test::equals_ignoring_case ||
                    known.test == Test::like || known.test == Test::arn;
  if (text) return variable_trouble(value);
  return value.find("${") == std::string::npos
             ? std::string()
             : fmt::format("Policy variables are not supported with the condition operator {}.", known.name);
}

}  // namespace

std::vector<std::string> texts_of(const json::value& value) {
  std::vector<std::string> out;
  const auto add = [&out](const json::value& one) {
    if (one.is_string()) out.emplace_back(view(one.get_string()));
    if (one.is_bool()) out.emplace_back(one.get_bool() ? "true" : "false");
    if (one.is_number()) out.push_back(json::serialize(one));
  };
  if (value.is_array()) {
    for (const json::value& one : value.get_array()) add(one);
  } else {
    add(value);
  }
  return out;
}

bool pattern_fits(std::string_view pattern, std::string_view text, const Context& context) {
  const auto expanded = expand(pattern, context);
  return expanded && fits(*expanded, 0, expanded->text.size(), text);
}

bool conditions_hold(const json::object& condition, const Context& context) {
  for (const auto& entry : condition) {
    const std::string_view name(entry.key().data(), entry.key().size());
    if (!entry.value().is_object() || !condition_holds(name, entry.value().get_object(), context)) return false;
  }
  return true;
}

std::string condition_trouble(const json::value& condition) {
  if (!condition.is_object()) return "Syntax errors in policy: Condition must be an object.";
  for (const auto& entry : condition.get_object()) {
    const std::string_view name(entry.key().data(), entry.key().size());
    const Known known = read_operator(name).known;
    if (known.test == Test::unknown) return fmt::format("The condition operator {} is not supported here.", name);
    if (!entry.value().is_object()) return fmt::format("Syntax errors in policy: {} must be an object.", name);
    for (const auto& key : entry.value().get_object()) {
      const auto values = texts_of(key.value());
      if (values.empty())
        return fmt::format("Syntax errors in policy: {} has no value.",
                           std::string_view(key.key().data(), key.key().size()));
      for (const std::string& value : values) {
        if (auto trouble = value_trouble(known, value); !trouble.empty()) return trouble;
      }
    }
  }
  return {};
}

std::string variable_trouble(std::string_view text) {
  for (auto begin = text.find("${"); begin != std::string_view::npos; begin = text.find("${", begin + 2)) {
    const auto end = text.find('}', begin);
    const auto name = end == std::string_view::npos ? "" : text.substr(begin + 2, end - begin - 2);
    const auto key = trim(name.substr(0, name.find(',')));
    const bool letter = key == "*" || key == "?" || key == "$";
    if (!letter && key.find(':') == std::string_view::npos)
      return fmt::format("Syntax errors in policy: {} is no policy variable.", text.substr(begin));
  }
  return {};
}

}  // namespace slipway::iam
