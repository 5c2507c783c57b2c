#include <filesystem>
#include <iostream>
#include <iterator>

#include "cli/commands.h"
#include "cli/live_plan.h"
#include "cli/offline_plan.h"
#include "config/config.h"
#include "host/files.h"

namespace slipway::cli {
namespace {

// The event in a file, on standard input ("-"), or the push of "repository:tag".
Result<json::value> event_of(const std::string& what) {
  std::error_code error;
  if (what != "-" && !std::filesystem::exists(what, error)) return event_of_tag(what);
  const auto text = what == "-" ? Result<std::string>(std::string(std::istreambuf_iterator<char>(std::cin), {}))
                                : host::read_file(what);
  if (!text) return fail(Fault::invalid, "SLW-209", text.error().message);
  auto event = parse_json(*text);
  if (!event) return fail(Fault::invalid, "SLW-209", what + " is no JSON: " + event.error().message);
  return event;
}

}  // namespace

int plan(const Common& common, const PlanOptions& options) {
  const auto config = config::load(options.config);
  if (!config) return complain(config.error());
  const auto event = event_of(options.what);
  if (!event) return complain(event.error());
  const auto planned = plan_offline(*config, *event);
  if (!planned) return complain(planned.error());
  if (common.json) {
    std::cout << json::serialize(to_json(*planned)) << "\n";
  } else {
    for (const std::string& line : plan_lines(*planned)) std::cout << line << "\n";
  }
  return options.live ? plan_live(common, *config, *event) : kLive;
}

}  // namespace slipway::cli
