#include "deployer/handle.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <deque>
#include <filesystem>
#include <fstream>

#include "base/run.h"
#include "deployer/runtime.h"
#include "http/server.h"

namespace slipway::deployer {
namespace {

using namespace std::chrono_literals;

const std::string kOld = "sha256:" + std::string(64, 'a');
const std::string kNew = "sha256:" + std::string(64, 'b');

// ECR and ECS with one service, and Lambda's Runtime API, on one port each.
class World : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(aws_server.listen());
    ASSERT_TRUE(runtime_server.listen());
  }

  task<http::Response> answer_aws(http::Request& request) {
    const std::string operation =
        request.headers.get("x-amz-target").substr(request.headers.get("x-amz-target").find('.') + 1);
    const auto body = co_await http::read_all(*request.body);
    const json::object input = json::parse(body.value_or("{}")).as_object();
    calls.push_back(operation);
    if (!failures[operation].empty()) {
      const auto [status, code] = failures[operation].front();
      failures[operation].pop_front();
      co_return http::json_response(status, json::serialize(json::object{{"__type", code}, {"message", "as told"}}));
    }
    co_return answer_operation(operation, input);
  }

  http::Response answer_operation(const std::string& operation, const json::object& input) {
    const auto ok = [](const json::object& body) { return http::json_response(200, json::serialize(body)); };
    if (operation == "DescribeImages") {
      if (tag_digest.empty()) return http::json_response(400, R"({"__type":"ImageNotFoundException","message":"no"})");
      return ok({{"imageDetails", json::array{json::object{{"imageDigest", tag_digest}, {"imagePushedAt", 1000.5}}}}});
    }
    if (operation == "DescribeServices") {
      const std::string name = get_strings(input, "services").at(0);
      if (name != "rest")
        return ok({{"services", json::array{}}, {"failures", json::array{json::object{{"reason", "MISSING"}}}}});
      return ok({{"services", json::array{json::object{{"status", "ACTIVE"},
                                                       {"serviceArn", "arn:service/cars/rest"},
                                                       {"taskDefinition", "arn:td:1"},
                                                       {"deployments", deployments()},
                                                       {"tags", service_tags}}}}});
    }
    if (operation == "DescribeTaskDefinition") return ok({{"taskDefinition", task_definition}, {"tags", task_tags}});
    if (operation == "RegisterTaskDefinition") {
      registered.push_back(input);
      return ok({{"taskDefinition", json::object{{"taskDefinitionArn", "arn:td:2"}}}});
    }
    if (operation == "UpdateService") {
      updated.push_back(input);
      if (has(input, "taskDefinition")) {
        task_definition["containerDefinitions"] = registered.back().at("containerDefinitions");
        task_tags = get_array(registered.back(), "tags");
      } else {
        task_digest = tag_digest;
      }
      return ok({{"service", json::object{{"deployments", deployments()}}}});
    }
    if (operation == "TagResource") {
      for (const json::value& tag : get_array(input, "tags")) service_tags.push_back(tag);
      return ok({});
    }
    if (operation == "ListTasks") return ok({{"taskArns", json::array{"arn:task"}}});
    if (operation == "DescribeTasks") {
      const json::object container = {{"name", "app"}, {"imageDigest", task_digest}};
      return ok(
          {{"tasks", json::array{json::object{{"startedBy", "ecs-svc/1"}, {"containers", json::array{container}}}}}});
    }
    return http::json_response(400, R"({"__type":"UnknownOperationException"})");
  }

  json::array deployments() const {
    return {json::object{
        {"id", "ecs-svc/1"}, {"status", "PRIMARY"}, {"taskDefinition", "arn:td:1"}, {"rolloutState", "COMPLETED"}}};
  }

