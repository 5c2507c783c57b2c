// Credentials: the default chain of AWS's SDKs: environment, profile files (keys, assumed roles,
// processes), web identity, containers, instance metadata.  Reading is pure (chain.h, profile.h);
// this file fetches, keeps and renews.
// https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html
#pragma once
#include <memory>
#include <optional>
#include <string>

#include "base/instant.h"
#include "base/result.h"
#include "base/task.h"
#include "client/surroundings.h"

namespace slipway::client {

struct Credentials {
  std::string access_key_id;
  std::string secret_access_key;
  std::string session_token;       // Empty for long-term keys.
  std::string account_id;          // Empty when nobody said it.
  std::optional<Instant> expires;  // nullopt: never.
};

// Renewal is tried from 15 minutes before the end, and a failure of it is an error in the last 10.
constexpr Duration kRenewBefore = std::chrono::minutes(15);
constexpr Duration kMustRenewBefore = std::chrono::minutes(10);

class CredentialChain {
 public:
  // `profile` empty: AWS_PROFILE, else "default".  A profile named here keeps the keys in the
  // environment out.
  CredentialChain(Environment environment, std::string profile, std::shared_ptr<Surroundings> surroundings);
  ~CredentialChain();
  CredentialChain(CredentialChain&&) noexcept;
  CredentialChain& operator=(CredentialChain&&) noexcept;

  // Credentials that do not end soon; from memory when they were found before.  Fails with
  // Fault::denied, "CredentialsNotFound", saying what was tried, or with what the configured source
  // answered.
  task<Result<Credentials>> get();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace slipway::client
