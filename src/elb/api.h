// The Elastic Load Balancing v2 API (https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/), query
// protocol.
#pragma once
#include "elb/worker.h"
#include "wire/service.h"

namespace slipway::elb {

// `balancer` outlives the service.
wire::Service service(Balancer& balancer);

}  // namespace slipway::elb
