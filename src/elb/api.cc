#include "elb/api.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "elb/routing.h"
#include "elb/rules_api.h"

namespace slipway::elb {
namespace {

using wire::Answer;
using wire::Call;

constexpr long long kAwsIntervalMin = 5;  // Seconds; AWS takes no shorter one.
constexpr const char* kDelayAttribute = "deregistration_delay.timeout_seconds";

std::unexpected<Error> not_found(const char* code, const char* what) {
  return fail(Fault::not_found, code, fmt::format("One or more {} not found", what));
}

Answer answer_list(const char* member, json::array list) {
  Answer answer;
  answer.output[member] = std::move(list);
  return answer;
}

// Attributes that groups and balancers start with; what is not here is not acted on.
json::object group_attributes() {
  return {{kDelayAttribute, "300"},
          {"stickiness.enabled", "false"},
          {"stickiness.type", "lb_cookie"},
          {"load_balancing.algorithm.type", "round_robin"},
          {"slow_start.duration_seconds", "0"},
          {"load_balancing.cross_zone.enabled", "use_load_balancer_configuration"},
          {"target_group_health.dns_failover.minimum_healthy_targets.count", "1"},
          {"target_group_health.dns_failover.minimum_healthy_targets.percentage", "off"},
          {"target_group_health.unhealthy_state_routing.minimum_healthy_targets.count", "1"},
          {"target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage", "off"},
          {"load_balancing.algorithm.anomaly_mitigation", "off"},
          {"stickiness.lb_cookie.duration_seconds", "86400"},
          {"stickiness.app_cookie.cookie_name", ""},
          {"stickiness.app_cookie.duration_seconds", "86400"}};
}

json::array attribute_list(const json::object& attributes) {
  json::array out;
  for (const auto& entry : attributes) out.push_back({{"Key", entry.key()}, {"Value", entry.value()}});
  return out;
}

class Api {
 public:
  explicit Api(Balancer& balancer) : balancer_(balancer) {}

  // ---- load balancers ----

  task<Result<Answer>> create_balancer(Call call) {
    const std::string name = get_string(call.input, "Name");
    const std::string hash = balancer_.random().hex(16);
    const Place place = call.place;
    const Instant now = call.now;
    auto create = [name, hash, place, now](database::Transaction& tx) {
      for (const Document& known : list(tx, "balancer")) {
        if (known.name == name) return known;  // Creating it again with the same settings changes nothing.
      }
      const std::string arn = place.arn("elasticloadbalancing", fmt::format("loadbalancer/app/{}/{}", name, hash));
      const Document made{.arn = arn,
                          .name = name,
                          .body = {{"LoadBalancerArn", arn},
                                   {"LoadBalancerName", name},
                                   {"DNSName", "localhost"},
                                   {"CanonicalHostedZoneId", "Z000000000000"},
                                   {"CreatedTime", iso_millis(now)},
                                   {"Scheme", "internet-facing"},
                                   {"VpcId", "vpc-slipway"},
                                   {"State", json::object{{"Code", "active"}}},
                                   {"Type", "application"},
                                   {"AvailabilityZones", json::array{}},
                                   {"SecurityGroups", json::array{}},
                                   {"IpAddressType", "ipv4"}}};
      put(tx, "balancer", made);
      return made;
    };
    const Document made = co_await balancer_.db().write(create);
    co_return answer_list("LoadBalancers", {made.body});
  }

  task<Result<Answer>> describe_balancers(Call call) {
    co_return describe(call, "balancer", "LoadBalancerArns", "LoadBalancers", "LoadBalancerNotFound", "load balancers");
  }
  task<Result<Answer>> describe_groups(Call call) {
    const std::string of = get_string(call.input, "LoadBalancerArn");
    if (of.empty())
      co_return describe(call, "group", "TargetGroupArns", "TargetGroups", "TargetGroupNotFound", "target groups");
    json::array found;
    for (const Document& group : list(balancer_.db().read(), "group")) {
      const auto balancers = balancers_of(group.arn);
      if (std::ranges::find(balancers, of) != balancers.end()) found.push_back(shown_group(group));
    }
    co_return answer_list("TargetGroups", found);
  }

