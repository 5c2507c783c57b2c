// The IAM and STS APIs, query protocol.
// https://docs.aws.amazon.com/IAM/latest/APIReference/ and https://docs.aws.amazon.com/STS/latest/APIReference/
#pragma once
#include "iam/ports.h"
#include "iam/worker.h"
#include "wire/service.h"

namespace slipway::iam {

// What they are given outlives the services.
wire::Service iam_service(Authority& authority);
wire::Service sts_service(Authority& authority, TokenKeys& keys);

// The one operation that nobody signs: the token in it says who asks.
constexpr std::string_view kUnsignedOperation = "AssumeRoleWithWebIdentity";

}  // namespace slipway::iam
