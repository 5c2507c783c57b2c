#include "deployer/channel.h"

#include <algorithm>
#include <array>

namespace slipway::deployer {
namespace {

constexpr const char* kSlackApi = "https://slack.com/api";
constexpr const char* kGithubApi = "https://api.github.com";
constexpr std::array<std::string_view, 4> kNews = {"started", "succeeded", "failed", "rolled-back"};

std::unexpected<Error> invalid(const std::string& message) {
  return fail(Fault::invalid, "InvalidRoutes", "slipway.json: notify: " + message);
}

// A secret's value must not stand in a file.
Result<std::string> reference(const json::object& object, const char* member, const std::string& channel) {
  std::string text = get_string(object, member);
  for (const std::string_view scheme : {"env:", "ssm:", "secretsmanager:"}) {
    if (text.starts_with(scheme) && text.size() > scheme.size()) return text;
  }
  return invalid(channel + "." + member + " must name a secret: env:NAME, ssm:NAME or secretsmanager:NAME");
}

Result<Channel> parse_slack(const json::object& object) {
  const bool bot = has(object, "token");
  const auto secret = reference(object, bot ? "token" : "webhook", "slack");
  if (!secret) return fail(secret);
  Channel channel{.kind = bot ? Channel::Kind::slack_bot : Channel::Kind::slack_webhook,
                  .secret = *secret,
                  .target = get_string(object, "channel"),
                  .api = kSlackApi};
  if (bot && channel.target.empty()) return invalid("slack.channel must name the channel, e.g. #deploys");
  return channel;
}

Result<Channel> parse_channel(const std::string& kind, const json::object& object) {
  if (kind == "slack") return parse_slack(object);
  if (kind == "sns") {
    Channel channel{.kind = Channel::Kind::sns, .target = get_string(object, "topic")};
    if (channel.target.empty()) return invalid("sns.topic is missing");
    return channel;
  }
  if (kind == "webhook") {
    const auto secret = reference(object, "secret", "webhook");
    if (!secret) return fail(secret);
    Channel channel{.kind = Channel::Kind::webhook, .secret = *secret, .target = get_string(object, "url")};
    if (channel.target.empty()) return invalid("webhook.url is missing");
    return channel;
  }
  if (kind == "github") {
    const auto secret = reference(object, "token", "github");
    if (!secret) return fail(secret);
    Channel channel{.kind = Channel::Kind::github,
                    .secret = *secret,
                    .target = get_string(object, "repository"),
                    .api = kGithubApi,
                    .environment = get_string(object, "environment")};
    if (std::ranges::count(channel.target, '/') != 1) return invalid("github.repository must be OWNER/NAME");
    return channel;
  }
  return invalid("the channel is \"" + kind + "\"; allowed: slack, sns, webhook, github");
}

}  // namespace

std::string Channel::name() const {
  switch (kind) {
    case Kind::slack_webhook:
    case Kind::slack_bot:
      return "slack";
    case Kind::sns:
      return "sns";
    case Kind::webhook:
      return "webhook";
    case Kind::github:
      return "github";
  }
  return "";
}

Result<std::vector<Channel>> parse_channels(const json::array& list) {
  std::vector<Channel> channels;
  for (const json::value& value : list) {
    if (!value.is_object()) return invalid("a channel is not an object");
    auto channel = parse_channel(get_string(value.get_object(), "channel"), get_object(value.get_object(), "settings"));
    if (!channel) return fail(channel);
    channel->services = get_strings(value.get_object(), "services");
    channel->on = get_strings(value.get_object(), "on");
    for (const std::string& name : channel->on) {
      if (std::ranges::find(kNews, std::string_view(name)) == kNews.end())
        return invalid("on: \"" + name + "\"; allowed: started, succeeded, failed, rolled-back");
    }
    channels.push_back(std::move(*channel));
  }
  return channels;
}

}  // namespace slipway::deployer
