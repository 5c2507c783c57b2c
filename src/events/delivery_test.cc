#include "events/delivery.h"

#include <gtest/gtest.h>

#include <random>

namespace slipway::events {
namespace {

const Instant kStart = instant_ms(1'000'000);

Result<void> failed(Fault fault) {
  return fail(fault, "Code", "sentence");
}

TEST(Delivery, IsDoneWhenTheTargetHasIt) {
  EXPECT_EQ(decide({}, kStart, 1, {}, kStart, 0).step, NextStep::done);
}

TEST(Delivery, AMissingPermissionIsNotTriedAgain) {
  const auto decision = decide({}, kStart, 1, failed(Fault::denied), kStart, 0);
  EXPECT_EQ(decision.step, NextStep::give_up);
  EXPECT_EQ(decision.exhausted, "");
}

TEST(Delivery, GivesUpAfterTheLastRetry) {
  const RetryPolicy policy{.retries = 2};
  EXPECT_EQ(decide(policy, kStart, 2, failed(Fault::unavailable), kStart, 0).step, NextStep::again);
  const auto last = decide(policy, kStart, 3, failed(Fault::unavailable), kStart, 0);
  EXPECT_EQ(last.step, NextStep::give_up);
  EXPECT_EQ(last.exhausted, "MaximumRetryAttempts");
}

TEST(Delivery, GivesUpWhenTheNextAttemptWouldComeTooLate) {
  const RetryPolicy policy{.age = std::chrono::seconds(60)};
  const auto late = decide(policy, kStart, 1, failed(Fault::throttled), kStart + std::chrono::seconds(60), 0);
  EXPECT_EQ(late.step, NextStep::give_up);
  EXPECT_EQ(late.exhausted, "MaximumEventAgeInSeconds");
}

TEST(Delivery, BackOffGrowsToItsBoundAndStaysInItsJitter) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  std::uniform_real_distribution<double> chance(0, 1);
  for (int attempt = 1; attempt < 200; ++attempt) {
    const auto full = back_off(attempt, 1);
    const auto delay = back_off(attempt, chance(random));
    EXPECT_GE(delay, full / 2 - Duration(1));
    EXPECT_LE(delay, full);
    EXPECT_LE(delay, kLongestBackOff);
  }
  EXPECT_EQ(back_off(100, 1), kLongestBackOff);
}

TEST(Delivery, ABusyTargetLeavesRoomForTheOthers) {
  const auto starts = share_out({{"busy", 1000}, {"idle", 3}}, {{"busy", kInFlightPerTargetMax}});
  EXPECT_FALSE(starts.contains("busy"));
  EXPECT_EQ(starts.at("idle"), 3);
}

TEST(Delivery, ManyTargetsShareTheBound) {
  std::map<std::string, int> due;
  for (int i = 0; i < kInFlightMax; ++i) due["t" + std::to_string(i)] = 100;
  const auto starts = share_out(due, {});
  EXPECT_EQ(starts.size(), static_cast<std::size_t>(kInFlightMax));
  for (const auto& [target, count] : starts) EXPECT_EQ(count, 1) << target;
}

TEST(Delivery, TargetsThatHangTogetherStarveNobody) {
  std::map<std::string, int> due{{"quick", 100}};
  std::map<std::string, int> hanging;
  for (int held = 0; held < kInFlightMax; held += kInFlightPerTargetMax) {
    const auto target = "slow" + std::to_string(held);
    due[target] = 100;
    hanging[target] = kInFlightPerTargetMax;
  }
  const auto starts = share_out(due, hanging);
  EXPECT_EQ(starts, (std::map<std::string, int>{{"quick", 1}}));
}

}  // namespace
}  // namespace slipway::events
