#include "deployer/channels.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/digest.h"
#include "base/text.h"
#include "client/endpoint.h"

namespace slipway::deployer {
namespace {

using namespace std::chrono_literals;

constexpr Duration kFirstWait = 200ms;  // Before the first repetition; doubled for each further one.
constexpr Duration kAnswerLimit = 2s;   // Of one attempt.
constexpr std::size_t kAnswerMax = 256 * 1024;
constexpr std::size_t kSubjectMax = 100;      // SNS: ASCII, fewer than 100 characters.
constexpr std::size_t kDescriptionMax = 140;  // GitHub's.
constexpr std::size_t kAnswerShown = 200;
constexpr std::array<std::string_view, 2> kSlackHosts = {"hooks.slack.com", "hooks.slack-gov.com"};

// "https://hooks.slack.com/services/…" -> "hooks.slack.com"
std::string host_of(const std::string& url) {
  const auto scheme = url.find("://");
  if (scheme == std::string::npos) return {};
  const std::string rest = url.substr(scheme + 3);
  const std::string authority = rest.substr(0, rest.find_first_of("/?#"));
  if (authority.starts_with('[')) return authority.substr(0, authority.find(']') + 1);
  return authority.substr(0, authority.find(':'));
}

bool is_loopback(const std::string& url) {
  const std::string host = host_of(url);
  return host == "localhost" || host == "127.0.0.1" || host == "[::1]";
}

std::unexpected<Error> refused(const std::string& why) {
  return fail(Fault::invalid, "ChannelRefused", why);
}

Result<http::ClientResponse> too_late(const std::string& url) {
  return fail(Fault::timed_out, "Timeout", fmt::format("{} did not answer in time", host_of(url)));
}

bool may_repeat(const Result<http::ClientResponse>& answer) {
  return !answer || answer->status == 429 || answer->status >= 500;
}

std::string ascii(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c >= ' ' && c <= '~') out += c;
  }
  return out;
}

std::string first_line(const std::string& text, std::size_t longest) {
  return text.substr(0, std::min(text.find('\n'), longest));
}

json::object github_status(const std::string& environment, const Telling& news) {
  json::object status = {{"state", github_state(news)},
                         {"description", first_line(ascii(headline(news)), kDescriptionMax)},
                         {"auto_inactive", true}};
  if (!environment.empty()) status["environment"] = environment;
  return status;
}

// A topic that is named alone is in the account and region of the service.
std::string topic_arn(const std::string& topic, const std::string& service_arn) {
  const auto parts = split(service_arn, ':');
  if (topic.starts_with("arn:") || parts.size() < 5) return topic;
  return fmt::format("{}:{}:sns:{}:{}:{}", parts[0], parts[1], parts[3], parts[4], topic);
}

}  // namespace

bool may_send_to(const std::string& url) {
  return url.starts_with("https://") || (url.starts_with("http://") && is_loopback(url));
}

// One request with its repetitions, within kChannelLimit.  Redirects are not followed: they would carry the secret to
// another host.
task<Result<json::object>> Messenger::post(std::string url, http::Headers headers, std::string body, Secret secret) {
  if (headers.find("Authorization") && !may_send_to(url))
    co_return refused("only https may carry a token (or http to this machine): " + host_of(url));
  const client::BaseUrl base = client::split_url(url);
  const Instant end = clock_() + kChannelLimit;
  Duration wait = kFirstWait;
  for (int attempt = 1;; ++attempt) {
    http::ClientOptions options{
        .endpoint = base.endpoint, .connect_timeout = kAnswerLimit, .read_timeout = kAnswerLimit};
    options.body_bytes_max = kAnswerMax;
    http::ClientRequest request{
        .method = "POST", .target = base.prefix.empty() ? "/" : base.prefix, .headers = headers, .body = body};
    request.headers.set("Content-Type", "application/json; charset=utf-8");
    request.headers.set("User-Agent", "slipway");
    auto sending = http::fetch(std::move(options), std::move(request));
    auto sent = co_await with_deadline(kAnswerLimit, std::move(sending));
    const auto answer = sent ? std::move(*sent) : too_late(url);
    if (answer && answer->status / 100 == 2) {
      auto parsed = parse_json(answer->body);
      co_return parsed && parsed->is_object() ? parsed->get_object() : json::object{};
    }
    const bool again = may_repeat(answer) && attempt < kChannelAttempts && clock_() + wait < end;
    if (!again) {
      const std::string why = answer ? fmt::format("{} answered {}: {}", host_of(url), answer->status,
                                                   first_line(answer->body, kAnswerShown))
                                     : answer.error().message;
      co_return fail(Fault::unavailable, "ChannelFailed", secret.redact(why));
    }
    co_await pause(wait);
    wait *= 2;
  }
}

