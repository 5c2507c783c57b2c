#include "region/authenticate.h"

#include "base/text.h"

namespace slipway::region {
namespace {

// JSON services call these by other names than query services do
// (https://docs.aws.amazon.com/AmazonECS/latest/APIReference/CommonErrors.html,
// .../IAM/latest/APIReference/CommonErrors.html).
Error worded(Error error, bool json) {
  if (!json) return error;
  if (error.code == "SignatureDoesNotMatch") error.code = "InvalidSignatureException";
  if (error.code == "MissingAuthenticationToken" || error.code == "IncompleteSignature" ||
      error.code == "InvalidClientTokenId") {
    error.code = error.code == "InvalidClientTokenId" ? "UnrecognizedClientException" : error.code + "Exception";
  }
  if (error.code == "ExpiredToken") error.code = "ExpiredTokenException";
  return error;
}

Result<wire::Caller> check(iam::Authority& authority, const signing::Message& message, Instant now) {
  const auto claim = signing::read_claim(message);
  if (!claim) return fail(claim);
  if (!*claim)
    return fail(
        Fault::denied, "MissingAuthenticationToken",
        "Missing Authentication Token: the request is not signed. Keys for this region: eval \"$(slipway env)\"");
  const auto identity = authority.find((*claim)->access_key_id);
  if (!identity)
    return fail(Fault::denied, "InvalidClientTokenId", "The security token included in the request is invalid.");
  if (identity->expires && *identity->expires <= now)
    return fail(Fault::denied, "ExpiredToken", "The security token included in the request is expired");
  if (!equal_in_constant_time(identity->session_token, (*claim)->session_token))
    return fail(Fault::denied, "InvalidClientTokenId", "The security token included in the request is invalid.");
  const signing::Key key{.access_key_id = (*claim)->access_key_id,
                         .secret_access_key = identity->secret_access_key,
                         .session_token = identity->session_token};
  if (auto verified = signing::verify(message, **claim, key, now); !verified) return fail(verified);
  return identity->caller;
}

}  // namespace

signing::Message message_of(const http::Request& request, std::string_view body) {
  return {.method = request.method,
          .raw_path = std::string(request.raw_path()),
          .raw_query = std::string(request.raw_query()),
          .headers = request.headers.entries(),
          .body = body};
}

Result<wire::Caller> authenticate(iam::Authority& authority, const http::Request& request, std::string_view body,
                                  Instant now) {
  auto caller = check(authority, message_of(request, body), now);
  const bool json = request.headers.find("X-Amz-Target") || request.raw_path().starts_with("/20") ||
                    request.raw_path().starts_with("/_slipway") ||
                    request.headers.get("Content-Type").starts_with("application/x-amz-json");
  if (!caller) return std::unexpected(worded(caller.error(), json));
  return caller;
}

}  // namespace slipway::region
