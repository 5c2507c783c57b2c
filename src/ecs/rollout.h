// The rollout of a service: which tasks to start and to stop next, and when a deployment is completed, failed or rolled
// back. Pure: no clock, no I/O; `advance` gives the same plan for the same input.
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-type-ecs.html
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-circuit-breaker.html
#pragma once
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/instant.h"
#include "ecs/strategy.h"

namespace slipway::ecs {

enum class Rollout { in_progress, completed, failed };

// What StopServiceDeployment asked of a deployment under way.
enum class StopWish { none, roll_back, abort };

// One revision of a service on its way in, in place, or on its way out.
struct Deployment {
  std::string id;               // "ecs-svc/1234567890123456789"
  std::string task_definition;  // ARN
  Rollout rollout = Rollout::in_progress;
  std::string reason;          // "ECS deployment ecs-svc/… in progress."
  int failed_tasks = 0;        // What the circuit breaker counts.
  int failures_in_row = 0;     // Since a task was healthy: what slows restarts down.
  bool was_completed = false;  // It has been completed once, or cleans up after a shift: a target of rollbacks.
  bool rolling_back = false;   // It came back because a newer one failed.
  bool steady = false;         // Its steady state has been announced.
  bool stuck = false;          // It has been announced that the percentages let it neither start nor stop a task.
  StopWish wish = StopWish::none;
  Takeover how;            // As the service wanted it when the deployment began.
  bool alternate = false;  // Its tasks are targets of the alternate target group.
  Phase phase = Phase::none;
  Instant phase_since{};
  std::vector<Hook> hooks;  // As the service had them when the deployment began.
  std::vector<HookRun> runs;
  int step = 0;          // Of the production traffic's shift: steps that were begun.
  Instant step_since{};  // The load balancer carries the step out since then; the epoch: not yet.
  Instant created_at{};
  Instant updated_at{};
  Instant start_after{};  // No task is started before: repeated failures slow down.
  // Container name -> image pinned by digest, as the first task resolved it.  Every task of the deployment uses these.
  std::map<std::string, std::string> images;
};

// When failures fail a deployment.
struct Breaker {
  enum class Threshold { bounded_percent, unbounded_percent, count };
  bool enable = false;
  bool rollback = false;
  bool reset_on_healthy = true;  // A task that becomes healthy forgives the failures before it.
  Threshold type = Threshold::bounded_percent;
  int value = 50;  // Percent of the desired count, or a number of tasks.
};

// A service as the rollout sees it.  deployments[0] is PRIMARY, the others are ACTIVE: still there to be replaced.
struct ServiceState {
  int desired = 0;
  int minimum_healthy_percent = 100;
  int maximum_percent = 200;
  Breaker breaker;
  Takeover how;  // Of deployments to come.
  std::vector<Hook> hooks;
  Traffic traffic;   // What the load balancer is to do.
  Duration grace{};  // healthCheckGracePeriodSeconds: after a task's start, being unhealthy does not count.
  std::vector<Deployment> deployments;
};

enum class Stage { pending, running, deactivating, stopping, stopped };
enum class Health { starting, healthy, unhealthy };

struct TaskSeen {
  std::string id;
  std::string deployment;
  Stage stage = Stage::pending;
  Health health = Health::starting;
  bool in_traffic = false;   // The load balancer sends it requests; without one: healthy.
  bool was_healthy = false;  // It has been healthy once.
  bool stop_wanted = false;  // We stop it: its end is no failure.
  bool counted = false;      // Its failure has been counted.
  bool alternate = false;    // It is a target of the alternate target group.
  Instant started_at{};
  Instant created_at{};
};

// What people and other systems hear of it.
struct Note {
  enum class Kind {
    stopped_tasks,
    replaced_unhealthy,
    completed,
    failed,
    rolling_back,
    steady,
    stuck,     // The percentages let it neither start nor stop a task.
    stage,     // A lifecycle stage begins.
    impaired,  // Tasks fail again and again: restarts slow down.
  };
  enum class Cause { breaker, user, hook };
  Kind kind = Kind::steady;
  std::string deployment;
  std::vector<std::string> tasks;
  std::string text;              // Filled where the kind alone does not say it: the reason of a failure.
  Cause cause = Cause::breaker;  // Of a failure.
  bool of_rollback = false;      // It is the rollback that is completed or failed.
  bool rollback_wanted = false;  // Of a failure: it was to be rolled back.
};

struct StopTask {
  std::string id;
  std::string reason;  // stoppedReason, in ECS's words.
};

struct Plan {
  ServiceState next;
  std::vector<std::string> start;  // One task for each entry: the deployment that it belongs to.
  std::vector<StopTask> stop;  // Out of traffic first, then drained, then signalled: the task's own life sees to that.
  std::vector<std::string> counted;  // Tasks whose failure this plan has counted.
  std::vector<Note> notes;
  std::optional<Instant> wake_at;  // Look again then, even if nothing happens.
};

// The next steps.  `seen` holds every task of the service that is not long gone; a stopped one must be shown until its
// failure was counted.  `traffic` is what the load balancer does; nothing: what state.traffic says.
Plan advance(const ServiceState& state, const std::vector<TaskSeen>& seen, Instant now,
             std::optional<Traffic> traffic = std::nullopt);

// Tasks that must stay healthy and tasks that may exist: ceil and floor.
int minimum_tasks(const ServiceState& state);
int maximum_tasks(const ServiceState& state);
// Failures that fail a deployment.  By default half of the desired count, at least 3, at most 200.
int breaker_threshold(const ServiceState& state);

// Puts a new deployment in front: those before are superseded and will be replaced.  It takes over as the service wants
// it; where nothing good is there to go back to, or a rolling one is under way, it rolls.
void supersede(ServiceState& state, Deployment newest);

}  // namespace slipway::ecs
