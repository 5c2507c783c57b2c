#include "ecs/deployments_api.h"

#include <fmt/format.h>

#include <algorithm>

#include "database/journal.h"
#include "ecs/api_parts.h"
#include "ecs/service_deployment.h"
#include "ecs/shapes.h"

namespace slipway::ecs {
namespace {

using wire::Answer;
using wire::Call;

constexpr std::size_t kDeploymentsPage = 20;

class DeploymentsApi {
 public:
  explicit DeploymentsApi(Scheduler& scheduler) : scheduler_(scheduler) {}

  task<Result<Answer>> list(Call call) {
    const std::string cluster = cluster_of(call.input, "service");
    const std::string name = last_part(get_string(call.input, "service"));
    auto& db = scheduler_.db().read();
    if (!get_cluster(db, cluster)) co_return no_cluster();
    if (!get_service(db, cluster, name)) co_return no_service();
    const auto statuses = get_strings(call.input, "status");
    const json::object created = get_object(call.input, "createdAt");
    std::vector<json::object> found;
    std::vector<std::string> arns;
    for (json::object& deployment : list_service_deployments(db, cluster, name)) {
      const bool wanted =
          statuses.empty() || std::ranges::find(statuses, get_string(deployment, "status")) != statuses.end();
      const double at = get_double(deployment, "createdAt") * 1000;
      const bool late_enough = !has(created, "after") || at >= get_double(created, "after");
      const bool early_enough = !has(created, "before") || at <= get_double(created, "before");
      if (!wanted || !late_enough || !early_enough) continue;
      arns.push_back(get_string(deployment, "serviceDeploymentArn"));
      found.push_back(brief(deployment));
    }
    auto one = page(arns, call.input, kDeploymentsPage);
    if (!one) co_return fail(one);
    json::array shown;
    for (const std::size_t at : one->positions) shown.push_back(found[at]);
    Answer answer = answer_with("serviceDeployments", shown);
    if (!one->next_token.empty()) answer.output["nextToken"] = one->next_token;
    co_return answer;
  }

  task<Result<Answer>> describe(Call call) {
    auto& db = scheduler_.db().read();
    json::array deployments;
    json::array failures;
    for (const std::string& arn : get_strings(call.input, "serviceDeploymentArns")) {
      auto deployment = get_service_deployment(db, arn);
      if (!deployment) {
        failures.push_back(missing(arn));
        continue;
      }
      const auto service = service_of(*deployment);
      if (service && is_ongoing(*deployment))
        count(*deployment, *service, list_tasks(db, service->cluster, service->name), scheduler_.place());
      deployments.push_back(*deployment);
    }
    Answer answer;
    answer.output = {{"serviceDeployments", deployments}, {"failures", failures}};
    co_return answer;
  }

  task<Result<Answer>> describe_revisions(Call call) {
    json::array revisions;
    json::array failures;
    for (const std::string& arn : get_strings(call.input, "serviceRevisionArns")) {
      auto revision = get_service_revision(scheduler_.db().read(), arn);
      if (revision) {
        revisions.push_back(*revision);
      } else {
        failures.push_back(missing(arn));
      }
    }
    Answer answer;
    answer.output = {{"serviceRevisions", revisions}, {"failures", failures}};
    co_return answer;
  }

  task<Result<Answer>> stop(Call call) {
    const std::string arn = get_string(call.input, "serviceDeploymentArn");
    const bool back = get_string(call.input, "stopType", "ROLLBACK") == "ROLLBACK";
    auto wish = [arn, back, call](database::Transaction& tx) -> Result<ServiceRecord> {
      auto deployment = get_service_deployment(tx, arn);
      if (!deployment)
        return fail(Fault::not_found, "ServiceDeploymentNotFoundException",
                    "The service deployment " + arn + " was not found.");
      const auto parts = parse_arn(get_string(*deployment, "serviceArn"));
      auto service = get_service(tx, cluster_in(*parts), last_part(parts->resource));
      const std::string status = get_string(*deployment, "status");
      if (!service || !is_ongoing(*deployment))
        return fail(Fault::conflict, "ConflictException",
                    fmt::format("The service deployment {} is in status {} and cannot be stopped.", arn, status));
      // It is being stopped already: nothing to do.
      if (status != "PENDING" && status != "IN_PROGRESS") return *service;
      const Phase phase = service->state.deployments.front().phase;
      if (phase == Phase::clean_up)
        return fail(
            Fault::conflict, "ConflictException",
            fmt::format("The service deployment {} is in lifecycle stage CLEAN_UP and cannot be stopped.", arn));
      if (phase != Phase::none && !back)
        return fail(Fault::invalid, "InvalidParameterException",
                    "stopType ABORT is not supported for deployments that shift traffic; use ROLLBACK.");
      (*deployment)["status"] = back ? "ROLLBACK_REQUESTED" : "STOP_REQUESTED";
      (*deployment)["updatedAt"] = epoch_seconds(call.now);
      put_service_deployment(tx, *service, *deployment);
      Deployment& newest = service->state.deployments.front();
      newest.wish = back ? StopWish::roll_back : StopWish::abort;
      put_service(tx, *service);
      database::append_journal(
          tx, call.now, "ecs.deployment.stop_requested", service->subject(),
          fmt::format("{} of {} by {}", back ? "rollback" : "stop", newest.id, last_part(call.caller.arn)),
          {{"deployment", newest.id}, {"caller", call.caller.arn}});
      return *service;
    };
    auto wished = co_await scheduler_.db().write(wish);
    if (!wished) co_return fail(wished);
    scheduler_.wake_service(wished->cluster, wished->name);
    co_return answer_with("serviceDeploymentArn", json::value(arn));
  }

