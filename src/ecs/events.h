// What ecs tells: service events in ECS's words, EventBridge events in ECS's shapes, journal entries.
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_cwe_events.html
#pragma once
#include <string>
#include <vector>

#include "ecs/ports.h"
#include "ecs/store.h"

namespace slipway::ecs {

// Where and when to tell: one transaction.
struct Teller {
  database::Transaction& tx;
  Instant now{};
  const Place& place;
  EventSink& events;
  std::string seed;  // Makes ids of service events.
};

void tell(const Teller& teller, const ServiceRecord& service, const Note& note);
// `unhealthy`: how many of them replace a task that is unhealthy.
void tell_started(const Teller& teller, const ServiceRecord& service, const std::vector<std::string>& tasks,
                  std::size_t unhealthy);
void tell_stopped(const Teller& teller, const ServiceRecord& service, const std::vector<std::string>& running,
                  std::size_t pending);
// Why a task is unhealthy: an answer of its load balancer's check, or the check of a container.
struct Unhealthy {
  std::string task;
  std::string target_group;  // ARN; empty: a container's check.
  long long port = 0;
  std::string reason;  // "Health checks failed with these codes: [500]"
};
void tell_unhealthy(const Teller& teller, const ServiceRecord& service, const Unhealthy& what);
std::string stopped_reason(const Unhealthy& what);  // stoppedReason, in ECS's words and with the check's answer.
void tell_registered(const Teller& teller, const ServiceRecord& service, const std::string& target_group);
void tell_draining(const Teller& teller, const ServiceRecord& service, const std::string& deployment,
                   const std::string& target_group);
// `ECS Task State Change`: call it whenever the task's version has risen.
void tell_task(database::Transaction& tx, const TaskRecord& task, const json::object& definition, const Place& place,
               EventSink& events, Instant now);
void tell_deployment_started(const Teller& teller, const ServiceRecord& service, const Deployment& deployment,
                             const json::object& definition);

// A task of `deployment` that is about to start.
TaskRecord new_task(const ServiceRecord& service, const Deployment& deployment, const json::object& definition,
                    std::string id, Instant now);

}  // namespace slipway::ecs
