#include "lambda/store.h"

namespace slipway::lambda {
namespace {

json::object body_of(const Function& f) {
  return {{"configuration", f.configuration},
          {"policy", f.policy},
          {"tags", f.tags},
          {"reserved", f.reserved_concurrency},
          {"eventInvoke", f.event_invoke},
          {"codeFolder", f.code_folder},
          {"aliases", f.aliases},
          {"lastVersion", f.last_version}};
}

Function read_function(const database::Row& row) {
  Function function{.name = row.text(0)};
  auto parsed = parse_json(row.text(1));
  const json::object body = parsed && parsed->is_object() ? parsed->get_object() : json::object{};
  function.configuration = get_object(body, "configuration");
  function.policy = get_array(body, "policy");
  function.tags = get_object(body, "tags");
  function.reserved_concurrency = get_int(body, "reserved", -1);
  function.event_invoke = get_object(body, "eventInvoke");
  function.code_folder = get_string(body, "codeFolder");
  function.aliases = get_object(body, "aliases");
  function.last_version = get_int(body, "lastVersion");
  return function;
}

}  // namespace

database::Schema schema() {
  return {.room = "lambda",
          .statements = {"CREATE TABLE lambda_functions (name TEXT PRIMARY KEY, body TEXT NOT NULL)",
                         "CREATE TABLE lambda_queue (number INTEGER PRIMARY KEY AUTOINCREMENT, function TEXT NOT NULL, "
                         "request_id TEXT NOT NULL, payload TEXT NOT NULL, "
                         "attempts INTEGER NOT NULL, throttles INTEGER NOT NULL, next_at INTEGER NOT NULL, received_at "
                         "INTEGER NOT NULL)",
                         "CREATE INDEX lambda_queue_due ON lambda_queue (next_at, number)",
                         "CREATE TABLE lambda_versions (name TEXT NOT NULL, number INTEGER NOT NULL, body TEXT NOT "
                         "NULL, PRIMARY KEY (name, number))",
                         "ALTER TABLE lambda_queue ADD COLUMN qualifier TEXT NOT NULL DEFAULT ''",
                         "DROP INDEX lambda_queue_due",
                         "CREATE INDEX lambda_queue_of ON lambda_queue (function, next_at, number)",
                         "ALTER TABLE lambda_queue ADD COLUMN trace_id TEXT NOT NULL DEFAULT ''"}};
}

void put_function(database::Transaction& tx, const Function& f) {
  tx.execute("INSERT OR REPLACE INTO lambda_functions VALUES (?1, ?2)", {f.name, json::serialize(body_of(f))});
}
std::optional<Function> get_function(database::Connection& db, const std::string& name) {
  const auto row = db.query_one("SELECT name, body FROM lambda_functions WHERE name = ?1", {name});
  if (!row) return std::nullopt;
  return read_function(*row);
}
std::vector<Function> list_functions(database::Connection& db) {
  std::vector<Function> all;
  for (const auto& row : db.query("SELECT name, body FROM lambda_functions ORDER BY name"))
    all.push_back(read_function(row));
  return all;
}
void erase_function(database::Transaction& tx, const std::string& name) {
  tx.execute("DELETE FROM lambda_functions WHERE name = ?1", {name});
  tx.execute("DELETE FROM lambda_versions WHERE name = ?1", {name});
  tx.execute("DELETE FROM lambda_queue WHERE function = ?1", {name});
}

void put_version(database::Transaction& tx, const Function& function, long long number) {
  tx.execute("INSERT OR REPLACE INTO lambda_versions VALUES (?1, ?2, ?3)",
             {function.name, number, json::serialize(body_of(function))});
}
std::optional<Function> get_version(database::Connection& db, const std::string& name, long long number) {
  const auto row =
      db.query_one("SELECT name, body FROM lambda_versions WHERE name = ?1 AND number = ?2", {name, number});
  if (!row) return std::nullopt;
  return read_function(*row);
}
std::vector<Function> list_versions(database::Connection& db, const std::string& name) {
  std::vector<Function> all;
  for (const auto& row : db.query("SELECT name, body FROM lambda_versions WHERE name = ?1 ORDER BY number", {name}))
    all.push_back(read_function(row));
  return all;
}
void erase_version(database::Transaction& tx, const std::string& name, long long number) {
  tx.execute("DELETE FROM lambda_versions WHERE name = ?1 AND number = ?2", {name, number});
}

std::optional<Function> get_qualified(database::Connection& db, const std::string& name, const std::string& qualifier) {
  auto function = get_function(db, name);
  if (!function || qualifier.empty() || qualifier == "$LATEST") return function;
  std::string number = qualifier;
  if (const json::value* alias = find(function->aliases, qualifier))
    number = get_string(alias->as_object(), "FunctionVersion");
  if (number == "$LATEST") return function;
  if (number.find_first_not_of("0123456789") != std::string::npos) return std::nullopt;
  auto version = get_version(db, name, std::atoll(number.c_str()));
  if (!version) return std::nullopt;
  version->policy = function->policy;
  version->reserved_concurrency = function->reserved_concurrency;
  version->event_invoke = function->event_invoke;
  return version;
}

std::vector<std::string> used_code(database::Connection& db) {
  std::vector<std::string> folders;
  for (const auto& row : db.query("SELECT name, body FROM lambda_functions UNION ALL SELECT name, body FROM "
                                  "lambda_versions"))
    folders.push_back(read_function(row).code_folder);
  return folders;
}

void enqueue(database::Transaction& tx, const Queued& q) {
  tx.execute(
      "INSERT INTO lambda_queue (function, request_id, payload, attempts, throttles, next_at, received_at, qualifier, "
      "trace_id) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
      {q.function, q.request_id, q.payload, static_cast<long long>(q.attempts), static_cast<long long>(q.throttles),
       q.next_at.ms(), q.received_at.ms(), q.qualifier, q.trace_id});
}
void update(database::Transaction& tx, const Queued& q) {
  tx.execute("UPDATE lambda_queue SET attempts = ?2, throttles = ?3, next_at = ?4 WHERE number = ?1",
             {q.number, static_cast<long long>(q.attempts), static_cast<long long>(q.throttles), q.next_at.ms()});
}
void dequeue(database::Transaction& tx, long long number) {
  tx.execute("DELETE FROM lambda_queue WHERE number = ?1", {number});
}
std::vector<std::string> queued_functions(database::Connection& db) {
  std::vector<std::string> names;
  for (const auto& row : db.query("SELECT DISTINCT function FROM lambda_queue")) names.push_back(row.text(0));
  return names;
}
std::vector<Queued> list_queue(database::Connection& db, const std::string& function, std::size_t limit) {
  std::vector<Queued> all;
  for (const auto& row :
       db.query("SELECT number, function, request_id, payload, attempts, throttles, next_at, "
                "received_at, qualifier, trace_id FROM lambda_queue WHERE function = ?1 ORDER BY next_at, "
                "number LIMIT ?2",
                {function, static_cast<long long>(limit)}))
    all.push_back({.number = row.integer(0),
                   .function = row.text(1),
                   .qualifier = row.text(8),
                   .request_id = row.text(2),
                   .payload = row.text(3),
                   .trace_id = row.text(9),
                   .attempts = static_cast<int>(row.integer(4)),
                   .throttles = static_cast<int>(row.integer(5)),
                   .next_at = row.instant(6),
                   .received_at = row.instant(7)});
  return all;
}

}  // namespace slipway::lambda
