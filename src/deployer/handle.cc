#include "deployer/handle.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "deployer/labels.h"
#include "deployer/untold.h"

namespace slipway::deployer {

namespace {

// A push that is younger is left to its event, which is on its way.
constexpr Duration kEventGrace = std::chrono::seconds(60);

Telling telling_of(const Route& route, const std::string& project, const Outcome& outcome) {
  return {.key = route.key(),
          .arn = outcome.service_arn,
          .project = project,
          .environment = route.environment,
          .service = route.name,
          .cluster = route.cluster,
          .deployment = outcome.deployment,
          .revision = revision_name(outcome.task_definition),
          .release = outcome.release,
          .why = outcome.decision.why};
}

Telling::Kind kind_of(const Release& release, End end) {
  const bool back = release.action == "rollback";
  if (end == End::live) return back ? Telling::Kind::rolled_back : Telling::Kind::succeeded;
  return end == End::rolled_back_by_ecs ? Telling::Kind::rolled_back : Telling::Kind::failed;
}

Telling telling_of(const Route& route, const std::string& project, const Conclusion& conclusion, Instant now) {
  return {.kind = kind_of(conclusion.release, conclusion.end),
          .interim = conclusion.ecs_rolls_back,
          .key = route.key(),
          .arn = conclusion.service_arn,
          .project = project,
          .environment = route.environment,
          .service = route.name,
          .cluster = route.cluster,
          .deployment = conclusion.deployment,
          .revision = conclusion.revision,
          .release = conclusion.release,
          .end = conclusion.end,
          .why = conclusion.why,
          .evidence = conclusion.evidence,
          .went_back_to = conclusion.went_back_to,
          .took = now - conclusion.started_at};
}

}  // namespace

Handler::Handler(client::AwsClient& aws, Routes routes, HandlerOptions options)
    : cloud_(aws),
      routes_(std::move(routes)),
      options_(std::move(options)),
      messenger_(cloud_, routes_.notify, options_.environment, options_.clock) {}

void Handler::note(json::object line) {
  options_.log(line);
  decisions_.push_back(std::move(line));
}

void Handler::note_outcome(const Route& route, const Push& push, const std::string& rule,
                           const Result<Outcome>& outcome) {
  json::object line = {{"event", push.event_id}, {"repository", push.repository}, {"tag", push.tag},
                       {"service", route.name},  {"cluster", route.cluster},      {"rule", rule},
                       {"action", "failed"}};
  if (!outcome) {
    const Error& error = outcome.error();
    failures_.push_back(fmt::format("{}/{}: {}: {}", route.cluster, route.name, error.code, error.message));
    line["why"] = error.code + ": " + error.message;
  } else {
    line["action"] = action_name(outcome->decision.action);
    line["why"] = outcome->decision.why;
    if (!outcome->decision.digest.empty()) line["digest"] = outcome->decision.digest;
    if (!outcome->task_definition.empty()) line["taskDefinition"] = outcome->task_definition;
    if (!outcome->deployment.empty()) line["deployment"] = outcome->deployment;
    if (!outcome->warnings.empty()) line["warnings"] = to_array(outcome->warnings);
    if (outcome->decision.deploys() && !route.any_push)
      pending_.push_back(
          {telling_of(route, routes_.project, *outcome), outcome->task_definition, route.repository, ""});
  }
  note(std::move(line));
}

// For which service of a lower wave `route` has to wait, in words; empty: for none.  The ledger says who is live with
// what: it is read again each time, so that waves need no memory of their own.
task<Result<std::string>> Handler::waits_for(Route route, Push push) {
  std::vector<Route> before;
  for (const Route& other : routes_.routes) {
    if (other.wave < route.wave && deploys(other, push.repository, push.tag) != nullptr) before.push_back(other);
  }
  if (before.empty()) co_return "";
  const auto image = co_await see_image(cloud_, push);
  if (!image) co_return fail(image);
  if (!*image) co_return "";  // deploy() says that it is gone.
  for (const Route& other : before) {
    const auto service = co_await cloud_.service(other.cluster, other.name);
    if (!service) co_return fail(service);
    const ServiceLedger ledger = *service ? read_ledger(get_array(**service, "tags")) : ServiceLedger{};
    if (!ledger.good.empty() && ledger.good.front() == (*image)->digest) continue;
    co_return fmt::format("it is of wave {}, and {} of wave {} is not live with {} yet", route.wave, other.key(),
                          other.wave, short_digest((*image)->digest));
  }
  co_return "";
}

task<Result<Outcome>> Handler::deploy_in_turn(Route route, Push push) {
  const auto waits = co_await waits_for(route, push);
  if (!waits) co_return fail(waits);
  if (waits->empty()) co_return co_await deploy(cloud_, route, push);
  Outcome outcome;
  outcome.decision.why = *waits;
  co_return outcome;
}

// `live` is: what waited for it goes on.
task<void> Handler::next_waves(Route live, std::string tag, std::string event_id) {
  const Push push{.event_id = event_id, .repository = live.repository, .tag = tag, .actor = "wave"};
  for (const Route& route : routes_.routes) {
    const config::TagRule* const rule = deploys(route, push.repository, push.tag);
    if (route.wave <= live.wave || rule == nullptr) continue;
    const auto outcome = co_await deploy_in_turn(route, push);
    note_outcome(route, push, rule->text, outcome);
  }
}

task<void> Handler::push(Push push) {
  bool routed = false;
  for (const Route& route : routes_.routes) {
    const config::TagRule* const rule = deploys(route, push.repository, push.tag);
    if (rule == nullptr && !route.any_push) continue;
    routed = true;
    const auto outcome = co_await deploy_in_turn(route, push);
    note_outcome(route, push, rule == nullptr ? "any push" : rule->text, outcome);
  }
  if (!routed)
    note({{"event", push.event_id},
          {"repository", push.repository},
          {"tag", push.tag},
          {"action", "ignore"},
          {"why", fmt::format("no service deploys {}:{}", push.repository, push.tag)}});
}

task<void> Handler::judge_one(Route route, std::optional<DeploymentChange> change, std::string event_id) {
  const JudgeOptions options{.clock = options_.clock, .deadline = deadline_};
  const auto judged = co_await judge_service(cloud_, route, change, options);
  json::object line = {{"event", event_id}, {"service", route.name}, {"cluster", route.cluster}, {"action", "judge"}};
  if (!judged) {
    const Error& error = judged.error();
    failures_.push_back(fmt::format("{}/{}: {}: {}", route.cluster, route.name, error.code, error.message));
    line["why"] = error.code + ": " + error.message;
    note(std::move(line));
    co_return;
  }
  if (!*judged) {
    if (!change) co_return;  // A sweep says what it found, not what it did not find.
    line["action"] = "ignore";
    line["why"] = fmt::format("{} is not one of ours, or has its verdict already", change->deployment);
    note(std::move(line));
    co_return;
  }
  const Conclusion& conclusion = **judged;
  if (!change && !conclusion.news) co_return;
  line["verdict"] = end_name(conclusion.end);
  line["why"] = conclusion.why;
  line["deployment"] = conclusion.deployment;
  line["revision"] = conclusion.revision;
  line["digest"] = conclusion.release.digest;
  if (conclusion.ecs_rolls_back) line["ecsRollsBack"] = true;
  if (!conclusion.went_back_to.empty()) line["backTo"] = conclusion.went_back_to;
  if (conclusion.rollback) line["rollback"] = conclusion.rollback->deployment;
  if (!conclusion.evidence.tasks.empty() || !conclusion.evidence.events.empty())
    line["evidence"] = to_json(conclusion.evidence);
  note(std::move(line));
  const bool told = conclusion.news && conclusion.end != End::superseded &&
                    (conclusion.end != End::open || conclusion.ecs_rolls_back);
  if (conclusion.news && conclusion.end == End::live && conclusion.release.action == "deploy")
    co_await next_waves(route, conclusion.release.tag, event_id);
  if (told)
    pending_.push_back({telling_of(route, routes_.project, conclusion, options_.clock()), conclusion.revision_arn,
                        route.repository, conclusion.untold});
}

// When all else is done: a channel that does not answer delays nothing and fails nothing.
task<void> Handler::tell() {
  for (Pending& one : pending_) {
    if (!messenger_.wanted(one.news)) continue;
    Release& release = one.news.release;
    Release noted;  // What the revision's tags do not say yet.
    if (release.commit.empty() && release.action == "deploy") {
      const Labels labels = co_await read_labels(cloud_, one.repository, release.digest);
      release.commit = noted.commit = labels.commit;
      release.author = noted.author = labels.author;
      release.subject = noted.subject = labels.subject;
    }
    std::string messages = release.messages;
    const auto deliveries = co_await messenger_.tell(one.news, messages);
    log_deliveries(one.news, deliveries);
    // How it ended is worth telling late; that it began, or is about to end, is not.
    if (one.news.kind != Telling::Kind::started && !one.news.interim && !one.revision_arn.empty()) {
      told_.insert(one.news.revision);
      co_await keep_untold(one.news, one.untold, deliveries);
    }
    if (messages != release.messages) noted.messages = messages;
    if (one.revision_arn.empty() || noted == Release{}) continue;
    const TagChange change{.set = release_tags(noted)};
    const auto kept = co_await cloud_.tag(one.revision_arn, change);
    if (!kept) options_.log({{"notification", "messages"}, {"why", kept.error().message}});
  }
}

void Handler::log_deliveries(const Telling& news, const std::vector<Delivery>& deliveries) {
  for (const Delivery& delivery : deliveries) {
    json::object line = {{"notification", delivery.channel}, {"service", news.service},
                         {"deployment", news.deployment},    {"revision", news.revision},
                         {"news", kind_name(news.kind)},     {"delivered", delivery.delivered}};
    if (!delivery.delivered) line["why"] = delivery.why;
    options_.log(line);
  }
}

// Writes down which channels have not heard the end of `news.revision`.  `before` is the service's tag so far; returns
// what it is now.
task<std::string> Handler::keep_untold(Telling news, std::string before, std::vector<Delivery> deliveries) {
  std::vector<Untold> all = read_untold(before);
  for (const Delivery& delivery : deliveries) {
    if (!note_telling(all, news.revision, delivery.place, delivery.channel, delivery.delivered))
      options_.log({{"notification", delivery.channel},
                    {"service", news.service},
                    {"revision", news.revision},
                    {"givenUp", fmt::format("{} attempts failed", kTellingsMax)}});
  }
  const ServiceLedger old{.untold = before};
  const ServiceLedger now{.untold = untold_text(all)};
  const TagChange change = difference(old, now);
  if (change.empty()) co_return now.untold;
  const auto kept = co_await cloud_.tag(news.arn, change);
  if (!kept) options_.log({{"notification", "untold"}, {"why", kept.error().message}});
  co_return now.untold;
}

task<void> Handler::tell_again() {
  if (routes_.notify.empty()) co_return;
  for (const Route& route : routes_.routes) {
    if (!route.any_push) co_await tell_again_of(route);
  }
}

// What channels have not heard of one service, as it stands now.
task<void> Handler::tell_again_of(Route route) {
  const auto service = co_await cloud_.service(route.cluster, route.name);
  if (!service || !*service) co_return;  // The sweep itself has said so.
  std::string before = read_ledger(get_array(**service, "tags")).untold;
  const std::vector<Untold> all = read_untold(before);
  std::set<std::string> revisions;
  for (const Untold& one : all) {
    if (told_.contains(one.revision) || !revisions.insert(one.revision).second) continue;
    std::vector<std::size_t> places;
    std::vector<Delivery> gone;  // Channels that are no longer there have nothing to hear.
    for (const Untold& other : all) {
      if (other.revision != one.revision) continue;
      if (messenger_.has(other.channel, other.name)) {
        places.push_back(other.channel);
      } else {
        gone.push_back({.place = other.channel, .channel = other.name, .delivered = true});
      }
    }
    const auto revision = co_await cloud_.revision(one.revision);
    Telling news{.key = route.key(),
                 .arn = get_string(**service, "serviceArn"),
                 .project = routes_.project,
                 .environment = route.environment,
                 .service = route.name,
                 .cluster = route.cluster,
                 .revision = one.revision};
    std::vector<Delivery> deliveries;
    if (revision && !places.empty()) {
      news.release = read_release(revision->tags);
      news.end = end_of(news.release.verdict);
      news.kind = kind_of(news.release, news.end);
      news.why = news.release.reason;
      if (news.release.judged)
        news.took = *news.release.judged - instant_of(get_double(revision->definition, "registeredAt"));
      std::string messages = news.release.messages;
      deliveries = co_await messenger_.tell(news, messages, places);
      log_deliveries(news, deliveries);
    }
    deliveries.insert(deliveries.end(), gone.begin(), gone.end());
    before = co_await keep_untold(news, before, deliveries);
  }
}

task<void> Handler::change(DeploymentChange change) {
  for (const Route& route : routes_.routes) {
    if (route.any_push || route.cluster != change.cluster || route.name != change.service) continue;
    co_await judge_one(route, change, change.event_id);
    co_return;
  }
  note({{"event", change.event_id},
        {"service", change.service},
        {"cluster", change.cluster},
        {"action", "ignore"},
        {"why", "this service is none of ours"}});
}

// Rule 5: events may be lost, so that the truth is read now and then.
task<void> Handler::sweep_service(Route route, std::string event_id) {
  co_await judge_one(route, std::nullopt, event_id);
  const bool one_tag = route.tags.size() == 1 && route.tags.front().kind == config::TagRule::Kind::exact;
  Push found{.event_id = event_id, .repository = route.repository, .origin = Push::Origin::sweep, .actor = "sweep"};
  Result<Outcome> outcome;
  std::optional<Image> image;
  if (one_tag) {
    found.tag = route.tags.front().text;
    auto seen = co_await see_image(cloud_, found);
    if (seen) image = *seen;
    if (!seen) outcome = std::unexpected(seen.error());
  } else {
    auto images = co_await cloud_.tagged_images(route.repository);
    const auto best = images ? newest(route, *images) : std::nullopt;
    if (best) image = best->image;
    if (best) found.tag = best->tag;
    if (!images) outcome = std::unexpected(images.error());
  }
  if (outcome && !image) {
    outcome->decision.why = fmt::format("{} has no image with a tag that deploys", route.repository);
  } else if (outcome && options_.clock() - image->pushed_at < kEventGrace) {
    outcome->decision.why =
        fmt::format("{} was pushed at {}; its event is on its way", found.tag, iso_millis(image->pushed_at));
  } else if (outcome) {
    outcome = co_await deploy_in_turn(route, found);
    if (outcome && outcome->decision.deploys()) outcome->decision.why = "an event was lost: " + outcome->decision.why;
  }
  note_outcome(route, found, "sweep", outcome);
}

task<void> Handler::sweep(std::string event_id) {
  for (const Route& route : routes_.routes) {
    if (!route.any_push) co_await sweep_service(route, event_id);
  }
}

Result<json::object> Handler::answer() const {
  if (!failures_.empty()) return fail(Fault::unavailable, "DeployFailed", join(failures_, "; "));
  json::object answer = {{"statusCode", 200}};
  if (routes_.single) {
    const json::object& line = decisions_.front().as_object();
    const bool deployed = get_string(line, "action") == "force_new_deployment";
    answer["body"] = deployed ? "deployment started" : "nothing deployed: " + get_string(line, "why");
  } else {
    answer["decisions"] = decisions_;
  }
  return answer;
}

task<Result<json::object>> Handler::handle(json::value event, std::optional<Instant> deadline) {
  deadline_ = deadline;
  decisions_.clear();
  failures_.clear();
  pending_.clear();
  told_.clear();
  const Reading reading = read_event(event);
  const std::string event_id = event.is_object() ? get_string(event.get_object(), "id") : "";
  if (reading.push) {
    co_await push(*reading.push);
  } else if (reading.change && !routes_.single) {
    co_await change(*reading.change);
  } else if (reading.sweep && !routes_.single) {
    co_await sweep(event_id);
  } else if (reading.change || reading.sweep) {
    note({{"event", event_id},
          {"action", "ignore"},
          {"why", "a deployer of one service by its name keeps no verdicts"}});
  } else {
    note({{"event", event_id}, {"action", "ignore"}, {"why", reading.reason}});
  }
  co_await tell();
  if (reading.sweep && !routes_.single) co_await tell_again();
  co_return answer();
}

}  // namespace slipway::deployer
