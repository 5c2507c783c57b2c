#include "client/endpoint.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.h"

namespace slipway::client {
namespace {

// Services whose names in variables or hosts are not their signing name.
struct ServiceName {
  std::string_view signing;
  std::string_view variable;  // After AWS_ENDPOINT_URL_
  std::string_view host;      // Before the region
};
constexpr std::array kServiceNames = {
    ServiceName{"ecr", "ECR", "api.ecr"},
    ServiceName{"events", "EVENTBRIDGE", "events"},
    ServiceName{"logs", "CLOUDWATCH_LOGS", "logs"},
    ServiceName{"elasticloadbalancing", "ELASTIC_LOAD_BALANCING_V2", "elasticloadbalancing"},
};

std::string upper(std::string text) {
  std::ranges::transform(text, text.begin(), [](char c) {
    return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c == '-' ? '_' : c;
  });
  return text;
}

std::string setting(const Profiles& profiles, const std::string& profile, const std::string& name) {
  const auto found = profiles.profiles.find(profile);
  if (found == profiles.profiles.end()) return {};
  const auto value = found->second.find(name);
  return value == found->second.end() ? "" : value->second;
}

bool switched_on(const Environment& environment, const Profiles& profiles, const std::string& profile,
                 const std::string& name) {
  const std::string said = variable(environment, "AWS_" + upper(name));
  return equal_ignoring_case(said.empty() ? setting(profiles, profile, name) : said, "true");
}

std::string aws_host(const std::string& service, const std::string& region, bool fips, bool dual_stack) {
  if (service == "iam") return region.starts_with("cn-") ? "iam.cn-north-1.amazonaws.com.cn" : "iam.amazonaws.com";
  const auto* const special = std::ranges::find(kServiceNames, service, &ServiceName::signing);
  // The "api." of ECR is not in the names of its newer kinds of endpoint.
  std::string host = special != kServiceNames.end() && !fips && !dual_stack ? std::string(special->host) : service;
  if (fips) host += "-fips";
  if (dual_stack) return fmt::format("{}.{}.api.aws", host, region);
  return fmt::format("{}.{}.amazonaws.com{}", host, region, region.starts_with("cn-") ? ".cn" : "");
}

std::string configured(const std::string& service, const Environment& environment, const Profiles& profiles,
                       const std::string& profile) {
  const auto* const special = std::ranges::find(kServiceNames, service, &ServiceName::signing);
  const std::string name = special == kServiceNames.end() ? upper(service) : std::string(special->variable);
  for (const std::string& one : {"AWS_ENDPOINT_URL_" + name, std::string("AWS_ENDPOINT_URL")}) {
    if (const std::string url = variable(environment, one); !url.empty()) return url;
  }
  const auto section = profiles.services.find(setting(profiles, profile, "services"));
  if (section != profiles.services.end()) {
    const auto nested = section->second.find(to_lower(name));
    const std::string url = nested == section->second.end() ? "" : nested_value(nested->second, "endpoint_url");
    if (!url.empty()) return url;
  }
  return setting(profiles, profile, "endpoint_url");
}

}  // namespace

std::string find_region(const Environment& environment, const Profiles& profiles, const std::string& profile) {
  for (const char* name : {"AWS_REGION", "AWS_DEFAULT_REGION"}) {
    if (std::string region = variable(environment, name); !region.empty()) return region;
  }
  return setting(profiles, profile, "region");
}

std::string find_endpoint(const std::string& service, const std::string& region, const Environment& environment,
                          const Profiles& profiles, const std::string& profile) {
  const bool ignored = switched_on(environment, profiles, profile, "ignore_configured_endpoint_urls");
  const std::string url = ignored ? "" : configured(service, environment, profiles, profile);
  if (!url.empty()) return url;
  const bool fips = switched_on(environment, profiles, profile, "use_fips_endpoint");
  const bool dual_stack = switched_on(environment, profiles, profile, "use_dualstack_endpoint");
  return "https://" + aws_host(service, region, fips, dual_stack);
}

std::string BaseUrl::host() const {
  const auto scheme_end = endpoint.find("://");
  if (scheme_end == std::string::npos) return "localhost";  // A Unix socket.
  return endpoint.substr(scheme_end + 3);
}

BaseUrl split_url(const std::string& url) {
  const auto scheme_end = url.find("://");
  if (scheme_end == std::string::npos) return {.endpoint = url, .prefix = ""};
  const auto path = url.find('/', scheme_end + 3);
  if (path == std::string::npos) return {.endpoint = url, .prefix = ""};
  std::string prefix = url.substr(path);
  while (prefix.ends_with('/')) prefix.pop_back();
  return {.endpoint = url.substr(0, path), .prefix = prefix};
}

}  // namespace slipway::client
