// Message: what SQS computes over messages, and what it allows of queues.  Pure.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html
#pragma once
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "base/result.h"

namespace slipway::sqs {

constexpr std::size_t kMessageBytesMax = 1024 * 1024;
constexpr std::size_t kMessageAttributesMax = 10;

struct MessageAttribute {
  std::string type;   // "String", "Number.int", "Binary"
  std::string value;  // Binary: the bytes.
  bool binary() const { return type.starts_with("Binary"); }
  bool operator==(const MessageAttribute&) const = default;
};
using MessageAttributes = std::map<std::string, MessageAttribute>;

// The digest that SDKs compare: name, type and value of each attribute in the order of their names,
// each with its length as four bytes before it, and a byte that says text (1) or binary (2).
std::string md5_of_attributes(const MessageAttributes& attributes);

// Attributes of queues: what each may be set to.  The defaults are AWS's.
using QueueAttributes = std::map<std::string, std::string>;
QueueAttributes default_attributes();
// Fails with InvalidAttributeName, InvalidAttributeValue, or Fault::unsupported for what we cannot
// do.
Result<void> check_attribute(const std::string& name, const std::string& value);

// After so many receives a message goes to the dead-letter queue instead of being given out again.
struct Redrive {
  std::string dead_letter_arn;
  int receives_max = 0;
};
// From a RedrivePolicy: {"deadLetterTargetArn":"arn:…","maxReceiveCount":3}; the count may be a text.  nullopt: none.
Result<std::optional<Redrive>> parse_redrive(const std::string& policy);
// Whether a RedriveAllowPolicy (empty: all may) lets `source_arn` use the queue for its dead letters.
bool allows_redrive(const std::string& allow_policy, const std::string& source_arn);

// The ids of a batch: 1 to 10, well formed, each once.  Fails with AWS's code; `operation`: "SendMessageBatch".
Result<void> check_batch(const std::string& operation, const std::vector<std::string>& ids);

Result<void> check_queue_name(std::string_view name);
Result<void> check_message(std::string_view body, const MessageAttributes& attributes);

}  // namespace slipway::sqs
