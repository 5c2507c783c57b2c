#include "render/names.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/digest.h"

namespace slipway::render {
namespace {

constexpr std::size_t kRuleNameMax = 64;  // PutRule.
constexpr std::size_t kHashDigits = 8;

bool plain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

}  // namespace

std::string Account::arn(std::string_view service, std::string_view resource) const {
  return fmt::format("arn:{}:{}:{}:{}:{}", partition, service, region, id, resource);
}

std::string Account::iam_arn(std::string_view resource) const {
  return fmt::format("arn:{}:iam::{}:{}", partition, id, resource);
}

std::string partition_of(std::string_view region) {
  if (region.starts_with("cn-")) return "aws-cn";
  if (region.starts_with("us-gov-")) return "aws-us-gov";
  return "aws";
}

Names::Names(const config::Config& config)
    : prefix("slipway-" + config.project),
      deployer(prefix + "-deployer"),
      push_role(prefix + "-push"),
      dead_letters(prefix + "-dead-letters"),
      verdict_rule(prefix + "-verdict"),
      sweep_rule(prefix + "-sweep") {}

std::string Names::push_rule(std::string_view repository) const {
  return plain_name(fmt::format("{}-push-{}", prefix, repository), kRuleNameMax);
}

std::vector<std::string> repositories(const config::Config& config) {
  std::set<std::string> names;
  for (const auto& [key, service] : config.services) names.insert(service.repository);
  return {names.begin(), names.end()};
}

std::string plain_name(std::string_view text, std::size_t length_max) {
  std::string out(text);
  std::ranges::replace_if(out, [](char c) { return !plain(c); }, '-');
  // "a/b" and "a.b" are "a-b" both, so one of them carries a hash.
  const bool ambiguous = text.find_first_of(".") != std::string_view::npos;
  if (out.size() <= length_max && !ambiguous) return out;
  const std::string hash = sha256_hex(text).substr(0, kHashDigits);
  return out.substr(0, std::min(out.size(), length_max - kHashDigits - 1)) + "-" + hash;
}

std::string log_group(const config::Service& service) {
  return "/ecs/" + service.family;
}

}  // namespace slipway::render
