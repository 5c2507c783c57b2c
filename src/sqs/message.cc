#include "sqs/message.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <set>

#include "base/digest.h"
#include "base/json.h"
#include "base/text.h"

namespace slipway::sqs {

namespace {

constexpr std::size_t kQueueNameMax = 80;
constexpr std::size_t kAttributeNameMax = 256;
constexpr std::size_t kBatchMax = 10;
constexpr std::size_t kBatchIdMax = 80;
constexpr long long kReceiveCountMax = 1000;
constexpr std::size_t kAllowedSourcesMax = 10;
constexpr std::string_view kLettersAndDigits = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";

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

std::unexpected<Error> invalid_policy(const char* name, const std::string& value, const std::string& why) {
  return fail(Fault::invalid, "InvalidParameterValue",
              "Value " + value + " for parameter " + name + " is invalid. Reason: " + why);
}

std::optional<long long> whole_number(std::string_view text) {
  long long number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

Result<void> check_policy(const std::string& value) {
  const auto parsed = parse_json(value);
  if (value.empty() || (parsed && parsed->is_object())) return {};
  return fail(Fault::invalid, "InvalidAttributeValue", "Invalid value for the parameter Policy.");
}

Result<void> check_allow_policy(const std::string& value) {
  if (value.empty()) return {};
  const auto parsed = parse_json(value);
  const auto wrong = [&](const std::string& why) { return invalid_policy("RedriveAllowPolicy", value, why); };
  if (!parsed || !parsed->is_object()) return wrong("Redrive allow policy is not a valid JSON map.");
  const std::string permission = get_string(parsed->get_object(), "redrivePermission");
  const auto sources = get_strings(parsed->get_object(), "sourceQueueArns");
  const bool by_queue = permission == "byQueue";
  if (!by_queue && permission != "allowAll" && permission != "denyAll")
    return wrong("Amazon SQS can't create the redrive allow policy. Specify a valid redrivePermission.");
  if (by_queue != !sources.empty() || sources.size() > kAllowedSourcesMax)
    return wrong("sourceQueueArns names 1 to 10 queues, with redrivePermission byQueue only.");
  return {};
}

// The characters that XML 1.0 has; SQS takes no others.
bool is_xml_text(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte < 0x20 && byte != 0x9 && byte != 0xA && byte != 0xD) return false;
    // U+FFFE and U+FFFF.
    const bool last_of_plane = text.substr(i, 3) == "\xEF\xBF\xBE" || text.substr(i, 3) == "\xEF\xBF\xBF";
    if (last_of_plane) return false;
  }
  return true;
}

Result<void> check_attribute_name(const std::string& name) {
  const std::string low = to_lower(name);
  const bool reserved = low.starts_with("aws.") || low.starts_with("amazon.");
  const bool dots = name.starts_with('.') || name.ends_with('.') || name.find("..") != std::string::npos;
  const std::string allowed = std::string(kLettersAndDigits) + ".";
  const bool plain = name.find_first_not_of(allowed) == std::string::npos;
  if (!name.empty() && name.size() <= kAttributeNameMax && plain && !reserved && !dots) return {};
  return fail(Fault::invalid, "InvalidParameterValue",
              "Message (user) attribute name '" + name +
                  "' is invalid: 1 to 256 of A-Z a-z 0-9 _ - . , no two dots together, no dot at an end, and neither "
                  "AWS. nor Amazon. at the start.");
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
    const auto given = whole_number(value);
    if (!given || *given < number.low || *given > number.high) return invalid_value(name);
    return {};
  }
  if (name == "Policy") return check_policy(value);
  if (name == "RedriveAllowPolicy") return check_allow_policy(value);
  if (name == "RedrivePolicy") {
    const auto redrive = parse_redrive(value);
    if (!redrive) return fail(redrive);
    return {};
  }
  if (name == "SqsManagedSseEnabled" && value == "false") return {};
  if (name == "FifoQueue" || name == "ContentBasedDeduplication" || name == "DeduplicationScope" ||
      name == "FifoThroughputLimit") {
    return fail(Fault::unsupported, "AWS.SimpleQueueService.UnsupportedOperation",
                "FIFO queues are not supported yet; use a standard queue.");
  }
  if (name == "KmsMasterKeyId" || name == "SqsManagedSseEnabled" || name == "KmsDataKeyReusePeriodSeconds") {
    if (value.empty()) return {};
    return fail(Fault::unsupported, "AWS.SimpleQueueService.UnsupportedOperation",
                "The queue attribute " + name + " is not supported yet.");
  }
  return fail(Fault::invalid, "InvalidAttributeName", "Unknown Attribute " + name + ".");
}

