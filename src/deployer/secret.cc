#include "deployer/secret.h"

#include <fmt/format.h>

namespace slipway::deployer {
namespace {

constexpr std::size_t kShortestMasked = 4;  // Shorter texts occur by chance.

void mask(std::string& text, const std::string& secret) {
  if (secret.size() < kShortestMasked) return;
  for (auto at = text.find(secret); at != std::string::npos; at = text.find(secret, at + 3))
    text.replace(at, secret.size(), "***");
}

std::unexpected<Error> missing(const std::string& reference) {
  return fail(Fault::not_found, "SecretNotFound", fmt::format("{} names no secret that is there", reference));
}

}  // namespace

std::string Secret::redact(std::string text) const {
  mask(text, value_);
  const auto scheme = value_.find("://");
  const auto path = scheme == std::string::npos ? std::string::npos : value_.find('/', scheme + 3);
  if (path != std::string::npos) mask(text, value_.substr(path));
  return text;
}

// https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParameter.html
// https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html
task<Result<Secret>> read_secret(Cloud& cloud, std::string reference, Lookup environment) {
  const auto colon = reference.find(':');
  const std::string scheme = reference.substr(0, colon);
  std::string name = colon == std::string::npos ? "" : reference.substr(colon + 1);
  if (scheme == "env") {
    const std::string value = environment(name);
    if (value.empty()) co_return missing(reference);
    co_return Secret(value);
  }
  if (scheme == "ssm") {
    const json::object input = {{"Name", name}, {"WithDecryption", true}};
    const auto answer = co_await cloud.call("ssm", "GetParameter", input);
    if (!answer) co_return fail(answer);
    const std::string value = get_string(get_object(*answer, "Parameter"), "Value");
    if (value.empty()) co_return missing(reference);
    co_return Secret(value);
  }
  if (scheme != "secretsmanager") co_return missing(reference);
  const auto hash = name.find('#');
  const std::string member = hash == std::string::npos ? "" : name.substr(hash + 1);
  const json::object input = {{"SecretId", name.substr(0, hash)}};
  const auto answer = co_await cloud.call("secretsmanager", "GetSecretValue", input);
  if (!answer) co_return fail(answer);
  std::string value = get_string(*answer, "SecretString");
  if (!member.empty()) {
    const auto parsed = parse_json(value);
    value = parsed && parsed->is_object() ? get_string(parsed->get_object(), member) : "";
  }
  if (value.empty()) co_return missing(reference);
  co_return Secret(value);
}

}  // namespace slipway::deployer
