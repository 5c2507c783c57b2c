// The authority: knows keys, roles and policies; hands out temporary credentials; says who may do what.
#pragma once
#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "base/task.h"
#include "database/database.h"
#include "host/clock.h"
#include "iam/policy.h"
#include "iam/web_token.h"
#include "wire/service.h"

namespace slipway::iam {

database::Schema schema();

struct Identity {
  std::string secret_access_key;
  std::string session_token;  // Empty for long-term keys.
  wire::Caller caller;
  std::optional<Instant> expires;
};

struct Credentials {
  std::string access_key_id;
  std::string secret_access_key;
  std::string session_token;
  Instant expires{};
  std::string assumed_role_arn;
  std::string assumed_role_id;
};

struct Role {
  std::string name;
  std::string id;  // "AROA…"
  std::string arn;
  json::object trust;
  json::object about;                           // Description, MaxSessionDuration, tags.
  std::map<std::string, json::object> inlined;  // Policy name -> document.
  std::vector<std::string> attached;            // ARNs of managed policies.
  Instant created_at{};
};

class Authority {
 public:
  // Reads the administrator's key from `key_file`, or makes one there (mode 0600).  Throws when it can do neither.
  Authority(database::Database& db, host::Clock& clock, host::Random& random, Place place,
            const std::filesystem::path& key_file);

  // Who has this key; nullopt when nobody does.  An expired key is answered with its expiry.
  std::optional<Identity> find(const std::string& access_key_id);
  // Fails with Fault::denied, "AccessDeniedException", in AWS's words.  `resource_policy` is the text of the resource's
  // own policy, "" for none: within an account it may allow what the caller's policies do not, and a Deny of either
  // wins.
  // For sts:AssumeRole the role's trust policy is its resource policy: who is named there directly needs no policy of
  // its own.
  Result<void> authorize(const wire::Caller& caller, const std::string& action, const std::string& resource,
                         const ConditionKeys& keys = {}, const std::string& resource_policy = {});

  // Temporary credentials of `role_arn` for a service that its trust policy names, e.g. "lambda.amazonaws.com".
  task<Result<Credentials>> service_session(std::string role_arn, std::string service, std::string session_name,
                                            Duration lifetime);
  // The same for a caller (sts:AssumeRole).  Fails with "ValidationError" for a lifetime beyond the role's maximum, or
  // beyond an hour when a session of a role asks.
  task<Result<Credentials>> assume(wire::Caller caller, std::string role_arn, std::string session_name,
                                   Duration lifetime, std::string external_id);
  // The same for whoever holds a token of an OIDC provider of this account (sts:AssumeRoleWithWebIdentity).  `jwks` are
  // the keys of the token's issuer.  Fails with "InvalidIdentityToken", "ExpiredTokenException", "AccessDenied" or
  // "ValidationError".
  task<Result<Credentials>> assume_with_token(WebToken token, std::string jwks, std::string role_arn,
                                              std::string session_name, Duration lifetime);
  // The provider of a token's issuer, when it is for one of the provider's audiences; else "InvalidIdentityToken".
  Result<void> check_issuer(const WebToken& token);
  // Whether the role exists and its trust policy names `service`.
  Result<void> check_role(const std::string& role_arn, const std::string& service);

  wire::Caller administrator() const;
  database::Database& db() { return db_; }
  host::Random& random() { return random_; }
  host::Clock& clock() { return clock_; }
  const Place& place() const { return place_; }

 private:
  task<Result<Credentials>> open_session(Role role, std::string session_name, Duration lifetime);
  std::vector<json::object> policies_of(const Role& role);
  std::optional<Role> role_of(const wire::Caller& caller);
  Request request_of(const wire::Caller& caller, const std::string& action, const std::string& resource);

  database::Database& db_;
  host::Clock& clock_;
  host::Random& random_;
  Place place_;
  std::string administrator_key_id_;
  std::string administrator_secret_;
};

// An issuer of tokens that the account trusts, so far as roles' trust policies go along.
struct Provider {
  std::string arn;                     // "arn:aws:iam::000000000000:oidc-provider/token.actions.githubusercontent.com"
  std::string name;                    // Host and path of its URL.
  std::vector<std::string> audiences;  // ClientIDList
  std::vector<std::string> thumbprints;  // Kept and shown; keys are not asked for by certificates of these.
  json::object tags;
  Instant created_at{};
};
std::optional<Provider> get_provider(database::Connection& db, const std::string& arn);
std::vector<Provider> list_providers(database::Connection& db);
void put_provider(database::Transaction& tx, const Provider& provider);
void erase_provider(database::Transaction& tx, const std::string& arn);
std::string provider_arn(const Place& place, std::string_view name);

std::optional<Role> get_role(database::Connection& db, const std::string& name);
std::vector<Role> list_roles(database::Connection& db);
void put_role(database::Transaction& tx, const Role& role);
void erase_role(database::Transaction& tx, const std::string& name);

struct ManagedPolicy {
  std::string arn;
  std::string name;
  std::string id;
  json::object document;
  Instant created_at{};
};
std::optional<ManagedPolicy> get_policy(database::Connection& db,
                                        const std::string& arn);  // Also AWS's own that we know.
std::vector<ManagedPolicy> list_policies(database::Connection& db);
void put_policy(database::Transaction& tx, const ManagedPolicy& policy);
void erase_policy(database::Transaction& tx, const std::string& arn);

}  // namespace slipway::iam
