#include "elb/config.h"

#include <fmt/format.h>

#include <algorithm>

namespace slipway::elb {
namespace {

constexpr int kSlotsMin = 16;
constexpr long long kDie = 1'000'000;   // Sides.
constexpr const char* kThrow = "rand";  // HAProxy's own sample of it.
constexpr std::string_view kWeightLine = "  set-var proc.";

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
)";

constexpr const char* kDefaults = R"(
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

bool is_plain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

// Any text as one word of a configuration: HAProxy reads \xHH as that byte.
std::string word(const std::string& text) {
  std::string out;
  for (const char c : text)
    out += is_plain(c) ? std::string(1, c) : fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
  return out;
}

// A pattern with '*' and '?' as a regular expression in quotes, in which only PCRE reads the backslashes.
std::string expression(const std::string& pattern) {
  std::string out = "'^";
  for (const char c : pattern) {
    if (c == '*') {
      out += ".*";
    } else if (c == '?') {
      out += '.';
    } else {
      out += is_plain(c) ? std::string(1, c) : fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    }
  }
  return out + "$'";
}

// The side of the die from which on the shares behind the first `count` are meant.
long long side_after(const std::vector<BackendShare>& shares, std::size_t count) {
  long long sum = 0;
  long long before = 0;
  for (std::size_t i = 0; i < shares.size(); ++i) {
    sum += shares[i].weight;
    if (i < count) before += shares[i].weight;
  }
  return sum == 0 ? kDie : before * kDie / sum;
}

bool changes_at_run_time(const Route& route) {
  return route.shares.size() == 2;
}
std::string weight_variable(const Route& route) {
  return "proc.w_" + route.name;
}

// A listener with one group and no rules needs neither variables nor a die.
bool is_simple(const Frontend& frontend) {
  return frontend.routes.size() == 1 && frontend.routes[0].shares.size() == 1;
}

std::string render_route(const Route& route, std::size_t number) {
  const std::string chosen = fmt::format("{{ var(txn.rule) -m int {} }}", number);
  if (route.fixed) {
    std::string what = fmt::format("status {}", route.fixed->status);
    if (!route.fixed->body.empty())
      what += fmt::format(" content-type {} string {}",
                          word(route.fixed->content_type.empty() ? "text/plain" : route.fixed->content_type),
                          word(route.fixed->body));
    return fmt::format("  http-request return {} if {}\n", what, chosen);
  }
  std::string out;
  for (std::size_t i = 0; i + 1 < route.shares.size(); ++i) {
    const std::string side = changes_at_run_time(route)
                                 ? fmt::format("{{ var(txn.die),sub({}) -m int lt 0 }}", weight_variable(route))
                                 : fmt::format("{{ var(txn.die) -m int lt {} }}", side_after(route.shares, i + 1));
    out += fmt::format("  use_backend {} if {} {}\n", route.shares[i].backend, chosen, side);
  }
  return out + fmt::format("  use_backend {} if {}\n", route.shares.back().backend, chosen);
}

std::string render_frontend(const Frontend& frontend) {
  std::string out = fmt::format("\nfrontend {}\n  bind {}:{}\n", frontend.name, frontend.address, frontend.port);
  if (is_simple(frontend)) return out + fmt::format("  default_backend {}\n", frontend.routes[0].shares[0].backend);
  out += fmt::format("  http-request set-var(txn.die) {}({})\n", kThrow, kDie);
  std::string routes;
  for (std::size_t i = 0; i < frontend.routes.size(); ++i) {
    const Route& route = frontend.routes[i];
    std::string fits = "!{ var(txn.rule) -m found }";
    for (std::size_t k = 0; k < route.conditions.size(); ++k) {
      const Condition& condition = route.conditions[k];
      const std::string name = fmt::format("r{}_{}", i, k);
      out += fmt::format("  acl {} {} -m reg", name, condition.host ? "req.hdr(host),field(1,:),lower" : "path");
      for (const std::string& pattern : condition.patterns) out += " " + expression(pattern);
      out += "\n";
      fits += " " + name;
    }
    out += fmt::format("  http-request set-var(txn.rule) int({}) if {}\n", i, fits);
    // HAProxy answers by itself before it looks for a backend, so that answers stand before backends.
    (route.fixed ? out : routes) += render_route(route, i);
  }
  return out + routes;
}

}  // namespace

std::vector<std::string> weight_commands(const std::vector<Frontend>& frontends) {
  std::vector<std::string> out;
  for (const Frontend& frontend : frontends) {
    for (const Route& route : frontend.routes) {
      // HAProxy 2.6 calls the command experimental.
      if (changes_at_run_time(route))
        out.push_back(fmt::format("experimental-mode on; set var {} int({})", weight_variable(route),
                                  side_after(route.shares, 1)));
    }
  }
  return out;
}

std::string structure_of(const std::string& text) {
  std::string out;
  std::size_t from = 0;
  while (from < text.size()) {
    const auto end = std::min(text.find('\n', from), text.size());
    std::string line = text.substr(from, end - from);
    // "  server s3 10.0.0.7:80" -> "  server s3"
    if (line.starts_with("  server ")) line.resize(std::min(line.find(' ', 9), line.size()));
    // "  set-var proc.w_l80 int(20)" -> "  set-var proc.w_l80"
    if (line.starts_with(kWeightLine)) line.resize(std::min(line.find(' ', kWeightLine.size()), line.size()));
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
  for (const Frontend& frontend : frontends) {
    for (const Route& route : frontend.routes) {
      if (changes_at_run_time(route))
        out += fmt::format("  set-var {} int({})\n", weight_variable(route), side_after(route.shares, 1));
    }
  }
  out += kDefaults;
  for (const Frontend& frontend : frontends) out += render_frontend(frontend);
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
