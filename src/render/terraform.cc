#include "render/terraform.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "render/events.h"
#include "render/hcl.h"
#include "render/names.h"
#include "render/policies.h"

namespace slipway::render {
namespace {

constexpr std::string_view kMadeBy =
    "Made by `slipway render terraform` from slipway.yaml: change that, and render again.";
constexpr int kDeployerTimeoutSeconds = 60;
constexpr int kDeployerMemoryMiB = 128;
constexpr int kQueueSeconds = 14 * 24 * 3600;  // SQS keeps nothing longer.
constexpr int kLogDays = 30;
constexpr int kDeregistrationSeconds = 30;
constexpr std::size_t kBalancerNameMax = 32;

// Names that Terraform takes, each once: what is not a letter, digit, - or _ becomes _.
class Identifiers {
 public:
  explicit Identifiers(const std::vector<std::string>& names) {
    std::map<std::string, int> used;
    for (const std::string& name : names) {
      std::string id;
      for (const char c : name) id += std::isalnum(static_cast<unsigned char>(c)) || c == '-' ? c : '_';
      if (std::isdigit(static_cast<unsigned char>(id.front()))) id = "r_" + id;
      const int times = ++used[id];
      ids_[name] = times == 1 ? id : fmt::format("{}_{}", id, times);
    }
  }
  const std::string& of(const std::string& name) const { return ids_.at(name); }

 private:
  std::map<std::string, std::string> ids_;
};

std::vector<std::string> keys_of(const config::Config& config) {
  std::vector<std::string> keys;
  for (const auto& [key, service] : config.services) keys.push_back(key);
  return keys;
}
std::vector<std::string> clusters_of(const config::Config& config) {
  std::vector<std::string> names;
  for (const auto& [key, service] : config.services)
    if (std::ranges::find(names, service.cluster) == names.end()) names.push_back(service.cluster);
  std::ranges::sort(names);
  return names;
}

// One rendering: the configuration and what everything is called in it.
class Terraform {
 public:
  explicit Terraform(const config::Config& config)
      : config_(config),
        names_(config),
        account_{.partition = partition_of(config.region), .id = "${local.account}", .region = "${local.region}"},
        services_(keys_of(config)),
        repositories_(repositories(config)),
        clusters_(clusters_of(config)) {}

  std::vector<File> files() {
    std::vector<File> out = {
        {"versions.tf", versions()}, {"variables.tf", variables()}, {"repositories.tf", repositories_file()},
        {"deployer.tf", deployer()}, {"events.tf", events()},       {"outputs.tf", outputs()}};
    if (config_.github) out.push_back({"roles.tf", roles()});
    if (config_.aws.creates("cluster") || config_.aws.creates("service"))
      out.push_back({"services.tf", services_file()});
    if (balanced()) out.push_back({"load_balancer.tf", balancers()});
    std::ranges::sort(out, {}, &File::path);
    return out;
  }

 private:
  bool balanced() const {
    return config_.aws.creates("load-balancer") &&
           std::ranges::any_of(config_.services, [](const auto& entry) { return entry.second.listen != 0; });
  }
  std::string repository(const std::string& name) const {
    return fmt::format("{}aws_ecr_repository.{}", config_.aws.creates("repository") ? "" : "data.",
                       repositories_.of(name));
  }

  static void variable(Hcl& hcl, const std::string& name, const std::string& type, const std::string& about,
                       const std::string& otherwise = {}) {
    hcl.open("variable " + quoted(name));
    hcl.set("description", quoted(about));
    hcl.set("type", type);
    if (!otherwise.empty()) hcl.set("default", otherwise);
    hcl.close();
  }

