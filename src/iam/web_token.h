// Web tokens: what an OIDC provider says of who asks ("the workflow of this repository on this branch"), signed by it.
// Pure.  https://openid.net/specs/openid-connect-core-1_0.html#IDToken and RFC 7515, 7517, 7519.
// Errors are AWS's: InvalidIdentityToken, ExpiredTokenException
// (https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html).
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "base/instant.h"
#include "base/json.h"
#include "iam/policy.h"

namespace slipway::iam {

// How far the issuer's clock may be ahead of ours.
constexpr Duration kClockSkew = std::chrono::minutes(1);

struct WebToken {
  std::string key_id;  // "kid"; empty: none was named.
  std::string issuer;  // "https://token.actions.githubusercontent.com"
  std::string subject;
  std::vector<std::string> audiences;
  std::string authorized_party;  // "azp"; empty: absent.
  json::object claims;           // All of them.
  std::string signed_text;
  std::string signature;  // Its bytes.

  std::string provider() const;  // The issuer without "https://", as ARNs and condition keys name it.
  std::string audience() const;  // For whom it is: the authorized party, else the first audience.
};

// Reads a signed token; nothing of it is checked yet.
Result<WebToken> read_web_token(std::string_view text);

// Whether one of `jwks`, the issuer's keys, signed it.  RS256 only: "none" and shared secrets prove nothing.
Result<void> check_signature(const WebToken& token, std::string_view jwks);

// Whether it is valid at `now`: `exp`, and `nbf` and `iat` where they are.
Result<void> check_time(const WebToken& token, Instant now);

// What trust policies may ask of it: "ISSUER:sub", "ISSUER:aud", "ISSUER:oaud", "ISSUER:amr", and GitHub's own claims
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-condition-keys.html#condition-keys-wif).
ConditionKeys keys_of(const WebToken& token);

// What CreateOpenIDConnectProvider says of an issuer's URL; the provider's name for a good one: host and path.
Result<std::string> provider_of_url(std::string_view url);

}  // namespace slipway::iam
