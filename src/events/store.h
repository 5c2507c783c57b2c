// The bus's tables: rules, targets, the outbox of events, deliveries and their attempts.
// Every function runs on the connection it is given, so that callers decide what is one
// transaction.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "base/event.h"
#include "database/database.h"
#include "events/delivery.h"
#include "events/input.h"

namespace slipway::events {

struct Rule {
  std::string name;
  std::string pattern;   // Empty: none.
  std::string schedule;  // "rate(5 minutes)"; empty: none.
  std::string state = "ENABLED";
  std::string description;
  std::string role_arn;
  std::string created_by;
  Instant due{};  // Of a schedule: when it fires next.
  bool enabled() const { return state != "DISABLED"; }
};

struct Target {
  std::string rule;
  std::string id;
  std::string arn;
  json::object definition;  // As PutTargets received it.
  InputShape input() const;
  RetryPolicy policy() const;
  std::string dead_letter_arn() const;  // Empty: none.
};

// An event in the outbox.
struct Received {
  long long number = 0;  // Order of arrival.
  Instant at{};
  std::string event_id;
  json::object envelope;
  std::string only_rule;  // A schedule's own event goes to its rule alone.
};

enum class DeliveryState {
  pending,    // Another attempt is due at next_at.
  exhausted,  // Given up; the dead letter is still to be sent.
  delivered,
  dead,  // Given up; the dead letter is sent, or there is no queue for it.
};

struct DeliveryRow {
  long long number = 0;
  long long event_number = 0;
  std::string event_id, rule, rule_arn, target_id, target_arn, payload, dead_letter_arn;
  RetryPolicy policy;
  Instant received{};
  int attempts = 0;       // Made so far at the target.
  int dead_attempts = 0;  // Made so far at the dead-letter queue.
  Instant next_at{};
  DeliveryState state = DeliveryState::pending;
  std::string error_code, error_message, exhausted;
};

database::Schema schema();

std::optional<Rule> find_rule(database::Connection& db, const std::string& name);
std::vector<Rule> all_rules(database::Connection& db);  // By name.
void put_rule(database::Transaction& tx, const Rule& rule);
void delete_rule(database::Transaction& tx, const std::string& name);

std::vector<Target> targets_of(database::Connection& db, const std::string& rule);  // By id.
void put_target(database::Transaction& tx, const Target& target);
bool delete_target(database::Transaction& tx, const std::string& rule,
                   const std::string& id);  // False: there was none.
std::vector<std::string> rules_of_target(database::Connection& db, const std::string& arn);

json::array tags_of(database::Connection& db, const std::string& arn);
void put_tags(database::Transaction& tx, const std::string& arn, const json::array& tags);
void delete_tags(database::Transaction& tx, const std::string& arn, const std::vector<std::string>& keys);

// Appends to the outbox and returns the event's number.
long long append_event(database::Transaction& tx, const Event& event, Instant at, const std::string& only_rule = {});
void name_event(database::Transaction& tx, long long number,
                const Event& event);  // Once its id is known.
// At most `limit` events that no rule has been asked about yet, in order.
std::vector<Received> unmatched_events(database::Connection& db, int limit);
void advance_cursor(database::Transaction& tx, long long number);

// Keeps one delivery for each (event, rule, target); a repetition changes nothing.
void add_delivery(database::Transaction& tx, const DeliveryRow& row);
std::optional<DeliveryRow> find_delivery(database::Connection& db, long long number);
// How many deliveries wait for each target at `now`.
std::map<std::string, int> due_by_target(database::Connection& db, Instant now);
std::vector<long long> due_for_target(database::Connection& db, const std::string& target_arn, Instant now, int limit);
// The moment of the next attempt of any delivery after `now`.
std::optional<Instant> next_due(database::Connection& db, Instant now);
void update_delivery(database::Transaction& tx, const DeliveryRow& row);
void add_attempt(database::Transaction& tx, long long delivery, int attempt, Instant at, const std::string& code,
                 const std::string& message);
// The event as it came in, for its dead letter; empty when pruned.
std::string envelope_of(database::Connection& db, long long event_number);

// Forgets finished deliveries and events before `before`, and what exceeds `keep` newest rows.
// Unfinished ones stay.
void prune(database::Transaction& tx, Instant before, long long keep);

}  // namespace slipway::events
