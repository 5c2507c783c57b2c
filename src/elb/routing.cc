#include "elb/routing.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"

namespace slipway::elb {
namespace {

constexpr std::size_t kGroupsMax = 5;      // Of one action.
constexpr std::size_t kPatternMax = 128;   // Characters.
constexpr std::size_t kConditionsMax = 5;  // Values of one rule, wildcards apart.
constexpr const char* kPathCharacters = "_-.$/~\"'@:+&*?";
constexpr const char* kHostCharacters = "-.*?";

std::unexpected<Error> invalid(std::string message) {
  return fail(Fault::invalid, "ValidationError", std::move(message));
}

bool is_of(const std::string& text, std::string_view others) {
  return std::ranges::all_of(text, [&](char c) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    return letter || others.find(c) != std::string_view::npos;
  });
}

Result<json::array> normal_forward(const json::object& given) {
  std::vector<Share> shares;
  for (const json::value& value : get_array(get_object(given, "ForwardConfig"), "TargetGroups"))
    shares.push_back({.group = get_string(value.as_object(), "TargetGroupArn"),
                      .weight = static_cast<int>(get_int(value.as_object(), "Weight", 1))});
  const std::string alone = get_string(given, "TargetGroupArn");
  if (!alone.empty() && !shares.empty() && (shares.size() > 1 || shares[0].group != alone))
    return invalid("You cannot specify both a target group ARN and a forward config with other target groups");
  if (shares.empty() && !alone.empty()) shares.push_back({.group = alone});
  if (shares.empty()) return invalid("You must specify a target group for a forward action");
  if (shares.size() > kGroupsMax)
    return fail(Fault::invalid, "TooManyTargetGroups",
                fmt::format("You have reached the maximum number of target groups of an action: {}", kGroupsMax));
  int sum = 0;
  for (const Share& share : shares) {
    sum += share.weight;
    if (std::ranges::count(shares, share.group, &Share::group) > 1)
      return invalid(fmt::format("Target group '{}' is specified more than once", share.group));
  }
  if (sum == 0) return invalid("The weight of at least one target group must be above 0");
  return forward_to(shares);
}

Result<json::array> normal_fixed(const json::object& given) {
  const json::object fixed = get_object(given, "FixedResponseConfig");
  const std::string status = get_string(fixed, "StatusCode");
  const bool good = status.size() == 3 && (status[0] == '2' || status[0] == '4' || status[0] == '5') &&
                    is_of(status, {}) && status.find_first_not_of("0123456789") == std::string::npos;
  if (!good) return invalid(fmt::format("Fixed response status code '{}' must be 2XX, 4XX or 5XX", status));
  return json::array{json::object{{"Type", "fixed-response"}, {"FixedResponseConfig", fixed}}};
}

}  // namespace

json::array forward_to(const std::vector<Share>& shares) {
  json::array groups;
  for (const Share& share : shares)
    groups.push_back(json::object{{"TargetGroupArn", share.group}, {"Weight", share.weight}});
  json::object out = {
      {"Type", "forward"},
      {"ForwardConfig",
       json::object{{"TargetGroups", groups}, {"TargetGroupStickinessConfig", json::object{{"Enabled", false}}}}}};
  if (shares.size() == 1) out["TargetGroupArn"] = shares[0].group;
  return json::array{out};
}

Result<json::array> normal_actions(const json::array& given) {
  if (given.size() != 1) return invalid("Exactly one action is supported: forward or fixed-response");
  const json::object& action = given[0].as_object();
  return get_string(action, "Type") == "fixed-response" ? normal_fixed(action) : normal_forward(action);
}

Action action_of(const json::array& actions) {
  Action out;
  if (actions.empty()) return out;
  const json::object& action = actions[0].as_object();
  if (get_string(action, "Type") == "fixed-response") {
    const json::object fixed = get_object(action, "FixedResponseConfig");
    out.fixed = FixedResponse{.status = std::atoi(get_string(fixed, "StatusCode").c_str()),
                              .content_type = get_string(fixed, "ContentType"),
                              .body = get_string(fixed, "MessageBody")};
    return out;
  }
  for (const json::value& value : get_array(get_object(action, "ForwardConfig"), "TargetGroups"))
    out.shares.push_back({.group = get_string(value.as_object(), "TargetGroupArn"),
                          .weight = static_cast<int>(get_int(value.as_object(), "Weight", 1))});
  // Listeners from before there were weights hold the group alone.
  if (out.shares.empty()) out.shares.push_back({.group = get_string(action, "TargetGroupArn")});
  return out;
}

std::vector<std::string> groups_of(const json::array& actions) {
  std::vector<std::string> out;
  for (const Share& share : action_of(actions).shares) out.push_back(share.group);
  return out;
}

Result<json::array> normal_conditions(const json::array& given) {
  if (given.empty()) return invalid("A condition must be specified");
  json::array out;
  std::size_t values = 0;
  for (const json::value& value : given) {
    const json::object& condition = value.as_object();
    const std::string field = get_string(condition, "Field");
    const bool host = field == "host-header";
    const char* config = host ? "HostHeaderConfig" : "PathPatternConfig";
    auto patterns = get_strings(get_object(condition, config), "Values");
    const auto plain = get_strings(condition, "Values");
    if (!patterns.empty() && !plain.empty() && patterns != plain)
      return invalid(fmt::format("A condition may hold Values or {}, not both", config));
    if (patterns.empty()) patterns = plain;
    if (patterns.empty()) return invalid("A condition value must be specified");
    for (std::string& pattern : patterns) {
      if (host) pattern = to_lower(pattern);
      if (pattern.empty() || pattern.size() > kPatternMax || !is_of(pattern, host ? kHostCharacters : kPathCharacters))
        return invalid(fmt::format(
            "The condition value '{}' contains a character that is not valid, or is empty or too long", pattern));
    }
    values += patterns.size();
    json::array list;
    for (const std::string& pattern : patterns) list.emplace_back(pattern);
    out.push_back(json::object{{"Field", field}, {"Values", list}, {config, json::object{{"Values", list}}}});
  }
  if (values > kConditionsMax)
    return invalid(fmt::format("A rule can have at most {} condition values", kConditionsMax));
  return out;
}

std::vector<Condition> conditions_of(const json::array& conditions) {
  std::vector<Condition> out;
  for (const json::value& value : conditions)
    out.push_back({.host = get_string(value.as_object(), "Field") == "host-header",
                   .patterns = get_strings(value.as_object(), "Values")});
  return out;
}

}  // namespace slipway::elb