  task<Result<Answer>> delete_balancer(Call call) {
    const std::string arn = get_string(call.input, "LoadBalancerArn");
    auto remove = [arn](database::Transaction& tx) {
      for (const Document& listener : list(tx, "listener")) {
        if (get_string(listener.body, "LoadBalancerArn") == arn) erase_listener(tx, listener.arn);
      }
      erase(tx, "balancer", arn);
    };
    co_await balancer_.db().write(remove);
    auto written = co_await balancer_.restructure();
    if (!written) co_return fail(written);
    co_return Answer{};
  }

  // ---- target groups ----

  task<Result<Answer>> create_group(Call call) {
    if (auto good = check_group(call.input); !good) co_return fail(good);
    const std::string name = get_string(call.input, "Name");
    const std::string hash = balancer_.random().hex(16);
    const json::object input = call.input;
    const Place place = call.place;
    auto create = [name, hash, input, place](database::Transaction& tx) -> Result<Document> {
      for (const Document& known : list(tx, "group")) {
        if (known.name == name)
          return fail(Fault::conflict, "DuplicateTargetGroupName",
                      fmt::format("A target group with the same name '{}' exists, but with different settings", name));
      }
      const std::string arn = place.arn("elasticloadbalancing", fmt::format("targetgroup/{}/{}", name, hash));
      json::object body = {{"TargetGroupArn", arn},
                           {"TargetGroupName", name},
                           {"Protocol", "HTTP"},
                           {"ProtocolVersion", "HTTP1"},
                           {"Port", 80},
                           {"VpcId", "vpc-slipway"},
                           {"HealthCheckProtocol", "HTTP"},
                           {"HealthCheckPort", "traffic-port"},
                           {"HealthCheckEnabled", true},
                           {"HealthCheckIntervalSeconds", 30},
                           {"HealthCheckTimeoutSeconds", 5},
                           {"HealthyThresholdCount", 5},
                           {"UnhealthyThresholdCount", 2},
                           {"HealthCheckPath", "/"},
                           {"Matcher", json::object{{"HttpCode", "200"}}},
                           {"TargetType", "ip"},
                           {"IpAddressType", "ipv4"},
                           {"Attributes", group_attributes()}};
      for (const auto& entry : input) {
        if (body.contains(entry.key())) body[entry.key()] = entry.value();
      }
      const Document made{.arn = arn, .name = name, .body = body};
      put(tx, "group", made);
      return made;
    };
    auto made = co_await balancer_.db().write(create);
    if (!made) co_return fail(made);
    Answer answer = answer_list("TargetGroups", {shown_group(*made)});
    warn_of_interval(call.input, answer);
    co_return answer;
  }

  task<Result<Answer>> modify_group(Call call) {
    if (auto good = check_group(call.input); !good) co_return fail(good);
    const json::object input = call.input;
    auto modify = [input](database::Transaction& tx) -> Result<Document> {
      auto group = get(tx, "group", get_string(input, "TargetGroupArn"));
      if (!group) return not_found("TargetGroupNotFound", "target groups");
      for (const auto& entry : input) group->body[entry.key()] = entry.value();
      put(tx, "group", *group);
      return *group;
    };
    auto changed = co_await balancer_.db().write(modify);
    if (!changed) co_return fail(changed);
    Answer answer = answer_list("TargetGroups", {shown_group(*changed)});
    warn_of_interval(call.input, answer);
    co_return answer;
  }

  task<Result<Answer>> delete_group(Call call) {
    const std::string arn = get_string(call.input, "TargetGroupArn");
    auto remove = [arn](database::Transaction& tx) -> Result<void> {
      if (is_named(tx, arn))
        return fail(Fault::conflict, "ResourceInUse",
                    fmt::format("Target group '{}' is currently in use by a listener or a rule", arn));
      for (const Target& target : list_targets(tx, arn)) erase(tx, target);
      erase(tx, "group", arn);
      return {};
    };
    auto removed = co_await balancer_.db().write(remove);
    if (!removed) co_return fail(removed);
    co_return Answer{};
  }

