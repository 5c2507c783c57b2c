// An issuer for tests: a key made on the spot, tokens signed with it, and the key set that it would publish.
#pragma once
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include <algorithm>
#include <memory>
#include <string>

#include "base/json.h"
#include "base/text.h"

namespace slipway::iam {

class TestIssuer {
 public:
  explicit TestIssuer(std::string key_id) : key_id_(std::move(key_id)), key_(EVP_RSA_gen(2048), EVP_PKEY_free) {}

  std::string sign(const json::object& claims, const char* algorithm = "RS256") const {
    const json::object header = {{"alg", algorithm}, {"kid", key_id_}, {"typ", "JWT"}};
    const std::string text = url_encode(json::serialize(header)) + "." + url_encode(json::serialize(claims));
    const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
    std::string signature(static_cast<std::size_t>(EVP_PKEY_get_size(key_.get())), '\0');
    std::size_t size = signature.size();
    EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, key_.get());
    EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size,
                   reinterpret_cast<const unsigned char*>(text.data()), text.size());
    signature.resize(size);
    return text + "." + url_encode(signature);
  }

  std::string jwks() const {
    const json::object key = {{"kty", "RSA"},
                              {"use", "sig"},
                              {"alg", "RS256"},
                              {"kid", key_id_},
                              {"n", number(OSSL_PKEY_PARAM_RSA_N)},
                              {"e", number(OSSL_PKEY_PARAM_RSA_E)}};
    return json::serialize(json::object{{"keys", json::array{key}}});
  }

 private:
  static std::string url_encode(std::string_view bytes) {
    std::string text = base64_encode(bytes);
    text.resize(text.find_last_not_of('=') + 1);
    std::ranges::replace(text, '+', '-');
    std::ranges::replace(text, '/', '_');
    return text;
  }
  std::string number(const char* name) const {
    BIGNUM* value = nullptr;
    EVP_PKEY_get_bn_param(key_.get(), name, &value);
    std::string bytes(static_cast<std::size_t>(BN_num_bytes(value)), '\0');
    BN_bn2bin(value, reinterpret_cast<unsigned char*>(bytes.data()));
    BN_free(value);
    return url_encode(bytes);
  }

  std::string key_id_;
  std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key_;
};

}  // namespace slipway::iam
