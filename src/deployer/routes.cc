#include "deployer/routes.h"

#include <charconv>

#include "base/json.h"

namespace slipway::deployer {
namespace {

std::unexpected<Error> invalid(const std::string& message) {
  return fail(Fault::invalid, "InvalidRoutes", "slipway.json: " + message);
}

Result<config::TagRule> parse_tag(const json::value& value, const std::string& service) {
  if (value.is_string() && !value.get_string().empty()) return config::tag_rule(std::string(view(value.get_string())));
  const std::string range = value.is_object() ? get_string(value.get_object(), "semver") : "";
  if (!config::valid_version_range(range))
    return invalid("service " + service + ": a tag is neither a text nor {\"semver\": RANGE}");
  return config::TagRule{.kind = config::TagRule::Kind::semver, .text = range};
}

constexpr long long kVerifyMaxSeconds = 840;  // A function may run for 15 minutes.
constexpr long long kCheckMaxMilliseconds = 30'000;
constexpr long long kTimeoutMaxSeconds = 86'400;
constexpr long long kWaveMax = 9;

bool in_range(long long value, long long low, long long high) {
  return value >= low && value <= high;
}

// As config::routes_json() writes it.
Result<config::Verify> parse_verify(const json::object& object, const std::string& service) {
  config::Verify verify{.error_budget_percent = get_double(object, "error_budget_percent"),
                        .alarms = get_strings(object, "alarms")};
  for (const json::value& value : get_array(object, "http")) {
    const json::object check = value.is_object() ? value.get_object() : json::object{};
    const long long timeout = get_int(check, "timeout_milliseconds", 2'000);
    if (get_string(check, "url").empty() || !in_range(timeout, 1, kCheckMaxMilliseconds))
      return invalid("service " + service + ": verify.http needs a url, and a timeout of at most 30 s");
    verify.http.push_back({.url = get_string(check, "url"),
                           .status = get_string(check, "status", "200-299"),
                           .contains = get_string(check, "contains"),
                           .timeout = Duration{timeout}});
  }
  const long long seconds = get_int(object, "seconds", 60);
  const long long interval = get_int(object, "interval_seconds", 5);
  if (!in_range(seconds, 1, kVerifyMaxSeconds) || !in_range(interval, 1, kVerifyMaxSeconds))
    return invalid("service " + service + ": verify takes from 1 to 840 seconds, and so does its interval");
  verify.time = std::chrono::seconds(seconds);
  verify.interval = std::chrono::seconds(interval);
  return verify;
}

Result<Route> parse_route(const json::value& value) {
  if (!value.is_object()) return invalid("a service is not an object");
  const json::object& object = value.get_object();
  Route route{.name = get_string(object, "name"),
              .label = get_string(object, "label", get_string(object, "name")),
              .environment = get_string(object, "environment"),
              .cluster = get_string(object, "cluster"),
              .repository = get_string(object, "repository"),
              .container = get_string(object, "container")};
  if (route.name.empty() || route.cluster.empty() || route.repository.empty())
    return invalid("service \"" + route.name + "\" lacks name, cluster or repository");
  const std::string pin = get_string(object, "pin", "digest");
  if (pin != "digest" && pin != "tag")
    return invalid("service " + route.name + ": pin is \"" + pin + "\"; allowed: digest, tag");
  route.pin = pin == "digest" ? Route::Pin::digest : Route::Pin::tag;
  const std::string rollback = get_string(object, "rollback", "auto");  // Absent: auto.
  if (rollback != "auto" && rollback != "never")
    return invalid("service " + route.name + ": rollback is \"" + rollback + "\"; allowed: auto, never");
  route.rollback = rollback == "auto";
  const long long wave = get_int(object, "wave", 1);
  if (!in_range(wave, 1, kWaveMax)) return invalid("service " + route.name + ": wave is from 1 to 9");
  route.wave = static_cast<int>(wave);
  const long long timeout = get_int(object, "timeout", 1800);
  if (!in_range(timeout, 1, kTimeoutMaxSeconds))
    return invalid("service " + route.name + ": timeout is from 1 to 86400 seconds");
  route.timeout = std::chrono::seconds(timeout);
  if (has(object, "verify")) {
    auto verify = parse_verify(get_object(object, "verify"), route.name);
    if (!verify) return fail(verify);
    route.verify = std::move(*verify);
  }
  for (const json::value& tag : get_array(object, "tags")) {
    const auto rule = parse_tag(tag, route.name);
    if (!rule) return fail(rule);
    route.tags.push_back(*rule);
  }
  if (route.tags.empty()) return invalid("service " + route.name + " has no tags");
  return route;
}

}  // namespace

Result<Routes> parse_routes(std::string_view text) {
  const auto parsed = parse_json(text);
  if (!parsed) return invalid(parsed.error().message);
  if (!parsed->is_object()) return invalid("it is not an object");
  Routes routes{.project = get_string(parsed->get_object(), "project")};
  auto channels = parse_channels(get_array(parsed->get_object(), "notify"));
  if (!channels) return fail(channels);
  routes.notify = std::move(*channels);
  for (const json::value& service : get_array(parsed->get_object(), "services")) {
    auto route = parse_route(service);
    if (!route) return fail(route);
    routes.routes.push_back(std::move(*route));
  }
  if (routes.routes.empty()) return invalid("it has no services");
  return routes;
}

Result<Routes> find_routes(const std::optional<std::string>& slipway_json, const std::string& cluster_name,
                           const std::string& service_name) {
  if (slipway_json) return parse_routes(*slipway_json);
  if (cluster_name.empty() || service_name.empty())
    return fail(Fault::invalid, "InvalidRoutes",
                "there is no slipway.json beside the function, and CLUSTER_NAME and SERVICE_NAME "
                "are not both set");
  return Routes{.routes = {Route{.name = service_name,
                                 .label = service_name,
                                 .cluster = cluster_name,
                                 .pin = Route::Pin::tag,
                                 .any_push = true}},
                .single = true};
}

const config::TagRule* deploys(const Route& route, std::string_view repository, std::string_view tag) {
  if (route.repository != repository) return nullptr;
  for (const config::TagRule& rule : route.tags) {
    if (matches(rule, tag)) return &rule;
  }
  return nullptr;
}

}  // namespace slipway::deployer
