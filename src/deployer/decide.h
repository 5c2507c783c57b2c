// Decide: what a push means for a service, given what the registry and ECS say now.  Pure: the
// deployer's rules 1 to 3 and 10. An event is a hint: it may come twice, late, or in any order.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "base/instant.h"
#include "base/json.h"
#include "deployer/routes.h"

namespace slipway::deployer {

// A successful push (or replication) of a tagged image, as the event tells it.
struct Push {
  std::string event_id;
  std::string repository;
  std::string tag;
  std::string digest;  // That the tag meant then.
};

// What an event is: a push, or the reason why it deploys nothing.
struct Reading {
  std::optional<Push> push;
  std::string reason;
};
// https://docs.aws.amazon.com/AmazonECR/latest/userguide/ecr-eventbridge.html
Reading read_event(const json::value& event);

// What the tag means now (ecr DescribeImages).
struct Image {
  std::string digest;
  std::string repository_uri;  // "…/where-car-backend"
  Instant pushed_at{};
};

// What ECS says of the service now (DescribeServices, DescribeTaskDefinition, in tag mode ListTasks
// and DescribeTasks).
struct ServiceState {
  bool active = false;                       // It exists and is not being deleted.
  json::object task_definition;              // Of the newest deployment; empty when not asked.
  json::array task_tags;                     // Of that revision.
  std::vector<std::string> running_digests;  // Tag mode: of the newest deployment's tasks.
  // Tag mode: when the newest deployment began, while it still runs; nullopt when it has ended.
  std::optional<Instant> deploying_since;
  std::optional<Instant> running_pushed_at;  // When the image that runs was pushed; nullopt: unknown, e.g. deleted.
};

struct Decision {
  enum class Action { ignore, already_deployed, deploy_digest, force_new_deployment };
  Action action = Action::ignore;
  std::string why;               // A sentence for the log.
  json::object task_definition;  // deploy_digest: the input of RegisterTaskDefinition.
  std::string container;         // deploy_digest: whose image it changes.
};

// "ignore", "already_deployed", "deploy_digest", "force_new_deployment".
std::string_view action_name(Decision::Action action);

// `image` is nullopt when the tag (or its repository) is gone.
Decision decide(const Route& route, const Push& push, const std::optional<Image>& image, const ServiceState& service);

// The index of the container whose image is the route's, by name or, without a name, the only one;
// nullopt when there is none.
std::optional<std::size_t> find_container(const Route& route, const json::object& task_definition);
// The digest that the route's container is pinned to; empty when it is not.
std::string pinned_digest(const Route& route, const json::object& task_definition);

// The input of RegisterTaskDefinition that makes `current` again: every member that can be
// registered, none that ECS adds.
json::object registrable(const json::object& current);

}  // namespace slipway::deployer
