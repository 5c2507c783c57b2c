#include "ecs/clusters_api.h"

#include <fmt/format.h>

#include <algorithm>

#include "ecs/api_parts.h"
#include "ecs/shapes.h"

namespace slipway::ecs {
namespace {

using wire::Answer;
using wire::Call;

// The capacity of this machine goes by AWS's two names that need no machines of one's own.
bool is_provider(const std::string& name) {
  return name == "FARGATE" || name == "FARGATE_SPOT";
}

Result<void> check_providers(const json::object& cluster) {
  const auto names = get_strings(cluster, "capacityProviders");
  for (const std::string& name : names) {
    if (!is_provider(name))
      return invalid(fmt::format(
          "The specified capacity provider '{}' was not found. Specify a valid name or ARN and try again.", name));
  }
  for (const json::value& part : get_array(cluster, "defaultCapacityProviderStrategy")) {
    const std::string name = get_string(part.as_object(), "capacityProvider");
    if (std::ranges::find(names, name) == names.end())
      return invalid(fmt::format(
          "The specified capacity provider strategy cannot contain a capacity provider that is not associated with the "
          "cluster: {}. Associate the capacity provider with the cluster and try again.",
          name));
  }
  return {};
}

class ClustersApi {
 public:
  explicit ClustersApi(Scheduler& scheduler) : scheduler_(scheduler) {}

  task<Result<Answer>> create(Call call) {
    json::object wanted = {{"name", get_string(call.input, "clusterName", "default")},
                           {"status", "ACTIVE"},
                           {"tags", tags_of(get_array(call.input, "tags"))},
                           {"settings", settings_of(call.input)}};
    for (const char* member : {"configuration", "capacityProviders", "defaultCapacityProviderStrategy"}) {
      if (has(call.input, member)) wanted[member] = call.input.at(member);
    }
    if (auto good = check_providers(wanted); !good) co_return fail(good);
    auto create = [wanted](database::Transaction& tx) {
      const std::string name = get_string(wanted, "name");
      auto known = get_cluster(tx, name);
      // Creating a cluster that is there changes nothing (AWS answers it as it is).
      if (known && get_string(*known, "status") == "ACTIVE") return *known;
      put_cluster(tx, name, wanted);
      return wanted;
    };
    const json::object cluster = co_await scheduler_.db().write(create);
    co_return answer_with("cluster", show(cluster, {"TAGS", "SETTINGS", "CONFIGURATIONS"}));
  }

  task<Result<Answer>> describe(Call call) {
    json::array clusters;
    json::array failures;
    auto names = get_strings(call.input, "clusters");
    if (names.empty()) names.emplace_back("default");
    for (const std::string& name : names) {
      const auto cluster = get_cluster(scheduler_.db().read(), last_part(name));
      if (cluster) {
        clusters.push_back(show(*cluster, get_strings(call.input, "include")));
      } else {
        failures.push_back(missing(call.place.arn("ecs", "cluster/" + last_part(name))));
      }
    }
    Answer answer;
    answer.output = {{"clusters", clusters}, {"failures", failures}};
    co_return answer;
  }

  task<Result<Answer>> list(Call call) {
    std::vector<std::string> arns;
    for (const std::string& name : list_clusters(scheduler_.db().read())) {
      const auto cluster = get_cluster(scheduler_.db().read(), name);
      if (get_string(*cluster, "status") == "ACTIVE") arns.push_back(call.place.arn("ecs", "cluster/" + name));
    }
    co_return page_of(arns, call.input, "clusterArns");
  }

