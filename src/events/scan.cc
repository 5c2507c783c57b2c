#include "events/scan.h"

#include <array>
#include <bit>
#include <cstring>

#include "base/text.h"
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
constexpr std::size_t kLanes = 8;
constexpr std::size_t kAhead = 4;                  // Stretches.
constexpr std::size_t kStretch = kLanes * kBlock;  // 512 bytes: what is looked at as one row of bits.

// A bit for each of 512 bytes.
using Row = std::uint64_t __attribute__((ext_vector_type(8)));

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

// The kinds of tokens that ASCII characters are or begin; white space is 0.  Whatever can be no token at all counts as
// part of a scalar, where it will be found wrong.
constexpr std::array<std::uint8_t, 128> kKinds = [] {
  std::array<std::uint8_t, 128> out{};
  out.fill(kScalar);
  for (const char c : {' ', '\t', '\n', '\r'}) out[static_cast<std::size_t>(c)] = 0;
  out['"'] = kString;
  out['{'] = kOpen | kCurly;
  out['['] = kOpen;
  out['}'] = kClose | kCurly;
  out[']'] = kClose;
  out[','] = kComma;
  out[':'] = kColon;
  return out;
}();
constexpr std::uint8_t kStructure = kOpen | kClose | kComma | kColon;

std::uint8_t kind_of(char c) {
  return kKinds[static_cast<unsigned char>(c) & 0x7F];
}

// The characters of the number or literal at the front of `text`; 0 when there is none, or when more stands there.
std::size_t scalar_length(std::string_view text) {
  std::size_t at = 0;
  const auto peek = [&] { return at < text.size() ? text[at] : ' '; };
  const auto digits = [&] {
    const auto from = at;
    while (is_digit(peek())) ++at;
    return at != from;
  };
  const auto ended = [&] { return kind_of(peek()) == kScalar ? 0 : at; };
  for (const std::string_view word : {"true", "false", "null"}) {
    if (!text.starts_with(word)) continue;
    at = word.size();
    return ended();
  }
  if (peek() == '-') ++at;
  if (peek() == '0') {
    ++at;
  } else if (!digits()) {
    return 0;
  }
  if (peek() == '.') {
    ++at;
    if (!digits()) return 0;
  }
  if (peek() == 'e' || peek() == 'E') {
    ++at;
    if (peek() == '+' || peek() == '-') ++at;
    if (!digits()) return 0;
  }
  return ended();
}

// The classes of the bytes of a block.
struct Classes {
  Bits quote, backslash, control, high;  // `high`: not ASCII.
  Bits structure, scalar;                // By their kinds.
  Bits digit, zero, dot, minus;
};
// Those of a stretch that rows are made of.  `inside` is from each opening quote up to the closing one.
struct Stretch {
  Row quote, inside, structure, scalar, digit, zero, dot, minus;
};

SLIPWAY_INLINE Bits& lane(Row& row, std::size_t i) {
  return reinterpret_cast<Bits*>(&row)[i];
}

// What any processor can do.
struct PortableKernel {
  static void classify(const char* block, Classes& out) {
    out = {};
    for (std::size_t i = 0; i < kBlock; ++i) {
      const char c = block[i];
      const auto kind = kind_of(c);
      const auto mark = [i](Bits& bits, bool is) { bits |= static_cast<Bits>(is) << i; };
      mark(out.quote, c == '"');
      mark(out.backslash, c == '\\');
      mark(out.control, static_cast<unsigned char>(c) < 0x20);
      mark(out.high, static_cast<unsigned char>(c) >= 0x80);
      mark(out.structure, (kind & kStructure) != 0);
      mark(out.scalar, kind == kScalar);
      mark(out.digit, is_digit(c));
      mark(out.zero, c == '0');
      mark(out.dot, c == '.');
      mark(out.minus, c == '-');
    }
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
  SLIPWAY_INLINE static void add(const Row& a, const Row& b, Bits& carry, Row& out) {
    for (std::size_t i = 0; i < kLanes; ++i) {
      unsigned long long next = 0;
      out[i] = __builtin_addcll(a[i], b[i], carry, &next);
      carry = next;
    }
  }
  // Writes down the positions of the bits, counted from `base`, and how many there are.  What lies behind them may be
  // overwritten, 64 of it.
  SLIPWAY_INLINE static std::size_t positions(Bits bits, std::uint32_t base, std::uint32_t* out) {
    const auto count = static_cast<std::size_t>(std::popcount(bits));
    for (std::size_t i = 0; i < count; i += 8) {  // Eight at once: a loop that ends seldom otherwise than foreseen.
      for (std::size_t k = i; k < i + 8; ++k, bits &= bits - 1) {
        out[k] = base + static_cast<std::uint32_t>(std::countr_zero(bits));
      }
    }
    return count;
  }
  // The same of tokens, with their kinds.
  SLIPWAY_INLINE static std::size_t tokens(const char* block, Bits bits, std::uint32_t base, std::uint32_t* out,
                                           std::uint8_t* kinds) {
    const auto count = positions(bits, base, out);
    for (std::size_t i = 0; i < count; i += 8) {
      for (std::size_t k = i; k < i + 8; ++k) kinds[k] = kind_of(block[(out[k] - base) % kBlock]);
    }
    return count;
  }
  // Which of 64 tokens are of one of these kinds.
  static Bits any_of(const std::uint8_t* kinds, std::uint8_t mask) {
    Bits out = 0;
    for (std::size_t i = 0; i < kBlock; ++i) out |= static_cast<Bits>((kinds[i] & mask) != 0) << i;
    return out;
  }
};

}  // namespace

