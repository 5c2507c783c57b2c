// Connections and API destinations.
#include <algorithm>

#include "events/api_parts.h"
#include "events/connection.h"
#include "events/http_caller.h"

namespace slipway::events {

namespace {

using wire::Answer;
using wire::Call;

constexpr std::size_t kConnectionsMax = 3000;
constexpr std::size_t kDestinationsMax = 3000;

std::unexpected<Error> no_connection(const std::string& name) {
  return fail(Fault::not_found, "ResourceNotFoundException", "Connection '" + name + "' does not exist.");
}

std::unexpected<Error> no_destination(const std::string& name) {
  return fail(Fault::not_found, "ResourceNotFoundException", "An api-destination '" + name + "' does not exist.");
}

class Connections {
 public:
  explicit Connections(Bus& bus) : bus_(bus) {}

  task<Result<Answer>> create(Call call) {
    Connection made{.name = get_string(call.input, "Name"),
                    .id = bus_.random().uuid(),
                    .description = get_string(call.input, "Description"),
                    .type = get_string(call.input, "AuthorizationType"),
                    .parameters = get_object(call.input, "AuthParameters"),
                    .created = call.now};
    if (const auto good = check_connection(made); !good) co_return fail(good);
    renew(made, call.now);
    auto store = [made](database::Transaction& tx) -> Result<void> {
      if (find_connection(tx, made.name))
        return fail(Fault::conflict, "ResourceAlreadyExistsException", "Connection " + made.name + " already exists.");
      if (list_connections(tx).size() >= kConnectionsMax) return over_limit();
      put_connection(tx, made);
      return {};
    };
    const auto stored = co_await bus_.db().write(std::move(store));
    if (!stored) co_return fail(stored);
    bus_.authorize(made.name);
    co_return Answer{.output = short_form(made)};
  }

  task<Result<Answer>> update(Call call) {
    auto change = [input = call.input, now = call.now](database::Transaction& tx) -> Result<Connection> {
      auto connection = find_connection(tx, get_string(input, "Name"));
      if (!connection) return no_connection(get_string(input, "Name"));
      connection->description = get_string(input, "Description", connection->description);
      connection->type = get_string(input, "AuthorizationType", connection->type);
      if (has(input, "AuthParameters")) connection->parameters = get_object(input, "AuthParameters");
      if (const auto good = check_connection(*connection); !good) return fail(good);
      renew(*connection, now);
      put_connection(tx, *connection);
      return *connection;
    };
    const auto changed = co_await bus_.db().write(std::move(change));
    if (!changed) co_return fail(changed);
    bus_.authorize(changed->name);
    co_return Answer{.output = short_form(*changed)};
  }

  task<Result<Answer>> describe(Call call) {
    const auto name = get_string(call.input, "Name");
    const auto connection = find_connection(bus_.db().read(), name);
    if (!connection) co_return no_connection(name);
    auto out = listed(*connection);
    if (!connection->description.empty()) out["Description"] = connection->description;
    out["AuthParameters"] = public_parameters(*connection);
    co_return Answer{.output = std::move(out)};
  }

  task<Result<Answer>> list(Call call) {
    auto all = list_connections(bus_.db().read());
    const auto state = get_string(call.input, "ConnectionState");
    std::erase_if(all, [&](const Connection& connection) {
      return !connection.name.starts_with(get_string(call.input, "NamePrefix")) ||
             (!state.empty() && state != connection_word(connection.state));
    });
    const auto [shown, next] = page(all, call.input, [](const Connection& connection) { return connection.name; });
    json::array connections;
    for (const auto& connection : shown) connections.push_back(listed(connection));
    json::object out{{"Connections", std::move(connections)}};
    if (!next.empty()) out["NextToken"] = next;
    co_return Answer{.output = std::move(out)};
  }

