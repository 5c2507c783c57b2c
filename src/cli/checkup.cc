#include "cli/checkup.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/text.h"

namespace slipway::cli {
namespace {

constexpr std::uintmax_t kGiB = 1024ULL * 1024 * 1024;
constexpr std::uintmax_t kDiskNeeded = 1 * kGiB;  // Below it the next image may not fit.
constexpr std::uintmax_t kDiskWished = 5 * kGiB;
constexpr std::uintmax_t kFilesNeeded = 1024;  // HAProxy and the daemon with a few hundred connections.
constexpr std::uintmax_t kFilesWished = 4096;

// The first two numbers of a version, as one that compares.
int version_number(const std::string& version) {
  int out = 0;
  const auto parts = split(version, '.');
  for (std::size_t i = 0; i < 2; ++i) {
    int part = 0;
    if (i < parts.size()) std::from_chars(parts[i].data(), parts[i].data() + parts[i].size(), part);
    out = out * 1000 + part;
  }
  return out;
}

Finding engine(const SeenMachine& seen) {
  if (seen.engine.empty())
    return failed("container engine", fmt::format("none answers at {}: {}", seen.engine_place, seen.engine_refusal),
                  "apt-get install docker.io, or name another: slipway up --docker unix:PATH");
  return good("container engine", fmt::format("{} at {}", seen.engine, seen.engine_place));
}

Finding proxy(const SeenMachine& seen) {
  if (seen.haproxy.empty()) return failed("HAProxy", "it is not installed", "apt-get install haproxy");
  // Slots are changed by the master's socket, which 2.2 has stable.
  if (version_number(seen.haproxy) < 2002)
    return doubtful("HAProxy", seen.haproxy + " is older than what Slipway is tested with", "install 2.6 or newer");
  return good("HAProxy", seen.haproxy);
}

Finding ports(const SeenMachine& seen) {
  Finding all = good("ports", "");
  for (const SeenPort& port : seen.ports) {
    const std::string name = fmt::format("{} ({})", port.port, port.what);
    if (!port.refusal.empty()) {
      all.parts.push_back(
          failed(name, port.refusal, "take a port from 1024 on, or run as a user who may have this one"));
    } else if (port.ours) {
      all.parts.push_back(good(name, "the region that runs has it"));
    } else if (!port.free) {
      all.parts.push_back(
          failed(name, "another program listens there", fmt::format("see which: ss -ltnp 'sport = :{}'", port.port)));
    } else {
      all.parts.push_back(good(name, "free"));
    }
  }
  return all;
}

Finding disk(const SeenMachine& seen) {
  if (!seen.disk) return note("disk", "how much is free is not known");
  const std::string free = fmt::format(
      "{:.1f} GiB free of {:.1f} for {}", static_cast<double>(seen.disk->free_bytes) / static_cast<double>(kGiB),
      static_cast<double>(seen.disk->all_bytes) / static_cast<double>(kGiB), seen.state_folder);
  if (seen.disk->free_bytes < kDiskNeeded)
    return failed("disk", free, "make room (docker system prune), or another folder: --state DIR");
  if (seen.disk->free_bytes < kDiskWished) return doubtful("disk", free, "make room: docker system prune");
  return good("disk", free);
}

Finding files(const SeenMachine& seen) {
  const std::string limit =
      fmt::format("{} may be open at once, {} at most", seen.descriptors.soft, seen.descriptors.hard);
  const std::string advice = "ulimit -n 65536, before slipway up";
  if (seen.descriptors.soft < kFilesNeeded) return failed("open files", limit, advice);
  if (seen.descriptors.soft < kFilesWished) return doubtful("open files", limit, advice);
  return good("open files", limit);
}

Finding clock(const SeenMachine& seen) {
  if (!seen.clock_kept) return note("clock", "whether something keeps it right is not known");
  if (!*seen.clock_kept)
    return doubtful("clock", "nothing keeps it right; AWS refuses signatures that are five minutes off",
                    "apt-get install systemd-timesyncd (or chrony)");
  return good("clock", "it is kept right");
}

Finding python(const SeenMachine& seen) {
  if (!seen.python.empty()) return good("python3", seen.python);
  if (seen.python_needed)
    return failed("python3", "it is not installed, and the function needs it", "apt-get install python3 python3-boto3");
  return note("python3", "it is not installed; only functions in Python need it");
}

Finding configuration(const SeenMachine& seen) {
  if (seen.config.empty()) return note("configuration", "there is no slipway.yaml here; slipway init writes one");
  if (!seen.config_error.empty())
    return failed("configuration", seen.config_error, "mend it, then: slipway validate " + seen.config);
  Finding found = good("configuration", seen.config + " is valid");
  for (const std::string& warning : seen.config_warnings)
    found.parts.push_back(doubtful("not acted on", warning, "take it out, or know that it does nothing"));
  return found;
}

}  // namespace

Finding check_machine(const SeenMachine& seen) {
  Finding all = good("this machine", seen.region_runs ? "a region runs" : "no region runs");
  all.parts = {engine(seen), proxy(seen)};
  all.parts.push_back(seen.deployer_there ? good("deployer", seen.deployer)
                                          : failed("deployer", seen.deployer + " is missing",
                                                   "cmake --build --preset release --target slipway_deployer"));
  all.parts.push_back(ports(seen));
  all.parts.push_back(seen.state_folder_writable ? good("state folder", seen.state_folder)
                                                 : failed("state folder", seen.state_folder + " cannot be written",
                                                          "choose another: --state DIR"));
  all.parts.push_back(disk(seen));
  all.parts.push_back(files(seen));
  all.parts.push_back(clock(seen));
  all.parts.push_back(python(seen));
  all.parts.push_back(seen.aws_cli ? good("AWS CLI", "for slipway aws")
                                   : note("AWS CLI", "it is not installed; only slipway aws needs it"));
  all.parts.push_back(configuration(seen));
  return all;
}

std::string version_in(const std::string& text) {
  const auto begin = std::ranges::find_if(text, [](char c) { return c >= '0' && c <= '9'; });
  const auto end = std::find_if(begin, text.end(), [](char c) { return (c < '0' || c > '9') && c != '.'; });
  return {begin, end};
}

}  // namespace slipway::cli