  task<Result<Answer>> describe_group_attributes(Call call) {
    const auto group = get(balancer_.db().read(), "group", get_string(call.input, "TargetGroupArn"));
    if (!group) co_return not_found("TargetGroupNotFound", "target groups");
    co_return answer_list("Attributes", attribute_list(get_object(group->body, "Attributes")));
  }

  task<Result<Answer>> modify_group_attributes(Call call) {
    const json::object input = call.input;
    std::vector<std::string> warnings;
    json::object changes;
    for (const json::value& value : get_array(input, "Attributes")) {
      const std::string key = get_string(value.as_object(), "Key");
      const std::string wanted = get_string(value.as_object(), "Value");
      const json::object known = group_attributes();
      if (!known.contains(key))
        co_return fail(Fault::invalid, "InvalidConfigurationRequest",
                       fmt::format("Target group attribute key '{}' is not recognized", key));
      if (key != kDelayAttribute && get_string(known, key) != wanted)
        warnings.push_back(fmt::format("{}: only its default {} is acted on", key, get_string(known, key)));
      const bool bad_delay = key == kDelayAttribute &&
                             (wanted.empty() || wanted.size() > 4 ||
                              wanted.find_first_not_of("0123456789") != std::string::npos || std::stoi(wanted) > 3600);
      if (bad_delay)
        co_return fail(Fault::invalid, "InvalidConfigurationRequest",
                       fmt::format("'{}' must be between 0 and 3600 seconds", kDelayAttribute));
      changes[key] = wanted;
    }
    auto modify = [input, changes](database::Transaction& tx) -> Result<json::object> {
      auto group = get(tx, "group", get_string(input, "TargetGroupArn"));
      if (!group) return not_found("TargetGroupNotFound", "target groups");
      json::object attributes = get_object(group->body, "Attributes");
      for (const auto& entry : changes) attributes[entry.key()] = entry.value();
      group->body["Attributes"] = attributes;
      put(tx, "group", *group);
      return attributes;
    };
    auto changed = co_await balancer_.db().write(modify);
    if (!changed) co_return fail(changed);
    Answer answer = answer_list("Attributes", attribute_list(*changed));
    answer.warnings = warnings;
    co_return answer;
  }

  // ---- listeners ----

  task<Result<Answer>> create_listener(Call call) {
    const json::object input = call.input;
    const auto normal = normal_actions(get_array(input, "DefaultActions"));
    if (!normal) co_return fail(normal);
    const json::array actions = *normal;
    const std::string hash = balancer_.random().hex(16);
    auto create = [input, actions, hash](database::Transaction& tx) -> Result<Document> {
      const std::string balancer = get_string(input, "LoadBalancerArn");
      if (!get(tx, "balancer", balancer)) return not_found("LoadBalancerNotFound", "load balancers");
      if (auto there = check_groups(tx, actions); !there) return fail(there);
      for (const Document& known : list(tx, "listener")) {
        if (get_int(known.body, "Port") == get_int(input, "Port"))
          return fail(
              Fault::conflict, "DuplicateListener",
              fmt::format("A listener already exists on port {}: all load balancers of this region share one machine",
                          get_int(input, "Port")));
      }
      std::string arn = balancer + "/" + hash;
      arn.replace(arn.find(":loadbalancer/"), 14, ":listener/");
      const Document made{.arn = arn,
                          .name = std::to_string(get_int(input, "Port")),
                          .body = {{"ListenerArn", arn},
                                   {"LoadBalancerArn", balancer},
                                   {"Port", get_int(input, "Port")},
                                   {"Protocol", "HTTP"},
                                   {"DefaultActions", actions}}};
      put(tx, "listener", made);
      return made;
    };
    auto made = co_await balancer_.db().write(create);
    if (!made) co_return fail(made);
    auto written = co_await balancer_.restructure();
    if (!written) {
      // Nobody listens there: the listener must not seem to be.
      const std::string arn = made->arn;
      auto undo = [arn](database::Transaction& tx) { erase(tx, "listener", arn); };
      co_await balancer_.db().write(undo);
      (void)co_await balancer_.restructure();
      co_return fail(Fault::invalid, written.error().code == "SLW-105" ? "SLW-105" : "InvalidConfigurationRequest",
                     fmt::format("cannot listen on port {}: {}", get_int(input, "Port"), written.error().message));
    }
    co_return answer_list("Listeners", {shown_listener(*made)});
  }

