#include "client/retry.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "base/json.h"
#include "base/text.h"
#include "client/chain.h"

namespace slipway::client {
namespace {

constexpr std::array<std::string_view, 15> kThrottlingCodes = {"Throttling",
                                                               "ThrottlingException",
                                                               "ThrottledException",
                                                               "RequestThrottled",
                                                               "RequestThrottledException",
                                                               "TooManyRequestsException",
                                                               "ProvisionedThroughputExceededException",
                                                               "TransactionInProgressException",
                                                               "RequestLimitExceeded",
                                                               "BandwidthLimitExceeded",
                                                               "LimitExceededException",
                                                               "SlowDown",
                                                               "PriorRequestNotComplete",
                                                               "EC2ThrottledException",
                                                               "RequestThrottledByService"};
constexpr std::array<std::string_view, 9> kDeniedCodes = {"AccessDenied",
                                                          "AccessDeniedException",
                                                          "UnrecognizedClientException",
                                                          "InvalidClientTokenId",
                                                          "InvalidSignatureException",
                                                          "SignatureDoesNotMatch",
                                                          "ExpiredTokenException",
                                                          "ExpiredToken",
                                                          "IncompleteSignature"};
constexpr std::size_t kMessageBytesMax = 2000;

bool among(const auto& codes, std::string_view code) {
  return std::ranges::find(codes, code) != codes.end();
}

Fault fault_of(std::string_view code, int status) {
  if (among(kThrottlingCodes, code) || status == 429) return Fault::throttled;
  if (among(kDeniedCodes, code) || status == 401 || status == 403) return Fault::denied;
  if (status == 404 || code.contains("NotFound")) return Fault::not_found;
  if (status == 409 || code.contains("AlreadyExists") || code.contains("Conflict")) return Fault::conflict;
  if (status == 408 || code.starts_with("RequestTimeout")) return Fault::timed_out;
  if (status == 501) return Fault::unsupported;
  return status >= 500 ? Fault::unavailable : Fault::invalid;
}

// "com.amazonaws.ecs#ClientException:http://…" -> "ClientException"
std::string short_code(std::string code) {
  code = code.substr(0, code.find(':'));
  const auto hash = code.rfind('#');
  return hash == std::string::npos ? code : code.substr(hash + 1);
}

}  // namespace

Repeat repeat_class(const Error& error, int status) {
  if (among(kThrottlingCodes, error.code) || error.fault == Fault::throttled) return Repeat::throttled;
  if (status == 500 || status == 502 || status == 503 || status == 504) return Repeat::transient;
  if (error.code == "RequestTimeout" || error.code == "RequestTimeoutException") return Repeat::transient;
  // STS could not ask who signed a web identity's token.
  if (error.code == "IDPCommunicationError") return Repeat::transient;
  const bool connection = error.code == "ConnectFailed" || error.code == "ConnectionClosed" || error.code == "Timeout";
  return status == 0 && connection ? Repeat::transient : Repeat::never;
}

Duration repeat_wait(Repeat repeat, int number, double fraction) {
  const Duration base = repeat == Repeat::throttled ? kThrottledWait : kTransientWait;
  const Duration longest = std::min<Duration>(kWaitMax, base * (1LL << std::min(number, 10)));
  return Duration(static_cast<long long>(fraction * static_cast<double>(longest.count())));
}

bool RepeatQuota::take(Repeat repeat) {
  const int cost = repeat == Repeat::throttled ? kThrottledCost : kTransientCost;
  if (left_ < cost) return false;
  left_ -= cost;
  last_cost_ = cost;
  return true;
}

void RepeatQuota::succeeded() {
  left_ = std::min(kCapacity, left_ + last_cost_);
  last_cost_ = 1;
}

Error read_error(const http::ClientResponse& response) {
  Error error;
  error.code = short_code(response.headers.get("x-amzn-errortype"));
  if (const auto parsed = parse_json(response.body); parsed && parsed->is_object()) {
    const json::object& body = parsed->get_object();
    if (error.code.empty()) error.code = short_code(get_string(body, has(body, "__type") ? "__type" : "code"));
    error.message = get_string(body, has(body, "message") ? "message" : "Message");
  } else if (trim(response.body).starts_with('<')) {
    if (error.code.empty()) error.code = xml_text(response.body, "Code");
    error.message = xml_text(response.body, "Message");
  }
  if (error.code.empty()) error.code = fmt::format("Http{}", response.status);
  if (error.message.empty())
    error.message =
        fmt::format("the answer is HTTP {}: {}", response.status, trim(response.body).substr(0, kMessageBytesMax));
  error.fault = fault_of(error.code, response.status);
  return error;
}

}  // namespace slipway::client
