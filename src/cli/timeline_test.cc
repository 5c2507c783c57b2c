#include "cli/timeline.h"

#include <gtest/gtest.h>

namespace slipway::cli {
namespace {

Entry entry(long long at_ms, std::string kind, std::string subject, json::object detail = {}) {
  return {.at = instant_ms(at_ms),
          .kind = std::move(kind),
          .subject = std::move(subject),
          .text = "text",
          .detail = std::move(detail)};
}

Timeline of_service() {
  return Timeline({.service = "car/rest", .repository = "backend"});
}

TEST(Timeline, OffsetsCountFromTheLastPush) {
  Timeline timeline = of_service();
  EXPECT_EQ(*timeline.add(entry(1000, "ecr.push", "backend:latest", {{"repository", "backend"}})),
            "+      0 ms  push accepted         text");
  EXPECT_EQ(*timeline.add(entry(1042, "ecs.update_service", "car/rest")), "+     42 ms  UpdateService         text");
}

TEST(Timeline, OtherServicesAndRepositoriesAreLeftOut) {
  Timeline timeline = of_service();
  EXPECT_FALSE(timeline.add(entry(1, "ecs.update_service", "car/other")));
  EXPECT_FALSE(timeline.add(entry(1, "ecr.push", "other:latest", {{"repository", "other"}})));
  EXPECT_FALSE(timeline.add(
      entry(1, "events.received", "id", {{"event", json::object{{"detail", json::object{{"eventName", "X"}}}}}})));
  EXPECT_FALSE(timeline.add(entry(1, "ecs.steady", "car/rest")));
}

TEST(Timeline, ACompletedDeploymentIsLive) {
  Timeline timeline = of_service();
  timeline.add(entry(1, "ecs.deployment.started", "car/rest", {{"deployment", "d1"}}));
  EXPECT_FALSE(timeline.verdict());
  timeline.add(entry(2, "ecs.deployment.completed", "car/rest", {{"deployment", "d1"}}));
  EXPECT_EQ(timeline.verdict()->exit_code(), 0);
}

TEST(Timeline, AFailureThatIsRolledBackIsKnownWhenTheOldOneIsBack) {
  Timeline timeline = of_service();
  timeline.add(entry(1, "ecs.deployment.started", "car/rest", {{"deployment", "d2"}}));
  timeline.add(entry(2, "ecs.deployment.failed", "car/rest", {{"deployment", "d2"}, {"rollback", true}}));
  EXPECT_FALSE(timeline.verdict());
  timeline.add(entry(3, "ecs.deployment.rolled_back", "car/rest", {{"deployment", "d1"}}));
  EXPECT_EQ(timeline.verdict()->exit_code(), 3);
  EXPECT_EQ(timeline.verdict()->deployment, "d2");
}

TEST(Timeline, AFailureWithNothingToGoBackToIsFinal) {
  Timeline timeline = of_service();
  timeline.add(entry(1, "ecs.deployment.started", "car/rest", {{"deployment", "d1"}}));
  timeline.add(entry(2, "ecs.deployment.failed", "car/rest", {{"deployment", "d1"}, {"rollback", false}}));
  EXPECT_EQ(timeline.verdict()->exit_code(), 1);
}

TEST(Timeline, TheEndOfAnOlderDeploymentIsNoVerdict) {
  Timeline timeline = of_service();
  timeline.add(entry(1, "ecs.deployment.completed", "car/rest", {{"deployment", "d0"}}));
  EXPECT_FALSE(timeline.verdict());
}

TEST(Timeline, TheTreeShowsTasksUnderTheirDeployment) {
  Timeline timeline = of_service();
  timeline.add(entry(1000, "ecs.deployment.started", "car/rest", {{"deployment", "d1"}}));
  timeline.add(entry(1500, "ecs.task.in_traffic", "car/rest", {{"deployment", "d1"}, {"task", "0123456789"}}));
  const auto tree = timeline.tree(instant_ms(3000));
  ASSERT_EQ(tree.size(), 4U);
  EXPECT_NE(tree[1].find("new d1  2.0 s"), std::string::npos);
  EXPECT_NE(tree[2].find("01234567  in traffic"), std::string::npos);
}

TEST(ShortImage, CutsTheDigestOnly) {
  EXPECT_EQ(short_image("localhost:4566/a:v1"), "localhost:4566/a:v1");
  EXPECT_EQ(short_image("localhost:4566/a@sha256:0123456789abcdef0123"), "localhost:4566/a@sha256:0123456789ab");
}

}  // namespace
}  // namespace slipway::cli
