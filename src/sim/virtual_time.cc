#include "sim/virtual_time.h"

#include <sys/timerfd.h>

#include <cerrno>
#include <ctime>

namespace {

// Not at zero: an Instant{} means "never" in many records.
slipway::Instant now_ = slipway::instant_ms(1'800'000'000'000);

}  // namespace

namespace slipway::sim {

void set_time(Instant now) {
  now_ = now;
}
Instant virtual_now() {
  return now_;
}

}  // namespace slipway::sim

// These stand in front of the C library's: std::chrono and Asio call them.
extern "C" int clock_gettime(clockid_t, timespec* out) noexcept {
  out->tv_sec = now_.ms() / 1000;
  out->tv_nsec = now_.ms() % 1000 * 1'000'000;
  return 0;
}
// Without timers of the kernel Asio looks at the clock whenever it is polled.
extern "C" int timerfd_create(int, int) noexcept {
  errno = ENOSYS;
  return -1;
}
