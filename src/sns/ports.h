// What topics ask of others: to take a message, and to say what a topic's policy allows.  The region answers.
#pragma once
#include <map>
#include <string>
#include <utility>

#include "base/result.h"
#include "base/task.h"

namespace slipway::sns {

// One message on its way to one subscription.
struct Handover {
  std::string topic_arn;
  std::string protocol;  // "sqs", "lambda"
  std::string endpoint;  // The ARN.
  std::string body;      // As the endpoint receives it.
  // Of a raw message to a queue: name -> (type, value; of a binary one the bytes).
  std::map<std::string, std::pair<std::string, std::string>> attributes;
};

class Endpoints {
 public:
  virtual ~Endpoints() = default;
  // Returns once the endpoint keeps the message.  May be called again with the same message after a crash.  denied,
  // not_found, invalid and unsupported are final, every other fault is tried again.
  virtual task<Result<void>> deliver(Handover handover) = 0;
};

class Permissions {
 public:
  virtual ~Permissions() = default;
  // Fails as iam does where a topic's policy can not be understood.
  virtual Result<void> check_policy(const std::string& text) = 0;
};

}  // namespace slipway::sns
