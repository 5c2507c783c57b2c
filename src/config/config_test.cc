#include "config/config.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/json.h"
#include "config/schema.h"
#include "config/secret.h"

namespace slipway::config {
namespace {

using namespace std::chrono_literals;

std::string with_service(const std::string& members) {
  return "project: where-car\nservices:\n  rest:\n    repository: backend\n    port: 8080\n" + members;
}
std::string error_of(const std::string& text) {
  const auto config = parse(text, "slipway.yaml");
  if (config) return "no error";
  EXPECT_EQ(config.error().code, "SLW-201");
  return config.error().message;
}
bool says(const std::string& message, std::string_view part) {
  return message.find(part) != std::string::npos;
}

TEST(Config, ReadsEverythingThatTheDesignNames) {
  const auto config = parse(R"(
project: where-car
region: ap-northeast-2
services:
  rest-service:
    cluster: cars
    repository: where-car-backend
    tags: [latest, release-*, {semver: ">=2 <3"}]
    port: 8080
    health: {path: /health, interval: 5s, timeout: 300ms, healthy: 2, unhealthy: 3, matcher: "200", grace: 1m}
    count: 2
    cpu: 256
    memory: 512
    listen: 8080
    environment: {LOG_LEVEL: info, EMPTY: ""}
    command: [serve, --fast]
    deploy: {pin: tag, strategy: canary, minimum_healthy_percent: 50, maximum_percent: 150, rollback: never, wave: 2, timeout: 20m}
function: {runtime: python3.11, handler: lambda_function.lambda_handler, code: lambda_function.py, timeout: 10s, memory: 256}
notify:
  - slack: {webhook: env:SLACK_WEBHOOK_URL}
    on: [started, rolled-back]
)",
                            "slipway.yaml");
  ASSERT_TRUE(config) << config.error().message;
  const Service& service = config->services.at("rest-service");
  EXPECT_EQ(config->region, "ap-northeast-2");
  EXPECT_EQ(service.name, "rest-service");
  EXPECT_EQ(service.cluster, "cars");
  ASSERT_EQ(service.tags.size(), 3u);
  EXPECT_EQ(service.tags[1].kind, TagRule::Kind::wildcard);
  EXPECT_EQ(service.tags[2], (TagRule{TagRule::Kind::semver, ">=2 <3"}));
  EXPECT_EQ(service.health.timeout, 300ms);
  EXPECT_EQ(service.health.grace, 60s);
  EXPECT_EQ(service.environment.at("EMPTY"), "");
  EXPECT_EQ(service.command, (std::vector<std::string>{"serve", "--fast"}));
  EXPECT_EQ(service.deploy.pin, Deploy::Pin::tag);
  EXPECT_EQ(service.deploy.rollback, Deploy::Rollback::never);
  EXPECT_EQ(service.deploy.timeout, std::chrono::minutes(20));
  EXPECT_NE(routes_json(*config).find(R"("wave":2,"timeout":1200)"), std::string::npos);
  EXPECT_EQ(config->function->timeout, 10s);
  EXPECT_EQ(config->notify.at(0).settings.at("webhook"), "env:SLACK_WEBHOOK_URL");
  ASSERT_EQ(config->warnings.size(), 2u);  // The time-out in milliseconds, the strategy.
  EXPECT_TRUE(says(config->warnings[1], "slipway.yaml:17:34: strategy canary is not yet acted on"))
      << config->warnings[1];
}

TEST(Config, FillsInDefaults) {
  const auto config = parse(with_service(""), "f");
  ASSERT_TRUE(config) << config.error().message;
  const Service& service = config->services.at("rest");
  EXPECT_EQ(service.cluster, "where-car");
  EXPECT_EQ(service.tags, (std::vector<TagRule>{{TagRule::Kind::exact, "latest"}}));
  EXPECT_EQ(service.health.matcher, "200-399");
  EXPECT_EQ(service.deploy.maximum_percent, 200);
  EXPECT_EQ(service.listen, 0);
  EXPECT_TRUE(config->warnings.empty());
}

TEST(Config, NamesThePlaceAndTheNearestKeyOfAnUnknownOne) {
  const std::string error = error_of(with_service("    replicas: 2\n    healht: {path: /}\n"));
  EXPECT_TRUE(says(error, "slipway.yaml:6:5: service rest has no \"replicas\"")) << error;
  const std::string near = error_of(with_service("    healht: {path: /}\n"));
  EXPECT_TRUE(says(near, "(did you mean health?)")) << near;
}

TEST(Config, RefusesValuesOutOfRangeAndSaysTheRange) {
  const std::string error = error_of(with_service("    listen: 70000\n"));
  EXPECT_EQ(error, "slipway.yaml:6:13: listen is \"70000\"; allowed: a whole number from 1 to 65535");
  EXPECT_TRUE(says(error_of(with_service("    count: two\n")), "whole number"));
  EXPECT_TRUE(says(error_of(with_service("    health: {interval: 5}\n")), "a time like 5s"));
  EXPECT_TRUE(
      says(error_of(with_service("    health: {interval: 1s, timeout: 2s}\n")), "not longer than the interval"));
  EXPECT_TRUE(says(error_of(with_service("    deploy: {pin: digset}\n")), "(did you mean digest?)"));
  EXPECT_TRUE(says(error_of(with_service("    deploy: {maximum_percent: 100}\n")), "lets no task stop"));
  EXPECT_TRUE(says(error_of(with_service("    deploy: {timeout: 10s}\n")), "timeout is \"10s\""));
  EXPECT_TRUE(says(error_of(with_service("    tags: []\n")), "tags"));
  EXPECT_TRUE(says(error_of(with_service("    tags: [{semver: banana}]\n")), "range"));
  EXPECT_TRUE(says(error_of(with_service("    tags: [a/b]\n")), "no image tag"));
  EXPECT_TRUE(says(error_of(with_service("    command: serve\n")), "write a list"));
}

TEST(Config, RefusesTwoServicesOnOnePort) {
  const std::string error =
      error_of(with_service("    listen: 80\n  web:\n    repository: web\n    port: 1\n    listen: 80\n"));
  EXPECT_EQ(error,
            "slipway.yaml:10:13: rest and web both listen on 80; allowed: a port that no other "
            "service has");
}

TEST(Config, RefusesARepositoryWithHostOrTag) {
  EXPECT_TRUE(says(error_of("project: p\nservices: {a: {repository: 'localhost:4566/x', port: 1}}"),
                   "without a host or a tag"));
}

TEST(Config, SaysWhatIsMissing) {
  EXPECT_TRUE(says(error_of(""), "is empty"));
  EXPECT_TRUE(says(error_of("project: p\n"), "no services"));
  EXPECT_TRUE(says(error_of("services: {a: {repository: aa, port: 1}}\n"), "no project"));
  EXPECT_TRUE(says(error_of("project: p\nservices: {a: {port: 1}}\n"), "no repository"));
  EXPECT_TRUE(says(error_of("project: p\nservices: []\n"), "is a list; write a mapping"));
}

TEST(Config, RefusesTheSameKeyTwice) {
  EXPECT_TRUE(says(error_of(with_service("    count: 1\n    count: 2\n")),
                   "slipway.yaml:7:5: service rest has \"count\" twice"));
}

TEST(Config, NamesThePlaceWhereYamlIsBroken) {
  const std::string error = error_of("project: where-car\nservices: [\n");
  EXPECT_TRUE(error.starts_with("slipway.yaml:")) << error;
  EXPECT_TRUE(says(error, "not YAML")) << error;
}

TEST(Config, BoundsHostileFiles) {
  EXPECT_TRUE(says(error_of("a: " + std::string(400, '[')), "nested more than"));
  EXPECT_TRUE(says(error_of(std::string(2'000'000, '#')), "bytes"));
  std::string bomb = "a0: &a0 [x]\n";
  for (int i = 1; i < 40; ++i) {
    const std::string last = std::to_string(i - 1);
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [*a" + last + ",*a" + last + ",*a" + last + ",*a" +
            last + ",*a" + last + ",*a" + last + "]\n";
  }
  EXPECT_TRUE(says(error_of(bomb), "aliases"));
}

TEST(Config, FindsTheFunctionBesideTheFile) {
  const auto folder = std::filesystem::temp_directory_path() / "slipway-config-test";
  std::filesystem::create_directories(folder);
  std::ofstream(folder / "slipway.yaml") << with_service("")
                                         << "function: {runtime: python3.11, handler: a.b, code: ./a.py}\n";
  const auto config = load(folder / "slipway.yaml");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->function->code, (folder / "a.py").string());
  EXPECT_EQ(load(folder / "absent.yaml").error().code, "SLW-201");
  EXPECT_EQ(load(folder).error().code, "SLW-201");
  std::filesystem::remove_all(folder);
}

TEST(Config, LoadsTheExampleWithoutAWarning) {
  const std::filesystem::path example = std::filesystem::path(SLIPWAY_SOURCE_DIR) / "examples/where-car/slipway.yaml";
  if (!std::filesystem::exists(example)) GTEST_SKIP() << "there is no example";
  const auto config = load(example);
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_TRUE(config->warnings.empty());
  EXPECT_EQ(config->services.at("rest-service").repository, "where-car-backend");
}

constexpr const char* kTwoEnvironments = R"(project: shop
environments:
  staging: {tags: ["main-*"]}
  production:
    tags: ["v*"]
    cluster: live
    count: 4
    environment: {LOG: warn}
    services:
      web: {listen: 80, health: {interval: 9s}}
services:
  web: {repository: shop/web, port: 8080, listen: 8080, environment: {LOG: info, A: b}, health: {path: /up}}
  jobs: {repository: shop/jobs, port: 1, environments: [production], service: workers}
)";

