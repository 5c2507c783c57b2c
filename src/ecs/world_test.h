// A region of ecs in memory for its tests: an engine, a registry and a load balancer that do what the test says.
#pragma once
#include <gtest/gtest.h>

#include <algorithm>

#include "base/run.h"
#include "database/journal.h"
#include "ecs/api.h"
#include "host/fake_containers.h"

namespace slipway::ecs {

using namespace std::chrono_literals;

struct NamedImages final : Images {
  std::map<std::string, std::string> tags;  // "app:latest" -> "app@sha256:1"
  task<Result<ResolvedImage>> resolve(std::string image) override {
    if (image.find('@') != std::string::npos)
      co_return ResolvedImage{.reference = image, .digest = image.substr(image.find('@') + 1)};
    if (!tags.contains(image)) co_return fail(Fault::not_found, "ImageNotFound", image + " is not in the registry");
    co_return ResolvedImage{.reference = tags.at(image), .digest = tags.at(image).substr(tags.at(image).find('@') + 1)};
  }
};

// Healthy and in traffic as soon as it is registered, unless its address is listed as sick.
struct InstantTargets final : TargetGroups {
  std::vector<TargetStatus> all;
  std::map<std::string, std::string> group_of;  // Of a target.
  std::map<std::string, int> shares;            // Of a rule.
  std::vector<int> shares_seen;
  std::function<void()> news;
  bool sick = false;
  bool slow = false;  // Targets stay initial.
  int serving() const {
    return static_cast<int>(std::ranges::count_if(all, [](const TargetStatus& target) { return target.in_traffic; }));
  }
  Result<void> check(const std::string&) override { return {}; }
  Result<void> check_rule(const std::string&) override { return {}; }
  std::optional<int> share(const std::string& rule, const std::string&, const std::string&) override {
    const auto at = shares.find(rule);
    return at == shares.end() ? std::nullopt : std::optional<int>(at->second);
  }
  task<Result<void>> set_share(std::string rule, std::string, std::string, int share) override {
    shares[rule] = share;
    if (rule == "production") shares_seen.push_back(share);
    co_return Result<void>{};
  }
  task<Result<void>> register_target(std::string arn, std::string id, std::string, int) override {
    group_of[id] = arn;
    const bool known = std::ranges::any_of(all, [&](const TargetStatus& target) { return target.id == id; });
    if (!known)
      all.push_back({.id = id,
                     .state = slow   ? TargetStatus::State::initial
                              : sick ? TargetStatus::State::unhealthy
                                     : TargetStatus::State::healthy,
                     .in_traffic = !sick && !slow,
                     .description = sick ? "Health checks failed with these codes: [500]" : ""});
    news();
    co_return Result<void>{};
  }
  task<Result<void>> deregister_target(std::string, std::string id) override {
    std::erase_if(all, [&](const TargetStatus& target) { return target.id == id; });
    news();
    co_return Result<void>{};
  }
  std::vector<TargetStatus> targets(const std::string& arn) override {
    std::vector<TargetStatus> out;
    for (const TargetStatus& target : all) {
      if (group_of[target.id] == arn) out.push_back(target);
    }
    return out;
  }
  void on_change(std::function<void()> tell) override { news = std::move(tell); }
};

// Answers as the test says, call after call; the last answer stays.
struct ScriptedFunctions final : Functions {
  std::vector<json::object> answers;
  std::vector<json::object> payloads;
  task<Result<json::object>> call(std::string, std::string, json::object payload) override {
    payloads.push_back(payload);
    if (answers.empty()) co_return fail(Fault::not_found, "ResourceNotFoundException", "Function not found");
    const json::object answer = answers.front();
    if (answers.size() > 1) answers.erase(answers.begin());
    co_return answer;
  }
};

struct NoLogs final : Logs {
  void append(std::string, std::string, LogEntry) override {}
};
struct SeenEvents final : EventSink {
  std::vector<std::string> names;  // Written on the database's thread, read when it is idle.
  void publish(database::Transaction&, Event event) override {
    names.push_back(get_string(event.detail, "eventName", event.detail_type));
  }
};

class SchedulerTest : public testing::Test {
 protected:
  asio::io_context io{1};
  database::Database db{io.get_executor(), ":memory:"};
  host::SystemClock clock;
  host::SeededRandom random{1};
  host::FakeContainers containers;
  NamedImages images;
  InstantTargets targets;
  ScriptedFunctions functions;
  NoLogs logs;
  SeenEvents events;
  std::unique_ptr<Scheduler> scheduler;
  std::unique_ptr<wire::Service> api;

