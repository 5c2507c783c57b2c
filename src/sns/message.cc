#include "sns/message.h"

#include <algorithm>
#include <set>

#include "base/arn.h"
#include "base/text.h"

namespace slipway::sns {

namespace {

constexpr std::size_t kBatchIdMax = 80;
constexpr int kHttpAttemptsMax = 4;
constexpr Duration kHttpDelay = std::chrono::seconds(20);
constexpr int kOwnAttemptsMax = 100'015;
constexpr Duration kOwnDelayMax = std::chrono::seconds(20);
constexpr std::string_view kNameLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

std::unexpected<Error> invalid(const std::string& what) {
  return fail(Fault::invalid, "InvalidParameter", "Invalid parameter: " + what);
}

std::string quoted(std::string_view text) {
  return json::serialize(json::value(text));
}

json::object attribute_values(const MessageAttributes& attributes) {
  json::object out;
  for (const auto& [name, attribute] : attributes) {
    out[name] = json::object{{"Type", attribute.type},
                             {"Value", attribute.binary() ? base64_encode(attribute.value) : attribute.value}};
  }
  return out;
}

std::string unsubscribe_url(const Origin& origin) {
  return origin.endpoint_url +
         "/?Action=Unsubscribe&Version=2010-03-31&SubscriptionArn=" + percent_encode(origin.subscription_arn);
}

// Members in SNS's layout: one a line.
class Lines {
 public:
  void add(std::string_view name, std::string_view text) { add_json(name, quoted(text)); }
  void add_json(std::string_view name, const std::string& value) {
    text_ += text_.empty() ? "{\n  " : ",\n  ";
    text_ += quoted(name) + " : " + value;
  }
  std::string ended() { return std::move(text_) + "\n}"; }

