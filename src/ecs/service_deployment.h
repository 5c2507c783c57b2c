// Service deployments and service revisions: the history of a service as ListServiceDeployments and
// DescribeServiceRevisions tell it.  Pure: documents in AWS's own shape, times in seconds.
// A revision is what a rollout's deployment runs: both carry the same number, "ecs-svc/123" and ".../123".
// https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ServiceDeployment.html
#pragma once
#include <string>
#include <vector>

#include "ecs/record.h"

namespace slipway::ecs {

// The last part of its ARN: 21 letters and digits, one for each deployment id.
std::string service_deployment_id(const std::string& deployment);
std::string revision_arn(const ServiceRecord& service, const std::string& deployment, const Place& place);

// A deployment of service.state.deployments[0]; those behind it are its sources.  Status PENDING.
json::object new_service_deployment(const ServiceRecord& service, const std::string& id, Instant now,
                                    const Place& place);
bool is_ongoing(const json::object& deployment);  // It may still change; false from SUCCESSFUL, STOPPED, … on.

// What the plan of one look at the service means for its deployment.  `tasks` are counted when it ends.
void follow(json::object& deployment, const ServiceRecord& service, const std::vector<Note>& notes,
            const std::vector<TaskRecord>& tasks, Instant now, const Place& place);
// A newer deployment `successor` (ARN) takes its place.
void supersede(json::object& deployment, const std::string& successor, Instant now);
// The service is being deleted.
void stop(json::object& deployment, const std::string& reason, Instant now);
// Fills in the tasks of its revisions and the state of the circuit breaker, as they are now.
void count(json::object& deployment, const ServiceRecord& service, const std::vector<TaskRecord>& tasks,
           const Place& place);

// currentServiceRevisions of a service: every revision that has tasks or wants them.
json::array current_revisions(const ServiceRecord& service, const std::vector<TaskRecord>& tasks, const Place& place);

// As ListServiceDeployments shows it.
json::object brief(const json::object& deployment);

// What `deployment` of the service runs.
json::object service_revision(const ServiceRecord& service, const Deployment& deployment,
                              const json::object& definition, const Place& place);
// Notes the digests that the first task has resolved: container name -> "repo@sha256:…".
void pin_images(json::object& revision, const std::map<std::string, std::string>& images);

}  // namespace slipway::ecs
