#include "events/scan.h"

#include <array>
#include <bit>
#include <cstring>

#include "events/casing.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

// Rows pass between functions that are always inlined into one that may use such registers: there is no call to agree
// on.
#pragma clang diagnostic ignored "-Wpsabi"

namespace slipway::events {

namespace {

using Bits = std::uint64_t;

constexpr std::size_t kBlock = 64;

// The code below is compiled once for each kernel, within a function that may use the kernel's instructions.
#define SLIPWAY_INLINE __attribute__((always_inline)) inline

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}
int hex_value(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

constexpr std::size_t kLanes = 8;
constexpr std::size_t kStretch = kLanes * kBlock;  // 512 bytes: what is looked at as one row of bits.

// A bit for each of 512 bytes.
using Row = std::uint64_t __attribute__((ext_vector_type(8)));

// The classes of the bytes of a stretch.  Of a bracket `curly` tells {} from [].  `inside` is from each opening quote
// up to the closing one.
struct Stretch {
  Row quote, inside, control, space, open, close, curly, comma, colon;
  Row digit, zero, dot, exponent, minus, plus;
};
// Those of one block, in the same order; quotes and backslashes as they stand.
struct Classes {
  Bits quote, backslash, control, space, open, close, curly, comma, colon;
  Bits digit, zero, dot, exponent, minus, plus;
  bool high;  // Some byte is not ASCII.
};

SLIPWAY_INLINE Bits& lane(Row& row, std::size_t i) {
  return reinterpret_cast<Bits*>(&row)[i];
}

// What any processor can do.
struct PortableKernel {
  static constexpr std::array<std::uint16_t, 256> table() {
    std::array<std::uint16_t, 256> out{};
    const auto mark = [&](std::string_view characters, int bit) {
      for (const char c : characters) out[static_cast<unsigned char>(c)] |= static_cast<std::uint16_t>(1U << bit);
    };
    for (std::size_t c = 0; c < 0x20; ++c) out[c] |= 1U << 2;
    mark("\"", 0);
    mark("\\", 1);
    mark(" \t\n\r", 3);
    mark("{[", 4);
    mark("}]", 5);
    mark("{}", 6);
    mark(",", 7);
    mark(":", 8);
    mark("0123456789", 9);
    mark("0", 10);
    mark(".", 11);
    mark("eE", 12);
    mark("-", 13);
    mark("+", 14);
    return out;
  }
  static void classify(const char* block, Classes& out) {
    static constexpr auto kTable = table();
    std::array<Bits, 15> rows{};
    unsigned char any = 0;
    for (std::size_t i = 0; i < kBlock; ++i) {
      const auto byte = static_cast<unsigned char>(block[i]);
      any |= byte;
      for (unsigned marks = kTable[byte]; marks != 0; marks &= marks - 1) {
        rows[static_cast<std::size_t>(std::countr_zero(marks))] |= Bits{1} << i;
      }
    }
    out = {rows[0], rows[1], rows[2],  rows[3],  rows[4],  rows[5],  rows[6],  rows[7],
           rows[8], rows[9], rows[10], rows[11], rows[12], rows[13], rows[14], any >= 0x80};
  }
  // The `size` characters that are left, and white space behind them.
  static void pad(const char* from, std::size_t size, char* out) {
    std::memset(out, ' ', kBlock);
    std::memcpy(out, from, size);
  }
  static Bits prefix_xor(Bits bits) {
    for (int shift = 1; shift < 64; shift *= 2) bits ^= bits << shift;
    return bits;
  }
  // out = a + b as numbers of 512 bits, and what is carried on from stretch to stretch.
  static void add(const Row& a, const Row& b, Bits& carry, Row& out) {
    for (std::size_t i = 0; i < kLanes; ++i) {
      unsigned long long next = 0;
      out[i] = __builtin_addcll(a[i], b[i], carry, &next);
      carry = next;
    }
  }
  static std::uint32_t* store(std::uint32_t* out, Bits bits, std::uint32_t base) {
    for (; bits != 0; bits &= bits - 1) *out++ = base + static_cast<std::uint32_t>(std::countr_zero(bits));
    return out;
  }
};

}  // namespace

// What a stretch must know of those before it is kept in the members between.
template <class Kernel>
struct Scanner {
  enum Context : std::uint32_t { in_array = 0, in_object = 1, outside = 2 };

