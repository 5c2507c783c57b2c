#include "deployer/deploy.h"

#include <fmt/format.h>

#include <iostream>

#include "base/run.h"
#include "cli/commands.h"
#include "cli/deploying.h"
#include "cli/live_plan.h"

namespace slipway::cli {
namespace {

// The image that is asked for: a digest, a tag or, when nothing is said, what the service's tags mean now.
task<Result<deployer::Push>> wish_of(deployer::Cloud& cloud, deployer::Route route, std::string image) {
  deployer::Push push{.repository = route.repository, .origin = deployer::Push::Origin::person, .actor = person()};
  if (image.starts_with("sha256:")) {
    push.digest = image;
    co_return push;
  }
  push.tag = image;
  if (!image.empty()) co_return push;
  const auto images = co_await cloud.tagged_images(route.repository);
  if (!images) co_return fail(images);
  const auto newest = deployer::newest(route, *images);
  if (!newest)
    co_return fail(
        Fault::not_found, "SLW-304",
        fmt::format("no image in {} has a tag that {} deploys. Name one with --image", route.repository, route.key()));
  push.tag = newest->tag;
  co_return push;
}

void say(const Common& common, const deployer::Route& route, const deployer::Outcome& outcome) {
  const deployer::Decision& decision = outcome.decision;
  if (common.json) {
    std::cout << json::serialize(json::object{{"service", route.key()},
                                              {"action", deployer::action_name(decision.action)},
                                              {"why", decision.why},
                                              {"digest", decision.digest},
                                              {"deployment", outcome.deployment},
                                              {"revision", deployer::revision_name(outcome.task_definition)}})
              << std::endl;
  } else {
    std::cout << fmt::format("{}: {}: {}", route.key(), deployer::action_name(decision.action), decision.why)
              << std::endl;
  }
  for (const std::string& warning : outcome.warnings) std::cerr << "slipway: warning: " << warning << "\n";
}

task<int> run_deploy(Common common, DeployOptions options, client::Options access) {
  RegionApi api(co_await asio::this_coro::executor, std::move(access));
  deployer::Cloud cloud(api.client());
  const auto route = co_await route_of(api, options.service, options.config);
  if (!route) co_return complain(route.error());
  const auto push = co_await wish_of(cloud, *route, options.image);
  if (!push) co_return complain(push.error());
  if (options.dry_run) co_return co_await predict_service(common, cloud, *route, *push);
  const auto outcome = co_await deployer::deploy(cloud, *route, *push);
  if (!outcome) co_return complain(outcome.error());
  say(common, *route, *outcome);
  using Action = deployer::Decision::Action;
  if (outcome->decision.action == Action::held) co_return kRefused;
  if (outcome->decision.action == Action::already_deployed) co_return kLive;
  if (outcome->decision.action == Action::ignore) co_return kError;
  if (options.no_wait) co_return kLive;
  co_return co_await follow_deployment(common, cloud, following_of(*route, *outcome, options.timeout));
}

}  // namespace

int deploy(const Common& common, const DeployOptions& options) {
  auto access = api_options(common);
  if (!access) return complain(access.error());
  return run(run_deploy(common, options, std::move(*access)));
}

}  // namespace slipway::cli
