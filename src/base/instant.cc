#include "base/instant.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>

namespace slipway {
namespace {

using namespace std::chrono;

constexpr std::array<std::string_view, 7> kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

struct Parts {
  year_month_day date;
  hh_mm_ss<milliseconds> time;
};

Parts parts_of(Instant at) {
  const sys_time<milliseconds> moment{at.since_epoch};
  const auto day = floor<days>(moment);
  return {year_month_day{day}, hh_mm_ss<milliseconds>{moment - day}};
}

std::string date_time(Instant at, std::string_view form) {
  const auto [date, time] = parts_of(at);
  return fmt::format(fmt::runtime(form), static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                     static_cast<unsigned>(date.day()), time.hours().count(), time.minutes().count(),
                     time.seconds().count(), time.subseconds().count());
}

// Reads `digits` decimal digits at the front of `text` and removes them.
std::optional<int> take_number(std::string_view& text, std::size_t digits) {
  if (text.size() < digits) return std::nullopt;
  int value = 0;
  for (const char c : text.substr(0, digits)) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + (c - '0');
  }
  text.remove_prefix(digits);
  return value;
}

bool take(std::string_view& text, char expected) {
  if (text.empty() || text.front() != expected) return false;
  text.remove_prefix(1);
  return true;
}

std::optional<Instant> assemble(int y, int mo, int d, int h, int mi, int s, int ms) {
  const year_month_day date{year{y}, month{static_cast<unsigned>(mo)}, day{static_cast<unsigned>(d)}};
  if (!date.ok() || h > 23 || mi > 59 || s > 60) return std::nullopt;
  const auto moment = sys_days{date} + hours{h} + minutes{mi} + seconds{s} + milliseconds{ms};
  return Instant{duration_cast<milliseconds>(moment.time_since_epoch())};
}

int take_fraction(std::string_view& text) {
  int ms = 0;
  int scale = 100;
  while (!text.empty() && std::isdigit(static_cast<unsigned char>(text.front()))) {
    ms += (text.front() - '0') * scale;
    scale /= 10;
    text.remove_prefix(1);
  }
  return ms;
}

}  // namespace

std::string iso_seconds(Instant at) {
  return date_time(at, "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z");
}
std::string iso_millis(Instant at) {
  return date_time(at, "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z");
}
std::string amz_date(Instant at) {
  return date_time(at, "{:04}{:02}{:02}T{:02}{:02}{:02}Z");
}

std::string http_date(Instant at) {
  const auto [date, time] = parts_of(at);
  const auto day = weekday{sys_days{date}}.c_encoding();
  return fmt::format("{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT", kDays.at(day), static_cast<unsigned>(date.day()),
                     kMonths.at(static_cast<unsigned>(date.month()) - 1), static_cast<int>(date.year()),
                     time.hours().count(), time.minutes().count(), time.seconds().count());
}

std::optional<Instant> parse_iso(std::string_view text) {
  const auto y = take_number(text, 4);
  if (!y || !take(text, '-')) return std::nullopt;
  const auto mo = take_number(text, 2);
  if (!mo || !take(text, '-')) return std::nullopt;
  const auto d = take_number(text, 2);
  if (!d || !(take(text, 'T') || take(text, ' '))) return std::nullopt;
  const auto h = take_number(text, 2);
  if (!h || !take(text, ':')) return std::nullopt;
  const auto mi = take_number(text, 2);
  if (!mi || !take(text, ':')) return std::nullopt;
  const auto s = take_number(text, 2);
  if (!s) return std::nullopt;
  const int ms = take(text, '.') ? take_fraction(text) : 0;
  if (text != "Z" && text != "+00:00" && !text.empty()) return std::nullopt;
  return assemble(*y, *mo, *d, *h, *mi, *s, ms);
}

std::optional<Instant> parse_amz_date(std::string_view text) {
  const auto y = take_number(text, 4);
  const auto mo = take_number(text, 2);
  const auto d = take_number(text, 2);
  if (!y || !mo || !d || !take(text, 'T')) return std::nullopt;
  const auto h = take_number(text, 2);
  const auto mi = take_number(text, 2);
  const auto s = take_number(text, 2);
  if (!h || !mi || !s || text != "Z") return std::nullopt;
  return assemble(*y, *mo, *d, *h, *mi, *s, 0);
}

std::optional<Instant> parse_http_date(std::string_view text) {
  const std::string_view whole = text;
  if (text.size() != 29) return std::nullopt;
  text.remove_prefix(5);  // The day of the week says nothing new; it is compared at the end.
  const auto d = take_number(text, 2);
  if (!d || !take(text, ' ')) return std::nullopt;
  const auto* const month = std::ranges::find(kMonths, text.substr(0, 3));
  text.remove_prefix(3);
  if (month == kMonths.end() || !take(text, ' ')) return std::nullopt;
  const auto y = take_number(text, 4);
  if (!y || !take(text, ' ')) return std::nullopt;
  const auto h = take_number(text, 2);
  if (!h || !take(text, ':')) return std::nullopt;
  const auto mi = take_number(text, 2);
  if (!mi || !take(text, ':')) return std::nullopt;
  const auto s = take_number(text, 2);
  if (!s) return std::nullopt;
  const auto at = assemble(*y, static_cast<int>(month - kMonths.begin()) + 1, *d, *h, *mi, *s, 0);
  return at && http_date(*at) == whole ? at : std::nullopt;
}

}  // namespace slipway
