#include "events/predicate.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <set>

#include "base/text.h"

namespace slipway::events {

namespace {

constexpr std::size_t kIpv4Bytes = 4;
constexpr std::size_t kIpv6Bytes = 16;
// The search for a wildcard's complexity gives up, and calls it too complex, after so many distinct
// sets of live prefixes.
constexpr std::size_t kComplexityStatesMax = 4096;

bool is_text(const json::value& value) {
  return value.is_string();
}

std::string_view text_of(const json::value& value) {
  return view(value.get_string());
}

bool text_holds(const Predicate& predicate, std::string_view text) {
  switch (predicate.test) {
    case Test::text:
      if (text == predicate.text) return true;
      return !predicate.address.empty() && address_of(text) == predicate.address;
    case Test::prefix:
      return text.starts_with(predicate.text);
    case Test::suffix:
      return text.ends_with(predicate.text);
    case Test::same_ignoring_case:
      return fold_case(text) == predicate.text;
    case Test::prefix_ignoring_case:
      return fold_case(text).starts_with(predicate.text);
    case Test::suffix_ignoring_case:
      return fold_case(text).ends_with(predicate.text);
    case Test::wildcard:
      return wildcard_matches(predicate.text, text);
    case Test::block: {
      const auto address = address_of(text);
      return address && predicate.block.contains(*address);
    }
    default:
      return false;
  }
}

// Decodes one UTF-8 character at `at`; malformed bytes count as characters of their own.
char32_t decode(std::string_view text, std::size_t& at) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(at);
  const std::size_t length = lead < 0x80 ? 1 : lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 1;
  if (length == 1 || at + length > text.size()) return byte(at++);
  char32_t code = lead & (0xFFU >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) code = (code << 6) | (byte(at + i) & 0x3FU);
  at += length;
  return code;
}

void encode_two_bytes(std::string& out, char32_t code) {
  out += static_cast<char>(0xC0U | (code >> 6));
  out += static_cast<char>(0x80U | (code & 0x3FU));
}

// Lower case of the letters that two bytes of UTF-8 hold; others stay.
char32_t lower(char32_t code) {
  if ((code >= 0xC0 && code <= 0xDE && code != 0xD7) || (code >= 0x391 && code <= 0x3A9) ||
      (code >= 0x410 && code <= 0x42F)) {
    return code + 0x20;
  }
  if (code >= 0x400 && code <= 0x40F) return code + 0x50;
  const bool even_is_upper = (code >= 0x100 && code <= 0x137 && code != 0x130) || (code >= 0x14A && code <= 0x177) ||
                             (code >= 0x460 && code <= 0x481);
  if (even_is_upper) return code | 1U;
  const bool odd_is_upper = (code >= 0x139 && code <= 0x148) || (code >= 0x179 && code <= 0x17E);
  if (odd_is_upper && (code & 1U) == 1) return code + 1;
  return code;
}

// A wildcard without its escapes: the characters, and which of them are stars.
struct Glob {
  std::string characters;
  std::vector<bool> star;
};

Glob unescape(std::string_view pattern) {
  Glob glob;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    const bool escaped = pattern[i] == '\\' && i + 1 < pattern.size();
    if (escaped) ++i;
    glob.characters += pattern[i];
    glob.star.push_back(!escaped && pattern[i] == '*');
  }
  return glob;
}

// Every (pattern, length) whose prefix of that length matches the text read so far; flattened to
// one sorted list.
class PrefixSets {
 public:
  explicit PrefixSets(const std::vector<std::string>& patterns) {
    for (const auto& pattern : patterns) {
      start_.push_back(star_.size());
      const auto glob = unescape(pattern);
      bool seen = false;
      for (std::size_t i = 0; i < glob.characters.size(); ++i) {
        seen = seen || glob.star[i];
        characters_ += glob.characters[i];
        star_.push_back(glob.star[i]);
        holds_star_.push_back(seen);
      }
      characters_ += '\0';
      star_.push_back(false);
      holds_star_.push_back(seen);
    }
  }

  std::set<std::size_t> begin() const {
    std::set<std::size_t> live;
    for (const auto start : start_) add(live, start);
    return live;
  }

