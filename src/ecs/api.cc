#include "ecs/api.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/digest.h"
#include "base/text.h"
#include "database/journal.h"
#include "ecs/api_parts.h"
#include "ecs/clusters_api.h"
#include "ecs/definitions_api.h"
#include "ecs/deployments_api.h"
#include "ecs/events.h"
#include "ecs/service_deployment.h"
#include "ecs/shapes.h"
#include "ecs/tasks_api.h"

namespace slipway::ecs {
namespace {

using wire::Answer;
using wire::Call;

constexpr std::size_t kServicesPage = 10;  // ListServices' own default.

// Whoever sets hooks hands their roles to ECS.
std::vector<wire::Need> hook_roles(const Call& call) {
  std::vector<wire::Need> needs;
  const json::object configuration = get_object(call.input, "deploymentConfiguration");
  for (const json::value& hook : get_array(configuration, "lifecycleHooks")) {
    const std::string role = get_string(hook.as_object(), "roleArn");
    if (!role.empty())
      needs.push_back(
          {.action = "iam:PassRole", .resource = role, .keys = {{"iam:passedtoservice", {"ecs.amazonaws.com"}}}});
  }
  return needs;
}

class Api {
 public:
  explicit Api(Scheduler& scheduler) : scheduler_(scheduler) {}

  // ---- services ----

  task<Result<Answer>> create_service(Call call) {
    const json::object input = call.input;
    ServiceRecord service;
    service.cluster = cluster_of(input);
    service.name = get_string(input, "serviceName");
    service.created_at = call.now;
    service.created_by = call.caller.arn;
    service.request = sha256_hex(json::serialize(input));
    service.tags = tags_of(get_array(input, "tags"));
    if (!has(input, "desiredCount")) co_return invalid("desiredCount is required for a REPLICA service.");
    if (get_string(input, "taskDefinition").empty()) co_return client("TaskDefinition is blank.");
    if (auto good = take_settings(service, input); !good) co_return fail(good);
    if (auto good = check_takeover(service); !good) co_return fail(good);
    for (const char* member : {"launchType", "networkConfiguration", "platformVersion", "enableECSManagedTags",
                               "propagateTags", "availabilityZoneRebalancing"}) {
      if (has(input, member)) service.echo[member] = input.at(member);
    }
    if (const auto strategy = get_array(input, "capacityProviderStrategy"); !strategy.empty()) {
      if (has(input, "launchType"))
        co_return invalid(
            "Specifying both a launch type and capacity provider strategy is not supported. Remove one and try again.");
      service.echo["capacityProviderStrategy"] = strategy;
    }
    complete_echo(service.echo);
    const std::string deployment = "ecs-svc/" + scheduler_.random().digits(19);
    const std::string wanted = get_string(input, "taskDefinition");
    auto create = [this, service, wanted, deployment,
                   call](database::Transaction& tx) mutable -> Result<ServiceRecord> {
      const auto cluster = get_cluster(tx, service.cluster);
      if (!cluster || get_string(*cluster, "status") != "ACTIVE") return no_cluster();
      const auto known = get_service(tx, service.cluster, service.name);
      if (known && known->status == "DRAINING") return invalid("Unable to Start a service that is still Draining.");
      if (known && known->status == "ACTIVE") {
        // The same request again is answered with what it made.
        if (known->request == service.request) return *known;
        return invalid("Creation of service was not idempotent.");
      }
      const auto definition = deployable(tx, wanted);
      if (!definition) return fail(definition);
      if (auto fits = check_ports(service, *definition); !fits) return fail(fits);
      begin_deployment(tx, service, *definition, deployment, call);
      put_service(tx, service);
      return service;
    };
    auto made = co_await scheduler_.db().write(create);
    if (!made) co_return fail(made);
    scheduler_.wake_service(made->cluster, made->name);
    co_return answer_with("service", describe_service(*made, true));
  }

