#include "lambda/environment.h"

#include <fmt/format.h>

#include <csignal>

#include "base/text.h"

namespace slipway::lambda {
namespace {

using namespace std::chrono_literals;

constexpr Duration kInitMax = 10s;
constexpr std::size_t kResponseBytesMax = 6 * 1024 * 1024 + 100;
constexpr std::size_t kLogKeptBytes = 64 * 1024;
constexpr Duration kForEver = 24h;
constexpr std::string_view kBase = "/2018-06-01/runtime/";

http::Response runtime_error(int status, const char* type, std::string message) {
  return http::json_response(status,
                             json::serialize(json::object{{"errorMessage", std::move(message)}, {"errorType", type}}));
}

http::Response accepted() {
  return http::json_response(202, R"({"status":"OK"})");
}

}  // namespace

Environment::Environment(asio::any_io_executor executor, host::Clock& clock, EnvironmentSpec spec)
    : executor_(executor), clock_(clock), spec_(std::move(spec)), wanted_(executor), changed_(executor) {}

Result<void> Environment::start(TaskGroup& group) {
  std::weak_ptr<Environment> weak = weak_from_this();
  auto handler = [weak](http::Request& request) { return answer(weak, request); };
  server_ = std::make_unique<http::Server>(executor_, http::ServerOptions{.idle_timeout = kForEver}, handler);
  if (auto listening = server_->listen(); !listening) return listening;
  host::ProcessSpec process = spec_.process;
  process.environment["AWS_LAMBDA_RUNTIME_API"] = fmt::format("127.0.0.1:{}", server_->port());
  auto output = [weak](std::string_view piece) {
    if (const auto self = weak.lock()) self->take_output(piece);
  };
  auto started = host::start_process(executor_, process, output);
  if (!started) return fail(started);
  process_ = std::move(*started);
  group.spawn("function process", watch(shared_from_this()));
  return {};
}

task<void> Environment::watch(std::shared_ptr<Environment> self) {
  self->exit_ = co_await self->process_->wait();
  // What it wrote last may still be on its way.
  co_await pause(2ms);
  self->exited_ = true;
  self->changed_.ring();
  self->wanted_.ring();
}

void Environment::take_output(std::string_view piece) {
  partial_line_ += piece;
  for (auto end = partial_line_.find('\n'); end != std::string::npos; end = partial_line_.find('\n')) {
    const std::string line = partial_line_.substr(0, end);
    partial_line_.erase(0, end + 1);
    log_ += line + "\n";
    if (log_.size() > kLogKeptBytes) log_.erase(0, log_.size() - kLogKeptBytes);
    spec_.log(line);
  }
}

std::string Environment::take_log() {
  return std::exchange(log_, {});
}

void Environment::close() {
  closed_ = true;
  if (process_) process_->signal(SIGKILL);
  wanted_.ring();
}

Outcome Environment::ended(const std::string& request_id) const {
  const std::string how =
      exit_.ok() ? "Runtime exited without providing a reason" : "Runtime exited with error: " + exit_.text();
  return {.payload = error_payload("Runtime.ExitError", fmt::format("RequestId: {} Error: {}", request_id, how)),
          .function_error = "Unhandled"};
}

task<Outcome> Environment::invoke(std::string request_id, std::string payload) {
  const auto self = shared_from_this();
  busy_ = true;
  const Instant began = clock_.now();
  std::optional<Duration> init;
  Outcome outcome;
  while (!initialised_ && !exited_ && !init_failure_ && clock_.now() - began < kInitMax)
    co_await changed_.wait(kInitMax - (clock_.now() - began));
  if (!waiting_ || !initialised_) init.reset();
  const Instant ready = clock_.now();
  if (ready - began > 0ms || last_used == Instant{})
    init = last_used == Instant{} ? std::optional<Duration>(ready - began) : std::nullopt;
  if (init_failure_) {
    outcome = *init_failure_;
    close();
  } else if (exited_) {
    outcome = ended(request_id);
  } else if (!initialised_) {
    outcome = {.payload = error_payload(
                   "Sandbox.Timedout",
                   fmt::format("RequestId: {} Error: Task timed out after {:.2f} seconds", request_id, 10.0)),
               .function_error = "Unhandled"};
    close();
  } else {
    request_id_ = request_id;
    payload_ = std::move(payload);
    deadline_ = ready + spec_.timeout;
    delivered_ = false;
    outcome_.reset();
    wanted_.ring();
    while (!outcome_ && !exited_ && clock_.now() < deadline_) co_await changed_.wait(deadline_ - clock_.now());
    if (outcome_) {
      outcome = std::move(*outcome_);
    } else if (exited_) {
      outcome = ended(request_id);
    } else {
      const double seconds = static_cast<double>(spec_.timeout.count()) / 1000;
      outcome = {.payload = error_payload(
                     "Sandbox.Timedout",
                     fmt::format("RequestId: {} Error: Task timed out after {:.2f} seconds", request_id, seconds)),
                 .function_error = "Unhandled"};
      close();
    }
  }
  outcome.took = clock_.now() - ready;
  outcome.init = init;
  outcome.memory_bytes_max = exited_ ? exit_.memory_bytes_max : process_->memory_bytes();
  last_used = clock_.now();
  request_id_.clear();
  busy_ = false;
  co_return outcome;
}

task<http::Response> Environment::answer(std::weak_ptr<Environment> weak, http::Request& request) {
  const auto self = weak.lock();
  if (!self) co_return runtime_error(410, "InternalServerError", "the environment is gone");
  const std::string path = request.path();
  if (path == "/ping") co_return http::text_response(200, "pong");
  if (!path.starts_with(kBase)) co_return runtime_error(404, "NotFound", "this is the Runtime API 2018-06-01");
  const auto parts = split(std::string_view(path).substr(kBase.size()), '/');
  if (request.method == "GET" && parts.size() == 2 && parts[0] == "invocation" && parts[1] == "next")
    co_return co_await self->next();
  if (request.method == "POST" && parts.size() == 2 && parts[0] == "init" && parts[1] == "error")
    co_return co_await self->init_error(request);
  const bool ends = request.method == "POST" && parts.size() == 3 && parts[0] == "invocation" &&
                    (parts[2] == "response" || parts[2] == "error");
  if (ends) co_return co_await self->finish(parts[1], parts[2] == "error", request);
  co_return runtime_error(404, "NotFound", "there is no " + request.method + " " + path);
}

task<http::Response> Environment::next() {
  const auto self = shared_from_this();
  if (waiting_)
    co_return runtime_error(
        403, "InvalidStateTransition",
        "State transition from Ready to Ready failed for runtime. Error: State transition is not allowed");
  waiting_ = true;
  initialised_ = true;
  changed_.ring();
  while (!closed_ && !exited_ && (request_id_.empty() || delivered_)) co_await wanted_.wait(kForEver);
  waiting_ = false;
  if (closed_ || exited_) co_return runtime_error(410, "InternalServerError", "the environment is gone");
  delivered_ = true;
  http::Response response = http::json_response(200, payload_);
  response.headers.set("Lambda-Runtime-Aws-Request-Id", request_id_);
  response.headers.set("Lambda-Runtime-Deadline-Ms", std::to_string(deadline_.ms()));
  response.headers.set("Lambda-Runtime-Invoked-Function-Arn", spec_.function_arn);
  response.headers.set("Lambda-Runtime-Trace-Id",
                       fmt::format("Root=1-{:08x}-{}", deadline_.ms() / 1000, std::string(24, '0')));
  co_return response;
}

task<http::Response> Environment::finish(std::string id, bool is_error, http::Request& request) {
  const auto self = shared_from_this();
  const std::string type = checked_error_type(request.headers.get("Lambda-Runtime-Function-Error-Type"));
  auto body = co_await http::read_all(*request.body, kResponseBytesMax);
  if (request_id_.empty() || id != request_id_ || !delivered_)
    co_return runtime_error(400, "InvalidRequestID", "Invalid request ID");
  if (!body && body.error().code == "RequestEntityTooLarge") {
    const std::string message =
        fmt::format("Response payload size exceeded maximum allowed payload size ({} bytes).", kResponseBytesMax);
    outcome_ =
        Outcome{.payload = error_payload("Function.ResponseSizeTooLarge", message), .function_error = "Unhandled"};
    changed_.ring();
    co_return runtime_error(413, "RequestEntityTooLarge",
                            fmt::format("Exceeded maximum allowed payload size ({} bytes).", kResponseBytesMax));
  }
  if (!body) co_return runtime_error(400, "TruncatedHTTPRequest", body.error().message);
  Outcome outcome{.payload = std::move(*body)};
  if (is_error) {
    outcome.function_error = "Unhandled";
    if (trim(outcome.payload).empty()) outcome.payload = error_payload(type, "the function failed without a message");
  }
  outcome_ = std::move(outcome);
  delivered_ = false;
  request_id_.clear();
  changed_.ring();
  co_return accepted();
}

task<http::Response> Environment::init_error(http::Request& request) {
  const auto self = shared_from_this();
  auto body = co_await http::read_all(*request.body, kResponseBytesMax);
  if (initialised_)
    co_return runtime_error(
        403, "InvalidStateTransition",
        "State transition from Ready to InitError failed for runtime. Error: State transition is not allowed");
  init_failure_ =
      Outcome{.payload = body ? *body : error_payload("Runtime.Unknown", "the function could not be initialised"),
              .function_error = "Unhandled"};
  changed_.ring();
  co_return accepted();
}

}  // namespace slipway::lambda
