#include "cli/deploying.h"

#include <gtest/gtest.h>

namespace slipway::cli {
namespace {

using namespace std::chrono_literals;

PastRelease past(const std::string& name, char letter, const std::string& verdict) {
  return {.name = name,
          .release = {.tag = "latest", .verdict = verdict},
          .digest = letter == '-' ? "" : "sha256:" + std::string(64, letter),
          .registered_at = instant_ms(0)};
}

TEST(Deploying, TellsAgesAsPeopleDo) {
  EXPECT_EQ(age(30s), "just now");
  EXPECT_EQ(age(61s), "1 minute ago");
  EXPECT_EQ(age(15min), "15 minutes ago");
  EXPECT_EQ(age(5h), "5 hours ago");
  EXPECT_EQ(age(48h), "2 days ago");
}

TEST(Deploying, OffersEachEarlierDigestOnce) {
  const auto choices = rollback_choices({past("r5", 'b', "live"), past("r4", 'a', "live"),
                                         past("r3", 'b', "rolled-back"), past("r2", 'a', "live"), past("r1", '-', "")});
  ASSERT_EQ(choices.size(), 1u);
  EXPECT_EQ(choices[0].name, "r4");
  EXPECT_EQ(release_line(choices[0], instant_ms(120'000)),
            "r4    aaaaaaaaaaaa  latest       live                 2 minutes ago");
}

TEST(Deploying, EndsWithTheStatusOfTheContract) {
  using deployer::End;
  EXPECT_EQ(exit_code_of(End::live), 0);
  EXPECT_EQ(exit_code_of(End::failed), 1);
  EXPECT_EQ(exit_code_of(End::superseded), 1);
  EXPECT_EQ(exit_code_of(End::rolled_back_by_ecs), 3);
  EXPECT_EQ(exit_code_of(End::rolled_back_by_slipway), 3);
  EXPECT_EQ(exit_code_of(End::timed_out), 4);
}

}  // namespace
}  // namespace slipway::cli
