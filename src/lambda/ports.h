// What lambda asks of the rest of the region.  region/doors answers.
#pragma once
#include <map>
#include <string>
#include <utility>

#include "base/result.h"
#include "base/task.h"

namespace slipway::lambda {

class Logs {
 public:
  virtual ~Logs() = default;
  virtual void append(std::string group, std::string stream, Instant at, std::string message) = 0;
};

struct RoleCredentials {
  std::string access_key_id;
  std::string secret_access_key;
  std::string session_token;
};

class Roles {
 public:
  virtual ~Roles() = default;
  // Fails when there is no such role or Lambda may not assume it.
  virtual Result<void> check(const std::string& role_arn) = 0;
  virtual task<Result<RoleCredentials>> session(std::string role_arn, std::string session_name, Duration lifetime) = 0;
};

class DeadLetters {
 public:
  virtual ~DeadLetters() = default;
  // To a queue, or, for the record of an invocation, to an event bus.  Attributes: name -> {type, value}.
  virtual task<Result<void>> send(std::string arn, std::string body,
                                  std::map<std::string, std::pair<std::string, std::string>> attributes) = 0;
};

}  // namespace slipway::lambda
