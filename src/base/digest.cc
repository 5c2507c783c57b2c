#include "base/digest.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>
#include <stdexcept>

#include "base/text.h"

namespace slipway {
namespace {

const EVP_MD* method(std::string_view algorithm) {
  if (algorithm == "sha256") return EVP_sha256();
  if (algorithm == "sha512") return EVP_sha512();
  throw std::invalid_argument("unknown digest algorithm " + std::string(algorithm));
}

}  // namespace

std::string sha256(std::string_view bytes) {
  std::string out(32, '\0');
  unsigned size = 0;
  if (EVP_Digest(bytes.data(), bytes.size(), reinterpret_cast<unsigned char*>(out.data()), &size, EVP_sha256(),
                 nullptr) != 1)
    throw std::runtime_error("SHA-256 failed");
  return out;
}

std::string sha256_hex(std::string_view bytes) {
  return hex(sha256(bytes));
}

std::string md5_hex(std::string_view bytes) {
  std::string out(16, '\0');
  unsigned size = 0;
  if (EVP_Digest(bytes.data(), bytes.size(), reinterpret_cast<unsigned char*>(out.data()), &size, EVP_md5(), nullptr) !=
      1)
    throw std::runtime_error("OpenSSL has no MD5");
  return hex(out);
}

std::string hmac_sha256(std::string_view key, std::string_view bytes) {
  std::string out(32, '\0');
  unsigned size = 0;
  if (HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), reinterpret_cast<const unsigned char*>(bytes.data()),
           bytes.size(), reinterpret_cast<unsigned char*>(out.data()), &size) == nullptr)
    throw std::runtime_error("HMAC-SHA-256 failed");
  return out;
}

std::optional<Digest> parse_digest(std::string_view text) {
  std::size_t digits = 0;
  if (text.starts_with("sha256:")) digits = 64;
  if (text.starts_with("sha512:")) digits = 128;
  if (digits == 0 || text.size() != 7 + digits) return std::nullopt;
  if (text.substr(7).find_first_not_of("0123456789abcdef") != std::string_view::npos) return std::nullopt;
  return Digest{std::string(text)};
}

Digest digest_of(std::string_view bytes) {
  return Digest{"sha256:" + sha256_hex(bytes)};
}

struct Hasher::State {
  std::string algorithm;
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  State() = default;
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() { EVP_MD_CTX_free(context); }
};

Hasher::Hasher(std::string_view algorithm) : state_(std::make_unique<State>()) {
  state_->algorithm = algorithm;
  if (EVP_DigestInit_ex(state_->context, method(algorithm), nullptr) != 1)
    throw std::runtime_error("digest failed to start");
}
Hasher::~Hasher() = default;
Hasher::Hasher(Hasher&&) noexcept = default;
Hasher& Hasher::operator=(Hasher&&) noexcept = default;

void Hasher::update(std::string_view bytes) {
  if (EVP_DigestUpdate(state_->context, bytes.data(), bytes.size()) != 1) throw std::runtime_error("digest failed");
}

Digest Hasher::finish() {
  std::array<unsigned char, EVP_MAX_MD_SIZE> out{};
  unsigned size = 0;
  if (EVP_DigestFinal_ex(state_->context, out.data(), &size) != 1) throw std::runtime_error("digest failed to finish");
  return Digest{state_->algorithm + ":" + hex({reinterpret_cast<const char*>(out.data()), size})};
}

}  // namespace slipway
