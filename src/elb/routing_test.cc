// Rules and weights in a real HAProxy.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <boost/asio/ip/tcp.hpp>
#include <filesystem>
#include <map>

#include "base/run.h"
#include "elb/api.h"
#include "elb/worker.h"
#include "host/process.h"
#include "http/client.h"
#include "http/server.h"

namespace slipway::elb {
namespace {

using namespace std::chrono_literals;

// A service that says its name.
class Named {
 public:
  Named(asio::io_context& io, std::string name)
      : server_(io.get_executor(), {.address = "127.0.0.1", .port = 0},
                [name](http::Request& request) { return answer(name, request); }) {}
  http::Server& server() { return server_; }

 private:
  static task<http::Response> answer(std::string name, http::Request&) {
    http::Response response;
    response.status = 200;
    response.body = name;
    co_return response;
  }
  http::Server server_;
};

class RoutingTest : public testing::Test {
 protected:
  asio::io_context io{1};
  database::Database db{io.get_executor(), ":memory:"};
  host::SystemClock clock;
  host::SeededRandom random{1};
  std::filesystem::path folder;
  std::unique_ptr<host::Proxy> proxy;
  std::unique_ptr<Balancer> balancer;
  wire::Service api;
  Named blue{io, "blue"};
  Named green{io, "green"};
  int port = 0;
  std::map<std::string, std::string> group;  // Name -> ARN.
  std::string listener;

