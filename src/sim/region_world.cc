#include "sim/region_world.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <vector>

#include "base/log.h"
#include "database/journal.h"
#include "ecs/api.h"
#include "host/clock.h"
#include "host/containers.h"
#include "sim/virtual_time.h"

namespace slipway::sim {
namespace {

using namespace ecs;
using namespace std::chrono_literals;

constexpr Duration kStep = 100ms;
constexpr Duration kCalmStep = 500ms;  // After the faults.
constexpr Duration kFaults = 180s;
constexpr Duration kRest = 25min;      // After the faults it comes to rest within this.
constexpr Duration kStopTimeout = 5s;  // Of the simulated containers.
constexpr Duration kHealthEvery = 500ms;
constexpr int kFailures = 2;          // Checks that make a healthy target unhealthy.
constexpr int kFailuresAtFirst = 12;  // And one that has just come: longer than the slowest start.

// What is drawn from the seed.  Values, so that two worlds do not share a stream.
class Dice {
 public:
  explicit Dice(unsigned long seed) : random_(seed) {}
  int pick(int from, int to) { return from + static_cast<int>(random_() % static_cast<unsigned long>(to - from + 1)); }
  bool chance(int per_mille) { return static_cast<int>(random_() % 1000) < per_mille; }
  Duration span(int from, int to) { return Duration(pick(from, to)); }

 private:
  std::mt19937_64 random_;
};

// How bad this world is, in per mille.
struct Weather {
  bool calm = false;  // No accidents of tasks and engine: only the daemon dies.
  int engine_errors = 0;
  int engine_hangs = 0;
  int crashes = 0;  // Of a good container, for each step.
  int lost_news = 0;
  int daemon_dies = 0;
  int disk_full = 0;
};

class SimClock final : public host::Clock {
 public:
  Instant now() const override { return virtual_now(); }
  task<void> sleep_until(Instant at) override { co_await pause(std::max<Duration>(at - virtual_now(), 0ms)); }
};

// ---- the load balancer: it outlives the daemon ----

class SimBalancer final : public TargetGroups {
 public:
  struct Target {
    TargetStatus::State state = TargetStatus::State::initial;
    bool in_traffic = false;
    Instant checked_at{};
    Instant gone_at{};
    int failures = 0;  // Of its check, in a row.
    std::string group;
  };
  std::map<std::string, Target> all;
  std::function<void()> news;
  std::function<bool(const std::string&)> answers;  // Whether the task would answer a request.
  std::function<void(const std::string&)> before_deregister;

  SimBalancer(Dice& dice, const Weather& weather) : dice_(dice), weather_(weather) {}

  Result<void> check(const std::string&) override { return {}; }
  Result<void> check_rule(const std::string&) override { return {}; }
  std::optional<int> share(const std::string&, const std::string&, const std::string&) override { return share_; }
  task<Result<void>> set_share(std::string, std::string, std::string, int share) override {
    co_await pause(dice_.span(1, 30));
    share_ = share;
    co_return Result<void>{};
  }
  task<Result<void>> register_target(std::string group, std::string id, std::string, int) override {
    co_await pause(dice_.span(1, 30));
    all.try_emplace(id, Target{.checked_at = virtual_now(), .group = group});
    co_return Result<void>{};
  }
  task<Result<void>> deregister_target(std::string, std::string id) override {
    const auto target = all.find(id);
    if (target == all.end()) co_return fail(Fault::not_found, "TargetNotFound", "no such target");
    if (target->second.state != TargetStatus::State::draining) {
      before_deregister(id);
      target->second.state = TargetStatus::State::draining;
      target->second.in_traffic = false;
      target->second.gone_at = virtual_now() + dice_.span(0, 2000);
    }
    co_await pause(dice_.span(1, 30));
    co_return Result<void>{};
  }
  // The part of the requests that a target group gets.
  int reach(const std::string& group) const { return group == "tg" ? kAll - share_ : share_; }
  std::vector<TargetStatus> targets(const std::string& group) override {
    std::vector<TargetStatus> out;
    for (const auto& [id, target] : all) {
      if (target.group != group) continue;
      out.push_back({.id = id, .state = target.state, .in_traffic = target.in_traffic, .description = "no answer"});
    }
    return out;
  }
  void on_change(std::function<void()> tell) override { news = std::move(tell); }

