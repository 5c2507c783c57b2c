#include "iam/web_token.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/rsa.h"
#include "base/text.h"

namespace slipway::iam {
namespace {

constexpr std::string_view kHttps = "https://";
constexpr std::size_t kUrlMax = 255;
// The claims of GitHub that AWS knows as condition keys.
constexpr std::string_view kGitHub = "token.actions.githubusercontent.com";
constexpr std::array<std::string_view, 9> kGitHubClaims = {"actor",       "actor_id",         "enterprise_id",
                                                           "environment", "job_workflow_ref", "ref",
                                                           "repository",  "repository_id",    "workflow"};

std::unexpected<Error> invalid(std::string why) {
  return fail(Fault::invalid, "InvalidIdentityToken", std::move(why));
}

std::optional<std::string> base64url_decode(std::string_view text) {
  std::string plain(text);
  if (plain.find_first_of("+/=") != std::string::npos) return std::nullopt;
  std::ranges::replace(plain, '-', '+');
  std::ranges::replace(plain, '_', '/');
  return base64_decode(plain);
}

std::optional<json::object> object_in(std::string_view encoded) {
  const auto text = base64url_decode(encoded);
  if (!text) return std::nullopt;
  auto parsed = parse_json(*text);
  if (!parsed || !parsed->is_object()) return std::nullopt;
  return std::move(parsed->get_object());
}

// A claim that may be one text or a list of them.
std::vector<std::string> texts_in(const json::object& claims, std::string_view name) {
  const std::string one = get_string(claims, name);
  return one.empty() ? get_strings(claims, name) : std::vector<std::string>{one};
}

}  // namespace

std::string WebToken::provider() const {
  return issuer.starts_with(kHttps) ? issuer.substr(kHttps.size()) : issuer;
}

std::string WebToken::audience() const {
  if (!authorized_party.empty()) return authorized_party;
  return audiences.empty() ? "" : audiences.front();
}

Result<WebToken> read_web_token(std::string_view text) {
  constexpr const char* kNoToken =
      "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)";
  const auto first = text.find('.');
  const auto second = first == std::string_view::npos ? first : text.find('.', first + 1);
  if (second == std::string_view::npos || text.find('.', second + 1) != std::string_view::npos)
    return invalid(kNoToken);
  const auto header = object_in(text.substr(0, first));
  auto claims = object_in(text.substr(first + 1, second - first - 1));
  auto signature = base64url_decode(text.substr(second + 1));
  if (!header || !claims || !signature) return invalid(kNoToken);
  const std::string algorithm = get_string(*header, "alg");
  if (algorithm != "RS256")
    return invalid(fmt::format("The ID Token is signed by {}; this region checks RS256 only.",
                               algorithm.empty() ? "no algorithm" : algorithm));
  WebToken token{.key_id = get_string(*header, "kid"),
                 .issuer = get_string(*claims, "iss"),
                 .subject = get_string(*claims, "sub"),
                 .audiences = texts_in(*claims, "aud"),
                 .authorized_party = get_string(*claims, "azp"),
                 .claims = std::move(*claims),
                 .signed_text = std::string(text.substr(0, second)),
                 .signature = std::move(*signature)};
  for (const auto& [name, value] :
       {std::pair{"iss", token.issuer}, {"sub", token.subject}, {"aud", token.audience()}}) {
    if (value.empty()) return invalid(fmt::format("Missing a required claim: {}", name));
  }
  if (!token.claims.contains("exp") || !token.claims.at("exp").is_number())
    return invalid("Missing a required claim: exp");
  return token;
}

Result<void> check_signature(const WebToken& token, std::string_view jwks) {
  const auto parsed = parse_json(jwks);
  const json::array keys = parsed && parsed->is_object() ? get_array(parsed->get_object(), "keys") : json::array{};
  bool known = false;
  for (const json::value& value : keys) {
    if (!value.is_object()) continue;
    const json::object& key = value.get_object();
    if (get_string(key, "kty") != "RSA" || get_string(key, "use", "sig") != "sig" ||
        get_string(key, "alg", "RS256") != "RS256" || (!token.key_id.empty() && get_string(key, "kid") != token.key_id))
      continue;
    known = true;
    const auto modulus = base64url_decode(get_string(key, "n"));
    const auto exponent = base64url_decode(get_string(key, "e"));
    if (modulus && exponent && rsa_sha256_signed(*modulus, *exponent, token.signed_text, token.signature)) return {};
  }
  if (!known)
    return invalid(
        "Couldn't retrieve verification key from your identity provider,  please reference AssumeRoleWithWebIdentity "
        "documentation for requirements");
  return invalid("The web identity token that was passed could not be validated: its signature is of another key.");
}

Result<void> check_time(const WebToken& token, Instant now) {
  const auto seconds = [&](const char* claim) { return static_cast<long long>(get_double(token.claims, claim)); };
  const long long at = now.ms() / 1000;
  const long long skew = std::chrono::duration_cast<std::chrono::seconds>(kClockSkew).count();
  if (at >= seconds("exp"))
    return fail(Fault::invalid, "ExpiredTokenException",
                fmt::format("Token expired: current date/time {} must be before the expiration date/time {}", at,
                            seconds("exp")));
  for (const char* claim : {"nbf", "iat"}) {
    if (token.claims.contains(claim) && seconds(claim) > at + skew)
      return invalid(fmt::format("Token is not valid yet: {} is {}, current date/time {}", claim, seconds(claim), at));
  }
  return {};
}

ConditionKeys keys_of(const WebToken& token) {
  const std::string prefix = to_lower(token.provider()) + ":";
  ConditionKeys keys = {{prefix + "sub", {token.subject}}, {prefix + "aud", {token.audience()}}};
  // With an authorized party, that is the audience, and the original one has a key of its own.
  if (!token.authorized_party.empty()) keys[prefix + "oaud"] = token.audiences;
  if (auto how = texts_in(token.claims, "amr"); !how.empty()) keys[prefix + "amr"] = std::move(how);
  if (token.provider() != kGitHub) return keys;
  for (const std::string_view claim : kGitHubClaims) {
    const std::string value = get_string(token.claims, claim);
    if (!value.empty()) keys[prefix + std::string(claim)] = {value};
  }
  return keys;
}

Result<std::string> provider_of_url(std::string_view url) {
  const std::string_view rest = url.starts_with(kHttps) ? url.substr(kHttps.size()) : std::string_view{};
  const bool plain = !rest.empty() && rest.front() != '/' && rest.find_first_of("?#: @") == std::string_view::npos;
  if (!plain || url.size() > kUrlMax)
    return fail(Fault::invalid, "InvalidInput",
                "Invalid Open ID Connect Provider URL: it begins with https:// and has neither port nor query");
  std::string name(rest);
  if (name.ends_with('/')) name.pop_back();
  return name;
}

}  // namespace slipway::iam
