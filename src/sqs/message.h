// Message: what SQS computes over messages, and what it allows of queues.  Pure.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html
#pragma once
#include <map>
#include <string>
#include <string_view>

#include "base/digest.h"
#include "base/result.h"

namespace slipway::sqs {

constexpr std::size_t kMessageBytesMax = 1024 * 1024;
constexpr std::size_t kMessageAttributesMax = 10;

struct MessageAttribute {
  std::string type;   // "String", "Number.int", "Binary"
  std::string value;  // Binary: the bytes.
  bool binary() const { return type.starts_with("Binary"); }
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

Result<void> check_queue_name(std::string_view name);
Result<void> check_message(std::string_view body, const MessageAttributes& attributes);

}  // namespace slipway::sqs
