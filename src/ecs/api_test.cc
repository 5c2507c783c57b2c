#include "ecs/world_test.h"

namespace slipway::ecs {
namespace {

class ApiTest : public SchedulerTest {
 protected:
  json::object first(const json::object& answer, const char* member) {
    return get_array(answer, member).at(0).as_object();
  }
  std::string create_error(json::object more) {
    json::object input = {{"cluster", "c"}, {"serviceName", "x"}, {"taskDefinition", "f"}, {"desiredCount", 1}};
    for (const auto& member : more) input[member.key()] = member.value();
    return error_of("CreateService", input);
  }
  static json::object configuration(int minimum, int maximum) {
    return {{"deploymentConfiguration", json::object{{"minimumHealthyPercent", minimum}, {"maximumPercent", maximum}}}};
  }
};

// ---- clusters ----

TEST_F(ApiTest, AClusterShowsWhatWasAskedFor) {
  ask("CreateCluster", {{"clusterName", "d"},
                        {"tags", json::array{json::object{{"key", "k"}, {"value", "v"}}}},
                        {"capacityProviders", json::array{"FARGATE"}}});
  const json::object plain = first(ask("DescribeClusters", {{"clusters", json::array{"d"}}}), "clusters");
  EXPECT_TRUE(get_array(plain, "tags").empty());
  EXPECT_TRUE(get_array(plain, "settings").empty());
  EXPECT_EQ(get_strings(plain, "capacityProviders"), std::vector<std::string>{"FARGATE"});
  const json::object all = first(ask("DescribeClusters", {{"clusters", json::array{"d"}},
                                                          {"include", json::array{"TAGS", "SETTINGS", "STATISTICS"}}}),
                                 "clusters");
  EXPECT_EQ(get_array(all, "tags").size(), 1U);
  EXPECT_EQ(get_string(first(all, "settings"), "value"), "disabled");
  EXPECT_EQ(get_array(all, "statistics").size(), 12U);
  EXPECT_EQ(get_string(first(ask("DescribeClusters", {{"clusters", json::array{"no"}}}), "failures"), "reason"),
            "MISSING");
}

TEST_F(ApiTest, ACapacityProviderMustBeOneThatIsThere) {
  EXPECT_EQ(error_of("PutClusterCapacityProviders", {{"cluster", "c"},
                                                     {"capacityProviders", json::array{"mine"}},
                                                     {"defaultCapacityProviderStrategy", json::array{}}}),
            "InvalidParameterException: The specified capacity provider 'mine' was not found. Specify a valid name or "
            "ARN and try again.");
  const json::object strategy = {{"capacityProvider", "FARGATE"}, {"weight", 1}};
  EXPECT_EQ(error_of("PutClusterCapacityProviders", {{"cluster", "c"},
                                                     {"capacityProviders", json::array{"FARGATE", "FARGATE_SPOT"}},
                                                     {"defaultCapacityProviderStrategy", json::array{strategy}}}),
            "");
}

TEST_F(ApiTest, AClusterWithServicesCannotBeDeleted) {
  create();
  EXPECT_EQ(error_of("DeleteCluster", {{"cluster", "c"}}),
            "ClusterContainsServicesException: The Cluster cannot be deleted while Services are active.");
  ask("CreateCluster", {{"clusterName", "empty"}});
  EXPECT_EQ(get_string(get_object(ask("DeleteCluster", {{"cluster", "empty"}}), "cluster"), "status"), "INACTIVE");
  EXPECT_EQ(error_of("DeleteCluster", {{"cluster", "empty"}}), "ClusterNotFoundException: Cluster not found.");
}

// ---- task definitions ----

TEST_F(ApiTest, RevisionsAreListedDeregisteredAndDeleted) {
  define();
  define();
  EXPECT_EQ(get_array(ask("ListTaskDefinitions", {{"familyPrefix", "f"}}), "taskDefinitionArns").size(), 3U);
  EXPECT_EQ(
      get_string(get_object(ask("DeregisterTaskDefinition", {{"taskDefinition", "f:2"}}), "taskDefinition"), "status"),
      "INACTIVE");
  EXPECT_EQ(get_array(ask("ListTaskDefinitions", {{"status", "INACTIVE"}}), "taskDefinitionArns").size(), 1U);
  const json::object deleted = ask("DeleteTaskDefinitions", {{"taskDefinitions", json::array{"f:2", "f:1", "f:9"}}});
  EXPECT_EQ(get_string(first(deleted, "taskDefinitions"), "status"), "DELETE_IN_PROGRESS");
  EXPECT_EQ(get_string(first(deleted, "failures"), "reason"),
            "The specified task definition is still in ACTIVE status. Please deregister the target and try again.");
  EXPECT_EQ(get_array(deleted, "failures").size(), 2U);
  EXPECT_EQ(get_strings(ask("ListTaskDefinitionFamilies", {}), "families"), std::vector<std::string>{"f"});
  EXPECT_EQ(error_of("DescribeTaskDefinition", {{"taskDefinition", "none"}}),
            "ClientException: Unable to describe task definition.");
}

TEST_F(ApiTest, PagesGoOnWhereTheLastOneEnded) {
  define();
  define();
  const json::object one = ask("ListTaskDefinitions", {{"maxResults", 2}});
  EXPECT_EQ(get_array(one, "taskDefinitionArns").size(), 2U);
  const json::object two = ask("ListTaskDefinitions", {{"maxResults", 2}, {"nextToken", get_string(one, "nextToken")}});
  EXPECT_EQ(get_array(two, "taskDefinitionArns").size(), 1U);
  EXPECT_FALSE(has(two, "nextToken"));
  EXPECT_EQ(error_of("ListTaskDefinitions", {{"nextToken", "made up"}}), "InvalidParameterException: Invalid token");
}

// ---- services ----

TEST_F(ApiTest, WhatAServiceNeedsIsChecked) {
  EXPECT_EQ(create_error({{"taskDefinition", "none"}}), "ClientException: TaskDefinition not found.");
  EXPECT_EQ(create_error({{"cluster", "none"}}), "ClusterNotFoundException: Cluster not found.");
  EXPECT_EQ(create_error(configuration(100, 100)),
            "InvalidParameterException: Both maximumPercent and minimumHealthyPercent cannot be 100 as this will block "
            "deployments.");
  json::object balancer = {{"targetGroupArn", "tg"}, {"containerName", "other"}, {"containerPort", 80}};
  EXPECT_EQ(create_error({{"loadBalancers", json::array{balancer}}}),
            "InvalidParameterException: The container other does not exist in the task definition.");
  balancer["containerName"] = "app";
  balancer["containerPort"] = 81;
  EXPECT_EQ(create_error({{"loadBalancers", json::array{balancer}}}),
            "InvalidParameterException: The container app did not have a container port 81 defined.");
  ask("DeregisterTaskDefinition", {{"taskDefinition", "f:1"}});
  EXPECT_EQ(create_error({{"taskDefinition", "f:1"}}), "ClientException: TaskDefinition is inactive");
}

TEST_F(ApiTest, CreatingAServiceTwiceIsOneServiceIfTheRequestIsTheSame) {
  create();
  const json::object again = shown();
  create();
  EXPECT_EQ(get_string(shown(), "currentServiceDeployment"), get_string(again, "currentServiceDeployment"));
  EXPECT_EQ(create_error({{"serviceName", "s"}}), "InvalidParameterException: Creation of service was not idempotent.");
}

TEST_F(ApiTest, AServiceWhoseDefinitionWasDeregisteredCanStillBeScaled) {
  create();
  settle("1 COMPLETED 2");
  ask("DeregisterTaskDefinition", {{"taskDefinition", "f:1"}});
  EXPECT_EQ(error_of("UpdateService", {{"cluster", "c"}, {"service", "s"}, {"desiredCount", 1}}), "");
  EXPECT_EQ(settle("1 COMPLETED 1"), "1 COMPLETED 1");
}

TEST_F(ApiTest, DeletingAServiceNeedsForceWhileItRuns) {
  create();
  settle("1 COMPLETED 2");
  EXPECT_EQ(error_of("DeleteService", {{"cluster", "c"}, {"service", "s"}}),
            "InvalidParameterException: The service cannot be stopped while it is scaled above 0.");
  EXPECT_EQ(error_of("DeleteService", {{"cluster", "c"}, {"service", "s"}, {"force", true}}), "");
  for (int i = 0; i < 1000 && get_string(shown(), "status") != "INACTIVE"; ++i) run(rest(), io);
  EXPECT_EQ(get_string(shown(), "status"), "INACTIVE");
  EXPECT_TRUE(containers.all.empty());
  EXPECT_EQ(error_of("UpdateService", {{"cluster", "c"}, {"service", "s"}}),
            "ServiceNotActiveException: Service was not ACTIVE.");
}

TEST_F(ApiTest, TheBreakersThresholdCanBeChosen) {
  const json::object threshold = {{"type", "COUNT"}, {"value", 7}};
  const json::object breaker = {{"enable", true}, {"rollback", false}, {"thresholdConfiguration", threshold}};
  EXPECT_EQ(create_error({{"deploymentConfiguration", json::object{{"deploymentCircuitBreaker", breaker}}}}), "");
  const json::object service =
      first(ask("DescribeServices", {{"cluster", "c"}, {"services", json::array{"x"}}}), "services");
  EXPECT_EQ(get_object(get_object(get_object(service, "deploymentConfiguration"), "deploymentCircuitBreaker"),
                       "thresholdConfiguration"),
            threshold);
}

TEST_F(ApiTest, TheServiceTellsWhatItDoesInTheWordsOfEcs) {
  create(1);
  settle("1 COMPLETED 1");
  publish("2");
  redeploy();
  settle("1 COMPLETED 1");
  for (int i = 0; i < 1000 && containers.all.size() != 1; ++i) run(rest(), io);
  settle("1 COMPLETED 1");
  std::string all;
  for (const json::value& event : get_array(shown(), "events")) all += get_string(event.as_object(), "message") + "\n";
  for (const char* text :
       {"(service s) has started 1 tasks: (task ", "(service s) registered 1 targets in (target-group tg)",
        "(service s) has stopped 1 running tasks: (task ", "(service s) deregistered 1 targets in (target-group tg)",
        "(service s, taskSet ecs-svc/", ") has begun draining connections on 1 tasks.", ") deployment completed.",
        "(service s) has reached a steady state."})
    EXPECT_NE(all.find(text), std::string::npos) << text << " is not in\n" << all;
}

// ---- tasks ----

TEST_F(ApiTest, TasksAreRunListedAndStopped) {
  const json::object started = ask("RunTask", {{"cluster", "c"},
                                               {"taskDefinition", "f"},
                                               {"count", 2},
                                               {"startedBy", "me"},
                                               {"group", "g"},
                                               {"clientToken", "once"}});
  EXPECT_EQ(get_array(started, "tasks").size(), 2U);
  EXPECT_EQ(get_string(first(started, "tasks"), "group"), "g");
  const json::object again = ask("RunTask", {{"cluster", "c"},
                                             {"taskDefinition", "f"},
                                             {"count", 2},
                                             {"startedBy", "me"},
                                             {"group", "g"},
                                             {"clientToken", "once"}});
  EXPECT_EQ(get_string(first(again, "tasks"), "taskArn"), get_string(first(started, "tasks"), "taskArn"));
  const auto listed = [&](json::object filter) {
    filter["cluster"] = "c";
    return get_array(ask("ListTasks", filter), "taskArns").size();
  };
  EXPECT_EQ(listed({{"startedBy", "me"}}), 2U);
  EXPECT_EQ(listed({{"startedBy", "you"}}), 0U);
  EXPECT_EQ(listed({{"family", "f"}}), 2U);
  EXPECT_EQ(listed({{"desiredStatus", "PENDING"}}), 0U);
  const std::string arn = get_string(first(started, "tasks"), "taskArn");
  const json::object stopped =
      get_object(ask("StopTask", {{"cluster", "c"}, {"task", arn}, {"reason", "enough"}}), "task");
  EXPECT_EQ(get_string(stopped, "stopCode"), "UserInitiated");
  EXPECT_EQ(get_string(stopped, "stoppedReason"), "enough");
  EXPECT_EQ(listed({{"desiredStatus", "STOPPED"}}), 1U);
}

TEST_F(ApiTest, WhatATaskNeedsIsChecked) {
  EXPECT_EQ(error_of("RunTask", {{"cluster", "c"}, {"taskDefinition", "none"}}),
            "ClientException: TaskDefinition not found.");
  EXPECT_NE(error_of("RunTask", {{"cluster", "c"}, {"taskDefinition", "f"}, {"count", 11}}), "");
  const json::object unknown = {{"containerOverrides", json::array{json::object{{"name", "other"}}}}};
  EXPECT_EQ(error_of("RunTask", {{"cluster", "c"}, {"taskDefinition", "f"}, {"overrides", unknown}}),
            "InvalidParameterException: Override for container named other is not a container in the TaskDefinition.");
  EXPECT_EQ(error_of("StopTask", {{"cluster", "c"}, {"task", "none"}}),
            "InvalidParameterException: The referenced task was not found.");
  EXPECT_EQ(error_of("ListTasks", {{"cluster", "c"}, {"serviceName", "none"}}),
            "ServiceNotFoundException: Service not found.");
  EXPECT_EQ(error_of("DescribeTasks", {{"cluster", "c"}, {"tasks", json::array{}}}),
            "InvalidParameterException: Tasks cannot be empty.");
  EXPECT_EQ(
      get_string(first(ask("DescribeTasks", {{"cluster", "c"}, {"tasks", json::array{"none"}}}), "failures"), "reason"),
      "MISSING");
}

// ---- tags ----

TEST_F(ApiTest, TagsOfAServiceReachItsTasksIfItSaysSo) {
  ask("CreateService", {{"cluster", "c"},
                        {"serviceName", "t"},
                        {"taskDefinition", "f"},
                        {"desiredCount", 1},
                        {"propagateTags", "SERVICE"},
                        {"enableECSManagedTags", true},
                        {"tags", json::array{json::object{{"key", "team"}, {"value", "a"}}}}});
  json::array arns;
  for (int i = 0; i < 1000 && arns.empty(); ++i) {
    arns = get_array(ask("ListTasks", {{"cluster", "c"}, {"serviceName", "t"}}), "taskArns");
    run(rest(), io);
  }
  const json::object task =
      first(ask("DescribeTasks", {{"cluster", "c"}, {"tasks", arns}, {"include", json::array{"TAGS"}}}), "tasks");
  const json::object wanted = {{"key", "team"}, {"value", "a"}};
  EXPECT_NE(json::serialize(get_array(task, "tags")).find(json::serialize(wanted)), std::string::npos);
  EXPECT_NE(json::serialize(get_array(task, "tags")).find("aws:ecs:serviceName"), std::string::npos);
  const std::string arn = get_string(arns.empty() ? json::object{} : task, "taskArn");
  EXPECT_EQ(error_of("TagResource",
                     {{"resourceArn", arn}, {"tags", json::array{json::object{{"key", "aws:x"}, {"value", "y"}}}}})
                .substr(0, 25),
            "InvalidParameterException");
}

// ---- what policies may ask ----

class PermitTest : public ApiTest {
 protected:
  const wire::Operation& operation(const std::string& name) {
    return *std::ranges::find(api->operations, name, &wire::Operation::name);
  }
  static wire::Call call(json::object input) { return {.input = std::move(input), .place = Place{}}; }
};

TEST_F(PermitTest, UpdateServiceTellsClusterAndTaskDefinition) {
  const auto update = operation("UpdateService");
  const auto keys = update.keys(call({{"cluster", "c"}, {"service", "s"}, {"taskDefinition", "f"}}));
  EXPECT_EQ(keys.at("ecs:cluster").front(), Place{}.arn("ecs", "cluster/c"));
  EXPECT_EQ(keys.at("ecs:task-definition").front(), Place{}.arn("ecs", "task-definition/f:1"));
  EXPECT_FALSE(update.keys(call({{"cluster", "c"}, {"service", "s"}, {"forceNewDeployment", true}}))
                   .contains("ecs:task-definition"));
}

TEST_F(PermitTest, ADefinitionsRolesArePassedAndItsTagsPut) {
  const auto needs = operation("RegisterTaskDefinition")
                         .also(call({{"family", "f"},
                                     {"taskRoleArn", "arn:aws:iam::000000000000:role/t"},
                                     {"executionRoleArn", "e"},
                                     {"tags", json::array{json::object{{"key", "k"}, {"value", "v"}}}}}));
  ASSERT_EQ(needs.size(), 3U);
  EXPECT_EQ(needs[0].resource, "arn:aws:iam::000000000000:role/t");
  EXPECT_EQ(needs[1].resource, "arn:aws:iam::000000000000:role/e");
  EXPECT_EQ(needs[1].keys.at("iam:passedtoservice").front(), "ecs-tasks.amazonaws.com");
  EXPECT_EQ(needs[2].action, "ecs:TagResource");
  EXPECT_TRUE(operation("RegisterTaskDefinition").also(call({{"family", "f"}})).empty());
}

TEST_F(PermitTest, EveryResourceThatACallNamesIsAskedAbout) {
  const auto describe = operation("DescribeServices");
  const auto two = call({{"cluster", "c"}, {"services", json::array{"a", "b"}}});
  EXPECT_EQ(describe.resource(two), Place{}.arn("ecs", "service/c/a"));
  ASSERT_EQ(describe.also(two).size(), 1U);
  EXPECT_EQ(describe.also(two).front().resource, Place{}.arn("ecs", "service/c/b"));
  const auto tasks = call({{"cluster", "c"}, {"tasks", json::array{"t1", "t2", "t3"}}});
  EXPECT_EQ(operation("DescribeTasks").also(tasks).size(), 2U);
}

}  // namespace
}  // namespace slipway::ecs
