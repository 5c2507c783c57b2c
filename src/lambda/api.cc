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
constexpr std::size_t kClientContextMax = 3583;  // In base64.
constexpr long long kPageMax = 50;               // Functions or versions in one answer.
constexpr long long kConcurrencyReservable = 900;
constexpr std::size_t kNameMax = 64;

std::unexpected<Error> invalid(std::string message) {
  return fail(Fault::invalid, "InvalidParameterValueException", std::move(message));
}

std::string given_name(const json::object& input) {
  return get_string(input, "FunctionName", get_string(input, "Resource"));
}

std::string name_of(const json::object& input) {
  return function_name(given_name(input));
}

// What a call means: the name, and the qualifier from the name or beside it.
struct Named {
  std::string name;
  std::string qualifier;  // Empty: none was named.
};

std::string arn_of(const Call& call, const Named& named) {
  return call.place.arn("lambda", "function:" + named.name + (named.qualifier.empty() ? "" : ":" + named.qualifier));
}

std::unexpected<Error> not_found(const Call& call, const Named& named) {
  return fail(Fault::not_found, "ResourceNotFoundException", "Function not found: " + arn_of(call, named));
}

Result<Named> named_by(const Call& call) {
  const std::string given = given_name(call.input);
  const Reference reference = parse_reference(given);
  const std::string beside = get_string(call.input, "Qualifier");
  if (!beside.empty() && !reference.qualifier.empty() && beside != reference.qualifier)
    return invalid("The derived qualifier from the function name does not match the specified qualifier.");
  Named named{.name = reference.name, .qualifier = beside.empty() ? reference.qualifier : beside};
  const bool elsewhere = (!reference.account.empty() && reference.account != call.place.account) ||
                         (!reference.region.empty() && reference.region != call.place.region);
  if (elsewhere) return fail(Fault::not_found, "ResourceNotFoundException", "Function not found: " + given);
  return named;
}

bool is_number(const std::string& text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
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
      optional("TracingConfig", structure({refused("Mode", one_of({"PassThrough", "Active"}), "there is no X-Ray here",
                                                   "PassThrough")})),
      warned("EphemeralStorage", structure({optional("Size", integer(512, 10240))}),
             "/tmp is as large as the disk of this machine"),
      optional("LoggingConfig",
               structure({refused("LogFormat", one_of({"JSON", "Text"}), "logs are written as text", "Text"),
                          optional("LogGroup", text(1, 512, "[\\.\\-_/#A-Za-z0-9]+")),
                          refused("ApplicationLogLevel", text(), "it needs the log format JSON"),
                          refused("SystemLogLevel", text(), "it needs the log format JSON")})),
      refused("SnapStart", structure({optional("ApplyOn", text())}), "SnapStart is not supported",
              R"({"ApplyOn":"None"})")};
}

class Api {
 public:
  explicit Api(Functions& functions) : functions_(functions) {}

  task<Result<Answer>> create(Call call) {
    const json::object input = call.input;
    const std::string name = name_of(input);
    if (name.size() > kNameMax)
      co_return fail(Fault::invalid, "ValidationException",
                     fmt::format("1 validation error detected: Value '{}' at 'functionName' failed to satisfy "
                                 "constraint: Member must have length less than or equal to {}",
                                 name, kNameMax));
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
    const bool publish = get_bool(input, "Publish");
    const std::string revision = functions_.random().uuid();
    auto put = [function, publish, revision, call](database::Transaction& tx) mutable -> Result<json::object> {
      if (get_function(tx, function.name))
        return fail(Fault::conflict, "ResourceConflictException", "Function already exist: " + function.name);
      json::object shown = function.configuration;
      if (publish) shown = publish_version(tx, function, call, revision);
      put_function(tx, function);
      return shown;
    };
    auto done = co_await functions_.db().write(put);
    if (!done) co_return fail(done);
    Answer answer = answer_of(*done, 201);
    note_interpreter(get_string(function.configuration, "Runtime"), answer);
    co_return answer;
  }

  task<Result<Answer>> get(Call call) {
    const auto found = find_function(call);
    if (!found) co_return fail(found);
    json::object out = {{"Configuration", found->function.configuration},
                        {"Code", json::object{{"RepositoryType", "S3"}}},
                        {"Tags", found->function.tags}};
    if (found->function.reserved_concurrency >= 0)
      out["Concurrency"] = json::object{{"ReservedConcurrentExecutions", found->function.reserved_concurrency}};
    co_return answer_of(out);
  }

  task<Result<Answer>> get_configuration(Call call) {
    const auto found = find_function(call);
    if (!found) co_return fail(found);
    co_return answer_of(found->function.configuration);
  }

  task<Result<Answer>> list_all(Call call) {
    auto& db = functions_.db().read();
    json::array all;
    for (const Function& function : list_functions(db)) {
      if (get_string(call.input, "FunctionVersion") == "ALL") {
        for (const json::value& version : all_versions(db, function, call)) all.push_back(version);
      } else {
        all.push_back(function.configuration);
      }
    }
    co_return page_of(all, call.input, "Functions");
  }

