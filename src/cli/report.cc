#include "cli/report.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <iostream>

#include "cli/command.h"

namespace slipway::cli {
namespace {

struct Sign {
  std::string_view word;
  std::string_view colour;
};
Sign sign_of(Finding::Mark mark) {
  switch (mark) {
    case Finding::Mark::ok:
      return {"ok", "\033[32m"};
    case Finding::Mark::note:
      return {"note", "\033[36m"};
    case Finding::Mark::warning:
      return {"warning", "\033[33m"};
    case Finding::Mark::failed:
      return {"failed", "\033[31m"};
  }
  return {"failed", ""};
}

void add_lines(const Finding& finding, const std::string& first, const std::string& rest, bool colour,
               std::vector<std::string>& out) {
  const Sign sign = sign_of(worst(finding));
  const std::string word = colour ? fmt::format("{}{}\033[0m", sign.colour, sign.word) : std::string(sign.word);
  out.push_back(
      fmt::format("{}[{}] {}{}{}", first, word, finding.what, finding.detail.empty() ? "" : ": ", finding.detail));
  if (!finding.advice.empty())
    out.push_back(fmt::format("{}{}-> {}", rest, finding.parts.empty() ? "     " : "│    ", finding.advice));
  for (std::size_t i = 0; i < finding.parts.size(); ++i) {
    const bool last = i + 1 == finding.parts.size();
    add_lines(finding.parts[i], rest + (last ? "└─ " : "├─ "), rest + (last ? "   " : "│  "), colour, out);
  }
}

}  // namespace

Finding good(std::string what, std::string detail) {
  return {.mark = Finding::Mark::ok, .what = std::move(what), .detail = std::move(detail)};
}
Finding note(std::string what, std::string detail) {
  return {.mark = Finding::Mark::note, .what = std::move(what), .detail = std::move(detail)};
}
Finding doubtful(std::string what, std::string detail, std::string advice) {
  return {.mark = Finding::Mark::warning,
          .what = std::move(what),
          .detail = std::move(detail),
          .advice = std::move(advice)};
}
Finding failed(std::string what, std::string detail, std::string advice) {
  return {
      .mark = Finding::Mark::failed, .what = std::move(what), .detail = std::move(detail), .advice = std::move(advice)};
}

Finding::Mark worst(const Finding& finding) {
  Finding::Mark mark = finding.mark;
  for (const Finding& part : finding.parts) mark = std::max(mark, worst(part));
  return mark;
}

int count(const Finding& finding, Finding::Mark mark) {
  // A finding with parts only sums them up, unless it says something of its own.
  int sum = finding.mark == mark && (finding.parts.empty() || mark != Finding::Mark::ok) ? 1 : 0;
  for (const Finding& part : finding.parts) sum += count(part, mark);
  return sum;
}

std::vector<std::string> tree(const Finding& finding, bool colour) {
  std::vector<std::string> lines;
  add_lines(finding, "", "", colour, lines);
  return lines;
}

json::object to_json(const Finding& finding) {
  json::object out = {{"result", sign_of(worst(finding)).word}, {"what", finding.what}};
  if (!finding.detail.empty()) out["detail"] = finding.detail;
  if (!finding.advice.empty()) out["advice"] = finding.advice;
  json::array parts;
  for (const Finding& part : finding.parts) parts.push_back(to_json(part));
  if (!parts.empty()) out["parts"] = parts;
  return out;
}

int show(const Finding& finding, bool as_json) {
  if (as_json) {
    std::cout << json::serialize(to_json(finding)) << "\n";
  } else {
    for (const std::string& line : tree(finding, is_terminal(STDOUT_FILENO))) std::cout << line << "\n";
    std::cout << fmt::format("{} ok, {} warnings, {} failed\n", count(finding, Finding::Mark::ok),
                             count(finding, Finding::Mark::warning), count(finding, Finding::Mark::failed));
  }
  return worst(finding) == Finding::Mark::failed ? kError : kLive;
}

}  // namespace slipway::cli
