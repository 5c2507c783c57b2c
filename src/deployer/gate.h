// Gate: the health of a service beyond what ECS looks at: HTTP checks through the load balancer for a given time
// and with a budget of errors, and CloudWatch alarms by name.
#pragma once
#include <functional>
#include <string>

#include "base/instant.h"
#include "base/task.h"
#include "deployer/cloud.h"
#include "deployer/routes.h"

namespace slipway::deployer {

using Clock = std::function<Instant()>;

struct GateVerdict {
  enum class Outcome { passed, failed, unknown };  // unknown: an alarm could not be read, so that nothing is known.
  Outcome outcome = Outcome::passed;
  std::string why;  // "GET http://… answered 500: boom (3 errors of 12 checks, 0 allowed)"
};

// Checks until `verify.time` has passed, but no longer than `limit`, which the answer then says.  Ends at the first
// alarm, or error beyond the budget.  A URL that is a path is asked at the load balancer of `service` (as
// DescribeServices shows it).
task<GateVerdict> watch_gate(Cloud& cloud, config::Verify verify, json::object service, Duration limit, Clock clock);

// Whether "200", "200,202" or "200-299" has the code.
bool has_code(std::string_view codes, int status);

}  // namespace slipway::deployer
