// Functions: keeps their code, their environments, and the queue of asynchronous invocations.
// What was queued is invoked at least once, whatever happens to the daemon, or ends with the dead letters.
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
  std::string version;  // That ran.
  std::string log;      // What this invocation wrote, START to REPORT.
};

class Functions {
 public:
  // `endpoint`: where functions reach the region's APIs.
  Functions(asio::any_io_executor executor, database::Database& db, host::Pool& pool, host::Clock& clock,
            host::Random& random, Place place, std::filesystem::path folder, std::string endpoint, Logs& logs,
            Roles& roles, DeadLetters& dead_letters);
  Result<void> start();
  task<void> stop();  // Ends every environment.

  // Runs the function behind `qualifier` (empty: $LATEST) now.  Fault::not_found, Fault::throttled (all environments
  // that it may have are busy), or the role's error.
  task<Result<Invoked>> invoke(std::string name, std::string qualifier, Event event);
  // Queues an invocation for a service: `source_principal` with `source_arn` must be permitted by the function's
  // policy. Fails with "NO_RESOURCE" (not_found) or "NO_PERMISSIONS" (denied); once it returns, the invocation will
  // happen.
  task<Result<void>> invoke_async(std::string function_arn, std::string payload, std::string source_principal,
                                  std::string source_arn);
  // The same within a write of the caller's, under a request id that he has made.  On any thread.
  Result<void> invoke_async_in(database::Transaction& tx, const std::string& function_arn, const std::string& payload,
                               const std::string& source_principal, const std::string& source_arn,
                               const std::string& request_id, const std::string& trace_id, Instant now);
  // Queues without asking for permission: the caller's own was checked.
  task<Result<void>> enqueue_invocation(std::string name, std::string qualifier, std::string request_id,
                                        std::string payload);

  // Unpacks a zip and returns the folder's name for Function::code_folder; a folder that nothing uses is removed ten
  // minutes later.  Fault::invalid when it is none or, for a provided runtime, holds no executable bootstrap.
  task<Result<std::string>> store_code(std::string name, std::string zip, std::string runtime);
  void forget_environments(const std::string& name);  // After code or configuration changed, or the function went.

  database::Database& db() { return db_; }
  host::Clock& clock() { return clock_; }
  host::Random& random() { return random_; }
  const Place& place() const { return place_; }
  Roles& roles() { return roles_; }
  // "arn:aws:lambda:r:a:function:f:live"; an empty qualifier is left out.
  std::string arn(const std::string& name, const std::string& qualifier) const;
  std::string make_trace_id();

 private:
  task<Result<std::shared_ptr<Environment>>> acquire(Function function);
  task<Result<std::shared_ptr<Environment>>> open(Function function);
  std::map<std::string, std::string> variables_of(const Function& function, const RoleCredentials& credentials,
                                                  const std::string& group, const std::string& stream) const;
  task<void> work_queue();
  void look_at_queue_of(const std::string& name, Instant now, Duration& wait);
  task<void> run_queued(Queued queued);
  task<void> give_up(Queued queued, std::string condition);
  task<void> settle(Queued queued, Outcome outcome, std::string version);
  task<void> end(Queued queued, Ended ended);
  task<void> send_on(std::string destination, json::object record);
  task<void> tidy();
  void close_idle(Instant now);
  task<void> remove_unused_code();
  long long limit_of(const Function& function) const;
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

// Whether a statement of the function's policy lets `principal` invoke `resource` for `source_arn`.
bool permits(const json::array& statements, const std::string& principal, const std::string& source_arn,
             const std::string& resource);

}  // namespace slipway::lambda
