#include "logs/batch.h"

#include <fmt/format.h>

#include <algorithm>

namespace slipway::logs {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kBatchBytesMax = 1'048'576;
constexpr std::size_t kEventOverhead = 26;
constexpr Duration kSpanMax = 24h;
constexpr Duration kAheadMax = 2h;
constexpr Duration kAgeMax = 24h * 14;

std::unexpected<Error> invalid(std::string message) {
  return fail(Fault::invalid, "InvalidParameterException", std::move(message));
}

}  // namespace

Result<Accepted> check_batch(const std::vector<LogEvent>& events, Instant now, long long retention_days) {
  if (!std::ranges::is_sorted(events, {}, &LogEvent::at))
    return invalid("Log events in a single PutLogEvents request must be in chronological order.");
  std::size_t bytes = 0;
  for (const LogEvent& event : events) bytes += event.message.size() + kEventOverhead;
  if (bytes > kBatchBytesMax)
    return invalid(fmt::format("Upload too large: {} bytes exceeds limit of {}", bytes, kBatchBytesMax));
  if (!events.empty() && events.back().at - events.front().at > kSpanMax)
    return invalid("The batch of log events in a single PutLogEvents request cannot span more than 24 hours.");
  // In order: what is too old comes first, what is too new last.
  const auto before = [&](Instant limit) {
    const auto first = std::ranges::lower_bound(events, limit, {}, &LogEvent::at);
    return static_cast<std::size_t>(first - events.begin());
  };
  Accepted out;
  const std::size_t old = before(now - kAgeMax);
  const std::size_t expired = retention_days > 0 ? before(now - std::chrono::hours(24 * retention_days)) : 0;
  const std::size_t ahead = before(now + kAheadMax + 1ms);
  if (old > 0) out.too_old_end = old;
  if (expired > 0) out.expired_end = expired;
  if (ahead < events.size()) out.too_new_start = ahead;
  out.to = ahead;
  out.from = std::min(std::max(old, expired), ahead);
  return out;
}

}  // namespace slipway::logs