// https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
task<Result<std::string>> Messenger::send_slack_webhook(Channel channel, Telling news) {
  const auto url = co_await read_secret(cloud_, channel.secret, environment_);
  if (!url) co_return fail(url);
  const std::string host = host_of(url->reveal());
  const bool known = std::ranges::find(kSlackHosts, std::string_view(host)) != kSlackHosts.end();
  if ((!known && !is_loopback(url->reveal())) || !may_send_to(url->reveal()))
    co_return refused(channel.secret + " is no webhook of Slack's");
  const std::string body = json::serialize(slack_body(news));
  const auto sent = co_await post(url->reveal(), {}, body, *url);
  if (!sent) co_return fail(sent);
  co_return "";
}

// https://docs.slack.dev/reference/methods/chat.update
task<Result<std::string>> Messenger::send_slack_bot(Channel channel, Telling news, std::string where) {
  const auto token = co_await read_secret(cloud_, channel.secret, environment_);
  if (!token) co_return fail(token);
  http::Headers headers;
  headers.set("Authorization", "Bearer " + token->reveal());
  json::object body = slack_body(news);
  // "C012:1700000000.000100": the channel's id and the message's time stamp name a message.
  const auto colon = where.find(':');
  const bool edit = colon != std::string::npos;
  body["channel"] = edit ? where.substr(0, colon) : channel.target;
  if (edit) body["ts"] = where.substr(colon + 1);
  if (edit && !body.contains("attachments")) body["attachments"] = json::array{};
  const std::string url = channel.api + (edit ? "/chat.update" : "/chat.postMessage");
  const std::string text = json::serialize(body);
  const auto answer = co_await post(url, headers, text, *token);
  if (!answer) co_return fail(answer);
  if (!get_bool(*answer, "ok"))
    co_return fail(Fault::invalid, "ChannelFailed", "Slack says: " + get_string(*answer, "error", "not ok"));
  co_return get_string(*answer, "channel", channel.target) + ":" + get_string(*answer, "ts");
}

// https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
task<Result<std::string>> Messenger::send_sns(Channel channel, Telling news) {
  const std::string subject = first_line(ascii(headline(news)), kSubjectMax - 1);
  const std::string message = json::serialize(webhook_body(news));
  const std::string topic = topic_arn(channel.target, news.arn);
  auto publishing = cloud_.aws().query_call("sns", "2010-03-31", "Publish",
                                            {{"TopicArn", topic}, {"Subject", subject}, {"Message", message}});
  const auto sent = co_await with_deadline(kChannelLimit, std::move(publishing));
  if (!sent) co_return fail(Fault::timed_out, "ChannelFailed", "SNS did not answer in time");
  if (!*sent) co_return fail(*sent);
  co_return "";
}

