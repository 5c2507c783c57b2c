#include "config/secret.h"

namespace slipway::config {

std::optional<SecretName> parse_secret_name(std::string_view text) {
  const auto colon = text.find(':');
  if (colon == std::string_view::npos || colon + 1 == text.size()) return std::nullopt;
  const std::string_view store = text.substr(0, colon);
  SecretName secret{.name = std::string(text.substr(colon + 1))};
  if (store == "env") return secret;
  if (store == "ssm") {
    secret.store = SecretName::Store::ssm;
    return secret;
  }
  if (store != "secretsmanager") return std::nullopt;
  secret.store = SecretName::Store::secrets_manager;
  const auto hash = secret.name.find('#');
  if (hash != std::string::npos) {
    secret.key = secret.name.substr(hash + 1);
    secret.name.resize(hash);
  }
  if (secret.name.empty()) return std::nullopt;
  return secret;
}

}  // namespace slipway::config
