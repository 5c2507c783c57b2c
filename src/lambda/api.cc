#include "lambda/api.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/digest.h"
#include "base/log.h"
#include "base/text.h"

namespace slipway::lambda {
namespace {

using wire::Answer;
using wire::Call;

constexpr std::size_t kSyncPayloadMax = 6 * 1024 * 1024;
constexpr std::size_t kAsyncPayloadMax = 1024 * 1024;
constexpr long long kZipBytesMax = 50 * 1024 * 1024;

std::unexpected<Error> invalid(std::string message) {
  return fail(Fault::invalid, "InvalidParameterValueException", std::move(message));
}

std::string name_of(const json::object& input) {
  return function_name(get_string(input, "FunctionName"));
}

std::unexpected<Error> no_function(const Call& call) {
  return fail(Fault::not_found, "ResourceNotFoundException",
              "Function not found: " + call.place.arn("lambda", "function:" + name_of(call.input)));
}

Answer answer_of(json::object output, int status = 200) {
  Answer answer;
  answer.output = std::move(output);
  answer.status = status;
  return answer;
}

// "2026-11-23T17:24:23.123+0000", as Lambda writes it.
std::string lambda_time(Instant at) {
  std::string text = iso_millis(at);
  text.back() = '+';
  return text + "0000";
}

// Members that CreateFunction and UpdateFunctionConfiguration share.
std::vector<wire::Member> configuration_members() {
  using namespace wire;
  return {
      optional("Runtime", text(1, 64)),
      optional("Handler", text(0, 128, "[^\\s]*")),
      optional("Role", text(20, 2048)),
      optional("Description", text(0, 256)),
      optional("Timeout", integer(1, 900)),
      optional("MemorySize", integer(128, 10240)),
      optional("Environment", structure({optional("Variables", map(text()))})),
      optional("DeadLetterConfig", structure({optional("TargetArn", text())})),
      refused("Layers", list(text()), "layers are not supported yet"),
      refused("VpcConfig", structure({optional("SubnetIds", list(text())), optional("SecurityGroupIds", list(text()))}),
              "functions run on this machine's network", R"({"SubnetIds":[],"SecurityGroupIds":[]})"),
      refused("FileSystemConfigs", list(document()), "file systems are not supported"),
      refused("ImageConfig", document(), "image packages are not supported yet"),
      refused("KMSKeyArn", text(), "encryption by key is not supported"),
      ignored("TracingConfig", structure({optional("Mode", one_of({"PassThrough", "Active"}))})),
      ignored("EphemeralStorage", structure({optional("Size", integer(512, 10240))})),
      ignored("LoggingConfig", document()),
      refused("SnapStart", structure({optional("ApplyOn", text())}), "SnapStart is not supported",
              R"({"ApplyOn":"None"})")};
}

class Api {
 public:
  explicit Api(Functions& functions) : functions_(functions) {}

  task<Result<Answer>> create(Call call) {
    const json::object input = call.input;
    const std::string name = name_of(input);
    if (get_function(functions_.db().read(), name))
      co_return fail(Fault::conflict, "ResourceConflictException", "Function already exist: " + name);
    if (auto good = check(input, true); !good) co_return fail(good);
    const std::string zip = get_string(get_object(input, "Code"), "ZipFile");
    auto folder = co_await functions_.store_code(name, zip, get_string(input, "Runtime"));
    if (!folder) co_return fail(folder);
    Function function{.name = name, .code_folder = *folder};
    function.tags = get_object(input, "Tags");
    function.configuration = {
        {"FunctionName", name},
        {"FunctionArn", call.place.arn("lambda", "function:" + name)},
        {"Handler", ""},
        {"Description", ""},
        {"Timeout", 3},
        {"MemorySize", 128},
        {"Version", "$LATEST"},
        {"TracingConfig", json::object{{"Mode", "PassThrough"}}},
        {"State", "Active"},
        {"LastUpdateStatus", "Successful"},
        {"PackageType", "Zip"},
        {"Architectures", json::array{"x86_64"}},
        {"EphemeralStorage", json::object{{"Size", 512}}},
        {"SnapStart", json::object{{"ApplyOn", "None"}, {"OptimizationStatus", "Off"}}},
        {"LoggingConfig", json::object{{"LogFormat", "Text"}, {"LogGroup", "/aws/lambda/" + name}}}};
    configure(function, input, zip, call.now);
    auto put = [function](database::Transaction& tx) -> Result<void> {
      if (get_function(tx, function.name))
        return fail(Fault::conflict, "ResourceConflictException", "Function already exist: " + function.name);
      put_function(tx, function);
      return {};
    };
    auto done = co_await functions_.db().write(put);
    if (!done) co_return fail(done);
    Answer answer = answer_of(function.configuration, 201);
    note_interpreter(function, answer);
    co_return answer;
  }

