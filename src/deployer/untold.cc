#include "deployer/untold.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/text.h"

namespace slipway::deployer {
namespace {

constexpr std::size_t kTagMax = 256;  // Characters of a tag's value.

template <class Number>
bool read_number(const std::string& text, Number& out) {
  const auto end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, out);
  return error == std::errc() && stop == end;
}

std::string text_of(const Untold& one) {
  return fmt::format("{}/{}/{}/{}", one.revision, one.channel, one.name, one.tellings);
}

}  // namespace

std::vector<Untold> read_untold(const std::string& tag) {
  std::vector<Untold> all;
  for (const std::string& word : split(tag, ' ')) {
    const auto parts = split(word, '/');
    Untold one;
    if (parts.size() != 4 || !read_number(parts[1], one.channel) || !read_number(parts[3], one.tellings)) continue;
    one.revision = parts[0];
    one.name = parts[2];
    all.push_back(std::move(one));
  }
  return all;
}

std::string untold_text(const std::vector<Untold>& all) {
  std::string text;
  std::size_t count = 0;
  for (auto one = all.rbegin(); one != all.rend() && count < kUntoldMax; ++one, ++count) {
    const std::string word = text_of(*one);
    if (text.size() + word.size() + 1 > kTagMax) break;
    text = text.empty() ? word : word + " " + text;
  }
  return text;
}

bool note_telling(std::vector<Untold>& all, const std::string& revision, std::size_t channel, const std::string& name,
                  bool delivered) {
  const auto same = [&](const Untold& one) { return one.revision == revision && one.channel == channel; };
  auto known = std::ranges::find_if(all, same);
  if (delivered) {
    std::erase_if(all, same);
    return true;
  }
  if (known == all.end()) {
    all.push_back({.revision = revision, .channel = channel, .name = name, .tellings = 1});
    return true;
  }
  if (++known->tellings < kTellingsMax) return true;
  all.erase(known);
  return false;
}

}  // namespace slipway::deployer