  static std::string versions() {
    Hcl hcl;
    hcl.comment(kMadeBy);
    hcl.open("terraform");
    hcl.set("required_version", quoted(">= 1.5"));
    hcl.open("required_providers");
    hcl.set("aws", "{\n  source  = \"hashicorp/aws\"\n  version = \">= 5.40\"\n}");
    hcl.close();
    hcl.close();
    hcl.open("provider \"aws\"");
    hcl.set("region", "var.region");
    hcl.close();
    hcl.open("data \"aws_caller_identity\" \"current\"");
    hcl.close();
    hcl.open("locals");
    hcl.set("account", "data.aws_caller_identity.current.account_id");
    hcl.set("region", "var.region");
    hcl.close();
    return hcl.text();
  }

  std::string variables() const {
    Hcl hcl;
    hcl.comment(kMadeBy);
    variable(hcl, "region", "string", "The AWS region.", config_.region.empty() ? "" : quoted(config_.region));
    variable(hcl, "deployer_package", "string", "What `slipway render lambda` made.", quoted("deployer.zip"));
    if (config_.github)
      variable(hcl, "create_oidc_provider", "bool",
               "An account has GitHub's OIDC provider once; false when it is there.", "true");
    if (config_.aws.creates("service")) {
      variable(hcl, "vpc_id", "string", "The VPC of the tasks.");
      variable(hcl, "subnet_ids", "list(string)", "Where tasks run; they must reach ECR.");
      variable(hcl, "assign_public_ip", "bool", "True for tasks in public subnets without NAT.", "false");
      if (balanced()) {
        variable(hcl, "public_subnet_ids", "list(string)", "Where the load balancer stands, in two zones or more.");
        variable(hcl, "allowed_cidrs", "list(string)", "Who may reach the load balancer.", list({quoted("0.0.0.0/0")}));
      } else {
        for (const auto& [key, service] : config_.services)
          if (service.listen != 0)
            variable(hcl, "target_group_arn_" + services_.of(key), "string", "The target group of " + key + ".");
      }
    }
    return hcl.text();
  }

  json::object expire(int priority, const std::string& about, json::object selection, int keep) const {
    selection["countType"] = "imageCountMoreThan";
    selection["countNumber"] = keep;
    return {{"rulePriority", priority},
            {"description", about},
            {"selection", selection},
            {"action", json::object{{"type", "expire"}}}};
  }

  // What deploys is matched first: an image that an earlier rule matches is never expired by a later one
  // (https://docs.aws.amazon.com/AmazonECR/latest/userguide/LifecyclePolicies.html), so what runs, and the versions
  // before it, outlive any number of commits.
  json::object lifecycle(const std::string& name) const {
    std::vector<std::string> patterns;
    for (const auto& [key, service] : config_.services) {
      if (service.repository != name) continue;
      for (const config::TagRule& rule : service.tags) {
        std::string pattern = rule.kind == config::TagRule::Kind::semver ? "*.*.*" : rule.text;
        std::ranges::replace(pattern, '?', '*');
        if (std::ranges::find(patterns, pattern) == patterns.end()) patterns.push_back(pattern);
      }
    }
    json::array rules;
    int priority = 0;
    for (const std::string& pattern : patterns)
      rules.push_back(expire(++priority, "What deploys by " + pattern,
                             {{"tagStatus", "tagged"}, {"tagPatternList", json::array{pattern}}},
                             config_.aws.keep_images));
    if (std::ranges::find(patterns, "git-*") == patterns.end())
      rules.push_back(expire(++priority, "What a commit made",
                             {{"tagStatus", "tagged"}, {"tagPatternList", json::array{"git-*"}}},
                             config_.aws.keep_images));
    rules.push_back(expire(++priority, "What lost its tags: rollback targets of mutable tags, parts of indexes",
                           {{"tagStatus", "untagged"}}, config_.aws.keep_images));
    return {{"rules", rules}};
  }