  Scan& scan;
  std::string_view text;
  std::uint32_t* token;
  std::size_t depth = 0;
  Context context = outside;
  bool root_seen = false;
  bool wrong = false;
  bool high = false;
  bool escapes = false;

  Bits in_string = 0;     // All ones within a string.
  Bits escaped = 0;       // The next character is escaped.
  Bits literal_left = 0;  // Bits of the next block that belong to a literal.
  // Of the stretch before, for its last bit.
  Row last_value{}, last_open{}, last_comma{}, last_key{}, last_scalar{};
  Row last_digit{}, last_dot{}, last_exponent{}, last_sign{}, last_minus{}, last_zero{}, last_power_sign{};
  // Carried on: white space behind a value, a bracket, a comma, a key; strings that may be keys; digits of a fraction,
  // of a power.
  Bits past_value = 0, past_open = 0, past_comma = 1, past_key = 0, in_key = 0, in_fraction = 0, in_power = 0;

  // The characters behind those marked.
  SLIPWAY_INLINE static Row next(const Row& row, Row& last) {
    const Row before = __builtin_shufflevector(last, row, 7, 8, 9, 10, 11, 12, 13, 14);
    last = row;
    return (row << 1) | (before >> 63);
  }
  // The first characters from those marked on that are no white space.
  SLIPWAY_INLINE static Row past(const Row& marked, const Row& space, Bits& carry) {
    Row sum;
    Kernel::add(marked & space, space, carry, sum);
    return (marked | sum) & ~space;
  }

  Bits resolve_backslashes(Bits backslash, std::size_t at) {
    Bits out = escaped;
    backslash &= ~escaped;
    escaped = 0;
    escapes = true;
    while (backslash != 0) {
      const int i = std::countr_zero(backslash);
      backslash &= backslash - 1;
      if (i == 63) {
        escaped = 1;
      } else {
        out |= Bits{2} << i;
        backslash &= ~(Bits{2} << i);
      }
      if (!known_escape(at + static_cast<std::size_t>(i) + 1)) wrong = true;
    }
    return out;
  }

  bool known_escape(std::size_t at) const {
    const char c = at < text.size() ? text[at] : '\0';
    if (c != 'u') return c != '\0' && std::string_view("\"\\/bfnrt").find(c) != std::string_view::npos;
    for (std::size_t i = 1; i <= 4; ++i) {
      if (at + i >= text.size() || hex_value(text[at + i]) < 0) return false;
    }
    return true;
  }

  SLIPWAY_INLINE void block(const char* bytes, std::size_t at, std::size_t i, Stretch& out) {
    Classes c;
    Kernel::classify(bytes, c);
    high = high || c.high;
    Bits quotes = c.quote;
    if ((c.backslash | escaped) != 0) [[unlikely]]
      quotes &= ~resolve_backslashes(c.backslash, at);
    const Bits inside = Kernel::prefix_xor(quotes) ^ in_string;
    in_string = static_cast<Bits>(static_cast<std::int64_t>(inside) >> 63);
    lane(out.quote, i) = quotes;
    lane(out.inside, i) = inside;
    lane(out.control, i) = c.control;
    lane(out.space, i) = c.space;
    lane(out.open, i) = c.open;
    lane(out.close, i) = c.close;
    lane(out.curly, i) = c.curly;
    lane(out.comma, i) = c.comma;
    lane(out.colon, i) = c.colon;
    lane(out.digit, i) = c.digit;
    lane(out.zero, i) = c.zero;
    lane(out.dot, i) = c.dot;
    lane(out.exponent, i) = c.exponent;
    lane(out.minus, i) = c.minus;
    lane(out.plus, i) = c.plus;
  }

  // The rest of a stretch when the text has ended: white space, as it were.
  void no_block(std::size_t i, Stretch& out) {
    for (Row* row = &out.quote; row <= &out.plus; ++row) lane(*row, i) = 0;
    lane(out.inside, i) = in_string;
    lane(out.space, i) = ~Bits{0};
  }

