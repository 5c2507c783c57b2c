#include "cli/guess.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <vector>

#include "base/text.h"

namespace slipway::cli {
namespace {

constexpr std::size_t kProjectMax = 32;

// "KEY: value" of a workflow, without quotes and comments; expressions say nothing that could be known here.
std::map<std::string, std::string> plain_values(const std::string& text) {
  std::map<std::string, std::string> values;
  for (const std::string& line : split(text, '\n')) {
    const auto colon = line.find(": ");
    if (colon == std::string::npos) continue;
    std::string key(trim(line.substr(0, colon)));
    if (key.starts_with("- ")) key = trim(key.substr(2));
    std::string value(trim(line.substr(colon + 2)));
    const auto comment = value.find(" #");
    if (comment != std::string::npos) value = trim(value.substr(0, comment));
    if (value.size() > 1 && (value.front() == '\'' || value.front() == '"') && value.back() == value.front())
      value = value.substr(1, value.size() - 2);
    if (!value.empty() && !value.contains("${{") && !value.contains("MY_")) values.emplace(key, value);
  }
  return values;
}

void fill(std::string& into, const std::map<std::string, std::string>& values,
          std::initializer_list<const char*> keys) {
  for (const char* key : keys) {
    const auto found = values.find(key);
    if (into.empty() && found != values.end()) into = found->second;
  }
}

}  // namespace

void guess_from_dockerfile(const std::string& text, Guess& into) {
  for (const std::string& line : split(text, '\n')) {
    const std::string words(trim(line));
    if (into.port == 0 && equal_ignoring_case(words.substr(0, 7), "EXPOSE ")) {
      int port = 0;
      const std::string number(trim(words.substr(7)));
      std::from_chars(number.data(), number.data() + number.size(), port);
      if (port > 0 && port < 65536) into.port = port;
    }
    // HEALTHCHECK CMD curl -f http://localhost:8080/health || exit 1
    const auto host = words.find("http://localhost");
    if (into.health != "/" || host == std::string::npos) continue;
    const auto path = words.find('/', host + 7);
    if (path == std::string::npos) continue;
    const std::string found = words.substr(path, words.find_first_of(" \"'|;", path) - path);
    if (found.size() > 1) into.health = found;
  }
}

void guess_from_workflow(const std::string& text, Guess& into) {
  const auto values = plain_values(text);
  fill(into.repository, values, {"ECR_REPOSITORY", "REPOSITORY", "IMAGE_NAME"});
  fill(into.region, values, {"AWS_REGION", "aws-region", "AWS_DEFAULT_REGION"});
  fill(into.service, values, {"ECS_SERVICE", "SERVICE_NAME"});
  fill(into.cluster, values, {"ECS_CLUSTER", "CLUSTER_NAME"});
  fill(into.container, values, {"CONTAINER_NAME"});
  const auto branches = values.find("branches");
  if (into.branch.empty() && branches != values.end() && branches->second.starts_with('[')) {
    const auto end = branches->second.find_first_of(",]");
    std::string first(trim(branches->second.substr(1, end - 1)));
    std::erase_if(first, [](char c) { return c == '"' || c == '\''; });
    if (!first.contains('*')) into.branch = first;
  }
}

void guess_from_git_config(const std::string& text, Guess& into) {
  bool origin = false;
  for (const std::string& line : split(text, '\n')) {
    const std::string words(trim(line));
    if (words.starts_with('[')) origin = words == "[remote \"origin\"]";
    const auto host = words.find("github.com");
    if (!origin || !into.github.empty() || !words.starts_with("url") || host == std::string::npos) continue;
    std::string name = words.substr(host + std::string_view("github.com").size() + 1);
    if (name.ends_with(".git")) name.resize(name.size() - 4);
    if (std::ranges::count(name, '/') == 1) into.github = name;
  }
}

std::string project_name(const std::string& folder) {
  std::string name;
  for (const char c : folder) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    const bool digit = c >= '0' && c <= '9';
    if (letter || (!name.empty() && digit)) {
      name += c;
    } else if (!name.empty() && name.back() != '-') {
      name += '-';
    }
    if (name.size() == kProjectMax) break;
  }
  while (name.ends_with('-')) name.pop_back();
  return name.empty() ? "app" : name;
}

std::string configuration_text(const Guess& guess) {
  const std::string service = guess.service.empty() ? guess.project : guess.service;
  std::string out = fmt::format("# Every member: docs/configuration.md. Check it with: slipway validate\nproject: {}\n",
                                guess.project);
  if (!guess.region.empty()) out += fmt::format("region: {}\n", guess.region);
  if (!guess.account.empty() || guess.create) {
    out += "aws:\n";
    if (!guess.account.empty()) out += fmt::format("  account: '{}'\n", guess.account);
    if (guess.create) out += "  create: [repository, cluster, service, load-balancer]\n";
  }
  if (!guess.github.empty()) {
    out += fmt::format("github:\n  repository: {}        # the only one that may push\n", guess.github);
    if (!guess.branch.empty() && guess.branch != "main") out += fmt::format("  branch: {}\n", guess.branch);
  }
  out += fmt::format("services:\n  {}:\n", service);
  if (!guess.cluster.empty()) out += fmt::format("    cluster: {}\n", guess.cluster);
  if (!guess.container.empty() && guess.container != service)
    out += fmt::format("    container: {}\n", guess.container);
  out += fmt::format(
      "    repository: {}   # what CI pushes to\n"
      "    tags: [{}]          # which pushes deploy\n"
      "    port: {}\n"
      "    listen: 80              # the load balancer's port\n"
      "    count: 2\n"
      "    health: {{path: {}}}\n",
      guess.repository, guess.tag, guess.port, guess.health);
  return out;
}

}  // namespace slipway::cli
