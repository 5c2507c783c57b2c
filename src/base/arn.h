// Arn: the name of a resource, arn:partition:service:region:account:resource, and how rooms take it apart.
#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace slipway {

struct Arn {
  std::string partition = "aws";
  std::string service;
  std::string region;
  std::string account;
  std::string resource;  // "cluster/where-car", "function:deployer:$LATEST"
  bool operator==(const Arn&) const = default;
  std::string text() const {
    return "arn:" + partition + ":" + service + ":" + region + ":" + account + ":" + resource;
  }
};

// nullopt when `text` does not have the six parts.
inline std::optional<Arn> parse_arn(std::string_view text) {
  if (!text.starts_with("arn:")) return std::nullopt;
  text.remove_prefix(4);
  Arn arn;
  for (std::string* part : {&arn.partition, &arn.service, &arn.region, &arn.account}) {
    const auto colon = text.find(':');
    if (colon == std::string_view::npos) return std::nullopt;
    *part = text.substr(0, colon);
    text.remove_prefix(colon + 1);
  }
  if (text.empty()) return std::nullopt;
  arn.resource = text;
  return arn;
}

// Where a region runs; every room builds its ARNs from it.
struct Place {
  std::string account = "000000000000";
  std::string region = "us-east-1";
  std::string arn(std::string_view service, std::string_view resource) const {
    return Arn{.service = std::string(service), .region = region, .account = account, .resource = std::string(resource)}
        .text();
  }
};

}  // namespace slipway
