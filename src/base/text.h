// Small pure functions on text: encodings that AWS and HTTP use, splitting, trimming.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace slipway {

std::string to_lower(std::string_view text);
std::string_view trim(std::string_view text);                           // Removes spaces, tabs, CR and LF at both ends.
std::vector<std::string> split(std::string_view text, char separator);  // "a,,b" -> {"a","","b"}; "" -> {""}.
std::string join(const std::vector<std::string>& parts, std::string_view separator);
bool equal_ignoring_case(std::string_view a, std::string_view b);

std::string hex(std::string_view bytes);
std::string base64_encode(std::string_view bytes);
// nullopt when `text` is not base64 (white space is not accepted; missing padding is).
std::optional<std::string> base64_decode(std::string_view text);

// RFC 3986 percent-encoding of everything but A-Z a-z 0-9 - _ . ~ (and '/' when `keep_slash`).
std::string percent_encode(std::string_view text, bool keep_slash = false);
// Decodes %XX (and '+' as a space when `plus_is_space`); a broken escape is kept as it stands.
std::string percent_decode(std::string_view text, bool plus_is_space = false);

// Whether `text` is UTF-8 (RFC 3629): no overlong forms, no surrogates, nothing beyond U+10FFFF.
bool is_utf8(std::string_view text);

// True when `text` matches `pattern`, where '*' stands for any run of characters and '?' for one.  Linear time.
bool glob_match(std::string_view pattern, std::string_view text);

// Compares in time that depends only on the lengths, for signatures and passwords.
bool equal_in_constant_time(std::string_view a, std::string_view b);

}  // namespace slipway
