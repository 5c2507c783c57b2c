#include "deployer/deploy.h"

#include <fmt/format.h>

namespace slipway::deployer {
namespace {

bool several_tags(const Route& route) {
  return route.tags.size() != 1 || route.tags.front().kind != config::TagRule::Kind::exact;
}

// A service that is deleted between two calls is no failure of the deployment: there is nothing to deploy to.
bool is_gone(const Error& error) {
  return error.code == "ServiceNotActiveException" || error.code == "ServiceNotFoundException" ||
         error.code == "ClusterNotFoundException";
}

// When the image that runs was pushed: as its revision remembers, else as the registry does.
task<Result<std::optional<Instant>>> running_pushed_at(Cloud& cloud, Route route, ServiceState state) {
  const Release release = read_release(state.task_tags);
  const std::string pinned = pinned_digest(route, state.task_definition);
  if (release.pushed && release.digest == pinned) co_return release.pushed;
  const std::string running = !pinned.empty()                 ? pinned
                              : state.running_digests.empty() ? ""
                                                              : state.running_digests.front();
  if (running.empty()) co_return std::nullopt;
  const json::object by_digest = {{"imageDigest", running}};
  const auto image = co_await cloud.image(route.repository, by_digest);
  if (!image) co_return fail(image);
  co_return *image ? std::optional<Instant>((*image)->pushed_at) : std::nullopt;
}

std::string definition_arn(const json::object& like, const std::string& revision) {
  const std::string arn = get_string(like, "taskDefinitionArn");
  return arn.substr(0, arn.rfind('/') + 1) + revision;
}

task<Result<void>> close_release(Cloud& cloud, ServiceSeen seen, std::string revision, Release closed) {
  const std::string arn = definition_arn(seen.state.task_definition, revision);
  const TagChange change{.set = release_tags(closed)};
  co_return co_await cloud.tag(arn, change);
}

// Ends the stories of deployments that this one replaces before their end.
task<Result<void>> close_replaced(Cloud& cloud, ServiceSeen seen, Decision decision) {
  const std::string failing = read_ledger(seen.state.service_tags).failing;
  if (const auto space = failing.find(' '); space != std::string::npos) {
    const Release closed{.verdict = "rolled-back-by-ecs",
                         .reason = "a newer deployment came before the rollback ended"};
    const std::string revision = failing.substr(space + 1);
    const auto done = co_await close_release(cloud, seen, revision, closed);
    if (!done) co_return fail(done);
  }
  if (decision.supersedes.empty()) co_return Result<void>{};
  const Release closed{.verdict = "superseded", .reason = "a newer deployment replaced it before its end"};
  co_return co_await close_release(cloud, seen, decision.supersedes, closed);
}

}  // namespace

task<Result<ServiceSeen>> see_service(Cloud& cloud, Route route, bool with_tasks) {
  ServiceSeen seen;
  auto service = co_await cloud.service(route.cluster, route.name);
  if (!service) co_return fail(service);
  if (!*service) co_return seen;
  seen.service = std::move(**service);
  ServiceState& state = seen.state;
  state.active = true;
  state.service_tags = get_array(seen.service, "tags");
  const json::object deployment = primary_deployment(seen.service);
  state.rollout = get_string(deployment, "rolloutState");
  const std::string name = get_string(deployment, "taskDefinition", get_string(seen.service, "taskDefinition"));
  auto revision = co_await cloud.revision(name);
  if (!revision) co_return fail(revision);
  state.task_definition = std::move(revision->definition);
  state.task_tags = std::move(revision->tags);
  if (state.rollout == "IN_PROGRESS") state.deploying_since = instant_of(get_double(deployment, "createdAt"));
  if (with_tasks && (route.pin == Route::Pin::tag || pinned_digest(route, state.task_definition).empty())) {
    const auto tasks = co_await cloud.tasks(route.cluster, route.name, "RUNNING");
    if (!tasks) co_return fail(tasks);
    state.running_digests = running_digests(route, *tasks, get_string(deployment, "id"));
  }
  if (several_tags(route)) {
    const auto pushed = co_await running_pushed_at(cloud, route, state);
    if (!pushed) co_return fail(pushed);
    state.running_pushed_at = *pushed;
  }
  co_return seen;
}

task<Result<std::string>> image_uri(Cloud& cloud, Route route, json::object task_definition) {
  if (const auto index = find_container(route, task_definition)) {
    const std::string image =
        get_string(get_array(task_definition, "containerDefinitions")[*index].as_object(), "image");
    std::string name = without_tag(image);
    if (name.ends_with("/" + route.repository)) co_return name;
  }
  co_return co_await cloud.repository_uri(route.repository);
}

task<Result<std::optional<Image>>> see_image(Cloud& cloud, Push push) {
  const json::object id =
      push.tag.empty() ? json::object{{"imageDigest", push.digest}} : json::object{{"imageTag", push.tag}};
  return cloud.image(push.repository, id);
}

task<Result<void>> carry_out(Cloud& cloud, Route route, ServiceSeen seen, ServiceLedger ledger, Outcome& outcome) {
  const Decision& decision = outcome.decision;
  json::object update = {{"cluster", route.cluster}, {"service", route.name}};
  if (decision.action == Decision::Action::deploy_digest) {
    auto registered = co_await cloud.register_revision(decision.task_definition);
    if (!registered) co_return fail(registered);
    outcome.task_definition = std::move(*registered);
    outcome.release = read_release(get_array(decision.task_definition, "tags"));
    update["taskDefinition"] = outcome.task_definition;
  } else {
    if (!decision.return_to.empty()) update["taskDefinition"] = decision.return_to;
    update["forceNewDeployment"] = true;
    outcome.release = {.digest = decision.digest, .tag = ledger.last_tag, .action = "deploy"};
  }
  const auto deployment = co_await cloud.update_service(update);
  if (!deployment) co_return fail(deployment);
  outcome.deployment = get_string(*deployment, "id");
  outcome.service_arn = seen.arn();
  if (route.any_push) co_return Result<void>{};
  // From here on the deployment runs; what cannot be remembered is said, and fails nothing.
  ledger.deployment = outcome.deployment;
  ledger.verdict.clear();
  ledger.failing.clear();
  ledger.revision = revision_name(get_string(*deployment, "taskDefinition"));
  const TagChange change = difference(read_ledger(seen.state.service_tags), ledger);
  const auto remembered = co_await cloud.tag(seen.arn(), change);
  if (!remembered) outcome.warnings.push_back("the service's tags cannot be written: " + remembered.error().message);
  const auto closed = co_await close_replaced(cloud, seen, decision);
  if (!closed) outcome.warnings.push_back("the revision before has no verdict: " + closed.error().message);
  co_return Result<void>{};
}

task<Result<Outcome>> deploy(Cloud& cloud, Route route, Push push) {
  Outcome outcome;
  ServiceSeen seen;
  std::optional<Image> image;
  if (!route.any_push) {
    auto found = co_await see_image(cloud, push);
    if (!found) co_return fail(found);
    image = std::move(*found);
    if (image) {
      const bool with_tasks = route.pin == Route::Pin::tag || push.origin == Push::Origin::sweep;
      auto service = co_await see_service(cloud, route, with_tasks);
      if (!service) co_return fail(service);
      seen = std::move(*service);
    }
    if (image && seen.state.active && route.pin == Route::Pin::digest) {
      auto uri = co_await image_uri(cloud, route, seen.state.task_definition);
      if (!uri) co_return fail(uri);
      image->repository_uri = std::move(*uri);
    }
  }
  outcome.decision = decide(route, push, image, seen.state);
  if (!outcome.decision.deploys()) co_return outcome;
  ServiceLedger ledger = read_ledger(seen.state.service_tags);
  if (image) remember_deployed(ledger, push, *image);
  const auto done = co_await carry_out(cloud, route, seen, ledger, outcome);
  if (!done && is_gone(done.error())) {
    outcome.decision.action = Decision::Action::ignore;
    outcome.decision.why =
        fmt::format("{}/{} was deleted meanwhile: {}", route.cluster, route.name, done.error().message);
    co_return outcome;
  }
  if (!done) co_return fail(done);
  co_return outcome;
}

}  // namespace slipway::deployer