task<Result<std::string>> Messenger::send_webhook(Channel channel, Telling news) {
  const auto key = co_await read_secret(cloud_, channel.secret, environment_);
  if (!key) co_return fail(key);
  std::string url = channel.target;
  if (!url.starts_with("http")) {
    const auto named = co_await read_secret(cloud_, url, environment_);
    if (!named) co_return fail(named);
    url = named->reveal();
  }
  const std::string body = json::serialize(webhook_body(news));
  const long long seconds = clock_().ms() / 1000;
  http::Headers headers;
  headers.set("X-Slipway-Event", fmt::format("deployment.{}", kind_name(news.kind)));
  headers.set("X-Slipway-Timestamp", std::to_string(seconds));
  headers.set("X-Slipway-Signature", webhook_signature(key->reveal(), seconds, body));
  // The same for each repetition of the same news.
  headers.set("X-Slipway-Delivery", sha256_hex(news.deployment + std::string(kind_name(news.kind))).substr(0, 32));
  const Secret masked(url);
  const auto sent = co_await post(url, headers, body, masked);
  if (!sent) co_return fail(sent);
  co_return "";
}

// https://docs.github.com/en/rest/deployments/deployments
task<Result<std::string>> Messenger::send_github(Channel channel, Telling news, std::string where) {
  const auto token = co_await read_secret(cloud_, channel.secret, environment_);
  if (!token) co_return fail(token);
  http::Headers headers;
  headers.set("Authorization", "Bearer " + token->reveal());
  headers.set("Accept", "application/vnd.github+json");
  headers.set("X-GitHub-Api-Version", "2022-11-28");
  const std::string url = fmt::format("{}/repos/{}/deployments", channel.api, channel.target);
  const std::string environment = !channel.environment.empty() ? channel.environment
                                  : news.environment.empty()   ? news.project
                                                               : news.environment;
  if (where.empty()) {
    const std::string commit = commit_of(news.release);
    if (commit.empty()) co_return refused("neither a label of the image nor its tag names a commit");
    json::object wanted = {{"ref", commit},
                           {"auto_merge", false},
                           {"required_contexts", json::array{}},
                           {"description", "Slipway: " + news.service},
                           {"payload", json::object{{"digest", news.release.digest}, {"service", news.service}}}};
    if (!environment.empty()) wanted["environment"] = environment;
    const std::string text = json::serialize(wanted);
    const auto made = co_await post(url, headers, text, *token);
    if (!made) co_return fail(made);
    where = std::to_string(get_int(*made, "id"));
  }
  const std::string text = json::serialize(github_status(environment, news));
  const std::string statuses = fmt::format("{}/{}/statuses", url, where);
  const auto sent = co_await post(statuses, headers, text, *token);
  if (!sent) co_return fail(sent);
  co_return where;
}

task<Result<std::string>> Messenger::send(Channel channel, Telling news, std::string where) {
  switch (channel.kind) {
    case Channel::Kind::slack_webhook:
      co_return co_await send_slack_webhook(channel, news);
    case Channel::Kind::slack_bot:
      co_return co_await send_slack_bot(channel, news, where);
    case Channel::Kind::sns:
      co_return co_await send_sns(channel, news);
    case Channel::Kind::webhook:
      co_return co_await send_webhook(channel, news);
    case Channel::Kind::github:
      co_return co_await send_github(channel, news, where);
  }
  co_return "";
}

bool Messenger::wanted(const Telling& news) const {
  return std::ranges::any_of(channels_, [&](const Channel& channel) { return wants(channel, news); });
}

bool Messenger::has(std::size_t place, const std::string& name) const {
  return place < channels_.size() && channels_[place].name() == name;
}

task<std::vector<Delivery>> Messenger::tell(Telling news, std::string& messages, std::vector<std::size_t> only) {
  std::vector<Delivery> deliveries;
  for (std::size_t i = 0; i < channels_.size(); ++i) {
    const Channel channel = channels_[i];
    if (!wants(channel, news)) continue;
    if (!only.empty() && std::ranges::find(only, i) == only.end()) continue;
    const std::string where = find_message(messages, i);
    const auto sent = co_await send(channel, news, where);
    Delivery delivery{.place = i, .channel = channel.name(), .delivered = sent.has_value()};
    if (!sent) delivery.why = sent.error().code + ": " + sent.error().message;
    if (sent && !sent->empty()) messages = place_message(messages, i, *sent);
    deliveries.push_back(std::move(delivery));
  }
  co_return deliveries;
}

}  // namespace slipway::deployer
