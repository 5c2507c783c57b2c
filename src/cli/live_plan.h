// Live plan: what the deployer would decide of a push now, by what the account says, and how the rollout would go.
#pragma once
#include "base/json.h"
#include "cli/command.h"
#include "config/config.h"
#include "deployer/cloud.h"

namespace slipway::cli {

// What would become of one service.  Writes nothing to the account.  0, 1 when it would be ignored, 5 when it is on
// hold.
task<int> predict_service(Common common, deployer::Cloud& cloud, deployer::Route route, deployer::Push push);

// Of every service that the push means.  0, or 5 when all are on hold.
int plan_live(const Common& common, const config::Config& config, const json::value& event);

}  // namespace slipway::cli
