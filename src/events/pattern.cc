#include "events/pattern.h"

#include <algorithm>
#include <array>
#include <map>

#include "events/predicate.h"

namespace slipway::events {

namespace {

using Fields = std::map<std::string, std::vector<Predicate>>;

std::unexpected<Error> invalid(const std::string& reason) {
  return fail(Fault::invalid, "InvalidEventPatternException", "Event pattern is not valid. Reason: " + reason);
}

std::string shown(const json::value& value) {
  return value.is_string() ? std::string(view(value.get_string())) : json::serialize(value);
}

bool is_number(const json::value& value) {
  return value.is_int64() || value.is_uint64() || value.is_double();
}

std::string path_of(const std::string& prefix, std::string_view key) {
  return prefix.empty() ? std::string(key) : prefix + "." + std::string(key);
}

// Names that mean a matcher somewhere; AWS keeps them out of the branches of $or.
constexpr std::array kReserved = {"exactly",
                                  "equals-ignore-case",
                                  "prefix",
                                  "suffix",
                                  "anything-but",
                                  "exists",
                                  "wildcard",
                                  "numeric",
                                  "cidr",
                                  "=",
                                  "<",
                                  "<=",
                                  ">",
                                  ">=",
                                  "regex",
                                  "not-wildcard",
                                  "not-equals-ignore-case",
                                  "date-after",
                                  "date-on-or-after",
                                  "date-before",
                                  "date-on-or-before",
                                  "in-date-range",
                                  "ip-address-in-range",
                                  "ip-address-not-in-range"};

Result<Number> comparable(const json::value& value) {
  auto number = number_of(value);
  if (!number || !number->comparable) return invalid("Cannot compare number : " + shown(value));
  return *std::move(number);
}

Predicate exact_text(std::string text) {
  Predicate predicate{.test = Test::text, .text = std::move(text)};
  predicate.address = address_of(predicate.text).value_or("");
  return predicate;
}

Predicate folded(Test test, std::string_view text) {
  return {.test = test, .text = fold_case(text)};
}

Result<Predicate> read_exact(const json::value& value) {
  if (value.is_null()) return Predicate{.test = Test::null};
  if (value.is_bool()) return Predicate{.test = value.get_bool() ? Test::yes : Test::no};
  if (value.is_string()) return exact_text(shown(value));
  auto number = comparable(value);
  if (!number) return fail(number);
  return Predicate{.test = Test::number, .number = *std::move(number)};
}

// {"prefix": S} or {"prefix": {"equals-ignore-case": S}}; `name` is prefix or suffix.
Result<Predicate> read_affix(const std::string& name, const json::value& value) {
  const bool front = name == "prefix";
  if (value.is_string()) return Predicate{.test = front ? Test::prefix : Test::suffix, .text = shown(value)};
  if (!value.is_object()) return invalid(name + " match pattern must be a string");
  const auto& object = value.get_object();
  if (object.empty()) return invalid((front ? "Prefix" : "Suffix") + std::string(" expression name not found"));
  const auto& inner = *object.begin();
  if (inner.key() != "equals-ignore-case")
    return invalid("Unsupported " + name + " pattern: " + std::string(inner.key()));
  if (!inner.value().is_string()) return invalid("equals-ignore-case match pattern must be a string");
  if (object.size() > 1) return invalid("Only one key allowed in match expression");
  return folded(front ? Test::prefix_ignoring_case : Test::suffix_ignoring_case, view(inner.value().get_string()));
}

Result<Predicate> read_wildcard(const json::value& value) {
  if (!value.is_string()) return invalid("wildcard match pattern must be a string");
  auto text = shown(value);
  const auto fault = wildcard_fault(text);
  if (!fault.empty()) return invalid(fault);
  return Predicate{.test = Test::wildcard, .text = std::move(text)};
}

// The upper half of [">", 0, "<=", 5], from `terms[2]` on.
Result<void> read_upper_bound(const json::array& terms, Range& range) {
  if (!terms[2].is_string()) return invalid("Bad value in numeric range: " + shown(terms[2]));
  const auto op = shown(terms[2]);
  if (op != "<" && op != "<=") return invalid("Bad numeric range operator: " + op);
  if (terms.size() < 4 || !is_number(terms[3])) return invalid("Value of " + op + " must be numeric");
  auto bound = comparable(terms[3]);
  if (!bound) return fail(bound);
  range.high = bound->value;
  range.high_open = op == "<";
  if (terms.size() > 4) return invalid("Too many terms in numeric range expression");
  if (*range.low >= *range.high) return invalid("Bottom must be less than top");
  return {};
}

Result<Predicate> read_numeric(const json::value& value) {
  if (!value.is_array()) return invalid("Value of numeric must be an array.");
  const auto& terms = value.get_array();
  if (terms.empty()) return invalid("Invalid member in numeric match: ]");
  if (!terms[0].is_string()) return invalid("Invalid member in numeric match: " + shown(terms[0]));
  const auto op = shown(terms[0]);
  const bool equals = op == "=";
  const bool lower = op == ">" || op == ">=";
  if (!equals && !lower && op != "<" && op != "<=") return invalid("Unrecognized numeric range operator: " + op);
  if (terms.size() < 2 || !is_number(terms[1]))
    return invalid("Value of " + (equals ? "equals" : op) + " must be numeric");
  auto bound = comparable(terms[1]);
  if (!bound) return fail(bound);
  if (equals && terms.size() > 2) return invalid("Too many elements in numeric expression");
  if (equals) return Predicate{.test = Test::number, .number = *std::move(bound)};
  Predicate predicate{.test = Test::range};
  if (!lower) {
    predicate.range = {.high = bound->value, .high_open = op == "<"};
    if (terms.size() > 2) return invalid("Too many terms in numeric range expression");
    return predicate;
  }
  predicate.range = {.low = bound->value, .low_open = op == ">"};
  if (terms.size() == 2) return predicate;
  auto upper = read_upper_bound(terms, predicate.range);
  if (!upper) return fail(upper);
  return predicate;
}

Result<std::vector<Predicate>> read_excluded_values(const json::array& values) {
  if (values.empty()) return invalid("Empty arrays are not allowed");
  std::vector<Predicate> out;
  for (const auto& value : values) {
    if (!value.is_string() && !is_number(value))
      return invalid("Inside anything but list, start|null|boolean is not supported.");
    if (value.is_string() != values[0].is_string()) {
      return invalid(
          "Inside anything but list, either all values are number or string, mixed type is not "
          "supported");
    }
    auto exact = read_exact(value);
    if (!exact) return fail(exact);
    out.push_back(*std::move(exact));
  }
  return out;
}

// One text inside {"anything-but": {"<name>": …}}.
Result<Predicate> read_excluded_text(const std::string& name, const json::value& value) {
  if (name == "wildcard") return read_wildcard(value);
  if (name == "equals-ignore-case") {
    if (value.is_string()) return folded(Test::same_ignoring_case, view(value.get_string()));
    return invalid("Inside anything-but/equals-ignore-case list, number|start|null|boolean is not supported.");
  }
  if (!value.is_string()) return invalid("prefix/suffix match pattern must be a string");
  if (value.get_string().empty()) return invalid("Null prefix/suffix not allowed");
  return read_affix(name, value);
}

Result<std::vector<Predicate>> read_excluded_kind(const json::object& object) {
  if (object.empty()) return invalid("Anything-But expression name not found");
  const std::string name = object.begin()->key();
  const auto& value = object.begin()->value();
  if (name != "prefix" && name != "suffix" && name != "equals-ignore-case" && name != "wildcard") {
    return invalid("Unsupported anything-but pattern: " + name);
  }
  if (value.is_object() && name != "wildcard") {
    return invalid("Value of anything-but must be an array or single string/number value.");
  }
  std::vector<Predicate> out;
  const json::array texts = value.is_array() ? value.get_array() : json::array{value};
  if (texts.empty()) return invalid("Empty arrays are not allowed");
  for (const auto& text : texts) {
    auto one = read_excluded_text(name, text);
    if (!one) return fail(one);
    out.push_back(*std::move(one));
  }
  if (object.size() > 1) return invalid("Only one key allowed in match expression");
  return out;
}

Result<Predicate> read_anything_but(const json::value& value) {
  const bool single = value.is_string() || is_number(value);
  if (!single && !value.is_array() && !value.is_object()) {
    return invalid("Value of anything-but must be an array or single string/number value.");
  }
  auto none_of = value.is_object() ? read_excluded_kind(value.get_object())
                                   : read_excluded_values(single ? json::array{value} : value.get_array());
  if (!none_of) return fail(none_of);
  return Predicate{.test = Test::anything_but, .none_of = *std::move(none_of)};
}

Result<Predicate> read_cidr(const json::value& value) {
  if (!value.is_string()) return invalid("prefix match pattern must be a string");
  auto block = parse_block(view(value.get_string()));
  if (!block) return invalid(block.error().message);
  return Predicate{.test = Test::block, .block = *std::move(block)};
}

Result<Predicate> read_named(const std::string& name, const json::value& value) {
  if (name == "prefix" || name == "suffix") return read_affix(name, value);
  if (name == "wildcard") return read_wildcard(value);
  if (name == "numeric") return read_numeric(value);
  if (name == "anything-but") return read_anything_but(value);
  if (name == "cidr") return read_cidr(value);
  if (name == "equals-ignore-case") {
    if (!value.is_string()) return invalid("equals-ignore-case match pattern must be a string");
    return folded(Test::same_ignoring_case, view(value.get_string()));
  }
  if (name == "exactly") {
    if (!value.is_string()) return invalid("exact match pattern must be a string");
    return exact_text(shown(value));
  }
  if (name == "exists") {
    if (!value.is_bool()) return invalid("exists match pattern must be either true or false.");
    return Predicate{.test = value.get_bool() ? Test::present : Test::absent};
  }
  return invalid("Unrecognized match type " + name);
}

Result<Predicate> read_predicate(const json::value& item) {
  if (item.is_array()) return invalid("Match value must be String, number, true, false, or null");
  if (!item.is_object()) return read_exact(item);
  const auto& object = item.get_object();
  if (object.empty()) return invalid("Match expression name not found");
  const std::string name = object.begin()->key();
  auto predicate = read_named(name, object.begin()->value());
  if (predicate && object.size() > 1) {
    const bool streams = name == "numeric" || name == "anything-but";
    return invalid(streams ? "Too many elements in numeric expression" : "Only one key allowed in match expression");
  }
  return predicate;
}

Result<std::vector<Predicate>> read_predicates(const json::array& items) {
  if (items.empty()) return invalid("Empty arrays are not allowed");
  std::vector<Predicate> out;
  for (const auto& item : items) {
    auto predicate = read_predicate(item);
    if (!predicate) return fail(predicate);
    out.push_back(*std::move(predicate));
  }
  return out;
}

Result<std::vector<Fields>> read_object(const json::object& object, const std::string& prefix,
                                        std::vector<Fields> so_far, bool in_or);

Result<std::vector<Fields>> read_or(const json::value& value, const std::string& prefix,
                                    const std::vector<Fields>& so_far) {
  if (!value.is_array()) return invalid("It must be an Array followed with $or.");
  const auto& branches = value.get_array();
  for (const auto& branch : branches) {
    if (!branch.is_object()) return invalid("Only JSON object is allowed in array of $or relationship.");
  }
  if (branches.size() < 2) return invalid("There must have at least 2 Objects in $or relationship.");
  std::vector<Fields> out;
  for (const auto& branch : branches) {
    auto taken = read_object(branch.get_object(), prefix, so_far, true);
    if (!taken) return fail(taken);
    out.insert(out.end(), taken->begin(), taken->end());
    if (out.size() > kAlternativesMax)
      return invalid("Rule is too complex - the branches of $or combine to more than 1000 alternatives");
  }
  return out;
}

// Adds what `object` asks for to each of the alternatives read so far; a later field of the same
// path replaces an earlier one.
Result<std::vector<Fields>> read_object(const json::object& object, const std::string& prefix,
                                        std::vector<Fields> so_far, bool in_or) {
  if (object.empty()) return invalid("Empty objects are not allowed");
  for (const auto& member : object) {
    const std::string key = member.key();
    const auto& value = member.value();
    const bool reserved = std::find(kReserved.begin(), kReserved.end(), key) != kReserved.end();
    if (in_or && reserved) return invalid(key + " is Ruler reserved fieldName which cannot be used inside $or.");
    if (key == "$or") {
      auto branched = read_or(value, prefix, so_far);
      if (!branched) return fail(branched);
      so_far = *std::move(branched);
    } else if (value.is_object()) {
      auto deeper = read_object(value.get_object(), path_of(prefix, key), std::move(so_far), in_or);
      if (!deeper) return fail(deeper);
      so_far = *std::move(deeper);
    } else if (value.is_array()) {
      auto predicates = read_predicates(value.get_array());
      if (!predicates) return fail(predicates);
      for (auto& fields : so_far) fields[path_of(prefix, key)] = *predicates;
    } else {
      return invalid("\"" + key + "\" must be an object or an array");
    }
  }
  return so_far;
}

void gather_wildcards(const std::vector<Predicate>& predicates, std::vector<std::string>& out) {
  for (const auto& predicate : predicates) {
    if (predicate.test == Test::wildcard) out.push_back(predicate.text);
    gather_wildcards(predicate.none_of, out);
  }
}

Result<void> check_size(const Fields& fields) {
  if (fields.size() > kFieldsPerAlternativeMax) return invalid("Rule is too complex - more than 256 fields");
  for (const auto& [path, predicates] : fields) {
    std::vector<std::string> wildcards;
    gather_wildcards(predicates, wildcards);
    if (!wildcards.empty() && wildcard_complexity(wildcards, kWildcardComplexityMax + 1) > kWildcardComplexityMax) {
      return invalid(
          "Rule is too complex - try using fewer wildcard characters or fewer repeating character "
          "sequences after a wildcard "
          "character");
    }
  }
  return {};
}

// Which element of which array a leaf lies in, outermost first; arrays are numbered in the order of
// the event.
using Membership = std::vector<std::pair<int, int>>;

struct Leaf {
  const json::value* value;
  Membership membership;
};

// An event taken apart into the leaves below each path.
class Leaves {
 public:
  explicit Leaves(const json::value& event) { take("", event, {}); }

