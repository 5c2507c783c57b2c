#include "ecs/api.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "database/journal.h"
#include "ecs/api_parts.h"
#include "ecs/deployments_api.h"
#include "ecs/events.h"
#include "ecs/service_deployment.h"
#include "ecs/shapes.h"

namespace slipway::ecs {
namespace {

using wire::Answer;
using wire::Call;

class Api {
 public:
  explicit Api(Scheduler& scheduler) : scheduler_(scheduler) {}

  // ---- clusters ----

  task<Result<Answer>> create_cluster(Call call) {
    const std::string name = get_string(call.input, "clusterName", "default");
    const json::object tags = tags_of(get_array(call.input, "tags"));
    auto create = [name, tags](database::Transaction& tx) {
      auto known = get_cluster(tx, name);
      // Creating a cluster that is there changes nothing (AWS answers it as it is).
      if (known && get_string(*known, "status") == "ACTIVE") return *known;
      const json::object cluster = {{"name", name}, {"status", "ACTIVE"}, {"tags", tags}};
      put_cluster(tx, name, cluster);
      return cluster;
    };
    const json::object cluster = co_await scheduler_.db().write(create);
    co_return answer_with("cluster", describe_cluster(cluster));
  }

  task<Result<Answer>> describe_clusters(Call call) {
    json::array clusters;
    json::array failures;
    auto names = get_strings(call.input, "clusters");
    if (names.empty()) names.emplace_back("default");
    for (const std::string& name : names) {
      const auto cluster = get_cluster(scheduler_.db().read(), last_part(name));
      if (cluster) {
        clusters.push_back(describe_cluster(*cluster));
      } else {
        failures.push_back(missing(call.place.arn("ecs", "cluster/" + last_part(name))));
      }
    }
    Answer answer;
    answer.output = {{"clusters", clusters}, {"failures", failures}};
    co_return answer;
  }

  task<Result<Answer>> list_cluster_arns(Call call) {
    std::vector<std::string> arns;
    for (const std::string& name : list_clusters(scheduler_.db().read())) {
      const auto cluster = get_cluster(scheduler_.db().read(), name);
      if (get_string(*cluster, "status") == "ACTIVE") arns.push_back(call.place.arn("ecs", "cluster/" + name));
    }
    co_return page_of(arns, call.input, "clusterArns");
  }

  task<Result<Answer>> delete_cluster(Call call) {
    const std::string name = cluster_of(call.input);
    auto remove = [name](database::Transaction& tx) -> Result<json::object> {
      auto cluster = get_cluster(tx, name);
      if (!cluster) return fail(Fault::not_found, "ClusterNotFoundException", "Cluster not found.");
      for (const ServiceRecord& service : list_services(tx, name)) {
        if (service.status != "INACTIVE")
          return fail(Fault::conflict, "ClusterContainsServicesException",
                      "The Cluster cannot be deleted while Services are active.");
      }
      for (const TaskRecord& task : list_tasks(tx, name, "")) {
        if (task.stage != Stage::stopped)
          return fail(Fault::conflict, "ClusterContainsTasksException",
                      "The Cluster cannot be deleted while Tasks are active.");
      }
      (*cluster)["status"] = "INACTIVE";
      put_cluster(tx, name, *cluster);
      return *cluster;
    };
    auto cluster = co_await scheduler_.db().write(remove);
    if (!cluster) co_return fail(cluster);
    co_return answer_with("cluster", describe_cluster(*cluster));
  }

  // ---- task definitions ----