  task<Result<Answer>> describe_listeners(Call call) {
    const auto arns = get_strings(call.input, "ListenerArns");
    const std::string of = get_string(call.input, "LoadBalancerArn");
    if (!of.empty() && !get(balancer_.db().read(), "balancer", of))
      co_return not_found("LoadBalancerNotFound", "load balancers");
    json::array found;
    for (const Document& listener : list(balancer_.db().read(), "listener")) {
      const bool named = std::ranges::find(arns, listener.arn) != arns.end();
      if (named || (arns.empty() && get_string(listener.body, "LoadBalancerArn") == of))
        found.push_back(shown_listener(listener));
    }
    if (!arns.empty() && found.empty()) co_return not_found("ListenerNotFound", "listeners");
    co_return answer_list("Listeners", found);
  }

  task<Result<Answer>> modify_listener(Call call) {
    const std::string arn = get_string(call.input, "ListenerArn");
    json::array actions;
    if (has(call.input, "DefaultActions")) {
      auto normal = normal_actions(get_array(call.input, "DefaultActions"));
      if (!normal) co_return fail(normal);
      actions = *normal;
    }
    auto modify = [arn, actions](database::Transaction& tx) -> Result<Document> {
      auto listener = get(tx, "listener", arn);
      if (!listener) return not_found("ListenerNotFound", "listeners");
      if (!actions.empty()) {
        if (auto there = check_groups(tx, actions); !there) return fail(there);
        listener->body["DefaultActions"] = actions;
      }
      put(tx, "listener", *listener);
      return *listener;
    };
    auto changed = co_await balancer_.db().write(modify);
    if (!changed) co_return fail(changed);
    auto written = co_await balancer_.restructure();
    if (!written) co_return fail(written);
    co_return answer_list("Listeners", {shown_listener(*changed)});
  }

  task<Result<Answer>> delete_listener(Call call) {
    const std::string arn = get_string(call.input, "ListenerArn");
    auto remove = [arn](database::Transaction& tx) -> Result<void> {
      if (!get(tx, "listener", arn)) return not_found("ListenerNotFound", "listeners");
      erase_listener(tx, arn);
      return {};
    };
    auto removed = co_await balancer_.db().write(remove);
    if (!removed) co_return fail(removed);
    auto written = co_await balancer_.restructure();
    if (!written) co_return fail(written);
    co_return Answer{};
  }

  // ---- targets ----

  task<Result<Answer>> register_targets(Call call) {
    const std::string group = get_string(call.input, "TargetGroupArn");
    const auto document = get(balancer_.db().read(), "group", group);
    if (!document) co_return not_found("TargetGroupNotFound", "target groups");
    for (const json::value& value : get_array(call.input, "Targets")) {
      const std::string address = get_string(value.as_object(), "Id");
      const int port = static_cast<int>(get_int(value.as_object(), "Port", get_int(document->body, "Port")));
      auto registered = co_await balancer_.register_target(group, fmt::format("{}:{}", address, port), address, port);
      if (!registered) co_return fail(registered);
    }
    co_return Answer{};
  }

  task<Result<Answer>> deregister_targets(Call call) {
    const std::string group = get_string(call.input, "TargetGroupArn");
    for (const json::value& value : get_array(call.input, "Targets")) {
      for (const TargetView& view : balancer_.targets(group)) {
        const bool port_fits =
            !has(value.as_object(), "Port") || get_int(value.as_object(), "Port") == view.target.port;
        if (view.target.address != get_string(value.as_object(), "Id") || !port_fits) continue;
        auto gone = co_await balancer_.deregister_target(group, view.target.id);
        if (!gone) co_return fail(gone);
      }
    }
    co_return Answer{};
  }

