// Blueprint: what slipway.yaml means as inputs of AWS API calls.  Pure: configuration in, JSON out; apply.cc carries it
// out.
#pragma once
#include <string>
#include <vector>

#include "base/arn.h"
#include "base/json.h"
#include "config/config.h"
#include "render/names.h"

namespace slipway::region {

// What one service needs, in the order in which it is made.
struct ServiceBlueprint {
  std::string name;
  std::string cluster;
  std::string container;  // That takes the traffic.
  std::string repository;
  json::object target_group;  // CreateTargetGroup
  json::object listener;      // CreateListener, without LoadBalancerArn and target group; empty when it does not listen
  json::object task_definition;  // RegisterTaskDefinition
  json::object service;          // CreateService, without loadBalancers' target group ARN
  // Changes exactly when the configuration of the tasks or the service changes; what the deployer changed does not
  // count.
  std::string fingerprint;
};

ServiceBlueprint service_blueprint(const config::Config& config, const config::Service& service,
                                   const std::string& registry_host, const Place& place);

// Where the region is, as rendered texts name it: names, roles and rules here are those of an AWS account.
render::Account account_of(const Place& place);

// Inputs of PutRule: pushes to the repositories, the ends of deployments, and the clock.  A function of the user's own
// expects pushes and nothing else.
std::vector<json::object> deployer_rules(const config::Config& config, const Place& place);

// Inputs of CreateRole and PutRolePolicy: the deployer's role and CI's, exactly as `slipway render policies` writes
// them.
struct RoleBlueprint {
  json::object role;
  json::object policy;
};
std::vector<RoleBlueprint> roles(const config::Config& config, const Place& place);

}  // namespace slipway::region
