// The CloudWatch Logs API (https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/), awsJson 1.1.
#pragma once
#include "logs/worker.h"
#include "wire/service.h"

namespace slipway::logs {

// `archive` outlives the service.
wire::Service service(Archive& archive);

}  // namespace slipway::logs
