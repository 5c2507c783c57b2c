// Entry: one event as PutEvents brings it: checked, measured, and made an Event.  Pure.
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html
#pragma once
#include "base/event.h"
#include "base/result.h"

namespace slipway::events {

constexpr int kNestingMax = 1000;  // Objects and arrays within each other in Detail.

// Bytes that count against AWS's limit: 14 for Time, and Source, DetailType, Detail and Resources
// as they are.
std::size_t entry_bytes(const json::object& entry);

// Fails with the ErrorCode and ErrorMessage of the entry's result.
Result<Event> read_entry(const json::object& entry, Instant now);

}  // namespace slipway::events
