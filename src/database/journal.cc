#include "database/journal.h"

namespace slipway::database {

Schema journal_schema() {
  return {
      .room = "journal",
      .statements = {
          "CREATE TABLE journal (number INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, kind TEXT NOT NULL, "
          "subject TEXT NOT NULL, text TEXT NOT NULL, detail TEXT NOT NULL)"}};
}

void append_journal(Transaction& tx, Instant at, std::string kind, std::string subject, std::string text,
                    json::object detail) {
  tx.execute("INSERT INTO journal (at, kind, subject, text, detail) VALUES (?1, ?2, ?3, ?4, ?5)",
             {at.ms(), std::move(kind), std::move(subject), std::move(text), json::serialize(detail)});
}

std::vector<JournalEntry> read_journal(Connection& db, long long after, int limit) {
  std::vector<JournalEntry> entries;
  for (const Row& row : db.query(
           "SELECT number, at, kind, subject, text, detail FROM journal WHERE number > ?1 ORDER BY number LIMIT ?2",
           {after, static_cast<long long>(limit)})) {
    const auto detail = parse_json(row.text(5));
    entries.push_back({.number = row.integer(0),
                       .at = row.instant(1),
                       .kind = row.text(2),
                       .subject = row.text(3),
                       .text = row.text(4),
                       .detail = detail && detail->is_object() ? detail->get_object() : json::object{}});
  }
  return entries;
}

bool prune_journal(Transaction& tx, Instant before, long long keep, int limit) {
  const auto most = static_cast<long long>(limit);
  // Only the oldest are looked at: the cost is that of the step, not of what is kept.
  const auto forgotten = tx.execute(
      "DELETE FROM journal WHERE number IN (SELECT number FROM (SELECT number, at FROM journal ORDER BY number LIMIT "
      "?3) WHERE at < ?1 OR number <= (SELECT MAX(number) FROM journal) - ?2)",
      {before.ms(), keep, most});
  return forgotten >= most;
}

}  // namespace slipway::database
