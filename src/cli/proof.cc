#include "cli/proof.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.h"
#include "config/secret.h"
#include "iam/policy.h"
#include "render/policies.h"

namespace slipway::cli {
namespace {

using render::Account;

constexpr std::string_view kEvents = "events.amazonaws.com";
constexpr std::string_view kTasks = "ecs-tasks.amazonaws.com";
constexpr const char* kForeign = "someone-elses";  // No name of a configuration.

// What is asked of one role: who asks, and every question.
class Asker {
 public:
  Asker(std::vector<Cell>& cells, std::string role, const json::object& policy, bool with_principal, iam::Request who)
      : cells_(cells),
        role_(std::move(role)),
        policies_{policy},
        with_principal_(with_principal),
        who_(std::move(who)) {}

  void may(std::string_view action, const std::string& resource, iam::ConditionKeys keys = {}, std::string with = {}) {
    ask(true, action, resource, std::move(keys), std::move(with));
  }
  void may_not(std::string_view action, const std::string& resource, iam::ConditionKeys keys = {},
               std::string with = {}) {
    ask(false, action, resource, std::move(keys), std::move(with));
  }

 private:
  void ask(bool must, std::string_view action, const std::string& resource, iam::ConditionKeys keys, std::string with) {
    iam::Request request = who_;
    request.action = action;
    request.resource = resource;
    request.keys = std::move(keys);
    const auto judgement = iam::judge(policies_, request, with_principal_);
    Cell cell{.role = role_,
              .action = std::string(action),
              .resource = resource,
              .with = std::move(with),
              .must = must,
              .allowed = judgement.decision == iam::Decision::allowed,
              .why = "nothing allows it"};
    if (cell.allowed) cell.why = "allowed by " + judgement.statement;
    if (judgement.decision == iam::Decision::explicitly_denied) cell.why = "denied by " + judgement.statement;
    cells_.push_back(std::move(cell));
  }