TEST(Config, AServiceIsDeployedOnceInEachEnvironment) {
  const auto config = parse(kTwoEnvironments, "f");
  ASSERT_TRUE(config) << config.error().message;
  std::vector<std::string> keys;
  for (const auto& [key, service] : config->services) keys.push_back(key);
  EXPECT_EQ(keys, (std::vector<std::string>{"production/jobs", "production/web", "staging/web"}));
  const Service& staging = config->services.at("staging/web");
  EXPECT_EQ(staging.cluster, "shop-staging");
  EXPECT_EQ(staging.family, "staging-web");
  EXPECT_EQ(staging.task_role, "staging-web-task");
  EXPECT_EQ(staging.tags, (std::vector<TagRule>{{TagRule::Kind::wildcard, "main-*"}}));
  EXPECT_EQ(staging.count, 1);
  const Service& production = config->services.at("production/web");
  EXPECT_EQ(production.cluster, "live");
  EXPECT_EQ(production.count, 4);
  EXPECT_EQ(production.listen, 80);
  EXPECT_EQ(production.environment.at("LOG"), "warn");
  EXPECT_EQ(production.environment.at("A"), "b");
  EXPECT_EQ(production.health.path, "/up");  // What the environment does not say stays.
  EXPECT_EQ(production.health.interval, 9s);
  EXPECT_EQ(config->services.at("production/jobs").name, "workers");
}

