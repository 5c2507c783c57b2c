#include "load/tally.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace slipway::load {
namespace {

constexpr std::array kFailures = {Failure::connect,      Failure::reset,        Failure::timed_out,
                                  Failure::server_error, Failure::client_error, Failure::truncated};
constexpr std::array<std::pair<const char*, double>, 5> kPercentiles = {
    {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p99.9", 0.999}, {"max", 1.0}}};

}  // namespace

const char* failure_text(Failure failure) {
  switch (failure) {
    case Failure::none:
      return "none";
    case Failure::connect:
      return "connect errors";
    case Failure::reset:
      return "resets";
    case Failure::timed_out:
      return "time-outs";
    case Failure::server_error:
      return "5xx";
    case Failure::client_error:
      return "4xx";
    case Failure::truncated:
      return "truncated bodies";
  }
  return "";
}

double percentile(const std::vector<float>& sorted, double share) {
  if (sorted.empty()) return 0;
  const auto index = static_cast<std::size_t>(share * static_cast<double>(sorted.size()));
  return sorted[std::min(index, sorted.size() - 1)];
}

void Tally::add(const Sample& sample) {
  latencies_.push_back(static_cast<float>(sample.latency_ms));
  kept_ += sample.kept_connection ? 1 : 0;
  if (sample.failure != Failure::none) {
    ++failures_[sample.failure];
    return;
  }
  Version& version = versions_[sample.version];
  if (version.count++ == 0) version.first_ms = sample.due_ms;
  version.first_ms = std::min(version.first_ms, sample.due_ms);
  version.last_ms = std::max(version.last_ms, sample.due_ms);
}

std::uint64_t Tally::failed() const {
  std::uint64_t all = 0;
  for (const auto& [failure, count] : failures_) all += count;
  return all;
}

json::object Tally::to_json() const {
  json::object versions;
  for (const auto& [name, version] : versions_)
    versions[name] =
        json::object{{"count", version.count}, {"first_ms", version.first_ms}, {"last_ms", version.last_ms}};
  json::object failures;
  for (const Failure failure : kFailures)
    failures[failure_text(failure)] = failures_.contains(failure) ? failures_.at(failure) : 0;
  std::vector<float> sorted = latencies_;
  std::ranges::sort(sorted);
  json::object latency;
  for (const auto& [name, share] : kPercentiles) latency[name] = percentile(sorted, share);
  return {{"sent", sent()},       {"failed", failed()},   {"on_kept_connections", kept_},
          {"versions", versions}, {"failures", failures}, {"latency_ms", latency}};
}

std::string Tally::table() const {
  std::string out = fmt::format("requests  {} sent, {} failed ({} on new connections, {} on kept ones)\n", sent(),
                                failed(), sent() - kept_, kept_);
  for (const auto& [name, version] : versions_)
    out += fmt::format("  {:<18} {:>8}   from {:.1f} s to {:.1f} s\n", "answered by " + name, version.count,
                       version.first_ms / 1000, version.last_ms / 1000);
  for (const Failure failure : kFailures)
    out +=
        fmt::format("  {:<18} {:>8}\n", failure_text(failure), failures_.contains(failure) ? failures_.at(failure) : 0);
  std::vector<float> sorted = latencies_;
  std::ranges::sort(sorted);
  out += "latency from when a request was due, ms:";
  for (const auto& [name, share] : kPercentiles) out += fmt::format("  {} {:.1f}", name, percentile(sorted, share));
  out += "\n";
  // Rule of three: with none failed of N, the true share is below 3/N with 95 % confidence.
  if (failed() == 0 && sent() > 0)
    out += fmt::format("0 of {} failed: below {:.4f} % with 95 % confidence\n", sent(),
                       300.0 / static_cast<double>(sent()));
  return out;
}

}  // namespace slipway::load
