#include "ecs/tasks_api.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/digest.h"
#include "ecs/api_parts.h"
#include "ecs/events.h"
#include "ecs/shapes.h"

namespace slipway::ecs {
namespace {

using wire::Answer;
using wire::Call;

constexpr long long kRunMax = 10;  // Tasks that one RunTask starts.

// Overrides must name containers of the definition.
Result<void> check_overrides(const json::object& overrides, const json::object& definition) {
  for (const json::value& value : get_array(overrides, "containerOverrides")) {
    const std::string name = get_string(value.as_object(), "name");
    const auto all = get_array(definition, "containerDefinitions");
    const bool known = std::ranges::any_of(
        all, [&](const json::value& container) { return get_string(container.as_object(), "name") == name; });
    if (!known)
      return invalid(fmt::format("Override for container named {} is not a container in the TaskDefinition.", name));
  }
  return {};
}

Result<json::object> startable(database::Connection& db, const std::string& name) {
  const auto definition = get_definition(db, name);
  if (!definition) return client("TaskDefinition not found.");
  if (get_string(*definition, "status") != "ACTIVE") return invalid("TaskDefinition is inactive");
  return *definition;
}

class TasksApi {
 public:
  explicit TasksApi(Scheduler& scheduler) : scheduler_(scheduler) {}

  task<Result<Answer>> run(Call call) {
    const json::object input = call.input;
    const long long number = get_int(input, "count", 1);
    if (number < 1 || number > kRunMax) co_return invalid(fmt::format("Count must be between 1 and {}.", kRunMax));
    std::vector<std::string> ids;
    for (long long i = 0; i < number; ++i) ids.push_back(scheduler_.random().hex(32));
    auto start = [this, input, ids, call](database::Transaction& tx) { return start_tasks(tx, input, ids, call); };
    auto started = co_await scheduler_.db().write(start);
    if (!started) co_return fail(started);
    json::array tasks;
    for (const TaskRecord& task : *started) {
      scheduler_.wake_task(task.id);
      tasks.push_back(show(task, true));
    }
    Answer answer;
    answer.output = {{"tasks", tasks}, {"failures", json::array{}}};
    co_return answer;
  }

  // There are no container instances to start a task on.
  task<Result<Answer>> start(Call call) {
    const std::string cluster = cluster_of(call.input);
    auto& db = scheduler_.db().read();
    if (!get_cluster(db, cluster)) co_return no_cluster();
    if (auto definition = startable(db, get_string(call.input, "taskDefinition")); !definition)
      co_return fail(definition);
    const auto instances = get_strings(call.input, "containerInstances");
    if (instances.empty()) co_return invalid("Container instances cannot be empty.");
    json::array failures;
    for (const std::string& id : instances)
      failures.push_back(
          missing(call.place.arn("ecs", fmt::format("container-instance/{}/{}", cluster, last_part(id)))));
    Answer answer;
    answer.output = {{"tasks", json::array{}}, {"failures", failures}};
    co_return answer;
  }

