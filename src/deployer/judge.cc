#include "deployer/judge.h"

#include <fmt/format.h>

#include <algorithm>

namespace slipway::deployer {
namespace {

constexpr Duration kGateReserve = std::chrono::seconds(10);  // Of the invocation's time, for what comes after the gate.
constexpr Duration kGateMax = std::chrono::minutes(10);      // Where the invocation has no deadline.

// The deployment that is judged.
struct Subject {
  std::string deployment;
  std::string task_definition;  // ARN or "rest:42".
};

json::object own_deployment(const json::object& service, const std::string& id) {
  for (const json::value& value : get_array(service, "deployments")) {
    if (get_string(value.as_object(), "id") == id) return value.as_object();
  }
  return {};
}

std::string arn_of(const json::object& service, const std::string& revision) {
  if (revision.starts_with("arn:")) return revision;
  const std::string arn = get_string(service, "taskDefinition");
  return arn.substr(0, arn.rfind('/') + 1) + revision;
}

// "ecs-svc/1 rest:42"
std::optional<Subject> failing(const ServiceLedger& ledger) {
  const auto space = ledger.failing.find(' ');
  if (space == std::string::npos) return std::nullopt;
  return Subject{.deployment = ledger.failing.substr(0, space), .task_definition = ledger.failing.substr(space + 1)};
}

// Which deployment the news is about.  The end of a rollback by ECS is the completion of an older deployment, so that
// the one that is being taken back comes first.
std::optional<Subject> subject_of(const json::object& service, const ServiceLedger& ledger,
                                  const std::optional<DeploymentChange>& change) {
  if (const auto subject = failing(ledger); subject && (!change || change->deployment != subject->deployment))
    return subject;
  const std::string id = change                       ? change->deployment
                         : !ledger.deployment.empty() ? ledger.deployment
                                                      : get_string(primary_deployment(service), "id");
  if (const json::object own = own_deployment(service, id); !own.empty())
    return Subject{.deployment = id, .task_definition = get_string(own, "taskDefinition")};
  if (id == ledger.deployment && !ledger.revision.empty())
    return Subject{.deployment = id, .task_definition = ledger.revision};
  return failing(ledger);
}

std::optional<ServiceDeployment> record_of(const std::optional<std::vector<ServiceDeployment>>& records,
                                           const std::string& deployment) {
  if (!records) return std::nullopt;
  const std::string number = deployment.substr(deployment.rfind('/') + 1);
  // A service revision and the deployment that brings it in carry the same number.
  for (const ServiceDeployment& record : *records) {
    if (record.number == number) return record;
  }
  return std::nullopt;
}

// The manifests of the index `digest`: what a container runtime may report in its stead.
task<Result<std::vector<std::string>>> manifests_of(Cloud& cloud, std::string repository, std::string digest) {
  std::vector<std::string> digests;
  const json::object ask = {
      {"repositoryName", repository},
      {"imageIds", json::array{json::object{{"imageDigest", digest}}}},
      {"acceptedMediaTypes", json::array{"application/vnd.oci.image.index.v1+json",
                                         "application/vnd.docker.distribution.manifest.list.v2+json"}}};
  const auto answer = co_await cloud.call("ecr", "BatchGetImage", ask);
  if (!answer) co_return fail(answer);
  for (const json::value& image : get_array(*answer, "images")) {
    const auto manifest = parse_json(get_string(image.as_object(), "imageManifest"));
    if (!manifest || !manifest->is_object()) continue;
    for (const json::value& one : get_array(manifest->get_object(), "manifests")) {
      if (one.is_object()) digests.push_back(get_string(one.get_object(), "digest"));
    }
  }
  co_return digests;
}

// One judgement, step by step.
class Judging {
 public:
  Judging(Cloud& cloud, Route route, std::optional<DeploymentChange> change, JudgeOptions options)
      : cloud_(cloud), route_(std::move(route)), change_(std::move(change)), options_(std::move(options)) {}