  task<Result<Answer>> update_service(Call call) {
    const json::object input = call.input;
    const std::string cluster = cluster_of(input, "service");
    const std::string name = last_part(get_string(input, "service"));
    const std::string deployment = "ecs-svc/" + scheduler_.random().digits(19);
    if (has(input, "loadBalancers")) {
      ServiceRecord probe;
      if (auto good = take_settings(probe, input); !good) co_return fail(good);
    }
    auto update = [this, cluster, name, input, deployment, call](database::Transaction& tx) -> Result<ServiceRecord> {
      if (!get_cluster(tx, cluster)) return no_cluster();
      auto service = get_service(tx, cluster, name);
      if (!service) return no_service();
      if (service->status != "ACTIVE")
        return fail(Fault::conflict, "ServiceNotActiveException", "Service was not ACTIVE.");
      const std::string before =
          service->state.deployments.empty() ? "" : service->state.deployments.front().task_definition;
      const auto moved = [&](const char* member, const json::value& known) {
        return has(input, member) && input.at(member) != known;
      };
      const bool rewired = moved("loadBalancers", service->load_balancers) ||
                           moved("networkConfiguration", get_object(service->echo, "networkConfiguration"));
      if (auto good = take_numbers(*service, input); !good) return fail(good);
      if (has(input, "loadBalancers")) {
        // Tasks find their target group by their side of it.
        const bool on_alternate = std::ranges::any_of(service->state.deployments, &Deployment::alternate);
        if (rewired && on_alternate)
          return invalid(
              "loadBalancers cannot change while tasks are in the alternate target group; deploy once more before.");
        service->load_balancers = get_array(input, "loadBalancers");
      }
      if (auto good = check_takeover(*service); !good) return fail(good);
      for (const char* member : {"networkConfiguration", "platformVersion", "enableECSManagedTags", "propagateTags",
                                 "availabilityZoneRebalancing", "capacityProviderStrategy"}) {
        if (has(input, member)) service->echo[member] = input.at(member);
      }
      const std::string wanted = get_string(input, "taskDefinition", before);
      // A service may go on with a definition that has been deregistered, but not take one up.
      auto definition = deployable(tx, wanted);
      if (!definition && wanted == before) {
        if (auto old = get_definition(tx, before)) definition = *old;
      }
      if (!definition) return fail(definition);
      if (auto fits = check_ports(*service, *definition); !fits) return fail(fits);
      const bool deploys =
          get_bool(input, "forceNewDeployment") || rewired || get_string(*definition, "taskDefinitionArn") != before;
      database::append_journal(
          tx, call.now, "ecs.update_service", service->subject(),
          fmt::format("by {}{}", last_part(call.caller.arn), deploys ? "" : " (no new deployment)"),
          {{"deployment", deploys ? deployment : ""}, {"caller", call.caller.arn}});
      if (deploys) begin_deployment(tx, *service, *definition, deployment, call);
      // A count that changed has to be reached again before the state is steady.
      if (!service->state.deployments.empty()) {
        service->state.deployments.front().steady = false;
        service->state.deployments.front().stuck = false;
      }
      put_service(tx, *service);
      return *service;
    };
    auto updated = co_await scheduler_.db().write(update);
    if (!updated) co_return fail(updated);
    scheduler_.wake_service(cluster, name);
    co_return answer_with("service", describe_service(*updated, true));
  }

  task<Result<Answer>> describe_services(Call call) {
    const std::string cluster = cluster_of(call.input);
    const auto wanted = get_strings(call.input, "services");
    if (wanted.empty()) co_return invalid("Services cannot be empty.");
    if (!get_cluster(scheduler_.db().read(), cluster)) co_return no_cluster();
    const auto include = get_strings(call.input, "include");
    const bool tags = std::ranges::find(include, "TAGS") != include.end();
    json::array services;
    json::array failures;
    for (const std::string& name : wanted) {
      const auto service = get_service(scheduler_.db().read(), cluster, last_part(name));
      if (service) {
        services.push_back(describe_service(*service, tags));
      } else {
        failures.push_back(missing(call.place.arn("ecs", "service/" + cluster + "/" + last_part(name))));
      }
    }
    Answer answer;
    answer.output = {{"services", services}, {"failures", failures}};
    co_return answer;
  }

  task<Result<Answer>> list_service_arns(Call call) {
    const std::string cluster = cluster_of(call.input);
    if (!get_cluster(scheduler_.db().read(), cluster)) co_return no_cluster();
    const std::string launch = get_string(call.input, "launchType");
    const bool daemons = get_string(call.input, "schedulingStrategy") == "DAEMON";
    std::vector<std::string> arns;
    for (const ServiceRecord& service : list_services(scheduler_.db().read(), cluster)) {
      const bool launched = launch.empty() || get_string(service.echo, "launchType") == launch;
      if (service.status != "INACTIVE" && launched && !daemons) arns.push_back(service.arn(call.place));
    }
    co_return page_of(arns, call.input, "serviceArns", kServicesPage);
  }

