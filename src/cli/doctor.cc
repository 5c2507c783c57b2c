#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "base/run.h"
#include "cli/checkup.h"
#include "cli/commands.h"
#include "client/endpoint.h"
#include "config/config.h"
#include "host/docker.h"
#include "host/process.h"
#include "region/package.h"

namespace slipway::cli {
namespace {

using namespace std::chrono_literals;

constexpr Duration kProgramMax = 5s;
constexpr int kPortDefault = 4566;

// What `program` says when it is asked for its version; empty when it is not installed.
task<std::string> version_of(std::string program, std::string option) {
  const std::string path = host::find_program(program);
  if (path.empty()) co_return std::string();
  host::ProcessSpec spec{.argv = {path, option}};
  auto said = co_await host::run_process(spec, kProgramMax);
  co_return said ? version_in(said->output) : std::string();
}

void see_ports(const config::Config* config, const std::optional<region::About>& about, SeenMachine& seen) {
  int main_port = kPortDefault;
  if (about) {
    const std::string endpoint = about->endpoint;
    main_port = std::atoi(endpoint.substr(endpoint.rfind(':') + 1).c_str());
  }
  std::vector<std::pair<int, std::string>> wanted = {{main_port, "the region"}};
  if (config != nullptr) {
    for (const auto& [key, service] : config->services)
      if (service.listen != 0) wanted.emplace_back(service.listen, key);
  }
  for (const auto& [port, what] : wanted) {
    const auto free = host::port_is_free(port);
    seen.ports.push_back({.port = port,
                          .what = what,
                          .free = free.value_or(false),
                          .ours = seen.region_runs && free && !*free,
                          .refusal = free ? "" : free.error().message});
  }
}

task<SeenMachine> look(Common common, std::string docker, std::string config_file) {
  SeenMachine seen;
  const auto folder = common.folder();
  const auto read = region::read_about(folder);
  const std::optional<region::About> about = read ? std::optional(*read) : std::nullopt;
  seen.region_runs = about && region::daemon_runs(folder);
  seen.engine_place = docker.empty() && about ? about->docker : docker_endpoint(docker);
  const auto containers = host::make_docker(co_await asio::this_coro::executor, seen.engine_place);
  auto engine = co_await containers->info();
  if (engine) {
    seen.engine = engine->name + " " + engine->version;
  } else {
    seen.engine_refusal = engine.error().message;
  }
  seen.haproxy = co_await version_of("haproxy", "-v");
  seen.python = co_await version_of("python3", "--version");
  seen.aws_cli = !host::find_program("aws").empty();
  seen.deployer = region::deployer_binary();
  std::error_code error;
  seen.deployer_there = std::filesystem::exists(seen.deployer, error);
  std::optional<config::Config> config;
  if (config_file.empty() && std::filesystem::exists("slipway.yaml", error)) config_file = "slipway.yaml";
  if (!config_file.empty()) {
    seen.config = config_file;
    auto loaded = config::load(config_file);
    if (loaded) {
      config = std::move(*loaded);
      seen.config_warnings = config->warnings;
      seen.python_needed = config->function && config->function->runtime.starts_with("python");
    } else {
      seen.config_error = loaded.error().message;
    }
  }
  see_ports(config ? &*config : nullptr, about, seen);
  seen.state_folder = folder.root.string();
  auto above = folder.root;
  while (!std::filesystem::exists(above, error) && above.has_relative_path()) above = above.parent_path();
  seen.state_folder_writable = ::access(above.c_str(), W_OK | X_OK) == 0;
  const auto disk = host::disk_space(folder.root);
  if (disk) seen.disk = *disk;
  seen.descriptors = host::descriptors_max();
  seen.clock_kept = host::clock_is_kept();
  co_return seen;
}

}  // namespace

int doctor(const Common& common, const DoctorOptions& options) {
  return show(check_machine(run(look(common, options.docker, options.config))), common.json);
}

}  // namespace slipway::cli
