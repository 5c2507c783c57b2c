#include "iam/worker.h"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>

#include "base/text.h"
#include "host/files.h"

namespace slipway::iam {
namespace {

constexpr std::size_t kSecretBytes = 30;  // 40 characters in base64.
constexpr std::size_t kTokenBytes = 96;
constexpr long long kSessionSeconds = 3600;  // The most, unless the role says more, and of a session that asks.

Role read_role(const database::Row& row) {
  Role role{.name = row.text(0)};
  auto parsed = parse_json(row.text(1));
  const json::object body = parsed && parsed->is_object() ? parsed->get_object() : json::object{};
  role.id = get_string(body, "id");
  role.arn = get_string(body, "arn");
  role.trust = get_object(body, "trust");
  role.about = get_object(body, "about");
  role.attached = get_strings(body, "attached");
  role.created_at = instant_ms(get_int(body, "createdAt"));
  for (const auto& entry : get_object(body, "inlined"))
    role.inlined[std::string(entry.key())] = entry.value().as_object();
  return role;
}

Provider read_provider(const database::Row& row) {
  const auto parsed = parse_json(row.text(1));
  const json::object body = parsed && parsed->is_object() ? parsed->get_object() : json::object{};
  return {.arn = row.text(0),
          .name = get_string(body, "name"),
          .audiences = get_strings(body, "audiences"),
          .thumbprints = get_strings(body, "thumbprints"),
          .tags = get_object(body, "tags"),
          .created_at = instant_ms(get_int(body, "createdAt"))};
}

// AWS's own policies that pipelines attach, with what they allow.
json::object known_policy(const std::string& arn) {
  const auto allow = [](json::array actions) {
    return json::object{{"Version", "2012-10-17"},
                        {"Statement", json::array{json::object{
                                          {"Effect", "Allow"}, {"Action", std::move(actions)}, {"Resource", "*"}}}}};
  };
  if (arn == "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole")
    return allow({"logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"});
  if (arn == "arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy")
    return allow({"ecr:GetAuthorizationToken", "ecr:BatchCheckLayerAvailability", "ecr:GetDownloadUrlForLayer",
                  "ecr:BatchGetImage", "logs:CreateLogStream", "logs:PutLogEvents"});
  if (arn == "arn:aws:iam::aws:policy/AmazonECS_FullAccess")
    return allow({"ecs:*", "elasticloadbalancing:*", "logs:*", "iam:ListRoles"});
  if (arn == "arn:aws:iam::aws:policy/AdministratorAccess") return allow({"*"});
  return {};
}

// "role/name" or "assumed-role/name/session" of an ARN -> "name".
std::string role_name(const std::string& arn) {
  const auto parts = split(arn, '/');
  const bool session = arn.find(":assumed-role/") != std::string::npos;
  if (session) return parts.size() > 1 ? parts[1] : "";
  return arn.find(":role/") != std::string::npos ? parts.back() : "";
}

}  // namespace

database::Schema schema() {
  return {.room = "iam",
          .statements = {"CREATE TABLE iam_roles (name TEXT PRIMARY KEY, body TEXT NOT NULL)",
                         "CREATE TABLE iam_policies (arn TEXT PRIMARY KEY, name TEXT NOT NULL, id TEXT NOT NULL, "
                         "document TEXT NOT NULL, created_at INTEGER NOT NULL)",
                         "CREATE TABLE iam_sessions (access_key_id TEXT PRIMARY KEY, secret TEXT NOT NULL, token TEXT "
                         "NOT NULL, role TEXT NOT NULL, arn TEXT NOT NULL, "
                         "user_id TEXT NOT NULL, expires INTEGER NOT NULL)",
                         "CREATE TABLE iam_providers (arn TEXT PRIMARY KEY, body TEXT NOT NULL)"}};
}

std::optional<Role> get_role(database::Connection& db, const std::string& name) {
  const auto row = db.query_one("SELECT name, body FROM iam_roles WHERE name = ?1", {name});
  if (!row) return std::nullopt;
  return read_role(*row);
}
std::vector<Role> list_roles(database::Connection& db) {
  std::vector<Role> all;
  for (const auto& row : db.query("SELECT name, body FROM iam_roles ORDER BY name")) all.push_back(read_role(row));
  return all;
}
void put_role(database::Transaction& tx, const Role& role) {
  json::object inlined;
  for (const auto& [name, document] : role.inlined) inlined[name] = document;
  const json::object body = {{"id", role.id},
                             {"arn", role.arn},
                             {"trust", role.trust},
                             {"about", role.about},
                             {"attached", to_array(role.attached)},
                             {"createdAt", role.created_at.ms()},
                             {"inlined", inlined}};
  tx.execute("INSERT OR REPLACE INTO iam_roles VALUES (?1, ?2)", {role.name, json::serialize(body)});
}
void erase_role(database::Transaction& tx, const std::string& name) {
  tx.execute("DELETE FROM iam_roles WHERE name = ?1", {name});
}

std::optional<ManagedPolicy> get_policy(database::Connection& db, const std::string& arn) {
  if (json::object known = known_policy(arn); !known.empty())
    return ManagedPolicy{.arn = arn, .name = arn.substr(arn.rfind('/') + 1), .id = "ANPAAWS", .document = known};
  const auto row = db.query_one("SELECT arn, name, id, document, created_at FROM iam_policies WHERE arn = ?1", {arn});
  if (!row) return std::nullopt;
  auto document = parse_json(row->text(3));
  return ManagedPolicy{.arn = row->text(0),
                       .name = row->text(1),
                       .id = row->text(2),
                       .document = document->as_object(),
                       .created_at = row->instant(4)};
}
std::vector<ManagedPolicy> list_policies(database::Connection& db) {
  std::vector<ManagedPolicy> all;
  for (const auto& row : db.query("SELECT arn FROM iam_policies ORDER BY arn"))
    all.push_back(*get_policy(db, row.text(0)));
  return all;
}
void put_policy(database::Transaction& tx, const ManagedPolicy& policy) {
  tx.execute("INSERT OR REPLACE INTO iam_policies VALUES (?1, ?2, ?3, ?4, ?5)",
             {policy.arn, policy.name, policy.id, json::serialize(policy.document), policy.created_at.ms()});
}
void erase_policy(database::Transaction& tx, const std::string& arn) {
  tx.execute("DELETE FROM iam_policies WHERE arn = ?1", {arn});
}

std::string provider_arn(const Place& place, std::string_view name) {
  return fmt::format("arn:aws:iam::{}:oidc-provider/{}", place.account, name);
}
std::optional<Provider> get_provider(database::Connection& db, const std::string& arn) {
  const auto row = db.query_one("SELECT arn, body FROM iam_providers WHERE arn = ?1", {arn});
  if (!row) return std::nullopt;
  return read_provider(*row);
}
std::vector<Provider> list_providers(database::Connection& db) {
  std::vector<Provider> all;
  for (const auto& row : db.query("SELECT arn, body FROM iam_providers ORDER BY arn"))
    all.push_back(read_provider(row));
  return all;
}
void put_provider(database::Transaction& tx, const Provider& provider) {
  const json::object body = {{"name", provider.name},
                             {"audiences", to_array(provider.audiences)},
                             {"thumbprints", to_array(provider.thumbprints)},
                             {"tags", provider.tags},
                             {"createdAt", provider.created_at.ms()}};
  tx.execute("INSERT OR REPLACE INTO iam_providers VALUES (?1, ?2)", {provider.arn, json::serialize(body)});
}
void erase_provider(database::Transaction& tx, const std::string& arn) {
  tx.execute("DELETE FROM iam_providers WHERE arn = ?1", {arn});
}

Authority::Authority(database::Database& db, host::Clock& clock, host::Random& random, Place place,
                     const std::filesystem::path& key_file)
    : db_(db), clock_(clock), random_(random), place_(std::move(place)) {
  if (const auto text = host::read_file(key_file)) {
    const auto parsed = parse_json(trim(*text));
    if (parsed && parsed->is_object()) {
      administrator_key_id_ = get_string(parsed->get_object(), "access_key_id");
      administrator_secret_ = get_string(parsed->get_object(), "secret_access_key");
    }
    if (administrator_key_id_.empty() || administrator_secret_.empty())
      throw std::runtime_error("the administrator's key in " + key_file.string() +
                               " is damaged; remove the file to have a new one made");
    return;
  }
  administrator_key_id_ = "AKIA" + random_.alphanumeric_upper(16);
  administrator_secret_ = base64_encode(random_.bytes(kSecretBytes));
  const json::object key = {{"access_key_id", administrator_key_id_}, {"secret_access_key", administrator_secret_}};
  if (auto written = host::write_file_durably(key_file, json::serialize(key) + "\n", 0600); !written)
    throw std::runtime_error(written.error().message);
}

wire::Caller Authority::administrator() const {
  return {.account = place_.account,
          .arn = "arn:aws:iam::" + place_.account + ":user/admin",
          .user_id = "AIDASLIPWAYADMIN",
          .access_key_id = administrator_key_id_,
          .administrator = true};
}

std::optional<Identity> Authority::find(const std::string& access_key_id) {
  if (access_key_id == administrator_key_id_)
    return Identity{.secret_access_key = administrator_secret_, .caller = administrator()};
  const auto row = db_.read().query_one(
      "SELECT secret, token, arn, user_id, expires FROM iam_sessions WHERE access_key_id = ?1", {access_key_id});
  if (!row) return std::nullopt;
  return Identity{.secret_access_key = row->text(0),
                  .session_token = row->text(1),
                  .caller = {.account = place_.account,
                             .arn = row->text(2),
                             .user_id = row->text(3),
                             .access_key_id = access_key_id},
                  .expires = row->instant(4)};
}

std::vector<json::object> Authority::policies_of(const Role& role) {
  std::vector<json::object> policies;
  for (const auto& [name, document] : role.inlined) policies.push_back(document);
  for (const std::string& arn : role.attached) {
    if (const auto managed = get_policy(db_.read(), arn)) policies.push_back(managed->document);
  }
  return policies;
}

// The role of a session; nullopt when it is gone, even when another has its name now.
std::optional<Role> Authority::role_of(const wire::Caller& caller) {
  auto role = get_role(db_.read(), role_name(caller.arn));
  if (role && !caller.user_id.starts_with(role->id + ":")) return std::nullopt;
  return role;
}

// The keys that AWS gives to every request
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html), as far as they are known
// here.
Request Authority::request_of(const wire::Caller& caller, const std::string& action, const std::string& resource) {
  const auto role = role_of(caller);
  Request request{.action = action,
                  .resource = resource,
                  .principal_arn = caller.arn,
                  .principal_role = role ? role->arn : "",
                  .principal_account = caller.account};
  const bool global = action.starts_with("iam:") || action.starts_with("sts:");
  request.keys["aws:principalarn"] = {role ? role->arn : caller.arn};
  request.keys["aws:principalaccount"] = {caller.account};
  request.keys["aws:principaltype"] = {role ? "AssumedRole" : "User"};
  request.keys["aws:userid"] = {caller.user_id};
  request.keys["aws:requestedregion"] = {global ? "us-east-1" : place_.region};
  request.keys["aws:securetransport"] = {"false"};
  const Instant now = clock_.now();
  request.keys["aws:currenttime"] = {iso_seconds(now)};
  request.keys["aws:epochtime"] = {std::to_string(now.ms() / 1000)};
  request.keys["aws:sourceip"] = {"127.0.0.1"};  // The region listens there and nowhere else.
  if (!role) request.keys["aws:username"] = {caller.arn.substr(caller.arn.rfind('/') + 1)};
  request.keys["aws:viaawsservice"] = {"false"};
  return request;
}

