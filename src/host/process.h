// Child processes: started with an explicit environment, waited for without blocking the loop, never orphaned by
// accident.
#pragma once
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/task.h"

namespace slipway::host {

struct ProcessSpec {
  std::vector<std::string> argv;                   // argv[0] is a path or is looked up in PATH.
  std::map<std::string, std::string> environment;  // The whole of it; nothing is inherited.
  std::filesystem::path working_directory;         // Empty: ours.
  bool own_session = true;       // Leads a session and process group of its own: signal() reaches its children too.
  bool die_with_parent = false;  // SIGKILL when the daemon dies, and what it leaves in its group dies with it
                                 // (functions, not HAProxy).
  // A folder that the process sees as /tmp, and folders that it sees where they are but cannot write.  Needs the right
  // to make a mount namespace (root has it); without it the process sees the machine's /tmp.
  std::filesystem::path private_tmp;
  std::vector<std::filesystem::path> read_only;
  long long address_space_bytes = 0;  // RLIMIT_AS; 0: none.
};

struct ExitStatus {
  int code = 0;                    // Of exit(); meaningless when `signal` is set.
  int signal = 0;                  // That killed it; 0: none.
  long long memory_bytes_max = 0;  // Peak resident memory.
  bool ok() const { return code == 0 && signal == 0; }
  std::string text() const;  // "exit status 1", "signal: killed"
};

class Process {
 public:
  virtual ~Process() = default;  // Kills and reaps what still runs.
  virtual int pid() const = 0;
  virtual void signal(int number) = 0;  // To the process group.  No effect once reaped.
  virtual task<ExitStatus> wait() = 0;  // Many may wait.
  virtual bool running() const = 0;
  virtual long long memory_bytes() const = 0;  // Resident now; 0 once it ended.
};

// Called with each piece of output as it comes; standard output and standard error together.
using OutputSink = std::function<void(std::string_view piece)>;

// Fails with Fault::not_found ("ENOENT": no such program) or Fault::invalid, in the system's words.
Result<std::unique_ptr<Process>> start_process(asio::any_io_executor executor, ProcessSpec spec, OutputSink output);

struct ProcessOutput {
  ExitStatus exit;
  std::string output;  // At most 1 MiB, the rest is dropped.
};
// Starts, waits at most `limit` (then SIGKILL and Fault::timed_out) and returns what it said.
task<Result<ProcessOutput>> run_process(ProcessSpec spec, Duration limit);

// Kills every process whose environment holds `entry` ("NAME=value"): what a daemon that was killed left behind.
// Blocks for some milliseconds.  Returns how many were killed.
int kill_processes_with(const std::string& entry);

// The full path of `program` in PATH or the usual sbin folders; empty when absent.
std::string find_program(const std::string& program);

}  // namespace slipway::host