  const std::vector<Leaf>& at(const std::string& path) const {
    static const std::vector<Leaf> none;
    const auto found = by_path_.find(path);
    return found == by_path_.end() ? none : found->second;
  }

 private:
  void take(const std::string& path, const json::value& value, const Membership& membership) {
    if (value.is_object()) {
      for (const auto& member : value.get_object()) take(path_of(path, member.key()), member.value(), membership);
    } else if (value.is_array()) {
      const int id = next_array_++;
      int index = 0;
      for (const auto& element : value.get_array()) {
        auto inner = membership;
        inner.emplace_back(id, index++);
        take(path, element, inner);
      }
    } else {
      by_path_[path].push_back({&value, membership});
    }
  }

  std::map<std::string, std::vector<Leaf>> by_path_;
  int next_array_ = 0;
};

// One way in which the fields read so far can hold: the element chosen in each array, sorted by
// array.
using Choice = std::map<int, int>;

std::optional<Choice> combine(const Choice& choice, const Membership& membership) {
  Choice out = choice;
  for (const auto& [array, index] : membership) {
    if (out.try_emplace(array, index).first->second != index) return std::nullopt;
  }
  return out;
}

// Forgets the arrays that no later field lies in, so that independent arrays do not multiply.
Choice only_needed(const Choice& choice, const std::set<int>& needed) {
  Choice out;
  for (const auto& [array, index] : choice) {
    if (needed.contains(array)) out.emplace(array, index);
  }
  return out;
}

bool asks_for_absence(const Field& field) {
  return std::any_of(field.any_of.begin(), field.any_of.end(),
                     [](const Predicate& p) { return p.test == Test::absent; });
}

std::vector<const Leaf*> satisfied(const Field& field, const std::vector<Leaf>& leaves) {
  std::vector<const Leaf*> out;
  for (const auto& leaf : leaves) {
    const auto holds_here = [&](const Predicate& predicate) { return holds(predicate, *leaf.value); };
    if (std::any_of(field.any_of.begin(), field.any_of.end(), holds_here)) out.push_back(&leaf);
  }
  return out;
}

std::set<Choice> extend(const std::set<Choice>& choices, const Field& field, const std::vector<Leaf>& leaves,
                        const std::set<int>& needed) {
  const auto candidates = satisfied(field, leaves);
  const bool absence = asks_for_absence(field);
  std::set<Choice> out;
  for (const auto& choice : choices) {
    for (const auto* leaf : candidates) {
      if (auto combined = combine(choice, leaf->membership)) out.insert(only_needed(*combined, needed));
    }
    const auto fits = [&](const Leaf& leaf) { return combine(choice, leaf.membership).has_value(); };
    if (absence && std::none_of(leaves.begin(), leaves.end(), fits)) out.insert(only_needed(choice, needed));
  }
  return out;
}

bool alternative_matches(const Alternative& alternative, const Leaves& leaves) {
  for (const auto& field : alternative) {  // Most events fail here, before any array is looked at.
    if (!asks_for_absence(field) && satisfied(field, leaves.at(field.path)).empty()) return false;
  }
  std::vector<std::set<int>> needed(alternative.size() + 1);
  for (std::size_t i = alternative.size(); i-- > 0;) {
    needed[i] = needed[i + 1];
    for (const auto& leaf : leaves.at(alternative[i].path)) {
      for (const auto& [array, index] : leaf.membership) needed[i].insert(array);
    }
  }
  std::set<Choice> choices{Choice{}};
  for (std::size_t i = 0; i < alternative.size() && !choices.empty(); ++i) {
    choices = extend(choices, alternative[i], leaves.at(alternative[i].path), needed[i + 1]);
  }
  return !choices.empty();
}

}  // namespace

Result<Pattern> compile(std::string_view text) {
  const auto value = parse_json(text);
  if (!value) return invalid(value.error().message);
  if (!value->is_object()) return invalid("Filter is not an object");
  auto alternatives = read_object(value->get_object(), "", {Fields{}}, false);
  if (!alternatives) return fail(alternatives);
  Pattern pattern;
  for (auto& fields : *alternatives) {
    auto sized = check_size(fields);
    if (!sized) return fail(sized);
    Alternative alternative;
    for (auto& [path, predicates] : fields) alternative.push_back({path, std::move(predicates)});
    pattern.any_of.push_back(std::move(alternative));
  }
  return pattern;
}

bool matches(const Pattern& pattern, const json::value& event) {
  const Leaves leaves(event);
  return std::any_of(pattern.any_of.begin(), pattern.any_of.end(),
                     [&](const Alternative& alternative) { return alternative_matches(alternative, leaves); });
}

}  // namespace slipway::events
