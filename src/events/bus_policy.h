// BusPolicy: the resource policy of an event bus, as PutPermission and RemovePermission edit it.  Pure.
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutPermission.html
#pragma once
#include <optional>
#include <string>

#include "base/arn.h"
#include "base/json.h"
#include "base/result.h"

namespace slipway::events {

constexpr std::size_t kBusPolicyMax = 10'240;  // Characters.

// Whether PutPermission's input makes a statement: Action, Principal, StatementId, and Condition if there is one.
Result<void> check_statement(const json::object& input);

// The policy with the statement that PutPermission asks for; one of the same id is replaced.
std::string with_statement(const std::string& policy, const json::object& input, const std::string& bus_arn);

// The policy without the statement, empty when it was the last; nullopt when there is no such statement.
std::optional<std::string> without_statement(const std::string& policy, const std::string& id);

}  // namespace slipway::events
