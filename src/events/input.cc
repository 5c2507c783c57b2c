#include "events/input.h"

#include <algorithm>
#include <charconv>
#include <vector>

#include "base/text.h"

namespace slipway::events {

namespace {

constexpr std::string_view kPredefined = "aws.events.";
constexpr std::string_view kVariableName = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
constexpr std::string_view kVariable = "\uE000";  // Stands for a variable while a template is checked.

struct Step {
  std::string key;
  std::optional<std::size_t> index;
  bool every = false;  // "*": every member or element.
};

// "$.a.b[0]", "$['a']", "$.list[*].id" -> steps; nullopt when it is no such path.
std::optional<std::vector<Step>> parse_path(std::string_view text) {
  if (!text.starts_with('$')) return std::nullopt;
  std::vector<Step> steps;
  for (std::size_t at = 1; at < text.size();) {
    if (text[at] == '.') {
      auto end = text.find_first_of(".[", at + 1);
      if (end == std::string_view::npos) end = text.size();
      if (end == at + 1) return std::nullopt;
      const auto key = text.substr(at + 1, end - at - 1);
      steps.push_back({.key = std::string(key), .index = std::nullopt, .every = key == "*"});
      at = end;
    } else if (text[at] == '[') {
      const auto end = text.find(']', at);
      if (end == std::string_view::npos) return std::nullopt;
      const auto inner = text.substr(at + 1, end - at - 1);
      if (inner.size() >= 2 && (inner.front() == '\'' || inner.front() == '"') && inner.back() == inner.front()) {
        steps.push_back({.key = std::string(inner.substr(1, inner.size() - 2)), .index = std::nullopt});
      } else if (inner == "*") {
        steps.push_back({.key = {}, .index = std::nullopt, .every = true});
      } else {
        std::size_t index = 0;
        const auto [stop, error] = std::from_chars(inner.data(), inner.data() + inner.size(), index);
        if (error != std::errc{} || stop != inner.data() + inner.size()) return std::nullopt;
        steps.push_back({.key = {}, .index = index});
      }
      at = end + 1;
    } else {
      return std::nullopt;
    }
  }
  return steps;
}

// What every member or element of `from` holds at the rest of the path.
void gather(const json::value& from, const std::vector<Step>& steps, std::size_t at, json::array& out) {
  if (at == steps.size()) {
    out.push_back(from);
    return;
  }
  const auto& step = steps[at];
  if (step.every && from.is_array()) {
    for (const auto& element : from.get_array()) gather(element, steps, at + 1, out);
  } else if (step.every && from.is_object()) {
    for (const auto& member : from.get_object()) gather(member.value(), steps, at + 1, out);
  } else if (step.index && from.is_array() && *step.index < from.get_array().size()) {
    gather(from.get_array()[*step.index], steps, at + 1, out);
  } else if (!step.index && !step.every && from.is_object()) {
    if (const auto* member = from.get_object().if_contains(step.key)) gather(*member, steps, at + 1, out);
  }
}

// What the path leads to; a path with "*" gives an array.  Nullopt when it leads nowhere.
std::optional<json::value> follow(const json::value& from, std::string_view path) {
  const auto steps = parse_path(path);
  if (!steps) return std::nullopt;
  json::array found;
  gather(from, *steps, 0, found);
  const bool many = std::ranges::any_of(*steps, &Step::every);
  if (found.empty()) return std::nullopt;
  if (many) return json::value(std::move(found));
  return std::move(found.front());
}

std::optional<json::value> predefined(std::string_view name, const json::object& envelope,
                                      const InputContext& context) {
  if (name == "aws.events.rule-arn") return json::value(context.rule_arn);
  if (name == "aws.events.rule-name") return json::value(context.rule_name);
  if (name == "aws.events.event.ingestion-time") return json::value(iso_seconds(context.ingested));
  if (name == "aws.events.event.json") return json::value(envelope);
  if (name == "aws.events.event") {
    json::object without_detail = envelope;
    without_detail.erase("detail");
    return json::value(std::move(without_detail));
  }
  return std::nullopt;
}

std::optional<json::value> value_of(const std::string& name, const InputShape& shape, const json::object& envelope,
                                    const InputContext& context) {
  if (name.starts_with(kPredefined)) return predefined(name, envelope, context);
  const auto path = shape.paths.find(name);
  if (path == shape.paths.end()) return std::nullopt;
  return follow(json::value(envelope), path->second);
}

// Within quotes an object or array loses its own, so that the text around it stays one text.
std::string within_quotes(const json::value& value) {
  if (value.is_string()) return std::string(view(value.get_string()));  // Not escaped: AWS inserts the raw text.
  std::string text = json::serialize(value);
  if (value.is_object() || value.is_array()) std::erase(text, '"');
  return text;
}

// Walks a template; `on_variable(name, quoted)` and `on_text(char)` see it in order.  A backslash
// inside quotes escapes.
template <class OnVariable, class OnText>
void walk(std::string_view text, OnVariable on_variable, OnText on_text) {
  bool quoted = false;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (quoted && c == '\\' && at + 1 < text.size()) {
      const char escaped = text[++at];
      if (escaped != '<' && escaped != '>') on_text(c);  // "\<" is how a template says "<".
      on_text(escaped);
      continue;
    }
    if (c == '"') quoted = !quoted;
    const auto end = c == '<' ? text.find('>', at) : std::string_view::npos;
    if (end != std::string_view::npos && end > at + 1) {
      on_variable(std::string(text.substr(at + 1, end - at - 1)), quoted);
      at = end;
    } else {
      on_text(c);
    }
  }
}

std::string fill(const InputShape& shape, const json::object& envelope, const InputContext& context) {
  std::string out;
  const auto put_variable = [&](const std::string& name, bool quoted) {
    const auto value = value_of(name, shape, envelope, context);
    if (!value) {
      if (!quoted) out += "\"\"";
    } else if (quoted) {
      out += within_quotes(*value);
    } else {
      out += json::serialize(*value);
    }
  };
  walk(*shape.template_text, put_variable, [&](char c) { out += c; });
  return out;
}

std::unexpected<Error> invalid(std::string message) {
  return fail(Fault::invalid, "ValidationException", std::move(message));
}

// A template is a JSON value, or quoted texts each on a line of its own.
bool is_template(const std::string& text) {
  if (parse_json(text)) return true;
  const auto quoted = [](const std::string& line) {
    const auto value = parse_json(line);
    return trim(line).empty() || (value && value->is_string());
  };
  return std::ranges::all_of(split(text, '\n'), quoted);
}

// A member's name in which a variable stands.
bool has_variable_key(const json::value& value) {
  if (value.is_array()) return std::ranges::any_of(value.get_array(), has_variable_key);
  if (!value.is_object()) return false;
  return std::ranges::any_of(value.get_object(), [](const json::key_value_pair& member) {
    return std::string_view(member.key()).contains(kVariable) || has_variable_key(member.value());
  });
}

Result<void> check_template(const InputShape& shape) {
  std::string unknown;
  std::string as_json;
  const auto put_variable = [&](const std::string& name, bool quoted) {
    const bool known =
        name.starts_with(kPredefined) ? predefined(name, {}, {}).has_value() : shape.paths.contains(name);
    if (!known && unknown.empty()) unknown = name;
    as_json += quoted ? kVariable : "0";
  };
  walk(*shape.template_text, put_variable, [&](char c) { as_json += c; });
  if (!unknown.empty()) {
    return invalid("Invalid InputTemplate for target : placeholder <" + unknown + "> is not in InputPathsMap.");
  }
  if (!is_template(as_json))
    return invalid("Invalid InputTemplate for target : it is neither a JSON object nor a quoted text.");
  const auto parsed = parse_json(as_json);
  if (parsed && has_variable_key(*parsed))
    return invalid("Invalid InputTemplate for target : a placeholder cannot be a key.");
  return {};
}

}  // namespace

