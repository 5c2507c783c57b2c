// Ledger: what the deployer remembers, kept in ECS itself as tags, because it has no database: of the
// service (what was deployed last, what is good, what is held), and of each revision that it registered
// (what it is, where it came from, how it ended).  Pure.
// Tags: at most 50 a resource, keys to 128 and values to 256 characters, of a small alphabet.
// https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Tag.html
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/instant.h"
#include "base/json.h"

namespace slipway::deployer {

// How many digests one list remembers: three of 71 characters fit into one value.
constexpr std::size_t kDigestsKept = 3;

// The service's own tags.
struct ServiceLedger {
  // Digests that were deployed, newest first: nothing automatic deploys them again, or one that is older than the
  // first.
  std::vector<std::string> tried;
  std::string last_tag;  // That brought in tried.front().
  std::optional<Instant> last_pushed;
  std::string deployment;         // That it made: "ecs-svc/…".
  std::string revision;           // That it deployed: "rest:42"; in tag mode the one that was there.
  std::string verdict;            // Tag mode: of that deployment, as its revision has none of its own.
  std::string failing;            // "ecs-svc/… rest:42": ECS is taking this deployment back and has not finished.
  std::vector<std::string> good;  // Digests whose verdict was live, newest first.
  std::vector<std::string> held;  // Digests that were rolled back, newest first: nothing automatic deploys them.
  std::string untold;             // News that a channel did not take: see untold.h.
  std::string frozen;             // Why nothing automatic deploys at all; empty: it may.
  std::string last() const { return tried.empty() ? "" : tried.front(); }
  bool operator==(const ServiceLedger&) const = default;
};
ServiceLedger read_ledger(const json::array& tags);

// What TagResource and UntagResource have to do to make one ledger of another.
struct TagChange {
  json::array set;
  std::vector<std::string> unset;
  bool empty() const { return set.empty() && unset.empty(); }
};
TagChange difference(const ServiceLedger& before, const ServiceLedger& after);

void remember_first(std::vector<std::string>& digests,
                    const std::string& digest);  // Newest first, kDigestsKept at most.
void forget(std::vector<std::string>& digests, const std::string& digest);

// A revision that the deployer registered.
struct Release {
  std::string digest;
  std::string tag;
  std::string event;              // The id of the event that caused it; empty: none did.
  std::string actor;              // "push", "sweep", "slipway", or who called the command.
  std::string action;             // "deploy", "rollback"
  std::optional<Instant> pushed;  // When the image was pushed.
  std::string from;               // The digest that it replaced; empty: unknown.
  std::string from_revision;      // "rest:41"
  bool from_completed = false;    // That revision's deployment had completed.
  std::string rollback_of;        // "rest:42": the revision that this takes back.
  std::string commit;
  std::string author;
  std::string subject;
  std::string verdict;  // See end_name() in verdict.h; empty: not judged yet.
  std::string reason;
  std::optional<Instant> judged;
  std::string messages;  // Where its notifications stand, for those that are edited in place: see notify.h.
  bool operator==(const Release&) const = default;
};
Release read_release(const json::array& tags);
// Every member that is set, as tags.
json::array release_tags(const Release& release);
// `tags` without the deployer's own: what others set is kept from revision to revision.
json::array foreign_tags(const json::array& tags);

// `text` as a tag's value may be: other characters become spaces, what is too long is cut.
std::string tag_text(std::string_view text);
std::string tag_value(const json::array& tags, std::string_view key);

// "arn:aws:ecs:…:task-definition/rest:42" -> "rest:42"
std::string revision_name(const std::string& task_definition_arn);

}  // namespace slipway::deployer
