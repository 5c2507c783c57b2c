// A deployment that takes over by moving traffic between two target groups: BLUE_GREEN, LINEAR, CANARY, and the way
// back from them.  Pure.  The new revision runs beside the old one on a target group of its own; the old one stays
// whole until the last stage, so that going back is a change of weights.
#pragma once
#include <vector>

#include "ecs/rollout.h"

namespace slipway::ecs {

// The hook has said no, or nothing for too long.
bool has_refused(const Deployment& deployment, const HookRun& run);

// The next steps of plan.next.deployments.front(), which has a phase.  `confirmed`: the load balancer carries out what
// plan.next.traffic says.
void shift(Plan& plan, const std::vector<TaskSeen>& seen, bool confirmed, Instant now);

}  // namespace slipway::ecs
