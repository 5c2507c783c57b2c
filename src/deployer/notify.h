// Notify: what people are told of a deployment, and in which words each channel hears it.  Pure.
// One line that says it all; below it the reason, the last log lines and the command that goes back.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "base/instant.h"
#include "base/json.h"
#include "deployer/channel.h"
#include "deployer/ledger.h"
#include "deployer/verdict.h"

namespace slipway::deployer {

// One piece of news.
struct Telling {
  enum class Kind { started, succeeded, failed, rolled_back };
  Kind kind = Kind::started;
  bool interim = false;  // Another piece on the same deployment follows: only messages that are edited show it.
  std::string key;       // Route::key(): whose news it is.
  std::string arn;       // The service's; says which account and region it is.
  std::string project;
  std::string environment;
  std::string service;
  std::string cluster;
  std::string deployment;
  std::string revision;
  Release release;
  End end = End::open;
  std::string why;
  Evidence evidence;
  std::string went_back_to;
  std::optional<Duration> took;
};
std::string_view kind_name(Telling::Kind kind);  // As in Channel::on.
bool wants(const Channel& channel, const Telling& news);

// "rest → production: live · latest 3f2a91c0a1b2 (was 88d01be0c3d4) · Fix rounding by ana · 1m12s"
std::string headline(const Telling& news);
// What goes below it; empty when the line says everything.
std::string details(const Telling& news);
// chat.postMessage's and an incoming webhook's: https://docs.slack.dev/messaging/formatting-message-text
json::object slack_body(const Telling& news);
json::object webhook_body(const Telling& news);
// https://docs.github.com/en/rest/deployments/statuses: "in_progress", "success", "failure", "error"
std::string_view github_state(const Telling& news);
// The commit that it deploys: by label, else by a tag that is one ("3f2a91c", "sha-3f2a91c"); empty: unknown.
std::string commit_of(const Release& release);

std::string short_digest(const std::string& digest);  // "sha256:3f2a91c0a1b2…" -> "3f2a91c0a1b2"
std::string short_duration(Duration duration);        // "1m12s"

// X-Slipway-Signature of a body sent at `unix_seconds`: "v1=" and the hexadecimal HMAC-SHA256 of "SECONDS.BODY".
std::string webhook_signature(std::string_view key, long long unix_seconds, std::string_view body);

// Where the messages of a deployment stand, so that they are edited in place: channel's place in the list -> what it
// needs.  "0=C012:1700.1 2=98765", the tag slipway:messages.
std::string find_message(const std::string& messages, std::size_t channel);
std::string place_message(const std::string& messages, std::size_t channel, const std::string& where);

}  // namespace slipway::deployer
