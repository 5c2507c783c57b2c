// Archives: events kept of a bus, and replays that put them on it again.  The tables, and what one step of a replay
// does. https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-archive.html
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "base/arn.h"
#include "database/database.h"
#include "events/store.h"

namespace slipway::events {

constexpr int kReplayBatch = 100;  // Events put on the bus in one transaction.
constexpr std::size_t kReplaysActiveMax = 10;
constexpr const char* kArchiveManager = "prod.vhs.events.aws.internal";  // Whose rules collect for archives.

struct Archive {
  std::string name;
  std::string bus;
  std::string description;
  std::string pattern;           // Empty: every event of the bus.
  long long retention_days = 0;  // 0: for ever.
  Instant created{};
  long long events = 0;
  long long bytes = 0;
};

enum class ReplayState { starting, running, cancelling, completed, cancelled };
const char* replay_word(ReplayState state);  // "STARTING"…

struct Replay {
  std::string name;
  std::string archive;
  std::string bus;
  std::string description;
  Instant from{}, to{};            // Of the events' own times; `to` is not included.
  std::vector<std::string> rules;  // Names of those that may have the events; none: all.
  ReplayState state = ReplayState::starting;
  Instant started{};
  Instant ended{};
  Instant last{};        // Own time of the last event that was replayed.
  long long cursor = 0;  // Number of the archived event that was replayed last at `last`.
  bool active() const { return state <= ReplayState::cancelling; }
};

// The rule that collects for an archive: replayed events are not kept a second time.
Rule archive_rule(const Archive& archive, const std::string& account);

std::vector<std::string> archive_schema();

std::optional<Archive> find_archive(database::Connection& db, const std::string& name);
std::vector<Archive> list_archives(database::Connection& db);  // By name.
void put_archive(database::Transaction& tx, const Archive& archive);
void delete_archive(database::Transaction& tx, const std::string& name);  // With what it keeps.
// Keeps an event that the archive's rule, `rule`, has matched.
void keep_event(database::Transaction& tx, const std::string& rule, const Received& event);
// Forgets what has outlived its archive's retention; at most `limit` events.
void expire_archived(database::Transaction& tx, Instant now, int limit);

std::optional<Replay> find_replay(database::Connection& db, const std::string& name);
std::vector<Replay> list_replays(database::Connection& db);  // By name.
bool replays_wait(database::Connection& db);
void put_replay(database::Transaction& tx, const Replay& replay);

// One step of a replay: at most kReplayBatch events to put on its bus again, in the order of their own times, and the
// replay as it is then.  Nothing is put on a bus here.
std::vector<Received> replay_step(database::Connection& db, Replay& replay, Instant now);

}  // namespace slipway::events
