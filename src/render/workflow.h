// Workflow: the GitHub workflow that builds the configuration's images and pushes them; the last push is what deploys.
#pragma once
#include <string>

#include "config/config.h"

namespace slipway::render {

struct WorkflowOptions {
  // The two secrets AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY instead of a role; for accounts without OIDC.
  bool static_keys = false;
  // Keep BuildKit's provenance.  It makes one push several events and gives every build a digest of its own; the
  // deployer leaves out those without a tag.
  bool provenance = false;
  std::string account;  // Of the role; empty: the workflow asks for the variable SLIPWAY_PUSH_ROLE.
  std::string region;
};

// Fails (SLW-204) when the configuration does not name its repository on GitHub and `static_keys` is not set.
Result<std::string> workflow_yaml(const config::Config& config, const WorkflowOptions& options);

}  // namespace slipway::render