  task<Result<Answer>> describe_health(Call call) {
    const std::string group = get_string(call.input, "TargetGroupArn");
    if (!get(balancer_.db().read(), "group", group)) co_return not_found("TargetGroupNotFound", "target groups");
    json::array out;
    for (const TargetView& view : balancer_.targets(group)) {
      json::object health = {{"State", state_text(view.health.state)}};
      if (!view.health.reason.empty()) health["Reason"] = view.health.reason;
      if (!view.health.description.empty()) health["Description"] = view.health.description;
      out.push_back({{"Target", json::object{{"Id", view.target.address},
                                             {"Port", view.target.port},
                                             {"AvailabilityZone", call.place.region + "a"}}},
                     {"HealthCheckPort", std::to_string(view.target.port)},
                     {"TargetHealth", health}});
    }
    co_return answer_list("TargetHealthDescriptions", out);
  }

  // ---- tags ----

  task<Result<Answer>> describe_tags(Call call) {
    json::array out;
    for (const std::string& arn : get_strings(call.input, "ResourceArns")) {
      json::array tags;
      for (const char* kind : {"balancer", "group", "listener", "rule"}) {
        if (const auto document = get(balancer_.db().read(), kind, arn))
          tags = attribute_list(get_object(document->body, "Tags"));
      }
      out.push_back({{"ResourceArn", arn}, {"Tags", tags}});
    }
    co_return answer_list("TagDescriptions", out);
  }

  task<Result<Answer>> edit_tags(Call call, bool add) {
    const auto arns = get_strings(call.input, "ResourceArns");
    const json::array tags = get_array(call.input, "Tags");
    const auto keys = get_strings(call.input, "TagKeys");
    auto edit = [arns, tags, keys, add](database::Transaction& tx) {
      for (const char* kind : {"balancer", "group", "listener", "rule"}) {
        for (const std::string& arn : arns) {
          auto document = get(tx, kind, arn);
          if (!document) continue;
          json::object known = get_object(document->body, "Tags");
          if (add) {
            for (const json::value& tag : tags)
              known[get_string(tag.as_object(), "Key")] = get_string(tag.as_object(), "Value");
          }
          for (const std::string& key : keys) known.erase(key);
          document->body["Tags"] = known;
          put(tx, kind, *document);
        }
      }
    };
    co_await balancer_.db().write(edit);
    co_return Answer{};
  }

 private:
  static Result<void> check_group(const json::object& input) {
    const std::string matcher = get_string(get_object(input, "Matcher"), "HttpCode", "200");
    if (!valid_matcher(matcher))
      return fail(Fault::invalid, "ValidationError",
                  fmt::format("Health check matcher HTTP code '{}' must be within '200-499'", matcher));
    const long long interval = get_int(input, "HealthCheckIntervalSeconds", 30);
    const long long timeout = get_int(input, "HealthCheckTimeoutSeconds", 5);
    if (has(input, "HealthCheckIntervalSeconds") && has(input, "HealthCheckTimeoutSeconds") && timeout > interval)
      return fail(Fault::invalid, "ValidationError",
                  fmt::format("Health check interval '{}' must be at least the timeout '{}'", interval, timeout));
    return {};
  }
  static void warn_of_interval(const json::object& input, Answer& answer) {
    const long long interval = get_int(input, "HealthCheckIntervalSeconds", kAwsIntervalMin);
    if (interval < kAwsIntervalMin)
      answer.warnings.push_back(fmt::format("HealthCheckIntervalSeconds: {} s works here; AWS takes no less than {} s",
                                            interval, kAwsIntervalMin));
  }
  json::object shown_group(const Document& group) const {
    json::object out = group.body;
    out.erase("Attributes");
    out.erase("Tags");
    json::array balancers;
    for (const std::string& arn : balancers_of(group.arn)) balancers.emplace_back(arn);
    out["LoadBalancerArns"] = balancers;
    return out;
  }
  // Those that have a listener or a rule that names the group.
  std::vector<std::string> balancers_of(const std::string& group) const {
    std::vector<std::string> out;
    auto& db = balancer_.db().read();
    const auto names = [&](const json::object& body, const char* actions) {
      const auto groups = groups_of(get_array(body, actions));
      return std::ranges::find(groups, group) != groups.end();
    };
    for (const Document& listener : list(db, "listener")) {
      bool named = names(listener.body, "DefaultActions");
      for (const Document& rule : rules_of(db, listener.arn)) named |= names(rule.body, "Actions");
      const std::string arn = get_string(listener.body, "LoadBalancerArn");
      if (named && std::ranges::find(out, arn) == out.end()) out.push_back(arn);
    }
    return out;
  }
  static void erase_listener(database::Transaction& tx, const std::string& arn) {
    for (const Document& rule : rules_of(tx, arn)) erase(tx, "rule", rule.arn);
    erase(tx, "listener", arn);
  }
  static json::object shown_listener(const Document& listener) {
    json::object out = listener.body;
    out.erase("Tags");
    return out;
  }

