// An invocation: what functions are told, what is logged of them, and when an asynchronous one is tried again.  Pure.
// https://docs.aws.amazon.com/lambda/latest/dg/invocation-async.html
#pragma once
#include <optional>
#include <string>

#include "base/instant.h"
#include "base/json.h"

namespace slipway::lambda {

struct Outcome {
  std::string payload;
  std::string function_error;  // "Unhandled", or empty.
  Duration took{};
  std::optional<Duration> init;  // Of a cold start.
  long long memory_bytes_max = 0;
};

// {"errorType", "errorMessage"}
std::string error_payload(const std::string& type, const std::string& message);
// Error types that a runtime may name; all others become Runtime.Unknown or Function.Unknown.
std::string checked_error_type(const std::string& type);

std::string start_line(const std::string& request_id);
std::string end_line(const std::string& request_id);
std::string report_line(const std::string& request_id, const Outcome& outcome, long long memory_mib);
// The last 4 KiB, as X-Amz-Log-Result carries them.
std::string log_tail(const std::string& log);

// After a function error: tried twice more, after one and two minutes.  nullopt: given up.
std::optional<Duration> retry_after_error(int attempts_made, int retries_max);
// After throttling: from one second, doubling, to five minutes.
Duration retry_after_throttle(int times);

// "python3.11" -> the interpreter to run; "provided.al2023" -> bootstrap.  Empty when the runtime is not known here.
enum class RuntimeKind { unknown, provided, python };
RuntimeKind runtime_kind(const std::string& runtime);

// A name, partial ARN or ARN of a function, without its qualifier: "arn:aws:lambda:r:a:function:f:$LATEST" -> "f".
std::string function_name(const std::string& text);

}  // namespace slipway::lambda