  task<Result<std::optional<Conclusion>>> run() {
    auto service = co_await cloud_.service(route_.cluster, route_.name);
    if (!service) co_return fail(service);
    if (!*service) co_return std::nullopt;
    service_ = std::move(**service);
    out_.service_arn = get_string(service_, "serviceArn");
    before_ = read_ledger(get_array(service_, "tags"));
    out_.untold = before_.untold;
    ledger_ = before_;
    const auto subject = subject_of(service_, before_, change_);
    if (!subject) co_return std::nullopt;
    auto revision = co_await cloud_.revision(subject->task_definition);
    if (!revision) co_return fail(revision);
    revision_ = std::move(*revision);
    if (!take_release(*subject)) co_return std::nullopt;
    const End known = end_of(out_.release.verdict);
    // What failed and has been replaced waits for the end of its rollback, and is not judged by itself again.
    const bool replaced = known == End::failed && get_string(primary_deployment(service_), "id") != out_.deployment;
    if (is_final(known) || replaced) co_return std::nullopt;
    auto judgement = co_await judge_it();
    if (!judgement) co_return fail(judgement);
    out_.end = judgement->end;
    out_.why = judgement->why;
    out_.ecs_rolls_back = judgement->ecs_rolls_back;
    if (out_.end == End::live && route_.verify) co_await pass_gate();
    out_.news = out_.end != known || (out_.ecs_rolls_back && before_.failing.empty());
    if (out_.end == End::open && !out_.ecs_rolls_back) co_return out_;
    if (!out_.news) co_return out_;
    const auto settled = co_await settle();
    if (!settled) co_return fail(settled);
    co_return out_;
  }

 private:
  // Whose deployment it is: of a revision that we registered or, in tag mode, the one that the ledger speaks of.
  bool take_release(const Subject& subject) {
    out_.deployment = subject.deployment;
    out_.revision = revision_name(get_string(revision_.definition, "taskDefinitionArn"));
    out_.release = read_release(revision_.tags);
    const std::string pinned = pinned_digest(route_, revision_.definition);
    pinned_ = !pinned.empty() && out_.release.digest == pinned;
    if (!pinned_) {
      if (route_.pin != Route::Pin::tag || subject.deployment != before_.deployment) return false;
      out_.release = {.digest = before_.last(),
                      .tag = before_.last_tag,
                      .action = "deploy",
                      .pushed = before_.last_pushed,
                      .from = before_.good.empty() ? "" : before_.good.front(),
                      .verdict = before_.verdict};
    }
    const json::object own = own_deployment(service_, subject.deployment);
    if (pinned_) out_.revision_arn = get_string(revision_.definition, "taskDefinitionArn");
    const double registered = get_double(revision_.definition, "registeredAt");
    out_.started_at = instant_of(own.empty() ? registered : get_double(own, "createdAt"));
    return true;
  }

  task<Result<Judgement>> judge_it() {
    Observation seen{.digest = out_.release.digest, .deployment = out_.deployment, .service = service_};
    if (change_ && change_->deployment == out_.deployment) {
      seen.completed = change_->completed;
      seen.reason = change_->reason;
    } else if (!before_.failing.empty()) {
      seen.completed = false;
    }
    seen.started_at = out_.started_at;
    co_return co_await look_at(cloud_, route_, seen, options_.clock());
  }

  task<void> pass_gate() {
    const Duration left = options_.deadline ? *options_.deadline - options_.clock() - kGateReserve : kGateMax;
    if (left <= Duration::zero()) {
      out_.end = End::unverified;
      out_.why = "the function's time-out leaves no time for the checks after it";
      co_return;
    }
    const GateVerdict gate = co_await watch_gate(cloud_, *route_.verify, service_, left, options_.clock);
    if (gate.outcome == GateVerdict::Outcome::passed) {
      out_.why += "; " + gate.why;
    } else {
      out_.end = gate.outcome == GateVerdict::Outcome::failed ? End::failed : End::unverified;
      out_.why = gate.why;
    }
  }

  bool is_bad() const { return out_.end == End::failed || out_.end == End::rolled_back_by_ecs || out_.ecs_rolls_back; }

  // Evidence, hold, rollback, tags.
  task<Result<void>> settle() {
    const std::string digest = out_.release.digest;
    if (is_bad() || out_.end == End::stuck || out_.end == End::timed_out) co_await gather();
    if (is_bad()) {
      remember_first(ledger_.held, digest);
      forget(ledger_.good, digest);
    }
    ledger_.failing = out_.ecs_rolls_back ? out_.deployment + " " + out_.revision : "";
    if (out_.end == End::rolled_back_by_ecs) {
      const auto primary = co_await primary_revision();
      out_.went_back_to = pinned_digest_of(primary);
    }
    if (out_.end == End::live) {
      remember_first(ledger_.good, digest);
      forget(ledger_.held, digest);
      // Another digest was pushed and is good: what was held before it is older, and decide() keeps it out.
      if (out_.release.action == "deploy") ledger_.held.clear();
    }
    const auto written = co_await write_verdict();
    if (!written) co_return fail(written);
    if (out_.end == End::live && out_.release.action == "rollback") {
      const auto closed = co_await close_rolled_back();
      if (!closed) co_return fail(closed);
    }
    if (out_.end == End::failed && wants_rollback()) co_await begin_rollback();
    co_return Result<void>{};
  }

  // A rollback that fails is not rolled back: nothing is known to be better.
  bool wants_rollback() const {
    return route_.rollback && out_.release.action == "deploy" &&
           get_string(primary_deployment(service_), "id") == out_.deployment;
  }