TEST(Config, OneMachineTakesOneEnvironmentWhenPortsCollide) {
  std::string text = kTwoEnvironments;
  text.replace(text.find("listen: 80,"), 11, "listen: 8080,");
  const auto config = parse(text, "f");
  ASSERT_TRUE(config) << config.error().message;
  const auto all = for_one_machine(*config, "");
  ASSERT_FALSE(all);
  EXPECT_TRUE(says(all.error().message, "production/web and staging/web both listen on 8080")) << all.error().message;
  const auto one = for_one_machine(*config, "staging");
  ASSERT_TRUE(one);
  EXPECT_EQ(one->services.size(), 1u);
  EXPECT_TRUE(says(for_one_machine(*config, "qa").error().message, "There is: staging, production"));
}

TEST(Config, RefusesEnvironmentsThatContradict) {
  const auto with = [](const std::string& environments) {
    return error_of("project: p\nenvironments:\n" + environments +
                    "services:\n  web: {repository: web, port: 1}\n  api: {repository: api, port: 1}\n");
  };
  EXPECT_TRUE(says(with("  a: {cluster: x}\n  b: {cluster: x}\n"), "a/web and b/web are both the ECS service web"));
  EXPECT_TRUE(says(with("  a: {services: {wbe: {count: 2}}}\n"), "(did you mean web?)"));
  EXPECT_TRUE(says(with("  a: {replicas: 2}\n"), "environment a has no \"replicas\""));
  EXPECT_TRUE(says(error_of(with_service("    environments: [a]\n")), "there are no environments"));
}

