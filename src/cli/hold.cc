#include <fmt/format.h>

#include <iostream>

#include "base/run.h"
#include "cli/commands.h"
#include "cli/deploying.h"
#include "deployer/notify.h"
#include "deployer/rollback.h"

namespace slipway::cli {
namespace {

task<int> change_hold(Common common, HoldOptions options, client::Options access, bool on) {
  RegionApi api(co_await asio::this_coro::executor, std::move(access));
  deployer::Cloud cloud(api.client());
  const auto route = co_await route_of(api, options.service, options.config);
  if (!route) co_return complain(route.error());
  if (on) {
    const std::string reason =
        fmt::format("{}, by {}", options.reason.empty() ? "slipway hold" : options.reason, person());
    const auto done = co_await deployer::hold(cloud, *route, options.digest, reason);
    if (!done) co_return complain(done.error());
    const std::string what = options.digest.empty() ? "nothing automatic deploys to it"
                                                    : "nothing deploys " + deployer::short_digest(options.digest);
    if (!common.json)
      std::cout << fmt::format("{} is on hold: {} until: slipway unhold {}\n", route->key(), what, route->name);
    co_return kLive;
  }
  const auto before = co_await deployer::unhold(cloud, *route);
  if (!before) co_return complain(before.error());
  if (common.json) {
    std::cout << json::serialize(json::object{
                     {"service", route->key()}, {"released", to_array(before->held)}, {"frozen", before->frozen}})
              << "\n";
  } else if (before->held.empty() && before->frozen.empty()) {
    std::cout << route->key() << " was not on hold\n";
  } else {
    for (const std::string& digest : before->held) std::cout << "released " << digest << "\n";
    if (!before->frozen.empty()) std::cout << "released the hold on all (" << before->frozen << ")\n";
    std::cout << fmt::format("the next event or sweep may deploy; to do it now: slipway deploy {}\n", route->name);
  }
  co_return kLive;
}

}  // namespace

int hold(const Common& common, const HoldOptions& options) {
  auto access = api_options(common);
  if (!access) return complain(access.error());
  return run(change_hold(common, options, std::move(*access), true));
}

int unhold(const Common& common, const HoldOptions& options) {
  auto access = api_options(common);
  if (!access) return complain(access.error());
  return run(change_hold(common, options, std::move(*access), false));
}

}  // namespace slipway::cli
