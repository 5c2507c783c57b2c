#include "region/region.h"

#include <fmt/format.h>
#include <malloc.h>
#include <sys/resource.h>
#include <unistd.h>

#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <iostream>

#include "base/log.h"
#include "base/run.h"
#include "base/text.h"
#include "database/journal.h"
#include "ecr/api.h"
#include "ecs/api.h"
#include "elb/api.h"
#include "events/api.h"
#include "events/records.h"
#include "host/docker.h"
#include "host/haproxy.h"
#include "http/server.h"
#include "iam/api.h"
#include "lambda/api.h"
#include "logs/api.h"
#include "region/apply.h"
#include "region/authenticate.h"
#include "region/doors.h"
#include "region/front_door.h"
#include "region/package.h"
#include "region/permit.h"
#include "sns/api.h"
#include "sqs/api.h"

namespace slipway::region {
namespace {

using namespace std::chrono_literals;

constexpr int kPoolThreads = 2;
constexpr std::size_t kDescriptorsUsual = 1024;
constexpr std::size_t kDescriptorsMax = 8192;
constexpr Duration kStopGrace = 2s;
constexpr Duration kEngineMax = 5s;
constexpr Duration kPortWait = 1s;
constexpr Duration kPortPoll = 10ms;

std::string read_instance_id(const StateFolder& folder, host::Random& random) {
  const auto file = folder.root / "instance";
  if (const auto known = host::read_file(file)) return std::string(trim(*known));
  const std::string made = random.hex(16);
  (void)host::write_file_durably(file, made + "\n", 0600);
  return made;
}

// How many descriptors this process may have: raised as far as it may raise it itself, within reason.  Half of them
// are for those who connect; the rest is for the database, HAProxy, the container engine and functions.
std::size_t descriptors() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return kDescriptorsUsual;
  const rlim_t wanted = std::min<rlim_t>(limit.rlim_max, kDescriptorsMax);
  if (limit.rlim_cur < wanted) {
    limit.rlim_cur = wanted;
    if (::setrlimit(RLIMIT_NOFILE, &limit) != 0 && ::getrlimit(RLIMIT_NOFILE, &limit) != 0) return kDescriptorsUsual;
  }
  return std::min<std::size_t>(limit.rlim_cur, kDescriptorsMax);
}

// The deployer lies beside the program.
std::vector<database::Schema> schemas() {
  return {database::journal_schema(), apply_schema(),   iam::schema(), logs::schema(), sqs::schema(), ecr::schema(),
          events::schema(),           lambda::schema(), elb::schema(), ecs::schema(),  sns::schema()};
}

// Every room and how they are connected, in the order in which each needs only those above it.
class Region {
 public:
  Region(asio::io_context& io, const Options& options)
      : options_(options),

        executor_(io.get_executor()),
        pool_(kPoolThreads),
        db_(executor_, options.folder.database()),
        authority_(migrated(db_), clock_, random_, options.place, options.folder.administrator_key()),
        instance_id_(read_instance_id(options.folder, random_)),
        containers_(host::make_docker(executor_, options.docker)),
        proxy_(host::make_haproxy(executor_, options.folder.proxy())),
        archive_(executor_, db_, clock_, options.place),
        queues_(executor_, db_, clock_, random_, options.place, endpoint()),
        letters_(queues_, options.place),
        rule_letters_(queues_, options.accept_any_credentials),
        bus_permissions_(authority_, options.accept_any_credentials),
        bus_(executor_, db_, clock_, random_, options.place, late_targets_, rule_letters_, bus_permissions_,
             {.rules_per_bus = options.rules_per_bus}),
        outbox_(bus_),
        permissions_(authority_, options.accept_any_credentials),
        registry_(executor_, db_, pool_, clock_, random_, options.place, options.folder.registry(),
                  fmt::format("localhost:{}", options.port), outbox_, permissions_),
        function_logs_(archive_),
        function_roles_(authority_),
        functions_(executor_, db_, pool_, clock_, random_, options.place, options.folder.functions(), endpoint(),
                   function_logs_, function_roles_, letters_),
        topic_endpoints_(functions_, queues_, options.accept_any_credentials),
        topics_(executor_, db_, clock_, random_, options.place, endpoint(), topic_endpoints_, topic_permissions_),
        event_targets_(functions_, queues_, topics_, archive_, clock_, bus_permissions_, options.place,
                       options.accept_any_credentials),
        balancer_(executor_, db_, clock_, random_, options.place, *proxy_),
        issuer_keys_(options.issuer_keys),
        task_images_(registry_, *containers_, clock_, authority_, options.place),
        task_targets_(balancer_),
        hook_functions_(functions_, authority_, options.accept_any_credentials),
        task_logs_(archive_),
        task_events_(bus_),
        scheduler_(executor_, db_, clock_, random_, options.place, *containers_, task_images_, task_targets_,
                   hook_functions_, task_logs_, task_events_, {.instance_id = instance_id_}),
        services_{ecs::service(scheduler_),     ecr::service(registry_),
                  events::service(bus_),        lambda::service(functions_),
                  elb::service(balancer_),      logs::service(archive_),
                  iam::iam_service(authority_), iam::sts_service(authority_, issuer_keys_),
                  sqs::service(queues_),        sqs::query_service(queues_),
                  sns::service(topics_)},
        door_(front_door_parts()),
        server_(executor_, {.address = "127.0.0.1", .port = options.port, .connections_max = descriptors() / 2},
                [this](http::Request& request) { return door_.answer(request); }) {
    late_targets_.connect(event_targets_);
    event_targets_.connect_tasks(services_.front());
    letters_.connect(bus_);
  }

