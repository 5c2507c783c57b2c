#include "region/apply.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <set>

#include "base/digest.h"
#include "base/log.h"
#include "base/text.h"
#include "host/files.h"
#include "region/blueprint.h"
#include "region/package.h"
#include "render/policies.h"

namespace slipway::region {
namespace {

constexpr long long kFunctionMemoryMiB = 128;
constexpr long long kFunctionTimeoutSeconds = 60;
constexpr std::string_view kOurs = "slipway-";      // What the names of all that is made here begin with.
constexpr std::string_view kTargetId = "deployer";  // Of each rule.

// Carries out one blueprint after the other.
class Applier {
 public:
  Applier(ApplyParts parts, config::Config config)
      : parts_(std::move(parts)),
        config_(std::move(config)),
        account_(account_of(parts_.context.place)),
        names_(config_),
        rules_(deployer_rules(config_, parts_.context.place)) {}

  task<Result<void>> run() {
    auto queue = co_await make_queue();
    if (!queue) co_return fail(queue);
    auto topics = co_await make_topics();
    if (!topics) co_return fail(topics);
    for (const RoleBlueprint& blueprint : roles(config_, parts_.context.place)) {
      auto role = co_await make_role(blueprint);
      if (!role) co_return fail(role);
    }
    if (config_.github) {
      auto provider = co_await make_provider();
      if (!provider) co_return fail(provider);
    }
    auto function = co_await make_function();
    if (!function) co_return fail(function);
    auto permitted = co_await permit_rules();
    if (!permitted) co_return fail(permitted);
    if (std::ranges::any_of(config_.services, [](const auto& entry) { return entry.second.listen != 0; })) {
      auto balancer = co_await make_balancer();
      if (!balancer) co_return fail(balancer);
    }
    for (const auto& [name, service] : config_.services) {
      const auto blueprint = service_blueprint(config_, service, parts_.registry_host, parts_.context.place);
      auto made = co_await make_service(blueprint);
      if (!made) co_return fail(made);
    }
    for (const json::object& rule : rules_) {
      auto ruled = co_await make_rule(rule);
      if (!ruled) co_return fail(ruled);
    }
    co_return co_await remove_stale_rules();
  }

 private:
  // One API call.  An error names the call, so that a person can find it in the configuration.
  task<Result<json::object>> call(std::string service, std::string operation, json::object input) {
    const auto found = std::ranges::find(parts_.services, service, &wire::Service::name);
    if (found == parts_.services.end()) co_return fail(Fault::internal, "SLW-100", "the region has no " + service);
    const wire::Call context = parts_.context;
    auto answer = co_await wire::call(**found, operation, std::move(input), context);
    if (!answer) {
      Error error = answer.error();
      error.message = fmt::format("{} {}: {}", service, operation, error.message);
      co_return std::unexpected(error);
    }
    // rest-json operations may answer with bytes.
    if (answer->payload) {
      const auto parsed = parse_json(*answer->payload);
      co_return parsed && parsed->is_object() ? parsed->get_object() : json::object{};
    }
    co_return answer->output;
  }

  // Whether a question about one thing finds it.
  task<Result<bool>> there(std::string service, std::string operation, json::object question) {
    auto answer = co_await call(std::move(service), std::move(operation), std::move(question));
    if (!answer && answer.error().fault != Fault::not_found) co_return fail(answer);
    co_return answer.has_value();
  }

  // Makes a thing with `create` unless `question` finds it.  True: it was made just now.
  task<Result<bool>> make(std::string service, std::string ask, json::object question, std::string create,
                          json::object input) {
    auto found = co_await there(service, std::move(ask), std::move(question));
    if (!found) co_return fail(found);
    if (*found) co_return false;
    auto made = co_await call(service, std::move(create), std::move(input));
    if (!made) co_return fail(made);
    co_return true;
  }