  // The characters of the literals that begin at `starts`; what is none is an error.
  void literals(Row starts, std::size_t at, Row& out) {
    for (std::size_t i = 0; i < kLanes; ++i) {
      Bits own = literal_left;
      literal_left = 0;
      for (Bits left = lane(starts, i); left != 0; left &= left - 1) {
        const int bit = std::countr_zero(left);
        const auto rest = text.substr(at + i * kBlock + static_cast<std::size_t>(bit));
        const std::size_t length = rest.starts_with("true") || rest.starts_with("null") ? 4
                                   : rest.starts_with("false")                          ? 5
                                                                                        : 0;
        // Nothing that a number or literal could be made of may follow.
        if (length == 0 || length >= rest.size() ||
            std::string_view(" \t\n\r,:{}[]\"").find(rest[length]) == std::string_view::npos) {
          wrong = true;
          return;
        }
        const Bits ones = (Bits{1} << length) - 1;
        own |= ones << bit;
        if (bit + static_cast<int>(length) > 64) literal_left = ones >> (64 - bit);
      }
      lane(out, i) = own;
    }
  }

  // What is wrong with the numbers among `scalars`.
  SLIPWAY_INLINE Row numbers(const Stretch& c, const Row& of_number, const Row& starts) {
    const Row digits = c.digit & of_number;
    const Row dots = c.dot & of_number;
    const Row exponents = c.exponent & of_number;
    const Row signs = (c.minus | c.plus) & of_number;
    const Row minuses = c.minus & starts;
    const Row after_digit = next(digits, last_digit);
    const Row after_dot = next(dots, last_dot);
    const Row after_exponent = next(exponents, last_exponent);
    const Row after_sign = next(signs, last_sign);
    Row errors = of_number & ~(digits | dots | exponents | signs);
    errors |= (signs & ~(minuses | after_exponent)) | ((after_sign | after_dot) & ~digits);
    errors |= ((dots | exponents) & ~after_digit) | (after_exponent & ~(digits | signs));
    // No digit behind a leading zero.
    const Row zeros = c.zero & digits & (starts | next(minuses, last_minus));
    errors |= next(zeros, last_zero) & digits;
    // No dot behind a fraction; no dot and no exponent behind an exponent.
    Row sum;
    Kernel::add(digits, after_dot & digits, in_fraction, sum);
    errors |= sum & ~digits & dots;
    const Row power_signs = signs & after_exponent;
    if (in_power != 0 || some(exponents | after_exponent | last_power_sign)) [[unlikely]] {
      Kernel::add(digits, digits & (after_exponent | next(power_signs, last_power_sign)), in_power, sum);
      errors |= sum & ~digits & (dots | exponents);
    }
    return errors;
  }

  SLIPWAY_INLINE static bool some(const Row& row) { return __builtin_reduce_or(row) != 0; }

  // Opens and closes; each part between brackets must be right for what it lies in.
  SLIPWAY_INLINE bool brackets(Bits opens, Bits closes, Bits curly, Bits tokens, const std::array<Bits, 3>& bad) {
    Bits done = 0;
    Bits errors = 0;
    const auto base = static_cast<std::uint32_t>(token - scan.tokens_.data());
    std::uint32_t* const partners = scan.partners_.data();
    std::uint32_t* const stack = scan.open_.data();
    for (Bits left = opens | closes; left != 0; left &= left - 1) {
      const Bits below = (left - 1) & ~left;
      const Bits bit = left & (0 - left);
      const Bits reach = below | bit;
      errors |= reach & ~done & bad[context];
      done = reach;
      const auto number = base + static_cast<std::uint32_t>(std::popcount(tokens & below));
      const Context kind = (curly & bit) != 0 ? in_object : in_array;
      if ((opens & bit) != 0) {
        if (depth >= kEventDepthMax || (depth == 0 && (root_seen || kind != in_object))) return false;
        root_seen = true;
        stack[depth++] = number << 2 | context;
        context = kind;
      } else {
        if (depth == 0 || kind != context) return false;
        const std::uint32_t top = stack[--depth];
        partners[top >> 2] = number;
        context = static_cast<Context>(top & 3);
      }
    }
    return (errors | (~done & bad[context])) == 0;
  }

