// Difference: what would change in a text, line by line, for people: the smallest number of lines, three around them.
#pragma once
#include <string>
#include <string_view>

namespace slipway::render {

// In the notation of `diff -u`; empty when the texts are the same.  Beyond 4,000 lines of either text it only says
// that they differ.
std::string unified_diff(std::string_view before, std::string_view after, const std::string& name);

}  // namespace slipway::render
