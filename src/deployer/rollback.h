// Rollback: to the last good digest, not to the previous revision, which may be the last bad one.  The digest that
// goes is held: no push, replay or sweep puts it back (rule 7).
#pragma once
#include <string>
#include <vector>

#include "base/task.h"
#include "deployer/cloud.h"
#include "deployer/deploy.h"

namespace slipway::deployer {

struct RollbackWish {
  std::string to;      // A digest, a tag, a release ("r42", "rest:42"); empty: the last good one.
  std::string actor;   // Who wants it.
  std::string reason;  // Why; becomes the tag slipway:reason of the new revision.
};

// Digests to go back to, best first: those that were judged live, else what ran before and had completed.  Never what
// runs, nor what is held.  Pure.
std::vector<std::string> rollback_candidates(const ServiceLedger& ledger, const Release& current,
                                             const std::string& running);

// The digest that `seen` runs: pinned, else of its tasks; empty when neither is known.
std::string running_digest(const Route& route, const ServiceState& state);

// Checks that the image still exists, registers the current definition with it, updates the service and sets the hold.
// Failures of its own: "NothingToRollBackTo" (not_found), "ImageIsGone" (not_found), "AlreadyRunning" (conflict).
task<Result<Outcome>> roll_back(Cloud& cloud, Route route, RollbackWish wish);

// Puts a hold on a service, or on one digest of it, or takes every hold off.
task<Result<void>> hold(Cloud& cloud, Route route, std::string digest, std::string reason);
task<Result<ServiceLedger>> unhold(Cloud& cloud, Route route);  // Returns what was held.

}  // namespace slipway::deployer