  // The 512 bytes from `at` on.
  SLIPWAY_INLINE bool stretch(std::size_t at) {
    Stretch c;
    std::size_t blocks = 0;
    for (; blocks < kLanes && at + (blocks + 1) * kBlock <= text.size(); ++blocks) {
      block(text.data() + at + blocks * kBlock, at + blocks * kBlock, blocks, c);
    }
    const std::size_t end = at + blocks * kBlock;
    if (blocks < kLanes && end < text.size()) {
      alignas(kBlock) std::array<char, kBlock> rest;
      Kernel::pad(text.data() + end, text.size() - end, rest.data());
      block(rest.data(), end, blocks++, c);
    }
    for (std::size_t i = blocks; i < kLanes; ++i) no_block(i, c);

    const Row opening = c.quote & c.inside;
    const Row closing = c.quote & ~c.inside;
    const Row out = ~(c.inside | c.quote);
    const Row space = c.space & out;
    const Row opens = c.open & out;
    const Row closes = c.close & out;
    const Row commas = c.comma & out;
    const Row colons = c.colon & out;
    const Row scalars = out & ~(space | opens | closes | commas | colons);
    const Row after_scalar = next(scalars, last_scalar);
    const Row starts = scalars & ~after_scalar;

    // What follows what.
    const Row after_value = past(next(closing | closes, last_value) | (after_scalar & ~scalars), space, past_value);
    const Row after_open = past(next(opens, last_open), space, past_open);
    const Row after_comma = past(next(commas, last_comma), space, past_comma);
    Row sum;
    Kernel::add(c.inside, opening & (after_open | after_comma), in_key, sum);
    const Row after_key = past(next(sum & closing, last_key), space, past_key);
    const Row values = opening | starts | opens;
    const Row all = values | closes | commas | colons;
    const Row after_colon = all & ~(after_value | after_open | after_comma);
    Row errors = c.inside & c.control;
    errors |= after_value & ~(commas | closes | (colons & after_key));
    errors |= (after_comma | after_colon) & ~values;
    errors |= after_open & (commas | colons);

    Row literal = {};
    const Row words = starts & ~(c.digit | c.minus);
    if (literal_left != 0 || some(words)) literals(words, at, literal);
    errors |= numbers(c, scalars & ~literal, starts & ~words);
    if (wrong || some(errors)) return false;

    // In an array no colon; in an object only keys where keys must be; outside nothing but the first bracket.
    Row no_keys = ((after_open | after_comma) & ~(opening | closes)) | (after_key & ~colons);
    Row tokens = opens | closes | c.quote | starts;
    Row others = all & ~opens;
    Row of_array = colons;
    Row of_opens = opens;
    Row of_closes = closes;
    for (std::size_t i = 0; i < blocks; ++i) {
      const std::array<Bits, 3> bad = {lane(of_array, i), lane(no_keys, i), lane(others, i)};
      if (!brackets(lane(of_opens, i), lane(of_closes, i), lane(c.curly, i), lane(tokens, i), bad)) return false;
      token = Kernel::store(token, lane(tokens, i), static_cast<std::uint32_t>(at + i * kBlock));
    }
    return true;
  }

