#include "events/store.h"

#include "events/archives.h"
#include "events/http_caller.h"

namespace slipway::events {

namespace {

constexpr const char* kDeliveryColumns =
    "number, event_number, event_id, rule, rule_arn, target_id, target_arn, payload, "
    "dead_letter_arn, retries, age_ms, "
    "received, attempts, dead_attempts, next_at, state, error_code, error_message, exhausted, bus, parameters";
constexpr const char* kRuleColumns =
    "bus, name, pattern, schedule, state, description, role_arn, created_by, managed_by, due";
constexpr const char* kBusColumns = "name, description, dead_letter_arn, policy, created, modified";
constexpr const char* kEventColumns = "number, at, event_id, envelope, only_rule, bus, hops, trace";

std::string select(const char* columns, const char* rest) {
  return std::string("SELECT ") + columns + " FROM " + rest;
}

EventBus to_bus(const database::Row& row) {
  return {.name = row.text(0),
          .description = row.text(1),
          .dead_letter_arn = row.text(2),
          .policy = row.text(3),
          .created = row.instant(4),
          .modified = row.instant(5)};
}

Rule to_rule(const database::Row& row) {
  return {.bus = row.text(0),
          .name = row.text(1),
          .pattern = row.text(2),
          .schedule = row.text(3),
          .state = row.text(4),
          .description = row.text(5),
          .role_arn = row.text(6),
          .created_by = row.text(7),
          .managed_by = row.text(8),
          .due = row.instant(9)};
}

std::vector<Rule> to_rules(const database::Rows& rows) {
  std::vector<Rule> out;
  for (const auto& row : rows) out.push_back(to_rule(row));
  return out;
}

Received to_received(const database::Row& row) {
  const auto text = row.text(3);
  return {.number = row.integer(0),
          .bus = row.text(5),
          .at = row.instant(1),
          .event_id = row.text(2),
          .envelope = stored_json(text),
          .text = text,
          .only_rules = row.text(4),
          .hops = static_cast<int>(row.integer(6)),
          .trace = row.text(7)};
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
  out.bus = row.text(19);
  out.parameters = stored_json(row.text(20)).as_object();
  return out;
}

database::Schema tables() {
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
              "CREATE INDEX events_rules_due ON events_rules (due) WHERE schedule <> '' AND state <> 'DISABLED'",
              // Buses besides the default one: rules and targets are keyed by their bus, too.
              "CREATE TABLE events_buses (name TEXT PRIMARY KEY, description TEXT NOT NULL, dead_letter_arn TEXT NOT "
              "NULL, policy TEXT NOT NULL, created INTEGER NOT NULL, modified INTEGER NOT NULL)",
              "INSERT INTO events_buses VALUES ('default', '', '', '', 0, 0)",
              "DROP INDEX events_rules_due",
              "ALTER TABLE events_rules RENAME TO events_rules_1",
              "CREATE TABLE events_rules (bus TEXT NOT NULL, name TEXT NOT NULL, pattern TEXT NOT NULL, schedule TEXT "
              "NOT NULL, state TEXT NOT NULL, description TEXT NOT NULL, role_arn TEXT NOT NULL, created_by TEXT NOT "
              "NULL, managed_by TEXT NOT NULL, due INTEGER NOT NULL, PRIMARY KEY (bus, name))",
              "INSERT INTO events_rules SELECT 'default', name, pattern, schedule, state, description, role_arn, "
              "created_by, '', due FROM events_rules_1",
              "DROP TABLE events_rules_1",
              "CREATE INDEX events_rules_due ON events_rules (due) WHERE schedule <> '' AND state <> 'DISABLED'",
              "ALTER TABLE events_targets RENAME TO events_targets_1",
              "CREATE TABLE events_targets (bus TEXT NOT NULL, rule TEXT NOT NULL, id TEXT NOT NULL, arn TEXT NOT "
              "NULL, definition TEXT NOT NULL, PRIMARY KEY (bus, rule, id))",
              "INSERT INTO events_targets SELECT 'default', rule, id, arn, definition FROM events_targets_1",
              "DROP TABLE events_targets_1",
              "CREATE INDEX events_targets_arn ON events_targets (bus, arn)",
              "ALTER TABLE events_outbox ADD COLUMN bus TEXT NOT NULL DEFAULT 'default'",
              "ALTER TABLE events_outbox ADD COLUMN hops INTEGER NOT NULL DEFAULT 0",
              "CREATE INDEX events_outbox_id ON events_outbox (event_id)",
              "ALTER TABLE events_deliveries ADD COLUMN bus TEXT NOT NULL DEFAULT 'default'",
              "ALTER TABLE events_deliveries ADD COLUMN parameters TEXT NOT NULL DEFAULT '{}'",
              "CREATE INDEX events_deliveries_event ON events_deliveries (event_id)",
              "CREATE INDEX events_deliveries_dead ON events_deliveries (number) WHERE state = 3",
          }};
}