  void SetUp() override {
    if (host::find_program("haproxy").empty()) GTEST_SKIP() << "HAProxy is not installed";
    std::string pattern = (std::filesystem::temp_directory_path() / "slipway-elb.XXXXXX").string();
    folder = ::mkdtemp(pattern.data());
    proxy = host::make_haproxy(io.get_executor(), folder);
    db.migrate(schema());
    balancer = std::make_unique<Balancer>(io.get_executor(), db, clock, random, Place{}, *proxy);
    api = service(*balancer);
    ASSERT_TRUE(run(balancer->start(), io));
    {
      boost::asio::ip::tcp::acceptor free(io, {boost::asio::ip::address_v4::loopback(), 0});
      port = free.local_endpoint().port();
    }
    for (auto& [name, server] :
         std::map<std::string, http::Server*>{{"blue", &blue.server()}, {"green", &green.server()}}) {
      ASSERT_TRUE(server->listen());
      const json::object made = ask("CreateTargetGroup", {{"Name", name}, {"Port", 80}, {"TargetType", "ip"}});
      group[name] = get_string(get_array(made, "TargetGroups").at(0).as_object(), "TargetGroupArn");
    }
    const json::object made = ask("CreateLoadBalancer", {{"Name", "web"}});
    const json::object balancer_made = get_array(made, "LoadBalancers").at(0).as_object();
    const json::object listening =
        ask("CreateListener", {{"LoadBalancerArn", balancer_made.at("LoadBalancerArn")},
                               {"Port", port},
                               {"DefaultActions", forward_to({{group["blue"], 100}, {group["green"], 0}})}});
    ASSERT_FALSE(has(listening, "error")) << json::serialize(listening);
    listener = get_string(get_array(listening, "Listeners").at(0).as_object(), "ListenerArn");
    for (auto& [name, server] :
         std::map<std::string, http::Server*>{{"blue", &blue.server()}, {"green", &green.server()}}) {
      ASSERT_TRUE(run(balancer->register_target(group[name], name, "127.0.0.1", server->port()), io));
      for (int i = 0; i < 400 && !balancer->targets(group[name])[0].target.in_traffic; ++i) run(rest(), io);
    }
  }
  void TearDown() override {
    if (!balancer) return;
    run(balancer->stop(), io);
    run(proxy->stop(), io);
    run(blue.server().stop(0s), io);
    run(green.server().stop(0s), io);
    std::error_code ignored;
    std::filesystem::remove_all(folder, ignored);
  }
  static task<void> rest() { co_await pause(5ms); }
  json::object ask(const char* operation, json::object input) {
    wire::Call context;
    context.now = clock.now();
    auto answer = run(wire::call(api, operation, std::move(input), context), io);
    return answer ? answer->output : json::object{{"error", answer.error().code + ": " + answer.error().message}};
  }
  json::object add_rule(int priority, json::object condition, json::array actions) {
    return ask("CreateRule", {{"ListenerArn", listener},
                              {"Priority", priority},
                              {"Conditions", json::array{condition}},
                              {"Actions", std::move(actions)}});
  }
  // Who answers; "503" when nobody does.
  std::string get(const std::string& path, const std::string& host = "localhost") {
    const http::ClientOptions options{.endpoint = fmt::format("http://127.0.0.1:{}", port)};
    const http::ClientRequest request{.method = "GET", .target = path, .headers = {{"Host", host}}, .body = ""};
    const auto answer = run(http::fetch(options, request), io);
    if (!answer) return answer.error().message;
    return answer->status == 200 ? answer->body : std::to_string(answer->status);
  }
  std::map<std::string, int> count(int requests) {
    std::map<std::string, int> out;
    for (int i = 0; i < requests; ++i) ++out[get("/")];
    return out;
  }
};

TEST_F(RoutingTest, WeightsMoveWithTheNextRequestAndWithoutAReload) {
  EXPECT_EQ(count(50), (std::map<std::string, int>{{"blue", 50}}));
  const std::string rule = default_rule_arn(listener);
  const std::string structure = structure_of(proxy->current());
  ASSERT_TRUE(run(balancer->set_shares(rule, {{group["blue"], 50}, {group["green"], 50}}), io));
  const auto both = count(200);
  EXPECT_GT(both.at("blue"), 50);
  EXPECT_GT(both.at("green"), 50);
  ASSERT_TRUE(run(balancer->set_shares(rule, {{group["blue"], 0}, {group["green"], 100}}), io));
  EXPECT_EQ(count(50), (std::map<std::string, int>{{"green", 50}}));
  EXPECT_EQ(structure_of(proxy->current()), structure);
  // The text says what runs: a HAProxy that starts again from it goes on with these weights.
  EXPECT_NE(proxy->current().find(fmt::format("set-var proc.w_l{} int(0)\n", port)), std::string::npos);
}

TEST_F(RoutingTest, SeveralServicesShareAListenerByHostAndPath) {
  add_rule(20, {{"Field", "host-header"}, {"Values", json::array{"*.Example.com"}}}, forward_to({{group["green"], 1}}));
  add_rule(10, {{"Field", "path-pattern"}, {"Values", json::array{"/api/*", "/v?"}}}, forward_to({{group["blue"], 1}}));
  EXPECT_EQ(get("/", "a.example.com:80"), "green");
  EXPECT_EQ(get("/", "example.com"), "blue");
  EXPECT_EQ(get("/api/x", "a.example.com"), "blue");  // The lower priority is asked first.
  EXPECT_EQ(get("/v1", "a.example.com"), "blue");
  EXPECT_EQ(get("/v12", "a.example.com"), "green");
  EXPECT_EQ(get("/API/x", "a.example.com"), "green");  // Paths have a case, hosts do not.
}

TEST_F(RoutingTest, ARuleAnswersByItself) {
  const json::object fixed = {
      {"Type", "fixed-response"},
      {"FixedResponseConfig", json::object{{"StatusCode", "200"}, {"MessageBody", "it's \"off\" #1\n"}}}};
  add_rule(1, {{"Field", "path-pattern"}, {"Values", json::array{"/off"}}}, json::array{fixed});
  EXPECT_EQ(get("/off"), "it's \"off\" #1\n");
  EXPECT_EQ(get("/"), "blue");
}

TEST_F(RoutingTest, RulesAreListedChangedAndDeleted) {
  const json::object path = {{"Field", "path-pattern"}, {"Values", json::array{"/a"}}};
  const json::object made = add_rule(5, path, forward_to({{group["green"], 1}}));
  const std::string arn = get_string(get_array(made, "Rules").at(0).as_object(), "RuleArn");
  EXPECT_EQ(get_string(add_rule(5, path, forward_to({{group["blue"], 1}})), "error"),
            "PriorityInUse: Priority '5' is currently in use");
  const auto listed = get_array(ask("DescribeRules", {{"ListenerArn", listener}}), "Rules");
  ASSERT_EQ(listed.size(), 2U);
  EXPECT_EQ(get_string(listed.at(0).as_object(), "Priority"), "5");
  EXPECT_EQ(get_string(listed.at(1).as_object(), "Priority"), "default");
  EXPECT_EQ(get("/a"), "green");
  ask("ModifyRule", {{"RuleArn", arn}, {"Actions", forward_to({{group["blue"], 1}})}});
  EXPECT_EQ(get("/a"), "blue");
  const json::object pair = {{"RuleArn", arn}, {"Priority", 7}};
  ask("SetRulePriorities", {{"RulePriorities", json::array{pair}}});
  const auto moved = get_array(ask("DescribeRules", {{"RuleArns", json::array{arn}}}), "Rules");
  EXPECT_EQ(get_string(moved.at(0).as_object(), "Priority"), "7");
  EXPECT_EQ(ask("DeleteRule", {{"RuleArn", arn}}), json::object{});
  EXPECT_EQ(get_string(ask("DescribeRules", {{"RuleArns", json::array{arn}}}), "error"),
            "RuleNotFound: One or more rules not found");
  const std::string fallback = default_rule_arn(listener);
  EXPECT_EQ(get_string(ask("DeleteRule", {{"RuleArn", fallback}}), "error"),
            fmt::format("OperationNotPermitted: Default rule '{}' cannot be deleted", fallback));
}

TEST_F(RoutingTest, AGroupThatARuleNamesIsNotDeleted) {
  add_rule(5, {{"Field", "path-pattern"}, {"Values", json::array{"/a"}}}, forward_to({{group["green"], 1}}));
  EXPECT_EQ(get_string(ask("DeleteTargetGroup", {{"TargetGroupArn", group["green"]}}), "error").substr(0, 13),
            "ResourceInUse");
}

}  // namespace
}  // namespace slipway::elb