  SLIPWAY_INLINE bool read() {
    scan.size_ = 0;
    if (text.size() > kEventBytesMax) return false;
    // A token is at least one byte; a block is stored with up to 64 of slack.
    if (scan.tokens_.size() < text.size() + 2 * kBlock) {
      scan.tokens_.resize(text.size() + 2 * kBlock);
      scan.partners_.resize(text.size() + 2 * kBlock);
      scan.open_.resize(kEventDepthMax);
    }
    token = scan.tokens_.data();
    for (std::size_t at = 0; at < text.size(); at += kStretch) {
      if (!stretch(at)) return false;
    }
    if (depth != 0 || !root_seen || in_string != 0) return false;
    if (high && !is_utf8(text)) return false;
    scan.size_ = static_cast<std::size_t>(token - scan.tokens_.data());
    scan.has_escapes_ = escapes;
    return true;
  }
};

namespace {

bool read_portable(Scan& scan, std::string_view text) {
  return Scanner<PortableKernel>{.scan = scan, .text = text, .token = nullptr}.read();
}

#if defined(__x86_64__)
#pragma clang attribute push(__attribute__((target("avx2,bmi,bmi2,popcnt,lzcnt,pclmul"))), apply_to = function)
struct Avx2Kernel {
  static inline Bits bits(__m256i low, __m256i high) {
    return static_cast<std::uint32_t>(_mm256_movemask_epi8(low)) |
           static_cast<Bits>(static_cast<std::uint32_t>(_mm256_movemask_epi8(high))) << 32;
  }
  static inline Bits equal(__m256i low, __m256i high, char c) {
    const __m256i all = _mm256_set1_epi8(c);
    return bits(_mm256_cmpeq_epi8(low, all), _mm256_cmpeq_epi8(high, all));
  }
  static inline Bits at_most(__m256i low, __m256i high, char c) {
    const __m256i all = _mm256_set1_epi8(c);
    return bits(_mm256_cmpeq_epi8(_mm256_min_epu8(low, all), low), _mm256_cmpeq_epi8(_mm256_min_epu8(high, all), high));
  }
  static inline void classify(const char* block, Classes& c) {
    const __m256i low = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(block));
    const __m256i high = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(block + 32));
    const __m256i twenty = _mm256_set1_epi8(0x20);
    const __m256i low2 = _mm256_or_si256(low, twenty);
    const __m256i high2 = _mm256_or_si256(high, twenty);
    const __m256i zero = _mm256_set1_epi8('0');
    c.quote = equal(low, high, '"');
    c.backslash = equal(low, high, '\\');
    c.control = at_most(low, high, 0x1F);
    c.space = equal(low, high, ' ') | equal(low, high, '\t') | equal(low, high, '\n') | equal(low, high, '\r');
    c.open = equal(low2, high2, '{');
    c.close = equal(low2, high2, '}');
    c.curly = bits(_mm256_slli_epi16(low, 2), _mm256_slli_epi16(high, 2));  // Bit 5 tells {} from [].
    c.comma = equal(low, high, ',');
    c.colon = equal(low, high, ':');
    c.digit = at_most(_mm256_sub_epi8(low, zero), _mm256_sub_epi8(high, zero), 9);
    c.zero = equal(low, high, '0');
    c.dot = equal(low, high, '.');
    c.exponent = equal(low2, high2, 'e');
    c.minus = equal(low, high, '-');
    c.plus = equal(low, high, '+');
    c.high = _mm256_movemask_epi8(_mm256_or_si256(low, high)) != 0;
  }
  static inline void pad(const char* from, std::size_t size, char* out) { PortableKernel::pad(from, size, out); }
  static inline Bits prefix_xor(Bits bits) {
    const __m128i ones = _mm_set1_epi8(static_cast<char>(0xFF));
    return static_cast<Bits>(
        _mm_cvtsi128_si64(_mm_clmulepi64_si128(_mm_set_epi64x(0, static_cast<long long>(bits)), ones, 0)));
  }
  static inline void add(const Row& a, const Row& b, Bits& carry, Row& out) { PortableKernel::add(a, b, carry, out); }
  static inline std::uint32_t* store(std::uint32_t* out, Bits bits, std::uint32_t base) {
    return PortableKernel::store(out, bits, base);
  }
};
bool read_avx2(Scan& scan, std::string_view text) {
  return Scanner<Avx2Kernel>{.scan = scan, .text = text, .token = nullptr}.read();
}
#pragma clang attribute pop

#pragma clang attribute push(                                                                                      \
    __attribute__((target("avx512f,avx512bw,avx512vl,avx512vbmi,avx512vbmi2,avx2,bmi,bmi2,popcnt,lzcnt,pclmul"))), \
    apply_to = function)
