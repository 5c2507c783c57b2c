#include "elb/config.h"

#include <fmt/format.h>

#include <algorithm>

namespace slipway::elb {
namespace {

constexpr int kSlotsMin = 16;

// noreuseport: a port that somebody else listens on is an error, not shared with them.
// Time-outs as an Application Load Balancer has them, where it has them: 60 s idle.  A target that refuses the
// connection is tried again elsewhere; one that took the request is not, as nobody knows what it did with it.
constexpr const char* kHead = R"(# Written by Slipway; changes are lost.
global
  master-worker no-exit-on-failure
  noreuseport
  nbthread 2
  maxconn 8000
  hard-stop-after 310s
  stats socket %SOCKET% mode 600 level admin expose-fd listeners
  tune.bufsize 32768

defaults
  mode http
  option redispatch 1
  option idle-close-on-response
  option http-keep-alive
  retries 3
  retry-on conn-failure
  timeout connect 1s
  timeout client 60s
  timeout server 60s
  timeout queue 5s
  timeout http-keep-alive 60s
)";

}  // namespace

std::string structure_of(const std::string& text) {
  std::string out;
  std::size_t from = 0;
  while (from < text.size()) {
    const auto end = std::min(text.find('\n', from), text.size());
    std::string line = text.substr(from, end - from);
    // "  server s3 10.0.0.7:80" -> "  server s3"
    if (line.starts_with("  server ")) line.resize(std::min(line.find(' ', 9), line.size()));
    out += line + "\n";
    from = end + 1;
  }
  return out;
}

int slot_count(int highest) {
  int count = kSlotsMin;
  while (count < highest) count *= 2;
  return count;
}

int free_slot(const std::vector<int>& taken) {
  int number = 1;
  while (std::ranges::find(taken, number) != taken.end()) ++number;
  return number;
}

std::string render(const std::vector<Frontend>& frontends, const std::vector<Backend>& backends) {
  std::string out = kHead;
  for (const Frontend& frontend : frontends)
    out += fmt::format("\nfrontend {}\n  bind {}:{}\n  default_backend {}\n", frontend.name, frontend.address,
                       frontend.port, frontend.backend);
  for (const Backend& backend : backends) {
    out += fmt::format("\nbackend {}\n  balance roundrobin\n", backend.name);
    int highest = 0;
    for (const Slot& slot : backend.taken) highest = std::max(highest, slot.number);
    for (int number = 1; number <= slot_count(highest); ++number) {
      const auto taken = std::ranges::find(backend.taken, number, &Slot::number);
      const bool serves = taken != backend.taken.end() && taken->in_traffic;
      out += serves ? fmt::format("  server s{} {}:{}\n", number, taken->address, taken->port)
                    : fmt::format("  server s{} 127.0.0.1:1 disabled\n", number);
    }
  }
  return out;
}

}  // namespace slipway::elb
