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
constexpr Duration kEnvironmentLifetime =
    40min;  // Its credentials last for one more run of the longest time-out, 15 min.
constexpr Duration kUnusedCodeKept = 10min;
constexpr Duration kQueueIdle = 1h;
constexpr long long kGivenUpAtOnce = 100;  // Entries of a function that may not run, or that is gone.
constexpr int kTriesUndelivered = 3;
constexpr std::size_t kDeadLetterMessageMax = 1024;
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

Duration age_max_of(const Function& function) {
  return std::chrono::seconds(get_int(function.event_invoke, "MaximumEventAgeInSeconds", kEventAgeSecondsDefault));
}

// The ARN that OnSuccess or OnFailure names; empty: none.
std::string destination_of(const Function& function, const char* when) {
  return get_string(get_object(get_object(function.event_invoke, "DestinationConfig"), when), "Destination");
}

bool names(const json::value& who, const std::string& principal) {
  if (who.is_string()) return view(who.get_string()) == "*";
  return who.is_object() && get_string(who.get_object(), "Service") == principal;
}

bool lets_invoke(const std::string& action) {
  return action == "lambda:InvokeFunction" || action == "lambda:*" || action == "*";
}

}  // namespace

bool permits(const json::array& statements, const std::string& principal, const std::string& source_arn,
             const std::string& resource) {
  return std::ranges::any_of(statements, [&](const json::value& value) {
    const json::object& statement = value.as_object();
    if (!names(statement.at("Principal"), principal) || !lets_invoke(get_string(statement, "Action"))) return false;
    if (get_string(statement, "Resource") != resource) return false;
    const json::object condition = get_object(statement, "Condition");
    // Services of this region send no account of their source, as EventBridge sends none.
    if (condition.contains("StringEquals")) return false;
    const std::string wanted = get_string(get_object(condition, "ArnLike"), "AWS:SourceArn");
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
  std::filesystem::create_directories(folder_ / "runtime", error);
  // What a daemon that was killed left: children of functions outlive them, and folders outlive their environments.
  const int left = host::kill_processes_with("LAMBDA_RUNTIME_DIR=" + (folder_ / "runtime").string());
  if (left > 0)
    log_info("lambda", fmt::format("{} processes of functions were left by the last daemon and ended", left));
  std::filesystem::remove_all(folder_ / "tmp", error);
  const auto python = folder_ / "runtime" / "python_bootstrap.py";
  if (host::read_file(python).value_or("") != kPythonBootstrap) {
    if (auto written = host::write_file_durably(python, kPythonBootstrap); !written) return written;
  }
  group_.spawn("invocation queue", work_queue());
  group_.spawn("idle environments", tidy());
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
  std::erase_if(environments_[name],
                [](const auto& environment) { return !environment->usable() && !environment->busy(); });
  queue_news_.ring();  // Its limits may be others now.
}

std::string Functions::arn(const std::string& name, const std::string& qualifier) const {
  return place_.arn("lambda", "function:" + name + (qualifier.empty() ? "" : ":" + qualifier));
}

std::string Functions::make_trace_id() {
  return fmt::format("Root=1-{:08x}-{};Parent={};Sampled=0", clock_.now().ms() / 1000, random_.hex(24),
                     random_.hex(16));
}

task<Result<std::string>> Functions::store_code(std::string name, std::string zip, std::string runtime) {
  const std::string folder_name = name + "-" + sha256_hex(zip).substr(0, 32);
  const std::filesystem::path target = folder_ / folder_name;
  const bool provided = runtime_kind(runtime) == RuntimeKind::provided;
  const std::string suffix = random_.hex(8);
  auto unpack = [target, zip, provided, suffix]() -> Result<void> {
    std::error_code error;
    if (std::filesystem::exists(target, error)) {
      // Young again, so that it is not removed before its function names it.
      std::filesystem::last_write_time(target, std::filesystem::file_time_type::clock::now(), error);
      return {};
    }
    const std::filesystem::path fresh = target.string() + ".new-" + suffix;
    std::filesystem::create_directories(fresh, error);
    auto unpacked = host::unpack_zip(zip, fresh, kUnzippedBytesMax);
    const auto bootstrap = std::filesystem::status(fresh / "bootstrap", error);
    if (unpacked && provided && !std::filesystem::is_regular_file(bootstrap)) {
      unpacked = fail(Fault::invalid, "InvalidParameterValueException",
                      "the package has no file called bootstrap at its top: a provided runtime starts that file. Add "
                      "it, executable, and try again.");
    } else if (unpacked && provided &&
               (bootstrap.permissions() & std::filesystem::perms::owner_exec) == std::filesystem::perms::none) {
      unpacked =
          fail(Fault::invalid, "InvalidParameterValueException",
               "the file bootstrap of the package is not executable: chmod +x bootstrap, zip it again (zip keeps "
               "the permission) and try again.");
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

long long Functions::limit_of(const Function& function) const {
  return function.reserved_concurrency >= 0 ? function.reserved_concurrency : kConcurrencyDefault;
}

bool Functions::has_room(const Function& function) const {
  const auto all = environments_.find(function.name);
  long long busy = 0;
  if (all != environments_.end())
    busy = std::ranges::count_if(all->second, [](const auto& environment) { return environment->busy(); });
  const auto opening = opening_.find(function.name);
  return busy + (opening == opening_.end() ? 0 : opening->second) < limit_of(function);
}

task<Result<std::shared_ptr<Environment>>> Functions::acquire(Function function) {
  auto& all = environments_[function.name];
  const std::string revision = revision_of(function);
  const std::string version = get_string(function.configuration, "Version");
  for (const auto& environment : all) {
    const bool other = environment->spec().version == version && environment->spec().revision != revision;
    const bool old = other || clock_.now() - environment->born > kEnvironmentLifetime;
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

std::map<std::string, std::string> Functions::variables_of(const Function& function, const RoleCredentials& credentials,
                                                           const std::string& group, const std::string& stream) const {
  const json::object& configuration = function.configuration;
  const std::string runtime = get_string(configuration, "Runtime");
  const std::string code = (folder_ / function.code_folder).string();
  const std::string runtime_folder = (folder_ / "runtime").string();
  // What a function may set otherwise comes first, then its own, then what is reserved.
  std::map<std::string, std::string> all = {
      {"LANG", "en_US.UTF-8"},
      {"TZ", ":UTC"},
      {"PATH", "/usr/local/bin:/usr/bin/:/bin:/opt/bin"},
      {"LD_LIBRARY_PATH", fmt::format("/lib64:/usr/lib64:{0}:{0}/lib:{1}:{1}/lib:/opt/lib", runtime_folder, code)},
      {"AWS_ENDPOINT_URL", endpoint_}};
  if (runtime_kind(runtime) == RuntimeKind::python) {
    all["PYTHONUNBUFFERED"] = "1";
    all["PYTHONDONTWRITEBYTECODE"] = "1";
    all["PYTHONIOENCODING"] = "utf-8";  // The locale of LANG may not be installed.
  }
  const json::object own = get_object(get_object(configuration, "Environment"), "Variables");
  for (const auto& entry : own)
    all[std::string(entry.key())] = entry.value().is_string() ? std::string(view(entry.value().get_string())) : "";
  const std::map<std::string, std::string> reserved = {
      {"_HANDLER", get_string(configuration, "Handler")},
      {"AWS_REGION", place_.region},
      {"AWS_DEFAULT_REGION", place_.region},
      {"AWS_LAMBDA_FUNCTION_NAME", function.name},
      {"AWS_LAMBDA_FUNCTION_VERSION", get_string(configuration, "Version")},
      {"AWS_LAMBDA_FUNCTION_MEMORY_SIZE", std::to_string(get_int(configuration, "MemorySize", 128))},
      {"AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"},
      {"AWS_LAMBDA_LOG_GROUP_NAME", group},
      {"AWS_LAMBDA_LOG_STREAM_NAME", stream},
      {"AWS_ACCESS_KEY_ID", credentials.access_key_id},
      {"AWS_SECRET_ACCESS_KEY", credentials.secret_access_key},
      {"AWS_SESSION_TOKEN", credentials.session_token},
      {"LAMBDA_TASK_ROOT", code},
      {"LAMBDA_RUNTIME_DIR", runtime_folder}};
  for (const auto& [name, value] : reserved) all[name] = value;
  if (runtime_kind(runtime) == RuntimeKind::python) all["AWS_EXECUTION_ENV"] = "AWS_Lambda_" + runtime;
  return all;
}

task<Result<std::shared_ptr<Environment>>> Functions::open(Function function) {
  const json::object& configuration = function.configuration;
  const std::string runtime = get_string(configuration, "Runtime");
  const std::string version = get_string(configuration, "Version");
  const std::string group =
      get_string(get_object(configuration, "LoggingConfig"), "LogGroup", "/aws/lambda/" + function.name);
  const std::string id = random_.hex(32);
  const std::string stream = fmt::format("{}/[{}]{}", day_of(clock_.now()), version, id);
  auto credentials = co_await roles_.session(get_string(configuration, "Role"), function.name, kCredentialsLifetime);
  if (!credentials) co_return fail(credentials);
  const std::filesystem::path code = folder_ / function.code_folder;
  const std::filesystem::path runtime_folder = folder_ / "runtime";
  const std::filesystem::path scratch = folder_ / "tmp" / id;
  std::error_code error;
  std::filesystem::create_directories(scratch, error);
  std::filesystem::permissions(scratch, std::filesystem::perms::all | std::filesystem::perms::sticky_bit, error);
  EnvironmentSpec spec;
  spec.version = version;
  spec.revision = revision_of(function);
  spec.timeout = std::chrono::seconds(get_int(configuration, "Timeout", 3));
  const bool python = runtime_kind(runtime) == RuntimeKind::python;
  spec.process.argv =
      python ? std::vector<std::string>{"/usr/bin/python3", (runtime_folder / "python_bootstrap.py").string()}
             : std::vector<std::string>{(code / "bootstrap").string()};
  spec.process.working_directory = code;
  spec.process.die_with_parent = true;
  spec.process.private_tmp = scratch;
  spec.process.read_only = {code, runtime_folder};
  spec.process.environment = variables_of(function, *credentials, group, stream);
  Logs* logs = &logs_;
  host::Clock* clock = &clock_;
  spec.log = [logs, clock, group, stream](std::string line) {
    logs->append(group, stream, clock->now(), std::move(line));
  };
  spec.ended = [this, scratch] {
    auto remove = [scratch] {
      std::error_code ignored;
      std::filesystem::remove_all(scratch, ignored);
      return true;
    };
    auto removal = [](host::Pool& pool, decltype(remove) work) -> task<void> { co_await pool.run(work); };
    group_.spawn("scratch folder", removal(pool_, remove));
  };
  auto made = std::make_shared<Environment>(executor_, clock_, group_, std::move(spec));
  made->born = clock_.now();
  made->note(init_line(runtime));
  auto started = made->start();
  if (!started) co_return fail(Fault::unavailable, "ServiceException", started.error().message);
  co_return made;
}

task<Result<Invoked>> Functions::invoke(std::string name, std::string qualifier, Event event) {
  const auto function = get_qualified(db_.read(), name, qualifier);
  if (!function)
    co_return fail(Fault::not_found, "ResourceNotFoundException", "Function not found: " + arn(name, qualifier));
  const std::string version = get_string(function->configuration, "Version");
  const std::string request_id = event.request_id;
  const long long memory = get_int(function->configuration, "MemorySize", 128);
  if (event.invoked_arn.empty()) event.invoked_arn = arn(name, qualifier);
  if (event.trace_id.empty()) event.trace_id = make_trace_id();
  const auto parsed = parse_json(event.payload);
  const std::string event_id = parsed && parsed->is_object() ? get_string(parsed->get_object(), "id") : "";
  Outcome outcome;
  std::string written;
  for (int tries = 1; tries == 1 || (outcome.undelivered && tries <= kTriesUndelivered); ++tries) {
    if (!has_room(*function)) co_return fail(Fault::throttled, "TooManyRequestsException", "Rate Exceeded.");
    auto environment = co_await acquire(*function);
    if (!environment) co_return fail(environment);
    const bool cold = (*environment)->last_used == Instant{};
    const Instant began = clock_.now();
    auto note_start = [=](database::Transaction& tx) {
      database::append_journal(tx, began, "lambda.invoked", name,
                               fmt::format("{} ({} start)", name, cold ? "cold" : "warm"),
                               {{"requestId", request_id}, {"event", event_id}, {"cold", cold}});
    };
    // Written while the function already runs: the journal is for people, and nobody waits for it.
    group_.spawn("journal", db_.write(note_start));
    outcome = co_await (*environment)->invoke(event);
    (*environment)->note(end_line(request_id));
    (*environment)->note(report_line(request_id, outcome, memory));
    written = (*environment)->take_log();
  }
  const Instant ended = clock_.now();
  const std::string error = outcome.function_error.empty() ? "" : outcome.payload.substr(0, 300);
  const auto took = std::chrono::round<Duration>(outcome.took).count();
  const auto init = std::chrono::round<Duration>(outcome.init.value_or(std::chrono::microseconds(0))).count();
  auto note_end = [=](database::Transaction& tx) {
    database::append_journal(
        tx, ended, "lambda.finished", name,
        error.empty() ? fmt::format("{} in {} ms", name, took) : fmt::format("{} failed: {}", name, error),
        {{"requestId", request_id}, {"durationMs", took}, {"initMs", init}, {"error", error}});
  };
  group_.spawn("journal", db_.write(note_end));
  queue_news_.ring();  // A place is free.
  co_return Invoked{.outcome = std::move(outcome), .version = version, .log = std::move(written)};
}

task<Result<void>> Functions::enqueue_invocation(std::string name, std::string qualifier, std::string request_id,
                                                 std::string payload) {
  const Instant now = clock_.now();
  const Queued queued{.function = name,
                      .qualifier = qualifier,
                      .request_id = request_id,
                      .payload = std::move(payload),
                      .next_at = now,
                      .received_at = now};
  auto put = [queued](database::Transaction& tx) { enqueue(tx, queued); };
  co_await db_.write(put);
  queue_news_.ring();
  co_return Result<void>{};
}

task<Result<void>> Functions::invoke_async(std::string function_arn, std::string payload, std::string source_principal,
                                           std::string source_arn) {
  auto put = [this, function_arn, payload, source_principal, source_arn, request_id = random_.uuid(),
              now = clock_.now()](database::Transaction& tx) {
    return invoke_async_in(tx, function_arn, payload, source_principal, source_arn, request_id, "", now);
  };
  co_return co_await db_.write(std::move(put));
}

Result<void> Functions::invoke_async_in(database::Transaction& tx, const std::string& function_arn,
                                        const std::string& payload, const std::string& source_principal,
                                        const std::string& source_arn, const std::string& request_id,
                                        const std::string& trace_id, Instant now) {
  const Reference reference = parse_reference(function_arn);
  const auto function = get_qualified(tx, reference.name, reference.qualifier);
  if (!function) return fail(Fault::not_found, "NO_RESOURCE", "Function not found: " + function_arn);
  if (!permits(function->policy, source_principal, source_arn, arn(reference.name, reference.qualifier)))
    return fail(Fault::denied, "NO_PERMISSIONS",
                fmt::format("{} may not invoke {} for {}: add a permission (aws lambda add-permission)",
                            source_principal, reference.name, source_arn));
  enqueue(tx, {.function = reference.name,
               .qualifier = reference.qualifier,
               .request_id = request_id,
               .payload = payload,
               .trace_id = trace_id,
               .next_at = now,
               .received_at = now});
  tx.after_commit([this] { queue_news_.ring(); });
  return {};
}

task<void> Functions::work_queue() {
  for (;;) {
    const Instant now = clock_.now();
    Duration wait = kQueueIdle;
    // Each function for itself: one that has no room does not keep the others waiting.
    for (const std::string& name : queued_functions(db_.read())) look_at_queue_of(name, now, wait);
    co_await queue_news_.wait(wait);
  }
}

// Starts what is due, in the order of arrival; `wait` becomes the time until something else is.
void Functions::look_at_queue_of(const std::string& name, Instant now, Duration& wait) {
  const auto function = get_function(db_.read(), name);
  // Nothing is read that could not be started: a place that becomes free rings.  Where nothing may run, all is given
  // up.
  const bool may_run = function && limit_of(*function) > 0;
  if (may_run && !has_room(*function)) return;
  const auto most = running_.size() + static_cast<std::size_t>(may_run ? limit_of(*function) : kGivenUpAtOnce) + 1;
  for (const Queued& queued : list_queue(db_.read(), name, most)) {
    if (running_.contains(queued.number)) continue;
    const Instant too_old = function ? queued.received_at + age_max_of(*function) : now;
    if (too_old <= now || (function && limit_of(*function) == 0)) {
      running_.insert(queued.number);
      group_.spawn("given up", give_up(queued, too_old <= now ? "EventAgeExceeded" : "RetriesExhausted"));
      continue;
    }
    wait = std::min(wait, too_old - now);
    if (queued.next_at > now) {
      wait = std::min(wait, queued.next_at - now);
      return;
    }
    if (!has_room(*function)) return;  // A place that becomes free rings.
    running_.insert(queued.number);
    ++opening_[name];  // Its place is taken from now on; run_queued() hands it over.
    group_.spawn("queued invocation", run_queued(queued));
  }
}

task<void> Functions::run_queued(Queued queued) {
  --opening_[queued.function];
  const Event event{.request_id = queued.request_id,
                    .payload = queued.payload,
                    .invoked_arn = arn(queued.function, queued.qualifier),
                    .client_context = {},
                    .trace_id = queued.trace_id};
  auto invoked = co_await invoke(queued.function, queued.qualifier, event);
  if (invoked) {
    ++queued.attempts;
    co_await settle(queued, invoked->outcome, invoked->version);
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

// Without another attempt: the event is too old, or the function may not run at all.
task<void> Functions::give_up(Queued queued, std::string condition) {
  const std::string qualifier = queued.qualifier.empty() ? "$LATEST" : queued.qualifier;
  Ended ended{.request_id = queued.request_id,
              .function_arn = arn(queued.function, qualifier),
              .version = qualifier,
              .condition = std::move(condition),
              .attempts = queued.attempts,
              .payload = queued.payload,
              .outcome = {}};
  const long long number = queued.number;
  co_await end(std::move(queued), std::move(ended));
  running_.erase(number);
  queue_news_.ring();  // There may be more.
}

// After an attempt: done, again later, or given up.
task<void> Functions::settle(Queued queued, Outcome outcome, std::string version) {
  const auto function = get_function(db_.read(), queued.function);
  const Instant now = clock_.now();
  const bool failed = !outcome.function_error.empty();
  const int retries =
      function ? static_cast<int>(get_int(function->event_invoke, "MaximumRetryAttempts", kRetriesDefault)) : 0;
  const auto again = failed ? retry_after_error(queued.attempts, retries) : std::nullopt;
  const bool young = function && again && now + *again - queued.received_at < age_max_of(*function);
  if (young) {
    queued.next_at = now + *again;
    auto later = [queued](database::Transaction& tx) { update(tx, queued); };
    co_await db_.write(later);
    co_return;
  }
  Ended ended{.request_id = queued.request_id,
              .function_arn = arn(queued.function, queued.qualifier.empty() ? "$LATEST" : queued.qualifier),
              .version = std::move(version),
              .condition = !failed ? "Success" : (again ? "EventAgeExceeded" : "RetriesExhausted"),
              .attempts = queued.attempts,
              .payload = queued.payload,
              .outcome = std::move(outcome)};
  co_await end(std::move(queued), std::move(ended));
}

// Tells whom the function names, then forgets the entry: a crash between the two tells twice, never not at all.
task<void> Functions::end(Queued queued, Ended ended) {
  const auto function = get_function(db_.read(), queued.function);
  const bool success = ended.condition == "Success";
  const std::string queue =
      function && !success ? get_string(get_object(function->configuration, "DeadLetterConfig"), "TargetArn") : "";
  if (!queue.empty()) {
    const std::string why = ended.outcome ? ended.outcome->payload : ended.condition;
    const std::map<std::string, std::pair<std::string, std::string>> attributes = {
        {"RequestID", {"String", queued.request_id}},
        {"ErrorCode", {"Number", ended.outcome ? "200" : "429"}},
        {"ErrorMessage", {"String", why.substr(0, kDeadLetterMessageMax)}}};
    auto sent = co_await dead_letters_.send(queue, queued.payload, attributes);
    if (!sent)
      log_error("lambda", "the dead letter of " + queued.function + " could not be sent: " + sent.error().message);
  }
  const std::string destination = function ? destination_of(*function, success ? "OnSuccess" : "OnFailure") : "";
  if (!destination.empty()) co_await send_on(destination, destination_record(ended, clock_.now()));
  const long long number = queued.number;
  auto drop = [number](database::Transaction& tx) { dequeue(tx, number); };
  co_await db_.write(drop);
}

// To a queue or another function.
task<void> Functions::send_on(std::string destination, json::object record) {
  const std::string body = json::serialize(record);
  const auto parsed = parse_arn(destination);
  if (parsed && parsed->service == "lambda") {
    const Reference reference = parse_reference(destination);
    const std::string request_id = random_.uuid();
    if (get_qualified(db_.read(), reference.name, reference.qualifier)) {
      co_await enqueue_invocation(reference.name, reference.qualifier, request_id, body);
    } else {
      log_error("lambda", "the destination " + destination + " is not there; the record is lost: " + body);
    }
    co_return;
  }
  auto sent = co_await dead_letters_.send(destination, body, {});
  if (!sent) log_error("lambda", "the destination " + destination + " did not take a record: " + sent.error().message);
}

task<void> Functions::tidy() {
  for (;;) {
    co_await pause(kSweepEvery);
    const Instant now = clock_.now();
    close_idle(now);
    co_await remove_unused_code();
  }
}

void Functions::close_idle(Instant now) {
  for (auto& [name, all] : environments_) {
    for (const auto& environment : all) {
      const bool idle =
          !environment->busy() && environment->last_used != Instant{} && now - environment->last_used > kIdleMax;
      if (idle) environment->close();
    }
    std::erase_if(all, [](const auto& environment) { return !environment->usable() && !environment->busy(); });
  }
  std::erase_if(environments_, [](const auto& entry) { return entry.second.empty(); });
}

// Code that no function, version or environment names, and that nobody stored a moment ago.
task<void> Functions::remove_unused_code() {
  // An environment that is being made has its code chosen already.
  if (std::ranges::any_of(opening_, [](const auto& entry) { return entry.second > 0; })) co_return;
  std::set<std::string> used = {"runtime", "tmp"};
  for (const std::string& folder : used_code(db_.read())) used.insert(folder);
  for (const auto& [name, all] : environments_) {
    for (const auto& environment : all) used.insert(environment->spec().process.working_directory.filename());
  }
  const auto folder = folder_;
  auto remove = [used, folder] {
    std::error_code error;
    const auto young = std::filesystem::file_time_type::clock::now() - kUnusedCodeKept;
    for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
      if (!entry.is_directory(error) || used.contains(entry.path().filename())) continue;
      if (entry.last_write_time(error) < young) std::filesystem::remove_all(entry.path(), error);
    }
    return true;
  };
  co_await pool_.run(remove);
}

}  // namespace slipway::lambda
