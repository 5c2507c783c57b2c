#include "events/bus_policy.h"

namespace slipway::events {

namespace {

// The statements other than `id`; a policy may hold one without a list.
json::array others(const std::string& policy, const std::string& id, bool& found) {
  json::array out;
  const auto parsed = parse_json(policy);
  if (!parsed || !parsed->is_object()) return out;
  const auto* statements = find(parsed->get_object(), "Statement");
  if (!statements) return out;
  const json::array all = statements->is_array() ? statements->get_array() : json::array{*statements};
  for (const auto& statement : all) {
    const bool same = statement.is_object() && get_string(statement.get_object(), "Sid") == id;
    found = found || same;
    if (!same) out.push_back(statement);
  }
  return out;
}

std::string document(json::array statements) {
  return json::serialize(json::object{{"Version", "2012-10-17"}, {"Statement", std::move(statements)}});
}

}  // namespace

Result<void> check_statement(const json::object& input) {
  const auto invalid = [](std::string message) {
    return fail(Fault::invalid, "ValidationException", std::move(message));
  };
  for (const auto* member : {"Action", "Principal", "StatementId"}) {
    if (!has(input, member)) return invalid(std::string("Parameter ") + member + " must be specified.");
  }
  if (get_string(input, "Action") != "events:PutEvents")
    return invalid("Provided value in parameter 'action' is not supported.");
  if (!has(input, "Condition")) return {};
  const auto condition = get_object(input, "Condition");
  if (get_string(input, "Principal") != "*" || get_string(condition, "Type") != "StringEquals" ||
      get_string(condition, "Key") != "aws:PrincipalOrgID")
    return invalid(
        "Parameter Condition is not valid. Reason: it takes the type StringEquals and the key aws:PrincipalOrgID, and "
        "the principal must be *.");
  return {};
}

std::string with_statement(const std::string& policy, const json::object& input, const std::string& bus_arn) {
  const auto id = get_string(input, "StatementId");
  const auto principal = get_string(input, "Principal");
  json::object statement{{"Sid", id}, {"Effect", "Allow"}};
  if (principal == "*") {
    statement["Principal"] = "*";
  } else {
    const Arn root{.service = "iam", .account = principal, .resource = "root"};
    statement["Principal"] = json::object{{"AWS", root.text()}};
  }
  statement["Action"] = get_string(input, "Action");
  statement["Resource"] = bus_arn;
  if (has(input, "Condition")) {
    const auto condition = get_object(input, "Condition");
    statement["Condition"] = json::object{
        {get_string(condition, "Type"), json::object{{get_string(condition, "Key"), get_string(condition, "Value")}}}};
  }
  bool found = false;
  auto statements = others(policy, id, found);
  statements.push_back(std::move(statement));
  return document(std::move(statements));
}

std::optional<std::string> without_statement(const std::string& policy, const std::string& id) {
  bool found = false;
  auto statements = others(policy, id, found);
  if (!found) return std::nullopt;
  return statements.empty() ? std::string() : document(std::move(statements));
}

}  // namespace slipway::events
