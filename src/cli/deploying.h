// Deploying by hand: what deploy, rollback, hold and history share: the service as the deployer's route, the APIs of
// a region or of an account, and following a deployment to its end.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "cli/command.h"
#include "deployer/cloud.h"
#include "deployer/deploy.h"
#include "deployer/routes.h"
#include "deployer/verdict.h"

namespace slipway::cli {

// Where the commands ask: the region in the folder or, with --aws, the account that AWS's variables and profiles name.
Result<client::Options> api_options(const Common& common);

// The service called `name` as slipway.yaml has it (when there is one that names it), else as ECS shows it.
task<Result<deployer::Route>> route_of(RegionApi& api, std::string name, std::string config);

// $USER, for the record.
std::string person();

// One line of the history.
struct PastRelease {
  std::string name;  // "r42"
  std::string revision;
  deployer::Release release;
  std::string digest;
  Instant registered_at{};
  std::vector<std::string> untold;  // Channels that have not heard how it ended: "slack (3 attempts)".
};
// Newest first; at most `limit` of the service's family.
task<Result<std::vector<PastRelease>>> past_releases(deployer::Cloud& cloud, deployer::Route route, int limit);
json::object to_json(const PastRelease& past);
std::string age(Duration since);  // "15 minutes ago"
// "r42   3f2a91c0a1b2  latest  live  15 minutes ago"
std::string release_line(const PastRelease& past, Instant now);
// Of those, what may be gone back to: pinned, of another digest than the newest, each digest once.
std::vector<PastRelease> rollback_choices(const std::vector<PastRelease>& all);

struct Following {
  deployer::Route route;
  std::string deployment;
  std::string digest;
  std::string revision;  // ARN
  Duration timeout{};    // Zero: the route's.
};
// What there is to follow of an update that was made.
Following following_of(deployer::Route route, const deployer::Outcome& outcome, Duration timeout);

// Prints the service's events as they come and a sign of life while none do; ends with the verdict: 0 live, 3 taken
// back, 4 timed out, 1 else, 130 interrupted (the deployment goes on).
task<int> follow_deployment(Common common, deployer::Cloud& cloud, Following following);

int exit_code_of(deployer::End end);

}  // namespace slipway::cli
