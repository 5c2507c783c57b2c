// Cloud: the calls that the deployer makes of ECR and ECS, with their answers as values.  AWS's and a
// region's are the same.  Every call may be repeated; failures are those of AwsClient.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/task.h"
#include "client/client.h"
#include "deployer/decide.h"

namespace slipway::deployer {

struct Revision {
  json::object definition;
  json::array tags;
};

// One of ListServiceDeployments.
struct ServiceDeployment {
  std::string arn;
  std::string status;  // SUCCESSFUL, ROLLBACK_IN_PROGRESS, …
  std::string reason;
  std::string number;  // Of the service revision that it brings in: "ecs-svc/123" -> "123".
  Instant created_at{};
};

class Cloud {
 public:
  explicit Cloud(client::AwsClient& aws) : aws_(aws) {}  // `aws` must outlive it.

  // nullopt: there is no such image, or no such repository.  `image_id` as DescribeImages takes it.
  task<Result<std::optional<Image>>> image(std::string repository, json::object image_id);
  // Every tag of the repository with its image; 10 000 images at most.
  task<Result<std::vector<TaggedImage>>> tagged_images(std::string repository);
  // The name that ECS pulls the repository by.
  task<Result<std::string>> repository_uri(std::string repository);

  // As DescribeServices shows it, with its tags; nullopt: there is no such service, or it is not ACTIVE.
  task<Result<std::optional<json::object>>> service(std::string cluster, std::string name);
  task<Result<Revision>> revision(std::string name);
  // `desired_status` is RUNNING or STOPPED; the newest 100.
  task<Result<std::vector<json::object>>> tasks(std::string cluster, std::string service, std::string desired_status);
  // Newest first.  nullopt where the API is not there or not permitted: then the service's own deployments must do.
  task<Result<std::optional<std::vector<ServiceDeployment>>>> service_deployments(std::string cluster,
                                                                                  std::string service);

  // Returns the new revision's ARN.
  task<Result<std::string>> register_revision(json::object input);
  // Returns the deployment that is then PRIMARY.
  task<Result<json::object>> update_service(json::object input);
  task<Result<void>> tag(std::string arn, TagChange change);

  task<Result<json::object>> call(std::string service, std::string operation, json::object input);
  client::AwsClient& aws() { return aws_; }

 private:
  client::AwsClient& aws_;
};

json::object primary_deployment(const json::object& service);  // Empty when there is none.
Instant instant_of(double seconds);                            // awsJson's timestamps.
// "localhost:4566/where-car-backend:latest" -> "localhost:4566/where-car-backend"
std::string without_tag(std::string image);
// The digests of `route`'s container in those tasks that `deployment` started; all tasks' when it is empty.
std::vector<std::string> running_digests(const Route& route, const std::vector<json::object>& tasks,
                                         const std::string& deployment);

}  // namespace slipway::deployer
