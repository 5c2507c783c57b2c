// Boost.JSON as the project speaks it: the alias, and readers that do not throw on a missing or mistyped member.
#pragma once
#include <boost/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace slipway {

namespace json = boost::json;

// Parses one JSON text.  Fails (Fault::invalid, code "InvalidJson") with the position of the fault; depth is limited to
// 100.
Result<json::value> parse_json(std::string_view text);

// The member `name` of `object`, or nullptr when absent or null.
const json::value* find(const json::object& object, std::string_view name);
// A member of nested objects: find_path(v, {"detail", "image-tag"}); nullptr when any step is absent.
const json::value* find_path(const json::value& value, std::initializer_list<std::string_view> path);

std::string get_string(const json::object& object, std::string_view name, std::string_view otherwise = {});
// Rounds a double; a number beyond what fits becomes the nearest that does.
long long get_int(const json::object& object, std::string_view name, long long otherwise = 0);
double get_double(const json::object& object, std::string_view name, double otherwise = 0);
bool get_bool(const json::object& object, std::string_view name, bool otherwise = false);
json::object get_object(const json::object& object, std::string_view name);  // Empty when absent.
json::array get_array(const json::object& object, std::string_view name);    // Empty when absent.
std::vector<std::string> get_strings(const json::object& object, std::string_view name);
bool has(const json::object& object, std::string_view name);  // Present and not null.

json::array to_array(const std::vector<std::string>& texts);
inline std::string_view view(const json::string& text) {
  return {text.data(), text.size()};
}

}  // namespace slipway
