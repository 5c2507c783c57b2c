// Checkup: what was seen of this machine, judged: what a region needs and what it would suffer from.  Pure.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "cli/report.h"
#include "host/machine.h"

namespace slipway::cli {

struct SeenPort {
  int port = 0;
  std::string what;  // "the region", "web"
  bool free = true;
  bool ours = false;    // The region that runs has it.
  std::string refusal;  // Why this user may not have it; empty when he may.
};

struct SeenMachine {
  std::string engine;          // "Docker Engine 20.10.24"; empty: none answers.
  std::string engine_place;    // "unix:/var/run/docker.sock"
  std::string engine_refusal;  // In its or the system's words.
  std::string haproxy;         // "2.6.12-1+deb12u1"; empty: not installed.
  std::string python;          // "3.11.2"; empty: not installed.
  bool python_needed = false;  // The configuration has a function in Python.
  bool aws_cli = false;
  std::string deployer;  // The path of the deployer's binary.
  bool deployer_there = false;
  std::vector<SeenPort> ports;
  std::string state_folder;
  bool state_folder_writable = true;
  std::optional<host::DiskSpace> disk;
  host::Descriptors descriptors;
  std::optional<bool> clock_kept;
  std::string config;                        // The configuration's file; empty: there is none.
  std::string config_error;                  // What is wrong in it.
  std::vector<std::string> config_warnings;  // What is understood and not acted on.
  bool region_runs = false;
};

Finding check_machine(const SeenMachine& seen);

// "2.6.12" of "HAProxy version 2.6.12-1+deb12u1 2023/12/16 - …"; empty when there is no number.
std::string version_in(const std::string& text);

}  // namespace slipway::cli
