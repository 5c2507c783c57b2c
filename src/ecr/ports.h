// What ecr asks of the rest of the region.  region/doors answers.
#pragma once
#include <string>

#include "base/event.h"
#include "base/result.h"
#include "database/database.h"
#include "wire/service.h"

namespace slipway::ecr {

// Where events go: written in the transaction of the change that caused them.
class Outbox {
 public:
  virtual ~Outbox() = default;
  virtual void publish(database::Transaction& tx, Event event) = 0;
};

class Permissions {
 public:
  virtual ~Permissions() = default;
  // Whether the caller may, by its own policies and the repository's ("" for none); an Error of Fault::denied in AWS's
  // words when not.
  virtual Result<void> allow(const wire::Caller& caller, const std::string& action, const std::string& resource,
                             const std::string& policy) = 0;
  // Fails with what is wrong in a repository's policy.
  virtual Result<void> check_policy(const std::string& policy) = 0;
};

}  // namespace slipway::ecr
