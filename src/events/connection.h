// Connection: how an API destination is called: its endpoint, who we say we are, and what its answer means.  Pure.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-api-destinations.html
#pragma once
#include <optional>
#include <string>

#include "base/instant.h"
#include "base/json.h"
#include "base/result.h"

namespace slipway::events {

constexpr Duration kApiTimeLimit = std::chrono::seconds(5);  // AWS's, for one call.
constexpr long long kApiRateDefault = 300;                   // Calls per second.

enum class ConnectionState { authorizing, authorized, deauthorizing, deauthorized };
const char* connection_word(ConnectionState state);  // "AUTHORIZING"…

struct Connection {
  std::string name;
  std::string id;  // The last part of its ARN.
  std::string description;
  std::string type;         // BASIC, API_KEY, OAUTH_CLIENT_CREDENTIALS
  json::object parameters;  // AuthParameters as they came in, with their secrets; they never leave in an answer.
  ConnectionState state = ConnectionState::authorized;
  std::string state_reason;
  Instant created{}, modified{}, authorized{};
  std::string resource() const { return "connection/" + name + "/" + id; }
};

struct ApiDestination {
  std::string name;
  std::string id;
  std::string description;
  std::string connection;  // The connection's ARN.
  std::string endpoint;    // "https://example.com/orders/*"
  std::string method = "POST";
  long long rate = kApiRateDefault;
  Instant created{}, modified{};
  std::string resource() const { return "api-destination/" + name + "/" + id; }
};

// A call that is ready to be sent.
struct HttpCall {
  std::string origin;  // "https://example.com"
  std::string method;
  std::string target;  // "/orders/7?from=bus"
  json::object headers;
  std::string body;
};

// Whether the parameters are those that the type needs.
Result<void> check_connection(const Connection& connection);
// https:// anywhere; http:// to this machine only, where nobody listens on the way.
Result<void> check_endpoint(const std::string& endpoint, const char* member);

// AuthParameters without what is secret: passwords, keys, and values that are marked so.
json::object public_parameters(const Connection& connection);

// HttpParameters of a target with each "$.…" replaced by what the event has there.
json::object resolve_parameters(json::object parameters, const json::object& envelope);

// The call that hands over `payload`.  `token`: of an OAuth connection.
Result<HttpCall> destination_call(const Connection& connection, const ApiDestination& destination,
                                  const json::object& http_parameters, const std::string& payload,
                                  const std::string& token);

// The call that gets an OAuth token, and the token in its answer with the seconds that it lives.
Result<HttpCall> token_call(const Connection& connection);
struct Token {
  std::string text;
  Duration lifetime{};
};
Result<Token> read_token(int status, const std::string& body);

// What an answer means for the delivery: 2xx is done; 401, 407, 409, 429 and 5xx are tried again, all else is final.
Result<void> outcome_of(int status, const std::string& endpoint);

}  // namespace slipway::events
