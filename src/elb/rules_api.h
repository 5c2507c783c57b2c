// The operations on the rules of listeners.
// https://docs.aws.amazon.com/elasticloadbalancing/latest/application/listener-rules.html
#pragma once
#include "elb/worker.h"
#include "wire/service.h"

namespace slipway::elb {

wire::Shape actions_shape();  // Of listeners and rules.
// Every group that the actions (in the kept form) forward to must be there.
Result<void> check_groups(database::Connection& db, const json::array& actions);

void add_rule_operations(wire::Service& out, Balancer& balancer);

}  // namespace slipway::elb
