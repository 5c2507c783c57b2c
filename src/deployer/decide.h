// Decide: what an event asks for, and what a push means for a service, given what the registry and ECS
// say now.  Pure: the deployer's rules 1 to 3, 7 and 10.  An event is a hint: it may come twice, late, or
// in any order.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "base/instant.h"
#include "base/json.h"
#include "deployer/ledger.h"
#include "deployer/routes.h"

namespace slipway::deployer {

// A tag that may have to be deployed.
struct Push {
  enum class Origin {
    push,    // An event of the registry.
    sweep,   // The deployer found it by looking.
    person,  // Somebody asked for this very image.
  };
  std::string event_id;
  std::string repository;
  std::string tag;
  std::string digest;  // That the tag meant then.
  Origin origin = Origin::push;
  std::string actor = "push";
};

// A deployment of ECS has ended.
struct DeploymentChange {
  std::string event_id;
  std::string cluster;  // Names.
  std::string service;
  std::string deployment;  // "ecs-svc/…"
  bool completed = false;  // Else it failed.
  std::string reason;
};

// What an event is: one of three things to do, or the reason why it does nothing.
struct Reading {
  std::optional<Push> push;
  std::optional<DeploymentChange> change;
  bool sweep = false;
  std::string reason;
};
// https://docs.aws.amazon.com/AmazonECR/latest/userguide/ecr-eventbridge.html
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_service_deployment_events.html
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
  json::array service_tags;                  // Of the service.
  std::string rollout;                       // Of the newest deployment: IN_PROGRESS, COMPLETED, FAILED.
  std::vector<std::string> running_digests;  // Of the newest deployment's tasks, where the revision is not pinned.
  // Tag mode: when the newest deployment began, while it still runs; nullopt when it has ended.
  std::optional<Instant> deploying_since;
  std::optional<Instant> running_pushed_at;  // When the image that runs was pushed; nullopt: unknown, e.g. deleted.
};

struct Decision {
  enum class Action { ignore, held, already_deployed, deploy_digest, force_new_deployment };
  Action action = Action::ignore;
  std::string why;               // A sentence for the log.
  std::string digest;            // That it is about; empty when it is not known.
  json::object task_definition;  // deploy_digest: the input of RegisterTaskDefinition.
  std::string container;         // deploy_digest: whose image it changes.
  std::string return_to;   // force_new_deployment: the revision to return to, where a rollback had pinned another.
  std::string supersedes;  // The revision whose deployment it ends before its end; empty: none of ours.
  bool deploys() const { return action == Action::deploy_digest || action == Action::force_new_deployment; }
};

// What the ledger says once `image` has been deployed for `push`: an older image that somebody asked for does not
// become the newest.
void remember_deployed(ServiceLedger& ledger, const Push& push, const Image& image);

// "ignore", "held", "already_deployed", "deploy_digest", "force_new_deployment".
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
// The same with the container's image pinned to `image`, and these tags.  Call only when find_container() finds it.
json::object pinned_revision(const Route& route, const json::object& current, const json::array& current_tags,
                             const Image& image, const Release& release);

// Which of a repository's images the route would deploy, were all events lost: the newest by the order that decide()
// goes by.  nullopt: none has a tag that deploys.
struct TaggedImage {
  std::string tag;
  Image image;
};
std::optional<TaggedImage> newest(const Route& route, const std::vector<TaggedImage>& images);

}  // namespace slipway::deployer
