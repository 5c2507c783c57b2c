#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <iostream>

#include "cli/commands.h"
#include "cli/proof.h"
#include "host/files.h"

namespace slipway::cli {
namespace {

Result<json::object> read_policy(const std::filesystem::path& path) {
  const auto text = host::read_file(path);
  if (!text) return fail(Fault::unavailable, "SLW-207", text.error().message);
  auto parsed = parse_json(*text);
  if (!parsed || !parsed->is_object())
    return fail(Fault::invalid, "SLW-207",
                fmt::format("{} is no policy: {}", path.string(), parsed ? "not an object" : parsed.error().message));
  return parsed->get_object();
}

Result<Policies> read_policies(const std::filesystem::path& folder, bool trusted) {
  Policies out;
  std::vector<std::pair<const char*, json::object*>> files = {{"push.json", &out.push},
                                                              {"deployer.json", &out.deployer},
                                                              {"function-permission.json", &out.function},
                                                              {"queue.json", &out.queue}};
  if (trusted) files.emplace_back("push-trust.json", &out.push_trust.emplace());
  for (const auto& [name, document] : files) {
    auto read = read_policy(folder / name);
    if (!read) return fail(read);
    *document = std::move(*read);
  }
  return out;
}

}  // namespace

int prove_policies(const Common& common, const ProveOptions& options) {
  const auto config = config::load(options.config);
  if (!config) return complain(config.error());
  const auto account = account_of(*config, options.account, options.region);
  if (!account) return complain(account.error());
  Policies policies = rendered_policies(*config, *account);
  if (!options.policies.empty()) {
    auto read = read_policies(options.policies, config->github.has_value());
    if (!read) return complain(read.error());
    policies = std::move(*read);
  }
  const auto cells = prove(*config, *account, policies);
  if (common.json) {
    std::cout << json::serialize(to_json(cells)) << "\n";
  } else {
    for (const std::string& line : proof_lines(cells)) std::cout << line << "\n";
  }
  return std::ranges::all_of(cells, &Cell::good) ? kLive : kError;
}

}  // namespace slipway::cli
