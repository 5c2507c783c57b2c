// wall_clock(): what time it is, for logs and for the outermost code of programs.  Everything else is handed an
// Instant, and the region's rooms ask their host::Clock.
#pragma once
#include "base/instant.h"

namespace slipway {

inline Instant wall_clock() {
  return Instant{std::chrono::floor<Duration>(std::chrono::system_clock::now().time_since_epoch())};
}

}  // namespace slipway