// What a stretch must know of those before it is kept in the members between.
template <class Kernel>
struct Scanner {
  Scan& scan;
  std::string_view text;
  std::size_t count = 0;  // Tokens.
  std::size_t bracket_count = 0;
  bool escapes = false;

  struct Carried {
    Bits in_string = 0;  // All ones within a string.
    Bits wrong = 0;      // Some bit is set: the text is no JSON.
    Bits high = 0;       // Some bit is set: not all is ASCII.
  };
  Carried carried{};
  bool wrong = false;
  Bits escaped = 0;                                 // The next character is escaped.
  Bits in_fraction = 0;                             // Digits behind a dot go on.
  std::size_t looked = 0;                           // Up to where scalars were looked at one by one.
  alignas(kBlock) std::array<char, kBlock> rest{};  // What does not fill a block, and white space.
  Row row_errors{};
  Row last_scalar{}, last_digit{}, last_dot{}, last_minus{}, last_zero{}, last_odd{};  // Of the stretch before.

  // The characters behind those marked.
  SLIPWAY_INLINE static Row next(const Row& row, Row& last) {
    const Row before = __builtin_shufflevector(last, row, 7, 8, 9, 10, 11, 12, 13, 14);
    last = row;
    return (row << 1) | (before >> 63);
  }
  SLIPWAY_INLINE static bool some(const Row& row) { return __builtin_reduce_or(row) != 0; }

