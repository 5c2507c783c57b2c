// Delivery: what happens to one event on its way to one target, decided from outcomes and the time.
// Pure. https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-retry-policy.html
#pragma once
#include <map>
#include <string>
#include <vector>

#include "base/instant.h"
#include "base/result.h"

namespace slipway::events {

constexpr int kRetriesDefault = 185;
constexpr Duration kAgeDefault = std::chrono::hours(24);
constexpr Duration kFirstBackOff = std::chrono::seconds(1);
// 185 attempts of this length fill the 24 hours.
constexpr Duration kLongestBackOff = std::chrono::minutes(8);

// Deliveries at a time, all targets together: targets that hang may hold them all, and still every other target may
// have one under way.
constexpr int kInFlightMax = 256;
constexpr int kInFlightPerTargetMax = 32;

struct RetryPolicy {
  int retries = kRetriesDefault;  // After the first attempt.
  Duration age = kAgeDefault;     // Since the event came in.
};

enum class NextStep {
  done,     // The target has it.
  again,    // At `at`.
  give_up,  // To the dead-letter queue, when there is one.
};

struct Decision {
  NextStep step = NextStep::done;
  Instant at{};
  std::string exhausted;  // "MaximumRetryAttempts" or "MaximumEventAgeInSeconds"; empty when
                          // retrying could not have helped.
};

// How long to wait after `attempts` attempts have failed: doubling, at most kLongestBackOff, with
// jitter of `fraction` [0, 1) over its second half.
Duration back_off(int attempts, double fraction);

// What follows the `attempts`-th attempt (counted from 1).  Missing permission and a missing target
// are not tried again.
Decision decide(const RetryPolicy& policy, Instant received, int attempts, const Result<void>& outcome, Instant now,
                double fraction);

// What AWS calls a failure in the dead letter: NO_PERMISSIONS, NO_RESOURCE, THROTTLING, TIMEOUT,
// INTERNAL_ERROR…
std::string dead_letter_code(const Error& error);

// How many deliveries of each target to start, given how many are due (besides those in flight): round robin, within
// both bounds, and one for a target that has none.
std::map<std::string, int> share_out(const std::map<std::string, int>& due,
                                     const std::map<std::string, int>& in_flight);

}  // namespace slipway::events
