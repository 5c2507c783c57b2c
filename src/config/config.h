// Config: slipway.yaml as checked values.  What load() returns is complete and in range; whatever
// is not is an Error (SLW-201) "file:line:column: what is wrong, what is allowed".
#pragma once
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/instant.h"
#include "base/result.h"
#include "config/tag_rule.h"

namespace slipway::config {

// How the load balancer decides that a task is healthy (elbv2 CreateTargetGroup).
struct Health {
  std::string path = "/";
  Duration interval = std::chrono::seconds(5);
  Duration timeout = std::chrono::seconds(2);
  int healthy = 2;                  // Good answers in a row until a task takes traffic.
  int unhealthy = 2;                // Bad answers in a row until it is replaced.
  std::string matcher = "200-399";  // HTTP codes that are good: "200", "200,202", "200-299".
  Duration grace{};                 // After a task's start, bad answers do not count.
};

struct Deploy {
  enum class Pin { digest, tag };
  enum class Strategy { rolling, canary, linear, blue_green };
  enum class Rollback { automatic, never };
  Pin pin = Pin::digest;
  Strategy strategy = Strategy::rolling;
  int minimum_healthy_percent = 100;
  int maximum_percent = 200;
  Rollback rollback = Rollback::automatic;
};

struct Service {
  std::string name;
  std::string cluster;        // Default: the project's name.
  std::string repository;     // The ECR repository that CI pushes to.
  std::vector<TagRule> tags;  // Default: latest.
  int port = 0;               // That the container listens on.
  Health health;
  int count = 1;
  int cpu = 256;     // 1024 is one virtual CPU.
  int memory = 512;  // MiB
  int listen = 0;    // Port of the load balancer; 0: none.
  std::map<std::string, std::string> environment;
  std::vector<std::string> command;
  Deploy deploy;
};

// A function of the user's own that stands in the deployer's place.
struct Function {
  std::string runtime;  // "python3.11"
  std::string handler;  // "lambda_function.lambda_handler"
  std::string code;     // A file, a folder or a zip; load() makes it relative to the configuration's folder.
  Duration timeout = std::chrono::seconds(30);
  int memory = 128;  // MiB
  std::map<std::string, std::string> environment;
};

// Where news of deployments goes; kept, and not yet acted on (a warning says so).
struct Notify {
  std::string channel;                          // "slack", "sns"
  std::map<std::string, std::string> settings;  // "webhook" or "topic"
  std::vector<std::string> on;                  // "started", "succeeded", "failed", "rolled-back"
};

struct Config {
  std::string project;
  std::string region;  // Empty: the caller's choice.
  std::map<std::string, Service> services;
  std::optional<Function> function;
  std::vector<Notify> notify;
  std::vector<std::string> warnings;  // "file:line:column: …": what is understood and not acted on,
                                      // or does not exist on AWS.
};

// Blocks.  Reads and checks the file at `path`; SLW-201 also when it cannot be read.
Result<Config> load(const std::string& path);

// Checks `text`; errors call it `name`.  Paths stay as written.
Result<Config> parse(std::string_view text, std::string_view name);

// slipway.json, which the deployer finds beside its binary and routes by: {"services": [{"name",
// "cluster", "repository", "tags", "container", "pin"}]}.  The container is called as the service.
std::string routes_json(const Config& config);

}  // namespace slipway::config
