#include "deployer/ledger.h"

#include <algorithm>

#include "base/text.h"

namespace slipway::deployer {
namespace {

constexpr std::string_view kPrefix = "slipway:";
constexpr std::size_t kValueMax = 256;
constexpr std::string_view kPunctuation = " +-=._:/@";

using Pairs = std::vector<std::pair<std::string, std::string>>;

bool may_stand(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         kPunctuation.find(c) != std::string_view::npos;
}

std::vector<std::string> words(const std::string& text) {
  std::vector<std::string> out = split(text, ' ');
  std::erase(out, "");
  return out;
}

Pairs pairs_of(const ServiceLedger& ledger) {
  return {{"slipway:tried", join(ledger.tried, " ")},
          {"slipway:last-tag", ledger.last_tag},
          {"slipway:last-pushed", ledger.last_pushed ? iso_millis(*ledger.last_pushed) : ""},
          {"slipway:deployment", ledger.deployment},
          {"slipway:revision", ledger.revision},
          {"slipway:verdict", ledger.verdict},
          {"slipway:failing", ledger.failing},
          {"slipway:good", join(ledger.good, " ")},
          {"slipway:hold", join(ledger.held, " ")},
          {"slipway:untold", ledger.untold},
          {"slipway:frozen", ledger.frozen}};
}

Pairs pairs_of(const Release& release) {
  return {{"slipway:digest", release.digest},
          {"slipway:tag", release.tag},
          {"slipway:event", release.event},
          {"slipway:actor", release.actor},
          {"slipway:action", release.action},
          {"slipway:pushed", release.pushed ? iso_millis(*release.pushed) : ""},
          {"slipway:from", release.from},
          {"slipway:from-revision", release.from_revision},
          {"slipway:from-completed", release.from_completed ? "yes" : ""},
          {"slipway:rollback-of", release.rollback_of},
          {"slipway:commit", release.commit},
          {"slipway:author", release.author},
          {"slipway:subject", release.subject},
          {"slipway:verdict", release.verdict},
          {"slipway:reason", release.reason},
          {"slipway:judged", release.judged ? iso_millis(*release.judged) : ""},
          {"slipway:messages", release.messages}};
}

json::object tag_of(const std::string& key, std::string_view value) {
  return {{"key", key}, {"value", tag_text(value)}};
}

}  // namespace

std::string tag_text(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, kValueMax)) out += may_stand(c) ? c : ' ';
  return std::string(trim(out));
}

std::string tag_value(const json::array& tags, std::string_view key) {
  for (const json::value& tag : tags) {
    if (tag.is_object() && get_string(tag.get_object(), "key") == key) return get_string(tag.get_object(), "value");
  }
  return {};
}

ServiceLedger read_ledger(const json::array& tags) {
  return {.tried = words(tag_value(tags, "slipway:tried")),
          .last_tag = tag_value(tags, "slipway:last-tag"),
          .last_pushed = parse_iso(tag_value(tags, "slipway:last-pushed")),
          .deployment = tag_value(tags, "slipway:deployment"),
          .revision = tag_value(tags, "slipway:revision"),
          .verdict = tag_value(tags, "slipway:verdict"),
          .failing = tag_value(tags, "slipway:failing"),
          .good = words(tag_value(tags, "slipway:good")),
          .held = words(tag_value(tags, "slipway:hold")),
          .untold = tag_value(tags, "slipway:untold"),
          .frozen = tag_value(tags, "slipway:frozen")};
}

TagChange difference(const ServiceLedger& before, const ServiceLedger& after) {
  TagChange change;
  const Pairs old = pairs_of(before);
  const Pairs now = pairs_of(after);
  for (std::size_t i = 0; i < now.size(); ++i) {
    if (now[i].second == old[i].second) continue;
    if (now[i].second.empty()) {
      change.unset.push_back(now[i].first);
    } else {
      change.set.push_back(tag_of(now[i].first, now[i].second));
    }
  }
  return change;
}

void forget(std::vector<std::string>& digests, const std::string& digest) {
  std::erase(digests, digest);
}

void remember_first(std::vector<std::string>& digests, const std::string& digest) {
  if (digest.empty()) return;
  forget(digests, digest);
  digests.insert(digests.begin(), digest);
  if (digests.size() > kDigestsKept) digests.resize(kDigestsKept);
}

Release read_release(const json::array& tags) {
  const auto text = [&](std::string_view name) { return tag_value(tags, std::string(kPrefix).append(name)); };
  return {.digest = text("digest"),
          .tag = text("tag"),
          .event = text("event"),
          .actor = text("actor"),
          .action = text("action"),
          .pushed = parse_iso(text("pushed")),
          .from = text("from"),
          .from_revision = text("from-revision"),
          .from_completed = text("from-completed") == "yes",
          .rollback_of = text("rollback-of"),
          .commit = text("commit"),
          .author = text("author"),
          .subject = text("subject"),
          .verdict = text("verdict"),
          .reason = text("reason"),
          .judged = parse_iso(text("judged")),
          .messages = text("messages")};
}

json::array release_tags(const Release& release) {
  json::array tags;
  for (const auto& [key, value] : pairs_of(release)) {
    if (!value.empty()) tags.push_back(tag_of(key, value));
  }
  return tags;
}

json::array foreign_tags(const json::array& tags) {
  json::array out;
  for (const json::value& tag : tags) {
    if (tag.is_object() && !get_string(tag.get_object(), "key").starts_with(kPrefix)) out.push_back(tag);
  }
  return out;
}

std::string revision_name(const std::string& task_definition_arn) {
  return task_definition_arn.substr(task_definition_arn.rfind('/') + 1);
}

}  // namespace slipway::deployer
