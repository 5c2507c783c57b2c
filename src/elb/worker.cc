#include "elb/worker.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/log.h"
#include "base/text.h"
#include "elb/config.h"
#include "http/client.h"

namespace slipway::elb {
namespace {

using namespace std::chrono_literals;

constexpr Duration kProxyWatch = 1s;  // A dead HAProxy is noticed within this.
constexpr Duration kDrainPoll = 5ms;
constexpr int kQuietPolls = 2;  // A drained server is seen without requests this often in a row.
constexpr Duration kCommandRetry = 100ms;
constexpr Duration kTurnPoll = 1ms;
constexpr Duration kDelayDefault = 300s;  // deregistration_delay.timeout_seconds

// "arn:…:targetgroup/name/0123" -> "name"; names are unique in a region.
std::string backend_name(const std::string& group) {
  const auto parts = split(group, '/');
  return parts.size() > 1 ? parts[1] : group;
}

// Ends a turn however its coroutine ends.
class Turn {
 public:
  explicit Turn(bool& changing) : changing_(changing) {}
  ~Turn() { changing_ = false; }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

 private:
  bool& changing_;
};

std::string server_name(const Target& target) {
  return fmt::format("{}/s{}", backend_name(target.group), target.slot);
}

}  // namespace

HealthCheck health_check_of(const json::object& group) {
  HealthCheck check;
  check.path = get_string(group, "HealthCheckPath", "/");
  check.interval = std::chrono::seconds(get_int(group, "HealthCheckIntervalSeconds", 30));
  check.timeout = std::chrono::seconds(get_int(group, "HealthCheckTimeoutSeconds", 5));
  check.healthy_threshold = static_cast<int>(get_int(group, "HealthyThresholdCount", 5));
  check.unhealthy_threshold = static_cast<int>(get_int(group, "UnhealthyThresholdCount", 2));
  check.matcher = get_string(get_object(group, "Matcher"), "HttpCode", "200");
  const std::string port = get_string(group, "HealthCheckPort", "traffic-port");
  if (port != "traffic-port") check.port = std::atoi(port.c_str());
  return check;
}

Duration deregistration_delay_of(const json::object& group) {
  const std::string seconds = get_string(get_object(group, "Attributes"), "deregistration_delay.timeout_seconds");
  return seconds.empty() ? kDelayDefault : Duration(std::chrono::seconds(std::atoi(seconds.c_str())));
}

Balancer::Balancer(asio::any_io_executor executor, database::Database& db, host::Clock& clock, host::Random& random,
                   Place place, host::Proxy& proxy, std::string address)
    : db_(db),
      clock_(clock),
      random_(random),
      place_(std::move(place)),
      proxy_(proxy),
      address_(std::move(address)),
      group_(std::move(executor)) {}

task<Result<void>> Balancer::start() {
  for (const Target& target : list_targets(db_.read(), "")) {
    TargetHealth& health = health_[{target.group, target.id}];
    if (target.in_traffic) health = {.state = TargetState::healthy, .reason = "", .description = ""};
    if (target.draining)
      health = {.state = TargetState::draining,
                .reason = "Target.DeregistrationInProgress",
                .description = "Target deregistration is in progress"};
    bells_[{target.group, target.id}] = std::make_unique<Bell>(group_.executor());
  }
  if (!list(db_.read(), "listener").empty()) {
    auto up = co_await restructure();
    if (!up) co_return up;
  }
  for (const auto& [key, bell] : bells_) group_.spawn("target " + key.second, run_target(key.first, key.second));
  group_.spawn("watch HAProxy", watch_proxy());
  co_return Result<void>{};
}

task<void> Balancer::stop() {
  return group_.stop();
}

std::string Balancer::configuration() {
  std::vector<Frontend> frontends;
  for (const Document& listener : list(db_.read(), "listener")) {
    const int port = static_cast<int>(get_int(listener.body, "Port"));
    frontends.push_back({.name = fmt::format("l{}", port),
                         .address = address_,
                         .port = port,
                         .backend = backend_name(get_string(listener.body, "TargetGroupArn"))});
  }
  std::vector<Backend> backends;
  for (const Document& group : list(db_.read(), "group")) {
    Backend backend{.name = backend_name(group.arn), .taken = {}};
    for (const Target& target : list_targets(db_.read(), group.arn))
      backend.taken.push_back({.number = target.slot,
                               .address = target.address,
                               .port = target.port,
                               .in_traffic = target.in_traffic && !target.draining});
    backends.push_back(std::move(backend));
  }
  return render(frontends, backends);
}

task<void> Balancer::take_turn() {
  while (changing_) co_await pause(kTurnPoll);
  changing_ = true;
}

// What every slot in use must be told.
std::vector<std::string> Balancer::commands_for_all() const {
  std::vector<std::string> commands;
  for (const Target& target : list_targets(db_.read(), "")) {
    const std::string server = server_name(target);
    if (target.in_traffic && !target.draining)
      commands.push_back(fmt::format("set server {} addr {} port {}", server, target.address, target.port));
    commands.push_back(fmt::format("set server {} state {}", server,
                                   target.draining     ? "drain"
                                   : target.in_traffic ? "ready"
                                                       : "maint"));
  }
  return commands;
}

// Without a reload where the structure is the running one: a reload hides the requests that the old process still
// serves.
task<Result<void>> Balancer::conform(std::string text) {
  const std::string current = proxy_.current();
  if (current.empty() || structure_of(current) != structure_of(text)) co_return co_await proxy_.apply(text);
  const auto commands = commands_for_all();
  auto told = co_await proxy_.command(commands);
  if (!told) co_return fail(told);
  co_return co_await proxy_.record(text);
}

task<Result<void>> Balancer::restructure() {
  co_await take_turn();
  const Turn turn(changing_);
  if (list(db_.read(), "listener").empty()) co_return co_await proxy_.stop();
  const std::string text = configuration();
  auto conformed = co_await conform(text);
  co_return conformed;
}

task<void> Balancer::watch_proxy() {
  for (;;) {
    co_await pause(kProxyWatch);
    if (list(db_.read(), "listener").empty() || !proxy_.current().empty()) continue;
    log_warn("elb", "HAProxy is gone; starting it again");
    auto up = co_await restructure();
    if (!up) log_error("elb", "HAProxy: " + up.error().message);
  }
}

std::vector<TargetView> Balancer::targets(const std::string& group) {
  std::vector<TargetView> out;
  for (const Target& target : list_targets(db_.read(), group))
    out.push_back({.target = target, .health = health_[{group, target.id}]});
  return out;
}

task<Result<void>> Balancer::register_target(std::string group, std::string id, std::string address, int port) {
  auto add = [group, id, address, port](database::Transaction& tx) -> Result<bool> {
    if (!get(tx, "group", group))
      return fail(Fault::not_found, "TargetGroupNotFound", "One or more target groups not found");
    const auto known = get_target(tx, group, id);
    if (known && known->address == address && known->port == port && !known->draining) return false;
    std::vector<int> taken;
    for (const Target& target : list_targets(tx, group)) taken.push_back(target.slot);
    put(tx, Target{.group = group,
                   .id = id,
                   .address = address,
                   .port = port,
                   .slot = known ? known->slot : free_slot(taken)});
    return true;
  };
  auto added = co_await db_.write(add);
  if (!added) co_return fail(added);
  const Key key{group, id};
  if (*added) {
    health_[key] = TargetHealth{};
    const auto target = get_target(db_.read(), group, id);
    const auto taken = list_targets(db_.read(), group);
    // More targets than slots: the configuration grows, which takes a reload.
    const bool grew =
        std::ranges::none_of(
            taken, [&](const Target& other) { return other.id != id && slot_count(other.slot) >= target->slot; }) &&
        target->slot > slot_count(0);
    if (grew) {
      auto wider = co_await restructure();
      if (!wider) co_return wider;
    }
  }
  if (!bells_[key]) {
    bells_[key] = std::make_unique<Bell>(group_.executor());
    group_.spawn("target " + id, run_target(group, id));
  }
  co_return Result<void>{};
}

task<Result<void>> Balancer::deregister_target(std::string group, std::string id) {
  const Instant now = clock_.now();
  auto begin = [group, id, now](database::Transaction& tx) -> Result<void> {
    auto target = get_target(tx, group, id);
    if (!target) return fail(Fault::not_found, "InvalidTarget", "The target is not registered");
    if (target->draining) return {};
    target->draining = true;
    target->draining_at = now;
    put(tx, *target);
    return {};
  };
  auto begun = co_await db_.write(begin);
  if (!begun) co_return begun;
  const Key key{group, id};
  health_[key] = {.state = TargetState::draining,
                  .reason = "Target.DeregistrationInProgress",
                  .description = "Target deregistration is in progress"};
  const auto bell = bells_.find(key);
  if (bell != bells_.end()) bell->second->ring();
  tell();
  co_return Result<void>{};
}

task<void> Balancer::run_target(std::string group, std::string id) {
  const Key key{group, id};
  for (;;) {
    const auto target = get_target(db_.read(), group, id);
    const auto document = get(db_.read(), "group", group);
    if (!target || !document) break;
    if (target->draining) {
      co_await drain(*target);
      break;
    }
    const HealthCheck check = health_check_of(document->body);
    const Probe seen = co_await probe(*target, check);
    const auto current = get_target(db_.read(), group, id);
    if (!current || current->draining) continue;
    const TargetHealth before = health_[key];
    health_[key] = judge(before, check, seen, clock_.now());
    const bool wanted = health_[key].state == TargetState::healthy;
    if (wanted != current->in_traffic) {
      auto moved = co_await set_traffic(*current, wanted);
      if (!moved) {
        log_warn("elb", "cannot move " + id + ": " + moved.error().message);
        co_await pause(kCommandRetry);
        continue;
      }
    }
    if (before.state != health_[key].state || before.description != health_[key].description) tell();
    co_await bells_.at(key)->wait(until_next_probe(health_[key], check));
  }
  bells_.erase(key);
  health_.erase(key);
  tell();
}

task<Probe> Balancer::probe(Target target, HealthCheck check) {
  const http::ClientOptions options{
      .endpoint = fmt::format("http://{}:{}", target.address, check.port != 0 ? check.port : target.port),
      .connect_timeout = check.timeout,
      .read_timeout = check.timeout};
  const http::ClientRequest request{.method = "GET",
                                    .target = check.path,
                                    .headers = {{"User-Agent", "ELB-HealthChecker/2.0"}, {"Connection", "close"}},
                                    .body = ""};
  auto answer = co_await http::fetch(options, request);
  if (answer) co_return Probe{.outcome = Probe::Outcome::answered, .status = answer->status};
  co_return Probe{.outcome =
                      answer.error().fault == Fault::timed_out ? Probe::Outcome::timed_out : Probe::Outcome::failed};
}

// Runs the commands on HAProxy, then records what they brought about: in the tables, and as the text of what runs.
task<Result<void>> Balancer::change_slot(Target target, std::vector<std::string> commands) {
  co_await take_turn();
  const Turn turn(changing_);
  auto answers = co_await proxy_.command(commands);
  Result<void> outcome;
  if (!answers) outcome = fail(answers);
  for (std::size_t i = 0; answers && i < answers->size(); ++i) {
    const std::string& said = answers->at(i);
    // HAProxy answers nothing, or says what it changed.
    const bool fine = said.empty() || said.find("changed from") != std::string::npos ||
                      said.find("no need to change") != std::string::npos;
    if (!fine)
      outcome = fail(Fault::invalid, "ProxyRefused", fmt::format("HAProxy refuses '{}': {}", commands[i], said));
  }
  if (outcome) {
    auto save = [target](database::Transaction& tx) {
      auto known = get_target(tx, target.group, target.id);
      if (!known) return;
      known->in_traffic = target.in_traffic;
      put(tx, *known);
    };
    co_await db_.write(save);
    const std::string text = configuration();
    outcome = co_await proxy_.record(text);
  }
  co_return outcome;
}

task<Result<void>> Balancer::set_traffic(Target target, bool on) {
  target.in_traffic = on;
  const std::string server = server_name(target);
  std::vector<std::string> commands;
  if (on) commands.push_back(fmt::format("set server {} addr {} port {}", server, target.address, target.port));
  // The prober has seen it healthy: HAProxy needs no check of its own, and "ready" puts it up at once.
  commands.push_back(fmt::format("set server {} state {}", server, on ? "ready" : "drain"));
  co_return co_await change_slot(target, commands);
}

task<void> Balancer::drain(Target target) {
  const std::string server = server_name(target);
  const std::string backend = backend_name(target.group);
  const auto document = get(db_.read(), "group", target.group);
  const Instant deadline = target.draining_at + deregistration_delay_of(document->body);
  const std::vector<std::string> out = {fmt::format("set server {} state drain", server)};
  for (;;) {
    auto drained = co_await proxy_.command(out);
    if (drained) break;
    co_await pause(kCommandRetry);
  }
  for (int quiet = 0; quiet < kQuietPolls && clock_.now() < deadline;) {
    co_await pause(kDrainPoll);
    auto rows = co_await proxy_.stats();
    if (!rows) continue;
    const std::string slot = fmt::format("s{}", target.slot);
    const auto row = std::ranges::find_if(
        *rows, [&](const host::ProxyStatRow& r) { return r.backend == backend && r.server == slot; });
    const bool idle = row == rows->end() || (row->sessions == 0 && row->queued == 0);
    quiet = idle ? quiet + 1 : 0;
  }
  std::vector<std::string> last;
  if (clock_.now() >= deadline) last.push_back(fmt::format("shutdown sessions server {}", server));
  last.push_back(fmt::format("set server {} state maint", server));
  for (;;) {
    auto gone = co_await proxy_.command(last);
    if (gone) break;
    co_await pause(kCommandRetry);
  }
  co_await take_turn();
  const Turn turn(changing_);
  auto forget = [target](database::Transaction& tx) { erase(tx, target); };
  co_await db_.write(forget);
  const std::string text = configuration();
  (void)co_await proxy_.record(text);
}

}  // namespace slipway::elb
