#include "client/credentials.h"

#include <fmt/format.h>

#include "base/text.h"
#include "client/chain.h"
#include "client/endpoint.h"
#include "client/retry.h"
#include "signing/sigv4.h"

namespace slipway::client {
namespace {

using namespace std::chrono_literals;

constexpr int kAttemptsMax = 3;
constexpr Duration kStsLimit = 10s;
constexpr Duration kContainerLimit = 2s;
constexpr Duration kInstanceLimit = 1s;  // Off EC2 nobody answers there; do not keep a command waiting.
constexpr std::string_view kInstanceRoles = "/latest/meta-data/iam/security-credentials/";
constexpr std::string_view kInstanceTokenSeconds = "21600";

std::string form(const std::vector<std::pair<std::string, std::string>>& fields) {
  std::vector<std::string> parts;
  for (const auto& [name, value] : fields) parts.push_back(percent_encode(name) + "=" + percent_encode(value));
  return join(parts, "&");
}

}  // namespace

struct CredentialChain::State {
  State(Environment e, std::string p, std::shared_ptr<Surroundings> s)
      : environment(std::move(e)), chosen_profile(std::move(p)), surroundings(std::move(s)) {}

  Environment environment;
  std::string chosen_profile;
  std::shared_ptr<Surroundings> surroundings;
  Profiles profiles;
  std::string profile;
  std::optional<Credentials> kept;

  // Sends, and sends again what may pass when repeated.  `limit` is for each attempt.
  task<Result<http::ClientResponse>> send(std::string endpoint, http::ClientRequest request, Duration limit,
                                          int attempts) {
    for (int attempt = 0;; ++attempt) {
      auto answer = co_await surroundings->send(endpoint, request, limit);
      const Error problem = !answer ? answer.error() : answer->status / 100 == 2 ? Error{} : read_error(*answer);
      if (answer && answer->status / 100 == 2) co_return answer;
      const Repeat repeat = repeat_class(problem, answer ? answer->status : 0);
      if (repeat == Repeat::never || attempt + 1 >= attempts) {
        if (!answer) co_return fail(answer);
        co_return std::unexpected(problem);
      }
      const Duration delay = repeat_wait(repeat, attempt, surroundings->fraction());
      co_await surroundings->wait(delay);
    }
  }

  Result<void> read_profiles() {
    const ProfileFiles files = profile_files(environment);
    profile = chosen_profile.empty() ? files.profile : chosen_profile;
    const auto text_of = [&](const std::string& path) -> Result<std::string> {
      if (path.empty()) return std::string();
      auto text = surroundings->read_file(path);
      if (!text && text.error().fault == Fault::not_found) return std::string();
      return text;
    };
    const auto config = text_of(files.config);
    if (!config) return fail(config);
    const auto credentials = text_of(files.credentials);
    if (!credentials) return fail(credentials);
    auto parsed = parse_profiles(*config, *credentials);
    if (!parsed) return fail(parsed);
    profiles = std::move(*parsed);
    return {};
  }

  // https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html and
  // …AssumeRoleWithWebIdentity.html
  task<Result<Credentials>> ask_sts(std::string body, std::optional<Credentials> signer) {
    std::string region = find_region(environment, profiles, profile);
    if (region.empty()) region = "us-east-1";
    const BaseUrl base = split_url(find_endpoint("sts", region, environment, profiles, profile));
    http::ClientRequest request{.method = "POST", .target = base.prefix + "/", .body = std::move(body)};
    request.headers.set("Host", base.host());
    request.headers.set("Content-Type", "application/x-www-form-urlencoded");
    if (signer) {
      const signing::Message message{.method = request.method,
                                     .raw_path = request.target,
                                     .headers = request.headers.entries(),
                                     .body = request.body};
      const signing::Key key{signer->access_key_id, signer->secret_access_key, signer->session_token};
      const signing::Signature signature = signing::sign(message, key, region, "sts", surroundings->now());
      for (const auto& [name, value] : signature.added) request.headers.set(name, value);
    }
    auto answer = co_await send(base.endpoint, std::move(request), kStsLimit, kAttemptsMax);
    if (!answer) co_return fail(answer);
    co_return read_sts_answer(answer->body);
  }

