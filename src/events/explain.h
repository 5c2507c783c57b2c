// Explain: why an event does not match a pattern: the first field that fails, what the event has there, and what the
// pattern asks.  Pure.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"

namespace slipway::events {

struct Mismatch {
  std::string field;  // "detail.state"; "$or" or "detail.$or" when no branch holds; empty: each field alone matches.
  std::string found;  // JSON text: "(absent)", a value, or several with commas between.
  std::string asked;  // JSON text.
  std::string text() const;  // One sentence.
};

// Nullopt: it matches.  Fails as compile() does.
Result<std::optional<Mismatch>> explain(std::string_view pattern, const json::value& event);

}  // namespace slipway::events
