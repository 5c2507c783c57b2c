#include "deployer/notify.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/digest.h"
#include "base/text.h"

namespace slipway::deployer {
namespace {

constexpr std::size_t kLinesShown = 5;      // Of a log, in a message; `slipway history` has them all.
constexpr std::size_t kDetailsMax = 2'000;  // Characters; Slack cuts at 3 000.

struct KindName {
  Telling::Kind kind;
  std::string_view name;
  std::string_view mark;
  std::string_view color;
};
constexpr std::array<KindName, 4> kKinds = {{{Telling::Kind::started, "started", ":rocket:", "#888888"},
                                             {Telling::Kind::succeeded, "succeeded", ":white_check_mark:", "#2eb67d"},
                                             {Telling::Kind::failed, "failed", ":x:", "#e01e5a"},
                                             {Telling::Kind::rolled_back, "rolled-back", ":rewind:", "#ecb22e"}}};
const KindName& of_kind(Telling::Kind kind) {
  return *std::ranges::find(kKinds, kind, &KindName::kind);
}

// Slack reads these three as markup.
std::string slack_text(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '&') {
      out += "&amp;";
    } else if (c == '<') {
      out += "&lt;";
    } else if (c == '>') {
      out += "&gt;";
    } else {
      out += c;
    }
  }
  return out;
}

std::string what(const Release& release) {
  std::string name = release.tag;
  if (!name.empty()) name += " ";
  return name + short_digest(release.digest);
}

std::string state_words(const Telling& news) {
  const bool back = news.kind == Telling::Kind::rolled_back;
  if (news.kind == Telling::Kind::started) return "deploying";
  if (back && news.release.action == "rollback")
    return "rolled back to " + short_digest(news.release.digest) +
           (news.release.from.empty() ? "" : " from " + short_digest(news.release.from));
  if (back)
    return fmt::format("{} to {}", end_words(news.end),
                       news.went_back_to.empty() ? "what ran before" : short_digest(news.went_back_to));
  if (news.interim) return "failed; ECS is going back";
  if (news.kind == Telling::Kind::failed && !news.went_back_to.empty())
    return "failed; going back to " + short_digest(news.went_back_to);
  return std::string(end_words(news.end));
}

bool is_hex(std::string_view text) {
  return text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

}  // namespace

std::string_view kind_name(Telling::Kind kind) {
  return of_kind(kind).name;
}

bool wants(const Channel& channel, const Telling& news) {
  const bool edits = channel.kind == Channel::Kind::slack_bot || channel.kind == Channel::Kind::github;
  if (news.interim && !edits) return false;
  if (!channel.services.empty() && std::ranges::find(channel.services, news.key) == channel.services.end())
    return false;
  if (!channel.on.empty()) return std::ranges::find(channel.on, std::string(kind_name(news.kind))) != channel.on.end();
  // What cannot be edited says only how it ended.
  return channel.kind != Channel::Kind::slack_webhook || news.kind != Telling::Kind::started;
}

std::string short_digest(const std::string& digest) {
  const auto colon = digest.find(':');
  return digest.substr(colon == std::string::npos ? 0 : colon + 1, 12);
}

std::string short_duration(Duration duration) {
  const long long seconds = duration.count() / 1000;
  if (seconds < 60) return fmt::format("{}s", seconds);
  if (seconds < 3600) return fmt::format("{}m{:02}s", seconds / 60, seconds % 60);
  return fmt::format("{}h{:02}m", seconds / 3600, seconds / 60 % 60);
}

std::string commit_of(const Release& release) {
  if (!release.commit.empty()) return release.commit;
  for (const std::string_view prefix : {"", "sha-", "git-"}) {
    if (!release.tag.starts_with(prefix)) continue;
    const std::string rest = release.tag.substr(prefix.size());
    if (rest.size() >= 7 && rest.size() <= 40 && is_hex(rest)) return rest;
  }
  return {};
}

