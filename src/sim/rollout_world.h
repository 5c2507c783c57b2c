// A world for the rollout alone: one service on a simulated machine whose tasks crash, start slowly, flap and come into
// traffic late, whose deployments supersede each other, fail, are stopped by hand, and whose daemon dies between
// deciding, recording and acting.
//
// Never: more than the maximum of tasks that are meant to stay; a serving task taken away while fewer than the minimum
// would serve; a needed task stopped before it served; a task started for a deployment that failed; a rollback to what
// was never completed; a verdict before the threshold; completion beside old tasks; restarts without a pause.
// Of deployments that shift traffic, with a load balancer that follows late, also never: traffic moved to a revision
// that is not whole; a step or the end before its bake is over; a task stopped while its side has traffic, unless
// enough stay; new tasks on a side where others still are; a failed shift that keeps its traffic. Finally: when faults
// end, the service comes to rest: on the desired count, failed for good, or stuck and saying so.
#pragma once
#include <string>

namespace slipway::sim {

// Empty when all went well, else what went wrong.
std::string run_rollout_world(unsigned long seed);

}  // namespace slipway::sim
