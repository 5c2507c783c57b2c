// AWS Signature Version 4: signing and verifying, by header and by query string.  Pure.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/instant.h"
#include "base/result.h"

namespace slipway::signing {

using HeaderList = std::vector<std::pair<std::string, std::string>>;

// What is signed of a request, as it stands on the wire.
struct Message {
  std::string method;
  std::string raw_path;   // Encoded as sent, without query.
  std::string raw_query;  // Encoded as sent, without '?'.
  HeaderList headers;     // Host among them.
  std::string_view body;
};

struct Key {
  std::string access_key_id;
  std::string secret_access_key;
  std::string session_token;  // Empty for long-term keys.
};

struct Scope {
  std::string date;  // "20150830"
  std::string region;
  std::string service;
  std::string text() const { return date + "/" + region + "/" + service + "/aws4_request"; }
};

struct Style {
  bool normalize_path = true;       // All services but S3.
  bool double_encode_path = true;   // All services but S3.
  bool sign_body_header = false;    // Adds and signs x-amz-content-sha256.
  bool omit_session_token = false;  // Adds the token after signing (a few services want that).
};

// The pieces of a signature, for tests and for error messages.
struct Signature {
  std::string canonical_request;
  std::string string_to_sign;
  std::string signature;       // 64 hexadecimal digits.
  std::string signed_headers;  // "host;x-amz-date"
  HeaderList added;            // Headers to add to the request: X-Amz-Date, Authorization, …
  std::string query;           // presign(): the raw query to send.
};

// Signs every header of `message` (give it only those that no proxy rewrites).
Signature sign(Message message, const Key& key, std::string region, std::string service, Instant now,
               const Style& style = {});
// Signs in the query string; `expires` in seconds.
Signature presign(Message message, const Key& key, std::string region, std::string service, Instant now,
                  long long expires, const Style& style = {});

// What a request says of its own signature; nullopt when it carries none.
struct Claim {
  std::string access_key_id;
  Scope scope;
  std::vector<std::string> signed_headers;
  std::string signature;
  std::string date;  // X-Amz-Date (or Date), as X-Amz-Date is written.
  std::string session_token;
  long long expires = -1;  // Seconds; -1: signed by header.
};
// Fails with Fault::denied, "IncompleteSignature", when there is one and it is not well-formed.
Result<std::optional<Claim>> read_claim(const Message& message);

// What a request says that it was signed for; empty when it carries no signature of this kind.
Scope claimed_scope(const Message& message);

constexpr Duration kClockWindow = std::chrono::minutes(15);

// Checks `claim` of `message` with the secret of its key.  Failures (Fault::denied): "SignatureDoesNotMatch" when it is
// wrong or the clock of the signer is more than 15 minutes off, "IncompleteSignature" when a header that must be signed
// is not.
Result<void> verify(const Message& message, const Claim& claim, const Key& key, Instant now, const Style& style = {});

}  // namespace slipway::signing