  task<Result<Answer>> deauthorize(Call call) {
    auto change = [name = get_string(call.input, "Name"),
                   now = call.now](database::Transaction& tx) -> Result<Connection> {
      auto connection = find_connection(tx, name);
      if (!connection) return no_connection(name);
      connection->parameters = public_parameters(*connection);  // The secrets are forgotten.
      connection->state = ConnectionState::deauthorized;
      connection->modified = now;
      put_connection(tx, *connection);
      return *connection;
    };
    const auto changed = co_await bus_.db().write(std::move(change));
    if (!changed) co_return fail(changed);
    auto out = short_form(*changed);
    out["ConnectionState"] = connection_word(ConnectionState::deauthorizing);
    co_return Answer{.output = std::move(out)};
  }

  task<Result<Answer>> remove(Call call) {
    auto forget = [name = get_string(call.input, "Name")](database::Transaction& tx) -> Result<Connection> {
      auto connection = find_connection(tx, name);
      if (!connection) return no_connection(name);
      delete_connection(tx, name);
      return *connection;
    };
    const auto removed = co_await bus_.db().write(std::move(forget));
    if (!removed) co_return fail(removed);
    auto out = short_form(*removed);
    out["ConnectionState"] = "DELETING";
    co_return Answer{.output = std::move(out)};
  }

  task<Result<Answer>> create_destination(Call call) {
    ApiDestination made{.name = get_string(call.input, "Name"),
                        .id = bus_.random().uuid(),
                        .description = get_string(call.input, "Description"),
                        .connection = get_string(call.input, "ConnectionArn"),
                        .endpoint = get_string(call.input, "InvocationEndpoint"),
                        .method = get_string(call.input, "HttpMethod"),
                        .rate = get_int(call.input, "InvocationRateLimitPerSecond", kApiRateDefault),
                        .created = call.now,
                        .modified = call.now};
    if (const auto good = check_endpoint(made.endpoint, "InvocationEndpoint"); !good) co_return fail(good);
    auto store = [this, made](database::Transaction& tx) -> Result<void> {
      if (find_destination(tx, made.name))
        return fail(Fault::conflict, "ResourceAlreadyExistsException",
                    "An api-destination '" + made.name + "' already exists.");
      if (!connection_of_arn(tx, bus_.place(), made.connection)) return no_connection(made.connection);
      if (list_destinations(tx).size() >= kDestinationsMax) return over_limit();
      put_destination(tx, made);
      return {};
    };
    const auto stored = co_await bus_.db().write(std::move(store));
    if (!stored) co_return fail(stored);
    co_return Answer{.output = short_form(made)};
  }

  task<Result<Answer>> update_destination(Call call) {
    auto change = [this, input = call.input, now = call.now](database::Transaction& tx) -> Result<ApiDestination> {
      auto destination = find_destination(tx, get_string(input, "Name"));
      if (!destination) return no_destination(get_string(input, "Name"));
      destination->description = get_string(input, "Description", destination->description);
      destination->connection = get_string(input, "ConnectionArn", destination->connection);
      destination->endpoint = get_string(input, "InvocationEndpoint", destination->endpoint);
      destination->method = get_string(input, "HttpMethod", destination->method);
      destination->rate = get_int(input, "InvocationRateLimitPerSecond", destination->rate);
      destination->modified = now;
      if (const auto good = check_endpoint(destination->endpoint, "InvocationEndpoint"); !good) return fail(good);
      if (has(input, "ConnectionArn") && !connection_of_arn(tx, bus_.place(), destination->connection))
        return no_connection(destination->connection);
      put_destination(tx, *destination);
      return *destination;
    };
    const auto changed = co_await bus_.db().write(std::move(change));
    if (!changed) co_return fail(changed);
    co_return Answer{.output = short_form(*changed)};
  }

