#include "render/events.h"

#include <fmt/format.h>

#include <algorithm>

namespace slipway::render {

json::object push_pattern(std::string_view repository, const std::vector<const config::Service*>& services) {
  json::array tags;
  bool any_tag = false;
  for (const config::Service* service : services) {
    for (const config::TagRule& tag : service->tags) {
      json::value wanted(tag.text);
      if (tag.kind == config::TagRule::Kind::semver) any_tag = true;
      if (tag.kind == config::TagRule::Kind::wildcard) {
        // '?' is a letter of its own to EventBridge, so it is widened; the deployer is exact.
        std::string wide;
        for (const char c : tag.text) {
          const char shown = c == '?' ? '*' : c;
          if (shown != '*' || !wide.ends_with('*')) wide += shown;
        }
        wanted = json::object{{"wildcard", wide}};
      }
      if (std::ranges::find(tags, wanted) == tags.end()) tags.push_back(std::move(wanted));
    }
  }
  json::object detail = {{"action-type", json::array{"PUSH", "REPLICATE"}},
                         {"result", json::array{"SUCCESS"}},
                         {"repository-name", json::array{repository}}};
  if (!any_tag) detail["image-tag"] = tags;
  return {{"source", json::array{"aws.ecr"}},
          {"detail-type", json::array{"ECR Image Action", "ECR Replication Action"}},
          {"detail", detail}};
}

json::object push_pattern(const config::Config& config, std::string_view repository) {
  std::vector<const config::Service*> services;
  for (const auto& [key, service] : config.services)
    if (service.repository == repository) services.push_back(&service);
  return push_pattern(repository, services);
}

json::object verdict_pattern(const config::Config& config, const Account& account) {
  json::array services;
  for (const auto& [key, service] : config.services)
    services.emplace_back(account.arn("ecs", fmt::format("service/{}/{}", service.cluster, service.name)));
  const json::array ends = {"SERVICE_DEPLOYMENT_COMPLETED", "SERVICE_DEPLOYMENT_FAILED"};
  return {{"source", json::array{"aws.ecs"}},
          {"detail-type", json::array{"ECS Deployment State Change"}},
          {"resources", services},
          {"detail", json::object{{"eventName", ends}}}};
}

std::string sweep_schedule(const config::Config& config) {
  const auto minutes = std::chrono::duration_cast<std::chrono::minutes>(config.sweep).count();
  return minutes == 1 ? "rate(1 minute)" : fmt::format("rate({} minutes)", minutes);
}

std::vector<File> event_files(const config::Config& config, const Account& account) {
  const Names names(config);
  std::vector<File> files;
  const auto add = [&files](const std::string& name, std::string_view key, const std::string& rule,
                            const std::string& about) {
    const json::object input = {{"Name", name}, {"Description", about}, {"State", "ENABLED"}, {key, rule}};
    files.push_back({.path = name + ".json", .text = pretty_json(input)});
  };
  for (const std::string& repository : repositories(config)) {
    // PutRule takes the pattern as a text; the file beside it is for people.
    const json::object pattern = push_pattern(config, repository);
    const std::string name = names.push_rule(repository);
    add(name, "EventPattern", json::serialize(pattern), "Pushes to " + repository + " that deploy");
    files.push_back({.path = name + ".pattern.json", .text = pretty_json(pattern)});
  }
  const json::object verdict = verdict_pattern(config, account);
  add(names.verdict_rule, "EventPattern", json::serialize(verdict), "How deployments end");
  files.push_back({.path = names.verdict_rule + ".pattern.json", .text = pretty_json(verdict)});
  add(names.sweep_rule, "ScheduleExpression", sweep_schedule(config), "Looks for pushes whose event was lost");
  return files;
}

}  // namespace slipway::render
