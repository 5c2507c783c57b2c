#include "events/input.h"

#include <charconv>
#include <vector>

namespace slipway::events {

namespace {

constexpr std::string_view kPredefined = "aws.events.";

struct Step {
  std::string key;
  std::optional<std::size_t> index;
};

// "$.a.b[0]" and "$['a']" -> steps; nullopt when it is no such path.
std::optional<std::vector<Step>> parse_path(std::string_view text) {
  if (!text.starts_with('$')) return std::nullopt;
  std::vector<Step> steps;
  for (std::size_t at = 1; at < text.size();) {
    if (text[at] == '.') {
      auto end = text.find_first_of(".[", at + 1);
      if (end == std::string_view::npos) end = text.size();
      if (end == at + 1) return std::nullopt;
      steps.push_back({.key = std::string(text.substr(at + 1, end - at - 1)), .index = std::nullopt});
      at = end;
    } else if (text[at] == '[') {
      const auto end = text.find(']', at);
      if (end == std::string_view::npos) return std::nullopt;
      const auto inner = text.substr(at + 1, end - at - 1);
      if (inner.size() >= 2 && (inner.front() == '\'' || inner.front() == '"') && inner.back() == inner.front()) {
        steps.push_back({.key = std::string(inner.substr(1, inner.size() - 2)), .index = std::nullopt});
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

const json::value* follow(const json::value& from, std::string_view path) {
  const auto steps = parse_path(path);
  if (!steps) return nullptr;
  const json::value* at = &from;
  for (const auto& step : *steps) {
    if (step.index) {
      at = at->is_array() && *step.index < at->get_array().size() ? &at->get_array()[*step.index] : nullptr;
    } else {
      at = at->is_object() ? at->get_object().if_contains(step.key) : nullptr;
    }
    if (!at) return nullptr;
  }
  return at;
}

std::optional<json::value> predefined(std::string_view name, const json::object& envelope,
                                      const InputContext& context) {
  if (name == "aws.events.rule-arn") return json::value(context.rule_arn);
  if (name == "aws.events.rule-name") return json::value(context.rule_name);
  if (name == "aws.events.event.ingestion-time") return json::value(iso_millis(context.ingested));
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
  const json::value whole(envelope);
  const auto* found = follow(whole, path->second);
  if (!found) return std::nullopt;
  return *found;
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
    } else if (quoted && value->is_string()) {
      out += view(value->get_string());  // Not escaped: AWS inserts the raw text.
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

Result<void> check_template(const InputShape& shape) {
  std::string unknown;
  std::string as_json;
  const auto put_variable = [&](const std::string& name, bool quoted) {
    const bool known =
        name.starts_with(kPredefined) ? predefined(name, {}, {}).has_value() : shape.paths.contains(name);
    if (!known && unknown.empty()) unknown = name;
    as_json += quoted ? "x" : "0";
  };
  walk(*shape.template_text, put_variable, [&](char c) { as_json += c; });
  if (!unknown.empty()) {
    return invalid("Invalid InputTemplate for target : placeholder <" + unknown + "> is not in InputPathsMap.");
  }
  if (!parse_json(as_json))
    return invalid("Invalid InputTemplate for target : it is neither a JSON object nor a quoted text.");
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
    if (!parse_path(path)) return invalid("Invalid InputPathsMap value " + path + ".");
  }
  return shape.template_text ? check_template(shape) : Result<void>{};
}

std::string shape_input(const InputShape& shape, const json::object& envelope, const InputContext& context) {
  if (shape.fixed) return *shape.fixed;
  if (shape.path) {
    const json::value whole(envelope);
    const auto* part = follow(whole, *shape.path);
    return part ? json::serialize(*part) : "null";
  }
  if (shape.template_text) return fill(shape, envelope, context);
  return json::serialize(envelope);
}

}  // namespace slipway::events
