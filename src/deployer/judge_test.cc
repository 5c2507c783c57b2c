#include "deployer/judge.h"

#include <gtest/gtest.h>

#include "deployer/fake_aws.h"
#include "deployer/handle.h"

namespace slipway::deployer {
namespace {

using namespace std::chrono_literals;

const std::string kA = fake_digest('a');
const std::string kB = fake_digest('b');
const std::string kC = fake_digest('c');

class Judge : public testing::Test {
 protected:
  json::object handle(const json::value& event) {
    client::AwsClient client(io.get_executor(), aws.options());
    Routes routes{.routes = {route}};
    routes.routes.insert(routes.routes.end(), others.begin(), others.end());
    Handler handler(client, routes,
                    {.log = [this](const json::object& line) { log.push_back(line); },
                     .clock = [this] { return instant_ms(aws.now * 1000); }});
    const auto answer = run(handler.handle(event), io);
    EXPECT_TRUE(answer) << answer.error().message;
    return log.empty() ? json::object{} : log.back();
  }
  // A push and its event.
  json::object push(char letter, const std::string& tag = "latest") {
    aws.now += 100;
    aws.push(tag, letter);
    return push_event(tag);
  }
  json::object push_event(const std::string& tag = "latest") {
    return handle(
        {{"id", "push"},
         {"source", "aws.ecr"},
         {"detail-type", "ECR Image Action"},
         {"detail",
          json::object{
              {"result", "SUCCESS"}, {"repository-name", "backend"}, {"action-type", "PUSH"}, {"image-tag", tag}}}});
  }
  json::object deployment_event(const std::string& deployment, const std::string& what) {
    return handle({{"id", "change"},
                   {"source", "aws.ecs"},
                   {"detail-type", "ECS Deployment State Change"},
                   {"resources", json::array{"arn:aws:ecs:r:1:service/cars/rest"}},
                   {"detail", json::object{{"eventName", "SERVICE_DEPLOYMENT_" + what},
                                           {"deploymentId", deployment},
                                           {"reason", "tasks failed to start."}}}});
  }
  json::object completed() {
    aws.complete();
    return deployment_event(aws.primary(), "COMPLETED");
  }
  json::object sweep() {
    return handle({{"id", "tick"}, {"source", "aws.events"}, {"detail-type", "Scheduled Event"}});
  }
  // A digest that is deployed and judged live.
  void live(char letter) {
    push(letter);
    EXPECT_EQ(get_string(completed(), "verdict"), "live");
  }
  static std::string action(const json::object& line) { return get_string(line, "action"); }

