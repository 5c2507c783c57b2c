// Offline plan: which services a push would deploy, by which rule, and for each other why not.  Nothing is asked of an
// account: the deployer's own reading and routing say it.  Pure.
#pragma once
#include <string>
#include <vector>

#include "base/json.h"
#include "config/config.h"

namespace slipway::cli {

struct PlannedService {
  std::string key;  // config::Service::key
  bool deploys = false;
  std::string rule;  // The tag rule that matched: "v*", ">=2 <3"; empty when it does not deploy.
  std::string why;   // What it would do, or why it would not.
};

struct OfflinePlan {
  std::string push;          // "shop/web:v1.2.3"; empty when the event is none.
  std::string nothing;       // Why the event deploys nothing whatever is configured; else empty.
  std::string event_rule;    // The name of the rendered rule of EventBridge for the repository; empty: none.
  bool rule_passes = false;  // Whether it lets the event through to the deployer.
  std::vector<PlannedService> services;
};

// `what` is an event, or "repository:tag" as if it were pushed now.
Result<json::value> event_of_tag(const std::string& what);
Result<OfflinePlan> plan_offline(const config::Config& config, const json::value& event);

std::vector<std::string> plan_lines(const OfflinePlan& plan);
json::object to_json(const OfflinePlan& plan);

}  // namespace slipway::cli
