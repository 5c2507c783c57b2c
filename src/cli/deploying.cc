#include "cli/deploying.h"

#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <set>

#include "base/wall_clock.h"
#include "config/config.h"
#include "deployer/judge.h"
#include "deployer/notify.h"
#include "deployer/untold.h"

namespace slipway::cli {
namespace {

using namespace std::chrono_literals;

constexpr Duration kPoll = 1s;
constexpr Duration kHeartbeat = 15s;
constexpr Duration kCallMax = 60s;

volatile std::sig_atomic_t interrupted = 0;

// As ECS shows it: the load balancer's container, else the only one.
task<Result<deployer::Route>> route_by_service(RegionApi& api, ServiceName name) {
  deployer::Route route{.name = name.service, .label = name.service, .cluster = name.cluster};
  deployer::Cloud cloud(api.client());
  const auto service = co_await cloud.service(name.cluster, name.service);
  if (!service) co_return fail(service);
  if (!*service) co_return fail(Fault::not_found, "SLW-302", "the service " + name.text() + " is gone");
  const auto revision = co_await cloud.revision(get_string(**service, "taskDefinition"));
  if (!revision) co_return fail(revision);
  const json::array balancers = get_array(**service, "loadBalancers");
  if (!balancers.empty()) route.container = get_string(balancers.front().as_object(), "containerName");
  const auto index = deployer::find_container(route, revision->definition);
  if (!index)
    co_return fail(Fault::invalid, "SLW-306",
                   fmt::format("{} has several containers and no load balancer: name it in slipway.yaml", name.text()));
  const json::object container = get_array(revision->definition, "containerDefinitions").at(*index).as_object();
  route.container = get_string(container, "name");
  route.repository = repository_of(get_string(container, "image"));
  route.tags = {config::tag_rule("latest")};
  co_return route;
}

Result<std::vector<deployer::Route>> routes_of(const std::string& path) {
  std::string file = path;
  if (file.empty() && std::filesystem::exists("slipway.yaml")) file = "slipway.yaml";
  if (file.empty()) return std::vector<deployer::Route>{};
  const auto config = config::load(file);
  if (!config) return fail(config);
  auto routes = deployer::parse_routes(config::routes_json(*config));
  if (!routes) return fail(routes);
  return std::move(routes->routes);
}

void print_evidence(const deployer::Evidence& evidence) {
  for (const deployer::TaskEvidence& one : evidence.tasks) {
    std::cout << fmt::format("  task {} ({}): {}{}\n", one.task, one.container,
                             one.exit_code ? fmt::format("exit code {}: ", *one.exit_code) : "", one.reason);
    for (const std::string& line : one.log_lines) std::cout << "    | " << line << "\n";
  }
  if (!evidence.health.empty()) std::cout << "  health check: " << evidence.health << "\n";
}

// What the service says, each message once.
class Events {
 public:
  explicit Events(Instant since) : since_(since) {}
  bool print(const json::object& service, bool quiet) {
    bool any = false;
    const json::array events = get_array(service, "events");
    for (auto event = events.rbegin(); event != events.rend(); ++event) {
      const json::object& one = event->as_object();
      if (deployer::instant_of(get_double(one, "createdAt")) < since_) continue;
      if (!seen_.insert(get_string(one, "id", get_string(one, "message"))).second) continue;
      if (!quiet) std::cerr << get_string(one, "message") << std::endl;
      any = true;
    }
    return any;
  }

