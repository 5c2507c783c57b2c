// The bus's tables: buses, rules, targets, tags, the outbox of events, deliveries and their attempts.
// Every function runs on the connection it is given, so that callers decide what is one transaction.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "base/event.h"
#include "database/database.h"
#include "events/delivery.h"
#include "events/entry.h"
#include "events/input.h"

namespace slipway::events {

constexpr const char* kDefaultBus = "default";

// A schedule that will not fire any more is due then.
constexpr Instant kNever{Duration::max() / 2};

struct EventBus {
  std::string name;
  std::string description;
  std::string dead_letter_arn;  // Kept for callers; only encryption, which we do not have, would send anything there.
  std::string policy;           // JSON text; empty: none.
  Instant created{};
  Instant modified{};
};

struct Rule {
  std::string bus = kDefaultBus;
  std::string name;
  std::string pattern;   // Empty: none.
  std::string schedule;  // "rate(5 minutes)", "cron(…)"; empty: none.
  std::string state = "ENABLED";
  std::string description;
  std::string role_arn;
  std::string created_by;
  std::string managed_by;  // The service whose rule it is; empty: the account's own.
  Instant due{};           // Of a schedule: when it fires next.
  bool enabled() const { return state != "DISABLED"; }
  // "rule/push", "rule/orders/push": what stands in its ARN.
  std::string resource() const { return bus == kDefaultBus ? "rule/" + name : "rule/" + bus + "/" + name; }
};

struct Target {
  std::string bus = kDefaultBus;
  std::string rule;
  std::string id;
  std::string arn;
  json::object definition;  // As PutTargets received it.
  InputShape input() const;
  RetryPolicy policy() const;
  std::string dead_letter_arn() const;  // Empty: none.
  json::object parameters() const;      // What delivery needs besides the payload: role, parameters of its kind.
};

// An event in the outbox.
struct Received {
  long long number = 0;  // Order of arrival.
  std::string bus = kDefaultBus;
  Instant at{};
  std::string event_id;
  json::value envelope;
  std::string text;  // The envelope as it is stored; of what was not read from there, empty.
  // Rules that may have it, "a,b": a schedule's own event goes to its rule alone, a replay's to those asked for.
  // Empty: all.
  std::string only_rules;
  int hops = 0;       // From bus to bus, so far.
  std::string trace;  // X-Ray's header, "Root=1-…"; empty: not traced.
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
  std::string event_id, bus = kDefaultBus, rule, rule_arn, target_id, target_arn, payload, dead_letter_arn;
  json::object parameters;
  RetryPolicy policy;
  Instant received{};
  int attempts = 0;       // Made so far at the target.
  int dead_attempts = 0;  // Made so far at the dead-letter queue.
  Instant next_at{};
  DeliveryState state = DeliveryState::pending;
  std::string error_code, error_message, exhausted;
};

struct Attempt {
  int attempt = 0;
  Instant at{};
  std::string code;  // Empty: it succeeded.
  std::string message;
};

database::Schema schema();

std::optional<EventBus> find_bus(database::Connection& db, const std::string& name);
std::vector<EventBus> list_buses(database::Connection& db, const std::string& prefix);  // By name.
void put_bus(database::Transaction& tx, const EventBus& bus);
void delete_bus(database::Transaction& tx, const std::string& name);

std::optional<Rule> find_rule(database::Connection& db, const std::string& bus, const std::string& name);
// By name, from the one after `after`; at most `limit`.
std::vector<Rule> list_rules(database::Connection& db, const std::string& bus, const std::string& prefix,
                             const std::string& after, long long limit);
std::vector<Rule> all_rules(database::Connection& db);                    // Of every bus.
long long count_rules(database::Connection& db, const std::string& bus);  // Kept by the tables, not counted.
std::vector<Rule> due_rules(database::Connection& db, Instant now);       // Whose schedule fires.
std::optional<Instant> next_rule_due(database::Connection& db);           // Of the schedules that will fire.
void put_rule(database::Transaction& tx, const Rule& rule);
void delete_rule(database::Transaction& tx, const std::string& bus, const std::string& name);

std::vector<Target> targets_of(database::Connection& db, const std::string& bus, const std::string& rule);  // By id.
void put_target(database::Transaction& tx, const Target& target);
bool delete_target(database::Transaction& tx, const std::string& bus, const std::string& rule,
                   const std::string& id);  // False: there was none.
std::vector<std::string> rules_of_target(database::Connection& db, const std::string& bus, const std::string& arn);

json::array tags_of(database::Connection& db, const std::string& arn);
void put_tags(database::Transaction& tx, const std::string& arn, const json::array& tags);
void delete_tags(database::Transaction& tx, const std::string& arn, const std::vector<std::string>& keys);
void forget_tags(database::Transaction& tx, const std::string& arn);

// Appends to the outbox and returns the event's number; `number` of what comes in is not read.
long long append_event(database::Transaction& tx, const Received& event);
// At most `limit` events that no rule has been asked about yet, in order.
std::vector<Received> unmatched_events(database::Connection& db, int limit);
bool has_unmatched(database::Connection& db);
void advance_cursor(database::Transaction& tx, long long number);
// The newest event with this id; replays of an event share its id.
std::optional<Received> find_event(database::Connection& db, const std::string& event_id);

// Keeps one delivery for each (event, rule, target); a repetition changes nothing.
void add_delivery(database::Transaction& tx, const DeliveryRow& row);
std::optional<DeliveryRow> find_delivery(database::Connection& db, long long number);
std::vector<DeliveryRow> deliveries_of(database::Connection& db, const std::string& event_id);  // In order.
// Deliveries that ended as dead, newest first; at most `limit`.
std::vector<DeliveryRow> dead_deliveries(database::Connection& db, int limit);
// Every target with a delivery that is not finished.
std::vector<std::string> waiting_targets(database::Connection& db);
// Deliveries to this target that are due at `now`, the longest waiting first; at most `limit`.
std::vector<long long> due_for_target(database::Connection& db, const std::string& target_arn, Instant now, int limit);
// The moment of the next attempt of any delivery after `now`.
std::optional<Instant> next_due(database::Connection& db, Instant now);
void update_delivery(database::Transaction& tx, const DeliveryRow& row);
// A dead delivery starts anew at `now`, with the whole retry policy before it.  False: it is not dead.
bool revive_delivery(database::Transaction& tx, long long number, Instant now);
void add_attempt(database::Transaction& tx, long long delivery, int attempt, Instant at, const std::string& code,
                 const std::string& message);
std::vector<Attempt> attempts_of(database::Connection& db, long long delivery);
// The event as it came in, for its dead letter; empty when pruned.
std::string envelope_of(database::Connection& db, long long event_number);
int hops_of(database::Connection& db, long long event_number);

// Where a pass that forgets has come to.
struct PrunePass {
  long long event = 0;  // The last event that was looked at.
  bool more = false;    // The pass goes on from there.
};
// One step of a pass: forgets finished deliveries and events before `before`, and what exceeds `keep` newest rows;
// unfinished deliveries and their events stay.  Looks at no more than `limit` rows of each, so that nobody waits long.
PrunePass prune(database::Transaction& tx, Instant before, long long keep, int limit, PrunePass from);

// What was stored was checked when it came in, so it may be nested as deep as any event.
json::value stored_json(const std::string& text);

}  // namespace slipway::events