  task<Result<Answer>> list_versions_of(Call call) {
    const auto found = find_function(call);
    if (!found) co_return fail(found);
    const auto function = get_function(functions_.db().read(), found->named.name);
    co_return page_of(all_versions(functions_.db().read(), *function, call), call.input, "Versions");
  }

  // ---- versions and aliases ----

  task<Result<Answer>> publish(Call call) {
    const std::string revision = functions_.random().uuid();
    auto work = [call, revision](database::Transaction& tx) -> Result<json::object> {
      const std::string name = name_of(call.input);
      auto function = get_function(tx, name);
      if (!function) return not_found(call, {.name = name, .qualifier = {}});
      if (auto same = check_revision(*function, call.input); !same) return fail(same);
      const std::string own = get_string(function->configuration, "CodeSha256");
      const std::string wanted = get_string(call.input, "CodeSha256");
      if (!wanted.empty() && wanted != own)
        return invalid(
            fmt::format("CodeSHA256 ({}) is different from current CodeSHA256 in $LATEST ({}). Please try "
                        "again with the CodeSHA256 in $LATEST.",
                        wanted, own));
      json::object shown = publish_version(tx, *function, call, revision);
      put_function(tx, *function);
      return shown;
    };
    auto published = co_await functions_.db().write(work);
    if (!published) co_return fail(published);
    co_return answer_of(*published, 201);
  }

  task<Result<Answer>> put_alias(Call call) {
    const bool creating = call.operation == "CreateAlias";
    const std::string revision = functions_.random().uuid();
    auto work = [call, revision, creating](database::Transaction& tx) -> Result<json::object> {
      const std::string name = name_of(call.input);
      const std::string alias = get_string(call.input, "Name");
      auto function = get_function(tx, name);
      if (!function) return not_found(call, {.name = name, .qualifier = {}});
      const Named named{.name = name, .qualifier = alias};
      const bool known = function->aliases.contains(alias);
      if (creating && known)
        return fail(Fault::conflict, "ResourceConflictException", "Alias already exists: " + arn_of(call, named));
      if (!creating && !known) return no_alias(call, named);
      json::object own = get_object(function->aliases, alias);
      if (auto same = check_revision(own, call.input); !same) return fail(same);
      for (const char* member : {"FunctionVersion", "Description"}) {
        if (has(call.input, member)) own[member] = call.input.at(member);
      }
      const std::string version = get_string(own, "FunctionVersion");
      if (version != "$LATEST" && (!is_number(version) || !get_qualified(tx, name, version)))
        return not_found(call, {.name = name, .qualifier = version});
      own["RevisionId"] = revision;
      function->aliases[alias] = own;
      put_function(tx, *function);
      return alias_answer(call, named, own);
    };
    auto put = co_await functions_.db().write(work);
    if (!put) co_return fail(put);
    co_return answer_of(*put, creating ? 201 : 200);
  }

  task<Result<Answer>> get_alias(Call call) {
    const Named named{.name = name_of(call.input), .qualifier = get_string(call.input, "Name")};
    const auto function = get_function(functions_.db().read(), named.name);
    if (!function) co_return not_found(call, {.name = named.name, .qualifier = {}});
    if (!function->aliases.contains(named.qualifier)) co_return no_alias(call, named);
    co_return answer_of(alias_answer(call, named, get_object(function->aliases, named.qualifier)));
  }

  task<Result<Answer>> list_aliases(Call call) {
    const Named named{.name = name_of(call.input), .qualifier = {}};
    const auto function = get_function(functions_.db().read(), named.name);
    if (!function) co_return not_found(call, named);
    const std::string wanted = get_string(call.input, "FunctionVersion");
    json::array all;
    for (const auto& entry : function->aliases) {
      const json::object& alias = entry.value().as_object();
      if (!wanted.empty() && get_string(alias, "FunctionVersion") != wanted) continue;
      all.push_back(alias_answer(call, {.name = named.name, .qualifier = std::string(entry.key())}, alias));
    }
    co_return page_of(all, call.input, "Aliases");
  }

  task<Result<Answer>> delete_alias(Call call) {
    const std::string alias = get_string(call.input, "Name");
    auto edited = co_await edit(call, [alias](Function& own) { own.aliases.erase(alias); });
    if (!edited) co_return fail(edited);
    co_return answer_of({}, 204);
  }

