// Inspection: what was seen of an account (or of the local region), judged against the configuration: whether a push
// would really deploy, and what would go wrong when it does.  Pure.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cli/report.h"
#include "config/config.h"

namespace slipway::cli {

// What was asked for: there, not there, or not to be known (no permission, no such API here).
template <class T>
struct Asked {
  std::optional<T> value;
  std::string trouble;  // Why it is not known; empty: it is known, also that it is not there.
  bool known() const { return trouble.empty(); }
};

struct SeenRole {
  std::string name;
  Asked<std::string> trust;  // Its trust policy.
};

struct SeenTargetGroup {
  int deregistration_seconds = 0;
};

struct SeenService {
  Asked<json::object> repository;       // DescribeRepositories
  Asked<std::string> lifecycle;         // GetLifecyclePolicy: its text.
  Asked<std::string> image;             // The digest of its starting tag; of rules without an exact tag: not asked.
  std::vector<std::string> platforms;   // "linux/amd64", of an index; empty: not known.
  Asked<json::object> cluster;          // DescribeClusters
  Asked<json::object> service;          // DescribeServices
  Asked<json::object> task_definition;  // DescribeTaskDefinition, of the service.
  Asked<bool> running_image;            // Whether the digest that runs is still in the repository; absent: not pinned.
  std::vector<SeenRole> roles;          // Of the task definition.
  Asked<SeenTargetGroup> target_group;  // Absent: the service has none.
  std::map<std::string, Asked<std::string>> alarms;  // Name -> "OK", "ALARM", …
};

struct SeenRule {
  std::string name;
  bool enabled = true;
  std::string pattern;        // Empty: a schedule.
  bool dead_letters = false;  // Its target has a dead-letter queue.
};

struct SeenDeployer {
  std::string function;                // The name that was looked for.
  std::string arn;                     // Of the function.
  Asked<json::object> configuration;   // GetFunctionConfiguration
  Asked<json::object> policy;          // GetPolicy, parsed.
  Asked<int> reserved_concurrency;     // GetFunctionConcurrency; absent: none is reserved.
  Asked<std::vector<SeenRule>> rules;  // That have the function as a target.
};

Finding judge_service(const config::Service& service, const SeenService& seen);
Finding judge_deployer(const config::Config& config, const SeenDeployer& seen, const std::string& rule_arn_start);

// A tag that `rule` deploys; empty when none was found (a range of versions that we cannot satisfy).
std::string sample_tag(const config::TagRule& rule);

// ECS's counts: at least so many keep running (rounded up), at most so many run at once (rounded down).
struct Bounds {
  int minimum = 0;
  int maximum = 0;
  bool stuck = false;  // No task may start and none may stop.
};
Bounds bounds_of(int count, int minimum_percent, int maximum_percent);

}  // namespace slipway::cli