  void tick() {
    const Instant now = virtual_now();
    bool changed = false;
    for (auto& [id, target] : all) {
      if (target.state == TargetStatus::State::draining || now < target.checked_at + kHealthEvery) continue;
      target.checked_at = now;
      target.failures = answers(id) ? 0 : target.failures + 1;
      const int allowed = target.state == TargetStatus::State::initial ? kFailuresAtFirst : kFailures;
      const auto verdict = target.failures == 0         ? TargetStatus::State::healthy
                           : target.failures >= allowed ? TargetStatus::State::unhealthy
                                                        : target.state;
      const bool in_traffic = verdict == TargetStatus::State::healthy;
      changed |= target.state != verdict;
      target.state = verdict;
      target.in_traffic = in_traffic;
    }
    changed |= std::erase_if(all, [&](const auto& entry) {
                 return entry.second.state == TargetStatus::State::draining && now >= entry.second.gone_at;
               }) > 0;
    if (!changed || !news) return;
    if (dice_.chance(weather_.lost_news)) return;
    news();
    if (dice_.chance(weather_.lost_news)) news();  // And twice.
  }

 private:
  Dice& dice_;
  const Weather& weather_;
  int share_ = 0;
};

// ---- the engine: it outlives the daemon ----

class SimEngine final : public host::Containers {
 public:
  struct One {
    host::Container container;
    Instant ready_at{};
    std::optional<Instant> exits_at;
    std::optional<Instant> asked_at;  // SIGTERM
    bool never_ready = false;
  };
  std::map<std::string, One> all;            // By name.
  std::map<std::string, std::string> kinds;  // Image -> "good", "exits", "never"
  bool away = false;
  std::function<void(const host::ContainerSpec&)> before_create;
  std::function<void(const One&, const char*)> before_end;

  SimEngine(Dice& dice, const Weather& weather) : dice_(dice), weather_(weather) {}

