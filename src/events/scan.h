// Scan: one JSON text (RFC 8259), validated as a whole and indexed, 512 bytes at a time.  Pure.
//
// The text must be one object in UTF-8.  A bit for each byte tells its class, and the grammar is checked on rows of 512
// bits: which token follows which is a matter of adding a row to that of the white space, so that a carry runs to the
// next token. Only brackets are looked at one by one.  (After the idea of simdjson, Langdale and Lemire 2019,
// https://arxiv.org/abs/1902.08318, which finds tokens in this manner and checks the grammar afterwards.)
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace slipway::events {

constexpr std::size_t kEventDepthMax = 1000;         // Objects and arrays within each other.
constexpr std::size_t kEventBytesMax = 256UL << 20;  // 256 MiB; positions are 32 bits wide.

// Which instructions do the work.  All give the same answers.
enum class Kernel { portable, avx2, avx512 };
Kernel best_kernel();  // The best that this processor has.

class Scan {
 public:
  explicit Scan(Kernel kernel = best_kernel()) : kernel_(kernel) {}

  // Reads `text`; false when it is not one JSON object.  What the functions below answer is of the last text that was
  // read. Memory: 8 bytes for each byte of the longest text so far.
  bool read(std::string_view text);
  // What is wrong with the last text, and where.  Looks at it again, byte by byte.
  Error fault(std::string_view text) const;

  // Positions of tokens in the order of the text: brackets, both quotes of each string, the first character of each
  // number and literal.  Commas and colons are left out: a valid text has them where they must be.
  const std::uint32_t* tokens() const { return tokens_.data(); }
  // For the token number of an opening bracket that of the closing one.
  const std::uint32_t* partners() const { return partners_.data(); }
  std::size_t size() const { return size_; }
  bool has_escapes() const { return has_escapes_; }

 private:
  template <class Instructions>
  friend struct Scanner;

  Kernel kernel_;
  std::vector<std::uint32_t> tokens_;
  std::vector<std::uint32_t> partners_;
  std::vector<std::uint32_t> open_;  // The brackets that are open, as token numbers with what they are in.
  std::size_t size_ = 0;
  bool has_escapes_ = false;
};

// What is wrong with `text` as one JSON object, found byte by byte; empty when nothing is.  `at` is where.
std::string json_fault(std::string_view text, std::size_t& at);

// The characters between the quotes of a string of a valid text, escapes resolved.
void resolve_escapes(std::string_view quoted, std::string& out);

}  // namespace slipway::events
