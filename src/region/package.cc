#include "region/package.h"

#include <fmt/format.h>

#include <filesystem>

#include "host/files.h"

namespace slipway::region {

std::string deployer_binary() {
  std::error_code error;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  return (self.parent_path() / "bootstrap").string();
}

Result<std::string> deployer_package(const config::Config& config, const std::string& path) {
  const auto binary = host::read_file(path);
  if (!binary) {
    return fail(
        Fault::not_found, "SLW-112",
        fmt::format("the deployer is missing ({}). Build it: cmake --build --preset release --target slipway_deployer",
                    path));
  }
  return host::make_zip({{.name = "bootstrap", .content = *binary, .executable = true},
                         {.name = "slipway.json", .content = config::routes_json(config), .executable = false}});
}

}  // namespace slipway::region
