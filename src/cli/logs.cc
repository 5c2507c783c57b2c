#include <fmt/format.h>

#include <algorithm>
#include <iostream>

#include "base/run.h"
#include "cli/commands.h"

namespace slipway::cli {
namespace {

using namespace std::chrono_literals;

constexpr Duration kPoll = 500ms;

// The log groups that may hold what `name` wrote: the awslogs groups of a service's task definition, or a function's
// own.
task<Result<std::vector<std::string>>> groups_of(RegionApi& api, std::string name) {
  std::vector<std::string> groups;
  auto service = co_await find_service(api, name);
  if (!service) {
    if (name.empty()) co_return fail(service);
    groups.push_back("/aws/lambda/" + name);
    co_return groups;
  }
  const json::object ask = {{"cluster", service->cluster}, {"services", json::array{service->service}}};
  auto described = co_await api.ecs("DescribeServices", ask);
  if (!described) co_return fail(described);
  const json::array services = get_array(*described, "services");
  if (services.empty()) co_return fail(Fault::not_found, "SLW-302", "the service " + service->text() + " is gone");
  const json::object which = {{"taskDefinition", get_string(services.at(0).as_object(), "taskDefinition")}};
  auto definition = co_await api.ecs("DescribeTaskDefinition", which);
  if (!definition) co_return fail(definition);
  const json::object from = get_object(*definition, "taskDefinition");
  for (const json::value& container : get_array(from, "containerDefinitions")) {
    const json::object log = get_object(container.as_object(), "logConfiguration");
    const std::string group = get_string(get_object(log, "options"), "awslogs-group");
    if (!group.empty() && std::ranges::find(groups, group) == groups.end()) groups.push_back(group);
  }
  if (groups.empty())
    co_return fail(Fault::not_found, "SLW-303",
                   "the tasks of " + service->text() + " have no awslogs configuration; add a logConfiguration");
  co_return groups;
}

struct Line {
  long long at = 0;
  std::string id;
  std::string stream;
  std::string message;
};

task<Result<std::vector<Line>>> read_lines(RegionApi& api, std::string group, long long since) {
  std::vector<Line> lines;
  std::string next;
  do {
    json::object ask = {{"logGroupName", group}, {"startTime", since}};
    if (!next.empty()) ask["nextToken"] = next;
    auto page = co_await api.logs("FilterLogEvents", ask);
    if (!page) co_return fail(page);
    for (const json::value& value : get_array(*page, "events")) {
      const json::object& event = value.as_object();
      lines.push_back({.at = get_int(event, "timestamp"),
                       .id = get_string(event, "eventId"),
                       .stream = get_string(event, "logStreamName"),
                       .message = get_string(event, "message")});
    }
    next = get_string(*page, "nextToken");
  } while (!next.empty());
  std::ranges::stable_sort(lines, {}, &Line::at);
  co_return lines;
}

void print(const Common& common, const Line& line) {
  if (common.json) {
    std::cout << json::serialize(json::object{
                     {"at", iso_millis(instant_ms(line.at))}, {"stream", line.stream}, {"message", line.message}})
              << "\n";
    return;
  }
  std::cout << fmt::format("{}  {}  {}\n", iso_millis(instant_ms(line.at)), line.stream,
                           std::string(line.message.substr(0, line.message.find_last_not_of("\r\n") + 1)));
}

task<int> show_logs(Common common, LogsOptions options, RegionKey key) {
  RegionApi api(co_await asio::this_coro::executor, key);
  auto groups = co_await groups_of(api, options.service);
  if (!groups) co_return complain(groups.error());
  std::vector<std::string> seen;  // Ids at the newest time stamp, which the next read repeats.
  long long since = 0;
  bool first = true;
  for (;;) {
    std::vector<Line> lines;
    for (const std::string& group : *groups) {
      auto more = co_await read_lines(api, group, since);
      if (!more && first) co_return complain(more.error());
      if (more) lines.insert(lines.end(), more->begin(), more->end());
    }
    std::erase_if(lines, [&](const Line& line) { return std::ranges::find(seen, line.id) != seen.end(); });
    const std::size_t wanted = first ? static_cast<std::size_t>(options.lines) : lines.size();
    if (lines.size() > wanted) lines.erase(lines.begin(), lines.end() - static_cast<std::ptrdiff_t>(wanted));
    for (const Line& line : lines) {
      if (line.at > since) seen.clear();
      since = std::max(since, line.at);
      seen.push_back(line.id);
      print(common, line);
    }
    std::cout << std::flush;
    if (!options.follow) co_return kLive;
    first = false;
    co_await pause(kPoll);
  }
}

}  // namespace

int logs(const Common& common, const LogsOptions& options) {
  const auto key = read_key(common.folder());
  if (!key) return complain(key.error());
  return run(show_logs(common, options, *key));
}

}  // namespace slipway::cli
