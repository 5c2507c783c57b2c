#include "lambda/environment.h"

#include <fmt/format.h>

#include <boost/asio/post.hpp>
#include <csignal>

#include "base/text.h"

namespace slipway::lambda {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kResponseBytesMax = 6 * 1024 * 1024 + 100;
constexpr std::size_t kLogKeptBytes = 64 * 1024;
constexpr std::size_t kLineBytesMax = 256 * 1024;  // A longer line is cut into several.
constexpr Duration kForEver = 24h;
constexpr std::string_view kBase = "/2018-06-01/runtime/";
constexpr const char* kResponseMode = "Lambda-Runtime-Function-Response-Mode";

http::Response runtime_error(int status, const char* type, std::string message) {
  return http::json_response(status,
                             json::serialize(json::object{{"errorMessage", std::move(message)}, {"errorType", type}}));
}

http::Response wrong_state(const char* from, const char* to) {
  return runtime_error(
      403, "InvalidStateTransition",
      fmt::format("State transition from {} to {} failed for runtime. Error: State transition is not allowed", from,
                  to));
}

http::Response accepted() {
  return http::json_response(202, R"({"status":"OK"})");
}

// "cannot start /a/bootstrap: Permission denied" -> "fork/exec /a/bootstrap: permission denied", as Lambda says it.
std::string start_fault(const std::string& program, const std::string& message) {
  const auto colon = message.rfind(": ");
  return fmt::format("fork/exec {}: {}", program,
                     to_lower(colon == std::string::npos ? message : message.substr(colon + 2)));
}

}  // namespace

Environment::Environment(asio::any_io_executor executor, host::Clock& clock, TaskGroup& group, EnvironmentSpec spec)
    : executor_(executor),
      clock_(clock),
      group_(group),
      spec_(std::move(spec)),
      wanted_(executor),
      changed_(executor) {}

Result<void> Environment::start() {
  std::weak_ptr<Environment> weak = weak_from_this();
  auto handler = [weak](http::Request& request) { return answer(weak, request); };
  server_ = std::make_unique<http::Server>(executor_, http::ServerOptions{.idle_timeout = kForEver}, handler);
  if (auto listening = server_->listen(); !listening) return listening;
  launch();
  return {};
}

void Environment::launch() {
  host::ProcessSpec process = spec_.process;
  process.environment["AWS_LAMBDA_RUNTIME_API"] = fmt::format("127.0.0.1:{}", server_->port());
  since_launch_ = {};
  std::weak_ptr<Environment> weak = weak_from_this();
  auto output = [weak](std::string_view piece) {
    if (const auto self = weak.lock()) self->take_output(piece);
  };
  auto started = host::start_process(executor_, process, output);
  if (!started) {
    cannot_start_ = start_fault(process.argv.at(0), started.error().message);
    process_.reset();
    if (spec_.ended) spec_.ended();
    return;
  }
  process_ = std::move(*started);
  exited_ = false;
  group_.spawn("function process", watch(shared_from_this(), process_));
}

task<void> Environment::watch(std::shared_ptr<Environment> self, std::shared_ptr<host::Process> process) {
  const host::ExitStatus exit = co_await process->wait();
  co_await self->settle_output();
  if (self->process_ != process) co_return;  // Another one was started in its place.
  self->exit_ = exit;
  self->exited_ = true;
  if (!self->initialised_ && !self->init_failure_) self->init_took_ = self->since_launch_.elapsed();
  self->end_line_in_work();
  self->changed_.ring();
  self->wanted_.ring();
  if (self->spec_.ended) self->spec_.ended();
}

// What was written before now lies in the pipe: the loop has looked there after a few of its turns.
task<void> Environment::settle_output() {
  for (int turn = 0; turn < 4; ++turn) co_await asio::post(executor_, asio::use_awaitable);
}

void Environment::take_output(std::string_view piece) {
  partial_line_ += piece;
  std::size_t from = 0;
  for (auto end = partial_line_.find('\n'); end != std::string::npos; end = partial_line_.find('\n', from)) {
    note(partial_line_.substr(from, end - from));
    from = end + 1;
  }
  partial_line_.erase(0, from);
  if (partial_line_.size() > kLineBytesMax) end_line_in_work();
}

