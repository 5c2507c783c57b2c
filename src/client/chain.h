// Chain: which source the credentials come from, decided from environment and profiles.  Pure;
// credentials.cc asks the source.
// https://docs.aws.amazon.com/sdkref/latest/guide/feature-assume-role-credentials.html
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "client/credentials.h"
#include "client/profile.h"

namespace slipway::client {

// A role taken with a token that somebody else signed (sts AssumeRoleWithWebIdentity).
struct WebIdentity {
  std::string role_arn;
  std::string token_file;
  std::string session_name;  // Empty: one is made up.
  bool operator==(const WebIdentity&) const = default;
};

// A role taken with the credentials before it (sts AssumeRole).
struct Role {
  std::string arn;
  std::string session_name;  // Empty: one is made up.
  std::string external_id;
  std::string duration_seconds;
  bool operator==(const Role&) const = default;
};

// Where the first credentials come from.
struct Source {
  enum class Kind { keys, environment, container, instance, web_identity, process, sso };
  Kind kind = Kind::keys;
  Credentials keys;        // keys
  std::string command;     // process
  std::string account_id;  // process, when it says none
  WebIdentity web_identity;
};

// A source, then roles, each taken with what came before.
struct Chain {
  Source source;
  std::vector<Role> roles;
};

// What profile `name` says.  Failures: Fault::not_found, "ProfileWithoutCredentials" (no such
// profile, or it holds none: go on with the next source); Fault::invalid, "InvalidProfile", when it
// contradicts itself.
Result<Chain> profile_chain(const Profiles& profiles, const std::string& name);

// The keys in the environment; nullopt when one of the two is missing.
std::optional<Credentials> environment_keys(const Environment& environment);
// What AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN say.
std::optional<WebIdentity> environment_web_identity(const Environment& environment);

// Where a container's credentials are asked for.
struct ContainerEndpoint {
  std::string endpoint;  // "http://169.254.170.2"
  std::string target;    // "/v2/credentials/…"
};
// nullopt when the environment names none.  Fails (Fault::invalid, "InvalidContainerUri") for a URI
// that is neither https, loopback nor one of the addresses of ECS and EKS: the token must not leave
// the machine in the clear.
// https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html
Result<std::optional<ContainerEndpoint>> container_endpoint(const Environment& environment);

// Where instance metadata is asked: AWS_EC2_METADATA_SERVICE_ENDPOINT, the profile's
// ec2_metadata_service_endpoint, else the address of their endpoint mode (IPv4 or IPv6).  Fails with
// Fault::invalid, "InvalidMetadataEndpoint".
// https://docs.aws.amazon.com/sdkref/latest/guide/feature-imds-credentials.html
Result<std::string> metadata_endpoint(const Environment& environment, const Profiles& profiles,
                                      const std::string& profile);

// What a credential_process prints: as read_credentials_json(), and "Version": 1.
Result<Credentials> read_process_output(std::string_view output);

// What containers, instance metadata and credential_process answer.  Fails with Fault::denied,
// "CredentialsNotFound".
Result<Credentials> read_credentials_json(std::string_view body);
// What STS answers.
Result<Credentials> read_sts_answer(std::string_view body);
// The text of the first element `tag` of an XML document; empty when absent.
std::string xml_text(std::string_view body, std::string_view tag);

}  // namespace slipway::client