  __attribute__((noinline)) Bits resolve_backslashes(Bits backslash, std::size_t at) {
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

  // The classes of a block, as lane `i` of those of its stretch.
  SLIPWAY_INLINE void block(const char* bytes, std::size_t at, std::size_t i, Stretch& out, Carried& own) {
    Classes c;
    Kernel::classify(bytes, c);
    Bits quotes = c.quote;
    if ((c.backslash | escaped) != 0) [[unlikely]]
      quotes &= ~resolve_backslashes(c.backslash, at);
    const Bits inside = Kernel::prefix_xor(quotes) ^ own.in_string;
    own.in_string = static_cast<Bits>(static_cast<std::int64_t>(inside) >> 63);
    own.wrong |= (c.control & inside) | (c.high & ~inside);
    own.high |= c.high;
    lane(out.quote, i) = quotes;
    lane(out.inside, i) = inside;
    lane(out.structure, i) = c.structure;
    lane(out.scalar, i) = c.scalar;
    lane(out.digit, i) = c.digit;
    lane(out.zero, i) = c.zero;
    lane(out.dot, i) = c.dot;
    lane(out.minus, i) = c.minus;
  }

  // Looks at the scalars with these characters one by one.
  __attribute__((noinline)) void look_at_scalars(const Row& characters, std::size_t at) {
    for (std::size_t i = 0; i < kLanes; ++i) {
      for (Bits left = characters[i]; left != 0; left &= left - 1) {
        std::size_t from = at + i * kBlock + static_cast<std::size_t>(std::countr_zero(left));
        if (from < looked) continue;
        while (from > looked && kind_of(text[from - 1]) == kScalar) --from;
        const auto length = scalar_length(text.substr(from));
        if (length == 0) {
          wrong = true;
          return;
        }
        looked = from + length;
      }
    }
  }

  // Tells the classes of the bytes from `at` on, up to a stretch of them.
  SLIPWAY_INLINE void classify(std::size_t at, Stretch& c) {
    const std::size_t whole = std::min(kLanes, (text.size() - at) / kBlock);
    if (whole < kLanes) {
      for (Row* row = &c.quote; row <= &c.minus; ++row) *row = Row{};
    }
    Carried own = carried;  // Where the compiler can keep it in registers.
    for (std::size_t i = 0; i < whole; ++i) block(text.data() + at + i * kBlock, at + i * kBlock, i, c, own);
    const std::size_t end = at + whole * kBlock;
    if (whole < kLanes && end < text.size()) {
      Kernel::pad(text.data() + end, text.size() - end, rest.data());
      block(rest.data(), end, whole, c, own);
    }
    carried = own;
  }

  // The 512 bytes from `at` on.
  SLIPWAY_INLINE void stretch(std::size_t at, const Stretch& c) {
    const std::size_t whole = std::min(kLanes, (text.size() - at) / kBlock);
    const std::size_t blocks = std::min(kLanes, (text.size() - at + kBlock - 1) / kBlock);
    const Row out = ~c.inside;
    const Row scalars = c.scalar & out;
    const Row starts = scalars & ~next(scalars, last_scalar);

    // Numbers without an exponent; other scalars are looked at one by one.
    const Row digits = c.digit & scalars;
    const Row dots = c.dot & scalars;
    const Row minuses = c.minus & starts;
    const Row after_dot = next(dots, last_dot);
    const Row after_minus = next(minuses, last_minus);
    const Row zeros = c.zero & scalars & (starts | after_minus);
    Row past_fraction;
    Kernel::add(digits, after_dot & digits, in_fraction, past_fraction);
    Row errors = (after_dot | after_minus) & ~digits;
    errors |= dots & (~next(digits, last_digit) | (past_fraction & ~digits));
    errors |= next(zeros, last_zero) & digits;
    const Row odd = scalars & ~(digits | dots | minuses);
    if (some(odd))
      look_at_scalars(odd & ~next(odd, last_odd), at);
    else
      last_odd = odd;
    row_errors |= errors;

    Row tokens = (c.structure & out) | (c.quote & c.inside) | starts;
    for (std::size_t i = 0; i < blocks; ++i) {
      count += Kernel::tokens(i < whole ? text.data() + at + i * kBlock : rest.data(), lane(tokens, i),
                              static_cast<std::uint32_t>(at + i * kBlock), scan.tokens_.data() + count,
                              scan.kinds_.data() + Scan::kFront + count);
    }
  }

  // Whether each token may stand beside its neighbours; lists the brackets for partners().
  SLIPWAY_INLINE bool neighbours() {
    const std::uint8_t* const kinds = scan.kinds();
    Bits errors = 0;
    for (std::size_t at = 0; at < count; at += kBlock) {
      const std::uint8_t* const here = kinds + at;
      const Bits valid = count - at >= kBlock ? ~Bits{0} : (Bits{1} << (count - at)) - 1;
      const Bits closes = Kernel::any_of(here, kClose);
      const Bits colons = Kernel::any_of(here, kColon);
      const Bits begins = ~(closes | colons | Kernel::any_of(here, kComma));  // A value or key.
      const Bits behind_value = Kernel::any_of(here - 1, kString | kScalar | kClose);
      const Bits behind_open = Kernel::any_of(here - 1, kOpen);
      const Bits behind_comma = Kernel::any_of(here - 1, kComma);
      const Bits behind_key = Kernel::any_of(here - 1, kString) & Kernel::any_of(here - 2, kOpen | kComma);
      Bits bad = (~(begins ^ behind_value) & ~(closes & behind_open)) | (colons & ~behind_key);
      // The first member of a container has a key if the bracket says so, the others if the one before has.  When that
      // ends with a bracket, partners() looks.
      const Bits keyed = Kernel::any_of(here + 1, kColon);
      bad |= behind_open & ~closes & (keyed ^ Kernel::any_of(here - 1, kCurly));
      bad |= behind_comma & ~Kernel::any_of(here - 2, kClose) & (keyed ^ Kernel::any_of(here - 3, kColon));
      errors |= bad & valid;
      bracket_count += Kernel::positions(Kernel::any_of(here, kOpen | kClose) & valid, static_cast<std::uint32_t>(at),
                                         scan.brackets_.data() + bracket_count);
    }
    return errors == 0;
  }

  // Finds the partners among the brackets, which must be of one kind; the text must be from a curly one to its partner.
  SLIPWAY_INLINE bool partners() {
    const std::uint8_t* const kinds = scan.kinds();
    std::uint32_t* const out = scan.partners_.data();
    std::uint32_t* const open = scan.open_.data();
    std::size_t depth = 0;
    unsigned errors = kinds[0] ^ (kOpen | kCurly);
    for (std::size_t i = 0; i < bracket_count; ++i) {
      const std::uint32_t bracket = scan.brackets_[i];
      if ((kinds[bracket] & kOpen) != 0) {
        if (depth == kEventDepthMax) return false;
        open[depth++] = bracket;
        continue;
      }
      if (depth == 0) return false;
      const std::uint32_t own = open[--depth];
      out[own] = bracket;
      const std::uint8_t* const begin = kinds + own;
      const std::uint8_t* const end = kinds + bracket;
      errors |= begin[0] ^ end[0] ^ (kOpen | kClose);
      // Behind a comma there is a key if there is one before this member.
      static_assert(kColon >> 1 == kComma);
      errors |= end[1] & kComma & ((begin[-1] ^ end[3]) >> 1);
    }
    return errors == 0 && depth == 0 && out[0] == count - 1;
  }

  SLIPWAY_INLINE bool read() {
    scan.size_ = 0;
    if (text.size() > kEventBytesMax) return false;
    // A token is at least one byte; a block is stored with up to 64 of slack.
    if (scan.tokens_.size() < text.size() + 2 * kBlock) {
      scan.tokens_.resize(text.size() + 2 * kBlock);
      scan.partners_.resize(text.size() + 2 * kBlock);
      scan.kinds_.resize(Scan::kFront + text.size() + 2 * kBlock);
      scan.brackets_.resize(text.size() + 2 * kBlock);
      scan.open_.resize(kEventDepthMax);
    }
    // Rows are read some time after they were written in parts: a processor waits for such parts.
    std::array<Stretch, kAhead> ahead;
    for (std::size_t at = 0; at < text.size() && !wrong; at += kAhead * kStretch) {
      const std::size_t end = std::min(text.size(), at + kAhead * kStretch);
      for (std::size_t i = at; i < end; i += kStretch) classify(i, ahead[(i - at) / kStretch]);
      for (std::size_t i = at; i < end; i += kStretch) stretch(i, ahead[(i - at) / kStretch]);
    }
    if (wrong || (carried.wrong | carried.in_string | escaped) != 0 || some(row_errors) || count == 0) return false;
    std::memset(scan.kinds_.data() + Scan::kFront + count, 0, Scan::kFront);
    if (!neighbours() || !partners()) return false;
    if (carried.high != 0 && !is_utf8(text)) return false;
    scan.size_ = count;
    scan.has_escapes_ = escapes;
    return true;
  }
};

namespace {

bool read_portable(Scan& scan, std::string_view text) {
  return Scanner<PortableKernel>{.scan = scan, .text = text}.read();
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
    const Bits space = equal(low, high, ' ') | equal(low, high, '\t') | equal(low, high, '\n') | equal(low, high, '\r');
    c.quote = equal(low, high, '"');
    c.backslash = equal(low, high, '\\');
    c.control = at_most(low, high, 0x1F);
    c.high = bits(low, high);
    c.structure = equal(low2, high2, '{') | equal(low2, high2, '}') | equal(low, high, ',') | equal(low, high, ':');
    c.scalar = ~(space | c.structure | c.quote);
    c.digit = at_most(_mm256_sub_epi8(low, zero), _mm256_sub_epi8(high, zero), 9);
    c.zero = equal(low, high, '0');
    c.dot = equal(low, high, '.');
    c.minus = equal(low, high, '-');
  }
  static inline void pad(const char* from, std::size_t size, char* out) { PortableKernel::pad(from, size, out); }
  static inline Bits prefix_xor(Bits bits) {
    const __m128i ones = _mm_set1_epi8(static_cast<char>(0xFF));
    return static_cast<Bits>(
        _mm_cvtsi128_si64(_mm_clmulepi64_si128(_mm_set_epi64x(0, static_cast<long long>(bits)), ones, 0)));
  }
  static inline void add(const Row& a, const Row& b, Bits& carry, Row& out) { PortableKernel::add(a, b, carry, out); }
  static inline std::size_t positions(Bits bits, std::uint32_t base, std::uint32_t* out) {
    return PortableKernel::positions(bits, base, out);
  }
  static inline std::size_t tokens(const char* block, Bits bits, std::uint32_t base, std::uint32_t* out,
                                   std::uint8_t* kinds) {
    return PortableKernel::tokens(block, bits, base, out, kinds);
  }
  static inline Bits any_of(const std::uint8_t* kinds, std::uint8_t mask) {
    const __m256i all = _mm256_set1_epi8(static_cast<char>(mask));
    const __m256i none = _mm256_setzero_si256();
    const auto without = [&](const std::uint8_t* from) {
      const __m256i marked = _mm256_and_si256(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)), all);
      return _mm256_cmpeq_epi8(marked, none);
    };
    return ~bits(without(kinds), without(kinds + 32));
  }
};
bool read_avx2(Scan& scan, std::string_view text) {
  return Scanner<Avx2Kernel>{.scan = scan, .text = text}.read();
}
#pragma clang attribute pop

