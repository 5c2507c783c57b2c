#include "elb/worker.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/digest.h"
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
constexpr Duration kUnusedLook = 60s;     // A target that no listener uses is looked at this often; a bell is sooner.
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

std::string default_rule_arn(const std::string& listener) {
  std::string arn = listener;
  const auto at = arn.find(":listener/");
  if (at == std::string::npos) return {};
  arn.replace(at, 10, ":listener-rule/");
  return arn + "/" + sha256_hex(listener).substr(0, 16);
}

std::string listener_of_rule(const std::string& rule) {
  std::string arn = rule.substr(0, rule.rfind('/'));
  const auto at = arn.find(":listener-rule/");
  if (at != std::string::npos) arn.replace(at, 15, ":listener/");
  return arn;
}

std::vector<Document> rules_of(database::Connection& db, const std::string& listener) {
  auto rules = list(db, "rule");
  std::erase_if(rules, [&](const Document& rule) { return get_string(rule.body, "ListenerArn") != listener; });
  std::ranges::stable_sort(rules, {}, [](const Document& rule) { return get_int(rule.body, "Priority"); });
  return rules;
}

std::vector<Frontend> Balancer::frontends() {
  const auto route = [](std::string name, const json::object& body, const char* actions) {
    const Action action = action_of(get_array(body, actions));
    Route out{.name = std::move(name), .conditions = {}, .shares = {}, .fixed = action.fixed};
    for (const Share& share : action.shares)
      out.shares.push_back({.backend = backend_name(share.group), .weight = share.weight});
    return out;
  };
  std::vector<Frontend> out;
  for (const Document& listener : list(db_.read(), "listener")) {
    const int port = static_cast<int>(get_int(listener.body, "Port"));
    Frontend frontend{.name = fmt::format("l{}", port), .address = address_, .port = port, .routes = {}};
    for (const Document& rule : rules_of(db_.read(), listener.arn)) {
      frontend.routes.push_back(route("r" + split(rule.arn, '/').back(), rule.body, "Actions"));
      frontend.routes.back().conditions = conditions_of(get_array(rule.body, "Conditions"));
    }
    frontend.routes.push_back(route(frontend.name, listener.body, "DefaultActions"));
    out.push_back(std::move(frontend));
  }
  return out;
}

std::string Balancer::configuration() {
  std::vector<Backend> backends;
  for (const Document& group : list(db_.read(), "group")) {
    if (!in_use(group.arn)) continue;
    Backend backend{.name = backend_name(group.arn), .taken = {}};
    for (const Target& target : list_targets(db_.read(), group.arn))
      backend.taken.push_back({.number = target.slot,
                               .address = target.address,
                               .port = target.port,
                               .in_traffic = target.in_traffic && !target.draining});
    backends.push_back(std::move(backend));
  }
  return render(frontends(), backends);
}

bool is_named(database::Connection& db, const std::string& group) {
  const auto names = [&](const char* kind, const char* actions) {
    return std::ranges::any_of(list(db, kind), [&](const Document& one) {
      const auto groups = groups_of(get_array(one.body, actions));
      return std::ranges::find(groups, group) != groups.end();
    });
  };
  return names("listener", "DefaultActions") || names("rule", "Actions");
}

std::vector<Share> Balancer::shares_of(const std::string& rule) {
  const std::string listener = listener_of_rule(rule);
  if (default_rule_arn(listener) == rule) {
    const auto document = get(db_.read(), "listener", listener);
    return document ? action_of(get_array(document->body, "DefaultActions")).shares : std::vector<Share>{};
  }
  const auto document = get(db_.read(), "rule", rule);
  return document ? action_of(get_array(document->body, "Actions")).shares : std::vector<Share>{};
}

task<Result<void>> Balancer::set_shares(std::string rule, std::vector<Share> shares) {
  const json::array actions = forward_to(shares);
  auto change = [rule, actions](database::Transaction& tx) -> Result<bool> {
    const std::string listener = listener_of_rule(rule);
    const bool is_default = default_rule_arn(listener) == rule;
    const char* kind = is_default ? "listener" : "rule";
    const char* member = is_default ? "DefaultActions" : "Actions";
    auto document = get(tx, kind, is_default ? listener : rule);
    if (!document) return fail(Fault::not_found, "RuleNotFound", "One or more rules not found");
    if (get_array(document->body, member) == actions) return false;
    document->body[member] = actions;
    put(tx, kind, *document);
    return true;
  };
  auto changed = co_await db_.write(change);
  if (!changed) co_return fail(changed);
  auto written = co_await restructure();
  co_return written;
}

task<void> Balancer::take_turn() {
  while (changing_) co_await pause(kTurnPoll);
  changing_ = true;
}