  task<Result<Answer>> update_code(Call call) {
    const std::string name = name_of(call.input);
    const auto function = get_function(functions_.db().read(), name);
    if (!function) co_return not_found(call, {.name = name, .qualifier = {}});
    if (auto same = check_revision(*function, call.input); !same) co_return fail(same);
    const std::string zip = get_string(call.input, "ZipFile");
    if (zip.empty()) co_return invalid("Please provide a source for function code.");
    auto folder = co_await functions_.store_code(name, zip, get_string(function->configuration, "Runtime"));
    if (!folder) co_return fail(folder);
    const std::string code_folder = *folder;
    const Instant now = call.now;
    if (get_bool(call.input, "DryRun")) {
      // What the answer would be; nothing is kept, and the unused folder is removed later.
      Function own = *function;
      configure(own, {}, zip, now);
      own.configuration["RevisionId"] = get_string(function->configuration, "RevisionId");
      co_return answer_of(own.configuration);
    }
    const auto change = [this, zip, code_folder, now](Function& own) {
      own.code_folder = code_folder;
      configure(own, {}, zip, now);
    };
    auto edited = co_await edit(call, change);
    if (!edited || !get_bool(call.input, "Publish")) co_return edited;
    json::object again = {{"FunctionName", name}};
    call.input = std::move(again);
    auto published = co_await publish(call);
    if (published) published->status = 200;
    co_return published;
  }

  task<Result<Answer>> update_configuration(Call call) {
    const json::object input = call.input;
    if (auto good = check(input, false); !good) co_return fail(good);
    const Instant now = call.now;
    auto edited = co_await edit(call, [this, input, now](Function& own) { configure(own, input, "", now); });
    if (edited) note_interpreter(get_string(edited->output, "Runtime"), *edited);
    co_return edited;
  }

  task<Result<Answer>> remove(Call call) {
    const auto named = named_by(call);
    if (!named) co_return fail(named);
    auto erase = [call, named = *named](database::Transaction& tx) -> Result<void> {
      const auto function = get_function(tx, named.name);
      if (!function) return not_found(call, named);
      if (named.qualifier.empty()) {
        erase_function(tx, named.name);
        return {};
      }
      if (named.qualifier == "$LATEST")
        return invalid("$LATEST version cannot be deleted without deleting the function.");
      if (!is_number(named.qualifier) || !get_qualified(tx, named.name, named.qualifier)) return not_found(call, named);
      for (const auto& alias : function->aliases) {
        if (get_string(alias.value().as_object(), "FunctionVersion") == named.qualifier)
          return fail(Fault::conflict, "ResourceConflictException",
                      fmt::format("Version '{}' could not be deleted: the alias {} points to it.", named.qualifier,
                                  std::string(alias.key())));
      }
      erase_version(tx, named.name, std::atoll(named.qualifier.c_str()));
      return {};
    };
    auto erased = co_await functions_.db().write(erase);
    if (!erased) co_return fail(erased);
    functions_.forget_environments(named->name);
    co_return answer_of({}, 204);
  }

  task<Result<Answer>> invoke(Call call) {
    const auto found = find_function(call);
    if (!found) co_return fail(found);
    const auto& [name, qualifier] = found->named;
    const std::string type = get_string(call.input, "InvocationType", "RequestResponse");
    std::string payload = get_string(call.input, "Payload");
    if (payload.empty()) payload = "{}";
    const std::size_t limit = type == "Event" ? kAsyncPayloadMax : kSyncPayloadMax;
    if (payload.size() > limit)
      co_return fail(Fault::invalid, "RequestTooLargeException",
                     fmt::format("Request must be smaller than {} bytes for the InvokeFunction operation", limit));
    if (auto parsed = parse_json(payload); !parsed)
      co_return fail(Fault::invalid, "InvalidRequestContentException",
                     "Could not parse request body into json: " + parsed.error().message);
    const auto client_context = client_context_of(call.input);
    if (!client_context) co_return fail(client_context);
    if (type == "DryRun") co_return answer_of({}, 204);
    if (type == "Event") {
      auto queued = co_await functions_.enqueue_invocation(name, qualifier, call.request_id, payload);
      if (!queued) co_return fail(queued);
      Answer answer = answer_of({}, 202);
      if (!client_context->empty())
        answer.warnings.push_back("ClientContext: it goes with synchronous invocations only");
      co_return answer;
    }
    const std::string trace = call.headers.get("X-Amzn-Trace-Id");
    const Event event{.request_id = call.request_id,
                      .payload = std::move(payload),
                      .invoked_arn = arn_of(call, found->named),
                      .client_context = *client_context,
                      .trace_id = trace.starts_with("Root=") ? trace : ""};
    auto invoked = co_await functions_.invoke(name, qualifier, event);
    if (!invoked) co_return fail(invoked);
    Answer answer;
    answer.payload = invoked->outcome.payload;
    answer.headers.set("X-Amz-Executed-Version", invoked->version);
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
    const auto found = find_function(call);
    if (!found) co_return fail(found);
    if (found->named.qualifier == "$LATEST")
      co_return invalid("We currently do not support adding policies for $LATEST.");
    const std::string principal = get_string(input, "Principal");
    json::object who;
    if (principal.ends_with(".amazonaws.com")) {
      who["Service"] = principal;
    } else if (is_number(principal)) {
      who["AWS"] = "arn:aws:iam::" + principal + ":root";
    } else {
      who["AWS"] = principal;
    }
    json::object statement = {{"Sid", id},
                              {"Effect", "Allow"},
                              {"Principal", principal == "*" ? json::value("*") : json::value(who)},
                              {"Action", get_string(input, "Action")},
                              {"Resource", arn_of(call, found->named)}};
    json::object condition;
    if (has(input, "SourceAccount"))
      condition["StringEquals"] = json::object{{"AWS:SourceAccount", get_string(input, "SourceAccount")}};
    if (has(input, "SourceArn")) condition["ArnLike"] = json::object{{"AWS:SourceArn", get_string(input, "SourceArn")}};
    if (!condition.empty()) statement["Condition"] = condition;
    const auto change = [id, statement](Function& function) -> Result<void> {
      for (const json::value& known : function.policy) {
        if (get_string(known.as_object(), "Sid") == id)
          return fail(Fault::conflict, "ResourceConflictException",
                      fmt::format("The statement id ({}) provided already exists. Please provide a new statement id, "
                                  "or remove the existing statement.",
                                  id));
      }
      function.policy.push_back(statement);
      return {};
    };
    auto added = co_await edit_policy(call, change);
    if (!added) co_return fail(added);
    Answer answer = answer_of({{"Statement", json::serialize(statement)}}, 201);
    if (has(input, "SourceAccount"))
      answer.warnings.push_back(
          "SourceAccount: EventBridge does not say the account of its rules, so this statement lets no rule invoke the "
          "function; SourceArn alone does");
    co_return answer;
  }