std::string headline(const Telling& news) {
  std::string line = news.service;
  if (!news.environment.empty()) line += " → " + news.environment;
  line += ": " + state_words(news);
  if (news.release.action != "rollback") {
    line += " · " + what(news.release);
    if (!news.release.from.empty()) line += " (was " + short_digest(news.release.from) + ")";
  }
  const std::string commit = commit_of(news.release);
  if (!commit.empty()) line += " · " + commit.substr(0, 7);
  if (!news.release.subject.empty()) line += (commit.empty() ? " · " : " ") + news.release.subject;
  if (!news.release.author.empty()) line += " by " + news.release.author;
  if (news.release.action == "rollback" && !news.release.actor.empty()) line += " · by " + news.release.actor;
  if (news.took) line += " · " + short_duration(*news.took);
  return line;
}

std::string details(const Telling& news) {
  if (news.kind == Telling::Kind::started || news.kind == Telling::Kind::succeeded) return {};
  std::string text = news.why;
  if (text.empty()) text = news.release.reason;
  const std::string evidence = summary({.tasks = news.evidence.tasks, .health = news.evidence.health});
  if (!news.evidence.tasks.empty() || !news.evidence.health.empty()) text += "\n" + evidence;
  for (const TaskEvidence& task : news.evidence.tasks) {
    if (task.log_lines.empty()) continue;
    const std::size_t from = task.log_lines.size() > kLinesShown ? task.log_lines.size() - kLinesShown : 0;
    text += fmt::format("\nthe last lines of task {}:", task.task);
    for (std::size_t i = from; i < task.log_lines.size(); ++i) text += "\n  " + task.log_lines[i];
    break;
  }
  if (news.kind == Telling::Kind::failed && news.went_back_to.empty() && !news.interim)
    text += fmt::format("\nto go back: slipway rollback {}", news.service);
  return text.substr(0, kDetailsMax);
}

json::object slack_body(const Telling& news) {
  const KindName& kind = of_kind(news.kind);
  json::object body = {{"text", fmt::format("{} {}", kind.mark, slack_text(headline(news)))}, {"unfurl_links", false}};
  const std::string below = details(news);
  if (!below.empty())
    body["attachments"] = json::array{
        json::object{{"color", kind.color}, {"text", slack_text(below)}, {"fallback", slack_text(headline(news))}}};
  return body;
}

json::object webhook_body(const Telling& news) {
  json::object body = {{"type", fmt::format("deployment.{}", kind_name(news.kind))},
                       {"text", headline(news)},
                       {"service", news.service},
                       {"cluster", news.cluster},
                       {"environment", news.environment},
                       {"deployment", news.deployment},
                       {"revision", news.revision},
                       {"verdict", end_name(news.end)},
                       {"reason", news.why},
                       {"tag", news.release.tag},
                       {"digest", news.release.digest},
                       {"from", news.release.from},
                       {"commit", commit_of(news.release)},
                       {"author", news.release.author},
                       {"subject", news.release.subject},
                       {"actor", news.release.actor}};
  if (!news.went_back_to.empty()) body["backTo"] = news.went_back_to;
  if (news.took) body["seconds"] = news.took->count() / 1000;
  if (!news.evidence.tasks.empty() || !news.evidence.events.empty()) body["evidence"] = to_json(news.evidence);
  return body;
}

std::string_view github_state(const Telling& news) {
  if (news.kind == Telling::Kind::started || news.interim) return "in_progress";
  if (news.kind == Telling::Kind::succeeded) return "success";
  // A rollback that is live is the success of the older commit.
  if (news.release.action == "rollback" && news.end == End::live) return "success";
  return news.end == End::unverified || news.end == End::timed_out ? "error" : "failure";
}

std::string webhook_signature(std::string_view key, long long unix_seconds, std::string_view body) {
  return "v1=" + hex(hmac_sha256(key, fmt::format("{}.{}", unix_seconds, body)));
}

std::string find_message(const std::string& messages, std::size_t channel) {
  const std::string prefix = std::to_string(channel) + "=";
  for (const std::string& word : split(messages, ' ')) {
    if (word.starts_with(prefix)) return word.substr(prefix.size());
  }
  return {};
}

std::string place_message(const std::string& messages, std::size_t channel, const std::string& where) {
  std::vector<std::string> words = split(messages, ' ');
  const std::string prefix = std::to_string(channel) + "=";
  std::erase_if(words, [&](const std::string& word) { return word.empty() || word.starts_with(prefix); });
  words.push_back(prefix + where);
  return join(words, " ");
}

}  // namespace slipway::deployer
