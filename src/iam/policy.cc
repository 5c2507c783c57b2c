#include "iam/policy.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.h"

namespace slipway::iam {
namespace {

std::vector<std::string> texts_of(const json::value& value) {
  std::vector<std::string> out;
  const auto add = [&out](const json::value& one) {
    if (one.is_string()) out.emplace_back(view(one.get_string()));
    if (one.is_bool()) out.emplace_back(one.get_bool() ? "true" : "false");
    if (one.is_number()) out.push_back(json::serialize(one));
  };
  if (value.is_array()) {
    for (const json::value& one : value.get_array()) add(one);
  } else {
    add(value);
  }
  return out;
}

std::vector<std::string> texts_of(const json::object& statement, std::string_view name) {
  const auto* value = find(statement, name);
  return value == nullptr ? std::vector<std::string>{} : texts_of(*value);
}

bool any_glob(const std::vector<std::string>& patterns, const std::string& text, bool ignore_case) {
  return std::ranges::any_of(patterns, [&](const std::string& pattern) {
    return ignore_case ? glob_match(to_lower(pattern), to_lower(text)) : glob_match(pattern, text);
  });
}

// Condition operators without their modifiers.
enum class Test { equals, equals_ignoring_case, like, boolean, null_key, unknown };
struct Operator {
  Test test = Test::unknown;
  bool negated = false;
  bool if_exists = false;
  bool for_all = false;
};

Operator read_operator(std::string name) {
  Operator out;
  if (name.starts_with("ForAllValues:")) {
    out.for_all = true;
    name.erase(0, 13);
  } else if (name.starts_with("ForAnyValue:")) {
    name.erase(0, 12);
  }
  if (name.ends_with("IfExists")) {
    out.if_exists = true;
    name.resize(name.size() - 8);
  }
  struct Known {
    std::string_view name;
    Test test;
    bool negated;
  };
  static constexpr std::array<Known, 12> kKnown = {{{"StringEquals", Test::equals, false},
                                                    {"StringNotEquals", Test::equals, true},
                                                    {"StringEqualsIgnoreCase", Test::equals_ignoring_case, false},
                                                    {"StringNotEqualsIgnoreCase", Test::equals_ignoring_case, true},
                                                    {"StringLike", Test::like, false},
                                                    {"StringNotLike", Test::like, true},
                                                    {"ArnEquals", Test::like, false},
                                                    {"ArnNotEquals", Test::like, true},
                                                    {"ArnLike", Test::like, false},
                                                    {"ArnNotLike", Test::like, true},
                                                    {"Bool", Test::boolean, false},
                                                    {"Null", Test::null_key, false}}};
  for (const Known& known : kKnown) {
    if (known.name != name) continue;
    out.test = known.test;
    out.negated = known.negated;
  }
  return out;
}

bool value_fits(const Operator& op, const std::vector<std::string>& wanted, const std::string& value) {
  const bool fits = std::ranges::any_of(wanted, [&](const std::string& pattern) {
    switch (op.test) {
      case Test::equals:
        return pattern == value;
      case Test::equals_ignoring_case:
      case Test::boolean:
        return equal_ignoring_case(pattern, value);
      case Test::like:
        return glob_match(pattern, value);
      default:
        return false;
    }
  });
  return fits != op.negated;
}

bool condition_holds(const std::string& operator_name, const json::object& tests, const ConditionKeys& keys) {
  const Operator op = read_operator(operator_name);
  if (op.test == Test::unknown) return false;
  for (const auto& entry : tests) {
    const auto values = keys.find(to_lower(std::string_view(entry.key().data(), entry.key().size())));
    const bool present = values != keys.end() && !values->second.empty();
    const auto wanted = texts_of(entry.value());
    if (op.test == Test::null_key) {
      if (wanted.empty() || (wanted[0] == "true") == present) return false;
      continue;
    }
    if (!present) {
      if (op.if_exists || op.for_all || op.negated) continue;
      return false;
    }
    const auto fits = [&](const std::string& value) { return value_fits(op, wanted, value); };
    const bool good = op.for_all || op.negated ? std::ranges::all_of(values->second, fits)
                                               : std::ranges::any_of(values->second, fits);
    if (!good) return false;
  }
  return true;
}

bool conditions_hold(const json::object& statement, const ConditionKeys& keys) {
  for (const auto& entry : get_object(statement, "Condition")) {
    if (!entry.value().is_object() || !condition_holds(std::string(entry.key()), entry.value().get_object(), keys))
      return false;
  }
  return true;
}

bool principal_fits(const json::object& statement, const Request& request) {
  const auto* principal = find(statement, "Principal");
  if (principal == nullptr) return false;
  if (principal->is_string()) return view(principal->get_string()) == "*";
  if (!principal->is_object()) return false;
  const json::object& by_kind = principal->get_object();
  if (!request.principal_service.empty()) {
    const auto services = texts_of(by_kind, "Service");
    return std::ranges::find(services, request.principal_service) != services.end();
  }
  for (const std::string& aws : texts_of(by_kind, "AWS")) {
    const bool account =
        aws == request.principal_account || aws == "arn:aws:iam::" + request.principal_account + ":root";
    if (aws == "*" || account || aws == request.principal_arn) return true;
  }
  return false;
}

bool action_fits(const json::object& statement, const std::string& action) {
  if (has(statement, "NotAction")) return !any_glob(texts_of(statement, "NotAction"), action, true);
  return any_glob(texts_of(statement, "Action"), action, true);
}

bool resource_fits(const json::object& statement, const std::string& resource) {
  if (has(statement, "NotResource")) return !any_glob(texts_of(statement, "NotResource"), resource, false);
  if (!has(statement, "Resource")) return true;  // Trust policies have none.
  // An action without a resource of its own ("*") is covered by a statement for every resource only.
  return any_glob(texts_of(statement, "Resource"), resource, false);
}

std::vector<json::object> statements_of(const json::object& policy) {
  std::vector<json::object> out;
  const auto* value = find(policy, "Statement");
  if (value == nullptr) return out;
  if (value->is_object()) out.push_back(value->get_object());
  if (value->is_array()) {
    for (const json::value& one : value->get_array()) {
      if (one.is_object()) out.push_back(one.get_object());
    }
  }
  return out;
}

std::unexpected<Error> malformed(std::string why) {
  return fail(Fault::invalid, "MalformedPolicyDocument", std::move(why));
}

}  // namespace

Decision evaluate(const std::vector<json::object>& policies, const Request& request, bool with_principal) {
  bool allowed = false;
  for (const json::object& policy : policies) {
    for (const json::object& statement : statements_of(policy)) {
      if (with_principal && !principal_fits(statement, request)) continue;
      if (!action_fits(statement, request.action) || !resource_fits(statement, request.resource) ||
          !conditions_hold(statement, request.keys))
        continue;
      if (get_string(statement, "Effect") == "Deny") return Decision::explicitly_denied;
      allowed = true;
    }
  }
  return allowed ? Decision::allowed : Decision::implicitly_denied;
}

Decision evaluate_of_resource(std::string_view policy, const Request& request, const std::string& role_arn) {
  if (policy.empty()) return Decision::implicitly_denied;
  const auto parsed = parse_json(policy);
  if (!parsed || !parsed->is_object()) return Decision::implicitly_denied;
  const std::vector<json::object> policies = {parsed->get_object()};
  Request as_role = request;
  as_role.principal_arn = role_arn;
  bool allowed = false;
  for (Request asked : {request, as_role}) {
    if (evaluate(policies, asked, true) == Decision::explicitly_denied) return Decision::explicitly_denied;
    asked.principal_account.clear();
    allowed = allowed || evaluate(policies, asked, true) == Decision::allowed;
  }
  return allowed ? Decision::allowed : Decision::implicitly_denied;
}

Result<json::object> parse_policy(std::string_view text, bool with_principal) {
  auto parsed = parse_json(text);
  if (!parsed || !parsed->is_object())
    return malformed(parsed ? "This policy contains invalid Json"
                            : "This policy contains invalid Json: " + parsed.error().message);
  const json::object& policy = parsed->get_object();
  const auto statements = statements_of(policy);
  if (statements.empty()) return malformed("Syntax errors in policy: it has no Statement.");
  for (const json::object& statement : statements) {
    const std::string effect = get_string(statement, "Effect");
    if (effect != "Allow" && effect != "Deny")
      return malformed("Syntax errors in policy: Effect must be Allow or Deny.");
    if (texts_of(statement, "Action").empty() && texts_of(statement, "NotAction").empty())
      return malformed("Policy statement must contain actions.");
    if (with_principal && !has(statement, "Principal")) return malformed("Policy statement must contain a Principal.");
    if (!with_principal && has(statement, "Principal"))
      return malformed("Policy document should not specify a principal.");
    if (!with_principal && !has(statement, "Resource") && !has(statement, "NotResource"))
      return malformed("Policy statement must contain resources.");
    if (with_principal && has(statement, "Resource")) return malformed("Has prohibited field Resource");
    for (const auto& entry : get_object(statement, "Condition")) {
      if (read_operator(std::string(entry.key())).test == Test::unknown)
        return malformed(fmt::format("The condition operator {} is not supported here.",
                                     std::string_view(entry.key().data(), entry.key().size())));
    }
    if (json::serialize(statement).find("${") != std::string::npos)
      return malformed("Policy variables (${…}) are not supported here.");
  }
  return policy;
}

}  // namespace slipway::iam
