#include "sqs/message.h"

#include <array>
#include <charconv>
#include <stdexcept>

#include "base/digest.h"
#include "base/text.h"

namespace slipway::sqs {

namespace {

constexpr std::size_t kQueueNameMax = 80;

struct Bounds {
  const char* name;
  const char* standard;
  long long low;
  long long high;
};

// Seconds, except MaximumMessageSize: bytes.
constexpr std::array kNumbers = {
    Bounds{"DelaySeconds", "0", 0, 900},
    Bounds{"MaximumMessageSize", "1048576", 1024, 1048576},
    Bounds{"MessageRetentionPeriod", "345600", 60, 1209600},
    Bounds{"ReceiveMessageWaitTimeSeconds", "0", 0, 20},
    Bounds{"VisibilityTimeout", "30", 0, 43200},
};

void put_with_length(std::string& out, std::string_view text) {
  for (int shift = 24; shift >= 0; shift -= 8)
    out += static_cast<char>((text.size() >> static_cast<unsigned>(shift)) & 0xFFU);
  out += text;
}

std::unexpected<Error> invalid_value(const std::string& name) {
  return fail(Fault::invalid, "InvalidAttributeValue", "Invalid value for the parameter " + name + ".");
}

}  // namespace

std::string md5_of_attributes(const MessageAttributes& attributes) {
  std::string bytes;
  for (const auto& [name, attribute] : attributes) {
    put_with_length(bytes, name);
    put_with_length(bytes, attribute.type);
    bytes += attribute.binary() ? '\2' : '\1';
    put_with_length(bytes, attribute.value);
  }
  return md5_hex(bytes);
}

QueueAttributes default_attributes() {
  QueueAttributes out{{"SqsManagedSseEnabled", "false"}};
  for (const auto& number : kNumbers) out[number.name] = number.standard;
  return out;
}

Result<void> check_attribute(const std::string& name, const std::string& value) {
  for (const auto& number : kNumbers) {
    if (name != number.name) continue;
    long long given = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), given);
    const bool reads = error == std::errc{} && end == value.data() + value.size();
    if (!reads || given < number.low || given > number.high) return invalid_value(name);
    return {};
  }
  if (name == "Policy") return {};  // Kept; the region asks for it when a service sends.
  if (name == "SqsManagedSseEnabled" && value == "false") return {};
  if (name == "FifoQueue" || name == "ContentBasedDeduplication" || name == "DeduplicationScope" ||
      name == "FifoThroughputLimit") {
    if (value == "false") return {};
    return fail(Fault::unsupported, "AWS.SimpleQueueService.UnsupportedOperation",
                "FIFO queues are not supported yet; use a standard queue.");
  }
  if (name == "RedrivePolicy" || name == "RedriveAllowPolicy" || name == "KmsMasterKeyId" ||
      name == "SqsManagedSseEnabled" || name == "KmsDataKeyReusePeriodSeconds") {
    if (value.empty()) return {};
    return fail(Fault::unsupported, "AWS.SimpleQueueService.UnsupportedOperation",
                "The queue attribute " + name + " is not supported yet.");
  }
  return fail(Fault::invalid, "InvalidAttributeName", "Unknown Attribute " + name + ".");
}

Result<void> check_queue_name(std::string_view name) {
  if (name.ends_with(".fifo")) {
    return fail(Fault::unsupported, "AWS.SimpleQueueService.UnsupportedOperation",
                "FIFO queues are not supported yet; use a standard queue.");
  }
  const bool plain = name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") ==
                     std::string_view::npos;
  if (!name.empty() && name.size() <= kQueueNameMax && plain) return {};
  return fail(Fault::invalid, "InvalidParameterValue",
              "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length");
}

Result<void> check_message(std::string_view body, const MessageAttributes& attributes) {
  if (body.empty())
    return fail(Fault::invalid, "MissingParameter", "The request must contain the parameter MessageBody.");
  if (attributes.size() > kMessageAttributesMax) {
    return fail(Fault::invalid, "InvalidParameterValue",
                "Number of message attributes exceeds the allowed maximum [10].");
  }
  std::size_t bytes = body.size();
  for (const auto& [name, attribute] : attributes) {
    bytes += name.size() + attribute.type.size() + attribute.value.size();
    const auto kind = attribute.type.substr(0, attribute.type.find('.'));
    if (kind != "String" && kind != "Number" && kind != "Binary") {
      return fail(Fault::invalid, "InvalidParameterValue",
                  "The type of message (user) attribute '" + name +
                      "' is invalid. You must use only the following supported type prefixes: "
                      "Binary, Number, String.");
    }
    if (attribute.value.empty()) {
      return fail(Fault::invalid, "InvalidParameterValue",
                  "The message (user) attribute '" + name + "' must contain a non-empty message attribute value.");
    }
  }
  if (bytes <= kMessageBytesMax) return {};
  return fail(Fault::invalid, "InvalidParameterValue",
              "One or more parameters are invalid. Reason: Message must be shorter than " +
                  std::to_string(kMessageBytesMax) + " bytes.");
}

}  // namespace slipway::sqs
