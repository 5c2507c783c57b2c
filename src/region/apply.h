// apply(): makes what slipway.yaml describes, by the region's own APIs.  Repeating it changes nothing; what the
// deployer changed since (the image that runs) stays.
#pragma once
#include <string>
#include <vector>

#include "base/task.h"
#include "config/config.h"
#include "database/database.h"
#include "wire/service.h"

namespace slipway::region {

// The table of what was applied: a fingerprint for each thing that is put rather than made.
database::Schema apply_schema();

struct ApplyParts {
  std::vector<const wire::Service*> services;
  database::Database* database = nullptr;
  wire::Call context;           // Caller, place and time of every call.
  std::string registry_host;    // "localhost:4566"
  std::string deployer_binary;  // Path of the deployer's `bootstrap`.
};

// Fails with the first call that fails, naming what it was making.
task<Result<void>> apply(ApplyParts parts, config::Config config);

}  // namespace slipway::region
