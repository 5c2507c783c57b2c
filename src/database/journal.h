// The journal: an append-only record of what happened in the region, in order, with milliseconds.  Rooms append in the
// transaction of the change itself; `slipway watch`, `events tail` and the timeline of the demo read it.
// Entries are for people and tools that look on; no room decides anything by them.
#pragma once
#include <string>

#include "base/json.h"
#include "database/database.h"

namespace slipway::database {

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

}  // namespace slipway::database
