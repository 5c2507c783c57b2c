#include "http/message.h"

#include "base/text.h"

namespace slipway::http {

std::optional<std::string> Headers::find(std::string_view name) const {
  for (const auto& [key, value] : entries_) {
    if (equal_ignoring_case(key, name)) return value;
  }
  return std::nullopt;
}

std::string Headers::get(std::string_view name, std::string_view otherwise) const {
  auto found = find(name);
  return found ? std::move(*found) : std::string(otherwise);
}

void Headers::set(std::string_view name, std::string value) {
  std::erase_if(entries_, [&](const auto& entry) { return equal_ignoring_case(entry.first, name); });
  entries_.emplace_back(std::string(name), std::move(value));
}

void Headers::add(std::string name, std::string value) {
  entries_.emplace_back(std::move(name), std::move(value));
}

task<Result<std::string>> read_all(BodyReader& body, std::size_t bytes_max) {
  std::string whole;
  for (;;) {
    auto piece = co_await body.read_some();
    if (!piece) co_return fail(piece);
    if (piece->empty()) co_return whole;
    if (whole.size() + piece->size() > bytes_max)
      co_return fail(Fault::invalid, "RequestEntityTooLarge",
                     "the body is larger than " + std::to_string(bytes_max) + " bytes");
    if (whole.empty()) {
      whole = std::move(*piece);
    } else {
      whole += *piece;
    }
  }
}

std::string_view Request::raw_path() const {
  return std::string_view(target).substr(0, target.find('?'));
}

std::string Request::path() const {
  return percent_decode(raw_path());
}

std::string_view Request::raw_query() const {
  const auto mark = target.find('?');
  return mark == std::string::npos ? std::string_view{} : std::string_view(target).substr(mark + 1);
}

std::vector<std::pair<std::string, std::string>> Request::query() const {
  std::vector<std::pair<std::string, std::string>> pairs;
  if (raw_query().empty()) return pairs;
  for (const std::string& part : split(raw_query(), '&')) {
    if (part.empty()) continue;
    const auto equals = part.find('=');
    const std::string value = equals == std::string::npos ? "" : part.substr(equals + 1);
    pairs.emplace_back(percent_decode(part.substr(0, equals), true), percent_decode(value, true));
  }
  return pairs;
}

std::optional<std::string> Request::query_value(std::string_view name) const {
  for (auto& [key, value] : query()) {
    if (key == name) return value;
  }
  return std::nullopt;
}

Response text_response(int status, std::string body, std::string content_type) {
  Response response;
  response.status = status;
  response.headers.set("Content-Type", std::move(content_type));
  response.body = std::move(body);
  return response;
}

Response json_response(int status, std::string body) {
  return text_response(status, std::move(body), "application/json");
}

}  // namespace slipway::http
