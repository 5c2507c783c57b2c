#include "logs/store.h"

#include <fmt/format.h>

namespace slipway::logs {
namespace {

constexpr long long kShrinkStep = 10'000;  // Events that are looked at at once.

// Forgets the events that `where` names, and counts their bytes off their group.
long long forget(database::Transaction& tx, const std::string& group, const std::string& where,
                 const database::Arguments& arguments) {
  const auto sum = tx.query_one("SELECT COALESCE(SUM(bytes), 0) FROM log_events WHERE " + where, arguments);
  const long long count = tx.execute("DELETE FROM log_events WHERE " + where, arguments);
  tx.execute("UPDATE log_groups SET stored_bytes = MAX(0, stored_bytes - ?2) WHERE name = ?1",
             {group, sum->integer(0)});
  return count;
}

Group read_group(const database::Row& row) {
  auto tags = parse_json(row.text(3));
  return {.name = row.text(0),
          .created_at = row.instant(1),
          .retention_days = row.integer(2),
          .tags = tags && tags->is_object() ? tags->get_object() : json::object{},
          .stored_bytes = row.integer(4)};
}

Stream read_stream(const database::Row& row) {
  return {.group = row.text(0),
          .name = row.text(1),
          .created_at = row.instant(2),
          .first_at = row.instant(3),
          .last_at = row.instant(4),
          .ingested_at = row.instant(5)};
}

}  // namespace

database::Schema schema() {
  return {
      .room = "logs",
      .statements = {"CREATE TABLE log_groups (name TEXT PRIMARY KEY, created_at INTEGER NOT NULL, retention_days "
                     "INTEGER NOT NULL, tags TEXT NOT NULL)",
                     "CREATE TABLE log_streams (log_group TEXT NOT NULL, name TEXT NOT NULL, created_at INTEGER "
                     "NOT NULL, first_at INTEGER NOT NULL, "
                     "last_at INTEGER NOT NULL, ingested_at INTEGER NOT NULL, PRIMARY KEY (log_group, name))",
                     "CREATE TABLE log_events (number INTEGER PRIMARY KEY AUTOINCREMENT, log_group TEXT NOT NULL, "
                     "stream TEXT NOT NULL, at INTEGER NOT NULL, "
                     "ingested_at INTEGER NOT NULL, message TEXT NOT NULL)",
                     "CREATE INDEX log_events_of ON log_events (log_group, number)",
                     "ALTER TABLE log_groups ADD COLUMN stored_bytes INTEGER NOT NULL DEFAULT 0",
                     "ALTER TABLE log_events ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0", "DROP INDEX log_events_of",
                     "CREATE INDEX log_events_when ON log_events (log_group, at, number)",
                     "CREATE INDEX log_events_of_stream ON log_events (log_group, stream, at, number)"}};
}

void put_group(database::Transaction& tx, const Group& group) {
  tx.execute(
      "INSERT INTO log_groups (name, created_at, retention_days, tags) VALUES (?1, ?2, ?3, ?4) "
      "ON CONFLICT (name) DO UPDATE SET retention_days = ?3, tags = ?4",
      {group.name, group.created_at.ms(), group.retention_days, json::serialize(group.tags)});
}
std::optional<Group> get_group(database::Connection& db, const std::string& name) {
  const auto row = db.query_one(
      "SELECT name, created_at, retention_days, tags, stored_bytes FROM log_groups WHERE name = ?1", {name});
  if (!row) return std::nullopt;
  return read_group(*row);
}
std::vector<Group> list_groups(database::Connection& db, const std::string& prefix) {
  std::vector<Group> all;
  for (const auto& row :
       db.query("SELECT name, created_at, retention_days, tags, stored_bytes FROM log_groups WHERE substr(name, 1, "
                "length(?1)) = ?1 ORDER BY name",
                {prefix}))
    all.push_back(read_group(row));
  return all;
}
void erase_group(database::Transaction& tx, const std::string& name) {
  tx.execute("DELETE FROM log_events WHERE log_group = ?1", {name});
  tx.execute("DELETE FROM log_streams WHERE log_group = ?1", {name});
  tx.execute("DELETE FROM log_groups WHERE name = ?1", {name});
}

void put_stream(database::Transaction& tx, const Stream& stream) {
  tx.execute("INSERT OR REPLACE INTO log_streams VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
             {stream.group, stream.name, stream.created_at.ms(), stream.first_at.ms(), stream.last_at.ms(),
              stream.ingested_at.ms()});
}
std::optional<Stream> get_stream(database::Connection& db, const std::string& group, const std::string& name) {
  const auto row = db.query_one(
      "SELECT log_group, name, created_at, first_at, last_at, ingested_at FROM log_streams WHERE log_group = ?1 AND "
      "name = ?2",
      {group, name});
  if (!row) return std::nullopt;
  return read_stream(*row);
}
std::vector<Stream> list_streams(database::Connection& db, const std::string& group, const std::string& prefix) {
  std::vector<Stream> all;
  for (const auto& row : db.query("SELECT log_group, name, created_at, first_at, last_at, ingested_at FROM log_streams "
                                  "WHERE log_group = ?1 AND "
                                  "substr(name, 1, length(?2)) = ?2 ORDER BY name",
                                  {group, prefix}))
    all.push_back(read_stream(row));
  return all;
}
void erase_stream(database::Transaction& tx, const std::string& group, const std::string& name) {
  forget(tx, group, "log_group = ?1 AND stream = ?2", {group, name});
  tx.execute("DELETE FROM log_streams WHERE log_group = ?1 AND name = ?2", {group, name});
}

void append(database::Transaction& tx, const std::string& group, const std::string& stream,
            const std::vector<LogEvent>& events, Instant now) {
  if (!get_group(tx, group)) put_group(tx, {.name = group, .created_at = now});
  Stream own = get_stream(tx, group, stream).value_or(Stream{.group = group, .name = stream, .created_at = now});
  long long bytes = 0;
  for (const LogEvent& event : events) {
    const auto size = static_cast<long long>(event.message.size());
    bytes += size;
    tx.execute(
        "INSERT INTO log_events (log_group, stream, at, ingested_at, message, bytes) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        {group, stream, event.at.ms(), now.ms(), event.message, size});
    if (own.first_at == Instant{} || event.at < own.first_at) own.first_at = event.at;
    if (event.at > own.last_at) own.last_at = event.at;
  }
  own.ingested_at = now;
  put_stream(tx, own);
  tx.execute("UPDATE log_groups SET stored_bytes = stored_bytes + ?2 WHERE name = ?1", {group, bytes});
}

std::vector<StoredEvent> read(database::Connection& db, const Query& query) {
  std::string sql = "SELECT number, stream, at, ingested_at, message FROM log_events WHERE log_group = ?1 AND at >= ?2";
  database::Arguments arguments = {query.group, query.from.ms()};
  const auto bind = [&](database::Value value) {
    arguments.push_back(std::move(value));
    return fmt::format("?{}", arguments.size());
  };
  const auto pair = [&](const Position& position) {
    const std::string at = bind(position.at.ms());
    return fmt::format("({}, {})", at, bind(position.number));
  };
  if (query.to) sql += " AND at < " + bind(query.to->ms());
  if (query.after) sql += " AND (at, number) > " + pair(*query.after);
  if (query.before) sql += " AND (at, number) < " + pair(*query.before);
  if (!query.streams.empty()) {
    std::string in;
    for (const std::string& stream : query.streams) in += (in.empty() ? "" : ", ") + bind(stream);
    sql += " AND stream IN (" + in + ")";
  }
  const bool newest_first = query.newest_first || query.before.has_value();
  sql += newest_first ? " ORDER BY at DESC, number DESC LIMIT " : " ORDER BY at, number LIMIT ";
  sql += bind(static_cast<long long>(query.limit));
  std::vector<StoredEvent> events;
  for (const auto& row : db.query(sql, arguments))
    events.push_back({.number = row.integer(0),
                      .stream = row.text(1),
                      .at = row.instant(2),
                      .ingested_at = row.instant(3),
                      .message = row.text(4)});
  return events;
}

long long prune(database::Transaction& tx, Instant now) {
  long long forgotten = 0;
  for (const Group& group : list_groups(tx, "")) {
    if (group.retention_days == 0) continue;
    const Instant before = now - std::chrono::hours(24 * group.retention_days);
    forgotten += forget(tx, group.name, "log_group = ?1 AND at < ?2", {group.name, before.ms()});
    tx.execute("DELETE FROM log_streams WHERE log_group = ?1 AND last_at > 0 AND last_at < ?2",
               {group.name, before.ms()});
  }
  return forgotten;
}

long long shrink(database::Transaction& tx, long long bytes_max) {
  long long total = tx.query_one("SELECT COALESCE(SUM(stored_bytes), 0) FROM log_groups")->integer(0);
  if (total <= bytes_max) return 0;
  const long long target = bytes_max / 10 * 9;
  long long forgotten = 0;
  while (total > target) {
    const auto rows =
        tx.query("SELECT number, log_group, bytes FROM log_events ORDER BY number LIMIT ?1", {kShrinkStep});
    if (rows.empty()) break;
    long long last = 0;
    for (const auto& row : rows) {
      if (total <= target) break;
      last = row.integer(0);
      total -= row.integer(2);
      tx.execute("UPDATE log_groups SET stored_bytes = MAX(0, stored_bytes - ?2) WHERE name = ?1",
                 {row.text(1), row.integer(2)});
    }
    forgotten += tx.execute("DELETE FROM log_events WHERE number <= ?1", {last});
  }
  tx.execute(
      "DELETE FROM log_streams WHERE last_at > 0 AND NOT EXISTS (SELECT 1 FROM log_events WHERE log_events.log_group = "
      "log_streams.log_group AND log_events.stream = log_streams.name)");
  return forgotten;
}

}  // namespace slipway::logs
