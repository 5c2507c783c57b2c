// Channel: where news of deployments goes, as slipway.json says it.  Pure.
#pragma once
#include <string>
#include <vector>

#include "base/json.h"

namespace slipway::deployer {

// Where news goes.  Secrets are references (see secret.h), never values.
struct Channel {
  enum class Kind { slack_webhook, slack_bot, sns, webhook, github };
  Kind kind = Kind::slack_webhook;
  std::string secret;       // Of the webhook's URL, the bot's or GitHub's token, the key that signs.
  std::string target;       // Slack's channel, the topic's name or ARN, the webhook's URL, GitHub's "owner/name".
  std::string api;          // Base URL of Slack's or GitHub's API.
  std::string environment;  // GitHub's; empty: the service's.
  std::vector<std::string> services;  // Route::key(); empty: all.
  std::vector<std::string> on;        // "started", "succeeded", "failed", "rolled-back"
  std::string name() const;           // "slack", "sns", …: for logs.
};
// The member "notify" of slipway.json.  Fails with Fault::invalid, "InvalidRoutes".
Result<std::vector<Channel>> parse_channels(const json::array& list);

}  // namespace slipway::deployer
