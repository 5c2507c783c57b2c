#include "ecs/world_test.h"

namespace slipway::ecs {
namespace {

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

// ---- containers of a task ----

class ContainersTest : public SchedulerTest {
 protected:
  void define_pair(json::object app, json::object other) {
    app["name"] = "app";
    other["name"] = "other";
    for (json::object* one : {&app, &other}) {
      if (!has(*one, "image")) (*one)["image"] = "app@sha256:1";
      (*one)["memory"] = 64;
    }
    ask("RegisterTaskDefinition", {{"family", "pair"}, {"containerDefinitions", json::array{app, other}}});
  }
  json::object started() {
    const json::object answer = ask("RunTask", {{"cluster", "c"}, {"taskDefinition", "pair"}});
    return get_array(answer, "tasks").at(0).as_object();
  }
  json::object task(const std::string& arn) {
    const json::object answer = ask("DescribeTasks", {{"cluster", "c"}, {"tasks", json::array{arn}}});
    return get_array(answer, "tasks").at(0).as_object();
  }
  std::string await(const std::string& arn, const std::string& status) {
    for (int i = 0; i < 1000 && get_string(task(arn), "lastStatus") != status; ++i) run(rest(), io);
    return get_string(task(arn), "lastStatus");
  }
  std::string name_of(const std::string& arn, const std::string& container) {
    return "slipway-" + arn.substr(arn.rfind('/') + 1) + "-" + container;
  }
  static json::array waits(const char* condition) {
    return {json::object{{"containerName", "other"}, {"condition", condition}}};
  }
};

TEST_F(ContainersTest, AContainerStartsOnceTheOneItWaitsForHasSucceeded) {
  containers.images.insert("init@sha256:9");
  define_pair({{"dependsOn", waits("SUCCESS")}}, {{"essential", false}, {"image", "init@sha256:9"}});
  const std::string arn = get_string(started(), "taskArn");
  for (int i = 0; i < 1000 && !containers.all.contains(name_of(arn, "other")); ++i) run(rest(), io);
  for (int i = 0; i < 10; ++i) run(rest(), io);
  EXPECT_FALSE(containers.all.contains(name_of(arn, "app")));
  containers.end(name_of(arn, "other"), 0);
  EXPECT_EQ(await(arn, "RUNNING"), "RUNNING");
  EXPECT_EQ(containers.specs.at(name_of(arn, "app")).network_of, "");
}

TEST_F(ContainersTest, ATaskEndsWhenTheContainerItWaitsForFails) {
  containers.images.insert("init@sha256:9");
  containers.exits_at_once.insert("init@sha256:9");
  define_pair({{"dependsOn", waits("SUCCESS")}}, {{"essential", false}, {"image", "init@sha256:9"}});
  const std::string arn = get_string(started(), "taskArn");
  EXPECT_EQ(await(arn, "STOPPED"), "STOPPED");
  EXPECT_EQ(get_string(task(arn), "stopCode"), "TaskFailedToStart");
  EXPECT_NE(get_string(task(arn), "stoppedReason").find("other ended with status 1"), std::string::npos);
}

TEST_F(ContainersTest, TheOthersShareTheNetworkOfTheFirst) {
  define_pair({}, {});
  const std::string arn = get_string(started(), "taskArn");
  EXPECT_EQ(await(arn, "RUNNING"), "RUNNING");
  EXPECT_EQ(containers.specs.at(name_of(arn, "other")).network_of, name_of(arn, "app"));
}

TEST_F(ContainersTest, AnEssentialContainerEndsItsTaskAnotherDoesNot) {
  define_pair({}, {{"essential", false}});
  const std::string arn = get_string(started(), "taskArn");
  EXPECT_EQ(await(arn, "RUNNING"), "RUNNING");
  containers.end(name_of(arn, "other"), 3);
  for (int i = 0; i < 20; ++i) run(rest(), io);
  EXPECT_EQ(get_string(task(arn), "lastStatus"), "RUNNING");
  containers.all.at(name_of(arn, "app")).out_of_memory = true;
  containers.end(name_of(arn, "app"), 137);
  EXPECT_EQ(await(arn, "STOPPED"), "STOPPED");
  EXPECT_EQ(get_string(task(arn), "stopCode"), "EssentialContainerExited");
  EXPECT_EQ(get_string(task(arn), "stoppedReason"), "Essential container in task exited");
  const json::object app = get_array(task(arn), "containers").at(0).as_object();
  EXPECT_EQ(get_int(app, "exitCode"), 137);
  EXPECT_EQ(get_string(app, "reason"), "OutOfMemoryError: Container killed due to memory usage");
}

TEST_F(ContainersTest, HealthIsOfEachContainerAndOfTheTaskTogether) {
  const json::object check = {{"command", json::array{"CMD-SHELL", "true"}}};
  define_pair({{"healthCheck", check}}, {});
  const std::string arn = get_string(started(), "taskArn");
  EXPECT_EQ(await(arn, "RUNNING"), "RUNNING");
  for (int i = 0; i < 1000 && get_string(task(arn), "healthStatus") != "HEALTHY"; ++i) run(rest(), io);
  EXPECT_EQ(get_string(task(arn), "healthStatus"), "HEALTHY");
  EXPECT_EQ(get_string(get_array(task(arn), "containers").at(1).as_object(), "healthStatus"), "UNKNOWN");
}

TEST_F(ContainersTest, LimitsReachTheEngine) {
  const json::object limit = {{"name", "nofile"}, {"softLimit", 100}, {"hardLimit", 200}};
  const json::object tmpfs = {{"containerPath", "/scratch"}, {"size", 16}, {"mountOptions", json::array{"noexec"}}};
  const json::object capabilities = {{"drop", json::array{"NET_RAW"}}};
  define_pair({{"ulimits", json::array{limit}},
               {"user", "1000"},
               {"readonlyRootFilesystem", true},
               {"linuxParameters", json::object{{"tmpfs", json::array{tmpfs}}, {"capabilities", capabilities}}}},
              {});
  const std::string arn = get_string(started(), "taskArn");
  EXPECT_EQ(await(arn, "RUNNING"), "RUNNING");
  const host::ContainerSpec& spec = containers.specs.at(name_of(arn, "app"));
  EXPECT_EQ(spec.ulimits.at(0).hard, 200);
  EXPECT_EQ(spec.tmpfs.at(0).options, "size=16m,noexec");
  EXPECT_EQ(spec.capabilities_dropped, std::vector<std::string>{"NET_RAW"});
  EXPECT_EQ(spec.memory_bytes, 64 * 1024 * 1024);
  EXPECT_EQ(spec.user, "1000");
  EXPECT_TRUE(spec.read_only_root);
}

TEST_F(ContainersTest, AnEngineThatIsAwayIsWaitedFor) {
  define_pair({}, {});
  containers.away = true;
  const std::string arn = get_string(started(), "taskArn");
  for (int i = 0; i < 20; ++i) run(rest(), io);
  EXPECT_EQ(get_string(task(arn), "lastStatus"), "PENDING");
  containers.away = false;
  EXPECT_EQ(await(arn, "RUNNING"), "RUNNING");
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