  task<Result<host::EngineInfo>> info() override { co_return host::EngineInfo{.name = "sim", .version = "1"}; }
  task<Result<std::string>> ensure_image(std::string image, std::optional<host::RegistryLogin>) override {
    auto served = co_await serve(10, 800);
    if (!served) co_return fail(served);
    co_return image;
  }
  task<Result<host::Container>> create(host::ContainerSpec spec) override {
    auto served = co_await serve(5, 100);
    if (!served) co_return fail(served);
    before_create(spec);
    auto [at, fresh] = all.try_emplace(spec.name);
    if (fresh) {
      at->second.container = {
          .id = spec.name, .name = spec.name, .image_id = spec.image, .stop_signal = "SIGTERM", .labels = spec.labels};
      at->second.never_ready = kinds[spec.image] == "never";
    }
    auto answered = co_await answer();
    if (!answered) co_return fail(answered);
    co_return all.at(spec.name).container;
  }
  task<Result<host::Container>> start(std::string id) override {
    auto served = co_await serve(20, 300);
    if (!served) co_return fail(served);
    if (!all.contains(id)) co_return none();
    One& one = all.at(id);
    if (one.container.state == host::Container::State::created) {
      one.container.state = host::Container::State::running;
      one.container.address = "10.0.0.1";
      one.ready_at = virtual_now() + dice_.span(100, 4000);
      if (kinds[one.container.image_id] == "exits") {
        one.exits_at = virtual_now() + dice_.span(0, 1500);
        one.never_ready = true;
      }
    }
    auto answered = co_await answer();
    if (!answered) co_return fail(answered);
    if (!all.contains(id)) co_return none();
    co_return all.at(id).container;
  }
  task<Result<void>> signal(std::string id, std::string name) override {
    auto served = co_await serve(1, 30);
    if (!served) co_return fail(served);
    const auto at = all.find(id);
    if (at == all.end() || at->second.container.state != host::Container::State::running) co_return Result<void>{};
    before_end(at->second, name.c_str());
    if (name == "SIGKILL") end(at->second, 137);
    if (name == "SIGTERM" && !at->second.asked_at) {
      at->second.asked_at = virtual_now();
      // Some ignore it.
      if (!dice_.chance(100)) at->second.exits_at = virtual_now() + dice_.span(0, 3000);
    }
    co_return Result<void>{};
  }
  task<Result<host::Container>> inspect(std::string id) override {
    auto served = co_await serve(1, 20);
    if (!served) co_return fail(served);
    if (!all.contains(id)) co_return none();
    co_return all.at(id).container;
  }
  task<Result<std::vector<host::Container>>> list(std::string label, std::string value) override {
    auto served = co_await serve(1, 50);
    if (!served) co_return fail(served);
    std::vector<host::Container> found;
    for (const auto& [name, one] : all) {
      if (one.container.labels.contains(label) && one.container.labels.at(label) == value)
        found.push_back(one.container);
    }
    co_return found;
  }
  task<Result<host::Container>> wait_for_exit(std::string id) override {
    for (;;) {
      if (away) co_return gone();
      if (!all.contains(id)) co_return none();
      if (all.at(id).container.state == host::Container::State::exited) co_return all.at(id).container;
      co_await pause(100ms);
    }
  }
  task<Result<void>> follow_logs(std::string, std::string, std::function<bool(host::LogLine)>) override {
    co_return Result<void>{};
  }
  task<Result<void>> remove(std::string id) override {
    auto served = co_await serve(5, 100);
    if (!served) co_return fail(served);
    const auto at = all.find(id);
    if (at == all.end()) co_return Result<void>{};
    if (at->second.container.state == host::Container::State::running) before_end(at->second, "remove");
    all.erase(at);
    co_return Result<void>{};
  }
  task<Result<int>> exec(std::string, std::vector<std::string>, Duration) override { co_return 0; }

  bool answers(const std::string& name) const {
    const auto at = all.find(name);
    return at != all.end() && at->second.container.state == host::Container::State::running &&
           !at->second.never_ready && virtual_now() >= at->second.ready_at;
  }

  void tick(bool faults) {
    for (auto& [name, one] : all) {
      if (one.container.state != host::Container::State::running) continue;
      if (one.exits_at && virtual_now() >= *one.exits_at) end(one, one.asked_at ? 0 : 1);
      if (faults && dice_.chance(weather_.crashes)) end(one, 139);
      // Flaps: it is busy with itself for a while.
      if (faults && dice_.chance(weather_.crashes)) one.ready_at = virtual_now() + dice_.span(500, 6000);
    }
  }

 private:
  static void end(One& one, int code) {
    one.container.state = host::Container::State::exited;
    one.container.exit_code = code;
    one.container.address.clear();
  }
  static std::unexpected<Error> gone() { return fail(Fault::unavailable, "EngineUnavailable", "no engine answers"); }
  static std::unexpected<Error> none() { return fail(Fault::not_found, "EngineNotFound", "no such container"); }

  // Time passes before the effect; the engine may be away, or hang and then fail.
  task<Result<void>> serve(int from, int to) {
    if (dice_.chance(weather_.engine_hangs)) {
      co_await pause(dice_.span(5000, 60000));
      co_return fail(Fault::timed_out, "Timeout", "the engine did not answer");
    }
    co_await pause(dice_.span(from, to));
    if (away || dice_.chance(weather_.engine_errors)) co_return gone();
    co_return Result<void>{};
  }
  // And after it: the effect is there, the answer may not be.
  task<Result<void>> answer() {
    co_await pause(dice_.span(0, 20));
    if (dice_.chance(weather_.engine_errors)) co_return gone();
    co_return Result<void>{};
  }

