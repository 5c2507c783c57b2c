// The health of one target, from its probes.  Pure.
// https://docs.aws.amazon.com/elasticloadbalancing/latest/application/target-group-health-checks.html
#pragma once
#include <string>

#include "base/instant.h"

namespace slipway::elb {

struct HealthCheck {
  std::string path = "/";
  int port = 0;  // 0: the target's own.
  Duration interval = std::chrono::seconds(30);
  Duration timeout = std::chrono::seconds(5);
  int healthy_threshold = 5;
  int unhealthy_threshold = 2;
  std::string matcher = "200";  // "200", "200,202", "200-399"
};

// `unused`: no listener sends requests to its group, so that nothing is probed.
enum class TargetState { initial, healthy, unhealthy, draining, unused };

struct TargetHealth {
  TargetState state = TargetState::initial;
  int good = 0;  // In a row.
  int bad = 0;
  Instant bad_counted_at{};
  std::string reason = "Elb.RegistrationInProgress";
  std::string description = "Target registration is in progress";
};

// What one probe brought.
struct Probe {
  enum class Outcome { answered, timed_out, failed };
  Outcome outcome = Outcome::answered;
  int status = 0;
};

// The first good answer makes a new target healthy; later it takes the threshold.  While a target is new it is probed
// faster than its interval, but a failure counts at most once an interval.
TargetHealth judge(TargetHealth health, const HealthCheck& check, const Probe& probe, Instant now);
// How long to wait after a probe.
Duration until_next_probe(const TargetHealth& health, const HealthCheck& check);

bool matches(const std::string& matcher, int status);
bool valid_matcher(const std::string& matcher);
const char* state_text(TargetState state);

}  // namespace slipway::elb