struct Avx512Kernel {
  static inline Bits equal(__m512i v, char c) { return _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8(c)); }
  static inline void classify(const char* block, Classes& c) {
    const __m512i v = _mm512_loadu_si512(block);
    const __m512i folded = _mm512_or_si512(v, _mm512_set1_epi8(0x20));
    // White space stands in the place of the table that its own low four bits name.
    const __m512i spaces =
        _mm512_broadcast_i32x4(_mm_setr_epi8(' ', 0, 0, 0, 0, 0, 0, 0, 0, '\t', '\n', 0, 0, '\r', 0, 0));
    c.quote = equal(v, '"');
    c.backslash = equal(v, '\\');
    c.control = _mm512_cmplt_epu8_mask(v, _mm512_set1_epi8(0x20));
    c.space = _mm512_cmpeq_epi8_mask(v, _mm512_shuffle_epi8(spaces, v));
    c.open = equal(folded, '{');
    c.close = equal(folded, '}');
    c.curly = _mm512_test_epi8_mask(v, _mm512_set1_epi8(0x20));
    c.comma = equal(v, ',');
    c.colon = equal(v, ':');
    c.digit = _mm512_cmplt_epu8_mask(_mm512_sub_epi8(v, _mm512_set1_epi8('0')), _mm512_set1_epi8(10));
    c.zero = equal(v, '0');
    c.dot = equal(v, '.');
    c.exponent = equal(folded, 'e');
    c.minus = equal(v, '-');
    c.plus = equal(v, '+');
    c.high = _mm512_movepi8_mask(v) != 0;
  }
  static inline void pad(const char* from, std::size_t size, char* out) {
    const __mmask64 given = _bzhi_u64(~std::uint64_t{0}, static_cast<unsigned>(size));
    _mm512_store_si512(out, _mm512_mask_loadu_epi8(_mm512_set1_epi8(' '), given, from));
  }
  static inline Bits prefix_xor(Bits bits) { return Avx2Kernel::prefix_xor(bits); }
  static inline void add(const Row& a, const Row& b, Bits& carry, Row& out) {
    const __m512i sum = _mm512_add_epi64(reinterpret_cast<const __m512i&>(a), reinterpret_cast<const __m512i&>(b));
    const __m512i ones = _mm512_set1_epi64(-1);
    // Lanes that overflow carry into the next; lanes that are all ones pass a carry on.
    const unsigned over = _mm512_cmplt_epu64_mask(sum, reinterpret_cast<const __m512i&>(a));
    const unsigned full = _mm512_cmpeq_epi64_mask(sum, ones);
    const unsigned carried = ((over << 1) | static_cast<unsigned>(carry)) + full;
    carry = carried >> 8;
    reinterpret_cast<__m512i&>(out) = _mm512_mask_sub_epi64(sum, static_cast<__mmask8>(carried ^ full), sum, ones);
  }
  static inline std::uint32_t* store(std::uint32_t* out, Bits bits, std::uint32_t base) {
    alignas(64) static constexpr std::array<std::uint8_t, 64> kCount = [] {
      std::array<std::uint8_t, 64> numbers{};
      for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = static_cast<std::uint8_t>(i);
      return numbers;
    }();
    const __m512i packed = _mm512_maskz_compress_epi8(bits, _mm512_load_si512(kCount.data()));
    const __m512i from = _mm512_set1_epi32(static_cast<int>(base));
    const int count = std::popcount(bits);
    _mm512_storeu_si512(out, _mm512_add_epi32(from, _mm512_cvtepu8_epi32(_mm512_castsi512_si128(packed))));
    _mm512_storeu_si512(out + 16, _mm512_add_epi32(from, _mm512_cvtepu8_epi32(_mm512_extracti32x4_epi32(packed, 1))));
    if (count > 32) [[unlikely]] {
      _mm512_storeu_si512(out + 32, _mm512_add_epi32(from, _mm512_cvtepu8_epi32(_mm512_extracti32x4_epi32(packed, 2))));
      _mm512_storeu_si512(out + 48, _mm512_add_epi32(from, _mm512_cvtepu8_epi32(_mm512_extracti32x4_epi32(packed, 3))));
    }
    return out + count;
  }
};
bool read_avx512(Scan& scan, std::string_view text) {
  return Scanner<Avx512Kernel>{.scan = scan, .text = text, .token = nullptr}.read();
}
#pragma clang attribute pop
#endif

// Byte by byte, from the front to the back, for the words of a fault.
class SlowReader {
 public:
  explicit SlowReader(std::string_view text) : text_(text) {}
  std::string fault_;
  std::size_t at_ = 0;

  void read() {
    skip();
    if (peek() != '{') return fail("an event must be a JSON object");
    std::string open;   // The brackets that are open.
    bool value = true;  // A value comes next.
    while (fault_.empty()) {
      skip();
      if (value) {
        value = false;
        const char c = peek();
        if (c == '{' || c == '[') {
          if (open.size() == kEventDepthMax) return fail("more than 1000 objects and arrays within each other");
          open += c;
          ++at_;
          skip();
          if (peek() == (c == '{' ? '}' : ']')) continue;
          if (c == '{') key();
          value = true;
          continue;
        }
        scalar();
        continue;
      }
      if (open.empty()) {
        if (at_ < text_.size()) fail("text after the end of the event");
        return;
      }
      const char c = peek();
      if (c == ',') {
        ++at_;
        skip();
        if (open.back() == '{') key();
        value = true;
      } else if (c == (open.back() == '{' ? '}' : ']')) {
        ++at_;
        open.pop_back();
      } else {
        fail(at_ == text_.size() ? "the text ends within the event" : "a comma or a closing bracket must stand here");
      }
    }
  }

