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
  int wave = 1;  // Services of one push: those of the next wave follow when these are live.
  Duration timeout = std::chrono::minutes(30);  // Without an end by then it is reported; whole seconds.
};

// One question of `verify`.
struct HttpCheck {
  std::string url;  // "https://host/path", or "/path" at the service's load balancer.
  std::string status = "200-299";
  std::string contains;  // Empty: any answer.
  Duration timeout = std::chrono::seconds(2);
};

// What must hold after ECS is done, before a deployment counts as good.
struct Verify {
  Duration time = std::chrono::minutes(1);  // How long the checks are made (`for`).
  Duration interval = std::chrono::seconds(5);
  double error_budget_percent = 0;  // Of the HTTP checks.
  std::vector<HttpCheck> http;
  std::vector<std::string> alarms;  // CloudWatch alarms by name.
};

// How the rendered workflow builds the image.
struct Build {
  std::string context = ".";
  std::string dockerfile;  // Empty: CONTEXT/Dockerfile.
  bool operator==(const Build&) const = default;
};

// One ECS service.  With environments, a service of the file is one of these in each of them.
struct Service {
  std::string key;            // "rest-service", "staging/rest-service": what people call it.
  std::string label;          // Its name in the file.
  std::string stage;          // The environment's name; empty without environments.
  std::string name;           // Of the ECS service.
  std::string cluster;        // Default: PROJECT or PROJECT-STAGE.
  std::string family;         // Of its task definitions; default: LABEL or STAGE-LABEL.
  std::string container;      // Whose image is deployed.
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
  std::optional<Verify> verify;
  Build build;
  std::string task_role;       // Default: FAMILY-task.
  std::string execution_role;  // Default: FAMILY-execution.
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

// Who is told how deployments end.  Secrets are names (config/secret.h), never the secret itself.
struct Notify {
  std::string channel;                          // "slack", "sns", "webhook", "github"
  std::map<std::string, std::string> settings;  // The members of the channel's table in schema.h.
  std::vector<std::string> on;                  // Of "started", "succeeded", "failed", "rolled-back".
  std::vector<std::string> services;            // Service::key; empty: all.
};

// What rendering needs to know of the account.
struct Aws {
  std::string account;                               // Empty: the caller's choice.
  std::vector<std::string> create = {"repository"};  // Of "repository", "cluster", "service", "load-balancer".
  int keep_images = 50;
  bool creates(std::string_view what) const;
};

// The repository whose workflow may push.
struct GitHub {
  std::string repository;  // "acme/web"
  long long owner_id = 0;  // Both 0: subjects without numbers.
  long long repository_id = 0;
  std::string branch = "main";
  std::string environment;  // Of GitHub; empty: the branch is trusted.
};

struct Config {
  std::string project;
  std::string region;                       // Empty: the caller's choice.
  std::map<std::string, Service> services;  // By Service::key.
  std::vector<std::string> stages;          // The environments' names, in order.
  std::optional<Function> function;
  std::vector<Notify> notify;
  Duration sweep = std::chrono::minutes(5);
  Aws aws;
  std::optional<GitHub> github;
  std::vector<std::string> warnings;  // "file:line:column: …": what is understood and not acted on,
                                      // or does not exist on AWS.
};

// Blocks.  Reads and checks the file at `path`; SLW-201 also when it cannot be read.
Result<Config> load(const std::string& path);

// Checks `text`; errors call it `name`.  Paths stay as written.
Result<Config> parse(std::string_view text, std::string_view name);

// What of `config` is in the environment `stage`.  Fails (SLW-203) and says which there are when there is no such one;
// with an empty `stage` the whole is returned, and it fails when two services listen on one port of one machine.
Result<Config> for_one_machine(const Config& config, const std::string& stage);

// slipway.json, which the deployer finds beside its binary and routes by: {"services": [{"name", "cluster",
// "repository", "tags", "container", "pin"}]}.  With "environment", "label", "family", "verify" ({"seconds",
// "interval_seconds", "error_budget_percent", "http": [{"url", "status", "contains", "timeout_milliseconds"}],
// "alarms"}) and "rollback": "never" where the file has them, and "notify": [{"channel", "settings", "on",
// "services"}] and "project" beside the services when somebody is told.
std::string routes_json(const Config& config);

}  // namespace slipway::config