  Result<Answer> describe(const Call& call, const char* kind, const char* arns_member, const char* list_member,
                          const char* code, const char* what) {
    const auto arns = get_strings(call.input, arns_member);
    const auto names = get_strings(call.input, "Names");
    json::array found;
    for (const Document& document : list(balancer_.db().read(), kind)) {
      const bool all = arns.empty() && names.empty();
      const bool named =
          std::ranges::find(arns, document.arn) != arns.end() || std::ranges::find(names, document.name) != names.end();
      if (all || named) found.push_back(std::string_view(kind) == "group" ? shown_group(document) : document.body);
    }
    if (found.size() < arns.size() + names.size()) return not_found(code, what);
    return answer_list(list_member, found);
  }

  Balancer& balancer_;
};

using Method = task<Result<Answer>> (Api::*)(Call);

std::vector<wire::Member> group_members() {
  using namespace wire;
  return {optional("HealthCheckPath", text(1, 1024)),
          optional("HealthCheckPort", text()),
          optional("HealthCheckIntervalSeconds", integer(1, 300)),
          optional("HealthCheckTimeoutSeconds", integer(1, 120)),
          optional("HealthyThresholdCount", integer(1, 10)),
          optional("UnhealthyThresholdCount", integer(1, 10)),
          optional("Matcher",
                   structure({optional("HttpCode", text()), refused("GrpcCode", text(), "gRPC is not supported yet")})),
          refused("HealthCheckProtocol", text(), "only HTTP health checks are supported yet", "HTTP"),
          ignored("HealthCheckEnabled", boolean())};
}

}  // namespace

wire::Service service(Balancer& balancer) {
  using namespace wire;
  auto api = std::make_shared<Api>(balancer);
  Service out;
  out.name = "elasticloadbalancing";
  out.protocols = {Protocol::query};
  out.xml_namespace = "http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/";
  out.version = "2015-12-01";
  out.validation_code = "ValidationError";
  const auto add = [&](const char* name, Shape input, Method method) {
    out.operations.push_back({.name = name, .input = std::move(input), .handler = [api, method](Call call) {
                                return ((*api).*method)(std::move(call));
                              }});
  };
  const Shape tags = list(structure({optional("Key", text(1, 128)), optional("Value", text(0, 256))}));
  const Member paging = ignored("PageSize", integer(1, 400));
  const Shape actions = actions_shape();
  add("CreateLoadBalancer",
      structure({required("Name", text(1, 32, "[a-zA-Z0-9-]+")),
                 refused("Type", one_of({"application", "network", "gateway"}), "only application load balancers",
                         "application"),
                 ignored("Scheme", text()), ignored("Subnets", list(text())),
                 ignored("SubnetMappings", list(document())), ignored("SecurityGroups", list(text())),
                 warned("Tags", tags, "use AddTags"), ignored("IpAddressType", one_of({"ipv4"}))}),
      &Api::create_balancer);
  add("DescribeLoadBalancers",
      structure({optional("LoadBalancerArns", list(text())), optional("Names", list(text())), paging,
                 ignored("Marker", text())}),
      &Api::describe_balancers);
  add("DeleteLoadBalancer", structure({required("LoadBalancerArn", text())}), &Api::delete_balancer);
  auto create = group_members();
  create.push_back(required("Name", text(1, 32, "[a-zA-Z0-9-]+")));
  create.push_back(refused("Protocol", text(), "only HTTP is supported yet", "HTTP"));
  create.push_back(refused("ProtocolVersion", text(), "only HTTP1 is supported yet", "HTTP1"));
  create.push_back(optional("Port", integer(1, 65535)));
  create.push_back(optional("VpcId", text()));
  create.push_back(refused("TargetType", text(), "only ip targets are supported", "ip"));
  create.push_back(ignored("IpAddressType", one_of({"ipv4"})));
  create.push_back(warned("Tags", tags, "use AddTags"));
  add("CreateTargetGroup", structure(create), &Api::create_group);
  auto modify = group_members();
  modify.push_back(required("TargetGroupArn", text()));
  add("ModifyTargetGroup", structure(modify), &Api::modify_group);
  add("DescribeTargetGroups",
      structure({optional("TargetGroupArns", list(text())), optional("Names", list(text())),
                 optional("LoadBalancerArn", text()), paging, ignored("Marker", text())}),
      &Api::describe_groups);
  add("DeleteTargetGroup", structure({required("TargetGroupArn", text())}), &Api::delete_group);
  add("DescribeTargetGroupAttributes", structure({required("TargetGroupArn", text())}),
      &Api::describe_group_attributes);
  add("ModifyTargetGroupAttributes",
      structure({required("TargetGroupArn", text()),
                 required("Attributes", list(structure({optional("Key", text()), optional("Value", text())})))}),
      &Api::modify_group_attributes);
  add("CreateListener",
      structure({required("LoadBalancerArn", text()), required("Port", integer(1, 65535)),
                 refused("Protocol", text(), "only HTTP listeners are supported yet", "HTTP"),
                 required("DefaultActions", actions), warned("Tags", tags, "use AddTags"),
                 refused("Certificates", list(document()), "TLS is not supported yet"),
                 refused("SslPolicy", text(), "TLS is not supported yet")}),
      &Api::create_listener);
  add("DescribeListeners",
      structure({optional("LoadBalancerArn", text()), optional("ListenerArns", list(text())), paging,
                 ignored("Marker", text())}),
      &Api::describe_listeners);
  add("ModifyListener",
      structure({required("ListenerArn", text()), optional("DefaultActions", actions),
                 refused("Port", integer(), "make another listener"),
                 refused("Protocol", text(), "only HTTP", "HTTP")}),
      &Api::modify_listener);
  add("DeleteListener", structure({required("ListenerArn", text())}), &Api::delete_listener);
  add_rule_operations(out, balancer);
  const Shape targets = list(
      structure({required("Id", text()), optional("Port", integer(1, 65535)), ignored("AvailabilityZone", text())}), 1);
  add("RegisterTargets", structure({required("TargetGroupArn", text()), required("Targets", targets)}),
      &Api::register_targets);
  add("DeregisterTargets", structure({required("TargetGroupArn", text()), required("Targets", targets)}),
      &Api::deregister_targets);
  add("DescribeTargetHealth",
      structure(
          {required("TargetGroupArn", text()), ignored("Targets", list(document())), ignored("Include", list(text()))}),
      &Api::describe_health);
  add("DescribeTags", structure({required("ResourceArns", list(text(), 1, 20))}), &Api::describe_tags);
  out.operations.push_back({.name = "AddTags",
                            .input = structure({required("ResourceArns", list(text())), required("Tags", tags)}),
                            .handler = [api](Call call) { return api->edit_tags(std::move(call), true); }});
  out.operations.push_back(
      {.name = "RemoveTags",
       .input = structure({required("ResourceArns", list(text())), required("TagKeys", list(text()))}),
       .handler = [api](Call call) { return api->edit_tags(std::move(call), false); }});
  return out;
}

}  // namespace slipway::elb