// What was added after those of archives and connections.
std::vector<std::string> later_tables() {
  return {"CREATE INDEX events_deliveries_finished ON events_deliveries (number, received) WHERE state >= 2",
          // PutRule asks for the number of rules, which must not cost more with each rule.
          "CREATE TABLE events_rule_counts (bus TEXT PRIMARY KEY, rules INTEGER NOT NULL)",
          "INSERT INTO events_rule_counts SELECT bus, COUNT(*) FROM events_rules GROUP BY bus",
          "CREATE TRIGGER events_rule_added AFTER INSERT ON events_rules BEGIN INSERT INTO events_rule_counts VALUES "
          "(new.bus, 1) ON CONFLICT (bus) DO UPDATE SET rules = rules + 1; END",
          "CREATE TRIGGER events_rule_removed AFTER DELETE ON events_rules BEGIN UPDATE events_rule_counts SET rules = "
          "rules - 1 WHERE bus = old.bus; END",
          "ALTER TABLE events_outbox ADD COLUMN trace TEXT NOT NULL DEFAULT ''"};
}

// The first text that does not start with `prefix` any more and comes after all that do; empty: there is none.
std::string after_prefix(std::string prefix) {
  while (!prefix.empty() && prefix.back() == '\x7f') prefix.pop_back();
  if (!prefix.empty()) ++prefix.back();
  return prefix;
}

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

json::object Target::parameters() const {
  json::object out;
  for (const auto* name : {"RoleArn", "EcsParameters", "HttpParameters"}) {
    if (const auto* given = find(definition, name)) out[name] = *given;
  }
  return out;
}

json::value stored_json(const std::string& text) {
  json::parse_options options;
  options.max_depth = kNestingMax + 10;
  return json::parse(text, {}, options);
}

database::Schema schema() {
  database::Schema out = tables();
  for (auto& statement : archive_schema()) out.statements.push_back(std::move(statement));
  for (auto& statement : connection_schema()) out.statements.push_back(std::move(statement));
  for (auto& statement : later_tables()) out.statements.push_back(std::move(statement));
  return out;
}

std::optional<EventBus> find_bus(database::Connection& db, const std::string& name) {
  const auto row = db.query_one(select(kBusColumns, "events_buses WHERE name = ?1"), {name});
  if (!row) return std::nullopt;
  return to_bus(*row);
}

std::vector<EventBus> list_buses(database::Connection& db, const std::string& prefix) {
  std::vector<EventBus> out;
  for (const auto& row : db.query(select(kBusColumns, "events_buses ORDER BY name"))) {
    if (row.text(0).starts_with(prefix)) out.push_back(to_bus(row));
  }
  return out;
}

void put_bus(database::Transaction& tx, const EventBus& bus) {
  tx.execute("INSERT OR REPLACE INTO events_buses VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
             {bus.name, bus.description, bus.dead_letter_arn, bus.policy, bus.created.ms(), bus.modified.ms()});
}

void delete_bus(database::Transaction& tx, const std::string& name) {
  tx.execute("DELETE FROM events_buses WHERE name = ?1", {name});
}

