#include "wire/door.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/log.h"
#include "base/text.h"
#include "wire/query.h"

namespace slipway::wire {
namespace {

bool speaks(const Service& service, Protocol protocol) {
  return std::ranges::find(service.protocols, protocol) != service.protocols.end();
}

const Operation* find_operation(const Service& service, std::string_view name) {
  const auto found = std::ranges::find(service.operations, name, &Operation::name);
  return found == service.operations.end() ? nullptr : &*found;
}

// Matches "/2015-03-31/functions/{FunctionName}/invocations" with the encoded path; labels come out decoded.
std::optional<std::map<std::string, std::string>> match_path(std::string_view pattern, std::string_view path) {
  while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  while (pattern.size() > 1 && pattern.ends_with('/')) pattern.remove_suffix(1);
  const auto wanted = split(pattern, '/');
  const auto given = split(path, '/');
  if (wanted.size() != given.size()) return std::nullopt;
  std::map<std::string, std::string> labels;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (wanted[i].starts_with('{')) {
      if (given[i].empty()) return std::nullopt;
      labels[wanted[i].substr(1, wanted[i].size() - 2)] = percent_decode(given[i]);
    } else if (wanted[i] != given[i]) {
      return std::nullopt;
    }
  }
  return labels;
}

std::optional<Route> route_target(std::span<const Service* const> services, const std::string& target,
                                  const http::Request& request) {
  const auto dot = target.rfind('.');
  const bool old = request.headers.get("Content-Type").find("json-1.0") != std::string::npos;
  for (const Service* service : services) {
    if (service->target_prefix.empty() || service->target_prefix != target.substr(0, dot)) continue;
    Route route;
    route.service = service;
    route.protocol = old ? Protocol::json_1_0 : Protocol::json_1_1;
    const bool posted = request.method == "POST" && dot != std::string::npos;
    route.operation = posted ? find_operation(*service, target.substr(dot + 1)) : nullptr;
    return route;
  }
  return std::nullopt;
}

std::optional<Route> route_path(std::span<const Service* const> services, const http::Request& request) {
  for (const Service* service : services) {
    if (!speaks(*service, Protocol::rest_json)) continue;
    for (const Operation& operation : service->operations) {
      if (operation.path.empty() || operation.method != request.method) continue;
      if (auto labels = match_path(operation.path, request.raw_path())) {
        Route route{
            .service = service, .operation = &operation, .protocol = Protocol::rest_json, .labels = std::move(*labels)};
        return route;
      }
    }
  }
  return std::nullopt;
}

Fields all_fields(const http::Request& request, std::string_view body) {
  Fields fields = request.query();
  const std::string type = request.headers.get("Content-Type");
  if (request.method == "POST" && (type.empty() || type.starts_with("application/x-www-form-urlencoded"))) {
    for (auto& field : parse_form(body)) fields.push_back(std::move(field));
  }
  return fields;
}

// The first value of the field `name`; empty when there is none.
std::string field(const Fields& fields, std::string_view name) {
  const auto found = std::ranges::find(fields, name, &Fields::value_type::first);
  return found == fields.end() ? std::string() : found->second;
}

std::optional<Route> route_action(std::span<const Service* const> services, const Fields& fields,
                                  std::string_view scope_service) {
  const std::string action = field(fields, "Action");
  const std::string version = field(fields, "Version");
  const Service* chosen = nullptr;
  for (const Service* service : services) {
    if (!speaks(*service, Protocol::query)) continue;
    // A signature names the service; without one the version and the action tell services apart.
    const bool named = service->name == scope_service;
    const bool fits =
        scope_service.empty() && service->version == version && find_operation(*service, action) != nullptr;
    if (named || fits) {
      chosen = service;
      break;
    }
    if (service->version == version && scope_service.empty()) chosen = service;
  }
  if (chosen == nullptr) return std::nullopt;
  return Route{.service = chosen,
               .operation = chosen->version == version ? find_operation(*chosen, action) : nullptr,
               .protocol = Protocol::query,
               .labels = {}};
}

int json_status(const Error& error) {
  switch (error.fault) {
    case Fault::unavailable:
    case Fault::timed_out:
      return 503;
    case Fault::internal:
      return 500;
    default:
      return 400;
  }
}

int rest_status(const Error& error) {
  // Lambda's, whose status their kind does not tell.
  if (error.code == "PreconditionFailedException") return 412;
  if (error.code == "RequestTooLargeException") return 413;
  switch (error.fault) {
    case Fault::not_found:
      return 404;
    case Fault::conflict:
      return 409;
    case Fault::denied:
      return 403;
    case Fault::throttled:
      return 429;
    default:
      return json_status(error);
  }
}

int query_status(const Error& error) {
  if (error.fault == Fault::not_found) {
    const bool shown = error.code == "NoSuchEntity" || error.code == "NotFound" || error.code == "ResourceNotFound";
    return shown ? 404 : 400;
  }
  if (error.code == "EntityAlreadyExists" || error.code == "DeleteConflict" || error.code == "LimitExceeded")
    return 409;
  if (error.fault == Fault::denied) return 403;
  return json_status(error);
}

http::Response json_error(Protocol protocol, const Service* service, const Error& error,
                          const std::string& request_id) {
  const json::object body = {{"__type", error.code}, {"message", error.message}};
  const bool auth = error.fault == Fault::denied && error.code != "AccessDeniedException";
  http::Response response =
      http::text_response(auth ? 403 : json_status(error), json::serialize(body),
                          protocol == Protocol::json_1_0 ? "application/x-amz-json-1.0" : "application/x-amz-json-1.1");
  response.headers.set("x-amzn-RequestId", request_id);
  response.headers.set("x-amzn-ErrorType", error.code);
  if (service != nullptr && service->query_error_code)
    response.headers.set("x-amzn-query-error",
                         service->query_error_code(error.code) + (response.status >= 500 ? ";Receiver" : ";Sender"));
  return response;
}

http::Response rest_error(const Error& error, const std::string& request_id) {
  const bool ours = rest_status(error) >= 500;
  const json::object body = {
      {"Type", ours ? "Service" : "User"}, {"message", error.message}, {"Message", error.message}};
  http::Response response = http::json_response(rest_status(error), json::serialize(body));
  response.headers.set("x-amzn-RequestId", request_id);
  response.headers.set("x-amzn-ErrorType", error.code);
  return response;
}

// The query protocol is older than the others and calls some errors by other names.
std::string query_code(const Service* service, const std::string& code) {
  if (code == "AccessDeniedException") return service != nullptr ? service->denied_code : "AccessDenied";
  if (code == "SerializationException") return "MalformedInput";
  if (code == "UnknownOperationException") return "InvalidAction";
  return code;
}

http::Response query_error(const Service* service, const Error& error, const std::string& request_id) {
  const int status = query_status(error);
  const std::string space = service != nullptr ? fmt::format(" xmlns=\"{}\"", service->xml_namespace) : "";
  const std::string body = fmt::format(
      "<ErrorResponse{}><Error><Type>{}</Type><Code>{}</Code><Message>{}</Message></Error><RequestId>{}</RequestId></"
      "ErrorResponse>\n",
      space, status >= 500 ? "Receiver" : "Sender", xml_escape(query_code(service, error.code)),
      xml_escape(error.message), request_id);
  http::Response response = http::text_response(status, body, "text/xml");
  response.headers.set("x-amzn-RequestId", request_id);
  return response;
}

// A header or query text as the member's shape wants it.
json::value scalar_of(const Shape& shape, const std::string& text) {
  if (shape.type == Type::integer) {
    long long number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error == std::errc() && end == text.data() + text.size()) return number;
  }
  if (shape.type == Type::boolean && (text == "true" || text == "false")) return text == "true";
  return json::value(text);
}