  task<Result<Answer>> delete_service(Call call) {
    const std::string cluster = cluster_of(call.input, "service");
    const std::string name = last_part(get_string(call.input, "service"));
    const bool force = get_bool(call.input, "force");
    const Instant now = call.now;
    auto remove = [cluster, name, force, now](database::Transaction& tx) -> Result<ServiceRecord> {
      if (!get_cluster(tx, cluster)) return no_cluster();
      auto service = get_service(tx, cluster, name);
      if (!service) return no_service();
      if (service->status == "INACTIVE")
        return fail(Fault::conflict, "ServiceNotActiveException", "Service was not ACTIVE.");
      if (service->state.desired > 0 && !force)
        return invalid("The service cannot be stopped while it is scaled above 0.");
      service->state.desired = 0;
      service->status = "DRAINING";
      if (auto deployment = get_service_deployment(tx, service->service_deployment)) {
        stop(*deployment, "Service deployment stopped because the service was deleted.", now);
        put_service_deployment(tx, *service, *deployment);
      }
      put_service(tx, *service);
      return *service;
    };
    auto removed = co_await scheduler_.db().write(remove);
    if (!removed) co_return fail(removed);
    scheduler_.wake_service(cluster, name);
    co_return answer_with("service", describe_service(*removed, true));
  }

  // ---- tags ----

  task<Result<Answer>> tag(Call call, bool add) {
    const std::string arn = get_string(call.input, "resourceArn");
    const json::object tags = tags_of(get_array(call.input, "tags"));
    const auto keys = get_strings(call.input, "tagKeys");
    auto change = [arn, tags, keys, add](database::Transaction& tx) -> Result<int> {
      return edit_tags(tx, arn, [&](json::object& known) {
        if (add) {
          for (const auto& entry : tags) known[entry.key()] = entry.value();
        }
        for (const std::string& key : keys) known.erase(key);
      });
    };
    if (auto good = check_tags(tags); !good) co_return fail(good);
    auto changed = co_await scheduler_.db().write(change);
    if (!changed) co_return fail(changed);
    co_return Answer{};
  }

  task<Result<Answer>> list_resource_tags(Call call) {
    const std::string arn = get_string(call.input, "resourceArn");
    json::object tags;
    auto look = [arn](database::Transaction& tx) -> Result<json::object> {
      json::object found;
      auto known = edit_tags(tx, arn, [&](json::object& all) { found = all; });
      if (!known) return fail(known);
      return found;
    };
    auto found = co_await scheduler_.db().write(look);
    if (!found) co_return fail(found);
    co_return answer_with("tags", list_tags(*found));
  }

 private:
  static Result<void> check_tags(const json::object& tags) {
    for (const auto& tag : tags) {
      if (to_lower(std::string_view(tag.key().data(), tag.key().size())).starts_with("aws:"))
        return invalid("Tag keys and values that begin with aws: are reserved for AWS use.");
    }
    return {};
  }

  // Finds the resource's tags, lets `edit` change them and stores them.
  static Result<int> edit_tags(database::Transaction& tx, const std::string& arn,
                               const std::function<void(json::object&)>& edit) {
    const auto parsed = parse_arn(arn);
    const auto parts = split(parsed ? parsed->resource : "", '/');
    if (parts[0] == "cluster" && parts.size() == 2) {
      if (auto cluster = get_cluster(tx, parts[1])) {
        json::object tags = get_object(*cluster, "tags");
        edit(tags);
        (*cluster)["tags"] = tags;
        put_cluster(tx, parts[1], *cluster);
        return 0;
      }
    }
    if (parts[0] == "service" && parts.size() == 3) {
      if (auto service = get_service(tx, parts[1], parts[2])) {
        edit(service->tags);
        put_service(tx, *service);
        return 0;
      }
    }
    if (parts[0] == "task" && parts.size() == 3) {
      if (auto task = get_task(tx, parts[2])) {
        edit(task->tags);
        put_task(tx, *task);
        return 0;
      }
    }
    if (parts[0] == "task-definition" && parts.size() == 2) {
      if (auto definition = get_definition(tx, arn)) {
        json::object tags = get_object(*definition, "slipwayTags");
        edit(tags);
        (*definition)["slipwayTags"] = tags;
        put_definition(tx, *definition);
        return 0;
      }
    }
    return invalid("The specified resource was not found: " + arn);
  }

