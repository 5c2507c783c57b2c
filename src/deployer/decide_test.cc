#include "deployer/decide.h"

#include <gtest/gtest.h>

namespace slipway::deployer {
namespace {

const std::string kOld = "sha256:" + std::string(64, 'a');
const std::string kNew = "sha256:" + std::string(64, 'b');

json::object push_event() {
  return json::parse(R"({"version":"0","id":"e-1","source":"aws.ecr","detail-type":"ECR Image Action","resources":[],
    "detail":{"action-type":"PUSH","result":"SUCCESS","repository-name":"backend","image-tag":"latest","image-digest":"sha256:x"}})")
      .as_object();
}
json::object with(const char* member, json::value value) {
  json::object event = push_event();
  event["detail"].as_object()[member] = std::move(value);
  return event;
}
Route route(Route::Pin pin = Route::Pin::digest) {
  return {.name = "rest",
          .cluster = "cars",
          .repository = "backend",
          .tags = {config::tag_rule("latest")},
          .container = "app",
          .pin = pin};
}
Push push(std::string tag = "latest") {
  return {.event_id = "e-1", .repository = "backend", .tag = std::move(tag), .digest = kNew};
}
Image image() {
  return {.digest = kNew, .repository_uri = "host/backend", .pushed_at = instant_ms(2000)};
}
ServiceState running(const std::string& image_name) {
  ServiceState state{.active = true};
  state.task_definition =
      json::parse(
          R"({"taskDefinitionArn":"arn:x/f:3","family":"f","revision":3,"status":"ACTIVE","cpu":"256","networkMode":"awsvpc",
    "requiresAttributes":[{"name":"a"}],"compatibilities":["FARGATE"],"registeredAt":1.5,"registeredBy":"me","taskRoleArn":"arn:role","volumes":[],
    "containerDefinitions":[{"name":"side","image":"envoy:1"},{"name":"app","image":"","environment":[{"name":"A","value":"1"}]}]})")
          .as_object();
  state.task_definition["containerDefinitions"].as_array()[1].as_object()["image"] = image_name;
  return state;
}

TEST(ReadEvent, TakesASuccessfulPush) {
  const Reading reading = read_event(push_event());
  ASSERT_TRUE(reading.push) << reading.reason;
  EXPECT_EQ(reading.push->repository, "backend");
  EXPECT_EQ(reading.push->event_id, "e-1");
}

TEST(ReadEvent, TakesAReplication) {
  json::object event = with("action-type", "REPLICATE");
  event["detail-type"] = "ECR Replication Action";
  EXPECT_TRUE(read_event(event).push);
}

TEST(ReadEvent, IgnoresEverythingElseAndSaysWhy) {
  EXPECT_EQ(read_event(with("action-type", "DELETE")).reason, "the action is DELETE, not PUSH");
  EXPECT_EQ(read_event(with("action-type", "UPDATE_STORAGE_CLASS")).reason,
            "the action is UPDATE_STORAGE_CLASS, not PUSH");
  EXPECT_EQ(read_event(with("result", "FAILURE")).reason, "the result is FAILURE, not SUCCESS");
  EXPECT_EQ(read_event(with("image-tag", "")).reason, "the image has no tag");
  EXPECT_EQ(read_event(with("image-tag", nullptr)).reason, "the image has no tag");
  EXPECT_EQ(read_event(with("artifact-media-type", "application/vnd.cncf.helm.config.v1+json")).reason,
            "application/vnd.cncf.helm.config.v1+json is no image that can run");
  json::object replay = push_event();
  replay["replay-name"] = "r";
  EXPECT_EQ(read_event(replay).reason, "the event is a replay; old pushes do not deploy again");
  json::object scan = push_event();
  scan["detail-type"] = "ECR Image Scan";
  EXPECT_EQ(read_event(scan).reason, "ECR Image Scan does not deploy");
  json::object other = push_event();
  other["source"] = "aws.ecs";
  EXPECT_FALSE(read_event(other).push);
  EXPECT_FALSE(read_event(json::value("text")).push);
  EXPECT_FALSE(read_event(json::object{}).push);
}