struct Decoded {
  json::object input;
  std::vector<std::string> warnings;
};

// A query member's value: a list has one for each time that its key is given.
json::value query_member(const Member& member, const std::string& name, const http::Request& request) {
  if (member.shape.type != Type::list) return scalar_of(member.shape, *request.query_value(name));
  json::array all;
  for (const auto& [key, value] : request.query()) {
    if (key == name) all.push_back(scalar_of(member.shape.members.at(0).shape, value));
  }
  return all;
}

// The input of a rest-json call, gathered from path, query, headers and body.
Result<Decoded> decode_rest(const Route& route, const http::Request& request, std::string&& body) {
  Decoded out;
  json::object& input = out.input;
  const auto& members = route.operation->input.members;
  const auto payload = std::ranges::find(members, Where::payload, &Member::where);
  if (payload != members.end()) {
    input[payload->name] = std::move(body);
  } else if (!trim(body).empty()) {
    auto parsed = parse_json(body);
    if (!parsed || !parsed->is_object())
      return fail(Fault::invalid, "SerializationException",
                  parsed ? "the body must be a JSON object" : parsed.error().message);
    input = std::move(parsed->as_object());
  }
  std::vector<std::string> keys;
  for (const Member& member : members) {
    const std::string& name = member.wire_name.empty() ? member.name : member.wire_name;
    // What travels elsewhere is not taken from the body.
    if (member.where != Where::body && member.where != Where::payload) input.erase(member.name);
    if (member.where == Where::path && route.labels.contains(name)) input[member.name] = route.labels.at(name);
    if (member.where == Where::query) {
      keys.push_back(name);
      if (request.query_value(name)) input[member.name] = query_member(member, name, request);
    }
    if (member.where == Where::header) {
      if (const auto value = request.headers.find(name)) input[member.name] = scalar_of(member.shape, *value);
    }
  }
  for (const auto& [key, value] : request.query()) {
    const bool known = key.starts_with("X-Amz-") || std::ranges::find(keys, key) != keys.end();
    if (!known && out.warnings.size() < kShownMax)
      out.warnings.push_back(fmt::format("{}: this query parameter is not known here and was ignored", key));
  }
  return out;
}

