#include "deployer/handle.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"

namespace slipway::deployer {
namespace {

constexpr std::size_t kTasksDescribedMax = 100;  // ECS takes no more in one DescribeTasks.

// "localhost:4566/where-car-backend:latest" -> "localhost:4566/where-car-backend"
std::string without_tag(std::string image) {
  image = image.substr(0, image.find('@'));
  const auto slash = image.rfind('/');
  const auto colon = image.find(':', slash == std::string::npos ? 0 : slash);
  return image.substr(0, colon);
}

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

bool several_tags(const Route& route) {
  return route.tags.size() != 1 || route.tags.front().kind != config::TagRule::Kind::exact;
}

}  // namespace

// What became of one service.
struct Handler::Outcome {
  Decision decision;
  std::string digest;
  std::string task_definition;  // The revision that was registered.
  std::string deployment;       // That UpdateService began.
};

Handler::Handler(client::AwsClient& aws, Routes routes, Log log)
    : aws_(aws), routes_(std::move(routes)), log_(std::move(log)) {}

task<Result<json::object>> Handler::ecs(std::string operation, json::object input) {
  return aws_.json_call("ecs", "AmazonEC2ContainerServiceV20141113", std::move(operation), std::move(input));
}
task<Result<json::object>> Handler::ecr(std::string operation, json::object input) {
  return aws_.json_call("ecr", "AmazonEC2ContainerRegistry_V20150921", std::move(operation), std::move(input));
}

// https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_DescribeImages.html
task<Result<std::optional<Image>>> Handler::read_image(json::object image_id, std::string repository) {
  const json::object input = {{"repositoryName", repository}, {"imageIds", json::array{image_id}}};
  const auto answer = co_await ecr("DescribeImages", input);
  if (!answer && answer.error().fault == Fault::not_found) co_return std::nullopt;
  if (!answer) co_return fail(answer);
  const json::array details = get_array(*answer, "imageDetails");
  if (details.empty() || !details.front().is_object()) co_return std::nullopt;
  const json::object& detail = details.front().get_object();
  co_return Image{.digest = get_string(detail, "imageDigest"),
                  .pushed_at = instant_of(get_double(detail, "imagePushedAt"))};
}

// What the tasks of `deployment` run, for services that are not pinned.
task<Result<void>> Handler::read_running(Route route, json::object deployment, ServiceState& into) {
  if (get_string(deployment, "rolloutState") == "IN_PROGRESS")
    into.deploying_since = instant_of(get_double(deployment, "createdAt"));
  const json::object list = {{"cluster", route.cluster}, {"serviceName", route.name}, {"desiredStatus", "RUNNING"}};
  const auto listed = co_await ecs("ListTasks", list);
  if (!listed) co_return fail(listed);
  json::array arns = get_array(*listed, "taskArns");
  if (arns.empty()) co_return Result<void>{};
  if (arns.size() > kTasksDescribedMax) arns.resize(kTasksDescribedMax);
  const json::object describe = {{"cluster", route.cluster}, {"tasks", arns}};
  const auto described = co_await ecs("DescribeTasks", describe);
  if (!described) co_return fail(described);
  for (const json::value& task : get_array(*described, "tasks")) {
    if (!task.is_object() || get_string(task.get_object(), "startedBy") != get_string(deployment, "id")) continue;
    for (const json::value& container : get_array(task.get_object(), "containers")) {
      const json::object& object = container.as_object();
      const bool meant = route.container.empty() || get_string(object, "name") == route.container;
      const std::string digest = get_string(object, "imageDigest");
      if (meant && !digest.empty()) into.running_digests.push_back(digest);
    }
  }
  co_return Result<void>{};
}

task<Result<ServiceState>> Handler::read_service(Route route, Push push) {
  ServiceState state;
  const json::object ask = {{"cluster", route.cluster}, {"services", json::array{route.name}}};
  const auto described = co_await ecs("DescribeServices", ask);
  if (!described && described.error().fault == Fault::not_found) co_return state;
  if (!described) co_return fail(described);
  const json::array services = get_array(*described, "services");
  if (services.empty() || get_string(services.front().as_object(), "status") != "ACTIVE") co_return state;
  const json::object& service = services.front().as_object();
  state.active = true;
  const json::object deployment = primary_deployment(service);
  const json::object which = {
      {"taskDefinition", get_string(deployment, "taskDefinition", get_string(service, "taskDefinition"))},
      {"include", json::array{"TAGS"}}};
  const auto revision = co_await ecs("DescribeTaskDefinition", which);
  if (!revision) co_return fail(revision);
  state.task_definition = get_object(*revision, "taskDefinition");
  state.task_tags = get_array(*revision, "tags");
  if (route.pin == Route::Pin::tag) {
    const auto read = co_await read_running(route, deployment, state);
    if (!read) co_return fail(read);
  }
  if (!several_tags(route)) co_return state;
  const std::string pinned = pinned_digest(route, state.task_definition);
  const std::string running = !pinned.empty()                 ? pinned
                              : state.running_digests.empty() ? ""
                                                              : state.running_digests.front();
  if (running.empty()) co_return state;
  const json::object by_digest = {{"imageDigest", running}};
  const auto image = co_await read_image(by_digest, push.repository);
  if (!image) co_return fail(image);
  if (*image) state.running_pushed_at = (*image)->pushed_at;
  co_return state;
}

// The name that ECS pulls the repository by: as the service has it already, else as the registry
// says.
task<Result<std::string>> Handler::repository_uri(Route route, json::object task_definition) {
  const auto index = find_container(route, task_definition);
  if (index) {
    const std::string image =
        get_string(get_array(task_definition, "containerDefinitions")[*index].as_object(), "image");
    std::string name = without_tag(image);
    if (name.ends_with("/" + route.repository)) co_return name;
  }
  const json::object ask = {{"repositoryNames", json::array{route.repository}}};
  const auto described = co_await ecr("DescribeRepositories", ask);
  if (!described) co_return fail(described);
  const json::array repositories = get_array(*described, "repositories");
  if (repositories.empty())
    co_return fail(Fault::not_found, "RepositoryNotFoundException", "there is no repository " + route.repository);
  co_return get_string(repositories.front().as_object(), "repositoryUri");
}

// https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RegisterTaskDefinition.html
task<Result<void>> Handler::register_revision(Decision decision, Outcome& outcome) {
  const auto registered = co_await ecs("RegisterTaskDefinition", decision.task_definition);
  if (!registered) co_return fail(registered);
  outcome.task_definition = get_string(get_object(*registered, "taskDefinition"), "taskDefinitionArn");
  co_return Result<void>{};
}

// https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_UpdateService.html
task<Result<void>> Handler::update_service(Route route, Decision decision, Outcome& outcome) {
  json::object input = {{"cluster", route.cluster}, {"service", route.name}};
  if (decision.action == Decision::Action::deploy_digest) {
    input["taskDefinition"] = outcome.task_definition;
  } else {
    input["forceNewDeployment"] = true;
  }
  const auto updated = co_await ecs("UpdateService", input);
  if (!updated) co_return fail(updated);
  outcome.deployment = get_string(primary_deployment(get_object(*updated, "service")), "id");
  co_return Result<void>{};
}

task<Result<Handler::Outcome>> Handler::deploy(Route route, Push push) {
  Outcome outcome;
  std::optional<Image> image;
  ServiceState service;
  if (!route.any_push) {
    const json::object by_tag = {{"imageTag", push.tag}};
    auto found = co_await read_image(by_tag, push.repository);
    if (!found) co_return fail(found);
    image = std::move(*found);
    if (image) {
      auto state = co_await read_service(route, push);
      if (!state) co_return fail(state);
      service = std::move(*state);
    }
    if (image && service.active && route.pin == Route::Pin::digest) {
      auto uri = co_await repository_uri(route, service.task_definition);
      if (!uri) co_return fail(uri);
      image->repository_uri = std::move(*uri);
    }
    if (image) outcome.digest = image->digest;
  }
  outcome.decision = decide(route, push, image, service);
  if (outcome.decision.action == Decision::Action::deploy_digest) {
    const auto registered = co_await register_revision(outcome.decision, outcome);
    if (!registered) co_return fail(registered);
  }
  if (outcome.decision.action == Decision::Action::deploy_digest ||
      outcome.decision.action == Decision::Action::force_new_deployment) {
    const auto updated = co_await update_service(route, outcome.decision, outcome);
    if (!updated) co_return fail(updated);
  }
  co_return outcome;
}

task<Result<json::object>> Handler::handle(json::value event) {
  const Reading reading = read_event(event);
  const std::string event_id = event.is_object() ? get_string(event.get_object(), "id") : "";
  json::array decisions;
  std::vector<std::string> failures;
  const auto note = [&](json::object line) {
    log_(line);
    decisions.push_back(std::move(line));
  };
  if (!reading.push) {
    note({{"event", event_id}, {"action", "ignore"}, {"why", reading.reason}});
  } else {
    const Push& push = *reading.push;
    bool routed = false;
    for (const Route& route : routes_.routes) {
      const config::TagRule* const rule = deploys(route, push.repository, push.tag);
      if (rule == nullptr && !route.any_push) continue;
      routed = true;
      const auto outcome = co_await deploy(route, push);
      json::object line = {{"event", event_id},        {"repository", push.repository},
                           {"tag", push.tag},          {"service", route.name},
                           {"cluster", route.cluster}, {"rule", rule == nullptr ? "any push" : rule->text},
                           {"action", "failed"}};
      if (!outcome) {
        failures.push_back(
            fmt::format("{}/{}: {}: {}", route.cluster, route.name, outcome.error().code, outcome.error().message));
        line["why"] = outcome.error().code + ": " + outcome.error().message;
      } else {
        line["action"] = action_name(outcome->decision.action);
        line["why"] = outcome->decision.why;
        if (!outcome->digest.empty()) line["digest"] = outcome->digest;
        if (!outcome->task_definition.empty()) line["taskDefinition"] = outcome->task_definition;
        if (!outcome->deployment.empty()) line["deployment"] = outcome->deployment;
      }
      note(std::move(line));
    }
    if (!routed)
      note({{"event", event_id},
            {"repository", push.repository},
            {"tag", push.tag},
            {"action", "ignore"},
            {"why", fmt::format("no service deploys {}:{}", push.repository, push.tag)}});
  }
  if (!failures.empty()) co_return fail(Fault::unavailable, "DeployFailed", join(failures, "; "));
  json::object answer = {{"statusCode", 200}};
  if (routes_.single) {
    const json::object& line = decisions.front().as_object();
    const bool deployed = get_string(line, "action") == "force_new_deployment";
    answer["body"] = deployed ? "deployment started" : "nothing deployed: " + get_string(line, "why");
  } else {
    answer["decisions"] = std::move(decisions);
  }
  co_return answer;
}

}  // namespace slipway::deployer
