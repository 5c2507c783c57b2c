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

struct StoredEvent {
  long long number = 0;  // Rises by one; the cursor of readers.
  std::string stream;
  Instant at{};
  Instant ingested_at{};
  std::string message;
};

struct Group {
  std::string name;
  Instant created_at{};
  long long retention_days = 0;  // 0: for ever.
  json::object tags;
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
  std::optional<Instant> to;        // Exclusive.
  long long after = 0;              // Events with a greater number.
  std::optional<long long> before;  // Events with a smaller number, newest first.
  int limit = 10000;
};
std::vector<StoredEvent> read(database::Connection& db, const Query& query);
// Forgets what is older than its group keeps; returns how many events.
long long prune(database::Transaction& tx, Instant now);

}  // namespace slipway::logs
