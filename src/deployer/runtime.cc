#include "deployer/runtime.h"

#include <fmt/format.h>

#include <charconv>
#include <cstdlib>

namespace slipway::deployer {
namespace {

constexpr std::string_view kBase = "/2018-06-01/runtime/";

std::string error_body(const std::string& error_type, const std::string& message) {
  return json::serialize(
      json::object{{"errorMessage", message}, {"errorType", error_type}, {"stackTrace", json::array{}}});
}

// An error's code as a type that Lambda keeps: letters behind "Function.".
std::string error_type_of(const Error& error) {
  std::string type = "Function.";
  for (const char c : error.code) {
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) type += c;
  }
  return type;
}

void set_trace(const std::string& trace_id) {
  // Runtimes of one's own must set it for each invocation; one thread serves, so that nobody reads
  // it meanwhile.
  if (trace_id.empty()) {
    ::unsetenv("_X_AMZN_TRACE_ID");
  } else {
    ::setenv("_X_AMZN_TRACE_ID", trace_id.c_str(), 1);
  }
}

task<Result<json::object>> answer_safely(Answer answer, Invocation invocation) {
  auto event = parse_json(invocation.event);
  if (!event) co_return fail(Fault::invalid, "UnmarshalError", "the event is not JSON: " + event.error().message);
  try {
    auto working = answer(std::move(*event), invocation.deadline);
    co_return co_await std::move(working);
  } catch (const std::exception& bug) {
    // The task boundary: a bug fails this invocation, and the next one finds the function alive.
    co_return fail(Fault::internal, "Bug", bug.what());
  }
}

}  // namespace

RuntimeApi::RuntimeApi(asio::any_io_executor executor, const std::string& address)
    : client_(std::move(executor), {.endpoint = "http://" + address, .read_timeout = Duration::zero()}) {}

task<Result<Invocation>> RuntimeApi::next() {
  http::ClientRequest request{.method = "GET", .target = std::string(kBase) + "invocation/next"};
  auto answer = co_await client_.send(std::move(request));
  if (!answer) co_return fail(answer);
  Invocation invocation{.request_id = answer->headers.get("Lambda-Runtime-Aws-Request-Id"),
                        .trace_id = answer->headers.get("Lambda-Runtime-Trace-Id"),
                        .event = std::move(answer->body)};
  if (answer->status != 200 || invocation.request_id.empty())
    co_return fail(Fault::unavailable, "RuntimeApiBroken",
                   fmt::format("/next answered {} without an invocation", answer->status));
  const std::string deadline = answer->headers.get("Lambda-Runtime-Deadline-Ms");
  long long ms = 0;
  std::from_chars(deadline.data(), deadline.data() + deadline.size(), ms);
  invocation.deadline = instant_ms(ms);
  co_return invocation;
}

task<Result<void>> RuntimeApi::post(std::string target, std::string body, std::string error_type) {
  http::ClientRequest request{.method = "POST", .target = std::string(kBase) + target, .body = std::move(body)};
  request.headers.set("Content-Type", "application/json");
  if (!error_type.empty()) request.headers.set("Lambda-Runtime-Function-Error-Type", error_type);
  auto answer = co_await client_.send(std::move(request));
  if (!answer) co_return fail(answer);
  if (answer->status != 202)
    co_return fail(Fault::unavailable, "RuntimeApiBroken",
                   fmt::format("{} answered {}: {}", target, answer->status, answer->body));
  co_return Result<void>{};
}

task<Result<void>> RuntimeApi::respond(std::string request_id, std::string body) {
  return post(fmt::format("invocation/{}/response", request_id), std::move(body), "");
}

task<Result<void>> RuntimeApi::fail_invocation(std::string request_id, std::string error_type, std::string message) {
  return post(fmt::format("invocation/{}/error", request_id), error_body(error_type, message), error_type);
}

task<Result<void>> RuntimeApi::fail_init(std::string error_type, std::string message) {
  return post("init/error", error_body(error_type, message), error_type);
}

task<Error> serve(RuntimeApi& api, Answer answer) {
  for (;;) {
    auto invocation = co_await api.next();
    if (!invocation) co_return invocation.error();
    set_trace(invocation->trace_id);
    auto outcome = co_await answer_safely(answer, *invocation);
    Result<void> posted;
    if (outcome) {
      posted = co_await api.respond(invocation->request_id, json::serialize(*outcome));
    } else {
      posted =
          co_await api.fail_invocation(invocation->request_id, error_type_of(outcome.error()), outcome.error().message);
    }
    if (!posted) co_return posted.error();
  }
}

}  // namespace slipway::deployer