  task<Result<Answer>> register_definition(Call call) {
    json::object definition = call.input;
    if (get_string(definition, "networkMode") == "host" || get_string(definition, "networkMode") == "none")
      co_return client("networkMode " + get_string(definition, "networkMode") +
                       " is not supported here: use awsvpc or bridge.");
    if (!get_array(definition, "containerDefinitions").empty()) {
      const bool any = std::ranges::any_of(get_array(definition, "containerDefinitions"), [](const json::value& c) {
        return get_bool(c.as_object(), "essential", true);
      });
      if (!any) co_return client("At least one essential container must be specified.");
    }
    const auto needs = get_strings(definition, "requiresCompatibilities");
    const bool fargate = std::ranges::find(needs, "FARGATE") != needs.end();
    if (fargate && (!has(definition, "cpu") || !has(definition, "memory")))
      co_return client("Fargate requires task definition to have execution cpu and memory.");
    for (json::value& value : definition["containerDefinitions"].as_array()) {
      if (auto good = check_host_ports(value.as_object()); !good) co_return fail(good);
      complete_container(value.as_object());
    }
    const json::object tags = tags_of(get_array(definition, "tags"));
    definition.erase("tags");
    definition["status"] = "ACTIVE";
    definition["registeredAt"] = epoch_seconds(call.now);
    definition["registeredBy"] = call.caller.arn;
    definition["volumes"] = json::array{};
    definition["placementConstraints"] = json::array{};
    definition["compatibilities"] = json::array{"EC2", "FARGATE"};
    definition["slipwayTags"] = tags;
    const Place place = call.place;
    auto add = [definition, place](database::Transaction& tx) { return add_definition(tx, definition, place); };
    json::object made = co_await scheduler_.db().write(add);
    made.erase("slipwayTags");
    Answer answer = answer_with("taskDefinition", made);
    answer.output["tags"] = list_tags(tags);
    co_return answer;
  }

  task<Result<Answer>> describe_definition(Call call) {
    auto definition = get_definition(scheduler_.db().read(), get_string(call.input, "taskDefinition"));
    if (!definition) co_return client("Unable to describe task definition.");
    const json::object tags = get_object(*definition, "slipwayTags");
    definition->erase("slipwayTags");
    Answer answer = answer_with("taskDefinition", *definition);
    const auto include = get_strings(call.input, "include");
    if (std::ranges::find(include, "TAGS") != include.end()) answer.output["tags"] = list_tags(tags);
    co_return answer;
  }

  task<Result<Answer>> deregister_definition(Call call) {
    const std::string name = get_string(call.input, "taskDefinition");
    const Instant now = call.now;
    auto remove = [name, now](database::Transaction& tx) -> Result<json::object> {
      auto definition = get_definition(tx, name);
      if (!definition) return client("Unable to describe task definition.");
      (*definition)["status"] = "INACTIVE";
      (*definition)["deregisteredAt"] = epoch_seconds(now);
      put_definition(tx, *definition);
      return *definition;
    };
    auto definition = co_await scheduler_.db().write(remove);
    if (!definition) co_return fail(definition);
    definition->erase("slipwayTags");
    co_return answer_with("taskDefinition", *definition);
  }

  task<Result<Answer>> list_definition_arns(Call call) {
    const std::string family = get_string(call.input, "familyPrefix");
    const std::string status = get_string(call.input, "status", "ACTIVE");
    std::vector<std::string> arns;
    for (const json::object& definition : list_definitions(scheduler_.db().read())) {
      const bool wanted =
          (family.empty() || get_string(definition, "family") == family) && get_string(definition, "status") == status;
      if (wanted) arns.push_back(get_string(definition, "taskDefinitionArn"));
    }
    if (get_string(call.input, "sort") == "DESC") std::ranges::reverse(arns);
    co_return page_of(arns, call.input, "taskDefinitionArns");
  }

  // ---- services ----

  task<Result<Answer>> create_service(Call call) {
    const json::object input = call.input;
    ServiceRecord service;
    service.cluster = cluster_of(input);
    service.name = get_string(input, "serviceName");
    service.created_at = call.now;
    service.tags = tags_of(get_array(input, "tags"));
    if (!has(input, "desiredCount")) co_return invalid("desiredCount is required for a REPLICA service.");
    if (auto good = take_settings(service, input); !good) co_return fail(good);
    for (const char* member : {"launchType", "networkConfiguration", "platformVersion", "enableECSManagedTags",
                               "propagateTags", "availabilityZoneRebalancing"}) {
      if (has(input, member)) service.echo[member] = input.at(member);
    }
    complete_echo(service.echo);
    const std::string deployment = "ecs-svc/" + scheduler_.random().digits(19);
    const std::string wanted = get_string(input, "taskDefinition");
    auto create = [this, service, wanted, deployment,
                   call](database::Transaction& tx) mutable -> Result<ServiceRecord> {
      const auto cluster = get_cluster(tx, service.cluster);
      if (!cluster || get_string(*cluster, "status") != "ACTIVE")
        return fail(Fault::not_found, "ClusterNotFoundException", "Cluster not found.");
      const auto known = get_service(tx, service.cluster, service.name);
      if (known && known->status != "INACTIVE") return invalid("Creation of service was not idempotent.");
      const auto definition = get_definition(tx, wanted);
      if (!definition || get_string(*definition, "status") != "ACTIVE")
        return client("Unable to find task definition: " + wanted);
      if (auto fits = check_ports(service, *definition); !fits) return fail(fits);
      begin_deployment(tx, service, *definition, deployment, call);
      put_service(tx, service);
      return service;
    };
    auto made = co_await scheduler_.db().write(create);
    if (!made) co_return fail(made);
    scheduler_.wake_service(made->cluster, made->name);
    co_return answer_with("service", describe_service(*made));
  }

