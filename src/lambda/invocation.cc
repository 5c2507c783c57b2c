#include "lambda/invocation.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>

#include "base/text.h"

namespace slipway::lambda {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kTailBytes = 4096;
constexpr std::size_t kVariablesBytesMax = 4096;
constexpr Duration kThrottleWaitMax = 5min;

// https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime
constexpr std::array kReserved = {"_HANDLER",
                                  "_X_AMZN_TRACE_ID",
                                  "AWS_DEFAULT_REGION",
                                  "AWS_REGION",
                                  "AWS_EXECUTION_ENV",
                                  "AWS_LAMBDA_FUNCTION_NAME",
                                  "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
                                  "AWS_LAMBDA_FUNCTION_VERSION",
                                  "AWS_LAMBDA_INITIALIZATION_TYPE",
                                  "AWS_LAMBDA_LOG_GROUP_NAME",
                                  "AWS_LAMBDA_LOG_STREAM_NAME",
                                  "AWS_ACCESS_KEY",
                                  "AWS_ACCESS_KEY_ID",
                                  "AWS_SECRET_ACCESS_KEY",
                                  "AWS_SESSION_TOKEN",
                                  "AWS_LAMBDA_RUNTIME_API",
                                  "LAMBDA_TASK_ROOT",
                                  "LAMBDA_RUNTIME_DIR"};

bool is_letter(char c) {
  return std::isalpha(static_cast<unsigned char>(c)) != 0;
}

bool is_variable_name(std::string_view name) {
  return name.size() > 1 && is_letter(name[0]) &&
         std::ranges::all_of(name, [](char c) { return c == '_' || std::isalnum(static_cast<unsigned char>(c)) != 0; });
}

// A payload as a member of JSON: what is none is kept as a text.
json::value as_json(const std::string& payload) {
  auto parsed = parse_json(payload);
  return parsed ? *parsed : json::value(payload);
}

}  // namespace

std::string error_payload(const std::string& type, const std::string& message) {
  return json::serialize(json::object{{"errorType", type}, {"errorMessage", message}});
}

Outcome platform_error(const std::string& type, const std::string& request_id, const std::string& what) {
  Outcome outcome;
  outcome.payload = error_payload(type, fmt::format("RequestId: {} Error: {}", request_id, what));
  outcome.function_error = "Unhandled";
  outcome.status = "error\tError Type: " + type;
  return outcome;
}

Outcome timed_out(const std::string& request_id, Duration limit) {
  const double seconds = static_cast<double>(limit.count()) / 1000;
  Outcome outcome =
      platform_error("Sandbox.Timedout", request_id, fmt::format("Task timed out after {:.2f} seconds", seconds));
  outcome.status = "timeout";
  return outcome;
}

std::string checked_error_type(const std::string& type) {
  const bool runtime = type.starts_with("Runtime.");
  const bool function = type.starts_with("Function.");
  if (!runtime && !function) return "Runtime.Unknown";
  const std::string name = type.substr(type.find('.') + 1);
  const bool letters =
      name.size() > 1 && std::isupper(static_cast<unsigned char>(name[0])) && std::ranges::all_of(name, is_letter);
  if (letters) return type;
  return function ? "Function.Unknown" : "Runtime.Unknown";
}

std::string init_line(const std::string& runtime) {
  // "provided.al2023" -> "provided:al2023", "python3.11" -> "python:3.11"
  std::string version = runtime;
  if (version.starts_with("provided.")) {
    version.replace(8, 1, ":");
  } else if (const auto digit = version.find_first_of("0123456789"); digit != std::string::npos) {
    version.insert(digit, ":");
  }
  return "INIT_START Runtime Version: " + version;
}

namespace {
double in_ms(std::chrono::microseconds took) {
  return static_cast<double>(took.count()) / 1000;
}
}  // namespace

std::string init_report_line(std::chrono::microseconds took, const std::string& status) {
  return fmt::format("INIT_REPORT Init Duration: {:.2f} ms\tPhase: init\tStatus: {}", in_ms(took), status);
}

std::string start_line(const std::string& request_id, const std::string& version) {
  return "START RequestId: " + request_id + " Version: " + version;
}
std::string end_line(const std::string& request_id) {
  return "END RequestId: " + request_id;
}