  json::object describe_service(const ServiceRecord& service, bool tags) const {
    const auto tasks = list_tasks(scheduler_.db().read(), service.cluster, service.name);
    json::object out = describe(service, tasks, scheduler_.place());
    if (!service.service_deployment.empty()) out["currentServiceDeployment"] = service.service_deployment;
    out["currentServiceRevisions"] = current_revisions(service, tasks, scheduler_.place());
    if (!tags) out.erase("tags");
    out["events"] = service_events(scheduler_.db().read(), service.cluster, service.name);
    return out;
  }

  static void complete_echo(json::object& echo) {
    if (!has(echo, "launchType") && !has(echo, "capacityProviderStrategy")) echo["launchType"] = "FARGATE";
    if (!has(echo, "availabilityZoneRebalancing")) echo["availabilityZoneRebalancing"] = "ENABLED";
    if (!has(echo, "enableECSManagedTags")) echo["enableECSManagedTags"] = false;
    if (!has(echo, "propagateTags")) echo["propagateTags"] = "NONE";
    echo["enableExecuteCommand"] = false;
    echo["schedulingStrategy"] = "REPLICA";
    echo["deploymentController"] = json::object{{"type", "ECS"}};
    echo["platformVersion"] = "1.4.0";
    echo["platformFamily"] = "Linux";
  }

  static Result<void> take_numbers(ServiceRecord& service, const json::object& input) {
    ServiceState& state = service.state;
    state.desired = static_cast<int>(get_int(input, "desiredCount", state.desired));
    if (has(input, "healthCheckGracePeriodSeconds"))
      state.grace = std::chrono::seconds(get_int(input, "healthCheckGracePeriodSeconds"));
    const json::object configuration = get_object(input, "deploymentConfiguration");
    state.minimum_healthy_percent =
        static_cast<int>(get_int(configuration, "minimumHealthyPercent", state.minimum_healthy_percent));
    state.maximum_percent = static_cast<int>(get_int(configuration, "maximumPercent", state.maximum_percent));
    if (const json::object breaker = get_object(configuration, "deploymentCircuitBreaker"); !breaker.empty()) {
      state.breaker = Breaker{.enable = get_bool(breaker, "enable"),
                              .rollback = get_bool(breaker, "rollback"),
                              .reset_on_healthy = get_bool(breaker, "resetOnHealthyTask", true)};
      if (auto good = take_threshold(state.breaker, get_object(breaker, "thresholdConfiguration")); !good) return good;
    }
    if (auto good = take_strategy(state.how, configuration); !good) return good;
    if (has(configuration, "lifecycleHooks")) {
      if (auto good = take_hooks(state, get_array(configuration, "lifecycleHooks")); !good) return good;
    }
    if (state.how.strategy == Strategy::rolling) state.hooks.clear();
    if (state.maximum_percent < state.minimum_healthy_percent)
      return invalid("maximumPercent must not be less than minimumHealthyPercent.");
    if (state.maximum_percent == 100 && state.minimum_healthy_percent == 100)
      return invalid("Both maximumPercent and minimumHealthyPercent cannot be 100 as this will block deployments.");
    return {};
  }

