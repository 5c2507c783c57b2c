// Decimal: a JSON number as the pattern language compares it, without rounding.  Pure.
//
// aws/event-ruler compares a number when its decimal value is exactly what Double.toString prints of its double
// (patterns.md calls it comparable): 1, 1.0 and 10e-1 are one value; 9007199254740993, 1e400 and 0.99999999999999999
// are text only.  What Double.toString prints is taken to be the shortest decimal that reads back as the same double,
// as since JDK 19; older JDKs print some few doubles with a digit more.
#pragma once
#include <compare>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace slipway::events {

// Decimals order as their values do.  `rank` is the sign and the power of ten (zero: 0), `digits` the digits that
// count, at most 17, from the left; both are mirrored below zero.
struct Decimal {
  std::int32_t rank = 0;
  std::uint64_t digits = 0;
  auto operator<=>(const Decimal&) const = default;
};

struct ReadDecimal {
  Decimal value;
  // How many digits from the first to the last that is not zero.
  int significant = 0;
  std::size_t length = 0;  // Characters of the number.
  // The value may be one that compares; is_comparable() decides.
  bool maybe_comparable = false;
};

// Reads the number at the front of `text`, spelled as RFC 8259 has it; nothing else may stand there.
ReadDecimal read_decimal(std::string_view text);
// Whether the number that `read` was made from compares.  `text` is its spelling.
bool is_comparable(const ReadDecimal& read, std::string_view text);

}  // namespace slipway::events
