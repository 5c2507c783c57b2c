// The region: every room, connected, behind one port.  serve() is the daemon.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "base/arn.h"
#include "base/result.h"
#include "config/config.h"
#include "region/state_folder.h"

namespace slipway::region {

struct Options {
  StateFolder folder;
  std::uint16_t port = 4566;
  std::string docker = "unix:/var/run/docker.sock";
  long long rules_per_bus = 300;                   // The quota of EventBridge that AWS raises for who asks.
  bool accept_any_credentials = false;             // No signatures, no policies; says so loudly.
  std::map<std::string, std::string> issuer_keys;  // Issuers of tokens -> the file or URL of their key set.
  std::optional<config::Config> config;            // What to make at the start.
  Place place;
};

// Runs the region until SIGINT or SIGTERM and prints the ready line on standard output.  Containers and HAProxy outlive
// it: users' traffic does not depend on the daemon.  Fails when it cannot start: SLW-101 folder in use, SLW-102 port in
// use, SLW-104 no container engine, SLW-105 no HAProxy.
Result<void> serve(const Options& options);

// Removes what a region that no longer runs left on the machine: its containers and its HAProxy.  Returns how many
// containers were removed.  The state is kept.
Result<int> clear_machine(const StateFolder& folder, const About& about);

}  // namespace slipway::region
