#include "deployer/rollback.h"

#include <fmt/format.h>

#include <algorithm>

namespace slipway::deployer {
namespace {

std::unexpected<Error> no_service(const Route& route) {
  return fail(Fault::not_found, "ServiceNotFoundException",
              fmt::format("there is no active service {} in cluster {}", route.name, route.cluster));
}

task<Result<std::optional<Image>>> image_of(Cloud& cloud, Route route, std::string digest) {
  const Push by_digest{.repository = route.repository, .digest = digest};
  return see_image(cloud, by_digest);
}

bool is_number(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

// "r42", "42", "rest:42" -> "rest:42"; empty: not the name of a release.
std::string revision_of(const std::string& name, const std::string& family) {
  const std::string number = name.starts_with('r') ? name.substr(1) : name;
  if (is_number(number)) return family + ":" + number;
  const bool revision = name.starts_with(family + ":") && is_number(name.substr(family.size() + 1));
  return revision ? name : "";
}

// The image that the wish names, whatever kind of name it is.
task<Result<Image>> named_image(Cloud& cloud, Route route, ServiceSeen seen, std::string name) {
  std::string digest = name.starts_with("sha256:") ? name : "";
  const std::string revision = revision_of(name, get_string(seen.state.task_definition, "family"));
  if (!revision.empty()) {
    const auto found = co_await cloud.revision(revision);
    if (!found) co_return fail(found);
    digest = pinned_digest(route, found->definition);
    if (digest.empty())
      co_return fail(Fault::not_found, "ImageIsGone",
                     fmt::format("{} is not pinned to a digest, so that it does not say what ran", revision));
  }
  const Push which{.repository = route.repository, .tag = digest.empty() ? name : "", .digest = digest};
  const auto image = co_await see_image(cloud, which);
  if (!image) co_return fail(image);
  if (!*image)
    co_return fail(Fault::not_found, "ImageIsGone",
                   fmt::format("{} is not in the repository {} any more", name, route.repository));
  co_return **image;
}

task<Result<Image>> last_good(Cloud& cloud, Route route, ServiceSeen seen, std::string running) {
  const auto candidates =
      rollback_candidates(read_ledger(seen.state.service_tags), read_release(seen.state.task_tags), running);
  for (const std::string& digest : candidates) {
    const auto image = co_await image_of(cloud, route, digest);
    if (!image) co_return fail(image);
    if (*image) co_return **image;
  }
  co_return fail(Fault::not_found, "NothingToRollBackTo",
                 candidates.empty() ? fmt::format("no digest of {} was judged good before", route.name)
                                    : fmt::format("the good digests of {} are not in the repository {} any more",
                                                  route.name, route.repository));
}

}  // namespace

std::vector<std::string> rollback_candidates(const ServiceLedger& ledger, const Release& current,
                                             const std::string& running) {
  std::vector<std::string> candidates;
  const auto add = [&](const std::string& digest) {
    const bool held = std::ranges::find(ledger.held, digest) != ledger.held.end();
    const bool known = std::ranges::find(candidates, digest) != candidates.end();
    if (!digest.empty() && digest != running && !held && !known) candidates.push_back(digest);
  };
  for (const std::string& digest : ledger.good) add(digest);
  if (current.from_completed) add(current.from);
  return candidates;
}

std::string running_digest(const Route& route, const ServiceState& state) {
  const std::string pinned = pinned_digest(route, state.task_definition);
  if (!pinned.empty() || state.running_digests.empty()) return pinned;
  return state.running_digests.front();
}

task<Result<Outcome>> roll_back(Cloud& cloud, Route route, RollbackWish wish) {
  auto seen = co_await see_service(cloud, route, true);
  if (!seen) co_return fail(seen);
  if (!seen->state.active) co_return no_service(route);
  if (!find_container(route, seen->state.task_definition))
    co_return fail(Fault::invalid, "NoContainer",
                   fmt::format("the task definition of {} has not the container {}", route.name, route.container));
  const std::string running = running_digest(route, seen->state);
  auto image =
      co_await (wish.to.empty() ? last_good(cloud, route, *seen, running) : named_image(cloud, route, *seen, wish.to));
  if (!image) co_return fail(image);
  if (image->digest == running)
    co_return fail(Fault::conflict, "AlreadyRunning", fmt::format("{} runs {} already", route.name, running));
  const auto uri = co_await image_uri(cloud, route, seen->state.task_definition);
  if (!uri) co_return fail(uri);
  image->repository_uri = *uri;

  const Release current = read_release(seen->state.task_tags);
  const std::string revision = revision_name(get_string(seen->state.task_definition, "taskDefinitionArn"));
  const bool from_rollback = route.pin == Route::Pin::tag && current.action == "rollback";
  const Release back{.digest = image->digest,
                     .actor = wish.actor,
                     .action = "rollback",
                     .pushed = image->pushed_at,
                     .from = running,
                     .from_revision = from_rollback ? current.from_revision : revision,
                     .rollback_of = revision,
                     .reason = wish.reason};
  Outcome outcome;
  outcome.decision = {
      .action = Decision::Action::deploy_digest,
      .why = fmt::format("back from {} to {}", running.empty() ? revision : running, image->digest),
      .digest = image->digest,
      .task_definition = pinned_revision(route, seen->state.task_definition, seen->state.task_tags, *image, back)};
  ServiceLedger ledger = read_ledger(seen->state.service_tags);
  remember_first(ledger.held, running);
  forget(ledger.held, image->digest);
  forget(ledger.good, running);
  const auto done = co_await carry_out(cloud, route, *seen, ledger, outcome);
  if (!done) co_return fail(done);
  co_return outcome;
}

task<Result<void>> hold(Cloud& cloud, Route route, std::string digest, std::string reason) {
  const auto service = co_await cloud.service(route.cluster, route.name);
  if (!service) co_return fail(service);
  if (!*service) co_return no_service(route);
  const ServiceLedger before = read_ledger(get_array(**service, "tags"));
  ServiceLedger after = before;
  if (digest.empty()) {
    after.frozen = tag_text(reason);
  } else {
    remember_first(after.held, digest);
  }
  const TagChange change = difference(before, after);
  const std::string arn = get_string(**service, "serviceArn");
  co_return co_await cloud.tag(arn, change);
}

task<Result<ServiceLedger>> unhold(Cloud& cloud, Route route) {
  const auto service = co_await cloud.service(route.cluster, route.name);
  if (!service) co_return fail(service);
  if (!*service) co_return no_service(route);
  const ServiceLedger before = read_ledger(get_array(**service, "tags"));
  ServiceLedger after = before;
  after.held.clear();
  after.frozen.clear();
  // Whoever releases a digest wants it deployed, though it was deployed before; the end of a freeze says nothing of
  // that.
  if (before.frozen.empty() || !before.held.empty()) {
    after.tried.clear();
    after.last_tag.clear();
    after.last_pushed.reset();
  }
  const TagChange change = difference(before, after);
  const std::string arn = get_string(**service, "serviceArn");
  const auto written = co_await cloud.tag(arn, change);
  if (!written) co_return fail(written);
  co_return before;
}

}  // namespace slipway::deployer