void Environment::end_line_in_work() {
  if (!partial_line_.empty()) note(std::exchange(partial_line_, {}));
}

void Environment::note(std::string line) {
  log_ += line + "\n";
  if (log_.size() > kLogKeptBytes) log_.erase(0, log_.size() - kLogKeptBytes);
  spec_.log(std::move(line));
}

std::string Environment::take_log() {
  return std::exchange(log_, {});
}

void Environment::close() {
  closed_ = true;
  if (process_) process_->signal(SIGKILL);
  wanted_.ring();
}

Outcome Environment::crashed(const std::string& request_id) const {
  const std::string how =
      exit_.ok() ? "Runtime exited without providing a reason" : "Runtime exited with error: " + exit_.text();
  return platform_error("Runtime.ExitError", request_id, how);
}

task<void> Environment::wait_for_init(Instant until) {
  while (!initialised_ && !exited_ && !init_failure_ && cannot_start_.empty() && clock_.now() < until)
    co_await changed_.wait(until - clock_.now());
}

task<Outcome> Environment::invoke(Event event) {
  const auto self = shared_from_this();
  busy_ = true;
  const bool cold = last_used == Instant{};
  const std::string id = event.request_id;
  const Instant began = clock_.now();
  co_await wait_for_init(began + spec_.init_max);
  const Instant ready = clock_.now();
  std::optional<std::chrono::microseconds> init = cold ? std::optional(init_took_) : std::nullopt;
  const bool again = !initialised_ && !exited_ && !init_failure_ && cannot_start_.empty();
  if (again) {
    // As Lambda does: the runtime starts once more, now on the invocation's own time.
    note(init_report_line(since_launch_.elapsed(), "timeout"));
    init.reset();
    const auto old = std::exchange(process_, nullptr);
    old->signal(SIGKILL);
    launch();
  }
  if (init_failure_) note(init_report_line(init_took_, init_failure_->status));
  note(start_line(id, spec_.version));
  const host::Stopwatch since_ready;
  const Instant deadline = ready + spec_.timeout;
  if (again) co_await wait_for_init(deadline);
  Outcome outcome = co_await run(std::move(event), deadline, spec_.timeout);
  co_await settle_output();
  end_line_in_work();
  outcome.took = since_ready.elapsed();
  if (outcome.status == "timeout")
    note(fmt::format("{} {} Task timed out after {:.2f} seconds", iso_millis(clock_.now()), id,
                     static_cast<double>(spec_.timeout.count()) / 1000));
  outcome.init = init;
  if (process_) outcome.memory_bytes_max = exited_ ? exit_.memory_bytes_max : process_->memory_bytes();
  last_used = clock_.now();
  event_ = {};
  busy_ = false;
  co_return outcome;
}

// Hands the event over and waits for what becomes of it.
task<Outcome> Environment::run(Event event, Instant deadline, Duration limit) {
  const std::string id = event.request_id;
  if (!cannot_start_.empty()) {
    close();
    co_return platform_error("Runtime.InvalidEntrypoint", id, cannot_start_);
  }
  if (init_failure_) {
    close();
    Outcome failure = *init_failure_;
    failure.status.clear();
    co_return failure;
  }
  const bool cold = last_used == Instant{};
  if (!exited_ && initialised_) {
    event_ = std::move(event);
    deadline_ = deadline;
    delivered_ = false;
    outcome_.reset();
    wanted_.ring();
    while (!outcome_ && !exited_ && clock_.now() < deadline) co_await changed_.wait(deadline - clock_.now());
    if (outcome_) co_return std::move(*outcome_);
  }
  if (exited_) {
    Outcome outcome = crashed(id);
    outcome.undelivered = !cold && !delivered_;
    co_return outcome;
  }
  close();
  co_return timed_out(id, limit);
}