Result<void> Authority::authorize(const wire::Caller& caller, const std::string& action, const std::string& resource,
                                  const ConditionKeys& keys, const std::string& resource_policy) {
  if (caller.administrator || action == "sts:GetCallerIdentity") return {};
  const auto role = role_of(caller);
  Request request = request_of(caller, action, resource);
  request.keys.insert(keys.begin(), keys.end());
  const Decision decision = role ? evaluate(policies_of(*role), request, false) : Decision::implicitly_denied;
  const Decision granted = evaluate_of_resource(resource_policy, request, role ? role->arn : caller.arn);
  if (granted == Decision::explicitly_denied)
    return fail(Fault::denied, "AccessDeniedException",
                fmt::format("User: {} is not authorized to perform: {} on resource: {} with an explicit deny in a "
                            "resource-based policy",
                            caller.arn, action, resource));
  if (decision == Decision::allowed) return {};
  if (granted == Decision::allowed && decision == Decision::implicitly_denied) return {};
  if (decision == Decision::implicitly_denied && role && action == "sts:AssumeRole") {
    // Without an account only a statement that names the caller itself fits.
    request.principal_account.clear();
    const auto wanted = get_role(db_.read(), role_name(resource));
    if (wanted && wanted->arn == resource && evaluate({wanted->trust}, request, true) == Decision::allowed) return {};
  }
  const std::string why = decision == Decision::explicitly_denied
                              ? "with an explicit deny in an identity-based policy"
                              : fmt::format("because no identity-based policy allows the {} action", action);
  return fail(
      Fault::denied, "AccessDeniedException",
      fmt::format("User: {} is not authorized to perform: {} on resource: {} {}", caller.arn, action, resource, why));
}

