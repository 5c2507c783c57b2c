// What the bus asks of others: to hand an event to a target, and to keep what no target took.  The
// region answers.
#pragma once
#include <map>
#include <string>
#include <utility>

#include "base/result.h"
#include "base/task.h"

namespace slipway::events {

// One event on its way to one target.
struct Delivery {
  std::string target_arn;
  std::string target_id;
  std::string rule_arn;
  std::string rule_name;
  std::string event_id;
  std::string payload;  // JSON text, as the target's input asks.
  int attempt = 1;
};

class Targets {
 public:
  virtual ~Targets() = default;
  // Whether we can deliver to this kind of target.  Fails with Fault::invalid and a sentence for
  // PutTargets' FailedEntries.
  virtual Result<void> accepts(const std::string& arn) = 0;
  // Returns once the target keeps the event (an asynchronous invocation is queued on disk, a
  // message is stored).  May be called again with the same event after a crash.  denied and
  // not_found are final, every other fault is tried again.
  virtual task<Result<void>> deliver(Delivery delivery) = 0;
};

class DeadLetters {
 public:
  virtual ~DeadLetters() = default;
  // Puts `body` into the queue.  `attributes`: name -> (SQS type, value).
  virtual task<Result<void>> send(std::string queue_arn, std::string body,
                                  std::map<std::string, std::pair<std::string, std::string>> attributes) = 0;
};

}  // namespace slipway::events
