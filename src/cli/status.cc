#include <fmt/format.h>

#include <iostream>

#include "base/run.h"
#include "cli/commands.h"
#include "deployer/ledger.h"
#include "deployer/untold.h"

namespace slipway::cli {
namespace {

constexpr std::size_t kEventsShown = 3;

struct ServiceStatus {
  json::object service;
  std::vector<json::object> tasks;
};

task<Result<ServiceStatus>> describe(RegionApi& api, ServiceName name) {
  const json::object ask = {
      {"cluster", name.cluster}, {"services", json::array{name.service}}, {"include", json::array{"TAGS"}}};
  auto described = co_await api.ecs("DescribeServices", ask);
  if (!described) co_return fail(described);
  const json::array services = get_array(*described, "services");
  if (services.empty()) co_return fail(Fault::not_found, "SLW-302", "the service " + name.text() + " is gone");
  ServiceStatus status{.service = services.at(0).as_object(), .tasks = {}};
  const json::object which = {{"cluster", name.cluster}, {"serviceName", name.service}};
  auto listed = co_await api.ecs("ListTasks", which);
  if (!listed) co_return fail(listed);
  const json::array arns = get_array(*listed, "taskArns");
  if (arns.empty()) co_return status;
  const json::object tasks = {{"cluster", name.cluster}, {"tasks", arns}};
  auto seen = co_await api.ecs("DescribeTasks", tasks);
  if (!seen) co_return fail(seen);
  for (const json::value& task : get_array(*seen, "tasks")) status.tasks.push_back(task.as_object());
  co_return status;
}

std::string last_part(const std::string& arn) {
  return arn.substr(arn.rfind('/') + 1);
}

void print_task(const json::object& task) {
  std::string image;
  std::string reason = get_string(task, "stoppedReason");
  for (const json::value& container : get_array(task, "containers")) {
    const json::object& from = container.as_object();
    image = get_string(from, "image");
    const std::string digest = get_string(from, "imageDigest");
    if (!digest.empty() && image.find("@sha256:") == std::string::npos) image += "@" + digest;
  }
  std::cout << fmt::format("    task {}  {:<14} {:<9} {}  {}\n", last_part(get_string(task, "taskArn")).substr(0, 8),
                           get_string(task, "lastStatus"), get_string(task, "healthStatus"), short_image(image),
                           reason);
}

void print_service(const ServiceName& name, const ServiceStatus& status) {
  const json::object& service = status.service;
  std::cout << fmt::format("{}  {}  running {}/{}  pending {}\n", name.text(), get_string(service, "status"),
                           get_int(service, "runningCount"), get_int(service, "desiredCount"),
                           get_int(service, "pendingCount"));
  for (const json::value& value : get_array(service, "deployments")) {
    const json::object& deployment = value.as_object();
    std::cout << fmt::format("    deployment {}  {:<8} {:<11} running {}/{}  {}\n", get_string(deployment, "id"),
                             get_string(deployment, "status"), get_string(deployment, "rolloutState"),
                             get_int(deployment, "runningCount"), get_int(deployment, "desiredCount"),
                             get_string(deployment, "rolloutStateReason"));
  }
  for (const json::object& task : status.tasks) print_task(task);
  const auto ledger = deployer::read_ledger(get_array(service, "tags"));
  for (const deployer::Untold& one : deployer::read_untold(ledger.untold))
    std::cout << fmt::format("    {} has not heard how {} ended ({} attempts); the sweep tries again\n", one.name,
                             one.revision, one.tellings);
  std::size_t shown = 0;
  for (const json::value& event : get_array(service, "events")) {
    if (shown++ == kEventsShown) break;
    std::cout << "    " << get_string(event.as_object(), "message") << "\n";
  }
}

task<int> show_status(Common common, RegionKey key) {
  RegionApi api(co_await asio::this_coro::executor, key);
  auto names = co_await list_services(api);
  if (!names) co_return complain(names.error());
  json::array all;
  if (!common.json)
    std::cout << fmt::format("region {} ({}, account {})\n", key.about.endpoint, key.about.place.region,
                             key.about.place.account);
  for (const ServiceName& name : *names) {
    auto status = co_await describe(api, name);
    if (!status) co_return complain(status.error());
    if (common.json) {
      json::array tasks;
      for (const json::object& task : status->tasks) tasks.emplace_back(task);
      all.push_back({{"service", status->service}, {"tasks", tasks}});
    } else {
      print_service(name, *status);
    }
  }
  if (common.json) std::cout << json::serialize(json::object{{"services", all}}) << "\n";
  if (!common.json && names->empty())
    std::cout << "no services yet: write a slipway.yaml and run slipway up --config slipway.yaml\n";
  co_return kLive;
}

}  // namespace

int status(const Common& common) {
  const auto key = read_key(common.folder());
  if (!key) return complain(key.error());
  return run(show_status(common, *key));
}

}  // namespace slipway::cli