  // Position p is "p characters of its pattern are matched"; the character at p comes next.
  std::set<std::size_t> after(const std::set<std::size_t>& live, int next) const {
    std::set<std::size_t> out;
    for (const auto p : live) {
      if (!star_[p] && !at_end(p) && next >= 0 && characters_[p] == static_cast<char>(next)) add(out, p + 1);
      // A prefix that ends with a star goes on matching whatever comes.
      if (p > 0 && !starts(p) && star_[p - 1]) add(out, p);
    }
    return out;
  }

  int count(const std::set<std::size_t>& live) const {
    return static_cast<int>(std::count_if(live.begin(), live.end(),
                                          [&](std::size_t p) { return p > 0 && !starts(p) && holds_star_[p - 1]; }));
  }

  std::set<int> alphabet() const {
    std::set<int> out{-1};  // Any other character.
    for (std::size_t p = 0; p < characters_.size(); ++p) {
      if (!star_[p] && !at_end(p)) out.insert(static_cast<unsigned char>(characters_[p]));
    }
    return out;
  }

 private:
  bool starts(std::size_t p) const { return std::find(start_.begin(), start_.end(), p) != start_.end(); }
  bool at_end(std::size_t p) const { return p + 1 == star_.size() || starts(p + 1); }
  void add(std::set<std::size_t>& live, std::size_t p) const {
    if (!live.insert(p).second) return;
    if (star_[p]) add(live, p + 1);
  }

  std::vector<std::size_t> start_;
  std::string characters_;
  std::vector<bool> star_;
  std::vector<bool> holds_star_;
};

bool usual_address_spelling(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789abcdefABCDEF:.") == std::string_view::npos &&
         text.find_first_of(":.") != std::string_view::npos;
}

std::unexpected<Error> reason(std::string text) {
  return fail(Fault::invalid, "InvalidEventPatternException", std::move(text));
}

}  // namespace

bool Range::contains(double value) const {
  if (low && (low_open ? value <= *low : value < *low)) return false;
  return !(high && (high_open ? value >= *high : value > *high));
}

bool Block::contains(std::string_view address) const {
  if (address.size() != network.size()) return false;
  for (int bit = 0; bit < bits; bit += 8) {
    const auto index = static_cast<std::size_t>(bit / 8);
    const int counted = std::min(8, bits - bit);
    const auto mask = static_cast<unsigned char>(0xFF00U >> static_cast<unsigned>(counted));
    if (((static_cast<unsigned char>(address[index]) ^ static_cast<unsigned char>(network[index])) & mask) != 0)
      return false;
  }
  return true;
}

bool holds(const Predicate& predicate, const json::value& value) {
  switch (predicate.test) {
    case Test::null:
      return value.is_null();
    case Test::yes:
      return value.is_bool() && value.get_bool();
    case Test::no:
      return value.is_bool() && !value.get_bool();
    case Test::present:
      return true;
    case Test::absent:
      return false;
    case Test::number: {
      const auto number = number_of(value);
      return number && *number == predicate.number;
    }
    case Test::range: {
      const auto number = number_of(value);
      return number && number->comparable && predicate.range.contains(number->value);
    }
    case Test::anything_but:
      return std::none_of(predicate.none_of.begin(), predicate.none_of.end(),
                          [&](const Predicate& inner) { return holds(inner, value); });
    default:
      return is_text(value) && text_holds(predicate, text_of(value));
  }
}

std::optional<Number> number_of(const json::value& value) {
  if (value.is_double()) return Number{.value = value.get_double() == 0 ? 0.0 : value.get_double()};
  if (!value.is_int64() && !value.is_uint64()) return std::nullopt;
  const double as_double =
      value.is_int64() ? static_cast<double>(value.get_int64()) : static_cast<double>(value.get_uint64());
  const std::string digits = value.is_int64() ? std::to_string(value.get_int64()) : std::to_string(value.get_uint64());
  std::array<char, 400> shortest;
  const auto written =
      std::to_chars(shortest.data(), shortest.data() + shortest.size(), as_double, std::chars_format::scientific);
  // The value compares when its shortest decimal has the digits that were written.
  std::string significant;
  for (const char* c = shortest.data(); c != written.ptr && *c != 'e'; ++c) {
    if (*c != '.') significant += *c;
  }
  const auto bare = [](std::string text) {
    const auto last = text.find_last_not_of('0');
    return last == std::string::npos ? std::string("0") : text.substr(0, last + 1);
  };
  if (bare(significant) == bare(digits)) return Number{.value = as_double};
  return Number{.value = as_double, .comparable = false, .digits = digits};
}

