#include "wire/shape.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <regex>

#include "base/instant.h"
#include "base/text.h"

namespace slipway::wire {
namespace {

constexpr std::size_t kPatternTextMax =
    8192;  // Longer texts are not given to std::regex, whose recursion they could exhaust.

constexpr double kWholeDoubleMax = 0x1p53;
constexpr double kSecondsMax = 253'402'300'799;  // 9999-12-31T23:59:59Z

Shape of(Type type) {
  Shape shape;
  shape.type = type;
  shape.min = std::numeric_limits<long long>::min();
  return shape;
}

Member member(std::string name, Shape shape) {
  Member made;
  made.name = std::move(name);
  made.shape = std::move(shape);
  return made;
}

const std::regex& compiled(const std::string& pattern) {
  static thread_local std::map<std::string, std::regex> cache;  // As many as the tables have patterns.
  auto found = cache.find(pattern);
  if (found == cache.end())
    found = cache.emplace(pattern, std::regex(pattern, std::regex::ECMAScript | std::regex::optimize)).first;
  return found->second;
}

constexpr std::size_t kShownBytesMax = 1000;  // Of a rejected value, or of a name that nobody knows.

// The beginning of a long text, cut between two characters.
std::string shortened(std::string_view text) {
  if (text.size() <= kShownBytesMax) return std::string(text);
  std::size_t end = kShownBytesMax;
  while (end > 0 && (text[end] & 0xC0) == 0x80) --end;
  return std::string(text.substr(0, end)) + "…";
}

std::string lower_first(std::string text) {
  if (!text.empty() && text[0] >= 'A' && text[0] <= 'Z') text[0] = static_cast<char>(text[0] + ('a' - 'A'));
  return text;
}

// Walks the input beside the shape.  Faults of constraint gather; a fault of type ends the walk.
class Checker {
 public:
  std::size_t faults = 0;                // Of constraint.
  std::vector<std::string> constraints;  // The first of them.
  std::vector<std::string> warnings;
  std::optional<Error> error;

  json::value check(const Shape& shape, const json::value& value, const std::string& path) {
    switch (shape.type) {
      case Type::text:
        return check_text(shape, value, path);
      case Type::integer:
        return check_integer(shape, value, path);
      case Type::number:
        return check_number(value, path);
      case Type::boolean:
        return check_boolean(value, path);
      case Type::timestamp:
        return check_timestamp(value, path);
      case Type::blob:
        return check_blob(shape, value, path);
      case Type::list:
        return check_list(shape, value, path);
      case Type::map:
        return check_map(shape, value, path);
      case Type::structure:
        return check_structure(shape, value, path);
      case Type::document:
        return value;
    }
    return nullptr;
  }

  json::value check_structure(const Shape& shape, const json::value& value, const std::string& path) {
    if (!value.is_object()) return wrong_type(path, "a structure");
    const json::object& in = value.get_object();
    json::object out;
    for (const Member& m : shape.members) {
      const std::string at = path.empty() ? lower_first(m.name) : path + "." + lower_first(m.name);
      const json::value* found = find(in, m.name);
      if (found == nullptr) {
        if (m.required) violate("null", at, "Member must not be null");
        continue;
      }
      if (m.support == Support::refused && !is_neutral(m, *found)) {
        if (!error)
          error = Error{Fault::unsupported, "UnsupportedParameter",
                        fmt::format("{} is not supported here: {}", m.name, m.note)};
        continue;
      }
      if (m.support == Support::warned && !is_empty(*found)) warn(fmt::format("{}: {}", m.name, m.note));
      out[m.name] = check(m.shape, *found, at);
    }
    for (const auto& entry : in) {
      const auto known = [&](const Member& m) {
        return m.name == std::string_view(entry.key().data(), entry.key().size());
      };
      if (std::ranges::none_of(shape.members, known) && !is_empty(entry.value()))
        warn(fmt::format("{}: this member is not known here and was ignored",
                         shortened({entry.key().data(), entry.key().size()})));
    }
    return out;
  }

