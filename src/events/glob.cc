#include "events/glob.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <set>

namespace slipway::events {

namespace {

// Sets of prefixes that the search for the complexity looks at.  With the longest pattern of 4,096 characters it takes
// some tens of milliseconds.
constexpr std::size_t kComplexitySetsMax = 4096;

using Bits = std::vector<std::uint64_t>;

void set_bit(Bits& bits, std::size_t i) {
  bits[i / 64] |= std::uint64_t{1} << (i % 64);
}

// All prefixes of some patterns as positions of one row: position p is "everything of its pattern before p is matched".
class Prefixes {
 public:
  explicit Prefixes(const std::vector<std::string_view>& patterns) {
    std::size_t size = 0;
    for (const auto pattern : patterns) size += pattern.size() + 1;
    words_ = size / 64 + 1;
    for (auto* bits : {&star_, &after_star_, &holds_star_, &begin_}) bits->assign(words_, 0);
    std::size_t at = 0;
    for (const auto pattern : patterns) at = add(read_glob(pattern), at);
    close(begin_);
  }

  const Bits& begin() const { return begin_; }
  int count(const Bits& live) const {
    int out = 0;
    for (std::size_t i = 0; i < words_; ++i) out += std::popcount(live[i] & holds_star_[i]);
    return out;
  }
  // What is live after one more byte: one that stands in a pattern, or (nullptr) one that stands in none.
  Bits after(const Bits& live, const Bits* byte) const {
    Bits out(words_, 0);
    std::uint64_t carry = 0;
    for (std::size_t i = 0; i < words_; ++i) {
      const std::uint64_t taken = byte ? live[i] & (*byte)[i] : 0;
      out[i] = (taken << 1) | carry | (live[i] & after_star_[i]);
      carry = taken >> 63;
    }
    close(out);
    return out;
  }
  const std::vector<Bits>& alphabet() const { return alphabet_; }

 private:
  std::size_t add(const Glob& glob, std::size_t at) {
    set_bit(begin_, at);
    bool seen = false;
    for (std::size_t i = 0; i < glob.bytes.size(); ++i, ++at) {
      if (glob.star[i]) {
        set_bit(star_, at);
        set_bit(after_star_, at + 1);
      } else {
        set_bit(row_of(static_cast<unsigned char>(glob.bytes[i])), at);
      }
      seen = seen || glob.star[i];
      if (seen) set_bit(holds_star_, at + 1);
    }
    return at + 1;
  }
  Bits& row_of(unsigned char byte) {
    if (rows_[byte] == 0) {
      alphabet_.emplace_back(words_, 0);
      rows_[byte] = alphabet_.size();
    }
    return alphabet_[rows_[byte] - 1];
  }
  // A star matches nothing as well, so what stands before one also stands behind it.
  void close(Bits& live) const {
    std::uint64_t carry = 0;
    for (std::size_t i = 0; i < words_; ++i) {
      live[i] |= carry;
      const std::uint64_t stars = live[i] & star_[i];  // No two stars stand side by side.
      live[i] |= stars << 1;
      carry = stars >> 63;
    }
  }

  std::size_t words_ = 0;
  Bits star_;        // A star comes next.
  Bits after_star_;  // A star came last.
  Bits holds_star_;  // The prefix holds a star.
  Bits begin_;
  std::vector<Bits> alphabet_;  // For each byte of the patterns where it comes next.
  std::array<std::size_t, 256> rows_{};
};

}  // namespace

std::string glob_fault(std::string_view pattern) {
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

Glob read_glob(std::string_view pattern) {
  Glob glob;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    const bool escaped = pattern[i] == '\\' && i + 1 < pattern.size();
    if (escaped) ++i;
    glob.bytes += pattern[i];
    glob.star.push_back(!escaped && pattern[i] == '*');
  }
  return glob;
}

bool glob_matches(const Glob& glob, std::string_view text) {
  std::size_t p = 0;
  std::size_t t = 0;
  std::size_t last_star = std::string::npos;
  std::size_t resume = 0;
  while (t < text.size()) {
    if (p < glob.bytes.size() && glob.star[p]) {
      last_star = p++;
      resume = t;
    } else if (p < glob.bytes.size() && glob.bytes[p] == text[t]) {
      ++p;
      ++t;
    } else if (last_star != std::string::npos) {
      p = last_star + 1;
      t = ++resume;
    } else {
      return false;
    }
  }
  while (p < glob.bytes.size() && glob.star[p]) ++p;
  return p == glob.bytes.size();
}

int wildcard_complexity(const std::vector<std::string_view>& patterns, int enough) {
  const Prefixes prefixes(patterns);
  std::set<Bits> seen{prefixes.begin()};
  std::vector<Bits> to_visit{prefixes.begin()};
  int most = prefixes.count(prefixes.begin());
  while (!to_visit.empty() && most < enough) {
    const auto live = std::move(to_visit.back());
    to_visit.pop_back();
    for (std::size_t i = 0; i <= prefixes.alphabet().size(); ++i) {
      auto next = prefixes.after(live, i == 0 ? nullptr : &prefixes.alphabet()[i - 1]);
      most = std::max(most, prefixes.count(next));
      if (seen.insert(next).second) to_visit.push_back(std::move(next));
    }
    if (seen.size() > kComplexitySetsMax) return enough;
  }
  return std::min(most, enough);
}

}  // namespace slipway::events