  // Puts what an earlier start did not put in the same words, and all that a thing `made` just now has not.  A start
  // that finds everything as it was commits nothing, so that it is ready at once.
  task<Result<json::object>> put(std::string service, std::string operation, std::string_view name, json::object input,
                                 bool made) {
    const std::string key = fmt::format("{} {}", operation, name);
    const std::string fingerprint = sha256_hex(json::serialize(input));
    if (!made && applied(key) == fingerprint) co_return json::object{};
    auto answer = co_await call(std::move(service), std::move(operation), std::move(input));
    if (!answer) co_return fail(answer);
    auto remembered = co_await remember(key, fingerprint);
    if (!remembered) co_return fail(remembered);
    co_return answer;
  }

  std::string arn(std::string_view service, std::string_view resource) const {
    return parts_.context.place.arn(service, resource);
  }

  task<Result<void>> make_queue() {
    const json::object named = {{"QueueName", names_.dead_letters}};
    auto made = co_await make("sqs", "GetQueueUrl", named, "CreateQueue", named);
    if (!made) co_return fail(made);
    const json::object attributes = {
        {"QueueUrl", fmt::format("/{}/{}", account_.id, names_.dead_letters)},
        {"Attributes", json::object{{"Policy", json::serialize(render::queue_policy(config_, account_))}}}};
    auto opened = co_await put("sqs", "SetQueueAttributes", names_.dead_letters, attributes, *made);
    if (!opened) co_return fail(opened);
    co_return Result<void>{};
  }

  // Those that the deployer tells its news to; one that is named by an ARN of elsewhere is somebody else's.
  task<Result<void>> make_topics() {
    for (const config::Notify& notify : config_.notify) {
      const auto topic = notify.channel == "sns" ? notify.settings.find("topic") : notify.settings.end();
      if (topic == notify.settings.end()) continue;
      const std::string own = arn("sns", "");
      const bool by_arn = topic->second.starts_with("arn:");
      if (by_arn && !topic->second.starts_with(own)) continue;
      const std::string name = by_arn ? topic->second.substr(own.size()) : topic->second;
      const json::object named = {{"TopicArn", own + name}};
      const json::object input = {{"Name", name}};
      auto made = co_await make("sns", "GetTopicAttributes", named, "CreateTopic", input);
      if (!made) co_return fail(made);
    }
    co_return Result<void>{};
  }

  task<Result<void>> make_role(RoleBlueprint blueprint) {
    const std::string name = get_string(blueprint.role, "RoleName");
    const json::object named = {{"RoleName", name}};
    auto made = co_await make("iam", "GetRole", named, "CreateRole", blueprint.role);
    if (!made) co_return fail(made);
    const json::object trust = {{"RoleName", name}, {"PolicyDocument", blueprint.role.at("AssumeRolePolicyDocument")}};
    auto trusted = co_await put("iam", "UpdateAssumeRolePolicy", name, trust, *made);
    if (!trusted) co_return fail(trusted);
    auto allowed = co_await put("iam", "PutRolePolicy", name, blueprint.policy, *made);
    if (!allowed) co_return fail(allowed);
    co_return Result<void>{};
  }

  // GitHub, whose tokens CI comes with.
  task<Result<void>> make_provider() {
    const json::object input = {{"Url", fmt::format("https://{}", render::kGitHubIssuer)},
                                {"ClientIDList", json::array{"sts.amazonaws.com"}}};
    const json::object named = {{"OpenIDConnectProviderArn",
                                 fmt::format("arn:aws:iam::{}:oidc-provider/{}", account_.id, render::kGitHubIssuer)}};
    auto made = co_await make("iam", "GetOpenIDConnectProvider", named, "CreateOpenIDConnectProvider", input);
    if (!made) co_return fail(made);
    co_return Result<void>{};
  }

  Result<std::string> function_zip() const {
    if (config_.function) return user_code(*config_.function);
    return deployer_package(config_, parts_.deployer_binary);
  }