TEST(Decide, PinsOnlyTheNamedContainerToTheDigest) {
  const Decision decision = decide(route(), push(), image(), running("host/backend@" + kOld));
  ASSERT_EQ(decision.action, Decision::Action::deploy_digest);
  json::object expected = running("host/backend@" + kNew).task_definition;
  for (const char* added : {"taskDefinitionArn", "revision", "status", "requiresAttributes", "compatibilities",
                            "registeredAt", "registeredBy"})
    expected.erase(added);
  expected["tags"] = json::array{json::object{{"key", "slipway:digest"}, {"value", kNew}},
                                 json::object{{"key", "slipway:tag"}, {"value", "latest"}},
                                 json::object{{"key", "slipway:event"}, {"value", "e-1"}},
                                 json::object{{"key", "slipway:actor"}, {"value", "push"}},
                                 json::object{{"key", "slipway:action"}, {"value", "deploy"}},
                                 json::object{{"key", "slipway:pushed"}, {"value", "1970-01-01T00:00:02.000Z"}},
                                 json::object{{"key", "slipway:from"}, {"value", kOld}},
                                 json::object{{"key", "slipway:from-revision"}, {"value", "f:3"}}};
  EXPECT_EQ(decision.task_definition, expected) << json::serialize(decision.task_definition);
}

TEST(Decide, KeepsTheTagsThatOthersSet) {
  ServiceState state = running("host/backend:latest");
  state.task_tags = {json::object{{"key", "team"}, {"value", "cars"}},
                     json::object{{"key", "slipway:tag"}, {"value", "old"}}};
  const Decision decision = decide(route(), push(), image(), state);
  const json::array tags = decision.task_definition.at("tags").as_array();
  EXPECT_EQ(tags[0].at("key").as_string(), "team");
  EXPECT_EQ(tag_value(tags, "slipway:tag"), "latest");
}

TEST(Decide, DoesNothingWhenTheDigestRunsAlready) {
  EXPECT_EQ(decide(route(), push(), image(), running("host/backend@" + kNew)).action,
            Decision::Action::already_deployed);
}

TEST(Decide, IgnoresATagThatIsGoneAndAServiceThatIsNotThere) {
  EXPECT_EQ(decide(route(), push(), std::nullopt, running("x")).action, Decision::Action::ignore);
  EXPECT_EQ(decide(route(), push(), image(), ServiceState{}).action, Decision::Action::ignore);
}

TEST(Decide, IgnoresATaskDefinitionWithoutTheContainer) {
  Route other = route();
  other.container = "web";
  EXPECT_EQ(decide(other, push(), image(), running("x")).action, Decision::Action::ignore);
  other.container = "";
  EXPECT_EQ(decide(other, push(), image(), running("x")).action,
            Decision::Action::ignore);  // Two containers: whose image?
}

TEST(Decide, ForcesADeploymentInTagModeUnlessTheDigestRuns) {
  ServiceState state = running("host/backend:latest");
  state.running_digests = {kOld, kOld};
  EXPECT_EQ(decide(route(Route::Pin::tag), push(), image(), state).action, Decision::Action::force_new_deployment);
  state.running_digests = {kNew, kOld};
  EXPECT_EQ(decide(route(Route::Pin::tag), push(), image(), state).action, Decision::Action::force_new_deployment);
  state.running_digests = {kNew, kNew};
  EXPECT_EQ(decide(route(Route::Pin::tag), push(), image(), state).action, Decision::Action::already_deployed);
}

TEST(Decide, LeavesADeploymentAloneThatWillFindTheImage) {
  ServiceState state = running("host/backend:latest");
  state.deploying_since = instant_ms(3000);
  EXPECT_EQ(decide(route(Route::Pin::tag), push(), image(), state).action, Decision::Action::already_deployed);
  state.deploying_since = instant_ms(1000);
  EXPECT_EQ(decide(route(Route::Pin::tag), push(), image(), state).action, Decision::Action::force_new_deployment);
}

TEST(Decide, DoesNotMoveBackwardsOnALateEventOfAnotherTag) {
  Route several = route();
  several.tags = {config::tag_rule("release-*")};
  ServiceState state = running("host/backend@" + kOld);
  state.running_pushed_at = instant_ms(5000);
  EXPECT_EQ(decide(several, push("release-1"), image(), state).action, Decision::Action::ignore);
  state.running_pushed_at = instant_ms(1000);
  EXPECT_EQ(decide(several, push("release-1"), image(), state).action, Decision::Action::deploy_digest);
}