#pragma clang attribute push(                                                                                      \
    __attribute__((target("avx512f,avx512bw,avx512vl,avx512vbmi,avx512vbmi2,avx2,bmi,bmi2,popcnt,lzcnt,pclmul"))), \
    apply_to = function)
struct Avx512Kernel {
  static inline Bits equal(__m512i v, char c) { return _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8(c)); }
  // Of ASCII characters; others get that of the character with the same low seven bits.
  static inline __m512i kinds_of(__m512i v) {
    return _mm512_permutex2var_epi8(_mm512_loadu_si512(kKinds.data()), v, _mm512_loadu_si512(kKinds.data() + 64));
  }
  static inline void classify(const char* block, Classes& c) {
    const __m512i v = _mm512_loadu_si512(block);
    const __m512i kinds = kinds_of(v);
    c.quote = equal(v, '"');
    c.backslash = equal(v, '\\');
    c.control = _mm512_cmplt_epu8_mask(v, _mm512_set1_epi8(0x20));
    c.high = _mm512_movepi8_mask(v);
    c.structure = _mm512_test_epi8_mask(kinds, _mm512_set1_epi8(kStructure));
    c.scalar = _mm512_movepi8_mask(kinds);  // kScalar.
    c.digit = _mm512_cmplt_epu8_mask(_mm512_sub_epi8(v, _mm512_set1_epi8('0')), _mm512_set1_epi8(10));
    c.zero = equal(v, '0');
    c.dot = equal(v, '.');
    c.minus = equal(v, '-');
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
  static inline std::size_t positions(Bits bits, std::uint32_t base, std::uint32_t* out) {
    alignas(64) static constexpr std::array<std::uint8_t, 64> kCount = [] {
      std::array<std::uint8_t, 64> numbers{};
      for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = static_cast<std::uint8_t>(i);
      return numbers;
    }();
    const __m512i packed = _mm512_maskz_compress_epi8(bits, _mm512_load_si512(kCount.data()));
    const __m512i from = _mm512_set1_epi32(static_cast<int>(base));
    const auto count = static_cast<std::size_t>(std::popcount(bits));
    const auto sixteen = [&](std::size_t i, __m128i numbers) __attribute__((always_inline)) {
      _mm512_storeu_si512(out + i, _mm512_add_epi32(from, _mm512_cvtepu8_epi32(numbers)));
    };
    sixteen(0, _mm512_castsi512_si128(packed));
    sixteen(16, _mm512_extracti32x4_epi32(packed, 1));
    if (count > 32) [[unlikely]] {
      sixteen(32, _mm512_extracti32x4_epi32(packed, 2));
      sixteen(48, _mm512_extracti32x4_epi32(packed, 3));
    }
    return count;
  }
  static inline std::size_t tokens(const char* block, Bits bits, std::uint32_t base, std::uint32_t* out,
                                   std::uint8_t* kinds) {
    _mm512_storeu_si512(kinds, _mm512_maskz_compress_epi8(bits, kinds_of(_mm512_loadu_si512(block))));
    return positions(bits, base, out);
  }
  static inline Bits any_of(const std::uint8_t* kinds, std::uint8_t mask) {
    return _mm512_test_epi8_mask(_mm512_loadu_si512(kinds), _mm512_set1_epi8(static_cast<char>(mask)));
  }
};
bool read_avx512(Scan& scan, std::string_view text) {
  return Scanner<Avx512Kernel>{.scan = scan, .text = text}.read();
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