  task<Result<Answer>> get(Call call) {
    const auto function = get_function(functions_.db().read(), name_of(call.input));
    if (!function) co_return no_function(call);
    json::object out = {{"Configuration", function->configuration},
                        {"Code", json::object{{"RepositoryType", "S3"}}},
                        {"Tags", function->tags}};
    if (function->reserved_concurrency >= 0)
      out["Concurrency"] = json::object{{"ReservedConcurrentExecutions", function->reserved_concurrency}};
    co_return answer_of(out);
  }

  task<Result<Answer>> get_configuration(Call call) {
    const auto function = get_function(functions_.db().read(), name_of(call.input));
    if (!function) co_return no_function(call);
    co_return answer_of(function->configuration);
  }

  task<Result<Answer>> list_all(Call) {
    json::array all;
    for (const Function& function : list_functions(functions_.db().read())) all.push_back(function.configuration);
    co_return answer_of({{"Functions", all}});
  }

  task<Result<Answer>> list_versions(Call call) {
    const auto function = get_function(functions_.db().read(), name_of(call.input));
    if (!function) co_return no_function(call);
    co_return answer_of({{"Versions", json::array{function->configuration}}});
  }

  task<Result<Answer>> update_code(Call call) {
    const std::string name = name_of(call.input);
    const auto function = get_function(functions_.db().read(), name);
    if (!function) co_return no_function(call);
    const std::string zip = get_string(call.input, "ZipFile");
    if (zip.empty()) co_return invalid("Please provide a source for function code.");
    auto folder = co_await functions_.store_code(name, zip, get_string(function->configuration, "Runtime"));
    if (!folder) co_return fail(folder);
    const std::string code_folder = *folder;
    const Instant now = call.now;
    co_return co_await edit(call, [this, zip, code_folder, now](Function& own) {
      own.code_folder = code_folder;
      configure(own, {}, zip, now);
    });
  }

  task<Result<Answer>> update_configuration(Call call) {
    const json::object input = call.input;
    if (auto good = check(input, false); !good) co_return fail(good);
    const Instant now = call.now;
    co_return co_await edit(call, [this, input, now](Function& own) { configure(own, input, "", now); });
  }

  task<Result<Answer>> remove(Call call) {
    const std::string name = name_of(call.input);
    auto erase = [name](database::Transaction& tx) {
      const bool known = get_function(tx, name).has_value();
      erase_function(tx, name);
      return known;
    };
    const bool known = co_await functions_.db().write(erase);
    if (!known) co_return no_function(call);
    functions_.forget_environments(name);
    co_return answer_of({}, 204);
  }

  task<Result<Answer>> invoke(Call call) {
    const std::string name = name_of(call.input);
    const std::string type = get_string(call.input, "InvocationType", "RequestResponse");
    std::string payload = get_string(call.input, "Payload");
    if (payload.empty()) payload = "{}";
    if (!get_function(functions_.db().read(), name)) co_return no_function(call);
    const std::string qualifier = get_string(call.input, "Qualifier", "$LATEST");
    if (qualifier != "$LATEST")
      co_return fail(Fault::not_found, "ResourceNotFoundException", "Function not found: " + name + ":" + qualifier);
    if (auto parsed = parse_json(payload); !parsed)
      co_return fail(Fault::invalid, "InvalidRequestContentException",
                     "Could not parse request body into json: " + parsed.error().message);
    const std::size_t limit = type == "Event" ? kAsyncPayloadMax : kSyncPayloadMax;
    if (payload.size() > limit)
      co_return fail(Fault::invalid, "RequestTooLargeException",
                     fmt::format("Request must be smaller than {} bytes for the {} operation", limit, type));
    if (type == "DryRun") co_return answer_of({}, 204);
    if (type == "Event") {
      auto queued = co_await functions_.enqueue_invocation(name, call.request_id, payload);
      if (!queued) co_return fail(queued);
      co_return answer_of({}, 202);
    }
    auto invoked = co_await functions_.invoke(name, call.request_id, payload);
    if (!invoked) co_return fail(invoked);
    Answer answer;
    answer.payload = invoked->outcome.payload;
    answer.headers.set("X-Amz-Executed-Version", "$LATEST");
    if (!invoked->outcome.function_error.empty())
      answer.headers.set("X-Amz-Function-Error", invoked->outcome.function_error);
    if (get_string(call.input, "LogType") == "Tail")
      answer.headers.set("X-Amz-Log-Result", base64_encode(log_tail(invoked->log)));
    co_return answer;
  }