  task<Result<Answer>> get_policy(Call call) {
    const auto found = find_function(call);
    if (!found) co_return fail(found);
    const std::string resource = arn_of(call, found->named);
    json::array own;
    for (const json::value& statement : found->function.policy) {
      if (get_string(statement.as_object(), "Resource") == resource) own.push_back(statement);
    }
    if (own.empty())
      co_return fail(Fault::not_found, "ResourceNotFoundException", "The resource you requested does not exist.");
    const json::object policy = {{"Version", "2012-10-17"}, {"Id", "default"}, {"Statement", own}};
    co_return answer_of(
        {{"Policy", json::serialize(policy)}, {"RevisionId", get_string(found->function.configuration, "RevisionId")}});
  }

  task<Result<Answer>> remove_permission(Call call) {
    const auto found = find_function(call);
    if (!found) co_return fail(found);
    const std::string id = get_string(call.input, "StatementId");
    const std::string resource = arn_of(call, found->named);
    const auto change = [id, resource](Function& function) -> Result<void> {
      json::array kept;
      for (const json::value& value : function.policy) {
        const json::object& statement = value.as_object();
        if (get_string(statement, "Sid") != id || get_string(statement, "Resource") != resource) kept.push_back(value);
      }
      if (kept.size() == function.policy.size())
        return fail(Fault::not_found, "ResourceNotFoundException",
                    fmt::format("Statement {} is not found in resource policy.", id));
      function.policy = kept;
      return {};
    };
    auto dropped = co_await edit_policy(call, change);
    if (!dropped) co_return fail(dropped);
    co_return answer_of({}, 204);
  }

  // ---- concurrency, retries, tags ----

  task<Result<Answer>> put_concurrency(Call call) {
    const long long reserved = get_int(call.input, "ReservedConcurrentExecutions");
    const std::string name = name_of(call.input);
    long long others = 0;
    for (const Function& function : list_functions(functions_.db().read())) {
      if (function.name != name) others += std::max<long long>(0, function.reserved_concurrency);
    }
    if (others + reserved > kConcurrencyReservable)
      co_return invalid(
          "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below "
          "its minimum value of [100].");
    auto edited = co_await edit(call, [reserved](Function& own) { own.reserved_concurrency = reserved; });
    if (!edited) co_return fail(edited);
    co_return answer_of({{"ReservedConcurrentExecutions", reserved}});
  }
  task<Result<Answer>> get_concurrency(Call call) {
    const auto found = find_function(call);
    if (!found) co_return fail(found);
    json::object out;
    if (found->function.reserved_concurrency >= 0)
      out["ReservedConcurrentExecutions"] = found->function.reserved_concurrency;
    co_return answer_of(out);
  }
  task<Result<Answer>> delete_concurrency(Call call) {
    auto edited = co_await edit(call, [](Function& own) { own.reserved_concurrency = -1; });
    if (!edited) co_return fail(edited);
    co_return answer_of({}, 204);
  }

