// Records: clusters, services and tasks as the tables keep them, and as AWS shows them.  Pure: values and JSON.
// https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Types.html
#pragma once
#include <string>
#include <vector>

#include "base/arn.h"
#include "base/json.h"
#include "ecs/rollout.h"

namespace slipway::ecs {

struct ServiceRecord {
  std::string cluster;  // Names, not ARNs.
  std::string name;
  std::string status = "ACTIVE";  // ACTIVE, DRAINING, INACTIVE
  ServiceState state;
  json::array load_balancers;      // As CreateService took them.
  json::object echo;               // Members that are answered as they were given: launchType, networkConfiguration, …
  json::object tags;               // Key -> value.
  std::string service_deployment;  // ARN of the newest one; empty before the first.
  std::string created_by;          // ARN of who created it.
  std::string request;             // Digest of the request that created it: the same one again changes nothing.
  Instant created_at{};
  std::string arn(const Place& place) const { return place.arn("ecs", "service/" + cluster + "/" + name); }
  std::string subject() const { return cluster + "/" + name; }
};

struct TaskContainer {
  std::string name;
  std::string image;   // As the task definition has it.
  std::string pinned;  // As it was resolved: "localhost:4566/repo@sha256:…".
  std::string digest;
  std::string runtime_id;
  std::string log_cursor;
  std::string reason;
  int exit_code = -1;              // -1: none yet.
  std::string health = "UNKNOWN";  // HEALTHY, UNHEALTHY; UNKNOWN without a health check or a verdict.
  bool checked = false;            // It has a health check.
  bool essential = true;
};

struct TaskRecord {
  std::string id;  // 32 hexadecimal digits.
  std::string cluster;
  std::string service;     // Empty: started by RunTask.
  std::string deployment;  // "ecs-svc/…"; empty without a service.
  std::string task_definition;
  std::string started_by;
  Stage stage = Stage::pending;
  std::string address;
  std::string stop_reason;  // stoppedReason
  std::string stop_code;
  bool stop_wanted = false;
  bool counted = false;
  bool was_healthy = false;
  bool was_in_traffic = false;
  bool alternate = false;   // It is a target of the alternate target group.
  bool registered = false;  // The service has told that it is a target.
  Instant created_at{};
  Instant started_at{};
  Instant stopping_at{};
  Instant stopped_at{};
  long long version = 1;
  json::object overrides;
  json::object tags;
  std::vector<TaskContainer> containers;
  std::string named_group;  // As RunTask named it; empty: by family or service.
  std::string request;      // Client token and digest of the RunTask that started it.
  Instant pull_started_at{};
  Instant pull_stopped_at{};
  bool is_checked() const;  // An essential container of it has a health check.
  // HEALTHY, UNHEALTHY, UNKNOWN: the worst of its essential containers.
  std::string container_health() const;
  std::string arn(const Place& place) const { return place.arn("ecs", "task/" + cluster + "/" + id); }
  std::string group(const std::string& family) const {
    if (!named_group.empty()) return named_group;
    return service.empty() ? "family:" + family : "service:" + service;
  }
};

json::object to_json(const ServiceRecord& record);
ServiceRecord service_from(const json::object& text);
json::object to_json(const TaskRecord& record);
TaskRecord task_from(const json::object& text);

// The task as DescribeTasks and `ECS Task State Change` show it.  Timestamps are seconds in the one, ISO in the other.
enum class Times { seconds, iso };
json::object describe(const TaskRecord& task, const Place& place, const json::object& definition, Times times);
// The service as DescribeServices shows it, without its events.
json::object describe(const ServiceRecord& service, const std::vector<TaskRecord>& tasks, const Place& place);

// One entry of lifecycleHooks, in AWS's own shape, and back.
json::object describe(const Hook& hook);
Hook hook_from(const json::object& given);

// The target group that the task (or one on the other side) belongs to, of one entry of loadBalancers.
std::string target_group(const json::object& load_balancer, bool alternate);

json::object describe_configuration(const ServiceState& state);  // As deploymentConfiguration shows it.

const char* threshold_text(Breaker::Threshold type);  // "BOUNDED_PERCENT"
const char* status_text(Stage stage);                 // "RUNNING", as lastStatus has it.
const char* rollout_text(Rollout rollout);

}  // namespace slipway::ecs