  // ---- policy ----

  task<Result<Answer>> add_permission(Call call) {
    const json::object input = call.input;
    const std::string id = get_string(input, "StatementId");
    const std::string principal = get_string(input, "Principal");
    json::object who;
    if (principal.ends_with(".amazonaws.com")) {
      who["Service"] = principal;
    } else {
      who["AWS"] = principal;
    }
    json::object statement = {{"Sid", id},
                              {"Effect", "Allow"},
                              {"Principal", principal == "*" ? json::value("*") : json::value(who)},
                              {"Action", get_string(input, "Action")},
                              {"Resource", call.place.arn("lambda", "function:" + name_of(input))}};
    json::object condition;
    if (has(input, "SourceArn")) condition["ArnLike"] = json::object{{"AWS:SourceArn", get_string(input, "SourceArn")}};
    if (has(input, "SourceAccount"))
      condition["StringEquals"] = json::object{{"AWS:SourceAccount", get_string(input, "SourceAccount")}};
    if (!condition.empty()) statement["Condition"] = condition;
    const std::string name = name_of(input);
    auto add = [name, id, statement](database::Transaction& tx) -> Result<void> {
      auto function = get_function(tx, name);
      if (!function) return fail(Fault::not_found, "ResourceNotFoundException", "Function not found: " + name);
      for (const json::value& known : function->policy) {
        if (get_string(known.as_object(), "Sid") == id)
          return fail(Fault::conflict, "ResourceConflictException",
                      fmt::format("The statement id ({}) provided already exists. Please provide a new statement id, "
                                  "or remove the existing statement.",
                                  id));
      }
      function->policy.push_back(statement);
      put_function(tx, *function);
      return {};
    };
    auto added = co_await functions_.db().write(add);
    if (!added) co_return fail(added);
    co_return answer_of({{"Statement", json::serialize(statement)}}, 201);
  }

  task<Result<Answer>> get_policy(Call call) {
    const auto function = get_function(functions_.db().read(), name_of(call.input));
    if (!function) co_return no_function(call);
    if (function->policy.empty())
      co_return fail(Fault::not_found, "ResourceNotFoundException", "The resource you requested does not exist.");
    const json::object policy = {{"Version", "2012-10-17"}, {"Id", "default"}, {"Statement", function->policy}};
    co_return answer_of(
        {{"Policy", json::serialize(policy)}, {"RevisionId", get_string(function->configuration, "RevisionId")}});
  }

  task<Result<Answer>> remove_permission(Call call) {
    const std::string name = name_of(call.input);
    const std::string id = get_string(call.input, "StatementId");
    auto drop = [name, id](database::Transaction& tx) -> Result<void> {
      auto function = get_function(tx, name);
      if (!function) return fail(Fault::not_found, "ResourceNotFoundException", "Function not found: " + name);
      json::array kept;
      for (const json::value& statement : function->policy) {
        if (get_string(statement.as_object(), "Sid") != id) kept.push_back(statement);
      }
      if (kept.size() == function->policy.size())
        return fail(Fault::not_found, "ResourceNotFoundException",
                    fmt::format("Statement {} is not found in resource policy.", id));
      function->policy = kept;
      put_function(tx, *function);
      return {};
    };
    auto dropped = co_await functions_.db().write(drop);
    if (!dropped) co_return fail(dropped);
    co_return answer_of({}, 204);
  }

  // ---- concurrency, retries, tags ----

