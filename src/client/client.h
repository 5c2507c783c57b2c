// AwsClient: calls AWS APIs, or those of a Slipway region, which are the same.  It signs, repeats
// what may succeed when repeated, within a budget, and turns AWS's error bodies into Error{fault,
// AWS error code, message}.
#pragma once
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/task.h"
#include "client/credentials.h"
#include "client/surroundings.h"
#include "http/client.h"

namespace slipway::client {

struct Options {
  // What AWS's own variables and profile files say; empty for a client that is told everything
  // here.
  Environment environment;
  std::string endpoint;                    // For every service; empty: by AWS_ENDPOINT_URL[_SERVICE], the profile,
                                           // else AWS's host names.
  std::string region;                      // Empty: AWS_REGION, AWS_DEFAULT_REGION, the profile.
  std::string profile;                     // Empty: AWS_PROFILE, else "default".  A profile named here keeps the keys
                                           // in the environment out.
  std::optional<Credentials> credentials;  // Instead of the chain.
  int attempts_max = 3;
  Duration budget = std::chrono::seconds(20);        // Of one call with its repetitions and waits.
  Duration read_timeout = std::chrono::seconds(60);  // Until an answer begins; longer than any long poll.
};

// The environment of this process and nothing else: what a Lambda function needs.
Options options_from_environment();

// Calls may run side by side.  Failures of every call: AWS's (fault by code and status),
// Fault::unavailable and Fault::timed_out of the connection, and "CredentialsNotFound" or
// "RegionNotFound" (Fault::denied, Fault::invalid).
class AwsClient {
 public:
  AwsClient(asio::any_io_executor executor, Options options);
  ~AwsClient();
  AwsClient(AwsClient&&) noexcept;
  AwsClient& operator=(AwsClient&&) noexcept;

  // awsJson: POST / with X-Amz-Target `target_prefix`.`operation`.  An empty answer is an empty
  // object. https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html
  task<Result<json::object>> json_call(std::string service, std::string target_prefix, std::string operation,
                                       json::object input, std::string version = "1.1");
  // awsQuery: POST / with a form; the answer's body is XML (see xml_text()).
  // https://smithy.io/2.0/aws/protocols/aws-query-protocol.html
  task<Result<http::ClientResponse>> query_call(std::string service, std::string api_version, std::string action,
                                                std::vector<std::pair<std::string, std::string>> parameters);
  // restJson and the like: `path` as it goes on the wire, with its query.
  task<Result<http::ClientResponse>> rest_call(std::string service, std::string method, std::string path,
                                               http::Headers headers, std::string body);

  // No repetition and no wait goes beyond `at` (the deadline of a Lambda invocation).  Holds until
  // the next call of this.
  void give_up_at(Instant at);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace slipway::client
