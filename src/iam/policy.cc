#include "iam/policy.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

#include "base/text.h"

namespace slipway::iam {
namespace {

constexpr std::string_view kVersion = "2012-10-17";  // With variables; the older one takes them for plain text.

std::vector<std::string> texts_in(const json::object& statement, std::string_view name) {
  const auto* value = find(statement, name);
  return value == nullptr ? std::vector<std::string>{} : texts_of(*value);
}

bool any_action(const std::vector<std::string>& patterns, const std::string& action) {
  return std::ranges::any_of(patterns, [lower = to_lower(action)](const std::string& pattern) {
    return glob_match(to_lower(pattern), lower);
  });
}

bool any_resource(const std::vector<std::string>& patterns, const std::string& resource, const Context& context) {
  return std::ranges::any_of(patterns,
                             [&](const std::string& pattern) { return pattern_fits(pattern, resource, context); });
}

bool principal_fits(const json::object& statement, const Request& request) {
  const auto* principal = find(statement, "Principal");
  if (principal == nullptr) return false;
  if (principal->is_string()) return view(principal->get_string()) == "*";
  if (!principal->is_object()) return false;
  const json::object& by_kind = principal->get_object();
  if (!request.principal_service.empty()) {
    const auto services = texts_in(by_kind, "Service");
    return std::ranges::find(services, request.principal_service) != services.end();
  }
  if (!request.principal_federated.empty()) {
    const auto providers = texts_in(by_kind, "Federated");
    return std::ranges::find(providers, request.principal_federated) != providers.end();
  }
  for (const std::string& aws : texts_in(by_kind, "AWS")) {
    const bool account =
        aws == request.principal_account || aws == "arn:aws:iam::" + request.principal_account + ":root";
    if (aws == "*" || account || aws == request.principal_arn) return true;
    if (!request.principal_role.empty() && aws == request.principal_role) return true;
  }
  return false;
}

bool action_fits(const json::object& statement, const std::string& action) {
  if (has(statement, "NotAction")) return !any_action(texts_in(statement, "NotAction"), action);
  return any_action(texts_in(statement, "Action"), action);
}

bool resource_fits(const json::object& statement, const std::string& resource, const Context& context) {
  if (has(statement, "NotResource")) return !any_resource(texts_in(statement, "NotResource"), resource, context);
  if (!has(statement, "Resource")) return true;  // Trust policies have none.
  // An action without a resource of its own ("*") is covered by a statement for every resource only.
  return any_resource(texts_in(statement, "Resource"), resource, context);
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
  for (const std::string& action : texts_in(statement, has(statement, "Action") ? "Action" : "NotAction")) {
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
  for (const std::string& resource : texts_in(statement, has(statement, "Resource") ? "Resource" : "NotResource")) {
    if (resource != "*" && !resource.starts_with("arn:"))
      return malformed(fmt::format("Resource {} must be in ARN format or \"*\".", resource));
    if (const std::string trouble = variable_trouble(resource); !trouble.empty()) return malformed(trouble);
  }
  if (trust) {
    if (auto good = check_principal(statement.at("Principal")); !good) return good;
  }
  if (!statement.contains("Condition")) return {};
  const std::string trouble = condition_trouble(statement.at("Condition"));
  return trouble.empty() ? Result<void>{} : malformed(trouble);
}

}  // namespace

Judgement judge(const std::vector<json::object>& policies, const Request& request, bool with_principal) {
  Judgement judgement;
  for (const json::object& policy : policies) {
    const Context context{.keys = request.keys, .variables = get_string(policy, "Version") == kVersion};
    std::size_t number = 0;
    for (const json::object& statement : statements_of(policy)) {
      ++number;
      if (with_principal && !principal_fits(statement, request)) continue;
      if (!action_fits(statement, request.action) || !resource_fits(statement, request.resource, context) ||
          !conditions_hold(get_object(statement, "Condition"), context))
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
  if (version != kVersion && version != "2008-10-17")
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
  }
  return policy;
}

Result<json::object> parse_trust(std::string_view text) {
  auto policy = parse_policy(text, true);
  if (!policy) return policy;
  for (const json::object& statement : statements_of(*policy)) {
    for (const std::string& action : texts_in(statement, "Action")) {
      if (!equal_ignoring_case(action.substr(0, 4), "sts:"))
        return malformed("AssumeRole policy may only specify STS AssumeRole actions.");
    }
  }
  return policy;
}

}  // namespace slipway::iam
