// Scan: one JSON text (RFC 8259), validated as a whole and indexed.  Pure.
//
// The text must be one object in UTF-8.  Two passes:
// - Over the bytes, 64 at a time: a bit for each byte tells its class; strings, numbers and white space are told apart
//   and checked on rows of 512 such bits, and the tokens are written down, each with its kind.
// - Over the kinds of the tokens, 64 at a time: which kind follows which.  Only brackets are looked at one by one.
// (After the idea of simdjson, Langdale and Lemire 2019, https://arxiv.org/abs/1902.08318, which finds tokens in this
// manner and checks the grammar afterwards.)
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace slipway::events {

constexpr std::size_t kEventDepthMax = 1000;         // Objects and arrays within each other.
constexpr std::size_t kEventBytesMax = 256UL << 20;  // 256 MiB; positions are 32 bits wide.

// What a token is; bits.
enum Kind : std::uint8_t {
  kString = 1,
  kScalar = 128,  // A number or literal.
  kOpen = 4,
  kClose = 8,
  kComma = 16,
  kColon = 32,
  kCurly = 64,  // Of a bracket: {} and not [].
};

// Which instructions do the work.  All give the same answers.
enum class Kernel { portable, avx2, avx512 };
Kernel best_kernel();  // The best that this processor has.

class Scan {
 public:
  explicit Scan(Kernel kernel = best_kernel()) : kernel_(kernel) {}

  // Reads `text`; false when it is not one JSON object.  What the functions below answer is of the last text that was
  // read. Memory: 13 bytes for each byte of the longest text so far.
  bool read(std::string_view text);
  // What is wrong with the last text, and where.  Looks at it again, byte by byte.
  Error fault(std::string_view text) const;

  // The tokens in the order of the text: brackets, commas, colons, strings, numbers and literals.  Where they begin,
  // and their kinds.  (Where a string ends is seen from the token behind it: nothing but white space lies between.)
  const std::uint32_t* tokens() const { return tokens_.data(); }
  const std::uint8_t* kinds() const { return kinds_.data() + kFront; }
  // For the token number of an opening bracket that of the closing one.
  const std::uint32_t* partners() const { return partners_.data(); }
  std::size_t size() const { return size_; }
  bool has_escapes() const { return has_escapes_; }

 private:
  template <class Instructions>
  friend struct Scanner;

  static constexpr std::size_t kFront = 3;  // A token has so many before and behind it, some of no kind.

  Kernel kernel_;
  std::vector<std::uint32_t> tokens_;
  std::vector<std::uint8_t> kinds_;
  std::vector<std::uint32_t> partners_;
  std::vector<std::uint32_t> brackets_;  // Token numbers.
  std::vector<std::uint32_t> open_;      // Of them those that are open.
  std::size_t size_ = 0;
  bool has_escapes_ = false;
};

// What is wrong with `text` as one JSON object, found byte by byte; empty when nothing is.  `at` is where.
std::string json_fault(std::string_view text, std::size_t& at);

// The characters between the quotes of a string of a valid text, escapes resolved.
void resolve_escapes(std::string_view quoted, std::string& out);

}  // namespace slipway::events
