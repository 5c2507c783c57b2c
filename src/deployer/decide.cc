#include "deployer/decide.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace slipway::deployer {
namespace {

// What ECS says of a revision and does not accept in a registration.
constexpr std::array<std::string_view, 9> kAddedByEcs = {"taskDefinitionArn",  "revision",        "status",
                                                         "requiresAttributes", "compatibilities", "registeredAt",
                                                         "registeredBy",       "deregisteredAt",  "deleteRequestedAt"};
constexpr std::array<std::string_view, 3> kOwnTags = {"slipway:digest", "slipway:tag", "slipway:event"};

Reading nothing(std::string reason) {
  return {.push = std::nullopt, .reason = std::move(reason)};
}
Decision ignore(std::string why) {
  return {.action = Decision::Action::ignore, .why = std::move(why)};
}

bool is_index(std::string_view media_type) {
  return media_type.contains("index") || media_type.contains("manifest.list");
}

// Charts, signatures and bills of material are pushed with tags too, and cannot run.
bool is_image(const json::object& detail) {
  const std::string artifact = get_string(detail, "artifact-media-type");
  if (artifact.empty() || is_index(get_string(detail, "manifest-media-type"))) return true;
  return artifact.starts_with("application/vnd.oci.image.config.") ||
         artifact.starts_with("application/vnd.docker.container.image.") || is_index(artifact);
}

std::string tag_value(const json::array& tags, std::string_view key) {
  for (const json::value& tag : tags) {
    if (tag.is_object() && get_string(tag.get_object(), "key") == key) return get_string(tag.get_object(), "value");
  }
  return {};
}

// With one exact tag, the tag is the truth, even when somebody moves it back.  With several, a late
// event for one of them must not move the service behind what another has deployed.
std::optional<std::string> older_than_running(const Route& route, const Push& push, const Image& image,
                                              const ServiceState& service) {
  if (route.tags.size() == 1 && route.tags.front().kind == config::TagRule::Kind::exact) return std::nullopt;
  const auto* const rule = deploys(route, push.repository, push.tag);
  const std::string running_tag = tag_value(service.task_tags, "slipway:tag");
  const auto running_version = config::parse_version(running_tag);
  const auto version = config::parse_version(push.tag);
  if (rule != nullptr && rule->kind == config::TagRule::Kind::semver && version && running_version) {
    if (*version < *running_version) return fmt::format("version {} runs, and {} is older", running_tag, push.tag);
    return std::nullopt;
  }
  if (service.running_pushed_at && image.pushed_at < *service.running_pushed_at)
    return fmt::format("the image that runs was pushed at {}, after this one ({})",
                       iso_millis(*service.running_pushed_at), iso_millis(image.pushed_at));
  return std::nullopt;
}

json::array tags_for(const json::array& current, const Push& push, const std::string& digest) {
  json::array tags;
  for (const json::value& tag : current) {
    if (tag.is_object() && std::ranges::find(kOwnTags, get_string(tag.get_object(), "key")) == kOwnTags.end())
      tags.push_back(tag);
  }
  const std::array<std::string, 3> values = {digest, push.tag, push.event_id};
  for (std::size_t i = 0; i < kOwnTags.size(); ++i) {
    if (!values[i].empty()) tags.push_back(json::object{{"key", kOwnTags[i]}, {"value", values[i]}});
  }
  return tags;
}

Decision decide_by_tag(const Image& image, const ServiceState& service, const Push& push) {
  const auto& running = service.running_digests;
  const bool same = !running.empty() &&
                    std::ranges::all_of(running, [&](const std::string& digest) { return digest == image.digest; });
  if (same)
    return {.action = Decision::Action::already_deployed,
            .why = fmt::format("every task of the newest deployment runs {}", image.digest)};
  // A deployment that began after the push and has started no task yet will find this image when it
  // looks the tag up.
  if (running.empty() && service.deploying_since && image.pushed_at < *service.deploying_since)
    return {.action = Decision::Action::already_deployed,
            .why = fmt::format("a deployment that began at {} takes it up", iso_millis(*service.deploying_since))};
  return {.action = Decision::Action::force_new_deployment,
          .why = fmt::format("{} is now {}, which does not run yet", push.tag, image.digest)};
}

Decision decide_by_digest(const Route& route, const Push& push, const Image& image, const ServiceState& service) {
  const auto index = find_container(route, service.task_definition);
  if (!index) {
    const std::string wanted = route.container.empty() ? "one container" : "a container called " + route.container;
    return ignore(fmt::format("the task definition has not {}, so it is not clear whose image to change", wanted));
  }
  const std::string pinned = pinned_digest(route, service.task_definition);
  if (pinned == image.digest)
    return {.action = Decision::Action::already_deployed,
            .why = fmt::format("the newest deployment runs {} already", pinned)};
  if (const auto older = older_than_running(route, push, image, service)) return ignore(*older);
  Decision decision{.action = Decision::Action::deploy_digest, .task_definition = registrable(service.task_definition)};
  json::object& container = decision.task_definition["containerDefinitions"].as_array()[*index].as_object();
  container["image"] = image.repository_uri + "@" + image.digest;
  decision.container = get_string(container, "name");
  decision.task_definition["tags"] = tags_for(service.task_tags, push, image.digest);
  decision.why = pinned.empty() ? fmt::format("{} is {}, and the service was not pinned", push.tag, image.digest)
                                : fmt::format("{} is now {}, and {} runs", push.tag, image.digest, pinned);
  return decision;
}

}  // namespace

