#include "elb/store.h"

namespace slipway::elb {
namespace {

Document read_document(const database::Row& row) {
  auto body = parse_json(row.text(2));
  return {.arn = row.text(0),
          .name = row.text(1),
          .body = body && body->is_object() ? std::move(body->as_object()) : json::object{}};
}

Target read_target(const database::Row& row) {
  return {.group = row.text(0),
          .id = row.text(1),
          .address = row.text(2),
          .port = static_cast<int>(row.integer(3)),
          .slot = static_cast<int>(row.integer(4)),
          .in_traffic = row.integer(5) != 0,
          .draining = row.integer(6) != 0,
          .draining_at = row.instant(7)};
}

}  // namespace

database::Schema schema() {
  return {.room = "elb",
          .statements = {"CREATE TABLE elb_documents (kind TEXT NOT NULL, arn TEXT NOT NULL, name TEXT NOT NULL, body "
                         "TEXT NOT NULL, PRIMARY KEY (kind, arn))",
                         "CREATE TABLE elb_targets (target_group TEXT NOT NULL, id TEXT NOT NULL, address TEXT NOT "
                         "NULL, port INTEGER NOT NULL, slot INTEGER NOT NULL, "
                         "in_traffic INTEGER NOT NULL, draining INTEGER NOT NULL, draining_at INTEGER NOT NULL, "
                         "PRIMARY KEY (target_group, id))"}};
}

void put(database::Transaction& tx, const std::string& kind, const Document& document) {
  tx.execute("INSERT OR REPLACE INTO elb_documents VALUES (?1, ?2, ?3, ?4)",
             {kind, document.arn, document.name, json::serialize(document.body)});
}
void erase(database::Transaction& tx, const std::string& kind, const std::string& arn) {
  tx.execute("DELETE FROM elb_documents WHERE kind = ?1 AND arn = ?2", {kind, arn});
}
std::optional<Document> get(database::Connection& db, const std::string& kind, const std::string& arn) {
  const auto row = db.query_one("SELECT arn, name, body FROM elb_documents WHERE kind = ?1 AND arn = ?2", {kind, arn});
  if (!row) return std::nullopt;
  return read_document(*row);
}
std::vector<Document> list(database::Connection& db, const std::string& kind) {
  std::vector<Document> all;
  for (const auto& row : db.query("SELECT arn, name, body FROM elb_documents WHERE kind = ?1 ORDER BY arn", {kind}))
    all.push_back(read_document(row));
  return all;
}

void put(database::Transaction& tx, const Target& t) {
  tx.execute("INSERT OR REPLACE INTO elb_targets VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
             {t.group, t.id, t.address, static_cast<long long>(t.port), static_cast<long long>(t.slot),
              static_cast<long long>(t.in_traffic), static_cast<long long>(t.draining), t.draining_at.ms()});
}
void erase(database::Transaction& tx, const Target& t) {
  tx.execute("DELETE FROM elb_targets WHERE target_group = ?1 AND id = ?2", {t.group, t.id});
}
std::vector<Target> list_targets(database::Connection& db, const std::string& group) {
  std::vector<Target> all;
  for (const auto& row : db.query("SELECT target_group, id, address, port, slot, in_traffic, draining, draining_at "
                                  "FROM elb_targets WHERE ?1 = '' OR target_group = ?1 "
                                  "ORDER BY target_group, slot",
                                  {group}))
    all.push_back(read_target(row));
  return all;
}
std::optional<Target> get_target(database::Connection& db, const std::string& group, const std::string& id) {
  for (Target& target : list_targets(db, group)) {
    if (target.id == id) return target;
  }
  return std::nullopt;
}

}  // namespace slipway::elb
