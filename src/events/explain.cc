#include "events/explain.h"

#include <vector>

#include "base/text.h"
#include "events/pattern.h"

namespace slipway::events {

namespace {

using Path = std::vector<std::string>;

// {"detail": {"state": asked}} for the path detail, state.
json::value nested(const Path& path, json::value asked) {
  for (auto key = path.rbegin(); key != path.rend(); ++key) asked = json::object{{*key, std::move(asked)}};
  return asked;
}

bool holds(const Path& path, const json::value& asked, const json::value& event) {
  const auto pattern = compile(json::serialize(nested(path, asked)));
  return pattern && matches(*pattern, event);
}

// Every value that the event has at the path; arrays on the way are passed through.
void gather(const json::value& from, const Path& path, std::size_t at, std::vector<std::string>& out) {
  if (from.is_array() && at < path.size()) {
    for (const auto& element : from.get_array()) gather(element, path, at, out);
  } else if (at == path.size()) {
    out.push_back(json::serialize(from));
  } else if (from.is_object()) {
    if (const auto* member = from.get_object().if_contains(path[at])) gather(*member, path, at + 1, out);
  }
}

Mismatch mismatch(const Path& path, const json::value& asked, const json::value& event) {
  std::vector<std::string> found;
  gather(event, path, 0, found);
  return {.field = join(path, "."),
          .found = found.empty() ? "(absent)" : join(found, ", "),
          .asked = json::serialize(asked)};
}

// The first field below `asked`, in the order of the pattern's text, that fails on its own.
std::optional<Mismatch> first_failing(Path& path, const json::object& asked, const json::value& event) {
  for (const auto& member : asked) {
    const std::string key(member.key());
    const auto& value = member.value();
    std::optional<Mismatch> failed;
    if (key == "$or" && !holds(path, json::object{{key, value}}, event)) {
      failed = mismatch(path, value, event);
      path.push_back(key);
      failed->field = join(path, ".");
      path.pop_back();
    } else if (key != "$or") {
      path.push_back(key);
      if (value.is_object()) {
        failed = first_failing(path, value.get_object(), event);
      } else if (!holds(path, value, event)) {
        failed = mismatch(path, value, event);
      }
      path.pop_back();
    }
    if (failed) return failed;
  }
  return std::nullopt;
}

}  // namespace

std::string Mismatch::text() const {
  if (field.empty()) return "each field matches on its own, but not within the same element of an array";
  return field + " is " + found + ", asked was " + asked;
}

Result<std::optional<Mismatch>> explain(std::string_view pattern, const json::value& event) {
  const auto compiled = compile(pattern);
  if (!compiled) return fail(compiled);
  if (matches(*compiled, event)) return std::nullopt;
  const auto asked = parse_json(pattern);
  Path path;
  auto failed = asked && asked->is_object() ? first_failing(path, asked->get_object(), event) : std::nullopt;
  return failed ? failed : std::optional(Mismatch{});
}

}  // namespace slipway::events
