#include "ecs/store.h"

#include <fmt/format.h>

#include <charconv>

namespace slipway::ecs {
namespace {

constexpr int kServiceEventsKept = 100;  // As DescribeServices shows.

json::object document(const database::Row& row, std::size_t column) {
  auto parsed = parse_json(row.text(column));
  return parsed && parsed->is_object() ? std::move(parsed->as_object()) : json::object{};
}

DefinitionKey read_key(std::string name) {
  if (name.starts_with("arn:")) name = name.substr(name.rfind('/') + 1);
  const auto colon = name.rfind(':');
  if (colon == std::string::npos) return {.family = name};
  DefinitionKey key{.family = name.substr(0, colon)};
  std::from_chars(name.data() + colon + 1, name.data() + name.size(), key.revision);
  return key;
}

}  // namespace

database::Schema schema() {
  return {
      .room = "ecs",
      .statements = {
          "CREATE TABLE ecs_clusters (name TEXT PRIMARY KEY, document TEXT NOT NULL)",
          "CREATE TABLE ecs_definitions (family TEXT NOT NULL, revision INTEGER NOT NULL, status TEXT "
          "NOT NULL, document TEXT NOT NULL, "
          "PRIMARY KEY (family, revision))",
          "CREATE TABLE ecs_services (cluster TEXT NOT NULL, name TEXT NOT NULL, document TEXT NOT "
          "NULL, PRIMARY KEY (cluster, name))",
          "CREATE TABLE ecs_service_events (number INTEGER PRIMARY KEY AUTOINCREMENT, cluster TEXT NOT "
          "NULL, service TEXT NOT NULL, "
          "id TEXT NOT NULL, at INTEGER NOT NULL, message TEXT NOT NULL)",
          "CREATE INDEX ecs_service_events_of ON ecs_service_events (cluster, service, number)",
          "CREATE TABLE ecs_tasks (id TEXT PRIMARY KEY, cluster TEXT NOT NULL, service TEXT NOT NULL, "
          "stage INTEGER NOT NULL, "
          "stopped_at INTEGER NOT NULL, counted INTEGER NOT NULL, document TEXT NOT NULL)",
          "CREATE INDEX ecs_tasks_of ON ecs_tasks (cluster, service)",
          "CREATE TABLE ecs_service_deployments (number INTEGER PRIMARY KEY AUTOINCREMENT, arn TEXT NOT "
          "NULL UNIQUE, cluster TEXT NOT NULL, service TEXT NOT NULL, created_at INTEGER NOT NULL, document TEXT NOT "
          "NULL)",
          "CREATE INDEX ecs_service_deployments_of ON ecs_service_deployments (cluster, service, number)",
          "CREATE TABLE ecs_service_revisions (arn TEXT PRIMARY KEY, created_at INTEGER NOT NULL, document TEXT NOT "
          "NULL)"}};
}

void put_cluster(database::Transaction& tx, const std::string& name, const json::object& text) {
  tx.execute("INSERT OR REPLACE INTO ecs_clusters VALUES (?1, ?2)", {name, json::serialize(text)});
}

std::optional<json::object> get_cluster(database::Connection& db, const std::string& name) {
  const auto row = db.query_one("SELECT document FROM ecs_clusters WHERE name = ?1", {name});
  if (!row) return std::nullopt;
  return document(*row, 0);
}

std::vector<std::string> list_clusters(database::Connection& db) {
  std::vector<std::string> names;
  for (const auto& row : db.query("SELECT name FROM ecs_clusters ORDER BY name")) names.push_back(row.text(0));
  return names;
}

json::object add_definition(database::Transaction& tx, json::object definition, const Place& place) {
  const std::string family = get_string(definition, "family");
  const auto newest =
      tx.query_one("SELECT COALESCE(MAX(revision), 0) FROM ecs_definitions WHERE family = ?1", {family});
  const long long revision = newest->integer(0) + 1;
  definition["revision"] = revision;
  definition["taskDefinitionArn"] = place.arn("ecs", fmt::format("task-definition/{}:{}", family, revision));
  put_definition(tx, definition);
  return definition;
}

void put_definition(database::Transaction& tx, const json::object& definition) {
  tx.execute("INSERT OR REPLACE INTO ecs_definitions VALUES (?1, ?2, ?3, ?4)",
             {get_string(definition, "family"), get_int(definition, "revision"), get_string(definition, "status"),
              json::serialize(definition)});
}

std::optional<json::object> get_definition(database::Connection& db, const std::string& name) {
  const DefinitionKey key = read_key(name);
  const auto row = key.revision > 0
                       ? db.query_one(
                             "SELECT document FROM ecs_definitions WHERE family = ?1 AND revision = ?2 AND "
                             "status != 'DELETED'",
                             {key.family, key.revision})
                       : db.query_one(
                             "SELECT document FROM ecs_definitions WHERE family = ?1 AND status = 'ACTIVE' ORDER BY "
                             "revision DESC LIMIT 1",
                             {key.family});
  if (!row) return std::nullopt;
  return document(*row, 0);
}

std::vector<json::object> list_definitions(database::Connection& db) {
  std::vector<json::object> all;
  for (const auto& row :
       db.query("SELECT document FROM ecs_definitions WHERE status != 'DELETED' ORDER BY family, revision"))
    all.push_back(document(row, 0));
  return all;
}

void put_service(database::Transaction& tx, const ServiceRecord& service) {
  tx.execute("INSERT OR REPLACE INTO ecs_services VALUES (?1, ?2, ?3)",
             {service.cluster, service.name, json::serialize(to_json(service))});
}

std::optional<ServiceRecord> get_service(database::Connection& db, const std::string& cluster,
                                         const std::string& name) {
  const auto row = db.query_one("SELECT document FROM ecs_services WHERE cluster = ?1 AND name = ?2", {cluster, name});
  if (!row) return std::nullopt;
  return service_from(document(*row, 0));
}

std::vector<ServiceRecord> list_services(database::Connection& db, const std::string& cluster) {
  std::vector<ServiceRecord> all;
  for (const auto& row :
       db.query("SELECT document FROM ecs_services WHERE ?1 = '' OR cluster = ?1 ORDER BY cluster, name", {cluster}))
    all.push_back(service_from(document(row, 0)));
  return all;
}

void add_service_event(database::Transaction& tx, const ServiceRecord& service, const std::string& id, Instant at,
                       const std::string& message) {
  tx.execute("INSERT INTO ecs_service_events (cluster, service, id, at, message) VALUES (?1, ?2, ?3, ?4, ?5)",
             {service.cluster, service.name, id, at.ms(), message});
  tx.execute(
      "DELETE FROM ecs_service_events WHERE cluster = ?1 AND service = ?2 AND number <= (SELECT number FROM "
      "ecs_service_events WHERE cluster = ?1 "
      "AND service = ?2 ORDER BY number DESC LIMIT 1 OFFSET ?3)",
      {service.cluster, service.name, static_cast<long long>(kServiceEventsKept)});
}

json::array service_events(database::Connection& db, const std::string& cluster, const std::string& name) {
  json::array events;
  for (const auto& row : db.query(
           "SELECT id, at, message FROM ecs_service_events WHERE cluster = ?1 AND service = ?2 ORDER BY number DESC",
           {cluster, name}))
    events.push_back({{"id", row.text(0)}, {"createdAt", epoch_seconds(row.instant(1))}, {"message", row.text(2)}});
  return events;
}

void put_service_deployment(database::Transaction& tx, const ServiceRecord& service, const json::object& deployment) {
  tx.execute(
      "INSERT INTO ecs_service_deployments (arn, cluster, service, created_at, document) VALUES (?1, ?2, ?3, ?4, ?5) "
      "ON CONFLICT (arn) DO UPDATE SET document = excluded.document",
      {get_string(deployment, "serviceDeploymentArn"), service.cluster, service.name,
       static_cast<long long>(get_double(deployment, "createdAt") * 1000), json::serialize(deployment)});
}

std::optional<json::object> get_service_deployment(database::Connection& db, const std::string& arn) {
  const auto row = db.query_one("SELECT document FROM ecs_service_deployments WHERE arn = ?1", {arn});
  if (!row) return std::nullopt;
  return document(*row, 0);
}

std::vector<json::object> list_service_deployments(database::Connection& db, const std::string& cluster,
                                                   const std::string& service) {
  std::vector<json::object> all;
  for (const auto& row :
       db.query("SELECT document FROM ecs_service_deployments WHERE cluster = ?1 AND service = ?2 ORDER BY number DESC",
                {cluster, service}))
    all.push_back(document(row, 0));
  return all;
}

void put_service_revision(database::Transaction& tx, const json::object& revision) {
  tx.execute("INSERT OR REPLACE INTO ecs_service_revisions VALUES (?1, ?2, ?3)",
             {get_string(revision, "serviceRevisionArn"),
              static_cast<long long>(get_double(revision, "createdAt") * 1000), json::serialize(revision)});
}

std::optional<json::object> get_service_revision(database::Connection& db, const std::string& arn) {
  const auto row = db.query_one("SELECT document FROM ecs_service_revisions WHERE arn = ?1", {arn});
  if (!row) return std::nullopt;
  return document(*row, 0);
}

void put_task(database::Transaction& tx, const TaskRecord& task) {
  // Not REPLACE: that would give the row a new place in the order.
  tx.execute(
      "INSERT INTO ecs_tasks VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (id) DO UPDATE SET stage = ?4, stopped_at "
      "= ?5, counted = ?6, document = ?7",
      {task.id, task.cluster, task.service, static_cast<long long>(task.stage), task.stopped_at.ms(),
       static_cast<long long>(task.counted), json::serialize(to_json(task))});
}

std::optional<TaskRecord> get_task(database::Connection& db, const std::string& id) {
  const auto row = db.query_one("SELECT document FROM ecs_tasks WHERE id = ?1", {id});
  if (!row) return std::nullopt;
  return task_from(document(*row, 0));
}

std::vector<TaskRecord> list_tasks(database::Connection& db, const std::string& cluster, const std::string& service) {
  std::vector<TaskRecord> all;
  for (const auto& row : db.query("SELECT document FROM ecs_tasks WHERE (?1 = '' OR cluster = ?1) AND (?2 = '' OR "
                                  "service = ?2) ORDER BY rowid",
                                  {cluster, service}))
    all.push_back(task_from(document(row, 0)));
  return all;
}

std::vector<TaskRecord> unfinished_tasks(database::Connection& db) {
  std::vector<TaskRecord> all;
  for (const auto& row : db.query("SELECT document FROM ecs_tasks WHERE stage != ?1 ORDER BY rowid",
                                  {static_cast<long long>(Stage::stopped)}))
    all.push_back(task_from(document(row, 0)));
  return all;
}

void prune_tasks(database::Transaction& tx, Instant before) {
  tx.execute("DELETE FROM ecs_tasks WHERE stage = ?1 AND stopped_at < ?2 AND (counted = 1 OR service = '')",
             {static_cast<long long>(Stage::stopped), before.ms()});
}

void prune_definitions(database::Transaction& tx) {
  tx.execute(
      "UPDATE ecs_definitions SET status = 'DELETED', document = '{}' WHERE status = 'DELETE_IN_PROGRESS' AND "
      "NOT EXISTS (SELECT 1 FROM ecs_services WHERE instr(ecs_services.document, 'task-definition/' || family || ':' "
      "|| "
      "revision || '\"')) AND "
      "NOT EXISTS (SELECT 1 FROM ecs_tasks WHERE instr(ecs_tasks.document, 'task-definition/' || family || ':' || "
      "revision || '\"'))");
}

void prune_history(database::Transaction& tx, Instant before) {
  tx.execute(
      "DELETE FROM ecs_service_deployments WHERE created_at < ?1 AND NOT EXISTS (SELECT 1 FROM ecs_services WHERE "
      "instr(ecs_services.document, ecs_service_deployments.arn))",
      {before.ms()});
  tx.execute(
      "DELETE FROM ecs_service_revisions WHERE created_at < ?1 AND NOT EXISTS (SELECT 1 FROM ecs_service_deployments "
      "WHERE instr(ecs_service_deployments.document, ecs_service_revisions.arn))",
      {before.ms()});
}

}  // namespace slipway::ecs
