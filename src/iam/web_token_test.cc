#include "iam/web_token.h"

#include <gtest/gtest.h>

#include "iam/signed_token_test.h"

namespace slipway::iam {
namespace {

const Instant kNow = instant_ms(1'700'000'000'000);
const TestIssuer& issuer() {
  static const TestIssuer made("key-1");
  return made;
}
const TestIssuer& stranger() {
  static const TestIssuer made("key-1");  // Another key of the same name.
  return made;
}
json::object claims(json::object more = {}) {
  json::object all = {{"iss", "https://token.actions.githubusercontent.com"},
                      {"sub", "repo:acme/web:ref:refs/heads/main"},
                      {"aud", "sts.amazonaws.com"},
                      {"iat", kNow.ms() / 1000 - 5},
                      {"exp", kNow.ms() / 1000 + 300}};
  for (const auto& [name, value] : more) all[name] = value;
  return all;
}
// The error's code of reading and checking `text`; empty when it is good.
std::string trouble(const std::string& text, const std::string& jwks, Instant now = kNow) {
  const auto token = read_web_token(text);
  if (!token) return token.error().code;
  if (const auto good = check_signature(*token, jwks); !good) return good.error().code;
  const auto good = check_time(*token, now);
  return good ? "" : good.error().code;
}

TEST(WebToken, IsGoodWhenItsIssuerSignedIt) {
  EXPECT_EQ(trouble(issuer().sign(claims()), issuer().jwks()), "");
}

TEST(WebToken, IsRefusedWhenAnotherKeySignedItOrItWasChanged) {
  EXPECT_EQ(trouble(stranger().sign(claims()), issuer().jwks()), "InvalidIdentityToken");
  const std::string good = issuer().sign(claims());
  const std::string other = issuer().sign(claims({{"sub", "repo:evil/web:ref:refs/heads/main"}}));
  const auto body = [](const std::string& token) { return token.substr(0, token.rfind('.')); };
  EXPECT_EQ(trouble(body(other) + good.substr(good.rfind('.')), issuer().jwks()), "InvalidIdentityToken");
}

TEST(WebToken, IsRefusedWithoutASignatureOfRs256) {
  EXPECT_EQ(trouble(issuer().sign(claims(), "none"), issuer().jwks()), "InvalidIdentityToken");
  EXPECT_EQ(trouble(issuer().sign(claims(), "HS256"), issuer().jwks()), "InvalidIdentityToken");
}

TEST(WebToken, NeedsAKeyOfItsIssuer) {
  const auto token_text = issuer().sign(claims());
  const auto token = read_web_token(token_text);
  ASSERT_TRUE(token);
  for (const char* jwks : {"", "{}", R"({"keys":[]})", R"({"keys":[{"kty":"RSA","kid":"other"}]})", "<html>"}) {
    const auto checked = check_signature(*token, jwks);
    ASSERT_FALSE(checked) << jwks;
    EXPECT_TRUE(checked.error().message.starts_with("Couldn't retrieve verification key")) << jwks;
  }
}

TEST(WebToken, EndsAndBegins) {
  const std::string text = issuer().sign(claims({{"nbf", kNow.ms() / 1000 - 5}}));
  EXPECT_EQ(trouble(text, issuer().jwks(), kNow + std::chrono::seconds(299)), "");
  EXPECT_EQ(trouble(text, issuer().jwks(), kNow + std::chrono::seconds(300)), "ExpiredTokenException");
  EXPECT_EQ(trouble(text, issuer().jwks(), instant_ms(kNow.ms() - 5'000) - kClockSkew), "");
  EXPECT_EQ(trouble(text, issuer().jwks(), instant_ms(kNow.ms() - 6'000) - kClockSkew), "InvalidIdentityToken");
}

TEST(WebToken, WhatIsNoTokenIsRefused) {
  for (const char* text : {"", "a", "a.b", "a.b.c", "a.b.c.d", "e30.e30.", "....", "e30=.e30=.e30="})
    EXPECT_EQ(trouble(text, issuer().jwks()), "InvalidIdentityToken") << text;
  for (const char* claim : {"iss", "sub", "aud", "exp"}) {
    json::object without = claims();
    without.erase(claim);
    const auto read = read_web_token(issuer().sign(without));
    ASSERT_FALSE(read) << claim;
    EXPECT_EQ(read.error().message, std::string("Missing a required claim: ") + claim);
  }
}

TEST(WebToken, TellsTrustPoliciesWhoAndForWhom) {
  const std::string text = issuer().sign(claims({{"repository_id", "34"}, {"secret", "x"}}));
  const auto keys = keys_of(*read_web_token(text));
  EXPECT_EQ(keys.at("token.actions.githubusercontent.com:sub").front(), "repo:acme/web:ref:refs/heads/main");
  EXPECT_EQ(keys.at("token.actions.githubusercontent.com:aud").front(), "sts.amazonaws.com");
  EXPECT_EQ(keys.at("token.actions.githubusercontent.com:repository_id").front(), "34");
  EXPECT_EQ(keys.size(), 3U);
}

TEST(WebToken, AnAuthorizedPartyIsTheAudience) {
  const std::string text = issuer().sign(claims(
      {{"iss", "https://Id.example/Pool"}, {"aud", json::array{"a", "b"}}, {"azp", "app"}, {"repository_id", "34"}}));
  const auto keys = keys_of(*read_web_token(text));
  EXPECT_EQ(keys.at("id.example/pool:aud"), std::vector<std::string>{"app"});
  EXPECT_EQ(keys.at("id.example/pool:oaud"), (std::vector<std::string>{"a", "b"}));
  EXPECT_FALSE(keys.contains("id.example/pool:repository_id"));  // Of GitHub only.
}

TEST(WebToken, AProvidersUrlIsHttpsWithoutPortOrQuery) {
  EXPECT_EQ(*provider_of_url("https://token.actions.githubusercontent.com"), "token.actions.githubusercontent.com");
  EXPECT_EQ(*provider_of_url("https://id.example/pool/"), "id.example/pool");
  for (const char* url :
       {"http://id.example", "https://", "https:///x", "https://id.example:8443", "https://id?x=1", "id.example"})
    EXPECT_EQ(provider_of_url(url).error().code, "InvalidInput") << url;
}

}  // namespace
}  // namespace slipway::iam
