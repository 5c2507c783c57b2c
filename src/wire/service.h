// Service: one AWS API as the front door sees it: its names on the wire and its operations.  Each room's `api` makes
// one.
#pragma once
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/arn.h"
#include "base/instant.h"
#include "base/task.h"
#include "http/message.h"
#include "wire/shape.h"

namespace slipway::wire {

// Who asks, as iam found it from the signature.
struct Caller {
  std::string account;
  std::string arn;      // "arn:aws:iam::000000000000:user/admin", "arn:aws:sts::…:assumed-role/role/session"
  std::string user_id;  // "AIDA…", "AROA…:session"
  std::string access_key_id;
  bool administrator = false;  // The region's own key, or --accept-any-credentials: everything is allowed.
};

// One validated call.
struct Call {
  std::string operation;
  json::object input;  // As Checked::input.
  Caller caller;
  Place place;  // Account and region of the call.
  std::string request_id;
  Instant now{};
  http::Headers headers;              // rest-json operations look here for X-Amz-Invocation-Type and the like.
  std::vector<std::string> warnings;  // A handler may add its own.
};

struct Answer {
  json::object output;
  int status = 200;
  http::Headers headers;
  std::optional<std::string> payload;  // rest-json: sent as it is, instead of `output`.
  std::vector<std::string> warnings;   // Sent as X-Slipway-Warning headers, listed by `slipway doctor`.
};

using OperationHandler = std::function<task<Result<Answer>>(Call)>;

// What conditions of policies may ask of a call; names in lower case: "ecs:cluster".
using ConditionKeys = std::map<std::string, std::vector<std::string>>;

// One thing more that the caller must be allowed for a call.
struct Need {
  std::string action;    // "iam:PassRole"
  std::string resource;  // ARN
  ConditionKeys keys;    // Besides those of the call.
};

struct Operation {
  std::string name;  // "PutRule"
  Shape input;
  OperationHandler handler;
  // rest-json: "POST", "/2015-03-31/functions/{FunctionName}/invocations".  A label {Name} takes one path segment.
  std::string method = {};
  std::string path = {};
  // The resource that the caller must be allowed to use, for iam; empty function: "*".
  std::function<std::string(const Call&)> resource = {};
  std::string action = {};  // Where the IAM action differs from the name: "lambda:InvokeFunction" for Invoke.
  // https://docs.aws.amazon.com/service-authorization/latest/reference/ has which action knows which key.
  std::function<ConditionKeys(const Call&)> keys = {};
  // Roles that the call hands to a service, tags that it puts on what it makes, further resources that it names.
  std::function<std::vector<Need>(const Call&)> also = {};
  // Something in the call is proof enough (a token that was sent to who may confirm): it needs no signature.
  bool unsigned_too = false;
};

enum class Protocol { json_1_0, json_1_1, query, rest_json };

struct Service {
  std::string name;  // Signing name and IAM prefix: "ecs", "elasticloadbalancing".
  std::vector<Protocol> protocols;
  std::string target_prefix;  // "AmazonEC2ContainerServiceV20141113"; empty without JSON.
  std::string xml_namespace;  // "https://iam.amazonaws.com/doc/2010-05-08/"; empty without query.
  std::string version;        // "2010-05-08"
  std::string validation_code = "ValidationException";               // What a rejected input is called by this service.
  std::string unknown_operation_code = "UnknownOperationException";  // "InvalidAction" for query.
  std::string denied_code = "AccessDenied";                          // What query calls a caller who may not.
  // A JSON service that once spoke query (SQS): what an error was called there.  SDKs read it from the header
  // x-amzn-query-error and go on using the old names.
  std::function<std::string(const std::string& code)> query_error_code = {};
  std::vector<Operation> operations;
};

// Runs one operation of `service` in-process with `input` (checked like any call).  For the region's own use and for
// tests.
task<Result<Answer>> call(const Service& service, std::string operation, json::object input, Call context);

}  // namespace slipway::wire
