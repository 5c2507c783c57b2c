#include "events/schedule.h"

#include <array>
#include <charconv>
#include <string>
#include <vector>

#include "base/text.h"

namespace slipway::events {

namespace {

using namespace std::chrono_literals;

constexpr long long kRateValueMax = 1'000'000;
constexpr std::array<std::string_view, 12> kMonths{"JAN", "FEB", "MAR", "APR", "MAY", "JUN",
                                                   "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"};
constexpr std::array<std::string_view, 7> kWeekDays{"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"};

std::optional<int> number(std::string_view text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || text[0] == '-' || error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// What one field of a cron expression may hold.
struct Domain {
  int low, high;
  const std::string_view* names = nullptr;  // For low, low + 1, …
  std::size_t name_count = 0;
  bool wraps = false;  // SAT-MON is Saturday, Sunday, Monday.

  std::optional<int> value(std::string_view text) const {
    for (std::size_t i = 0; i < name_count; ++i) {
      if (text.size() == names[i].size() && to_lower(text) == to_lower(names[i])) return low + static_cast<int>(i);
    }
    const auto read = number(text);
    return read && *read >= low && *read <= high ? read : std::nullopt;
  }
};

constexpr Domain kMinute{0, 59};
constexpr Domain kHour{0, 23};
constexpr Domain kDay{1, 31};
constexpr Domain kMonth{1, 12, kMonths.data(), kMonths.size()};
constexpr Domain kWeekDay{1, 7, kWeekDays.data(), kWeekDays.size(), true};
constexpr Domain kYear{kYearFirst, kYearLast};

struct Span {
  int from, to, step;
};

// "*", "5", "5-9", "5/10", "*/10", "5-30/10".
std::optional<Span> read_span(std::string_view text, const Domain& domain) {
  Span span{domain.low, domain.high, 1};
  const auto slash = text.find('/');
  if (slash != std::string_view::npos) {
    const auto step = number(text.substr(slash + 1));
    if (!step || *step < 1 || *step > domain.high) return std::nullopt;
    span.step = *step;
    text = text.substr(0, slash);
  }
  if (text == "*") return span;
  const auto dash = text.find('-');
  const auto from = domain.value(text.substr(0, dash));
  if (!from) return std::nullopt;
  span.from = *from;
  if (dash != std::string_view::npos) {
    const auto to = domain.value(text.substr(dash + 1));
    if (!to || (*to < *from && !domain.wraps)) return std::nullopt;
    span.to = *to < *from ? *to + (domain.high - domain.low + 1) : *to;
  } else if (slash == std::string_view::npos) {
    span.to = span.from;
  }
  return span;
}

// Marks every value of a comma-separated field; `base` is subtracted from each.  False when it is no such field.
template <std::size_t Size>
bool read_field(std::string_view text, const Domain& domain, std::bitset<Size>& out, int base = 0) {
  const int count = domain.high - domain.low + 1;
  for (const auto& item : split(text, ',')) {
    const auto span = read_span(item, domain);
    if (!span) return false;
    for (int value = span->from; value <= span->to; value += span->step) {
      out.set(static_cast<std::size_t>((value > domain.high ? value - count : value) - base));
    }
  }
  return true;
}

bool read_days(std::string_view text, Cron& cron) {
  if (text == "L" || text == "LW") {
    cron.rule = text == "L" ? DayRule::last : DayRule::last_weekday;
    return true;
  }
  if (text.ends_with('W')) {
    const auto day = kDay.value(text.substr(0, text.size() - 1));
    cron.rule = DayRule::near_weekday;
    cron.day = day.value_or(0);
    return day.has_value();
  }
  return read_field(text, kDay, cron.days);
}

bool read_week_days(std::string_view text, Cron& cron) {
  if (text == "L") {  // Without a day it is the week's last.
    cron.week_days.set(7);
    return true;
  }
  const auto hash = text.find('#');
  if (hash != std::string_view::npos) {
    const auto kind = kWeekDay.value(text.substr(0, hash));
    const auto nth = number(text.substr(hash + 1));
    cron.rule = DayRule::nth_of_kind;
    cron.day = kind.value_or(0);
    cron.nth = nth.value_or(0);
    return kind && cron.nth >= 1 && cron.nth <= 5;
  }
  if (text.ends_with('L')) {
    const auto kind = kWeekDay.value(text.substr(0, text.size() - 1));
    cron.rule = DayRule::last_of_kind;
    cron.day = kind.value_or(0);
    return kind.has_value();
  }
  return read_field(text, kWeekDay, cron.week_days);
}

std::optional<Cron> read_cron(std::string_view text) {
  std::vector<std::string> fields;
  for (auto& field : split(text, ' ')) {
    if (!field.empty()) fields.push_back(std::move(field));
  }
  if (fields.size() != 6) return std::nullopt;
  Cron cron;
  const auto& days = fields[2];
  const auto& week_days = fields[4];
  if ((days == "?") == (week_days == "?")) return std::nullopt;  // Exactly one of the two says nothing.
  cron.by_week_day = days == "?";
  const bool good = read_field(fields[0], kMinute, cron.minutes) && read_field(fields[1], kHour, cron.hours) &&
                    (cron.by_week_day ? read_week_days(week_days, cron) : read_days(days, cron)) &&
                    read_field(fields[3], kMonth, cron.months) && read_field(fields[5], kYear, cron.years, kYearFirst);
  if (!good) return std::nullopt;
  return cron;
}

std::optional<Rate> read_rate(std::string_view text) {
  const auto space = text.find(' ');
  if (space == std::string_view::npos) return std::nullopt;
  const auto value = number(text.substr(0, space));
  if (!value || *value < 1 || *value > kRateValueMax) return std::nullopt;
  std::string_view unit = text.substr(space + 1);
  if (unit.ends_with('s') != (*value > 1)) return std::nullopt;
  if (*value > 1) unit.remove_suffix(1);
  Duration one{};
  if (unit == "minute") one = 1min;
  if (unit == "hour") one = 1h;
  if (unit == "day") one = 24h;
  if (one == Duration{}) return std::nullopt;
  return Rate{one * *value};
}

// Sunday is 1.
int week_day(std::chrono::year_month_day date) {
  return static_cast<int>(std::chrono::weekday(std::chrono::sys_days(date)).c_encoding()) + 1;
}

int day_of(std::chrono::year_month_day date) {
  return static_cast<int>(static_cast<unsigned>(date.day()));
}

// The working day nearest to `wanted` that does not leave the month.
int nearest_working_day(std::chrono::year_month month, int wanted, int last) {
  wanted = std::min(wanted, last);
  const int kind = week_day(month / std::chrono::day(static_cast<unsigned>(wanted)));
  if (kind == 7) return wanted == 1 ? 3 : wanted - 1;
  if (kind == 1) return wanted == last ? wanted - 2 : wanted + 1;
  return wanted;
}

bool fires_on(const Cron& cron, std::chrono::year_month_day date) {
  const auto month = date.year() / date.month();
  const int last = day_of(std::chrono::year_month_day(month / std::chrono::last));
  const int day = day_of(date);
  switch (cron.rule) {
    case DayRule::listed:
      return cron.by_week_day ? cron.week_days[static_cast<std::size_t>(week_day(date))]
                              : cron.days[static_cast<std::size_t>(day)];
    case DayRule::last:
      return day == last;
    case DayRule::last_weekday:
      return day == nearest_working_day(month, last, last);
    case DayRule::near_weekday:
      // A month without that day does not fire: 31W skips April.
      return cron.day <= last && day == nearest_working_day(month, cron.day, last);
    case DayRule::last_of_kind:
      return week_day(date) == cron.day && day + 7 > last;
    case DayRule::nth_of_kind:
      return week_day(date) == cron.day && (day - 1) / 7 + 1 == cron.nth;
  }
  return false;
}

// The first minute of the day, from `from` on, at which the expression fires.
std::optional<Duration> minute_of_day(const Cron& cron, int from) {
  for (int minute = from; minute < 24 * 60; ++minute) {
    const auto hour = static_cast<std::size_t>(minute / 60);
    if (!cron.hours[hour]) {
      minute = static_cast<int>(hour) * 60 + 59;
      continue;
    }
    if (cron.minutes[static_cast<std::size_t>(minute % 60)]) return std::chrono::minutes(minute);
  }
  return std::nullopt;
}

std::optional<Instant> next_of_cron(const Cron& cron, Instant now) {
  const auto next_minute = std::chrono::floor<std::chrono::minutes>(now.since_epoch) + 1min;
  auto day = std::chrono::floor<std::chrono::days>(std::chrono::sys_time<Duration>(next_minute));
  int from = static_cast<int>((next_minute - day.time_since_epoch()) / 1min);
  // A day, a month or a year that does not fire is passed over as a whole.
  for (;;) {
    const std::chrono::year_month_day date(day);
    const int year = static_cast<int>(date.year());
    if (year > kYearLast) return std::nullopt;
    if (year < kYearFirst || !cron.years[static_cast<std::size_t>(year - kYearFirst)]) {
      day = std::chrono::sys_days((date.year() + std::chrono::years(1)) / 1 / 1);
    } else if (!cron.months[static_cast<unsigned>(date.month())]) {
      day = std::chrono::sys_days(
          std::chrono::year_month_day((date.year() / date.month() + std::chrono::months(1)) / std::chrono::day(1)));
    } else {
      const auto at = fires_on(cron, date) ? minute_of_day(cron, from) : std::nullopt;
      if (at) return Instant{std::chrono::duration_cast<Duration>(day.time_since_epoch()) + *at};
      day += std::chrono::days(1);
    }
    from = 0;
  }
}

}  // namespace

Result<Schedule> parse_schedule(std::string_view expression) {
  const auto inside = [&](std::string_view name) -> std::optional<std::string_view> {
    if (!expression.starts_with(name) || !expression.ends_with(')')) return std::nullopt;
    return expression.substr(name.size(), expression.size() - name.size() - 1);
  };
  if (const auto text = inside("rate(")) {
    if (const auto rate = read_rate(*text)) return *rate;
  }
  if (const auto text = inside("cron(")) {
    if (const auto cron = read_cron(*text)) return *cron;
  }
  return fail(Fault::invalid, "ValidationException", "Parameter ScheduleExpression is not valid.");
}

std::optional<Instant> next_fire(const Schedule& schedule, Instant anchor, Instant now) {
  if (const auto* cron = std::get_if<Cron>(&schedule)) return next_of_cron(*cron, now);
  const auto every = std::get<Rate>(schedule).every;
  if (now < anchor) return anchor + every;
  return anchor + every * ((now - anchor) / every + 1);
}

}  // namespace slipway::events
