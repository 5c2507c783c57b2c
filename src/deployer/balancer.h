// Balancer: what the deployer asks of a service's load balancer.
// https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/Welcome.html
#pragma once
#include <optional>
#include <string>

#include "base/task.h"
#include "deployer/cloud.h"
#include "deployer/forecast.h"

namespace slipway::deployer {

// "http://name-1.elb.amazonaws.com:80": where the load balancer of `service` (as DescribeServices shows it) listens.
// Fails with Fault::invalid, "NoLoadBalancer".
task<Result<std::string>> balancer_url(Cloud& cloud, json::object service);

// How its target group checks and drains; nullopt without a load balancer.
task<Result<std::optional<TargetGroup>>> target_group_of(Cloud& cloud, json::object service);

}  // namespace slipway::deployer