  std::vector<Cell>& cells_;
  std::string role_;
  std::vector<json::object> policies_;
  bool with_principal_;
  iam::Request who_;
};

struct ServiceArns {
  ServiceArns(const config::Service& service, const Account& account)
      : repository(account.arn("ecr", "repository/" + service.repository)),
        service(account.arn("ecs", fmt::format("service/{}/{}", service.cluster, service.name))),
        task(account.arn("ecs", fmt::format("task/{}/0123456789abcdef", service.cluster))),
        family(account.arn("ecs", fmt::format("task-definition/{}:*", service.family))),
        revision(account.arn("ecs", fmt::format("task-definition/{}:7", service.family))),
        cluster(account.arn("ecs", "cluster/" + service.cluster)),
        log(account.arn("logs", fmt::format("log-group:{}:log-stream:ecs/x/1", render::log_group(service)))),
        task_role(account.iam_arn("role/" + service.task_role)),
        execution_role(account.iam_arn("role/" + service.execution_role)) {}
  std::string repository, service, task, family, revision, cluster, log, task_role, execution_role;
};

constexpr std::array<std::string_view, 6> kPushing = {"ecr:BatchCheckLayerAvailability",
                                                      "ecr:InitiateLayerUpload",
                                                      "ecr:UploadLayerPart",
                                                      "ecr:CompleteLayerUpload",
                                                      "ecr:PutImage",
                                                      "ecr:BatchGetImage"};

void prove_push(Asker ci, const config::Config& config, const Account& account) {
  const render::Names names(config);
  ci.may("ecr:GetAuthorizationToken", "*");
  for (const std::string& name : render::repositories(config)) {
    const std::string repository = account.arn("ecr", "repository/" + name);
    for (const std::string_view action : kPushing) ci.may(action, repository);
    for (const char* action : {"ecr:BatchDeleteImage", "ecr:DeleteRepository", "ecr:SetRepositoryPolicy",
                               "ecr:PutLifecyclePolicy", "ecr:PutImageTagMutability"})
      ci.may_not(action, repository);
  }
  const std::string foreign = account.arn("ecr", fmt::format("repository/{}", kForeign));
  for (const std::string_view action : kPushing) ci.may_not(action, foreign);
  ci.may_not("ecr:CreateRepository", foreign);
  for (const auto& [key, service] : config.services) {
    const ServiceArns arns(service, account);
    ci.may_not("ecs:UpdateService", arns.service, {{"ecs:task-definition", {arns.revision}}});
    ci.may_not("ecs:DescribeServices", arns.service);
    ci.may_not("ecs:RegisterTaskDefinition", arns.family);
    ci.may_not("ecs:RunTask", arns.family, {{"ecs:cluster", {arns.cluster}}});
    ci.may_not("iam:PassRole", arns.task_role, {{"iam:passedtoservice", {std::string(kTasks)}}});
  }
  const std::string function = account.arn("lambda", "function:" + names.deployer);
  ci.may_not("lambda:InvokeFunction", function);
  ci.may_not("lambda:UpdateFunctionCode", function);
  for (const std::string& rule : render::rule_names(config))
    ci.may_not("events:PutRule", account.arn("events", "rule/" + rule));
  ci.may_not("events:PutEvents", account.arn("events", "event-bus/default"));
  ci.may_not("sts:AssumeRole", account.iam_arn("role/" + names.deployer));
  ci.may_not("iam:PutRolePolicy", account.iam_arn("role/" + names.push_role));
}

// A tag of the rule "…tags/v*".
std::string sample_of(std::string pattern) {
  std::ranges::replace(pattern, '*', '1');
  return pattern;
}

void prove_trust(std::vector<Cell>& cells, const json::object& trust, const config::Config& config,
                 const Account& account) {
  const config::GitHub& github = *config.github;
  const std::string role = account.iam_arn("role/" + render::Names(config).push_role);
  const auto of_provider = [&](std::string_view provider) {
    return Asker(cells, "who may be CI", trust, true,
                 {.principal_federated = account.iam_arn(fmt::format("oidc-provider/{}", provider))});
  };
  const auto claims = [](const std::string& sub, const std::string& aud) {
    return iam::ConditionKeys{{fmt::format("{}:sub", render::kGitHubIssuer), {sub}},
                              {fmt::format("{}:aud", render::kGitHubIssuer), {aud}}};
  };
  constexpr const char* kAction = "sts:AssumeRoleWithWebIdentity";
  constexpr const char* kAudience = "sts.amazonaws.com";
  Asker token = of_provider(render::kGitHubIssuer);
  const render::Subjects trusted = render::subjects(config);
  std::vector<std::string> good = trusted.exact;
  for (const std::string& wild : trusted.wild) good.push_back(sample_of(wild));
  for (const std::string& sub : good) token.may(kAction, role, claims(sub, kAudience), sub);
  // The same repository by the other of GitHub's two forms of a subject, other repositories, other ways to run.
  const auto slash = github.repository.find('/');
  const std::string owner = github.repository.substr(0, slash), name = github.repository.substr(slash + 1);
  const auto form = [&](const std::string& who, const std::string& what, bool numbers) {
    return numbers ? fmt::format("repo:{}@1{}/{}@1{}:", who, github.owner_id, what, github.repository_id)
                   : fmt::format("repo:{}/{}:", who, what);
  };
  const bool numbers = github.owner_id != 0;
  const std::string own = good.front().substr(0, good.front().find(':', 5) + 1);
  const std::string where =
      github.environment.empty() ? "ref:refs/heads/" + github.branch : "environment:" + github.environment;
  std::vector<std::string> bad = {
      form(owner, name, !numbers) + where,
      form(owner, name + "-fork", numbers) + where,
      form(owner + "-evil", name, numbers) + where,
      own + "pull_request",
      own + "ref:refs/heads/" + github.branch + "-other",
      own + "environment:" + (github.environment.empty() ? "any" : github.environment + "-other")};
  if (!github.environment.empty()) bad.push_back(own + "ref:refs/heads/" + github.branch);
  if (numbers) bad.push_back(form(owner, name, true) + where);  // The name was given up and taken by somebody else.
  if (trusted.wild.empty()) bad.push_back(own + "ref:refs/tags/v1.0.0");
  for (const std::string& sub : bad) token.may_not(kAction, role, claims(sub, kAudience), sub);
  token.may_not(kAction, role, claims(good.front(), "https://github.com/" + owner), "another audience");
  token.may_not(kAction, role, {{fmt::format("{}:aud", render::kGitHubIssuer), {kAudience}}},
                "a token without a subject");
  of_provider("gitlab.example").may_not(kAction, role, claims(good.front(), kAudience), "another issuer");
}

void prove_reading(Asker& deployer, const ServiceArns& arns, const config::Service& service, const Account& account) {
  for (const char* action :
       {"ecr:DescribeImages", "ecr:DescribeRepositories", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"})
    deployer.may(action, arns.repository);
  for (const char* action : {"ecs:DescribeServices", "ecs:ListServiceDeployments", "ecs:ListTagsForResource"})
    deployer.may(action, arns.service);
  deployer.may("ecs:ListTasks", "*", {{"ecs:cluster", {arns.cluster}}}, "in its cluster");
  deployer.may("ecs:DescribeTasks", arns.task, {{"ecs:cluster", {arns.cluster}}}, "in its cluster");
  deployer.may("logs:GetLogEvents", arns.log);
  if (service.listen != 0) {
    for (const char* action : {"elasticloadbalancing:DescribeListeners", "elasticloadbalancing:DescribeLoadBalancers",
                               "elasticloadbalancing:DescribeTargetGroups"})
      deployer.may(action, "*");
  }
  if (!service.verify) return;
  for (const std::string& alarm : service.verify->alarms)
    deployer.may("cloudwatch:DescribeAlarms", account.arn("cloudwatch", "alarm:" + alarm));
}

void prove_writing(Asker& deployer, const ServiceArns& arns, const config::Service& service, const Account& account,
                   const std::string& deployer_role) {
  const std::string other_revision = account.arn("ecs", fmt::format("task-definition/{}:7", kForeign));
  deployer.may("ecs:RegisterTaskDefinition", arns.family);
  deployer.may_not("ecs:RegisterTaskDefinition", arns.family, {{"ecs:privileged", {"true"}}}, "privileged");
  deployer.may("ecs:TagResource", arns.revision);
  deployer.may("ecs:TagResource", arns.service);
  deployer.may("ecs:UntagResource", arns.service);
  const iam::ConditionKeys update = {{"ecs:task-definition", {arns.revision}}};
  const bool pinned = service.deploy.pin == config::Deploy::Pin::digest;
  deployer.may("ecs:UpdateService", arns.service, update, "to its own family");
  if (pinned) {
    deployer.may_not("ecs:UpdateService", arns.service, {{"ecs:task-definition", {other_revision}}},
                     "to another family");
    deployer.may_not("ecs:UpdateService", arns.service, {}, "without a task definition");
  } else {
    deployer.may("ecs:UpdateService", arns.service, {}, "without a task definition (pin: tag)");
  }
  iam::ConditionKeys shell = update;
  shell["ecs:enable-execute-command"] = {"true"};
  deployer.may_not("ecs:UpdateService", arns.service, shell, "opening a shell");
  const iam::ConditionKeys to_tasks = {{"iam:passedtoservice", {std::string(kTasks)}}};
  deployer.may("iam:PassRole", arns.task_role, to_tasks, "to tasks");
  deployer.may("iam:PassRole", arns.execution_role, to_tasks, "to tasks");
  deployer.may_not("iam:PassRole", arns.task_role, {{"iam:passedtoservice", {"lambda.amazonaws.com"}}}, "to Lambda");
  deployer.may_not("iam:PassRole", deployer_role, to_tasks, "its own role, to tasks");
  for (const char* action : {"ecs:DeleteService", "ecs:CreateService", "ecs:ExecuteCommand"})
    deployer.may_not(action, arns.service);
  deployer.may_not("ecs:RunTask", arns.family, {{"ecs:cluster", {arns.cluster}}});
  deployer.may_not("ecs:StopTask", arns.task, {{"ecs:cluster", {arns.cluster}}});
  deployer.may_not("ecs:DeregisterTaskDefinition", "*");
  for (const char* action : {"ecr:PutImage", "ecr:BatchDeleteImage", "ecr:DeleteRepository", "ecr:SetRepositoryPolicy"})
    deployer.may_not(action, arns.repository);
}

void prove_telling(Asker& deployer, const config::Config& config, const Account& account) {
  for (const config::Notify& notify : config.notify) {
    for (const auto& [name, value] : notify.settings) {
      if (notify.channel == "sns" && name == "topic")
        deployer.may("sns:Publish", value.starts_with("arn:") ? value : account.arn("sns", value));
      const auto secret = config::parse_secret_name(value);
      if (!secret) continue;
      if (secret->store == config::SecretName::Store::ssm)
        deployer.may("ssm:GetParameter",
                     account.arn("ssm", (secret->name.starts_with('/') ? "parameter" : "parameter/") + secret->name));
      if (secret->store == config::SecretName::Store::secrets_manager)
        deployer.may("secretsmanager:GetSecretValue",
                     account.arn("secretsmanager", "secret:" + secret->name + "-a1B2c3"));
    }
  }
  deployer.may_not("sns:Publish", account.arn("sns", kForeign));
  deployer.may_not("ssm:GetParameter", account.arn("ssm", fmt::format("parameter/{}", kForeign)));
  deployer.may_not("secretsmanager:GetSecretValue",
                   account.arn("secretsmanager", fmt::format("secret:{}-a1B2c3", kForeign)));
}

void prove_deployer(Asker deployer, const config::Config& config, const Account& account) {
  const render::Names names(config);
  const std::string own_role = account.iam_arn("role/" + names.deployer);
  deployer.may("ecs:DescribeTaskDefinition", "*");
  for (const auto& [key, service] : config.services) {
    const ServiceArns arns(service, account);
    prove_reading(deployer, arns, service, account);
    prove_writing(deployer, arns, service, account, own_role);
    const std::string other = account.arn("ecs", fmt::format("service/{}/{}", service.cluster, kForeign));
    deployer.may_not("ecs:UpdateService", other, {{"ecs:task-definition", {arns.revision}}}, "to a family of its own");
    deployer.may_not("ecs:TagResource", other);
  }
  deployer.may("sqs:SendMessage", account.arn("sqs", names.dead_letters));
  deployer.may("logs:PutLogEvents",
               account.arn("logs", fmt::format("log-group:/aws/lambda/{}:log-stream:1", names.deployer)));
  prove_telling(deployer, config, account);
  const std::string cluster = account.arn("ecs", fmt::format("cluster/{}", kForeign));
  deployer.may_not("ecs:ListTasks", "*", {{"ecs:cluster", {cluster}}}, "in another cluster");
  deployer.may_not("ecs:RegisterTaskDefinition", account.arn("ecs", fmt::format("task-definition/{}:*", kForeign)));
  deployer.may_not("ecr:DescribeImages", account.arn("ecr", fmt::format("repository/{}", kForeign)));
  deployer.may_not("logs:GetLogEvents", account.arn("logs", fmt::format("log-group:/ecs/{}:log-stream:1", kForeign)));
  deployer.may_not("sqs:SendMessage", account.arn("sqs", kForeign));
  const std::string function = account.arn("lambda", "function:" + names.deployer);
  for (const char* action : {"lambda:InvokeFunction", "lambda:UpdateFunctionCode", "lambda:AddPermission"})
    deployer.may_not(action, function);
  for (const std::string& rule : render::rule_names(config))
    deployer.may_not("events:PutRule", account.arn("events", "rule/" + rule));
  deployer.may_not("events:PutEvents", account.arn("events", "event-bus/default"));
  for (const char* action : {"iam:PutRolePolicy", "iam:AttachRolePolicy", "iam:UpdateAssumeRolePolicy"})
    deployer.may_not(action, own_role);
  deployer.may_not("sts:AssumeRole", account.iam_arn("role/" + names.push_role));
}

// Of the function's permission and the queue's policy: these rules may, and nobody else.
void prove_rules(std::vector<Cell>& cells, const std::string& role, const json::object& policy, std::string_view action,
                 const std::string& resource, const config::Config& config, const Account& account) {
  const auto asked_by = [&](std::string_view service) {
    return Asker(cells, role, policy, true, {.principal_service = std::string(service)});
  };
  Asker events = asked_by(kEvents);
  const auto from = [](const std::string& arn) { return iam::ConditionKeys{{"aws:sourcearn", {arn}}}; };
  for (const std::string& rule : render::rule_names(config))
    events.may(action, resource, from(account.arn("events", "rule/" + rule)), "by the rule " + rule);
  const std::string first = render::rule_names(config).front();
  events.may_not(action, resource, from(account.arn("events", fmt::format("rule/{}", kForeign))), "by another rule");
  events.may_not(action, resource, from(account.arn("events", "rule/" + first + "-2")), "by a rule of a longer name");
  Account other = account;
  other.id = account.id == "999999999999" ? "888888888888" : "999999999999";
  events.may_not(action, resource, from(other.arn("events", "rule/" + first)), "by that rule of another account");
  events.may_not(action, resource, {}, "by no rule");
  events.may_not(action, resource + "-2", from(account.arn("events", "rule/" + first)), "another resource");
  asked_by("s3.amazonaws.com").may_not(action, resource, from(account.arn("events", "rule/" + first)), "by S3");
  const auto id_of = [](const Account& of) { return of.iam_arn("root"); };
  Asker(cells, role, policy, true, {.principal_arn = id_of(other), .principal_account = other.id})
      .may_not(action, resource, {}, "by another account");
}

}  // namespace

Policies rendered_policies(const config::Config& config, const render::Account& account) {
  Policies out{.push = render::push_policy(config, account),
               .deployer = render::deployer_policy(config, account),
               .function = render::function_permission(config, account),
               .queue = render::queue_policy(config, account),
               .push_trust = std::nullopt};
  if (config.github) out.push_trust = render::push_trust(config, account);
  return out;
}

std::vector<Cell> prove(const config::Config& config, const render::Account& account, const Policies& policies) {
  const render::Names names(config);
  std::vector<Cell> cells;
  prove_push(Asker(cells, "CI", policies.push, false, {}), config, account);
  if (policies.push_trust && config.github) prove_trust(cells, *policies.push_trust, config, account);
  prove_deployer(Asker(cells, "deployer", policies.deployer, false, {}), config, account);
  prove_rules(cells, "function", policies.function, "lambda:InvokeFunction",
              account.arn("lambda", "function:" + names.deployer), config, account);
  prove_rules(cells, "queue", policies.queue, "sqs:SendMessage", account.arn("sqs", names.dead_letters), config,
              account);
  return cells;
}

std::vector<std::string> proof_lines(const std::vector<Cell>& cells) {
  std::vector<std::string> lines;
  std::string role;
  const auto line_of = [](const Cell& cell) {
    return fmt::format("{} {:<8} {:<40} {}{}  ({})", cell.good() ? "ok    " : "WRONG ",
                       cell.allowed ? "allowed" : "refused", cell.action, cell.resource,
                       cell.with.empty() ? "" : ", " + cell.with, cell.why);
  };
  for (const Cell& cell : cells) {
    if (cell.role != role) lines.push_back((role.empty() ? "" : "\n") + cell.role);
    role = cell.role;
    lines.push_back("  " + line_of(cell));
  }
  const auto wrong = std::ranges::count_if(cells, [](const Cell& cell) { return !cell.good(); });
  lines.push_back(fmt::format("\n{} questions, {} not as it must be", cells.size(), wrong));
  for (const Cell& cell : cells) {
    if (!cell.good())
      lines.push_back(fmt::format("  {} must {}be allowed {} on {}{}", cell.role, cell.must ? "" : "not ", cell.action,
                                  cell.resource, cell.with.empty() ? "" : ", " + cell.with));
  }
  return lines;
}

json::object to_json(const std::vector<Cell>& cells) {
  json::array list;
  for (const Cell& cell : cells)
    list.push_back(json::object{{"role", cell.role},
                                {"action", cell.action},
                                {"resource", cell.resource},
                                {"with", cell.with},
                                {"must", cell.must ? "allowed" : "refused"},
                                {"is", cell.allowed ? "allowed" : "refused"},
                                {"why", cell.why},
                                {"good", cell.good()}});
  const bool proven = std::ranges::all_of(cells, &Cell::good);
  return {{"proven", proven}, {"cells", list}};
}

}  // namespace slipway::cli
