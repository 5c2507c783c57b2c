#include "render/diff.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "base/text.h"

namespace slipway::render {
namespace {

constexpr std::size_t kLinesMax = 4000;
constexpr std::size_t kAround = 3;

struct Line {
  char sign = ' ';  // ' ', '-', '+'
  std::string text;
};

std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> lines = split(text, '\n');
  if (!lines.empty() && lines.back().empty()) lines.pop_back();
  return lines;
}

// The longest common subsequence by a table: the texts are small, and it is exact.
std::vector<Line> compare(const std::vector<std::string>& a, const std::vector<std::string>& b) {
  const std::size_t wide = b.size() + 1;
  std::vector<unsigned short> common((a.size() + 1) * wide);
  for (std::size_t i = a.size(); i-- > 0;)
    for (std::size_t j = b.size(); j-- > 0;)
      common[i * wide + j] = a[i] == b[j] ? static_cast<unsigned short>(common[(i + 1) * wide + j + 1] + 1)
                                          : std::max(common[(i + 1) * wide + j], common[i * wide + j + 1]);
  std::vector<Line> out;
  std::size_t i = 0;
  std::size_t j = 0;
  while (i < a.size() || j < b.size()) {
    if (i < a.size() && j < b.size() && a[i] == b[j]) {
      out.push_back({' ', a[i++]});
      ++j;
    } else if (i < a.size() && (j == b.size() || common[(i + 1) * wide + j] >= common[i * wide + j + 1])) {
      out.push_back({'-', a[i++]});
    } else {
      out.push_back({'+', b[j++]});
    }
  }
  return out;
}

}  // namespace

std::string unified_diff(std::string_view before, std::string_view after, const std::string& name) {
  if (before == after) return {};
  const auto a = lines_of(before);
  const auto b = lines_of(after);
  if (a.size() > kLinesMax || b.size() > kLinesMax) return fmt::format("{} differs\n", name);
  const std::vector<Line> lines = compare(a, b);
  std::string out = fmt::format("--- {0}\n+++ {0} (rendered)\n", name);
  std::size_t old_line = 1;
  std::size_t new_line = 1;
  std::size_t at = 0;
  const auto changed_within = [&](std::size_t from, std::size_t to) {
    for (std::size_t k = from; k < std::min(to, lines.size()); ++k)
      if (lines[k].sign != ' ') return true;
    return false;
  };
  while (at < lines.size()) {
    if (!changed_within(at, at + kAround + 1)) {
      old_line += 1;
      new_line += 1;
      ++at;
      continue;
    }
    std::size_t end = at;
    while (end < lines.size() &&
           (changed_within(end, end + kAround + 1) || changed_within(end < kAround ? 0 : end - kAround, end)))
      ++end;
    std::size_t olds = 0;
    std::size_t news = 0;
    std::string body;
    for (; at < end; ++at) {
      olds += lines[at].sign != '+' ? 1 : 0;
      news += lines[at].sign != '-' ? 1 : 0;
      body += lines[at].sign + lines[at].text + "\n";
    }
    out += fmt::format("@@ -{},{} +{},{} @@\n", old_line, olds, new_line, news) + body;
    old_line += olds;
    new_line += news;
  }
  return out;
}

}  // namespace slipway::render
