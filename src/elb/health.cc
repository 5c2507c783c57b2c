#include "elb/health.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/text.h"

namespace slipway::elb {
namespace {

constexpr Duration kNewTargetProbe = std::chrono::milliseconds(100);

struct Range {
  int from = 0;
  int to = 0;
};

std::optional<Range> read_range(std::string_view part) {
  const auto dash = part.find('-');
  const auto number = [](std::string_view text) {
    int value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc() && end == text.data() + text.size() ? value : -1;
  };
  Range range{.from = number(part.substr(0, dash)),
              .to = number(dash == std::string_view::npos ? part : part.substr(dash + 1))};
  if (range.from < 200 || range.to > 499 || range.from > range.to) return std::nullopt;
  return range;
}

}  // namespace

bool valid_matcher(const std::string& matcher) {
  return std::ranges::all_of(split(matcher, ','),
                             [](const std::string& part) { return read_range(trim(part)).has_value(); });
}

bool matches(const std::string& matcher, int status) {
  return std::ranges::any_of(split(matcher, ','), [status](const std::string& part) {
    const auto range = read_range(trim(part));
    return range && range->from <= status && status <= range->to;
  });
}

const char* state_text(TargetState state) {
  switch (state) {
    case TargetState::initial:
      return "initial";
    case TargetState::healthy:
      return "healthy";
    case TargetState::unhealthy:
      return "unhealthy";
    case TargetState::draining:
      return "draining";
    case TargetState::unused:
      return "unused";
  }
  return "";
}

TargetHealth judge(TargetHealth health, const HealthCheck& check, const Probe& probe, Instant now) {
  if (health.state == TargetState::draining) return health;
  if (probe.outcome == Probe::Outcome::answered && matches(check.matcher, probe.status)) {
    health.bad = 0;
    ++health.good;
    const int needed = health.state == TargetState::initial ? 1 : check.healthy_threshold;
    if (health.good >= needed) {
      health.state = TargetState::healthy;
      health.reason.clear();
      health.description.clear();
    }
    return health;
  }
  health.good = 0;
  if (health.bad > 0 && now < health.bad_counted_at + check.interval && health.state == TargetState::initial)
    return health;
  ++health.bad;
  health.bad_counted_at = now;
  if (health.bad < check.unhealthy_threshold) return health;
  health.state = TargetState::unhealthy;
  switch (probe.outcome) {
    case Probe::Outcome::answered:
      health.reason = "Target.ResponseCodeMismatch";
      health.description = fmt::format("Health checks failed with these codes: [{}]", probe.status);
      break;
    case Probe::Outcome::timed_out:
      health.reason = "Target.Timeout";
      health.description = "Request timed out";
      break;
    case Probe::Outcome::failed:
      health.reason = "Target.FailedHealthChecks";
      health.description = "Health checks failed";
      break;
  }
  return health;
}

Duration until_next_probe(const TargetHealth& health, const HealthCheck& check) {
  return health.state == TargetState::initial ? std::min(kNewTargetProbe, check.interval) : check.interval;
}

}  // namespace slipway::elb
