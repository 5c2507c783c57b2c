#include "events/store.h"

namespace slipway::events {

namespace {

constexpr const char* kDeliveryColumns =
    "number, event_number, event_id, rule, rule_arn, target_id, target_arn, payload, "
    "dead_letter_arn, retries, age_ms, "
    "received, attempts, dead_attempts, next_at, state, error_code, error_message, exhausted";

Rule to_rule(const database::Row& row) {
  return {.name = row.text(0),
          .pattern = row.text(1),
          .schedule = row.text(2),
          .state = row.text(3),
          .description = row.text(4),
          .role_arn = row.text(5),
          .created_by = row.text(6),
          .due = row.instant(7)};
}

DeliveryRow to_delivery(const database::Row& row) {
  DeliveryRow out;
  out.number = row.integer(0);
  out.event_number = row.integer(1);
  out.event_id = row.text(2);
  out.rule = row.text(3);
  out.rule_arn = row.text(4);
  out.target_id = row.text(5);
  out.target_arn = row.text(6);
  out.payload = row.text(7);
  out.dead_letter_arn = row.text(8);
  out.policy = {.retries = static_cast<int>(row.integer(9)), .age = Duration(row.integer(10))};
  out.received = row.instant(11);
  out.attempts = static_cast<int>(row.integer(12));
  out.dead_attempts = static_cast<int>(row.integer(13));
  out.next_at = row.instant(14);
  out.state = static_cast<DeliveryState>(row.integer(15));
  out.error_code = row.text(16);
  out.error_message = row.text(17);
  out.exhausted = row.text(18);
  return out;
}

constexpr const char* kRuleColumns = "name, pattern, schedule, state, description, role_arn, created_by, due";

}  // namespace

InputShape Target::input() const {
  InputShape shape;
  if (has(definition, "Input")) shape.fixed = get_string(definition, "Input");
  if (has(definition, "InputPath")) shape.path = get_string(definition, "InputPath");
  if (has(definition, "InputTransformer")) {
    const auto transformer = get_object(definition, "InputTransformer");
    shape.template_text = get_string(transformer, "InputTemplate");
    for (const auto& path : get_object(transformer, "InputPathsMap")) {
      if (path.value().is_string()) shape.paths[path.key()] = view(path.value().get_string());
    }
  }
  return shape;
}

RetryPolicy Target::policy() const {
  const auto given = get_object(definition, "RetryPolicy");
  const auto seconds = get_int(given, "MaximumEventAgeInSeconds", kAgeDefault / std::chrono::seconds(1));
  return {.retries = static_cast<int>(get_int(given, "MaximumRetryAttempts", kRetriesDefault)),
          .age = std::chrono::seconds(seconds)};
}

std::string Target::dead_letter_arn() const {
  return get_string(get_object(definition, "DeadLetterConfig"), "Arn");
}

database::Schema schema() {
  return {.room = "events",
          .statements = {
              "CREATE TABLE events_rules (name TEXT PRIMARY KEY, pattern TEXT NOT NULL, schedule "
              "TEXT NOT NULL, state TEXT NOT NULL, "
              "description TEXT NOT NULL, role_arn TEXT NOT NULL, created_by TEXT NOT NULL, due "
              "INTEGER NOT NULL)",
              "CREATE TABLE events_targets (rule TEXT NOT NULL, id TEXT NOT NULL, arn TEXT NOT "
              "NULL, definition TEXT NOT NULL, "
              "PRIMARY KEY (rule, id))",
              "CREATE TABLE events_tags (arn TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT "
              "NULL, PRIMARY KEY (arn, key))",
              "CREATE TABLE events_outbox (number INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER "
              "NOT NULL, event_id TEXT NOT NULL, "
              "envelope TEXT NOT NULL, only_rule TEXT NOT NULL)",
              "CREATE TABLE events_cursor (one INTEGER PRIMARY KEY CHECK (one = 1), number INTEGER "
              "NOT NULL)",
              "INSERT INTO events_cursor VALUES (1, 0)",
              "CREATE TABLE events_deliveries (number INTEGER PRIMARY KEY AUTOINCREMENT, "
              "event_number INTEGER NOT NULL, event_id TEXT NOT "
              "NULL, rule TEXT NOT NULL, rule_arn TEXT NOT NULL, target_id TEXT NOT NULL, "
              "target_arn TEXT NOT NULL, payload TEXT NOT "
              "NULL, dead_letter_arn TEXT NOT NULL, retries INTEGER NOT NULL, age_ms INTEGER NOT "
              "NULL, received INTEGER NOT NULL, "
              "attempts INTEGER NOT NULL, dead_attempts INTEGER NOT NULL, next_at INTEGER NOT "
              "NULL, state INTEGER NOT NULL, error_code "
              "TEXT NOT NULL, error_message TEXT NOT NULL, exhausted TEXT NOT NULL, UNIQUE "
              "(event_number, rule, target_id))",
              "CREATE INDEX events_deliveries_due ON events_deliveries (target_arn, next_at) WHERE "
              "state < 2",
              "CREATE INDEX events_deliveries_next ON events_deliveries (next_at) WHERE state < 2",
              "CREATE TABLE events_attempts (delivery INTEGER NOT NULL, attempt INTEGER NOT NULL, "
              "at INTEGER NOT NULL, code TEXT NOT NULL, "
              "message TEXT NOT NULL)",
              "CREATE INDEX events_attempts_delivery ON events_attempts (delivery)",
          }};
}

std::optional<Rule> find_rule(database::Connection& db, const std::string& name) {
  const auto row = db.query_one(std::string("SELECT ") + kRuleColumns + " FROM events_rules WHERE name = ?1", {name});
  if (!row) return std::nullopt;
  return to_rule(*row);
}

std::vector<Rule> all_rules(database::Connection& db) {
  std::vector<Rule> out;
  for (const auto& row : db.query(std::string("SELECT ") + kRuleColumns + " FROM events_rules ORDER BY name"))
    out.push_back(to_rule(row));
  return out;
}

void put_rule(database::Transaction& tx, const Rule& rule) {
  tx.execute("INSERT OR REPLACE INTO events_rules VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
             {rule.name, rule.pattern, rule.schedule, rule.state, rule.description, rule.role_arn, rule.created_by,
              rule.due.ms()});
}

void delete_rule(database::Transaction& tx, const std::string& name) {
  tx.execute("DELETE FROM events_rules WHERE name = ?1", {name});
}

std::vector<Target> targets_of(database::Connection& db, const std::string& rule) {
  std::vector<Target> out;
  for (const auto& row :
       db.query("SELECT rule, id, arn, definition FROM events_targets WHERE rule = ?1 ORDER BY id", {rule})) {
    out.push_back({.rule = row.text(0),
                   .id = row.text(1),
                   .arn = row.text(2),
                   .definition = json::parse(row.text(3)).as_object()});
  }
  return out;
}

void put_target(database::Transaction& tx, const Target& target) {
  tx.execute("INSERT OR REPLACE INTO events_targets VALUES (?1, ?2, ?3, ?4)",
             {target.rule, target.id, target.arn, json::serialize(target.definition)});
}

bool delete_target(database::Transaction& tx, const std::string& rule, const std::string& id) {
  return tx.execute("DELETE FROM events_targets WHERE rule = ?1 AND id = ?2", {rule, id}) > 0;
}

std::vector<std::string> rules_of_target(database::Connection& db, const std::string& arn) {
  std::vector<std::string> out;
  for (const auto& row : db.query("SELECT DISTINCT rule FROM events_targets WHERE arn = ?1 ORDER BY rule", {arn})) {
    out.push_back(row.text(0));
  }
  return out;
}

json::array tags_of(database::Connection& db, const std::string& arn) {
  json::array out;
  for (const auto& row : db.query("SELECT key, value FROM events_tags WHERE arn = ?1 ORDER BY key", {arn})) {
    out.push_back(json::object{{"Key", row.text(0)}, {"Value", row.text(1)}});
  }
  return out;
}

void put_tags(database::Transaction& tx, const std::string& arn, const json::array& tags) {
  for (const auto& tag : tags) {
    const auto& pair = tag.as_object();
    tx.execute("INSERT OR REPLACE INTO events_tags VALUES (?1, ?2, ?3)",
               {arn, get_string(pair, "Key"), get_string(pair, "Value")});
  }
}

void delete_tags(database::Transaction& tx, const std::string& arn, const std::vector<std::string>& keys) {
  for (const auto& key : keys) tx.execute("DELETE FROM events_tags WHERE arn = ?1 AND key = ?2", {arn, key});
}

long long append_event(database::Transaction& tx, const Event& event, Instant at, const std::string& only_rule) {
  tx.execute("INSERT INTO events_outbox (at, event_id, envelope, only_rule) VALUES (?1, ?2, ?3, ?4)",
             {at.ms(), event.id, json::serialize(to_json(event)), only_rule});
  return tx.last_insert_id();
}

void name_event(database::Transaction& tx, long long number, const Event& event) {
  tx.execute("UPDATE events_outbox SET event_id = ?2, envelope = ?3 WHERE number = ?1",
             {number, event.id, json::serialize(to_json(event))});
}

std::vector<Received> unmatched_events(database::Connection& db, int limit) {
  std::vector<Received> out;
  const auto rows = db.query(
      "SELECT number, at, event_id, envelope, only_rule FROM events_outbox WHERE number > (SELECT "
      "number FROM events_cursor) "
      "ORDER BY number LIMIT ?1",
      {static_cast<long long>(limit)});
  for (const auto& row : rows) {
    out.push_back({.number = row.integer(0),
                   .at = row.instant(1),
                   .event_id = row.text(2),
                   .envelope = json::parse(row.text(3)).as_object(),
                   .only_rule = row.text(4)});
  }
  return out;
}

void advance_cursor(database::Transaction& tx, long long number) {
  tx.execute("UPDATE events_cursor SET number = ?1", {number});
}

void add_delivery(database::Transaction& tx, const DeliveryRow& row) {
  tx.execute(
      "INSERT OR IGNORE INTO events_deliveries (event_number, event_id, rule, rule_arn, target_id, "
      "target_arn, payload, "
      "dead_letter_arn, retries, age_ms, received, attempts, dead_attempts, next_at, state, "
      "error_code, error_message, exhausted) "
      "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, 0, 0, ?12, 0, '', '', '')",
      {row.event_number, row.event_id, row.rule, row.rule_arn, row.target_id, row.target_arn, row.payload,
       row.dead_letter_arn, static_cast<long long>(row.policy.retries), static_cast<long long>(row.policy.age.count()),
       row.received.ms(), row.next_at.ms()});
}

std::optional<DeliveryRow> find_delivery(database::Connection& db, long long number) {
  const auto row =
      db.query_one(std::string("SELECT ") + kDeliveryColumns + " FROM events_deliveries WHERE number = ?1", {number});
  if (!row) return std::nullopt;
  return to_delivery(*row);
}

std::map<std::string, int> due_by_target(database::Connection& db, Instant now) {
  std::map<std::string, int> out;
  const auto rows = db.query(
      "SELECT target_arn, COUNT(*) FROM events_deliveries WHERE state < 2 AND next_at <= ?1 GROUP "
      "BY target_arn",
      {now.ms()});
  for (const auto& row : rows) out[row.text(0)] = static_cast<int>(row.integer(1));
  return out;
}

std::vector<long long> due_for_target(database::Connection& db, const std::string& target_arn, Instant now, int limit) {
  std::vector<long long> out;
  const auto rows = db.query(
      "SELECT number FROM events_deliveries WHERE state < 2 AND target_arn = ?1 AND next_at <= ?2 "
      "ORDER BY next_at, number LIMIT ?3",
      {target_arn, now.ms(), static_cast<long long>(limit)});
  for (const auto& row : rows) out.push_back(row.integer(0));
  return out;
}

std::optional<Instant> next_due(database::Connection& db, Instant now) {
  const auto row =
      db.query_one("SELECT MIN(next_at) FROM events_deliveries WHERE state < 2 AND next_at > ?1", {now.ms()});
  if (!row || row->is_null(0)) return std::nullopt;
  return row->instant(0);
}

void update_delivery(database::Transaction& tx, const DeliveryRow& row) {
  tx.execute(
      "UPDATE events_deliveries SET attempts = ?2, dead_attempts = ?3, next_at = ?4, state = ?5, "
      "error_code = ?6, error_message = ?7, "
      "exhausted = ?8 WHERE number = ?1",
      {row.number, static_cast<long long>(row.attempts), static_cast<long long>(row.dead_attempts), row.next_at.ms(),
       static_cast<long long>(row.state), row.error_code, row.error_message, row.exhausted});
}

void add_attempt(database::Transaction& tx, long long delivery, int attempt, Instant at, const std::string& code,
                 const std::string& message) {
  tx.execute("INSERT INTO events_attempts VALUES (?1, ?2, ?3, ?4, ?5)",
             {delivery, static_cast<long long>(attempt), at.ms(), code, message});
}

std::string envelope_of(database::Connection& db, long long event_number) {
  const auto row = db.query_one("SELECT envelope FROM events_outbox WHERE number = ?1", {event_number});
  return row ? row->text(0) : std::string();
}

void prune(database::Transaction& tx, Instant before, long long keep) {
  tx.execute(
      "DELETE FROM events_deliveries WHERE state >= 2 AND (received < ?1 OR number <= (SELECT "
      "MAX(number) FROM events_deliveries) - ?2)",
      {before.ms(), keep});
  tx.execute("DELETE FROM events_attempts WHERE delivery NOT IN (SELECT number FROM events_deliveries)");
  tx.execute(
      "DELETE FROM events_outbox WHERE number <= (SELECT number FROM events_cursor) AND (at < ?1 "
      "OR number <= (SELECT MAX(number) FROM "
      "events_outbox) - ?2) AND number NOT IN (SELECT event_number FROM events_deliveries WHERE "
      "state < 2)",
      {before.ms(), keep});
}

}  // namespace slipway::events
