// A clock for tests, moved by hand: whoever sleeps by it is woken at once, at the time that it asked for.
#pragma once
#include <algorithm>

#include "host/clock.h"

namespace slipway::host {

class HandClock final : public Clock {
 public:
  explicit HandClock(Instant start = instant_ms(1'700'000'000'000)) : now_(start) {}
  Instant now() const override { return now_; }
  task<void> sleep_until(Instant at) override {
    now_ = std::max(now_, at);
    co_return;
  }
  void advance(Duration by) { now_ = now_ + by; }

 private:
  Instant now_;
};

}  // namespace slipway::host
