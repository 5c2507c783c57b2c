// Input: what a target receives of an event: all of it, a fixed text, a part, or a template filled
// from it.  Pure.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-transform-target-input.html
#pragma once
#include <map>
#include <optional>
#include <string>

#include "base/instant.h"
#include "base/json.h"
#include "base/result.h"

namespace slipway::events {

constexpr std::size_t kInputPathsMax = 100;

// At most one of the three is set.
struct InputShape {
  std::optional<std::string> fixed;  // Input
  std::optional<std::string> path;   // InputPath, "$.detail"
  std::optional<std::string> template_text;
  std::map<std::string, std::string> paths;  // InputPathsMap
};

// The predefined variables of templates, aws.events.*.
struct InputContext {
  std::string rule_arn;
  std::string rule_name;
  Instant ingested{};
};

// Fails with Fault::invalid, "ValidationException", when a path or template could never be filled.
Result<void> check_input(const InputShape& shape);

// The payload: JSON text.  `envelope` is the whole event.  A path that leads nowhere gives an empty
// text in a template's quotes, null-like nothing elsewhere, as AWS does; it is no error.
std::string shape_input(const InputShape& shape, const json::object& envelope, const InputContext& context);

}  // namespace slipway::events
