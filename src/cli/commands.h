// The commands.  Each runs to its end and returns the exit code.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "base/instant.h"
#include "cli/command.h"
#include "config/config.h"
#include "render/file.h"
#include "render/names.h"

namespace slipway::cli {

struct UpOptions {
  std::string config;       // Empty: slipway.yaml when there is one.
  std::string environment;  // Of the configuration; empty: all of it.
  int port = 4566;
  bool detach = false;
  std::string account;
  std::string region;
  bool accept_any_credentials = false;
  long long rules_per_bus = 300;
  std::vector<std::string> issuer_keys;  // "ISSUER=FILE" or "ISSUER=URL": key sets of issuers of tokens.
  std::string docker;                    // Empty: $DOCKER_HOST, else unix:///var/run/docker.sock.
};
int up(const Common& common, const UpOptions& options);
int down(const Common& common);
int env(const Common& common);
int aws(const Common& common, const std::vector<std::string>& arguments);
int validate(const Common& common, const std::string& config);
int status(const Common& common);

struct WatchOptions {
  std::string service;
  bool until_verdict = false;
  Duration timeout{};      // Zero: for ever.
  std::string ready_file;  // Made once the watch has begun: what is pushed from then on is seen.
};
int watch(const Common& common, const WatchOptions& options);

struct TailOptions {
  bool follow = true;
  std::string pattern;  // Only events that match it; empty: everything that the buses did.
};
int events_tail(const Common& common, const TailOptions& options);
// Whether an event matches a pattern, and if not, why.  Each is JSON text, or the name of a file.  Needs no region.
int events_test(const Common& common, const std::string& pattern, const std::string& event);
int events_show(const Common& common, const std::string& id);
int events_dead(const Common& common);
int events_redrive(const Common& common, const std::string& id);  // Empty: every dead delivery.
struct ReplayOptions {
  std::string archive;
  std::string name;                // Empty: made of the archive's name and the time.
  std::string from, to;            // ISO times; empty: the archive's beginning, and now.
  std::vector<std::string> rules;  // Names on the archive's bus; none: all.
};
int events_replay(const Common& common, const ReplayOptions& options);

struct LogsOptions {
  std::string service;  // Of a service's tasks, or of a function.
  bool follow = false;
  int lines = 50;
};
int logs(const Common& common, const LogsOptions& options);

struct PlanOptions {
  std::string what;  // A file with an event, "-" for standard input, or REPOSITORY:TAG.
  std::string config = "slipway.yaml";
  bool live = false;  // Asks the region or the account too, and predicts the rollout.
};
int plan(const Common& common, const PlanOptions& options);

struct DoctorOptions {
  std::string config;  // Empty: slipway.yaml when there is one.
  std::string docker;  // As of `up`.
};
int doctor(const Common& common, const DoctorOptions& options);
// Where the engine is: `option`, else $DOCKER_HOST, else the usual socket; as host::make_docker takes it.
std::string docker_endpoint(const std::string& option);

struct VerifyOptions {
  std::string config = "slipway.yaml";
  std::string environment;  // Only this environment of the configuration.
  std::string function;     // The deployer's name, when it is not the usual one.
  bool aws = false;         // AWS, also when a local region runs.
};
int verify(const Common& common, const VerifyOptions& options);

struct InitOptions {
  std::string project, repository, region, github, service, cluster, account, tag, health;
  int port = 0;
  bool create = false;
  bool yes = false;
  bool force = false;
};
int init(const Common& common, const InitOptions& options);

struct RenderOptions {
  std::string what;  // "workflow", "terraform", "policies", "lambda", "events", "reference"
  std::string config = "slipway.yaml";
  std::string out;  // A folder; empty: the usual one of `what`.
  bool to_stdout = false;
  bool force = false;
  std::string account;
  std::string region;
  bool static_keys = false;
  bool provenance = false;
};
int render_command(const Common& common, const RenderOptions& options);

// `slipway policies prove`: what the roles may and may not do, as a matrix; 1 when a cell is not as it must be.
struct ProveOptions {
  std::string config = "slipway.yaml";
  std::string policies;  // A folder as `render policies` writes it, to be judged instead of what would be rendered.
  std::string account;
  std::string region;
};
int prove_policies(const Common& common, const ProveOptions& options);

// Where the rendered things will be: what was given, else the configuration's.  Fails with SLW-206.
Result<render::Account> account_of(const config::Config& config, const std::string& id, const std::string& region);

// Writes `files` into `folder` and says of each whether it was written, is unchanged, or differs.  What differs is
// shown and not overwritten, unless `force`.
int write_files(const Common& common, const std::filesystem::path& folder, const std::vector<render::File>& files,
                bool force);

struct DeployOptions {
  std::string service;
  std::string image;     // A digest or a tag; empty: the newest that the service's tags mean.
  std::string config;    // Empty: slipway.yaml when there is one.
  bool dry_run = false;  // Says what would happen, and how the rollout would go.
  bool no_wait = false;
  Duration timeout{};  // Zero: 30 minutes.
};
int deploy(const Common& common, const DeployOptions& options);

struct RollbackOptions {
  std::string service;
  std::string to;  // A digest, a tag or a release; empty: asked on a terminal, else the last good one.
  std::string reason;
  std::string config;
  bool no_input = false;
  bool no_wait = false;
  Duration timeout{};
};
int rollback(const Common& common, const RollbackOptions& options);

struct HoldOptions {
  std::string service;
  std::string digest;  // Empty: everything.
  std::string reason;
  std::string config;
};
int hold(const Common& common, const HoldOptions& options);
int unhold(const Common& common, const HoldOptions& options);

struct HistoryOptions {
  std::string service;
  std::string config;
  int count = 10;
};
int history(const Common& common, const HistoryOptions& options);
int releases(const Common& common, const HistoryOptions& options);  // What may be gone back to.

}  // namespace slipway::cli
