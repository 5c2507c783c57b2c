#include "deployer/decide.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.h"

namespace slipway::deployer {
namespace {

// What ECS says of a revision and does not accept in a registration.
constexpr std::array<std::string_view, 9> kAddedByEcs = {"taskDefinitionArn",  "revision",        "status",
                                                         "requiresAttributes", "compatibilities", "registeredAt",
                                                         "registeredBy",       "deregisteredAt",  "deleteRequestedAt"};
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

// The order in which a route's images follow each other.  A tag is the truth where it is the only one, even when
// somebody moves it back; where several deploy, a late event for one of them must not move the service behind what
// another has deployed.  Each order is total, or duplicates of two events could swap the service for ever.
enum class Order { tag_is_truth, version, pushed };
Order order_of(const Route& route) {
  using Kind = config::TagRule::Kind;
  if (route.tags.size() == 1 && route.tags.front().kind == Kind::exact) return Order::tag_is_truth;
  const bool versions = !route.tags.empty() &&
                        std::ranges::all_of(route.tags, [](const auto& rule) { return rule.kind == Kind::semver; });
  return versions ? Order::version : Order::pushed;
}

struct Rank {
  std::optional<config::Version> version;
  std::optional<Instant> pushed_at;  // ECR tells whole seconds: two pushes may be equal.
  std::string digest;
};
// -1, 0, 1; a version or time that is not known decides nothing.
int compare(Order order, const Rank& a, const Rank& b) {
  if (order == Order::version && a.version && b.version && *a.version != *b.version)
    return *a.version < *b.version ? -1 : 1;
  if (!a.pushed_at || !b.pushed_at) return 1;
  if (*a.pushed_at != *b.pushed_at) return *a.pushed_at < *b.pushed_at ? -1 : 1;
  return a.digest < b.digest ? -1 : a.digest == b.digest ? 0 : 1;
}

// Why `image` is behind `known`, which is what runs or what was deployed last; nullopt when it is not.
std::optional<std::string> behind(Order order, const Push& push, const Image& image, const std::string& known_tag,
                                  const Rank& known, std::string_view what) {
  // The very tag that brought it in: where it points now is the truth.
  if (known_tag == push.tag) return std::nullopt;
  const Rank pushed{config::parse_version(push.tag), image.pushed_at, image.digest};
  if (compare(order, pushed, known) >= 0) return std::nullopt;
  if (order == Order::version && pushed.version && known.version && *pushed.version < *known.version)
    return fmt::format("version {} {}, and {} is older", known_tag, what, push.tag);
  if (image.pushed_at < *known.pushed_at)
    return fmt::format("the image that {} was pushed at {}, after this one ({})", what, iso_millis(*known.pushed_at),
                       iso_millis(image.pushed_at));
  return fmt::format("the image that {} was pushed at the same time ({}); of two equals the greater digest stays", what,
                     iso_millis(image.pushed_at));
}

std::optional<std::string> older(const Route& route, const Push& push, const Image& image, const ServiceState& service,
                                 const std::string& running) {
  const Order order = order_of(route);
  if (order == Order::tag_is_truth || push.origin == Push::Origin::person) return std::nullopt;
  const ServiceLedger ledger = read_ledger(service.service_tags);
  const Rank last{config::parse_version(ledger.last_tag), ledger.last_pushed, ledger.last()};
  if (auto why = behind(order, push, image, ledger.last_tag, last, "was deployed last")) return why;
  const std::string running_tag = read_release(service.task_tags).tag;
  const Rank runs{config::parse_version(running_tag), service.running_pushed_at, running};
  return behind(order, push, image, running_tag, runs, "runs");
}

Decision held(std::string why) {
  return {.action = Decision::Action::held, .why = std::move(why)};
}

// Rule 7: what was taken back is not put in again by anything automatic, nor by a person who does not say so.
std::optional<Decision> hold_of(const Route& route, const Push& push, const Image& image, const ServiceState& service) {
  const ServiceLedger ledger = read_ledger(service.service_tags);
  if (!ledger.frozen.empty())
    return held(fmt::format("{} is on hold: {}. Release it: slipway unhold {}", route.name, ledger.frozen, route.name));
  if (std::ranges::find(ledger.held, image.digest) != ledger.held.end())
    return held(
        fmt::format("{} was rolled back and is on hold until another digest is pushed. Release it: slipway "
                    "unhold {}",
                    image.digest, route.name));
  // The tag that brought in the last one may move back to an earlier one; other tags that name it are late.
  const bool tried = std::ranges::find(ledger.tried, image.digest) != ledger.tried.end();
  const bool again = ledger.last() == image.digest || (tried && push.tag != ledger.last_tag);
  if (again && push.origin != Push::Origin::person)
    return held(
        fmt::format("{} was deployed before, and something else was put in its place. Deploy it again: slipway "
                    "deploy {} --image {}",
                    image.digest, route.name, image.digest));
  return std::nullopt;
}

Release release_of(const Push& push, const Image& image, const ServiceState& service, const std::string& running) {
  return {.digest = image.digest,
          .tag = push.tag,
          .event = push.event_id,
          .actor = push.actor,
          .action = "deploy",
          .pushed = image.pushed_at,
          .from = running,
          .from_revision = revision_name(get_string(service.task_definition, "taskDefinitionArn")),
          .from_completed = service.rollout == "COMPLETED"};
}

// The newest deployment, when it is one of ours that still runs and has no verdict.
std::string superseded(const ServiceState& service) {
  const Release running = read_release(service.task_tags);
  const bool open = service.rollout == "IN_PROGRESS" && !running.digest.empty() && running.verdict.empty();
  return open ? revision_name(get_string(service.task_definition, "taskDefinitionArn")) : "";
}

Decision decide_by_tag(const Route& route, const Image& image, const ServiceState& service, const Push& push) {
  const auto& running = service.running_digests;
  const bool same = !running.empty() &&
                    std::ranges::all_of(running, [&](const std::string& digest) { return digest == image.digest; });
  if (same)
    return {.action = Decision::Action::already_deployed,
            .why = fmt::format("every task of the newest deployment runs {}", image.digest)};
  // A deployment that began after the push and has started no task yet will find this image when it
  // looks the tag up; not so a rollback, which had to pin its revision.
  const Release release = read_release(service.task_tags);
  const bool pinned = release.action == "rollback" && !release.from_revision.empty();
  if (!pinned && running.empty() && service.deploying_since && image.pushed_at < *service.deploying_since)
    return {.action = Decision::Action::already_deployed,
            .why = fmt::format("a deployment that began at {} takes it up", iso_millis(*service.deploying_since))};
  if (auto hold = hold_of(route, push, image, service)) return *hold;
  const std::string runs = running.empty() ? "" : running.front();
  if (const auto why = older(route, push, image, service, runs)) return ignore(*why);
  return {.action = Decision::Action::force_new_deployment,
          .why = fmt::format("{} is now {}, which does not run yet", push.tag, image.digest),
          .return_to = pinned ? release.from_revision : ""};
}

Decision decide_by_digest(const Route& route, const Push& push, const Image& image, const ServiceState& service) {
  if (!find_container(route, service.task_definition)) {
    const std::string wanted = route.container.empty() ? "one container" : "a container called " + route.container;
    return ignore(fmt::format("the task definition has not {}, so it is not clear whose image to change", wanted));
  }
  const std::string pinned = pinned_digest(route, service.task_definition);
  if (pinned == image.digest)
    return {.action = Decision::Action::already_deployed,
            .why = fmt::format("the newest deployment runs {} already", pinned)};
  if (auto hold = hold_of(route, push, image, service)) return *hold;
  const auto& tasks = service.running_digests;
  const bool runs_unpinned = pinned.empty() && !tasks.empty() &&
                             std::ranges::all_of(tasks, [&](const auto& digest) { return digest == image.digest; });
  if (push.origin == Push::Origin::sweep && runs_unpinned)
    return {.action = Decision::Action::already_deployed,
            .why = fmt::format("every task runs {}, though its revision is not pinned to it", image.digest)};
  const std::string running = !pinned.empty() || tasks.empty() ? pinned : tasks.front();
  if (const auto why = older(route, push, image, service, running)) return ignore(*why);
  Decision decision{.action = Decision::Action::deploy_digest, .supersedes = superseded(service)};
  decision.task_definition = pinned_revision(route, service.task_definition, service.task_tags, image,
                                             release_of(push, image, service, running));
  decision.container = get_string(get_array(decision.task_definition, "containerDefinitions")
                                      .at(*find_container(route, service.task_definition))
                                      .as_object(),
                                  "name");
  decision.why = pinned.empty() ? fmt::format("{} is {}, and the service was not pinned", push.tag, image.digest)
                                : fmt::format("{} is now {}, and {} runs", push.tag, image.digest, pinned);
  return decision;
}

Reading read_ecr(const json::object& envelope, const std::string& type) {
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
  return {.push = std::move(push)};
}

Reading read_ecs(const json::object& envelope, const std::string& type) {
  if (type != "ECS Deployment State Change") return nothing(fmt::format("{} ends no deployment", type));
  const json::object detail = get_object(envelope, "detail");
  const std::string name = get_string(detail, "eventName");
  const bool completed = name == "SERVICE_DEPLOYMENT_COMPLETED";
  if (!completed && name != "SERVICE_DEPLOYMENT_FAILED")
    return nothing(fmt::format("{} is not the end of a deployment", name.empty() ? "an event without a name" : name));
  // "arn:aws:ecs:us-west-2:111122223333:service/default/servicetest"
  const auto resources = get_strings(envelope, "resources");
  const auto parts = split(resources.empty() ? "" : resources.front(), '/');
  if (parts.size() != 3) return nothing("the event names no service");
  return {.change = DeploymentChange{.event_id = get_string(envelope, "id"),
                                     .cluster = parts[1],
                                     .service = parts[2],
                                     .deployment = get_string(detail, "deploymentId"),
                                     .completed = completed,
                                     .reason = get_string(detail, "reason")}};
}

}  // namespace

std::string_view action_name(Decision::Action action) {
  switch (action) {
    case Decision::Action::ignore:
      return "ignore";
    case Decision::Action::held:
      return "held";
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
  const bool known = source == "aws.ecr" || source == "aws.ecs" || source == "aws.events";
  if (!known)
    return nothing(source.empty() ? "the event has no source"
                                  : fmt::format("the event comes from {}, not from aws.ecr", source));
  if (has(envelope, "replay-name")) return nothing("the event is a replay; old pushes do not deploy again");
  if (source == "aws.ecr") return read_ecr(envelope, type);
  if (source == "aws.ecs") return read_ecs(envelope, type);
  if (type != "Scheduled Event") return nothing(fmt::format("{} asks for nothing", type));
  return {.sweep = true};
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

json::object pinned_revision(const Route& route, const json::object& current, const json::array& current_tags,
                             const Image& image, const Release& release) {
  json::object revision = registrable(current);
  json::object& container = revision["containerDefinitions"].as_array().at(*find_container(route, current)).as_object();
  container["image"] = image.repository_uri + "@" + image.digest;
  json::array tags = foreign_tags(current_tags);
  for (const json::value& tag : release_tags(release)) tags.push_back(tag);
  revision["tags"] = std::move(tags);
  return revision;
}

std::optional<TaggedImage> newest(const Route& route, const std::vector<TaggedImage>& images) {
  const Order order = order_of(route);
  const TaggedImage* best = nullptr;
  const auto rank = [](const TaggedImage& tagged) {
    return Rank{config::parse_version(tagged.tag), tagged.image.pushed_at, tagged.image.digest};
  };
  for (const TaggedImage& tagged : images) {
    if (deploys(route, route.repository, tagged.tag) == nullptr) continue;
    if (best == nullptr || compare(order, rank(*best), rank(tagged)) < 0) best = &tagged;
  }
  return best == nullptr ? std::nullopt : std::optional<TaggedImage>(*best);
}

void remember_deployed(ServiceLedger& ledger, const Push& push, const Image& image) {
  const bool older_by_request =
      push.origin == Push::Origin::person && ledger.last_pushed && image.pushed_at < *ledger.last_pushed;
  if (older_by_request) return;
  remember_first(ledger.tried, image.digest);
  ledger.last_tag = push.tag;
  ledger.last_pushed = image.pushed_at;
}

Decision decide(const Route& route, const Push& push, const std::optional<Image>& image, const ServiceState& service) {
  if (route.any_push)
    return {.action = Decision::Action::force_new_deployment,
            .why = fmt::format("{}:{} was pushed", push.repository, push.tag)};
  if (!image) return ignore(fmt::format("{} has no tag {} any more", push.repository, push.tag));
  if (!service.active)
    return ignore(fmt::format("there is no active service {} in cluster {}", route.name, route.cluster));
  Decision decision = route.pin == Route::Pin::digest ? decide_by_digest(route, push, *image, service)
                                                      : decide_by_tag(route, *image, service, push);
  decision.digest = image->digest;
  return decision;
}

}  // namespace slipway::deployer