  void SetUp() override {
    db.migrate(database::journal_schema());
    db.migrate(schema());
    publish("1");
    begin();
    ask("CreateCluster", {{"clusterName", "c"}});
    define();
  }
  void TearDown() override { end(); }
  void begin() {
    scheduler = std::make_unique<Scheduler>(io.get_executor(), db, clock, random, Place{}, containers, images, targets,
                                            functions, logs, events, Options{.instance_id = "i"});
    api = std::make_unique<wire::Service>(service(*scheduler));
    scheduler->start();
  }
  void end() { run(scheduler->stop(), io); }

  // Moves app:latest to a new digest, which the engine can pull.
  void publish(const std::string& digest) {
    images.tags["app:latest"] = "app@sha256:" + digest;
    containers.images.insert("app@sha256:" + digest);
  }
  json::object ask(const char* operation, json::object input) {
    wire::Call context;
    context.now = clock.now();
    auto answer = run(wire::call(*api, operation, std::move(input), context), io);
    return answer ? answer->output : json::object{{"error", answer.error().code + ": " + answer.error().message}};
  }
  // "" when it went well.
  std::string error_of(const char* operation, json::object input) {
    return get_string(ask(operation, std::move(input)), "error");
  }
  void define() {
    ask("RegisterTaskDefinition",
        {{"family", "f"},
         {"containerDefinitions",
          json::array{json::object{{"name", "app"},
                                   {"image", "app:latest"},
                                   {"memory", 64},
                                   {"portMappings", json::array{json::object{{"containerPort", 80}}}}}}}});
  }
  void create(int count = 2) {
    const json::object breaker = {{"enable", true}, {"rollback", true}};
    ask("CreateService",
        {{"cluster", "c"},
         {"serviceName", "s"},
         {"taskDefinition", "f"},
         {"desiredCount", count},
         {"deploymentConfiguration", json::object{{"deploymentCircuitBreaker", breaker}}},
         {"loadBalancers",
          json::array{json::object{{"targetGroupArn", "tg"}, {"containerName", "app"}, {"containerPort", 80}}}}});
  }
  void redeploy() { ask("UpdateService", {{"cluster", "c"}, {"service", "s"}, {"forceNewDeployment", true}}); }

  json::object shown() {
    const json::object answer = ask("DescribeServices", {{"cluster", "c"}, {"services", json::array{"s"}}});
    return get_array(answer, "services").at(0).as_object();
  }
  // "1 COMPLETED 2": deployments, rollout of the newest, running tasks.
  std::string state() {
    const json::object service = shown();
    const json::array deployments = get_array(service, "deployments");
    return std::to_string(deployments.size()) + " " + get_string(deployments.at(0).as_object(), "rolloutState") + " " +
           std::to_string(get_int(service, "runningCount"));
  }
  static task<void> rest() { co_await pause(2ms); }
  // Lets the scheduler work until the state is `wanted`, for two seconds at most.
  std::string settle(const std::string& wanted) {
    std::string now;
    for (int i = 0; i < 1000; ++i) {
      now = state();
      if (now == wanted) return now;
      run(rest(), io);
    }
    return now;
  }
  std::vector<std::string> digests() {
    std::vector<std::string> out;
    for (const auto& [name, container] : containers.all) out.push_back(container.image_id);
    return out;
  }
};

}  // namespace slipway::ecs
