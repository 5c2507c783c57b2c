#include "sqs/query_answer.h"

#include <map>

namespace slipway::sqs {

namespace {

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
    } else if (name == "QueueUrls") {
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
  static const std::map<std::string, std::string> names{
      {"AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"},
      {"AWS.SimpleQueueService.UnsupportedOperation", "UnsupportedOperation"},
      {"AWS.SimpleQueueService.MessageNotInflight", "MessageNotInflight"},
      {"QueueAlreadyExists", "QueueNameExists"},
  };
  const auto found = names.find(error.code);
  Error out = error;
  if (found != names.end()) out.code = "com.amazonaws.sqs#" + found->second;
  return out;
}

}  // namespace slipway::sqs
