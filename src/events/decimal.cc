#include "events/decimal.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstring>

namespace slipway::events {

namespace {

constexpr int kDigitsMax = 17;                                 // The shortest decimal of a double never has more.
constexpr std::uint64_t kDigitsEnd = 100'000'000'000'000'000;  // 10^17
// Powers of ten beyond this are no doubles at all; what lies between it and the limits of a double is looked at
// closely.
constexpr int kPowerMax = 100'000;
// Within these bounds every decimal of 15 digits or fewer is the shortest of its double (DBL_DIG).
constexpr int kExactDigits = 15;
constexpr int kExactPower = 290;
constexpr std::int32_t kRankOfOne = 1'000'000;

constexpr std::array<std::uint64_t, kDigitsMax + 1> powers_of_ten() {
  std::array<std::uint64_t, kDigitsMax + 1> out{};
  std::uint64_t power = 1;
  for (auto& each : out) {
    each = power;
    power *= 10;
  }
  return out;
}
constexpr auto kPowers = powers_of_ten();

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// Eight digits at once when the next eight characters are digits: three multiplications instead of eight.
bool eight_digits(const char* at, std::uint64_t& value) {
  std::uint64_t word = 0;
  std::memcpy(&word, at, sizeof word);
  const std::uint64_t shifted = word - 0x3030303030303030;
  if ((((word + 0x4646464646464646) | shifted) & 0x8080808080808080) != 0) return false;
  word = shifted * 10 + (shifted >> 8);
  word =
      ((word & 0x000000FF000000FF) * 0x000F424000000064 + ((word >> 16) & 0x000000FF000000FF) * 0x0000271000000001) >>
      32;
  value = word;
  return true;
}

// Digits as they come: the first 17 that count are kept, and it is known whether a later one was not zero.
struct Gathered {
  std::uint64_t digits = 0;
  int kept = 0;
  int skipped_zeros = 0;  // Leading zeros.
  int dropped = 0;        // Digits beyond the 17th.
  bool lost = false;      // One of those was not zero.

  const char* take(const char* at, const char* end) {
    while (kept == 0 && at != end && *at == '0') {
      ++at;
      ++skipped_zeros;
    }
    std::uint64_t eight = 0;
    while (kept + 8 <= kDigitsMax && end - at >= 8 && eight_digits(at, eight)) {
      digits = digits * 100'000'000 + eight;
      kept += 8;
      at += 8;
    }
    for (; at != end && is_digit(*at); ++at) {
      if (kept < kDigitsMax) {
        digits = digits * 10 + static_cast<std::uint64_t>(*at - '0');
        ++kept;
      } else {
        ++dropped;
        lost = lost || *at != '0';
      }
    }
    return at;
  }
};

}  // namespace

ReadDecimal read_decimal(std::string_view text) {
  const char* at = text.data();
  const char* const end = at + text.size();
  const bool negative = at != end && *at == '-';
  if (negative) ++at;
  Gathered gathered;
  at = gathered.take(at, end);
  int power = gathered.kept + gathered.dropped;  // The value is 0.digits * 10^power.
  if (at != end && *at == '.') {
    const bool leading = gathered.kept == 0;
    gathered.skipped_zeros = 0;
    at = gathered.take(at + 1, end);
    if (leading) power = -gathered.skipped_zeros;
  }
  if (at != end && (*at == 'e' || *at == 'E')) {
    ++at;
    const bool down = *at == '-';
    if (*at == '-' || *at == '+') ++at;
    int exponent = 0;
    for (; at != end && is_digit(*at); ++at) {
      if (exponent < kPowerMax) exponent = exponent * 10 + (*at - '0');
    }
    power += down ? -exponent : exponent;
  }
  ReadDecimal out;
  out.length = static_cast<std::size_t>(at - text.data());
  if (gathered.digits == 0) {  // Zero, however it is written.
    out.maybe_comparable = true;
    return out;
  }
  out.significant = gathered.lost ? kDigitsMax + 1 : gathered.kept;
  out.maybe_comparable = !gathered.lost && power > -kPowerMax && power < kPowerMax;
  if (!out.maybe_comparable) return out;
  const std::uint64_t digits = gathered.digits * kPowers[static_cast<std::size_t>(kDigitsMax - gathered.kept)];
  const std::int32_t rank = kRankOfOne + power;
  out.value = negative ? Decimal{-rank, kDigitsEnd - digits} : Decimal{rank, digits};
  return out;
}

bool is_comparable(const ReadDecimal& read, std::string_view text) {
  if (!read.maybe_comparable) return false;
  if (read.value.rank == 0) return true;
  const int power = std::abs(read.value.rank) - kRankOfOne;
  if (read.significant <= kExactDigits && std::abs(power) < kExactPower) return true;
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || !std::isfinite(value)) return false;
  std::array<char, 32> shortest;
  const auto written =
      std::to_chars(shortest.data(), shortest.data() + shortest.size(), value, std::chars_format::scientific);
  return read_decimal({shortest.data(), written.ptr}).value == read.value;
}

}  // namespace slipway::events