std::optional<std::string> address_of(std::string_view text) {
  if (!usual_address_spelling(text)) return std::nullopt;
  if (text.find(':') != std::string_view::npos) {
    std::string bytes(kIpv6Bytes, '\0');
    if (inet_pton(AF_INET6, std::string(text).c_str(), bytes.data()) != 1) return std::nullopt;
    return bytes;
  }
  const auto parts = split(text, '.');
  if (parts.size() != kIpv4Bytes) return std::nullopt;
  std::string bytes;
  for (const auto& part : parts) {
    int number = 0;
    const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), number);
    if (error != std::errc{} || end != part.data() + part.size() || number > 255) return std::nullopt;
    bytes += static_cast<char>(number);
  }
  return bytes;
}

Result<Block> parse_block(std::string_view text) {
  const auto parts = split(text, '/');
  if (parts.size() != 2) return reason("Malformed CIDR, one '/' required");
  Block block;
  const auto& bits = parts[1];
  const auto [end, error] = std::from_chars(bits.data(), bits.data() + bits.size(), block.bits);
  if (error != std::errc{} || end != bits.data() + bits.size())
    return reason("Malformed CIDR, mask bits must be an integer");
  if (block.bits < 0) return reason("Malformed CIDR, mask bits must not be negative");
  if (!usual_address_spelling(parts[0])) return reason("Nonstandard IP address: " + parts[0]);
  const auto address = address_of(parts[0]);
  if (!address) return reason("Invalid IP address: " + parts[0]);
  if (address->size() == kIpv4Bytes && block.bits >= 32) return reason("IPv4 mask bits must be < 32");
  if (block.bits >= 128) return reason("IPv6 mask bits must be < 128");
  block.network = *address;
  return block;
}

bool wildcard_matches(std::string_view pattern, std::string_view text) {
  const auto glob = unescape(pattern);
  std::size_t p = 0;
  std::size_t t = 0;
  std::size_t last_star = std::string::npos;
  std::size_t resume = 0;
  while (t < text.size()) {
    if (p < glob.characters.size() && glob.star[p]) {
      last_star = p++;
      resume = t;
    } else if (p < glob.characters.size() && glob.characters[p] == text[t]) {
      ++p;
      ++t;
    } else if (last_star != std::string::npos) {
      p = last_star + 1;
      t = ++resume;
    } else {
      return false;
    }
  }
  while (p < glob.characters.size() && glob.star[p]) ++p;
  return p == glob.characters.size();
}

std::string wildcard_fault(std::string_view pattern) {
  // AWS counts positions in the quoted text, so the first character stands at 1.
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] == '\\') {
      if (i + 1 >= pattern.size() || (pattern[i + 1] != '*' && pattern[i + 1] != '\\')) {
        return "Invalid escape character at pos " + std::to_string(i + 1);
      }
      ++i;
    } else if (pattern[i] == '*' && i + 1 < pattern.size() && pattern[i + 1] == '*') {
      return "Consecutive wildcard characters at pos " + std::to_string(i + 1);
    }
  }
  return {};
}

int wildcard_complexity(const std::vector<std::string>& patterns, int enough) {
  const PrefixSets sets(patterns);
  const auto alphabet = sets.alphabet();
  std::set<std::set<std::size_t>> seen{sets.begin()};
  std::vector<std::set<std::size_t>> to_visit{sets.begin()};
  int most = sets.count(sets.begin());
  while (!to_visit.empty() && most < enough) {
    const auto live = std::move(to_visit.back());
    to_visit.pop_back();
    for (const int next : alphabet) {
      auto following = sets.after(live, next);
      most = std::max(most, sets.count(following));
      if (!following.empty() && seen.insert(following).second) to_visit.push_back(std::move(following));
    }
    if (seen.size() > kComplexityStatesMax) return enough;
  }
  return most;
}

std::string fold_case(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t from = at;
    const char32_t code = decode(text, at);
    const bool two_bytes = at - from == 2;
    if (code < 0x80) {
      out += code >= 'A' && code <= 'Z' ? static_cast<char>(code + 0x20) : static_cast<char>(code);
    } else if (two_bytes) {
      encode_two_bytes(out, lower(code));
    } else {
      out += text.substr(from, at - from);
    }
  }
  return out;
}

}  // namespace slipway::events