Result<void> Authority::check_role(const std::string& role_arn, const std::string& service) {
  const auto role = get_role(db_.read(), role_name(role_arn));
  if (!role || role->arn != role_arn)
    return fail(Fault::not_found, "NoSuchEntity", fmt::format("The role {} does not exist.", role_arn));
  const Request request{.action = "sts:AssumeRole",
                        .resource = role_arn,
                        .principal_service = service,
                        .keys = {{"aws:sourceaccount", {place_.account}}}};
  if (evaluate({role->trust}, request, true) != Decision::allowed)
    return fail(Fault::denied, "AccessDenied",
                fmt::format("The trust policy of {} does not let {} assume it.", role_arn, service));
  return {};
}

task<Result<Credentials>> Authority::open_session(Role role, std::string session_name, Duration lifetime) {
  const Instant expires = clock_.now() + lifetime;
  Credentials made{
      .access_key_id = "ASIA" + random_.alphanumeric_upper(16),
      .secret_access_key = base64_encode(random_.bytes(kSecretBytes)),
      .session_token = base64_encode(random_.bytes(kTokenBytes)),
      .expires = expires,
      .assumed_role_arn = fmt::format("arn:aws:sts::{}:assumed-role/{}/{}", place_.account, role.name, session_name),
      .assumed_role_id = role.id + ":" + session_name};
  const Instant now = clock_.now();
  auto save = [made, role, now](database::Transaction& tx) {
    tx.execute("DELETE FROM iam_sessions WHERE expires < ?1", {(now - std::chrono::hours(1)).ms()});
    tx.execute("INSERT INTO iam_sessions VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
               {made.access_key_id, made.secret_access_key, made.session_token, role.name, made.assumed_role_arn,
                made.assumed_role_id, made.expires.ms()});
  };
  co_await db_.write(save);
  co_return made;
}

