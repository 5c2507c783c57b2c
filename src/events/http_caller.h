// HttpCaller: hands events to API destinations over HTTPS, as often as each allows, with the connection's
// authorization.  Tokens of OAuth connections are kept in memory until they end or are refused.
#pragma once
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/arn.h"
#include "base/task.h"
#include "database/database.h"
#include "events/connection.h"
#include "events/ports.h"
#include "host/clock.h"

namespace slipway::events {

// A delivery that would have to wait longer than this for its turn is tried again later instead.
constexpr Duration kRateWaitMax = std::chrono::seconds(5);

std::vector<std::string> connection_schema();

std::optional<Connection> find_connection(database::Connection& db, const std::string& name);
std::vector<Connection> list_connections(database::Connection& db);  // By name.
void put_connection(database::Transaction& tx, const Connection& connection);
void delete_connection(database::Transaction& tx, const std::string& name);

std::optional<ApiDestination> find_destination(database::Connection& db, const std::string& name);
std::vector<ApiDestination> list_destinations(database::Connection& db);  // By name.
void put_destination(database::Transaction& tx, const ApiDestination& destination);
void delete_destination(database::Transaction& tx, const std::string& name);

// The connection whose ARN this is.
std::optional<Connection> connection_of_arn(database::Connection& db, const Place& place, const std::string& arn);

class HttpCaller {
 public:
  HttpCaller(database::Database& db, host::Clock& clock, Place place)
      : db_(db), clock_(clock), place_(std::move(place)) {}

  task<Result<void>> deliver(Delivery delivery);
  // Gets a token for an OAuth connection that was made or changed, and records whether that went well.
  task<void> authorize(std::string name);

 private:
  struct KeptToken {
    std::string text;
    Instant until{};
  };
  task<Result<std::string>> token_of(Connection connection);
  task<Result<void>> wait_for_turn(ApiDestination destination);

  database::Database& db_;
  host::Clock& clock_;
  Place place_;
  std::map<std::string, KeptToken> tokens_;   // By the connection's id.
  std::map<std::string, Instant> next_turn_;  // By the destination's id.
};

}  // namespace slipway::events