  task<Result<void>> start(Instant began) {
    auto checked = co_await check_machine();
    if (!checked) co_return checked;
    registry_.start();
    archive_.start();
    if (auto started = functions_.start(); !started) co_return started;
    if (auto listening = co_await listen(); !listening) co_return listening;
    const About about{.pid = ::getpid(),
                      .endpoint = endpoint(),
                      .instance_id = instance_id_,
                      .place = options_.place,
                      .docker = options_.docker};
    if (auto written = write_about(options_.folder, about); !written) co_return written;
    auto balancing = co_await balancer_.start();
    if (!balancing) co_return balancing;
    scheduler_.start();
    bus_.start();
    topics_.start();
    if (options_.config) {
      auto applied = co_await apply(apply_parts(), *options_.config);
      if (!applied) co_return applied;
    }
    say_ready(began);
    co_return Result<void>{};
  }

  task<void> stop() {
    co_await server_.stop(kStopGrace);
    co_await bus_.stop();
    co_await topics_.stop();
    co_await scheduler_.stop();
    co_await balancer_.stop();
    co_await functions_.stop();
    co_await archive_.stop();
  }

 private:
  static database::Database& migrated(database::Database& db) {
    for (const auto& schema : schemas()) db.migrate(schema);
    return db;
  }
  std::string endpoint() const { return fmt::format("http://127.0.0.1:{}", options_.port); }

  task<Result<void>> check_machine() {
    auto asking = containers_->info();
    auto info = co_await with_deadline(kEngineMax, std::move(asking));
    if (!info || !*info) {
      co_return fail(Fault::unavailable, "SLW-104",
                     fmt::format("no container engine answers at {} ({}). Install and start one (apt-get install "
                                 "docker.io), or name it: slipway up --docker unix:PATH",
                                 options_.docker, info ? info->error().message : "no answer in time"));
    }
    if (host::find_program("haproxy").empty())
      co_return fail(Fault::not_found, "SLW-105", "HAProxy is not installed. On Debian: apt-get install haproxy");
    co_return Result<void>{};
  }

  // A daemon that was killed may let go of its port a little later than of its lock.
  task<Result<void>> listen() {
    auto listening = server_.listen();
    for (Duration waited{}; !listening && waited < kPortWait; waited += kPortPoll) {
      co_await pause(kPortPoll);
      listening = server_.listen();
    }
    co_return listening;
  }

  ApplyParts apply_parts() {
    ApplyParts parts;
    for (const auto& service : services_) parts.services.push_back(&service);
    parts.database = &db_;
    parts.context.caller = authority_.administrator();
    parts.context.place = options_.place;
    parts.context.now = clock_.now();
    parts.context.request_id = random_.uuid();
    parts.registry_host = registry_.host();
    parts.deployer_binary = deployer_binary();
    return parts;
  }

  // A resource's own policy; empty: none.
  std::string policy_of(const std::string& service, const std::string& resource) {
    if (service == "ecr") return registry_.policy_of(resource);
    return service == "sns" ? topics_.policy(resource) : "";
  }

  FrontDoorParts front_door_parts() {
    FrontDoorParts parts;
    for (const auto& service : services_) parts.services.push_back(&service);
    parts.registry = [this](http::Request& request) { return registry_.serve(request); };
    const bool open = options_.accept_any_credentials;
    parts.authenticate = [this, open](const http::Request& request, std::string_view body,
                                      Instant now) -> Result<wire::Caller> {
      if (open) return authority_.administrator();
      return authenticate(authority_, request, body, now);
    };
    parts.scope = [](const http::Request& request) { return signing::claimed_scope(message_of(request, {})); };
    parts.check_scope = !open;
    parts.allow = [this, open](const wire::Service& service, const wire::Operation& operation,
                               const wire::Call& call) -> Result<void> {
      if (open || (operation.unsigned_too && call.caller.arn.empty())) return {};
      return permit(authority_, service, operation, call, policy_of(service.name, resource_of(operation, call)));
    };
    parts.health = [this] {
      return json::object{{"status", "running"},
                          {"version", SLIPWAY_VERSION},
                          {"pid", ::getpid()},
                          {"account", options_.place.account},
                          {"region", options_.place.region}};
    };
    parts.events = [this](std::string method, std::string rest) {
      return answer_events(std::move(method), std::move(rest));
    };
    parts.database = &db_;
    parts.clock = &clock_;
    parts.random = &random_;
    parts.place = options_.place;
    return parts;
  }

