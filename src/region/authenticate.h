// Who sent a request: the signature is read, its key looked up, and checked.  Failures are worded as AWS words them.
#pragma once
#include <string>

#include "http/message.h"
#include "iam/worker.h"
#include "signing/sigv4.h"
#include "wire/service.h"

namespace slipway::region {

signing::Message message_of(const http::Request& request, std::string_view body);

// Fault::denied: "MissingAuthenticationToken", "IncompleteSignature", "UnrecognizedClientException" (unknown key),
// "ExpiredToken", "SignatureDoesNotMatch" (also for a clock that is more than 15 minutes off).
Result<wire::Caller> authenticate(iam::Authority& authority, const http::Request& request, std::string_view body,
                                  Instant now);

}  // namespace slipway::region