  task<Result<Answer>> update_service(Call call) {
    const json::object input = call.input;
    const std::string cluster = cluster_of(input);
    const std::string name = last_part(get_string(input, "service"));
    const std::string deployment = "ecs-svc/" + scheduler_.random().digits(19);
    if (has(input, "loadBalancers")) {
      ServiceRecord probe;
      if (auto good = take_settings(probe, input); !good) co_return fail(good);
    }
    auto update = [this, cluster, name, input, deployment, call](database::Transaction& tx) -> Result<ServiceRecord> {
      if (!get_cluster(tx, cluster)) return fail(Fault::not_found, "ClusterNotFoundException", "Cluster not found.");
      auto service = get_service(tx, cluster, name);
      if (!service) return fail(Fault::not_found, "ServiceNotFoundException", "Service not found.");
      if (service->status != "ACTIVE")
        return fail(Fault::conflict, "ServiceNotActiveException", "Service was not ACTIVE.");
      const std::string before =
          service->state.deployments.empty() ? "" : service->state.deployments.front().task_definition;
      const bool moved_balancer =
          has(input, "loadBalancers") && get_array(input, "loadBalancers") != service->load_balancers;
      if (auto good = take_numbers(*service, input); !good) return fail(good);
      if (has(input, "loadBalancers")) service->load_balancers = get_array(input, "loadBalancers");
      for (const char* member : {"networkConfiguration", "platformVersion", "enableECSManagedTags", "propagateTags",
                                 "availabilityZoneRebalancing"}) {
        if (has(input, member)) service->echo[member] = input.at(member);
      }
      const std::string wanted = get_string(input, "taskDefinition", before);
      const auto definition = get_definition(tx, wanted);
      if (!definition || get_string(*definition, "status") != "ACTIVE")
        return client("Unable to find task definition: " + wanted);
      if (auto fits = check_ports(*service, *definition); !fits) return fail(fits);
      const bool deploys = get_bool(input, "forceNewDeployment") || moved_balancer ||
                           get_string(*definition, "taskDefinitionArn") != before;
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
    co_return answer_with("service", describe_service(*updated));
  }

  task<Result<Answer>> describe_services(Call call) {
    const std::string cluster = cluster_of(call.input);
    if (!get_cluster(scheduler_.db().read(), cluster))
      co_return fail(Fault::not_found, "ClusterNotFoundException", "Cluster not found.");
    json::array services;
    json::array failures;
    for (const std::string& wanted : get_strings(call.input, "services")) {
      const auto service = get_service(scheduler_.db().read(), cluster, last_part(wanted));
      if (service) {
        services.push_back(describe_service(*service));
      } else {
        failures.push_back(missing(call.place.arn("ecs", "service/" + cluster + "/" + last_part(wanted))));
      }
    }
    Answer answer;
    answer.output = {{"services", services}, {"failures", failures}};
    co_return answer;
  }

  task<Result<Answer>> list_service_arns(Call call) {
    std::vector<std::string> arns;
    for (const ServiceRecord& service : list_services(scheduler_.db().read(), cluster_of(call.input))) {
      if (service.status != "INACTIVE") arns.push_back(service.arn(call.place));
    }
    co_return page_of(arns, call.input, "serviceArns");
  }

  task<Result<Answer>> delete_service(Call call) {
    const std::string cluster = cluster_of(call.input);
    const std::string name = last_part(get_string(call.input, "service"));
    const bool force = get_bool(call.input, "force");
    const Instant now = call.now;
    auto remove = [cluster, name, force, now](database::Transaction& tx) -> Result<ServiceRecord> {
      auto service = get_service(tx, cluster, name);
      if (!service) return fail(Fault::not_found, "ServiceNotFoundException", "Service not found.");
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
    co_return answer_with("service", describe_service(*removed));
  }

  // ---- tasks ----

  task<Result<Answer>> run_tasks(Call call) {
    const std::string cluster = cluster_of(call.input);
    const json::object input = call.input;
    std::vector<std::string> ids;
    for (long long i = 0; i < get_int(input, "count", 1); ++i) ids.push_back(scheduler_.random().hex(32));
    auto start = [cluster, input, ids, call](database::Transaction& tx) -> Result<std::vector<TaskRecord>> {
      if (!get_cluster(tx, cluster)) return fail(Fault::not_found, "ClusterNotFoundException", "Cluster not found.");
      const auto definition = get_definition(tx, get_string(input, "taskDefinition"));
      if (!definition || get_string(*definition, "status") != "ACTIVE") return client("TaskDefinition not found.");
      std::vector<TaskRecord> tasks;
      for (const std::string& id : ids) {
        TaskRecord task = new_task(ServiceRecord{.cluster = cluster},
                                   Deployment{.task_definition = get_string(*definition, "taskDefinitionArn")},
                                   *definition, id, call.now);
        task.started_by = get_string(input, "startedBy");
        task.overrides = get_object(input, "overrides");
        task.tags = tags_of(get_array(input, "tags"));
        put_task(tx, task);
        tasks.push_back(task);
      }
      return tasks;
    };
    auto started = co_await scheduler_.db().write(start);
    if (!started) co_return fail(started);
    json::array tasks;
    for (const TaskRecord& task : *started) {
      scheduler_.wake_task(task.id);
      tasks.push_back(describe_task(task));
    }
    Answer answer;
    answer.output = {{"tasks", tasks}, {"failures", json::array{}}};
    co_return answer;
  }

  task<Result<Answer>> stop_task(Call call) {
    const std::string id = last_part(get_string(call.input, "task"));
    const std::string reason = get_string(call.input, "reason", "Task stopped by user");
    const Instant now = call.now;
    auto stop = [id, reason, now](database::Transaction& tx) -> Result<TaskRecord> {
      auto task = get_task(tx, id);
      if (!task) return invalid("The referenced task was not found.");
      if (!task->stop_wanted && task->stage < Stage::deactivating) {
        task->stop_wanted = true;
        task->stop_code = "UserInitiated";
        task->stop_reason = reason;
        task->stopping_at = now;
        put_task(tx, *task);
      }
      return *task;
    };
    auto stopped = co_await scheduler_.db().write(stop);
    if (!stopped) co_return fail(stopped);
    scheduler_.wake_task(id);
    if (!stopped->service.empty()) scheduler_.wake_service(stopped->cluster, stopped->service);
    co_return answer_with("task", describe_task(*stopped));
  }

  task<Result<Answer>> describe_tasks(Call call) {
    json::array tasks;
    json::array failures;
    for (const std::string& wanted : get_strings(call.input, "tasks")) {
      const auto task = get_task(scheduler_.db().read(), last_part(wanted));
      if (task && task->cluster == cluster_of(call.input)) {
        tasks.push_back(describe_task(*task));
      } else {
        failures.push_back(missing(call.place.arn("ecs", "task/" + cluster_of(call.input) + "/" + last_part(wanted))));
      }
    }
    Answer answer;
    answer.output = {{"tasks", tasks}, {"failures", failures}};
    co_return answer;
  }

  task<Result<Answer>> list_task_arns(Call call) {
    const std::string cluster = cluster_of(call.input);
    if (!get_cluster(scheduler_.db().read(), cluster))
      co_return fail(Fault::not_found, "ClusterNotFoundException", "Cluster not found.");
    const std::string service = last_part(get_string(call.input, "serviceName"));
    const std::string family = get_string(call.input, "family");
    const std::string started_by = get_string(call.input, "startedBy");
    const bool stopped = get_string(call.input, "desiredStatus", "RUNNING") == "STOPPED";
    std::vector<std::string> arns;
    for (const TaskRecord& task : list_tasks(scheduler_.db().read(), cluster, service)) {
      const bool ended = task.stop_wanted || task.stage >= Stage::deactivating;
      const bool named = started_by.empty() || task.started_by == started_by;
      const bool kin = family.empty() || task.task_definition.find("/" + family + ":") != std::string::npos;
      if (ended == stopped && named && kin) arns.push_back(task.arn(call.place));
    }
    co_return page_of(arns, call.input, "taskArns");
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

  json::object describe_cluster(const json::object& cluster) const {
    const std::string name = get_string(cluster, "name");
    long long running = 0;
    long long pending = 0;
    for (const TaskRecord& task : list_tasks(scheduler_.db().read(), name, "")) {
      running += task.stage == Stage::running ? 1 : 0;
      pending += task.stage == Stage::pending ? 1 : 0;
    }
    const auto services = list_services(scheduler_.db().read(), name);
    const auto active =
        std::ranges::count_if(services, [](const ServiceRecord& service) { return service.status == "ACTIVE"; });
    return {{"clusterArn", scheduler_.place().arn("ecs", "cluster/" + name)},
            {"clusterName", name},
            {"status", get_string(cluster, "status")},
            {"registeredContainerInstancesCount", 0},
            {"runningTasksCount", running},
            {"pendingTasksCount", pending},
            {"activeServicesCount", active},
            {"statistics", json::array{}},
            {"settings", json::array{}},
            {"capacityProviders", json::array{}},
            {"defaultCapacityProviderStrategy", json::array{}},
            {"tags", list_tags(get_object(cluster, "tags"))}};
  }

  json::object describe_service(const ServiceRecord& service) const {
    const auto tasks = list_tasks(scheduler_.db().read(), service.cluster, service.name);
    json::object out = describe(service, tasks, scheduler_.place());
    if (!service.service_deployment.empty()) out["currentServiceDeployment"] = service.service_deployment;
    out["currentServiceRevisions"] = current_revisions(service, tasks, scheduler_.place());
    out["events"] = service_events(scheduler_.db().read(), service.cluster, service.name);
    return out;
  }

  json::object describe_task(const TaskRecord& task) const {
    return describe(task, scheduler_.place(),
                    get_definition(scheduler_.db().read(), task.task_definition).value_or(json::object{}),
                    Times::seconds);
  }

  // Tasks have addresses of their own, as with awsvpc: a port of the machine is not published for them.
  static Result<void> check_host_ports(const json::object& container) {
    for (const json::value& mapping : get_array(container, "portMappings")) {
      const long long host = get_int(mapping.as_object(), "hostPort");
      if (host != 0 && host != get_int(mapping.as_object(), "containerPort"))
        return client(
            fmt::format("hostPort {} differs from containerPort: host ports are not published here, the load balancer "
                        "reaches a task at its own address.",
                        host));
    }
    return {};
  }

  static void complete_container(json::object& container) {
    for (const char* member : {"portMappings", "environment", "mountPoints", "volumesFrom", "systemControls"}) {
      if (!has(container, member)) container[member] = json::array{};
    }
    if (!has(container, "essential")) container["essential"] = true;
    if (!has(container, "cpu")) container["cpu"] = 0;
    for (json::value& mapping : container["portMappings"].as_array()) {
      json::object& port = mapping.as_object();
      if (!has(port, "protocol")) port["protocol"] = "tcp";
      if (!has(port, "hostPort")) port["hostPort"] = port["containerPort"];
    }
  }

  static void complete_echo(json::object& echo) {
    if (!has(echo, "launchType")) echo["launchType"] = "FARGATE";
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
      state.breaker.enable = get_bool(breaker, "enable");
      state.breaker.rollback = get_bool(breaker, "rollback");
    }
    if (state.maximum_percent <= state.minimum_healthy_percent && state.maximum_percent <= 100)
      return invalid(
          "maximumPercent must exceed 100 or minimumHealthyPercent must be below 100: with both at 100 no deployment "
          "could start or stop a task.");
    return {};
  }

  Result<void> take_settings(ServiceRecord& service, const json::object& input) {
    if (auto good = take_numbers(service, input); !good) return good;
    service.load_balancers = get_array(input, "loadBalancers");
    for (const json::value& balancer : service.load_balancers) {
      const std::string arn = get_string(balancer.as_object(), "targetGroupArn");
      if (auto usable = scheduler_.targets().check(arn); !usable) return invalid(usable.error().message);
    }
    return {};
  }

  // A load balancer's container and port must be those of the task definition.
  static Result<void> check_ports(const ServiceRecord& service, const json::object& definition) {
    for (const json::value& value : service.load_balancers) {
      const std::string name = get_string(value.as_object(), "containerName");
      const long long port = get_int(value.as_object(), "containerPort");
      bool found = false;
      for (const json::value& container : get_array(definition, "containerDefinitions")) {
        if (get_string(container.as_object(), "name") != name) continue;
        for (const json::value& mapping : get_array(container.as_object(), "portMappings"))
          found |= get_int(mapping.as_object(), "containerPort") == port;
      }
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
  return call.place.arn("ecs", "service/" + cluster_of(call.input) + "/" + last_part(get_string(call.input, member)));
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
  const Shape arns = list(text(), 0, 100);
  const Member cluster = optional("cluster", text());
  add("CreateCluster",
      structure({optional("clusterName", text(1, 255, "[a-zA-Z0-9_-]+")), optional("tags", tags_shape()),
                 ignored("settings", list(document())), ignored("configuration", document()),
                 ignored("capacityProviders", list(text(), 0, 0)),
                 ignored("defaultCapacityProviderStrategy", list(document(), 0, 0)),
                 refused("serviceConnectDefaults", document(), "Service Connect is not supported")}),
      &Api::create_cluster);
  add("DescribeClusters", structure({optional("clusters", arns), ignored("include", list(text()))}),
      &Api::describe_clusters);
  add("ListClusters", paging_shape({}), &Api::list_cluster_arns);
  add("DeleteCluster", structure({required("cluster", text())}), &Api::delete_cluster);
  add("RegisterTaskDefinition", task_definition_shape(), &Api::register_definition);
  add("DescribeTaskDefinition",
      structure({required("taskDefinition", text()), optional("include", list(one_of({"TAGS"})))}),
      &Api::describe_definition);
  add("DeregisterTaskDefinition", structure({required("taskDefinition", text())}), &Api::deregister_definition);
  add("ListTaskDefinitions",
      paging_shape({optional("familyPrefix", text()), optional("status", one_of({"ACTIVE", "INACTIVE"})),
                    optional("sort", one_of({"ASC", "DESC"}))}),
      &Api::list_definition_arns);
  add("CreateService", create_service_shape(), &Api::create_service,
      [](const Call& call) { return service_resource(call, "serviceName"); });
  add("UpdateService", update_service_shape(), &Api::update_service,
      [](const Call& call) { return service_resource(call, "service"); });
  add("DescribeServices",
      structure({cluster, required("services", list(text(), 1, 10)), ignored("include", list(text()))}),
      &Api::describe_services, [](const Call& call) {
        const auto names = get_strings(call.input, "services");
        return names.size() == 1
                   ? call.place.arn("ecs", "service/" + cluster_of(call.input) + "/" + last_part(names[0]))
                   : std::string("*");
      });
  add("ListServices", paging_shape({cluster, ignored("launchType", text()), ignored("schedulingStrategy", text())}),
      &Api::list_service_arns);
  add("DeleteService", structure({cluster, required("service", text()), optional("force", boolean())}),
      &Api::delete_service, [](const Call& call) { return service_resource(call, "service"); });
  add("RunTask", run_task_shape(), &Api::run_tasks);
  add("StopTask", structure({cluster, required("task", text()), optional("reason", text(0, 1024))}), &Api::stop_task);
  add("DescribeTasks", structure({cluster, required("tasks", list(text(), 1, 100)), ignored("include", list(text()))}),
      &Api::describe_tasks, [](const Call& call) {
        return call.place.arn(
            "ecs", "task/" + cluster_of(call.input) + "/" + last_part(get_strings(call.input, "tasks").at(0)));
      });
  add("ListTasks",
      paging_shape({cluster, optional("serviceName", text()), optional("family", text()), optional("startedBy", text()),
                    optional("desiredStatus", one_of({"RUNNING", "PENDING", "STOPPED"})),
                    ignored("launchType", text())}),
      &Api::list_task_arns);
  add_deployment_operations(out, scheduler);
  add("ListTagsForResource", structure({required("resourceArn", text())}), &Api::list_resource_tags);
  const auto tagging = [api](bool adding) {
    return [api, adding](Call call) { return api->tag(std::move(call), adding); };
  };
  out.operations.push_back({.name = "TagResource",
                            .input = structure({required("resourceArn", text()), required("tags", tags_shape())}),
                            .handler = tagging(true)});
  out.operations.push_back({.name = "UntagResource",
                            .input = structure({required("resourceArn", text()), required("tagKeys", list(text()))}),
                            .handler = tagging(false)});
  return out;
}

}  // namespace slipway::ecs