  std::string repositories_file() const {
    Hcl hcl;
    hcl.comment(kMadeBy);
    for (const std::string& name : repositories(config_)) {
      const std::string id = repositories_.of(name);
      if (!config_.aws.creates("repository")) {
        hcl.open(fmt::format("data \"aws_ecr_repository\" \"{}\"", id));
        hcl.set("name", quoted(name));
        hcl.close();
        continue;
      }
      hcl.open(fmt::format("resource \"aws_ecr_repository\" \"{}\"", id));
      hcl.set("name", quoted(name));
      hcl.set("image_tag_mutability", quoted("MUTABLE"));
      hcl.open("image_scanning_configuration");
      hcl.set("scan_on_push", "true");
      hcl.close();
      hcl.close();
      hcl.open(fmt::format("resource \"aws_ecr_lifecycle_policy\" \"{}\"", id));
      hcl.set("repository", repository(name) + ".name");
      hcl.set("policy", json_text(lifecycle(name)));
      hcl.close();
    }
    return hcl.text();
  }

  void role(Hcl& hcl, const std::string& id, const std::string& name, const std::string& about,
            const json::object& trust, const json::object* policy) const {
    hcl.open(fmt::format("resource \"aws_iam_role\" \"{}\"", id));
    hcl.set("name", quoted(name));
    hcl.set("description", quoted(about));
    hcl.set("assume_role_policy", json_text(trust));
    hcl.close();
    if (policy == nullptr) return;
    hcl.open(fmt::format("resource \"aws_iam_role_policy\" \"{}\"", id));
    hcl.set("name", quoted("slipway"));
    hcl.set("role", fmt::format("aws_iam_role.{}.id", id));
    hcl.set("policy", json_text(*policy));
    hcl.close();
  }

  std::string deployer() const {
    Hcl hcl;
    hcl.comment(kMadeBy);
    const json::object policy = deployer_policy(config_, account_);
    role(hcl, "deployer", names_.deployer, "What Slipway's deployer may do", service_trust("lambda.amazonaws.com"),
         &policy);
    hcl.open("resource \"aws_cloudwatch_log_group\" \"deployer\"");
    hcl.set("name", quoted("/aws/lambda/" + names_.deployer));
    hcl.set("retention_in_days", std::to_string(kLogDays));
    hcl.close();
    hcl.open("resource \"aws_lambda_function\" \"deployer\"");
    hcl.set("function_name", quoted(names_.deployer));
    hcl.set("description", quoted("Deploys what is pushed: slipway.json in the package says what where"));
    hcl.set("role", "aws_iam_role.deployer.arn");
    hcl.set("runtime", quoted("provided.al2023"));
    hcl.set("architectures", list({quoted("x86_64")}));
    hcl.set("handler", quoted("bootstrap"));
    hcl.set("filename", "var.deployer_package");
    hcl.set("source_code_hash", "filebase64sha256(var.deployer_package)");
    hcl.set("timeout", std::to_string(kDeployerTimeoutSeconds));
    hcl.set("memory_size", std::to_string(kDeployerMemoryMiB));
    hcl.comment("One at a time: two that read and then write one service would race.");
    hcl.set("reserved_concurrent_executions", "1");
    hcl.set("depends_on", list({"aws_cloudwatch_log_group.deployer", "aws_iam_role_policy.deployer"}));
    hcl.close();
    hcl.comment("What the function could not do is kept, also when its error came after Lambda had taken the event.");
    hcl.open("resource \"aws_lambda_function_event_invoke_config\" \"deployer\"");
    hcl.set("function_name", "aws_lambda_function.deployer.function_name");
    hcl.set("maximum_retry_attempts", "2");
    hcl.set("maximum_event_age_in_seconds", "21600");
    hcl.open("destination_config");
    hcl.open("on_failure");
    hcl.set("destination", "aws_sqs_queue.dead_letters.arn");
    hcl.close();
    hcl.close();
    hcl.close();
    hcl.open("resource \"aws_sqs_queue\" \"dead_letters\"");
    hcl.set("name", quoted(names_.dead_letters));
    hcl.set("message_retention_seconds", std::to_string(kQueueSeconds));
    hcl.set("sqs_managed_sse_enabled", "true");
    hcl.close();
    hcl.open("resource \"aws_sqs_queue_policy\" \"dead_letters\"");
    hcl.set("queue_url", "aws_sqs_queue.dead_letters.id");
    hcl.set("policy", json_text(queue_policy(config_, account_)));
    hcl.close();
    return hcl.text();
  }

