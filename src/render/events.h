// Events: the rules between ECR, ECS and the deployer, as EventBridge patterns and a schedule.
// https://docs.aws.amazon.com/AmazonECR/latest/userguide/ecr-eventbridge.html
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_service_deployment_events.html
#pragma once
#include <string>
#include <vector>

#include "config/config.h"
#include "render/file.h"
#include "render/names.h"

namespace slipway::render {

// Pushes and replications to `repository` of tags that one of `services` may deploy.  A range of versions cannot be
// said in a pattern: with one, every tag passes and the deployer decides.
json::object push_pattern(std::string_view repository, const std::vector<const config::Service*>& services);
json::object push_pattern(const config::Config& config, std::string_view repository);

// Deployments of the configuration's services that completed or failed.
json::object verdict_pattern(const config::Config& config, const Account& account);

// "rate(5 minutes)"
std::string sweep_schedule(const config::Config& config);

// One JSON file for each rule: what `aws events put-rule --cli-input-json file://…` takes.
std::vector<File> event_files(const config::Config& config, const Account& account);

}  // namespace slipway::render
