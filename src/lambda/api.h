// The Lambda API (https://docs.aws.amazon.com/lambda/latest/api/), rest-json.
#pragma once
#include "lambda/worker.h"
#include "wire/service.h"

namespace slipway::lambda {

// `functions` outlives the service.
wire::Service service(Functions& functions);

}  // namespace slipway::lambda