  // How deployments to come take over.  What is not named stays as it is, unless the strategy changes.
  static Result<void> take_strategy(Takeover& how, const json::object& configuration) {
    const std::string named = get_string(configuration, "strategy", strategy_text(how.strategy));
    const bool linear = named == "LINEAR";
    const bool canary = named == "CANARY";
    if (has(configuration, "linearConfiguration") && !linear)
      return invalid("linearConfiguration can only be specified with the LINEAR deployment strategy.");
    if (has(configuration, "canaryConfiguration") && !canary)
      return invalid("canaryConfiguration can only be specified with the CANARY deployment strategy.");
    const bool changes = named != strategy_text(how.strategy);
    const bool baked = has(configuration, "bakeTimeInMinutes");
    if (named == "ROLLING") {
      if (baked && get_int(configuration, "bakeTimeInMinutes") != 0)
        return invalid("bakeTimeInMinutes can only be specified with a deployment strategy other than ROLLING.");
      how = Takeover{};
      return {};
    }
    if (changes && !baked)
      return invalid(fmt::format("bakeTimeInMinutes is required for the {} deployment strategy.", named));
    if (baked) how.bake = std::chrono::minutes(get_int(configuration, "bakeTimeInMinutes"));
    how.strategy = linear ? Strategy::linear : canary ? Strategy::canary : Strategy::blue_green;
    if (!linear && !canary) {
      how.step = kAll;
      how.step_bake = {};
      return {};
    }
    const json::object steps = get_object(configuration, linear ? "linearConfiguration" : "canaryConfiguration");
    const char* percent_member = linear ? "stepPercent" : "canaryPercent";
    const double before = changes ? (linear ? 10.0 : 5.0) : how.step / 10.0;
    const long long minutes = changes ? (linear ? 6 : 10) : how.step_bake / std::chrono::minutes(1);
    const double percent = get_double(steps, percent_member, before);
    const double least = linear ? 3.0 : 0.1;
    how.step = static_cast<int>(std::lround(percent * 10));
    if (percent < least || percent > 100.0 || std::abs(percent * 10 - how.step) > 1e-6)
      return invalid(fmt::format("{} must be between {:.1f} and 100.0, in multiples of 0.1.", percent_member, least));
    how.step_bake =
        std::chrono::minutes(get_int(steps, linear ? "stepBakeTimeInMinutes" : "canaryBakeTimeInMinutes", minutes));
    return {};
  }

  static Result<void> take_hooks(ServiceState& state, const json::array& given) {
    if (!given.empty() && state.how.strategy == Strategy::rolling)
      return invalid("lifecycleHooks can only be specified with a deployment strategy other than ROLLING.");
    state.hooks.clear();
    for (const json::value& one : given) {
      Hook hook = hook_from(one.as_object());
      const auto at = [&](Phase phase) { return std::ranges::find(hook.phases, phase) != hook.phases.end(); };
      if (hook.pause && (at(Phase::test_shift) || at(Phase::production_shift)))
        return invalid("A PAUSE hook cannot be at TEST_TRAFFIC_SHIFT or PRODUCTION_TRAFFIC_SHIFT.");
      if (hook.pause && !hook.function.empty()) return invalid("hookTargetArn cannot be specified for a PAUSE hook.");
      if (!hook.pause && (hook.function.empty() || hook.role.empty()))
        return invalid("hookTargetArn and roleArn are required for an AWS_LAMBDA hook.");
      if (!hook.details.empty() && !one.at("hookDetails").is_object())
        return invalid("hookDetails must be a JSON object.");
      state.hooks.push_back(std::move(hook));
    }
    return {};
  }

  // What moves traffic needs two target groups and a rule to move it by.
  Result<void> check_takeover(const ServiceRecord& service) {
    if (service.state.how.strategy == Strategy::rolling) return {};
    const std::string strategy = strategy_text(service.state.how.strategy);
    if (service.load_balancers.empty() && service.state.how.strategy != Strategy::blue_green)
      return invalid(fmt::format("The {} deployment strategy requires a load balancer.", strategy));
    for (const json::value& balancer : service.load_balancers) {
      if (!has(balancer.as_object(), "advancedConfiguration"))
        return invalid(fmt::format("advancedConfiguration is required in loadBalancers for the {} deployment strategy.",
                                   strategy));
    }
    return {};
  }

  static Result<void> take_threshold(Breaker& breaker, const json::object& threshold) {
    if (threshold.empty()) return {};
    const std::string type = get_string(threshold, "type");
    breaker.value = static_cast<int>(get_int(threshold, "value"));
    breaker.type = type == "COUNT"               ? Breaker::Threshold::count
                   : type == "UNBOUNDED_PERCENT" ? Breaker::Threshold::unbounded_percent
                                                 : Breaker::Threshold::bounded_percent;
    if (breaker.type != Breaker::Threshold::count && breaker.value > 100)
      return invalid("The value of a thresholdConfiguration in percent must be between 1 and 100.");
    return {};
  }

  // A definition that a service may take up.
  static Result<json::object> deployable(database::Connection& db, const std::string& name) {
    const auto definition = get_definition(db, name);
    if (!definition) return client("TaskDefinition not found.");
    if (get_string(*definition, "status") != "ACTIVE") return client("TaskDefinition is inactive");
    return *definition;
  }