Result<void> check_input(const InputShape& shape) {
  if (shape.fixed.has_value() + shape.path.has_value() + shape.template_text.has_value() > 1) {
    return invalid("Only one of Input, InputPath, or InputTransformer must be provided.");
  }
  if (shape.fixed && !parse_json(*shape.fixed)) return invalid("JSON syntax error in input for target.");
  if (shape.path && !parse_path(*shape.path)) return invalid("Invalid InputPath for target.");
  if (shape.paths.size() > kInputPathsMax) return invalid("InputPathsMap may have at most 100 entries.");
  for (const auto& [name, path] : shape.paths) {
    if (name.starts_with("AWS")) return invalid("Invalid InputPathsMap key " + name + ": keys may not start with AWS.");
    if (name.empty() || name.find_first_not_of(kVariableName) != std::string::npos)
      return invalid("Invalid InputPathsMap key " + name + ": it may have letters, digits, _ and - only.");
    if (!parse_path(path)) return invalid("Invalid InputPathsMap value " + path + ".");
  }
  return shape.template_text ? check_template(shape) : Result<void>{};
}

std::string shape_input(const InputShape& shape, const json::object& envelope, const InputContext& context) {
  if (shape.fixed) return *shape.fixed;
  if (shape.path) {
    const auto part = follow(json::value(envelope), *shape.path);
    return part ? json::serialize(*part) : "null";
  }
  if (shape.template_text) return fill(shape, envelope, context);
  return json::serialize(envelope);
}

}  // namespace slipway::events
