#include "iam/policy.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

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
enum class Test { equals, equals_ignoring_case, like, arn, boolean, null_key, unknown };
struct Operator {
  Test test = Test::unknown;
  bool negated = false;
  bool if_exists = false;
  bool for_all = false;
  bool for_any = false;
};

Operator read_operator(std::string name) {
  Operator out;
  if (name.starts_with("ForAllValues:")) {
    out.for_all = true;
    name.erase(0, 13);
  } else if (name.starts_with("ForAnyValue:")) {
    out.for_any = true;
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
                                                    {"ArnEquals", Test::arn, false},
                                                    {"ArnNotEquals", Test::arn, true},
                                                    {"ArnLike", Test::arn, false},
                                                    {"ArnNotLike", Test::arn, true},
                                                    {"Bool", Test::boolean, false},
                                                    {"Null", Test::null_key, false}}};
  for (const Known& known : kKnown) {
    if (known.name != name) continue;
    out.test = known.test;
    out.negated = known.negated;
  }
  return out;
}

// ARNs are compared part by part, so that '*' does not reach over a colon; the last part is the rest.
bool arn_fits(std::string_view pattern, std::string_view arn) {
  for (int part = 0; part < 5; ++part) {
    const auto pattern_end = pattern.find(':');
    const auto arn_end = arn.find(':');
    if (pattern_end == std::string_view::npos || arn_end == std::string_view::npos) return false;
    if (!glob_match(pattern.substr(0, pattern_end), arn.substr(0, arn_end))) return false;
    pattern.remove_prefix(pattern_end + 1);
    arn.remove_prefix(arn_end + 1);
  }
  return glob_match(pattern, arn);
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
      case Test::arn:
        return arn_fits(pattern, value);
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
      if (wanted.empty() || equal_ignoring_case(wanted[0], "true") == present) return false;
      continue;
    }
    if (!present) {
      // ForAnyValue needs a value, even where a plain negated operator is true without one.
      if (op.if_exists || op.for_all || (op.negated && !op.for_any)) continue;
      return false;
    }
    const auto fits = [&](const std::string& value) { return value_fits(op, wanted, value); };
    const bool all = op.for_all || (op.negated && !op.for_any);
    const bool good = all ? std::ranges::all_of(values->second, fits) : std::ranges::any_of(values->second, fits);
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
  if (!request.principal_federated.empty()) {
    const auto providers = texts_of(by_kind, "Federated");
    return std::ranges::find(providers, request.principal_federated) != providers.end();
  }
  for (const std::string& aws : texts_of(by_kind, "AWS")) {
    const bool account =
        aws == request.principal_account || aws == "arn:aws:iam::" + request.principal_account + ":root";
    if (aws == "*" || account || aws == request.principal_arn) return true;
    if (!request.principal_role.empty() && aws == request.principal_role) return true;
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

std::string_view key_of(const json::key_value_pair& entry) {
  return {entry.key().data(), entry.key().size()};
}

// A text, or a list of texts that is not empty.
bool is_text_or_texts(const json::value& value) {
  if (value.is_string()) return true;
  return value.is_array() && !value.get_array().empty() &&
         std::ranges::all_of(value.get_array(), [](const json::value& one) { return one.is_string(); });
}

Result<void> check_action(const std::string& action) {
  if (action == "*") return {};
  const auto colons = std::ranges::count(action, ':');
  if (colons == 0 || action.starts_with(':'))
    return malformed("Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.");
  if (colons > 1) return malformed("Actions/Condition can contain only one colon.");
  return {};
}

Result<void> check_principal(const json::value& principal) {
  if (principal.is_string() && view(principal.get_string()) == "*") return {};
  if (!principal.is_object() || principal.get_object().empty())
    return malformed("Invalid principal in policy: write \"*\", or an object of AWS, Service or Federated.");
  for (const auto& kind : principal.get_object()) {
    const bool known = key_of(kind) == "AWS" || key_of(kind) == "Service" || key_of(kind) == "Federated";
    if (!known || !is_text_or_texts(kind.value()))
      return malformed(fmt::format("Invalid principal in policy: \"{}\"", key_of(kind)));
    for (const std::string& name : texts_of(kind.value())) {
      const bool account = name.size() == 12 && name.find_first_not_of("0123456789") == std::string::npos;
      const bool arn = name.starts_with("arn:aws:iam::") || name.starts_with("arn:aws:sts::");
      if (key_of(kind) == "AWS" && name != "*" && !account && !arn)
        return malformed(fmt::format("Invalid principal in policy: \"AWS\":\"{}\"", name));
      if (key_of(kind) == "Service" && name.find('.') == std::string::npos)
        return malformed(fmt::format("Invalid principal in policy: \"SERVICE\":\"{}\"", name));
    }
  }
  return {};
}

Result<void> check_condition(const json::value& condition) {
  if (!condition.is_object()) return malformed("Syntax errors in policy: Condition must be an object.");
  for (const auto& entry : condition.get_object()) {
    if (read_operator(std::string(key_of(entry))).test == Test::unknown)
      return malformed(fmt::format("The condition operator {} is not supported here.", key_of(entry)));
    if (!entry.value().is_object())
      return malformed(fmt::format("Syntax errors in policy: {} must be an object.", key_of(entry)));
    for (const auto& key : entry.value().get_object()) {
      if (texts_of(key.value()).empty())
        return malformed(fmt::format("Syntax errors in policy: {} has no value.", key_of(key)));
    }
  }
  return {};
}

Result<void> check_statement(const json::object& statement, bool trust) {
  static constexpr std::array<std::string_view, 8> kElements = {"Sid",       "Effect",   "Principal",   "Action",
                                                                "NotAction", "Resource", "NotResource", "Condition"};
  for (const auto& entry : statement) {
    // A misspelt Condition that was ignored would allow everything.
    if (std::ranges::find(kElements, key_of(entry)) == kElements.end())
      return malformed(fmt::format("Syntax errors in policy: {} is not supported in a statement.", key_of(entry)));
  }
  const std::string effect = get_string(statement, "Effect");
  if (effect != "Allow" && effect != "Deny") return malformed("Syntax errors in policy: Effect must be Allow or Deny.");
  for (const char* name : {"Action", "NotAction", "Resource", "NotResource"}) {
    if (has(statement, name) && !is_text_or_texts(statement.at(name)))
      return malformed(fmt::format("Syntax errors in policy: {} must be a text or a list of texts.", name));
  }
  if (has(statement, "Action") == has(statement, "NotAction"))
    return malformed(has(statement, "Action") ? "Syntax errors in policy: Action and NotAction exclude each other."
                                              : "Policy statement must contain actions.");
  for (const std::string& action : texts_of(statement, has(statement, "Action") ? "Action" : "NotAction")) {
    if (auto good = check_action(action); !good) return good;
  }
  if (trust && !has(statement, "Principal")) return malformed("Policy statement must contain a Principal.");
  if (!trust && has(statement, "Principal")) return malformed("Policy document should not specify a principal.");
  if (trust && (has(statement, "Resource") || has(statement, "NotResource")))
    return malformed("Has prohibited field Resource");
  if (!trust && has(statement, "Resource") == has(statement, "NotResource"))
    return malformed(has(statement, "Resource")
                         ? "Syntax errors in policy: Resource and NotResource exclude each other."
                         : "Policy statement must contain resources.");
  for (const std::string& resource : texts_of(statement, has(statement, "Resource") ? "Resource" : "NotResource")) {
    if (resource != "*" && !resource.starts_with("arn:"))
      return malformed(fmt::format("Resource {} must be in ARN format or \"*\".", resource));
  }
  if (trust) {
    if (auto good = check_principal(statement.at("Principal")); !good) return good;
  }
  return statement.contains("Condition") ? check_condition(statement.at("Condition")) : Result<void>{};
}

}  // namespace

