// The state folder: everything that a region keeps, and who holds it.  One daemon a folder, guarded by a lock that the
// kernel releases however the daemon ends.
#pragma once
#include <filesystem>
#include <optional>
#include <string>

#include "base/arn.h"
#include "base/result.h"

namespace slipway::region {

struct StateFolder {
  std::filesystem::path root;
  std::filesystem::path database() const { return root / "slipway.db"; }
  std::filesystem::path registry() const { return root / "registry"; }
  std::filesystem::path functions() const { return root / "functions"; }
  std::filesystem::path administrator_key() const { return root / "administrator.json"; }
  std::filesystem::path daemon_log() const { return root / "daemon.log"; }
  std::filesystem::path about() const { return root / "region.json"; }
  // HAProxy's files.  A socket's path is limited to 107 bytes, so a long root gets a folder in /tmp named after its
  // hash.
  std::filesystem::path proxy() const;
};

// What a daemon says of itself in region.json, for the commands that look for it.
struct About {
  int pid = 0;
  std::string endpoint;     // "http://127.0.0.1:4566"
  std::string instance_id;  // Labels this region's containers; 16 hexadecimal digits, made once a folder.
  Place place;
  std::string docker;  // "unix:/var/run/docker.sock"
};

// The folder named by --state, else $SLIPWAY_STATE, else .slipway in the current folder.  Absolute.
StateFolder find_state_folder(const std::string& option);

// Makes the folder (0700) and takes its lock.  Held until the process ends.
// One that is ending (it holds the lock and does not answer) is waited for, 10 s at most.
// Fails with SLW-101 when another daemon holds it, SLW-103 when the folder cannot be made or written.
Result<void> lock_state_folder(const StateFolder& folder);

Result<void> write_about(const StateFolder& folder, const About& about);
// Fails with SLW-107 ("no region here: run slipway up") when there is none.
Result<About> read_about(const StateFolder& folder);
// True when the daemon that wrote `about` runs now (it holds the lock).
bool daemon_runs(const StateFolder& folder);

}  // namespace slipway::region