 private:
  std::string text_;
};

Result<MessageAttributes> read_attributes(const json::object& input) {
  MessageAttributes out;
  for (const auto& entry : get_object(input, "MessageAttributes")) {
    const std::string name(entry.key());
    const auto& given = entry.value().as_object();
    MessageAttribute attribute{.type = get_string(given, "DataType"), .value = {}};
    const auto wrong = [&](const std::string& why) {
      return fail(Fault::invalid, "ParameterValueInvalid", "The message attribute '" + name + "' " + why);
    };
    const bool known =
        attribute.binary() || attribute.type.starts_with("String") || attribute.type.starts_with("Number");
    if (!known)
      return wrong(
          "has an invalid message attribute type, the set of supported type prefixes is Binary, Number, and "
          "String.");
    attribute.value = get_string(given, attribute.binary() ? "BinaryValue" : "StringValue");
    if (attribute.value.empty())
      return wrong("must contain non-empty message attribute value for message attribute type '" + attribute.type +
                   "'.");
    out[name] = std::move(attribute);
  }
  return out;
}

// The texts of MessageStructure "json", by protocol.
Result<void> read_structure(Message& message) {
  const auto parsed = parse_json(message.text);
  if (!parsed || !parsed->is_object()) return invalid("Message Structure - JSON message body failed to parse");
  for (const auto& entry : parsed->get_object()) {
    if (entry.value().is_string()) message.by_protocol[entry.key()] = view(entry.value().get_string());
  }
  const auto text = message.by_protocol.find("default");
  if (text == message.by_protocol.end()) return invalid("Message Structure - No default entry in JSON message body");
  message.text = text->second;
  return {};
}

bool good_subject(const std::string& subject) {
  const auto plain = [](char c) { return static_cast<unsigned char>(c) >= 0x20 && c != 0x7f; };
  return subject.size() <= kSubjectMax && subject.front() != ' ' && std::ranges::all_of(subject, plain);
}

}  // namespace

Result<Message> read_message(const json::object& input) {
  Message message{
      .id = {}, .topic_arn = {}, .subject = get_string(input, "Subject"), .text = get_string(input, "Message")};
  if (message.text.empty()) return invalid("Empty message");
  if (has(input, "Subject") && (message.subject.empty() || !good_subject(message.subject))) return invalid("Subject");
  const auto structure = get_string(input, "MessageStructure");
  if (!structure.empty() && structure != "json") return invalid("MessageStructure");
  if (!structure.empty()) {
    if (auto read = read_structure(message); !read) return fail(read);
  }
  auto attributes = read_attributes(input);
  if (!attributes) return fail(attributes);
  message.attributes = *std::move(attributes);
  if (bytes_of(message) > kMessageBytesMax) return invalid("Message too long");
  return message;
}

std::size_t bytes_of(const Message& message) {
  std::size_t bytes = message.text.size();
  for (const auto& [protocol, text] : message.by_protocol) bytes += text.size();
  for (const auto& [name, attribute] : message.attributes)
    bytes += name.size() + attribute.type.size() + attribute.value.size();
  return bytes;
}

Result<void> check_batch(const std::vector<std::string>& ids) {
  if (ids.empty()) return fail(Fault::invalid, "EmptyBatchRequest", "The batch request doesn't contain any entries.");
  if (ids.size() > kBatchMax)
    return fail(Fault::invalid, "TooManyEntriesInBatchRequest",
                "The batch request contains more entries than permissible.");
  for (const auto& id : ids) {
    if (id.empty() || id.size() > kBatchIdMax || id.find_first_not_of(kNameLetters) != std::string::npos)
      return fail(Fault::invalid, "InvalidBatchEntryId",
                  "The Id of a batch entry in a batch request doesn't abide by the specification.");
  }
  if (std::set<std::string>(ids.begin(), ids.end()).size() != ids.size())
    return fail(Fault::invalid, "BatchEntryIdsNotDistinct",
                "Two or more batch entries in the request have the same Id.");
  return {};
}

Result<void> check_topic_name(std::string_view name) {
  if (name.ends_with(".fifo")) return invalid("Topic Name: FIFO topics are not supported yet");
  const bool good =
      !name.empty() && name.size() <= kTopicNameMax && name.find_first_not_of(kNameLetters) == std::string_view::npos;
  if (!good) return invalid("Topic Name");
  return {};
}

Result<void> check_endpoint(const std::string& protocol, const std::string& endpoint) {
  const auto arn = parse_arn(endpoint);
  if (protocol == "sqs") {
    if (!arn || arn->service != "sqs" || arn->resource.empty()) return invalid("SQS endpoint ARN");
    if (arn->resource.ends_with(".fifo"))
      return invalid("Endpoint Reason: FIFO SQS Queues can not be subscribed to standard SNS topics");
    return {};
  }
  if (protocol == "lambda") {
    if (arn && arn->service == "lambda" && arn->resource.starts_with("function:")) return {};
    return invalid("Lambda endpoint ARN");
  }
  if (protocol == "http" || protocol == "https") {
    const std::string scheme = protocol + "://";
    if (!endpoint.starts_with(scheme)) return invalid("Endpoint must match the specified protocol");
    const auto host = endpoint.substr(scheme.size(), endpoint.find_first_of("/?#", scheme.size()) - scheme.size());
    if (host.empty() || host.find('@') != std::string::npos) return invalid("Endpoint");
    return {};
  }
  for (const auto* known : {"email", "email-json", "sms", "application", "firehose"}) {
    if (protocol == known)
      return invalid("Protocol: " + protocol + " is not supported here yet; sqs, lambda, http and https are");
  }
  return invalid("Amazon SNS does not support this protocol string: " + protocol);
}

const std::string& text_for(const Message& message, const std::string& protocol) {
  const auto own = message.by_protocol.find(protocol);
  return own == message.by_protocol.end() ? message.text : own->second;
}

std::string notification(const Message& message, const std::string& protocol, const Origin& origin) {
  Lines lines;
  lines.add("Type", "Notification");
  lines.add("MessageId", message.id);
  lines.add("TopicArn", message.topic_arn);
  if (!message.subject.empty()) lines.add("Subject", message.subject);
  lines.add("Message", text_for(message, protocol));
  lines.add("Timestamp", iso_millis(message.at));
  lines.add("SignatureVersion", "1");
  lines.add("Signature", "");
  lines.add("SigningCertURL", "");
  lines.add("UnsubscribeURL", unsubscribe_url(origin));
  if (message.attributes.empty()) return lines.ended();
  std::string values;
  for (const auto& entry : attribute_values(message.attributes)) {
    values += values.empty() ? "{\n    " : ",\n    ";
    values += quoted(entry.key()) + " : " + json::serialize(entry.value());
  }
  lines.add_json("MessageAttributes", values + "\n  }");
  return lines.ended();
}

std::string function_event(const Message& message, const Origin& origin) {
  const json::object sns{{"Type", "Notification"},
                         {"MessageId", message.id},
                         {"TopicArn", message.topic_arn},
                         {"Subject", message.subject.empty() ? json::value(nullptr) : json::value(message.subject)},
                         {"Message", text_for(message, "lambda")},
                         {"Timestamp", iso_millis(message.at)},
                         {"SignatureVersion", "1"},
                         {"Signature", ""},
                         {"SigningCertUrl", ""},
                         {"UnsubscribeUrl", unsubscribe_url(origin)},
                         {"MessageAttributes", attribute_values(message.attributes)}};
  const json::object record{{"EventSource", "aws:sns"},
                            {"EventVersion", "1.0"},
                            {"EventSubscriptionArn", origin.subscription_arn},
                            {"Sns", sns}};
  return json::serialize(json::object{{"Records", json::array{record}}});
}

std::string confirmation(const Message& message, const std::string& token, const Origin& origin) {
  Lines lines;
  lines.add("Type", "SubscriptionConfirmation");
  lines.add("MessageId", message.id);
  lines.add("Token", token);
  lines.add("TopicArn", message.topic_arn);
  lines.add("Message", "You have chosen to subscribe to the topic " + message.topic_arn +
                           ".\nTo confirm the subscription, visit the SubscribeURL included in this message.");
  lines.add("SubscribeURL", origin.endpoint_url + "/?Action=ConfirmSubscription&Version=2010-03-31&TopicArn=" +
                                percent_encode(message.topic_arn) + "&Token=" + token);
  lines.add("Timestamp", iso_millis(message.at));
  lines.add("SignatureVersion", "1");
  lines.add("Signature", "");
  lines.add("SigningCertURL", "");
  return lines.ended();
}

std::optional<Duration> retry_after(const std::string& protocol, int attempts) {
  if (protocol == "http" || protocol == "https") {
    if (attempts >= kHttpAttemptsMax) return std::nullopt;
    return kHttpDelay;
  }
  if (attempts >= kOwnAttemptsMax) return std::nullopt;
  // Three at once, two a second apart, ten with growing delays, the rest at the longest.
  if (attempts <= 3) return Duration(0);
  if (attempts <= 5) return std::chrono::seconds(1);
  Duration delay = std::chrono::seconds(1);
  for (int i = 6; i < attempts && delay < kOwnDelayMax; ++i) delay *= 2;
  return std::min(delay, kOwnDelayMax);
}

bool worth_another(const Error& error) {
  switch (error.fault) {
    case Fault::denied:
    case Fault::not_found:
    case Fault::invalid:
    case Fault::unsupported:
      return false;
    default:
      return true;
  }
}

Result<void> outcome_of_status(int status) {
  if (status >= 200 && status < 300) return {};
  const std::string text = "The endpoint answered " + std::to_string(status) + ".";
  if (status == 429) return fail(Fault::throttled, "EndpointThrottled", text);
  if (status >= 500) return fail(Fault::unavailable, "EndpointFailed", text);
  return fail(Fault::invalid, "EndpointRefused", text);
}

}  // namespace slipway::sns
