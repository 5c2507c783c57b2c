// Message: what is published: how it is checked, the notification that an endpoint receives, and how often a delivery
// is tried.  Pure.
// https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html
// https://docs.aws.amazon.com/sns/latest/dg/sns-message-delivery-retries.html
#pragma once
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/instant.h"
#include "base/json.h"
#include "base/result.h"

namespace slipway::sns {

constexpr std::size_t kMessageBytesMax = 256 * 1024;  // Of a message with its attributes, and of a batch together.
constexpr std::size_t kSubjectMax = 100;              // Characters.
constexpr std::size_t kTopicNameMax = 256;
constexpr std::size_t kBatchMax = 10;

struct MessageAttribute {
  std::string type;   // "String", "String.Array", "Number", "Binary"
  std::string value;  // Binary: the bytes.
  bool binary() const { return type.starts_with("Binary"); }
  bool operator==(const MessageAttribute&) const = default;
};
using MessageAttributes = std::map<std::string, MessageAttribute>;

struct Message {
  std::string id;
  std::string topic_arn;
  std::string subject;  // Empty: none.
  std::string text;
  std::map<std::string, std::string> by_protocol;  // Of MessageStructure "json": besides `text`, its default.
  MessageAttributes attributes;
  Instant at{};
};

// Makes the message of an input of Publish, or of an entry of PublishBatch.  Fails with SNS's code and sentence.
Result<Message> read_message(const json::object& input);
std::size_t bytes_of(const Message& message);
// The ids of a batch: 1 to 10, well formed, each once.
Result<void> check_batch(const std::vector<std::string>& ids);

Result<void> check_topic_name(std::string_view name);
// Whether a subscription may have this endpoint: the ARN of a queue or function, a URL.
Result<void> check_endpoint(const std::string& protocol, const std::string& endpoint);

// Where a notification says that it comes from and how it is ended.
struct Origin {
  std::string subscription_arn;
  std::string endpoint_url;  // Of the region's API: "http://127.0.0.1:4566".
};
// What an endpoint receives, in SNS's own layout.  It is not signed: Signature and SigningCertURL are empty, and a
// receiver that verifies them refuses it.
std::string notification(const Message& message, const std::string& protocol, const Origin& origin);
// The event that a function is invoked with.
std::string function_event(const Message& message, const Origin& origin);
// What an HTTP endpoint is asked to confirm with.
std::string confirmation(const Message& message, const std::string& token, const Origin& origin);
// The message's text for the protocol.
const std::string& text_for(const Message& message, const std::string& protocol);

// How long to wait after the `attempts`-th attempt (counted from 1) failed; nullopt: SNS gives up.  HTTP endpoints get
// the default delivery policy (3 retries, 20 s apart), queues and functions 100,015 attempts over 23 days.
std::optional<Duration> retry_after(const std::string& protocol, int attempts);
// Whether another attempt can help.
bool worth_another(const Error& error);
// What an HTTP status means: 2xx is taken, 429 and 5xx may be otherwise later, the rest is final.
Result<void> outcome_of_status(int status);

}  // namespace slipway::sns
