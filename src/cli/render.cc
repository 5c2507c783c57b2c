#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <iostream>

#include "base/text.h"
#include "cli/commands.h"
#include "config/schema.h"
#include "host/files.h"
#include "region/package.h"
#include "render/diff.h"
#include "render/events.h"
#include "render/policies.h"
#include "render/terraform.h"
#include "render/workflow.h"

namespace slipway::cli {
namespace {

// Where each kind of text goes unless --out says so.
std::string default_folder(const std::string& what) {
  if (what == "workflow") return ".github/workflows";
  if (what == "lambda") return ".";
  if (what == "reference") return "docs";
  return what;
}

Result<std::vector<render::File>> render_files(const config::Config& config, const RenderOptions& options) {
  if (options.what == "reference")
    return std::vector<render::File>{{.path = "configuration.md", .text = config::reference_markdown()}};
  if (options.what == "terraform") return render::terraform_files(config);
  if (options.what == "lambda") {
    auto package = region::deployer_package(config, region::deployer_binary());
    if (!package) return fail(package);
    return std::vector<render::File>{{.path = "deployer.zip", .text = std::move(*package)}};
  }
  if (options.what == "workflow") {
    const std::string region = options.region.empty() ? config.region : options.region;
    if (region.empty())
      return fail(Fault::invalid, "SLW-206",
                  "the workflow needs the region. Write region: in the configuration, or name it with --region");
    auto text =
        render::workflow_yaml(config, {.static_keys = options.static_keys,
                                       .provenance = options.provenance,
                                       .account = options.account.empty() ? config.aws.account : options.account,
                                       .region = region});
    if (!text) return fail(text);
    return std::vector<render::File>{{.path = "slipway.yml", .text = std::move(*text)}};
  }
  const auto account = account_of(config, options.account, options.region);
  if (!account) return fail(account);
  if (options.what == "policies") return render::policy_files(config, *account);
  return render::event_files(config, *account);
}

bool is_text(const std::string& content) {
  return content.find('\0') == std::string::npos;
}

}  // namespace

Result<render::Account> account_of(const config::Config& config, const std::string& id, const std::string& region) {
  render::Account account{.id = id.empty() ? config.aws.account : id,
                          .region = region.empty() ? config.region : region};
  if (account.id.empty() || account.region.empty())
    return fail(
        Fault::invalid, "SLW-206",
        fmt::format("ARNs need the account and the region, and {} is not known. Write region: and aws: {{account: "
                    "'NUMBER'}} in the configuration, or name them with --account and --region",
                    account.id.empty() ? "the account" : "the region"));
  account.partition = render::partition_of(account.region);
  return account;
}

int write_files(const Common& common, const std::filesystem::path& folder, const std::vector<render::File>& files,
                bool force) {
  json::array told;
  bool refused = false;
  for (const render::File& file : files) {
    const std::filesystem::path path = (folder / file.path).lexically_normal();
    std::error_code error;
    std::string state = "written";
    if (std::filesystem::exists(path, error)) {
      const auto before = host::read_file(path);
      if (!before) return complain({.fault = Fault::unavailable, .code = "SLW-207", .message = before.error().message});
      state = *before == file.text ? "unchanged" : force ? "overwritten" : "differs";
      if (state == "differs" && !common.json)
        std::cout << (is_text(file.text) ? render::unified_diff(*before, file.text, path.string())
                                         : fmt::format("{}: {} bytes are there, {} would be written\n", path.string(),
                                                       before->size(), file.text.size()));
    }
    if (state == "written" || state == "overwritten") {
      std::filesystem::create_directories(path.parent_path().empty() ? "." : path.parent_path(), error);
      const auto written = host::write_file_durably(path, file.text);
      if (!written)
        return complain({.fault = Fault::unavailable, .code = "SLW-207", .message = written.error().message});
    }
    refused = refused || state == "differs";
    told.push_back(json::object{{"path", path.string()}, {"state", state}});
    if (!common.json) std::cout << fmt::format("{:<11} {}\n", state, path.string());
  }
  if (common.json) std::cout << json::serialize(json::object{{"files", told}}) << "\n";
  if (!refused) return kLive;
  return complain({.fault = Fault::conflict,
                   .code = "SLW-208",
                   .message = "what differs was not overwritten. Write it over what is there: --force"});
}

int render_command(const Common& common, const RenderOptions& options) {
  config::Config config;
  if (options.what != "reference") {
    auto loaded = config::load(options.config);
    if (!loaded) return complain(loaded.error());
    config = std::move(*loaded);
  }
  const auto files = render_files(config, options);
  if (!files) return complain(files.error());
  if (options.to_stdout) {
    for (const render::File& file : *files) {
      // Several files are told apart by a line that all their notations take for a comment, or nearly.
      if (files->size() > 1) std::cout << "# " << file.path << "\n";
      std::cout << file.text;
    }
    std::cout << std::flush;
    return kLive;
  }
  return write_files(common, options.out.empty() ? default_folder(options.what) : options.out, *files, options.force);
}

}  // namespace slipway::cli
