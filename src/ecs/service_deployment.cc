#include "ecs/service_deployment.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/digest.h"
#include "base/text.h"

namespace slipway::ecs {
namespace {

constexpr std::size_t kIdLength = 21;
constexpr std::string_view kDeploymentPrefix = "ecs-svc/";

// AWS's own words.
constexpr const char* kBreakerReason =
    "Service deployment rolled back because the circuit breaker threshold was exceeded.";
constexpr const char* kNoCandidate = "No rollback candidate was found to run the rollback.";

void end(json::object& deployment, const char* status, const std::string& reason, Instant now) {
  deployment["status"] = status;
  if (!reason.empty()) deployment["statusReason"] = reason;
  deployment["finishedAt"] = epoch_seconds(now);
  deployment["updatedAt"] = epoch_seconds(now);
}

std::string reason_of(const Note& failed, bool rolls_back) {
  if (failed.cause == Note::Cause::hook) return "Service deployment rolled back because a lifecycle hook failed.";
  if (failed.cause == Note::Cause::breaker)
    return rolls_back ? kBreakerReason
                      : "Service deployment stopped because the circuit breaker threshold was exceeded.";
  return rolls_back ? "Service deployment rolled back because of a user request."
                    : "Service deployment stopped because of a user request.";
}

void fail_deployment(json::object& deployment, const ServiceRecord& service, const std::vector<Note>& notes,
                     const Note& failed, Instant now, const Place& place) {
  if (failed.cause == Note::Cause::breaker) deployment["deploymentCircuitBreaker"].as_object()["status"] = "TRIGGERED";
  if (failed.of_rollback) {
    end(deployment, "ROLLBACK_FAILED", "Service deployment rollback failed: tasks failed to start.", now);
    return;
  }
  const auto back = std::ranges::find(notes, Note::Kind::rolling_back, &Note::kind);
  if (back != notes.end()) {
    const std::string reason = reason_of(failed, true);
    deployment["status"] = "ROLLBACK_IN_PROGRESS";
    deployment["statusReason"] = reason;
    deployment["rollback"] = json::object{{"reason", reason},
                                          {"startedAt", epoch_seconds(now)},
                                          {"serviceRevisionArn", revision_arn(service, back->deployment, place)}};
    return;
  }
  if (failed.rollback_wanted) {
    end(deployment, "ROLLBACK_FAILED", kNoCandidate, now);
  } else {
    end(deployment, "STOPPED", reason_of(failed, false), now);
    deployment["stoppedAt"] = epoch_seconds(now);
  }
}

json::object counts(const std::string& arn, const ServiceRecord& service, const std::vector<TaskRecord>& tasks,
                    const Place& place) {
  long long running = 0;
  long long pending = 0;
  for (const TaskRecord& task : tasks) {
    if (task.stop_wanted || task.deployment.empty() || revision_arn(service, task.deployment, place) != arn) continue;
    running += task.stage == Stage::running ? 1 : 0;
    pending += task.stage == Stage::pending ? 1 : 0;
  }
  const auto& all = service.state.deployments;
  const bool primary = !all.empty() && revision_arn(service, all.front().id, place) == arn;
  json::object out = {{"arn", arn},
                      {"requestedTaskCount", primary ? service.state.desired : running + pending},
                      {"runningTaskCount", running},
                      {"pendingTaskCount", pending}};
  const auto own =
      std::ranges::find_if(all, [&](const Deployment& d) { return revision_arn(service, d.id, place) == arn; });
  const bool shifts = !all.empty() && all.front().phase != Phase::none;
  if (own != all.end() && shifts) {
    // In percent.  Revisions in between get nothing: they are on the side of one of the two, and leave.
    const bool between = own != all.begin() && !own->was_completed;
    const auto weight = [&](int at) { return between ? 0 : (own->alternate ? at : kAll - at) / 10.0; };
    out["requestedProductionTrafficWeight"] = weight(service.state.traffic.production);
    out["requestedTestTrafficWeight"] = weight(service.state.traffic.test);
  }
  return out;
}

json::array hook_details(const Deployment& deployment) {
  json::array out;
  for (const HookRun& run : deployment.runs) {
    json::object shown = describe(deployment.hooks[run.hook]);
    shown["timeoutAction"] = get_object(shown, "timeoutConfiguration")["action"];
    for (const char* member : {"lifecycleStages", "timeoutConfiguration", "roleArn", "hookDetails"})
      shown.erase(member);
    shown["hookId"] = run.id;
    shown["lifecycleStage"] = phase_text(run.phase);
    shown["status"] = status_text(run.status);
    shown["expiresAt"] = epoch_seconds(run.expires_at);
    out.push_back(shown);
  }
  return out;
}

}  // namespace

std::string service_deployment_id(const std::string& deployment) {
  std::string id = base64_encode(sha256(deployment));
  std::erase_if(id, [](char c) { return c == '+' || c == '/' || c == '='; });
  return id.substr(0, kIdLength);
}

std::string revision_arn(const ServiceRecord& service, const std::string& deployment, const Place& place) {
  std::string number = deployment;
  if (number.starts_with(kDeploymentPrefix)) number.erase(0, kDeploymentPrefix.size());
  return place.arn("ecs", fmt::format("service-revision/{}/{}/{}", service.cluster, service.name, number));
}

json::object new_service_deployment(const ServiceRecord& service, const std::string& id, Instant now,
                                    const Place& place) {
  json::array sources;
  for (const Deployment& source : service.state.deployments) {
    if (&source != &service.state.deployments.front())
      sources.push_back(json::object{{"arn", revision_arn(service, source.id, place)}});
  }
  const std::string target = revision_arn(service, service.state.deployments.front().id, place);
  return {
      {"serviceDeploymentArn",
       place.arn("ecs", fmt::format("service-deployment/{}/{}/{}", service.cluster, service.name, id))},
      {"serviceArn", service.arn(place)},
      {"clusterArn", place.arn("ecs", "cluster/" + service.cluster)},
      {"createdAt", epoch_seconds(now)},
      {"updatedAt", epoch_seconds(now)},
      {"sourceServiceRevisions", sources},
      {"targetServiceRevision", json::object{{"arn", target}}},
      {"status", "PENDING"},
      {"deploymentConfiguration", describe_configuration(service.state)},
      {"deploymentCircuitBreaker", json::object{{"status", service.state.breaker.enable ? "MONITORING" : "DISABLED"},
                                                {"failureCount", 0},
                                                {"threshold", breaker_threshold(service.state)}}},
      {"alarms", json::object{{"status", "DISABLED"}}}};
}

bool is_ongoing(const json::object& deployment) {
  const std::string status = get_string(deployment, "status");
  return status == "PENDING" || status == "IN_PROGRESS" || status.ends_with("_REQUESTED") ||
         status == "ROLLBACK_IN_PROGRESS";
}

void follow(json::object& deployment, const ServiceRecord& service, const std::vector<Note>& notes,
            const std::vector<TaskRecord>& tasks, Instant now, const Place& place) {
  if (!is_ongoing(deployment)) return;
  if (get_string(deployment, "status") == "PENDING") {
    deployment["status"] = "IN_PROGRESS";
    deployment["startedAt"] = epoch_seconds(now);
    deployment["updatedAt"] = epoch_seconds(now);
  }
  if (!service.state.deployments.empty() && service.state.deployments.front().phase != Phase::none)
    deployment["lifecycleStage"] = phase_text(service.state.deployments.front().phase);
  for (const Deployment& one : service.state.deployments) {
    const std::string own = get_string(get_object(deployment, "targetServiceRevision"), "arn");
    if (!one.runs.empty() && revision_arn(service, one.id, place) == own)
      deployment["lifecycleHookDetails"] = hook_details(one);
  }
  for (const Note& note : notes) {
    if (note.kind == Note::Kind::failed) fail_deployment(deployment, service, notes, note, now, place);
    if (note.kind == Note::Kind::completed) {
      const bool rollback = has(deployment, "rollback");
      end(deployment, rollback ? "ROLLBACK_SUCCESSFUL" : "SUCCESSFUL", "", now);
      json::object& breaker = deployment["deploymentCircuitBreaker"].as_object();
      if (get_string(breaker, "status") == "MONITORING") breaker["status"] = "MONITORING_COMPLETE";
    }
  }
  count(deployment, service, tasks, place);
}

void supersede(json::object& deployment, const std::string& successor, Instant now) {
  stop(deployment, "Service deployment stopped because a newer service deployment started: " + successor, now);
}

void stop(json::object& deployment, const std::string& reason, Instant now) {
  if (!is_ongoing(deployment)) return;
  end(deployment, "STOPPED", reason, now);
  deployment["stoppedAt"] = epoch_seconds(now);
}

void count(json::object& deployment, const ServiceRecord& service, const std::vector<TaskRecord>& tasks,
           const Place& place) {
  for (json::value& source : deployment["sourceServiceRevisions"].as_array())
    source = counts(get_string(source.as_object(), "arn"), service, tasks, place);
  json::value& target = deployment["targetServiceRevision"];
  const std::string arn = get_string(target.as_object(), "arn");
  target = counts(arn, service, tasks, place);
  json::object& breaker = deployment["deploymentCircuitBreaker"].as_object();
  breaker["threshold"] = breaker_threshold(service.state);
  for (const Deployment& one : service.state.deployments) {
    if (revision_arn(service, one.id, place) == arn && one.rollout != Rollout::completed)
      breaker["failureCount"] = one.failed_tasks;
  }
}

json::array current_revisions(const ServiceRecord& service, const std::vector<TaskRecord>& tasks, const Place& place) {
  json::array out;
  for (const Deployment& one : service.state.deployments)
    out.push_back(counts(revision_arn(service, one.id, place), service, tasks, place));
  return out;
}

json::object brief(const json::object& deployment) {
  json::object out;
  for (const char* member : {"serviceDeploymentArn", "serviceArn", "clusterArn", "startedAt", "createdAt", "finishedAt",
                             "status", "statusReason"}) {
    if (has(deployment, member)) out[member] = deployment.at(member);
  }
  out["targetServiceRevisionArn"] = get_string(get_object(deployment, "targetServiceRevision"), "arn");
  return out;
}

json::object service_revision(const ServiceRecord& service, const Deployment& deployment,
                              const json::object& definition, const Place& place) {
  json::array images;
  for (const json::value& value : get_array(definition, "containerDefinitions"))
    images.push_back(json::object{{"containerName", get_string(value.as_object(), "name")},
                                  {"image", get_string(value.as_object(), "image")}});
  json::object out = {{"serviceRevisionArn", revision_arn(service, deployment.id, place)},
                      {"serviceArn", service.arn(place)},
                      {"clusterArn", place.arn("ecs", "cluster/" + service.cluster)},
                      {"taskDefinition", deployment.task_definition},
                      {"loadBalancers", service.load_balancers},
                      {"serviceRegistries", json::array{}},
                      {"containerImages", images},
                      {"guardDutyEnabled", false},
                      {"createdAt", epoch_seconds(deployment.created_at)}};
  for (const char* member : {"launchType", "platformVersion", "platformFamily", "networkConfiguration"}) {
    if (has(service.echo, member)) out[member] = service.echo.at(member);
  }
  return out;
}

void pin_images(json::object& revision, const std::map<std::string, std::string>& images) {
  for (json::value& value : revision["containerImages"].as_array()) {
    json::object& image = value.as_object();
    const auto pinned = images.find(get_string(image, "containerName"));
    const auto at = pinned == images.end() ? std::string::npos : pinned->second.find('@');
    if (at != std::string::npos) image["imageDigest"] = pinned->second.substr(at + 1);
  }
}

}  // namespace slipway::ecs