  // Put replaces, Update merges.
  task<Result<Answer>> put_event_invoke(Call call) {
    const bool merging = call.operation == "UpdateFunctionEventInvokeConfig";
    auto found = find_unqualified(call);
    if (!found) co_return fail(found);
    if (merging && found->event_invoke.empty()) co_return no_event_invoke(call);
    json::object settings = merging ? found->event_invoke : json::object{};
    for (const char* member : {"MaximumRetryAttempts", "MaximumEventAgeInSeconds", "DestinationConfig"}) {
      if (has(call.input, member)) settings[member] = call.input.at(member);
    }
    const json::object destinations = get_object(settings, "DestinationConfig");
    for (const char* when : {"OnSuccess", "OnFailure"}) {
      const std::string arn = get_string(get_object(destinations, when), "Destination");
      const auto parsed = parse_arn(arn);
      const bool event_bus = parsed && parsed->service == "events" && parsed->resource.starts_with("event-bus/");
      if (arn.empty() || event_bus || (parsed && (parsed->service == "sqs" || parsed->service == "lambda"))) continue;
      co_return invalid(
          fmt::format("The provided destination config DestinationConfig is invalid: {} is no SQS queue, "
                      "no Lambda function and no event bus, and others cannot be a destination here.",
                      arn));
    }
    settings["LastModified"] = epoch_seconds(call.now);
    auto edited = co_await edit(call, [settings](Function& own) { own.event_invoke = settings; });
    if (!edited) co_return fail(edited);
    co_return answer_of(event_invoke_answer(call, settings));
  }
  task<Result<Answer>> get_event_invoke(Call call) {
    const auto found = find_unqualified(call);
    if (!found) co_return fail(found);
    if (found->event_invoke.empty()) co_return no_event_invoke(call);
    co_return answer_of(event_invoke_answer(call, found->event_invoke));
  }
  task<Result<Answer>> list_event_invoke(Call call) {
    const auto found = find_unqualified(call);
    if (!found) co_return fail(found);
    json::array all;
    if (!found->event_invoke.empty()) all.push_back(event_invoke_answer(call, found->event_invoke));
    co_return answer_of({{"FunctionEventInvokeConfigs", all}});
  }
  task<Result<Answer>> delete_event_invoke(Call call) {
    const auto found = find_unqualified(call);
    if (!found) co_return fail(found);
    if (found->event_invoke.empty()) co_return no_event_invoke(call);
    auto edited = co_await edit(call, [](Function& own) { own.event_invoke = {}; });
    if (!edited) co_return fail(edited);
    co_return answer_of({}, 204);
  }

  task<Result<Answer>> get_code_signing(Call call) {
    const auto found = find_function(call);
    if (!found) co_return fail(found);
    co_return answer_of({{"FunctionName", found->named.name}});
  }

  task<Result<Answer>> tag(Call call) {
    const json::object tags = get_object(call.input, "Tags");
    auto edited = co_await edit(call, [tags](Function& own) {
      for (const auto& entry : tags) own.tags[entry.key()] = entry.value();
    });
    if (!edited) co_return fail(edited);
    co_return answer_of({}, 204);
  }
  task<Result<Answer>> untag(Call call) {
    const auto keys = get_strings(call.input, "TagKeys");
    auto edited = co_await edit(call, [keys](Function& own) {
      for (const std::string& key : keys) own.tags.erase(key);
    });
    if (!edited) co_return fail(edited);
    co_return answer_of({}, 204);
  }
  task<Result<Answer>> list_tags(Call call) {
    const auto found = find_function(call);
    if (!found) co_return fail(found);
    co_return answer_of({{"Tags", found->function.tags}});
  }