std::string_view action_name(Decision::Action action) {
  switch (action) {
    case Decision::Action::ignore:
      return "ignore";
    case Decision::Action::already_deployed:
      return "already_deployed";
    case Decision::Action::deploy_digest:
      return "deploy_digest";
    case Decision::Action::force_new_deployment:
      return "force_new_deployment";
  }
  return "ignore";
}

Reading read_event(const json::value& event) {
  if (!event.is_object()) return nothing("the event is not a JSON object");
  const json::object& envelope = event.get_object();
  const std::string source = get_string(envelope, "source");
  const std::string type = get_string(envelope, "detail-type");
  if (source != "aws.ecr")
    return nothing(source.empty() ? "the event has no source"
                                  : fmt::format("the event comes from {}, not from aws.ecr", source));
  if (has(envelope, "replay-name")) return nothing("the event is a replay; old pushes do not deploy again");
  const json::object detail = get_object(envelope, "detail");
  const std::string action = get_string(detail, "action-type");
  const bool replicated = type == "ECR Replication Action";
  if (type != "ECR Image Action" && !replicated)
    return nothing(fmt::format("{} does not deploy", type.empty() ? "an event without detail-type" : type));
  if (!replicated && action != "PUSH")
    return nothing(fmt::format("the action is {}, not PUSH", action.empty() ? "not named" : action));
  const std::string result = get_string(detail, "result");
  if (result != "SUCCESS")
    return nothing(fmt::format("the result is {}, not SUCCESS", result.empty() ? "not named" : result));
  Push push{.event_id = get_string(envelope, "id"),
            .repository = get_string(detail, "repository-name"),
            .tag = get_string(detail, "image-tag"),
            .digest = get_string(detail, "image-digest")};
  if (push.repository.empty()) return nothing("the event names no repository");
  if (push.tag.empty()) return nothing("the image has no tag");
  if (!is_image(detail))
    return nothing(fmt::format("{} is no image that can run", get_string(detail, "artifact-media-type")));
  return {.push = std::move(push), .reason = ""};
}

std::optional<std::size_t> find_container(const Route& route, const json::object& task_definition) {
  const json::array containers = get_array(task_definition, "containerDefinitions");
  if (route.container.empty()) return containers.size() == 1 ? std::optional<std::size_t>(0) : std::nullopt;
  for (std::size_t i = 0; i < containers.size(); ++i) {
    if (containers[i].is_object() && get_string(containers[i].get_object(), "name") == route.container) return i;
  }
  return std::nullopt;
}

std::string pinned_digest(const Route& route, const json::object& task_definition) {
  const auto index = find_container(route, task_definition);
  if (!index) return {};
  const std::string image =
      get_string(get_array(task_definition, "containerDefinitions")[*index].get_object(), "image");
  const auto at = image.find('@');
  return at == std::string::npos ? "" : image.substr(at + 1);
}

json::object registrable(const json::object& current) {
  json::object out;
  for (const auto& [name, value] : current) {
    if (std::ranges::find(kAddedByEcs, std::string_view(name)) == kAddedByEcs.end() && !value.is_null())
      out[name] = value;
  }
  return out;
}

Decision decide(const Route& route, const Push& push, const std::optional<Image>& image, const ServiceState& service) {
  if (route.any_push)
    return {.action = Decision::Action::force_new_deployment,
            .why = fmt::format("{}:{} was pushed", push.repository, push.tag)};
  if (!image) return ignore(fmt::format("{} has no tag {} any more", push.repository, push.tag));
  if (!service.active)
    return ignore(fmt::format("there is no active service {} in cluster {}", route.name, route.cluster));
  if (route.pin == Route::Pin::digest) return decide_by_digest(route, push, *image, service);
  if (const auto older = older_than_running(route, push, *image, service)) return ignore(*older);
  return decide_by_tag(*image, service, push);
}

}  // namespace slipway::deployer
