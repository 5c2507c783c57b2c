// Virtual time: in a program that links this, every clock of the process shows the time that the simulation sets, and
// Asio's timers follow it.  So the real coroutines, their pauses and time-outs run through hours in milliseconds.
// One thread only.
#pragma once
#include "base/instant.h"

namespace slipway::sim {

void set_time(Instant now);
Instant virtual_now();

}  // namespace slipway::sim
