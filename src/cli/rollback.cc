#include "deployer/rollback.h"

#include <fmt/format.h>
#include <unistd.h>

#include <iostream>

#include "base/run.h"
#include "base/wall_clock.h"
#include "cli/commands.h"
#include "cli/deploying.h"
#include "deployer/notify.h"

namespace slipway::cli {
namespace {

constexpr int kReleasesShown = 20;

// On a terminal: which one?  Empty: the last good one.  nullopt: nothing was chosen.
task<Result<std::optional<std::string>>> pick(deployer::Cloud& cloud, deployer::Route route) {
  const auto all = co_await past_releases(cloud, route, kReleasesShown);
  if (!all) co_return fail(all);
  const auto choices = rollback_choices(*all);
  const Instant now = wall_clock();
  std::cerr << route.key() << ": back to which release?\n";
  for (std::size_t i = 0; i < choices.size(); ++i)
    std::cerr << fmt::format("  {:>2}) {}\n", i + 1, release_line(choices[i], now));
  std::cerr << "number, or Enter for the last good one: " << std::flush;
  std::string answer;
  if (!std::getline(std::cin, answer)) co_return std::nullopt;
  if (answer.empty()) co_return std::optional<std::string>("");
  const bool digits = answer.find_first_not_of("0123456789") == std::string::npos && answer.size() < 4;
  const std::size_t number = digits ? std::stoul(answer) : 0;
  if (number == 0 || number > choices.size()) co_return std::nullopt;
  co_return choices[number - 1].digest;
}

task<int> roll_back(Common common, RollbackOptions options, client::Options access) {
  RegionApi api(co_await asio::this_coro::executor, std::move(access));
  deployer::Cloud cloud(api.client());
  const auto route = co_await route_of(api, options.service, options.config);
  if (!route) co_return complain(route.error());
  std::string to = options.to;
  if (to.empty() && !options.no_input && ::isatty(STDIN_FILENO) == 1 && ::isatty(STDERR_FILENO) == 1) {
    const auto picked = co_await pick(cloud, *route);
    if (!picked) co_return complain(picked.error());
    if (!*picked) {
      std::cerr << "slipway: nothing was chosen, and nothing is changed\n";
      co_return kUsage;
    }
    to = **picked;
  }
  const deployer::RollbackWish wish{.to = to, .actor = person(), .reason = options.reason};
  const auto outcome = co_await deployer::roll_back(cloud, *route, wish);
  if (!outcome) {
    Error error = outcome.error();
    if (error.code == "NothingToRollBackTo") error.code = "SLW-305";
    if (error.code == "ImageIsGone") error.code = "SLW-304";
    if (error.code == "AlreadyRunning") error.code = "SLW-307";
    if (error.code == "SLW-305")
      error.message += ". Name one: slipway rollback " + route->name + " --to DIGEST|TAG|RELEASE";
    co_return complain(error);
  }
  for (const std::string& warning : outcome->warnings) std::cerr << "slipway: warning: " << warning << "\n";
  const std::string from = outcome->release.from;
  if (common.json) {
    std::cout << json::serialize(json::object{{"service", route->key()},
                                              {"from", from},
                                              {"to", outcome->decision.digest},
                                              {"deployment", outcome->deployment},
                                              {"held", from}})
              << std::endl;
  } else {
    std::cout << fmt::format("{}: going back to {}", route->key(), deployer::short_digest(outcome->decision.digest))
              << std::endl;
    if (!from.empty())
      std::cout << fmt::format(
                       "{} is on hold: nothing deploys it until another digest is pushed, or: slipway unhold {}",
                       deployer::short_digest(from), route->name)
                << std::endl;
  }
  if (options.no_wait) co_return kLive;
  co_return co_await follow_deployment(common, cloud, following_of(*route, *outcome, options.timeout));
}

}  // namespace

int rollback(const Common& common, const RollbackOptions& options) {
  auto access = api_options(common);
  if (!access) return complain(access.error());
  return run(roll_back(common, options, std::move(*access)));
}

}  // namespace slipway::cli