  Result<void> take_settings(ServiceRecord& service, const json::object& input) {
    if (auto good = take_numbers(service, input); !good) return good;
    service.load_balancers = get_array(input, "loadBalancers");
    for (const json::value& balancer : service.load_balancers) {
      const std::string arn = get_string(balancer.as_object(), "targetGroupArn");
      if (auto usable = scheduler_.targets().check(arn); !usable) return invalid(usable.error().message);
      const json::object advanced = get_object(balancer.as_object(), "advancedConfiguration");
      if (advanced.empty()) continue;
      const std::string alternate = get_string(advanced, "alternateTargetGroupArn");
      if (alternate == arn) return invalid("The alternate target group must differ from the target group.");
      // That no listener uses it yet is mended by the first deployment.
      if (auto usable = scheduler_.targets().check(alternate); !usable && usable.error().fault == Fault::not_found)
        return invalid(usable.error().message);
      for (const char* member : {"productionListenerRule", "testListenerRule"}) {
        const std::string rule = get_string(advanced, member);
        if (rule.empty()) continue;
        if (auto usable = scheduler_.targets().check_rule(rule); !usable) return invalid(usable.error().message);
      }
    }
    return {};
  }

  // A load balancer's container and port must be those of the task definition.
  static Result<void> check_ports(const ServiceRecord& service, const json::object& definition) {
    for (const json::value& value : service.load_balancers) {
      const std::string name = get_string(value.as_object(), "containerName");
      const long long port = get_int(value.as_object(), "containerPort");
      bool found = false;
      bool known = false;
      for (const json::value& container : get_array(definition, "containerDefinitions")) {
        if (get_string(container.as_object(), "name") != name) continue;
        known = true;
        for (const json::value& mapping : get_array(container.as_object(), "portMappings"))
          found |= get_int(mapping.as_object(), "containerPort") == port;
      }
      if (!known) return invalid(fmt::format("The container {} does not exist in the task definition.", name));
      if (!found) return invalid(fmt::format("The container {} did not have a container port {} defined.", name, port));
    }
    return {};
  }

  void begin_deployment(database::Transaction& tx, ServiceRecord& service, const json::object& definition,
                        const std::string& id, const Call& call) {
    Deployment newest{.id = id,
                      .task_definition = get_string(definition, "taskDefinitionArn"),
                      .reason = "ECS deployment " + id + " in progress.",
                      .created_at = call.now,
                      .updated_at = call.now};
    supersede(service.state, newest);
    const json::object begun = new_service_deployment(service, service_deployment_id(id), call.now, scheduler_.place());
    if (auto before = get_service_deployment(tx, service.service_deployment)) {
      supersede(*before, get_string(begun, "serviceDeploymentArn"), call.now);
      put_service_deployment(tx, service, *before);
    }
    service.service_deployment = get_string(begun, "serviceDeploymentArn");
    put_service_deployment(tx, service, begun);
    put_service_revision(tx, service_revision(service, newest, definition, scheduler_.place()));
    const Teller teller{
        .tx = tx, .now = call.now, .place = scheduler_.place(), .events = scheduler_.events(), .seed = id};
    tell_deployment_started(teller, service, newest, definition);
  }