  // A rule, its target with a dead-letter queue, and the permission of exactly this rule.
  void rule(Hcl& hcl, const std::string& id, const std::string& name, const std::string& about,
            const std::string& attribute, const std::string& when) const {
    hcl.open(fmt::format("resource \"aws_cloudwatch_event_rule\" \"{}\"", id));
    hcl.set("name", quoted(name));
    hcl.set("description", quoted(about));
    hcl.set(attribute, when);
    hcl.close();
    hcl.open(fmt::format("resource \"aws_cloudwatch_event_target\" \"{}\"", id));
    hcl.set("rule", fmt::format("aws_cloudwatch_event_rule.{}.name", id));
    hcl.set("target_id", quoted("deployer"));
    hcl.set("arn", "aws_lambda_function.deployer.arn");
    hcl.open("dead_letter_config");
    hcl.set("arn", "aws_sqs_queue.dead_letters.arn");
    hcl.close();
    hcl.close();
    hcl.open(fmt::format("resource \"aws_lambda_permission\" \"{}\"", id));
    hcl.set("statement_id", quoted(name));
    hcl.set("action", quoted("lambda:InvokeFunction"));
    hcl.set("function_name", "aws_lambda_function.deployer.function_name");
    hcl.set("principal", quoted("events.amazonaws.com"));
    hcl.set("source_arn", fmt::format("aws_cloudwatch_event_rule.{}.arn", id));
    hcl.close();
  }

  std::string events() const {
    Hcl hcl;
    hcl.comment(kMadeBy);
    for (const std::string& name : repositories(config_))
      rule(hcl, "push_" + repositories_.of(name), names_.push_rule(name), "Pushes to " + name + " that deploy",
           "event_pattern", json_text(push_pattern(config_, name)));
    rule(hcl, "verdict", names_.verdict_rule, "How deployments end", "event_pattern",
         json_text(verdict_pattern(config_, account_)));
    rule(hcl, "sweep", names_.sweep_rule, "Looks for pushes whose event was lost", "schedule_expression",
         quoted(sweep_schedule(config_)));
    return hcl.text();
  }

  std::string roles() const {
    Hcl hcl;
    hcl.comment(kMadeBy);
    hcl.open("resource \"aws_iam_openid_connect_provider\" \"github\"");
    hcl.set("count", "var.create_oidc_provider ? 1 : 0");
    hcl.set("url", quoted("https://token.actions.githubusercontent.com"));
    hcl.set("client_id_list", list({quoted("sts.amazonaws.com")}));
    hcl.close();
    const json::object policy = push_policy(config_, account_);
    role(hcl, "push", names_.push_role, "What CI may do: push images", push_trust(config_, account_), &policy);
    return hcl.text();
  }

  std::string image_of(const config::Service& service) const {
    std::string tag = "latest";
    for (const config::TagRule& rule : service.tags) {
      if (rule.kind != config::TagRule::Kind::exact) continue;
      tag = rule.text;
      break;
    }
    return fmt::format("${{{}.repository_url}}:{}", repository(service.repository), tag);
  }

  json::object container(const config::Service& service) const {
    json::array environment;
    for (const auto& [name, value] : service.environment)
      environment.push_back({{"name", literal(name)}, {"value", literal(value)}});
    json::object made = {
        {"name", service.container},
        {"image", image_of(service)},
        {"essential", true},
        {"portMappings", json::array{json::object{{"containerPort", service.port}, {"protocol", "tcp"}}}},
        {"environment", environment},
        {"logConfiguration", json::object{{"logDriver", "awslogs"},
                                          {"options", json::object{{"awslogs-group", log_group(service)},
                                                                   {"awslogs-region", "${local.region}"},
                                                                   {"awslogs-stream-prefix", "ecs"}}}}}};
    json::array command;
    for (const std::string& word : service.command) command.emplace_back(literal(word));
    if (!command.empty()) made["command"] = command;
    return made;
  }

