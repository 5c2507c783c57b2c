#include "sqs/query_answer.h"

#include <map>

namespace slipway::sqs {

namespace {

const std::string kJsonPrefix = "com.amazonaws.sqs#";
constexpr std::string_view kQueryPrefix = "AWS.SimpleQueueService.";
// Codes whose shape is called otherwise; the rest differ in their prefix alone.
const std::map<std::string_view, std::string_view> kJsonNames{
    {"AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"},
    {"QueueAlreadyExists", "QueueNameExists"},
    {"ReceiptHandleIsInvalid", "ReceiptHandleIsInvalid"},
    {"InvalidAttributeName", "InvalidAttributeName"},
    {"InvalidAttributeValue", "InvalidAttributeValue"},
    {"InvalidMessageContents", "InvalidMessageContents"},
    {"OverLimit", "OverLimit"},
};

// {"a": "1"} -> [{"Name": "a", "Value": "1"}]
json::array pairs(const json::object& map, const char* name = "Name") {
  json::array out;
  for (const auto& entry : map) out.push_back(json::object{{name, entry.key()}, {"Value", entry.value()}});
  return out;
}

json::object message(const json::object& given) {
  json::object out;
  for (const auto& member : given) {
    if (member.key() == "Attributes") {
      out["*Attribute"] = pairs(member.value().as_object());
    } else if (member.key() == "MessageAttributes") {
      out["*MessageAttribute"] = pairs(member.value().as_object());
    } else {
      out[member.key()] = member.value();
    }
  }
  return out;
}

json::array messages(const json::array& given) {
  json::array out;
  for (const auto& one : given) out.push_back(message(one.as_object()));
  return out;
}

}  // namespace

json::object query_answer(const std::string& operation, const json::object& answer) {
  json::object out;
  for (const auto& member : answer) {
    const std::string_view name = member.key();
    const auto& value = member.value();
    if (name == "Messages") {
      out["*Message"] = messages(value.as_array());
    } else if (name == "Attributes") {
      out["*Attribute"] = pairs(value.as_object());
    } else if (name == "Tags") {
      out["*Tag"] = pairs(value.as_object(), "Key");
    } else if (name == "QueueUrls" || name == "queueUrls") {
      out["*QueueUrl"] = value;
    } else if (name == "Successful") {
      out["*" + operation + "ResultEntry"] = value;
    } else if (name == "Failed") {
      out["*BatchResultErrorEntry"] = value;
    } else {
      out[name] = value;
    }
  }
  return out;
}

Error json_error(const Error& error) {
  Error out = error;
  const std::string_view code = error.code;
  if (const auto found = kJsonNames.find(code); found != kJsonNames.end()) {
    out.code = kJsonPrefix + std::string(found->second);
  } else if (code.starts_with(kQueryPrefix)) {
    out.code = kJsonPrefix + std::string(code.substr(kQueryPrefix.size()));
  }
  return out;
}

std::string query_error_code(const std::string& json_code) {
  if (!json_code.starts_with(kJsonPrefix)) return json_code;
  const std::string name = json_code.substr(kJsonPrefix.size());
  for (const auto& [query, shape] : kJsonNames) {
    if (shape == name) return std::string(query);
  }
  return std::string(kQueryPrefix) + name;
}

}  // namespace slipway::sqs
