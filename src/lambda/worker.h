// Functions: keeps their code, their environments, and the queue of asynchronous invocations.
// What was queued is invoked at least once, whatever happens to the daemon.
#pragma once
#include <filesystem>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/arn.h"
#include "base/task.h"
#include "host/clock.h"
#include "host/files.h"
#include "lambda/environment.h"
#include "lambda/ports.h"
#include "lambda/store.h"

namespace slipway::lambda {

struct Invoked {
  Outcome outcome;
  std::string log;  // What this invocation wrote, START to REPORT.
};

class Functions {
 public:
  // `endpoint`: where functions reach the region's APIs.
  Functions(asio::any_io_executor executor, database::Database& db, host::Pool& pool, host::Clock& clock,
            host::Random& random, Place place, std::filesystem::path folder, std::string endpoint, Logs& logs,
            Roles& roles, DeadLetters& dead_letters);
  Result<void> start();
  task<void> stop();  // Ends every environment.

  // Runs the function now.  Fault::not_found, Fault::throttled (all environments that it may have are busy), or the
  // role's error.
  task<Result<Invoked>> invoke(std::string name, std::string request_id, std::string payload);
  // Queues an invocation for a service: `source_principal` with `source_arn` must be permitted by the function's
  // policy. Fails with "NO_RESOURCE" (not_found) or "NO_PERMISSIONS" (denied); once it returns, the invocation will
  // happen.
  task<Result<void>> invoke_async(std::string function_arn, std::string payload, std::string source_principal,
                                  std::string source_arn);
  // Queues without asking for permission: the caller's own was checked.
  task<Result<void>> enqueue_invocation(std::string name, std::string request_id, std::string payload);

  // Unpacks a zip and returns the folder's name for Function::code_folder.  Fault::invalid when it is none or, for a
  // provided runtime, holds no executable bootstrap.
  task<Result<std::string>> store_code(std::string name, std::string zip, std::string runtime);
  void forget_environments(const std::string& name);  // After code or configuration changed, or the function went.

  database::Database& db() { return db_; }
  host::Clock& clock() { return clock_; }
  host::Random& random() { return random_; }
  const Place& place() const { return place_; }
  Roles& roles() { return roles_; }

 private:
  task<Result<std::shared_ptr<Environment>>> acquire(Function function);
  task<Result<std::shared_ptr<Environment>>> open(Function function);
  task<void> work_queue();
  task<void> run_queued(Queued queued);
  task<void> settle(Queued queued, Outcome outcome);
  task<void> close_idle();
  bool has_room(const Function& function) const;

  asio::any_io_executor executor_;
  database::Database& db_;
  host::Pool& pool_;
  host::Clock& clock_;
  host::Random& random_;
  Place place_;
  std::filesystem::path folder_;
  std::string endpoint_;
  Logs& logs_;
  Roles& roles_;
  DeadLetters& dead_letters_;
  std::map<std::string, std::vector<std::shared_ptr<Environment>>> environments_;  // By function.
  std::map<std::string, int> opening_;                                             // Environments that are being made.
  std::set<long long> running_;                                                    // Queue entries under way.
  Bell queue_news_;
  TaskGroup group_;
};

// Whether a statement of the function's policy lets `principal` invoke it for `source_arn`.
bool permits(const json::array& statements, const std::string& principal, const std::string& source_arn);

}  // namespace slipway::lambda
