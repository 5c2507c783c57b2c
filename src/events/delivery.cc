#include "events/delivery.h"

#include <algorithm>

namespace slipway::events {

Duration back_off(int attempts, double fraction) {
  Duration delay = kFirstBackOff;
  for (int i = 1; i < attempts && delay < kLongestBackOff; ++i) delay *= 2;
  delay = std::min(delay, kLongestBackOff);
  const auto half = delay / 2;
  return half + Duration(static_cast<long long>(static_cast<double>(half.count()) * fraction));
}

Decision decide(const RetryPolicy& policy, Instant received, int attempts, const Result<void>& outcome, Instant now,
                double fraction) {
  if (outcome) return {.step = NextStep::done};
  const auto fault = outcome.error().fault;
  if (fault == Fault::denied || fault == Fault::not_found || fault == Fault::unsupported)
    return {.step = NextStep::give_up};
  if (attempts > policy.retries) return {.step = NextStep::give_up, .exhausted = "MaximumRetryAttempts"};
  const auto at = now + back_off(attempts, fraction);
  if (at - received > policy.age) return {.step = NextStep::give_up, .exhausted = "MaximumEventAgeInSeconds"};
  return {.step = NextStep::again, .at = at};
}

std::string dead_letter_code(const Error& error) {
  if (error.code == "SDK_CLIENT_ERROR") return error.code;  // The target answered, and refused.
  switch (error.fault) {
    case Fault::denied:
      return "NO_PERMISSIONS";
    case Fault::not_found:
      return "NO_RESOURCE";
    case Fault::conflict:
      return "RESOURCE_ALREADY_EXISTS";
    case Fault::throttled:
      return "THROTTLING";
    case Fault::timed_out:
      return "TIMEOUT";
    case Fault::invalid:
    case Fault::unsupported:
      return "INVALID_PARAMETER";
    case Fault::unavailable:
      return "SERVICE_UNAVAILABLE";
    case Fault::internal:
      break;
  }
  return "INTERNAL_ERROR";
}

std::map<std::string, int> share_out(const std::map<std::string, int>& due,
                                     const std::map<std::string, int>& in_flight) {
  std::map<std::string, int> room;
  std::map<std::string, int> starts;
  int free = kInFlightMax;
  for (const auto& [target, count] : in_flight) free -= count;
  for (const auto& [target, count] : due) {
    const auto found = in_flight.find(target);
    const int busy = found == in_flight.end() ? 0 : found->second;
    room[target] = std::min(count, kInFlightPerTargetMax - busy);
    if (busy > 0 || count < 1) continue;
    --room[target];
    --free;
    starts[target] = 1;
  }
  for (bool progress = true; progress && free > 0;) {
    progress = false;
    for (auto& [target, left] : room) {
      if (left <= 0 || free <= 0) continue;
      --left;
      --free;
      ++starts[target];
      progress = true;
    }
  }
  return starts;
}

}  // namespace slipway::events