  // A file, a folder or a zip of the user's own.
  static Result<std::string> user_code(const config::Function& function) {
    const std::filesystem::path path = function.code;
    if (path.extension() == ".zip") return host::read_file(path);
    std::vector<host::ZipEntry> entries;
    std::error_code error;
    if (std::filesystem::is_directory(path, error)) {
      for (const auto& file : std::filesystem::recursive_directory_iterator(path, error)) {
        if (!file.is_regular_file()) continue;
        auto content = host::read_file(file.path());
        if (!content) return fail(content);
        const bool executable =
            (file.status().permissions() & std::filesystem::perms::owner_exec) != std::filesystem::perms::none;
        entries.push_back({.name = std::filesystem::relative(file.path(), path).string(),
                           .content = *content,
                           .executable = executable});
      }
      std::ranges::sort(entries, {}, &host::ZipEntry::name);
    } else {
      auto content = host::read_file(path);
      if (!content)
        return fail(Fault::not_found, "SLW-202",
                    "the function's code " + path.string() + " cannot be read: " + content.error().message);
      entries.push_back(
          {.name = path.filename().string(), .content = *content, .executable = path.filename() == "bootstrap"});
    }
    return host::make_zip(entries);
  }

  json::object function_configuration() const {
    json::object variables;
    if (config_.function) {
      // A function of the user's own serves the first service, in the two variables that such functions read.
      const auto& service = config_.services.begin()->second;
      variables = {{"CLUSTER_NAME", service.cluster}, {"SERVICE_NAME", service.name}};
      for (const auto& [name, value] : config_.function->environment) variables[name] = value;
    }
    // `env:NAME`: a secret that whoever started the region has in the environment.
    for (const config::Notify& notify : config_.notify) {
      for (const auto& [member, value] : notify.settings) {
        if (!value.starts_with("env:")) continue;
        const char* secret = std::getenv(value.c_str() + 4);
        if (secret != nullptr) variables[value.substr(4)] = secret;
      }
    }
    // The deployer waits for the checks after a deployment within its own time.
    Duration longest{};
    for (const auto& [key, service] : config_.services)
      longest = std::max(longest, service.verify ? service.verify->time : Duration{});
    const auto timeout =
        config_.function ? config_.function->timeout.count() / 1000 : kFunctionTimeoutSeconds + longest.count() / 1000;
    const long long memory = config_.function ? config_.function->memory : kFunctionMemoryMiB;
    return {{"FunctionName", names_.deployer},
            {"Runtime", config_.function ? config_.function->runtime : "provided.al2023"},
            {"Handler", config_.function ? config_.function->handler : "bootstrap"},
            {"Role", fmt::format("arn:aws:iam::{}:role/{}", parts_.context.place.account, names_.deployer)},
            {"Timeout", timeout},
            {"MemorySize", memory},
            {"Environment", json::object{{"Variables", variables}}},
            {"DeadLetterConfig", json::object{{"TargetArn", arn("sqs", names_.dead_letters)}}}};
  }

  // Changes with the code and the configuration of the function; packing seven megabytes to compare them would take
  // longer than the rest of the start.
  std::string function_fingerprint() const {
    std::error_code error;
    std::string code = config::routes_json(config_);
    if (!config_.function) {
      const auto written = std::filesystem::last_write_time(parts_.deployer_binary, error).time_since_epoch().count();
      code += fmt::format("{} {}", std::filesystem::file_size(parts_.deployer_binary, error), written);
    } else if (const auto zip = user_code(*config_.function)) {
      code += *zip;
    }
    return sha256_hex(code + json::serialize(function_configuration()));
  }

  task<Result<void>> make_function() {
    const json::object which = {{"FunctionName", names_.deployer}};
    auto there = co_await call("lambda", "GetFunctionConfiguration", which);
    if (!there && there.error().fault != Fault::not_found) co_return fail(there);
    const std::string fingerprint = function_fingerprint();
    if (there && applied("function " + names_.deployer) == fingerprint) co_return Result<void>{};
    const auto zip = function_zip();
    if (!zip) co_return fail(zip);
    const std::string code_sha256 = base64_encode(sha256(*zip));
    if (!there) {
      json::object input = function_configuration();
      input["Code"] = json::object{{"ZipFile", base64_encode(*zip)}};
      auto made = co_await call("lambda", "CreateFunction", input);
      if (!made) co_return fail(made);
    } else if (get_string(*there, "CodeSha256") != code_sha256) {
      const json::object code = {{"FunctionName", names_.deployer}, {"ZipFile", base64_encode(*zip)}};
      auto updated = co_await call("lambda", "UpdateFunctionCode", code);
      if (!updated) co_return fail(updated);
    }
    if (there) {
      auto configured = co_await call("lambda", "UpdateFunctionConfiguration", function_configuration());
      if (!configured) co_return fail(configured);
    }
    // One deployer at a time: two that read and then write the same service would race (design: rule 4).
    const json::object concurrency = {{"FunctionName", names_.deployer}, {"ReservedConcurrentExecutions", 1}};
    auto limited = co_await call("lambda", "PutFunctionConcurrency", concurrency);
    if (!limited) co_return fail(limited);
    co_return co_await remember("function " + names_.deployer, fingerprint);
  }