  task<Result<Answer>> put_concurrency(Call call) {
    const long long reserved = get_int(call.input, "ReservedConcurrentExecutions");
    auto edited = co_await edit(call, [reserved](Function& own) { own.reserved_concurrency = reserved; });
    if (!edited) co_return fail(edited);
    co_return answer_of({{"ReservedConcurrentExecutions", reserved}});
  }
  task<Result<Answer>> get_concurrency(Call call) {
    const auto function = get_function(functions_.db().read(), name_of(call.input));
    if (!function) co_return no_function(call);
    json::object out;
    if (function->reserved_concurrency >= 0) out["ReservedConcurrentExecutions"] = function->reserved_concurrency;
    co_return answer_of(out);
  }
  task<Result<Answer>> delete_concurrency(Call call) {
    auto edited = co_await edit(call, [](Function& own) { own.reserved_concurrency = -1; });
    if (!edited) co_return fail(edited);
    co_return answer_of({}, 204);
  }

  task<Result<Answer>> put_event_invoke(Call call) {
    json::object settings;
    for (const char* member : {"MaximumRetryAttempts", "MaximumEventAgeInSeconds"}) {
      if (has(call.input, member)) settings[member] = call.input.at(member);
    }
    auto edited = co_await edit(call, [settings](Function& own) { own.event_invoke = settings; });
    if (!edited) co_return fail(edited);
    co_return event_invoke_answer(call, settings);
  }
  task<Result<Answer>> get_event_invoke(Call call) {
    const auto function = get_function(functions_.db().read(), name_of(call.input));
    if (!function) co_return no_function(call);
    if (function->event_invoke.empty())
      co_return fail(Fault::not_found, "ResourceNotFoundException",
                     fmt::format("The function {} doesn't have an EventInvokeConfig",
                                 get_string(function->configuration, "FunctionArn")));
    co_return event_invoke_answer(call, function->event_invoke);
  }
  task<Result<Answer>> delete_event_invoke(Call call) {
    auto edited = co_await edit(call, [](Function& own) { own.event_invoke = {}; });
    if (!edited) co_return fail(edited);
    co_return answer_of({}, 204);
  }

  task<Result<Answer>> get_code_signing(Call call) {
    if (!get_function(functions_.db().read(), name_of(call.input))) co_return no_function(call);
    co_return answer_of({{"FunctionName", name_of(call.input)}});
  }

  task<Result<Answer>> tag(Call call) {
    const json::object tags = get_object(call.input, "Tags");
    auto edited = co_await edit(call, [tags](Function& own) {
      for (const auto& entry : tags) own.tags[entry.key()] = entry.value();
    });
    if (!edited) co_return fail(edited);
    co_return answer_of({}, 204);
  }
  task<Result<Answer>> list_tags(Call call) {
    const auto function = get_function(functions_.db().read(), name_of(call.input));
    if (!function) co_return no_function(call);
    co_return answer_of({{"Tags", function->tags}});
  }

 private:
  Result<void> check(const json::object& input, bool creating) {
    if (creating && !has(input, "Runtime"))
      return invalid("Runtime and Handler are mandatory parameters for functions created with deployment packages.");
    if (has(input, "Runtime") && runtime_kind(get_string(input, "Runtime")) == RuntimeKind::unknown)
      return invalid(
          fmt::format("The runtime {} is not supported here: provided.al2023, provided.al2 and python3.x are.",
                      get_string(input, "Runtime")));
    if (creating && get_string(get_object(input, "Code"), "ZipFile").empty())
      return invalid("Please provide a source for function code.");
    if (has(input, "Role")) {
      if (auto trusted = functions_.roles().check(get_string(input, "Role")); !trusted)
        return invalid("The role defined for the function cannot be assumed by Lambda. " + trusted.error().message);
    }
    return {};
  }

  void configure(Function& function, const json::object& input, const std::string& zip, Instant now) {
    json::object& configuration = function.configuration;
    for (const char* member : {"Runtime", "Handler", "Role", "Description", "Timeout", "MemorySize", "DeadLetterConfig",
                               "TracingConfig", "EphemeralStorage"}) {
      if (has(input, member)) configuration[member] = input.at(member);
    }
    if (has(input, "Environment"))
      configuration["Environment"] =
          json::object{{"Variables", get_object(get_object(input, "Environment"), "Variables")}};
    if (!zip.empty()) {
      configuration["CodeSize"] = zip.size();
      configuration["CodeSha256"] = base64_encode(sha256(zip));
    }
    configuration["LastModified"] = lambda_time(now);
    configuration["RevisionId"] = functions_.random().uuid();
  }

