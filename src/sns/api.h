// The SNS API: topics, subscriptions and messages in the query protocol, with SNS's codes and sentences.
#pragma once
#include "sns/worker.h"
#include "wire/service.h"

namespace slipway::sns {

// `topics` must outlive the service.
wire::Service service(Topics& topics);

}  // namespace slipway::sns
