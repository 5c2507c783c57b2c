// Channels: carries news to Slack, SNS, webhooks and GitHub.  A channel that does not answer costs a bounded time, is
// repeated within it, is reported, and never fails or delays a deployment: news goes out when the work is done.
#pragma once
#include <string>
#include <vector>

#include "base/task.h"
#include "deployer/cloud.h"
#include "deployer/gate.h"
#include "deployer/notify.h"
#include "deployer/secret.h"

namespace slipway::deployer {

// What one channel and all its repetitions may take.
constexpr Duration kChannelLimit = std::chrono::seconds(4);
constexpr int kChannelAttempts = 3;

struct Delivery {
  std::size_t place = 0;  // Of the channel in the configuration's list.
  std::string channel;
  bool delivered = false;
  std::string why;  // Why not; without secrets.
};

class Messenger {
 public:
  Messenger(Cloud& cloud, std::vector<Channel> channels, Lookup environment, Clock clock)
      : cloud_(cloud), channels_(std::move(channels)), environment_(std::move(environment)), clock_(std::move(clock)) {}

  // Tells every channel that wants it.  `messages` is the tag slipway:messages before, and after.
  // `only`: the places of the channels that are told; none: all.
  task<std::vector<Delivery>> tell(Telling news, std::string& messages, std::vector<std::size_t> only = {});
  bool wanted(const Telling& news) const;  // By any channel.
  // Whether the channel at `place` is still the one called `name`: the configuration may have changed.
  bool has(std::size_t place, const std::string& name) const;

 private:
  // Returns where the message stands; empty where it cannot be edited.
  task<Result<std::string>> send(Channel channel, Telling news, std::string where);
  task<Result<std::string>> send_slack_webhook(Channel channel, Telling news);
  task<Result<std::string>> send_slack_bot(Channel channel, Telling news, std::string where);
  task<Result<std::string>> send_sns(Channel channel, Telling news);
  task<Result<std::string>> send_webhook(Channel channel, Telling news);
  task<Result<std::string>> send_github(Channel channel, Telling news, std::string where);
  task<Result<json::object>> post(std::string url, http::Headers headers, std::string body, Secret secret);

  Cloud& cloud_;
  std::vector<Channel> channels_;
  Lookup environment_;
  Clock clock_;
};

// Whether a secret may be sent there: https, or a loopback address.
bool may_send_to(const std::string& url);

}  // namespace slipway::deployer
