#include "client/chain.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/arn.h"
#include "base/json.h"
#include "base/text.h"

namespace slipway::client {
namespace {

std::string property(const Properties& profile, const std::string& name) {
  const auto found = profile.find(name);
  return found == profile.end() ? "" : found->second;
}

std::unexpected<Error> invalid(std::string message) {
  return fail(Fault::invalid, "InvalidProfile", std::move(message));
}

bool has_keys(const Properties& profile) {
  return profile.contains("aws_access_key_id") && profile.contains("aws_secret_access_key");
}

Credentials keys_of(const Properties& profile) {
  return {.access_key_id = property(profile, "aws_access_key_id"),
          .secret_access_key = property(profile, "aws_secret_access_key"),
          .session_token = property(profile, "aws_session_token"),
          .account_id = property(profile, "aws_account_id")};
}

Result<Source> named_source(const std::string& name, const std::string& profile) {
  Source source;
  if (name == "Environment")
    source.kind = Source::Kind::environment;
  else if (name == "EcsContainer")
    source.kind = Source::Kind::container;
  else if (name == "Ec2InstanceMetadata")
    source.kind = Source::Kind::instance;
  else
    return invalid(
        fmt::format("profile {}: credential_source is \"{}\"; allowed: Environment, EcsContainer, "
                    "Ec2InstanceMetadata",
                    profile, name));
  return source;
}

Result<Source> sso_source(const Profiles& profiles, const Properties& profile, const std::string& name) {
  const std::string session = property(profile, "sso_session");
  if (!session.empty() && !profiles.sso_sessions.contains(session))
    return invalid(fmt::format("profile {}: there is no sso-session {}", name, session));
  if (!session.empty() && profile.contains("sso_region"))
    return invalid(fmt::format("profile {}: sso_region belongs into the sso-session {}", name, session));
  if (profile.contains("sso_account_id") != profile.contains("sso_role_name"))
    return invalid(fmt::format("profile {}: sso_account_id and sso_role_name go together; one is missing", name));
  Source source;
  source.kind = Source::Kind::sso;
  return source;
}

// The source that a profile names itself, when it takes no role by another profile's credentials.
Result<Source> own_source(const Profiles& profiles, const Properties& profile, const std::string& name) {
  if (profile.contains("web_identity_token_file")) {
    if (!profile.contains("role_arn"))
      return invalid(fmt::format("profile {} has a web_identity_token_file and no role_arn", name));
    Source source;
    source.kind = Source::Kind::web_identity;
    source.web_identity = {.role_arn = property(profile, "role_arn"),
                           .token_file = property(profile, "web_identity_token_file"),
                           .session_name = property(profile, "role_session_name")};
    return source;
  }
  if (std::ranges::any_of(profile, [](const auto& entry) { return entry.first.starts_with("sso_"); }))
    return sso_source(profiles, profile, name);
  if (has_keys(profile)) {
    Source source;
    source.keys = keys_of(profile);
    return source;
  }
  if (profile.contains("credential_process")) {
    Source source;
    source.kind = Source::Kind::process;
    source.command = property(profile, "credential_process");
    source.account_id = property(profile, "aws_account_id");
    return source;
  }
  if (profile.contains("aws_access_key_id"))
    return invalid(fmt::format("profile {} has no aws_secret_access_key", name));
  if (profile.contains("aws_secret_access_key"))
    return invalid(fmt::format("profile {} has no aws_access_key_id", name));
  return fail(Fault::not_found, "ProfileWithoutCredentials", fmt::format("profile {} holds no credentials", name));
}

// Allowed are addresses that a request cannot leave the machine (or its host) for.
bool may_be_plain(const std::string& host) {
  if (host == "localhost" || host == "[::1]" || host == "169.254.170.2" || host == "169.254.170.23" ||
      host == "[fd00:ec2::23]")
    return true;
  const auto parts = split(host, '.');
  return parts.size() == 4 && parts[0] == "127" && std::ranges::all_of(parts, [](const std::string& part) {
           return !part.empty() && part.find_first_not_of("0123456789") == std::string::npos;
         });
}

}  // namespace

Result<Chain> profile_chain(const Profiles& profiles, const std::string& selected) {
  Chain chain;
  std::vector<std::string> visited;
  std::string name = selected;
  for (;;) {
    const auto found = profiles.profiles.find(name);
    if (found == profiles.profiles.end()) {
      if (visited.empty())
        return fail(Fault::not_found, "ProfileWithoutCredentials", fmt::format("there is no profile {}", name));
      return invalid(fmt::format("there is no profile {}, which {} names as its source_profile", name, visited.back()));
    }
    const Properties& profile = found->second;
    const bool names_itself = !visited.empty() && visited.back() == name;
    if (!names_itself && std::ranges::find(visited, name) != visited.end())
      return invalid(fmt::format("the profiles {} name each other as source_profile", join(visited, ", ")));
    // A profile that is a source gives its keys first; one that names itself has nothing else to
    // give.
    const bool is_source = !visited.empty();
    const bool takes_role = profile.contains("role_arn") && !profile.contains("web_identity_token_file") &&
                            !names_itself && !(is_source && has_keys(profile));
    if (!takes_role) {
      auto source = is_source && has_keys(profile) ? Result<Source>(Source{.keys = keys_of(profile)})
                                                   : own_source(profiles, profile, name);
      if (!source && !visited.empty() && source.error().fault == Fault::not_found)
        return invalid(source.error().message);
      if (!source) return fail(source);
      chain.source = std::move(*source);
      break;
    }
    if (profile.contains("source_profile") && profile.contains("credential_source"))
      return invalid(fmt::format("profile {} has both source_profile and credential_source", name));
    chain.roles.push_back({.arn = property(profile, "role_arn"),
                           .session_name = property(profile, "role_session_name"),
                           .external_id = property(profile, "external_id"),
                           .duration_seconds = property(profile, "duration_seconds")});
    if (profile.contains("mfa_serial"))
      return invalid(fmt::format("profile {} wants a code of {}; use a session that you opened with it", name,
                                 property(profile, "mfa_serial")));
    if (profile.contains("credential_source")) {
      auto source = named_source(property(profile, "credential_source"), name);
      if (!source) return fail(source);
      chain.source = std::move(*source);
      break;
    }
    if (!profile.contains("source_profile"))
      return invalid(fmt::format("profile {} has a role_arn; it needs a source_profile or a credential_source", name));
    visited.push_back(name);
    name = property(profile, "source_profile");
  }
  std::ranges::reverse(chain.roles);
  return chain;
}

std::optional<Credentials> environment_keys(const Environment& environment) {
  Credentials keys{.access_key_id = variable(environment, "AWS_ACCESS_KEY_ID"),
                   .secret_access_key = variable(environment, "AWS_SECRET_ACCESS_KEY"),
                   .session_token = variable(environment, "AWS_SESSION_TOKEN"),
                   .account_id = variable(environment, "AWS_ACCOUNT_ID")};
  if (keys.access_key_id.empty() || keys.secret_access_key.empty()) return std::nullopt;
  return keys;
}

std::optional<WebIdentity> environment_web_identity(const Environment& environment) {
  WebIdentity identity{.role_arn = variable(environment, "AWS_ROLE_ARN"),
                       .token_file = variable(environment, "AWS_WEB_IDENTITY_TOKEN_FILE"),
                       .session_name = variable(environment, "AWS_ROLE_SESSION_NAME")};
  if (identity.role_arn.empty() || identity.token_file.empty()) return std::nullopt;
  return identity;
}

Result<std::optional<ContainerEndpoint>> container_endpoint(const Environment& environment) {
  const std::string relative = variable(environment, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
  if (!relative.empty()) return ContainerEndpoint{.endpoint = "http://169.254.170.2", .target = relative};
  const std::string full = variable(environment, "AWS_CONTAINER_CREDENTIALS_FULL_URI");
  if (full.empty()) return std::nullopt;
  const auto scheme_end = full.find("://");
  if (scheme_end == std::string::npos)
    return fail(Fault::invalid, "InvalidContainerUri", "AWS_CONTAINER_CREDENTIALS_FULL_URI has no host: " + full);
  const auto path = full.find('/', scheme_end + 3);
  const std::string authority = full.substr(scheme_end + 3, path == std::string::npos ? path : path - scheme_end - 3);
  const auto colon = authority.rfind(':');
  const bool has_port = colon != std::string::npos && authority.find(']', colon) == std::string::npos;
  const std::string host = authority.substr(0, has_port ? colon : authority.size());
  const bool secure = full.starts_with("https://");
  if (host.empty() || (!secure && !(full.starts_with("http://") && may_be_plain(host))))
    return fail(Fault::invalid, "InvalidContainerUri",
                "AWS_CONTAINER_CREDENTIALS_FULL_URI is " + full +
                    "; allowed: https, or http to loopback, 169.254.170.2, 169.254.170.23 or "
                    "[fd00:ec2::23]");
  return ContainerEndpoint{.endpoint = full.substr(0, path),
                           .target = path == std::string::npos ? "/" : full.substr(path)};
}

Result<std::string> metadata_endpoint(const Environment& environment, const Profiles& profiles,
                                      const std::string& profile) {
  const auto found = profiles.profiles.find(profile);
  const Properties settings = found == profiles.profiles.end() ? Properties{} : found->second;
  std::string url = variable(environment, "AWS_EC2_METADATA_SERVICE_ENDPOINT");
  if (url.empty()) url = property(settings, "ec2_metadata_service_endpoint");
  if (!url.empty()) {
    const bool http = url.starts_with("http://") || url.starts_with("https://");
    if (!http || url.find_first_of(" \t\r\n") != std::string::npos)
      return fail(Fault::invalid, "InvalidMetadataEndpoint",
                  fmt::format("the endpoint of the instance metadata is no URL: {}", url));
    while (url.ends_with('/')) url.pop_back();
    return url;
  }
  std::string mode = variable(environment, "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE");
  if (mode.empty()) mode = property(settings, "ec2_metadata_service_endpoint_mode");
  if (mode.empty() || equal_ignoring_case(mode, "IPv4")) return "http://169.254.169.254";
  if (equal_ignoring_case(mode, "IPv6")) return "http://[fd00:ec2::254]";
  return fail(Fault::invalid, "InvalidMetadataEndpoint",
              fmt::format("`{}` is not a valid endpoint mode of the instance metadata; allowed: IPv4, IPv6", mode));
}

Result<Credentials> read_process_output(std::string_view output) {
  const auto parsed = parse_json(output);
  if (parsed && parsed->is_object() && get_int(parsed->get_object(), "Version") != 1)
    return fail(Fault::denied, "CredentialsNotFound", "credential_process must print \"Version\": 1");
  return read_credentials_json(output);
}

Result<Credentials> read_credentials_json(std::string_view body) {
  const auto parsed = parse_json(body);
  if (!parsed || !parsed->is_object())
    return fail(Fault::denied, "CredentialsNotFound", "the source of credentials did not answer with a JSON object");
  const json::object& object = parsed->get_object();
  const std::string code = get_string(object, "Code");
  if (!code.empty() && code != "Success")
    return fail(Fault::denied, "CredentialsNotFound", code + ": " + get_string(object, "Message"));
  Credentials found{.access_key_id = get_string(object, "AccessKeyId"),
                    .secret_access_key = get_string(object, "SecretAccessKey")};
  // Containers and instances say Token, processes say SessionToken.
  found.session_token = has(object, "Token") ? get_string(object, "Token") : get_string(object, "SessionToken");
  found.account_id = get_string(object, "AccountId");
  const std::string expires = get_string(object, "Expiration");
  if (!expires.empty()) found.expires = parse_iso(expires);
  if (!expires.empty() && !found.expires)
    return fail(Fault::denied, "CredentialsNotFound", "the credentials' Expiration is no time: " + expires);
  if (found.access_key_id.empty() || found.secret_access_key.empty())
    return fail(Fault::denied, "CredentialsNotFound", "the answer has no AccessKeyId or no SecretAccessKey");
  return found;
}

std::string xml_text(std::string_view body, std::string_view tag) {
  const std::string open = fmt::format("<{}>", tag);
  const auto begin = body.find(open);
  if (begin == std::string_view::npos) return {};
  const auto end = body.find(fmt::format("</{}>", tag), begin);
  if (end == std::string_view::npos) return {};
  std::string text(trim(body.substr(begin + open.size(), end - begin - open.size())));
  for (const auto& [escape, letter] :
       {std::pair{"&lt;", "<"}, {"&gt;", ">"}, {"&quot;", "\""}, {"&apos;", "'"}, {"&amp;", "&"}}) {
    for (auto at = text.find(escape); at != std::string::npos; at = text.find(escape, at + 1))
      text.replace(at, std::string_view(escape).size(), letter);
  }
  return text;
}

Result<Credentials> read_sts_answer(std::string_view body) {
  Credentials found{.access_key_id = xml_text(body, "AccessKeyId"),
                    .secret_access_key = xml_text(body, "SecretAccessKey"),
                    .session_token = xml_text(body, "SessionToken")};
  found.expires = parse_iso(xml_text(body, "Expiration"));
  if (const auto user = parse_arn(xml_text(body, "Arn"))) found.account_id = user->account;
  if (found.access_key_id.empty() || found.secret_access_key.empty() || found.session_token.empty() || !found.expires)
    return fail(Fault::denied, "CredentialsNotFound", "the answer of STS has no credentials");
  return found;
}

}  // namespace slipway::client
