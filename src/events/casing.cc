#include "events/casing.h"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <vector>

#include "events/case_table.h"

namespace slipway::events {

namespace {

constexpr char32_t kBasicPlaneEnd = 0x10000;
// lower(upper(c)) of any character comes to rest after so many rounds; checked for all of them by the tests.
constexpr int kFoldRoundsMax = 4;

template <std::size_t Runs, std::size_t Expansions>
void append_mapped(char32_t c, const CaseRun (&runs)[Runs], const CaseExpansion (&expansions)[Expansions],
                   std::string& out) {
  const auto* run =
      std::lower_bound(std::begin(runs), std::end(runs), c, [](const CaseRun& r, char32_t x) { return r.last < x; });
  if (run != std::end(runs) && c >= run->first && (c - run->first) % static_cast<char32_t>(run->stride) == 0) {
    append_utf8(out, static_cast<char32_t>(static_cast<std::int64_t>(c) + run->offset));
    return;
  }
  const auto* expansion = std::lower_bound(std::begin(expansions), std::end(expansions), c,
                                           [](const CaseExpansion& e, char32_t x) { return e.character < x; });
  if (expansion != std::end(expansions) && expansion->character == c) {
    out += expansion->text;
  } else {
    append_utf8(out, c);
  }
}

char ascii_lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 0x20) : c;
}

void append_lower(char32_t c, std::string& out) {
  if (c < 0x80) {
    out += ascii_lower(static_cast<char>(c));
  } else {
    append_mapped(c, kLowerRuns, kLowerExpansions, out);
  }
}

void append_upper(char32_t c, std::string& out) {
  if (c < 0x80) {
    out += c >= 'a' && c <= 'z' ? static_cast<char>(c - 0x20) : static_cast<char>(c);
  } else {
    append_mapped(c, kUpperRuns, kUpperExpansions, out);
  }
}

template <class Append>
std::string each_character(std::string_view text, Append append) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) append(next_character(text, at), out);
  return out;
}

void append_folded(char32_t c, std::string& out) {
  if (c >= kBasicPlaneEnd) {
    append_utf8(out, c);
    return;
  }
  std::string folded;
  append_utf8(folded, c);
  for (int round = 0; round < kFoldRoundsMax; ++round) {
    auto next = each_character(each_character(folded, append_upper), append_lower);
    if (next == folded) break;
    folded = std::move(next);
  }
  out += folded;
}

// The two spellings of one character of a pattern.
struct Spellings {
  std::string lower, upper;
};

std::vector<Spellings> spellings_of(std::string_view pattern) {
  std::vector<Spellings> out;
  for (std::size_t at = 0; at < pattern.size();) {
    const char32_t c = next_character(pattern, at);
    Spellings both;
    if (c >= kBasicPlaneEnd) {
      both.lower = both.upper = "??";
    } else {
      append_lower(c, both.lower);
      append_upper(c, both.upper);
    }
    out.push_back(std::move(both));
  }
  return out;
}

}  // namespace

char32_t next_character(std::string_view text, std::size_t& at) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(at);
  const std::size_t length = lead < 0xC0 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : lead < 0xF8 ? 4 : 1;
  if (length == 1 || at + length > text.size()) return byte(at++);
  char32_t code = lead & (0xFFU >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(at + i) & 0xC0U) != 0x80) return byte(at++);
    code = (code << 6) | (byte(at + i) & 0x3FU);
  }
  at += length;
  return code;
}

void append_utf8(std::string& out, char32_t c) {
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += static_cast<char>(0xC0U | (c >> 6));
    out += static_cast<char>(0x80U | (c & 0x3FU));
  } else if (c >= 0xD800 && c < 0xE000) {
    out += '?';
  } else if (c < kBasicPlaneEnd) {
    out += static_cast<char>(0xE0U | (c >> 12));
    out += static_cast<char>(0x80U | ((c >> 6) & 0x3FU));
    out += static_cast<char>(0x80U | (c & 0x3FU));
  } else {
    out += static_cast<char>(0xF0U | (c >> 18));
    out += static_cast<char>(0x80U | ((c >> 12) & 0x3FU));
    out += static_cast<char>(0x80U | ((c >> 6) & 0x3FU));
    out += static_cast<char>(0x80U | (c & 0x3FU));
  }
}

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

bool matches_ignoring_case(std::string_view pattern, std::string_view text, Part part) {
  // The positions in `text` that the characters read so far can have led to; spellings differ in length.
  const auto characters = spellings_of(pattern);
  const bool backward = part == Part::back;
  std::vector<std::size_t> positions{backward ? text.size() : 0};
  for (std::size_t i = 0; i < characters.size() && !positions.empty(); ++i) {
    const auto& both = characters[backward ? characters.size() - 1 - i : i];
    std::vector<std::size_t> next;
    for (const auto position : positions) {
      for (const auto* spelling : {&both.lower, &both.upper}) {
        if (backward && text.substr(0, position).ends_with(*spelling)) next.push_back(position - spelling->size());
        if (!backward && text.substr(position).starts_with(*spelling)) next.push_back(position + spelling->size());
      }
    }
    std::sort(next.begin(), next.end());
    next.erase(std::unique(next.begin(), next.end()), next.end());
    positions = std::move(next);
  }
  if (part != Part::whole) return !positions.empty();
  return std::find(positions.begin(), positions.end(), text.size()) != positions.end();
}

void fold_case(std::string_view text, std::string& out) {
  out.clear();
  for (std::size_t at = 0; at < text.size();) {
    const auto byte = static_cast<unsigned char>(text[at]);
    if (byte < 0x80) {
      out += ascii_lower(text[at++]);
    } else {
      append_folded(next_character(text, at), out);
    }
  }
}

std::string fold_pattern(std::string_view pattern) {
  std::string out;
  for (std::size_t at = 0; at < pattern.size();) {
    const char32_t c = next_character(pattern, at);
    if (c >= kBasicPlaneEnd) {
      out += "??";
    } else {
      append_folded(c, out);
    }
  }
  return out;
}

}  // namespace slipway::events
