// A world for the whole scheduler: the real coroutines, tables and operations of ecs over a simulated engine, registry
// and load balancer in virtual time.  Images crash, never become healthy, start slowly; the engine errs, hangs and goes
// away; some services deploy by BLUE_GREEN; news is lost or comes twice; the disk is full for a while; the daemon dies
// between any two steps.
//
// Never: a container signalled while it is in traffic; SIGKILL before its stop time-out; a serving target taken out
// below the minimum (in worlds without accidents); more tasks than the maximum; two digests in one deployment; a task
// of a deployment that had failed; two containers of one task.
// Finally: when faults end and a good image is deployed, it is live on the desired count within bounded time, and
// nothing else is left on the engine or in the load balancer.
#pragma once
#include <string>

namespace slipway::sim {

// Empty when all went well, else what went wrong.
std::string run_region_world(unsigned long seed);

}  // namespace slipway::sim
