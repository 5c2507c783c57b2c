#include "events/http_caller.h"

#include <algorithm>

#include "events/store.h"
#include "http/client.h"

namespace slipway::events {

namespace {

constexpr const char* kConnectionColumns =
    "name, id, description, type, parameters, state, state_reason, created, modified, authorized";
constexpr const char* kDestinationColumns =
    "name, id, description, connection, endpoint, method, rate, created, modified";
constexpr std::size_t kAnswerMax = 1024 * 1024;              // Bytes read of an answer.
constexpr Duration kTokenMargin = std::chrono::seconds(10);  // A token is not used when it ends so soon.

Connection to_connection(const database::Row& row) {
  return {.name = row.text(0),
          .id = row.text(1),
          .description = row.text(2),
          .type = row.text(3),
          .parameters = stored_json(row.text(4)).as_object(),
          .state = static_cast<ConnectionState>(row.integer(5)),
          .state_reason = row.text(6),
          .created = row.instant(7),
          .modified = row.instant(8),
          .authorized = row.instant(9)};
}

ApiDestination to_destination(const database::Row& row) {
  return {.name = row.text(0),
          .id = row.text(1),
          .description = row.text(2),
          .connection = row.text(3),
          .endpoint = row.text(4),
          .method = row.text(5),
          .rate = row.integer(6),
          .created = row.instant(7),
          .modified = row.instant(8)};
}

// "arn:…:connection/NAME/ID" -> NAME; the id is the caller's to compare.
std::string name_in(const Place& place, const std::string& arn, std::string_view kind) {
  const auto prefix = place.arn("events", std::string(kind) + "/");
  if (!arn.starts_with(prefix)) return {};
  return arn.substr(prefix.size(), arn.rfind('/') - prefix.size());
}

task<Result<http::ClientResponse>> send(HttpCall call) {
  http::ClientOptions options{.endpoint = call.origin,
                              .connect_timeout = kApiTimeLimit,
                              .read_timeout = kApiTimeLimit,
                              .body_bytes_max = kAnswerMax};
  http::ClientRequest request{.method = call.method, .target = call.target, .headers = {}, .body = call.body};
  for (const auto& header : call.headers) {
    if (header.value().is_string())
      request.headers.set(std::string(header.key()), std::string(view(header.value().get_string())));
  }
  auto fetching = http::fetch(std::move(options), std::move(request));
  auto answer = co_await with_deadline(kApiTimeLimit, std::move(fetching));
  if (!answer) co_return fail(Fault::timed_out, "Timeout", call.origin + " did not answer in 5 seconds.");
  if (!*answer && (*answer).error().fault == Fault::invalid)
    co_return fail(Fault::unavailable, (*answer).error().code, (*answer).error().message);
  co_return *std::move(answer);
}

}  // namespace

std::vector<std::string> connection_schema() {
  return {
      "CREATE TABLE events_connections (name TEXT PRIMARY KEY, id TEXT NOT NULL, description TEXT NOT NULL, type TEXT "
      "NOT NULL, parameters TEXT NOT NULL, state INTEGER NOT NULL, state_reason TEXT NOT NULL, created INTEGER NOT "
      "NULL, modified INTEGER NOT NULL, authorized INTEGER NOT NULL)",
      "CREATE TABLE events_destinations (name TEXT PRIMARY KEY, id TEXT NOT NULL, description TEXT NOT NULL, "
      "connection TEXT NOT NULL, endpoint TEXT NOT NULL, method TEXT NOT NULL, rate INTEGER NOT NULL, created INTEGER "
      "NOT NULL, modified INTEGER NOT NULL)",
  };
}

std::optional<Connection> find_connection(database::Connection& db, const std::string& name) {
  const auto row =
      db.query_one(std::string("SELECT ") + kConnectionColumns + " FROM events_connections WHERE name = ?1", {name});
  if (!row) return std::nullopt;
  return to_connection(*row);
}

std::vector<Connection> list_connections(database::Connection& db) {
  std::vector<Connection> out;
  for (const auto& row :
       db.query(std::string("SELECT ") + kConnectionColumns + " FROM events_connections ORDER BY name"))
    out.push_back(to_connection(row));
  return out;
}

void put_connection(database::Transaction& tx, const Connection& connection) {
  tx.execute("INSERT OR REPLACE INTO events_connections VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
             {connection.name, connection.id, connection.description, connection.type,
              json::serialize(connection.parameters), static_cast<long long>(connection.state), connection.state_reason,
              connection.created.ms(), connection.modified.ms(), connection.authorized.ms()});
}

void delete_connection(database::Transaction& tx, const std::string& name) {
  tx.execute("DELETE FROM events_connections WHERE name = ?1", {name});
}

std::optional<ApiDestination> find_destination(database::Connection& db, const std::string& name) {
  const auto row =
      db.query_one(std::string("SELECT ") + kDestinationColumns + " FROM events_destinations WHERE name = ?1", {name});
  if (!row) return std::nullopt;
  return to_destination(*row);
}

std::vector<ApiDestination> list_destinations(database::Connection& db) {
  std::vector<ApiDestination> out;
  for (const auto& row :
       db.query(std::string("SELECT ") + kDestinationColumns + " FROM events_destinations ORDER BY name"))
    out.push_back(to_destination(row));
  return out;
}

void put_destination(database::Transaction& tx, const ApiDestination& destination) {
  tx.execute("INSERT OR REPLACE INTO events_destinations VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
             {destination.name, destination.id, destination.description, destination.connection, destination.endpoint,
              destination.method, destination.rate, destination.created.ms(), destination.modified.ms()});
}

void delete_destination(database::Transaction& tx, const std::string& name) {
  tx.execute("DELETE FROM events_destinations WHERE name = ?1", {name});
}

std::optional<Connection> connection_of_arn(database::Connection& db, const Place& place, const std::string& arn) {
  auto connection = find_connection(db, name_in(place, arn, "connection"));
  if (!connection || place.arn("events", connection->resource()) != arn) return std::nullopt;
  return connection;
}

task<Result<std::string>> HttpCaller::token_of(Connection connection) {
  if (connection.type != "OAUTH_CLIENT_CREDENTIALS") co_return std::string();
  const auto kept = tokens_.find(connection.id);
  if (kept != tokens_.end() && kept->second.until > clock_.now() + kTokenMargin) co_return kept->second.text;
  auto call = token_call(connection);
  if (!call) co_return fail(call);
  auto answer = co_await send(*std::move(call));
  if (!answer) co_return fail(answer);
  const auto token = read_token(answer->status, answer->body);
  if (!token) co_return fail(token);
  tokens_[connection.id] = {.text = token->text, .until = clock_.now() + token->lifetime};
  co_return token->text;
}

task<Result<void>> HttpCaller::wait_for_turn(ApiDestination destination) {
  const auto now = clock_.now();
  auto& next = next_turn_[destination.id];
  const auto turn = std::max(next, now);
  if (turn - now > kRateWaitMax)
    co_return fail(Fault::throttled, "Throttled",
                   "The destination takes " + std::to_string(destination.rate) + " calls a second.");
  next = turn + Duration(std::max(1LL, 1000 / destination.rate));
  if (turn > now) co_await pause(turn - now);
  co_return Result<void>{};
}

task<Result<void>> HttpCaller::deliver(Delivery delivery) {
  const auto gone = [](std::string what) { return fail(Fault::not_found, "NO_RESOURCE", std::move(what)); };
  const auto destination = find_destination(db_.read(), name_in(place_, delivery.target_arn, "api-destination"));
  if (!destination || place_.arn("events", destination->resource()) != delivery.target_arn)
    co_return gone(delivery.target_arn + " does not exist.");
  const auto connection = connection_of_arn(db_.read(), place_, destination->connection);
  if (!connection) co_return gone("The connection " + destination->connection + " does not exist.");
  if (connection->state == ConnectionState::deauthorized)
    co_return fail(Fault::denied, "NO_PERMISSIONS", "The connection " + connection->name + " is not authorized.");
  auto turn = co_await wait_for_turn(*destination);
  if (!turn) co_return turn;
  const auto token = co_await token_of(*connection);
  if (!token) co_return fail(token);
  auto call = destination_call(*connection, *destination, get_object(delivery.parameters, "HttpParameters"),
                               delivery.payload, *token);
  if (!call) co_return fail(call);
  auto answer = co_await send(*std::move(call));
  if (!answer) co_return fail(answer);
  if (answer->status == 401 || answer->status == 407) tokens_.erase(connection->id);  // The next attempt gets another.
  co_return outcome_of(answer->status, destination->endpoint);
}

task<void> HttpCaller::authorize(std::string name) {
  const auto before = find_connection(db_.read(), name);
  if (!before || before->state != ConnectionState::authorizing) co_return;
  tokens_.erase(before->id);
  const auto token = co_await token_of(*before);
  auto record = [before = *before, token, now = clock_.now()](database::Transaction& tx) {
    auto connection = find_connection(tx, before.name);
    // Changed or gone meanwhile: whoever did that asks again.
    if (!connection || connection->id != before.id || connection->modified != before.modified) return;
    connection->state = token ? ConnectionState::authorized : ConnectionState::deauthorized;
    connection->state_reason = token ? "" : token.error().message;
    if (token) connection->authorized = now;
    put_connection(tx, *connection);
  };
  co_await db_.write(std::move(record));
}

}  // namespace slipway::events