  // UpdateCluster, UpdateClusterSettings and PutClusterCapacityProviders: what is given replaces what was.
  task<Result<Answer>> update(Call call) {
    const std::string name = last_part(get_string(call.input, "cluster"));
    const json::object input = call.input;
    auto change = [name, input](database::Transaction& tx) -> Result<json::object> {
      auto cluster = get_cluster(tx, name);
      if (!cluster || get_string(*cluster, "status") != "ACTIVE") return no_cluster();
      if (has(input, "settings")) (*cluster)["settings"] = settings_of(input);
      for (const char* member : {"configuration", "capacityProviders", "defaultCapacityProviderStrategy"}) {
        if (has(input, member)) (*cluster)[member] = input.at(member);
      }
      if (auto good = check_providers(*cluster); !good) return fail(good);
      put_cluster(tx, name, *cluster);
      return *cluster;
    };
    auto cluster = co_await scheduler_.db().write(change);
    if (!cluster) co_return fail(cluster);
    co_return answer_with("cluster", show(*cluster, {"TAGS", "SETTINGS", "CONFIGURATIONS"}));
  }

  task<Result<Answer>> remove(Call call) {
    const std::string name = last_part(get_string(call.input, "cluster"));
    auto remove = [name](database::Transaction& tx) -> Result<json::object> {
      auto cluster = get_cluster(tx, name);
      if (!cluster || get_string(*cluster, "status") != "ACTIVE") return no_cluster();
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
    co_return answer_with("cluster", show(*cluster, {"TAGS", "SETTINGS", "CONFIGURATIONS"}));
  }

  task<Result<Answer>> describe_providers(Call call) {
    auto names = get_strings(call.input, "capacityProviders");
    if (names.empty()) names = {"FARGATE", "FARGATE_SPOT"};
    json::array providers;
    json::array failures;
    for (const std::string& wanted : names) {
      const std::string name = last_part(wanted);
      const std::string arn = call.place.arn("ecs", "capacity-provider/" + name);
      if (is_provider(name)) {
        providers.push_back(
            json::object{{"capacityProviderArn", arn}, {"name", name}, {"status", "ACTIVE"}, {"tags", json::array{}}});
      } else {
        failures.push_back(missing(arn));
      }
    }
    Answer answer;
    answer.output = {{"capacityProviders", providers}, {"failures", failures}};
    co_return answer;
  }

  // There are no container instances: the machine is one pool of capacity, as with Fargate.
  task<Result<Answer>> list_instances(Call call) {
    if (!get_cluster(scheduler_.db().read(), cluster_of(call.input))) co_return no_cluster();
    co_return answer_with("containerInstanceArns", json::array{});
  }
  task<Result<Answer>> describe_instances(Call call) {
    if (!get_cluster(scheduler_.db().read(), cluster_of(call.input))) co_return no_cluster();
    json::array failures;
    for (const std::string& id : get_strings(call.input, "containerInstances"))
      failures.push_back(missing(
          call.place.arn("ecs", fmt::format("container-instance/{}/{}", cluster_of(call.input), last_part(id)))));
    Answer answer;
    answer.output = {{"containerInstances", json::array{}}, {"failures", failures}};
    co_return answer;
  }

 private:
  static json::array settings_of(const json::object& input) {
    json::array settings = get_array(input, "settings");
    if (settings.empty()) settings.push_back(json::object{{"name", "containerInsights"}, {"value", "disabled"}});
    return settings;
  }

  json::object show(const json::object& cluster, const std::vector<std::string>& include) const {
    const auto wants = [&](const char* what) { return std::ranges::find(include, what) != include.end(); };
    const std::string name = get_string(cluster, "name");
    long long running = 0;
    long long pending = 0;
    for (const TaskRecord& task : list_tasks(scheduler_.db().read(), name, "")) {
      running += task.stage == Stage::running ? 1 : 0;
      pending += task.stage == Stage::pending ? 1 : 0;
    }
    const auto services = list_services(scheduler_.db().read(), name);
    const auto of_status = [&](const char* status) {
      return std::ranges::count_if(services, [&](const ServiceRecord& service) { return service.status == status; });
    };
    json::array statistics;
    const auto add = [&](const char* what, long long value) {
      statistics.push_back(json::object{{"name", what}, {"value", std::to_string(value)}});
    };
    if (wants("STATISTICS")) {
      add("runningEC2TasksCount", 0);
      add("runningFargateTasksCount", running);
      add("pendingEC2TasksCount", 0);
      add("pendingFargateTasksCount", pending);
      add("runningExternalTasksCount", 0);
      add("pendingExternalTasksCount", 0);
      add("activeEC2ServiceCount", 0);
      add("activeFargateServiceCount", of_status("ACTIVE"));
      add("drainingEC2ServiceCount", 0);
      add("drainingFargateServiceCount", of_status("DRAINING"));
      add("activeExternalServiceCount", 0);
      add("drainingExternalServiceCount", 0);
    }
    json::object out = {{"clusterArn", scheduler_.place().arn("ecs", "cluster/" + name)},
                        {"clusterName", name},
                        {"status", get_string(cluster, "status")},
                        {"registeredContainerInstancesCount", 0},
                        {"runningTasksCount", running},
                        {"pendingTasksCount", pending},
                        {"activeServicesCount", of_status("ACTIVE")},
                        {"statistics", statistics},
                        {"settings", wants("SETTINGS") ? get_array(cluster, "settings") : json::array{}},
                        {"capacityProviders", get_array(cluster, "capacityProviders")},
                        {"defaultCapacityProviderStrategy", get_array(cluster, "defaultCapacityProviderStrategy")},
                        {"tags", wants("TAGS") ? list_tags(get_object(cluster, "tags")) : json::array{}}};
    if (wants("CONFIGURATIONS") && has(cluster, "configuration")) out["configuration"] = cluster.at("configuration");
    return out;
  }

  Scheduler& scheduler_;
};

using Method = task<Result<Answer>> (ClustersApi::*)(Call);

}  // namespace

void add_cluster_operations(wire::Service& out, Scheduler& scheduler) {
  using namespace wire;
  auto api = std::make_shared<ClustersApi>(scheduler);
  const auto add = [&](const char* name, Shape input, Method method, const char* named) {
    out.operations.push_back(
        {.name = name,
         .input = std::move(input),
         .handler = [api, method](Call call) { return ((*api).*method)(std::move(call)); },
         .resource =
             [named](const Call& call) {
               return named == nullptr
                          ? std::string("*")
                          : call.place.arn("ecs", "cluster/" + last_part(get_string(call.input, named, "default")));
             }});
  };
  const Member cluster = required("cluster", text(1));
  add("CreateCluster", create_cluster_shape(), &ClustersApi::create, "clusterName");
  add("DescribeClusters",
      structure(
          {optional("clusters", list(text(), 0, 100)),
           optional("include", list(one_of({"ATTACHMENTS", "CONFIGURATIONS", "SETTINGS", "STATISTICS", "TAGS"})))}),
      &ClustersApi::describe, nullptr);
  add("ListClusters", paging_shape({}), &ClustersApi::list, nullptr);
  add("UpdateCluster", update_cluster_shape(), &ClustersApi::update, "cluster");
  add("UpdateClusterSettings", structure({cluster, required("settings", cluster_settings_shape())}),
      &ClustersApi::update, "cluster");
  add("PutClusterCapacityProviders", cluster_providers_shape(), &ClustersApi::update, "cluster");
  add("DeleteCluster", structure({cluster}), &ClustersApi::remove, "cluster");
  add("DescribeCapacityProviders",
      paging_shape({optional("capacityProviders", list(text())), ignored("cluster", text()),
                    ignored("include", list(one_of({"TAGS"})))}),
      &ClustersApi::describe_providers, nullptr);
  add("ListContainerInstances",
      paging_shape({optional("cluster", text()), ignored("filter", text()), ignored("status", text())}),
      &ClustersApi::list_instances, "cluster");
  add("DescribeContainerInstances",
      structure({optional("cluster", text()), required("containerInstances", list(text(1), 1, 100)),
                 ignored("include", list(text()))}),
      &ClustersApi::describe_instances, nullptr);
}

}  // namespace slipway::ecs