Result<Decoded> decode_input(const Route& route, const http::Request& request, std::string&& body) {
  if (route.protocol == Protocol::rest_json) return decode_rest(route, request, std::move(body));
  if (route.protocol == Protocol::query) {
    auto fields = decode_fields(all_fields(request, body), route.operation->input);
    if (!fields) return fail(fields);
    return Decoded{.input = std::move(*fields), .warnings = {}};
  }
  if (trim(body).empty()) return Decoded{};
  auto parsed = parse_json(body);
  if (!parsed) return fail(Fault::invalid, "SerializationException", parsed.error().message);
  if (!parsed->is_object()) return fail(Fault::invalid, "SerializationException", "the input must be a JSON object");
  return Decoded{.input = std::move(parsed->as_object()), .warnings = {}};
}

http::Response encode(const Route& route, Answer answer, const std::string& request_id) {
  http::Response response;
  if (answer.payload) {
    response = http::text_response(answer.status, std::move(*answer.payload), "application/json");
  } else if (route.protocol == Protocol::query) {
    const std::string& name = route.operation->name;
    response =
        http::text_response(answer.status,
                            fmt::format("<{0}Response "
                                        "xmlns=\"{1}\"><{0}Result>{2}</{0}Result><ResponseMetadata><RequestId>{3}</"
                                        "RequestId></ResponseMetadata></{0}Response>\n",
                                        name, route.service->xml_namespace, encode_xml(answer.output), request_id),
                            "text/xml");
  } else if (route.protocol == Protocol::rest_json) {
    const bool empty = answer.status == 204 || answer.status == 202;
    response = http::json_response(answer.status, empty && answer.output.empty() ? "" : json::serialize(answer.output));
  } else {
    response = http::text_response(
        answer.status, json::serialize(answer.output),
        route.protocol == Protocol::json_1_0 ? "application/x-amz-json-1.0" : "application/x-amz-json-1.1");
  }
  for (const auto& [name, value] : answer.headers.entries()) response.headers.set(name, value);
  response.headers.set("x-amzn-RequestId", request_id);
  for (const std::string& warning : answer.warnings) response.headers.add("X-Slipway-Warning", warning);
  return response;
}

