#include "cli/command.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>
#include <iostream>

#include "base/text.h"
#include "host/files.h"

namespace slipway::cli {
namespace {

using namespace std::chrono_literals;

constexpr Duration kCallMax = 60s;  // Longer than the longest long poll.

}  // namespace

int complain(const Error& error) {
  std::cerr << "slipway: " << error.code << ": " << error.message << "\n";
  if (error.fault == Fault::denied) return kNotPermitted;
  if (error.fault == Fault::timed_out) return kTimedOut;
  if (error.code == "SLW-107" || error.code == "SLW-104" || error.code == "SLW-105" || error.code == "SLW-111")
    return kNoEnvironment;
  return kError;
}

Result<RegionKey> read_key(const region::StateFolder& folder, bool may_rest) {
  auto about = region::read_about(folder);
  if (!about) return fail(about);
  if (!may_rest && !region::daemon_runs(folder))
    return fail(Fault::not_found, "SLW-107",
                fmt::format("the region in {} does not run. Start it with: slipway up", folder.root.native()));
  const auto text = host::read_file(folder.administrator_key());
  const auto parsed = text ? parse_json(trim(*text)) : fail(text);
  if (!parsed || !parsed->is_object())
    return fail(Fault::not_found, "SLW-107",
                fmt::format("the administrator's key is missing from {}", folder.root.native()));
  const json::object& key = parsed->get_object();
  return RegionKey{.about = *about,
                   .access_key_id = get_string(key, "access_key_id"),
                   .secret_access_key = get_string(key, "secret_access_key")};
}

client::Options region_options(const RegionKey& key) {
  return {.environment = {},
          .endpoint = key.about.endpoint,
          .region = key.about.place.region,
          .profile = {},
          .credentials =
              client::Credentials{.access_key_id = key.access_key_id, .secret_access_key = key.secret_access_key},
          .budget = kCallMax,
          .read_timeout = kCallMax};
}

RegionApi::RegionApi(asio::any_io_executor executor, const RegionKey& key)
    : RegionApi(std::move(executor), region_options(key)) {}

RegionApi::RegionApi(asio::any_io_executor executor, client::Options options)
    : client_(std::move(executor), std::move(options)) {}

task<Result<json::value>> RegionApi::get(std::string target) {
  auto answer = co_await client_.rest_call("slipway", "GET", target, {}, "");
  if (!answer) co_return fail(answer);
  co_return parse_json(trim(answer->body));
}

task<Result<json::object>> RegionApi::ecs(std::string operation, json::object input) {
  return client_.json_call("ecs", "AmazonEC2ContainerServiceV20141113", std::move(operation), std::move(input));
}
task<Result<json::object>> RegionApi::ecr(std::string operation, json::object input) {
  return client_.json_call("ecr", "AmazonEC2ContainerRegistry_V20150921", std::move(operation), std::move(input));
}
task<Result<json::object>> RegionApi::logs(std::string operation, json::object input) {
  return client_.json_call("logs", "Logs_20140328", std::move(operation), std::move(input));
}

task<Result<json::object>> RegionApi::events(std::string operation, json::object input) {
  return client_.json_call("events", "AWSEvents", std::move(operation), std::move(input));
}
task<Result<json::object>> RegionApi::event_records(std::string method, std::string rest) {
  auto answer = co_await client_.rest_call("slipway", method, "/_slipway/events/" + rest, {}, "");
  if (!answer) co_return fail(answer);
  auto parsed = parse_json(trim(answer->body));
  if (!parsed || !parsed->is_object()) co_return fail(Fault::internal, "SLW-100", "the region answered no JSON");
  co_return std::move(parsed->get_object());
}

task<Result<std::vector<Entry>>> RegionApi::journal(long long after, Duration wait) {
  auto answer = co_await get(fmt::format("/_slipway/journal?after={}&wait={}", after, wait.count()));
  if (!answer) co_return fail(answer);
  co_return read_entries(*answer);
}

task<Result<long long>> RegionApi::journal_end() {
  auto answer = co_await get("/_slipway/journal?end=1");
  if (!answer) co_return fail(answer);
  co_return get_int(answer->as_object(), "end");
}

task<Result<std::vector<ServiceName>>> list_services(RegionApi& api) {
  std::vector<ServiceName> names;
  auto clusters = co_await api.ecs("ListClusters", {});
  if (!clusters) co_return fail(clusters);
  for (const std::string& cluster : get_strings(*clusters, "clusterArns")) {
    const json::object ask = {{"cluster", cluster}, {"maxResults", 100}};
    auto services = co_await api.ecs("ListServices", ask);
    if (!services) co_return fail(services);
    for (const std::string& service : get_strings(*services, "serviceArns"))
      names.push_back(
          {.cluster = cluster.substr(cluster.rfind('/') + 1), .service = service.substr(service.rfind('/') + 1)});
  }
  co_return names;
}

task<Result<ServiceName>> find_service(RegionApi& api, std::string name) {
  auto all = co_await list_services(api);
  if (!all) co_return fail(all);
  std::vector<std::string> known;
  for (const ServiceName& service : *all) {
    if (service.service == name || service.text() == name || (name.empty() && all->size() == 1)) co_return service;
    known.push_back(service.text());
  }
  if (known.empty())
    co_return fail(Fault::not_found, "SLW-302", "there is no service yet: run slipway up --config slipway.yaml");
  const std::string asked = name.empty() ? "which service?" : "no service is called " + name + ".";
  co_return fail(Fault::not_found, "SLW-302", asked + " There is: " + join(known, ", "));
}

std::string repository_of(const std::string& image) {
  std::string name = image.substr(0, image.find('@'));
  const auto slash = name.find('/');
  if (slash != std::string::npos && name.substr(0, slash).find_first_of(".:") != std::string::npos)
    name = name.substr(slash + 1);
  return name.substr(0, name.find(':'));
}

bool is_terminal(int fd) {
  const char* term = std::getenv("TERM");
  const char* no_color = std::getenv("NO_COLOR");
  return ::isatty(fd) == 1 && (term == nullptr || std::string_view(term) != "dumb") &&
         (no_color == nullptr || *no_color == '\0');
}

}  // namespace slipway::cli