  void task_definition(Hcl& hcl, const std::string& id, const config::Service& service) const {
    hcl.open(fmt::format("resource \"aws_cloudwatch_log_group\" \"{}\"", id));
    hcl.set("name", quoted(log_group(service)));
    hcl.set("retention_in_days", std::to_string(kLogDays));
    hcl.close();
    role(hcl, id + "_task", service.task_role, "What " + service.key + " may do",
         service_trust("ecs-tasks.amazonaws.com"), nullptr);
    const json::object policy = execution_policy(service, account_);
    role(hcl, id + "_execution", service.execution_role, "With which ECS starts " + service.key,
         service_trust("ecs-tasks.amazonaws.com"), &policy);
    hcl.open(fmt::format("resource \"aws_ecs_task_definition\" \"{}\"", id));
    hcl.set("family", quoted(service.family));
    hcl.set("network_mode", quoted("awsvpc"));
    hcl.set("requires_compatibilities", list({quoted("FARGATE")}));
    hcl.set("cpu", std::to_string(service.cpu));
    hcl.set("memory", std::to_string(service.memory));
    hcl.set("task_role_arn", fmt::format("aws_iam_role.{}_task.arn", id));
    hcl.set("execution_role_arn", fmt::format("aws_iam_role.{}_execution.arn", id));
    hcl.set("container_definitions", json_text(json::array{container(service)}));
    hcl.close();
  }

  void security_group(Hcl& hcl, const std::string& id, const config::Service& service) const {
    hcl.open(fmt::format("resource \"aws_security_group\" \"{}\"", id));
    hcl.set("name", quoted(fmt::format("slipway-{}", service.family)));
    hcl.set("description", quoted("Tasks of " + service.key));
    hcl.set("vpc_id", "var.vpc_id");
    hcl.close();
    hcl.open(fmt::format("resource \"aws_vpc_security_group_egress_rule\" \"{}\"", id));
    hcl.set("security_group_id", fmt::format("aws_security_group.{}.id", id));
    hcl.set("ip_protocol", quoted("-1"));
    hcl.set("cidr_ipv4", quoted("0.0.0.0/0"));
    hcl.close();
    if (!balanced() || service.listen == 0) return;
    hcl.open(fmt::format("resource \"aws_vpc_security_group_ingress_rule\" \"{}\"", id));
    hcl.set("security_group_id", fmt::format("aws_security_group.{}.id", id));
    hcl.set("referenced_security_group_id", fmt::format("aws_security_group.{}.id", balancer_id(service.stage)));
    hcl.set("ip_protocol", quoted("tcp"));
    hcl.set("from_port", std::to_string(service.port));
    hcl.set("to_port", std::to_string(service.port));
    hcl.close();
  }

  void ecs_service(Hcl& hcl, const std::string& id, const config::Service& service) const {
    hcl.open(fmt::format("resource \"aws_ecs_service\" \"{}\"", id));
    hcl.set("name", quoted(service.name));
    hcl.set("cluster", config_.aws.creates("cluster")
                           ? fmt::format("aws_ecs_cluster.{}.arn", clusters_.of(service.cluster))
                           : fmt::format("data.aws_ecs_cluster.{}.arn", clusters_.of(service.cluster)));
    hcl.set("task_definition", fmt::format("aws_ecs_task_definition.{}.arn", id));
    hcl.set("desired_count", std::to_string(service.count));
    hcl.set("launch_type", quoted("FARGATE"));
    hcl.set("deployment_minimum_healthy_percent", std::to_string(service.deploy.minimum_healthy_percent));
    hcl.set("deployment_maximum_percent", std::to_string(service.deploy.maximum_percent));
    if (service.listen != 0)
      hcl.set("health_check_grace_period_seconds", std::to_string(service.health.grace.count() / 1000));
    hcl.open("deployment_circuit_breaker");
    hcl.set("enable", "true");
    hcl.set("rollback", service.deploy.rollback == config::Deploy::Rollback::automatic ? "true" : "false");
    hcl.close();
    hcl.open("network_configuration");
    hcl.set("subnets", "var.subnet_ids");
    hcl.set("security_groups", list({fmt::format("aws_security_group.{}.id", id)}));
    hcl.set("assign_public_ip", "var.assign_public_ip");
    hcl.close();
    if (service.listen != 0) {
      hcl.open("load_balancer");
      hcl.set("target_group_arn",
              balanced() ? fmt::format("aws_lb_target_group.{}.arn", id) : fmt::format("var.target_group_arn_{}", id));
      hcl.set("container_name", quoted(service.container));
      hcl.set("container_port", std::to_string(service.port));
      hcl.close();
    }
    hcl.comment("What runs is the deployer's matter, and how many of it the autoscaler's.");
    hcl.open("lifecycle");
    hcl.set("ignore_changes", "[task_definition, desired_count]");
    hcl.close();
    if (balanced() && service.listen != 0) hcl.set("depends_on", list({fmt::format("aws_lb_listener.{}", id)}));
    hcl.close();
  }