  // GET dead, GET event/ID, POST redrive, POST redrive/ID.
  task<Result<json::object>> answer_events(std::string method, std::string rest) {
    if (method == "GET" && rest == "dead") {
      json::object dead{{"deliveries", events::dead_records(db_.read())}};
      co_return dead;
    }
    if (method == "GET" && rest.starts_with("event/")) {
      auto record = events::event_record(db_.read(), rest.substr(6));
      if (record) co_return *std::move(record);
      co_return fail(Fault::not_found, "SLW-310", "no event has the id " + rest.substr(6) + ", or it is forgotten");
    }
    if (method == "POST" && (rest == "redrive" || rest.starts_with("redrive/"))) {
      const int revived = co_await bus_.redrive(rest == "redrive" ? "" : rest.substr(8));
      json::object done{{"redriven", revived}};
      co_return done;
    }
    co_return fail(Fault::not_found, "SLW-310", "there is events/dead, events/event/ID and events/redrive");
  }

  void say_ready(Instant began) {
    const auto took = (clock_.now() - began).count();
    // One line that tools wait for.
    std::cout << fmt::format("slipway ready: {} (account {}, region {}, {} ms)\n", endpoint(), options_.place.account,
                             options_.place.region, took);
    if (options_.config) {
      for (const auto& [name, service] : options_.config->services) {
        std::cout << fmt::format("  {}: push localhost:{}/{}", name, options_.port, service.repository);
        if (service.listen != 0) std::cout << fmt::format("; serves http://127.0.0.1:{}", service.listen);
        std::cout << "\n";
      }
    }
    std::cout << std::flush;
    if (options_.accept_any_credentials)
      log_warn(
          "region",
          "--accept-any-credentials: no signature and no policy is checked; anybody on this machine may do anything");
  }

  Options options_;
  asio::any_io_executor executor_;
  host::SystemClock clock_;
  host::SystemRandom random_;
  host::Pool pool_;
  database::Database db_;
  iam::Authority authority_;
  std::string instance_id_;
  std::unique_ptr<host::Containers> containers_;
  std::unique_ptr<host::Proxy> proxy_;
  logs::Archive archive_;
  sqs::Queues queues_;
  LateTargets late_targets_;
  QueueLetters letters_;
  RuleLetters rule_letters_;
  BusPermissions bus_permissions_;
  events::Bus bus_;
  PushOutbox outbox_;
  RegistryPermissions permissions_;
  ecr::Registry registry_;
  FunctionLogs function_logs_;
  FunctionRoles function_roles_;
  lambda::Functions functions_;
  TopicEndpoints topic_endpoints_;
  TopicPermissions topic_permissions_;
  sns::Topics topics_;
  EventTargets event_targets_;
  elb::Balancer balancer_;
  IssuerKeys issuer_keys_;
  TaskImages task_images_;
  TaskTargets task_targets_;
  HookFunctions hook_functions_;
  TaskLogs task_logs_;
  TaskEvents task_events_;
  ecs::Scheduler scheduler_;
  std::vector<wire::Service> services_;
  FrontDoor door_;
  http::Server server_;
};

task<void> wait_for_signal(asio::any_io_executor executor) {
  asio::signal_set signals(executor, SIGINT, SIGTERM);
  co_await signals.async_wait(asio::use_awaitable);
}

task<Result<void>> live(Region& region, Instant began) {
  auto started = co_await region.start(began);
  if (started) co_await wait_for_signal(co_await asio::this_coro::executor);
  co_await region.stop();
  co_return started;
}

task<Result<int>> clear(host::Containers& containers, host::Proxy& proxy, std::string instance_id) {
  auto stopped = co_await proxy.stop();
  if (!stopped) co_return fail(stopped);
  auto all = co_await containers.list(ecs::kInstanceLabel, instance_id);
  if (!all) co_return fail(all);
  int removed = 0;
  for (const host::Container& container : *all) {
    auto gone = co_await containers.remove(container.id);
    if (!gone) co_return fail(gone);
    ++removed;
  }
  co_return removed;
}

}  // namespace

Result<void> serve(const Options& options) {
  const host::SystemClock clock;
  const Instant began = clock.now();
  std::signal(SIGPIPE, SIG_IGN);
  // Few arenas: one busy thread and three that mostly sleep do not need sixty-four.
  ::mallopt(M_ARENA_MAX, 2);
  if (auto locked = lock_state_folder(options.folder); !locked) return locked;
  asio::io_context io(1);
  Region region(io, options);
  return run(live(region, began), io);
}

Result<int> clear_machine(const StateFolder& folder, const About& about) {
  asio::io_context io(1);
  const auto containers = host::make_docker(io.get_executor(), about.docker);
  const auto proxy = host::make_haproxy(io.get_executor(), folder.proxy());
  return run(clear(*containers, *proxy, about.instance_id), io);
}

}  // namespace slipway::region
