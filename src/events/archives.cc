#include "events/archives.h"

#include "base/text.h"

namespace slipway::events {

namespace {

constexpr const char* kArchiveColumns = "name, bus, description, pattern, retention_days, created, events, bytes";
constexpr const char* kReplayColumns =
    "name, archive, bus, description, from_at, to_at, rules, state, started, ended, last, cursor";
constexpr std::string_view kRulePrefix = "Events-Archive-";

Archive to_archive(const database::Row& row) {
  return {.name = row.text(0),
          .bus = row.text(1),
          .description = row.text(2),
          .pattern = row.text(3),
          .retention_days = row.integer(4),
          .created = row.instant(5),
          .events = row.integer(6),
          .bytes = row.integer(7)};
}

Replay to_replay(const database::Row& row) {
  Replay out{.name = row.text(0),
             .archive = row.text(1),
             .bus = row.text(2),
             .description = row.text(3),
             .from = row.instant(4),
             .to = row.instant(5),
             .rules = {},
             .state = static_cast<ReplayState>(row.integer(7)),
             .started = row.instant(8),
             .ended = row.instant(9),
             .last = row.instant(10),
             .cursor = row.integer(11)};
  if (!row.text(6).empty()) out.rules = split(row.text(6), ',');
  return out;
}

}  // namespace

const char* replay_word(ReplayState state) {
  switch (state) {
    case ReplayState::starting:
      return "STARTING";
    case ReplayState::running:
      return "RUNNING";
    case ReplayState::cancelling:
      return "CANCELLING";
    case ReplayState::completed:
      return "COMPLETED";
    case ReplayState::cancelled:
      break;
  }
  return "CANCELLED";
}

Rule archive_rule(const Archive& archive, const std::string& account) {
  auto pattern = archive.pattern.empty() ? json::object{} : parse_json(archive.pattern)->as_object();
  pattern["replay-name"] = json::array{json::object{{"exists", false}}};
  return {.bus = archive.bus,
          .name = std::string(kRulePrefix) + archive.name,
          .pattern = json::serialize(pattern),
          .created_by = account,
          .managed_by = kArchiveManager};
}

std::vector<std::string> archive_schema() {
  return {
      "CREATE TABLE events_archives (name TEXT PRIMARY KEY, bus TEXT NOT NULL, description TEXT NOT NULL, pattern TEXT "
      "NOT NULL, retention_days INTEGER NOT NULL, created INTEGER NOT NULL, events INTEGER NOT NULL, bytes INTEGER NOT "
      "NULL)",
      "CREATE TABLE events_archived (number INTEGER PRIMARY KEY AUTOINCREMENT, archive TEXT NOT NULL, at INTEGER NOT "
      "NULL, received INTEGER NOT NULL, envelope TEXT NOT NULL)",
      "CREATE INDEX events_archived_at ON events_archived (archive, at, number)",
      "CREATE INDEX events_archived_received ON events_archived (archive, received)",
      "CREATE TABLE events_replays (name TEXT PRIMARY KEY, archive TEXT NOT NULL, bus TEXT NOT NULL, description TEXT "
      "NOT NULL, from_at INTEGER NOT NULL, to_at INTEGER NOT NULL, rules TEXT NOT NULL, state INTEGER NOT NULL, "
      "started "
      "INTEGER NOT NULL, ended INTEGER NOT NULL, last INTEGER NOT NULL, cursor INTEGER NOT NULL)",
  };
}

std::optional<Archive> find_archive(database::Connection& db, const std::string& name) {
  const auto row =
      db.query_one(std::string("SELECT ") + kArchiveColumns + " FROM events_archives WHERE name = ?1", {name});
  if (!row) return std::nullopt;
  return to_archive(*row);
}

std::vector<Archive> list_archives(database::Connection& db) {
  std::vector<Archive> out;
  for (const auto& row : db.query(std::string("SELECT ") + kArchiveColumns + " FROM events_archives ORDER BY name"))
    out.push_back(to_archive(row));
  return out;
}

void put_archive(database::Transaction& tx, const Archive& archive) {
  tx.execute("INSERT OR REPLACE INTO events_archives VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
             {archive.name, archive.bus, archive.description, archive.pattern, archive.retention_days,
              archive.created.ms(), archive.events, archive.bytes});
}

void delete_archive(database::Transaction& tx, const std::string& name) {
  tx.execute("DELETE FROM events_archives WHERE name = ?1", {name});
  tx.execute("DELETE FROM events_archived WHERE archive = ?1", {name});
}

void keep_event(database::Transaction& tx, const std::string& rule, const Received& event) {
  const auto name = rule.substr(kRulePrefix.size());
  const auto text = json::serialize(event.envelope);
  const auto time = parse_iso(get_string(event.envelope.get_object(), "time")).value_or(event.at);
  tx.execute("INSERT INTO events_archived (archive, at, received, envelope) VALUES (?1, ?2, ?3, ?4)",
             {name, time.ms(), event.at.ms(), text});
  tx.execute("UPDATE events_archives SET events = events + 1, bytes = bytes + ?2 WHERE name = ?1",
             {name, static_cast<long long>(text.size())});
}

void expire_archived(database::Transaction& tx, Instant now, int limit) {
  for (const auto& archive : list_archives(tx)) {
    if (archive.retention_days == 0) continue;
    const auto before = now - std::chrono::days(archive.retention_days);
    const auto old =
        tx.query("SELECT number, LENGTH(envelope) FROM events_archived WHERE archive = ?1 AND received < ?2 LIMIT ?3",
                 {archive.name, before.ms(), static_cast<long long>(limit)});
    for (const auto& row : old) {
      tx.execute("DELETE FROM events_archived WHERE number = ?1", {row.integer(0)});
      tx.execute("UPDATE events_archives SET events = events - 1, bytes = bytes - ?2 WHERE name = ?1",
                 {archive.name, row.integer(1)});
    }
  }
}

std::optional<Replay> find_replay(database::Connection& db, const std::string& name) {
  const auto row =
      db.query_one(std::string("SELECT ") + kReplayColumns + " FROM events_replays WHERE name = ?1", {name});
  if (!row) return std::nullopt;
  return to_replay(*row);
}

std::vector<Replay> list_replays(database::Connection& db) {
  std::vector<Replay> out;
  for (const auto& row : db.query(std::string("SELECT ") + kReplayColumns + " FROM events_replays ORDER BY name"))
    out.push_back(to_replay(row));
  return out;
}

bool replays_wait(database::Connection& db) {
  return db.query_one("SELECT 1 FROM events_replays WHERE state <= 2 LIMIT 1").has_value();
}

void put_replay(database::Transaction& tx, const Replay& replay) {
  tx.execute("INSERT OR REPLACE INTO events_replays VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
             {replay.name, replay.archive, replay.bus, replay.description, replay.from.ms(), replay.to.ms(),
              join(replay.rules, ","), static_cast<long long>(replay.state), replay.started.ms(), replay.ended.ms(),
              replay.last.ms(), replay.cursor});
}

std::vector<Received> replay_step(database::Connection& db, Replay& replay, Instant now) {
  std::vector<Received> out;
  const bool fresh = replay.state == ReplayState::starting;
  if (replay.state == ReplayState::cancelling) {
    replay.state = ReplayState::cancelled;
    replay.ended = now;
    return out;
  }
  replay.state = ReplayState::running;
  const auto rows = db.query(
      "SELECT number, at, envelope FROM events_archived WHERE archive = ?1 AND at >= ?2 AND at < ?3 AND (?4 OR (at, "
      "number) > (?2, ?5)) ORDER BY at, number LIMIT ?6",
      {replay.archive, fresh ? replay.from.ms() : replay.last.ms(), replay.to.ms(), static_cast<long long>(fresh),
       replay.cursor, static_cast<long long>(kReplayBatch)});
  for (const auto& row : rows) {
    auto envelope = stored_json(row.text(2));
    envelope.get_object()["replay-name"] = replay.name;
    out.push_back({.bus = replay.bus,
                   .at = now,
                   .event_id = get_string(envelope.get_object(), "id"),
                   .envelope = std::move(envelope),
                   .only_rules = join(replay.rules, ",")});
    replay.last = row.instant(1);
    replay.cursor = row.integer(0);
  }
  if (fresh && rows.empty()) replay.last = replay.from;
  if (rows.size() < static_cast<std::size_t>(kReplayBatch)) {
    replay.state = ReplayState::completed;
    replay.ended = now;
  }
  return out;
}

}  // namespace slipway::events
