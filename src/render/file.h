// File: a rendered text and where it belongs.
#pragma once
#include <string>

#include "base/json.h"

namespace slipway::render {

struct File {
  std::string path;  // Relative to the folder that is rendered to.
  std::string text;
};

// JSON for people and for diffs: two spaces, one member a line, lists of one plain value on its line.
std::string pretty_json(const json::value& value);

}  // namespace slipway::render