  asio::io_context io{1};
  FakeAws aws{io};
  Route route{.name = "rest",
              .cluster = "cars",
              .repository = "backend",
              .tags = {config::tag_rule("latest")},
              .container = "app"};
  std::vector<Route> others;
  std::vector<json::object> log;
};

// A second service of the same repository, which the account does not have: what is asked of it is seen in the log.
class Waves : public Judge {
 protected:
  void second(int wave) {
    route.label = "rest";
    Route other = route;
    other.name = other.label = "other";
    other.wave = wave;
    others = {other};
  }
  // The last line about the second service.
  json::object said() const {
    for (auto line = log.rbegin(); line != log.rend(); ++line) {
      if (get_string(*line, "service") == "other") return *line;
    }
    return {};
  }
};

TEST_F(Waves, TheSecondWaitsUntilTheFirstIsLive) {
  second(2);
  push('a');
  EXPECT_EQ(aws.primary_digest(), kA);
  EXPECT_EQ(get_string(said(), "why"), "it is of wave 2, and rest of wave 1 is not live with aaaaaaaaaaaa yet");
  aws.now += 300;  // The event is no longer awaited.
  sweep();
  EXPECT_TRUE(get_string(said(), "why").starts_with("it is of wave 2")) << "the sweep waits, too";
  completed();
  // Its turn: it is asked about, and is not there.
  EXPECT_NE(get_string(said(), "why").find("there is no active service other"), std::string::npos)
      << get_string(said(), "why");
}

TEST_F(Waves, AFailureEndsThePush) {
  live('a');
  second(2);
  push('b');
  const std::string bad = aws.primary();
  aws.fail();
  deployment_event(bad, "FAILED");
  completed();
  EXPECT_TRUE(get_string(said(), "why").starts_with("it is of wave 2")) << get_string(said(), "why");
}

TEST_F(Waves, ServicesOfOneWaveDoNotWait) {
  second(1);
  push('a');
  EXPECT_NE(get_string(said(), "why").find("there is no active service other"), std::string::npos)
      << get_string(said(), "why");
}

TEST_F(Waves, NothingGoesBeforeAServiceThatIsNotThere) {
  route.wave = 2;
  second(1);
  push('a');
  EXPECT_EQ(aws.count("UpdateService"), 0);
}

TEST_F(Waves, ANewerPushBetweenWavesIsWaitedForFirst) {
  second(2);
  push('a');
  aws.push("latest", 'b');
  completed();  // With a; the tag means b by now, which rest does not run yet.
  EXPECT_EQ(get_string(said(), "why"), "it is of wave 2, and rest of wave 1 is not live with bbbbbbbbbbbb yet");
}

TEST_F(Judge, SaysLiveWhenThisDeploymentRunsThisDigest) {
  push('a');
  const json::object line = completed();
  EXPECT_EQ(get_string(line, "verdict"), "live") << json::serialize(line);
  EXPECT_EQ(aws.revision_tag("rest:2", "slipway:verdict"), "live");
  EXPECT_EQ(aws.service_tag("slipway:good"), kA);
}

TEST_F(Judge, SaysItOnceThoughTheEventComesTwice) {
  live('a');
  const json::object again = deployment_event(aws.primary(), "COMPLETED");
  EXPECT_EQ(action(again), "ignore");
}

TEST_F(Judge, KnowsNothingOfDeploymentsThatOthersMade) {
  EXPECT_EQ(action(deployment_event(aws.primary(), "COMPLETED")), "ignore");
  EXPECT_EQ(action(deployment_event("ecs-svc/999", "FAILED")), "ignore");
  EXPECT_EQ(aws.count("TagResource"), 0);
}

TEST_F(Judge, HoldsWhatEcsTakesBackAndSaysWhy) {
  live('a');
  push('b');
  const std::string bad = aws.primary();
  aws.say(
      "(service rest) (port 8080) is unhealthy in (target-group x) due to (reason Health checks failed with these "
      "codes: [500])");
  aws.fail();
  const json::object failing = deployment_event(bad, "FAILED");
  EXPECT_TRUE(get_bool(failing, "ecsRollsBack")) << json::serialize(failing);
  EXPECT_EQ(aws.service_tag("slipway:hold"), kB);
  const json::value evidence = failing.at("evidence");
  EXPECT_EQ(evidence.at("tasks").at(0).at("exitCode").as_int64(), 1);
  EXPECT_EQ(evidence.at("tasks").at(0).at("log").at(1).as_string(), "KeyError: STRIPE_KEY");
  EXPECT_NE(get_string(evidence.as_object(), "health").find("codes: [500]"), std::string::npos);

  const json::object end = completed();
  EXPECT_EQ(get_string(end, "verdict"), "rolled-back-by-ecs") << json::serialize(end);
  EXPECT_EQ(get_string(end, "backTo"), kA);
  EXPECT_EQ(aws.revision_tag("rest:3", "slipway:verdict"), "rolled-back-by-ecs");
  EXPECT_NE(aws.revision_tag("rest:3", "slipway:reason").find("exit code 1"), std::string::npos);
  // Nothing automatic puts it back: not the event again, not the sweep.
  EXPECT_EQ(action(push_event()), "held");
  aws.now += 1000;
  EXPECT_EQ(action(sweep()), "held");
  EXPECT_EQ(aws.primary_digest(), kA);
}

TEST_F(Judge, FindsTheEndOfARollbackWithoutTheRecordsOfServiceDeployments) {
  aws.knows_service_deployments = false;
  live('a');
  push('b');
  const std::string bad = aws.primary();
  aws.fail();
  EXPECT_TRUE(get_bool(deployment_event(bad, "FAILED"), "ecsRollsBack"));
  EXPECT_EQ(get_string(completed(), "verdict"), "rolled-back-by-ecs");
}

TEST_F(Judge, DoesNotDeployAgainBeforeTheFailureIsKnown) {
  live('a');
  push('b');
  aws.fail();  // Its event is late.
  EXPECT_EQ(action(push_event()), "held");
  EXPECT_EQ(aws.count("UpdateService"), 2);
}

TEST_F(Judge, RollsBackToTheLastGoodDigestWhatEcsLeaves) {
  aws.set_breaker_rollback(false);
  live('a');
  live('b');
  push('c');
  const std::string bad = aws.primary();
  aws.fail();
  const json::object line = deployment_event(bad, "FAILED");
  EXPECT_EQ(get_string(line, "verdict"), "failed") << json::serialize(line);
  EXPECT_EQ(get_string(line, "backTo"), kB);
  EXPECT_EQ(aws.primary_digest(), kB);
  EXPECT_EQ(aws.service_tag("slipway:hold"), kC);
  EXPECT_EQ(aws.revision_tag("rest:4", "slipway:verdict"), "failed");
  // The event again changes nothing: the rollback runs.
  const std::string back = aws.primary();
  deployment_event(bad, "FAILED");
  EXPECT_EQ(aws.primary(), back);
  const json::object end = completed();
  EXPECT_EQ(get_string(end, "verdict"), "live") << json::serialize(end);
  EXPECT_EQ(aws.revision_tag("rest:4", "slipway:verdict"), "rolled-back");
  EXPECT_EQ(aws.service_tag("slipway:hold"), kC);
  aws.now += 1000;
  EXPECT_EQ(action(sweep()), "held");
  EXPECT_EQ(action(push_event()), "held");
}

TEST_F(Judge, ReleasesTheHoldWhenAnotherDigestIsGood) {
  live('a');
  push('b');
  const std::string bad = aws.primary();
  aws.fail();
  deployment_event(bad, "FAILED");
  completed();
  EXPECT_EQ(action(push('c')), "deploy_digest");
  EXPECT_EQ(aws.service_tag("slipway:hold"), kB);
  completed();
  EXPECT_EQ(aws.service_tag("slipway:hold"), "");
  EXPECT_EQ(aws.service_tag("slipway:good"), kC + " " + kA);
}

TEST_F(Judge, SkipsGoodDigestsThatAreGoneOrArchived) {
  aws.set_breaker_rollback(false);
  live('a');
  live('b');
  live('c');
  aws.pushed_at.erase(kB);
  push('d');
  aws.fail();
  EXPECT_EQ(get_string(deployment_event(aws.primary(), "FAILED"), "backTo"), kC);
  aws.complete();
  client::AwsClient client(io.get_executor(), aws.options());
  Cloud cloud(client);
  const RollbackWish wish{.actor = "ana"};
  const auto again = run(roll_back(cloud, route, wish), io);
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(again->decision.digest, kA);
  aws.archived.insert(kA);
  aws.complete();
  const auto none = run(roll_back(cloud, route, wish), io);
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, "NothingToRollBackTo");
}

TEST_F(Judge, SaysWhenThereIsNothingToGoBackTo) {
  aws.set_breaker_rollback(false);
  push('a');
  aws.deployments.resize(1);
  const std::string bad = aws.primary();
  // What ran before had completed, but its image was never pinned, so that nobody knows its digest.
  aws.fail();
  const json::object line = deployment_event(bad, "FAILED");
  EXPECT_EQ(get_string(line, "verdict"), "failed");
  EXPECT_NE(get_string(line, "why").find("cannot be rolled back"), std::string::npos) << json::serialize(line);
}

TEST_F(Judge, LeavesAFailureAloneWhereRollbackIsOff) {
  aws.set_breaker_rollback(false);
  route.rollback = false;
  live('a');
  push('b');
  aws.fail();
  deployment_event(aws.primary(), "FAILED");
  EXPECT_EQ(aws.primary_digest(), kB);
}

TEST_F(Judge, AcceptsTheManifestOfAnIndexAsTheSameImage) {
  push('a');
  aws.index_manifests[kA] = {kC};
  aws.complete();
  for (json::object& task : aws.running) task["containers"].as_array()[0].as_object()["imageDigest"] = kC;
  EXPECT_EQ(get_string(deployment_event(aws.primary(), "COMPLETED"), "verdict"), "live");
}

TEST_F(Judge, DoesNotCallItLiveWhenTasksRunSomethingElse) {
  push('a');
  aws.complete();
  for (json::object& task : aws.running) task["containers"].as_array()[0].as_object()["imageDigest"] = kC;
  route.rollback = false;
  const json::object line = deployment_event(aws.primary(), "COMPLETED");
  EXPECT_EQ(get_string(line, "verdict"), "failed");
  EXPECT_NE(get_string(line, "why").find(kC), std::string::npos);
}

TEST_F(Judge, MarksWhatANewerPushReplaces) {
  live('a');
  push('b');
  push('c');
  EXPECT_EQ(aws.revision_tag("rest:3", "slipway:verdict"), "superseded");
  EXPECT_EQ(get_string(completed(), "verdict"), "live");
}

TEST_F(Judge, JudgesInTagModeByTheLedgerOfTheService) {
  route.pin = Route::Pin::tag;
  aws.now += 100;
  aws.push("latest", 'b');
  EXPECT_EQ(action(push_event()), "force_new_deployment");
  EXPECT_EQ(get_string(completed(), "verdict"), "live");
  EXPECT_EQ(aws.service_tag("slipway:good"), kB);
  EXPECT_EQ(action(deployment_event(aws.primary(), "COMPLETED")), "ignore");
}

TEST_F(Judge, GoesBackToTheTagAfterARollbackInTagMode) {
  route.pin = Route::Pin::tag;
  for (const char letter : {'a', 'b'}) {
    aws.now += 100;
    aws.push("latest", letter);
    push_event();
    completed();
  }
  client::AwsClient client(io.get_executor(), aws.options());
  Cloud cloud(client);
  const RollbackWish wish{.actor = "ana"};
  ASSERT_TRUE(run(roll_back(cloud, route, wish), io));
  EXPECT_EQ(aws.primary_digest(), kA);
  EXPECT_EQ(get_string(completed(), "verdict"), "live");
  EXPECT_EQ(action(push_event()), "held");
  EXPECT_EQ(action(push('c')), "force_new_deployment");
  EXPECT_EQ(aws.primary_revision(), "rest:1");
}

// ---- by hand ----

TEST_F(Judge, RollsBackByHandToADigestATagOrARelease) {
  live('a');
  live('b');
  aws.push("stable", 'a');
  client::AwsClient client(io.get_executor(), aws.options());
  Cloud cloud(client);
  const std::vector<std::string> names = {kA, "stable", "r2", "rest:2", ""};
  for (const std::string& to : names) {
    const RollbackWish wish{.to = to, .actor = "ana"};
    const auto outcome = run(roll_back(cloud, route, wish), io);
    ASSERT_TRUE(outcome) << to << ": " << outcome.error().message;
    EXPECT_EQ(aws.primary_digest(), kA) << to;
    EXPECT_EQ(aws.service_tag("slipway:hold"), kB);
    EXPECT_EQ(get_string(completed(), "verdict"), "live");
    EXPECT_EQ(aws.service_tag("slipway:hold"), kB) << "a rollback that is live keeps its hold";
    ASSERT_TRUE(run(unhold(cloud, route), io));
    EXPECT_EQ(action(push_event()), "deploy_digest");
    EXPECT_EQ(get_string(completed(), "verdict"), "live");
  }
  const RollbackWish same{.to = kB};
  EXPECT_EQ(run(roll_back(cloud, route, same), io).error().code, "AlreadyRunning");
  const RollbackWish gone{.to = "no-such-tag"};
  EXPECT_EQ(run(roll_back(cloud, route, gone), io).error().code, "ImageIsGone");
}

TEST_F(Judge, FreezesAServiceUntilItIsReleased) {
  live('a');
  client::AwsClient client(io.get_executor(), aws.options());
  Cloud cloud(client);
  const std::string reason = "release week";
  ASSERT_TRUE(run(hold(cloud, route, "", reason), io));
  EXPECT_EQ(action(push('b')), "held");
  const auto before = run(unhold(cloud, route), io);
  ASSERT_TRUE(before);
  EXPECT_EQ(before->frozen, "release week");
  EXPECT_EQ(action(push_event()), "deploy_digest");
}

// ---- the sweep ----

TEST_F(Judge, SweepsUpAPushWhoseEventWasLost) {
  live('a');
  aws.now += 100;
  aws.push("latest", 'b');
  EXPECT_EQ(action(sweep()), "ignore") << "its event may be on its way";
  aws.now += 100;
  const json::object line = sweep();
  EXPECT_EQ(action(line), "deploy_digest") << json::serialize(line);
  EXPECT_TRUE(get_string(line, "why").starts_with("an event was lost"));
  EXPECT_EQ(aws.revision_tag("rest:3", "slipway:actor"), "sweep");
  aws.complete();
  sweep();
  EXPECT_EQ(aws.revision_tag("rest:3", "slipway:verdict"), "live") << "the state-change event may be lost too";
  EXPECT_EQ(action(sweep()), "already_deployed");
}

TEST_F(Judge, SweepsTheNewestOfSeveralTags) {
  route.tags = {config::tag_rule("release-*")};
  aws.now += 100;
  aws.push("release-1", 'a');
  aws.now += 100;
  aws.push("release-2", 'b');
  aws.push("nightly", 'c');
  aws.now += 100;
  EXPECT_EQ(action(sweep()), "deploy_digest");
  EXPECT_EQ(aws.primary_digest(), kB);
}

TEST_F(Judge, SweepLeavesAServiceThatRunsTheImageUnpinned) {
  aws.push("latest", 'a');
  for (json::object& task : aws.running) task["containers"].as_array()[0].as_object()["imageDigest"] = kA;
  aws.now += 1000;
  EXPECT_EQ(action(sweep()), "already_deployed");
  EXPECT_EQ(aws.count("UpdateService"), 0);
}

TEST_F(Judge, SweepReportsWhatIsStuckAndWhatTakesTooLongOnce) {
  live('a');
  push('b');
  aws.say(
      "(service rest) was unable to stop or start tasks during a deployment because of the service deployment "
      "configuration. Update the minimumHealthyPercent or maximumPercent value and try again.");
  sweep();
  EXPECT_EQ(aws.revision_tag("rest:3", "slipway:verdict"), "stuck");
  const std::size_t lines = log.size();
  sweep();
  EXPECT_EQ(log.size(), lines + 1) << "only what it decided of the image";
  EXPECT_EQ(get_string(completed(), "verdict"), "live") << "it may still end";
  push('c');
  aws.now += 4000;
  sweep();
  EXPECT_EQ(aws.revision_tag("rest:4", "slipway:verdict"), "timed-out");
}

// ---- the gate ----

TEST(GateCodes, AreListsAndRanges) {
  EXPECT_TRUE(has_code("200-299", 204));
  EXPECT_FALSE(has_code("200-299", 300));
  EXPECT_TRUE(has_code("200,404", 404));
  EXPECT_FALSE(has_code("200,404", 403));
  EXPECT_FALSE(has_code("", 200));
}

class Gate : public Judge {
 protected:
  Gate() {
    EXPECT_TRUE(site.listen());
    route.verify = config::Verify{.time = 3s, .interval = 100ms, .http = {{.url = address() + "/health"}}};
    live('a');
  }
  std::string address() const { return "http://127.0.0.1:" + std::to_string(site.port()); }
  task<http::Response> answer_site(http::Request&) {
    ++visits;
    aws.now += 1;  // Each check takes a second of the test's clock.
    co_return visits <= bad_visits ? http::text_response(500, "database is away") : http::text_response(200, "ok");
  }
  int visits = 0;
  int bad_visits = 0;
  http::Server site{io.get_executor(), {}, [this](http::Request& request) { return answer_site(request); }};
};

TEST_F(Gate, PassesWhatAnswersForTheWholeTime) {
  push('b');
  visits = 0;
  EXPECT_EQ(get_string(completed(), "verdict"), "live");
  EXPECT_GE(visits, 3);
}

TEST_F(Gate, RollsBackWhatAnswersBadly) {
  push('b');
  visits = 0;
  bad_visits = 1000;
  const json::object line = completed();
  EXPECT_EQ(get_string(line, "verdict"), "failed");
  EXPECT_NE(get_string(line, "why").find("answered 500: database is away"), std::string::npos) << json::serialize(line);
  EXPECT_EQ(aws.primary_digest(), kA);
  EXPECT_EQ(aws.service_tag("slipway:hold"), kB);
}

TEST_F(Gate, ForgivesErrorsWithinTheBudget) {
  route.verify->error_budget_percent = 50;
  push('b');
  visits = 0;
  bad_visits = 2;
  EXPECT_EQ(get_string(completed(), "verdict"), "live");
}

TEST_F(Gate, LooksForATextInTheAnswer) {
  route.verify->http[0].contains = "ok";
  push('b');
  EXPECT_EQ(get_string(completed(), "verdict"), "live");
  route.verify->http[0].contains = "version 2";
  push('c');
  EXPECT_NE(get_string(completed(), "why").find("without \"version 2\""), std::string::npos);
}

TEST_F(Gate, AsksAPathAtTheLoadBalancerOfTheService) {
  route.verify->http[0].url = "/health";
  aws.service["loadBalancers"] = json::array{json::object{{"targetGroupArn", "arn:tg"}}};
  aws.xml["DescribeTargetGroups"] = "<LoadBalancerArns><member>arn:lb</member></LoadBalancerArns>";
  aws.xml["DescribeLoadBalancers"] = "<DNSName>127.0.0.1</DNSName>";
  aws.xml["DescribeListeners"] =
      "<Listeners><member><DefaultActions><member><TargetGroupArn>arn:other</TargetGroupArn></member></DefaultActions>"
      "<Port>1</Port><Protocol>HTTP</Protocol></member><member><DefaultActions><member><TargetGroupArn>arn:tg"
      "</TargetGroupArn></member></DefaultActions><Port>" +
      std::to_string(site.port()) + "</Port><Protocol>HTTP</Protocol></member></Listeners>";
  push('b');
  visits = 0;
  EXPECT_EQ(get_string(completed(), "verdict"), "live");
  EXPECT_GE(visits, 3);
  aws.service.erase("loadBalancers");
  push('c');
  EXPECT_EQ(get_string(completed(), "verdict"), "unverified");
}

TEST_F(Gate, RollsBackOnAnAlarm) {
  route.verify->alarms = {"errors"};
  aws.alarms = {{"errors", "ALARM"}};
  push('b');
  EXPECT_EQ(get_string(completed(), "verdict"), "failed");
  EXPECT_EQ(aws.primary_digest(), kA);
}

TEST_F(Gate, DoesNotCallItGoodWhereAlarmsCannotBeRead) {
  route.verify->alarms = {"errors"};
  aws.knows_alarms = false;
  push('b');
  const json::object line = completed();
  EXPECT_EQ(get_string(line, "verdict"), "unverified");
  EXPECT_EQ(aws.primary_digest(), kB) << "and does not roll back what may be well";
  EXPECT_EQ(aws.service_tag("slipway:good"), kA);
}

}  // namespace
}  // namespace slipway::deployer