  Dice& dice_;
  const Weather& weather_;
};

class SimImages final : public Images {
 public:
  std::string digest = "sha256:1";  // What app:latest means now.
  task<Result<ResolvedImage>> resolve(std::string image) override {
    co_await pause(5ms);
    if (image.find('@') != std::string::npos)
      co_return ResolvedImage{.reference = image, .digest = image.substr(image.find('@') + 1)};
    co_return ResolvedImage{.reference = "app@" + digest, .digest = digest};
  }
};

// A function that takes its time: sometimes it asks to be called again.
class SimFunctions final : public Functions {
 public:
  explicit SimFunctions(Dice& dice) : dice_(dice) {}
  task<Result<json::object>> call(std::string, std::string, json::object) override {
    co_await pause(dice_.span(10, 2000));
    const char* status = dice_.chance(300) ? "IN_PROGRESS" : "SUCCEEDED";
    co_return json::object{{"hookStatus", status}, {"callBackDelay", 2}};
  }

 private:
  Dice& dice_;
};

struct NoLogs final : Logs {
  void append(std::string, std::string, LogEntry) override {}
};
struct NoEvents final : EventSink {
  void publish(database::Transaction&, Event) override {}
};

// ---- the world ----

class World {
 public:
  explicit World(unsigned long seed)
      : dice_(seed), random_(seed), balancer_(dice_, weather_), engine_(dice_, weather_) {
    weather_.calm = dice_.chance(400);
    weather_.daemon_dies = dice_.chance(700) ? dice_.pick(2, 15) : 0;
    weather_.lost_news = dice_.chance(500) ? dice_.pick(100, 1000) : 0;
    if (!weather_.calm) {
      weather_.engine_errors = dice_.pick(0, 100);
      weather_.engine_hangs = dice_.pick(0, 10);
      weather_.crashes = dice_.pick(0, 2);
      weather_.disk_full = dice_.chance(400) ? dice_.pick(1, 6) : 0;
    }
    desired_ = dice_.pick(1, 4);
    minimum_ = std::vector{50, 75, 100}[static_cast<std::size_t>(dice_.pick(0, 2))];
    maximum_ = std::vector{150, 200}[static_cast<std::size_t>(dice_.pick(0, 1))];
    // Of its own stream: worlds that roll stay as they were.
    Dice kind(seed + 1'000'000'007);
    shifts_ = kind.chance(400);
    bake_ = kind.pick(0, 1);
    if (shifts_) maximum_ = 200;
    if (desired_ == 1) maximum_ = 200;  // Else nothing could ever be replaced.
    if (desired_ == 2 && maximum_ == 150) maximum_ = 200;
    connect();
  }

  std::string run() {
    db_.migrate(database::journal_schema());
    db_.migrate(schema());
    begin();
    create();
    const Instant faults_end = virtual_now() + kFaults;
    while (virtual_now() < faults_end && wrong_.empty()) {
      disturb();
      step(kStep, true);
    }
    if (!wrong_.empty()) return finish();
    clear_weather();
    deploy("good");
    const Instant limit = virtual_now() + kRest;
    while (virtual_now() < limit && wrong_.empty() && !at_rest()) step(kCalmStep, false);
    if (wrong_.empty() && !at_rest()) wrong_ = "it does not come to rest: " + why_not();
    return finish();
  }

 private:
  // ---- the daemon ----

  void begin() {
    scheduler_ = std::make_unique<Scheduler>(io_.get_executor(), db_, clock_, random_, Place{}, engine_, images_,
                                             balancer_, functions_, logs_, events_, Options{.instance_id = "i"});
    api_ = std::make_unique<wire::Service>(service(*scheduler_));
    scheduler_->start();
  }
  // Every coroutine ends where it waits: what was written stays, what was about to be done is not.
  void die() {
    balancer_.news = nullptr;
    bool ended = false;
    calls_.spawn("stop", stop_and_tell(&ended));
    while (!ended) poll();
    scheduler_.reset();
  }
  task<void> stop_and_tell(bool* ended) {
    co_await scheduler_->stop();
    *ended = true;
  }
  std::string finish() {
    if (scheduler_) die();
    return wrong_;
  }

  void poll() {
    io_.restart();
    while (io_.poll() > 0) {
    }
    set_time(virtual_now() + 1ms);
  }
  void step(Duration length, bool faults) {
    const Instant until = virtual_now() + length;
    poll();
    set_time(until);
    engine_.tick(faults);
    balancer_.tick();
    if (++steps_ % 5 == 0) look();
  }

  // ---- its users ----

  task<void> call(std::string operation, json::object input, std::optional<bool>* done) {
    wire::Call context;
    context.now = clock_.now();
    auto answer = co_await wire::call(*api_, std::move(operation), std::move(input), context);
    *done = answer.has_value();
  }
  // Asks until it is taken: the disk may be full.
  void ask(const char* operation, const json::object& input) {
    for (int i = 0; i < 200; ++i) {
      if (disk_full_ && i > 2) fill_disk(false);
      std::optional<bool> done;
      calls_.spawn(operation, call(operation, input, &done));
      for (int waited = 0; waited < 50 && !done; ++waited) step(kStep, false);
      if (done && *done) return;
      if (done && i > 20) wrong_ = fmt::format("{} is refused", operation);
      if (done && i > 20) return;
    }
  }
  void create() {
    ask("CreateCluster", {{"clusterName", "c"}});
    const json::object container = {{"name", "app"},
                                    {"image", "app:latest"},
                                    {"memory", 64},
                                    {"stopTimeout", kStopTimeout / 1s},
                                    {"portMappings", json::array{json::object{{"containerPort", 80}}}}};
    ask("RegisterTaskDefinition", {{"family", "f"}, {"containerDefinitions", json::array{container}}});
    engine_.kinds["app@" + images_.digest] = "good";
    const json::object breaker = {{"enable", true}, {"rollback", true}};
    json::object balancer = {{"targetGroupArn", "tg"}, {"containerName", "app"}, {"containerPort", 80}};
    json::object configuration = {
        {"minimumHealthyPercent", minimum_}, {"maximumPercent", maximum_}, {"deploymentCircuitBreaker", breaker}};
    if (shifts_) {
      balancer["advancedConfiguration"] =
          json::object{{"alternateTargetGroupArn", "tg2"}, {"productionListenerRule", "rule"}};
      configuration["strategy"] = "BLUE_GREEN";
      configuration["bakeTimeInMinutes"] = bake_;
      const json::object hook = {{"targetType", "AWS_LAMBDA"},
                                 {"hookTargetArn", "arn:aws:lambda:us-east-1:000000000000:function:check"},
                                 {"roleArn", "arn:aws:iam::000000000000:role/hooks"},
                                 {"lifecycleStages", json::array{"POST_SCALE_UP", "PRODUCTION_TRAFFIC_SHIFT"}}};
      configuration["lifecycleHooks"] = json::array{hook};
    }
    ask("CreateService", {{"cluster", "c"},
                          {"serviceName", "s"},
                          {"taskDefinition", "f"},
                          {"desiredCount", desired_},
                          {"deploymentConfiguration", configuration},
                          {"loadBalancers", json::array{balancer}}});
  }
  void push(const char* kind) {
    images_.digest = fmt::format("sha256:{}", ++pushes_);
    engine_.kinds["app@" + images_.digest] = kind;
  }
  void deploy(const char* kind) {
    push(kind);
    ask("UpdateService", {{"cluster", "c"}, {"service", "s"}, {"forceNewDeployment", true}});
  }

  // ---- what happens to it ----

  void disturb() {
    if (dice_.chance(3)) deploy(dice_.chance(600) ? "good" : dice_.chance(500) ? "exits" : "never");
    if (dice_.chance(5)) push(dice_.chance(700) ? "good" : "never");  // A tag moves, and nobody deploys.
    if (dice_.chance(weather_.daemon_dies)) {
      die();
      for (int down = dice_.pick(0, 50); down > 0; --down) step(kStep, true);
      begin();
    }
    if (!weather_.calm && dice_.chance(2)) {
      desired_ = std::max(2, desired_ % 4 + 1);
      maximum_ = 200;
      ask("UpdateService",
          {{"cluster", "c"},
           {"service", "s"},
           {"desiredCount", desired_},
           {"deploymentConfiguration", json::object{{"minimumHealthyPercent", minimum_}, {"maximumPercent", 200}}}});
    }
    if (!weather_.calm && dice_.chance(3)) engine_.away = !engine_.away;
    if (dice_.chance(weather_.disk_full)) fill_disk(!disk_full_);
  }
  void clear_weather() {
    engine_.away = false;
    if (disk_full_) fill_disk(false);
    weather_ = Weather{.calm = true, .lost_news = weather_.lost_news};
  }
  // From now on no table can grow; or it can again.
  void fill_disk(bool full) {
    disk_full_ = full;
    const auto limit = [full](database::Transaction& tx) {
      const auto pages = tx.query_one("PRAGMA page_count");
      tx.query(fmt::format("PRAGMA max_page_count = {}", full ? pages->integer(0) : 1'000'000));
    };
    calls_.spawn("disk", write(limit));
    poll();
  }
  task<void> write(std::function<void(database::Transaction&)> work) { co_await db_.write(work); }

  // ---- what must never be ----

  void say(std::string what) {
    if (wrong_.empty()) wrong_ = std::move(what);
  }
  static std::string name_of(const std::string& task) { return "slipway-" + task + "-app"; }
  static std::string task_of(const SimEngine::One& one) { return one.container.labels.at(kTaskLabel); }

  void connect() {
    balancer_.answers = [this](const std::string& id) { return engine_.answers(name_of(id)); };
    balancer_.before_deregister = [this](const std::string& id) {
      if (!weather_.calm || !balancer_.all.at(id).in_traffic || !engine_.answers(name_of(id)) || !settled_) return;
      if (balancer_.reach(balancer_.all.at(id).group) == 0) return;
      const auto serving = std::ranges::count_if(balancer_.all, [&](const auto& entry) {
        return entry.second.in_traffic && entry.first != id && balancer_.reach(entry.second.group) > 0;
      });
      if (serving < (desired_ * minimum_ + 99) / 100)
        say(fmt::format("a serving target was taken out: {} left of {}", serving, desired_));
    };
    engine_.before_create = [this](const host::ContainerSpec& spec) {
      const auto task = get_task(db_.read(), spec.labels.at(kTaskLabel));
      if (!task) return say("a container for no task");
      auto& digest = digests_[task->deployment];
      if (digest.empty()) digest = spec.image;
      if (digest != spec.image) say("two digests in one deployment");
    };
    engine_.before_end = [this](const SimEngine::One& one, const char* how) {
      if (balancer_.all.contains(task_of(one))) say(fmt::format("{} of a container that is still a target", how));
      const bool kill = std::string_view(how) != "SIGTERM";
      if (kill && (!one.asked_at || virtual_now() < *one.asked_at + kStopTimeout)) {
        if (task_known(one)) say(fmt::format("{} before the stop time-out", how));
      }
    };
  }
  bool task_known(const SimEngine::One& one) {
    const auto task = get_task(db_.read(), task_of(one));
    return task && task->stage != Stage::stopped;
  }

  void look() {
    const auto service = get_service(db_.read(), "c", "s");
    if (!service || service->state.deployments.empty()) return;
    const auto tasks = list_tasks(db_.read(), "c", "s");
    int active = 0;
    bool fresh = false;
    for (const TaskRecord& task : tasks) {
      active += task.stage <= Stage::running && !task.stop_wanted ? 1 : 0;
      fresh |= task.created_at > looked_at_;
      const auto failed = failed_at_.find(task.deployment);
      if (failed != failed_at_.end() && task.created_at > failed->second) say("a task of a deployment that had failed");
    }
    const int recent = std::max(desired_, service->state.desired);
    // In a shift both revisions are whole, and a sick task stays beside its replacement until that one serves.
    const int most = shifts_ ? 400 : std::max(maximum_, 200);
    if (fresh && active > std::max(recent * most / 100, 1)) say("more tasks than the maximum");
    if (weather_.calm && fresh && active > desired_ * maximum_ / 100) say("more tasks than the maximum");
    for (const Deployment& one : service->state.deployments) {
      if (one.rollout == Rollout::failed && !one.was_completed) failed_at_.try_emplace(one.id, virtual_now());
      settled_ |= one.was_completed;
    }
    looked_at_ = virtual_now();
  }

  std::string why_not() {
    const auto service = get_service(db_.read(), "c", "s");
    if (!service || service->state.deployments.empty()) return "there is no service";
    const Deployment& newest = service->state.deployments.front();
    int active = 0;
    std::string last;
    for (const TaskRecord& task : list_tasks(db_.read(), "c", "s")) {
      active += task.stage != Stage::stopped ? 1 : 0;
      if (task.deployment == newest.id && !task.stop_reason.empty()) last = task.stop_reason;
    }
    return fmt::format("{} deployments, the newest {}, {} tasks, {} containers, {} targets, {} wanted; {}",
                       service->state.deployments.size(), rollout_text(newest.rollout), active, engine_.all.size(),
                       balancer_.all.size(), service->state.desired, last);
  }
  bool at_rest() {
    const auto service = get_service(db_.read(), "c", "s");
    if (!service || service->state.deployments.size() != 1) return false;
    const Deployment& newest = service->state.deployments.front();
    const auto wanted = static_cast<std::size_t>(service->state.desired);
    const bool live = newest.rollout == Rollout::completed && digests_[newest.id] == "app@" + images_.digest;
    return live && engine_.all.size() == wanted && balancer_.all.size() == wanted &&
           std::ranges::all_of(balancer_.all, [](const auto& entry) { return entry.second.in_traffic; });
  }

  Weather weather_;
  Dice dice_;
  host::SeededRandom random_;
  SimClock clock_;
  asio::io_context io_{1};
  database::Database db_{io_.get_executor(), ":memory:", database::Database::Writing::caller};
  SimBalancer balancer_;
  SimEngine engine_;
  SimImages images_;
  SimFunctions functions_{dice_};
  NoLogs logs_;
  NoEvents events_;
  std::unique_ptr<Scheduler> scheduler_;
  std::unique_ptr<wire::Service> api_;
  std::map<std::string, std::string> digests_;  // Of a deployment.
  std::map<std::string, Instant> failed_at_;
  std::string wrong_;
  Instant looked_at_{};
  int desired_ = 1;
  int minimum_ = 100;
  int maximum_ = 200;
  int pushes_ = 1;
  long steps_ = 0;
  bool shifts_ = false;   // It deploys by BLUE_GREEN.
  int bake_ = 0;          // Minutes.
  bool settled_ = false;  // A deployment has been completed: the minimum has been reached.
  bool disk_full_ = false;
  TaskGroup calls_{io_.get_executor()};
};

}  // namespace

std::string run_region_world(unsigned long seed) {
  set_log_level(LogLevel::error);
  World world(seed);
  return world.run();
}

}  // namespace slipway::sim