  task<Result<Answer>> describe_destination(Call call) {
    const auto name = get_string(call.input, "Name");
    const auto destination = find_destination(bus_.db().read(), name);
    if (!destination) co_return no_destination(name);
    auto out = listed(*destination);
    if (!destination->description.empty()) out["Description"] = destination->description;
    co_return Answer{.output = std::move(out)};
  }

  task<Result<Answer>> list_all_destinations(Call call) {
    auto all = list_destinations(bus_.db().read());
    std::erase_if(all, [&](const ApiDestination& destination) {
      return !destination.name.starts_with(get_string(call.input, "NamePrefix")) ||
             get_string(call.input, "ConnectionArn", destination.connection) != destination.connection;
    });
    const auto [shown, next] = page(all, call.input, [](const ApiDestination& one) { return one.name; });
    json::array destinations;
    for (const auto& destination : shown) destinations.push_back(listed(destination));
    json::object out{{"ApiDestinations", std::move(destinations)}};
    if (!next.empty()) out["NextToken"] = next;
    co_return Answer{.output = std::move(out)};
  }

  task<Result<Answer>> remove_destination(Call call) {
    auto forget = [name = get_string(call.input, "Name")](database::Transaction& tx) -> Result<void> {
      if (!find_destination(tx, name)) return no_destination(name);
      delete_destination(tx, name);
      return {};
    };
    const auto removed = co_await bus_.db().write(std::move(forget));
    if (!removed) co_return fail(removed);
    co_return Answer{};
  }

 private:
  // A connection that was made or changed: an OAuth one is authorized once its endpoint has given a token.
  static void renew(Connection& connection, Instant now) {
    const bool oauth = connection.type == "OAUTH_CLIENT_CREDENTIALS";
    connection.state = oauth ? ConnectionState::authorizing : ConnectionState::authorized;
    connection.state_reason.clear();
    connection.modified = now;
    if (!oauth) connection.authorized = now;
  }

  json::object short_form(const Connection& connection) const {
    json::object out{{"ConnectionArn", bus_.place().arn("events", connection.resource())},
                     {"ConnectionState", connection_word(connection.state)},
                     {"CreationTime", epoch_seconds(connection.created)},
                     {"LastModifiedTime", epoch_seconds(connection.modified)}};
    if (connection.authorized > Instant{}) out["LastAuthorizedTime"] = epoch_seconds(connection.authorized);
    return out;
  }

  json::object listed(const Connection& connection) const {
    auto out = short_form(connection);
    out["Name"] = connection.name;
    out["AuthorizationType"] = connection.type;
    if (!connection.state_reason.empty()) out["StateReason"] = connection.state_reason;
    return out;
  }

  // A destination whose connection is gone, or may not, is inactive.
  json::object short_form(const ApiDestination& destination) const {
    const auto connection = connection_of_arn(bus_.db().read(), bus_.place(), destination.connection);
    const bool active = connection && connection->state != ConnectionState::deauthorized;
    return {{"ApiDestinationArn", bus_.place().arn("events", destination.resource())},
            {"ApiDestinationState", active ? "ACTIVE" : "INACTIVE"},
            {"CreationTime", epoch_seconds(destination.created)},
            {"LastModifiedTime", epoch_seconds(destination.modified)}};
  }

  json::object listed(const ApiDestination& destination) const {
    auto out = short_form(destination);
    out["Name"] = destination.name;
    out["ConnectionArn"] = destination.connection;
    out["InvocationEndpoint"] = destination.endpoint;
    out["HttpMethod"] = destination.method;
    out["InvocationRateLimitPerSecond"] = destination.rate;
    return out;
  }