task<http::Response> Environment::answer(std::weak_ptr<Environment> weak, http::Request& request) {
  const auto self = weak.lock();
  if (!self) co_return runtime_error(410, "InternalServerError", "the environment is gone");
  const std::string path = request.path();
  if (path == "/ping" || path == "/2018-06-01/ping") co_return http::text_response(200, "pong");
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
  if (waiting_) co_return wrong_state("Ready", "Ready");
  if (delivered_) co_return wrong_state("Running", "Ready");
  waiting_ = true;
  if (!initialised_) init_took_ = since_launch_.elapsed();
  initialised_ = true;
  changed_.ring();
  while (!closed_ && !exited_ && event_.request_id.empty()) co_await wanted_.wait(kForEver);
  waiting_ = false;
  if (closed_ || exited_) co_return runtime_error(410, "InternalServerError", "the environment is gone");
  delivered_ = true;
  http::Response response = http::json_response(200, event_.payload);
  response.headers.set("Lambda-Runtime-Aws-Request-Id", event_.request_id);
  response.headers.set("Lambda-Runtime-Deadline-Ms", std::to_string(deadline_.ms()));
  response.headers.set("Lambda-Runtime-Invoked-Function-Arn", event_.invoked_arn);
  response.headers.set("Lambda-Runtime-Trace-Id", event_.trace_id);
  if (!event_.client_context.empty()) response.headers.set("Lambda-Runtime-Client-Context", event_.client_context);
  co_return response;
}

void Environment::answered(Outcome outcome) {
  outcome_ = std::move(outcome);
  answered_id_ = std::exchange(event_, {}).request_id;
  delivered_ = false;
  changed_.ring();
}

task<http::Response> Environment::finish(std::string id, bool is_error, http::Request& request) {
  const auto self = shared_from_this();
  const std::string type = checked_error_type(request.headers.get("Lambda-Runtime-Function-Error-Type"));
  const std::string mode = request.headers.get(kResponseMode);
  auto body = co_await http::read_all(*request.body, kResponseBytesMax);
  if (id == answered_id_)
    co_return wrong_state("InvocationResponse", is_error ? "InvocationErrorResponse" : "InvocationResponse");
  if (event_.request_id.empty() || id != event_.request_id || !delivered_)
    co_return runtime_error(400, "InvalidRequestID", "Invalid request ID");
  if (!mode.empty() && !equal_ignoring_case(mode, "streaming"))
    co_return runtime_error(400, "InvalidFunctionResponseMode", "Invalid function response mode: " + mode);
  if (!body && body.error().code == "RequestEntityTooLarge") {
    const std::string message =
        fmt::format("Response payload size exceeded maximum allowed payload size ({} bytes).", kResponseBytesMax);
    answered({.payload = error_payload("Function.ResponseSizeTooLarge", message), .function_error = "Unhandled"});
    co_return runtime_error(413, "RequestEntityTooLarge",
                            fmt::format("Exceeded maximum allowed payload size ({} bytes).", kResponseBytesMax));
  }
  if (!body) co_return runtime_error(400, "TruncatedHTTPRequest", body.error().message);
  Outcome outcome{.payload = std::move(*body)};
  if (is_error) {
    outcome.function_error = "Unhandled";
    if (trim(outcome.payload).empty()) outcome.payload = error_payload(type, "the function failed without a message");
  }
  answered(std::move(outcome));
  co_return accepted();
}

task<http::Response> Environment::init_error(http::Request& request) {
  const auto self = shared_from_this();
  const std::string type = checked_error_type(request.headers.get("Lambda-Runtime-Function-Error-Type"));
  auto body = co_await http::read_all(*request.body, kResponseBytesMax);
  if (initialised_) co_return wrong_state("Ready", "InitError");
  Outcome failure;
  failure.payload =
      body && !trim(*body).empty() ? *body : error_payload("Runtime.Unknown", "the function could not be initialised");
  failure.function_error = "Unhandled";
  failure.status = "error\tError Type: " + type;
  init_failure_ = std::move(failure);
  init_took_ = since_launch_.elapsed();
  changed_.ring();
  co_return accepted();
}

}  // namespace slipway::lambda
