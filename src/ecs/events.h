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
void tell_started(const Teller& teller, const ServiceRecord& service, const std::vector<std::string>& tasks);
void tell_deployment_started(const Teller& teller, const ServiceRecord& service, const Deployment& deployment,
                             const json::object& definition);

// A task of `deployment` that is about to start.
TaskRecord new_task(const ServiceRecord& service, const Deployment& deployment, const json::object& definition,
                    std::string id, Instant now);

}  // namespace slipway::ecs
