#include "region/blueprint.h"

#include <fmt/format.h>

#include "base/digest.h"
#include "base/text.h"
#include "ecs/definition_rules.h"
#include "render/events.h"
#include "render/policies.h"

namespace slipway::region {
namespace {

// The tag that a service starts with: the first exact one, else "latest".
std::string starting_tag(const config::Service& service) {
  for (const config::TagRule& tag : service.tags) {
    if (tag.kind == config::TagRule::Kind::exact) return tag.text;
  }
  return "latest";
}

long long whole_seconds(Duration duration) {
  return std::max<long long>(1, (duration.count() + 999) / 1000);
}

json::object container_definition(const config::Service& service, const std::string& registry_host,
                                  const Place& place) {
  json::array environment;
  for (const auto& [name, value] : service.environment) environment.push_back({{"name", name}, {"value", value}});
  json::object container = {
      {"name", service.container},
      {"image", fmt::format("{}/{}:{}", registry_host, service.repository, starting_tag(service))},
      {"essential", true},
      {"portMappings", json::array{json::object{{"containerPort", service.port}, {"protocol", "tcp"}}}},
      {"environment", environment},
      {"logConfiguration", json::object{{"logDriver", "awslogs"},
                                        {"options", json::object{{"awslogs-group", "/ecs/" + service.family},
                                                                 {"awslogs-region", place.region},
                                                                 {"awslogs-stream-prefix", "ecs"}}}}}};
  if (!service.command.empty()) container["command"] = to_array(service.command);
  return container;
}

json::object deployment_configuration(const config::Deploy& deploy) {
  return {{"minimumHealthyPercent", deploy.minimum_healthy_percent},
          {"maximumPercent", deploy.maximum_percent},
          {"deploymentCircuitBreaker",
           json::object{{"enable", true}, {"rollback", deploy.rollback == config::Deploy::Rollback::automatic}}}};
}

json::object target_group(const config::Config& config, const config::Service& service) {
  return {{"Name", fmt::format("{}-{}", config.project, service.family).substr(0, 32)},
          {"Protocol", "HTTP"},
          {"Port", service.port},
          {"VpcId", "vpc-slipway"},
          {"TargetType", "ip"},
          {"HealthCheckPath", service.health.path},
          {"HealthCheckIntervalSeconds", whole_seconds(service.health.interval)},
          {"HealthCheckTimeoutSeconds", whole_seconds(service.health.timeout)},
          {"HealthyThresholdCount", service.health.healthy},
          {"UnhealthyThresholdCount", service.health.unhealthy},
          {"Matcher", json::object{{"HttpCode", service.health.matcher}}}};
}

}  // namespace

ServiceBlueprint service_blueprint(const config::Config& config, const config::Service& service,
                                   const std::string& registry_host, const Place& place) {
  ServiceBlueprint blueprint;
  blueprint.name = service.name;
  blueprint.container = service.container;
  blueprint.cluster = service.cluster;
  blueprint.repository = service.repository;
  blueprint.target_group = target_group(config, service);
  if (service.listen != 0) blueprint.listener = {{"Protocol", "HTTP"}, {"Port", service.listen}};
  blueprint.task_definition = {
      {"family", service.family},
      {"networkMode", "awsvpc"},
      {"cpu", std::to_string(service.cpu)},
      {"memory", std::to_string(service.memory)},
      {"containerDefinitions", json::array{container_definition(service, registry_host, place)}}};
  // A size that Fargate does not have runs here all the same; the configuration has warned.
  if (ecs::fargate_has(service.cpu, service.memory))
    blueprint.task_definition["requiresCompatibilities"] = json::array{"FARGATE"};
  blueprint.service = {{"cluster", service.cluster},
                       {"serviceName", service.name},
                       {"desiredCount", service.count},
                       {"launchType", "FARGATE"},
                       {"healthCheckGracePeriodSeconds", service.health.grace.count() / 1000},
                       {"networkConfiguration",
                        json::object{{"awsvpcConfiguration", json::object{{"subnets", json::array{"subnet-slipway"}},
                                                                          {"assignPublicIp", "ENABLED"}}}}},
                       {"deploymentConfiguration", deployment_configuration(service.deploy)}};
  blueprint.fingerprint = sha256_hex(json::serialize(blueprint.task_definition) + json::serialize(blueprint.service));
  return blueprint;
}

render::Account account_of(const Place& place) {
  return {.partition = render::partition_of(place.region), .id = place.account, .region = place.region};
}

std::vector<json::object> deployer_rules(const config::Config& config, const Place& place) {
  const render::Names names(config);
  std::vector<json::object> rules;
  for (const std::string& repository : render::repositories(config))
    rules.push_back({{"Name", names.push_rule(repository)},
                     {"State", "ENABLED"},
                     {"Description", "Pushes to " + repository + " that deploy"},
                     {"EventPattern", json::serialize(render::push_pattern(config, repository))}});
  if (config.function) return rules;
  rules.push_back({{"Name", names.verdict_rule},
                   {"State", "ENABLED"},
                   {"Description", "How deployments end"},
                   {"EventPattern", json::serialize(render::verdict_pattern(config, account_of(place)))}});
  rules.push_back({{"Name", names.sweep_rule},
                   {"State", "ENABLED"},
                   {"Description", "Looks for pushes whose event was lost"},
                   {"ScheduleExpression", render::sweep_schedule(config)}});
  return rules;
}

std::vector<RoleBlueprint> roles(const config::Config& config, const Place& place) {
  const render::Names names(config);
  const render::Account account = account_of(place);
  const auto role = [](const std::string& name, std::string_view about, const json::object& trust,
                       std::string_view policy_name, const json::object& policy) {
    return RoleBlueprint{
        .role = {{"RoleName", name}, {"AssumeRolePolicyDocument", json::serialize(trust)}, {"Description", about}},
        .policy = {{"RoleName", name}, {"PolicyName", policy_name}, {"PolicyDocument", json::serialize(policy)}}};
  };
  std::vector<RoleBlueprint> all = {role(names.deployer, "What Slipway's deployer may do",
                                         render::service_trust("lambda.amazonaws.com"), "deploy",
                                         render::deployer_policy(config, account))};
  // Without a repository on GitHub nobody but the account's own identities takes CI's role.
  json::object trust = {
      {"Version", "2012-10-17"},
      {"Statement", json::array{json::object{{"Effect", "Allow"},
                                             {"Principal", json::object{{"AWS", account.iam_arn("root")}}},
                                             {"Action", "sts:AssumeRole"}}}}};
  if (config.github) trust = render::push_trust(config, account);
  all.push_back(role(names.push_role, "What CI may do: push", trust, "push", render::push_policy(config, account)));
  return all;
}

}  // namespace slipway::region