Error unknown_operation(const Route& route, const http::Request& request, std::string_view body) {
  if (route.protocol == Protocol::query) {
    const Fields fields = all_fields(request, body);
    const std::string action = field(fields, "Action");
    const std::string version = field(fields, "Version");
    if (action.empty())
      return {Fault::invalid, "MissingAction", "The request is missing an action or a required parameter."};
    return {Fault::invalid, "InvalidAction",
            fmt::format("Could not find operation {} for version {}", action,
                        version.empty() ? "NO_VERSION_SPECIFIED" : version)};
  }
  return {
      Fault::invalid, route.service->unknown_operation_code,
      fmt::format("{} is not an operation that this region has", request.headers.get("X-Amz-Target", request.target))};
}

// Checks and runs; the error is the caller's to encode.
task<Result<Answer>> perform(const Service& service, const Operation& operation, json::object input, Call context,
                             Allow allow) {
  auto checked = check(operation.input, input, service.validation_code);
  if (!checked) co_return fail(checked);
  context.operation = operation.name;
  context.input = std::move(checked->input);
  if (allow) {
    const auto allowed = allow(service, operation, context);
    if (!allowed) co_return fail(allowed);
  }
  auto answer = co_await operation.handler(std::move(context));
  if (answer) answer->warnings.insert(answer->warnings.begin(), checked->warnings.begin(), checked->warnings.end());
  co_return answer;
}

}  // namespace

std::optional<Route> route(std::span<const Service* const> services, const http::Request& request,
                           std::string_view body, std::string_view scope_service) {
  if (const auto target = request.headers.find("X-Amz-Target")) return route_target(services, *target, request);
  if (auto by_path = route_path(services, request)) return by_path;
  auto by_action = route_action(services, all_fields(request, body), scope_service);
  if (by_action) return by_action;
  // No operation can be told; the error is in the shape that the service's clients read.
  for (const Service* service : services) {
    if (service->name == scope_service)
      return Route{.service = service, .operation = nullptr, .protocol = service->protocols.front(), .labels = {}};
  }
  return std::nullopt;
}

http::Response error_response(Protocol protocol, const Service* service, const Error& error,
                              const std::string& request_id) {
  if (protocol == Protocol::query) return query_error(service, error, request_id);
  if (protocol == Protocol::rest_json) return rest_error(error, request_id);
  return json_error(protocol, service, error, request_id);
}

task<http::Response> serve(Route route, const http::Request& request, std::string body, Call context, Allow allow) {
  const std::string request_id = context.request_id;
  if (route.operation == nullptr)
    co_return error_response(route.protocol, route.service, unknown_operation(route, request, body), request_id);
  auto decoded = decode_input(route, request, std::move(body));
  if (!decoded) co_return error_response(route.protocol, route.service, decoded.error(), request_id);
  auto answer = co_await perform(*route.service, *route.operation, std::move(decoded->input), std::move(context),
                                 std::move(allow));
  if (!answer) co_return error_response(route.protocol, route.service, answer.error(), request_id);
  answer->warnings.insert(answer->warnings.begin(), decoded->warnings.begin(), decoded->warnings.end());
  for (const std::string& warning : answer->warnings)
    log_warn(route.service->name, route.operation->name + ": " + warning);
  co_return encode(route, std::move(*answer), request_id);
}

task<Result<Answer>> call(const Service& service, std::string operation, json::object input, Call context) {
  const Operation* found = find_operation(service, operation);
  if (found == nullptr)
    co_return fail(Fault::invalid, service.unknown_operation_code,
                   operation + " is not an operation of " + service.name);
  auto answer = co_await perform(service, *found, std::move(input), std::move(context), {});
  co_return answer;
}

}  // namespace slipway::wire
