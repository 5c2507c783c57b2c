// Deploy: one image into one service: read what is so now, decide, register, update, remember.  Each step
// may be repeated: a second run finds the service updated and says so.
#pragma once
#include <string>
#include <vector>

#include "base/task.h"
#include "deployer/cloud.h"
#include "deployer/decide.h"
#include "deployer/routes.h"

namespace slipway::deployer {

// What became of one service.
struct Outcome {
  Decision decision;
  Release release;              // Of the revision that was registered.
  std::string task_definition;  // That revision's ARN.
  std::string service_arn;
  std::string deployment;  // That UpdateService began.
  std::vector<std::string> warnings;
};

// What ECS says of a service now.
struct ServiceSeen {
  ServiceState state;
  json::object service;  // As DescribeServices shows it; empty: none that is ACTIVE.
  std::string arn() const { return get_string(service, "serviceArn"); }
};
// `with_tasks`: reads what its tasks run too, where the revision is not pinned.
task<Result<ServiceSeen>> see_service(Cloud& cloud, Route route, bool with_tasks);

// The name that ECS pulls the repository by: as the service has it already, else as the registry says.
task<Result<std::string>> image_uri(Cloud& cloud, Route route, json::object task_definition);

// The image that `push` means, by its tag or, without one, by its digest; nullopt when it is gone.
task<Result<std::optional<Image>>> see_image(Cloud& cloud, Push push);

// `push` names a tag, or (from a person) a digest alone.
task<Result<Outcome>> deploy(Cloud& cloud, Route route, Push push);

// Registers what `outcome.decision` says and updates the service with it, then makes `ledger` the service's tags, with
// this deployment in it.
task<Result<void>> carry_out(Cloud& cloud, Route route, ServiceSeen seen, ServiceLedger ledger, Outcome& outcome);

}  // namespace slipway::deployer
