// Blueprint: what slipway.yaml means as inputs of AWS API calls.  Pure: configuration in, JSON out; apply.cc carries it
// out.
#pragma once
#include <string>
#include <vector>

#include "base/arn.h"
#include "base/json.h"
#include "config/config.h"

namespace slipway::region {

// Names that the region gives to what it makes.
constexpr std::string_view kDeployerRole = "slipway-deployer";
constexpr std::string_view kDeployerFunction = "slipway-deployer";
constexpr std::string_view kDeadLetterQueue = "slipway-dead-letters";
constexpr std::string_view kVerdictRule = "slipway-verdicts";
constexpr std::string_view kSweepRule = "slipway-sweep";

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
  std::string rule_name;
  json::object rule;  // PutRule
  // Changes exactly when the configuration of the tasks or the service changes; what the deployer changed does not
  // count.
  std::string fingerprint;
};

ServiceBlueprint service_blueprint(const config::Config& config, const config::Service& service,
                                   const std::string& registry_host, const Place& place);

// Inputs of PutRule: by what else the deployer is called, besides pushes: the ends of deployments, and the clock.
std::vector<json::object> deployer_rules(const config::Config& config, const Place& place);

// The policy of the deployer's role: read images and services, register and update, nothing else.
json::object deployer_policy(const config::Config& config, const Place& place);
json::object lambda_trust_policy();
// Of the dead-letter queue: EventBridge may send for the rules of this place.
json::object dead_letter_policy(const std::string& queue_arn, const Place& place);

}  // namespace slipway::region
