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

TEST(Config, TargetsInTrafficStandInTheText) {
  const std::string text =
      render({{.name = "l8080", .port = 8080, .backend = "tg"}},
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
  const Frontend frontend{.name = "l80", .port = 80, .backend = "tg"};
  EXPECT_EQ(structure_of(render({frontend}, {empty})), structure_of(render({frontend}, {taken})));
  EXPECT_NE(structure_of(render({}, {empty})), structure_of(render({frontend}, {empty})));
}

TEST(Config, SlotsGrowByDoubling) {
  EXPECT_EQ(slot_count(0), 16);
  EXPECT_EQ(slot_count(17), 32);
  EXPECT_EQ(free_slot({1, 2, 4}), 3);
}

}  // namespace
}  // namespace slipway::elb
