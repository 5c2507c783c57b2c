#include "logs/worker.h"

#include "base/log.h"

namespace slipway::logs {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kWaitingMax = 100'000;
constexpr std::size_t kWaitingBytesMax = 64 * 1024 * 1024;
constexpr Duration kBatchEvery = 100ms;
constexpr Duration kPruneEvery = 1min;
constexpr long long kStoredBytesMax = 1024LL * 1024 * 1024;

}  // namespace

Archive::Archive(asio::any_io_executor executor, database::Database& db, host::Clock& clock, Place place)
    : db_(db), clock_(clock), place_(std::move(place)), bell_(executor), group_(executor) {}

void Archive::start() {
  group_.spawn("log batches", write_batches());
  group_.spawn("log retention", prune_old());
}

task<void> Archive::stop() {
  co_await group_.stop();
  co_await flush();
}

void Archive::append(std::string group, std::string stream, std::vector<LogEvent> events) {
  for (LogEvent& event : events) {
    waiting_bytes_ += event.message.size();
    while (!waiting_.empty() && (waiting_.size() >= kWaitingMax || waiting_bytes_ > kWaitingBytesMax)) {
      waiting_bytes_ -= waiting_.front().event.message.size();
      waiting_.pop_front();
      ++dropped_;
    }
    waiting_.push_back({.group = group, .stream = stream, .event = std::move(event)});
  }
  bell_.ring();
}

task<void> Archive::flush() {
  if (!waiting_.empty()) {
    ++writing_;
    co_await write_waiting();
    --writing_;
  } else if (writing_ > 0) {
    // Writes are done in order: behind this one, those on their way are on disk.
    auto nothing = [](database::Transaction&) {};
    co_await db_.write(nothing);
  }
}

task<void> Archive::write_waiting() {
  if (dropped_ > 0)
    log_warn("logs", std::to_string(dropped_) + " log lines were dropped: they came faster than the disk takes them");
  dropped_ = 0;
  std::map<std::pair<std::string, std::string>, std::vector<LogEvent>> by_stream;
  for (Waiting& one : waiting_) by_stream[{one.group, one.stream}].push_back(std::move(one.event));
  waiting_.clear();
  waiting_bytes_ = 0;
  const Instant now = clock_.now();
  auto write = [by_stream, now](database::Transaction& tx) {
    for (const auto& [key, events] : by_stream) logs::append(tx, key.first, key.second, events, now);
  };
  co_await db_.write(write);
}

task<void> Archive::write_batches() {
  for (;;) {
    co_await bell_.wait(kPruneEvery);
    co_await flush();
    co_await pause(kBatchEvery);
  }
}

task<void> Archive::prune_old() {
  for (;;) {
    const Instant now = clock_.now();
    auto forget = [now](database::Transaction& tx) {
      prune(tx, now);
      return shrink(tx, kStoredBytesMax);
    };
    const long long over = co_await db_.write(forget);
    if (over > 0)
      log_warn("logs", std::to_string(over) + " of the oldest log lines were dropped: more than 1 GiB was kept");
    co_await pause(kPruneEvery);
  }
}

}  // namespace slipway::logs
