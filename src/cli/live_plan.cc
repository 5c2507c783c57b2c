#include "cli/live_plan.h"

#include <fmt/format.h>

#include <iostream>

#include "base/run.h"
#include "cli/deploying.h"
#include "deployer/balancer.h"
#include "deployer/deploy.h"
#include "deployer/notify.h"
#include "deployer/rollback.h"

namespace slipway::cli {
namespace {

struct Prediction {
  deployer::Decision decision;
  std::string running;  // The digest.
  std::optional<deployer::Forecast> forecast;
};

task<Result<Prediction>> predict(deployer::Cloud& cloud, deployer::Route route, deployer::Push push) {
  Prediction out;
  auto image = co_await deployer::see_image(cloud, push);
  if (!image) co_return fail(image);
  const auto seen = co_await deployer::see_service(cloud, route, true);
  if (!seen) co_return fail(seen);
  if (*image && seen->state.active) {
    const auto uri = co_await deployer::image_uri(cloud, route, seen->state.task_definition);
    if (!uri) co_return fail(uri);
    (*image)->repository_uri = *uri;
  }
  out.decision = deployer::decide(route, push, *image, seen->state);
  if (!seen->state.active) co_return out;
  out.running = deployer::running_digest(route, seen->state);
  const auto group = co_await deployer::target_group_of(cloud, seen->service);
  if (!group) co_return fail(group);
  out.forecast = deployer::forecast(seen->service, seen->state.task_definition, *group);
  co_return out;
}

json::object to_json(const deployer::Route& route, const Prediction& prediction) {
  json::object out = {{"service", route.key()},
                      {"action", deployer::action_name(prediction.decision.action)},
                      {"why", prediction.decision.why},
                      {"digestNow", prediction.running},
                      {"digestThen", prediction.decision.deploys() ? prediction.decision.digest : prediction.running}};
  if (prediction.forecast) out["rollout"] = deployer::to_json(*prediction.forecast);
  return out;
}

void print(const deployer::Route& route, const Prediction& prediction) {
  const deployer::Decision& decision = prediction.decision;
  std::cout << fmt::format("{}: {}: {}\n", route.key(), deployer::action_name(decision.action), decision.why);
  if (!prediction.forecast) return;
  if (decision.deploys())
    std::cout << fmt::format("  digest: {} now, {} then\n",
                             prediction.running.empty() ? "unknown" : deployer::short_digest(prediction.running),
                             deployer::short_digest(decision.digest));
  for (const std::string& line : deployer::lines_of(*prediction.forecast)) std::cout << "  " << line << "\n";
}

task<int> show_live(Common common, client::Options access, std::vector<deployer::Route> routes, deployer::Push push) {
  client::AwsClient aws(co_await asio::this_coro::executor, std::move(access));
  deployer::Cloud cloud(aws);
  json::array list;
  bool any = false;
  bool all_held = true;
  for (const deployer::Route& route : routes) {
    if (deployer::deploys(route, push.repository, push.tag) == nullptr) continue;
    const auto prediction = co_await predict(cloud, route, push);
    if (!prediction) co_return complain(prediction.error());
    any = true;
    all_held = all_held && prediction->decision.action == deployer::Decision::Action::held;
    if (common.json) {
      list.push_back(to_json(route, *prediction));
    } else {
      print(route, *prediction);
    }
  }
  if (common.json) std::cout << json::serialize(json::object{{"live", list}}) << "\n";
  co_return any&& all_held ? kRefused : kLive;
}

}  // namespace

task<int> predict_service(Common common, deployer::Cloud& cloud, deployer::Route route, deployer::Push push) {
  const auto prediction = co_await predict(cloud, route, push);
  if (!prediction) co_return complain(prediction.error());
  if (common.json) {
    std::cout << json::serialize(to_json(route, *prediction)) << "\n";
  } else {
    print(route, *prediction);
  }
  using Action = deployer::Decision::Action;
  const Action action = prediction->decision.action;
  co_return action == Action::held ? kRefused : action == Action::ignore ? kError : kLive;
}

int plan_live(const Common& common, const config::Config& config, const json::value& event) {
  const deployer::Reading reading = deployer::read_event(event);
  if (!reading.push) return kLive;
  auto routes = deployer::parse_routes(config::routes_json(config));
  if (!routes) return complain(routes.error());
  auto access = api_options(common);
  if (!access) return complain(access.error());
  return run(show_live(common, std::move(*access), std::move(routes->routes), *reading.push));
}

}  // namespace slipway::cli
