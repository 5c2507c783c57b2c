#include "events/schedule.h"

#include <charconv>
#include <string>

#include "base/text.h"

namespace slipway::events {

namespace {

constexpr long long kRateValueMax = 1'000'000;

std::optional<Duration> unit_of(std::string unit, long long value) {
  if (value > 1) {
    if (!unit.ends_with('s')) return std::nullopt;
    unit.pop_back();
  }
  if (unit == "minute") return std::chrono::minutes(1);
  if (unit == "hour") return std::chrono::hours(1);
  if (unit == "day") return std::chrono::hours(24);
  return std::nullopt;
}

}  // namespace

Result<Duration> parse_rate(std::string_view expression) {
  if (expression.starts_with("cron(")) {
    return fail(Fault::unsupported, "ValidationException",
                "cron(...) schedules are not supported yet; use rate(...), for example rate(5 minutes).");
  }
  const auto invalid = [] {
    return fail(Fault::invalid, "ValidationException", "Parameter ScheduleExpression is not valid.");
  };
  if (!expression.starts_with("rate(") || !expression.ends_with(')')) return invalid();
  const auto parts = split(trim(expression.substr(5, expression.size() - 6)), ' ');
  if (parts.size() != 2) return invalid();
  long long value = 0;
  const auto [end, error] = std::from_chars(parts[0].data(), parts[0].data() + parts[0].size(), value);
  if (error != std::errc{} || end != parts[0].data() + parts[0].size() || value < 1 || value > kRateValueMax)
    return invalid();
  const auto unit = unit_of(parts[1], value);
  if (!unit) return invalid();
  return *unit * value;
}

}  // namespace slipway::events
