#include "ecs/events.h"

#include <fmt/format.h>

#include "base/digest.h"
#include "base/text.h"
#include "database/journal.h"

namespace slipway::ecs {
namespace {

void put_service_event(const Teller& teller, const ServiceRecord& service, const std::string& message) {
  const std::string digest = sha256_hex(teller.seed + message);
  const std::string id = digest.substr(0, 8) + "-" + digest.substr(8, 4) + "-" + digest.substr(12, 4) + "-" +
                         digest.substr(16, 4) + "-" + digest.substr(20, 12);
  add_service_event(teller.tx, service, id, teller.now, message);
}

void service_event(const Teller& teller, const ServiceRecord& service, const std::string& message) {
  put_service_event(teller, service, fmt::format("(service {}) {}", service.name, message));
}

void publish(const Teller& teller, const ServiceRecord& service, std::string detail_type, json::object detail) {
  detail["clusterArn"] = teller.place.arn("ecs", "cluster/" + service.cluster);
  teller.events.publish(teller.tx, Event{.id = {},
                                         .source = "aws.ecs",
                                         .detail_type = std::move(detail_type),
                                         .account = teller.place.account,
                                         .region = teller.place.region,
                                         .time = teller.now,
                                         .resources = {service.arn(teller.place)},
                                         .detail = std::move(detail)});
}

void publish_deployment(const Teller& teller, const ServiceRecord& service, const char* type, const char* name,
                        const std::string& deployment, const std::string& reason) {
  publish(teller, service, "ECS Deployment State Change",
          {{"eventType", type},
           {"eventName", name},
           {"deploymentId", deployment},
           {"updatedAt", iso_millis(teller.now)},
           {"reason", reason}});
}

void journal(const Teller& teller, const ServiceRecord& service, std::string kind, std::string text,
             json::object detail) {
  database::append_journal(teller.tx, teller.now, std::move(kind), service.subject(), std::move(text),
                           std::move(detail));
}

std::string task_list(const std::vector<std::string>& tasks) {
  std::vector<std::string> parts;
  for (const std::string& id : tasks) parts.push_back("(task " + id + ")");
  return join(parts, " ");
}

void tell_completed(const Teller& teller, const ServiceRecord& service, const Note& note) {
  service_event(teller, service, fmt::format("(deployment {}) deployment completed.", note.deployment));
  publish_deployment(teller, service, "INFO", "SERVICE_DEPLOYMENT_COMPLETED", note.deployment, note.text);
  // A rollback ends in the completion of the older deployment.
  const auto last = teller.tx.query_one(
      "SELECT kind FROM journal WHERE subject = ?1 AND kind IN ('ecs.deployment.started', 'ecs.deployment.failed') "
      "ORDER BY number DESC LIMIT 1",
      {service.subject()});
  const bool rolled_back = last && last->text(0) == "ecs.deployment.failed";
  journal(teller, service, rolled_back ? "ecs.deployment.rolled_back" : "ecs.deployment.completed",
          rolled_back ? fmt::format("back on {}", note.deployment) : fmt::format("{} is live", note.deployment),
          {{"deployment", note.deployment}});
}

void tell_failed(const Teller& teller, const ServiceRecord& service, const Note& note) {
  service_event(teller, service,
                fmt::format("(deployment {}) deployment failed: tasks failed to start.", note.deployment));
  publish_deployment(teller, service, "ERROR", "SERVICE_DEPLOYMENT_FAILED", note.deployment, note.text);
  const bool goes_back = service.state.deployments.front().id != note.deployment;
  journal(teller, service, "ecs.deployment.failed", fmt::format("{}: {}", note.deployment, note.text),
          {{"deployment", note.deployment}, {"rollback", goes_back}});
}

}  // namespace

void tell(const Teller& teller, const ServiceRecord& service, const Note& note) {
  switch (note.kind) {
    case Note::Kind::stopped_tasks:
    case Note::Kind::replaced_unhealthy:
      break;  // Told task by task, with what the tables know of them.
    case Note::Kind::completed:
      tell_completed(teller, service, note);
      break;
    case Note::Kind::failed:
      tell_failed(teller, service, note);
      break;
    case Note::Kind::rolling_back:
      service_event(teller, service, fmt::format("rolling back to deployment {}.", note.deployment));
      publish_deployment(teller, service, "INFO", "SERVICE_DEPLOYMENT_IN_PROGRESS", note.deployment, note.text);
      break;
    case Note::Kind::steady:
      service_event(teller, service, "has reached a steady state.");
      publish(teller, service, "ECS Service Action",
              {{"eventType", "INFO"}, {"eventName", "SERVICE_STEADY_STATE"}, {"createdAt", iso_millis(teller.now)}});
      journal(teller, service, "ecs.steady", "steady state", {{"deployment", note.deployment}});
      break;
    case Note::Kind::stuck:
      service_event(teller, service, note.text);
      journal(teller, service, "ecs.deployment.stuck", fmt::format("{} {}", note.deployment, note.text),
              {{"deployment", note.deployment}});
      break;
    case Note::Kind::stage:
      journal(teller, service, "ecs.deployment.stage", fmt::format("{} is in {}", note.deployment, note.text),
              {{"deployment", note.deployment}, {"stage", note.text}});
      break;
    case Note::Kind::impaired:
      service_event(teller, service,
                    "is unable to consistently start tasks successfully. For more information, see the Troubleshooting "
                    "section of the Amazon ECS Developer Guide.");
      publish(
          teller, service, "ECS Service Action",
          {{"eventType", "WARN"}, {"eventName", "SERVICE_TASK_START_IMPAIRED"}, {"createdAt", iso_millis(teller.now)}});
      break;
  }
}

void tell_started(const Teller& teller, const ServiceRecord& service, const std::vector<std::string>& tasks,
                  std::size_t unhealthy) {
  const std::string replaces =
      unhealthy == 0 ? "" : fmt::format(" Amazon ECS replaced {} tasks due to an unhealthy status.", unhealthy);
  service_event(teller, service, fmt::format("has started {} tasks: {}.{}", tasks.size(), task_list(tasks), replaces));
}

void tell_stopped(const Teller& teller, const ServiceRecord& service, const std::vector<std::string>& running,
                  std::size_t pending) {
  if (!running.empty())
    service_event(teller, service,
                  fmt::format("has stopped {} running tasks: {}.", running.size(), task_list(running)));
  if (pending > 0) service_event(teller, service, fmt::format("stopped {} pending tasks.", pending));
}

void tell_unhealthy(const Teller& teller, const ServiceRecord& service, const Unhealthy& what) {
  if (what.target_group.empty()) {
    service_event(teller, service, fmt::format("(task {}) failed container health checks.", what.task));
    return;
  }
  service_event(teller, service,
                fmt::format("(task {}) (port {}) is unhealthy in (target-group {}) due to (reason {}).", what.task,
                            what.port, what.target_group, what.reason));
}

std::string stopped_reason(const Unhealthy& what) {
  if (what.target_group.empty()) return "Task failed container health checks";
  const std::string answer = what.reason.empty() ? "" : fmt::format(" due to (reason {})", what.reason);
  return fmt::format("Task failed ELB health checks in (target-group {}){}", what.target_group, answer);
}

void tell_registered(const Teller& teller, const ServiceRecord& service, const std::string& target_group) {
  service_event(teller, service, fmt::format("registered 1 targets in (target-group {})", target_group));
}

void tell_draining(const Teller& teller, const ServiceRecord& service, const std::string& deployment,
                   const std::string& target_group) {
  service_event(teller, service, fmt::format("deregistered 1 targets in (target-group {})", target_group));
  put_service_event(
      teller, service,
      fmt::format("(service {}, taskSet {}) has begun draining connections on 1 tasks.", service.name, deployment));
}

void tell_task(database::Transaction& tx, const TaskRecord& task, const json::object& definition, const Place& place,
               EventSink& events, Instant now) {
  json::object detail = describe(task, place, definition, Times::iso);
  detail["updatedAt"] = iso_millis(now);
  // Not in the event: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_task_events.html
  detail.erase("tags");
  detail.erase("healthStatus");
  for (json::value& container : detail["containers"].as_array()) container.as_object().erase("healthStatus");
  events.publish(tx, Event{.id = {},
                           .source = "aws.ecs",
                           .detail_type = "ECS Task State Change",
                           .account = place.account,
                           .region = place.region,
                           .time = now,
                           .resources = {task.arn(place)},
                           .detail = detail});
}

void tell_deployment_started(const Teller& teller, const ServiceRecord& service, const Deployment& deployment,
                             const json::object& definition) {
  std::string image;
  for (const json::value& container : get_array(definition, "containerDefinitions")) {
    if (image.empty()) image = get_string(container.as_object(), "image");
  }
  publish_deployment(teller, service, "INFO", "SERVICE_DEPLOYMENT_IN_PROGRESS", deployment.id,
                     "ECS deployment " + deployment.id + " in progress.");
  journal(teller, service, "ecs.deployment.started",
          fmt::format("{} of {}", deployment.id,
                      deployment.task_definition.substr(deployment.task_definition.rfind('/') + 1)),
          {{"deployment", deployment.id}, {"taskDefinition", deployment.task_definition}, {"image", image}});
}

TaskRecord new_task(const ServiceRecord& service, const Deployment& deployment, const json::object& definition,
                    std::string id, Instant now) {
  TaskRecord task;
  task.id = std::move(id);
  task.cluster = service.cluster;
  task.service = service.name;
  task.deployment = deployment.id;
  task.task_definition = deployment.task_definition;
  task.started_by = deployment.id;
  task.alternate = deployment.alternate;
  task.created_at = now;
  const std::string propagated = get_string(service.echo, "propagateTags");
  if (propagated == "SERVICE") task.tags = service.tags;
  if (propagated == "TASK_DEFINITION") task.tags = get_object(definition, "slipwayTags");
  if (get_bool(service.echo, "enableECSManagedTags")) {
    task.tags["aws:ecs:clusterName"] = service.cluster;
    task.tags["aws:ecs:serviceName"] = service.name;
  }
  for (const json::value& value : get_array(definition, "containerDefinitions")) {
    const json::object& container = value.as_object();
    const auto check = get_strings(get_object(container, "healthCheck"), "command");
    task.containers.push_back({.name = get_string(container, "name"),
                               .image = get_string(container, "image"),
                               .checked = !check.empty() && check[0] != "NONE",
                               .essential = get_bool(container, "essential", true)});
  }
  return task;
}

}  // namespace slipway::ecs