  // Debian has one Python: say which one runs a function that asked for another.
  static void note_interpreter(const Function& function, Answer& answer) {
    const std::string runtime = get_string(function.configuration, "Runtime");
    if (runtime_kind(runtime) == RuntimeKind::python && runtime != "python3.11")
      answer.warnings.push_back(runtime + " runs on this machine's /usr/bin/python3");
  }

  static Answer event_invoke_answer(const Call& call, json::object settings) {
    settings["FunctionArn"] = call.place.arn("lambda", "function:" + name_of(call.input) + ":$LATEST");
    settings["LastModified"] = epoch_seconds(call.now);
    settings["DestinationConfig"] = json::object{{"OnSuccess", json::object{}}, {"OnFailure", json::object{}}};
    return answer_of(settings);
  }

  task<Result<Answer>> edit(Call call, std::function<void(Function&)> change) {
    const std::string name = function_name(get_string(call.input, "FunctionName", get_string(call.input, "Resource")));
    auto work = [name, change](database::Transaction& tx) -> Result<json::object> {
      auto function = get_function(tx, name);
      if (!function) return fail(Fault::not_found, "ResourceNotFoundException", "Function not found: " + name);
      change(*function);
      put_function(tx, *function);
      return function->configuration;
    };
    auto changed = co_await functions_.db().write(work);
    if (!changed) co_return fail(changed);
    functions_.forget_environments(name);
    co_return answer_of(*changed);
  }

