#include "deployer/cloud.h"

#include <algorithm>
#include <array>

#include "base/text.h"

namespace slipway::deployer {
namespace {

constexpr std::size_t kTasksDescribedMax = 100;  // ECS takes no more in one DescribeTasks.
constexpr int kImagePagesMax = 10;               // Of a thousand images each.
constexpr int kImagesPerPage = 1000;

struct Api {
  std::string_view service;
  std::string_view target_prefix;
  std::string_view version;
};
constexpr std::array<Api, 6> kApis = {{{"ecs", "AmazonEC2ContainerServiceV20141113", "1.1"},
                                       {"ecr", "AmazonEC2ContainerRegistry_V20150921", "1.1"},
                                       {"logs", "Logs_20140328", "1.1"},
                                       {"ssm", "AmazonSSM", "1.1"},
                                       {"secretsmanager", "secretsmanager", "1.1"},
                                       {"monitoring", "GraniteServiceVersion20100801", "1.0"}}};

Image image_of(const json::object& detail) {
  return {.digest = get_string(detail, "imageDigest"), .pushed_at = instant_of(get_double(detail, "imagePushedAt"))};
}

std::string last_part(const std::string& arn) {
  return arn.substr(arn.rfind('/') + 1);
}

}  // namespace

json::object primary_deployment(const json::object& service) {
  for (const json::value& deployment : get_array(service, "deployments")) {
    if (deployment.is_object() && get_string(deployment.get_object(), "status") == "PRIMARY")
      return deployment.get_object();
  }
  return {};
}

Instant instant_of(double seconds) {
  return instant_ms(static_cast<long long>(seconds * 1000));
}

std::string without_tag(std::string image) {
  image = image.substr(0, image.find('@'));
  const auto slash = image.rfind('/');
  const auto colon = image.find(':', slash == std::string::npos ? 0 : slash);
  return image.substr(0, colon);
}

std::vector<std::string> running_digests(const Route& route, const std::vector<json::object>& tasks,
                                         const std::string& deployment) {
  std::vector<std::string> digests;
  for (const json::object& task : tasks) {
    if (!deployment.empty() && get_string(task, "startedBy") != deployment) continue;
    for (const json::value& container : get_array(task, "containers")) {
      const json::object& object = container.as_object();
      const bool meant = route.container.empty() || get_string(object, "name") == route.container;
      const std::string digest = get_string(object, "imageDigest");
      if (meant && !digest.empty()) digests.push_back(digest);
    }
  }
  return digests;
}

task<Result<json::object>> Cloud::call(std::string service, std::string operation, json::object input) {
  const auto* const api = std::ranges::find(kApis, std::string_view(service), &Api::service);
  return aws_.json_call(std::move(service), std::string(api->target_prefix), std::move(operation), std::move(input),
                        std::string(api->version));
}

// https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_DescribeImages.html
task<Result<std::optional<Image>>> Cloud::image(std::string repository, json::object image_id) {
  const json::object input = {{"repositoryName", repository}, {"imageIds", json::array{image_id}}};
  const auto answer = co_await call("ecr", "DescribeImages", input);
  if (!answer && answer.error().fault == Fault::not_found) co_return std::nullopt;
  if (!answer) co_return fail(answer);
  const json::array details = get_array(*answer, "imageDetails");
  if (details.empty() || !details.front().is_object()) co_return std::nullopt;
  // An archived image cannot be pulled (https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-archival.html).
  if (get_string(details.front().get_object(), "imageStatus", "ACTIVE") != "ACTIVE") co_return std::nullopt;
  co_return image_of(details.front().get_object());
}

task<Result<std::vector<TaggedImage>>> Cloud::tagged_images(std::string repository) {
  std::vector<TaggedImage> images;
  std::string next;
  for (int page = 0; page < kImagePagesMax; ++page) {
    json::object input = {{"repositoryName", repository},
                          {"filter", json::object{{"tagStatus", "TAGGED"}}},
                          {"maxResults", kImagesPerPage}};
    if (!next.empty()) input["nextToken"] = next;
    const auto answer = co_await call("ecr", "DescribeImages", input);
    if (!answer && answer.error().fault == Fault::not_found) co_return images;
    if (!answer) co_return fail(answer);
    for (const json::value& value : get_array(*answer, "imageDetails")) {
      const json::object& detail = value.as_object();
      for (const std::string& tag : get_strings(detail, "imageTags"))
        images.push_back({.tag = tag, .image = image_of(detail)});
    }
    next = get_string(*answer, "nextToken");
    if (next.empty()) break;
  }
  co_return images;
}

task<Result<std::string>> Cloud::repository_uri(std::string repository) {
  const json::object ask = {{"repositoryNames", json::array{repository}}};
  const auto described = co_await call("ecr", "DescribeRepositories", ask);
  if (!described) co_return fail(described);
  const json::array repositories = get_array(*described, "repositories");
  if (repositories.empty())
    co_return fail(Fault::not_found, "RepositoryNotFoundException", "there is no repository " + repository);
  co_return get_string(repositories.front().as_object(), "repositoryUri");
}

// https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DescribeServices.html
task<Result<std::optional<json::object>>> Cloud::service(std::string cluster, std::string name) {
  const json::object ask = {{"cluster", cluster}, {"services", json::array{name}}, {"include", json::array{"TAGS"}}};
  const auto described = co_await call("ecs", "DescribeServices", ask);
  if (!described && described.error().fault == Fault::not_found) co_return std::nullopt;
  if (!described) co_return fail(described);
  const json::array services = get_array(*described, "services");
  if (services.empty() || get_string(services.front().as_object(), "status") != "ACTIVE") co_return std::nullopt;
  co_return services.front().as_object();
}

task<Result<Revision>> Cloud::revision(std::string name) {
  const json::object which = {{"taskDefinition", name}, {"include", json::array{"TAGS"}}};
  const auto answer = co_await call("ecs", "DescribeTaskDefinition", which);
  if (!answer) co_return fail(answer);
  co_return Revision{.definition = get_object(*answer, "taskDefinition"), .tags = get_array(*answer, "tags")};
}

task<Result<std::vector<json::object>>> Cloud::tasks(std::string cluster, std::string service,
                                                     std::string desired_status) {
  std::vector<json::object> tasks;
  const json::object list = {{"cluster", cluster}, {"serviceName", service}, {"desiredStatus", desired_status}};
  const auto listed = co_await call("ecs", "ListTasks", list);
  if (!listed) co_return fail(listed);
  json::array arns = get_array(*listed, "taskArns");
  if (arns.empty()) co_return tasks;
  if (arns.size() > kTasksDescribedMax) arns.resize(kTasksDescribedMax);
  const json::object describe = {{"cluster", cluster}, {"tasks", arns}};
  const auto described = co_await call("ecs", "DescribeTasks", describe);
  if (!described) co_return fail(described);
  for (const json::value& task : get_array(*described, "tasks")) tasks.push_back(task.as_object());
  co_return tasks;
}

// https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ListServiceDeployments.html
task<Result<std::optional<std::vector<ServiceDeployment>>>> Cloud::service_deployments(std::string cluster,
                                                                                       std::string service) {
  const json::object ask = {{"cluster", cluster}, {"service", service}};
  const auto listed = co_await call("ecs", "ListServiceDeployments", ask);
  // The verdict needs it only where the service's own deployments say too little.
  if (!listed && (listed.error().fault == Fault::denied || listed.error().fault == Fault::unsupported ||
                  listed.error().code == "UnknownOperationException"))
    co_return std::nullopt;
  if (!listed) co_return fail(listed);
  std::vector<ServiceDeployment> deployments;
  for (const json::value& value : get_array(*listed, "serviceDeployments")) {
    const json::object& one = value.as_object();
    deployments.push_back({.arn = get_string(one, "serviceDeploymentArn"),
                           .status = get_string(one, "status"),
                           .reason = get_string(one, "statusReason"),
                           .number = last_part(get_string(one, "targetServiceRevisionArn")),
                           .created_at = instant_of(get_double(one, "createdAt"))});
  }
  std::ranges::stable_sort(deployments, std::ranges::greater{}, &ServiceDeployment::created_at);
  co_return deployments;
}

// https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RegisterTaskDefinition.html
task<Result<std::string>> Cloud::register_revision(json::object input) {
  const auto registered = co_await call("ecs", "RegisterTaskDefinition", std::move(input));
  if (!registered) co_return fail(registered);
  co_return get_string(get_object(*registered, "taskDefinition"), "taskDefinitionArn");
}

// https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_UpdateService.html
task<Result<json::object>> Cloud::update_service(json::object input) {
  const auto updated = co_await call("ecs", "UpdateService", std::move(input));
  if (!updated) co_return fail(updated);
  co_return primary_deployment(get_object(*updated, "service"));
}

// https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_TagResource.html
task<Result<void>> Cloud::tag(std::string arn, TagChange change) {
  if (!change.set.empty()) {
    const json::object input = {{"resourceArn", arn}, {"tags", change.set}};
    const auto set = co_await call("ecs", "TagResource", input);
    if (!set) co_return fail(set);
  }
  if (!change.unset.empty()) {
    const json::object input = {{"resourceArn", arn}, {"tagKeys", to_array(change.unset)}};
    const auto unset = co_await call("ecs", "UntagResource", input);
    if (!unset) co_return fail(unset);
  }
  co_return Result<void>{};
}

}  // namespace slipway::deployer
