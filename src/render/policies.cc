#include "render/policies.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "config/secret.h"

namespace slipway::render {
namespace {

// Of all inline policies of a role, without white space
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html).
constexpr std::size_t kRolePolicyLettersMax = 10'240;

json::object policy(json::array statements) {
  return {{"Version", "2012-10-17"}, {"Statement", std::move(statements)}};
}

// What stands for an action, a resource or a value: one text, or a list of them.
struct Texts {
  Texts(std::string_view text) : value(text) {}
  Texts(const char* text) : Texts(std::string_view(text)) {}
  Texts(const std::string& text) : Texts(std::string_view(text)) {}
  Texts(json::array texts) : value(std::move(texts)) {}
  Texts(json::value any) : value(std::move(any)) {}
  json::value value;
};

json::object statement(std::string_view sid, std::string_view effect, Texts action, Texts resource) {
  return {
      {"Sid", sid}, {"Effect", effect}, {"Action", std::move(action.value)}, {"Resource", std::move(resource.value)}};
}
json::object allow(std::string_view sid, Texts action, Texts resource) {
  return statement(sid, "Allow", std::move(action), std::move(resource));
}
json::object with(json::object made, std::string_view op, std::string_view key, Texts value) {
  made["Condition"] = json::object{{op, json::object{{key, std::move(value.value)}}}};
  return made;
}

// A list of texts, each once; a single one stands alone.
json::value one_or_list(const std::set<std::string>& texts) {
  if (texts.size() == 1) return json::value(*texts.begin());
  json::array list;
  for (const std::string& text : texts) list.emplace_back(text);
  return list;
}

// What of the configuration the deployer has to do with.
struct Subject {
  std::set<std::string> repositories, services, deployments, revisions, families, clusters, roles, logs, alarms;
  bool balanced = false;
};

Subject subject_of(const config::Config& config, const Account& account) {
  Subject all;
  for (const auto& [key, service] : config.services) {
    const std::string path = fmt::format("{}/{}", service.cluster, service.name);
    all.repositories.insert(account.arn("ecr", "repository/" + service.repository));
    all.services.insert(account.arn("ecs", "service/" + path));
    all.deployments.insert(account.arn("ecs", "service-deployment/" + path + "/*"));
    all.revisions.insert(account.arn("ecs", "service-revision/" + path + "/*"));
    all.families.insert(account.arn("ecs", "task-definition/" + service.family + ":*"));
    all.clusters.insert(account.arn("ecs", "cluster/" + service.cluster));
    all.roles.insert(account.iam_arn("role/" + service.task_role));
    all.roles.insert(account.iam_arn("role/" + service.execution_role));
    all.logs.insert(account.arn("logs", fmt::format("log-group:{}:log-stream:*", log_group(service))));
    all.balanced = all.balanced || service.listen != 0;
    if (service.verify)
      for (const std::string& alarm : service.verify->alarms)
        all.alarms.insert(account.arn("cloudwatch", "alarm:" + alarm));
  }
  return all;
}

json::array deploying(const config::Config& config, const Account& account, const Subject& all) {
  json::array out;
  out.push_back(allow("ReadTaskDefinitions", "ecs:DescribeTaskDefinition", "*"));  // Knows no resource.
  out.push_back(allow("RegisterTheseFamilies", "ecs:RegisterTaskDefinition", one_or_list(all.families)));
  // When it registers, and when the verdict is known.
  out.push_back(allow("RememberOnTheRevisions", "ecs:TagResource", one_or_list(all.families)));
  // `Bool … true` in a Deny: a request without the key is not refused.
  out.push_back(
      with(statement("NeverPrivileged", "Deny", "ecs:RegisterTaskDefinition", "*"), "Bool", "ecs:privileged", "true"));
  int number = 0;
  for (const auto& [key, service] : config.services) {
    const std::string arn = account.arn("ecs", fmt::format("service/{}/{}", service.cluster, service.name));
    json::object update = allow(fmt::format("Update{}", ++number), "ecs:UpdateService", arn);
    // With the condition, UpdateService without a task definition (forceNewDeployment alone) is refused; deploying by
    // tag is just that, so it goes without, and so do functions of the user's own.
    if (service.deploy.pin == config::Deploy::Pin::digest && !config.function)
      update = with(std::move(update), "ArnLike", "ecs:task-definition",
                    account.arn("ecs", "task-definition/" + service.family + ":*"));
    out.push_back(std::move(update));
  }
  out.push_back(with(statement("NeverOpenAShell", "Deny", "ecs:UpdateService", "*"), "Bool",
                     "ecs:enable-execute-command", "true"));
  out.push_back(allow("RememberOnTheServices",
                      json::array{"ecs:TagResource", "ecs:UntagResource", "ecs:ListTagsForResource"},
                      one_or_list(all.services)));
  out.push_back(with(allow("PassOnlyTheTaskRoles", "iam:PassRole", one_or_list(all.roles)), "StringEquals",
                     "iam:PassedToService", "ecs-tasks.amazonaws.com"));
  return out;
}

json::array watching(const Subject& all) {
  std::set<std::string> watched = all.services;
  watched.insert(all.deployments.begin(), all.deployments.end());
  watched.insert(all.revisions.begin(), all.revisions.end());
  json::array out;
  out.push_back(allow(
      "ReadPushedImages",
      json::array{"ecr:DescribeImages", "ecr:DescribeRepositories", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"},
      one_or_list(all.repositories)));
  out.push_back(
      allow("WatchTheServices",
            json::array{"ecs:DescribeServices", "ecs:ListServiceDeployments", "ecs:DescribeServiceDeployments",
                        "ecs:DescribeServiceRevisions", "ecs:StopServiceDeployment"},
            one_or_list(watched)));
  out.push_back(with(allow("WhyDidItFail", json::array{"ecs:ListTasks", "ecs:DescribeTasks"}, "*"), "ArnEquals",
                     "ecs:cluster", one_or_list(all.clusters)));
  out.push_back(allow("TheirLastWords", "logs:GetLogEvents", one_or_list(all.logs)));
  if (all.balanced)  // Describe… of load balancers knows no resource.
    out.push_back(
        allow("WhatTheChecksSaid",
              json::array{"elasticloadbalancing:DescribeListeners", "elasticloadbalancing:DescribeLoadBalancers",
                          "elasticloadbalancing:DescribeTargetGroups"},
              "*"));
  if (!all.alarms.empty()) out.push_back(allow("Alarms", "cloudwatch:DescribeAlarms", one_or_list(all.alarms)));
  return out;
}

// The ARN of the topic that an entry of notify names.
std::string topic_arn(const std::string& topic, const Account& account) {
  return topic.starts_with("arn:") ? topic : account.arn("sns", topic);
}

json::array telling(const config::Config& config, const Account& account) {
  std::set<std::string> topics, parameters, secrets;
  for (const config::Notify& notify : config.notify) {
    for (const auto& [name, value] : notify.settings) {
      if (notify.channel == "sns" && name == "topic") topics.insert(topic_arn(value, account));
      const auto secret = config::parse_secret_name(value);
      if (!secret) continue;
      if (secret->store == config::SecretName::Store::ssm)
        parameters.insert(
            account.arn("ssm", "parameter" + (secret->name.starts_with('/') ? secret->name : "/" + secret->name)));
      // Secrets Manager adds six letters of its own to a secret's name.
      if (secret->store == config::SecretName::Store::secrets_manager)
        secrets.insert(account.arn("secretsmanager", "secret:" + secret->name + "-??????"));
    }
  }
  json::array out;
  if (!topics.empty()) out.push_back(allow("Tell", "sns:Publish", one_or_list(topics)));
  if (!parameters.empty()) out.push_back(allow("Parameters", "ssm:GetParameter", one_or_list(parameters)));
  if (!secrets.empty()) out.push_back(allow("Secrets", "secretsmanager:GetSecretValue", one_or_list(secrets)));
  return out;
}

bool follows_versions(const config::Config& config) {
  return std::ranges::any_of(config.services, [](const auto& entry) {
    return std::ranges::any_of(entry.second.tags, config::follows_versions);
  });
}

json::object only_the_rules(std::string_view action, const std::string& resource, const config::Config& config,
                            const Account& account) {
  std::set<std::string> rules;
  for (const std::string& name : rule_names(config)) rules.insert(account.arn("events", "rule/" + name));
  json::object only = {{"Sid", "OnlyTheRules"},
                       {"Effect", "Allow"},
                       {"Principal", json::object{{"Service", "events.amazonaws.com"}}},
                       {"Action", action},
                       {"Resource", resource}};
  return policy({with(std::move(only), "ArnEquals", "aws:SourceArn", one_or_list(rules))});
}

json::object federated(std::string_view sid, const Account& account, std::string_view op,
                       const std::vector<std::string>& texts) {
  json::object condition = {
      {"StringEquals", json::object{{fmt::format("{}:aud", kGitHubIssuer), "sts.amazonaws.com"}}}};
  const json::value wanted = one_or_list({texts.begin(), texts.end()});
  if (op == "StringEquals") {
    condition["StringEquals"].as_object()[fmt::format("{}:sub", kGitHubIssuer)] = wanted;
  } else {
    condition[op] = json::object{{fmt::format("{}:sub", kGitHubIssuer), wanted}};
  }
  const std::string provider = account.iam_arn(fmt::format("oidc-provider/{}", kGitHubIssuer));
  return {{"Sid", sid},
          {"Effect", "Allow"},
          {"Principal", json::object{{"Federated", provider}}},
          {"Action", "sts:AssumeRoleWithWebIdentity"},
          {"Condition", condition}};
}

}  // namespace

json::object push_policy(const config::Config& config, const Account& account) {
  const Subject all = subject_of(config, account);
  return policy({allow("Login", "ecr:GetAuthorizationToken", "*"),  // Knows no resource.
                 allow("PushToTheseRepositories",
                       json::array{"ecr:BatchCheckLayerAvailability", "ecr:InitiateLayerUpload", "ecr:UploadLayerPart",
                                   "ecr:CompleteLayerUpload", "ecr:PutImage", "ecr:BatchGetImage"},
                       one_or_list(all.repositories))});
}

Subjects subjects(const config::Config& config) {
  const config::GitHub& github = *config.github;
  std::string repository = github.repository;
  if (github.owner_id != 0) {
    const auto slash = repository.find('/');
    repository = fmt::format("{}@{}/{}@{}", repository.substr(0, slash), github.owner_id, repository.substr(slash + 1),
                             github.repository_id);
  }
  // A job in an environment has that in its subject and not the branch.
  if (!github.environment.empty())
    return {.exact = {fmt::format("repo:{}:environment:{}", repository, github.environment)}, .wild = {}};
  Subjects trusted{.exact = {fmt::format("repo:{}:ref:refs/heads/{}", repository, github.branch)}, .wild = {}};
  if (follows_versions(config)) trusted.wild.push_back(fmt::format("repo:{}:ref:refs/tags/v*", repository));
  return trusted;
}

json::object push_trust(const config::Config& config, const Account& account) {
  const Subjects trusted = subjects(config);
  json::array statements = {federated("OnlyThisRepository", account, "StringEquals", trusted.exact)};
  if (!trusted.wild.empty()) statements.push_back(federated("ItsVersionTags", account, "StringLike", trusted.wild));
  return policy(std::move(statements));
}

json::object deployer_policy(const config::Config& config, const Account& account) {
  const Names names(config);
  const Subject all = subject_of(config, account);
  json::array statements;
  for (const json::array& part : {watching(all), deploying(config, account, all), telling(config, account)})
    statements.insert(statements.end(), part.begin(), part.end());
  statements.push_back(allow("KeepWhatFailed", "sqs:SendMessage", account.arn("sqs", names.dead_letters)));
  statements.push_back(allow("OwnLog", json::array{"logs:CreateLogStream", "logs:PutLogEvents"},
                             account.arn("logs", fmt::format("log-group:/aws/lambda/{}:*", names.deployer))));
  return policy(std::move(statements));
}

json::object service_trust(std::string_view service) {
  return policy({json::object{
      {"Effect", "Allow"}, {"Principal", json::object{{"Service", service}}}, {"Action", "sts:AssumeRole"}}});
}

json::object execution_policy(const config::Service& service, const Account& account) {
  return policy(
      {allow("Login", "ecr:GetAuthorizationToken", "*"),
       allow("PullItsImage",
             json::array{"ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"},
             account.arn("ecr", "repository/" + service.repository)),
       allow("WriteItsLog", json::array{"logs:CreateLogStream", "logs:PutLogEvents"},
             account.arn("logs", fmt::format("log-group:{}:*", log_group(service))))});
}

std::vector<std::string> rule_names(const config::Config& config) {
  const Names names(config);
  std::vector<std::string> rules;
  for (const std::string& repository : repositories(config)) rules.push_back(names.push_rule(repository));
  rules.push_back(names.verdict_rule);
  rules.push_back(names.sweep_rule);
  return rules;
}

json::object function_permission(const config::Config& config, const Account& account) {
  return only_the_rules("lambda:InvokeFunction", account.arn("lambda", "function:" + Names(config).deployer), config,
                        account);
}

json::object queue_policy(const config::Config& config, const Account& account) {
  return only_the_rules("sqs:SendMessage", account.arn("sqs", Names(config).dead_letters), config, account);
}

Result<std::vector<File>> policy_files(const config::Config& config, const Account& account) {
  std::vector<std::pair<std::string, json::object>> policies = {
      {"push.json", push_policy(config, account)},
      {"deployer.json", deployer_policy(config, account)},
      {"deployer-trust.json", service_trust("lambda.amazonaws.com")},
      {"execution-trust.json", service_trust("ecs-tasks.amazonaws.com")},
      {"function-permission.json", function_permission(config, account)},
      {"queue.json", queue_policy(config, account)}};
  if (config.github) policies.emplace_back("push-trust.json", push_trust(config, account));
  for (const auto& [key, service] : config.services)
    policies.emplace_back("execution-" + service.family + ".json", execution_policy(service, account));
  std::ranges::sort(policies, {}, &std::pair<std::string, json::object>::first);
  std::vector<File> files;
  for (const auto& [name, document] : policies) {
    const std::size_t letters = json::serialize(document).size();
    if (letters > kRolePolicyLettersMax)
      return fail(Fault::invalid, "SLW-205",
                  fmt::format("{} has {} characters, and IAM takes {} for one role. Split the configuration: one "
                              "slipway.yaml for each group of services",
                              name, letters, kRolePolicyLettersMax));
    files.push_back({.path = name, .text = pretty_json(document)});
  }
  return files;
}

}  // namespace slipway::render
