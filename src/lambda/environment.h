// An execution environment: one process with a Runtime API of its own, one invocation at a time.
// https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
#pragma once
#include <functional>
#include <memory>
#include <string>

#include "base/task.h"
#include "host/clock.h"
#include "host/process.h"
#include "http/server.h"
#include "lambda/invocation.h"

namespace slipway::lambda {

struct EnvironmentSpec {
  std::string version;        // "$LATEST", "3"
  std::string revision;       // Of code and configuration: another revision needs another environment.
  host::ProcessSpec process;  // Without AWS_LAMBDA_RUNTIME_API, which start() adds.
  Duration timeout{};
  Duration init_max = std::chrono::seconds(10);  // Then the runtime is started again, within the first invocation.
  std::function<void(std::string line)> log;     // One line at a time.
  std::function<void()> ended;                   // The last process is gone: its folder may go too.
};

class Environment : public std::enable_shared_from_this<Environment> {
 public:
  Environment(asio::any_io_executor executor, host::Clock& clock, TaskGroup& group, EnvironmentSpec spec);

  // Opens the Runtime API and starts the process.  A program that cannot be run is an outcome of the first invocation.
  Result<void> start();
  // Runs one invocation to its end, its time-out or the end of the process.  After a function that crashed or ran out
  // of time the environment is not usable() any more.
  task<Outcome> invoke(Event event);
  bool usable() const { return !closed_ && !exited_; }
  bool busy() const { return busy_; }
  void close();                 // Kills the process; a blocked /next ends.
  void note(std::string line);  // A line of the platform's own, among those of the function.

  const EnvironmentSpec& spec() const { return spec_; }
  Instant born{};
  Instant last_used{};
  std::string take_log();  // What was written since the last call, 64 KiB at most.

 private:
  static task<http::Response> answer(std::weak_ptr<Environment> weak, http::Request& request);
  task<http::Response> next();
  task<http::Response> finish(std::string id, bool is_error, http::Request& request);
  task<http::Response> init_error(http::Request& request);
  static task<void> watch(std::shared_ptr<Environment> self, std::shared_ptr<host::Process> process);
  void launch();
  task<void> wait_for_init(Instant until);
  task<void> settle_output();
  task<Outcome> run(Event event, Instant deadline, Duration limit);
  void answered(Outcome outcome);
  void take_output(std::string_view piece);
  void end_line_in_work();
  Outcome crashed(const std::string& request_id) const;

  asio::any_io_executor executor_;
  host::Clock& clock_;
  TaskGroup& group_;
  EnvironmentSpec spec_;
  std::unique_ptr<http::Server> server_;
  std::shared_ptr<host::Process> process_;
  host::Stopwatch since_launch_;
  std::chrono::microseconds init_took_{};  // From launch to the first /next, or to the report of a failure.
  Bell wanted_;                            // An invocation is there, or the environment closes.
  Bell changed_;                           // Initialised, answered, or the process ended.
  bool initialised_ = false;
  bool waiting_ = false;  // The runtime waits in /next.
  bool busy_ = false;
  bool delivered_ = false;
  bool exited_ = false;
  bool closed_ = false;
  host::ExitStatus exit_;
  std::string cannot_start_;  // Why the program cannot be run; empty: it runs.
  Event event_;               // Under way; its request id is empty when there is none.
  std::string answered_id_;   // Of the last one that was answered.
  Instant deadline_{};
  std::optional<Outcome> outcome_;
  std::optional<Outcome> init_failure_;
  std::string partial_line_;
  std::string log_;
};

}  // namespace slipway::lambda
