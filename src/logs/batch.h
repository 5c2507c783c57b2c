// A batch of PutLogEvents: what CloudWatch Logs takes of it.  Pure.
// https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html
#pragma once
#include <cstddef>
#include <optional>
#include <vector>

#include "base/instant.h"
#include "base/result.h"
#include "logs/store.h"

namespace slipway::logs {

// Events [from, to) are kept; the others are too old or too new, which is no error.
struct Accepted {
  std::size_t from = 0;
  std::size_t to = 0;
  std::optional<std::size_t> expired_end;    // Older than the group keeps them: the first that is not.
  std::optional<std::size_t> too_old_end;    // Older than 14 days: the first that is not.
  std::optional<std::size_t> too_new_start;  // More than 2 hours ahead: the first.
};

// `retention_days` 0: for ever.  Fails with InvalidParameterException when the events are not in the order of their
// times, span more than 24 hours, or have more than 1,048,576 bytes (26 for each event besides its text).
Result<Accepted> check_batch(const std::vector<LogEvent>& events, Instant now, long long retention_days);

}  // namespace slipway::logs
