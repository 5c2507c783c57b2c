// The tables of ecs: clusters, task definitions, services, tasks, service events.  Records are JSON documents beside
// the columns that are searched.  Every function runs on the connection that it is given and throws on a broken disk.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "database/database.h"
#include "ecs/record.h"

namespace slipway::ecs {

database::Schema schema();

void put_cluster(database::Transaction& tx, const std::string& name, const json::object& document);
std::optional<json::object> get_cluster(database::Connection& db, const std::string& name);
std::vector<std::string> list_clusters(database::Connection& db);

// Task definitions are kept as DescribeTaskDefinition answers them.
struct DefinitionKey {
  std::string family;
  long long revision = 0;
};
// Assigns the next revision of the family and stores the definition under it.
json::object add_definition(database::Transaction& tx, json::object definition, const Place& place);
void put_definition(database::Transaction& tx, const json::object& definition);
// By "family", "family:revision" or ARN; without a revision the newest ACTIVE one.
std::optional<json::object> get_definition(database::Connection& db, const std::string& name);
std::vector<json::object> list_definitions(database::Connection& db);  // Oldest first.

void put_service(database::Transaction& tx, const ServiceRecord& service);
std::optional<ServiceRecord> get_service(database::Connection& db, const std::string& cluster, const std::string& name);
std::vector<ServiceRecord> list_services(database::Connection& db, const std::string& cluster);  // Empty cluster: all.
void add_service_event(database::Transaction& tx, const ServiceRecord& service, const std::string& id, Instant at,
                       const std::string& message);
json::array service_events(database::Connection& db, const std::string& cluster,
                           const std::string& name);  // Newest first, 100 at most.

// The history: documents of service_deployment.h, by their ARNs.
void put_service_deployment(database::Transaction& tx, const ServiceRecord& service, const json::object& deployment);
std::optional<json::object> get_service_deployment(database::Connection& db, const std::string& arn);
// Newest first.
std::vector<json::object> list_service_deployments(database::Connection& db, const std::string& cluster,
                                                   const std::string& service);
void put_service_revision(database::Transaction& tx, const json::object& revision);
std::optional<json::object> get_service_revision(database::Connection& db, const std::string& arn);

void put_task(database::Transaction& tx, const TaskRecord& task);
std::optional<TaskRecord> get_task(database::Connection& db, const std::string& id);
std::vector<TaskRecord> list_tasks(database::Connection& db, const std::string& cluster,
                                   const std::string& service);      // Empty: all.
std::vector<TaskRecord> unfinished_tasks(database::Connection& db);  // Not STOPPED yet.
// Forgets tasks that stopped before `before`, counted ones only; DescribeTasks shows stopped tasks for about an hour.
void prune_tasks(database::Transaction& tx, Instant before);
// Definitions that are to be deleted and that no service and no task uses.  Their numbers are not given again.
void prune_definitions(database::Transaction& tx);
// Service deployments older than `before`, and revisions that none of those left names; never what a service runs.
void prune_history(database::Transaction& tx, Instant before);

}  // namespace slipway::ecs
