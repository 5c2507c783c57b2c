// Digests as registries write them ("sha256:<64 hex>"), and the hash functions behind them.
// Pure; the arithmetic is OpenSSL's.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace slipway {

std::string sha256(std::string_view bytes);      // 32 raw bytes.
std::string sha256_hex(std::string_view bytes);  // 64 lower-case hexadecimal digits.
// 32 lower-case hexadecimal digits.  For protocols that still ask for it (SQS), never for security.
std::string md5_hex(std::string_view bytes);
std::string hmac_sha256(std::string_view key, std::string_view bytes);  // 32 raw bytes.

// A checked digest: an algorithm that we verify (sha256, sha512) and its lower-case hexadecimal value.
struct Digest {
  std::string text;  // "sha256:e3b0…"
  std::string_view algorithm() const { return std::string_view(text).substr(0, text.find(':')); }
  std::string_view value() const { return std::string_view(text).substr(text.find(':') + 1); }
  auto operator<=>(const Digest&) const = default;
};

// nullopt when `text` is not a well-formed sha256 or sha512 digest.
std::optional<Digest> parse_digest(std::string_view text);
Digest digest_of(std::string_view bytes);  // sha256

// Hashes a stream piece by piece.  One owner, no copies.
class Hasher {
 public:
  explicit Hasher(std::string_view algorithm = "sha256");  // "sha256" or "sha512"
  ~Hasher();
  Hasher(Hasher&&) noexcept;
  Hasher& operator=(Hasher&&) noexcept;

  void update(std::string_view bytes);
  Digest finish();  // Ends the stream; call it once.

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace slipway