  task<Result<Revision>> primary_revision() {
    const std::string name = get_string(primary_deployment(service_), "taskDefinition");
    return cloud_.revision(name);
  }
  std::string pinned_digest_of(const Result<Revision>& primary) const {
    if (!primary) return "";
    const std::string pinned = pinned_digest(route_, primary->definition);
    return pinned.empty() ? out_.release.from : pinned;
  }

  task<void> gather() {
    const auto stopped = co_await cloud_.tasks(route_.cluster, route_.name, "STOPPED");
    // Evidence that cannot be read is missing from the message and changes no verdict.
    out_.evidence = evidence_of(route_, service_, revision_.definition,
                                stopped ? *stopped : std::vector<json::object>{}, out_.deployment, out_.started_at);
    co_await read_logs(cloud_, out_.evidence);
  }

  task<Result<void>> write_verdict() {
    const std::string name = out_.end == End::open ? "" : std::string(end_name(out_.end));
    if (!pinned_) ledger_.verdict = name;
    const TagChange change = difference(before_, ledger_);
    const auto kept = co_await cloud_.tag(get_string(service_, "serviceArn"), change);
    if (!kept) co_return fail(kept);
    before_ = ledger_;
    if (!pinned_ || name.empty()) co_return Result<void>{};
    const std::string evidence = summary(out_.evidence);
    const Release verdict{.verdict = name,
                          .reason = evidence.empty() ? out_.why : out_.why + " - " + evidence,
                          .judged = options_.clock()};
    const TagChange judged{.set = release_tags(verdict)};
    co_return co_await cloud_.tag(arn_of(service_, out_.revision), judged);
  }

  // The rollback is live: the release that it takes back has its end.
  task<Result<void>> close_rolled_back() {
    if (out_.release.rollback_of.empty()) co_return Result<void>{};
    const Release closed{.verdict = std::string(end_name(End::rolled_back_by_slipway))};
    const TagChange change{.set = release_tags(closed)};
    co_return co_await cloud_.tag(arn_of(service_, out_.release.rollback_of), change);
  }

  task<void> begin_rollback() {
    const RollbackWish wish{.actor = "slipway", .reason = out_.why};
    auto begun = co_await roll_back(cloud_, route_, wish);
    if (begun) {
      out_.went_back_to = begun->decision.digest;
      out_.rollback = std::move(*begun);
    } else {
      out_.why += "; it cannot be rolled back: " + begun.error().message;
    }
  }

  Cloud& cloud_;
  Route route_;
  std::optional<DeploymentChange> change_;
  JudgeOptions options_;
  json::object service_;
  ServiceLedger before_;
  ServiceLedger ledger_;
  Revision revision_;
  bool pinned_ = false;
  Conclusion out_;
};

}  // namespace

task<Result<Judgement>> look_at(Cloud& cloud, Route route, Observation seen, Instant now) {
  const auto records = co_await cloud.service_deployments(route.cluster, route.name);
  if (!records) co_return fail(records);
  seen.record = record_of(*records, seen.deployment);
  auto tasks = co_await cloud.tasks(route.cluster, route.name, "RUNNING");
  if (!tasks) co_return fail(tasks);
  std::erase_if(*tasks, [](const json::object& one) { return get_string(one, "lastStatus") != "RUNNING"; });
  seen.running = running_digests(route, *tasks, seen.deployment);
  const bool other = std::ranges::any_of(seen.running, [&](const auto& digest) { return digest != seen.digest; });
  if (other) {
    const auto same = co_await manifests_of(cloud, route.repository, seen.digest);
    if (same) seen.same = *same;
  }
  co_return judge(seen, route.timeout, now);
}

// https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_GetLogEvents.html
task<void> read_logs(Cloud& cloud, Evidence& evidence) {
  for (TaskEvidence& task : evidence.tasks) {
    if (task.log_stream.empty()) continue;
    const json::object ask = {{"logGroupName", task.log_group},
                              {"logStreamName", task.log_stream},
                              {"limit", kLogLines},
                              {"startFromHead", false}};
    const auto answer = co_await cloud.call("logs", "GetLogEvents", ask);
    if (!answer) continue;
    for (const json::value& event : get_array(*answer, "events"))
      task.log_lines.push_back(get_string(event.as_object(), "message"));
  }
}

task<Result<std::optional<Conclusion>>> judge_service(Cloud& cloud, Route route, std::optional<DeploymentChange> change,
                                                      JudgeOptions options) {
  Judging judging(cloud, std::move(route), std::move(change), std::move(options));
  co_return co_await judging.run();
}

}  // namespace slipway::deployer
