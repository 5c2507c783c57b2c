// Routes: which pushes deploy which services.  Pure.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/instant.h"
#include "base/result.h"
#include "config/config.h"
#include "deployer/channel.h"

namespace slipway::deployer {

struct Route {
  enum class Pin { digest, tag };
  std::string name;         // The ECS service.
  std::string label;        // Its name in slipway.yaml.
  std::string environment;  // "production"; empty: there are none.
  std::string cluster;
  std::string repository;
  std::vector<config::TagRule> tags;
  std::string container;  // Whose image is changed; empty: the only one there is.
  Pin pin = Pin::digest;
  bool rollback = true;                         // The deployer rolls back what fails and ECS leaves.
  int wave = 1;                                 // It follows when those of lower waves are live.
  Duration timeout = std::chrono::minutes(30);  // A deployment that takes longer is reported.
  std::optional<config::Verify> verify;         // What must hold after ECS is done, before the verdict is good.
  // Every successful push deploys it, whatever was pushed: the function's rule has chosen already.
  bool any_push = false;
  // "rest-service", "staging/rest-service": what people call it.
  std::string key() const { return environment.empty() ? label : environment + "/" + label; }
};

struct Routes {
  std::vector<Route> routes;
  std::string project;
  std::vector<Channel> notify;
  // Made of CLUSTER_NAME and SERVICE_NAME: one service, and the answer that functions of this kind
  // give.
  bool single = false;
};

// Reads slipway.json.  Fails with Fault::invalid, "InvalidRoutes", naming what is wrong with which
// service.
Result<Routes> parse_routes(std::string_view text);

// slipway.json when there is one, else the one service that CLUSTER_NAME and SERVICE_NAME name.
// Fails with Fault::invalid, "InvalidRoutes", when there is neither.
Result<Routes> find_routes(const std::optional<std::string>& slipway_json, const std::string& cluster_name,
                           const std::string& service_name);

// The rule by which `route` deploys `tag` of `repository`; nullptr when it does not.
const config::TagRule* deploys(const Route& route, std::string_view repository, std::string_view tag);

}  // namespace slipway::deployer
