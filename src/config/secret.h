// SecretName: where a secret lies.  slipway.yaml names secrets and never holds them, so that it can be shown and
// committed.  Pure.
#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace slipway::config {

struct SecretName {
  enum class Store { environment, ssm, secrets_manager };
  Store store = Store::environment;
  std::string name;  // Of the variable, the parameter ("/slipway/slack") or the secret.
  std::string key;   // secrets_manager: the member of a JSON secret; empty: the whole text.
};

constexpr std::string_view kSecretPattern =
    "(env:[A-Za-z_][A-Za-z0-9_]{0,127}|ssm:/?[A-Za-z0-9_./-]{1,1000}"
    "|secretsmanager:[A-Za-z0-9/_+=.@-]{1,512}(#[A-Za-z0-9_.-]{1,128})?)";
constexpr std::string_view kSecretAllowed =
    "the name of a secret, never the secret itself: env:VARIABLE, ssm:/PARAMETER or secretsmanager:NAME#MEMBER";

// "env:NAME", "ssm:/name", "secretsmanager:name#member"; nullopt when `text` is anything else.
std::optional<SecretName> parse_secret_name(std::string_view text);

}  // namespace slipway::config