std::string report_line(const std::string& request_id, const Outcome& outcome, long long memory_mib) {
  const long long used = (outcome.memory_bytes_max + 1024 * 1024 - 1) / (1024 * 1024);
  // The time to start counts since August 2025.
  const auto billed =
      std::chrono::ceil<std::chrono::milliseconds>(outcome.took + outcome.init.value_or(std::chrono::microseconds(0)));
  std::string line = fmt::format(
      "REPORT RequestId: {}\tDuration: {:.2f} ms\tBilled Duration: {} ms\tMemory Size: {} MB\tMax Memory Used: {} MB\t",
      request_id, in_ms(outcome.took), std::max<long long>(1, billed.count()), memory_mib, used);
  if (outcome.init) line += fmt::format("Init Duration: {:.2f} ms\t", in_ms(*outcome.init));
  if (!outcome.status.empty()) line += "Status: " + outcome.status;
  return line;
}

std::string log_tail(const std::string& log) {
  if (log.size() <= kTailBytes) return log;
  std::size_t from = log.size() - kTailBytes;
  // Not in the middle of a character.
  while (from < log.size() && (log[from] & 0xC0) == 0x80) ++from;
  return log.substr(from);
}

std::optional<Duration> retry_after_error(int attempts_made, int retries_max) {
  if (attempts_made > retries_max) return std::nullopt;
  return attempts_made <= 1 ? Duration(1min) : Duration(2min);
}

Duration retry_after_throttle(int times) {
  return std::min<Duration>(Duration(1s) * (1LL << std::clamp(times, 0, 20)), kThrottleWaitMax);
}

json::object destination_record(const Ended& ended, Instant now) {
  json::object record = {{"version", "1.0"},
                         {"timestamp", iso_millis(now)},
                         {"requestContext",
                          {{"requestId", ended.request_id},
                           {"functionArn", ended.function_arn},
                           {"condition", ended.condition},
                           {"approximateInvokeCount", ended.attempts}}},
                         {"requestPayload", as_json(ended.payload)}};
  if (!ended.outcome) return record;
  json::object context = {{"statusCode", 200}, {"executedVersion", ended.version}};
  if (!ended.outcome->function_error.empty()) context["functionError"] = ended.outcome->function_error;
  record["responseContext"] = std::move(context);
  record["responsePayload"] = as_json(ended.outcome->payload);
  return record;
}

RuntimeKind runtime_kind(const std::string& runtime) {
  if (runtime == "provided.al2023" || runtime == "provided.al2") return RuntimeKind::provided;
  constexpr std::string_view python = "python3.";
  const bool digits = runtime.size() > python.size() && runtime.size() <= python.size() + 2 &&
                      runtime.find_first_not_of("0123456789", python.size()) == std::string::npos;
  return runtime.starts_with(python) && digits ? RuntimeKind::python : RuntimeKind::unknown;
}

Reference parse_reference(const std::string& text) {
  const auto parts = split(text, ':');
  Reference out;
  std::size_t name = 0;
  for (std::size_t i = 1; i + 1 < parts.size(); ++i) {
    if (parts[i] != "function") continue;
    name = i + 1;
    out.account = parts[i - 1];
    if (i >= 2) out.region = parts[i - 2];
    break;
  }
  out.name = parts[name];
  if (name + 1 < parts.size()) out.qualifier = parts[name + 1];
  return out;
}

std::string function_name(const std::string& text) {
  return parse_reference(text).name;
}

Result<void> check_variables(const json::object& variables) {
  std::vector<std::string> reserved;
  std::size_t bytes = 0;
  for (const auto& entry : variables) {
    const std::string name(entry.key());
    bytes += name.size() + (entry.value().is_string() ? entry.value().get_string().size() : 0);
    if (std::ranges::find(kReserved, name) != kReserved.end()) {
      reserved.push_back(name);
    } else if (!is_variable_name(name)) {
      return fail(Fault::invalid, "ValidationException",
                  fmt::format("1 validation error detected: Value at 'environment.variables' failed to satisfy "
                              "constraint: Map keys must satisfy constraint: [Member must satisfy regular expression "
                              "pattern: [a-zA-Z]([a-zA-Z0-9_])+] (it is '{}')",
                              name));
    }
  }
  constexpr std::string_view unable = "Lambda was unable to configure your environment variables because the ";
  if (!reserved.empty())
    return fail(Fault::invalid, "InvalidParameterValueException",
                fmt::format("{}environment variables you have provided contains reserved keys that are currently not "
                            "supported for modification. Reserved keys used in this request: {}",
                            unable, join(reserved, ", ")));
  if (bytes > kVariablesBytesMax)
    return fail(Fault::invalid, "InvalidParameterValueException",
                fmt::format("{}environment variables you have provided exceeded the 4KB limit. They are {} bytes",
                            unable, bytes));
  return {};
}

}  // namespace slipway::lambda
