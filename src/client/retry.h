// Retry: which failures may pass when repeated, how long to wait, and when to stop.  Pure.
// https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html ("standard")
#pragma once
#include "base/instant.h"
#include "client/surroundings.h"

namespace slipway::client {

enum class Repeat { never, transient, throttled };

// What kind of failure `error` is; `status` is 0 when no answer came.
Repeat repeat_class(const Error& error, int status);

constexpr Duration kTransientWait = std::chrono::milliseconds(50);
constexpr Duration kThrottledWait = std::chrono::seconds(1);
constexpr Duration kWaitMax = std::chrono::seconds(20);

// How long to wait before repetition `number` (0 is the first), by chance: fraction * min(wait *
// 2^number, kWaitMax).
Duration repeat_wait(Repeat repeat, int number, double fraction);

// Keeps a client from repeating everything while a service is down: repetitions cost, success pays
// back.
class RepeatQuota {
 public:
  static constexpr int kCapacity = 500;
  static constexpr int kTransientCost = 14;
  static constexpr int kThrottledCost = 5;
  bool take(Repeat repeat);  // False: nothing left, do not repeat.
  void succeeded();

 private:
  int left_ = kCapacity;
  int last_cost_ = 1;  // What the next success gives back.
};

// AWS's error body as an Error: JSON with __type or X-Amzn-ErrorType, or XML with Code and Message.
Error read_error(const http::ClientResponse& response);

}  // namespace slipway::client
