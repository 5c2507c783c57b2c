// RuntimeApi: the function's side of Lambda's Runtime API, and the loop that serves invocations.
// https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
#pragma once
#include <functional>
#include <string>

#include "base/instant.h"
#include "base/json.h"
#include "base/task.h"
#include "http/client.h"

namespace slipway::deployer {

struct Invocation {
  std::string request_id;
  Instant deadline{};
  std::string trace_id;  // Empty: not traced.
  std::string event;     // JSON text, unless the caller sent something else.
};

// Failures: those of the connection, and Fault::unavailable, "RuntimeApiBroken", when the answer is
// not what it must be.
class RuntimeApi {
 public:
  // `address` as AWS_LAMBDA_RUNTIME_API has it: "127.0.0.1:9001".
  RuntimeApi(asio::any_io_executor executor, const std::string& address);

  // Waits for ever: the process may be frozen meanwhile.
  task<Result<Invocation>> next();
  task<Result<void>> respond(std::string request_id, std::string body);
  // `error_type` is one of Lambda's forms, "Function.…" or "Runtime.…".
  task<Result<void>> fail_invocation(std::string request_id, std::string error_type, std::string message);
  task<Result<void>> fail_init(std::string error_type, std::string message);

 private:
  task<Result<void>> post(std::string target, std::string body, std::string error_type);
  http::Client client_;
};

// Answers one invocation.
using Answer = std::function<task<Result<json::object>>(json::value event, Instant deadline)>;

// Serves invocations until the Runtime API breaks, and returns how it broke.  An error or exception
// of `answer` fails that invocation and no other.
task<Error> serve(RuntimeApi& api, Answer answer);

}  // namespace slipway::deployer
