#include "region/doors.h"

#include <fmt/format.h>

#include "base/digest.h"
#include "base/text.h"
#include "host/files.h"
#include "http/client.h"

namespace slipway::region {
namespace {

constexpr std::string_view kEventsPrincipal = "events.amazonaws.com";

// "localhost:4566/team/app:v1" -> registry host, repository, tag or digest.
struct Reference {
  std::string registry;
  std::string repository;
  std::string tag = "latest";
  std::string digest;
};

Reference parse_reference(const std::string& image) {
  Reference out;
  std::string rest = image;
  const auto slash = rest.find('/');
  if (slash != std::string::npos && rest.substr(0, slash).find_first_of(".:") != std::string::npos) {
    out.registry = rest.substr(0, slash);
    rest = rest.substr(slash + 1);
  } else if (slash != std::string::npos && rest.substr(0, slash) == "localhost") {
    out.registry = "localhost";
    rest = rest.substr(slash + 1);
  }
  if (const auto at = rest.find('@'); at != std::string::npos) {
    out.digest = rest.substr(at + 1);
    rest = rest.substr(0, at);
  }
  if (const auto colon = rest.find(':'); colon != std::string::npos) {
    out.tag = rest.substr(colon + 1);
    rest = rest.substr(0, colon);
  }
  out.repository = rest;
  return out;
}

constexpr Duration kIssuerMax = std::chrono::seconds(5);  // As long as AWS waits for an issuer.
constexpr std::size_t kKeySetBytesMax = 256 * 1024;

// The body of GET `url`.
task<Result<std::string>> fetch_text(std::string url) {
  const auto path = url.find('/', url.find("://") + 3);
  const http::ClientOptions options{
      .endpoint = url.substr(0, path), .read_timeout = kIssuerMax, .body_bytes_max = kKeySetBytesMax};
  const http::ClientRequest request{.target = path == std::string::npos ? "/" : url.substr(path)};
  auto answer = co_await http::fetch(options, request);
  if (!answer) co_return fail(answer);
  if (answer->status != 200)
    co_return fail(Fault::unavailable, "BadStatus", fmt::format("{} answered {}", url, answer->status));
  co_return std::move(answer->body);
}

}  // namespace

logs::LogEvent log_line(const std::string& payload, Instant now) {
  const auto parsed = parse_json(payload);
  const bool shaped =
      parsed && parsed->is_object() && has(parsed->get_object(), "timestamp") && has(parsed->get_object(), "message");
  if (!shaped) return {.at = now, .message = payload};
  const auto& line = parsed->get_object();
  const auto& message = line.at("message");
  const auto at = line.at("timestamp").is_string() ? parse_iso(get_string(line, "timestamp"))
                                                   : std::optional(instant_ms(get_int(line, "timestamp")));
  return {.at = at.value_or(now),
          .message = message.is_string() ? get_string(line, "message") : json::serialize(message)};
}

namespace {

// Whether a resource's policy lets the service do `action` to it for what it acts for.
bool policy_permits(const std::string& text, const std::string& action, const std::string& resource,
                    const Sender& sender) {
  const auto policy = parse_json(text);
  const iam::Request request{.action = action,
                             .resource = resource,
                             .principal_service = sender.principal,
                             .keys = {{"aws:sourcearn", {sender.arn}}}};
  return policy && policy->is_object() &&
         iam::evaluate({policy->get_object()}, request, true) == iam::Decision::allowed;
}

std::unexpected<Error> not_permitted(const std::string& action, const std::string& resource, const Sender& sender) {
  return fail(Fault::denied, "NO_PERMISSIONS",
              fmt::format("The policy of {} does not let {} do {} for {}: set its Policy attribute (Allow, Principal "
                          "{{\"Service\": \"{}\"}}, Action {}, aws:SourceArn {}).",
                          resource, sender.principal, action, sender.arn, sender.principal, action, sender.arn));
}

}  // namespace

Result<void> check_resource_policy(const std::string& text) {
  auto policy = parse_json(text);
  json::value* statements = policy && policy->is_object() ? policy->get_object().if_contains("Statement") : nullptr;
  const auto leave_out = [](json::value& statement) {
    if (statement.is_object()) statement.get_object().erase("Resource");
  };
  if (statements != nullptr && statements->is_array()) {
    for (json::value& statement : statements->get_array()) leave_out(statement);
  } else if (statements != nullptr) {
    leave_out(*statements);
  }
  const auto read = iam::parse_policy(statements == nullptr ? text : json::serialize(*policy), true);
  return read ? Result<void>{} : fail(read);
}

Result<void> queue_permits(database::Connection& db, const sqs::Queues& queues, const std::string& queue_arn,
                           const Sender& sender, bool open) {
  if (open) return {};
  const auto queue = queues.find_arn(db, queue_arn);
  if (!queue) return {};  // A queue that is gone is told of by who sends.
  if (policy_permits(queue->policy(), "sqs:SendMessage", queue_arn, sender)) return {};
  return not_permitted("sqs:SendMessage", queue_arn, sender);
}

Result<void> topic_permits(const sns::Topics& topics, const std::string& topic_arn, const Sender& sender, bool open) {
  if (open || !topics.exists(topic_arn)) return {};
  if (policy_permits(topics.policy(topic_arn), "sns:Publish", topic_arn, sender)) return {};
  return not_permitted("sns:Publish", topic_arn, sender);
}

Result<void> EventTargets::accepts(const json::object& target) {
  const auto arn = get_string(target, "Arn");
  const auto parsed = parse_arn(arn);
  const bool function = parsed && parsed->service == "lambda" && parsed->resource.starts_with("function:");
  if (parsed && parsed->service == "sqs" && parsed->resource.ends_with(".fifo"))
    return fail(Fault::invalid, "ValidationException",
                fmt::format("{} cannot be a target here: FIFO queues are not supported yet.", arn));
  const bool queue = parsed && parsed->service == "sqs";
  if (parsed && parsed->service == "sns" && parsed->resource.ends_with(".fifo"))
    return fail(Fault::invalid, "ValidationException",
                fmt::format("{} cannot be a target here: FIFO topics are not supported yet.", arn));
  const bool topic = parsed && parsed->service == "sns" && parsed->resource.find(':') == std::string::npos;
  const bool group = parsed && parsed->service == "logs" && parsed->resource.starts_with("log-group:");
  const bool cluster = parsed && parsed->service == "ecs" && parsed->resource.starts_with("cluster/");
  const bool task_described = has(target, "EcsParameters");
  if (cluster && !has(target, "RoleArn"))
    return fail(Fault::invalid, "ValidationException", fmt::format("RoleArn is required for target {}.", arn));
  if (cluster != task_described)
    return fail(
        Fault::invalid, "ValidationException",
        cluster ? fmt::format("Parameter(s) EcsParameters must be specified for target: {}.", get_string(target, "Id"))
                : fmt::format("Parameter(s) EcsParameters not valid for target {}: it is not a cluster.",
                              get_string(target, "Id")));
  if (function || queue || topic || group || cluster) return {};
  return fail(Fault::invalid, "ValidationException",
              fmt::format("{} cannot be a target here: Lambda functions, SQS queues, SNS topics, log groups, ECS "
                          "clusters, event buses and API destinations can.",
                          arn));
}

task<Result<void>> EventTargets::deliver(events::Delivery delivery) {
  const auto parsed = parse_arn(delivery.target_arn);
  if (!parsed) co_return fail(Fault::not_found, "NO_RESOURCE", "not an ARN: " + delivery.target_arn);
  if (parsed->service == "lambda")
    co_return co_await functions_.invoke_async(delivery.target_arn, delivery.payload, std::string(kEventsPrincipal),
                                               delivery.rule_arn);
  if (parsed->service == "sqs") {
    auto work = [this, delivery](database::Transaction& tx) { return send_in(tx, delivery); };
    co_return co_await queues_.db().write(std::move(work));
  }
  if (parsed->service == "sns") co_return co_await publish(std::move(delivery));
  if (parsed->service == "ecs") co_return co_await run_task(std::move(delivery));
  if (parsed->service == "logs") {
    std::string group = parsed->resource.substr(std::string_view("log-group:").size());
    if (group.ends_with(":*")) group.resize(group.size() - 2);
    if (!logs::get_group(archive_.db().read(), group))
      co_return fail(Fault::not_found, "NO_RESOURCE", "The log group " + group + " does not exist.");
    archive_.append(group, delivery.event_id, {log_line(delivery.payload, clock_.now())});
    co_await archive_.flush();
    co_return Result<void>{};
  }
  co_return fail(Fault::not_found, "NO_RESOURCE", delivery.target_arn + " cannot be a target here");
}

bool EventTargets::in_database(const std::string& target_arn) const {
  const auto parsed = parse_arn(target_arn);
  return parsed && (parsed->service == "sqs" || parsed->service == "lambda");
}

Result<void> EventTargets::deliver_in(database::Transaction& tx, const events::Delivery& delivery) {
  const auto parsed = parse_arn(delivery.target_arn);
  if (parsed && parsed->service == "sqs") return send_in(tx, delivery);
  return functions_.invoke_async_in(tx, delivery.target_arn, delivery.payload, std::string(kEventsPrincipal),
                                    delivery.rule_arn, delivery.fresh_id, delivery.trace, delivery.at);
}

Result<void> EventTargets::send_in(database::Transaction& tx, const events::Delivery& delivery) {
  const Sender sender{std::string(kEventsPrincipal), delivery.rule_arn};
  if (auto permitted = queue_permits(tx, queues_, delivery.target_arn, sender, open_); !permitted) return permitted;
  const auto sent = queues_.send_in(tx, delivery.target_arn, delivery.payload, {}, delivery.fresh_id, delivery.at);
  if (sent) return {};
  const bool gone = sent.error().fault == Fault::not_found;
  return fail(sent.error().fault, gone ? "NO_RESOURCE" : "SDK_CLIENT_ERROR", sent.error().message);
}

task<Result<void>> EventTargets::publish(events::Delivery delivery) {
  const Sender sender{std::string(kEventsPrincipal), delivery.rule_arn};
  if (auto permitted = topic_permits(topics_, delivery.target_arn, sender, open_); !permitted) co_return permitted;
  auto message = sns::read_message({{"Message", delivery.payload}});
  // A message that is too long will not become shorter.
  if (!message) co_return fail(Fault::unsupported, "SDK_CLIENT_ERROR", message.error().message);
  const auto published = co_await topics_.publish(delivery.target_arn, *std::move(message));
  if (published) co_return Result<void>{};
  const bool gone = published.error().fault == Fault::not_found;
  co_return fail(published.error().fault, gone ? "NO_RESOURCE" : published.error().code, published.error().message);
}

task<Result<void>> TopicEndpoints::deliver(sns::Handover handover) {
  const std::string principal = "sns.amazonaws.com";
  if (handover.protocol == "lambda")
    co_return co_await functions_.invoke_async(handover.endpoint, handover.body, principal, handover.topic_arn);
  if (auto permitted =
          queue_permits(queues_.db().read(), queues_, handover.endpoint, {principal, handover.topic_arn}, open_);
      !permitted)
    co_return permitted;
  const auto sent = co_await queues_.send(handover.endpoint, handover.body, handover.attributes);
  if (!sent) co_return fail(sent);
  co_return Result<void>{};
}

task<Result<void>> EventTargets::run_task(events::Delivery delivery) {
  const auto parameters = get_object(delivery.parameters, "EcsParameters");
  const auto definition = get_string(parameters, "TaskDefinitionArn");
  const auto role = get_string(delivery.parameters, "RoleArn");
  if (auto allowed = permissions_.allow_role(role, "ecs:RunTask", definition); !allowed) co_return allowed;
  json::object input{{"cluster", delivery.target_arn},
                     {"taskDefinition", definition},
                     {"count", get_int(parameters, "TaskCount", 1)},
                     {"startedBy", "events-rule/" + delivery.rule_name},
                     // A delivery that is repeated after a crash finds the tasks that it started.
                     {"clientToken", sha256_hex(delivery.key)}};
  json::array tags;
  for (const auto& tag : get_array(parameters, "Tags")) {
    tags.push_back(
        json::object{{"key", get_string(tag.as_object(), "Key")}, {"value", get_string(tag.as_object(), "Value")}});
  }
  if (!tags.empty()) input["tags"] = std::move(tags);
  // An input that names containers overrides them; any other event only starts the task.
  const auto payload = parse_json(delivery.payload);
  if (payload && payload->is_object() && has(payload->get_object(), "containerOverrides"))
    input["overrides"] = *payload;
  wire::Call context;
  context.place = place_;
  context.now = clock_.now();
  context.caller = {.account = place_.account, .arn = role};
  auto answer = co_await wire::call(*ecs_, "RunTask", std::move(input), std::move(context));
  if (!answer) {
    // What the cluster or the task definition lacks will not be there at the next attempt either.
    const bool gone = answer.error().fault == Fault::not_found || answer.error().fault == Fault::invalid;
    co_return fail(gone ? Fault::not_found : answer.error().fault, gone ? "NO_RESOURCE" : answer.error().code,
                   answer.error().message);
  }
  const auto failures = get_array(answer->output, "failures");
  if (failures.empty()) co_return Result<void>{};
  co_return fail(Fault::unavailable, "RunTaskFailed", json::serialize(failures));
}

task<Result<void>> RuleLetters::send(std::string queue_arn, std::string rule_arn, std::string body,
                                     std::map<std::string, std::pair<std::string, std::string>> attributes) {
  const Sender sender{std::string(kEventsPrincipal), rule_arn};
  if (auto permitted = queue_permits(queues_.db().read(), queues_, queue_arn, sender, open_); !permitted)
    co_return permitted;
  auto sent = co_await queues_.send(queue_arn, body, attributes);
  if (!sent) co_return fail(sent);
  co_return Result<void>{};
}

Result<void> BusPermissions::check_policy(const std::string& text) {
  const auto policy = check_resource_policy(text);
  if (policy) return {};
  return fail(Fault::invalid, "ValidationException",
              "Parameter Policy is not valid. Reason: " + policy.error().message);
}

Result<void> BusPermissions::allow(const wire::Caller& caller, const std::string& action, const std::string& bus_arn,
                                   const std::string& bus_policy) {
  if (open_) return {};
  const auto policy = parse_json(bus_policy);
  const iam::Request request{.action = action,
                             .resource = bus_arn,
                             .principal_arn = caller.arn,
                             .principal_account = caller.account,
                             .keys = {{"aws:principalarn", {caller.arn}}}};
  if (policy && policy->is_object() &&
      iam::evaluate({policy->get_object()}, request, true) == iam::Decision::explicitly_denied)
    return fail(Fault::denied, "AccessDeniedException",
                fmt::format("User: {} is not authorized to perform: {} on resource: {} with an explicit deny in a "
                            "resource-based policy",
                            caller.arn, action, bus_arn));
  return authority_.authorize(caller, action, bus_arn);
}

namespace {

// Who a service is that acts as a role.
wire::Caller service_session(iam::Authority& authority, const std::string& role_arn, const std::string& session) {
  const std::string name = role_arn.substr(role_arn.rfind('/') + 1);
  const auto arn = parse_arn(role_arn);
  const std::string account = arn ? arn->account : "";
  const auto role = iam::get_role(authority.db().read(), name);
  return {.account = account,
          .arn = fmt::format("arn:aws:sts::{}:assumed-role/{}/{}", account, name, session),
          .user_id = role ? role->id + ":" + session : ""};
}

}  // namespace

Result<void> BusPermissions::allow_role(const std::string& role_arn, const std::string& action,
                                        const std::string& resource) {
  if (open_) return {};
  if (const auto trusted = authority_.check_role(role_arn, std::string(kEventsPrincipal)); !trusted)
    return fail(Fault::denied, "NO_PERMISSIONS", trusted.error().message);
  const auto allowed = authority_.authorize(service_session(authority_, role_arn, "events"), action, resource);
  if (allowed) return {};
  return fail(Fault::denied, "NO_PERMISSIONS", allowed.error().message);
}

Event invocation_event(const json::object& record, const std::string& bus_arn, Instant now) {
  const auto context = get_object(record, "requestContext");
  const bool success = get_string(context, "condition") == "Success";
  return {.source = "lambda",
          .detail_type = fmt::format("Lambda Function Invocation Result - {}", success ? "Success" : "Failure"),
          .time = now,
          .resources = {get_string(context, "functionArn"), bus_arn},
          .detail = record};
}

task<Result<void>> QueueLetters::publish_record(std::string bus_arn, std::string name, std::string body) {
  auto record = parse_json(body);
  if (!record || !record->is_object()) co_return fail(Fault::invalid, "INVALID_PARAMETER", "the record is no JSON");
  auto publish = [bus = bus_, bus_arn, name, record = std::move(record->get_object()),
                  now = bus_->clock().now()](database::Transaction& tx) -> Result<void> {
    if (!events::find_bus(tx, name))
      return fail(Fault::not_found, "NO_RESOURCE", "Event bus " + name + " does not exist.");
    bus->publish_on(tx, name, invocation_event(record, bus_arn, now), now);
    return {};
  };
  co_return co_await bus_->db().write(std::move(publish));
}

task<Result<void>> QueueLetters::send(std::string arn, std::string body,
                                      std::map<std::string, std::pair<std::string, std::string>> attributes) {
  if (auto name = events::bus_of_arn(place_, arn))
    co_return co_await publish_record(arn, *std::move(name), std::move(body));
  auto sent = co_await queues_.send(arn, body, attributes);
  if (!sent) co_return fail(sent);
  co_return Result<void>{};
}

task<Result<lambda::RoleCredentials>> FunctionRoles::session(std::string role_arn, std::string session_name,
                                                             Duration lifetime) {
  auto made = co_await authority_.service_session(role_arn, "lambda.amazonaws.com", session_name, lifetime);
  if (!made) co_return fail(made);
  co_return lambda::RoleCredentials{.access_key_id = made->access_key_id,
                                    .secret_access_key = made->secret_access_key,
                                    .session_token = made->session_token};
}

// https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderConfig
task<Result<std::string>> IssuerKeys::jwks(std::string provider) {
  const auto source = sources_.find(provider);
  if (source != sources_.end()) {
    if (source->second.find("://") != std::string::npos) co_return co_await fetch_text(source->second);
    co_return host::read_file(source->second);
  }
  const auto published = co_await fetch_text("https://" + provider + "/.well-known/openid-configuration");
  if (!published) co_return fail(published);
  const auto parsed = parse_json(*published);
  const std::string where = parsed && parsed->is_object() ? get_string(parsed->get_object(), "jwks_uri") : "";
  if (!where.starts_with("https://"))
    co_return fail(Fault::unavailable, "NoKeys", "its configuration names no key set (jwks_uri) by https://");
  co_return co_await fetch_text(where);
}

task<Result<ecs::ResolvedImage>> TaskImages::resolve(std::string image) {
  const Reference wanted = parse_reference(image);
  const bool aws_name = wanted.registry.find(".dkr.ecr.") != std::string::npos;
  if (wanted.registry != registry_.host() && !aws_name) {
    // Not of our registry: the engine's own image, or one that the engine pulls by itself.
    auto present = co_await containers_.ensure_image(image, std::nullopt);
    if (!present) co_return fail(present);
    co_return ecs::ResolvedImage{.reference = image, .digest = {}, .login = std::nullopt};
  }
  auto& db = registry_.db().read();
  const std::string digest =
      wanted.digest.empty() ? ecr::digest_of_tag(db, wanted.repository, wanted.tag).value_or("") : wanted.digest;
  if (digest.empty() || !ecr::get_image(db, wanted.repository, digest)) {
    co_return fail(Fault::not_found, "ImageNotFound",
                   fmt::format("{} is not in the registry. Push it: docker push {}/{}:{}", image, registry_.host(),
                               wanted.repository, wanted.tag));
  }
  const host::RegistryLogin login{.username = "AWS",
                                  .password = registry_.token_for(authority_.administrator(), clock_.now())};
  co_return ecs::ResolvedImage{.reference = fmt::format("{}/{}@{}", registry_.host(), wanted.repository, digest),
                               .digest = digest,
                               .login = login};
}

Result<void> TaskTargets::check(const std::string& arn) {
  if (!elb::get(balancer_.db().read(), "group", arn))
    return fail(Fault::not_found, "TargetGroupNotFound", fmt::format("The target group {} does not exist.", arn));
  if (balancer_.in_use(arn)) return {};
  return fail(Fault::invalid, "TargetGroupNotInUse",
              fmt::format("The target group with targetGroupArn {} does not have an associated load balancer.", arn));
}

namespace {

constexpr int kMille = 1000;  // Shares are counted in it.

}  // namespace

Result<void> TaskTargets::check_rule(const std::string& rule) {
  if (!balancer_.shares_of(rule).empty()) return {};
  return fail(Fault::not_found, "RuleNotFound",
              fmt::format("The listener rule {} does not exist, or does not forward to a target group.", rule));
}

std::optional<int> TaskTargets::share(const std::string& rule, const std::string& arn, const std::string& alternate) {
  const auto shares = balancer_.shares_of(rule);
  if (shares.size() != 2 || shares[0].group != arn || shares[1].group != alternate) return std::nullopt;
  return kMille * shares[1].weight / (shares[0].weight + shares[1].weight);
}

task<Result<void>> TaskTargets::set_share(std::string rule, std::string arn, std::string alternate, int share) {
  // In percent where that says it exactly, as ECS writes weights; they may not exceed 999.
  const int whole = share % 10 == 0 ? 100 : kMille;
  const int part = share * whole / kMille;
  std::vector<elb::Share> shares = {{.group = arn, .weight = whole - part}, {.group = alternate, .weight = part}};
  co_return co_await balancer_.set_shares(rule, shares);
}

std::vector<ecs::TargetStatus> TaskTargets::targets(const std::string& arn) {
  std::vector<ecs::TargetStatus> out;
  for (const elb::TargetView& view : balancer_.targets(arn)) {
    ecs::TargetStatus status{.id = view.target.id,
                             .in_traffic = view.target.in_traffic && !view.target.draining,
                             .description = view.health.description};
    switch (view.health.state) {
      case elb::TargetState::initial:
      case elb::TargetState::unused:
        status.state = ecs::TargetStatus::State::initial;
        break;
      case elb::TargetState::healthy:
        status.state = ecs::TargetStatus::State::healthy;
        break;
      case elb::TargetState::unhealthy:
        status.state = ecs::TargetStatus::State::unhealthy;
        break;
      case elb::TargetState::draining:
        status.state = ecs::TargetStatus::State::draining;
        break;
    }
    out.push_back(std::move(status));
  }
  return out;
}

task<Result<json::object>> HookFunctions::call(std::string function_arn, std::string role_arn, json::object payload) {
  const lambda::Reference function = lambda::parse_reference(function_arn);
  if (!open_) {
    if (auto trusted = authority_.check_role(role_arn, "ecs.amazonaws.com"); !trusted) co_return fail(trusted);
    const wire::Caller caller = service_session(authority_, role_arn, "ecs-service-deployment");
    auto allowed = authority_.authorize(caller, "lambda:InvokeFunction", function_arn);
    if (!allowed) co_return fail(allowed);
  }
  lambda::Event event;
  event.request_id = functions_.random().uuid();
  event.payload = json::serialize(payload);
  event.trace_id = functions_.make_trace_id();
  auto invoked = co_await functions_.invoke(function.name, function.qualifier, event);
  if (!invoked) co_return fail(invoked);
  if (!invoked->outcome.function_error.empty())
    co_return fail(Fault::invalid, "FunctionError", "the function failed: " + invoked->outcome.payload);
  auto answer = parse_json(invoked->outcome.payload);
  if (!answer || !answer->is_object())
    co_return fail(Fault::invalid, "InvalidAnswer", "the function's answer is no JSON object");
  co_return answer->as_object();
}

}  // namespace slipway::region
