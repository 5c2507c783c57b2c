#include "ecr/lifecycle.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace slipway::ecr {
namespace {

using Digests = std::vector<std::string>;

constexpr Duration kDay = std::chrono::days(1);
const Instant kNow{std::chrono::days(1000)};

std::string rule(int priority, const std::string& selection, const std::string& action = R"({"type":"expire"})") {
  return fmt::format(R"({{"rulePriority":{},"selection":{{{}}},"action":{}}})", priority, selection, action);
}
std::string policy(const std::string& rules) {
  return R"({"rules":[)" + rules + "]}";
}
const std::string kUntaggedForAWeek =
    R"("tagStatus":"untagged","countType":"sinceImagePushed","countUnit":"days","countNumber":7)";
const std::string kAnyMoreThanTwo = R"("tagStatus":"any","countType":"imageCountMoreThan","countNumber":2)";

LifecycleImage image(std::string digest, int days_old, std::vector<std::string> tags = {}) {
  return {.digest = std::move(digest), .tags = std::move(tags), .pushed_at = kNow - kDay * days_old};
}
Digests expired(const std::string& rules, std::vector<LifecycleImage> images) {
  const auto parsed = parse_lifecycle(policy(rules));
  EXPECT_TRUE(parsed) << parsed.error().message;
  return parsed ? expired_images(*parsed, std::move(images), kNow) : Digests{"none"};
}

TEST(Lifecycle, UntaggedImagesGoWhenTheyAreOldEnough) {
  EXPECT_EQ(expired(rule(1, kUntaggedForAWeek), {image("new", 6), image("old", 7), image("tagged", 9, {"v1"})}),
            Digests{"old"});
}

TEST(Lifecycle, TheYoungestAreKept) {
  EXPECT_EQ(expired(rule(1, kAnyMoreThanTwo), {image("a", 1), image("d", 4), image("b", 2, {"x"}), image("c", 3)}),
            (Digests{"d", "c"}));
}

TEST(Lifecycle, AllPrefixesMustBeginTagsOfTheImage) {
  const std::string both =
      R"("tagStatus":"tagged","tagPrefixList":["alpha","beta"],"countType":"sinceImagePushed","countUnit":"days","countNumber":1)";
  EXPECT_EQ(expired(rule(1, both), {image("one", 5, {"alpha-1"}), image("two", 5, {"alpha-1", "beta-2"})}),
            Digests{"two"});
}

TEST(Lifecycle, PatternsHaveWildcards) {
  const std::string pattern =
      R"("tagStatus":"tagged","tagPatternList":["*-dev*"],"countType":"imageCountMoreThan","countNumber":1)";
  EXPECT_EQ(expired(rule(1, pattern), {image("a", 1, {"x-dev1"}), image("b", 2, {"y-dev"}), image("c", 3, {"dev"})}),
            Digests{"b"});
}

TEST(Lifecycle, AnImageThatFitsARuleIsNotExpiredByALaterOne) {
  const std::string keep_releases =
      R"("tagStatus":"tagged","tagPrefixList":["release"],"countType":"imageCountMoreThan","countNumber":10)";
  EXPECT_EQ(expired(rule(2, kAnyMoreThanTwo) + "," + rule(1, keep_releases),
                    {image("a", 1), image("b", 2), image("r", 3, {"release-1"}), image("c", 4)}),
            Digests{"c"});
}

TEST(Lifecycle, AnImageThatIsPulledStays) {
  const std::string unused = R"("tagStatus":"any","countType":"sinceImagePulled","countUnit":"days","countNumber":30)";
  auto pulled = image("pulled", 90);
  pulled.pulled_at = kNow - kDay * 3;
  EXPECT_EQ(expired(rule(1, unused), {pulled, image("never", 90), image("new", 1)}), Digests{"never"});
}

TEST(Lifecycle, WhatCannotBeDoneIsRefused) {
  const auto refused = [](const std::string& text) {
    const auto parsed = parse_lifecycle(text);
    return parsed ? "" : parsed.error().code;
  };
  for (const std::string& text :
       {std::string("x"), std::string("{}"), policy(""), policy("1"), policy(rule(0, kAnyMoreThanTwo)),
        policy(rule(1, kAnyMoreThanTwo, R"({"type":"transition"})")),
        policy(rule(1, kAnyMoreThanTwo) + "," + rule(1, kUntaggedForAWeek)),
        policy(rule(1, kAnyMoreThanTwo) + "," + rule(2, kUntaggedForAWeek)),
        policy(rule(1, kUntaggedForAWeek) + "," + rule(2, kUntaggedForAWeek)),
        policy(rule(1, R"("tagStatus":"tagged","countType":"imageCountMoreThan","countNumber":2)")),
        policy(rule(1, R"("tagStatus":"any","countType":"imageCountMoreThan","countNumber":0)")),
        policy(rule(1, R"("tagStatus":"any","countType":"sinceImagePushed","countNumber":2)")),
        policy(rule(1, R"("tagStatus":"any","tagPrefixList":["a"],"countType":"imageCountMoreThan","countNumber":2)"))})
    EXPECT_EQ(refused(text), "InvalidParameterException") << text;
}

}  // namespace
}  // namespace slipway::ecr
