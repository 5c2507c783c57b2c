#include "deployer/forecast.h"

#include <gtest/gtest.h>

namespace slipway::deployer {
namespace {

using namespace std::chrono_literals;

json::object service(long long desired, long long minimum, long long maximum, bool breaker = true) {
  return {{"desiredCount", desired},
          {"deploymentConfiguration",
           json::object{{"minimumHealthyPercent", minimum},
                        {"maximumPercent", maximum},
                        {"deploymentCircuitBreaker", json::object{{"enable", breaker}, {"rollback", breaker}}}}}};
}
const json::object kTask = {{"containerDefinitions", json::array{json::object{{"name", "app"}}}}};

TEST(Forecast, SeesPercentagesThatRoundToADeadlock) {
  EXPECT_TRUE(forecast(service(4, 100, 100), kTask, {}).stuck);
  EXPECT_TRUE(forecast(service(1, 50, 150), kTask, {}).stuck) << "ceil(0.5) = 1 must stay, floor(1.5) = 1 may exist";
  EXPECT_TRUE(forecast(service(2, 75, 125), kTask, {}).stuck);
  EXPECT_FALSE(forecast(service(1, 100, 200), kTask, {}).stuck);
  EXPECT_FALSE(forecast(service(2, 50, 100), kTask, {}).stuck);
  EXPECT_NE(forecast(service(1, 50, 150), kTask, {}).warnings.at(0).find("none can start or stop"), std::string::npos);
}

TEST(Forecast, SaysWhetherFewerTasksServeForATime) {
  EXPECT_TRUE(forecast(service(2, 100, 200), kTask, {}).zero_downtime);
  const Forecast fewer = forecast(service(2, 50, 100), kTask, {});
  EXPECT_FALSE(fewer.zero_downtime);
  EXPECT_EQ(fewer.warnings.at(0), "for a time only 1 of 2 tasks serve");
}

TEST(Forecast, CountsHealthDrainAndWaves) {
  const TargetGroup group{.interval = 5s, .healthy = 2, .unhealthy = 2, .deregistration_delay = 60s};
  const Forecast all_at_once = forecast(service(2, 100, 200), kTask, group);
  EXPECT_EQ(all_at_once.healthy_after, 10s);
  EXPECT_EQ(all_at_once.drain, 90s);
  EXPECT_EQ(all_at_once.expected, 30s + 10s + 90s);
  const Forecast in_two_waves = forecast(service(4, 100, 150), kTask, group);
  EXPECT_EQ(in_two_waves.expected, 2 * (30s + 10s) + 2 * 90s);
  EXPECT_EQ(forecast(service(2, 100, 200), kTask, {}).healthy_after, 40s) << "without a check, ECS waits 40 s";
}

TEST(Forecast, KnowsWhenTheBreakerTrips) {
  const TargetGroup group{.interval = 5s, .healthy = 2, .unhealthy = 2, .deregistration_delay = 60s};
  const Forecast two = forecast(service(2, 100, 200), kTask, group);
  EXPECT_EQ(two.breaker_threshold, 3);
  EXPECT_EQ(two.breaker_trips_after, 2 * (30s + 10s));
  EXPECT_EQ(breaker_threshold({}, 25), 13);
  EXPECT_EQ(breaker_threshold({}, 800), 200);
  const json::object count = {{"thresholdConfiguration", json::object{{"type", "COUNT"}, {"value", 1}}}};
  EXPECT_EQ(breaker_threshold(count, 25), 1);
  EXPECT_EQ(forecast(service(2, 100, 200, false), kTask, group).breaker_trips_after, 0s);
}

}  // namespace
}  // namespace slipway::deployer
