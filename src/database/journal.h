// The journal: an append-only record of what happened in the region, in order, with milliseconds.  Rooms append in the
// transaction of the change itself; `slipway watch`, `events tail` and the timeline of the demo read it.  It is kept
// for a week, and of it the newest 100,000 entries. Entries are for people and tools that look on; no room decides
// anything by them.
#pragma once
#include <string>

#include "base/json.h"
#include "database/database.h"

namespace slipway::database {

constexpr Duration kJournalKept = std::chrono::hours(24 * 7);
constexpr long long kJournalEntriesKept = 100'000;

struct JournalEntry {
  long long number = 0;  // Rises by one; the cursor of readers.
  Instant at{};
  std::string kind;     // "ecr.push", "ecs.task.healthy": room, noun, what happened to it.
  std::string subject;  // What it happened to: "where-car-backend:latest", "where-car/rest-service".
  std::string text;     // One line for a person.
  json::object detail;
};

Schema journal_schema();
void append_journal(Transaction& tx, Instant at, std::string kind, std::string subject, std::string text,
                    json::object detail = {});
// At most `limit` entries after `number`, oldest first.
std::vector<JournalEntry> read_journal(Connection& db, long long after, int limit);
// Forgets entries before `before` and all but the newest `keep`; at most `limit` of them, the oldest first, so that
// nobody waits long for the writer.  True when there may be more.
bool prune_journal(Transaction& tx, Instant before, long long keep, int limit);

}  // namespace slipway::database
