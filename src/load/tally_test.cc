#include "load/tally.h"

#include <gtest/gtest.h>

namespace slipway::load {
namespace {

TEST(Tally, CountsVersionsAndWhenTheyWereSeen) {
  Tally tally;
  tally.add({.version = "v1", .due_ms = 10, .latency_ms = 1});
  tally.add({.version = "v2", .due_ms = 30, .latency_ms = 2});
  tally.add({.version = "v1", .due_ms = 20, .latency_ms = 3});
  const json::object v1 = get_object(get_object(tally.to_json(), "versions"), "v1");
  EXPECT_EQ(get_int(v1, "count"), 2);
  EXPECT_EQ(get_double(v1, "last_ms"), 20);
  EXPECT_EQ(tally.failed(), 0U);
}

TEST(Tally, EveryKindOfFailureCounts) {
  Tally tally;
  for (const Failure failure : {Failure::connect, Failure::reset, Failure::timed_out, Failure::server_error,
                                Failure::client_error, Failure::truncated})
    tally.add({.failure = failure});
  EXPECT_EQ(tally.failed(), 6U);
  EXPECT_EQ(tally.sent(), 6U);
  EXPECT_NE(tally.table().find("6 sent, 6 failed"), std::string::npos);
}

TEST(Tally, PercentilesAreOfTheSortedSamples) {
  EXPECT_EQ(percentile({1, 2, 3, 4}, 0.5), 3);
  EXPECT_EQ(percentile({1, 2, 3, 4}, 1.0), 4);
  EXPECT_EQ(percentile({}, 0.5), 0);
}

}  // namespace
}  // namespace slipway::load
