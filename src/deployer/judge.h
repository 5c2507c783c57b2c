// Judge: the end of a deployment, read from what ECS says now, written down in the tags, and acted upon: a bad
// one is held, and rolled back where ECS does not do it.
#pragma once
#include <optional>
#include <string>

#include "base/task.h"
#include "deployer/cloud.h"
#include "deployer/gate.h"
#include "deployer/rollback.h"
#include "deployer/verdict.h"

namespace slipway::deployer {

// What was concluded of one deployment.
struct Conclusion {
  End end = End::open;
  std::string why;
  std::string deployment;
  std::string service_arn;
  std::string revision;      // "rest:42"
  std::string revision_arn;  // Empty where its tags do not speak of this deployment (tag mode).
  Release release;           // Of that revision, as it was before this verdict.
  Instant started_at{};
  Evidence evidence;                // Of a bad end.
  std::string went_back_to;         // The digest that a rollback put in its place; empty: none did.
  std::optional<Outcome> rollback;  // That the deployer began because of it.
  bool ecs_rolls_back = false;
  std::string untold;  // The service's tag slipway:untold.
  bool news = false;   // It was not known before: people should hear of it.
};

struct JudgeOptions {
  Clock clock;
  std::optional<Instant> deadline;  // Of the invocation.
};

// What ECS says of a deployment that has ended, or (without `change`) of the newest one.  nullopt: there is nothing of
// ours to judge.
task<Result<std::optional<Conclusion>>> judge_service(Cloud& cloud, Route route, std::optional<DeploymentChange> change,
                                                      JudgeOptions options);

// How the deployment of `seen` stands: fills in what ECS records of it and what its tasks run, and judges.  `seen` has
// the service, the deployment, its digest and its beginning.  Writes nothing.
task<Result<Judgement>> look_at(Cloud& cloud, Route route, Observation seen, Instant now);

// The last lines that the failed tasks wrote.
task<void> read_logs(Cloud& cloud, Evidence& evidence);

}  // namespace slipway::deployer
