// Schedule: rate(…) and cron(…) expressions, and when they fire.  Pure: time is handed in; all of it is UTC.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html
#pragma once
#include <bitset>
#include <optional>
#include <string_view>
#include <variant>

#include "base/instant.h"
#include "base/result.h"

namespace slipway::events {

constexpr int kYearFirst = 1970;
constexpr int kYearLast = 2199;

struct Rate {
  Duration every{};
};

// Which days of a month fire, beyond a plain list of them.
enum class DayRule {
  listed,        // Those in the set.
  last,          // L: the month's last day.
  last_weekday,  // LW: its last Monday to Friday.
  near_weekday,  // 15W: the Monday to Friday nearest to the 15th, in the same month.
  last_of_kind,  // 6L: the last Friday.
  nth_of_kind,   // 6#3: the third Friday.
};

struct Cron {
  std::bitset<60> minutes;
  std::bitset<24> hours;
  std::bitset<32> days;      // Of the month, from 1.
  std::bitset<13> months;    // From 1.
  std::bitset<8> week_days;  // From 1, Sunday.
  std::bitset<kYearLast - kYearFirst + 1> years;
  bool by_week_day = false;  // Else by day of the month: one of the two is "?".
  DayRule rule = DayRule::listed;
  int day = 0;  // Of near_weekday; the week day of last_of_kind and nth_of_kind.
  int nth = 0;
};

using Schedule = std::variant<Rate, Cron>;

// "rate(5 minutes)", "cron(0 18 ? * MON-FRI *)".  Fails with Fault::invalid, "ValidationException", in AWS's words.
Result<Schedule> parse_schedule(std::string_view expression);

// The first firing after `now`.  A rate counts its intervals from `anchor`: when it was made or last fired.  However
// much time has passed since, the answer is one moment: what was missed is not made up for.  Nullopt: never again.
std::optional<Instant> next_fire(const Schedule& schedule, Instant anchor, Instant now);

}  // namespace slipway::events