 private:
  void fail(const char* why) {
    if (fault_.empty()) fault_ = why;
  }
  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  void skip() {
    while (at_ < text_.size() && is_space(text_[at_])) ++at_;
  }
  void key() {
    if (peek() != '"') return fail("the name of a member must stand here");
    string();
    skip();
    if (fault_.empty() && peek() != ':') return fail("a colon must stand here");
    if (fault_.empty()) ++at_;
  }
  void string() {
    for (++at_; at_ < text_.size() && text_[at_] != '"'; ++at_) {
      if (static_cast<unsigned char>(text_[at_]) < 0x20) return fail("a control character within a string");
      if (text_[at_] != '\\') continue;
      ++at_;
      const char c = peek();
      if (c == 'u') {
        for (int i = 0; i < 4; ++i) {
          ++at_;
          if (hex_value(peek()) < 0) return fail("four hexadecimal digits must follow \\u");
        }
      } else if (c == '\0' || std::string_view("\"\\/bfnrt").find(c) == std::string_view::npos) {
        return fail("no such escape");
      }
    }
    if (at_ >= text_.size()) return fail("the text ends within a string");
    ++at_;
  }
  bool digits() {
    const auto from = at_;
    while (is_digit(peek())) ++at_;
    return at_ != from;
  }
  void scalar() {
    if (peek() == '"') return string();
    for (const std::string_view word : {"true", "false", "null"}) {
      if (!text_.substr(at_).starts_with(word)) continue;
      at_ += word.size();
      return;
    }
    if (peek() == '-') ++at_;
    if (peek() == '0') {
      ++at_;
    } else if (!digits()) {
      return fail("a value must stand here");
    }
    if (peek() == '.') {
      ++at_;
      if (!digits()) return fail("a digit must follow the dot");
    }
    if (peek() == 'e' || peek() == 'E') {
      ++at_;
      if (peek() == '+' || peek() == '-') ++at_;
      if (!digits()) return fail("a digit must follow the exponent's sign");
    }
  }

  std::string_view text_;
};

}  // namespace

Kernel best_kernel() {
#if defined(__x86_64__)
  static const Kernel best = [] {
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("bmi2") || !__builtin_cpu_supports("pclmul")) {
      return Kernel::portable;
    }
    return __builtin_cpu_supports("avx512vbmi2") && __builtin_cpu_supports("avx512bw") &&
                   __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vbmi")
               ? Kernel::avx512
               : Kernel::avx2;
  }();
  return best;
#else
  return Kernel::portable;
#endif
}

bool Scan::read(std::string_view text) {
#if defined(__x86_64__)
  if (kernel_ == Kernel::avx512) return read_avx512(*this, text);
  if (kernel_ == Kernel::avx2) return read_avx2(*this, text);
#endif
  return read_portable(*this, text);
}

std::string json_fault(std::string_view text, std::size_t& at) {
  at = 0;
  if (text.size() > kEventBytesMax) return "the event is larger than 256 MiB";
  SlowReader reader(text);
  reader.read();
  at = reader.at_;
  if (reader.fault_.empty() && !is_utf8(text)) return "it is not UTF-8";
  return reader.fault_;
}

Error Scan::fault(std::string_view text) const {
  std::size_t at = 0;
  const auto why = json_fault(text, at);
  return {.fault = Fault::invalid,
          .code = "InvalidEvent",
          .message = "The event is not valid JSON at byte " + std::to_string(at) + ": " + why};
}

void resolve_escapes(std::string_view quoted, std::string& out) {
  static constexpr std::string_view kNames = "\"\\/bfnrt";
  static constexpr std::string_view kMeant = "\"\\/\b\f\n\r\t";
  out.clear();
  const auto unit = [&](std::size_t at) {
    char32_t value = 0;
    for (std::size_t i = 0; i < 4; ++i) value = value * 16 + static_cast<char32_t>(hex_value(quoted[at + i]));
    return value;
  };
  for (std::size_t at = 0; at < quoted.size();) {
    const auto backslash = quoted.find('\\', at);
    out += quoted.substr(at, backslash - at);
    if (backslash == std::string_view::npos) return;
    at = backslash + 1;
    if (quoted[at] != 'u') {
      out += kMeant[kNames.find(quoted[at++])];
      continue;
    }
    char32_t character = unit(at + 1);
    at += 5;
    if (character >= 0xD800 && character < 0xDC00 && quoted.substr(at).starts_with("\\u")) {
      const char32_t low = unit(at + 2);
      if (low >= 0xDC00 && low < 0xE000) {
        character = 0x10000 + ((character - 0xD800) << 10) + (low - 0xDC00);
        at += 6;
      }
    }
    append_utf8(out, character);
  }
}

}  // namespace slipway::events
