#include <gtest/gtest.h>
#include <unistd.h>

#include "base/run.h"
#include "base/text.h"
#include "database/journal.h"
#include "lambda/api.h"

namespace slipway::lambda {
namespace {

using namespace std::chrono_literals;

struct NoLogs final : Logs {
  std::vector<std::string> lines;
  void append(std::string, std::string, Instant, std::string message) override { lines.push_back(std::move(message)); }
};
struct AnyRole final : Roles {
  Result<void> check(const std::string& arn) override {
    if (arn.ends_with("missing")) return fail(Fault::not_found, "NoSuchEntity", "no such role");
    return {};
  }
  task<Result<RoleCredentials>> session(std::string, std::string, Duration) override {
    co_return RoleCredentials{"ASIA", "secret", "token"};
  }
};
struct Letters final : DeadLetters {
  std::vector<std::string> bodies;
  task<Result<void>> send(std::string, std::string body,
                          std::map<std::string, std::pair<std::string, std::string>>) override {
    bodies.push_back(std::move(body));
    co_return Result<void>{};
  }
};

// Python stands in for any runtime here: it is on every machine that runs the tests.
class LambdaTest : public testing::Test {
 protected:
  asio::io_context io{1};
  database::Database db{io.get_executor(), ":memory:"};
  host::Pool pool{1};
  host::SystemClock clock;
  host::SystemRandom random;
  NoLogs logs;
  AnyRole roles;
  Letters letters;
  std::filesystem::path folder =
      std::filesystem::temp_directory_path() / ("slipway-lambda-test-" + std::to_string(::getpid()));
  Functions functions{io.get_executor(),    db,   pool,  clock,  random, Place{}, folder,
                      "http://127.0.0.1:1", logs, roles, letters};
  wire::Service api = service(functions);

