// Records: what became of an event, for people: its rules, deliveries and attempts, and the deliveries that ended dead.
#pragma once
#include <optional>
#include <string>

#include "base/arn.h"
#include "base/json.h"
#include "database/database.h"
#include "events/store.h"

namespace slipway::events {

constexpr int kRulesExplainedMax = 1000;  // Rules of a bus that are asked anew why they did not match.
constexpr int kDeadListedMax = 1000;

const char* delivery_word(DeliveryState state);  // "pending", "giving up", "delivered", "dead"

// {event, bus, received, rules: [{rule, matched, why}], deliveries: [{…, attempts: […]}]}.  Whether a rule matched is
// asked of the rules as they are now; deliveries are what really happened.  Nullopt: not known, or forgotten.
std::optional<json::object> event_record(database::Connection& db, const std::string& event_id);

// Deliveries that ended dead, newest first.
json::array dead_records(database::Connection& db);

}  // namespace slipway::events
