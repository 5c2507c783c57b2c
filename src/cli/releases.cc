#include <fmt/format.h>

#include <iostream>

#include "base/run.h"
#include "base/text.h"
#include "base/wall_clock.h"
#include "cli/commands.h"
#include "cli/deploying.h"
#include "deployer/deploy.h"
#include "deployer/notify.h"

namespace slipway::cli {
namespace {

task<int> list_releases(Common common, HistoryOptions options, client::Options access, bool only_targets) {
  RegionApi api(co_await asio::this_coro::executor, std::move(access));
  deployer::Cloud cloud(api.client());
  const auto route = co_await route_of(api, options.service, options.config);
  if (!route) co_return complain(route.error());
  auto all = co_await past_releases(cloud, *route, options.count);
  if (!all) co_return complain(all.error());
  if (only_targets) *all = rollback_choices(*all);
  json::array list;
  const Instant now = wall_clock();
  for (const PastRelease& past : *all) {
    if (only_targets) {
      const deployer::Push which{.repository = route->repository, .digest = past.digest};
      const auto image = co_await deployer::see_image(cloud, which);
      if (!image) co_return complain(image.error());
      if (!*image) continue;
    }
    if (common.json) {
      list.push_back(to_json(past));
      continue;
    }
    std::cout << release_line(past, now);
    const deployer::Release& release = past.release;
    if (release.judged) std::cout << "  " << deployer::short_duration(*release.judged - past.registered_at);
    if (!release.actor.empty()) std::cout << "  by " << release.actor;
    if (release.action == "rollback") std::cout << "  (rollback)";
    if (!release.reason.empty() && !only_targets) std::cout << "\n      " << release.reason;
    if (!past.untold.empty() && !only_targets)
      std::cout << "\n      not told yet, the sweep tries again: " << join(past.untold, ", ");
    std::cout << "\n";
  }
  if (common.json) std::cout << json::serialize(json::object{{"service", route->key()}, {"releases", list}}) << "\n";
  if (!common.json && all->empty()) std::cerr << route->key() << " has none yet\n";
  co_return kLive;
}

}  // namespace

int history(const Common& common, const HistoryOptions& options) {
  auto access = api_options(common);
  if (!access) return complain(access.error());
  return run(list_releases(common, options, std::move(*access), false));
}

int releases(const Common& common, const HistoryOptions& options) {
  auto access = api_options(common);
  if (!access) return complain(access.error());
  return run(list_releases(common, options, std::move(*access), true));
}

}  // namespace slipway::cli