  // Each rule may invoke the function, and nothing else may; statements of rules that are gone go too.
  task<Result<void>> permit_rules() {
    const json::object which = {{"FunctionName", names_.deployer}};
    auto there = co_await call("lambda", "GetPolicy", which);
    if (!there && there.error().fault != Fault::not_found) co_return fail(there);
    std::set<std::string> stale;
    const auto policy = parse_json(there ? get_string(*there, "Policy") : "{}");
    for (const json::value& statement : get_array(policy->as_object(), "Statement"))
      stale.insert(get_string(statement.as_object(), "Sid"));
    for (const json::object& rule : rules_) {
      const std::string name = get_string(rule, "Name");
      if (stale.erase(name) > 0) continue;
      const json::object permission = {{"FunctionName", names_.deployer},
                                       {"StatementId", name},
                                       {"Action", "lambda:InvokeFunction"},
                                       {"Principal", "events.amazonaws.com"},
                                       {"SourceArn", arn("events", "rule/" + name)}};
      auto permitted = co_await call("lambda", "AddPermission", permission);
      if (!permitted) co_return fail(permitted);
    }
    for (const std::string& statement : stale) {
      if (!statement.starts_with(kOurs)) continue;
      const json::object gone = {{"FunctionName", names_.deployer}, {"StatementId", statement}};
      auto removed = co_await call("lambda", "RemovePermission", gone);
      if (!removed) co_return fail(removed);
    }
    co_return Result<void>{};
  }

  task<Result<void>> make_balancer() {
    const json::object input = {{"Name", config_.project}, {"Type", "application"}, {"Scheme", "internet-facing"}};
    const json::object named = {{"Names", json::array{config_.project}}};
    auto there = co_await call("elasticloadbalancing", "DescribeLoadBalancers", named);
    if (!there) {
      if (there.error().code != "LoadBalancerNotFound") co_return fail(there);
      there = co_await call("elasticloadbalancing", "CreateLoadBalancer", input);
      if (!there) co_return fail(there);
    }
    balancer_arn_ = get_string(get_array(*there, "LoadBalancers").at(0).as_object(), "LoadBalancerArn");
    co_return Result<void>{};
  }

  task<Result<std::string>> make_target_group(json::object wanted) {
    const json::object named = {{"Names", json::array{get_string(wanted, "Name")}}};
    auto there = co_await call("elasticloadbalancing", "DescribeTargetGroups", named);
    if (!there) {
      if (there.error().code != "TargetGroupNotFound") co_return fail(there);
      there = co_await call("elasticloadbalancing", "CreateTargetGroup", wanted);
      if (!there) co_return fail(there);
      co_return get_string(get_array(*there, "TargetGroups").at(0).as_object(), "TargetGroupArn");
    }
    const std::string found = get_string(get_array(*there, "TargetGroups").at(0).as_object(), "TargetGroupArn");
    json::object change = {{"TargetGroupArn", found}};
    for (const auto& [name, value] : wanted) {
      if (name.starts_with("HealthCheck") || name.ends_with("ThresholdCount") || name == "Matcher")
        change[name] = value;
    }
    auto changed = co_await put("elasticloadbalancing", "ModifyTargetGroup", found, change, false);
    if (!changed) co_return fail(changed);
    co_return found;
  }

