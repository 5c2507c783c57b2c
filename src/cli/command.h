// What the commands share: where the region is, how to ask it, how to say what went wrong.
// Exit codes are the contract of README.md: 0 live, 1 error, 2 usage, 3 rolled back, 4 timed out, 7 environment
// missing.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/task.h"
#include "cli/timeline.h"
#include "client/client.h"
#include "region/state_folder.h"

namespace slipway::cli {

enum ExitCode : int {
  kLive = 0,
  kError = 1,
  kUsage = 2,
  kRolledBack = 3,
  kTimedOut = 4,
  kRefused = 5,
  kNotPermitted = 6,
  kNoEnvironment = 7,
  kInterrupted = 130
};

// Options that every command takes.
struct Common {
  std::string state;  // --state DIR
  bool json = false;  // --json
  bool aws = false;   // --aws: the account that AWS's own variables and profiles name, instead of the region.
  region::StateFolder folder() const { return region::find_state_folder(state); }
};

// Writes "slipway: SLW-107: message" to standard error and returns the exit code that goes with it.
int complain(const Error& error);

struct RegionKey {
  region::About about;
  std::string access_key_id;
  std::string secret_access_key;
};
// What `slipway env` prints and every command signs with.  Fails with SLW-107 when there is no region in the folder or,
// unless `may_rest`, when it does not run.
Result<RegionKey> read_key(const region::StateFolder& folder, bool may_rest = false);

client::Options region_options(const RegionKey& key);

// The region's APIs, asked as its administrator.
class RegionApi {
 public:
  RegionApi(asio::any_io_executor executor, const RegionKey& key);
  RegionApi(asio::any_io_executor executor, client::Options options);

  task<Result<json::object>> ecs(std::string operation, json::object input);
  task<Result<json::object>> ecr(std::string operation, json::object input);
  task<Result<json::object>> logs(std::string operation, json::object input);
  task<Result<json::object>> events(std::string operation, json::object input);
  // /_slipway/events/REST: records of the bus that AWS has no operation for.
  task<Result<json::object>> event_records(std::string method, std::string rest);
  // Entries of the journal after `after`; waits up to `wait` for the first one.
  task<Result<std::vector<Entry>>> journal(long long after, Duration wait);
  task<Result<long long>> journal_end();  // The number of the newest entry.
  client::AwsClient& client() { return client_; }

 private:
  task<Result<json::value>> get(std::string target);
  client::AwsClient client_;
};

// A service by its name, found in the region's clusters.
struct ServiceName {
  std::string cluster;
  std::string service;
  std::string text() const { return cluster + "/" + service; }
};
// Every service of every cluster.
task<Result<std::vector<ServiceName>>> list_services(RegionApi& api);
// The one called `name` ("service" or "cluster/service"; "" when there is only one).  Says which there are when it is
// another.
task<Result<ServiceName>> find_service(RegionApi& api, std::string name);
// The repository that the service's image comes from: "localhost:4566/a/b@sha256:…" -> "a/b".
std::string repository_of(const std::string& image);

bool is_terminal(int fd);  // And NO_COLOR/TERM=dumb do not speak against drawing.

}  // namespace slipway::cli
