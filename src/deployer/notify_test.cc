#include "deployer/notify.h"

#include <gtest/gtest.h>

#include "base/digest.h"
#include "deployer/channels.h"
#include "deployer/fake_aws.h"
#include "deployer/handle.h"
#include "deployer/untold.h"

namespace slipway::deployer {
namespace {

Telling news(Telling::Kind kind = Telling::Kind::succeeded) {
  return {.kind = kind,
          .key = "production/rest",
          .environment = "production",
          .service = "rest",
          .cluster = "cars",
          .deployment = "ecs-svc/1",
          .release = {.digest = fake_digest('b'),
                      .tag = "latest",
                      .action = "deploy",
                      .from = fake_digest('a'),
                      .commit = "3f2a91c0aaaabbbbccccddddeeeeffff00001111",
                      .author = "ana",
                      .subject = "Fix rounding <b>"},
          .end = kind == Telling::Kind::succeeded ? End::live : End::failed,
          .took = std::chrono::seconds(72)};
}

TEST(Notify, SaysEverythingInOneLine) {
  EXPECT_EQ(
      headline(news()),
      "rest → production: live · latest bbbbbbbbbbbb (was aaaaaaaaaaaa) · 3f2a91c Fix rounding <b> by ana · 1m12s");
  Telling back = news(Telling::Kind::rolled_back);
  back.end = End::rolled_back_by_ecs;
  back.went_back_to = fake_digest('a');
  EXPECT_TRUE(headline(back).starts_with("rest → production: rolled back by ECS to aaaaaaaaaaaa · latest bbbbbbbbbbbb"))
      << headline(back);
  back.release = {.digest = fake_digest('a'), .actor = "ana", .action = "rollback", .from = fake_digest('b')};
  back.end = End::live;
  EXPECT_EQ(headline(back), "rest → production: rolled back to aaaaaaaaaaaa from bbbbbbbbbbbb · by ana · 1m12s");
}

TEST(Notify, GivesReasonLogLinesAndTheCommandBelow) {
  Telling failed = news(Telling::Kind::failed);
  failed.why = "the circuit breaker threshold was exceeded";
  failed.evidence.tasks = {{.task = "t1", .reason = "exited", .exit_code = 1, .log_lines = {"one", "KeyError: X"}}};
  const std::string text = details(failed);
  EXPECT_NE(text.find("circuit breaker"), std::string::npos);
  EXPECT_NE(text.find("exit code 1: exited"), std::string::npos);
  EXPECT_NE(text.find("KeyError: X"), std::string::npos);
  EXPECT_NE(text.find("slipway rollback rest"), std::string::npos);
  EXPECT_EQ(details(news()), "");
}

TEST(Notify, EscapesWhatSlackWouldReadAsMarkup) {
  EXPECT_NE(get_string(slack_body(news()), "text").find("&lt;b&gt;"), std::string::npos);
}

TEST(Notify, TakesTheCommitFromTheLabelOrTheTag) {
  EXPECT_EQ(commit_of({.tag = "sha-3f2a91c"}), "3f2a91c");
  EXPECT_EQ(commit_of({.tag = "3f2a91c0aaaabbbbccccddddeeeeffff00001111"}), "3f2a91c0aaaabbbbccccddddeeeeffff00001111");
  EXPECT_EQ(commit_of({.tag = "latest"}), "");
  EXPECT_EQ(commit_of({.tag = "20261125x"}), "");
}

TEST(Notify, SignsTheTimeAndTheBody) {
  // Calculated with: printf '1700000000.{}' | openssl dgst -sha256 -hmac key
  EXPECT_EQ(webhook_signature("key", 1'700'000'000, "{}"), "v1=" + hex(hmac_sha256("key", "1700000000.{}")));
  EXPECT_NE(webhook_signature("key", 1, "{}"), webhook_signature("key", 2, "{}"));
}

TEST(Notify, KeepsWhereMessagesStand) {
  const std::string placed = place_message(place_message("", 0, "C1:17.1"), 2, "98");
  EXPECT_EQ(placed, "0=C1:17.1 2=98");
  EXPECT_EQ(find_message(placed, 2), "98");
  EXPECT_EQ(find_message(placed, 1), "");
  EXPECT_EQ(place_message(placed, 0, "C2:1"), "2=98 0=C2:1");
}

TEST(Notify, SaysOnlyTheEndWhereItCannotEdit) {
  const Channel webhook{.kind = Channel::Kind::slack_webhook};
  const Channel bot{.kind = Channel::Kind::slack_bot};
  EXPECT_FALSE(wants(webhook, news(Telling::Kind::started)));
  EXPECT_TRUE(wants(bot, news(Telling::Kind::started)));
  Telling interim = news(Telling::Kind::failed);
  interim.interim = true;
  EXPECT_FALSE(wants(webhook, interim));
  EXPECT_TRUE(wants(bot, interim));
  EXPECT_FALSE(wants({.kind = Channel::Kind::slack_bot, .on = {"failed"}}, news()));
  EXPECT_FALSE(wants({.kind = Channel::Kind::slack_bot, .services = {"staging/rest"}}, news()));
}

TEST(Channels, AreReadFromTheConfiguration) {
  const auto list = json::parse(R"([{"channel":"slack","settings":{"webhook":"ssm:/slack"}},
    {"channel":"slack","settings":{"token":"env:TOKEN","channel":"#deploys"},"on":["failed"],"services":["production/rest"]},
    {"channel":"sns","settings":{"topic":"arn:aws:sns:r:1:t"}},
    {"channel":"webhook","settings":{"url":"https://example.com/x","secret":"secretsmanager:hook#key"}},
    {"channel":"github","settings":{"token":"env:GH","repository":"acme/web"}}])");
  const auto channels = parse_channels(list.as_array());
  ASSERT_TRUE(channels) << channels.error().message;
  EXPECT_EQ(channels->size(), 5u);
  EXPECT_EQ((*channels)[4].api, "https://api.github.com");
  for (const char* bad : {R"([{"channel":"slack","settings":{"webhook":"https://hooks.slack.com/services/T/B/x"}}])",
                          R"([{"channel":"slack","settings":{"token":"env:T"}}])", R"([{"channel":"mail"}])",
                          R"([{"channel":"sns","settings":{}}])",
                          R"([{"channel":"github","settings":{"token":"env:T","repository":"web"}}])",
                          R"([{"channel":"sns","settings":{"topic":"arn:x"},"on":["often"]}])"}) {
    const auto refused = parse_channels(json::parse(bad).as_array());
    ASSERT_FALSE(refused) << bad;
    EXPECT_EQ(refused.error().message.find("T/B/x"), std::string::npos) << "the secret is not repeated";
  }
}

TEST(Channels, SendNewsOverTlsOrToThisMachineOnly) {
  EXPECT_TRUE(may_send_to("https://example.com/x"));
  EXPECT_TRUE(may_send_to("http://127.0.0.1:80/x"));
  EXPECT_FALSE(may_send_to("http://example.com/x"));
  EXPECT_FALSE(may_send_to("http://127.0.0.1.example.com/x"));
  EXPECT_FALSE(may_send_to("http://127.0.0.1@example.com/x"));
}

// Everything that is told of a deployment, as a server on this machine hears it.
class Told : public testing::Test {
 protected:
  struct Heard {
    std::string path, body;
    http::Headers headers;
  };
  void SetUp() override { ASSERT_TRUE(site.listen()); }
  std::string url(const std::string& path = "") const {
    return "http://127.0.0.1:" + std::to_string(site.port()) + path;
  }
  task<http::Response> answer(http::Request& request) {
    const auto body = co_await http::read_all(*request.body);
    heard.push_back({request.path(), body.value_or(""), request.headers});
    if (bad_answers > 0) {
      --bad_answers;
      co_return http::text_response(bad_status, "try later");
    }
    if (request.path() == "/chat.postMessage" || request.path() == "/chat.update")
      co_return http::json_response(200, R"({"ok":true,"channel":"C012","ts":"1700000000.000100"})");
    if (request.path() == "/blob")
      co_return http::json_response(
          200,
          R"({"config":{"Labels":{"org.opencontainers.image.revision":"3f2a91c0","slipway.commit.author":"ana"}}})");
    if (request.path().ends_with("/deployments")) co_return http::json_response(201, R"({"id":98765})");
    co_return http::json_response(200, "{}");
  }
  json::object deliver(const json::object& event) {
    client::AwsClient client(io.get_executor(), aws.options());
    Handler handler(client, {.routes = {route}, .project = "shop", .notify = channels},
                    {.log = [this](const json::object& line) { log.push_back(line); },
                     .clock = [this] { return instant_ms(aws.now * 1000); },
                     .environment = [this](const std::string& name) { return variables[name]; }});
    const auto answer = run(handler.handle(event), io);
    EXPECT_TRUE(answer) << answer.error().message;
    return log.back();
  }
  json::object push(char letter, const std::string& tag = "latest") {
    aws.now += 100;
    aws.push(tag, letter);
    return deliver(
        {{"id", "push"},
         {"source", "aws.ecr"},
         {"detail-type", "ECR Image Action"},
         {"detail",
          json::object{
              {"result", "SUCCESS"}, {"repository-name", "backend"}, {"action-type", "PUSH"}, {"image-tag", tag}}}});
  }
  json::object ended(const std::string& deployment, const std::string& what) {
    return deliver(
        {{"id", "change"},
         {"source", "aws.ecs"},
         {"detail-type", "ECS Deployment State Change"},
         {"resources", json::array{"arn:aws:ecs:r:1:service/cars/rest"}},
         {"detail", json::object{{"eventName", "SERVICE_DEPLOYMENT_" + what}, {"deploymentId", deployment}}}});
  }
  json::object completed() {
    aws.complete();
    return ended(aws.primary(), "COMPLETED");
  }
  void sweep() {
    aws.now += 300;
    deliver({{"id", "tick"}, {"source", "aws.events"}, {"detail-type", "Scheduled Event"}, {"detail", json::object{}}});
  }
  // Nothing that was logged holds `secret`.
  bool logged(const std::string& secret) const {
    return std::ranges::any_of(log, [&](const auto& line) { return json::serialize(line).contains(secret); });
  }

  asio::io_context io{1};
  FakeAws aws{io};
  Route route{.name = "rest",
              .label = "rest",
              .environment = "production",
              .cluster = "cars",
              .repository = "backend",
              .tags = {config::tag_rule("latest"), config::tag_rule("sha-*")},
              .container = "app"};
  std::vector<Channel> channels;
  std::map<std::string, std::string> variables;
  std::vector<json::object> log;
  std::vector<Heard> heard;
  int bad_answers = 0;
  int bad_status = 503;
  http::Server site{io.get_executor(), {}, [this](http::Request& request) { return answer(request); }};
};

TEST_F(Told, ASlackWebhookHearsTheEnd) {
  channels = {{.kind = Channel::Kind::slack_webhook, .secret = "env:HOOK"}};
  variables["HOOK"] = url("/services/T0/B0/verysecret");
  push('a');
  EXPECT_TRUE(heard.empty());
  completed();
  ASSERT_EQ(heard.size(), 1u);
  EXPECT_EQ(heard[0].path, "/services/T0/B0/verysecret");
  EXPECT_NE(heard[0].body.find(":white_check_mark: rest → production: live"), std::string::npos) << heard[0].body;
  EXPECT_FALSE(logged("verysecret"));
}

TEST_F(Told, ASlackBotEditsOneMessage) {
  channels = {{.kind = Channel::Kind::slack_bot, .secret = "ssm:/slack/token", .target = "#deploys", .api = url()}};
  aws.other_answers["GetParameter"] = {{"Parameter", json::object{{"Value", "xoxb-verysecret"}}}};
  push('a');
  ASSERT_EQ(heard.size(), 1u);
  EXPECT_EQ(heard[0].path, "/chat.postMessage");
  EXPECT_EQ(heard[0].headers.get("Authorization"), "Bearer xoxb-verysecret");
  EXPECT_EQ(aws.revision_tag("rest:2", "slipway:messages"), "0=C012:1700000000.000100");
  completed();
  ASSERT_EQ(heard.size(), 2u);
  EXPECT_EQ(heard[1].path, "/chat.update");
  EXPECT_EQ(json::parse(heard[1].body).at("ts").as_string(), "1700000000.000100");
  EXPECT_TRUE(get_bool(aws.other_calls.at(0).second, "WithDecryption"));
  EXPECT_FALSE(logged("verysecret"));
}

TEST_F(Told, AWebhookIsSigned) {
  channels = {{.kind = Channel::Kind::webhook, .secret = "secretsmanager:hook#key", .target = url("/hook")}};
  aws.other_answers["GetSecretValue"] = {{"SecretString", R"({"key":"k1"})"}};
  push('a');
  ASSERT_EQ(heard.size(), 1u);
  const long long at = std::stoll(heard[0].headers.get("X-Slipway-Timestamp"));
  EXPECT_EQ(heard[0].headers.get("X-Slipway-Signature"), webhook_signature("k1", at, heard[0].body));
  EXPECT_EQ(heard[0].headers.get("X-Slipway-Event"), "deployment.started");
  EXPECT_EQ(json::parse(heard[0].body).at("digest").as_string(), fake_digest('a'));
}

TEST_F(Told, GithubGetsADeploymentAndItsStatuses) {
  channels = {{.kind = Channel::Kind::github, .secret = "env:GH", .target = "acme/web", .api = url()}};
  variables["GH"] = "ghp_verysecret";
  push('a', "sha-3f2a91c");
  completed();
  ASSERT_EQ(heard.size(), 3u);
  EXPECT_EQ(heard[0].path, "/repos/acme/web/deployments");
  EXPECT_EQ(json::parse(heard[0].body).at("ref").as_string(), "3f2a91c");
  EXPECT_EQ(heard[1].path, "/repos/acme/web/deployments/98765/statuses");
  EXPECT_EQ(json::parse(heard[1].body).at("state").as_string(), "in_progress");
  EXPECT_EQ(json::parse(heard[2].body).at("state").as_string(), "success");
  push('b');
  EXPECT_NE(get_string(log.back(), "why").find("names a commit"), std::string::npos);
}

TEST_F(Told, ATopicHearsItAsJson) {
  channels = {{.kind = Channel::Kind::sns, .target = "deploys"}};
  push('a');
  ASSERT_EQ(aws.forms.size(), 1u);
  EXPECT_NE(aws.forms[0].find("Action=Publish"), std::string::npos);
  EXPECT_NE(aws.forms[0].find("TopicArn=arn%3Aaws%3Asns%3Ar%3A1%3Adeploys"), std::string::npos) << aws.forms[0];
}

TEST_F(Told, TheCommitComesFromTheLabelsOfTheImage) {
  channels = {{.kind = Channel::Kind::webhook, .secret = "env:KEY", .target = url("/hook")}};
  variables["KEY"] = "key";
  aws.manifests[fake_digest('a')] =
      R"({"manifests":[{"digest":"sha256:att","platform":{"os":"unknown"}},{"digest":"sha256:child","platform":{"os":"linux"}}]})";
  aws.manifests["sha256:child"] = R"({"config":{"digest":"sha256:config"}})";
  aws.other_answers["GetDownloadUrlForLayer"] = {{"downloadUrl", url("/blob?signature=1")}};
  push('a');
  ASSERT_EQ(heard.size(), 2u);
  EXPECT_EQ(heard[0].path, "/blob");
  EXPECT_EQ(json::parse(heard[1].body).at("commit").as_string(), "3f2a91c0");
  EXPECT_EQ(json::parse(heard[1].body).at("author").as_string(), "ana");
  EXPECT_EQ(aws.revision_tag("rest:2", "slipway:commit"), "3f2a91c0");
  completed();
  EXPECT_EQ(json::parse(heard.back().body).at("commit").as_string(), "3f2a91c0");
  EXPECT_EQ(aws.count("GetDownloadUrlForLayer"), 1) << "it is remembered";
  // An annotation saves the way to the configuration.
  aws.manifests[fake_digest('b')] = R"({"annotations":{"org.opencontainers.image.revision":"88d01be0"}})";
  push('b');
  EXPECT_EQ(json::parse(heard.back().body).at("commit").as_string(), "88d01be0");
  EXPECT_EQ(aws.count("GetDownloadUrlForLayer"), 1);
}

TEST_F(Told, ARollbackIsToldWithItsReason) {
  channels = {{.kind = Channel::Kind::slack_webhook, .secret = "env:HOOK"}};
  variables["HOOK"] = url("/hook");
  push('a');
  completed();
  push('b');
  const std::string bad = aws.primary();
  aws.fail();
  ended(bad, "FAILED");
  EXPECT_EQ(heard.size(), 1u) << "what cannot be edited hears the end only";
  completed();
  ASSERT_EQ(heard.size(), 2u);
  EXPECT_NE(heard[1].body.find("rolled back by ECS to aaaaaaaaaaaa"), std::string::npos) << heard[1].body;
  EXPECT_NE(heard[1].body.find("KeyError: STRIPE_KEY"), std::string::npos);
}

TEST_F(Told, ABusyChannelIsRepeated) {
  channels = {{.kind = Channel::Kind::webhook, .secret = "env:KEY", .target = url("/hook")}};
  variables["KEY"] = "key";
  bad_answers = 2;
  push('a');
  EXPECT_EQ(heard.size(), 3u);
  EXPECT_TRUE(get_bool(log.back(), "delivered"));
  EXPECT_EQ(heard[0].headers.get("X-Slipway-Delivery"), heard[2].headers.get("X-Slipway-Delivery"));
}

TEST_F(Told, ADeadChannelFailsNothingAndIsReported) {
  variables = {{"KEY", "verysecret"}, {"HOOK", "http://127.0.0.1:1/services/verysecret"}};
  channels = {{.kind = Channel::Kind::slack_webhook, .secret = "env:HOOK", .on = {"started"}},
              {.kind = Channel::Kind::slack_webhook, .secret = "env:ABSENT", .on = {"started"}},
              {.kind = Channel::Kind::slack_bot, .secret = "ssm:/nothing", .target = "#x", .api = url()},
              {.kind = Channel::Kind::webhook, .secret = "env:KEY", .target = url("/hook")}};
  bad_answers = 1000;
  bad_status = 403;
  push('a');
  EXPECT_EQ(aws.primary_digest(), fake_digest('a'));
  int failures = 0;
  for (const json::object& line : log) failures += has(line, "notification") && !get_bool(line, "delivered") ? 1 : 0;
  EXPECT_EQ(failures, 4);
  EXPECT_FALSE(logged("verysecret"));
  EXPECT_EQ(heard.size(), 1u) << "a refusal is not repeated";
}

TEST_F(Told, ASlackWebhookElsewhereIsRefused) {
  channels = {{.kind = Channel::Kind::slack_webhook, .secret = "env:HOOK", .on = {"started"}}};
  variables["HOOK"] = "https://evil.example.com/services/verysecret";
  push('a');
  EXPECT_NE(get_string(log.back(), "why").find("no webhook of Slack's"), std::string::npos);
  EXPECT_FALSE(logged("verysecret"));
}

TEST_F(Told, NewsThatAChannelDidNotTakeIsSentAgainByTheSweep) {
  channels = {{.kind = Channel::Kind::slack_webhook, .secret = "env:HOOK"},
              {.kind = Channel::Kind::sns, .target = "deploys"}};
  variables["HOOK"] = url("/hook");
  push('a');
  bad_answers = 1000;
  bad_status = 403;
  completed();
  EXPECT_EQ(aws.service_tag("slipway:untold"), "rest:2/0/slack/1");
  sweep();
  EXPECT_EQ(aws.service_tag("slipway:untold"), "rest:2/0/slack/2");
  EXPECT_EQ(heard.size(), 2u);
  bad_answers = 0;
  const auto published = aws.forms.size();
  sweep();
  ASSERT_EQ(heard.size(), 3u);
  EXPECT_NE(heard[2].body.find(":white_check_mark: rest → production: live"), std::string::npos) << heard[2].body;
  EXPECT_EQ(aws.service_tag("slipway:untold"), "");
  EXPECT_EQ(aws.forms.size(), published) << "who has heard it hears it once";
  sweep();
  EXPECT_EQ(heard.size(), 3u);
}

TEST_F(Told, NewsIsGivenUpAfterSoManyTimes) {
  channels = {{.kind = Channel::Kind::slack_webhook, .secret = "env:HOOK"}};
  variables["HOOK"] = url("/hook");
  push('a');
  bad_answers = 1000;
  bad_status = 403;
  completed();
  for (int i = 0; i < 2 * kTellingsMax; ++i) sweep();
  EXPECT_EQ(heard.size(), static_cast<std::size_t>(kTellingsMax));
  EXPECT_EQ(aws.service_tag("slipway:untold"), "");
  EXPECT_TRUE(logged("givenUp"));
}

TEST_F(Told, AChannelThatIsGoneHasNothingToHear) {
  channels = {{.kind = Channel::Kind::slack_webhook, .secret = "env:HOOK"}};
  variables["HOOK"] = url("/hook");
  push('a');
  bad_answers = 1;
  bad_status = 403;
  completed();
  channels = {{.kind = Channel::Kind::sns, .target = "deploys"}};
  sweep();
  EXPECT_EQ(aws.service_tag("slipway:untold"), "");
  EXPECT_TRUE(aws.forms.empty());
}

}  // namespace
}  // namespace slipway::deployer
