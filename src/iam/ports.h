// What iam asks of the rest of the region.  region/doors answers.
#pragma once
#include <string>

#include "base/result.h"
#include "base/task.h"

namespace slipway::iam {

// The keys of OIDC issuers.
class TokenKeys {
 public:
  virtual ~TokenKeys() = default;
  // The JSON Web Key Set (RFC 7517) of the issuer `provider`: host and path, without "https://".  Fails when it cannot
  // be had.
  virtual task<Result<std::string>> jwks(std::string provider) = 0;
};

}  // namespace slipway::iam
