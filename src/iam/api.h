// The IAM and STS APIs, query protocol.
// https://docs.aws.amazon.com/IAM/latest/APIReference/ and https://docs.aws.amazon.com/STS/latest/APIReference/
#pragma once
#include "iam/worker.h"
#include "wire/service.h"

namespace slipway::iam {

// `authority` outlives the services.
wire::Service iam_service(Authority& authority);
wire::Service sts_service(Authority& authority);

}  // namespace slipway::iam