task<Result<Credentials>> Authority::service_session(std::string role_arn, std::string service,
                                                     std::string session_name, Duration lifetime) {
  if (auto trusted = check_role(role_arn, service); !trusted) co_return fail(trusted);
  const auto role = get_role(db_.read(), role_name(role_arn));
  co_return co_await open_session(*role, session_name, lifetime);
}

task<Result<Credentials>> Authority::assume(wire::Caller caller, std::string role_arn, std::string session_name,
                                            Duration lifetime, std::string external_id) {
  const auto role = get_role(db_.read(), role_name(role_arn));
  Request request = request_of(caller, "sts:AssumeRole", role_arn);
  request.keys["sts:rolesessionname"] = {session_name};
  if (!external_id.empty()) request.keys["sts:externalid"] = {external_id};
  const bool trusted = role && role->arn == role_arn && evaluate({role->trust}, request, true) == Decision::allowed;
  if (!trusted)
    co_return fail(
        Fault::denied, "AccessDenied",
        fmt::format("User: {} is not authorized to perform: sts:AssumeRole on resource: {}", caller.arn, role_arn));
  const Duration most = std::chrono::seconds(get_int(role->about, "MaxSessionDuration", kSessionSeconds));
  if (lifetime > most)
    co_return fail(Fault::invalid, "ValidationError",
                   "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.");
  if (!caller.administrator && lifetime > std::chrono::seconds(kSessionSeconds))
    co_return fail(Fault::invalid, "ValidationError",
                   "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining");
  co_return co_await open_session(*role, session_name, lifetime);
}

Result<void> Authority::check_issuer(const WebToken& token) {
  const auto provider = get_provider(db_.read(), provider_arn(place_, token.provider()));
  // Only the issuer's own URL is trusted: "http://" of the same name is another.
  if (!provider || token.issuer != "https://" + provider->name)
    return fail(Fault::invalid, "InvalidIdentityToken",
                fmt::format("No OpenIDConnect provider found in your account for {}", token.issuer));
  if (std::ranges::find(provider->audiences, token.audience()) == provider->audiences.end())
    return fail(Fault::invalid, "InvalidIdentityToken", "Incorrect token audience");
  return {};
}

task<Result<Credentials>> Authority::assume_with_token(WebToken token, std::string jwks, std::string role_arn,
                                                       std::string session_name, Duration lifetime) {
  if (auto known = check_issuer(token); !known) co_return fail(known);
  if (auto sound = check_signature(token, jwks); !sound) co_return fail(sound);
  if (auto fresh = check_time(token, clock_.now()); !fresh) co_return fail(fresh);
  const auto role = get_role(db_.read(), role_name(role_arn));
  Request request{.action = "sts:AssumeRoleWithWebIdentity",
                  .resource = role_arn,
                  .principal_federated = provider_arn(place_, token.provider()),
                  .keys = keys_of(token)};
  request.keys["sts:rolesessionname"] = {session_name};
  if (!role || role->arn != role_arn || evaluate({role->trust}, request, true) != Decision::allowed)
    co_return fail(Fault::denied, "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity");
  const Duration most = std::chrono::seconds(get_int(role->about, "MaxSessionDuration", kSessionSeconds));
  if (lifetime > most)
    co_return fail(Fault::invalid, "ValidationError",
                   "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.");
  co_return co_await open_session(*role, session_name, lifetime);
}

}  // namespace slipway::iam