Result<std::optional<Redrive>> parse_redrive(const std::string& policy) {
  if (policy.empty()) return std::nullopt;
  const auto wrong = [&](const std::string& why) { return invalid_policy("RedrivePolicy", policy, why); };
  const auto parsed = parse_json(policy);
  if (!parsed || !parsed->is_object()) return wrong("Redrive policy is not a valid JSON map.");
  const json::object& given = parsed->get_object();
  const json::value* count = find(given, "maxReceiveCount");
  if (count == nullptr) return wrong("Redrive policy does not contain mandatory attribute: maxReceiveCount.");
  if (get_string(given, "deadLetterTargetArn").empty())
    return wrong("Redrive policy does not contain mandatory attribute: deadLetterTargetArn.");
  const auto number = count->is_int64()    ? std::optional<long long>(count->get_int64())
                      : count->is_string() ? whole_number(view(count->get_string()))
                                           : std::nullopt;
  if (!number || *number < 1 || *number > kReceiveCountMax)
    return wrong("Invalid value for maxReceiveCount: must be between 1 and 1000.");
  return Redrive{.dead_letter_arn = get_string(given, "deadLetterTargetArn"),
                 .receives_max = static_cast<int>(*number)};
}

bool allows_redrive(const std::string& allow_policy, const std::string& source_arn) {
  const auto parsed = parse_json(allow_policy);
  if (!parsed || !parsed->is_object()) return true;
  const std::string permission = get_string(parsed->get_object(), "redrivePermission");
  if (permission == "byQueue")
    return std::ranges::count(get_strings(parsed->get_object(), "sourceQueueArns"), source_arn) > 0;
  return permission != "denyAll";
}

Result<void> check_batch(const std::string& operation, const std::vector<std::string>& ids) {
  if (ids.empty())
    return fail(Fault::invalid, "AWS.SimpleQueueService.EmptyBatchRequest",
                "There should be at least one " + operation + "RequestEntry in the request.");
  if (ids.size() > kBatchMax)
    return fail(Fault::invalid, "AWS.SimpleQueueService.TooManyEntriesInBatchRequest",
                "Maximum number of entries per request are 10. You have sent " + std::to_string(ids.size()) + ".");
  std::set<std::string> seen;
  for (const std::string& id : ids) {
    const bool plain = id.find_first_not_of(kLettersAndDigits) == std::string::npos;
    if (id.empty() || id.size() > kBatchIdMax || !plain)
      return fail(Fault::invalid, "AWS.SimpleQueueService.InvalidBatchEntryId",
                  "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at "
                  "most 80 letters long.");
    if (!seen.insert(id).second)
      return fail(Fault::invalid, "AWS.SimpleQueueService.BatchEntryIdsNotDistinct", "Id " + id + " repeated.");
  }
  return {};
}

Result<void> check_queue_name(std::string_view name) {
  if (name.ends_with(".fifo")) {
    return fail(Fault::unsupported, "AWS.SimpleQueueService.UnsupportedOperation",
                "FIFO queues are not supported yet; use a standard queue.");
  }
  const bool plain = name.find_first_not_of(kLettersAndDigits) == std::string_view::npos;
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
  if (!is_xml_text(body)) {
    return fail(Fault::invalid, "InvalidMessageContents",
                "Invalid binary character was found in the message body, the set of allowed characters is #x9 | #xA | "
                "#xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF");
  }
  std::size_t bytes = body.size();
  for (const auto& [name, attribute] : attributes) {
    if (auto named = check_attribute_name(name); !named) return named;
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
