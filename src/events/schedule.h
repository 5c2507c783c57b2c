// Schedule: rate(…) expressions.  Pure.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html
#pragma once
#include <string_view>

#include "base/instant.h"
#include "base/result.h"

namespace slipway::events {

// "rate(1 minute)", "rate(5 minutes)", hours and days.  Fails with Fault::invalid,
// "ValidationException", as AWS does; cron(…) with Fault::unsupported.
Result<Duration> parse_rate(std::string_view expression);

}  // namespace slipway::events