  Scheduler& scheduler_;
};

std::string service_resource(const Call& call, const char* member) {
  return call.place.arn("ecs",
                        "service/" + cluster_of(call.input, member) + "/" + last_part(get_string(call.input, member)));
}

// What a condition may ask of CreateService and UpdateService: without a task definition (forceNewDeployment alone)
// there is no key of it.
wire::ConditionKeys service_keys(Scheduler& scheduler, const Call& call, const char* member) {
  wire::ConditionKeys keys = cluster_key(call, member);
  if (has(call.input, "enableExecuteCommand"))
    keys["ecs:enable-execute-command"] = {get_bool(call.input, "enableExecuteCommand") ? "true" : "false"};
  const std::string named = get_string(call.input, "taskDefinition");
  if (named.empty()) return keys;
  const auto definition = get_definition(scheduler.db().read(), named);
  keys["ecs:task-definition"] = {definition         ? get_string(*definition, "taskDefinitionArn")
                                 : parse_arn(named) ? named
                                                    : call.place.arn("ecs", "task-definition/" + named)};
  return keys;
}

std::vector<std::string> services_named(const Call& call) {
  std::vector<std::string> arns;
  for (const std::string& name : get_strings(call.input, "services"))
    arns.push_back(call.place.arn("ecs", "service/" + cluster_of(call.input) + "/" + last_part(name)));
  return arns;
}

// Tags that come with what a call makes need ecs:TagResource on it
// (https://docs.aws.amazon.com/AmazonECS/latest/developerguide/supported-iam-actions-tagging.html).
std::vector<wire::Need> tagging_of(const Call& call, const std::string& resource) {
  if (get_array(call.input, "tags").empty()) return {};
  return {{.action = "ecs:TagResource", .resource = resource, .keys = {}}};
}

using Method = task<Result<Answer>> (Api::*)(Call);

}  // namespace

wire::Service service(Scheduler& scheduler) {
  using namespace wire;
  auto api = std::make_shared<Api>(scheduler);
  Service out;
  out.name = "ecs";
  out.protocols = {Protocol::json_1_1};
  out.target_prefix = "AmazonEC2ContainerServiceV20141113";
  out.validation_code = "InvalidParameterException";
  const auto add = [&](const char* name, Shape input, Method method,
                       std::function<std::string(const Call&)> resource = {}) {
    out.operations.push_back({.name = name,
                              .input = std::move(input),
                              .handler = [api, method](Call call) { return ((*api).*method)(std::move(call)); },
                              .resource = std::move(resource)});
  };
  const Member cluster = optional("cluster", text());
  add_cluster_operations(out, scheduler);
  add_definition_operations(out, scheduler);
  add("CreateService", create_service_shape(), &Api::create_service,
      [](const Call& call) { return service_resource(call, "serviceName"); });
  add("UpdateService", update_service_shape(), &Api::update_service,
      [](const Call& call) { return service_resource(call, "service"); });
  add("DescribeServices",
      structure({cluster, required("services", list(text(1), 0, 10)), optional("include", list(one_of({"TAGS"})))}),
      &Api::describe_services, [](const Call& call) {
        const auto arns = services_named(call);
        return arns.empty() ? std::string("*") : arns.front();
      });
  add("ListServices",
      paging_shape({cluster, optional("launchType", one_of({"EC2", "FARGATE", "EXTERNAL"})),
                    optional("schedulingStrategy", one_of({"REPLICA", "DAEMON"}))}),
      &Api::list_service_arns);
  add("DeleteService", structure({cluster, required("service", text()), optional("force", boolean())}),
      &Api::delete_service, [](const Call& call) { return service_resource(call, "service"); });
  add_task_operations(out, scheduler);
  add_deployment_operations(out, scheduler);
  const auto tagged = [](const Call& call) { return get_string(call.input, "resourceArn"); };
  add("ListTagsForResource", structure({required("resourceArn", text())}), &Api::list_resource_tags, tagged);
  const auto tagging = [api](bool adding) {
    return [api, adding](Call call) { return api->tag(std::move(call), adding); };
  };
  out.operations.push_back({.name = "TagResource",
                            .input = structure({required("resourceArn", text()), required("tags", tags_shape())}),
                            .handler = tagging(true),
                            .resource = tagged});
  out.operations.push_back({.name = "UntagResource",
                            .input = structure({required("resourceArn", text()), required("tagKeys", list(text()))}),
                            .handler = tagging(false),
                            .resource = tagged});
  for (Operation& operation : out.operations) {
    if (operation.name == "CreateService" || operation.name == "UpdateService") {
      const char* member = operation.name == "CreateService" ? "serviceName" : "service";
      operation.keys = [&scheduler, member](const Call& call) { return service_keys(scheduler, call, member); };
    } else if (operation.name == "DeleteService") {
      operation.keys = [](const Call& call) { return cluster_key(call, "service"); };
    } else if (operation.name == "DescribeServices" || operation.name == "ListServices") {
      operation.keys = [](const Call& call) { return cluster_key(call); };
    }
    if (operation.name == "DescribeServices")
      operation.also = [](const Call& call) { return others(services_named(call), "ecs:DescribeServices"); };
    if (operation.name == "CreateService")
      operation.also = [](const Call& call) {
        auto needs = tagging_of(call, service_resource(call, "serviceName"));
        std::ranges::move(hook_roles(call), std::back_inserter(needs));
        return needs;
      };
    if (operation.name == "UpdateService") operation.also = hook_roles;
  }
  return out;
}

}  // namespace slipway::ecs
