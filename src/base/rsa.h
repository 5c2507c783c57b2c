// Whether somebody else's RSA key signed a text.  Pure; the arithmetic is OpenSSL's.
#pragma once
#include <string_view>

namespace slipway {

constexpr int kRsaBitsMin = 2048;  // RFC 7518 §3.3: a key of 2048 bits or larger.
constexpr int kRsaBitsMax = 8192;  // Checking with a larger one takes too long.

// RSASSA-PKCS1-v1_5 with SHA-256 ("RS256").  `modulus` and `exponent` are big-endian bytes; a key that is none, or
// whose size is out of bounds, has signed nothing.
bool rsa_sha256_signed(std::string_view modulus, std::string_view exponent, std::string_view text,
                       std::string_view signature);

}  // namespace slipway
