#include "deployer/gate.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/text.h"
#include "client/endpoint.h"
#include "deployer/balancer.h"

namespace slipway::deployer {
namespace {

constexpr std::size_t kBodyShown = 200;  // Characters of a bad answer.
constexpr std::size_t kBodyMax = 64 * 1024;

// nullopt: the answer is good.
task<std::optional<std::string>> check(config::HttpCheck wanted) {
  const client::BaseUrl url = client::split_url(wanted.url);
  http::ClientOptions options{
      .endpoint = url.endpoint, .connect_timeout = wanted.timeout, .read_timeout = wanted.timeout};
  options.body_bytes_max = kBodyMax;
  http::ClientRequest request{.target = url.prefix.empty() ? "/" : url.prefix};
  request.headers.set("User-Agent", "slipway-verify");
  auto asking = http::fetch(std::move(options), std::move(request));
  const auto answer = co_await with_deadline(wanted.timeout, std::move(asking));
  if (!answer) co_return fmt::format("GET {} did not answer within {} ms", wanted.url, wanted.timeout.count());
  if (!*answer) co_return fmt::format("GET {}: {}", wanted.url, answer->error().message);
  const http::ClientResponse& got = **answer;
  const std::string shown(trim(got.body).substr(0, kBodyShown));
  if (!has_code(wanted.status, got.status))
    co_return fmt::format("GET {} answered {}: {}", wanted.url, got.status, shown);
  if (!got.body.contains(wanted.contains))
    co_return fmt::format("GET {} answered without \"{}\": {}", wanted.url, wanted.contains, shown);
  co_return std::nullopt;
}

// https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DescribeAlarms.html
task<Result<std::optional<std::string>>> alarm_of(Cloud& cloud, std::vector<std::string> names) {
  const json::object input = {{"AlarmNames", to_array(names)},
                              {"AlarmTypes", json::array{"MetricAlarm", "CompositeAlarm"}}};
  const auto answer = co_await cloud.call("monitoring", "DescribeAlarms", input);
  if (!answer) co_return fail(answer);
  std::vector<std::string> known;
  for (const char* kind : {"MetricAlarms", "CompositeAlarms"}) {
    for (const json::value& value : get_array(*answer, kind)) {
      const json::object& alarm = value.as_object();
      known.push_back(get_string(alarm, "AlarmName"));
      if (get_string(alarm, "StateValue") == "ALARM")
        co_return fmt::format("the alarm {} is in ALARM: {}", known.back(), get_string(alarm, "StateReason"));
    }
  }
  for (const std::string& name : names) {
    if (std::ranges::find(known, name) == known.end())
      co_return fail(Fault::not_found, "ResourceNotFound", "there is no alarm " + name);
  }
  co_return std::nullopt;
}

}  // namespace

bool has_code(std::string_view codes, int status) {
  for (const std::string& part : split(codes, ',')) {
    int low = 0;
    const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), low);
    int high = low;
    if (error == std::errc{} && end != part.data() + part.size() && *end == '-')
      std::from_chars(end + 1, part.data() + part.size(), high);
    if (status >= low && status <= high) return true;
  }
  return false;
}

task<GateVerdict> watch_gate(Cloud& cloud, config::Verify verify, json::object service, Duration limit, Clock clock) {
  for (config::HttpCheck& one : verify.http) {
    if (!one.url.starts_with('/')) continue;
    const auto base = co_await balancer_url(cloud, service);
    if (!base)
      co_return GateVerdict{.outcome = GateVerdict::Outcome::unknown,
                            .why = fmt::format("{} cannot be asked: {}", one.url, base.error().message)};
    one.url = *base + one.url;
  }
  const Duration lasting = std::min(verify.time, limit);
  const Instant end = clock() + lasting;
  const auto rounds = 1 + lasting / verify.interval;
  const auto allowed = static_cast<long long>(static_cast<double>(rounds) * static_cast<double>(verify.http.size()) *
                                              verify.error_budget_percent / 100);
  long long checks = 0;
  long long errors = 0;
  std::string unread;  // Why the alarms could not be read at the last look.
  for (;;) {
    if (!verify.alarms.empty()) {
      const auto alarm = co_await alarm_of(cloud, verify.alarms);
      unread = alarm ? "" : alarm.error().message;
      if (alarm && *alarm) co_return GateVerdict{.outcome = GateVerdict::Outcome::failed, .why = **alarm};
    }
    for (const config::HttpCheck& one : verify.http) {
      const auto bad = co_await check(one);
      ++checks;
      if (bad) ++errors;
      if (bad && errors > allowed)
        co_return GateVerdict{.outcome = GateVerdict::Outcome::failed,
                              .why = fmt::format("{} ({} error{} in {} checks, {} allowed)", *bad, errors,
                                                 errors == 1 ? "" : "s", checks, allowed)};
    }
    if (clock() + verify.interval > end) break;
    co_await pause(verify.interval);
  }
  if (!unread.empty())
    co_return GateVerdict{.outcome = GateVerdict::Outcome::unknown, .why = "the alarms cannot be read: " + unread};
  std::string why = fmt::format("{} checks and {} alarms in {} s, {} errors", checks, verify.alarms.size(),
                                lasting.count() / 1000, errors);
  if (lasting < verify.time)
    why += fmt::format("; {} s were asked for, and the function's time-out leaves no more", verify.time.count() / 1000);
  co_return GateVerdict{.why = std::move(why)};
}

}  // namespace slipway::deployer
