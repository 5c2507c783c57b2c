#include "events/pattern.h"

#include <algorithm>
#include <array>
#include <map>
#include <utility>

#include "base/text.h"
#include "events/casing.h"
#include "events/glob.h"
#include "events/matcher.h"
#include "events/pattern_text.h"

namespace slipway::events {

namespace {

using Token = PatternText::Token;
using Predicates = std::shared_ptr<const std::vector<Predicate>>;
using Fields = std::map<std::string, Predicates>;

// Names that mean a matcher somewhere; AWS keeps them out of the branches of $or.
constexpr std::array<std::string_view, 24> kReserved = {"exactly",
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

constexpr std::string_view kOneKey = "Only one key allowed in match expression";
// AWS says so of anything-but as well.
constexpr std::string_view kTooMany = "Too many elements in numeric expression";
constexpr std::string_view kTooManyBranches =
    "Rule is too complex - the branches of $or combine to more than 1000 alternatives";
// Fields that the branches of nested $or copy while a pattern is read: bounds time and memory.
constexpr std::size_t kCopiedFieldsMax = 300'000;

// Reads a pattern from the front to the back; the first fault ends it.  The functions answer false after a fault.
class Compiler {
 public:
  explicit Compiler(std::string_view text) : text_(text) {}

  bool read(std::vector<Fields>& out) {
    if (next() != Token::object_begin) return fail("Filter is not an object");
    out.emplace_back();
    return read_object(out, "", false);
  }
  const std::string& fault() const { return fault_; }

 private:
  Token next() {
    token_ = text_.next();
    if (token_ == Token::fault) fail(text_.fault());
    return token_;
  }
  bool fail(std::string_view why) {
    if (fault_.empty()) fault_ = why;
    return false;
  }
  bool failed() const { return !fault_.empty(); }
  std::string taken() const { return text_.spelling(); }
  bool expect(Token token, std::string_view otherwise) { return next() == token || fail(otherwise); }

  // Adds what an object asks for to each of the alternatives read so far; a later field of the same path replaces an
  // earlier.
  bool read_object(std::vector<Fields>& alternatives, const std::string& prefix, bool in_or) {
    bool any = false;
    while (next() != Token::object_end) {
      if (failed()) return false;
      any = true;
      if (!read_member(alternatives, prefix, in_or)) return false;
    }
    return any || fail("Empty objects are not allowed");
  }

  bool read_member(std::vector<Fields>& alternatives, const std::string& prefix, bool in_or) {
    const std::string name = taken();
    if (name == "$or") return read_or(alternatives, prefix);
    if (in_or && std::find(kReserved.begin(), kReserved.end(), name) != kReserved.end()) {
      return fail(name + " is Ruler reserved fieldName which cannot be used inside $or.");
    }
    const std::string path = prefix.empty() ? name : prefix + "." + name;
    next();
    if (token_ == Token::object_begin) return read_object(alternatives, path, in_or);
    if (token_ != Token::array_begin) return fail("\"" + name + "\" must be an object or an array");
    auto list = std::make_shared<std::vector<Predicate>>();
    if (!read_list(*list)) return false;
    const Predicates shared = std::move(list);
    for (auto& fields : alternatives) {
      fields[path] = shared;
      if (fields.size() > kFieldsPerAlternativeMax) return fail("Rule is too complex - it has more than 256 fields");
    }
    return true;
  }

  bool read_or(std::vector<Fields>& alternatives, const std::string& prefix) {
    const auto so_far = std::exchange(alternatives, {});
    if (!expect(Token::array_begin, "It must be an Array followed with $or.")) return false;
    int branches = 0;
    while (next() != Token::array_end) {
      if (failed()) return false;
      if (token_ != Token::object_begin) return fail("Only JSON object is allowed in array of $or relationship.");
      ++branches;
      for (const auto& fields : so_far) copied_ += fields.size();
      if (copied_ > kCopiedFieldsMax) return fail(kTooManyBranches);
      auto branch = so_far;
      if (!read_object(branch, prefix, true)) return false;
      if (alternatives.size() + branch.size() > kAlternativesMax) {
        return fail(kTooManyBranches);
      }
      std::move(branch.begin(), branch.end(), std::back_inserter(alternatives));
    }
    return branches >= 2 || fail("There must have at least 2 Objects in $or relationship.");
  }

  bool read_list(std::vector<Predicate>& out) {
    while (next() != Token::array_end) {
      if (failed()) return false;
      out.emplace_back();
      if (!read_item(out.back())) return false;
    }
    return !out.empty() || fail("Empty arrays are not allowed");
  }

  bool read_item(Predicate& out) {
    switch (token_) {
      case Token::object_begin:
        return read_expression(out);
      case Token::text:
        out = text_or_address(taken());
        return true;
      case Token::number:
        out = number(taken());
        return true;
      case Token::null:
        out.test = Test::null;
        return true;
      case Token::yes:
        out.test = Test::yes;
        return true;
      case Token::no:
        out.test = Test::no;
        return true;
      default:
        return fail("Match value must be String, number, true, false, or null");
    }
  }

  static Predicate text_or_address(std::string text) {
    const auto address = read_address(text);
    if (address.size == 0) return {.test = Test::text, .text = std::move(text)};
    return {.test = Test::block, .block = {.network = address, .bits = 8 * address.size}};
  }

  static Predicate number(std::string text) {
    const auto read = read_decimal(text);
    Predicate out{.test = Test::number, .number = read.value, .compares = is_comparable(read, text)};
    out.text = std::move(text);
    return out;
  }

  // {"<name>": …} behind its brace.
  bool read_expression(Predicate& out) {
    if (!expect(Token::name, "Match expression name not found")) return false;
    const auto name = taken();
    if (name == "prefix" || name == "suffix") return read_affix(name, out);
    if (name == "numeric") return read_numeric(out) && expect(Token::object_end, kTooMany);
    if (name == "anything-but") return read_anything_but(out);
    if (name == "exists") return read_exists(out);
    if (name == "exactly") return read_text("exact", out) && finish(Test::text, out);
    if (name == "cidr") return read_cidr(out);
    if (name == "equals-ignore-case") return read_text(name, out) && finish(Test::same_ignoring_case, out);
    if (name == "wildcard") return read_text(name, out) && check_wildcard(out.text) && finish(Test::wildcard, out);
    return fail("Unrecognized match type " + name);
  }

  // The text that the matcher `name` needs.
  bool read_text(const std::string& name, Predicate& out) {
    if (!expect(Token::text, name + " match pattern must be a string")) return false;
    out.text = taken();
    return true;
  }
  bool finish(Test test, Predicate& out) {
    out.test = test;
    return expect(Token::object_end, kOneKey);
  }
  bool check_wildcard(const std::string& text) {
    const auto fault = glob_fault(text);
    return fault.empty() || fail(fault);
  }

  // {"prefix": S} or {"prefix": {"equals-ignore-case": S}}, behind the name.
  bool read_affix(const std::string& name, Predicate& out) {
    const bool front = name == "prefix";
    next();
    if (token_ != Token::object_begin) {
      if (token_ != Token::text) return fail(name + " match pattern must be a string");
      out.text = taken();
      return finish(front ? Test::prefix : Test::suffix, out);
    }
    if (!expect(Token::name, std::string(front ? "Prefix" : "Suffix") + " expression name not found")) return false;
    const auto inner = taken();
    if (inner != "equals-ignore-case") return fail("Unsupported " + name + " pattern: " + inner);
    return read_text(inner, out) && finish(front ? Test::prefix_ignoring_case : Test::suffix_ignoring_case, out) &&
           expect(Token::object_end, kOneKey);
  }

  bool read_exists(Predicate& out) {
    next();
    if (token_ != Token::yes && token_ != Token::no) {
      return fail("exists match pattern must be either true or false.");
    }
    return finish(token_ == Token::yes ? Test::present : Test::absent, out);
  }

  bool read_cidr(Predicate& out) {
    if (!expect(Token::text, "prefix match pattern must be a string")) return false;  // AWS says prefix.
    auto block = read_block(taken());
    if (!block) return fail(block.error().message);
    out.block = *block;
    return finish(Test::block, out);
  }

  bool comparable(const std::string& text, Decimal& out) {
    const auto read = read_decimal(text);
    out = read.value;
    return is_comparable(read, text) || fail("Cannot compare number : " + text);
  }

  // ["=", n], ["<", n], [">", n, "<=", m], behind the name.
  bool read_numeric(Predicate& out) {
    if (!expect(Token::array_begin, "Value of numeric must be an array.")) return false;
    if (next() != Token::text) return fail("Invalid member in numeric match: " + taken());
    const auto op = taken();
    next();
    const bool equals = op == "=";
    const bool lower = op == ">" || op == ">=";
    if (!equals && !lower && op != "<" && op != "<=") return fail("Unrecognized numeric range operator: " + op);
    if (token_ != Token::number) return fail("Value of " + (equals ? "equals" : op) + " must be numeric");
    const auto text = taken();
    next();
    if (lower) return read_range(text, op == ">", out);
    if (token_ != Token::array_end) return fail(kTooMany);
    if (equals) {
      out = number(text);
      return out.compares || fail("Cannot compare number : " + text);
    }
    out.test = Test::range;
    out.range.high = {.given = true, .open = op == "<"};
    return comparable(text, out.range.high.at);
  }

  // What follows the lower bound.
  bool read_range(const std::string& low, bool open, Predicate& out) {
    out.test = Test::range;
    out.range.low = {.given = true, .open = open};
    if (token_ == Token::array_end) return comparable(low, out.range.low.at);
    if (token_ != Token::text) return fail("Bad value in numeric range: " + taken());
    const auto op = taken();
    if (op != "<" && op != "<=") return fail("Bad numeric range operator: " + op);
    if (next() != Token::number) return fail("Value of " + op + " must be numeric");
    const auto high = taken();
    if (!expect(Token::array_end, "Too many terms in numeric range expression")) return false;
    out.range.high = {.given = true, .open = op == "<"};
    if (!comparable(low, out.range.low.at) || !comparable(high, out.range.high.at)) return false;
    return out.range.low.at < out.range.high.at || fail("Bottom must be less than top");
  }

  // Behind the name "anything-but".
  bool read_anything_but(Predicate& out) {
    out.test = Test::anything_but;
    next();
    if (token_ != Token::object_begin) {
      return read_values(out.none_of) && expect(Token::object_end, kTooMany);
    }
    if (!expect(Token::name, "Anything-But expression name not found")) return false;
    const auto name = taken();
    if (name != "prefix" && name != "suffix" && name != "equals-ignore-case" && name != "wildcard") {
      return fail("Unsupported anything-but pattern: " + name);
    }
    next();
    return read_texts(name, out.none_of) && expect(Token::object_end, kTooMany) && expect(Token::object_end, kTooMany);
  }

  bool needs_list_or_value() {
    if (token_ == Token::array_begin || token_ == Token::text || token_ == Token::number) return true;
    return fail("Value of anything-but must be an array or single string/number value.");
  }

  bool read_values(std::vector<Predicate>& out) {
    if (!needs_list_or_value()) return false;
    if (token_ != Token::array_begin) return read_value(out);
    bool texts = false;
    bool numbers = false;
    while (next() != Token::array_end) {
      if (failed()) return false;
      (token_ == Token::text ? texts : numbers) = true;
      if (!read_value(out)) return false;
    }
    if (texts != numbers) return true;
    return fail("Inside anything but list, either all values are number or string, mixed type is not supported");
  }

  bool read_value(std::vector<Predicate>& out) {
    if (token_ == Token::text) {
      out.push_back({.test = Test::text, .text = taken()});
      return true;
    }
    if (token_ != Token::number) return fail("Inside anything but list, start|null|boolean is not supported.");
    out.push_back(number(taken()));
    return out.back().compares || fail("Cannot compare number : " + out.back().text);
  }

  // The texts of {"anything-but": {"<name>": …}}.  AWS takes an empty list.
  bool read_texts(const std::string& name, std::vector<Predicate>& out) {
    if (!needs_list_or_value()) return false;
    if (token_ != Token::array_begin) return read_excluded(name, out) && check_wildcards(name, out);
    while (next() != Token::array_end) {
      if (failed() || !read_excluded(name, out)) return false;
    }
    return check_wildcards(name, out);
  }

  bool read_excluded(const std::string& name, std::vector<Predicate>& out) {
    const bool fold = name == "equals-ignore-case";
    const bool wildcard = name == "wildcard";
    if (token_ != Token::text) {
      return fail(fold ? "Inside anything-but/equals-ignore-case list, number|start|null|boolean is not supported."
                  : wildcard ? "wildcard match pattern must be a string"
                             : "prefix/suffix match pattern must be a string");
    }
    auto text = taken();
    if (text.empty() && !fold && !wildcard) return fail("Null prefix/suffix not allowed");
    const auto test = fold               ? Test::same_ignoring_case
                      : wildcard         ? Test::wildcard
                      : name == "prefix" ? Test::prefix
                                         : Test::suffix;
    out.push_back({.test = test, .text = std::move(text)});
    return true;
  }

  // After the whole list has been read, as AWS does.
  bool check_wildcards(const std::string& name, const std::vector<Predicate>& list) {
    return name != "wildcard" ||
           std::all_of(list.begin(), list.end(), [&](const Predicate& inner) { return check_wildcard(inner.text); });
  }

  PatternText text_;
  Token token_ = Token::null;
  std::string fault_;
  std::size_t copied_ = 0;
};

std::unexpected<Error> invalid(const std::string& reason) {
  return fail(Fault::invalid, "InvalidEventPatternException", "Event pattern is not valid. Reason: " + reason);
}

void gather_wildcards(const std::vector<Predicate>& predicates, std::vector<std::string_view>& out) {
  for (const auto& predicate : predicates) {
    if (predicate.test == Test::wildcard) out.push_back(predicate.text);
    gather_wildcards(predicate.none_of, out);
  }
}

// Looks at each list once: alternatives share most of theirs.
Result<void> check_wildcards(const std::vector<Fields>& alternatives) {
  std::map<const void*, bool> seen;
  for (const auto& fields : alternatives) {
    for (const auto& [path, predicates] : fields) {
      if (!seen.emplace(predicates.get(), true).second) continue;
      std::vector<std::string_view> wildcards;
      gather_wildcards(*predicates, wildcards);
      if (!wildcards.empty() && wildcard_complexity(wildcards, kWildcardComplexityMax + 1) > kWildcardComplexityMax) {
        return invalid(
            "Rule is too complex - try using fewer wildcard characters or fewer repeating character sequences after a "
            "wildcard character");
      }
    }
  }
  return {};
}

}  // namespace

Result<Pattern> compile(std::string_view text) {
  if (text.size() > kPatternBytesMax) return invalid("Rule is too complex - the pattern is longer than 16384 bytes");
  if (!is_utf8(text)) return invalid("Invalid UTF-8");
  Compiler compiler(text);
  std::vector<Fields> alternatives;
  if (!compiler.read(alternatives)) return invalid(compiler.fault());
  if (const auto simple = check_wildcards(alternatives); !simple) return fail(simple);
  Pattern pattern;
  for (auto& fields : alternatives) {
    Alternative alternative;
    for (auto& [path, predicates] : fields) alternative.push_back({path, std::move(predicates)});
    pattern.any_of.push_back(std::move(alternative));
  }
  return pattern;
}

Result<bool> matches(const Pattern& pattern, std::string_view text) {
  Matcher matcher;
  matcher.add(pattern);
  const auto matched = matcher.match(text);
  if (!matched) return fail(matched);
  return !matched->empty();
}

bool matches(const Pattern& pattern, const json::value& event) {
  return matches(pattern, json::serialize(event)).value_or(false);
}

}  // namespace slipway::events
