#include "events/connection.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "base/text.h"
#include "events/input.h"

namespace slipway::events {

namespace {

constexpr Duration kTokenLifetimeDefault = std::chrono::minutes(5);  // Of a token that does not say.

std::unexpected<Error> invalid(std::string message) {
  return fail(Fault::invalid, "ValidationException", std::move(message));
}

std::string encode(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                       c == '_' || c == '.' || c == '~';
    if (plain) {
      out += c;
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

std::string form_of(const json::object& fields) {
  std::vector<std::string> parts;
  for (const auto& field : fields) {
    if (field.value().is_string())
      parts.push_back(encode(field.key()) + "=" + encode(view(field.value().get_string())));
  }
  return join(parts, "&");
}

struct Url {
  std::string origin;
  std::string target;
};

Url split_url(const std::string& url) {
  const auto start = url.find("://") + 3;
  const auto slash = url.find_first_of("/?", start);
  if (slash == std::string::npos) return {.origin = url, .target = "/"};
  const std::string target = url.substr(slash);
  return {.origin = url.substr(0, slash), .target = target.starts_with('/') ? target : "/" + target};
}

void add_query(std::string& target, const json::object& fields) {
  const auto form = form_of(fields);
  if (!form.empty()) target += (target.contains('?') ? "&" : "?") + form;
}

// [{Key, Value}…] of a connection as an object.
json::object pairs(const json::object& parameters, std::string_view name) {
  json::object out;
  for (const auto& value : get_array(parameters, name)) {
    if (!value.is_object()) continue;
    out[get_string(value.get_object(), "Key")] = get_string(value.get_object(), "Value");
  }
  return out;
}

// The payload with the connection's body parameters as further members of it.
std::string with_body(const std::string& payload, const json::object& more) {
  if (more.empty()) return payload;
  auto parsed = parse_json(payload);
  if (!parsed || !parsed->is_object()) return payload;
  for (const auto& member : more) parsed->get_object()[member.key()] = member.value();
  return json::serialize(*parsed);
}

bool has_body(const std::string& method) {
  return method != "GET" && method != "HEAD" && method != "OPTIONS";
}

json::value resolved(const json::value& value, const json::object& envelope) {
  if (value.is_string() && value.get_string().starts_with("$.")) {
    const auto found = parse_json(shape_input({.path = std::string(view(value.get_string()))}, envelope, {}));
    if (!found || found->is_null()) return "";
    return found->is_string() ? *found : json::value(json::serialize(*found));
  }
  if (value.is_array()) {
    json::array out;
    for (const auto& element : value.get_array()) out.push_back(resolved(element, envelope));
    return out;
  }
  if (value.is_object()) {
    json::object out;
    for (const auto& member : value.get_object()) out[member.key()] = resolved(member.value(), envelope);
    return out;
  }
  return value;
}

// Takes the secrets out of {HeaderParameters, QueryStringParameters, BodyParameters}.
json::object public_http(json::object parameters) {
  for (auto& list : parameters) {
    if (!list.value().is_array()) continue;
    for (auto& pair : list.value().get_array()) {
      if (pair.is_object() && get_bool(pair.get_object(), "IsValueSecret")) pair.get_object().erase("Value");
    }
  }
  return parameters;
}

}  // namespace

const char* connection_word(ConnectionState state) {
  switch (state) {
    case ConnectionState::authorizing:
      return "AUTHORIZING";
    case ConnectionState::authorized:
      return "AUTHORIZED";
    case ConnectionState::deauthorizing:
      return "DEAUTHORIZING";
    case ConnectionState::deauthorized:
      break;
  }
  return "DEAUTHORIZED";
}

Result<void> check_endpoint(const std::string& endpoint, const char* member) {
  const auto local = [&](std::string_view host) {
    const auto prefix = "http://" + std::string(host);
    return endpoint.starts_with(prefix) &&
           (endpoint.size() == prefix.size() || std::string_view(":/?").contains(endpoint[prefix.size()]));
  };
  const bool secure = endpoint.starts_with("https://") && endpoint.size() > 8 && endpoint[8] != '/';
  if (secure || local("127.0.0.1") || local("localhost")) return {};
  return invalid(std::string("Parameter ") + member +
                 " is not valid. Reason: it must be an HTTPS endpoint (or http:// to 127.0.0.1 or localhost).");
}

Result<void> check_connection(const Connection& connection) {
  const char* needed = connection.type == "BASIC"     ? "BasicAuthParameters"
                       : connection.type == "API_KEY" ? "ApiKeyAuthParameters"
                                                      : "OAuthParameters";
  for (const auto* name : {"BasicAuthParameters", "ApiKeyAuthParameters", "OAuthParameters"}) {
    if (has(connection.parameters, name) != (std::string_view(name) == needed))
      return invalid("Parameter AuthParameters is not valid. Reason: the authorization type " + connection.type +
                     " takes " + needed + " and no other.");
  }
  if (connection.type != "OAUTH_CLIENT_CREDENTIALS") return {};
  const auto oauth = get_object(connection.parameters, "OAuthParameters");
  return check_endpoint(get_string(oauth, "AuthorizationEndpoint"), "AuthorizationEndpoint");
}

json::object public_parameters(const Connection& connection) {
  json::object out;
  for (const auto& given : connection.parameters) {
    if (!given.value().is_object()) continue;
    json::object shown = given.value().get_object();
    if (given.key() == "BasicAuthParameters") shown.erase("Password");
    if (given.key() == "ApiKeyAuthParameters") shown.erase("ApiKeyValue");
    if (given.key() == "OAuthParameters") {
      json::object client = get_object(shown, "ClientParameters");
      client.erase("ClientSecret");
      shown["ClientParameters"] = std::move(client);
      if (has(shown, "OAuthHttpParameters"))
        shown["OAuthHttpParameters"] = public_http(get_object(shown, "OAuthHttpParameters"));
    }
    if (given.key() == "InvocationHttpParameters") shown = public_http(std::move(shown));
    out[given.key()] = std::move(shown);
  }
  return out;
}

json::object resolve_parameters(json::object parameters, const json::object& envelope) {
  if (has(parameters, "HttpParameters"))
    parameters["HttpParameters"] = resolved(parameters.at("HttpParameters"), envelope);
  return parameters;
}

Result<HttpCall> destination_call(const Connection& connection, const ApiDestination& destination,
                                  const json::object& http_parameters, const std::string& payload,
                                  const std::string& token) {
  std::string endpoint = destination.endpoint;
  for (const auto& value : get_strings(http_parameters, "PathParameterValues")) {
    const auto star = endpoint.find('*');
    if (star == std::string::npos) break;
    endpoint.replace(star, 1, encode(value));
  }
  if (endpoint.contains('*'))
    return fail(Fault::unsupported, "INVALID_PARAMETER",
                "The endpoint " + destination.endpoint + " has more * than the target has PathParameterValues.");
  auto [origin, target] = split_url(endpoint);
  HttpCall call{.origin = std::move(origin), .method = destination.method, .target = std::move(target)};
  // What the connection says goes before what the target says.
  const auto common = get_object(connection.parameters, "InvocationHttpParameters");
  auto query = get_object(http_parameters, "QueryStringParameters");
  for (const auto& pair : pairs(common, "QueryStringParameters")) query[pair.key()] = pair.value();
  add_query(call.target, query);
  call.headers = {{"User-Agent", "Amazon/EventBridge/ApiDestinations"}};
  for (const auto& pair : get_object(http_parameters, "HeaderParameters")) call.headers[pair.key()] = pair.value();
  for (const auto& pair : pairs(common, "HeaderParameters")) call.headers[pair.key()] = pair.value();
  if (has_body(call.method)) {
    call.body = with_body(payload, pairs(common, "BodyParameters"));
    if (!has(call.headers, "Content-Type")) call.headers["Content-Type"] = "application/json; charset=utf-8";
  }
  if (connection.type == "BASIC") {
    const auto basic = get_object(connection.parameters, "BasicAuthParameters");
    call.headers["Authorization"] =
        "Basic " + base64_encode(get_string(basic, "Username") + ":" + get_string(basic, "Password"));
  } else if (connection.type == "API_KEY") {
    const auto key = get_object(connection.parameters, "ApiKeyAuthParameters");
    call.headers[get_string(key, "ApiKeyName")] = get_string(key, "ApiKeyValue");
  } else {
    call.headers["Authorization"] = "Bearer " + token;
  }
  return call;
}

Result<HttpCall> token_call(const Connection& connection) {
  const auto oauth = get_object(connection.parameters, "OAuthParameters");
  const auto client = get_object(oauth, "ClientParameters");
  const auto more = get_object(oauth, "OAuthHttpParameters");
  auto [origin, target] = split_url(get_string(oauth, "AuthorizationEndpoint"));
  HttpCall call{.origin = std::move(origin), .method = get_string(oauth, "HttpMethod"), .target = std::move(target)};
  json::object fields{{"grant_type", "client_credentials"},
                      {"client_id", get_string(client, "ClientID")},
                      {"client_secret", get_string(client, "ClientSecret")}};
  for (const auto& pair : pairs(more, "BodyParameters")) fields[pair.key()] = pair.value();
  add_query(call.target, pairs(more, "QueryStringParameters"));
  call.headers = {{"User-Agent", "Amazon/EventBridge/ApiDestinations"}, {"Accept", "application/json"}};
  for (const auto& pair : pairs(more, "HeaderParameters")) call.headers[pair.key()] = pair.value();
  if (call.method == "GET") {
    add_query(call.target, fields);
  } else {
    call.body = form_of(fields);
    call.headers["Content-Type"] = "application/x-www-form-urlencoded";
  }
  return call;
}

Result<Token> read_token(int status, const std::string& body) {
  const auto parsed = parse_json(trim(body));
  const auto text = parsed && parsed->is_object() ? get_string(parsed->get_object(), "access_token") : std::string();
  if (status / 100 != 2 || text.empty())
    return fail(Fault::unavailable, "AuthorizationFailed",
                fmt::format("The authorization endpoint answered {}{}.", status,
                            status / 100 == 2 ? " without an access_token" : ""));
  const auto seconds = get_int(parsed->get_object(), "expires_in", kTokenLifetimeDefault / std::chrono::seconds(1));
  return Token{.text = text, .lifetime = std::chrono::seconds(seconds)};
}

Result<void> outcome_of(int status, const std::string& endpoint) {
  if (status / 100 == 2) return {};
  const auto text = fmt::format("{} answered {}", endpoint, status);
  if (status == 401 || status == 407) return fail(Fault::unavailable, "NotAuthorized", text);
  if (status == 409 || status == 429) return fail(Fault::throttled, "Throttled", text);
  if (status / 100 == 5) return fail(Fault::unavailable, "ServerError", text);
  return fail(Fault::unsupported, "SDK_CLIENT_ERROR", text);
}

}  // namespace slipway::events
