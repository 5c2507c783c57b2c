#include "lambda/invocation.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "base/text.h"

namespace slipway::lambda {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kTailBytes = 4096;
constexpr Duration kThrottleWaitMax = 5min;

}  // namespace

std::string error_payload(const std::string& type, const std::string& message) {
  return json::serialize(json::object{{"errorType", type}, {"errorMessage", message}});
}

std::string checked_error_type(const std::string& type) {
  const bool runtime = type.starts_with("Runtime.");
  const bool function = type.starts_with("Function.");
  if (!runtime && !function) return "Runtime.Unknown";
  const std::string name = type.substr(type.find('.') + 1);
  const bool letters = name.size() > 1 && std::isupper(static_cast<unsigned char>(name[0])) &&
                       std::ranges::all_of(name, [](char c) { return std::isalpha(static_cast<unsigned char>(c)); });
  if (letters) return type;
  return function ? "Function.Unknown" : "Runtime.Unknown";
}

std::string start_line(const std::string& request_id) {
  return "START RequestId: " + request_id + " Version: $LATEST";
}
std::string end_line(const std::string& request_id) {
  return "END RequestId: " + request_id;
}

std::string report_line(const std::string& request_id, const Outcome& outcome, long long memory_mib) {
  const long long used = (outcome.memory_bytes_max + 1024 * 1024 - 1) / (1024 * 1024);
  std::string line = fmt::format(
      "REPORT RequestId: {}\tDuration: {}.00 ms\tBilled Duration: {} ms\tMemory Size: {} MB\tMax Memory Used: {} MB\t",
      request_id, outcome.took.count(), std::max<long long>(1, outcome.took.count()), memory_mib, used);
  if (outcome.init) line += fmt::format("Init Duration: {}.00 ms\t", outcome.init->count());
  return line;
}

std::string log_tail(const std::string& log) {
  return log.size() <= kTailBytes ? log : log.substr(log.size() - kTailBytes);
}

std::optional<Duration> retry_after_error(int attempts_made, int retries_max) {
  if (attempts_made > retries_max) return std::nullopt;
  return attempts_made <= 1 ? Duration(1min) : Duration(2min);
}

Duration retry_after_throttle(int times) {
  return std::min<Duration>(Duration(1s) * (1LL << std::clamp(times, 0, 20)), kThrottleWaitMax);
}

RuntimeKind runtime_kind(const std::string& runtime) {
  if (runtime == "provided.al2023" || runtime == "provided.al2") return RuntimeKind::provided;
  if (runtime.starts_with("python3.")) return RuntimeKind::python;
  return RuntimeKind::unknown;
}

std::string function_name(const std::string& text) {
  const auto parts = split(text, ':');
  for (std::size_t i = 0; i + 1 < parts.size(); ++i) {
    if (parts[i] == "function") return parts[i + 1];
  }
  return parts.size() > 1 && parts[0].find_first_not_of("0123456789") != std::string::npos ? parts[0] : parts.back();
}

}  // namespace slipway::lambda
