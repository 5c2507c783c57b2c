#include "cli/offline_plan.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "deployer/decide.h"
#include "deployer/routes.h"
#include "events/pattern.h"
#include "render/events.h"

namespace slipway::cli {
namespace {

std::string rule_text(const config::TagRule& rule) {
  return rule.kind == config::TagRule::Kind::semver ? "versions " + rule.text : rule.text;
}

std::string why_not(const config::Service& service, const deployer::Push& push) {
  if (service.repository != push.repository) return "it follows " + service.repository;
  std::vector<std::string> rules;
  for (const config::TagRule& rule : service.tags) rules.push_back(rule_text(rule));
  return fmt::format("{} is none of its tags: {}", push.tag, join(rules, ", "));
}

std::string what_it_does(const config::Service& service) {
  const bool by_digest = service.deploy.pin == config::Deploy::Pin::digest;
  return fmt::format("service {} in cluster {} gets {}{}", service.name, service.cluster,
                     by_digest ? "a revision of " + service.family + " with the image's digest"
                               : "a new deployment of the revision that it has",
                     service.deploy.wave > 1 ? ", once those of lower waves are live" : "");
}

}  // namespace

Result<json::value> event_of_tag(const std::string& what) {
  const auto colon = what.rfind(':');
  const std::string tag = colon == std::string::npos ? "" : what.substr(colon + 1);
  if (colon == 0 || !config::valid_tag(tag))
    return fail(Fault::invalid, "SLW-209",
                fmt::format("\"{}\" is neither a file with an event nor REPOSITORY:TAG", what));
  return json::object{{"source", "aws.ecr"},
                      {"detail-type", "ECR Image Action"},
                      {"detail", json::object{{"action-type", "PUSH"},
                                              {"result", "SUCCESS"},
                                              {"repository-name", what.substr(0, colon)},
                                              {"image-tag", tag}}}};
}

Result<OfflinePlan> plan_offline(const config::Config& config, const json::value& event) {
  // The routes as the function gets them, read by the function's own code.
  const auto routes = deployer::parse_routes(config::routes_json(config));
  if (!routes) return fail(routes);
  OfflinePlan plan;
  const deployer::Reading reading = deployer::read_event(event);
  if (!reading.push) {
    plan.nothing = reading.reason.empty() ? "the event tells of no push" : reading.reason;
    return plan;
  }
  const deployer::Push& push = *reading.push;
  plan.push = push.repository + ":" + push.tag;
  const auto known = render::repositories(config);
  if (std::ranges::find(known, push.repository) != known.end()) {
    plan.event_rule = render::Names(config).push_rule(push.repository);
    const auto pattern = events::compile(json::serialize(render::push_pattern(config, push.repository)));
    if (!pattern) return fail(pattern);
    plan.rule_passes = events::matches(*pattern, event);
  }
  for (const auto& [key, service] : config.services) {
    const auto route = std::ranges::find_if(routes->routes, [&](const deployer::Route& candidate) {
      return candidate.cluster == service.cluster && candidate.name == service.name;
    });
    if (route == routes->routes.end()) return fail(Fault::internal, "SLW-100", "the routes lack the service " + key);
    const config::TagRule* const rule = deployer::deploys(*route, push.repository, push.tag);
    plan.services.push_back({.key = key,
                             .deploys = rule != nullptr,
                             .rule = rule != nullptr ? rule_text(*rule) : "",
                             .why = rule != nullptr ? what_it_does(service) : why_not(service, push)});
  }
  return plan;
}

std::vector<std::string> plan_lines(const OfflinePlan& plan) {
  if (!plan.nothing.empty()) return {"nothing deploys: " + plan.nothing};
  std::vector<std::string> lines = {plan.push};
  if (plan.event_rule.empty()) {
    lines.push_back("├─ no rule of EventBridge: no service follows this repository");
  } else {
    lines.push_back(fmt::format("├─ rule {} {}", plan.event_rule,
                                plan.rule_passes ? "passes it to the deployer" : "does not pass it to the deployer"));
  }
  for (std::size_t i = 0; i < plan.services.size(); ++i) {
    const PlannedService& service = plan.services[i];
    const std::string_view branch = i + 1 == plan.services.size() ? "└─" : "├─";
    lines.push_back(service.deploys
                        ? fmt::format("{} [deploys] {}: by {}; {}", branch, service.key, service.rule, service.why)
                        : fmt::format("{} [not] {}: {}", branch, service.key, service.why));
  }
  return lines;
}

json::object to_json(const OfflinePlan& plan) {
  json::array services;
  for (const PlannedService& service : plan.services) {
    json::object one = {{"service", service.key}, {"deploys", service.deploys}, {"why", service.why}};
    if (service.deploys) one["rule"] = service.rule;
    services.push_back(one);
  }
  json::object out = {{"services", services}};
  if (!plan.push.empty()) out["push"] = plan.push;
  if (!plan.nothing.empty()) out["nothing"] = plan.nothing;
  if (!plan.event_rule.empty())
    out["event_rule"] = json::object{{"name", plan.event_rule}, {"passes", plan.rule_passes}};
  return out;
}

}  // namespace slipway::cli
