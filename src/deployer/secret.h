// Secret: a value that no log, plan or error may show.  Configuration names it; the deployer reads it when it is used.
#pragma once
#include <functional>
#include <string>
#include <utility>

#include "base/task.h"
#include "deployer/cloud.h"

namespace slipway::deployer {

// Nothing prints it; reveal() has its place in the one request that needs the value.
class Secret {
 public:
  explicit Secret(std::string value) : value_(std::move(value)) {}
  const std::string& reveal() const { return value_; }
  // `text` with every occurrence of the value (and of what stands behind the host, when it is a URL) as "***".
  std::string redact(std::string text) const;

 private:
  std::string value_;
};

using Lookup = std::function<std::string(const std::string& name)>;  // A variable of the environment; empty: not set.

// "env:NAME", "ssm:NAME" (Parameter Store), "secretsmanager:NAME" or "secretsmanager:NAME#MEMBER" (of a JSON text).
// Fails with "SecretNotFound" (not_found, naming the reference) and the failures of the call.
task<Result<Secret>> read_secret(Cloud& cloud, std::string reference, Lookup environment);

}  // namespace slipway::deployer
