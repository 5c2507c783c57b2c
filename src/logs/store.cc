#include "logs/store.h"

#include <fmt/format.h>

namespace slipway::logs {
namespace {

Group read_group(const database::Row& row) {
  auto tags = parse_json(row.text(3));
  return {.name = row.text(0),
          .created_at = row.instant(1),
          .retention_days = row.integer(2),
          .tags = tags && tags->is_object() ? tags->get_object() : json::object{}};
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
  return {.room = "logs",
          .statements = {"CREATE TABLE log_groups (name TEXT PRIMARY KEY, created_at INTEGER NOT NULL, retention_days "
                         "INTEGER NOT NULL, tags TEXT NOT NULL)",
                         "CREATE TABLE log_streams (log_group TEXT NOT NULL, name TEXT NOT NULL, created_at INTEGER "
                         "NOT NULL, first_at INTEGER NOT NULL, "
                         "last_at INTEGER NOT NULL, ingested_at INTEGER NOT NULL, PRIMARY KEY (log_group, name))",
                         "CREATE TABLE log_events (number INTEGER PRIMARY KEY AUTOINCREMENT, log_group TEXT NOT NULL, "
                         "stream TEXT NOT NULL, at INTEGER NOT NULL, "
                         "ingested_at INTEGER NOT NULL, message TEXT NOT NULL)",
                         "CREATE INDEX log_events_of ON log_events (log_group, number)"}};
}

void put_group(database::Transaction& tx, const Group& group) {
  tx.execute("INSERT OR REPLACE INTO log_groups VALUES (?1, ?2, ?3, ?4)",
             {group.name, group.created_at.ms(), group.retention_days, json::serialize(group.tags)});
}
std::optional<Group> get_group(database::Connection& db, const std::string& name) {
  const auto row =
      db.query_one("SELECT name, created_at, retention_days, tags FROM log_groups WHERE name = ?1", {name});
  if (!row) return std::nullopt;
  return read_group(*row);
}
std::vector<Group> list_groups(database::Connection& db, const std::string& prefix) {
  std::vector<Group> all;
  for (const auto& row : db.query("SELECT name, created_at, retention_days, tags FROM log_groups WHERE substr(name, 1, "
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
  tx.execute("DELETE FROM log_events WHERE log_group = ?1 AND stream = ?2", {group, name});
  tx.execute("DELETE FROM log_streams WHERE log_group = ?1 AND name = ?2", {group, name});
}

void append(database::Transaction& tx, const std::string& group, const std::string& stream,
            const std::vector<LogEvent>& events, Instant now) {
  if (!get_group(tx, group)) put_group(tx, {.name = group, .created_at = now});
  Stream own = get_stream(tx, group, stream).value_or(Stream{.group = group, .name = stream, .created_at = now});
  for (const LogEvent& event : events) {
    tx.execute("INSERT INTO log_events (log_group, stream, at, ingested_at, message) VALUES (?1, ?2, ?3, ?4, ?5)",
               {group, stream, event.at.ms(), now.ms(), event.message});
    if (own.first_at == Instant{} || event.at < own.first_at) own.first_at = event.at;
    if (event.at > own.last_at) own.last_at = event.at;
  }
  own.ingested_at = now;
  put_stream(tx, own);
}

std::vector<StoredEvent> read(database::Connection& db, const Query& query) {
  std::string sql =
      "SELECT number, stream, at, ingested_at, message FROM log_events WHERE log_group = ?1 AND at >= ?2 AND number > "
      "?3";
  database::Arguments arguments = {query.group, query.from.ms(), query.after};
  const auto bind = [&](database::Value value) {
    arguments.push_back(std::move(value));
    return fmt::format("?{}", arguments.size());
  };
  if (query.to) sql += " AND at < " + bind(query.to->ms());
  if (query.before) sql += " AND number < " + bind(*query.before);
  if (!query.streams.empty()) {
    std::string in;
    for (const std::string& stream : query.streams) in += (in.empty() ? "" : ", ") + bind(stream);
    sql += " AND stream IN (" + in + ")";
  }
  sql += query.before ? " ORDER BY number DESC LIMIT " : " ORDER BY number LIMIT ";
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
    forgotten += tx.execute("DELETE FROM log_events WHERE log_group = ?1 AND at < ?2", {group.name, before.ms()});
  }
  return forgotten;
}

}  // namespace slipway::logs