  Bus& bus_;
};

wire::Shape http_parameters_shape() {
  using namespace wire;
  const auto pairs = [](Shape key, Shape value) {
    return list(structure({optional("Key", std::move(key)), optional("Value", std::move(value)),
                           optional("IsValueSecret", boolean())}),
                0, 100);
  };
  return structure({optional("HeaderParameters", pairs(text(0, 512, "[!#$%&'*+-.^_`|~0-9a-zA-Z]+"), text(0, 512))),
                    optional("QueryStringParameters", pairs(text(0, 512), text(0, 512))),
                    optional("BodyParameters", pairs(text(), text()))});
}

wire::Shape auth_shape() {
  using namespace wire;
  const auto word = text(1, 512);
  const auto oauth = structure(
      {required("ClientParameters", structure({required("ClientID", word), required("ClientSecret", word)})),
       required("AuthorizationEndpoint", text(1, 2048)), required("HttpMethod", one_of({"GET", "POST", "PUT"})),
       optional("OAuthHttpParameters", http_parameters_shape())});
  return structure(
      {optional("BasicAuthParameters", structure({required("Username", word), required("Password", word)})),
       optional("OAuthParameters", oauth),
       optional("ApiKeyAuthParameters", structure({required("ApiKeyName", word), required("ApiKeyValue", word)})),
       optional("InvocationHttpParameters", http_parameters_shape()),
       refused("ConnectivityParameters", document(), "there are no private networks to connect through")});
}

// CreateConnection requires what UpdateConnection may leave out.
wire::Shape connection_shape(bool whole) {
  using namespace wire;
  const auto given = [&](const char* name, Shape shape) {
    return whole ? required(name, std::move(shape)) : optional(name, std::move(shape));
  };
  return structure(
      {required("Name", name_shape()), optional("Description", description_shape()),
       given("AuthorizationType", one_of({"BASIC", "OAUTH_CLIENT_CREDENTIALS", "API_KEY"})),
       given("AuthParameters", auth_shape()),
       refused("InvocationConnectivityParameters", document(), "there are no private networks to connect through"),
       refused("KmsKeyIdentifier", text(0, 2048), "there are no keys to encrypt secrets with")});
}

wire::Shape destination_shape(bool whole) {
  using namespace wire;
  const auto given = [&](const char* name, Shape shape) {
    return whole ? required(name, std::move(shape)) : optional(name, std::move(shape));
  };
  return structure({required("Name", name_shape()), optional("Description", description_shape()),
                    given("ConnectionArn", arn_shape()), given("InvocationEndpoint", text(1, 2048)),
                    given("HttpMethod", one_of({"POST", "GET", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE"})),
                    optional("InvocationRateLimitPerSecond", integer(1))});
}

}  // namespace

std::vector<wire::Operation> connection_operations(Bus& bus) {
  using namespace wire;
  const auto api = std::make_shared<Connections>(bus);
  const auto named = structure({required("Name", name_shape())});
  const auto state = one_of({"CREATING", "UPDATING", "DELETING", "AUTHORIZED", "DEAUTHORIZED", "AUTHORIZING",
                             "DEAUTHORIZING", "ACTIVE", "FAILED_CONNECTIVITY"});
  return {
      operation(api, "CreateConnection", connection_shape(true), &Connections::create),
      operation(api, "UpdateConnection", connection_shape(false), &Connections::update),
      operation(api, "DescribeConnection", named, &Connections::describe),
      operation(api, "ListConnections",
                structure(paged({optional("NamePrefix", name_shape()), optional("ConnectionState", state)})),
                &Connections::list),
      operation(api, "DeauthorizeConnection", named, &Connections::deauthorize),
      operation(api, "DeleteConnection", named, &Connections::remove),
      operation(api, "CreateApiDestination", destination_shape(true), &Connections::create_destination),
      operation(api, "UpdateApiDestination", destination_shape(false), &Connections::update_destination),
      operation(api, "DescribeApiDestination", named, &Connections::describe_destination),
      operation(api, "ListApiDestinations",
                structure(paged({optional("NamePrefix", name_shape()), optional("ConnectionArn", arn_shape())})),
                &Connections::list_all_destinations),
      operation(api, "DeleteApiDestination", named, &Connections::remove_destination),
  };
}

}  // namespace slipway::events
