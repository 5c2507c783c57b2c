#include <gtest/gtest.h>

#include "elb/config.h"
#include "elb/health.h"

namespace slipway::elb {
namespace {

using namespace std::chrono_literals;

const HealthCheck kCheck{.interval = 1s, .healthy_threshold = 2, .unhealthy_threshold = 2, .matcher = "200-399"};
const Probe kGood{.status = 200};
const Probe kBad{.status = 500};
const Instant kNow = instant_ms(1'000'000);

TEST(Health, ANewTargetIsHealthyAfterOneGoodAnswer) {
  EXPECT_EQ(judge({}, kCheck, kGood, kNow).state, TargetState::healthy);
}

TEST(Health, ANewTargetIsProbedFastButFailsSlowly) {
  TargetHealth health = judge({}, kCheck, kBad, kNow);
  EXPECT_LT(until_next_probe(health, kCheck), 1s);
  health = judge(health, kCheck, kBad, kNow + 100ms);
  EXPECT_EQ(health.state, TargetState::initial);
  health = judge(health, kCheck, kBad, kNow + 1s);
  EXPECT_EQ(health.state, TargetState::unhealthy);
  EXPECT_EQ(health.reason, "Target.ResponseCodeMismatch");
  EXPECT_EQ(health.description, "Health checks failed with these codes: [500]");
}

TEST(Health, OneBadAnswerDoesNotMakeAHealthyTargetUnhealthy) {
  TargetHealth health = judge({}, kCheck, kGood, kNow);
  health = judge(health, kCheck, kBad, kNow + 1s);
  EXPECT_EQ(health.state, TargetState::healthy);
  health = judge(health, kCheck, kGood, kNow + 2s);
  health = judge(health, kCheck, {.outcome = Probe::Outcome::timed_out}, kNow + 3s);
  health = judge(health, kCheck, {.outcome = Probe::Outcome::timed_out}, kNow + 4s);
  EXPECT_EQ(health.description, "Request timed out");
}

TEST(Health, AnUnhealthyTargetNeedsTheThresholdToComeBack) {
  TargetHealth health{.state = TargetState::unhealthy};
  health = judge(health, kCheck, kGood, kNow);
  EXPECT_EQ(health.state, TargetState::unhealthy);
  EXPECT_EQ(judge(health, kCheck, kGood, kNow + 1s).state, TargetState::healthy);
}

TEST(Health, MatchersAreListsAndRanges) {
  EXPECT_TRUE(matches("200,302", 302));
  EXPECT_FALSE(matches("200,302", 301));
  EXPECT_TRUE(matches("200-299", 204));
  EXPECT_FALSE(valid_matcher("abc"));
  EXPECT_FALSE(valid_matcher("300-200"));
}

Frontend to(const char* backend, int port) {
  return {.name = "l", .port = port, .routes = {{.name = "l", .shares = {{.backend = backend}}}}};
}
Frontend weighted(std::vector<BackendShare> shares) {
  return {.name = "l", .port = 80, .routes = {{.name = "l", .shares = std::move(shares)}}};
}

TEST(Config, TargetsInTrafficStandInTheText) {
  const std::string text =
      render({to("tg", 8080)},
             {{.name = "tg", .taken = {{.number = 2, .address = "10.0.0.7", .port = 80, .in_traffic = true}}}});
  EXPECT_NE(text.find("bind 127.0.0.1:8080"), std::string::npos);
  EXPECT_NE(text.find("server s1 127.0.0.1:1 disabled"), std::string::npos);
  EXPECT_NE(text.find("server s2 10.0.0.7:80\n"), std::string::npos);
  EXPECT_NE(text.find("server s16 "), std::string::npos);
  EXPECT_EQ(text.find("server s17 "), std::string::npos);
}

TEST(Config, TargetsDoNotChangeTheStructureAndListenersDo) {
  const Backend empty{.name = "tg"};
  const Backend taken{.name = "tg", .taken = {{.number = 2, .address = "10.0.0.7", .port = 80, .in_traffic = true}}};
  const Frontend frontend = to("tg", 80);
  EXPECT_EQ(structure_of(render({frontend}, {empty})), structure_of(render({frontend}, {taken})));
  EXPECT_NE(structure_of(render({}, {empty})), structure_of(render({frontend}, {empty})));
}

TEST(Config, WeightsOfTwoGroupsChangeAtRunTimeAndThoseOfThreeByStructure) {
  const Frontend before = weighted({{"blue", 9}, {"green", 1}});
  const Frontend after = weighted({{"blue", 0}, {"green", 100}});
  EXPECT_EQ(structure_of(render({before}, {})), structure_of(render({after}, {})));
  EXPECT_EQ(weight_commands({before})[0], "experimental-mode on; set var proc.w_l int(900000)");
  EXPECT_EQ(weight_commands({after})[0], "experimental-mode on; set var proc.w_l int(0)");
  const Frontend three = weighted({{"a", 1}, {"b", 1}, {"c", 1}});
  EXPECT_TRUE(weight_commands({three}).empty());
  EXPECT_NE(structure_of(render({three}, {})), structure_of(render({weighted({{"a", 1}, {"b", 1}, {"c", 2}})}, {})));
}

TEST(Config, NoCharacterOfAPatternOrABodyIsReadAsConfiguration) {
  Frontend frontend = to("tg", 80);
  Route rule{.name = "r1", .conditions = {{.patterns = {"/a'b$ *"}}}};
  rule.fixed = FixedResponse{.status = 503, .content_type = "text/html", .body = "x' #\n"};
  frontend.routes.insert(frontend.routes.begin(), rule);
  const std::string text = render({frontend}, {});
  EXPECT_NE(text.find(R"('^\x2fa\x27b\x24\x20.*$')"), std::string::npos) << text;
  EXPECT_NE(text.find(R"(string x\x27\x20\x23\x0a if)"), std::string::npos) << text;
}

json::object object_of(const char* text) {
  return parse_json(text)->as_object();
}

TEST(Routing, AnActionIsKeptInOneFormHoweverItWasWritten) {
  const auto plain = normal_actions({object_of(R"({"Type":"forward","TargetGroupArn":"a"})")});
  const auto weighed = normal_actions(
      {object_of(R"({"Type":"forward","ForwardConfig":{"TargetGroups":[{"TargetGroupArn":"a","Weight":1}]}})")});
  ASSERT_TRUE(plain);
  EXPECT_EQ(*plain, *weighed);
  EXPECT_EQ(groups_of(*plain), std::vector<std::string>{"a"});
}

TEST(Routing, AnActionThatForwardsNowhereIsRefused) {
  EXPECT_FALSE(normal_actions({object_of(R"({"Type":"forward"})")}));
  EXPECT_FALSE(normal_actions(
      {object_of(R"({"Type":"forward","ForwardConfig":{"TargetGroups":[{"TargetGroupArn":"a","Weight":0}]}})")}));
  EXPECT_FALSE(normal_actions({object_of(R"({"Type":"fixed-response","FixedResponseConfig":{"StatusCode":"302"}})")}));
}

TEST(Routing, AConditionWithACharacterThatAwsRefusesIsRefused) {
  EXPECT_TRUE(normal_conditions({object_of(R"({"Field":"path-pattern","Values":["/a/*"]})")}));
  EXPECT_FALSE(normal_conditions({object_of(R"({"Field":"path-pattern","Values":["/a b"]})")}));
  EXPECT_FALSE(normal_conditions({object_of(R"({"Field":"host-header","Values":["a_b"]})")}));
  EXPECT_FALSE(normal_conditions({object_of(R"({"Field":"path-pattern"})")}));
}

TEST(Config, SlotsGrowByDoubling) {
  EXPECT_EQ(slot_count(0), 16);
  EXPECT_EQ(slot_count(17), 32);
  EXPECT_EQ(free_slot({1, 2, 4}), 3);
}

}  // namespace
}  // namespace slipway::elb
