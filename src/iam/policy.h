// Policies: who may do what to which resource.  Pure.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
#pragma once
#include <string>
#include <vector>

#include "base/json.h"
#include "iam/condition.h"

namespace slipway::iam {

struct Request {
  std::string action;          // "ecs:UpdateService"
  std::string resource;        // ARN or "*"
  std::string principal_arn;   // For policies with a Principal: of a user or of a role's session.
  std::string principal_role;  // Of a session: its role's ARN, by which policies mean all its sessions.
  std::string principal_account;
  std::string principal_service;    // "lambda.amazonaws.com"; empty for users and roles.
  std::string principal_federated;  // ARN of the OIDC provider that speaks for who asks; else empty.
  ConditionKeys keys;
};

enum class Decision { allowed, explicitly_denied, implicitly_denied };

// What the policies together say: an explicit Deny wins, then an Allow, else it is denied.  `with_principal`:
// statements must name who asks (trust and resource policies).
Decision evaluate(const std::vector<json::object>& policies, const Request& request, bool with_principal);

// The same, and the statement that decided: its Sid, else "statement 2"; empty when none did.
struct Judgement {
  Decision decision = Decision::implicitly_denied;
  std::string statement;
};
Judgement judge(const std::vector<json::object>& policies, const Request& request, bool with_principal);

// What a resource's own policy ("" for none) says of a caller of its account.  `role_arn`: the role behind a session,
// which the policy may name instead of it.  Naming the account denies to all of it, but allows nobody by itself: that
// it leaves to the callers' own policies.
Decision evaluate_of_resource(std::string_view policy, const Request& request, const std::string& role_arn);

// Fails with "MalformedPolicyDocument" and what is wrong: not JSON, an element that is missing, misspelt or of the
// wrong form, an operator that we cannot evaluate (a condition that we ignored would allow too much).
Result<json::object> parse_policy(std::string_view text, bool with_principal);
// A role's trust policy: as parse_policy() with principals, and about assuming the role only.
Result<json::object> parse_trust(std::string_view text);

}  // namespace slipway::iam
