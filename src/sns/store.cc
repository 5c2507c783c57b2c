#include "sns/store.h"

#include "base/text.h"

namespace slipway::sns {

namespace {

constexpr const char* kSubscriptionColumns =
    "SELECT arn, topic, protocol, endpoint, raw, token, created FROM sns_subscriptions ";

json::object stored_object(const std::string& text) {
  const auto parsed = parse_json(text);
  return parsed && parsed->is_object() ? parsed->get_object() : json::object{};
}

std::string to_text(const Attributes& attributes) {
  json::object out;
  for (const auto& [name, value] : attributes) out[name] = value;
  return json::serialize(out);
}

std::string to_text(const MessageAttributes& attributes) {
  json::object out;
  for (const auto& [name, attribute] : attributes)
    out[name] = json::array{attribute.type, base64_encode(attribute.value)};
  return json::serialize(out);
}

MessageAttributes message_attributes(const std::string& text) {
  MessageAttributes out;
  for (const auto& entry : stored_object(text)) {
    const auto& pair = entry.value().as_array();
    out[entry.key()] = {.type = std::string(view(pair.at(0).as_string())),
                        .value = base64_decode(view(pair.at(1).as_string())).value_or("")};
  }
  return out;
}

Topic to_topic(const database::Row& row) {
  Topic topic{.name = row.text(0), .attributes = {}, .tags = stored_object(row.text(2))};
  for (const auto& entry : stored_object(row.text(1))) topic.attributes[entry.key()] = view(entry.value().as_string());
  return topic;
}

Subscription to_subscription(const database::Row& row) {
  return {.arn = row.text(0),
          .topic = row.text(1),
          .protocol = row.text(2),
          .endpoint = row.text(3),
          .raw = row.integer(4) != 0,
          .token = row.text(5),
          .created = row.instant(6)};
}

std::vector<Subscription> to_subscriptions(const database::Rows& rows) {
  std::vector<Subscription> out;
  for (const auto& row : rows) out.push_back(to_subscription(row));
  return out;
}

std::optional<Subscription> first(const database::Rows& rows) {
  if (rows.empty()) return std::nullopt;
  return to_subscription(rows.front());
}

std::string subscriptions(const char* rest) {
  return std::string(kSubscriptionColumns) + rest;
}

}  // namespace

database::Schema schema() {
  return {
      .room = "sns",
      .statements = {
          "CREATE TABLE sns_topics (name TEXT PRIMARY KEY, attributes TEXT NOT NULL, tags TEXT NOT NULL)",
          "CREATE TABLE sns_subscriptions (arn TEXT PRIMARY KEY, topic TEXT NOT NULL, protocol TEXT NOT NULL, "
          "endpoint TEXT NOT NULL, raw INTEGER NOT NULL, token TEXT NOT NULL, created INTEGER NOT NULL, UNIQUE "
          "(topic, protocol, endpoint))",
          "CREATE TABLE sns_deliveries (number INTEGER PRIMARY KEY AUTOINCREMENT, subscription TEXT NOT NULL, topic "
          "TEXT NOT NULL, protocol TEXT NOT NULL, endpoint TEXT NOT NULL, type TEXT NOT NULL, message_id TEXT NOT "
          "NULL, raw INTEGER NOT NULL, body TEXT NOT NULL, attributes TEXT NOT NULL, attempts INTEGER NOT NULL, "
          "next_at INTEGER NOT NULL)",
          "CREATE INDEX sns_deliveries_due ON sns_deliveries (subscription, next_at)",
          "CREATE INDEX sns_deliveries_next ON sns_deliveries (next_at)",
      }};
}

std::optional<Topic> find_topic(database::Connection& db, const std::string& name) {
  const auto row = db.query_one("SELECT name, attributes, tags FROM sns_topics WHERE name = ?1", {name});
  if (!row) return std::nullopt;
  return to_topic(*row);
}

std::vector<Topic> list_topics(database::Connection& db, const std::string& after, long long limit) {
  std::vector<Topic> out;
  for (const auto& row :
       db.query("SELECT name, attributes, tags FROM sns_topics WHERE name > ?1 ORDER BY name LIMIT ?2", {after, limit}))
    out.push_back(to_topic(row));
  return out;
}

void put_topic(database::Transaction& tx, const Topic& topic) {
  tx.execute("INSERT OR REPLACE INTO sns_topics VALUES (?1, ?2, ?3)",
             {topic.name, to_text(topic.attributes), json::serialize(topic.tags)});
}

void delete_topic(database::Transaction& tx, const std::string& name) {
  tx.execute("DELETE FROM sns_deliveries WHERE topic = ?1", {name});
  tx.execute("DELETE FROM sns_subscriptions WHERE topic = ?1", {name});
  tx.execute("DELETE FROM sns_topics WHERE name = ?1", {name});
}

std::optional<Subscription> find_subscription(database::Connection& db, const std::string& arn) {
  return first(db.query(subscriptions("WHERE arn = ?1"), {arn}));
}

std::vector<Subscription> list_subscriptions(database::Connection& db, const std::string& topic,
                                             const std::string& after, long long limit) {
  return to_subscriptions(db.query(subscriptions("WHERE arn > ?1 AND (?2 = '' OR topic = ?2) ORDER BY arn LIMIT ?3"),
                                   {after, topic, limit}));
}

std::optional<Subscription> subscription_to(database::Connection& db, const std::string& topic,
                                            const std::string& protocol, const std::string& endpoint) {
  return first(
      db.query(subscriptions("WHERE topic = ?1 AND protocol = ?2 AND endpoint = ?3"), {topic, protocol, endpoint}));
}

std::vector<Subscription> confirmed_subscriptions(database::Connection& db, const std::string& topic) {
  return to_subscriptions(db.query(subscriptions("WHERE topic = ?1 AND token = '' ORDER BY arn"), {topic}));
}

std::optional<Subscription> awaiting(database::Connection& db, const std::string& topic, const std::string& token) {
  if (token.empty()) return std::nullopt;
  return first(db.query(subscriptions("WHERE topic = ?1 AND token = ?2"), {topic, token}));
}

SubscriptionCounts count_subscriptions(database::Connection& db, const std::string& topic) {
  const auto row = db.query_one(
      "SELECT COUNT(*) FILTER (WHERE token = ''), COUNT(*) FILTER (WHERE token <> '') FROM sns_subscriptions WHERE "
      "topic = ?1",
      {topic});
  return {.confirmed = row->integer(0), .pending = row->integer(1)};
}

void put_subscription(database::Transaction& tx, const Subscription& one) {
  tx.execute(
      "INSERT OR REPLACE INTO sns_subscriptions VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
      {one.arn, one.topic, one.protocol, one.endpoint, static_cast<long long>(one.raw), one.token, one.created.ms()});
}

bool delete_subscription(database::Transaction& tx, const std::string& arn) {
  tx.execute("DELETE FROM sns_deliveries WHERE subscription = ?1", {arn});
  return tx.execute("DELETE FROM sns_subscriptions WHERE arn = ?1", {arn}) > 0;
}

void forget_unconfirmed(database::Transaction& tx, Instant before) {
  for (const auto& row :
       tx.query("SELECT arn FROM sns_subscriptions WHERE token <> '' AND created < ?1", {before.ms()}))
    delete_subscription(tx, row.text(0));
}

void add_delivery(database::Transaction& tx, const Delivery& one) {
  tx.execute(
      "INSERT INTO sns_deliveries (subscription, topic, protocol, endpoint, type, message_id, raw, body, attributes, "
      "attempts, next_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 0, ?10)",
      {one.subscription, one.topic, one.protocol, one.endpoint, one.type, one.message_id,
       static_cast<long long>(one.raw), one.body, to_text(one.attributes), one.next_at.ms()});
}

std::optional<Delivery> find_delivery(database::Connection& db, long long number) {
  const auto row = db.query_one(
      "SELECT number, subscription, topic, protocol, endpoint, type, message_id, raw, body, attributes, attempts, "
      "next_at FROM sns_deliveries WHERE number = ?1",
      {number});
  if (!row) return std::nullopt;
  return Delivery{.number = row->integer(0),
                  .subscription = row->text(1),
                  .topic = row->text(2),
                  .protocol = row->text(3),
                  .endpoint = row->text(4),
                  .type = row->text(5),
                  .message_id = row->text(6),
                  .raw = row->integer(7) != 0,
                  .body = row->text(8),
                  .attributes = message_attributes(row->text(9)),
                  .attempts = static_cast<int>(row->integer(10)),
                  .next_at = row->instant(11)};
}

void put_off(database::Transaction& tx, long long number, int attempts, Instant next_at) {
  tx.execute("UPDATE sns_deliveries SET attempts = ?2, next_at = ?3 WHERE number = ?1",
             {number, static_cast<long long>(attempts), next_at.ms()});
}

void end_delivery(database::Transaction& tx, long long number) {
  tx.execute("DELETE FROM sns_deliveries WHERE number = ?1", {number});
}

std::vector<std::string> waiting_subscriptions(database::Connection& db) {
  // Steps from one to the next through the index: the cost is that of the subscriptions, not of what waits for them.
  std::vector<std::string> out;
  for (const auto& row :
       db.query("WITH RECURSIVE them(arn) AS (SELECT MIN(subscription) FROM sns_deliveries UNION ALL SELECT (SELECT "
                "MIN(subscription) FROM sns_deliveries WHERE subscription > them.arn) FROM them WHERE them.arn IS NOT "
                "NULL) SELECT arn FROM them WHERE arn IS NOT NULL"))
    out.push_back(row.text(0));
  return out;
}

std::vector<long long> due_for(database::Connection& db, const std::string& subscription, Instant now, int limit) {
  std::vector<long long> out;
  for (const auto& row : db.query("SELECT number FROM sns_deliveries WHERE subscription = ?1 AND next_at <= ?2 ORDER "
                                  "BY next_at, number LIMIT ?3",
                                  {subscription, now.ms(), static_cast<long long>(limit)}))
    out.push_back(row.integer(0));
  return out;
}

std::optional<Instant> next_due(database::Connection& db, Instant now) {
  const auto row = db.query_one("SELECT MIN(next_at) FROM sns_deliveries WHERE next_at > ?1", {now.ms()});
  if (!row || row->is_null(0)) return std::nullopt;
  return row->instant(0);
}

}  // namespace slipway::sns
