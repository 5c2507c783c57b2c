#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>

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
  std::vector<std::string> queues;
  std::map<std::string, std::pair<std::string, std::string>> attributes;  // Of the last one.
  task<Result<void>> send(std::string queue, std::string body,
                          std::map<std::string, std::pair<std::string, std::string>> given) override {
    queues.push_back(std::move(queue));
    bodies.push_back(std::move(body));
    attributes = std::move(given);
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
  // A function whose bootstrap is the script: what a runtime of somebody's own does.
  Result<wire::Answer> create_bootstrap(const std::string& script) {
    const auto zip = host::make_zip({{.name = "bootstrap", .content = script, .executable = true}});
    return ask("CreateFunction", {{"FunctionName", "f"},
                                  {"Runtime", "provided.al2023"},
                                  {"Handler", "h"},
                                  {"Role", "arn:aws:iam::000000000000:role/r"},
                                  {"Code", json::object{{"ZipFile", base64_encode(*zip)}}}});
  }
  static std::string tail_of(const Result<wire::Answer>& answer) {
    return *base64_decode(answer->headers.get("X-Amz-Log-Result"));
  }
  static std::string error_type(const Result<wire::Answer>& answer) {
    return get_string(parse_json(*answer->payload)->as_object(), "errorType");
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

constexpr const char* kEcho = "def handle(event, context): return event\n";

TEST_F(LambdaTest, LogLinesAreThoseOfLambda) {
  ASSERT_TRUE(create("import sys\nprint('init')\ndef handle(event, context): sys.stdout.write('no end')\n"));
  const std::string tail = tail_of(invoke());
  const auto init = tail.find("INIT_START Runtime Version: python:3.11\ninit\nSTART RequestId: ");
  EXPECT_NE(init, std::string::npos) << tail;
  EXPECT_NE(tail.find(" Version: $LATEST\nno end\nEND RequestId: "), std::string::npos) << tail;
  EXPECT_NE(tail.find("\tInit Duration: "), std::string::npos) << tail;
}

TEST_F(LambdaTest, ATimeOutIsLoggedWithWhatWasWrittenBefore) {
  ASSERT_TRUE(create("import time\ndef handle(e, c):\n  print('working', end='', flush=True)\n  time.sleep(60)\n", 1));
  const auto answer = invoke();
  EXPECT_EQ(answer->headers.get("X-Amz-Function-Error"), "Unhandled");
  EXPECT_EQ(error_type(answer), "Sandbox.Timedout");
  const std::string tail = tail_of(answer);
  EXPECT_NE(tail.find("\nworking\n"), std::string::npos) << tail;
  EXPECT_NE(tail.find(" Task timed out after 1.00 seconds\nEND "), std::string::npos) << tail;
  EXPECT_NE(tail.find("\tStatus: timeout"), std::string::npos) << tail;
}

TEST_F(LambdaTest, LoggersWriteAsOnLambda) {
  ASSERT_TRUE(
      create("import logging\nlog = logging.getLogger()\nlog.setLevel(logging.INFO)\n"
             "def handle(e, c):\n  log.info('seen %s', 'gr\u00fcn')\n  log.debug('no')\n"));
  const auto answer = invoke();
  const std::string tail = tail_of(answer);
  EXPECT_NE(tail.find("[INFO]\t20"), std::string::npos) << tail;
  EXPECT_NE(tail.find("\tseen gr\u00fcn\n"), std::string::npos) << tail;
  EXPECT_EQ(tail.find("[DEBUG]"), std::string::npos) << tail;
}

TEST_F(LambdaTest, AnExceptionHasTheStackOfTheHandlerAlone) {
  ASSERT_TRUE(create("def deep(): raise RuntimeError('a', 'b')\ndef handle(e, c): deep()\n"));
  const auto answer = invoke();
  const json::object error = parse_json(*answer->payload)->as_object();
  EXPECT_EQ(get_string(error, "errorType"), "RuntimeError");
  EXPECT_EQ(get_string(error, "errorMessage"), "('a', 'b')");
  const auto stack = get_strings(error, "stackTrace");
  ASSERT_EQ(stack.size(), 2U);
  EXPECT_NE(stack[1].find("f.py\", line 1, in deep\n    "), std::string::npos) << stack[1];
  const std::string tail = tail_of(answer);
  EXPECT_NE(tail.find("[ERROR] RuntimeError: ('a', 'b')\nTraceback (most recent call last):\n  File "),
            std::string::npos)
      << tail;
}

TEST_F(LambdaTest, ResultsThatAreNoJsonAreSaidSo) {
  ASSERT_TRUE(
      create("import decimal, sys\ndef handle(e, c):\n"
             "  if e['what'] == 'decimal': return {'n': decimal.Decimal('1.5')}\n"
             "  if e['what'] == 'set': return {1}\n"
             "  if e['what'] == 'text': return '\u00fc'\n"
             "  sys.exit(4)\n"));
  EXPECT_EQ(*invoke(R"({"what":"decimal"})")->payload, R"({"n": 1.5})");
  EXPECT_EQ(*invoke(R"({"what":"text"})")->payload, "\"\\u00fc\"");
  const auto set = invoke(R"({"what":"set"})");
  EXPECT_EQ(error_type(set), "Runtime.MarshalError");
  EXPECT_NE(set->payload->find("Unable to marshal response: Object of type set is not JSON serializable"),
            std::string::npos);
  const auto exit = invoke(R"({"what":"exit"})");
  EXPECT_EQ(error_type(exit), "Runtime.ExitError");
  EXPECT_NE(exit->payload->find("Error: Runtime exited with error: exit status 4"), std::string::npos);
  EXPECT_NE(tail_of(exit).find("\tStatus: error\tError Type: Runtime.ExitError"), std::string::npos);
}

TEST_F(LambdaTest, TheContextSaysWhatLambdaSays) {
  ASSERT_TRUE(
      create("import os\ndef handle(e, c):\n"
             "  return [c.function_name, c.function_version, c.memory_limit_in_mb, c.invoked_function_arn,\n"
             "          c.log_group_name, c.client_context.custom['k'], c.client_context.client.app_title,\n"
             "          c.identity.cognito_identity_id, 0 < c.get_remaining_time_in_millis() <= 3000,\n"
             "          os.environ['_X_AMZN_TRACE_ID'].startswith('Root=1-'), os.environ['AWS_EXECUTION_ENV']]\n"));
  const auto answer = ask(
      "Invoke",
      {{"FunctionName", "f"}, {"ClientContext", base64_encode(R"({"custom":{"k":"v"},"client":{"app_title":"t"}})")}});
  EXPECT_EQ(*answer->payload,
            R"(["f", "$LATEST", "128", "arn:aws:lambda:us-east-1:000000000000:function:f", "/aws/lambda/f", "v", "t", )"
            R"(null, true, true, "AWS_Lambda_python3.11"])");
  EXPECT_EQ(ask("Invoke", {{"FunctionName", "f"}, {"ClientContext", "{}"}}).error().code,
            "InvalidRequestContentException");
}

TEST_F(LambdaTest, EachEnvironmentHasItsOwnTmpAndCannotWriteItsCode) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  ASSERT_TRUE(
      create("import os\ndef handle(e, c):\n  open('/tmp/slipway-seen', 'w').write('x')\n"
             "  try: open('mine', 'w')\n  except OSError as error: return error.errno\n"));
  const auto answer = invoke();
  if (std::filesystem::exists("/tmp/slipway-seen")) {
    std::filesystem::remove("/tmp/slipway-seen");
    GTEST_SKIP() << "this machine lets nobody make a mount namespace";
  }
  EXPECT_EQ(*answer->payload, "30");  // EROFS
}

// A runtime that does what it should not, and tells the statuses that it got.
TEST_F(LambdaTest, TheRuntimeApiHoldsARuntimeToItsStates) {
  ASSERT_TRUE(create_bootstrap(R"(#!/usr/bin/python3
import http.client, os
def call(method, path, body=None, headers={}):
    c = http.client.HTTPConnection(os.environ['AWS_LAMBDA_RUNTIME_API'])
    c.request(method, '/2018-06-01/runtime/' + path, body, headers)
    a = c.getresponse()
    a.read()
    return a
while True:
    a = call('GET', 'invocation/next')
    rid = a.headers['Lambda-Runtime-Aws-Request-Id']
    got = [call('POST', 'invocation/wrong/response', '1').status, call('GET', 'invocation/next').status,
           call('POST', 'init/error', '{}').status,
           call('POST', 'invocation/%s/response' % rid, '1', {'Lambda-Runtime-Function-Response-Mode': 'odd'}).status,
           call('POST', 'invocation/%s/response' % rid, iter([b'"a', b'b"']),
                {'Lambda-Runtime-Function-Response-Mode': 'streaming'}).status,
           call('POST', 'invocation/%s/response' % rid, '2').status]
    print(got, flush=True)
)"));
  EXPECT_EQ(*invoke()->payload, "\"ab\"");
  (void)invoke();
  EXPECT_NE(std::ranges::find(logs.lines, "[400, 403, 403, 400, 202, 403]"), logs.lines.end());
}

TEST_F(LambdaTest, AnAnswerThatIsTooLargeIsAFunctionError) {
  ASSERT_TRUE(create("def handle(e, c): return 'x' * e['n']\n"));
  EXPECT_EQ(error_type(invoke(R"({"n":7000000})")), "Function.ResponseSizeTooLarge");
  EXPECT_EQ(*invoke(R"({"n":1})")->payload, "\"x\"");
}

TEST_F(LambdaTest, ABootstrapThatCannotRunIsSaidSo) {
  ASSERT_TRUE(create_bootstrap("no program\n"));
  const auto answer = invoke();
  EXPECT_EQ(error_type(answer), "Runtime.InvalidEntrypoint");
  EXPECT_NE(answer->payload->find("bootstrap: exec format error"), std::string::npos);
  const auto zip = host::make_zip({{.name = "bootstrap", .content = "x", .executable = false}});
  EXPECT_NE(ask("UpdateFunctionCode", {{"FunctionName", "f"}, {"ZipFile", base64_encode(*zip)}})
                .error()
                .message.find("not executable"),
            std::string::npos);
}

// The runtime hangs the first time it starts, as one does whose dependency comes late.
TEST_F(LambdaTest, ARuntimeThatTakesTooLongToStartIsStartedAgainOnce) {
  const auto work = folder / "slow";
  std::filesystem::create_directories(work);
  const std::string script =
      "[ -e seen ] || { touch seen; sleep 60; }\n"
      "exec /usr/bin/python3 -c \"import http.client, os\n"
      "c = http.client.HTTPConnection(os.environ['AWS_LAMBDA_RUNTIME_API'])\n"
      "c.request('GET', '/2018-06-01/runtime/invocation/next')\n"
      "a = c.getresponse()\na.read()\n"
      "rid = a.headers['Lambda-Runtime-Aws-Request-Id']\n"
      "c.request('POST', '/2018-06-01/runtime/invocation/%s/response' % rid, 'late')\nc.getresponse()\"\n";
  TaskGroup group(io.get_executor());
  EnvironmentSpec spec;
  spec.process.argv = {"/bin/sh", "-c", script};
  spec.process.environment = {{"PATH", "/usr/bin:/bin"}};
  spec.process.working_directory = work;
  spec.timeout = 20s;
  spec.init_max = 1s;
  std::vector<std::string> lines;
  spec.log = [&lines](std::string line) { lines.push_back(std::move(line)); };
  const auto environment = std::make_shared<Environment>(io.get_executor(), clock, group, spec);
  ASSERT_TRUE(environment->start());
  auto outcome = run(environment->invoke({.request_id = "id", .payload = "{}"}), io);
  EXPECT_EQ(outcome.payload, "late");
  EXPECT_NE(lines.at(0).find("Phase: init\tStatus: timeout"), std::string::npos);
  environment->close();
  run(group.stop(), io);
}

TEST_F(LambdaTest, WhatAFunctionMaySetIsCheckedInLambdasWords) {
  json::object input = {{"FunctionName", "g"},
                        {"Runtime", "python3.11"},
                        {"Role", "arn:aws:iam::000000000000:role/r"},
                        {"Code", json::object{{"ZipFile", "eA=="}}}};
  EXPECT_EQ(ask("CreateFunction", input).error().message,
            "Runtime and Handler are mandatory parameters for functions created with deployment packages.");
  input["Handler"] = "f.handle";
  const auto with = [&](const char* name, const std::string& value) {
    json::object changed = input;
    changed["Environment"] = json::object{{"Variables", json::object{{name, value}}}};
    return ask("CreateFunction", changed).error();
  };
  EXPECT_NE(with("AWS_REGION", "x").message.find("Reserved keys used in this request: AWS_REGION"), std::string::npos);
  EXPECT_NE(with("LONG", std::string(5000, 'x')).message.find("exceeded the 4KB limit"), std::string::npos);
  EXPECT_EQ(with("1x", "x").code, "ValidationException");
  json::object traced = input;
  traced["TracingConfig"] = json::object{{"Mode", "Active"}};
  EXPECT_EQ(ask("CreateFunction", traced).error().fault, Fault::unsupported);
}

TEST_F(LambdaTest, CodeIsTriedDryAndUnderARevisionThatIsCurrent) {
  ASSERT_TRUE(create(kEcho));
  const auto zip = host::make_zip({{.name = "f.py", .content = "def handle(e, c): return 2\n"}});
  const json::object update = {{"FunctionName", "f"}, {"ZipFile", base64_encode(*zip)}};
  json::object dry = update;
  dry["DryRun"] = true;
  const auto tried = ask("UpdateFunctionCode", dry);
  ASSERT_TRUE(tried);
  EXPECT_EQ(*invoke("1")->payload, "1");
  json::object stale = update;
  stale["RevisionId"] = "old";
  EXPECT_EQ(ask("UpdateFunctionCode", stale).error().code, "PreconditionFailedException");
  const auto done = ask("UpdateFunctionCode", update);
  EXPECT_EQ(done->output.at("CodeSha256"), tried->output.at("CodeSha256"));
  EXPECT_EQ(*invoke("1")->payload, "2");
}

TEST_F(LambdaTest, VersionsStayAsTheyWereAndAliasesPointToThem) {
  ASSERT_TRUE(create("def handle(e, c): return [1, c.function_version, c.invoked_function_arn.split(':')[-1]]\n"));
  EXPECT_EQ(get_string(ask("PublishVersion", {{"FunctionName", "f"}})->output, "Version"), "1");
  EXPECT_EQ(get_string(ask("PublishVersion", {{"FunctionName", "f"}})->output, "Version"), "1");
  const auto zip = host::make_zip({{.name = "f.py", .content = "def handle(e, c): return 2\n"}});
  const auto updated =
      ask("UpdateFunctionCode", {{"FunctionName", "f"}, {"ZipFile", base64_encode(*zip)}, {"Publish", true}});
  EXPECT_EQ(get_string(updated->output, "Version"), "2");
  ASSERT_TRUE(ask("CreateAlias", {{"FunctionName", "f"}, {"Name", "live"}, {"FunctionVersion", "1"}}));
  const auto old = ask("Invoke", {{"FunctionName", "f:live"}});
  EXPECT_EQ(*old->payload, R"([1, "1", "live"])");
  EXPECT_EQ(old->headers.get("X-Amz-Executed-Version"), "1");
  ASSERT_TRUE(ask("UpdateAlias", {{"FunctionName", "f"}, {"Name", "live"}, {"FunctionVersion", "2"}}));
  EXPECT_EQ(*ask("Invoke", {{"FunctionName", "f"}, {"Qualifier", "live"}})->payload, "2");
  EXPECT_EQ(ask("DeleteFunction", {{"FunctionName", "f"}, {"Qualifier", "2"}}).error().code,
            "ResourceConflictException");
  EXPECT_EQ(get_array(ask("ListVersionsByFunction", {{"FunctionName", "f"}})->output, "Versions").size(), 3U);
  EXPECT_EQ(ask("Invoke", {{"FunctionName", "f:nope"}}).error().message,
            "Function not found: arn:aws:lambda:us-east-1:000000000000:function:f:nope");
  EXPECT_EQ(ask("CreateAlias", {{"FunctionName", "f"}, {"Name", "x"}, {"FunctionVersion", "9"}}).error().code,
            "ResourceNotFoundException");
}

TEST_F(LambdaTest, FunctionsAreListedInPagesAndNotFoundElsewhere) {
  ASSERT_TRUE(create(kEcho));
  const auto first = ask("ListFunctions", {{"FunctionVersion", "ALL"}, {"MaxItems", 1}});
  EXPECT_EQ(get_array(first->output, "Functions").size(), 1U);
  EXPECT_FALSE(first->output.contains("NextMarker"));
  EXPECT_TRUE(get_array(ask("ListFunctions", {{"Marker", "1"}})->output, "Functions").empty());
  EXPECT_EQ(ask("GetFunction", {{"FunctionName", "arn:aws:lambda:us-east-1:111111111111:function:f"}}).error().code,
            "ResourceNotFoundException");
}

TEST_F(LambdaTest, TagsGoAndDestinationsAreRemembered) {
  ASSERT_TRUE(create(kEcho));
  const std::string arn = "arn:aws:lambda:us-east-1:000000000000:function:f";
  ASSERT_TRUE(ask("TagResource", {{"Resource", arn}, {"Tags", json::object{{"a", "1"}, {"b", "2"}}}}));
  ASSERT_TRUE(ask("UntagResource", {{"Resource", arn}, {"TagKeys", json::array{"a"}}}));
  EXPECT_EQ(get_object(ask("ListTags", {{"Resource", arn}})->output, "Tags"), (json::object{{"b", "2"}}));
  const json::object nowhere = {{"OnFailure", {{"Destination", "arn:aws:s3:::bucket"}}}};
  EXPECT_EQ(ask("PutFunctionEventInvokeConfig", {{"FunctionName", "f"}, {"DestinationConfig", nowhere}}).error().code,
            "InvalidParameterValueException");
  ASSERT_TRUE(ask("PutFunctionEventInvokeConfig", {{"FunctionName", "f"}, {"MaximumRetryAttempts", 0}}));
  ASSERT_TRUE(ask("UpdateFunctionEventInvokeConfig", {{"FunctionName", "f"}, {"MaximumEventAgeInSeconds", 60}}));
  const auto kept = ask("GetFunctionEventInvokeConfig", {{"FunctionName", "f"}})->output;
  EXPECT_EQ(get_int(kept, "MaximumRetryAttempts", 9), 0);
  EXPECT_EQ(get_int(kept, "MaximumEventAgeInSeconds"), 60);
}

TEST_F(LambdaTest, ADestinationHearsOfSuccessAndFailure) {
  ASSERT_TRUE(create("def handle(e, c):\n  if e['bad']: raise ValueError('no')\n  return 'good'\n"));
  const json::object destinations = {{"OnSuccess", {{"Destination", "arn:aws:sqs:us-east-1:000000000000:yes"}}},
                                     {"OnFailure", {{"Destination", "arn:aws:sqs:us-east-1:000000000000:no"}}}};
  ASSERT_TRUE(ask("PutFunctionEventInvokeConfig",
                  {{"FunctionName", "f"}, {"MaximumRetryAttempts", 0}, {"DestinationConfig", destinations}}));
  ASSERT_TRUE(ask("Invoke", {{"FunctionName", "f"}, {"InvocationType", "Event"}, {"Payload", R"({"bad":true})"}}));
  run(wait_for_letter(letters), io);
  ASSERT_EQ(letters.queues, std::vector<std::string>{"arn:aws:sqs:us-east-1:000000000000:no"});
  const json::object record = parse_json(letters.bodies.at(0))->as_object();
  EXPECT_EQ(get_string(get_object(record, "requestContext"), "condition"), "RetriesExhausted");
  EXPECT_EQ(get_string(get_object(record, "responsePayload"), "errorType"), "ValueError");
  EXPECT_EQ(get_object(record, "requestPayload"), (json::object{{"bad", true}}));
  letters.bodies.clear();
  ASSERT_TRUE(ask("Invoke", {{"FunctionName", "f"}, {"InvocationType", "Event"}, {"Payload", R"({"bad":false})"}}));
  run(wait_for_letter(letters), io);
  EXPECT_EQ(get_string(parse_json(letters.bodies.at(0))->as_object(), "responsePayload"), "good");
}

TEST_F(LambdaTest, AFunctionThatMayNotRunGivesItsEventsToTheDeadLettersAtOnce) {
  ASSERT_TRUE(create(kEcho));
  ASSERT_TRUE(ask("UpdateFunctionConfiguration",
                  {{"FunctionName", "f"}, {"DeadLetterConfig", json::object{{"TargetArn", "arn:aws:sqs:r:a:q"}}}}));
  ASSERT_TRUE(ask("PutFunctionConcurrency", {{"FunctionName", "f"}, {"ReservedConcurrentExecutions", 0}}));
  EXPECT_EQ(invoke().error().code, "TooManyRequestsException");
  ASSERT_TRUE(ask("Invoke", {{"FunctionName", "f"}, {"InvocationType", "Event"}, {"Payload", "7"}}));
  run(wait_for_letter(letters), io);
  EXPECT_EQ(letters.bodies, std::vector<std::string>{"7"});
  EXPECT_EQ(letters.attributes.at("ErrorCode").second, "429");
}

// As after `kill -9`: the entries are there, and nobody works on them.
TEST_F(LambdaTest, WhatWasQueuedBeforeTheDaemonDiedRunsAndWhatIsTooOldIsGivenUp) {
  ASSERT_TRUE(create("def handle(e, c): raise ValueError(e)\n"));
  ASSERT_TRUE(ask("PutFunctionEventInvokeConfig",
                  {{"FunctionName", "f"}, {"MaximumRetryAttempts", 0}, {"MaximumEventAgeInSeconds", 60}}));
  ASSERT_TRUE(ask("UpdateFunctionConfiguration",
                  {{"FunctionName", "f"}, {"DeadLetterConfig", json::object{{"TargetArn", "arn:aws:sqs:r:a:q"}}}}));
  run(functions.stop(), io);
  const Instant now = clock.now();
  auto put = [now](database::Transaction& tx) {
    enqueue(tx, {.function = "f", .request_id = "old", .payload = "1", .next_at = now, .received_at = now - 61s});
    enqueue(tx, {.function = "f", .request_id = "young", .payload = "2", .next_at = now, .received_at = now - 1s});
  };
  run(db.write(put), io);
  Functions again{io.get_executor(),    db,   pool,  clock,  random, Place{}, folder,
                  "http://127.0.0.1:1", logs, roles, letters};
  ASSERT_TRUE(again.start());
  const auto both = [](Letters& to) -> task<void> {
    for (int i = 0; i < 2000 && to.bodies.size() < 2; ++i) co_await pause(5ms);
  };
  run(both(letters), io);
  EXPECT_EQ(letters.bodies, (std::vector<std::string>{"1", "2"}));
  EXPECT_EQ(letters.attributes.at("RequestID").second, "young");
  run(again.stop(), io);
}

TEST_F(LambdaTest, AFunctionWithoutRoomDoesNotHoldUpAnother) {
  ASSERT_TRUE(create("import time\ndef handle(e, c): time.sleep(2)\n"));
  ASSERT_TRUE(ask("PutFunctionConcurrency", {{"FunctionName", "f"}, {"ReservedConcurrentExecutions", 1}}));
  const auto zip = host::make_zip({{.name = "f.py", .content = "def handle(e, c): raise ValueError('g')\n"}});
  ASSERT_TRUE(ask("CreateFunction", {{"FunctionName", "g"},
                                     {"Runtime", "python3.11"},
                                     {"Handler", "f.handle"},
                                     {"Role", "arn:aws:iam::000000000000:role/r"},
                                     {"DeadLetterConfig", json::object{{"TargetArn", "arn:aws:sqs:r:a:q"}}},
                                     {"Code", json::object{{"ZipFile", base64_encode(*zip)}}}}));
  ASSERT_TRUE(ask("PutFunctionEventInvokeConfig", {{"FunctionName", "g"}, {"MaximumRetryAttempts", 0}}));
  for (int i = 0; i < 150; ++i)
    ASSERT_TRUE(ask("Invoke", {{"FunctionName", "f"}, {"InvocationType", "Event"}, {"Payload", "{}"}}));
  const Instant began = clock.now();
  ASSERT_TRUE(ask("Invoke", {{"FunctionName", "g"}, {"InvocationType", "Event"}, {"Payload", "{}"}}));
  run(wait_for_letter(letters), io);
  EXPECT_EQ(letters.bodies.size(), 1U);
  EXPECT_LT(clock.now() - began, Duration(10s));
}

TEST(Permits, AsksForPrincipalActionResourceAndSource) {
  const std::string function = "arn:aws:lambda:r:a:function:f";
  const auto with = [&](json::object changes) {
    json::object statement = {{"Principal", {{"Service", "events.amazonaws.com"}}},
                              {"Action", "lambda:InvokeFunction"},
                              {"Resource", function},
                              {"Condition", {{"ArnLike", {{"AWS:SourceArn", "arn:aws:events:r:a:rule/*"}}}}}};
    for (const auto& change : changes) statement[change.key()] = change.value();
    return permits({statement}, "events.amazonaws.com", "arn:aws:events:r:a:rule/x", function);
  };
  EXPECT_TRUE(with({}));
  EXPECT_TRUE(with({{"Principal", "*"}}));
  EXPECT_FALSE(with({{"Principal", {{"AWS", "events.amazonaws.com"}}}}));
  EXPECT_FALSE(with({{"Action", "lambda:GetFunction"}}));
  EXPECT_FALSE(with({{"Resource", function + ":live"}}));
  EXPECT_FALSE(with({{"Condition", {{"StringEquals", {{"AWS:SourceAccount", "1"}}}}}}));
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
  EXPECT_EQ(function_name("f:live"), "f");
  EXPECT_EQ(parse_reference("f:live").qualifier, "live");
  EXPECT_EQ(parse_reference("000000000000:function:f:2").account, "000000000000");
  EXPECT_EQ(parse_reference("arn:aws:lambda:us-east-1:000000000000:function:f").region, "us-east-1");
}

TEST(Invocation, ErrorTypesAreNormalised) {
  EXPECT_EQ(checked_error_type("Function.Whatever"), "Function.Whatever");
  EXPECT_EQ(checked_error_type("Function.bad type"), "Function.Unknown");
  EXPECT_EQ(checked_error_type("x"), "Runtime.Unknown");
}

}  // namespace
}  // namespace slipway::lambda