TEST(Config, RefusesOneRepositoryBuiltInTwoWays) {
  EXPECT_TRUE(says(error_of("project: p\nservices:\n  a: {repository: one, port: 1, build: {context: a}}\n"
                            "  b: {repository: one, port: 1, build: {context: b}}\n"),
                   "a and b build one in two ways"));
  EXPECT_TRUE(says(error_of(with_service("    build: {context: ../x}\n")), "a path inside the repository"));
}

TEST(Config, ReadsWhatVerifiesADeployment) {
  const auto config = parse(with_service("    verify:\n      for: 2m\n      error_budget: 0.5%\n"
                                         "      http: [{url: /health, contains: ok}]\n      alarms: [web-5xx]\n"),
                            "f");
  ASSERT_TRUE(config) << config.error().message;
  const Verify& verify = *config->services.at("rest").verify;
  EXPECT_EQ(verify.time, 2min);
  EXPECT_DOUBLE_EQ(verify.error_budget_percent, 0.5);
  EXPECT_EQ(verify.http.at(0).status, "200-299");
  EXPECT_EQ(verify.alarms, (std::vector<std::string>{"web-5xx"}));
  EXPECT_TRUE(says(error_of(with_service("    verify: {for: 1m}\n")), "checks nothing"));
  EXPECT_TRUE(says(error_of(with_service("    verify: {error_budget: 5, alarms: [a]}\n")), "a percentage like 0.5%"));
  EXPECT_TRUE(says(error_of(with_service("    verify: {http: [{url: ftp://x}]}\n")), "http://HOST/PATH"));
}

TEST(Config, NamesSecretsAndNeverHoldsThem) {
  const auto error =
      error_of(with_service("notify: [{slack: {webhook: 'https://hooks.slack.com/services/T0/B0/x'}}]\n"));
  EXPECT_TRUE(says(error, "never the secret itself")) << error;
  const auto config = parse(with_service("notify:\n  - slack: {token: 'secretsmanager:slack#token', channel: deploys}\n"
                                         "  - webhook: {url: 'https://h/x', secret: 'ssm:/slipway/hook'}\n"
                                         "    services: [rest]\n    on: [failed]\n"),
                            "f");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->notify.at(1).services, (std::vector<std::string>{"rest"}));
  const auto secret = parse_secret_name(config->notify.at(0).settings.at("token"));
  ASSERT_TRUE(secret);
  EXPECT_EQ(secret->store, SecretName::Store::secrets_manager);
  EXPECT_EQ(secret->key, "token");
  EXPECT_FALSE(parse_secret_name("https://hooks.slack.com/services/x"));
  EXPECT_FALSE(parse_secret_name("secretsmanager:#x"));
}

