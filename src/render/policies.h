// Policies: what each role may do, and nothing else: CI pushes, the deployer deploys, tasks start.
// Which action takes which resource and condition key:
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelasticcontainerservice.html
#pragma once
#include <string_view>
#include <vector>

#include "config/config.h"
#include "render/file.h"
#include "render/names.h"

namespace slipway::render {

constexpr std::string_view kGitHubIssuer = "token.actions.githubusercontent.com";

// CI: log in and push to the configuration's repositories.  Nothing of ECS, no deletion, no PassRole.
json::object push_policy(const config::Config& config, const Account& account);
// Only `config.github`'s repository, on its branch or in its environment (and version tags, when a service deploys
// versions).  `config.github` must be there.
json::object push_trust(const config::Config& config, const Account& account);
// The `sub` of GitHub's tokens that are trusted: exact ones, and those with '*' in them.
struct Subjects {
  std::vector<std::string> exact;
  std::vector<std::string> wild;
};
Subjects subjects(const config::Config& config);

// The deployer: read images and services, register definitions of its families, update its services.
json::object deployer_policy(const config::Config& config, const Account& account);
json::object service_trust(std::string_view service);  // "lambda.amazonaws.com", "ecs-tasks.amazonaws.com"

// What ECS itself does to start a service's tasks: pull its image, write its logs.
json::object execution_policy(const config::Service& service, const Account& account);

// Who may invoke the deployer, and who may write to the dead-letter queue: the rules of the configuration.
json::object function_permission(const config::Config& config, const Account& account);
json::object queue_policy(const config::Config& config, const Account& account);
// The names of all rules.
std::vector<std::string> rule_names(const config::Config& config);

// One JSON file for each of these.  Fails (SLW-205) when a policy is longer than IAM takes.
Result<std::vector<File>> policy_files(const config::Config& config, const Account& account);

}  // namespace slipway::render