  task<Result<void>> make_listener(json::object wanted, std::string target_group_arn) {
    const json::object of = {{"LoadBalancerArn", balancer_arn_}};
    auto listed = co_await call("elasticloadbalancing", "DescribeListeners", of);
    if (!listed) co_return fail(listed);
    for (const json::value& listener : get_array(*listed, "Listeners")) {
      if (get_int(listener.as_object(), "Port") == get_int(wanted, "Port")) co_return Result<void>{};
    }
    wanted["LoadBalancerArn"] = balancer_arn_;
    wanted["DefaultActions"] = json::array{json::object{{"Type", "forward"}, {"TargetGroupArn", target_group_arn}}};
    auto made = co_await call("elasticloadbalancing", "CreateListener", wanted);
    if (!made) co_return fail(made);
    co_return Result<void>{};
  }

  // Registers the configured task definition; a service that runs keeps the image that it runs.
  task<Result<std::string>> register_definition(json::object wanted, std::string current_arn) {
    if (!current_arn.empty()) {
      const json::object which = {{"taskDefinition", current_arn}};
      auto current = co_await call("ecs", "DescribeTaskDefinition", which);
      if (!current) co_return fail(current);
      const json::object definition = get_object(*current, "taskDefinition");
      const std::string image = get_string(get_array(definition, "containerDefinitions").at(0).as_object(), "image");
      wanted.at("containerDefinitions").as_array().at(0).as_object()["image"] = image;
    }
    auto registered = co_await call("ecs", "RegisterTaskDefinition", wanted);
    if (!registered) co_return fail(registered);
    co_return get_string(get_object(*registered, "taskDefinition"), "taskDefinitionArn");
  }

  task<Result<void>> make_cluster(std::string name) {
    const json::object which = {{"clusters", json::array{name}}};
    auto described = co_await call("ecs", "DescribeClusters", which);
    if (!described) co_return fail(described);
    for (const json::value& cluster : get_array(*described, "clusters"))
      if (get_string(cluster.as_object(), "status") == "ACTIVE") co_return Result<void>{};
    const json::object cluster = {{"clusterName", name}};
    auto made = co_await call("ecs", "CreateCluster", cluster);
    if (!made) co_return fail(made);
    co_return Result<void>{};
  }

  task<Result<void>> make_service(ServiceBlueprint blueprint) {
    const json::object repositories = {{"repositoryNames", json::array{blueprint.repository}}};
    const json::object repository = {{"repositoryName", blueprint.repository}};
    auto made = co_await make("ecr", "DescribeRepositories", repositories, "CreateRepository", repository);
    if (!made) co_return fail(made);
    auto clustered = co_await make_cluster(blueprint.cluster);
    if (!clustered) co_return fail(clustered);
    json::object wanted = blueprint.service;
    if (!blueprint.listener.empty()) {
      auto target_group = co_await make_target_group(blueprint.target_group);
      if (!target_group) co_return fail(target_group);
      auto listening = co_await make_listener(blueprint.listener, *target_group);
      if (!listening) co_return fail(listening);
      wanted["loadBalancers"] = json::array{json::object{{"targetGroupArn", *target_group},
                                                         {"containerName", blueprint.container},
                                                         {"containerPort", get_int(blueprint.target_group, "Port")}}};
    }
    const json::object which = {{"cluster", blueprint.cluster}, {"services", json::array{blueprint.name}}};
    auto described = co_await call("ecs", "DescribeServices", which);
    if (!described) co_return fail(described);
    std::string current;
    for (const json::value& service : get_array(*described, "services")) {
      if (get_string(service.as_object(), "status") == "ACTIVE")
        current = get_string(service.as_object(), "taskDefinition");
    }
    if (!current.empty() && applied(blueprint.cluster + "/" + blueprint.name) == blueprint.fingerprint)
      co_return Result<void>{};
    auto definition = co_await register_definition(blueprint.task_definition, current);
    if (!definition) co_return fail(definition);
    wanted["taskDefinition"] = *definition;
    auto served = co_await (current.empty() ? call("ecs", "CreateService", wanted)
                                            : call("ecs", "UpdateService", update_of(wanted)));
    if (!served) co_return fail(served);
    co_return co_await remember(blueprint.cluster + "/" + blueprint.name, blueprint.fingerprint);
  }