 private:
  static bool is_empty(const json::value& value) {
    return value.is_null() || (value.is_array() && value.get_array().empty()) ||
           (value.is_object() && value.get_object().empty()) || (value.is_string() && value.get_string().empty());
  }
  // Asks for what we do anyway.
  static bool is_neutral(const Member& m, const json::value& value) {
    if (is_empty(value) || (value.is_bool() && !value.get_bool())) return true;
    if (m.neutral.empty()) return false;
    return value.is_string() ? view(value.get_string()) == m.neutral : json::serialize(value) == m.neutral;
  }
  json::value wrong_type(const std::string& path, std::string_view wanted) {
    if (!error)
      error = Error{Fault::invalid, "SerializationException",
                    fmt::format("the member '{}' must be {}", path.empty() ? "(the input)" : path, wanted)};
    return nullptr;
  }
  void violate(std::string_view value, const std::string& path, const std::string& what) {
    const std::string shown = value == "null" ? "Value null" : fmt::format("Value '{}'", shortened(value));
    ++faults;
    if (constraints.size() < kShownMax)
      constraints.push_back(fmt::format("{} at '{}' failed to satisfy constraint: {}", shown, path, what));
  }
  void warn(std::string warning) {
    if (warnings.size() < kShownMax) warnings.push_back(std::move(warning));
  }

  json::value check_text(const Shape& shape, const json::value& value, const std::string& path) {
    if (!value.is_string()) return wrong_type(path, "a string");
    const std::string_view text = view(value.get_string());
    if (!is_utf8(text)) return wrong_type(path, "UTF-8");
    const auto length = static_cast<long long>(std::ranges::count_if(text, [](char c) { return (c & 0xC0) != 0x80; }));
    if (length > shape.max)
      violate(text, path, fmt::format("Member must have length less than or equal to {}", shape.max));
    if (length < shape.min)
      violate(text, path, fmt::format("Member must have length greater than or equal to {}", shape.min));
    if (!shape.allowed.empty() && std::ranges::find(shape.allowed, text) == shape.allowed.end())
      violate(text, path, fmt::format("Member must satisfy enum value set: [{}]", join(shape.allowed, ", ")));
    if (!shape.pattern.empty() &&
        (text.size() > kPatternTextMax || !std::regex_match(text.begin(), text.end(), compiled(shape.pattern))))
      violate(text, path, "Member must satisfy regular expression pattern: " + shape.pattern);
    return value;
  }

  json::value check_integer(const Shape& shape, const json::value& value, const std::string& path) {
    if (!value.is_number()) return wrong_type(path, "an integer");
    // Beyond 2^53 a double is no whole number that anybody meant, and casting one beyond 2^63 is undefined.
    const bool whole = !value.is_double() || (std::floor(value.get_double()) == value.get_double() &&
                                              std::abs(value.get_double()) <= kWholeDoubleMax);
    const bool fits = !value.is_uint64() || value.get_uint64() <= std::numeric_limits<long long>::max();
    if (!whole || !fits) return wrong_type(path, "an integer");
    const long long number = value.is_double()   ? static_cast<long long>(value.get_double())
                             : value.is_uint64() ? static_cast<long long>(value.get_uint64())
                                                 : value.get_int64();
    if (number > shape.max)
      violate(std::to_string(number), path, fmt::format("Member must have value less than or equal to {}", shape.max));
    if (number < shape.min)
      violate(std::to_string(number), path,
              fmt::format("Member must have value greater than or equal to {}", shape.min));
    return number;
  }

  json::value check_number(const json::value& value, const std::string& path) {
    return value.is_number() ? json::value(value.to_number<double>()) : wrong_type(path, "a number");
  }
  json::value check_boolean(const json::value& value, const std::string& path) {
    return value.is_bool() ? value : wrong_type(path, "a boolean");
  }

  json::value check_timestamp(const json::value& value, const std::string& path) {
    if (value.is_number()) {
      const double seconds = value.to_number<double>();
      if (!(std::abs(seconds) <= kSecondsMax)) return wrong_type(path, "a time");
      return static_cast<long long>(std::llround(seconds * 1000));
    }
    const auto read = value.is_string() ? parse_iso(view(value.get_string())) : std::nullopt;
    return read ? json::value(read->ms()) : wrong_type(path, "a time");
  }

  json::value check_blob(const Shape& shape, const json::value& value, const std::string& path) {
    const auto bytes = value.is_string() ? base64_decode(view(value.get_string())) : std::nullopt;
    if (!bytes) return wrong_type(path, "base64");
    if (static_cast<long long>(bytes->size()) > shape.max)
      violate("…", path, fmt::format("Member must have length less than or equal to {}", shape.max));
    return json::value(*bytes);
  }

