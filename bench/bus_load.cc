// slipway-bus-load: makes rules and puts events at a region's event bus from many callers at once, and says how fast
// they were acknowledged.  Credentials and endpoint come from the environment: eval "$(slipway env)".
//   slipway-bus-load rules COUNT     rules that match nothing that `events` puts; no targets
//   slipway-bus-load events COUNT    events in calls of ten; prints one JSON line
#include <fmt/format.h>

#include <algorithm>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "base/run.h"
#include "client/client.h"

namespace {

using namespace slipway;

constexpr int kCallers = 32;  // Each has one call under way.
constexpr long long kEventsPerCall = 10;

Instant now() {
  return Instant{std::chrono::floor<Duration>(std::chrono::steady_clock::now().time_since_epoch())};
}

struct Work {
  long long left = 0;
  long long failed = 0;
  std::vector<double> milliseconds;  // Of each call.
};

json::object rule(long long number) {
  const json::object pattern{{"source", json::array{"bench"}},
                             {"detail", {{"customer", json::array{fmt::format("customer-{}", number)}}}}};
  return {{"Name", fmt::format("other-{}", number)}, {"EventPattern", json::serialize(pattern)}};
}

json::object events(long long from) {
  json::array entries;
  for (long long i = from; i < from + kEventsPerCall; ++i) {
    const json::object detail{{"kind", "hit"}, {"order", i}, {"customer", "nobody"}, {"text", std::string(200, 'x')}};
    entries.push_back(json::object{{"Source", "bench"}, {"DetailType", "Order"}, {"Detail", json::serialize(detail)}});
  }
  return {{"Entries", std::move(entries)}};
}

task<void> caller(std::shared_ptr<Work> work, bool rules) {
  client::AwsClient api(co_await asio::this_coro::executor, client::options_from_environment());
  while (work->left > 0) {
    work->left -= rules ? 1 : kEventsPerCall;
    const auto number = work->left;
    auto input = rules ? rule(number) : events(number);
    const auto began = std::chrono::steady_clock::now();
    auto answer = co_await api.json_call("events", "AWSEvents", rules ? "PutRule" : "PutEvents", std::move(input));
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - began;
    work->milliseconds.push_back(took.count());
    if (!answer && work->failed == 0) std::cerr << answer.error().code << ": " << answer.error().message << "\n";
    work->failed += answer ? get_int(*answer, "FailedEntryCount") : 1;
  }
}

task<void> all_callers(std::shared_ptr<Work> work, bool rules) {
  TaskGroup group(co_await asio::this_coro::executor);
  for (int i = 0; i < kCallers; ++i) group.spawn("caller", caller(work, rules));
  while (group.running() > 0) co_await pause(Duration(1));
}

}  // namespace

int main(int argc, char** argv) {
  const std::string what = argc == 3 ? argv[1] : "";
  if (what != "rules" && what != "events") {
    std::cerr << "usage: slipway-bus-load rules|events COUNT\n";
    return 2;
  }
  const auto work = std::make_shared<Work>();
  work->left = std::stoll(argv[2]);
  const auto count = work->left;
  const auto began = now();
  run(all_callers(work, what == "rules"));
  const double seconds = static_cast<double>((now() - began).count()) / 1000.0;
  std::ranges::sort(work->milliseconds);
  const auto at = [&](double part) {
    return work->milliseconds[static_cast<std::size_t>(part * static_cast<double>(work->milliseconds.size() - 1))];
  };
  const json::object line{{"count", count},       {"failed", work->failed},
                          {"seconds", seconds},   {"per_second", static_cast<double>(count) / seconds},
                          {"median_ms", at(0.5)}, {"p99_ms", at(0.99)}};
  std::cout << json::serialize(line) << "\n";
  return work->failed == 0 ? 0 : 1;
}
