#include "base/json.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace slipway {

Result<json::value> parse_json(std::string_view text) {
  json::parse_options options;
  options.max_depth = 100;
  json::stream_parser parser({}, options);
  boost::system::error_code error;
  const std::size_t consumed = parser.write_some(text.data(), text.size(), error);
  if (!error && consumed == text.size()) parser.finish(error);
  if (!error && consumed == text.size()) return parser.release();
  const std::string why = error ? error.message() : "text after the end of the value";
  return fail(Fault::invalid, "InvalidJson", "not JSON at byte " + std::to_string(consumed) + ": " + why);
}

const json::value* find(const json::object& object, std::string_view name) {
  const auto* value = object.if_contains(name);
  return value == nullptr || value->is_null() ? nullptr : value;
}

const json::value* find_path(const json::value& value, std::initializer_list<std::string_view> path) {
  const json::value* at = &value;
  for (const std::string_view name : path) {
    if (!at->is_object()) return nullptr;
    at = find(at->get_object(), name);
    if (at == nullptr) return nullptr;
  }
  return at;
}

std::string get_string(const json::object& object, std::string_view name, std::string_view otherwise) {
  const auto* value = find(object, name);
  return value != nullptr && value->is_string() ? std::string(view(value->get_string())) : std::string(otherwise);
}

long long get_int(const json::object& object, std::string_view name, long long otherwise) {
  const auto* value = find(object, name);
  if (value == nullptr) return otherwise;
  if (value->is_int64()) return value->get_int64();
  constexpr long long kMost = std::numeric_limits<long long>::max();
  if (value->is_uint64()) return static_cast<long long>(std::min<std::uint64_t>(value->get_uint64(), kMost));
  if (!value->is_double()) return otherwise;
  const double number = value->get_double();
  if (number >= 0x1p63) return kMost;
  return number < -0x1p63 ? std::numeric_limits<long long>::min() : std::llround(number);
}

double get_double(const json::object& object, std::string_view name, double otherwise) {
  const auto* value = find(object, name);
  if (value == nullptr || !value->is_number()) return otherwise;
  return value->to_number<double>();
}

bool get_bool(const json::object& object, std::string_view name, bool otherwise) {
  const auto* value = find(object, name);
  return value != nullptr && value->is_bool() ? value->get_bool() : otherwise;
}

json::object get_object(const json::object& object, std::string_view name) {
  const auto* value = find(object, name);
  return value != nullptr && value->is_object() ? value->get_object() : json::object{};
}

json::array get_array(const json::object& object, std::string_view name) {
  const auto* value = find(object, name);
  return value != nullptr && value->is_array() ? value->get_array() : json::array{};
}

std::vector<std::string> get_strings(const json::object& object, std::string_view name) {
  std::vector<std::string> out;
  for (const json::value& value : get_array(object, name)) {
    if (value.is_string()) out.emplace_back(view(value.get_string()));
  }
  return out;
}

bool has(const json::object& object, std::string_view name) {
  return find(object, name) != nullptr;
}

json::array to_array(const std::vector<std::string>& texts) {
  json::array out;
  for (const std::string& text : texts) out.emplace_back(text);
  return out;
}

}  // namespace slipway