std::optional<Rule> find_rule(database::Connection& db, const std::string& bus, const std::string& name) {
  const auto row = db.query_one(select(kRuleColumns, "events_rules WHERE bus = ?1 AND name = ?2"), {bus, name});
  if (!row) return std::nullopt;
  return to_rule(*row);
}

std::vector<Rule> list_rules(database::Connection& db, const std::string& bus, const std::string& prefix,
                             const std::string& after, long long limit) {
  return to_rules(db.query(select(kRuleColumns,
                                  "events_rules WHERE bus = ?1 AND name > ?2 AND name >= ?3 AND (?4 = '' OR name < ?4) "
                                  "ORDER BY name LIMIT ?5"),
                           {bus, after, prefix, after_prefix(prefix), limit}));
}

std::vector<Rule> all_rules(database::Connection& db) {
  return to_rules(db.query(select(kRuleColumns, "events_rules ORDER BY bus, name")));
}

long long count_rules(database::Connection& db, const std::string& bus) {
  const auto row = db.query_one("SELECT rules FROM events_rule_counts WHERE bus = ?1", {bus});
  return row ? row->integer(0) : 0;
}

std::vector<Rule> due_rules(database::Connection& db, Instant now) {
  return to_rules(db.query(
      select(kRuleColumns, "events_rules WHERE schedule <> '' AND state <> 'DISABLED' AND due <= ?1"), {now.ms()}));
}

std::optional<Instant> next_rule_due(database::Connection& db) {
  const auto row = db.query_one("SELECT MIN(due) FROM events_rules WHERE schedule <> '' AND state <> 'DISABLED'");
  if (!row || row->is_null(0)) return std::nullopt;
  return row->instant(0);
}

void put_rule(database::Transaction& tx, const Rule& rule) {
  // An update must not look like a removal and an insertion to what counts the rules.
  tx.execute(
      "INSERT INTO events_rules VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT (bus, name) DO UPDATE SET "
      "pattern = ?3, schedule = ?4, state = ?5, description = ?6, role_arn = ?7, created_by = ?8, managed_by = ?9, "
      "due = ?10",
      {rule.bus, rule.name, rule.pattern, rule.schedule, rule.state, rule.description, rule.role_arn, rule.created_by,
       rule.managed_by, rule.due.ms()});
}

void delete_rule(database::Transaction& tx, const std::string& bus, const std::string& name) {
  tx.execute("DELETE FROM events_rules WHERE bus = ?1 AND name = ?2", {bus, name});
}

std::vector<Target> targets_of(database::Connection& db, const std::string& bus, const std::string& rule) {
  std::vector<Target> out;
  for (const auto& row : db.query(
           "SELECT id, arn, definition FROM events_targets WHERE bus = ?1 AND rule = ?2 ORDER BY id", {bus, rule})) {
    out.push_back({.bus = bus,
                   .rule = rule,
                   .id = row.text(0),
                   .arn = row.text(1),
                   .definition = stored_json(row.text(2)).as_object()});
  }
  return out;
}

void put_target(database::Transaction& tx, const Target& target) {
  tx.execute("INSERT OR REPLACE INTO events_targets VALUES (?1, ?2, ?3, ?4, ?5)",
             {target.bus, target.rule, target.id, target.arn, json::serialize(target.definition)});
}

bool delete_target(database::Transaction& tx, const std::string& bus, const std::string& rule, const std::string& id) {
  return tx.execute("DELETE FROM events_targets WHERE bus = ?1 AND rule = ?2 AND id = ?3", {bus, rule, id}) > 0;
}

