// Tally: what a load run saw, counted.  Pure.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/json.h"

namespace slipway::load {

enum class Failure { none, connect, reset, timed_out, server_error, client_error, truncated };
const char* failure_text(Failure failure);

struct Sample {
  Failure failure = Failure::none;
  std::string version;    // The first word of the body.
  double due_ms = 0;      // When the request was due, since the start.
  double latency_ms = 0;  // From when it was due until its answer was complete: waiting in us counts too.
  bool kept_connection = false;
};

class Tally {
 public:
  void add(const Sample& sample);
  std::uint64_t sent() const { return latencies_.size(); }
  std::uint64_t failed() const;
  json::object to_json() const;
  std::string table() const;

 private:
  struct Version {
    std::uint64_t count = 0;
    double first_ms = 0;
    double last_ms = 0;
  };
  std::map<std::string, Version> versions_;
  std::map<Failure, std::uint64_t> failures_;
  std::vector<float> latencies_;
  std::uint64_t kept_ = 0;
};

// The value below which `share` (0 to 1) of `sorted` lies; 0 when empty.
double percentile(const std::vector<float>& sorted, double share);

}  // namespace slipway::load
