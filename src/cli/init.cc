#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <iostream>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/guess.h"
#include "config/config.h"
#include "host/files.h"

namespace slipway::cli {
namespace {

constexpr std::size_t kReadMax = 1024 * 1024;  // Bytes of one file that is looked into.
constexpr int kPortUsual = 8080;

// What the files of `folder` say.
void read_folder(const std::filesystem::path& folder, Guess& guess) {
  std::error_code error;
  if (const auto text = host::read_file(folder / "Dockerfile", kReadMax)) guess_from_dockerfile(*text, guess);
  if (const auto text = host::read_file(folder / ".git" / "config", kReadMax)) guess_from_git_config(*text, guess);
  std::vector<std::filesystem::path> workflows;
  for (const auto& entry : std::filesystem::directory_iterator(folder / ".github" / "workflows", error)) {
    const auto kind = entry.path().extension();
    if (kind == ".yml" || kind == ".yaml") workflows.push_back(entry.path());
  }
  std::ranges::sort(workflows);
  for (const auto& path : workflows)
    if (const auto text = host::read_file(path, kReadMax)) guess_from_workflow(*text, guess);
}

// Asks one question; an empty answer is `usual`.
std::string ask(const std::string& question, const std::string& usual) {
  std::cerr << question << (usual.empty() ? ": " : " [" + usual + "]: ") << std::flush;
  std::string answer;
  std::getline(std::cin, answer);
  const std::string said(trim(answer));
  return said.empty() ? usual : said;
}

// At most four questions, each only for what neither a flag nor a file has said; the fifth is whether to write.
void ask_what_is_missing(bool interactive, Guess& guess) {
  const auto settle = [interactive](std::string& into, const std::string& question, const std::string& usual) {
    if (into.empty()) into = interactive ? ask(question, usual) : usual;
  };
  settle(guess.repository, "ECR repository that CI pushes to", to_lower(guess.project));
  std::string port = guess.port == 0 ? "" : std::to_string(guess.port);
  settle(port, "Port that the container listens on", std::to_string(kPortUsual));
  std::from_chars(port.data(), port.data() + port.size(), guess.port);
  settle(guess.region, "AWS region", "us-east-1");
  settle(guess.github, "Repository on GitHub (OWNER/NAME; empty: none)", "");
}

Guess merged(const InitOptions& options) {
  Guess guess{.project = options.project,
              .repository = options.repository,
              .port = options.port,
              .region = options.region,
              .github = options.github,
              .service = options.service,
              .cluster = options.cluster,
              .account = options.account,
              .create = options.create};
  if (!options.tag.empty()) guess.tag = options.tag;
  if (!options.health.empty()) guess.health = options.health;
  std::error_code error;
  if (guess.project.empty()) guess.project = project_name(std::filesystem::current_path(error).filename().string());
  return guess;
}

}  // namespace

int init(const Common& common, const InitOptions& options) {
  Guess guess = merged(options);
  read_folder(".", guess);
  const bool interactive = !options.yes && ::isatty(STDIN_FILENO) == 1;
  ask_what_is_missing(interactive, guess);
  const std::string text = configuration_text(guess);
  const auto checked = config::parse(text, "slipway.yaml");
  if (!checked) return complain(checked.error());
  if (!common.json) std::cout << text << "\n" << std::flush;
  if (interactive && to_lower(ask("Write this to slipway.yaml?", "yes")).front() != 'y') {
    std::cerr << "nothing was written\n";
    return kLive;
  }
  const int outcome = write_files(common, ".", {{.path = "slipway.yaml", .text = text}}, options.force);
  if (outcome == kLive && !common.json)
    std::cout << "next: slipway up (on this machine), or slipway render workflow, lambda and terraform (for AWS)\n";
  return outcome;
}

}  // namespace slipway::cli
