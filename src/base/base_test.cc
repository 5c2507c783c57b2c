#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <stdexcept>

#include "base/arn.h"
#include "base/digest.h"
#include "base/json.h"
#include "base/run.h"
#include "base/task.h"
#include "base/text.h"

namespace slipway {
namespace {

using namespace std::chrono_literals;

task<std::string> answer_after(Duration delay, std::string answer) {
  co_await pause(delay);
  co_return answer;
}

task<std::string> fail_after(Duration delay) {
  co_await pause(delay);
  throw std::runtime_error("broken");
}

TEST(WithDeadline, ReturnsTheAnswerInTime) {
  EXPECT_EQ(run(with_deadline(1s, answer_after(1ms, "a string long enough for the heap"))),
            "a string long enough for the heap");
}
TEST(WithDeadline, CancelsLateWork) {
  EXPECT_EQ(run(with_deadline(5ms, answer_after(10s, "late"))), std::nullopt);
}
TEST(WithDeadline, PropagatesFailureAtOnce) {
  EXPECT_THROW(run(with_deadline(10s, fail_after(1ms))), std::runtime_error);
}

task<void> sleep_and_mark(Duration delay, bool& done) {
  co_await pause(delay);
  done = true;
}

task<std::size_t> stop_a_group(bool& done) {
  TaskGroup group(co_await asio::this_coro::executor);
  group.spawn("sleeper", sleep_and_mark(1h, done));
  co_await pause(1ms);
  co_await group.stop();
  co_return group.running();
}

TEST(TaskGroup, StopCancelsAndWaits) {
  bool done = false;
  EXPECT_EQ(run(stop_a_group(done)), 0U);
  EXPECT_FALSE(done);
}

task<int> ring_before_waiting() {
  Bell bell(co_await asio::this_coro::executor);
  bell.ring();
  co_await bell.wait(1h);
  co_return 1;
}

task<void> spawn_another(TaskGroup& group, bool& done) {
  // Not cancellable while it waits on the pool, as a write to the database is.
  co_await asio::post(co_await asio::this_coro::executor, asio::use_awaitable);
  group.spawn("late", sleep_and_mark(1h, done));
}

task<std::size_t> stop_a_group_that_grows(bool& done) {
  TaskGroup group(co_await asio::this_coro::executor);
  group.spawn("grower", spawn_another(group, done));
  co_await group.stop();
  co_return group.running();
}

TEST(TaskGroup, WhatIsSpawnedDuringStopDoesNotKeepItFromEnding) {
  bool done = false;
  EXPECT_EQ(run(stop_a_group_that_grows(done)), 0U);
}

TEST(Bell, RemembersARingUntilSomebodyWaits) {
  EXPECT_EQ(run(ring_before_waiting()), 1);
}

TEST(Instant, ReadsWhatItWrites) {
  const Instant at = instant_ms(1795454663123);
  EXPECT_EQ(iso_millis(at), "2026-11-23T17:24:23.123Z");
  EXPECT_EQ(parse_iso(iso_millis(at)), at);
  EXPECT_EQ(amz_date(at), "20261123T172423Z");
  EXPECT_EQ(parse_amz_date("20261123T172423Z"), instant_ms(1795454663000));
  EXPECT_FALSE(parse_iso("2026-13-01T00:00:00Z"));
  EXPECT_FALSE(parse_amz_date("2026-11-23T17:24:23Z"));
}

TEST(Text, Base64RoundTripsEveryLength) {
  std::string bytes;
  for (int i = 0; i < 70; ++i) {
    EXPECT_EQ(base64_decode(base64_encode(bytes)), bytes);
    bytes += static_cast<char>(i * 37);
  }
  EXPECT_FALSE(base64_decode("not base64!"));
}

TEST(Text, GlobMatchesAsShellsDo) {
  EXPECT_TRUE(glob_match("release-*", "release-1.2"));
  EXPECT_TRUE(glob_match("*", ""));
  EXPECT_TRUE(glob_match("a*b?c", "axxbyc"));
  EXPECT_FALSE(glob_match("a*b", "axxc"));
}

TEST(Text, Utf8IsToldFromWhatLooksLikeIt) {
  for (std::size_t before = 0; before < 20; ++before) {
    for (std::size_t behind = 0; behind < 10; ++behind) {
      const auto within = [&](std::string_view bytes) {
        return is_utf8(std::string(before, 'a') + std::string(bytes) + std::string(behind, 'a'));
      };
      for (const auto* good : {"", "\x7F", "é", "€", "𐐀", "\xED\x9F\xBF", "\xEE\x80\x80", "\xF4\x8F\xBF\xBF"}) {
        EXPECT_TRUE(within(good)) << good;
      }
      // Alone, cut off, overlong, a surrogate, beyond the last plane, no lead.
      for (const auto* bad : {"\x80", "\xC3", "\xE2\x82", "\xF0\x90\x90", "\xC0\xAF", "\xC1\xBF", "\xE0\x9F\xBF",
                              "\xF0\x8F\xBF\xBF", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF"}) {
        EXPECT_FALSE(within(bad)) << bad;
      }
    }
  }
}

TEST(Text, PercentDecodingKeepsBrokenEscapes) {
  EXPECT_EQ(percent_decode("a%2Fb%zz%2"), "a/b%zz%2");
  EXPECT_EQ(percent_encode("a b/ü~"), "a%20b%2F%C3%BC~");
}

TEST(Digest, AcceptsOnlyWhatItCanVerify) {
  EXPECT_EQ(digest_of("").text, "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_TRUE(parse_digest(digest_of("x").text));
  EXPECT_FALSE(parse_digest("sha256:abc"));
  EXPECT_FALSE(parse_digest("md5:d41d8cd98f00b204e9800998ecf8427e"));
  Hasher hasher;
  hasher.update("a");
  hasher.update("b");
  EXPECT_EQ(hasher.finish(), digest_of("ab"));
}

TEST(Arn, KeepsColonsOfTheResource) {
  const auto arn = parse_arn("arn:aws:lambda:us-east-1:000000000000:function:f:$LATEST");
  ASSERT_TRUE(arn);
  EXPECT_EQ(arn->resource, "function:f:$LATEST");
  EXPECT_EQ(arn->text(), "arn:aws:lambda:us-east-1:000000000000:function:f:$LATEST");
  EXPECT_FALSE(parse_arn("arn:aws:lambda"));
}

TEST(Json, NumbersBeyondWhatFitsBecomeTheNearest) {
  const json::object numbers = parse_json(R"({"a":1e300,"b":-1e300,"c":18446744073709551615,"d":1.6})")->as_object();
  EXPECT_EQ(get_int(numbers, "a"), std::numeric_limits<long long>::max());
  EXPECT_EQ(get_int(numbers, "b"), std::numeric_limits<long long>::min());
  EXPECT_EQ(get_int(numbers, "c"), std::numeric_limits<long long>::max());
  EXPECT_EQ(get_int(numbers, "d"), 2);
}

TEST(Instant, SpeaksHttpsDates) {
  const Instant at = *parse_iso("2026-11-23T17:24:23Z");
  EXPECT_EQ(http_date(at), "Mon, 23 Nov 2026 17:24:23 GMT");
  EXPECT_EQ(parse_http_date("Mon, 23 Nov 2026 17:24:23 GMT"), at);
  for (const char* other : {"Tue, 23 Nov 2026 17:24:23 GMT", "Mon, 23 Nov 2026 17:24:23 UTC",
                            "Mon, 31 Feb 2026 17:24:23 GMT", "Mon, 23 Nov 2026 17:24:23", "20261123T172423Z", ""})
    EXPECT_FALSE(parse_http_date(other)) << other;
}

TEST(Json, SaysWhereItIsBroken) {
  EXPECT_TRUE(parse_json(R"({"a":1})"));
  EXPECT_FALSE(parse_json(R"({"a":1)"));
  EXPECT_FALSE(parse_json(R"({"a":1} x)"));
  EXPECT_FALSE(parse_json(""));
}

}  // namespace
}  // namespace slipway
