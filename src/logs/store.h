// The tables of logs: groups, streams, events.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "database/database.h"

namespace slipway::logs {

struct LogEvent {
  Instant at{};
  std::string message;
};

// Where a reader stands: events are read by time, those of one time by number.
struct Position {
  Instant at{};
  long long number = 0;
  bool operator==(const Position&) const = default;
};

struct StoredEvent {
  long long number = 0;  // Rises by one.
  std::string stream;
  Instant at{};
  Instant ingested_at{};
  std::string message;
  Position position() const { return {.at = at, .number = number}; }
};

struct Group {
  std::string name;
  Instant created_at{};
  long long retention_days = 0;  // 0: for ever.
  json::object tags;
  long long stored_bytes = 0;  // Of its events' texts.  Read only.
};

struct Stream {
  std::string group;
  std::string name;
  Instant created_at{};
  Instant first_at{};
  Instant last_at{};
  Instant ingested_at{};
};

database::Schema schema();

void put_group(database::Transaction& tx, const Group& group);
std::optional<Group> get_group(database::Connection& db, const std::string& name);
std::vector<Group> list_groups(database::Connection& db, const std::string& prefix);
void erase_group(database::Transaction& tx, const std::string& name);  // With its streams and events.

void put_stream(database::Transaction& tx, const Stream& stream);
std::optional<Stream> get_stream(database::Connection& db, const std::string& group, const std::string& name);
std::vector<Stream> list_streams(database::Connection& db, const std::string& group, const std::string& prefix);
void erase_stream(database::Transaction& tx, const std::string& group, const std::string& name);

// Makes group and stream when they are missing.
void append(database::Transaction& tx, const std::string& group, const std::string& stream,
            const std::vector<LogEvent>& events, Instant now);

struct Query {
  std::string group;
  std::vector<std::string> streams;  // Empty: all.
  Instant from{};
  std::optional<Instant> to;       // Exclusive.
  std::optional<Position> after;   // Later ones, oldest first.
  std::optional<Position> before;  // Earlier ones, newest first.
  bool newest_first = false;
  int limit = 10000;
};
std::vector<StoredEvent> read(database::Connection& db, const Query& query);
// Forgets what is older than its group keeps, and streams that lost all they had; returns how many events.
long long prune(database::Transaction& tx, Instant now);
// When all groups hold more than `bytes_max`: forgets the oldest until nine tenths of that are left; returns how many
// events.
long long shrink(database::Transaction& tx, long long bytes_max);

}  // namespace slipway::logs
