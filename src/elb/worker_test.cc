#include "elb/worker.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "base/run.h"
#include "elb/api.h"
#include "elb/config.h"
#include "http/server.h"

namespace slipway::elb {
namespace {

using namespace std::chrono_literals;

// A proxy in memory that knows the servers of the text it was given last, and takes commands for these only.
struct FakeProxy final : host::Proxy {
  std::string text;
  int reloads = 0;
  std::vector<std::string> said;
  std::string backend;                     // Of the rows below.
  std::vector<long long> rows_of_workers;  // Sessions of every server, one row for each worker.

  task<Result<void>> apply(std::string config) override {
    if (text != config) ++reloads;
    text = std::move(config);
    co_return Result<void>{};
  }
  std::string current() override { return text; }
  task<Result<void>> record(std::string config) override {
    EXPECT_EQ(structure_of(config), structure_of(text)) << "recorded a structure that does not run";
    text = std::move(config);
    co_return Result<void>{};
  }
  task<Result<std::vector<std::string>>> command(std::vector<std::string> commands) override {
    for (const std::string& one : commands) {
      if (one.find("set var proc.") != std::string::npos) {
        said.push_back(one);
        continue;
      }
      const auto from = one.find("server ") + 7;
      const std::string named = one.substr(from, one.find('/') - from);
      if (text.find("\nbackend " + named + "\n") == std::string::npos)
        co_return fail(Fault::invalid, "ProxyRefused", "No such backend.");
      said.push_back(one);
    }
    co_return std::vector<std::string>(commands.size());
  }
  task<Result<std::vector<host::ProxyStatRow>>> stats() override {
    std::vector<host::ProxyStatRow> rows;
    for (const long long sessions : rows_of_workers)
      rows.push_back({.backend = backend, .server = "s1", .status = "UP", .sessions = sessions});
    co_return rows;
  }
  task<Result<void>> stop() override {
    text.clear();
    co_return Result<void>{};
  }
};

task<http::Response> answer_ok(http::Request) {
  http::Response response;
  response.status = 200;
  co_return response;
}

class BalancerTest : public testing::Test {
 protected:
  asio::io_context io{1};
  database::Database db{io.get_executor(), ":memory:"};
  host::SystemClock clock;
  host::SeededRandom random{1};
  FakeProxy proxy;
  Balancer balancer{io.get_executor(), db, clock, random, Place{}, proxy};
  wire::Service api = service(balancer);
  http::Server target{io.get_executor(), {.address = "127.0.0.1", .port = 0}, answer_ok};

  void SetUp() override {
    db.migrate(schema());
    ASSERT_TRUE(target.listen());
    ASSERT_TRUE(run(balancer.start(), io));
  }
  void TearDown() override {
    run(balancer.stop(), io);
    run(target.stop(0s), io);
  }
  json::object ask(const char* operation, json::object input) {
    wire::Call context;
    context.now = clock.now();
    auto answer = run(wire::call(api, operation, std::move(input), context), io);
    return answer ? answer->output : json::object{{"error", answer.error().code + ": " + answer.error().message}};
  }
  std::string make_group() {
    const json::object made = ask("CreateTargetGroup", {{"Name", "web"},
                                                        {"Protocol", "HTTP"},
                                                        {"Port", 80},
                                                        {"TargetType", "ip"},
                                                        {"VpcId", "vpc-1"},
                                                        {"HealthCheckIntervalSeconds", 5}});
    return get_string(get_array(made, "TargetGroups").at(0).as_object(), "TargetGroupArn");
  }
  json::object listen_to(const std::string& group) {
    const json::object made =
        ask("CreateLoadBalancer", {{"Name", "web"}, {"Subnets", json::array{"subnet-1", "subnet-2"}}});
    const std::string arn = get_string(get_array(made, "LoadBalancers").at(0).as_object(), "LoadBalancerArn");
    return ask("CreateListener",
               {{"LoadBalancerArn", arn},
                {"Protocol", "HTTP"},
                {"Port", 8099},
                {"DefaultActions", json::array{json::object{{"Type", "forward"}, {"TargetGroupArn", group}}}}});
  }
  void add_target(const std::string& group) {
    ASSERT_TRUE(run(balancer.register_target(group, "t1", "127.0.0.1", target.port()), io));
  }
  static task<void> rest() { co_await pause(5ms); }
  // "healthy, in traffic"; "" when the target is gone.
  std::string state(const std::string& group) {
    const auto targets = balancer.targets(group);
    if (targets.empty()) return "";
    return std::string(state_text(targets[0].health.state)) + (targets[0].target.in_traffic ? ", in traffic" : "");
  }
  // The state once it is `wanted`, or the last one after 2 s.
  std::string settle(const std::string& group, const std::string& wanted) {
    for (int i = 0; i < 400 && state(group) != wanted; ++i) run(rest(), io);
    return state(group);
  }
};

TEST_F(BalancerTest, ATargetOfAGroupWithoutAListenerIsUnusedAndHaProxyHearsNothingOfIt) {
  const std::string group = make_group();
  add_target(group);
  EXPECT_EQ(settle(group, "unused"), "unused");
  EXPECT_EQ(balancer.targets(group)[0].health.reason, "Target.NotInUse");
  EXPECT_TRUE(proxy.said.empty());
  EXPECT_EQ(proxy.text, "");
}

TEST_F(BalancerTest, AListenerBringsATargetThatWaitedIntoTraffic) {
  const std::string group = make_group();
  add_target(group);
  ASSERT_EQ(settle(group, "unused"), "unused");
  listen_to(group);
  EXPECT_EQ(settle(group, "healthy, in traffic"), "healthy, in traffic");
  EXPECT_EQ(proxy.reloads, 1);
}

TEST_F(BalancerTest, ATargetOfAGroupWithoutAListenerLeavesAtOnce) {
  const std::string group = make_group();
  add_target(group);
  ASSERT_TRUE(run(balancer.deregister_target(group, "t1"), io));
  EXPECT_EQ(settle(group, ""), "");
}

TEST_F(BalancerTest, ADrainingTargetStaysWhileAnyWorkerOfHaProxyHasARequestForIt) {
  const std::string group = make_group();
  listen_to(group);
  add_target(group);
  ASSERT_EQ(settle(group, "healthy, in traffic"), "healthy, in traffic");
  const auto said = proxy.said;
  ASSERT_FALSE(said.empty());
  proxy.backend = said[0].substr(said[0].find("server ") + 7);
  proxy.backend.resize(proxy.backend.find('/'));
  proxy.rows_of_workers = {0, 1};  // The second is one that a reload has replaced.
  ASSERT_TRUE(run(balancer.deregister_target(group, "t1"), io));
  for (int i = 0; i < 40; ++i) run(rest(), io);
  EXPECT_EQ(state(group).substr(0, 8), "draining");
  proxy.rows_of_workers = {0, 0};
  EXPECT_EQ(settle(group, ""), "");
}

}  // namespace
}  // namespace slipway::elb