  void SetUp() override {
    if (::access("/usr/bin/python3", X_OK) != 0) GTEST_SKIP() << "no /usr/bin/python3";
    db.migrate(schema());
    db.migrate(database::journal_schema());
    ASSERT_TRUE(functions.start());
  }
  void TearDown() override {
    run(functions.stop(), io);
    std::filesystem::remove_all(folder);
  }
  Result<wire::Answer> ask(const char* operation, json::object input) {
    wire::Call context;
    context.now = clock.now();
    context.request_id = random.uuid();
    return run(wire::call(api, operation, std::move(input), context), io);
  }
  Result<wire::Answer> create(const char* source, int timeout = 3) {
    const auto zip = host::make_zip({{.name = "f.py", .content = source}});
    return ask("CreateFunction", {{"FunctionName", "f"},
                                  {"Runtime", "python3.11"},
                                  {"Handler", "f.handle"},
                                  {"Role", "arn:aws:iam::000000000000:role/r"},
                                  {"Timeout", timeout},
                                  {"Code", json::object{{"ZipFile", base64_encode(*zip)}}}});
  }
  Result<wire::Answer> invoke(const char* payload = "{}") {
    return ask("Invoke", {{"FunctionName", "f"}, {"Payload", payload}, {"LogType", "Tail"}});
  }
};

TEST_F(LambdaTest, AFunctionAnswersAndStaysWarm) {
  ASSERT_TRUE(
      create("n = 0\ndef handle(event, context):\n  global n\n  n += 1\n  print('hi')\n  return {'n': n, 'x': "
             "event['x'], 'id': len(context.aws_request_id)}\n"));
  EXPECT_EQ(*invoke(R"({"x":1})")->payload, R"({"n": 1, "x": 1, "id": 36})");
  const auto second = invoke(R"({"x":2})");
  EXPECT_EQ(*second->payload, R"({"n": 2, "x": 2, "id": 36})");
  const std::string tail = *base64_decode(second->headers.get("X-Amz-Log-Result"));
  EXPECT_NE(tail.find("hi\n"), std::string::npos);
  EXPECT_NE(tail.find("REPORT RequestId: "), std::string::npos);
}

TEST_F(LambdaTest, AnExceptionIsAFunctionError) {
  ASSERT_TRUE(create("def handle(event, context):\n  raise ValueError('no')\n"));
  const auto answer = invoke();
  EXPECT_EQ(answer->headers.get("X-Amz-Function-Error"), "Unhandled");
  const json::object error = parse_json(*answer->payload)->as_object();
  EXPECT_EQ(get_string(error, "errorType"), "ValueError");
  EXPECT_EQ(get_string(error, "errorMessage"), "no");
}

TEST_F(LambdaTest, ACrashIsReportedAndTheNextInvocationStartsAnew) {
  ASSERT_TRUE(create("import os\ndef handle(event, context):\n  if event.get('die'): os._exit(3)\n  return 'alive'\n"));
  EXPECT_NE(invoke(R"({"die":true})")->payload->find("Runtime exited with error: exit status 3"), std::string::npos);
  EXPECT_EQ(*invoke()->payload, "\"alive\"");
}

TEST_F(LambdaTest, ATimeOutKillsTheEnvironment) {
  ASSERT_TRUE(create("import time\ndef handle(event, context):\n  time.sleep(60)\n", 1));
  EXPECT_NE(invoke()->payload->find("Task timed out after 1.00 seconds"), std::string::npos);
}

TEST_F(LambdaTest, InitFailuresHaveTheirNames) {
  ASSERT_TRUE(create("import no_such_module\n"));
  EXPECT_NE(invoke()->payload->find("Runtime.ImportModuleError"), std::string::npos);
}

TEST_F(LambdaTest, RefusesBadPackagesRolesAndPayloads) {
  const auto zip = host::make_zip({{.name = "other", .content = "x"}});
  const json::object no_bootstrap = {{"FunctionName", "g"},
                                     {"Runtime", "provided.al2023"},
                                     {"Handler", "h"},
                                     {"Role", "arn:aws:iam::000000000000:role/r"},
                                     {"Code", json::object{{"ZipFile", base64_encode(*zip)}}}};
  EXPECT_NE(ask("CreateFunction", no_bootstrap).error().message.find("bootstrap"), std::string::npos);
  json::object no_zip = no_bootstrap;
  no_zip["Code"] = json::object{{"ZipFile", base64_encode("not a zip")}};
  EXPECT_EQ(ask("CreateFunction", no_zip).error().code, "InvalidParameterValueException");
  json::object no_role = no_bootstrap;
  no_role["Role"] = "arn:aws:iam::000000000000:role/missing";
  EXPECT_NE(ask("CreateFunction", no_role).error().message.find("cannot be assumed by Lambda"), std::string::npos);
  ASSERT_TRUE(create("def handle(event, context): pass\n"));
  EXPECT_EQ(invoke("{").error().code, "InvalidRequestContentException");
  EXPECT_EQ(create("x").error().code, "ResourceConflictException");
}

task<Result<void>> push(Functions& functions, std::string principal, std::string source) {
  const std::string arn = Place{}.arn("lambda", "function:f");
  co_return co_await functions.invoke_async(arn, "{}", principal, source);
}

task<void> wait_for_letter(Letters& letters) {
  for (int i = 0; i < 2000 && letters.bodies.empty(); ++i) co_await pause(5ms);
}

TEST_F(LambdaTest, AServiceNeedsPermissionAndAFailureEndsInTheDeadLetters) {
  ASSERT_TRUE(create("def handle(event, context): raise ValueError('no')\n"));
  EXPECT_EQ(run(push(functions, "events.amazonaws.com", "arn:aws:events:r:a:rule/x"), io).error().code,
            "NO_PERMISSIONS");
  ASSERT_TRUE(ask("AddPermission", {{"FunctionName", "f"},
                                    {"StatementId", "s"},
                                    {"Action", "lambda:InvokeFunction"},
                                    {"Principal", "events.amazonaws.com"},
                                    {"SourceArn", "arn:aws:events:r:a:rule/*"}}));
  ASSERT_TRUE(ask("PutFunctionEventInvokeConfig", {{"FunctionName", "f"}, {"MaximumRetryAttempts", 0}}));
  ASSERT_TRUE(ask("UpdateFunctionConfiguration",
                  {{"FunctionName", "f"}, {"DeadLetterConfig", json::object{{"TargetArn", "arn:aws:sqs:r:a:q"}}}}));
  ASSERT_TRUE(run(push(functions, "events.amazonaws.com", "arn:aws:events:r:a:rule/x"), io));
  run(wait_for_letter(letters), io);
  EXPECT_EQ(letters.bodies, std::vector<std::string>{"{}"});
}

TEST(Invocation, RetriesAfterOneAndTwoMinutesThenGivesUp) {
  EXPECT_EQ(retry_after_error(1, 2), Duration(1min));
  EXPECT_EQ(retry_after_error(2, 2), Duration(2min));
  EXPECT_EQ(retry_after_error(3, 2), std::nullopt);
  EXPECT_EQ(retry_after_throttle(0), Duration(1s));
  EXPECT_EQ(retry_after_throttle(50), Duration(5min));
}

TEST(Invocation, NamesComeFromArnsAndPartialArns) {
  EXPECT_EQ(function_name("f"), "f");
  EXPECT_EQ(function_name("arn:aws:lambda:us-east-1:000000000000:function:f"), "f");
  EXPECT_EQ(function_name("arn:aws:lambda:us-east-1:000000000000:function:f:$LATEST"), "f");
  EXPECT_EQ(function_name("000000000000:function:f"), "f");
}

TEST(Invocation, ErrorTypesAreNormalised) {
  EXPECT_EQ(checked_error_type("Function.Whatever"), "Function.Whatever");
  EXPECT_EQ(checked_error_type("Function.bad type"), "Function.Unknown");
  EXPECT_EQ(checked_error_type("x"), "Runtime.Unknown");
}

}  // namespace
}  // namespace slipway::lambda
