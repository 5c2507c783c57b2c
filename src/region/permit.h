// permit(): whether a caller may make a call, by the policies that iam has; and what a call needs besides its own
// action: roles that it passes, tags that it puts, further resources that it names.
#pragma once
#include "iam/worker.h"
#include "wire/service.h"

namespace slipway::region {

// Fails as Authority::authorize() for the first thing that is not allowed.  `resource_policy` is that of the
// operation's own resource.
Result<void> permit(iam::Authority& authority, const wire::Service& service, const wire::Operation& operation,
                    const wire::Call& call, const std::string& resource_policy);

// The resource of a call, for iam: an ARN or "*".
std::string resource_of(const wire::Operation& operation, const wire::Call& call);

}  // namespace slipway::region
