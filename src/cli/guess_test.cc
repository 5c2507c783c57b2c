#include "cli/guess.h"

#include <gtest/gtest.h>

#include "config/config.h"

namespace slipway::cli {
namespace {

TEST(Guess, ReadsPortAndHealthOfADockerfile) {
  Guess guess;
  guess_from_dockerfile("FROM x\nexpose 9090/tcp\nHEALTHCHECK CMD curl -f http://localhost:9090/up || exit 1\n", guess);
  EXPECT_EQ(guess.port, 9090);
  EXPECT_EQ(guess.health, "/up");
}

TEST(Guess, ReadsTheVariablesOfAWorkflowAndNoExpressions) {
  Guess guess;
  guess_from_workflow(
      "on:\n  push:\n    branches: [ \"release\" ]\nenv:\n  AWS_REGION: eu-west-1 # where\n  ECR_REPOSITORY: "
      "'shop/web'\n"
      "  ECS_CLUSTER: live\n  ECS_SERVICE: MY_ECS_SERVICE\n  CONTAINER_NAME: ${{ vars.X }}\n",
      guess);
  EXPECT_EQ(guess.region, "eu-west-1");
  EXPECT_EQ(guess.repository, "shop/web");
  EXPECT_EQ(guess.cluster, "live");
  EXPECT_EQ(guess.branch, "release");
  EXPECT_EQ(guess.service, "");
  EXPECT_EQ(guess.container, "");
}

TEST(Guess, ReadsTheOriginOnGitHubInBothSpellings) {
  for (const char* url :
       {"https://github.com/acme/web.git", "git@github.com:acme/web.git", "https://github.com/acme/web"}) {
    Guess guess;
    guess_from_git_config(
        std::string("[remote \"fork\"]\n\turl = https://github.com/me/web\n[remote \"origin\"]\n\turl = ") + url + "\n",
        guess);
    EXPECT_EQ(guess.github, "acme/web") << url;
  }
  Guess other;
  guess_from_git_config("[remote \"origin\"]\n\turl = https://gitlab.com/acme/web\n", other);
  EXPECT_EQ(other.github, "");
}

TEST(Guess, AProjectsNameIsMadeOfAnyFolder) {
  EXPECT_EQ(project_name("my.web_app"), "my-web-app");
  EXPECT_EQ(project_name("123"), "app");
  EXPECT_EQ(project_name("-x-"), "x");
}

TEST(Guess, WhatIsWrittenIsValidWithoutAWarning) {
  for (const bool create : {false, true}) {
    const Guess guess{.project = "shop",
                      .repository = "shop/web",
                      .port = 8080,
                      .region = "eu-west-1",
                      .github = "acme/web",
                      .branch = "release",
                      .service = "web",
                      .cluster = "live",
                      .container = "app",
                      .health = "/up",
                      .account = "111122223333",
                      .create = create};
    const auto config = config::parse(configuration_text(guess), "slipway.yaml");
    ASSERT_TRUE(config) << config.error().message;
    EXPECT_TRUE(config->warnings.empty());
    EXPECT_EQ(config->services.at("web").container, "app");
    EXPECT_EQ(config->github->branch, "release");
    EXPECT_EQ(config->aws.creates("service"), create);
  }
}

}  // namespace
}  // namespace slipway::cli