  // A person's answer to a PAUSE hook.
  task<Result<Answer>> go_on(Call call) {
    const std::string arn = get_string(call.input, "serviceDeploymentArn");
    const std::string hook = get_string(call.input, "hookId");
    const bool on = get_string(call.input, "action", "CONTINUE") == "CONTINUE";
    auto answer = [arn, hook, on, call](database::Transaction& tx) -> Result<ServiceRecord> {
      auto deployment = get_service_deployment(tx, arn);
      if (!deployment)
        return fail(Fault::not_found, "ServiceDeploymentNotFoundException",
                    "The service deployment " + arn + " was not found.");
      const auto parts = parse_arn(get_string(*deployment, "serviceArn"));
      auto service = get_service(tx, cluster_in(*parts), last_part(parts->resource));
      const bool current = service && service->service_deployment == arn && !service->state.deployments.empty();
      HookRun* waiting = nullptr;
      if (current) {
        for (HookRun& run : service->state.deployments.front().runs) {
          if (run.id == hook && run.status == HookRun::Status::awaiting_action) waiting = &run;
        }
      }
      if (waiting == nullptr)
        return fail(Fault::conflict, "ConflictException",
                    fmt::format("The hook {} of service deployment {} is not awaiting an action.", hook, arn));
      waiting->status = on ? HookRun::Status::succeeded : HookRun::Status::failed;
      put_service(tx, *service);
      database::append_journal(tx, call.now, "ecs.deployment.hook", service->subject(),
                               fmt::format("{} by {}", on ? "continue" : "rollback", last_part(call.caller.arn)),
                               {{"deployment", service->state.deployments.front().id}, {"caller", call.caller.arn}});
      return *service;
    };
    auto answered = co_await scheduler_.db().write(answer);
    if (!answered) co_return fail(answered);
    scheduler_.wake_service(answered->cluster, answered->name);
    co_return answer_with("serviceDeploymentArn", json::value(arn));
  }

 private:
  static std::string cluster_in(const Arn& service) { return cluster_of({{"arn", service.text()}}, "arn"); }

  std::optional<ServiceRecord> service_of(const json::object& deployment) const {
    const auto arn = parse_arn(get_string(deployment, "serviceArn"));
    return get_service(scheduler_.db().read(), cluster_in(*arn), last_part(arn->resource));
  }

  Scheduler& scheduler_;
};

// The first resource that a call names, for iam; the others are needs of their own.
std::string first_of(const Call& call, const char* member) {
  const auto all = get_strings(call.input, member);
  return all.empty() ? "*" : all.front();
}

}  // namespace

void add_deployment_operations(wire::Service& out, Scheduler& scheduler) {
  using namespace wire;
  auto api = std::make_shared<DeploymentsApi>(scheduler);
  out.operations.push_back({.name = "ListServiceDeployments",
                            .input = list_service_deployments_shape(),
                            .handler = [api](Call call) { return api->list(std::move(call)); },
                            .resource =
                                [](const Call& call) {
                                  return call.place.arn("ecs", "service/" + cluster_of(call.input, "service") + "/" +
                                                                   last_part(get_string(call.input, "service")));
                                },
                            .keys = [](const Call& call) { return cluster_key(call, "service"); }});
  out.operations.push_back({.name = "DescribeServiceDeployments",
                            .input = structure({required("serviceDeploymentArns", list(text(1), 1, 20))}),
                            .handler = [api](Call call) { return api->describe(std::move(call)); },
                            .resource = [](const Call& call) { return first_of(call, "serviceDeploymentArns"); },
                            .also =
                                [](const Call& call) {
                                  return others(get_strings(call.input, "serviceDeploymentArns"),
                                                "ecs:DescribeServiceDeployments");
                                }});
  out.operations.push_back({.name = "DescribeServiceRevisions",
                            .input = structure({required("serviceRevisionArns", list(text(1), 1, 20))}),
                            .handler = [api](Call call) { return api->describe_revisions(std::move(call)); },
                            .resource = [](const Call& call) { return first_of(call, "serviceRevisionArns"); },
                            .also =
                                [](const Call& call) {
                                  return others(get_strings(call.input, "serviceRevisionArns"),
                                                "ecs:DescribeServiceRevisions");
                                }});
  out.operations.push_back(
      {.name = "ContinueServiceDeployment",
       .input = structure({required("serviceDeploymentArn", text(1)), required("hookId", text(1)),
                           optional("action", one_of({"CONTINUE", "ROLLBACK"}))}),
       .handler = [api](Call call) { return api->go_on(std::move(call)); },
       .resource = [](const Call& call) { return get_string(call.input, "serviceDeploymentArn"); }});
  out.operations.push_back(
      {.name = "StopServiceDeployment",
       .input =
           structure({required("serviceDeploymentArn", text(1)), optional("stopType", one_of({"ABORT", "ROLLBACK"}))}),
       .handler = [api](Call call) { return api->stop(std::move(call)); },
       .resource = [](const Call& call) { return get_string(call.input, "serviceDeploymentArn"); }});
}

}  // namespace slipway::ecs