  json::value check_list(const Shape& shape, const json::value& value, const std::string& path) {
    if (!value.is_array()) return wrong_type(path, "a list");
    const auto size = static_cast<long long>(value.get_array().size());
    if (size > shape.max)
      violate(json::serialize(value), path, fmt::format("Member must have length less than or equal to {}", shape.max));
    if (size < shape.min)
      violate(json::serialize(value), path,
              fmt::format("Member must have length greater than or equal to {}", shape.min));
    json::array out;
    for (const json::value& element : value.get_array())
      out.push_back(check(shape.members.at(0).shape, element, fmt::format("{}.{}.member", path, out.size() + 1)));
    return out;
  }

  json::value check_map(const Shape& shape, const json::value& value, const std::string& path) {
    if (!value.is_object()) return wrong_type(path, "a map");
    json::object out;
    for (const auto& entry : value.get_object()) {
      const std::string key(entry.key().data(), entry.key().size());
      out[key] = check(shape.members.at(0).shape, entry.value(), path + "." + key + ".member");
    }
    return out;
  }
};

}  // namespace

Shape text(long long min, long long max, std::string pattern) {
  Shape shape = of(Type::text);
  shape.min = min;
  shape.max = max;
  shape.pattern = std::move(pattern);
  return shape;
}
Shape one_of(std::vector<std::string> allowed) {
  Shape shape = of(Type::text);
  shape.allowed = std::move(allowed);
  return shape;
}
Shape integer(long long min, long long max) {
  Shape shape = of(Type::integer);
  shape.min = min;
  shape.max = max;
  return shape;
}
Shape number() {
  return of(Type::number);
}
Shape boolean() {
  return of(Type::boolean);
}
Shape timestamp() {
  return of(Type::timestamp);
}
Shape blob(long long max) {
  Shape shape = of(Type::blob);
  shape.max = max;
  return shape;
}
Shape list(Shape element, long long min, long long max) {
  Shape shape = of(Type::list);
  shape.min = min;
  shape.max = max;
  shape.members.push_back(member("member", std::move(element)));
  return shape;
}
Shape flattened(Shape list_shape) {
  list_shape.element_name.clear();
  return list_shape;
}
Shape map(Shape value) {
  Shape shape = of(Type::map);
  shape.members.push_back(member("value", std::move(value)));
  return shape;
}
Shape structure(std::vector<Member> members) {
  Shape shape = of(Type::structure);
  shape.members = std::move(members);
  return shape;
}
Shape document() {
  return of(Type::document);
}

Member required(std::string name, Shape shape) {
  Member made = member(std::move(name), std::move(shape));
  made.required = true;
  return made;
}
Member optional(std::string name, Shape shape) {
  return member(std::move(name), std::move(shape));
}
Member ignored(std::string name, Shape shape) {
  Member made = member(std::move(name), std::move(shape));
  made.support = Support::ignored;
  return made;
}
Member warned(std::string name, Shape shape, std::string note) {
  Member made = member(std::move(name), std::move(shape));
  made.support = Support::warned;
  made.note = std::move(note);
  return made;
}
Member refused(std::string name, Shape shape, std::string note, std::string neutral) {
  Member made = warned(std::move(name), std::move(shape), std::move(note));
  made.support = Support::refused;
  made.neutral = std::move(neutral);
  return made;
}
Member in_path(Member made, std::string label) {
  made.where = Where::path;
  made.wire_name = std::move(label);
  return made;
}
Member in_query(Member made, std::string key) {
  made.where = Where::query;
  made.wire_name = std::move(key);
  return made;
}
Member in_header(Member made, std::string header) {
  made.where = Where::header;
  made.wire_name = std::move(header);
  return made;
}
Member as_payload(Member made) {
  made.where = Where::payload;
  return made;
}

Result<Checked> check(const Shape& shape, const json::object& input, std::string_view code) {
  Checker checker;
  json::value checked = checker.check_structure(shape, input, "");
  if (checker.error && checker.error->fault == Fault::invalid) return std::unexpected(*checker.error);
  if (!checker.constraints.empty()) {
    const std::size_t count = checker.faults;
    return fail(Fault::invalid, std::string(code),
                fmt::format("{} validation error{} detected: {}", count, count == 1 ? "" : "s",
                            join(checker.constraints, "; ")));
  }
  if (checker.error) {
    // The service's own code for input that it does not take, so that tools know it as final.
    return fail(Fault::unsupported, std::string(code), checker.error->message);
  }
  return Checked{.input = std::move(checked.as_object()), .warnings = std::move(checker.warnings)};
}

}  // namespace slipway::wire
