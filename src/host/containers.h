// Containers: the machine's container engine behind one interface.  The scheduler owns drain, signal, time-out and
// kill; no driver has a "stop" of its own.
#pragma once
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/task.h"

namespace slipway::host {

struct RegistryLogin {
  std::string username;
  std::string password;
};

struct Ulimit {
  std::string name;  // "nofile"
  long long soft = 0;
  long long hard = 0;
};

// A file system in memory.
struct Tmpfs {
  std::string path;
  std::string options;  // "size=64m,noexec"
};

// What to run.  `name` is the key: creating a container whose name exists returns the existing one.
struct ContainerSpec {
  std::string name;                                     // "slipway-<task id>-<container>"
  std::string image;                                    // A reference that the engine has after ensure_image().
  std::optional<std::vector<std::string>> entry_point;  // Replaces the image's; so does `command`.
  std::optional<std::vector<std::string>> command;
  std::map<std::string, std::string> environment;
  std::string user;
  std::string working_directory;
  std::map<std::string, std::string> labels;
  long long cpu_shares = 0;    // 1024 = one core's share; 0: the engine's default.
  long long memory_bytes = 0;  // Hard limit; 0: none.
  long long memory_reservation_bytes = 0;
  std::vector<int> ports;   // Container ports that it listens on; exposed, not published.
  std::string stop_signal;  // Empty: the image's, else SIGTERM.
  bool read_only_root = false;
  bool init = false;
  bool open_stdin = false;
  std::vector<Ulimit> ulimits;
  std::vector<Tmpfs> tmpfs;
  long long shared_memory_bytes = 0;  // /dev/shm; 0: the engine's default.
  std::vector<std::string> capabilities_added;
  std::vector<std::string> capabilities_dropped;
  long long swap_bytes = -1;  // Swap beside memory_bytes; -1: the engine's default.
  std::string network_of;     // Name of a container whose network it shares (the other containers of a task).
};

struct Container {
  enum class State { created, running, exited };
  std::string id;
  std::string name;
  std::string image_id;
  State state = State::created;
  std::string address;      // IP that this machine reaches it by; empty unless running.
  std::string stop_signal;  // "SIGTERM" unless the image or spec says otherwise.
  int exit_code = 0;
  bool out_of_memory = false;
  std::string error;  // Why it did not start, in the engine's words.
  Instant started_at{};
  Instant finished_at{};
  std::map<std::string, std::string> labels;
};

struct LogLine {
  Instant at{};
  std::string nanoseconds;  // The engine's full time stamp: the cursor to go on from.
  bool is_stderr = false;
  std::string text;  // Without its line end.
};

struct EngineInfo {
  std::string name;     // "Docker Engine"
  std::string version;  // "20.10.24"
};

// Failures of every call: Fault::unavailable ("EngineUnavailable": no engine answers), Fault::not_found, Fault::invalid
// with the engine's words, Fault::timed_out.
class Containers {
 public:
  virtual ~Containers() = default;
  virtual task<Result<EngineInfo>> info() = 0;
  // Makes `image` present, pulling it when it is not; returns the engine's image id.  Never pulls what is there by
  // digest.
  virtual task<Result<std::string>> ensure_image(std::string image, std::optional<RegistryLogin> login) = 0;
  virtual task<Result<Container>> create(ContainerSpec spec) = 0;
  virtual task<Result<Container>> start(std::string id) = 0;  // No effect on one that runs.
  virtual task<Result<void>> signal(std::string id,
                                    std::string signal_name) = 0;  // "SIGTERM", "SIGKILL"; no effect on one that ended.
  virtual task<Result<Container>> inspect(std::string id) = 0;
  virtual task<Result<std::vector<Container>>> list(std::string label,
                                                    std::string value) = 0;  // Also those that ended.
  virtual task<Result<Container>> wait_for_exit(std::string id) = 0;  // Returns once it has ended; at once when it has.
  // Hands over each line after `since` (LogLine::nanoseconds; empty: from the start), until the container ends or
  // `sink` says false.
  virtual task<Result<void>> follow_logs(std::string id, std::string since, std::function<bool(LogLine)> sink) = 0;
  virtual task<Result<void>> remove(std::string id) = 0;  // Kills it first when it runs.  No effect when gone.
  // Runs `command` inside and returns its exit code (container health checks); Fault::timed_out after `limit`.
  virtual task<Result<int>> exec(std::string id, std::vector<std::string> command, Duration limit) = 0;
};

}  // namespace slipway::host
