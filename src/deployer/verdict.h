// Verdict: how a deployment of ECS ended, judged by what ECS says of this very deployment and by what its
// tasks run; and the evidence that goes with a bad end.  Pure: the deployer's rule 6.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/instant.h"
#include "base/json.h"
#include "deployer/cloud.h"
#include "deployer/ledger.h"
#include "deployer/routes.h"

namespace slipway::deployer {

enum class End {
  open,                    // It still runs; or ECS is taking it back.
  live,                    // This deployment succeeded, and running tasks have this digest.
  rolled_back_by_ecs,      // The circuit breaker, an alarm, or StopServiceDeployment took it back.
  rolled_back_by_slipway,  // The deployer, or a person by `slipway rollback`.
  failed,                  // And nothing took it back.
  superseded,              // A newer deployment replaced it before its end.
  stopped,                 // Somebody stopped it.
  stuck,                   // The percentages allow neither a start nor a stop.
  scaled_to_zero,          // No task is wanted, so that nothing can be proven.
  timed_out,               // Still running after the time that it may take.
  unverified,              // ECS says that it is done; the gate after it could not be asked.
};
// "live", "rolled-back-by-ecs", …: the value of the tag slipway:verdict.
std::string_view end_name(End end);
End end_of(std::string_view name);  // open when there is no such end.
// For people: "rolled back by ECS".
std::string_view end_words(End end);
// Whether an end may still become another: an event or sweep judges the deployment again.
bool is_final(End end);

struct Observation {
  std::string digest;                       // That the deployment is to bring in.
  std::string deployment;                   // "ecs-svc/…"
  json::object service;                     // As DescribeServices shows it.
  std::optional<ServiceDeployment> record;  // What ListServiceDeployments says of it, where that is known.
  std::vector<std::string> running;         // Digests of this deployment's running tasks.
  std::vector<std::string> same;            // Digests that are the same image: the manifests of an index.
  std::optional<bool> completed;            // What the event says; nullopt: there was none.
  std::string reason;                       // The event's.
  Instant started_at{};
};

struct Judgement {
  End end = End::open;
  std::string why;
  bool ecs_rolls_back = false;  // open: it has failed, and ECS is taking it back.
};
Judgement judge(const Observation& seen, Duration timeout, Instant now);

// What a failed task leaves behind.
struct TaskEvidence {
  std::string task;  // Its id.
  std::string container;
  std::string reason;  // stoppedReason, and the container's own.
  std::optional<int> exit_code;
  std::string log_group;
  std::string log_stream;
  std::vector<std::string> log_lines;  // The last kLogLines; filled by whoever reads logs.
};
struct Evidence {
  std::vector<std::string> events;  // The service's, newest first.
  std::vector<TaskEvidence> tasks;
  std::string health;  // What the health check answered, in ECS's words.
};
constexpr int kLogLines = 20;

// Out of the service's events and of stopped tasks.  At most two tasks, of different reasons.
Evidence evidence_of(const Route& route, const json::object& service, const json::object& task_definition,
                     const std::vector<json::object>& stopped, const std::string& deployment, Instant since);
// The most telling of it in one line: "exit code 1: Essential container in task exited; it wrote: KeyError: X".
std::string summary(const Evidence& evidence);
json::object to_json(const Evidence& evidence);

// How many tasks must stay healthy, and may exist: ceil and floor.
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-type-ecs.html
struct Bounds {
  long long minimum = 0;
  long long maximum = 0;
};
Bounds bounds_of(long long desired, long long minimum_healthy_percent, long long maximum_percent);
Bounds bounds_of(const json::object& service);

}  // namespace slipway::deployer