  task<Result<Credentials>> take_web_identity(WebIdentity identity) {
    const auto token = surroundings->read_file(identity.token_file);
    if (!token) co_return fail(Fault::denied, "CredentialsNotFound", token.error().message);
    const std::string session =
        identity.session_name.empty() ? fmt::format("slipway-{}", surroundings->now().ms()) : identity.session_name;
    std::string body = form({{"Action", "AssumeRoleWithWebIdentity"},
                             {"Version", "2011-06-15"},
                             {"RoleArn", identity.role_arn},
                             {"RoleSessionName", session},
                             {"WebIdentityToken", std::string(trim(*token))}});
    co_return co_await ask_sts(std::move(body), std::nullopt);
  }

  task<Result<Credentials>> take_role(Role role, Credentials by) {
    const std::string session =
        role.session_name.empty() ? fmt::format("slipway-{}", surroundings->now().ms()) : role.session_name;
    std::vector<std::pair<std::string, std::string>> fields = {
        {"Action", "AssumeRole"}, {"Version", "2011-06-15"}, {"RoleArn", role.arn}, {"RoleSessionName", session}};
    if (!role.external_id.empty()) fields.emplace_back("ExternalId", role.external_id);
    if (!role.duration_seconds.empty()) fields.emplace_back("DurationSeconds", role.duration_seconds);
    std::string body = form(fields);
    co_return co_await ask_sts(std::move(body), std::move(by));
  }

