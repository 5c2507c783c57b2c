#include <gtest/gtest.h>

#include <algorithm>

#include "base/run.h"
#include "database/journal.h"
#include "ecs/api.h"
#include "host/fake_containers.h"

namespace slipway::ecs {
namespace {

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
  std::function<void()> news;
  bool sick = false;
  bool slow = false;  // Targets stay initial.
  int serving() const {
    return static_cast<int>(std::ranges::count_if(all, [](const TargetStatus& target) { return target.in_traffic; }));
  }
  Result<void> check(const std::string&) override { return {}; }
  task<Result<void>> register_target(std::string, std::string id, std::string, int) override {
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
  std::vector<TargetStatus> targets(const std::string&) override { return all; }
  void on_change(std::function<void()> tell) override { news = std::move(tell); }
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
                                            logs, events, Options{.instance_id = "i"});
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

TEST_F(SchedulerTest, AServiceComesUp) {
  create();
  EXPECT_EQ(settle("1 COMPLETED 2"), "1 COMPLETED 2");
  EXPECT_EQ(targets.all.size(), 2U);
}

TEST_F(SchedulerTest, ANewDeploymentReplacesEveryTaskAndSignalsTheOldOnes) {
  create();
  settle("1 COMPLETED 2");
  publish("2");
  redeploy();
  EXPECT_EQ(settle("1 COMPLETED 2"), "1 COMPLETED 2");
  EXPECT_EQ(digests(), (std::vector<std::string>{"app@sha256:2", "app@sha256:2"}));
  EXPECT_EQ(containers.signals.size(), 2U);
}

TEST_F(SchedulerTest, ATagIsResolvedOnceForADeployment) {
  create(1);
  settle("1 COMPLETED 1");
  publish("2");
  ask("UpdateService", {{"cluster", "c"}, {"service", "s"}, {"desiredCount", 2}});
  settle("1 COMPLETED 2");
  EXPECT_EQ(digests(), (std::vector<std::string>{"app@sha256:1", "app@sha256:1"}));
}

TEST_F(SchedulerTest, AnImageThatExitsIsRolledBack) {
  create();
  settle("1 COMPLETED 2");
  publish("2");
  containers.exits_at_once.insert("app@sha256:2");
  redeploy();
  for (int i = 0; i < 1000 && std::ranges::find(events.names, "SERVICE_DEPLOYMENT_FAILED") == events.names.end(); ++i)
    run(rest(), io);
  EXPECT_EQ(settle("1 COMPLETED 2"), "1 COMPLETED 2");
  EXPECT_EQ(digests(), (std::vector<std::string>{"app@sha256:1", "app@sha256:1"}));
}

TEST_F(SchedulerTest, AnImageThatIsNeverHealthyIsRolledBackAndSaysWhatTheCheckAnswered) {
  create();
  settle("1 COMPLETED 2");
  publish("2");
  targets.sick = true;
  redeploy();
  for (int i = 0; i < 1000 && std::ranges::find(events.names, "SERVICE_DEPLOYMENT_FAILED") == events.names.end(); ++i)
    run(rest(), io);
  EXPECT_EQ(settle("1 COMPLETED 2"), "1 COMPLETED 2");
  const json::array stopped = get_array(ask("ListTasks", {{"cluster", "c"}, {"desiredStatus", "STOPPED"}}), "taskArns");
  const json::object tasks = ask("DescribeTasks", {{"cluster", "c"}, {"tasks", stopped}});
  EXPECT_NE(json::serialize(tasks).find("Health checks failed with these codes: [500]"), std::string::npos);
}

TEST_F(SchedulerTest, AMissingImageFailsTheFirstDeploymentWithItsReason) {
  images.tags.clear();
  create(1);
  EXPECT_EQ(settle("1 FAILED 0"), "1 FAILED 0");
  publish("1");
  redeploy();
  EXPECT_EQ(settle("1 COMPLETED 1"), "1 COMPLETED 1");
}

TEST_F(SchedulerTest, ATaskThatDiesIsReplaced) {
  create();
  settle("1 COMPLETED 2");
  const std::string victim = containers.all.begin()->first;
  containers.end(victim, 3);
  for (int i = 0; i < 1000 && containers.all.contains(victim); ++i) run(rest(), io);
  EXPECT_EQ(settle("1 COMPLETED 2"), "1 COMPLETED 2");
  EXPECT_FALSE(containers.all.contains(victim));
}

TEST_F(SchedulerTest, ARestartAdoptsWhatRuns) {
  create();
  settle("1 COMPLETED 2");
  const auto before = containers.all.size();
  const auto first = containers.all.begin()->first;
  end();
  begin();
  for (int i = 0; i < 20; ++i) run(rest(), io);
  EXPECT_EQ(state(), "1 COMPLETED 2");
  EXPECT_EQ(containers.all.size(), before);
  EXPECT_TRUE(containers.all.contains(first));
  EXPECT_TRUE(containers.signals.empty());
}

TEST_F(SchedulerTest, ARestartInTheMiddleOfADeploymentCarriesOn) {
  create();
  settle("1 COMPLETED 2");
  publish("2");
  redeploy();
  end();
  begin();
  EXPECT_EQ(settle("1 COMPLETED 2"), "1 COMPLETED 2");
  EXPECT_EQ(digests(), (std::vector<std::string>{"app@sha256:2", "app@sha256:2"}));
}

TEST_F(SchedulerTest, ContainersThatBelongToNoTaskAreRemovedAtTheStart) {
  end();
  containers.all["stray"] = {.id = "stray", .name = "stray", .labels = {{kInstanceLabel, "i"}, {kTaskLabel, "gone"}}};
  containers.all["other"] = {.id = "other", .name = "other", .labels = {{kInstanceLabel, "another region"}}};
  begin();
  for (int i = 0; i < 20; ++i) run(rest(), io);
  EXPECT_FALSE(containers.all.contains("stray"));
  EXPECT_TRUE(containers.all.contains("other"));
}

// ---- the history: service deployments and revisions ----

class HistoryTest : public SchedulerTest {
 protected:
  // Newest first, as ListServiceDeployments answers.
  json::array listed(json::object more = {}) {
    more["cluster"] = "c";
    more["service"] = "s";
    return get_array(ask("ListServiceDeployments", more), "serviceDeployments");
  }
  std::string statuses() {
    std::string out;
    for (const json::value& one : listed()) out += get_string(one.as_object(), "status") + " ";
    return out;
  }
  json::object newest() {
    const std::string arn = get_string(listed().at(0).as_object(), "serviceDeploymentArn");
    return get_array(ask("DescribeServiceDeployments", {{"serviceDeploymentArns", json::array{arn}}}),
                     "serviceDeployments")
        .at(0)
        .as_object();
  }
  void await(const std::string& wanted) {
    for (int i = 0; i < 1000 && !statuses().starts_with(wanted); ++i) run(rest(), io);
  }
  json::object stop(const char* type) {
    return ask("StopServiceDeployment",
               {{"serviceDeploymentArn", get_string(newest(), "serviceDeploymentArn")}, {"stopType", type}});
  }
};

TEST_F(HistoryTest, ADeploymentThatCompletesIsSuccessfulAndSaysWhichDigestRuns) {
  create();
  settle("1 COMPLETED 2");
  EXPECT_EQ(statuses(), "SUCCESSFUL ");
  const json::object target = get_object(newest(), "targetServiceRevision");
  EXPECT_EQ(get_int(target, "requestedTaskCount"), 2);
  EXPECT_EQ(get_int(target, "runningTaskCount"), 2);
  EXPECT_EQ(get_string(get_object(newest(), "deploymentCircuitBreaker"), "status"), "MONITORING_COMPLETE");
  const json::object revision =
      get_array(ask("DescribeServiceRevisions", {{"serviceRevisionArns", json::array{get_string(target, "arn")}}}),
                "serviceRevisions")
          .at(0)
          .as_object();
  const json::object image = get_array(revision, "containerImages").at(0).as_object();
  EXPECT_EQ(get_string(image, "image"), "app:latest");
  EXPECT_EQ(get_string(image, "imageDigest"), "sha256:1");
  EXPECT_EQ(get_string(shown(), "currentServiceDeployment"), get_string(newest(), "serviceDeploymentArn"));
}

TEST_F(HistoryTest, ADeploymentThatFailsIsRolledBackInTheSameServiceDeployment) {
  create();
  settle("1 COMPLETED 2");
  const std::string good = get_string(get_object(newest(), "targetServiceRevision"), "arn");
  publish("2");
  containers.exits_at_once.insert("app@sha256:2");
  redeploy();
  await("ROLLBACK_SUCCESSFUL");
  EXPECT_EQ(statuses(), "ROLLBACK_SUCCESSFUL SUCCESSFUL ");
  const json::object back = get_object(newest(), "rollback");
  EXPECT_EQ(get_string(back, "serviceRevisionArn"), good);
  EXPECT_EQ(get_string(back, "reason"),
            "Service deployment rolled back because the circuit breaker threshold was exceeded.");
  EXPECT_EQ(get_string(get_object(newest(), "deploymentCircuitBreaker"), "status"), "TRIGGERED");
  EXPECT_EQ(get_string(get_array(newest(), "sourceServiceRevisions").at(0).as_object(), "arn"), good);
}

TEST_F(HistoryTest, AFirstDeploymentThatFailsHasNothingToGoBackTo) {
  images.tags.clear();
  create(1);
  await("ROLLBACK_FAILED");
  EXPECT_EQ(get_string(newest(), "statusReason"), "No rollback candidate was found to run the rollback.");
}

TEST_F(HistoryTest, ANewerDeploymentStopsTheOneUnderWay) {
  create();
  settle("1 COMPLETED 2");
  containers.away = true;
  publish("2");
  redeploy();
  redeploy();
  EXPECT_TRUE(statuses().ends_with(" STOPPED SUCCESSFUL ")) << statuses();
  containers.away = false;
  await("SUCCESSFUL");
  EXPECT_EQ(statuses(), "SUCCESSFUL STOPPED SUCCESSFUL ");
}

TEST_F(HistoryTest, StoppingADeploymentRollsItBack) {
  create();
  settle("1 COMPLETED 2");
  publish("2");
  targets.slow = true;
  redeploy();
  await("IN_PROGRESS");
  EXPECT_TRUE(has(stop("ROLLBACK"), "serviceDeploymentArn"));
  await("ROLLBACK_SUCCESSFUL");
  EXPECT_EQ(statuses(), "ROLLBACK_SUCCESSFUL SUCCESSFUL ");
  EXPECT_EQ(settle("1 COMPLETED 2"), "1 COMPLETED 2");
  EXPECT_EQ(digests(), (std::vector<std::string>{"app@sha256:1", "app@sha256:1"}));
}

TEST_F(HistoryTest, AbortingADeploymentKeepsTheTasksThatServe) {
  create();
  settle("1 COMPLETED 2");
  publish("2");
  targets.slow = true;
  redeploy();
  await("IN_PROGRESS");
  stop("ABORT");
  await("STOPPED");
  EXPECT_EQ(statuses(), "STOPPED SUCCESSFUL ");
  EXPECT_EQ(targets.serving(), 2);
}

TEST_F(HistoryTest, WhatHasEndedCannotBeStopped) {
  create();
  settle("1 COMPLETED 2");
  EXPECT_NE(get_string(stop("ROLLBACK"), "error").find("ConflictException"), std::string::npos);
  EXPECT_NE(get_string(ask("StopServiceDeployment", {{"serviceDeploymentArn", "arn:aws:ecs:us-east-1:0:x"}}), "error")
                .find("ServiceDeploymentNotFoundException"),
            std::string::npos);
}

TEST_F(HistoryTest, IsListedInPagesByStatusAndTime) {
  create();
  settle("1 COMPLETED 2");
  redeploy();
  await("SUCCESSFUL");
  EXPECT_EQ(listed({{"maxResults", 1}}).size(), 1U);
  const json::object first = ask("ListServiceDeployments", {{"cluster", "c"}, {"service", "s"}, {"maxResults", 1}});
  EXPECT_EQ(listed({{"nextToken", get_string(first, "nextToken")}}).size(), 1U);
  EXPECT_TRUE(listed({{"status", json::array{"STOPPED"}}}).empty());
  EXPECT_TRUE(listed({{"createdAt", json::object{{"before", 1000}}}}).empty());
}

TEST_F(SchedulerTest, RefusesWhatItCannotDo) {
  EXPECT_NE(
      json::serialize(ask("CreateService",
                          {{"cluster", "nowhere"}, {"serviceName", "s"}, {"taskDefinition", "f"}, {"desiredCount", 1}}))
          .find("ClusterNotFoundException"),
      std::string::npos);
  EXPECT_NE(
      json::serialize(ask("UpdateService", {{"cluster", "c"}, {"service", "none"}})).find("ServiceNotFoundException"),
      std::string::npos);
  EXPECT_NE(json::serialize(ask("RegisterTaskDefinition",
                                {{"family", "x"},
                                 {"containerDefinitions",
                                  json::array{json::object{{"name", "a"}, {"image", "i"}, {"privileged", true}}}}}))
                .find("privileged"),
            std::string::npos);
}

}  // namespace
}  // namespace slipway::ecs
