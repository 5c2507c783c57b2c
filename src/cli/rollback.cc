#include <fmt/format.h>

#include <array>
#include <iostream>

#include "base/run.h"
#include "base/text.h"
#include "cli/commands.h"

namespace slipway::cli {
namespace {

constexpr int kRevisionsLookedAt = 50;

// Members that DescribeTaskDefinition answers and RegisterTaskDefinition does not take.
constexpr std::array<std::string_view, 8> kAnswerOnly = {"taskDefinitionArn",  "revision",        "status",
                                                         "requiresAttributes", "compatibilities", "registeredAt",
                                                         "registeredBy",       "deregisteredAt"};

std::string image_of(const json::object& definition) {
  const json::array containers = get_array(definition, "containerDefinitions");
  return containers.empty() ? std::string() : get_string(containers.at(0).as_object(), "image");
}

task<Result<json::object>> definition_of(RegionApi& api, std::string name) {
  const json::object ask = {{"taskDefinition", name}};
  auto answer = co_await api.ecs("DescribeTaskDefinition", ask);
  if (!answer) co_return fail(answer);
  co_return get_object(*answer, "taskDefinition");
}

task<Result<json::object>> service_of(RegionApi& api, ServiceName name) {
  const json::object ask = {{"cluster", name.cluster}, {"services", json::array{name.service}}};
  auto answer = co_await api.ecs("DescribeServices", ask);
  if (!answer) co_return fail(answer);
  const json::array services = get_array(*answer, "services");
  if (services.empty()) co_return fail(Fault::not_found, "SLW-302", "the service " + name.text() + " is gone");
  co_return services.at(0).as_object();
}

// The image must still be there, or the rollback would end in tasks that cannot start.
task<Result<void>> check_image(RegionApi& api, std::string image) {
  const auto at = image.find('@');
  const json::object ask = {{"repositoryName", repository_of(image)},
                            {"imageIds", json::array{json::object{{"imageDigest", image.substr(at + 1)}}}}};
  auto found = co_await api.ecr("DescribeImages", ask);
  if (!found)
    co_return fail(Fault::not_found, "SLW-304",
                   "cannot go back to " + short_image(image) + ": " + found.error().message);
  co_return Result<void>{};
}

// The newest earlier revision whose image is pinned to another digest.
task<Result<json::object>> previous_definition(RegionApi& api, json::object current) {
  const std::string family = get_string(current, "family");
  const std::string image = image_of(current);
  const long long newest = get_int(current, "revision");
  for (long long revision = newest - 1; revision > 0 && revision >= newest - kRevisionsLookedAt; --revision) {
    auto candidate = co_await definition_of(api, fmt::format("{}:{}", family, revision));
    if (!candidate || get_string(*candidate, "status") != "ACTIVE") continue;
    const std::string other = image_of(*candidate);
    if (other != image && other.find("@sha256:") != std::string::npos) co_return *candidate;
  }
  co_return fail(
      Fault::not_found, "SLW-305",
      fmt::format(
          "no earlier revision of {} is pinned to another digest. Name the image: slipway rollback --to sha256:…",
          family));
}

task<Result<std::string>> register_with(RegionApi& api, json::object definition, std::string digest) {
  for (const std::string_view member : kAnswerOnly) definition.erase(member);
  json::object& container = definition.at("containerDefinitions").as_array().at(0).as_object();
  const std::string image = get_string(container, "image");
  const auto slash = image.rfind('/');
  const auto end = std::min(image.find('@'), image.find(':', slash == std::string::npos ? 0 : slash));
  container["image"] = image.substr(0, end) + "@" + digest;
  auto there = co_await check_image(api, get_string(container, "image"));
  if (!there) co_return fail(there);
  auto registered = co_await api.ecs("RegisterTaskDefinition", definition);
  if (!registered) co_return fail(registered);
  co_return get_string(get_object(*registered, "taskDefinition"), "taskDefinitionArn");
}

// The task definition to go back to: named, made from a digest, or found.
task<Result<std::string>> target_of(RegionApi& api, json::object current, std::string to) {
  if (to.starts_with("sha256:")) co_return co_await register_with(api, current, to);
  if (!to.empty()) {
    auto named = co_await definition_of(api, to);
    if (!named) co_return fail(named);
    co_return get_string(*named, "taskDefinitionArn");
  }
  auto found = co_await previous_definition(api, current);
  if (!found) co_return fail(found);
  auto there = co_await check_image(api, image_of(*found));
  if (!there) co_return fail(there);
  co_return get_string(*found, "taskDefinitionArn");
}

task<int> roll_back(RollbackOptions options, RegionKey key) {
  RegionApi api(co_await asio::this_coro::executor, key);
  auto name = co_await find_service(api, options.service);
  if (!name) co_return complain(name.error());
  auto service = co_await service_of(api, *name);
  if (!service) co_return complain(service.error());
  auto current = co_await definition_of(api, get_string(*service, "taskDefinition"));
  if (!current) co_return complain(current.error());
  auto target = co_await target_of(api, *current, options.to);
  if (!target) co_return complain(target.error());
  const json::object ask = {{"cluster", name->cluster}, {"service", name->service}, {"taskDefinition", *target}};
  auto updated = co_await api.ecs("UpdateService", ask);
  if (!updated) co_return complain(updated.error());
  std::cout << fmt::format("{}: going back to {}\nfollow it with: slipway watch {} --until-verdict\n", name->text(),
                           target->substr(target->rfind('/') + 1), name->service);
  co_return kLive;
}

}  // namespace

int rollback(const Common& common, const RollbackOptions& options) {
  const auto key = read_key(common.folder());
  if (!key) return complain(key.error());
  return run(roll_back(options, *key));
}

}  // namespace slipway::cli
