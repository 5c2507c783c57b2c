#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <thread>

#include "base/run.h"
#include "base/text.h"
#include "cli/commands.h"
#include "config/config.h"
#include "host/files.h"
#include "region/region.h"

namespace slipway::cli {
namespace {

using namespace std::chrono_literals;

constexpr auto kReadyMax = 30s;
constexpr auto kReadyPoll = 5ms;
constexpr auto kStopMax = 30s;
constexpr std::string_view kReadyMark = "slipway ready:";

Result<region::Options> region_options(const Common& common, const UpOptions& options) {
  region::Options out;
  out.folder = common.folder();
  out.port = static_cast<std::uint16_t>(options.port);
  out.docker = docker_endpoint(options.docker);
  out.accept_any_credentials = options.accept_any_credentials;
  out.rules_per_bus = options.rules_per_bus;
  for (const std::string& pair : options.issuer_keys) {
    const auto equals = pair.find('=');
    const std::string source = pair.substr(equals + 1);
    std::string issuer = pair.substr(0, equals);
    if (issuer.starts_with("https://")) issuer.erase(0, 8);
    out.issuer_keys[issuer] =
        source.find("://") == std::string::npos ? std::filesystem::absolute(source).string() : source;
  }
  std::string file = options.config;
  if (file.empty() && std::filesystem::exists("slipway.yaml")) file = "slipway.yaml";
  if (!file.empty()) {
    auto loaded = config::load(file);
    if (!loaded) return fail(loaded);
    auto here = config::for_one_machine(*loaded, options.environment);
    if (!here) return fail(here);
    out.config = std::move(*here);
  }
  // Names of resources hold account and region: what the folder was made with stays, unless somebody asks for another.
  const auto before = region::read_about(out.folder);
  if (before) out.place = before->place;
  if (!options.account.empty()) out.place.account = options.account;
  if (out.config && !out.config->region.empty()) out.place.region = out.config->region;
  if (!options.region.empty()) out.place.region = options.region;
  if (before && (before->place.account != out.place.account || before->place.region != out.place.region)) {
    return fail(Fault::conflict, "SLW-114",
                fmt::format("the state in {} is of account {} and region {}, not {} and {}. Use those, or another "
                            "folder with --state DIR.",
                            out.folder.root.native(), before->place.account, before->place.region, out.place.account,
                            out.place.region));
  }
  return out;
}

// What the daemon wrote to its log since `from`.
std::string log_since(const std::filesystem::path& log, std::uintmax_t from) {
  std::ifstream file(log);
  file.seekg(static_cast<std::streamoff>(from));
  return {std::istreambuf_iterator<char>(file), {}};
}

// Waits until the child says that it is ready, and repeats what it said; or explains why it ended.
int wait_until_ready(pid_t child, const region::StateFolder& folder, std::uintmax_t log_start) {
  const auto give_up = std::chrono::steady_clock::now() + kReadyMax;
  while (std::chrono::steady_clock::now() < give_up) {
    const std::string said = log_since(folder.daemon_log(), log_start);
    const auto mark = said.find(kReadyMark);
    if (mark != std::string::npos && said.find('\n', mark) != std::string::npos) {
      std::cout << said.substr(mark) << std::flush;
      return kLive;
    }
    int status = 0;
    if (::waitpid(child, &status, WNOHANG) == child) {
      std::cerr << log_since(folder.daemon_log(), log_start) << std::flush;
      return WIFEXITED(status) ? WEXITSTATUS(status) : static_cast<int>(kError);
    }
    std::this_thread::sleep_for(kReadyPoll);
  }
  const Error late{.fault = Fault::timed_out,
                   .code = "SLW-108",
                   .message = fmt::format("the region did not become ready within {} s; see {}", kReadyMax.count(),
                                          folder.daemon_log().native())};
  return complain(late);
}

// The daemon goes on as a session of its own, with its log in the state folder.
int detach(const Common& common, const region::Options& options) {
  const auto folder = common.folder();
  std::error_code error;
  std::filesystem::create_directories(folder.root, error);
  std::ofstream(folder.daemon_log(), std::ios::app).close();
  const auto log_start = std::filesystem::file_size(folder.daemon_log(), error);
  if (error) {
    const Error broken{
        .fault = Fault::unavailable,
        .code = "SLW-103",
        .message = fmt::format("cannot write to the state folder {}: {}. Choose another with --state DIR.",
                               folder.root.native(), error.message())};
    return complain(broken);
  }
  std::cout << std::flush;
  const pid_t child = ::fork();
  if (child < 0)
    return complain({.fault = Fault::unavailable, .code = "SLW-109", .message = "cannot start another process"});
  if (child > 0) return wait_until_ready(child, folder, log_start);
  ::setsid();
  FILE* out = std::freopen(folder.daemon_log().c_str(), "a", stdout);
  FILE* err = std::freopen(folder.daemon_log().c_str(), "a", stderr);
  FILE* in = std::freopen("/dev/null", "r", stdin);
  if (out == nullptr || err == nullptr || in == nullptr) ::_exit(kError);
  const auto ended = region::serve(options);
  const int code = ended ? static_cast<int>(kLive) : complain(ended.error());
  std::cout << std::flush;
  ::_exit(code);
}

}  // namespace

std::string docker_endpoint(const std::string& option) {
  std::string chosen = option;
  if (chosen.empty()) {
    const char* from_environment = std::getenv("DOCKER_HOST");
    chosen = from_environment != nullptr ? from_environment : "";
  }
  if (chosen.empty()) return "unix:/var/run/docker.sock";
  if (chosen.starts_with("unix://")) return "unix:" + chosen.substr(7);
  if (chosen.starts_with("tcp://")) return "http://" + chosen.substr(6);
  return chosen;
}

int up(const Common& common, const UpOptions& options) {
  const auto asked = region_options(common, options);
  if (!asked) return complain(asked.error());
  for (const std::string& warning : asked->config ? asked->config->warnings : std::vector<std::string>{})
    std::cerr << "slipway: warning: " << warning << "\n";
  if (options.detach) return detach(common, *asked);
  const auto ended = region::serve(*asked);
  if (!ended) return complain(ended.error());
  return kLive;
}

int down(const Common& common) {
  const auto folder = common.folder();
  const auto about = region::read_about(folder);
  if (!about) return complain(about.error());
  if (region::daemon_runs(folder)) {
    ::kill(about->pid, SIGTERM);
    const auto give_up = std::chrono::steady_clock::now() + kStopMax;
    while (region::daemon_runs(folder) && std::chrono::steady_clock::now() < give_up)
      std::this_thread::sleep_for(kReadyPoll);
    if (region::daemon_runs(folder))
      return complain({.fault = Fault::timed_out,
                       .code = "SLW-110",
                       .message = fmt::format("the region (process {}) does not end", about->pid)});
  }
  const auto cleared = region::clear_machine(folder, *about);
  if (!cleared) return complain(cleared.error());
  std::cout << fmt::format("stopped; {} containers removed. What the region knows is kept in {}\n", *cleared,
                           folder.root.native());
  return kLive;
}

int env(const Common& common) {
  const auto key = read_key(common.folder(), true);
  if (!key) return complain(key.error());
  const std::string host = key->about.endpoint;
  for (const auto& [name, value] :
       std::vector<std::pair<std::string, std::string>>{{"AWS_ENDPOINT_URL", host},
                                                        {"AWS_ACCESS_KEY_ID", key->access_key_id},
                                                        {"AWS_SECRET_ACCESS_KEY", key->secret_access_key},
                                                        {"AWS_REGION", key->about.place.region},
                                                        {"AWS_DEFAULT_REGION", key->about.place.region}})
    std::cout << "export " << name << "=" << value << "\n";
  std::cout << "unset AWS_SESSION_TOKEN AWS_PROFILE\n";
  return kLive;
}

int aws(const Common& common, const std::vector<std::string>& arguments) {
  const auto key = read_key(common.folder());
  if (!key) return complain(key.error());
  // Debian's AWS CLI does not know AWS_ENDPOINT_URL, so it is told on its command line too.
  ::setenv("AWS_ENDPOINT_URL", key->about.endpoint.c_str(), 1);
  ::setenv("AWS_ACCESS_KEY_ID", key->access_key_id.c_str(), 1);
  ::setenv("AWS_SECRET_ACCESS_KEY", key->secret_access_key.c_str(), 1);
  ::setenv("AWS_REGION", key->about.place.region.c_str(), 1);
  ::setenv("AWS_DEFAULT_REGION", key->about.place.region.c_str(), 1);
  ::setenv("AWS_PAGER", "", 1);
  ::unsetenv("AWS_SESSION_TOKEN");
  ::unsetenv("AWS_PROFILE");
  std::vector<std::string> words = {"aws", "--endpoint-url", key->about.endpoint};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  ::execvp("aws", argv.data());
  return complain({.fault = Fault::not_found,
                   .code = "SLW-111",
                   .message = "the AWS CLI is not installed. On Debian: apt-get install awscli"});
}

int validate(const Common& common, const std::string& file) {
  const auto loaded = config::load(file);
  if (!loaded) return complain(loaded.error());
  for (const std::string& warning : loaded->warnings) std::cerr << "slipway: warning: " << warning << "\n";
  if (common.json) {
    std::cout << "{\"valid\":true}\n";
  } else {
    std::cout << fmt::format("{} is valid: {} service{}\n", file, loaded->services.size(),
                             loaded->services.size() == 1 ? "" : "s");
  }
  return kLive;
}

}  // namespace slipway::cli
