// Names: what the rendered things are called, and their ARNs.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "config/config.h"

namespace slipway::render {

// Where it will be.  In Terraform `id` and `region` are expressions ("${local.account}"), which ARNs carry as they are.
struct Account {
  std::string partition = "aws";
  std::string id;
  std::string region;

  std::string arn(std::string_view service, std::string_view resource) const;
  std::string iam_arn(std::string_view resource) const;  // IAM's ARNs name no region.
};
// "aws", "aws-cn", "aws-us-gov".
std::string partition_of(std::string_view region);

struct Names {
  explicit Names(const config::Config& config);

  std::string prefix;        // "slipway-shop"
  std::string deployer;      // The function, its role, and what its log group ends with.
  std::string push_role;     // CI's.
  std::string dead_letters;  // The queue.
  std::string verdict_rule;  // ECS tells how deployments end.
  std::string sweep_rule;    // The schedule.
  std::string push_rule(std::string_view repository) const;
};

// Every repository of the configuration, once, in order.
std::vector<std::string> repositories(const config::Config& config);
// `text` with everything but letters, digits, - and _ made '-'; cut, and told apart by a hash, beyond `length_max`.
std::string plain_name(std::string_view text, std::size_t length_max);
// The log group of a service that Slipway makes.
std::string log_group(const config::Service& service);

}  // namespace slipway::render
