// Instant: a moment as whole milliseconds since 1970-01-01T00:00:00Z, and its AWS spellings.
// Values are handed in; only host::Clock knows what time it is.
#pragma once
#include <chrono>
#include <compare>
#include <optional>
#include <string>
#include <string_view>

namespace slipway {

using Duration = std::chrono::milliseconds;

struct Instant {
  Duration since_epoch{};
  auto operator<=>(const Instant&) const = default;
  long long ms() const { return since_epoch.count(); }
};

inline Instant operator+(Instant at, Duration delay) {
  return Instant{at.since_epoch + delay};
}
inline Instant operator-(Instant at, Duration delay) {
  return Instant{at.since_epoch - delay};
}
inline Duration operator-(Instant later, Instant earlier) {
  return later.since_epoch - earlier.since_epoch;
}
inline Instant instant_ms(long long ms) {
  return Instant{Duration{ms}};
}

// "2026-11-23T17:24:23Z", as EventBridge events carry it.
std::string iso_seconds(Instant at);
// "2026-11-23T17:24:23.123Z", as ECS events and XML answers carry it.
std::string iso_millis(Instant at);
// "20261123T172423Z", as X-Amz-Date carries it.
std::string amz_date(Instant at);
// "Mon, 23 Nov 2026 17:24:23 GMT", as HTTP's Date carries it (RFC 9110 section 5.6.7).
std::string http_date(Instant at);
// Seconds with fraction, as awsJson answers carry timestamps.
inline double epoch_seconds(Instant at) {
  return static_cast<double>(at.ms()) / 1000.0;
}

// Reads "2026-11-23T17:24:23[.123][Z|+00:00]"; nullopt when it is anything else.
std::optional<Instant> parse_iso(std::string_view text);
// Reads "20261123T172423Z"; nullopt when it is anything else.
std::optional<Instant> parse_amz_date(std::string_view text);
// Reads "Mon, 23 Nov 2026 17:24:23 GMT"; nullopt when it is anything else.
std::optional<Instant> parse_http_date(std::string_view text);

}  // namespace slipway