TEST(Decide, ComparesVersionsWhenTheRuleIsARange) {
  Route range = route();
  range.tags = {{config::TagRule::Kind::semver, ">=2 <3"}};
  ServiceState state = running("host/backend@" + kOld);
  state.task_tags = {json::object{{"key", "slipway:tag"}, {"value", "2.4.0"}}};
  EXPECT_EQ(decide(range, push("2.3.9"), image(), state).action, Decision::Action::ignore);
  EXPECT_EQ(decide(range, push("2.10.0"), image(), state).action, Decision::Action::deploy_digest);
}

TEST(Decide, MovesBackWhenSomebodyMovesTheOnlyTagBack) {
  ServiceState state = running("host/backend@" + kOld);
  state.running_pushed_at = instant_ms(5000);
  EXPECT_EQ(decide(route(), push(), image(), state).action, Decision::Action::deploy_digest);
}

json::array ledger_tags(const ServiceLedger& ledger) {
  return difference({}, ledger).set;
}

TEST(Decide, DeploysNothingThatIsOnHold) {
  ServiceState state = running("host/backend@" + kOld);
  state.service_tags = ledger_tags({.held = {kNew}});
  const Decision decision = decide(route(), push(), image(), state);
  EXPECT_EQ(decision.action, Decision::Action::held);
  EXPECT_NE(decision.why.find("slipway unhold rest"), std::string::npos) << decision.why;
  Push by_hand = push();
  by_hand.origin = Push::Origin::person;
  EXPECT_EQ(decide(route(), by_hand, image(), state).action, Decision::Action::held);
  state.service_tags = ledger_tags({.held = {"sha256:other"}});
  EXPECT_EQ(decide(route(), push(), image(), state).action, Decision::Action::deploy_digest);
}

TEST(Decide, DeploysNothingIntoAFrozenService) {
  ServiceState state = running("host/backend@" + kOld);
  state.service_tags = ledger_tags({.frozen = "release week"});
  EXPECT_EQ(decide(route(), push(), image(), state).action, Decision::Action::held);
  EXPECT_EQ(decide(route(Route::Pin::tag), push(), image(), state).action, Decision::Action::held);
}

TEST(Decide, DoesNotUndoWhatSomebodyPutInPlaceOfTheLastDeployment) {
  ServiceState state = running("host/backend@" + kOld);
  state.service_tags = ledger_tags({.tried = {kNew}});
  EXPECT_EQ(decide(route(), push(), image(), state).action, Decision::Action::held);
  Push sweep = push();
  sweep.origin = Push::Origin::sweep;
  EXPECT_EQ(decide(route(), sweep, image(), state).action, Decision::Action::held);
  Push by_hand = push();
  by_hand.origin = Push::Origin::person;
  EXPECT_EQ(decide(route(), by_hand, image(), state).action, Decision::Action::deploy_digest);
}

TEST(Decide, SupersedesADeploymentOfOursThatStillRuns) {
  ServiceState state = running("host/backend@" + kOld);
  state.task_tags = release_tags({.digest = kOld});
  state.rollout = "IN_PROGRESS";
  EXPECT_EQ(decide(route(), push(), image(), state).supersedes, "f:3");
  state.rollout = "COMPLETED";
  EXPECT_EQ(decide(route(), push(), image(), state).supersedes, "");
}

TEST(Decide, ReturnsFromThePinnedRevisionOfARollbackInTagMode) {
  ServiceState state = running("host/backend@" + kOld);
  state.running_digests = {kOld};
  state.task_tags = release_tags({.digest = kOld, .action = "rollback", .from_revision = "f:2"});
  EXPECT_EQ(decide(route(Route::Pin::tag), push(), image(), state).return_to, "f:2");
}

TEST(ReadEvent, TakesTheEndOfADeployment) {
  const auto event = json::parse(R"({"id":"e-2","source":"aws.ecs","detail-type":"ECS Deployment State Change",
    "resources":["arn:aws:ecs:us-west-2:111122223333:service/cars/rest"],
    "detail":{"eventType":"ERROR","eventName":"SERVICE_DEPLOYMENT_FAILED","deploymentId":"ecs-svc/123","reason":"why"}})");
  const Reading reading = read_event(event);
  ASSERT_TRUE(reading.change) << reading.reason;
  EXPECT_EQ(reading.change->cluster + "/" + reading.change->service, "cars/rest");
  EXPECT_EQ(reading.change->deployment, "ecs-svc/123");
  EXPECT_FALSE(reading.change->completed);
}

