// The tables of lambda: functions and the queue of asynchronous invocations.
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
  json::object event_invoke;            // MaximumRetryAttempts, MaximumEventAgeInSeconds
  std::string code_folder;              // Name below the room's folder.
};
void put_function(database::Transaction& tx, const Function& function);
std::optional<Function> get_function(database::Connection& db, const std::string& name);
std::vector<Function> list_functions(database::Connection& db);
void erase_function(database::Transaction& tx, const std::string& name);

struct Queued {
  long long number = 0;
  std::string function;
  std::string request_id;
  std::string payload;
  int attempts = 0;  // Made so far.
  int throttles = 0;
  Instant next_at{};
  Instant received_at{};
};
void enqueue(database::Transaction& tx, const Queued& queued);
void update(database::Transaction& tx, const Queued& queued);
void dequeue(database::Transaction& tx, long long number);
std::vector<Queued> list_queue(database::Connection& db, int limit);  // By time of the next attempt.

}  // namespace slipway::lambda
