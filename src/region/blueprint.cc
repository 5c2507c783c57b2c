#include "region/blueprint.h"

#include <fmt/format.h>

#include "base/digest.h"
#include "base/text.h"
#include "ecs/definition_rules.h"
#include "render/events.h"

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
  blueprint.rule_name = fmt::format("slipway-push-{}", service.family).substr(0, 64);
  blueprint.rule = {{"Name", blueprint.rule_name},
                    {"State", "ENABLED"},
                    {"Description", fmt::format("Pushes to {} that {} runs", service.repository, service.key)},
                    {"EventPattern", json::serialize(render::push_pattern(service.repository, {&service}))}};
  blueprint.fingerprint = sha256_hex(json::serialize(blueprint.task_definition) + json::serialize(blueprint.service));
  return blueprint;
}

std::vector<json::object> deployer_rules(const config::Config& config, const Place& place) {
  const render::Account account{.id = place.account, .region = place.region};
  return {{{"Name", kVerdictRule},
           {"State", "ENABLED"},
           {"Description", "How deployments end"},
           {"EventPattern", json::serialize(render::verdict_pattern(config, account))}},
          {{"Name", kSweepRule},
           {"State", "ENABLED"},
           {"Description", "Looks for pushes whose event was lost"},
           {"ScheduleExpression", render::sweep_schedule(config)}}};
}

json::object lambda_trust_policy() {
  return {{"Version", "2012-10-17"},
          {"Statement", json::array{json::object{{"Effect", "Allow"},
                                                 {"Principal", json::object{{"Service", "lambda.amazonaws.com"}}},
                                                 {"Action", "sts:AssumeRole"}}}}};
}

json::object dead_letter_policy(const std::string& queue_arn, const Place& place) {
  const json::object rules = {{"ArnLike", json::object{{"aws:SourceArn", place.arn("events", "rule/*")}}}};
  return {{"Version", "2012-10-17"},
          {"Statement", json::array{json::object{{"Effect", "Allow"},
                                                 {"Principal", json::object{{"Service", "events.amazonaws.com"}}},
                                                 {"Action", "sqs:SendMessage"},
                                                 {"Resource", queue_arn},
                                                 {"Condition", rules}}}}};
}

json::object deployer_policy(const config::Config& config, const Place& place) {
  json::array repositories;
  json::array services;
  json::array tasks;
  for (const auto& [name, service] : config.services) {
    repositories.emplace_back(place.arn("ecr", "repository/" + service.repository));
    services.emplace_back(place.arn("ecs", fmt::format("service/{}/{}", service.cluster, service.name)));
    tasks.emplace_back(place.arn("ecs", fmt::format("task/{}/*", service.cluster)));
  }
  const json::array statements = {
      json::object{{"Sid", "ReadImages"},
                   {"Effect", "Allow"},
                   {"Action", json::array{"ecr:DescribeImages", "ecr:DescribeRepositories", "ecr:BatchGetImage"}},
                   {"Resource", repositories}},
      json::object{{"Sid", "UpdateServices"},
                   {"Effect", "Allow"},
                   {"Action", json::array{"ecs:DescribeServices", "ecs:UpdateService", "ecs:ListServiceDeployments"}},
                   {"Resource", services}},
      json::object{
          {"Sid", "ReadTasks"}, {"Effect", "Allow"}, {"Action", json::array{"ecs:DescribeTasks"}}, {"Resource", tasks}},
      // These actions know no resource
      // (https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelasticcontainerservice.html).
      json::object{{"Sid", "TaskDefinitions"},
                   {"Effect", "Allow"},
                   {"Action", json::array{"ecs:RegisterTaskDefinition", "ecs:DescribeTaskDefinition", "ecs:ListTasks",
                                          "ecs:TagResource", "ecs:UntagResource"}},
                   {"Resource", "*"}},
      // For the verdict: what failed tasks wrote, and where the load balancer listens.
      json::object{{"Sid", "ReadEvidence"},
                   {"Effect", "Allow"},
                   {"Action", json::array{"logs:GetLogEvents", "elasticloadbalancing:DescribeTargetGroups",
                                          "elasticloadbalancing:DescribeLoadBalancers",
                                          "elasticloadbalancing:DescribeListeners"}},
                   {"Resource", "*"}}};
  return {{"Version", "2012-10-17"}, {"Statement", statements}};
}

}  // namespace slipway::region
