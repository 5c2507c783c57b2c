#include "deployer/routes.h"

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

Result<Route> parse_route(const json::value& value) {
  if (!value.is_object()) return invalid("a service is not an object");
  const json::object& object = value.get_object();
  Route route{.name = get_string(object, "name"),
              .cluster = get_string(object, "cluster"),
              .repository = get_string(object, "repository"),
              .container = get_string(object, "container")};
  if (route.name.empty() || route.cluster.empty() || route.repository.empty())
    return invalid("service \"" + route.name + "\" lacks name, cluster or repository");
  const std::string pin = get_string(object, "pin", "digest");
  if (pin != "digest" && pin != "tag")
    return invalid("service " + route.name + ": pin is \"" + pin + "\"; allowed: digest, tag");
  route.pin = pin == "digest" ? Route::Pin::digest : Route::Pin::tag;
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
  Routes routes;
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
  return Routes{
      .routes = {Route{.name = service_name, .cluster = cluster_name, .pin = Route::Pin::tag, .any_push = true}},
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