  std::string services_file() const {
    Hcl hcl;
    hcl.comment(kMadeBy);
    for (const std::string& name : clusters_of(config_)) {
      hcl.open(fmt::format("{} \"aws_ecs_cluster\" \"{}\"", config_.aws.creates("cluster") ? "resource" : "data",
                           clusters_.of(name)));
      hcl.set(config_.aws.creates("cluster") ? "name" : "cluster_name", quoted(name));
      hcl.close();
    }
    if (!config_.aws.creates("service")) return hcl.text();
    for (const auto& [key, service] : config_.services) {
      const std::string& id = services_.of(key);
      task_definition(hcl, id, service);
      security_group(hcl, id, service);
      ecs_service(hcl, id, service);
    }
    return hcl.text();
  }

  static std::string balancer_id(const std::string& stage) { return stage.empty() ? "balancer" : "balancer_" + stage; }
  std::string short_name(const std::string& text) const {
    std::string name = plain_name(text, kBalancerNameMax);
    std::ranges::replace(name, '_', '-');
    return name;
  }

  void balancer(Hcl& hcl, const std::string& stage) const {
    const std::string id = balancer_id(stage);
    const std::string name = short_name(stage.empty() ? config_.project : config_.project + "-" + stage);
    hcl.open(fmt::format("resource \"aws_security_group\" \"{}\"", id));
    hcl.set("name", quoted("slipway-" + name + "-balancer"));
    hcl.set("description", quoted("The load balancer of " + name));
    hcl.set("vpc_id", "var.vpc_id");
    hcl.close();
    hcl.open(fmt::format("resource \"aws_vpc_security_group_egress_rule\" \"{}\"", id));
    hcl.set("security_group_id", fmt::format("aws_security_group.{}.id", id));
    hcl.set("ip_protocol", quoted("-1"));
    hcl.set("cidr_ipv4", quoted("0.0.0.0/0"));
    hcl.close();
    hcl.open(fmt::format("resource \"aws_lb\" \"{}\"", id));
    hcl.set("name", quoted(name));
    hcl.set("load_balancer_type", quoted("application"));
    hcl.set("internal", "false");
    hcl.set("subnets", "var.public_subnet_ids");
    hcl.set("security_groups", list({fmt::format("aws_security_group.{}.id", id)}));
    hcl.close();
  }

