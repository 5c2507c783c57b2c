#include "client/client.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "client/endpoint.h"
#include "client/retry.h"
#include "signing/sigv4.h"

namespace slipway::client {
namespace {

using namespace std::chrono_literals;

constexpr Duration kConnectLimit = 3s;
constexpr std::size_t kIdleConnectionsMax = 4;  // A base URL.

std::string form(const std::vector<std::pair<std::string, std::string>>& fields) {
  std::vector<std::string> parts;
  for (const auto& [name, value] : fields) parts.push_back(percent_encode(name) + "=" + percent_encode(value));
  return join(parts, "&");
}

}  // namespace

struct AwsClient::State {
  State(asio::any_io_executor e, Options o)
      : executor(std::move(e)),
        options(std::move(o)),
        surroundings(make_surroundings()),
        chain(options.environment, options.profile, surroundings) {}

  asio::any_io_executor executor;
  Options options;
  std::shared_ptr<Surroundings> surroundings;
  CredentialChain chain;
  RepeatQuota quota;
  std::optional<Instant> deadline;
  std::optional<Profiles> profiles;
  std::string profile;
  std::map<std::string, std::vector<http::Client>> idle;  // By base URL.

  // A client that is told everything never looks at files.
  void read_profiles() {
    if (profiles) return;
    profiles = Profiles{};
    if (options.environment.empty()) return;
    const ProfileFiles files = profile_files(options.environment);
    profile = options.profile.empty() ? files.profile : options.profile;
    const auto text_of = [&](const std::string& path) {
      return path.empty() ? std::string() : surroundings->read_file(path).value_or("");
    };
    auto parsed = parse_profiles(text_of(files.config), text_of(files.credentials));
    if (parsed) profiles = std::move(*parsed);
  }

  struct Target {
    BaseUrl base;
    std::string region;
  };
  Result<Target> find_target(const std::string& service) {
    read_profiles();
    Target target;
    target.region = options.region.empty() ? find_region(options.environment, *profiles, profile) : options.region;
    if (target.region.empty()) return fail(Fault::invalid, "RegionNotFound", "no AWS region is set: set AWS_REGION");
    target.base = split_url(options.endpoint.empty()
                                ? find_endpoint(service, target.region, options.environment, *profiles, profile)
                                : options.endpoint);
    return target;
  }

  task<Result<Credentials>> credentials() {
    if (options.credentials) co_return *options.credentials;
    co_return co_await chain.get();
  }

  http::Client take_connection(const std::string& endpoint) {
    auto& free = idle[endpoint];
    if (free.empty())
      return http::Client(
          executor, {.endpoint = endpoint, .connect_timeout = kConnectLimit, .read_timeout = options.read_timeout});
    http::Client connection = std::move(free.back());
    free.pop_back();
    return connection;
  }

  static void sign(http::ClientRequest& request, const Credentials& by, const std::string& region,
                   const std::string& service, Instant now) {
    const auto query = request.target.find('?');
    const signing::Message message{.method = request.method,
                                   .raw_path = request.target.substr(0, query),
                                   .raw_query = query == std::string::npos ? "" : request.target.substr(query + 1),
                                   .headers = request.headers.entries(),
                                   .body = request.body};
    const signing::Key key{by.access_key_id, by.secret_access_key, by.session_token};
    const signing::Signature signature = signing::sign(message, key, region, service, now);
    for (const auto& [name, value] : signature.added) request.headers.set(name, value);
  }

  // One attempt; signed anew each time, because a signature says when.
  task<Result<http::ClientResponse>> attempt(Target target, std::string service, http::ClientRequest request,
                                             Duration limit) {
    auto by = co_await credentials();
    if (!by) co_return fail(by);
    sign(request, *by, target.region, service, surroundings->now());
    http::Client connection = take_connection(target.base.endpoint);
    auto sending = connection.send(std::move(request));
    auto answer = co_await with_deadline(limit, std::move(sending));
    if (!answer)
      co_return fail(Fault::timed_out, "Timeout",
                     fmt::format("{} did not answer within {} ms", target.base.endpoint, limit.count()));
    auto& free = idle[target.base.endpoint];
    if (*answer && free.size() < kIdleConnectionsMax) free.push_back(std::move(connection));
    co_return std::move(*answer);
  }

  Duration left(Instant give_up) { return std::max(0ms, give_up - surroundings->now()); }

  // Attempts until it is answered, the failure is final, or attempts, quota or time are used up.
  task<Result<http::ClientResponse>> send(std::string service, http::ClientRequest request) {
    auto target = find_target(service);
    if (!target) co_return fail(target);
    request.target = target->base.prefix + request.target;
    request.headers.set("Host", target->base.host());
    Instant give_up = surroundings->now() + options.budget;
    if (deadline) give_up = std::min(give_up, *deadline);
    for (int number = 0;; ++number) {
      auto answer = co_await attempt(*target, service, request, left(give_up));
      if (answer && answer->status / 100 == 2) {
        quota.succeeded();
        co_return answer;
      }
      const Error problem = answer ? read_error(*answer) : answer.error();
      const Repeat repeat = repeat_class(problem, answer ? answer->status : 0);
      const Duration delay = repeat_wait(repeat, number, surroundings->fraction());
      const bool again =
          repeat != Repeat::never && number + 1 < options.attempts_max && delay < left(give_up) && quota.take(repeat);
      if (!again) co_return std::unexpected(problem);
      co_await surroundings->wait(delay);
    }
  }
};

Options options_from_environment() {
  return {.environment = process_environment()};
}

AwsClient::AwsClient(asio::any_io_executor executor, Options options)
    : state_(std::make_unique<State>(std::move(executor), std::move(options))) {}
AwsClient::~AwsClient() = default;
AwsClient::AwsClient(AwsClient&&) noexcept = default;
AwsClient& AwsClient::operator=(AwsClient&&) noexcept = default;

task<Result<json::object>> AwsClient::json_call(std::string service, std::string target_prefix, std::string operation,
                                                json::object input, std::string version) {
  http::ClientRequest request{.method = "POST", .target = "/", .body = json::serialize(input)};
  request.headers.set("Content-Type", "application/x-amz-json-" + version);
  request.headers.set("X-Amz-Target", target_prefix + "." + operation);
  auto answer = co_await state_->send(std::move(service), std::move(request));
  if (!answer) co_return fail(answer);
  if (trim(answer->body).empty()) co_return json::object{};
  auto parsed = parse_json(answer->body);
  if (!parsed || !parsed->is_object())
    co_return fail(Fault::unavailable, "BadResponse",
                   fmt::format("{} answered with something that is not a JSON object", operation));
  co_return std::move(parsed->get_object());
}

task<Result<http::ClientResponse>> AwsClient::query_call(std::string service, std::string api_version,
                                                         std::string action,
                                                         std::vector<std::pair<std::string, std::string>> parameters) {
  parameters.insert(parameters.begin(), {{"Action", std::move(action)}, {"Version", std::move(api_version)}});
  http::ClientRequest request{.method = "POST", .target = "/", .body = form(parameters)};
  request.headers.set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8");
  co_return co_await state_->send(std::move(service), std::move(request));
}

task<Result<http::ClientResponse>> AwsClient::rest_call(std::string service, std::string method, std::string path,
                                                        http::Headers headers, std::string body) {
  http::ClientRequest request{
      .method = std::move(method), .target = std::move(path), .headers = std::move(headers), .body = std::move(body)};
  co_return co_await state_->send(std::move(service), std::move(request));
}

void AwsClient::give_up_at(Instant at) {
  state_->deadline = at;
}

}  // namespace slipway::client