std::vector<std::string> rules_of_target(database::Connection& db, const std::string& bus, const std::string& arn) {
  std::vector<std::string> out;
  for (const auto& row :
       db.query("SELECT DISTINCT rule FROM events_targets WHERE bus = ?1 AND arn = ?2 ORDER BY rule", {bus, arn})) {
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

void forget_tags(database::Transaction& tx, const std::string& arn) {
  tx.execute("DELETE FROM events_tags WHERE arn = ?1", {arn});
}

long long append_event(database::Transaction& tx, const Received& event) {
  tx.execute(
      "INSERT INTO events_outbox (at, event_id, envelope, only_rule, bus, hops, trace) VALUES (?1, ?2, ?3, ?4, ?5, ?6, "
      "?7)",
      {event.at.ms(), event.event_id, json::serialize(event.envelope), event.only_rules, event.bus,
       static_cast<long long>(event.hops), event.trace});
  return tx.last_insert_id();
}

std::vector<Received> unmatched_events(database::Connection& db, int limit) {
  std::vector<Received> out;
  const auto rows = db.query(
      select(kEventColumns, "events_outbox WHERE number > (SELECT number FROM events_cursor) ORDER BY number LIMIT ?1"),
      {static_cast<long long>(limit)});
  for (const auto& row : rows) out.push_back(to_received(row));
  return out;
}

bool has_unmatched(database::Connection& db) {
  return db.query_one("SELECT 1 FROM events_outbox WHERE number > (SELECT number FROM events_cursor) LIMIT 1")
      .has_value();
}

void advance_cursor(database::Transaction& tx, long long number) {
  tx.execute("UPDATE events_cursor SET number = ?1", {number});
}

std::optional<Received> find_event(database::Connection& db, const std::string& event_id) {
  const auto row =
      db.query_one(select(kEventColumns, "events_outbox WHERE event_id = ?1 ORDER BY number DESC LIMIT 1"), {event_id});
  if (!row) return std::nullopt;
  return to_received(*row);
}

void add_delivery(database::Transaction& tx, const DeliveryRow& row) {
  tx.execute(
      "INSERT OR IGNORE INTO events_deliveries (event_number, event_id, rule, rule_arn, target_id, "
      "target_arn, payload, "
      "dead_letter_arn, retries, age_ms, received, attempts, dead_attempts, next_at, state, "
      "error_code, error_message, exhausted, bus, parameters) "
      "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, 0, 0, ?12, 0, '', '', '', ?13, ?14)",
      {row.event_number, row.event_id, row.rule, row.rule_arn, row.target_id, row.target_arn, row.payload,
       row.dead_letter_arn, static_cast<long long>(row.policy.retries), static_cast<long long>(row.policy.age.count()),
       row.received.ms(), row.next_at.ms(), row.bus, json::serialize(row.parameters)});
}

std::optional<DeliveryRow> find_delivery(database::Connection& db, long long number) {
  const auto row = db.query_one(select(kDeliveryColumns, "events_deliveries WHERE number = ?1"), {number});
  if (!row) return std::nullopt;
  return to_delivery(*row);
}

std::vector<DeliveryRow> deliveries_of(database::Connection& db, const std::string& event_id) {
  std::vector<DeliveryRow> out;
  for (const auto& row :
       db.query(select(kDeliveryColumns, "events_deliveries WHERE event_id = ?1 ORDER BY number"), {event_id}))
    out.push_back(to_delivery(row));
  return out;
}

std::vector<DeliveryRow> dead_deliveries(database::Connection& db, int limit) {
  std::vector<DeliveryRow> out;
  for (const auto& row :
       db.query(select(kDeliveryColumns, "events_deliveries WHERE state = 3 ORDER BY number DESC LIMIT ?1"),
                {static_cast<long long>(limit)}))
    out.push_back(to_delivery(row));
  return out;
}

std::vector<std::string> waiting_targets(database::Connection& db) {
  // Steps from one target to the next through the index: the cost is that of the targets, not of what waits for them.
  std::vector<std::string> out;
  for (const auto& row : db.query(
           "WITH RECURSIVE targets(arn) AS (SELECT MIN(target_arn) FROM events_deliveries WHERE state < 2 UNION ALL "
           "SELECT (SELECT MIN(target_arn) FROM events_deliveries WHERE state < 2 AND target_arn > targets.arn) FROM "
           "targets WHERE targets.arn IS NOT NULL) SELECT arn FROM targets WHERE arn IS NOT NULL"))
    out.push_back(row.text(0));
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

bool revive_delivery(database::Transaction& tx, long long number, Instant now) {
  return tx.execute(
             "UPDATE events_deliveries SET state = 0, attempts = 0, dead_attempts = 0, next_at = ?2, received = ?2, "
             "error_code = '', error_message = '', exhausted = '' WHERE number = ?1 AND state = 3",
             {number, now.ms()}) > 0;
}

void add_attempt(database::Transaction& tx, long long delivery, int attempt, Instant at, const std::string& code,
                 const std::string& message) {
  tx.execute("INSERT INTO events_attempts VALUES (?1, ?2, ?3, ?4, ?5)",
             {delivery, static_cast<long long>(attempt), at.ms(), code, message});
}

std::vector<Attempt> attempts_of(database::Connection& db, long long delivery) {
  std::vector<Attempt> out;
  for (const auto& row :
       db.query("SELECT attempt, at, code, message FROM events_attempts WHERE delivery = ?1 ORDER BY at, attempt",
                {delivery}))
    out.push_back({.attempt = static_cast<int>(row.integer(0)),
                   .at = row.instant(1),
                   .code = row.text(2),
                   .message = row.text(3)});
  return out;
}

std::string envelope_of(database::Connection& db, long long event_number) {
  const auto row = db.query_one("SELECT envelope FROM events_outbox WHERE number = ?1", {event_number});
  return row ? row->text(0) : std::string();
}

int hops_of(database::Connection& db, long long event_number) {
  const auto row = db.query_one("SELECT hops FROM events_outbox WHERE number = ?1", {event_number});
  return row ? static_cast<int>(row->integer(0)) : 0;
}

namespace {

// Deliveries that are finished and too old or too many; the oldest first.  Returns whether there may be more.
bool prune_deliveries(database::Transaction& tx, Instant before, long long keep, int limit) {
  const auto rows = tx.query(
      "SELECT number FROM (SELECT number, received FROM events_deliveries WHERE state >= 2 ORDER BY number LIMIT ?3) "
      "WHERE received < ?1 OR number <= (SELECT MAX(number) FROM events_deliveries) - ?2",
      {before.ms(), keep, static_cast<long long>(limit)});
  for (const auto& row : rows) {
    tx.execute("DELETE FROM events_attempts WHERE delivery = ?1", {row.integer(0)});
    tx.execute("DELETE FROM events_deliveries WHERE number = ?1", {row.integer(0)});
  }
  return rows.size() >= static_cast<std::size_t>(limit);
}

}  // namespace

PrunePass prune(database::Transaction& tx, Instant before, long long keep, int limit, PrunePass from) {
  const bool more_deliveries = prune_deliveries(tx, before, keep, limit);
  const auto newest =
      tx.query_one("SELECT COALESCE(MAX(number), 0), (SELECT number FROM events_cursor) FROM events_outbox");
  const auto rows = tx.query(
      "SELECT number, at, EXISTS (SELECT 1 FROM events_deliveries WHERE event_number = events_outbox.number AND state "
      "< "
      "2) FROM events_outbox WHERE number > ?1 AND number <= ?2 ORDER BY number LIMIT ?3",
      {from.event, newest->integer(1), static_cast<long long>(limit)});
  PrunePass pass{.event = from.event, .more = rows.size() >= static_cast<std::size_t>(limit)};
  for (const auto& row : rows) {
    pass.event = row.integer(0);
    const bool kept = row.instant(1) >= before && row.integer(0) > newest->integer(0) - keep;
    // What came after it is younger still.
    if (kept) pass.more = false;
    if (kept) break;
    if (row.integer(2) == 0) tx.execute("DELETE FROM events_outbox WHERE number = ?1", {row.integer(0)});
  }
  if (!pass.more) pass.event = 0;
  pass.more = pass.more || more_deliveries;
  return pass;
}

}  // namespace slipway::events
