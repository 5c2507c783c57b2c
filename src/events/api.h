// The EventBridge API: awsJson 1.1, "AWSEvents.".
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_Operations.html
#pragma once
#include "events/bus.h"
#include "wire/service.h"

namespace slipway::events {

constexpr std::size_t kTargetsPerRuleMax = 5;
constexpr std::size_t kEntryBytesMax = 1024 * 1024;

// `bus` must outlive the service.
wire::Service service(Bus& bus);

}  // namespace slipway::events