  static json::object update_of(json::object create) {
    create["service"] = create.at("serviceName");
    for (const std::string_view member : {"serviceName", "launchType"}) create.erase(member);
    return create;
  }

  std::string applied(const std::string& what) {
    const auto row = parts_.database->read().query_one("SELECT fingerprint FROM applied WHERE service = ?1", {what});
    return row ? row->text(0) : std::string();
  }

  task<Result<void>> remember(std::string service, std::string fingerprint) {
    auto keep = [service, fingerprint](database::Transaction& tx) {
      return tx.execute("INSERT OR REPLACE INTO applied (service, fingerprint) VALUES (?1, ?2)",
                        {service, fingerprint});
    };
    co_await parts_.database->write(keep);
    co_return Result<void>{};
  }

  // A rule or a target that somebody deleted is made again.
  task<Result<void>> make_rule(json::object rule) {
    const std::string name = get_string(rule, "Name");
    const json::object target = {{"Id", kTargetId},
                                 {"Arn", arn("lambda", fmt::format("function:{}", names_.deployer))},
                                 {"DeadLetterConfig", json::object{{"Arn", arn("sqs", names_.dead_letters)}}}};
    const json::object of = {{"Rule", name}};
    auto listed = co_await call("events", "ListTargetsByRule", of);
    if (!listed && listed.error().fault != Fault::not_found) co_return fail(listed);
    const bool whole = listed && std::ranges::any_of(get_array(*listed, "Targets"), [&](const json::value& one) {
                         return one == json::value(target);
                       });
    const std::string fingerprint = sha256_hex(json::serialize(rule));
    if (whole && applied("rule " + name) == fingerprint) co_return Result<void>{};
    auto ruled = co_await call("events", "PutRule", rule);
    if (!ruled) co_return fail(ruled);
    const json::object targets = {{"Rule", name}, {"Targets", json::array{target}}};
    auto aimed = co_await call("events", "PutTargets", targets);
    if (!aimed) co_return fail(aimed);
    if (get_int(*aimed, "FailedEntryCount") > 0)
      co_return fail(Fault::invalid, "SLW-113",
                     "the rule " + name + " cannot reach the deployer: " + json::serialize(*aimed));
    co_return co_await remember("rule " + name, fingerprint);
  }

  // Rules that an earlier configuration made: of services that are gone, or of another project.  They would go on
  // calling a deployer.  Ours are known by their name and their target.
  task<Result<void>> remove_stale_rules() {
    const json::object ours = {{"NamePrefix", kOurs}};
    auto listed = co_await call("events", "ListRules", ours);
    if (!listed) co_return fail(listed);
    for (const json::value& rule : get_array(*listed, "Rules")) {
      const std::string name = get_string(rule.as_object(), "Name");
      const auto same = [&name](const json::object& wanted) { return get_string(wanted, "Name") == name; };
      if (std::ranges::any_of(rules_, same)) continue;
      const json::object which = {{"Rule", name}};
      auto aimed = co_await call("events", "ListTargetsByRule", which);
      if (!aimed) co_return fail(aimed);
      const json::array targets = get_array(*aimed, "Targets");
      if (targets.size() != 1 || get_string(targets.front().as_object(), "Id") != kTargetId) continue;
      const json::object target = {{"Rule", name}, {"Ids", json::array{kTargetId}}};
      auto parted = co_await call("events", "RemoveTargets", target);
      if (!parted) co_return fail(parted);
      const json::object gone = {{"Name", name}};
      auto removed = co_await call("events", "DeleteRule", gone);
      if (!removed) co_return fail(removed);
    }
    co_return Result<void>{};
  }

  ApplyParts parts_;
  config::Config config_;
  render::Account account_;
  render::Names names_;
  std::vector<json::object> rules_;
  std::string balancer_arn_;
};

}  // namespace

database::Schema apply_schema() {
  return {.room = "region",
          .statements = {"CREATE TABLE applied (service TEXT PRIMARY KEY, fingerprint TEXT NOT NULL)"}};
}

task<Result<void>> apply(ApplyParts parts, config::Config config) {
  Applier applier(std::move(parts), std::move(config));
  co_return co_await applier.run();
}

}  // namespace slipway::region
