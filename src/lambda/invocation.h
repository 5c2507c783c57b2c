// An invocation: what functions are told, what is logged of them, and when an asynchronous one is tried again.  Pure.
// https://docs.aws.amazon.com/lambda/latest/dg/invocation-async.html
#pragma once
#include <chrono>
#include <optional>
#include <string>

#include "base/arn.h"
#include "base/instant.h"
#include "base/json.h"
#include "base/result.h"

namespace slipway::lambda {

// One event on its way to a function.
struct Event {
  std::string request_id;
  std::string payload;
  std::string invoked_arn;     // As the caller named it: with a qualifier when it did.
  std::string client_context;  // JSON; empty: none.
  std::string trace_id;        // "Root=1-…;Parent=…;Sampled=0"
};

struct Outcome {
  std::string payload;
  std::string function_error;  // "Unhandled", or empty.
  std::string status;          // Of the REPORT line: "timeout", "error\tError Type: Runtime.ExitError"; empty: none.
  std::chrono::microseconds took{};
  std::optional<std::chrono::microseconds> init;  // Of a cold start: from the process's start to its first /next.
  long long memory_bytes_max = 0;
  bool undelivered = false;  // The environment ended before it took the event: another may have it.
};

// {"errorType", "errorMessage"}
std::string error_payload(const std::string& type, const std::string& message);
// An outcome that the platform, not the function, made: "RequestId: <id> Error: <what>".
Outcome platform_error(const std::string& type, const std::string& request_id, const std::string& what);
Outcome timed_out(const std::string& request_id, Duration limit);
// Error types that a runtime may name; all others become Runtime.Unknown or Function.Unknown.
std::string checked_error_type(const std::string& type);

std::string init_line(const std::string& runtime);
// `status`: "timeout" or "error\tError Type: …".
std::string init_report_line(std::chrono::microseconds took, const std::string& status);
std::string start_line(const std::string& request_id, const std::string& version);
std::string end_line(const std::string& request_id);
std::string report_line(const std::string& request_id, const Outcome& outcome, long long memory_mib);
// The last 4 KiB, as X-Amz-Log-Result carries them.
std::string log_tail(const std::string& log);

// After a function error: tried twice more, after one and two minutes.  nullopt: given up.
std::optional<Duration> retry_after_error(int attempts_made, int retries_max);
// After throttling: from one second, doubling, to five minutes.
Duration retry_after_throttle(int times);

// What a destination is sent of an asynchronous invocation that ended.
struct Ended {
  std::string request_id;
  std::string function_arn;  // With its qualifier.
  std::string version;
  std::string condition;  // "Success", "RetriesExhausted", "EventAgeExceeded"
  int attempts = 0;
  std::string payload;
  std::optional<Outcome> outcome;  // Of the last attempt; nullopt: there was none.
};
json::object destination_record(const Ended& ended, Instant now);

// "python3.11" -> the interpreter to run; "provided.al2023" -> bootstrap.  Unknown when it cannot run here.
enum class RuntimeKind { unknown, provided, python };
RuntimeKind runtime_kind(const std::string& runtime);

// A function as callers name it: "f", "f:live", "000000000000:function:f", or an ARN, each with or without a qualifier.
struct Reference {
  std::string name;
  std::string qualifier;  // Empty: none was named.
  std::string account;    // Empty: the caller's.
  std::string region;     // Empty: here.
};
Reference parse_reference(const std::string& text);
std::string function_name(const std::string& text);  // The name alone.

// Whether a function may have these variables: names that are names, none that is reserved, 4 KiB in all.
Result<void> check_variables(const json::object& variables);

}  // namespace slipway::lambda