  void listener(Hcl& hcl, const std::string& id, const config::Service& service) const {
    const auto seconds = [](Duration duration) {
      return std::to_string(std::max<long long>(1, (duration.count() + 999) / 1000));
    };
    const std::string balancer = balancer_id(service.stage);
    hcl.open(fmt::format("resource \"aws_vpc_security_group_ingress_rule\" \"listen_{}\"", id));
    hcl.set("for_each", "toset(var.allowed_cidrs)");
    hcl.set("security_group_id", fmt::format("aws_security_group.{}.id", balancer));
    hcl.set("ip_protocol", quoted("tcp"));
    hcl.set("from_port", std::to_string(service.listen));
    hcl.set("to_port", std::to_string(service.listen));
    hcl.set("cidr_ipv4", "each.value");
    hcl.close();
    hcl.open(fmt::format("resource \"aws_lb_target_group\" \"{}\"", id));
    hcl.set("name", quoted(short_name(config_.project + "-" + service.family)));
    hcl.set("port", std::to_string(service.port));
    hcl.set("protocol", quoted("HTTP"));
    hcl.set("target_type", quoted("ip"));
    hcl.set("vpc_id", "var.vpc_id");
    hcl.set("deregistration_delay", std::to_string(kDeregistrationSeconds));
    hcl.open("health_check");
    hcl.set("path", quoted(literal(service.health.path)));
    // A load balancer of AWS asks every 5 seconds at most, and waits less than that.
    const Duration interval = std::max<Duration>(service.health.interval, std::chrono::seconds(5));
    hcl.set("interval", seconds(interval));
    hcl.set("timeout", seconds(std::clamp<Duration>(service.health.timeout, std::chrono::seconds(2),
                                                    interval - std::chrono::seconds(1))));
    hcl.set("healthy_threshold", std::to_string(std::max(2, service.health.healthy)));
    hcl.set("unhealthy_threshold", std::to_string(std::max(2, service.health.unhealthy)));
    hcl.set("matcher", quoted(service.health.matcher));
    hcl.close();
    hcl.close();
    hcl.open(fmt::format("resource \"aws_lb_listener\" \"{}\"", id));
    hcl.set("load_balancer_arn", fmt::format("aws_lb.{}.arn", balancer));
    hcl.set("port", std::to_string(service.listen));
    hcl.set("protocol", quoted("HTTP"));
    hcl.open("default_action");
    hcl.set("type", quoted("forward"));
    hcl.set("target_group_arn", fmt::format("aws_lb_target_group.{}.arn", id));
    hcl.close();
    hcl.close();
  }

  std::string balancers() const {
    Hcl hcl;
    hcl.comment(kMadeBy);
    std::vector<std::string> stages;
    for (const auto& [key, service] : config_.services) {
      if (service.listen == 0 || std::ranges::find(stages, service.stage) != stages.end()) continue;
      stages.push_back(service.stage);
      balancer(hcl, service.stage);
    }
    for (const auto& [key, service] : config_.services)
      if (service.listen != 0) listener(hcl, services_.of(key), service);
    return hcl.text();
  }

  std::string outputs() const {
    Hcl hcl;
    hcl.comment(kMadeBy);
    const auto output = [&hcl](const std::string& name, const std::string& about, const std::string& value) {
      hcl.open("output " + quoted(name));
      hcl.set("description", quoted(about));
      hcl.set("value", value);
      hcl.close();
    };
    output("deployer_function", "The function that deploys.", "aws_lambda_function.deployer.function_name");
    output("dead_letters_url", "Events that could not be handled.", "aws_sqs_queue.dead_letters.url");
    if (config_.github)
      output("push_role_arn", "For the workflow: the variable SLIPWAY_PUSH_ROLE.", "aws_iam_role.push.arn");
    for (const std::string& name : repositories(config_))
      output("repository_url_" + repositories_.of(name), "Where CI pushes " + name + ".",
             repository(name) + ".repository_url");
    if (balanced()) {
      std::vector<std::string> stages;
      for (const auto& [key, service] : config_.services) {
        if (service.listen == 0 || std::ranges::find(stages, service.stage) != stages.end()) continue;
        stages.push_back(service.stage);
        output(balancer_id(service.stage) + "_name", "Where users come in.",
               fmt::format("aws_lb.{}.dns_name", balancer_id(service.stage)));
      }
    }
    return hcl.text();
  }

  const config::Config& config_;
  Names names_;
  Account account_;
  Identifiers services_;
  Identifiers repositories_;
  Identifiers clusters_;
};

}  // namespace

std::vector<File> terraform_files(const config::Config& config) {
  return Terraform(config).files();
}

}  // namespace slipway::render