  Functions& functions_;
};

using Method = task<Result<Answer>> (Api::*)(Call);

}  // namespace

wire::Service service(Functions& functions) {
  using namespace wire;
  auto api = std::make_shared<Api>(functions);
  Service out;
  out.name = "lambda";
  out.protocols = {Protocol::rest_json};
  out.version = "2015-03-31";
  const auto add = [&](const char* name, const char* method, const char* path, std::vector<Member> members,
                       Method handler, const char* action = "") {
    out.operations.push_back({.name = name,
                              .input = structure(std::move(members)),
                              .handler = [api, handler](Call call) { return ((*api).*handler)(std::move(call)); },
                              .method = method,
                              .path = path,
                              .resource =
                                  [](const Call& call) {
                                    const std::string named = name_of(call.input);
                                    return named.empty() ? std::string("*")
                                                         : call.place.arn("lambda", "function:" + named);
                                  },
                              .action = action});
  };
  const Member name = in_path(required("FunctionName", text(1, 170)));
  const std::string functions_path = "/2015-03-31/functions";
  const std::string one = functions_path + "/{FunctionName}";
  auto create = configuration_members();
  create.push_back(required("FunctionName", text(1, 140, "[a-zA-Z0-9-_:]+")));
  create.push_back(
      required("Code", structure({optional("ZipFile", blob(kZipBytesMax)),
                                  refused("S3Bucket", text(), "code comes as a zip in the call; there is no S3 here"),
                                  refused("S3Key", text(), "there is no S3 here"),
                                  refused("ImageUri", text(), "image packages are not supported yet")})));
  create.push_back(optional("Tags", map(text())));
  create.push_back(refused("Publish", boolean(), "versions are not supported yet"));
  create.push_back(refused("PackageType", text(), "only zip packages are supported", "Zip"));
  create.push_back(
      refused("Architectures", list(text()), "functions run on this machine's processor", R"(["x86_64"])"));
  create.push_back(refused("CodeSigningConfigArn", text(), "code signing is not supported"));
  for (Member& member : create) {
    if (member.name == "Role") member.required = true;
  }
  add("CreateFunction", "POST", functions_path.c_str(), create, &Api::create);
  add("ListFunctions", "GET", functions_path.c_str(), {ignored("MaxItems", integer())}, &Api::list_all);
  add("GetFunction", "GET", one.c_str(), {name, in_query(ignored("Qualifier", text()))}, &Api::get);
  add("GetFunctionConfiguration", "GET", (one + "/configuration").c_str(), {name}, &Api::get_configuration);
  add("ListVersionsByFunction", "GET", (one + "/versions").c_str(), {name}, &Api::list_versions);
  add("UpdateFunctionCode", "PUT", (one + "/code").c_str(),
      {name, optional("ZipFile", blob(kZipBytesMax)), refused("S3Bucket", text(), "there is no S3 here"),
       refused("ImageUri", text(), "not supported yet"),
       refused("Publish", boolean(), "versions are not supported yet"),
       refused("DryRun", boolean(), "not supported yet"), ignored("Architectures", list(text())),
       ignored("RevisionId", text())},
      &Api::update_code);
  auto update = configuration_members();
  update.push_back(name);
  update.push_back(ignored("RevisionId", text()));
  add("UpdateFunctionConfiguration", "PUT", (one + "/configuration").c_str(), update, &Api::update_configuration);
  add("DeleteFunction", "DELETE", one.c_str(), {name}, &Api::remove);
  add("Invoke", "POST", (one + "/invocations").c_str(),
      {name, as_payload(optional("Payload", text())),
       in_header(optional("InvocationType", one_of({"RequestResponse", "Event", "DryRun"})), "X-Amz-Invocation-Type"),
       in_header(optional("LogType", one_of({"None", "Tail"})), "X-Amz-Log-Type"),
       in_query(optional("Qualifier", text())),
       in_header(refused("ClientContext", text(), "client contexts are not handed on yet"), "X-Amz-Client-Context")},
      &Api::invoke, "lambda:InvokeFunction");
  add("AddPermission", "POST", (one + "/policy").c_str(),
      {name, required("StatementId", text(1, 100, "[a-zA-Z0-9-_]+")),
       required("Action", text(0, 256, "lambda:[*]|lambda:[a-zA-Z]+|[*]")), required("Principal", text(1)),
       optional("SourceArn", text()), refused("SourceAccount", text(), "use SourceArn"),
       refused("EventSourceToken", text(), "not supported"), ignored("RevisionId", text()),
       refused("PrincipalOrgID", text(), "not supported")},
      &Api::add_permission);
  add("GetPolicy", "GET", (one + "/policy").c_str(), {name}, &Api::get_policy);
  add("RemovePermission", "DELETE", (one + "/policy/{StatementId}").c_str(),
      {name, in_path(required("StatementId", text(1, 100)))}, &Api::remove_permission);
  add("PutFunctionConcurrency", "PUT", "/2017-10-31/functions/{FunctionName}/concurrency",
      {name, required("ReservedConcurrentExecutions", integer(0, 1000))}, &Api::put_concurrency);
  add("GetFunctionConcurrency", "GET", "/2019-09-30/functions/{FunctionName}/concurrency", {name},
      &Api::get_concurrency);
  add("DeleteFunctionConcurrency", "DELETE", "/2017-10-31/functions/{FunctionName}/concurrency", {name},
      &Api::delete_concurrency);
  add("PutFunctionEventInvokeConfig", "PUT", "/2019-09-25/functions/{FunctionName}/event-invoke-config",
      {name, optional("MaximumRetryAttempts", integer(0, 2)), optional("MaximumEventAgeInSeconds", integer(60, 21600)),
       refused("DestinationConfig", structure({optional("OnSuccess", document()), optional("OnFailure", document())}),
               "destinations are not supported yet; use DeadLetterConfig", R"({"OnSuccess":{},"OnFailure":{}})")},
      &Api::put_event_invoke);
  add("GetFunctionEventInvokeConfig", "GET", "/2019-09-25/functions/{FunctionName}/event-invoke-config", {name},
      &Api::get_event_invoke);
  add("DeleteFunctionEventInvokeConfig", "DELETE", "/2019-09-25/functions/{FunctionName}/event-invoke-config", {name},
      &Api::delete_event_invoke);
  add("GetFunctionCodeSigningConfig", "GET", "/2020-06-30/functions/{FunctionName}/code-signing-config", {name},
      &Api::get_code_signing);
  add("TagResource", "POST", "/2017-03-31/tags/{FunctionName}", {name, required("Tags", map(text()))}, &Api::tag);
  add("ListTags", "GET", "/2017-03-31/tags/{FunctionName}", {name}, &Api::list_tags);
  return out;
}

}  // namespace slipway::lambda