  task<Result<Credentials>> ask_container(ContainerEndpoint where) {
    http::ClientRequest request{.method = "GET", .target = where.target};
    request.headers.set("Accept", "application/json");
    std::string token = variable(environment, "AWS_CONTAINER_AUTHORIZATION_TOKEN");
    if (const std::string file = variable(environment, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"); !file.empty()) {
      // Read each time: EKS replaces the token.
      const auto text = surroundings->read_file(file);
      if (!text) co_return fail(Fault::denied, "CredentialsNotFound", text.error().message);
      token = trim(*text);
    }
    if (token.find_first_of("\r\n") != std::string::npos)
      co_return fail(Fault::invalid, "CredentialsNotFound", "the container's authorization token has a line break");
    if (!token.empty()) request.headers.set("Authorization", token);
    auto answer = co_await send(where.endpoint, std::move(request), kContainerLimit, kAttemptsMax);
    if (!answer) co_return fail(answer);
    co_return read_credentials_json(answer->body);
  }

  task<Result<std::string>> ask_instance(std::string method, std::string target, std::string header,
                                         std::string value) {
    const auto url = metadata_endpoint(environment, profiles, profile);
    if (!url) co_return fail(url);
    const BaseUrl base = split_url(*url);
    http::ClientRequest request{.method = std::move(method), .target = base.prefix + target};
    request.headers.set(header, std::move(value));
    auto answer = co_await send(base.endpoint, std::move(request), kInstanceLimit, kAttemptsMax);
    if (!answer) co_return fail(answer);
    co_return std::move(answer->body);
  }

  // https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html (version
  // 2)
  task<Result<Credentials>> ask_instance_metadata() {
    if (equal_ignoring_case(variable(environment, "AWS_EC2_METADATA_DISABLED"), "true"))
      co_return fail(Fault::not_found, "CredentialsNotFound", "AWS_EC2_METADATA_DISABLED is true");
    const auto token = co_await ask_instance("PUT", "/latest/api/token", "X-aws-ec2-metadata-token-ttl-seconds",
                                             std::string(kInstanceTokenSeconds));
    if (!token) co_return fail(token);
    const auto roles = co_await ask_instance("GET", std::string(kInstanceRoles), "X-aws-ec2-metadata-token", *token);
    if (!roles) co_return fail(roles);
    const std::string role(trim(*roles));
    const auto body = co_await ask_instance("GET", std::string(kInstanceRoles) + percent_encode(role),
                                            "X-aws-ec2-metadata-token", *token);
    if (!body) co_return fail(body);
    co_return read_credentials_json(*body);
  }

  task<Result<Credentials>> ask_source(Source source) {
    switch (source.kind) {
      case Source::Kind::keys:
        co_return source.keys;
      case Source::Kind::environment: {
        const auto keys = environment_keys(environment);
        if (!keys)
          co_return fail(Fault::denied, "CredentialsNotFound",
                         "the profile takes its credentials from the environment, and there are none");
        co_return *keys;
      }
      case Source::Kind::container: {
        const auto where = container_endpoint(environment);
        if (!where) co_return fail(where);
        if (!*where)
          co_return fail(Fault::denied, "CredentialsNotFound",
                         "the profile takes its credentials from a container, and this is none");
        co_return co_await ask_container(**where);
      }
      case Source::Kind::instance:
        co_return co_await ask_instance_metadata();
      case Source::Kind::web_identity:
        co_return co_await take_web_identity(source.web_identity);
      case Source::Kind::process: {
        const auto output = surroundings->run(source.command);
        if (!output) co_return fail(output);
        auto found = read_process_output(*output);
        if (found && found->account_id.empty()) found->account_id = source.account_id;
        co_return found;
      }
      case Source::Kind::sso:
        co_return fail(Fault::unsupported, "CredentialsNotFound",
                       "the profile signs in by SSO, which Slipway does not. Run: eval \"$(aws "
                       "configure export-credentials --format env)\"");
    }
    co_return fail(Fault::internal, "CredentialsNotFound", "an unknown source of credentials");
  }

  task<Result<Credentials>> follow(Chain chain) {
    auto found = co_await ask_source(chain.source);
    for (const Role& role : chain.roles) {
      if (!found) break;
      found = co_await take_role(role, *found);
    }
    co_return found;
  }

  // The sources in their order; the first that is configured counts, even when it fails: falling
  // through would run with an identity that nobody chose.
  task<Result<Credentials>> look() {
    if (chosen_profile.empty()) {
      const auto keys = environment_keys(environment);
      if (keys) co_return *keys;
    }
    const auto read = read_profiles();
    if (!read) co_return fail(read);
    const auto chain = profile_chain(profiles, profile);
    if (chain) co_return co_await follow(*chain);
    // A profile that somebody named and that is not there is a mistake, not a reason to look elsewhere.
    const bool named = !chosen_profile.empty() ||
                       (!variable(environment, "AWS_PROFILE").empty() && !profiles.profiles.contains(profile));
    if (chain.error().fault != Fault::not_found || named)
      co_return fail(Fault::denied, "CredentialsNotFound", chain.error().message);
    const auto identity = environment_web_identity(environment);
    if (identity) co_return co_await take_web_identity(*identity);
    const auto where = container_endpoint(environment);
    if (!where) co_return fail(where);
    if (*where) co_return co_await ask_container(**where);
    auto instance = co_await ask_instance_metadata();
    if (instance) co_return instance;
    co_return fail(Fault::denied, "CredentialsNotFound",
                   fmt::format("there are no AWS credentials: none in the environment, {}, no web "
                               "identity, no container, and the instance metadata says: {}",
                               chain.error().message, instance.error().message));
  }
};

CredentialChain::CredentialChain(Environment environment, std::string profile,
                                 std::shared_ptr<Surroundings> surroundings)
    : state_(std::make_unique<State>(std::move(environment), std::move(profile), std::move(surroundings))) {}
CredentialChain::~CredentialChain() = default;
CredentialChain::CredentialChain(CredentialChain&&) noexcept = default;
CredentialChain& CredentialChain::operator=(CredentialChain&&) noexcept = default;

task<Result<Credentials>> CredentialChain::get() {
  State& state = *state_;
  const Instant now = state.surroundings->now();
  if (state.kept && (!state.kept->expires || now + kRenewBefore < *state.kept->expires)) co_return *state.kept;
  auto found = co_await state.look();
  if (found) state.kept = *found;
  // A renewal that fails does no harm while the old ones are good.
  if (!found && state.kept && now + kMustRenewBefore < *state.kept->expires) co_return *state.kept;
  co_return found;
}

}  // namespace slipway::client