 private:
  Instant since_;
  std::set<std::string> seen_;
};

task<deployer::Evidence> evidence_of(deployer::Cloud& cloud, Following following, json::object service, Instant since) {
  const auto stopped = co_await cloud.tasks(following.route.cluster, following.route.name, "STOPPED");
  const auto revision = co_await cloud.revision(following.revision);
  deployer::Evidence evidence =
      deployer::evidence_of(following.route, service, revision ? revision->definition : json::object{},
                            stopped ? *stopped : std::vector<json::object>{}, following.deployment, since);
  co_await deployer::read_logs(cloud, evidence);
  co_return evidence;
}

void say(const Common& common, const Following& following, const deployer::Judgement& judgement,
         const deployer::Evidence& evidence) {
  if (common.json) {
    std::cout << json::serialize(json::object{{"service", following.route.key()},
                                              {"deployment", following.deployment},
                                              {"digest", following.digest},
                                              {"verdict", deployer::end_name(judgement.end)},
                                              {"reason", judgement.why},
                                              {"evidence", deployer::to_json(evidence)}})
              << std::endl;
    return;
  }
  std::cout << fmt::format("verdict: {} ({}): {}", deployer::end_words(judgement.end), following.deployment,
                           judgement.why)
            << std::endl;
  print_evidence(evidence);
}

}  // namespace

Result<client::Options> api_options(const Common& common) {
  if (common.aws) {
    client::Options options = client::options_from_environment();
    options.budget = kCallMax;
    return options;
  }
  const auto key = read_key(common.folder());
  if (!key) return fail(key);
  return region_options(*key);
}

task<Result<deployer::Route>> route_of(RegionApi& api, std::string name, std::string config) {
  const auto routes = routes_of(config);
  if (!routes) co_return fail(routes);
  for (const deployer::Route& route : *routes) {
    const bool meant = route.key() == name || route.name == name || route.cluster + "/" + route.name == name;
    if (meant || (name.empty() && routes->size() == 1)) co_return route;
  }
  const auto found = co_await find_service(api, name);
  if (!found) co_return fail(found);
  for (const deployer::Route& route : *routes) {
    if (route.name == found->service && route.cluster == found->cluster) co_return route;
  }
  co_return co_await route_by_service(api, *found);
}

std::string person() {
  const char* user = std::getenv("USER");
  return user == nullptr || *user == '\0' ? "somebody" : user;
}

// https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ListTaskDefinitions.html
task<Result<std::vector<PastRelease>>> past_releases(deployer::Cloud& cloud, deployer::Route route, int limit) {
  std::vector<PastRelease> releases;
  const auto service = co_await cloud.service(route.cluster, route.name);
  if (!service) co_return fail(service);
  if (!*service) co_return fail(Fault::not_found, "SLW-302", "the service " + route.key() + " is gone");
  std::string family = deployer::revision_name(get_string(**service, "taskDefinition"));
  family = family.substr(0, family.rfind(':'));
  const auto untold = deployer::read_untold(deployer::read_ledger(get_array(**service, "tags")).untold);
  const json::object ask = {{"familyPrefix", family}, {"sort", "DESC"}, {"maxResults", limit}};
  const auto listed = co_await cloud.call("ecs", "ListTaskDefinitions", ask);
  if (!listed) co_return fail(listed);
  for (const std::string& arn : get_strings(*listed, "taskDefinitionArns")) {
    // A family whose name begins like this one's is another.
    if (!deployer::revision_name(arn).starts_with(family + ":")) continue;
    const auto revision = co_await cloud.revision(arn);
    if (!revision) co_return fail(revision);
    const std::string name = deployer::revision_name(arn);
    std::vector<std::string> silent;
    for (const deployer::Untold& one : untold) {
      if (one.revision == name) silent.push_back(fmt::format("{} ({} attempts)", one.name, one.tellings));
    }
    releases.push_back({.name = "r" + name.substr(name.rfind(':') + 1),
                        .revision = name,
                        .release = deployer::read_release(revision->tags),
                        .digest = deployer::pinned_digest(route, revision->definition),
                        .registered_at = deployer::instant_of(get_double(revision->definition, "registeredAt")),
                        .untold = std::move(silent)});
  }
  co_return releases;
}

json::object to_json(const PastRelease& past) {
  const deployer::Release& release = past.release;
  json::object out = {{"release", past.name},     {"revision", past.revision},
                      {"digest", past.digest},    {"registeredAt", iso_millis(past.registered_at)},
                      {"tag", release.tag},       {"action", release.action},
                      {"actor", release.actor},   {"from", release.from},
                      {"commit", release.commit}, {"verdict", release.verdict},
                      {"reason", release.reason}};
  if (release.judged) {
    out["judgedAt"] = iso_millis(*release.judged);
    out["seconds"] = (*release.judged - past.registered_at).count() / 1000;
  }
  if (!past.untold.empty()) out["untold"] = to_array(past.untold);
  return out;
}

std::string age(Duration since) {
  const long long seconds = since.count() / 1000;
  const auto text = [](long long count, const char* unit) {
    return fmt::format("{} {}{} ago", count, unit, count == 1 ? "" : "s");
  };
  if (seconds < 60) return "just now";
  if (seconds < 3600) return text(seconds / 60, "minute");
  if (seconds < 86'400) return text(seconds / 3600, "hour");
  return text(seconds / 86'400, "day");
}

std::string release_line(const PastRelease& past, Instant now) {
  return fmt::format("{:<5} {}  {:<12} {:<20} {}", past.name, deployer::short_digest(past.digest), past.release.tag,
                     past.release.verdict.empty() ? "-" : past.release.verdict, age(now - past.registered_at));
}

std::vector<PastRelease> rollback_choices(const std::vector<PastRelease>& all) {
  std::vector<PastRelease> choices;
  for (const PastRelease& past : all) {
    const bool current = !all.empty() && past.digest == all.front().digest;
    const bool known = std::ranges::any_of(choices, [&](const auto& one) { return one.digest == past.digest; });
    if (!past.digest.empty() && !current && !known) choices.push_back(past);
  }
  return choices;
}

int exit_code_of(deployer::End end) {
  switch (end) {
    case deployer::End::live:
      return kLive;
    case deployer::End::rolled_back_by_ecs:
    case deployer::End::rolled_back_by_slipway:
      return kRolledBack;
    case deployer::End::timed_out:
    case deployer::End::stuck:
    case deployer::End::open:
      return kTimedOut;
    default:
      return kError;
  }
}

Following following_of(deployer::Route route, const deployer::Outcome& outcome, Duration timeout) {
  return {.route = std::move(route),
          .deployment = outcome.deployment,
          .digest = outcome.decision.digest,
          .revision = outcome.task_definition,
          .timeout = timeout};
}

task<int> follow_deployment(Common common, deployer::Cloud& cloud, Following following) {
  interrupted = 0;
  std::signal(SIGINT, [](int) { interrupted = 1; });
  const Instant began = wall_clock();
  const Duration limit = following.timeout > Duration::zero() ? following.timeout : following.route.timeout;
  Events events(began - 2s);
  Instant said = began;
  for (;;) {
    const Instant now = wall_clock();
    if (interrupted != 0) {
      std::cerr << fmt::format("interrupted: {} goes on; follow it with: slipway history {}\n", following.deployment,
                               following.route.name);
      co_return kInterrupted;
    }
    const auto service = co_await cloud.service(following.route.cluster, following.route.name);
    if (!service) co_return complain(service.error());
    if (!*service) co_return complain({Fault::not_found, "SLW-302", "the service was deleted"});
    if (events.print(**service, common.json)) said = now;
    const deployer::Observation seen{
        .digest = following.digest, .deployment = following.deployment, .service = **service, .started_at = began - 2s};
    deployer::Route route = following.route;
    route.timeout = limit;
    const auto judgement = co_await deployer::look_at(cloud, route, seen, now);
    if (!judgement) co_return complain(judgement.error());
    if (judgement->end != deployer::End::open) {
      const bool good = judgement->end == deployer::End::live;
      deployer::Evidence evidence;
      if (!good) evidence = co_await evidence_of(cloud, following, **service, began - 2s);
      say(common, following, *judgement, evidence);
      co_return exit_code_of(judgement->end);
    }
    if (now - said > kHeartbeat) {
      std::cerr << fmt::format("… {} after {} s{}\n", judgement->why, (now - began).count() / 1000,
                               judgement->ecs_rolls_back ? "; ECS is taking it back" : "");
      said = now;
    }
    co_await pause(kPoll);
  }
}

}  // namespace slipway::cli
