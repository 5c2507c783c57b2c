// slipway-bus-load: makes rules and puts events at a region's event bus from many callers at once, and says how fast
// they were acknowledged.  Credentials and endpoint come from the environment: eval "$(slipway env)".
//   slipway-bus-load rules COUNT              rules that match nothing that `events` puts; no targets
//   slipway-bus-load events COUNT             events in calls of ten
//   slipway-bus-load events COUNT queue URL   and waits until the queue holds them all
//   slipway-bus-load events COUNT file PATH   and waits until the file has a byte of each (slipway-bus-function)
// Each prints one JSON line.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "base/run.h"
#include "client/client.h"

namespace {

using namespace slipway;

constexpr int kCallers = 32;  // Each has one call under way.  The variable CALLERS asks for others.
constexpr long long kEventsPerCall = 10;
constexpr Duration kLook = std::chrono::milliseconds(20);  // Between two looks at what has arrived.
constexpr Duration kArriveMax = std::chrono::minutes(10);  // Then the rest counts as lost.
constexpr const char* kHowMany = "ApproximateNumberOfMessages";

Instant now() {
  return Instant{std::chrono::floor<Duration>(std::chrono::steady_clock::now().time_since_epoch())};
}

// Where events go, for who waits for the last one.
struct Destination {
  std::string kind;  // "queue", "file"; empty: nobody waits.
  std::string name;
};

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
  const char* asked = std::getenv("CALLERS");
  const int callers = asked == nullptr ? kCallers : std::max(1, std::atoi(asked));
  for (int i = 0; i < callers; ++i) group.spawn("caller", caller(work, rules));
  while (group.running() > 0) co_await pause(Duration(1));
}

task<long long> arrived(client::AwsClient& api, Destination to) {
  if (to.kind == "file") {
    std::error_code missing;
    const auto bytes = std::filesystem::file_size(to.name, missing);
    co_return missing ? 0 : static_cast<long long>(bytes);
  }
  json::object input{{"QueueUrl", to.name}, {"AttributeNames", json::array{kHowMany}}};
  const auto answer = co_await api.json_call("sqs", "AmazonSQS", "GetQueueAttributes", std::move(input), "1.0");
  const std::string count = answer ? get_string(get_object(*answer, "Attributes"), kHowMany) : "";
  long long number = 0;
  std::from_chars(count.data(), count.data() + count.size(), number);
  co_return number;
}

task<bool> wait_for(Destination to, long long count) {
  client::AwsClient api(co_await asio::this_coro::executor, client::options_from_environment());
  long long seen = 0;
  for (const Instant until = now() + kArriveMax; now() < until; co_await pause(kLook)) {
    seen = co_await arrived(api, to);
    if (seen >= count) co_return true;
  }
  std::cerr << "not all arrived: " << seen << " of " << count << "\n";
  co_return false;
}

double rate(long long count, Duration took) {
  return static_cast<double>(count) * 1000.0 / static_cast<double>(std::max<long long>(took.count(), 1));
}

}  // namespace

int main(int argc, char** argv) {
  const std::string what = argc > 2 ? argv[1] : "";
  const Destination to{.kind = argc > 3 ? argv[3] : "", .name = argc > 4 ? argv[4] : ""};
  const bool good = (what == "rules" && argc == 3) || (what == "events" && argc == 3) ||
                    (what == "events" && argc == 5 && (to.kind == "queue" || to.kind == "file"));
  if (!good) {
    std::cerr << "usage: slipway-bus-load rules COUNT | events COUNT [queue URL | file PATH]\n";
    return 2;
  }
  const auto work = std::make_shared<Work>();
  work->left = std::stoll(argv[2]);
  const auto count = work->left;
  const auto began = now();
  run(all_callers(work, what == "rules"));
  const Duration took = now() - began;
  std::ranges::sort(work->milliseconds);
  const auto at = [&](double part) {
    return work->milliseconds[static_cast<std::size_t>(part * static_cast<double>(work->milliseconds.size() - 1))];
  };
  json::object line{{"count", count},
                    {"failed", work->failed},
                    {"per_second", rate(count, took)},
                    {"median_ms", at(0.5)},
                    {"p99_ms", at(0.99)}};
  const bool complete = to.kind.empty() || run(wait_for(to, count));
  if (!to.kind.empty()) line["end_to_end_per_second"] = rate(count, now() - began);
  std::cout << json::serialize(line) << "\n";
  return work->failed == 0 && complete ? 0 : 1;
}
