// Time and chance, as the shell sees them.  Models never see a Clock: they are handed an Instant.
#pragma once
#include <chrono>
#include <string>

#include "base/instant.h"
#include "base/task.h"

namespace slipway::host {

class Clock {
 public:
  virtual ~Clock() = default;
  virtual Instant now() const = 0;
  // Returns at `at` or later.  A jump of the wall clock does not stretch the wait.
  virtual task<void> sleep_until(Instant at) = 0;
};

class SystemClock final : public Clock {
 public:
  Instant now() const override;
  task<void> sleep_until(Instant at) override;
};

// How long something took, finer than an Instant tells and unmoved by jumps of the wall clock.  It starts when made.
class Stopwatch {
 public:
  std::chrono::microseconds elapsed() const {
    return std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - began_);
  }

 private:
  std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
};

class Random {
 public:
  virtual ~Random() = default;
  virtual std::string bytes(std::size_t count) = 0;

  std::string hex(std::size_t digits);                // Lower case.
  std::string uuid();                                 // Version 4, "13cde686-328b-4117-af20-0e5566167482".
  std::string digits(std::size_t count);              // Decimal, the first not 0: ids of ECS deployments.
  std::string alphanumeric_upper(std::size_t count);  // A-Z 2-7: access key ids.
  double fraction();                                  // [0, 1)
};

class SystemRandom final : public Random {
 public:
  std::string bytes(std::size_t count) override;
};

class SeededRandom final : public Random {  // For tests and the simulator: the same seed, the same bytes.
 public:
  explicit SeededRandom(unsigned long long seed) : state_(seed) {}
  std::string bytes(std::size_t count) override;

 private:
  unsigned long long state_;
};

}  // namespace slipway::host