  // Hands out `events`, then none for ever.
  task<http::Response> answer_runtime(http::Request& request) {
    const auto body = co_await http::read_all(*request.body);
    const std::string path = request.path();
    if (path.ends_with("/invocation/next")) {
      if (first_next == std::chrono::steady_clock::time_point{}) first_next = std::chrono::steady_clock::now();
      if (events.empty()) co_return http::text_response(next_status_at_end, "");
      http::Response response = http::json_response(200, events.front());
      events.pop_front();
      response.headers.set("Lambda-Runtime-Aws-Request-Id", "r-" + std::to_string(++invocations));
      response.headers.set("Lambda-Runtime-Trace-Id", "Root=1-2");
      response.headers.set(
          "Lambda-Runtime-Deadline-Ms",
          std::to_string(
              std::chrono::duration_cast<Duration>(std::chrono::system_clock::now().time_since_epoch()).count() +
              30'000));
      co_return response;
    }
    posts.push_back({path, body.value_or(""), request.headers.get("Lambda-Runtime-Function-Error-Type")});
    co_return http::json_response(202, R"({"status":"OK"})");
  }

  client::Options options() const {
    return {.endpoint = "http://127.0.0.1:" + std::to_string(aws_server.port()),
            .region = "eu-west-1",
            .credentials = client::Credentials{.access_key_id = "A", .secret_access_key = "S"}};
  }
  static Route route(Route::Pin pin = Route::Pin::digest, std::string name = "rest") {
    return {.name = std::move(name),
            .cluster = "cars",
            .repository = "backend",
            .tags = {config::tag_rule("latest")},
            .container = "app",
            .pin = pin};
  }
  static std::string push(const std::string& action = "PUSH", const std::string& tag = "latest") {
    return R"({"id":"e-1","source":"aws.ecr","detail-type":"ECR Image Action","detail":{"result":"SUCCESS","repository-name":"backend","image-digest":")" +
           kNew + R"(","action-type":")" + action + R"(","image-tag":")" + tag + "\"}}";
  }
  Result<json::object> handle(Routes routes, const std::string& event = push()) {
    client::AwsClient aws(io.get_executor(), options());
    Handler handler(aws, std::move(routes),
                    {.log = [this](const json::object& line) { log.push_back(line); },
                     .clock = [] { return instant_ms(10'000'000); }});
    return run(handler.handle(json::parse(event)), io);
  }
  std::string action(std::size_t line) const { return get_string(log.at(line), "action"); }
  long long count(const std::string& operation) const { return std::ranges::count(calls, operation); }

  // Runs the real binary against both servers until the Runtime API has nothing more; returns its
  // exit status.
  int run_bootstrap(std::vector<std::string> environment, const std::filesystem::path& root) {
    environment.push_back("AWS_LAMBDA_RUNTIME_API=127.0.0.1:" + std::to_string(runtime_server.port()));
    environment.push_back("AWS_ENDPOINT_URL=http://127.0.0.1:" + std::to_string(aws_server.port()));
    for (const char* fixed :
         {"AWS_ACCESS_KEY_ID=A", "AWS_SECRET_ACCESS_KEY=S", "AWS_SESSION_TOKEN=T", "AWS_REGION=eu-west-1"})
      environment.emplace_back(fixed);
    environment.push_back("LAMBDA_TASK_ROOT=" + root.string());
    std::vector<char*> pointers;
    for (std::string& entry : environment) pointers.push_back(entry.data());
    pointers.push_back(nullptr);
    std::string binary = SLIPWAY_BOOTSTRAP;
    char* argv[] = {binary.data(), nullptr};
    started = std::chrono::steady_clock::now();
    const pid_t child = ::fork();
    if (child == 0) {
      ::execve(binary.c_str(), argv, pointers.data());
      ::_exit(127);
    }
    int status = 0;
    run(wait_for(child, status), io);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  static task<void> wait_for(pid_t child, int& status) {
    while (::waitpid(child, &status, WNOHANG) == 0) co_await pause(1ms);
  }

  struct Post {
    std::string path, body, error_type;
  };
  asio::io_context io{1};
  std::string tag_digest = kNew;
  std::string task_digest = kOld;
  json::object task_definition = {
      {"taskDefinitionArn", "arn:td:1"},
      {"family", "f"},
      {"revision", 1},
      {"containerDefinitions",
       json::array{json::object{{"name", "app"}, {"image", "localhost:4566/backend@" + kOld}}}}};
  json::array task_tags;
  json::array service_tags;
  std::map<std::string, std::deque<std::pair<int, std::string>>> failures;
  std::vector<std::string> calls;
  std::vector<json::object> registered, updated, log;
  std::deque<std::string> events;
  std::vector<Post> posts;
  int invocations = 0;
  int next_status_at_end = 500;
  std::chrono::steady_clock::time_point started, first_next;
  http::Server aws_server{io.get_executor(), {}, [this](http::Request& request) { return answer_aws(request); }};
  http::Server runtime_server{
      io.get_executor(), {}, [this](http::Request& request) { return answer_runtime(request); }};
};

TEST_F(World, DeploysTheDigestOfAPush) {
  const auto answer = handle({.routes = {route()}});
  ASSERT_TRUE(answer) << answer.error().message;
  ASSERT_EQ(registered.size(), 1u);
  EXPECT_EQ(registered[0].at("containerDefinitions").at(0).at("image").as_string(), "localhost:4566/backend@" + kNew);
  EXPECT_FALSE(has(registered[0], "taskDefinitionArn"));
  ASSERT_EQ(updated.size(), 1u);
  EXPECT_EQ(updated[0], (json::object{{"cluster", "cars"}, {"service", "rest"}, {"taskDefinition", "arn:td:2"}}));
  EXPECT_EQ(get_string(log.at(0), "deployment"), "ecs-svc/1");
}

TEST_F(World, NeedsSixCallsForOnePushToOneService) {
  ASSERT_TRUE(handle({.routes = {route()}}));
  EXPECT_EQ(calls, (std::vector<std::string>{"DescribeImages", "DescribeServices", "DescribeTaskDefinition",
                                             "RegisterTaskDefinition", "UpdateService", "TagResource"}));
  EXPECT_EQ(tag_value(service_tags, "slipway:tried"), kNew);
  EXPECT_EQ(tag_value(service_tags, "slipway:deployment"), "ecs-svc/1");
}

TEST_F(World, DeploysThoughItMayNotWriteTheServicesTagsAndSaysSo) {
  failures["TagResource"] = {{400, "AccessDeniedException"}};
  ASSERT_TRUE(handle({.routes = {route()}}));
  EXPECT_EQ(action(0), "deploy_digest");
  EXPECT_EQ(get_strings(log.at(0), "warnings").size(), 1u);
}

TEST_F(World, IgnoresAServiceThatIsDeletedMeanwhile) {
  failures["UpdateService"] = {{400, "ServiceNotActiveException"}};
  ASSERT_TRUE(handle({.routes = {route()}}));
  EXPECT_EQ(action(0), "ignore");
  failures["DescribeServices"] = {{400, "ClusterNotFoundException"}};
  ASSERT_TRUE(handle({.routes = {route()}}));
  EXPECT_EQ(action(1), "ignore");
}

TEST_F(World, DeploysADuplicateEventOnce) {
  ASSERT_TRUE(handle({.routes = {route()}}));
  ASSERT_TRUE(handle({.routes = {route()}}));
  EXPECT_EQ(updated.size(), 1u);
  EXPECT_EQ(action(1), "already_deployed");
}

TEST_F(World, ForcesADeploymentInTagModeOnce) {
  ASSERT_TRUE(handle({.routes = {route(Route::Pin::tag)}}));
  ASSERT_TRUE(handle({.routes = {route(Route::Pin::tag)}}));
  ASSERT_EQ(updated.size(), 1u);
  EXPECT_TRUE(get_bool(updated[0], "forceNewDeployment"));
  EXPECT_TRUE(registered.empty());
  EXPECT_EQ(action(1), "already_deployed");
}

TEST_F(World, CallsNothingForADeletionOrAnUntaggedImage) {
  ASSERT_TRUE(handle({.routes = {route()}}, push("DELETE")));
  ASSERT_TRUE(handle({.routes = {route()}}, push("PUSH", "")));
  ASSERT_TRUE(handle({.routes = {route()}}, push("PUSH", "other")));
  EXPECT_TRUE(calls.empty());
  EXPECT_EQ(action(0) + action(1) + action(2), "ignoreignoreignore");
  EXPECT_EQ(get_string(log[2], "why"), "no service deploys backend:other");
}

TEST_F(World, IgnoresATagThatIsGoneAndAnUnknownService) {
  ASSERT_TRUE(handle({.routes = {route(Route::Pin::digest, "absent")}}));
  tag_digest.clear();
  ASSERT_TRUE(handle({.routes = {route()}}));
  EXPECT_EQ(action(0) + action(1), "ignoreignore");
  EXPECT_TRUE(updated.empty());
}

TEST_F(World, PassesOverThrottlingAndServerErrors) {
  failures["UpdateService"] = {{400, "ThrottlingException"}};
  failures["DescribeImages"] = {{500, "ServerException"}, {503, "ServerException"}};
  ASSERT_TRUE(handle({.routes = {route()}}));
  EXPECT_EQ(updated.size(), 1u);
  EXPECT_EQ(count("DescribeImages"), 3);
}

TEST_F(World, FailsTheInvocationWhenOneServiceFailsAndDeploysTheOthers) {
  failures["RegisterTaskDefinition"] = {{400, "ClientException"}};
  const auto answer = handle({.routes = {route(), route(Route::Pin::tag)}});
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, "DeployFailed");
  EXPECT_EQ(action(0), "failed");
  EXPECT_EQ(action(1), "force_new_deployment");
}

TEST_F(World, FailsWhenTheServiceStaysBroken) {
  failures["DescribeServices"] = {{500, "ServerException"}, {500, "ServerException"}, {500, "ServerException"}};
  EXPECT_FALSE(handle({.routes = {route()}}));
  EXPECT_TRUE(updated.empty());
}

class Bootstrap : public World {
 protected:
  void SetUp() override {
    World::SetUp();
    std::filesystem::create_directories(root);
  }
  void TearDown() override { std::filesystem::remove_all(root); }
  void write_routes(const std::string& text) const { std::ofstream(root / "slipway.json") << text; }
  const std::filesystem::path root =
      std::filesystem::temp_directory_path() / ("slipway-bootstrap-" + std::to_string(::getpid()));
};

TEST_F(Bootstrap, ServesInvocationsUntilTheRuntimeApiEnds) {
  write_routes(
      R"({"services":[{"name":"rest","cluster":"cars","repository":"backend","tags":["latest"],"container":"app","pin":"digest"}]})");
  events = {push(), push(), push("DELETE"), "not json"};
  EXPECT_EQ(run_bootstrap({}, root), 1);
  ASSERT_EQ(posts.size(), 4u);
  EXPECT_EQ(posts[0].path, "/2018-06-01/runtime/invocation/r-1/response");
  EXPECT_NE(posts[0].body.find("deploy_digest"), std::string::npos) << posts[0].body;
  EXPECT_NE(posts[1].body.find("already_deployed"), std::string::npos) << posts[1].body;
  EXPECT_NE(posts[2].body.find("not PUSH"), std::string::npos) << posts[2].body;
  EXPECT_EQ(posts[3].path, "/2018-06-01/runtime/invocation/r-4/error");
  EXPECT_EQ(posts[3].error_type, "Function.UnmarshalError");
  EXPECT_EQ(updated.size(), 1u);
}

TEST_F(Bootstrap, ReportsAFailedInvocationAndServesTheNext) {
  write_routes(
      R"({"services":[{"name":"rest","cluster":"cars","repository":"backend","tags":["latest"],"container":"app"}]})");
  failures["UpdateService"] = {{403, "AccessDeniedException"}};
  events = {push(), push()};
  run_bootstrap({}, root);
  ASSERT_EQ(posts.size(), 2u);
  EXPECT_EQ(posts[0].error_type, "Function.DeployFailed");
  EXPECT_NE(posts[0].body.find("AccessDeniedException"), std::string::npos) << posts[0].body;
  EXPECT_TRUE(posts[1].path.ends_with("/response"));
}

TEST_F(Bootstrap, DeploysTheOneServiceOfTheVariables) {
  events = {push()};
  run_bootstrap({"CLUSTER_NAME=where-car", "SERVICE_NAME=rest-service"}, root);
  ASSERT_EQ(posts.size(), 1u);
  EXPECT_EQ(posts[0].body, R"({"statusCode":200,"body":"deployment started"})");
  EXPECT_EQ(updated.at(0),
            (json::object{{"cluster", "where-car"}, {"service", "rest-service"}, {"forceNewDeployment", true}}));
  EXPECT_EQ(calls.size(), 1u);
}

TEST_F(Bootstrap, PostsAnInitErrorWhenItHasNoRoutes) {
  EXPECT_EQ(run_bootstrap({}, root), 1);
  ASSERT_EQ(posts.size(), 1u);
  EXPECT_EQ(posts[0].path, "/2018-06-01/runtime/init/error");
  EXPECT_EQ(posts[0].error_type, "Function.InvalidRoutes");
}

TEST_F(Bootstrap, IsAtTheFirstNextWithinMilliseconds) {
  std::vector<double> starts;
  for (int i = 0; i < 15; ++i) {
    first_next = {};
    run_bootstrap({"CLUSTER_NAME=c", "SERVICE_NAME=s"}, root);
    starts.push_back(std::chrono::duration<double, std::milli>(first_next - started).count());
  }
  std::ranges::sort(starts);
  // A test guards the order of magnitude only; a loaded machine may be slow.
  EXPECT_LT(starts.front(), 100);
  EXPECT_GT(starts.back(), 0);
  std::printf("start to first /next: median %.2f ms, best %.2f, worst %.2f\n", starts[starts.size() / 2],
              starts.front(), starts.back());
}

}  // namespace
}  // namespace slipway::deployer
