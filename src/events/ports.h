// What the bus asks of others: to hand an event to a target, to keep what no target took, and to say who may do what.
// The region answers.
#pragma once
#include <map>
#include <string>
#include <utility>

#include "base/json.h"
#include "base/result.h"
#include "base/task.h"
#include "database/database.h"
#include "wire/service.h"

namespace slipway::events {

// One event on its way to one target.
struct Delivery {
  std::string target_arn;
  std::string target_id;
  std::string rule_arn;
  std::string rule_name;
  std::string event_id;
  std::string payload;      // JSON text, as the target's input asks.
  json::object parameters;  // RoleArn and the parameters of the target's kind: EcsParameters, HttpParameters.
  std::string trace;        // X-Ray's header, "Root=1-…", of who put the event; empty: not traced.
  std::string key;          // The same for every attempt of this delivery, and for no other.
  int attempt = 1;
  Instant at{};          // Of this attempt.
  std::string fresh_id;  // A UUID that nothing else has, for what the target makes of it.
};

class Targets {
 public:
  virtual ~Targets() = default;
  // Whether we can deliver to this target, as PutTargets describes it.  Fails with Fault::invalid and a sentence for
  // PutTargets' FailedEntries.
  virtual Result<void> accepts(const json::object& target) = 0;
  // Returns once the target keeps the event (an asynchronous invocation is queued on disk, a
  // message is stored).  May be called again with the same event after a crash.  denied, not_found and
  // unsupported are final, every other fault is tried again.
  virtual task<Result<void>> deliver(Delivery delivery) = 0;
  // Whether the target keeps events in this very database (a queue, a function's queue).  deliver_in() then hands one
  // over in the transaction that records it, on the writer thread: it is there once, and costs no write of its own.
  virtual bool in_database(const std::string& target_arn) const = 0;
  virtual Result<void> deliver_in(database::Transaction& tx, const Delivery& delivery) = 0;
};

class DeadLetters {
 public:
  virtual ~DeadLetters() = default;
  // Puts `body` into the queue, on behalf of the rule.  `attributes`: name -> (SQS type, value).
  virtual task<Result<void>> send(std::string queue_arn, std::string rule_arn, std::string body,
                                  std::map<std::string, std::pair<std::string, std::string>> attributes) = 0;
};

class Permissions {
 public:
  virtual ~Permissions() = default;
  // Fails as iam does where the bus's policy can not be understood.
  virtual Result<void> check_policy(const std::string& text) = 0;
  // Whether `caller` may do `action` to the bus: by his own policies, unless the bus's policy (empty: none) forbids it.
  virtual Result<void> allow(const wire::Caller& caller, const std::string& action, const std::string& bus_arn,
                             const std::string& bus_policy) = 0;
  // Whether the role trusts EventBridge and may do `action` to `resource`.
  virtual Result<void> allow_role(const std::string& role_arn, const std::string& action,
                                  const std::string& resource) = 0;
};

}  // namespace slipway::events
