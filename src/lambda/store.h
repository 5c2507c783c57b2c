// The tables of lambda: functions, their versions, and the queue of asynchronous invocations.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "database/database.h"

namespace slipway::lambda {

database::Schema schema();

// A function, as GetFunctionConfiguration shows it, with what only we need beside it.
struct Function {
  std::string name;
  json::object configuration;  // FunctionName, Runtime, Role, Handler, Environment.Variables, CodeSha256, …
  json::array policy;          // Statements of AddPermission.
  json::object tags;
  long long reserved_concurrency = -1;  // -1: none reserved.
  json::object event_invoke;   // MaximumRetryAttempts, MaximumEventAgeInSeconds, DestinationConfig, LastModified
  std::string code_folder;     // Name below the room's folder.
  json::object aliases;        // Name -> {FunctionVersion, Description, RevisionId}
  long long last_version = 0;  // Numbers of versions are never given twice.
};
void put_function(database::Transaction& tx, const Function& function);
std::optional<Function> get_function(database::Connection& db, const std::string& name);
std::vector<Function> list_functions(database::Connection& db);
void erase_function(database::Transaction& tx, const std::string& name);  // With its versions and its queue.

// A published version: the function as it was, under its number.
void put_version(database::Transaction& tx, const Function& function, long long number);
std::optional<Function> get_version(database::Connection& db, const std::string& name, long long number);
std::vector<Function> list_versions(database::Connection& db, const std::string& name);  // By number.
void erase_version(database::Transaction& tx, const std::string& name, long long number);
// The function behind a qualifier: "$LATEST" or none, a version, or an alias.  Its own policy, concurrency and retries
// are those of the function.
std::optional<Function> get_qualified(database::Connection& db, const std::string& name, const std::string& qualifier);
// Folders of code that a function or a version uses.
std::vector<std::string> used_code(database::Connection& db);

struct Queued {
  long long number = 0;
  std::string function;
  std::string qualifier;  // Empty: none was named.
  std::string request_id;
  std::string payload;
  std::string trace_id;  // Handed in; empty: one is made for each attempt.
  int attempts = 0;      // Made so far.
  int throttles = 0;
  Instant next_at{};
  Instant received_at{};
};
void enqueue(database::Transaction& tx, const Queued& queued);
void update(database::Transaction& tx, const Queued& queued);
void dequeue(database::Transaction& tx, long long number);
std::vector<std::string> queued_functions(database::Connection& db);  // Those that have entries.
std::vector<Queued> list_queue(database::Connection& db, const std::string& function, std::size_t limit);  // By time.

}  // namespace slipway::lambda
