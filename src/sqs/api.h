// The SQS API in both of its protocols: awsJson 1.0 ("AmazonSQS."), and query (2012-11-05), which
// the AWS CLI before 2.14 speaks.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_Operations.html
#pragma once
#include "sqs/queues.h"
#include "wire/service.h"

namespace slipway::sqs {

// The same operations twice, as names of members and of errors differ; the front door needs both.
// `queues` must outlive them.
wire::Service service(Queues& queues);        // awsJson 1.0
wire::Service query_service(Queues& queues);  // query; lists and maps of answers are flattened

}  // namespace slipway::sqs
