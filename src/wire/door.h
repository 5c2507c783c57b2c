// The door: turns HTTP requests into calls of a Service and answers back, in the four protocols.
//   awsJson 1.0/1.1  X-Amz-Target: Prefix.Operation, JSON both ways, errors {"__type","message"} and x-amzn-ErrorType
//   query            Action=… in a form or the query string, XML answers, <ErrorResponse>; its own names for a few
//                    errors ("AccessDenied", "MalformedInput")
//   rest-json        method and path templates
// An unknown operation is 400 in the protocol's shape, never 5xx (SDKs repeat 5xx for minutes).
#pragma once
#include <functional>
#include <span>
#include <string>

#include "http/message.h"
#include "wire/service.h"

namespace slipway::wire {

// Why a request goes where: found from X-Amz-Target, the credential scope, Action=, or the path.
struct Route {
  const Service* service = nullptr;
  const Operation* operation = nullptr;  // Null: unknown; the protocol's error is answered.
  Protocol protocol = Protocol::json_1_1;
  std::map<std::string, std::string> labels;  // rest-json path labels, decoded.
};

// Chooses the service and operation.  `scope_service` is the service of the SigV4 credential scope ("" when unsigned).
// Nothing of ours fits: nullopt, and the front door answers 404 or 400.
std::optional<Route> route(std::span<const Service* const> services, const http::Request& request,
                           std::string_view body, std::string_view scope_service);

// Decodes, checks and runs the call, and encodes the answer or the error.  `context` carries caller, place, id and
// time. `allow` decides whether the caller may (iam); an Error it gives is answered as the protocol answers.
using Allow = std::function<Result<void>(const Service&, const Operation&, const Call&)>;
task<http::Response> serve(Route route, const http::Request& request, std::string body, Call context, Allow allow);

// The protocol's error answer, for failures before a call exists (signature, unknown service).
http::Response error_response(Protocol protocol, const Service* service, const Error& error,
                              const std::string& request_id);

}  // namespace slipway::wire
