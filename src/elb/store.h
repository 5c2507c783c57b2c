// The tables of elb.  Documents are kept as JSON beside their keys.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "database/database.h"

namespace slipway::elb {

database::Schema schema();

// Kinds of documents, each with a key of its own: "balancer", "group", "listener".  `arn` is the key.
struct Document {
  std::string arn;
  std::string name;
  json::object body;
};
void put(database::Transaction& tx, const std::string& kind, const Document& document);
void erase(database::Transaction& tx, const std::string& kind, const std::string& arn);
std::optional<Document> get(database::Connection& db, const std::string& kind, const std::string& arn);
std::vector<Document> list(database::Connection& db, const std::string& kind);

struct Target {
  std::string group;  // ARN
  std::string id;
  std::string address;
  int port = 0;
  int slot = 0;
  bool in_traffic = false;
  bool draining = false;
  Instant draining_at{};
};
void put(database::Transaction& tx, const Target& target);
void erase(database::Transaction& tx, const Target& target);
std::vector<Target> list_targets(database::Connection& db, const std::string& group);  // Empty: of all groups.
std::optional<Target> get_target(database::Connection& db, const std::string& group, const std::string& id);

}  // namespace slipway::elb
