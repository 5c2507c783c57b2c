// Proof: what each role of the pipeline may and may not do, as a matrix of actions on resources, decided by the same
// evaluator that the region asks (iam/policy).  What must be is said here, apart from the policies, so that a policy
// that allows too much or too little is found.  Pure.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "config/config.h"
#include "render/names.h"

namespace slipway::cli {

// The documents that are judged.
struct Policies {
  json::object push;                       // push.json: CI's role.
  json::object deployer;                   // deployer.json
  json::object function;                   // function-permission.json
  json::object queue;                      // queue.json
  std::optional<json::object> push_trust;  // push-trust.json: who may be CI; absent without `github`.
};
Policies rendered_policies(const config::Config& config, const render::Account& account);

// One question to the policies, and what they say.
struct Cell {
  std::string role;      // "CI", "who may be CI", "deployer", "function", "queue"
  std::string action;    // "ecs:UpdateService"
  std::string resource;  // ARN or "*"
  std::string with;      // What else is so: "by the rule slipway-shop-push-web"; empty: nothing.
  bool must = false;     // Whether it must be allowed.
  bool allowed = false;
  std::string why;  // "allowed by PushToTheseRepositories", "denied by NeverPrivileged", "nothing allows it"
  bool good() const { return must == allowed; }
};

std::vector<Cell> prove(const config::Config& config, const render::Account& account, const Policies& policies);

// A table for people: a section for each role; what is not as it must be is marked, and named again at the end.
std::vector<std::string> proof_lines(const std::vector<Cell>& cells);
json::object to_json(const std::vector<Cell>& cells);

}  // namespace slipway::cli