Judgement judge(const std::vector<json::object>& policies, const Request& request, bool with_principal) {
  Judgement judgement;
  for (const json::object& policy : policies) {
    std::size_t number = 0;
    for (const json::object& statement : statements_of(policy)) {
      ++number;
      if (with_principal && !principal_fits(statement, request)) continue;
      if (!action_fits(statement, request.action) || !resource_fits(statement, request.resource) ||
          !conditions_hold(statement, request.keys))
        continue;
      const std::string name = get_string(statement, "Sid", fmt::format("statement {}", number));
      if (get_string(statement, "Effect") == "Deny") return {Decision::explicitly_denied, name};
      if (judgement.decision != Decision::allowed) judgement = {Decision::allowed, name};
    }
  }
  return judgement;
}

Decision evaluate(const std::vector<json::object>& policies, const Request& request, bool with_principal) {
  return judge(policies, request, with_principal).decision;
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
  for (const auto& entry : policy) {
    if (key_of(entry) != "Version" && key_of(entry) != "Id" && key_of(entry) != "Statement")
      return malformed(fmt::format("Syntax errors in policy: {} is not an element of a policy.", key_of(entry)));
  }
  const std::string version = get_string(policy, "Version", "2008-10-17");
  if (version != "2012-10-17" && version != "2008-10-17")
    return malformed("Syntax errors in policy: Version must be 2012-10-17.");
  const auto statements = statements_of(policy);
  const auto* written = find(policy, "Statement");
  if (statements.empty() || (written->is_array() && written->get_array().size() != statements.size()))
    return malformed("Syntax errors in policy: Statement must be an object or a list of objects.");
  std::set<std::string> sids;
  for (const json::object& statement : statements) {
    if (auto good = check_statement(statement, with_principal); !good) return fail(good);
    const std::string sid = get_string(statement, "Sid");
    if (!sid.empty() && !sids.insert(sid).second)
      return malformed("Statement IDs (SID) in a single policy must be unique.");
    if (json::serialize(statement).find("${") != std::string::npos)
      return malformed("Policy variables (${…}) are not supported here.");
  }
  return policy;
}

Result<json::object> parse_trust(std::string_view text) {
  auto policy = parse_policy(text, true);
  if (!policy) return policy;
  for (const json::object& statement : statements_of(*policy)) {
    for (const std::string& action : texts_of(statement, "Action")) {
      if (!equal_ignoring_case(action.substr(0, 4), "sts:"))
        return malformed("AssumeRole policy may only specify STS AssumeRole actions.");
    }
  }
  return policy;
}

}  // namespace slipway::iam