TEST(ReadEvent, TakesTheScheduleAsASweep) {
  EXPECT_TRUE(read_event(json::parse(R"({"source":"aws.events","detail-type":"Scheduled Event","detail":{}})")).sweep);
}

TEST(Ledger, IsWrittenAndReadBackAsTags) {
  const ServiceLedger ledger{.tried = {kNew},
                             .last_tag = "latest",
                             .last_pushed = instant_ms(2000),
                             .deployment = "ecs-svc/1",
                             .revision = "f:3",
                             .failing = "ecs-svc/0 f:2",
                             .good = {kOld, kNew},
                             .held = {kNew},
                             .frozen = "because"};
  EXPECT_EQ(read_ledger(ledger_tags(ledger)), ledger);
  const TagChange change = difference(ledger, {.tried = {kOld}});
  EXPECT_EQ(change.set.size(), 1u);
  EXPECT_EQ(change.unset.size(), 8u);
  EXPECT_TRUE(difference(ledger, ledger).empty());
}

TEST(Ledger, KeepsValuesWithinWhatEcsTakes) {
  EXPECT_EQ(tag_text("it said \"no\" (500); ümlaut"), "it said  no   500     mlaut");
  EXPECT_EQ(tag_text(std::string(300, 'x')).size(), 256u);
  std::vector<std::string> digests;
  for (int i = 0; i < 5; ++i) remember_first(digests, "sha256:" + std::string(64, static_cast<char>('0' + i)));
  EXPECT_EQ(digests.size(), 3u);
  EXPECT_EQ(digests.front().back(), '4');
  EXPECT_LE(digests[0].size() + digests[1].size() + digests[2].size() + 2, 256u);
}

TEST(Newest, GoesByTheOrderOfTheRoute) {
  Route range = route();
  range.tags = {{config::TagRule::Kind::semver, ">=1"}};
  const std::vector<TaggedImage> images = {{"1.2.0", {.digest = "a", .pushed_at = instant_ms(9)}},
                                           {"1.10.0", {.digest = "b", .pushed_at = instant_ms(5)}},
                                           {"latest", {.digest = "c", .pushed_at = instant_ms(10)}}};
  EXPECT_EQ(newest(range, images)->image.digest, "b");
  range.tags = {config::tag_rule("1.*")};
  EXPECT_EQ(newest(range, images)->image.digest, "a");
  range.tags = {config::tag_rule("x")};
  EXPECT_FALSE(newest(range, images));
}

TEST(Routes, AreReadFromTheFileBesideTheBinary) {
  const auto routes = find_routes(
      R"({"services":[{"name":"a","cluster":"c","repository":"r","tags":["latest","v*",{"semver":"^2"}],"container":"a","pin":"tag"}]})",
      "", "");
  ASSERT_TRUE(routes) << routes.error().message;
  EXPECT_EQ(routes->routes[0].pin, Route::Pin::tag);
  EXPECT_NE(deploys(routes->routes[0], "r", "2.1.0"), nullptr);
  EXPECT_EQ(deploys(routes->routes[0], "r", "3.1.0"), nullptr);
  EXPECT_EQ(deploys(routes->routes[0], "other", "latest"), nullptr);
}

TEST(Routes, AreOneServiceWhenOnlyTheVariablesAreThere) {
  const auto routes = find_routes(std::nullopt, "where-car", "rest-service");
  ASSERT_TRUE(routes);
  EXPECT_TRUE(routes->single);
  EXPECT_EQ(routes->routes[0].pin, Route::Pin::tag);
  EXPECT_EQ(decide(routes->routes[0], push(), std::nullopt, {}).action, Decision::Action::force_new_deployment);
}

TEST(Routes, SayWhatIsWrong) {
  for (const char* text : {"", "[]", "{}", R"({"services":[{}]})",
                           R"({"services":[{"name":"a","cluster":"c","repository":"r","tags":[]}]})",
                           R"({"services":[{"name":"a","cluster":"c","repository":"r","tags":[{"semver":"x"}]}]})",
                           R"({"services":[{"name":"a","cluster":"c","repository":"r","tags":["x"],"pin":"y"}]})"}) {
    EXPECT_EQ(parse_routes(text).error().code, "InvalidRoutes") << text;
  }
  EXPECT_FALSE(find_routes(std::nullopt, "c", ""));
}

}  // namespace
}  // namespace slipway::deployer
