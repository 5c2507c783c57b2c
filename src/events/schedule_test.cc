#include "events/schedule.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace slipway::events {
namespace {

using namespace std::chrono_literals;

Instant at(std::string_view text) {
  return parse_iso(text).value();
}

// The next `count` firings after `from`, as text.
std::vector<std::string> firings(std::string_view expression, std::string_view from, int count) {
  const auto schedule = parse_schedule(expression);
  if (!schedule) return {"refused"};
  std::vector<std::string> out;
  Instant now = at(from);
  for (int i = 0; i < count; ++i) {
    const auto next = next_fire(*schedule, at(from), now);
    if (!next) {
      out.push_back("never");
      break;
    }
    out.push_back(iso_seconds(*next));
    now = *next;
  }
  return out;
}

using Firings = std::vector<std::string>;

TEST(Schedule, ACronFiresAtItsMinutes) {
  EXPECT_EQ(firings("cron(0/15 9-10 * * ? *)", "2026-11-25T09:31:07Z", 4),
            (Firings{"2026-11-25T09:45:00Z", "2026-11-25T10:00:00Z", "2026-11-25T10:15:00Z", "2026-11-25T10:30:00Z"}));
  EXPECT_EQ(firings("cron(5,35 23 31 12 ? *)", "2026-12-31T23:35:00Z", 1), (Firings{"2027-12-31T23:05:00Z"}));
}

TEST(Schedule, WeekDaysCountFromSundayAndHaveNames) {
  // 2026-11-25 is a Wednesday.
  EXPECT_EQ(firings("cron(0 18 ? * MON-FRI *)", "2026-11-27T18:00:00Z", 1), (Firings{"2026-11-30T18:00:00Z"}));
  EXPECT_EQ(firings("cron(0 18 ? * 1 *)", "2026-11-25T00:00:00Z", 1), (Firings{"2026-11-29T18:00:00Z"}));
  EXPECT_EQ(firings("cron(0 0 ? NOV sat-mon *)", "2026-11-25T00:00:00Z", 3),
            (Firings{"2026-11-28T00:00:00Z", "2026-11-29T00:00:00Z", "2026-11-30T00:00:00Z"}));
}

TEST(Schedule, LIsTheLastDay) {
  EXPECT_EQ(firings("cron(0 0 L * ? *)", "2028-01-31T00:00:00Z", 2),
            (Firings{"2028-02-29T00:00:00Z", "2028-03-31T00:00:00Z"}));
  EXPECT_EQ(firings("cron(0 0 ? * 6L *)", "2026-11-25T00:00:00Z", 2),
            (Firings{"2026-11-27T00:00:00Z", "2026-12-25T00:00:00Z"}));
  EXPECT_EQ(firings("cron(0 0 ? * L *)", "2026-11-25T00:00:00Z", 1), (Firings{"2026-11-28T00:00:00Z"}));
  EXPECT_EQ(firings("cron(0 0 LW * ? *)", "2026-10-25T00:00:00Z", 1), (Firings{"2026-10-30T00:00:00Z"}));
}

TEST(Schedule, WIsTheNearestWorkingDayOfTheSameMonth) {
  // 2026-08-01 is a Saturday, 2026-11-15 a Sunday, 2026-05-31 a Sunday.
  EXPECT_EQ(firings("cron(0 0 1W 8 ? *)", "2026-07-01T00:00:00Z", 1), (Firings{"2026-08-03T00:00:00Z"}));
  EXPECT_EQ(firings("cron(0 0 15W 11 ? *)", "2026-11-01T00:00:00Z", 1), (Firings{"2026-11-16T00:00:00Z"}));
  EXPECT_EQ(firings("cron(0 0 31W * ? *)", "2026-04-01T00:00:00Z", 1), (Firings{"2026-05-29T00:00:00Z"}));
}

TEST(Schedule, AHashIsTheNthOfItsKind) {
  EXPECT_EQ(firings("cron(30 14 ? * 3#2 *)", "2026-11-01T00:00:00Z", 2),
            (Firings{"2026-11-10T14:30:00Z", "2026-12-08T14:30:00Z"}));
  EXPECT_EQ(firings("cron(0 0 ? * FRI#5 *)", "2026-11-01T00:00:00Z", 1), (Firings{"2027-01-29T00:00:00Z"}));
}

TEST(Schedule, AYearThatIsOverNeverComes) {
  EXPECT_EQ(firings("cron(0 0 1 1 ? 2020-2025)", "2026-01-01T00:00:00Z", 1), (Firings{"never"}));
  EXPECT_EQ(firings("cron(0 0 31 2 ? *)", "2026-01-01T00:00:00Z", 1), (Firings{"never"}));
  EXPECT_EQ(firings("cron(0 0 29 2 ? 2026/2)", "2026-01-01T00:00:00Z", 1), (Firings{"2028-02-29T00:00:00Z"}));
}

TEST(Schedule, AYearOfFiringsIsCountedExactly) {
  struct Case {
    std::string_view expression;
    int firings;
  };
  // 2027 has 365 days, 52 Mondays, 261 working days.
  for (const auto& [expression, expected] :
       {Case{"cron(0/5 * * * ? *)", 365 * 24 * 12}, Case{"cron(0 12 ? * MON *)", 52}, Case{"cron(0 0 L * ? *)", 12},
        Case{"cron(0 18 ? * MON-FRI *)", 261}, Case{"rate(5 minutes)", 365 * 24 * 12}, Case{"rate(7 days)", 52}}) {
    const auto schedule = parse_schedule(expression);
    ASSERT_TRUE(schedule) << expression;
    const Instant end = at("2028-01-01T00:00:00Z");
    Instant now = at("2026-12-31T23:59:59Z");
    int count = 0;
    for (auto next = next_fire(*schedule, now, now); next && *next < end; next = next_fire(*schedule, now, now)) {
      now = *next;
      ++count;
    }
    EXPECT_EQ(count, expected) << expression;
  }
}

TEST(Schedule, WhatWasMissedIsNotMadeUpFor) {
  const auto schedule = parse_schedule("rate(5 minutes)").value();
  const Instant made = at("2026-11-25T10:00:00Z");
  EXPECT_EQ(next_fire(schedule, made, made + 61min), made + 65min);
  EXPECT_EQ(next_fire(schedule, made, made), made + 5min);
}

TEST(Schedule, WhatIsNoScheduleIsRefusedAsAwsDoes) {
  for (const std::string_view bad : {"",
                                     "rate()",
                                     "rate(10)",
                                     "rate(0 minutes)",
                                     "rate(-10 minutes)",
                                     "rate(1 minutes)",
                                     "rate(5 minute)",
                                     "rate(10 seconds)",
                                     "rate(10 MINUTES)",
                                     "rate( 10 minutes )",
                                     "rate(10  minutes)",
                                     " rate(10 minutes)",
                                     "rate(10 minutess)",
                                     "cron()",
                                     "cron(0 0 * * * *)",
                                     "cron(0 0 ? * ? *)",
                                     "cron(0 0 1 * ?)",
                                     "cron(60 0 1 * ? *)",
                                     "cron(0 24 1 * ? *)",
                                     "cron(0 0 32 * ? *)",
                                     "cron(0 0 0 * ? *)",
                                     "cron(0 0 1 13 ? *)",
                                     "cron(0 0 ? * 8 *)",
                                     "cron(0 0 ? * 0 *)",
                                     "cron(0 0 ? * MON#6 *)",
                                     "cron(0 0 1 * ? 1969)",
                                     "cron(0 0 1 * ? 2200)",
                                     "cron(0/0 0 1 * ? *)",
                                     "cron(5-1 0 1 * ? *)",
                                     "cron(? 0 1 * ? *)",
                                     "cron(0 0 1W,15W * ? *)",
                                     "cron(0 0 1 FOO ? *)",
                                     "at(2026-11-25T10:00:00)",
                                     "cron(a b c d e f)"}) {
    const auto schedule = parse_schedule(bad);
    ASSERT_FALSE(schedule) << bad;
    EXPECT_EQ(schedule.error().code, "ValidationException");
    EXPECT_EQ(schedule.error().message, "Parameter ScheduleExpression is not valid.");
  }
}

}  // namespace
}  // namespace slipway::events