TEST(Config, AnEntryOfNotifyHasOneChannel) {
  const auto with = [](const char* entry) { return error_of(with_service(std::string("notify: [") + entry + "]\n")); };
  EXPECT_TRUE(says(with("{on: [failed]}"), "has no channel"));
  EXPECT_TRUE(says(with("{sns: {topic: a}, webhook: {url: 'https://h', secret: 'env:A'}}"), "more than one channel"));
  EXPECT_TRUE(says(with("{slack: {token: 'env:A'}}"), "neither webhook nor token and channel"));
  EXPECT_TRUE(says(with("{sns: {topic: a}, services: [rset]}"), "(did you mean rest?)"));
  EXPECT_TRUE(says(with("{sns: {topic: a}, on: [succeded]}"), "(did you mean succeeded?)"));
}

TEST(Config, ReadsTheAccountAndTheRepositoryOnGitHub) {
  const auto config = parse(with_service("aws: {account: '111122223333', create: [service, load-balancer]}\n"
                                         "github: {repository: acme/web, owner_id: 1, repository_id: 2}\nsweep: 10m\n"),
                            "f");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_TRUE(config->aws.creates("service"));
  EXPECT_FALSE(config->aws.creates("repository"));
  EXPECT_EQ(config->github->branch, "main");
  EXPECT_EQ(config->sweep, 10min);
  EXPECT_TRUE(says(error_of(with_service("aws: {create: [load-balancer]}\n")), "load-balancer without service"));
  EXPECT_TRUE(says(error_of(with_service("github: {repository: acme/web, owner_id: 1}\n")), "both or none"));
  EXPECT_TRUE(says(error_of(with_service("sweep: 90s\n")), "whole number of minutes"));
}

TEST(Config, TheReferenceOnItsPageIsTheOneThatIsPrinted) {
  std::ifstream file(std::filesystem::path(SLIPWAY_SOURCE_DIR) / "docs/configuration.md");
  const std::string page{std::istreambuf_iterator<char>(file), {}};
  EXPECT_EQ(page, reference_markdown()) << "to mend it: slipway render reference --force";
}

TEST(Config, WritesTheRoutesOfTheDeployer) {
  const auto config = parse(with_service("    tags: [latest, {semver: ^2}]\n"), "f");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(
      json::parse(routes_json(*config)),
      json::parse(
          R"({"services":[{"name":"rest","cluster":"where-car","repository":"backend","tags":["latest",{"semver":"^2"}],
                            "container":"rest","pin":"digest"}]})"));
}

TEST(TagRule, MatchesExactTagsAndWildcards) {
  EXPECT_TRUE(matches(tag_rule("latest"), "latest"));
  EXPECT_FALSE(matches(tag_rule("latest"), "latest2"));
  EXPECT_TRUE(matches(tag_rule("release-*"), "release-7"));
  EXPECT_FALSE(matches(tag_rule("release-*"), "prerelease-7"));
}

TEST(TagRule, MatchesRangesOfVersions) {
  const auto in = [](const char* range, const char* tag) { return matches({TagRule::Kind::semver, range}, tag); };
  EXPECT_TRUE(in(">=2 <3", "2.0.0"));
  EXPECT_TRUE(in(">=2 <3", "v2.9.14"));
  EXPECT_FALSE(in(">=2 <3", "3.0.0"));
  EXPECT_FALSE(in(">=2 <3", "2.1"));         // A tag that moves is no version.
  EXPECT_FALSE(in(">=2 <3", "2.1.0-rc.1"));  // Nor is a pre-release.
  EXPECT_TRUE(in("^1.4", "1.9.0"));
  EXPECT_FALSE(in("^1.4", "1.3.9"));
  EXPECT_FALSE(in("^0.2.3", "0.3.0"));
  EXPECT_TRUE(in("~2.1", "2.1.7"));
  EXPECT_FALSE(in("~2.1", "2.2.0"));
  EXPECT_TRUE(in("1 || 3.1", "3.1.4"));
  EXPECT_FALSE(in(">1", "1.9.9"));
  EXPECT_TRUE(in("<=1", "1.9.9"));
}

}  // namespace
}  // namespace slipway::config