// What every slot in use must be told.
std::vector<std::string> Balancer::commands_for_all() {
  std::vector<std::string> commands;
  for (const Target& target : list_targets(db_.read(), "")) {
    if (!in_use(target.group)) continue;
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
  const auto weights = weight_commands(frontends());
  auto weighed = co_await proxy_.command(weights);
  if (!weighed) co_return fail(weighed);
  // One that it does not take at run time it takes from the text.
  if (std::ranges::any_of(*weighed, [](const std::string& said) { return !said.empty(); }))
    co_return co_await proxy_.apply(text);
  co_return co_await proxy_.record(text);
}

// Keeps the text of what runs.  One whose structure does not run yet is left to the restructure() that brings it about.
task<Result<void>> Balancer::record_running() {
  const std::string text = configuration();
  if (structure_of(proxy_.current()) != structure_of(text)) co_return Result<void>{};
  co_return co_await proxy_.record(text);
}

task<Result<void>> Balancer::restructure() {
  co_await take_turn();
  const Turn turn(changing_);
  // A listener may have made a group used or unused: its targets look at it again.
  for (const auto& [key, bell] : bells_) bell->ring();
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
      co_await drain(*target, deregistration_delay_of(document->body));
      break;
    }
    const HealthCheck check = health_check_of(document->body);
    const TargetHealth before = health_[key];
    const bool settled = in_use(group) ? co_await examine(*target, check) : co_await rest(*target);
    const TargetHealth& now = health_[key];
    if (before.state != now.state || before.description != now.description) tell();
    if (!settled) {
      co_await pause(kCommandRetry);
    } else {
      co_await bells_.at(key)->wait(now.state == TargetState::unused ? kUnusedLook : until_next_probe(now, check));
    }
  }
  bells_.erase(key);
  health_.erase(key);
  tell();
}

// Probes the target once and moves it into or out of traffic; false when HAProxy did not follow.
task<bool> Balancer::examine(Target target, HealthCheck check) {
  const Key key{target.group, target.id};
  const Probe seen = co_await probe(target, check);
  const auto current = get_target(db_.read(), target.group, target.id);
  if (!current || current->draining) co_return true;
  const TargetHealth before = health_[key].state == TargetState::unused ? TargetHealth{} : health_[key];
  health_[key] = judge(before, check, seen, clock_.now());
  const bool wanted = health_[key].state == TargetState::healthy;
  if (wanted == current->in_traffic) co_return true;
  const auto moved = co_await set_traffic(*current, wanted);
  if (!moved) log_warn("elb", "cannot move " + target.id + ": " + moved.error().message);
  co_return moved.has_value();
}

// No listener sends requests to the target's group: nothing is probed, and nothing is in traffic.
task<bool> Balancer::rest(Target target) {
  health_[{target.group, target.id}] = {
      .state = TargetState::unused,
      .reason = "Target.NotInUse",
      .description = "Target group is not configured to receive traffic from the load balancer"};
  auto out = [target](database::Transaction& tx) {
    auto known = get_target(tx, target.group, target.id);
    if (!known || !known->in_traffic) return;
    known->in_traffic = false;
    put(tx, *known);
  };
  if (target.in_traffic) co_await db_.write(out);
  co_return true;
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
    outcome = co_await record_running();
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

// Requests that the target serves, in every worker of HAProxy; nothing when HAProxy does not say.
task<std::optional<long long>> Balancer::requests_of(Target target) {
  const auto rows = co_await proxy_.stats();
  if (!rows) co_return std::nullopt;
  const std::string backend = backend_name(target.group);
  const std::string slot = fmt::format("s{}", target.slot);
  long long requests = 0;
  for (const host::ProxyStatRow& row : *rows) {
    if (row.backend == backend && row.server == slot) requests += row.sessions + row.queued;
  }
  co_return requests;
}

// Repeats what must be said to HAProxy until it answers, for as long as the target's group has a place in it.
task<void> Balancer::insist(Target target, std::vector<std::string> commands) {
  while (in_use(target.group)) {
    const auto told = co_await proxy_.command(commands);
    if (told) co_return;
    co_await pause(kCommandRetry);
  }
}

task<void> Balancer::drain(Target target, Duration delay) {
  const std::string server = server_name(target);
  const Instant deadline = target.draining_at + delay;
  const std::vector<std::string> out = {fmt::format("set server {} state drain", server)};
  co_await insist(target, out);
  for (int quiet = 0; quiet < kQuietPolls && clock_.now() < deadline;) {
    co_await pause(kDrainPoll);
    const auto requests = co_await requests_of(target);
    if (!requests && in_use(target.group)) continue;
    quiet = requests.value_or(0) == 0 ? quiet + 1 : 0;
  }
  std::vector<std::string> last;
  if (clock_.now() >= deadline) last.push_back(fmt::format("shutdown sessions server {}", server));
  last.push_back(fmt::format("set server {} state maint", server));
  co_await insist(target, last);
  co_await take_turn();
  const Turn turn(changing_);
  auto forget = [target](database::Transaction& tx) { erase(tx, target); };
  co_await db_.write(forget);
  (void)co_await record_running();
}

}  // namespace slipway::elb
