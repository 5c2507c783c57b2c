// How SQS's two protocols differ in what they answer.  Pure.
#pragma once
#include <string>

#include "base/json.h"
#include "base/result.h"

namespace slipway::sqs {

// The awsJson answer of `operation` as the query protocol has it: lists and maps flattened under
// their singular names (a '*' before a name means flattened, see wire/query.h).
json::object query_answer(const std::string& operation, const json::object& answer);

// An error under its awsJson name: QueueDoesNotExist where query says
// AWS.SimpleQueueService.NonExistentQueue.
Error json_error(const Error& error);
// The other way round, for the header that SDKs read: "com.amazonaws.sqs#QueueDoesNotExist" ->
// "AWS.SimpleQueueService.NonExistentQueue".
std::string query_error_code(const std::string& json_code);

}  // namespace slipway::sqs