  task<Result<Answer>> stop(Call call) {
    const std::string cluster = cluster_of(call.input, "task");
    const std::string id = last_part(get_string(call.input, "task"));
    const std::string reason = get_string(call.input, "reason", "Task stopped by user");
    const Instant now = call.now;
    auto stop = [cluster, id, reason, now](database::Transaction& tx) -> Result<TaskRecord> {
      if (!get_cluster(tx, cluster)) return no_cluster();
      auto task = get_task(tx, id);
      if (!task || task->cluster != cluster) return invalid("The referenced task was not found.");
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
    co_return answer_with("task", show(*stopped, false));
  }

  task<Result<Answer>> describe(Call call) {
    const auto wanted = get_strings(call.input, "tasks");
    if (wanted.empty()) co_return invalid("Tasks cannot be empty.");
    const std::string cluster = cluster_of(call.input);
    if (!get_cluster(scheduler_.db().read(), cluster)) co_return no_cluster();
    const auto include = get_strings(call.input, "include");
    const bool tags = std::ranges::find(include, "TAGS") != include.end();
    json::array tasks;
    json::array failures;
    for (const std::string& name : wanted) {
      const auto task = get_task(scheduler_.db().read(), last_part(name));
      if (task && task->cluster == cluster) {
        tasks.push_back(show(*task, tags));
      } else {
        failures.push_back(missing(call.place.arn("ecs", "task/" + cluster + "/" + last_part(name))));
      }
    }
    Answer answer;
    answer.output = {{"tasks", tasks}, {"failures", failures}};
    co_return answer;
  }

  task<Result<Answer>> list(Call call) {
    const std::string cluster = cluster_of(call.input);
    auto& db = scheduler_.db().read();
    if (!get_cluster(db, cluster)) co_return no_cluster();
    const std::string service = last_part(get_string(call.input, "serviceName"));
    if (!service.empty() && !get_service(db, cluster, service)) co_return no_service();
    const std::string family = get_string(call.input, "family");
    const std::string started_by = get_string(call.input, "startedBy");
    const std::string wanted = get_string(call.input, "desiredStatus", "RUNNING");
    const bool other_launch = get_string(call.input, "launchType", "FARGATE") != "FARGATE";
    std::vector<std::string> arns;
    for (const TaskRecord& task : list_tasks(db, cluster, service)) {
      // ECS never sets a desired status of PENDING: that filter finds nothing.
      const std::string status = task.stop_wanted || task.stage >= Stage::deactivating ? "STOPPED" : "RUNNING";
      const bool named = started_by.empty() || task.started_by == started_by;
      const bool kin = family.empty() || task.task_definition.find("/" + family + ":") != std::string::npos;
      if (status == wanted && named && kin && !other_launch) arns.push_back(task.arn(call.place));
    }
    co_return page_of(arns, call.input, "taskArns");
  }

 private:
  Result<std::vector<TaskRecord>> start_tasks(database::Transaction& tx, const json::object& input,
                                              const std::vector<std::string>& ids, const Call& call) {
    const std::string cluster = cluster_of(input);
    const auto there = get_cluster(tx, cluster);
    if (!there || get_string(*there, "status") != "ACTIVE") return no_cluster();
    const std::string token = get_string(input, "clientToken");
    const std::string request = token.empty() ? "" : token + " " + sha256_hex(json::serialize(input));
    std::vector<TaskRecord> before;
    if (!token.empty()) {
      for (TaskRecord& task : list_tasks(tx, cluster, "")) {
        if (!task.request.starts_with(token + " ")) continue;
        if (task.request != request)
          return fail(Fault::conflict, "ConflictException",
                      "The clientToken was used before with other parameters: " + token);
        before.push_back(std::move(task));
      }
    }
    if (!before.empty()) return before;
    const auto definition = startable(tx, get_string(input, "taskDefinition"));
    if (!definition) return fail(definition);
    if (auto good = check_overrides(get_object(input, "overrides"), *definition); !good) return fail(good);
    std::vector<TaskRecord> tasks;
    for (const std::string& id : ids) {
      TaskRecord task = new_task(ServiceRecord{.cluster = cluster},
                                 Deployment{.task_definition = get_string(*definition, "taskDefinitionArn")},
                                 *definition, id, call.now);
      task.started_by = get_string(input, "startedBy");
      task.named_group = get_string(input, "group");
      task.request = request;
      task.overrides = get_object(input, "overrides");
      if (get_string(input, "propagateTags") == "TASK_DEFINITION") task.tags = get_object(*definition, "slipwayTags");
      if (get_bool(input, "enableECSManagedTags")) task.tags["aws:ecs:clusterName"] = cluster;
      for (const auto& tag : tags_of(get_array(input, "tags"))) task.tags[tag.key()] = tag.value();
      put_task(tx, task);
      tell_task(tx, task, *definition, scheduler_.place(), scheduler_.events(), call.now);
      tasks.push_back(task);
    }
    return tasks;
  }

  json::object show(const TaskRecord& task, bool tags) const {
    json::object out = ecs::describe(
        task, scheduler_.place(), get_definition(scheduler_.db().read(), task.task_definition).value_or(json::object{}),
        Times::seconds);
    if (!tags) out["tags"] = json::array{};
    return out;
  }

  Scheduler& scheduler_;
};

using Method = task<Result<Answer>> (TasksApi::*)(Call);

}  // namespace

void add_task_operations(wire::Service& out, Scheduler& scheduler) {
  using namespace wire;
  auto api = std::make_shared<TasksApi>(scheduler);
  const auto add = [&](const char* name, Shape input, Method method,
                       std::function<std::string(const Call&)> resource = {}) {
    out.operations.push_back({.name = name,
                              .input = std::move(input),
                              .handler = [api, method](Call call) { return ((*api).*method)(std::move(call)); },
                              .resource = std::move(resource)});
  };
  const auto task_arn = [](const Call& call, const std::string& id) {
    return call.place.arn("ecs", "task/" + cluster_of(call.input) + "/" + last_part(id));
  };
  const auto tasks_named = [task_arn](const Call& call) {
    std::vector<std::string> arns;
    for (const std::string& id : get_strings(call.input, "tasks")) arns.push_back(task_arn(call, id));
    return arns;
  };
  const Member cluster = optional("cluster", text());
  add("RunTask", run_task_shape(), &TasksApi::run);
  add("StartTask", start_task_shape(), &TasksApi::start);
  add("StopTask", structure({cluster, required("task", text(1)), optional("reason", text(0, 1024))}), &TasksApi::stop,
      [task_arn](const Call& call) { return task_arn(call, get_string(call.input, "task")); });
  add("DescribeTasks",
      structure({cluster, required("tasks", list(text(1), 0, 100)), optional("include", list(one_of({"TAGS"})))}),
      &TasksApi::describe, [tasks_named](const Call& call) {
        const auto all = tasks_named(call);
        return all.empty() ? std::string("*") : all.front();
      });
  out.operations.back().also = [tasks_named](const Call& call) {
    return others(tasks_named(call), "ecs:DescribeTasks");
  };
  add("ListTasks",
      paging_shape({cluster, optional("serviceName", text()), optional("family", text()), optional("startedBy", text()),
                    optional("desiredStatus", one_of({"RUNNING", "PENDING", "STOPPED"})),
                    optional("launchType", one_of({"EC2", "FARGATE", "EXTERNAL"})),
                    refused("containerInstance", text(), "there are no container instances")}),
      &TasksApi::list);
  for (Operation& operation : out.operations) {
    for (const std::string_view known : {"RunTask", "StartTask", "StopTask", "DescribeTasks", "ListTasks"}) {
      if (operation.name == known) operation.keys = [](const Call& call) { return cluster_key(call); };
    }
  }
}

}  // namespace slipway::ecs
