#include "lambda/worker.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/digest.h"
#include "base/log.h"
#include "base/text.h"
#include "database/journal.h"
#include "lambda/python_bootstrap.h"

namespace slipway::lambda {
namespace {

using namespace std::chrono_literals;

constexpr int kConcurrencyDefault = 10;  // Environments of a function that reserves none.
constexpr Duration kIdleMax = 5min;      // A warm environment is kept this long.
constexpr Duration kSweepEvery = 30s;
constexpr Duration kCredentialsLifetime = 1h;
constexpr Duration kEnvironmentLifetime = 50min;  // Its credentials end ten minutes later.
constexpr int kQueueLookahead = 100;
constexpr Duration kQueueIdle = 1h;
constexpr std::uint64_t kUnzippedBytesMax = 250ULL * 1024 * 1024;
constexpr int kRetriesDefault = 2;
constexpr long long kEventAgeSecondsDefault = 21600;

std::string day_of(Instant now) {
  const std::string iso = iso_seconds(now);
  return iso.substr(0, 4) + "/" + iso.substr(5, 2) + "/" + iso.substr(8, 2);
}

// Changes whenever an environment must be made anew.
std::string revision_of(const Function& function) {
  return get_string(function.configuration, "RevisionId") + function.code_folder;
}

}  // namespace

bool permits(const json::array& statements, const std::string& principal, const std::string& source_arn) {
  return std::ranges::any_of(statements, [&](const json::value& value) {
    const json::object& statement = value.as_object();
    const json::value& who = statement.at("Principal");
    const std::string named =
        who.is_string() ? std::string(view(who.get_string())) : get_string(who.as_object(), "Service");
    if (named != principal && named != "*") return false;
    const std::string wanted = get_string(get_object(get_object(statement, "Condition"), "ArnLike"), "AWS:SourceArn");
    return wanted.empty() || glob_match(wanted, source_arn);
  });
}

Functions::Functions(asio::any_io_executor executor, database::Database& db, host::Pool& pool, host::Clock& clock,
                     host::Random& random, Place place, std::filesystem::path folder, std::string endpoint, Logs& logs,
                     Roles& roles, DeadLetters& dead_letters)
    : executor_(executor),
      db_(db),
      pool_(pool),
      clock_(clock),
      random_(random),
      place_(std::move(place)),
      folder_(std::move(folder)),
      endpoint_(std::move(endpoint)),
      logs_(logs),
      roles_(roles),
      dead_letters_(dead_letters),
      queue_news_(executor),
      group_(executor) {}

Result<void> Functions::start() {
  std::error_code error;
  std::filesystem::create_directories(folder_, error);
  if (auto written = host::write_file_durably(folder_ / "python_bootstrap.py", kPythonBootstrap); !written)
    return written;
  group_.spawn("invocation queue", work_queue());
  group_.spawn("idle environments", close_idle());
  return {};
}

task<void> Functions::stop() {
  for (auto& [name, all] : environments_) {
    for (const auto& environment : all) environment->close();
  }
  co_await group_.stop();
  environments_.clear();
}

void Functions::forget_environments(const std::string& name) {
  for (const auto& environment : environments_[name]) {
    if (!environment->busy()) environment->close();
  }
  std::erase_if(environments_[name], [](const auto& environment) { return !environment->usable(); });
}

task<Result<std::string>> Functions::store_code(std::string name, std::string zip, std::string runtime) {
  const std::string folder_name = name + "-" + sha256_hex(zip).substr(0, 32);
  const std::filesystem::path target = folder_ / folder_name;
  const bool provided = runtime_kind(runtime) == RuntimeKind::provided;
  const std::string suffix = random_.hex(8);
  auto unpack = [target, zip, provided, suffix]() -> Result<void> {
    std::error_code error;
    if (std::filesystem::exists(target, error)) return {};
    const std::filesystem::path fresh = target.string() + ".new-" + suffix;
    std::filesystem::create_directories(fresh, error);
    auto unpacked = host::unpack_zip(zip, fresh, kUnzippedBytesMax);
    if (unpacked && provided && !std::filesystem::exists(fresh / "bootstrap", error)) {
      unpacked = fail(Fault::invalid, "InvalidParameterValueException",
                      "the package has no file called bootstrap at its top: a provided runtime starts that file. Add "
                      "it, executable, and try again.");
    }
    if (!unpacked) {
      std::filesystem::remove_all(fresh, error);
      Error why = unpacked.error();
      if (why.code == "InvalidZip") why.code = "InvalidParameterValueException";
      return std::unexpected(why);
    }
    std::filesystem::rename(fresh, target, error);
    if (error) std::filesystem::remove_all(fresh, error);
    return {};
  };
  auto done = co_await pool_.run(unpack);
  if (!done) co_return fail(done);
  co_return folder_name;
}

bool Functions::has_room(const Function& function) const {
  const long long limit = function.reserved_concurrency >= 0 ? function.reserved_concurrency : kConcurrencyDefault;
  const auto all = environments_.find(function.name);
  long long busy = 0;
  if (all != environments_.end())
    busy = std::ranges::count_if(all->second, [](const auto& environment) { return environment->busy(); });
  const auto opening = opening_.find(function.name);
  return busy + (opening == opening_.end() ? 0 : opening->second) < limit;
}

task<Result<std::shared_ptr<Environment>>> Functions::acquire(Function function) {
  auto& all = environments_[function.name];
  const std::string revision = revision_of(function);
  for (const auto& environment : all) {
    const bool old =
        environment->spec().revision != revision || clock_.now() - environment->born > kEnvironmentLifetime;
    if (!environment->busy() && old) environment->close();
  }
  std::erase_if(all, [](const auto& environment) { return !environment->usable() && !environment->busy(); });
  for (const auto& environment : all) {
    if (!environment->busy() && environment->usable() && environment->spec().revision == revision)
      co_return environment;
  }
  ++opening_[function.name];
  auto made = co_await open(function);
  --opening_[function.name];
  if (made) environments_[function.name].push_back(*made);
  co_return made;
}

task<Result<std::shared_ptr<Environment>>> Functions::open(Function function) {
  const json::object& configuration = function.configuration;
  const std::string group = "/aws/lambda/" + function.name;
  const std::string stream = fmt::format("{}/[$LATEST]{}", day_of(clock_.now()), random_.hex(32));
  auto credentials = co_await roles_.session(get_string(configuration, "Role"), function.name, kCredentialsLifetime);
  if (!credentials) co_return fail(credentials);
  const std::filesystem::path code = folder_ / function.code_folder;
  const bool python = runtime_kind(get_string(configuration, "Runtime")) == RuntimeKind::python;
  EnvironmentSpec spec;
  spec.function_arn = get_string(configuration, "FunctionArn");
  spec.revision = revision_of(function);
  spec.timeout = std::chrono::seconds(get_int(configuration, "Timeout", 3));
  spec.process.argv = python ? std::vector<std::string>{"/usr/bin/python3", (folder_ / "python_bootstrap.py").string()}
                             : std::vector<std::string>{(code / "bootstrap").string()};
  spec.process.working_directory = code;
  spec.process.die_with_parent = true;
  auto& environment = spec.process.environment;
  for (const auto& entry : get_object(get_object(configuration, "Environment"), "Variables"))
    environment[std::string(entry.key())] =
        entry.value().is_string() ? std::string(view(entry.value().get_string())) : "";
  const std::map<std::string, std::string> own = {
      {"_HANDLER", get_string(configuration, "Handler")},
      {"AWS_REGION", place_.region},
      {"AWS_DEFAULT_REGION", place_.region},
      {"AWS_LAMBDA_FUNCTION_NAME", function.name},
      {"AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"},
      {"AWS_LAMBDA_FUNCTION_MEMORY_SIZE", std::to_string(get_int(configuration, "MemorySize", 128))},
      {"AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"},
      {"AWS_LAMBDA_LOG_GROUP_NAME", group},
      {"AWS_LAMBDA_LOG_STREAM_NAME", stream},
      {"AWS_ACCESS_KEY_ID", credentials->access_key_id},
      {"AWS_SECRET_ACCESS_KEY", credentials->secret_access_key},
      {"AWS_SESSION_TOKEN", credentials->session_token},
      {"AWS_ENDPOINT_URL", endpoint_},
      {"LAMBDA_TASK_ROOT", code.string()},
      {"LAMBDA_RUNTIME_DIR", folder_.string()},
      {"LANG", "en_US.UTF-8"},
      {"TZ", ":UTC"},
      {"PATH", "/usr/local/bin:/usr/bin/:/bin:/opt/bin"},
      {"PYTHONUNBUFFERED", "1"},
      {"PYTHONDONTWRITEBYTECODE", "1"}};
  for (const auto& [name, value] : own) environment[name] = value;
  if (python) environment["AWS_EXECUTION_ENV"] = "AWS_Lambda_" + get_string(configuration, "Runtime");
  Logs* logs = &logs_;
  host::Clock* clock = &clock_;
  spec.log = [logs, clock, group, stream](std::string line) {
    logs->append(group, stream, clock->now(), std::move(line));
  };
  auto made = std::make_shared<Environment>(executor_, clock_, std::move(spec));
  made->born = clock_.now();
  auto started = made->start(group_);
  if (!started) co_return fail(Fault::unavailable, "InvalidRuntimeException", started.error().message);
  co_return made;
}

task<Result<Invoked>> Functions::invoke(std::string name, std::string request_id, std::string payload) {
  const auto function = get_function(db_.read(), name);
  if (!function)
    co_return fail(Fault::not_found, "ResourceNotFoundException",
                   "Function not found: " + place_.arn("lambda", "function:" + name));
  if (!has_room(*function)) co_return fail(Fault::throttled, "TooManyRequestsException", "Rate Exceeded.");
  auto environment = co_await acquire(*function);
  if (!environment) co_return fail(environment);
  const Environment& own = **environment;
  const bool cold = own.last_used == Instant{};
  const long long memory = get_int(function->configuration, "MemorySize", 128);
  const Instant began = clock_.now();
  const auto parsed = parse_json(payload);
  const std::string event_id = parsed && parsed->is_object() ? get_string(parsed->get_object(), "id") : "";
  auto note_start = [=](database::Transaction& tx) {
    database::append_journal(tx, began, "lambda.invoked", name,
                             fmt::format("{} ({} start)", name, cold ? "cold" : "warm"),
                             {{"requestId", request_id}, {"event", event_id}, {"cold", cold}});
  };
  // Written while the function already runs: the journal is for people, and nobody waits for it.
  group_.spawn("journal", db_.write(note_start));
  own.spec().log(start_line(request_id));
  auto outcome = co_await (*environment)->invoke(request_id, std::move(payload));
  const std::string written = (*environment)->take_log();
  const std::string report = report_line(request_id, outcome, memory);
  own.spec().log(end_line(request_id));
  own.spec().log(report);
  const Instant ended = clock_.now();
  const std::string error = outcome.function_error.empty() ? "" : outcome.payload.substr(0, 300);
  const long long took = outcome.took.count();
  const long long init = outcome.init ? outcome.init->count() : 0;
  auto note_end = [=](database::Transaction& tx) {
    database::append_journal(
        tx, ended, "lambda.finished", name,
        error.empty() ? fmt::format("{} in {} ms", name, took) : fmt::format("{} failed: {}", name, error),
        {{"requestId", request_id}, {"durationMs", took}, {"initMs", init}, {"error", error}});
  };
  group_.spawn("journal", db_.write(note_end));
  queue_news_.ring();  // A place is free.
  co_return Invoked{.outcome = std::move(outcome),
                    .log = start_line(request_id) + "\n" + written + end_line(request_id) + "\n" + report + "\n"};
}

task<Result<void>> Functions::enqueue_invocation(std::string name, std::string request_id, std::string payload) {
  const Instant now = clock_.now();
  const Queued queued{
      .function = name, .request_id = request_id, .payload = std::move(payload), .next_at = now, .received_at = now};
  auto put = [queued](database::Transaction& tx) { enqueue(tx, queued); };
  co_await db_.write(put);
  queue_news_.ring();
  co_return Result<void>{};
}

task<Result<void>> Functions::invoke_async(std::string function_arn, std::string payload, std::string source_principal,
                                           std::string source_arn) {
  const std::string name = function_name(function_arn);
  const auto function = get_function(db_.read(), name);
  if (!function) co_return fail(Fault::not_found, "NO_RESOURCE", "Function not found: " + function_arn);
  if (!permits(function->policy, source_principal, source_arn))
    co_return fail(Fault::denied, "NO_PERMISSIONS",
                   fmt::format("{} may not invoke {} for {}: add a permission (aws lambda add-permission)",
                               source_principal, name, source_arn));
  const std::string request_id = random_.uuid();
  co_return co_await enqueue_invocation(name, request_id, std::move(payload));
}

task<void> Functions::work_queue() {
  for (;;) {
    const Instant now = clock_.now();
    Duration wait = kQueueIdle;
    std::set<std::string> full;
    for (const Queued& queued : list_queue(db_.read(), kQueueLookahead)) {
      if (running_.contains(queued.number)) continue;
      if (queued.next_at > now) {
        wait = std::min(wait, queued.next_at - now);
        break;
      }
      const auto function = get_function(db_.read(), queued.function);
      // In the order of arrival for each function: one that waits for a place is not overtaken.
      if (full.contains(queued.function)) continue;
      if (function && !has_room(*function)) {
        full.insert(queued.function);
        continue;
      }
      running_.insert(queued.number);
      ++opening_[queued.function];  // Its place is taken from now on; run_queued() hands it over.
      group_.spawn("queued invocation", run_queued(queued));
    }
    co_await queue_news_.wait(wait);
  }
}

task<void> Functions::run_queued(Queued queued) {
  --opening_[queued.function];
  auto invoked = co_await invoke(queued.function, queued.request_id, queued.payload);
  if (invoked) {
    ++queued.attempts;
    co_await settle(queued, invoked->outcome);
  } else if (invoked.error().fault == Fault::not_found) {
    const long long number = queued.number;
    auto drop = [number](database::Transaction& tx) { dequeue(tx, number); };
    co_await db_.write(drop);
  } else {
    queued.next_at = clock_.now() + retry_after_throttle(queued.throttles++);
    log_warn("lambda", fmt::format("{} could not be started: {}", queued.function, invoked.error().message));
    auto later = [queued](database::Transaction& tx) { update(tx, queued); };
    co_await db_.write(later);
  }
  running_.erase(queued.number);
  queue_news_.ring();
}

// After an attempt: done, again later, or given up with a dead letter.
task<void> Functions::settle(Queued queued, Outcome outcome) {
  const auto function = get_function(db_.read(), queued.function);
  const Instant now = clock_.now();
  const int retries =
      function ? static_cast<int>(get_int(function->event_invoke, "MaximumRetryAttempts", kRetriesDefault)) : 0;
  const Duration age_max = std::chrono::seconds(
      function ? get_int(function->event_invoke, "MaximumEventAgeInSeconds", kEventAgeSecondsDefault) : 0);
  const auto again = outcome.function_error.empty() ? std::nullopt : retry_after_error(queued.attempts, retries);
  if (again && now + *again - queued.received_at < age_max) {
    queued.next_at = now + *again;
    auto later = [queued](database::Transaction& tx) { update(tx, queued); };
    co_await db_.write(later);
    co_return;
  }
  const std::string queue =
      function ? get_string(get_object(function->configuration, "DeadLetterConfig"), "TargetArn") : "";
  if (!outcome.function_error.empty() && !queue.empty()) {
    // Sent before the entry goes: a crash between the two sends it twice, never not at all.
    const std::map<std::string, std::pair<std::string, std::string>> attributes = {
        {"RequestID", {"String", queued.request_id}},
        {"ErrorCode", {"Number", "200"}},
        {"ErrorMessage", {"String", outcome.payload.substr(0, 1024)}}};
    auto sent = co_await dead_letters_.send(queue, queued.payload, attributes);
    if (!sent)
      log_error("lambda", "the dead letter of " + queued.function + " could not be sent: " + sent.error().message);
  }
  const long long number = queued.number;
  auto drop = [number](database::Transaction& tx) { dequeue(tx, number); };
  co_await db_.write(drop);
}

task<void> Functions::close_idle() {
  for (;;) {
    co_await pause(kSweepEvery);
    const Instant now = clock_.now();
    for (auto& [name, all] : environments_) {
      for (const auto& environment : all) {
        const bool idle =
            !environment->busy() && environment->last_used != Instant{} && now - environment->last_used > kIdleMax;
        if (idle) environment->close();
      }
      std::erase_if(all, [](const auto& environment) { return !environment->usable() && !environment->busy(); });
    }
  }
}

}  // namespace slipway::lambda
