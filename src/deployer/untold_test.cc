#include "deployer/untold.h"

#include <gtest/gtest.h>

namespace slipway::deployer {
namespace {

TEST(Untold, IsKeptUntilItIsToldOrGivenUp) {
  std::vector<Untold> all;
  EXPECT_TRUE(note_telling(all, "rest:42", 0, "slack", false));
  EXPECT_EQ(untold_text(all), "rest:42/0/slack/1");
  EXPECT_TRUE(note_telling(all, "rest:42", 1, "sns", true));
  EXPECT_EQ(all.size(), 1u);
  for (int i = 2; i < kTellingsMax; ++i) EXPECT_TRUE(note_telling(all, "rest:42", 0, "slack", false)) << i;
  EXPECT_FALSE(note_telling(all, "rest:42", 0, "slack", false));
  EXPECT_TRUE(all.empty());
  note_telling(all, "rest:42", 0, "slack", false);
  note_telling(all, "rest:42", 0, "slack", true);
  EXPECT_TRUE(all.empty());
}

TEST(Untold, IsReadAsItWasWritten) {
  std::vector<Untold> all = {{.revision = "rest:42", .channel = 3, .name = "webhook", .tellings = 7},
                             {.revision = "rest:43", .channel = 0, .name = "slack", .tellings = 1}};
  EXPECT_EQ(read_untold(untold_text(all)), all);
  EXPECT_TRUE(read_untold("").empty());
  EXPECT_TRUE(read_untold("rest:42 rest:42/x/slack/1 rest:42/1/slack/y rest:42/1/slack").empty());
}

TEST(Untold, TheOldestGivesWay) {
  std::vector<Untold> all;
  for (int i = 0; i < 8; ++i) note_telling(all, "rest:" + std::to_string(i), 0, "slack", false);
  EXPECT_EQ(read_untold(untold_text(all)).front().revision, "rest:3");
  EXPECT_EQ(read_untold(untold_text(all)).size(), kUntoldMax);
  all.clear();
  for (int i = 0; i < 5; ++i) note_telling(all, std::string(100, 'f') + ":" + std::to_string(i), 0, "slack", false);
  EXPECT_LE(untold_text(all).size(), 256u);
}

}  // namespace
}  // namespace slipway::deployer