 private:
  Result<void> check(const json::object& input, bool creating) {
    if (creating && (!has(input, "Runtime") || get_string(input, "Handler").empty()))
      return invalid("Runtime and Handler are mandatory parameters for functions created with deployment packages.");
    if (has(input, "Runtime") && runtime_kind(get_string(input, "Runtime")) == RuntimeKind::unknown)
      return invalid(
          fmt::format("The runtime {} is not supported here: provided.al2023, provided.al2 and python3.x are.",
                      get_string(input, "Runtime")));
    if (auto named = check_variables(get_object(get_object(input, "Environment"), "Variables")); !named) return named;
    const std::string letters = get_string(get_object(input, "DeadLetterConfig"), "TargetArn");
    if (const auto arn = parse_arn(letters); !letters.empty() && (!arn || arn->service != "sqs"))
      return invalid(fmt::format("The target {} of the DeadLetterConfig must be an SQS queue here.", letters));
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
                               "EphemeralStorage"}) {
      if (has(input, member)) configuration[member] = input.at(member);
    }
    if (get_string(get_object(configuration, "DeadLetterConfig"), "TargetArn").empty())
      configuration.erase("DeadLetterConfig");
    if (const std::string group = get_string(get_object(input, "LoggingConfig"), "LogGroup"); !group.empty())
      configuration["LoggingConfig"] = json::object{{"LogFormat", "Text"}, {"LogGroup", group}};
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
  static void note_interpreter(const std::string& runtime, Answer& answer) {
    if (runtime_kind(runtime) == RuntimeKind::python && runtime != "python3.11")
      answer.warnings.push_back(runtime + " runs on this machine's /usr/bin/python3");
  }

  static json::object event_invoke_answer(const Call& call, json::object settings) {
    settings["FunctionArn"] = arn_of(call, {.name = name_of(call.input), .qualifier = "$LATEST"});
    json::object destinations = get_object(settings, "DestinationConfig");
    for (const char* when : {"OnSuccess", "OnFailure"}) {
      if (!has(destinations, when)) destinations[when] = json::object{};
    }
    settings["DestinationConfig"] = std::move(destinations);
    return settings;
  }
  static std::unexpected<Error> no_event_invoke(const Call& call) {
    return fail(Fault::not_found, "ResourceNotFoundException",
                fmt::format("The function {} doesn't have an EventInvokeConfig",
                            arn_of(call, {.name = name_of(call.input), .qualifier = "$LATEST"})));
  }

  static json::object alias_answer(const Call& call, const Named& named, json::object alias) {
    alias["AliasArn"] = arn_of(call, named);
    alias["Name"] = named.qualifier;
    if (!alias.contains("Description")) alias["Description"] = "";
    return alias;
  }
  static std::unexpected<Error> no_alias(const Call& call, const Named& named) {
    return fail(Fault::not_found, "ResourceNotFoundException", "Cannot find alias arn: " + arn_of(call, named));
  }

  // $LATEST and the published ones, each under its qualified ARN.
  static json::array all_versions(database::Connection& db, const Function& function, const Call& call) {
    json::object latest = function.configuration;
    latest["FunctionArn"] = arn_of(call, {.name = function.name, .qualifier = "$LATEST"});
    json::array all = {latest};
    for (const Function& version : list_versions(db, function.name)) all.push_back(version.configuration);
    return all;
  }

  // Publishes unless nothing changed since the last version; answers the version's configuration.
  static json::object publish_version(database::Transaction& tx, Function& function, const Call& call,
                                      const std::string& revision) {
    const auto last = get_version(tx, function.name, function.last_version);
    const auto essence = [](json::object configuration) {
      for (const char* member : {"FunctionArn", "Version", "RevisionId", "LastModified", "Description"})
        configuration.erase(member);
      return configuration;
    };
    if (last && essence(last->configuration) == essence(function.configuration)) return last->configuration;
    ++function.last_version;
    Function version = function;
    const std::string number = std::to_string(function.last_version);
    version.configuration["Version"] = number;
    version.configuration["FunctionArn"] = arn_of(call, {.name = function.name, .qualifier = number});
    version.configuration["RevisionId"] = revision;
    if (has(call.input, "Description")) version.configuration["Description"] = get_string(call.input, "Description");
    put_version(tx, version, function.last_version);
    return version.configuration;
  }

  static Answer page_of(const json::array& all, const json::object& input, const char* member) {
    const auto size = static_cast<std::size_t>(std::min(get_int(input, "MaxItems", kPageMax), kPageMax));
    const std::string marker = get_string(input, "Marker");
    const std::size_t from = is_number(marker) ? std::strtoull(marker.c_str(), nullptr, 10) : 0;
    json::array page;
    for (std::size_t i = from; i < all.size() && page.size() < size; ++i) page.push_back(all[i]);
    json::object out = {{member, page}};
    if (from + page.size() < all.size()) out["NextMarker"] = std::to_string(from + page.size());
    return answer_of(std::move(out));
  }

  // "" when none is given.
  static Result<std::string> client_context_of(const json::object& input) {
    const std::string given = get_string(input, "ClientContext");
    if (given.empty()) return std::string{};
    const auto decoded = base64_decode(given);
    const auto parsed = decoded ? parse_json(*decoded) : Result<json::value>(json::value{});
    if (given.size() > kClientContextMax || !parsed || !parsed->is_object())
      return fail(Fault::invalid, "InvalidRequestContentException",
                  "Client context must be a valid Base64-encoded JSON object of up to 3583 bytes.");
    // One line, as it travels in a header.
    return json::serialize(*parsed);
  }

  static Result<void> check_revision(const json::object& configuration, const json::object& input) {
    const std::string wanted = get_string(input, "RevisionId");
    if (wanted.empty() || wanted == get_string(configuration, "RevisionId")) return {};
    return fail(Fault::conflict, "PreconditionFailedException",
                "The RevisionId provided does not match the latest RevisionId. Call the "
                "GetFunction/GetAlias API to retrieve the latest RevisionId");
  }
  static Result<void> check_revision(const Function& function, const json::object& input) {
    return check_revision(function.configuration, input);
  }

  struct Found {
    Named named;
    Function function;
  };
  Result<Found> find_function(const Call& call) const {
    const auto named = named_by(call);
    if (!named) return fail(named);
    auto function = get_qualified(functions_.db().read(), named->name, named->qualifier);
    if (!function) return not_found(call, *named);
    return Found{.named = *named, .function = std::move(*function)};
  }
  // For what belongs to the function as a whole here.
  Result<Function> find_unqualified(const Call& call) const {
    auto found = find_function(call);
    if (!found) return fail(found);
    if (!found->named.qualifier.empty() && found->named.qualifier != "$LATEST")
      return invalid("Versions and aliases have no settings of their own here: leave the qualifier out.");
    return std::move(found->function);
  }

  task<Result<Answer>> edit(Call call, std::function<void(Function&)> change) {
    const std::string name = name_of(call.input);
    const auto named = named_by(call);
    if (!named) co_return fail(named);
    auto work = [call, name, change](database::Transaction& tx) -> Result<json::object> {
      auto function = get_function(tx, name);
      if (!function) return not_found(call, {.name = name, .qualifier = {}});
      if (auto same = check_revision(*function, call.input); !same) return fail(same);
      change(*function);
      put_function(tx, *function);
      return function->configuration;
    };
    auto changed = co_await functions_.db().write(work);
    if (!changed) co_return fail(changed);
    functions_.forget_environments(name);
    co_return answer_of(*changed);
  }

  // A policy changes without a new environment, but under a new revision id.
  task<Result<void>> edit_policy(Call call, std::function<Result<void>(Function&)> change) {
    const std::string name = name_of(call.input);
    auto work = [call, name, change](database::Transaction& tx) -> Result<void> {
      auto function = get_function(tx, name);
      if (!function) return not_found(call, {.name = name, .qualifier = {}});
      if (auto same = check_revision(*function, call.input); !same) return same;
      auto changed = change(*function);
      if (changed) put_function(tx, *function);
      return changed;
    };
    co_return co_await functions_.db().write(work);
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
  const Member qualifier = in_query(optional("Qualifier", text(1, 128, "[$0-9a-zA-Z_-]+")));
  const Member marker = in_query(optional("Marker", text()));
  const Member max_items = in_query(optional("MaxItems", integer(1, 10000)));
  const Member revision = optional("RevisionId", text());
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
  create.push_back(optional("Publish", boolean()));
  create.push_back(refused("PackageType", text(), "only zip packages are supported", "Zip"));
  create.push_back(
      refused("Architectures", list(text()), "functions run on this machine's processor", R"(["x86_64"])"));
  create.push_back(refused("CodeSigningConfigArn", text(), "code signing is not supported"));
  for (Member& member : create) {
    if (member.name == "Role") member.required = true;
  }
  add("CreateFunction", "POST", functions_path.c_str(), create, &Api::create);
  add("ListFunctions", "GET", functions_path.c_str(),
      {marker, max_items, in_query(optional("FunctionVersion", one_of({"ALL"}))),
       in_query(refused("MasterRegion", text(), "there is no Lambda@Edge here"))},
      &Api::list_all);
  add("GetFunction", "GET", one.c_str(), {name, qualifier}, &Api::get);
  add("GetFunctionConfiguration", "GET", (one + "/configuration").c_str(), {name, qualifier}, &Api::get_configuration);
  add("ListVersionsByFunction", "GET", (one + "/versions").c_str(), {name, marker, max_items}, &Api::list_versions_of);
  add("PublishVersion", "POST", (one + "/versions").c_str(),
      {name, optional("CodeSha256", text()), optional("Description", text(0, 256)), revision}, &Api::publish);
  const Member alias = required("Name", text(1, 128, "(?!^[0-9]+$)([a-zA-Z0-9-_]+)"));
  const Member version = optional("FunctionVersion", text(1, 1024, "(\\$LATEST|[0-9]+)"));
  const Member routing = refused("RoutingConfig", structure({optional("AdditionalVersionWeights", map(number()))}),
                                 "an alias points to one version here", R"({"AdditionalVersionWeights":{}})");
  const std::string aliases = one + "/aliases";
  Member needed = version;
  needed.required = true;
  add("CreateAlias", "POST", aliases.c_str(), {name, alias, needed, optional("Description", text(0, 256)), routing},
      &Api::put_alias);
  add("ListAliases", "GET", aliases.c_str(), {name, marker, max_items, in_query(version)}, &Api::list_aliases);
  add("GetAlias", "GET", (aliases + "/{Name}").c_str(), {name, in_path(alias)}, &Api::get_alias);
  add("UpdateAlias", "PUT", (aliases + "/{Name}").c_str(),
      {name, in_path(alias), version, optional("Description", text(0, 256)), routing, revision}, &Api::put_alias);
  add("DeleteAlias", "DELETE", (aliases + "/{Name}").c_str(), {name, in_path(alias)}, &Api::delete_alias);
  add("UpdateFunctionCode", "PUT", (one + "/code").c_str(),
      {name, optional("ZipFile", blob(kZipBytesMax)), refused("S3Bucket", text(), "there is no S3 here"),
       refused("S3Key", text(), "there is no S3 here"), refused("ImageUri", text(), "not supported yet"),
       optional("Publish", boolean()), optional("DryRun", boolean()),
       refused("Architectures", list(text()), "functions run on this machine's processor", R"(["x86_64"])"), revision},
      &Api::update_code);
  auto update = configuration_members();
  update.push_back(name);
  update.push_back(revision);
  add("UpdateFunctionConfiguration", "PUT", (one + "/configuration").c_str(), update, &Api::update_configuration);
  add("DeleteFunction", "DELETE", one.c_str(), {name, qualifier}, &Api::remove);
  add("Invoke", "POST", (one + "/invocations").c_str(),
      {name, as_payload(optional("Payload", text())),
       in_header(optional("InvocationType", one_of({"RequestResponse", "Event", "DryRun"})), "X-Amz-Invocation-Type"),
       in_header(optional("LogType", one_of({"None", "Tail"})), "X-Amz-Log-Type"), qualifier,
       in_header(optional("ClientContext", text()), "X-Amz-Client-Context")},
      &Api::invoke, "lambda:InvokeFunction");
  add("AddPermission", "POST", (one + "/policy").c_str(),
      {name, qualifier, required("StatementId", text(1, 100, "[a-zA-Z0-9-_]+")),
       required("Action", text(0, 256, "lambda:[*]|lambda:[a-zA-Z]+|[*]")), required("Principal", text(1)),
       optional("SourceArn", text(0, 1024, "arn:[a-zA-Z0-9-]+:[a-zA-Z0-9-]+:.*")),
       optional("SourceAccount", text(0, 12, "[0-9]{12}")), refused("EventSourceToken", text(), "not supported"),
       revision, refused("FunctionUrlAuthType", text(), "function URLs are not supported"),
       refused("PrincipalOrgID", text(), "not supported")},
      &Api::add_permission);
  add("GetPolicy", "GET", (one + "/policy").c_str(), {name, qualifier}, &Api::get_policy);
  add("RemovePermission", "DELETE", (one + "/policy/{StatementId}").c_str(),
      {name, qualifier, in_path(required("StatementId", text(1, 100))), in_query(revision)}, &Api::remove_permission);
  add("PutFunctionConcurrency", "PUT", "/2017-10-31/functions/{FunctionName}/concurrency",
      {name, required("ReservedConcurrentExecutions", integer(0, 1000))}, &Api::put_concurrency);
  add("GetFunctionConcurrency", "GET", "/2019-09-30/functions/{FunctionName}/concurrency", {name},
      &Api::get_concurrency);
  add("DeleteFunctionConcurrency", "DELETE", "/2017-10-31/functions/{FunctionName}/concurrency", {name},
      &Api::delete_concurrency);
  const char* event_invoke = "/2019-09-25/functions/{FunctionName}/event-invoke-config";
  const Shape destination = structure({optional("Destination", text(0, 350))});
  const std::vector<Member> settings = {name, qualifier, optional("MaximumRetryAttempts", integer(0, 2)),
                                        optional("MaximumEventAgeInSeconds", integer(60, 21600)),
                                        optional("DestinationConfig", structure({optional("OnSuccess", destination),
                                                                                 optional("OnFailure", destination)}))};
  add("PutFunctionEventInvokeConfig", "PUT", event_invoke, settings, &Api::put_event_invoke);
  add("UpdateFunctionEventInvokeConfig", "POST", event_invoke, settings, &Api::put_event_invoke);
  add("GetFunctionEventInvokeConfig", "GET", event_invoke, {name, qualifier}, &Api::get_event_invoke);
  add("DeleteFunctionEventInvokeConfig", "DELETE", event_invoke, {name, qualifier}, &Api::delete_event_invoke);
  add("ListFunctionEventInvokeConfigs", "GET", (std::string(event_invoke) + "/list").c_str(), {name},
      &Api::list_event_invoke);
  add("GetFunctionCodeSigningConfig", "GET", "/2020-06-30/functions/{FunctionName}/code-signing-config", {name},
      &Api::get_code_signing);
  const Member resource = in_path(required("Resource", text(1, 256)));
  const char* tags = "/2017-03-31/tags/{Resource}";
  add("TagResource", "POST", tags, {resource, required("Tags", map(text(0, 256)))}, &Api::tag);
  add("UntagResource", "DELETE", tags, {resource, in_query(required("TagKeys", list(text(1, 128))), "tagKeys")},
      &Api::untag);
  add("ListTags", "GET", tags, {resource}, &Api::list_tags);
  for (Operation& operation : out.operations) {
    if (operation.name != "CreateFunction" && operation.name != "UpdateFunctionConfiguration") continue;
    operation.also = [](const Call& call) {
      const std::string role = get_string(call.input, "Role");
      if (role.empty()) return std::vector<Need>{};
      return std::vector<Need>{{"iam:PassRole", role, {{"iam:passedtoservice", {"lambda.amazonaws.com"}}}}};
    };
  }
  return out;
}

}  // namespace slipway::lambda
