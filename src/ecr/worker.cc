#include "ecr/worker.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <iterator>
#include <set>
#include <stdexcept>
#include <system_error>

#include "base/log.h"
#include "base/text.h"
#include "database/journal.h"

namespace slipway::ecr {
namespace {

using namespace std::chrono_literals;

constexpr Duration kTokenLifetime = 12h;  // As ECR's.
constexpr std::size_t kNamesPageMax = 1000;
constexpr Duration kSweepEvery = 10min;
constexpr Duration kDownloadLifetime = 1h;
constexpr std::uint64_t kPartBytesMin = 5 * 1024 * 1024;  // Of every part but the last.
constexpr Duration kUnusedFor = 1h;                       // Between the push of a layer and that of its manifest.
constexpr Duration kPullsApart = 1min;  // Pulls closer together are recorded as one; ECR's own promise is a day.

http::Response registry_error(int status, std::string_view code, std::string_view message) {
  const json::object body = {{"errors", json::array{json::object{{"code", code}, {"message", message}}}}};
  http::Response response = http::json_response(status, json::serialize(body) + "\n");
  response.headers.set("Docker-Distribution-Api-Version", "registry/2.0");
  return response;
}

http::Response error_of(const Error& error) {
  // The disk's errors have no code in the distribution specification.
  if (error.fault == Fault::unavailable)
    return registry_error(error.code == "DiskFull" ? 507 : 503, "UNAVAILABLE", error.message);
  if (error.code == "NotFound") return registry_error(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry");
  int status = 400;
  if (error.fault == Fault::not_found) status = 404;
  if (error.fault == Fault::denied) status = 403;
  if (error.fault == Fault::throttled) status = 429;
  if (error.code == "SIZE_INVALID") status = 413;
  return registry_error(status, error.code, error.message);
}

std::unexpected<Error> no_repository(const std::string& name, const std::string& account) {
  return fail(Fault::not_found, "NAME_UNKNOWN",
              fmt::format("The repository with name '{}' does not exist in the registry with id '{}'. Make it: slipway "
                          "aws ecr create-repository --repository-name {}",
                          name, account, name));
}

http::Response created(std::string location, const std::string& digest) {
  http::Response response;
  response.status = 201;
  response.headers.set("Location", std::move(location));
  response.headers.set("Docker-Content-Digest", digest);
  return response;
}

http::Response upload_busy() {
  return registry_error(409, "BLOB_UPLOAD_INVALID", "another request writes to this upload");
}

// The IAM action that ECR asks for, so that a policy written for ECR means the same here.
// https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-push-iam.html
std::string action_of(const std::string& method, const std::string& kind) {
  const bool reads = method == "GET" || method == "HEAD";
  if (kind == "tags") return "ecr:ListImages";
  if (kind == "blobs" && method == "HEAD") return "ecr:BatchCheckLayerAvailability";
  if (kind == "blobs") return "ecr:GetDownloadUrlForLayer";
  if (kind == "uploads" && method == "PATCH") return "ecr:UploadLayerPart";
  if (kind == "uploads" && method == "PUT") return "ecr:CompleteLayerUpload";
  if (kind == "uploads") return "ecr:InitiateLayerUpload";
  return reads ? "ecr:BatchGetImage" : method == "DELETE" ? "ecr:BatchDeleteImage" : "ecr:PutImage";
}

// The first byte of "Content-Range: 5-9", when the range agrees with the Content-Length beside it.
std::optional<std::uint64_t> first_byte(const http::Headers& headers, std::string_view range) {
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  const char* const end = range.data() + range.size();
  const auto [dash, bad_first] = std::from_chars(range.data(), end, first);
  if (bad_first != std::errc() || dash == end || *dash != '-') return std::nullopt;
  const auto [rest, bad_last] = std::from_chars(dash + 1, end, last);
  if (bad_last != std::errc() || rest != end || last < first) return std::nullopt;
  const auto length = headers.find("Content-Length");
  if (length && *length != std::to_string(last - first + 1)) return std::nullopt;
  return first;
}

// The last byte of `bytes` received, as Range says it; "0-0" also before the first.
std::string range_of(std::uint64_t bytes) {
  return fmt::format("0-{}", bytes == 0 ? 0 : bytes - 1);
}

std::string upload_location(const Target& target, const Upload& upload) {
  return fmt::format("/v2/{}/blobs/uploads/{}", target.repository, upload.id);
}

http::Response unknown_upload() {
  return registry_error(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry");
}

http::Response bad_chunk() {
  return registry_error(400, "SIZE_INVALID", "Content-Range must be <first>-<last> and agree with Content-Length");
}

// The page of `names`, which are sorted, that "n" and "last" ask for, as `member` beside what `answer` has.
http::Response names_page(const http::Request& request, const std::string& path, const char* member,
                          const std::vector<std::string>& names, json::object answer) {
  std::size_t count = kNamesPageMax;
  if (const auto n = request.query_value("n")) {
    const auto wanted = parse_count(*n);
    if (!wanted || *wanted > kNamesPageMax)
      return registry_error(400, "UNSUPPORTED",
                            "Invalid parameter at 'maxResults' failed to satisfy constraint: 'Member must have value "
                            "less than or equal to 1000'");
    count = *wanted;
  }
  const std::string last = request.query_value("last").value_or("");
  std::vector<std::string> page;
  bool more = false;
  for (const std::string& name : names) {
    if (!last.empty() && name <= last) continue;
    more = page.size() >= count;
    if (more) break;
    page.push_back(name);
  }
  answer[member] = to_array(page);
  http::Response response = http::json_response(200, json::serialize(answer) + "\n");
  if (more && !page.empty())
    response.headers.set(
        "Link", fmt::format("<{}?n={}&last={}>; rel=\"next\"", path, count, percent_encode(page.back(), true)));
  return response;
}

// Between a blob's file and its row: a sweep leaves it alone.
class Arriving {
 public:
  Arriving(std::map<std::string, int>& all, std::string digest) : all_(all), digest_(std::move(digest)) {
    ++all_[digest_];
  }
  ~Arriving() {
    if (--all_[digest_] == 0) all_.erase(digest_);
  }
  Arriving(const Arriving&) = delete;
  Arriving& operator=(const Arriving&) = delete;

 private:
  std::map<std::string, int>& all_;
  std::string digest_;
};

}  // namespace

Registry::Registry(asio::any_io_executor executor, database::Database& db, host::Pool& pool, host::Clock& clock,
                   host::Random& random, Place place, std::filesystem::path folder, std::string host, Outbox& outbox,
                   Permissions& permissions)
    : executor_(std::move(executor)),
      db_(db),
      pool_(pool),
      clock_(clock),
      random_(random),
      place_(std::move(place)),
      folder_(std::move(folder)),
      host_(std::move(host)),
      outbox_(outbox),
      permissions_(permissions),
      uploads_(pool_, clock_, random_, folder_),
      tasks_(executor_) {}

void Registry::start() {
  uploads_.open();
  const auto key_file = folder_ / "token.key";
  if (auto key = host::read_file(key_file)) {
    token_key_ = *key;
  } else {
    token_key_ = random_.hex(64);
    if (auto written = host::write_file_durably(key_file, token_key_, 0600); !written)
      throw std::runtime_error(written.error().message);
  }
  tasks_.spawn("ecr.tend", tend());
}

task<void> Registry::tend() {
  for (;;) {
    co_await clock_.sleep_until(clock_.now() + kSweepEvery);
    co_await sweep(clock_.now());
  }
}

task<void> Registry::run_lifecycle(std::string repository, Instant now) {
  auto expire = [this, repository, now](database::Transaction& tx) -> std::size_t {
    auto known = get_repository(tx, repository);
    if (!known || known->lifecycle.empty()) return 0;
    const auto rules = parse_lifecycle(known->lifecycle);
    if (!rules) return 0;
    const auto digests = expired_images(*rules, lifecycle_images(tx, repository), now);
    for (const std::string& digest : digests) remove(tx, repository, "", digest, now);
    known->lifecycle_run_at = now;
    put_repository(tx, *known);
    return digests.size();
  };
  const std::size_t expired = co_await db_.write(expire);
  if (expired > 0) log_info("ecr", fmt::format("{}: the lifecycle policy expired {} images", repository, expired));
}

void Registry::run_lifecycle_soon(const std::string& repository) {
  tasks_.spawn("ecr.lifecycle", run_lifecycle(repository, clock_.now()));
}

task<void> Registry::sweep(Instant now) {
  uploads_.drop_stale(now);
  pulled_.clear();
  for (const Repository& repository : list_repositories(db_.read())) {
    if (!repository.lifecycle.empty()) co_await run_lifecycle(repository.name, now);
  }
  std::map<Link, Instant> unused;
  std::vector<Link> expired;
  for (const Link& link : unused_links(db_.read())) {
    const auto known = unused_since_.find(link);
    const Instant since = known == unused_since_.end() ? now : known->second;
    if (since + kUnusedFor <= now) {
      expired.push_back(link);
    } else {
      unused.emplace(link, since);
    }
  }
  unused_since_ = std::move(unused);
  if (!expired.empty()) {
    auto erase = [expired](database::Transaction& tx) {
      for (const Link& link : expired) erase_unused_link(tx, link);
    };
    co_await db_.write(erase);
  }
  auto stray = co_await uploads_.list_blobs();
  // From here to the removal of the names nothing else runs: a blob that arrives meanwhile is not in the list, or has
  // its row, or is known to be arriving.
  const auto linked = linked_blobs(db_.read());
  const std::set<std::string> used(linked.begin(), linked.end());
  std::erase_if(stray, [&](const std::string& digest) { return used.contains(digest) || arriving_.contains(digest); });
  co_await uploads_.remove_blobs(std::move(stray));
}

std::string Registry::policy_of(const std::string& arn) {
  const std::string before = place_.arn("ecr", "repository/");
  if (!arn.starts_with(before)) return {};
  const auto repository = get_repository(db_.read(), arn.substr(before.size()));
  return repository ? repository->policy : "";
}

std::optional<long long> Registry::blob_size(const std::string& repository, const std::string& digest) {
  if (!parse_digest(digest)) return std::nullopt;
  const auto bytes = blob_bytes(db_.read(), repository, digest);
  if (!bytes || !uploads_.has_blob(digest, static_cast<std::uint64_t>(*bytes))) return std::nullopt;
  // Whoever asks is about to push a manifest that names it.
  if (const auto unused = unused_since_.find({.repository = repository, .digest = digest});
      unused != unused_since_.end())
    unused->second = clock_.now();
  return bytes;
}

Instant Registry::token_expiry(Instant now) const {
  return now + kTokenLifetime;
}

std::string Registry::token_for(const wire::Caller& caller, Instant now) const {
  const json::object claim = {{"account", caller.account},
                              {"arn", caller.arn},
                              {"id", caller.user_id},
                              {"admin", caller.administrator},
                              {"expires", token_expiry(now).ms()}};
  const std::string body = base64_encode(json::serialize(claim));
  return body + "." + hex(hmac_sha256(token_key_, body));
}

Result<wire::Caller> Registry::login(const http::Request& request, Instant now) const {
  const std::string header = request.headers.get("Authorization");
  if (!header.starts_with("Basic ")) return fail(Fault::denied, "UNAUTHORIZED", "Not Authorized");
  const std::string decoded = base64_decode(trim(std::string_view(header).substr(6))).value_or("");
  const auto colon = decoded.find(':');
  const std::string token = colon == std::string::npos ? "" : decoded.substr(colon + 1);
  const auto dot = token.rfind('.');
  const std::string body = token.substr(0, dot);
  const bool signed_by_us =
      dot != std::string::npos && equal_in_constant_time(token.substr(dot + 1), hex(hmac_sha256(token_key_, body)));
  if (!signed_by_us || decoded.substr(0, colon) != "AWS") return fail(Fault::denied, "UNAUTHORIZED", "Not Authorized");
  const auto parsed = parse_json(base64_decode(body).value_or(""));
  const json::object claim = parsed && parsed->is_object() ? parsed->get_object() : json::object{};
  if (get_int(claim, "expires") < now.ms())
    return fail(Fault::denied, "DENIED", "Your authorization token has expired. Reauthenticate and try again.");
  return wire::Caller{.account = get_string(claim, "account"),
                      .arn = get_string(claim, "arn"),
                      .user_id = get_string(claim, "id"),
                      .access_key_id = "",
                      .administrator = get_bool(claim, "admin")};
}

task<http::Response> Registry::serve(http::Request& request) {
  std::string why;
  bool full = false;
  try {
    co_return co_await answer(request);
  } catch (const std::system_error& error) {
    why = error.what();
    full = error.code() == std::errc::no_space_on_device;
  } catch (const std::exception& error) {
    why = error.what();
  }
  // The connection of this protocol: a database that cannot write is told in the words that its clients read.
  log_error("ecr", fmt::format("{} {} failed: {}", request.method, request.raw_path(), why));
  if (full) co_return registry_error(507, "UNAVAILABLE", why + ". Free some space and try again.");
  co_return registry_error(500, "UNKNOWN", "the registry could not do it: " + why);
}

std::string Registry::download_signature(const std::string& repository, const std::string& digest,
                                         const std::string& expires) const {
  return hex(hmac_sha256(token_key_, fmt::format("download\n{}\n{}\n{}", repository, digest, expires)));
}

std::string Registry::download_url(const std::string& repository, const std::string& digest, Instant now) const {
  const std::string expires = std::to_string((now + kDownloadLifetime).ms());
  return fmt::format("http://{}/v2/{}/blobs/{}?expires={}&signature={}", host_, repository, digest, expires,
                     download_signature(repository, digest, expires));
}

bool Registry::signed_for_download(const Target& target, const http::Request& request) const {
  const auto expires = request.query_value("expires");
  const auto signature = request.query_value("signature");
  if (target.kind != "blobs" || (request.method != "GET" && request.method != "HEAD") || !expires || !signature)
    return false;
  const auto until = parse_count(*expires);
  return until && clock_.now().ms() < static_cast<long long>(*until) &&
         equal_in_constant_time(*signature, download_signature(target.repository, target.reference, *expires));
}

task<http::Response> Registry::answer(http::Request& request) {
  const auto signed_target = parse_target(request.path());
  if (signed_target && signed_for_download(*signed_target, request)) co_return get_blob(*signed_target, request);
  const auto caller = login(request, clock_.now());
  if (!caller && caller.error().code == "UNAUTHORIZED") {
    http::Response challenge = http::text_response(401, "Not Authorized\n", "text/plain; charset=utf-8");
    challenge.headers.set("Docker-Distribution-Api-Version", "registry/2.0");
    challenge.headers.set("Www-Authenticate",
                          fmt::format("Basic realm=\"http://{}/\",service=\"ecr.amazonaws.com\"", host_));
    co_return challenge;
  }
  if (!caller) co_return error_of(caller.error());
  const std::string path = request.path();
  if (path == "/v2/" || path == "/v2") {
    http::Response response = http::json_response(200, "{}");
    response.headers.set("Docker-Distribution-Api-Version", "registry/2.0");
    co_return response;
  }
  if (path == "/v2/_catalog" && (request.method == "GET" || request.method == "HEAD")) {
    auto allowed = permissions_.allow(*caller, "ecr:DescribeRepositories", "*", "");
    if (!allowed) co_return registry_error(403, "DENIED", allowed.error().message);
    std::vector<std::string> names;
    for (const Repository& repository : list_repositories(db_.read())) names.push_back(repository.name);
    co_return names_page(request, path, "repositories", names, {});
  }
  const auto target = parse_target(path);
  if (!target) co_return registry_error(404, "UNSUPPORTED", "there is no " + request.method + " " + path);
  if (!valid_repository(target->repository))
    co_return registry_error(400, "NAME_INVALID", "'" + target->repository + "' is not a repository name");
  const auto repository = get_repository(db_.read(), target->repository);
  auto allowed =
      permissions_.allow(*caller, action_of(request.method, target->kind),
                         place_.arn("ecr", "repository/" + target->repository), repository ? repository->policy : "");
  if (!allowed) co_return registry_error(403, "DENIED", allowed.error().message);
  if (!repository) co_return error_of(no_repository(target->repository, place_.account).error());
  const Target known = *target;
  const wire::Caller who = *caller;
  http::Response response = co_await route(known, request, who);
  response.headers.set("Docker-Distribution-Api-Version", "registry/2.0");
  co_return response;
}

task<http::Response> Registry::route(Target target, http::Request& request, wire::Caller caller) {
  const std::string& method = request.method;
  const bool reads = method == "GET" || method == "HEAD";
  if (target.kind == "blobs" && reads) co_return get_blob(target, request);
  if (target.kind == "uploads") {
    if (method == "POST" && target.reference.empty()) co_return co_await begin_upload(target, request, caller);
    if (method == "PATCH") co_return co_await continue_upload(target, request);
    if (method == "PUT") co_return co_await finish_upload(target, request);
    if (method == "GET") co_return upload_state(target);
    if (method == "DELETE") co_return co_await cancel_upload(target);
  }
  if (target.kind == "manifests") {
    if (method == "PUT") co_return co_await put_manifest(target, request);
    if (reads) co_return get_manifest(target, method == "GET");
    if (method == "DELETE") co_return co_await delete_manifest(target);
  }
  if (target.kind == "tags" && reads) co_return tags_list(target, request);
  if (target.kind == "referrers" && reads) co_return referrers(target, request);
  co_return registry_error(405, "UNSUPPORTED", "The operation is unsupported.");
}

// ---- blobs ----

http::Response Registry::get_blob(const Target& target, const http::Request& request) {
  const auto bytes = blob_size(target.repository, target.reference);
  if (!bytes) return registry_error(404, "BLOB_UNKNOWN", "blob unknown to registry");
  const auto size = static_cast<std::uint64_t>(*bytes);
  http::Response response;
  response.headers.set("Docker-Content-Digest", target.reference);
  response.headers.set("Content-Type", "application/octet-stream");
  response.headers.set("Accept-Ranges", "bytes");
  response.file = http::FileBody{.path = uploads_.blob_path(target.reference), .offset = 0, .size = size};
  const ByteRange range = parse_range(request.headers.get("Range"), size);
  if (range.kind == ByteRange::Kind::whole) return response;
  if (range.kind == ByteRange::Kind::unsatisfiable) {
    http::Response refused = registry_error(416, "SIZE_INVALID", "the range cannot be satisfied");
    refused.headers.set("Content-Range", fmt::format("bytes */{}", size));
    return refused;
  }
  response.status = 206;
  response.headers.set("Content-Range",
                       fmt::format("bytes {}-{}/{}", range.first, range.first + range.count - 1, size));
  response.file->offset = range.first;
  response.file->size = range.count;
  return response;
}

http::Response Registry::upload_state(const Target& target) {
  const auto upload = uploads_.find(target.repository, target.reference);
  if (!upload) return unknown_upload();
  http::Response response;
  response.status = 204;
  response.headers.set("Location", upload_location(target, *upload));
  response.headers.set("Range", range_of(upload->bytes));
  response.headers.set("Docker-Upload-UUID", upload->id);
  return response;
}

http::Response Registry::out_of_order(const Target& target, const Upload& upload) {
  http::Response refused = registry_error(416, "BLOB_UPLOAD_INVALID", fmt::format("the next byte is {}", upload.bytes));
  refused.headers.set("Range", range_of(upload.bytes));
  refused.headers.set("Location", upload_location(target, upload));
  return refused;
}

std::optional<long long> Registry::mountable(const wire::Caller& caller, const std::string& from,
                                             const std::string& digest) {
  // Who may not read the source must not get at its content by way of a repository of its own.
  const auto source = get_repository(db_.read(), from);
  if (!source || !permissions_.allow(caller, "ecr:GetDownloadUrlForLayer", place_.arn("ecr", "repository/" + from),
                                     source->policy))
    return std::nullopt;
  return blob_size(from, digest);
}

task<http::Response> Registry::begin_upload(Target target, http::Request& request, wire::Caller caller) {
  const auto mount = request.query_value("mount");
  if (mount && parse_digest(*mount)) {
    const std::string from = request.query_value("from").value_or("");
    const auto bytes = mountable(caller, from, *mount);
    if (bytes) {
      const std::string digest = *mount;
      auto link = [target, from, digest, bytes](database::Transaction& tx) {
        const bool there = blob_bytes(tx, from, digest).has_value();  // A sweep may have come between.
        if (there) link_blob(tx, target.repository, digest, *bytes);
        return there;
      };
      const bool linked = co_await db_.write(link);
      if (linked) co_return created(fmt::format("/v2/{}/blobs/{}", target.repository, digest), digest);
    }
  }
  const auto begun = uploads_.begin(target.repository);
  if (!begun) co_return error_of(begun.error());
  const std::shared_ptr<Upload> upload = *begun;
  target.reference = upload->id;
  if (request.query_value("digest")) {
    http::Response finished = co_await finish_upload(target, request);
    // Nobody was told this upload's name, so nobody can go on with it.
    if (finished.status != 201) uploads_.drop(*upload);
    co_return finished;
  }
  http::Response response = upload_state(target);
  response.status = 202;
  co_return response;
}

task<http::Response> Registry::continue_upload(Target target, http::Request& request) {
  const auto upload = uploads_.find(target.repository, target.reference);
  if (!upload) co_return unknown_upload();
  if (upload->busy) co_return upload_busy();
  const Claim claim(upload);
  if (const auto range = request.headers.find("Content-Range")) {
    const auto from = first_byte(request.headers, *range);
    if (!from) co_return bad_chunk();
    if (*from != upload->bytes) co_return out_of_order(target, *upload);
  }
  auto received = co_await uploads_.receive(upload, *request.body);
  if (!received) co_return error_of(received.error());
  http::Response response = upload_state(target);
  response.status = 202;
  co_return response;
}

task<Result<void>> Registry::keep(std::shared_ptr<Upload> upload, std::string repository, Digest digest) {
  const Arriving arriving(arriving_, digest.text);
  auto committed = co_await uploads_.commit(upload, digest);
  // What a full disk stopped can be finished once there is room.
  if (!committed && committed.error().fault == Fault::unavailable) co_return committed;
  uploads_.drop(*upload);
  if (!committed) co_return committed;
  const auto bytes = static_cast<long long>(upload->bytes);
  const std::string account = place_.account;
  auto link = [repository, digest, bytes, account](database::Transaction& tx) -> Result<void> {
    if (!get_repository(tx, repository)) return no_repository(repository, account);
    link_blob(tx, repository, digest.text, bytes);
    return {};
  };
  auto linked = co_await db_.write(link);
  if (linked) unused_since_[{.repository = repository, .digest = digest.text}] = clock_.now();
  co_return linked;
}

task<http::Response> Registry::finish_upload(Target target, http::Request& request) {
  const auto upload = uploads_.find(target.repository, target.reference);
  if (!upload) co_return unknown_upload();
  const auto digest = parse_digest(request.query_value("digest").value_or(""));
  if (!digest)
    co_return registry_error(400, "DIGEST_INVALID", "the digest must be sha256:<64 hex> or sha512:<128 hex>");
  if (upload->busy) co_return upload_busy();
  const Claim claim(upload);
  if (const auto range = request.headers.find("Content-Range")) {
    const auto from = first_byte(request.headers, *range);
    if (!from) co_return bad_chunk();
    if (*from != upload->bytes) co_return out_of_order(target, *upload);
  }
  auto received = co_await uploads_.receive(upload, *request.body);
  if (!received) co_return error_of(received.error());
  const Digest wanted = *digest;
  auto kept = co_await keep(upload, target.repository, wanted);
  if (!kept) co_return error_of(kept.error());
  co_return created(fmt::format("/v2/{}/blobs/{}", target.repository, wanted.text), wanted.text);
}

task<http::Response> Registry::cancel_upload(Target target) {
  const auto upload = uploads_.find(target.repository, target.reference);
  if (!upload) co_return unknown_upload();
  if (upload->busy) co_return upload_busy();
  uploads_.drop(*upload);
  http::Response response;
  response.status = 204;
  co_return response;
}

// ---- layers by parts ----

namespace {

// A part that is in memory already.
class TextBody final : public http::BodyReader {
 public:
  explicit TextBody(std::string text) : text_(std::move(text)) {}
  task<Result<std::string>> read_some() override { co_return std::exchange(text_, {}); }

 private:
  std::string text_;
};

std::unexpected<Error> no_upload(const std::string& repository, const std::string& upload, const std::string& account) {
  return fail(Fault::not_found, "UploadNotFoundException",
              fmt::format("The upload with id '{}' does not exist within the repository with name '{}' in the registry "
                          "with id '{}'",
                          upload, repository, account));
}

std::unexpected<Error> upload_is_busy() {
  return fail(Fault::throttled, "LimitExceededException", "another request writes to this upload");
}

}  // namespace

Result<std::string> Registry::begin_layer(const std::string& repository) {
  const auto upload = uploads_.begin(repository);
  if (!upload) return fail(upload);
  return (*upload)->id;
}

task<Result<std::uint64_t>> Registry::add_part(std::string repository, std::string id, std::uint64_t first,
                                               std::uint64_t last, std::string part) {
  const auto upload = uploads_.find(repository, id);
  if (!upload) co_return no_upload(repository, id, place_.account);
  if (upload->busy) co_return upload_is_busy();
  const Claim claim(upload);
  const std::uint64_t size = part.size();
  if (first != upload->bytes || size == 0 || last + 1 != first + size)
    co_return fail(Fault::invalid, "InvalidLayerPartException",
                   fmt::format("The layer part of {} bytes from {} to {} is not valid: the next byte of upload '{}' is "
                               "{}",
                               size, first, last, id, upload->bytes));
  TextBody body(std::move(part));
  auto received = co_await uploads_.receive(upload, body);
  if (!received) co_return fail(received);
  upload->short_part = upload->short_part || (first > 0 && upload->last_part < kPartBytesMin);
  upload->last_part = size;
  co_return last;
}

task<Result<std::string>> Registry::complete_layer(std::string repository, std::string id,
                                                   std::vector<std::string> digests) {
  const auto upload = uploads_.find(repository, id);
  if (!upload) co_return no_upload(repository, id, place_.account);
  if (upload->busy) co_return upload_is_busy();
  const Claim claim(upload);
  if (upload->bytes == 0)
    co_return fail(Fault::invalid, "EmptyUploadException",
                   fmt::format("The upload with id '{}' does not contain any layer parts", id));
  if (upload->short_part)
    co_return fail(Fault::invalid, "LayerPartTooSmallException", "Layer parts must be at least 5 MiB in size");
  const auto digest = parse_digest(digests.front());
  if (!digest || digests.size() > 1)
    co_return fail(Fault::invalid, "InvalidParameterException",
                   "Invalid parameter at 'layerDigests' failed to satisfy constraint: 'one sha256 or sha512 digest'");
  const Digest wanted = *digest;
  if (blob_size(repository, wanted.text)) {
    uploads_.drop(*upload);
    co_return fail(Fault::conflict, "LayerAlreadyExistsException",
                   fmt::format("Layer with digest '{}' already exists in repository with name '{}' in registry with id "
                               "'{}'",
                               wanted.text, repository, place_.account));
  }
  auto kept = co_await keep(upload, repository, wanted);
  if (kept) co_return wanted.text;
  if (kept.error().code == "DIGEST_INVALID")
    co_return fail(Fault::invalid, "InvalidLayerException",
                   "None of the provided layer digests match the calculated layer digest: " + kept.error().message);
  co_return fail(kept);
}

// ---- manifests ----

task<Result<PushOutcome>> Registry::push(std::string repository, std::string tag, std::string text,
                                         std::string content_type, std::string expected, Instant now) {
  if (text.size() > kManifestBytesMax)
    co_return fail(Fault::invalid, "SIZE_INVALID", fmt::format("a manifest has at most {} bytes", kManifestBytesMax));
  auto manifest = parse_manifest(text, content_type);
  if (!manifest) co_return fail(manifest);
  std::string digest = digest_of(text).text;
  if (expected.starts_with("sha512:")) {
    Hasher hasher("sha512");
    hasher.update(text);
    digest = hasher.finish().text;
  }
  if (!expected.empty() && expected != digest)
    co_return fail(Fault::invalid, "DIGEST_INVALID",
                   fmt::format("the manifest has the digest {}, not {}", digest, expected));
  const Manifest parsed = *manifest;
  const Image image{.repository = repository,
                    .digest = digest,
                    .media_type = parsed.media_type,
                    .artifact_type = parsed.artifact_type,
                    .subject = parsed.subject,
                    .manifest = text,
                    .bytes = parsed.image_bytes,
                    .pushed_at = now};
  std::vector<std::string> references = parsed.blobs;
  references.insert(references.end(), parsed.foreign.begin(), parsed.foreign.end());
  references.insert(references.end(), parsed.manifests.begin(), parsed.manifests.end());
  const std::string event_id = random_.uuid();
  const Place place = place_;
  Outbox* outbox = &outbox_;
  auto put = [=](database::Transaction& tx) -> Result<PushOutcome> {
    const auto known = get_repository(tx, repository);
    if (!known) return no_repository(repository, place.account);
    const auto missing = [&](const char* what, const std::vector<std::string>& digests) {
      return fail(Fault::not_found, "MANIFEST_BLOB_UNKNOWN",
                  fmt::format("{} with digests '[{}]' required for pushing image into repository with name '{}' in the "
                              "registry with id '{}' do not exist",
                              what, join(digests, ", "), repository, place.account));
    };
    std::vector<std::string> absent;
    std::ranges::copy_if(parsed.blobs, std::back_inserter(absent),
                         [&](const std::string& blob) { return !blob_bytes(tx, repository, blob); });
    if (!absent.empty()) return missing("Layers", absent);
    std::ranges::copy_if(parsed.manifests, std::back_inserter(absent),
                         [&](const std::string& child) { return !has_image(tx, repository, child); });
    if (!absent.empty()) return missing("Images", absent);
    const auto before = tag.empty() ? std::nullopt : digest_of_tag(tx, repository, tag);
    const bool is_new = !has_image(tx, repository, digest);
    PushOutcome outcome{
        .digest = digest, .changed = is_new || (!tag.empty() && before != digest), .subject = parsed.subject};
    if (before && before != digest && tag_is_fixed(known->mutability, known->exclusions, tag))
      return fail(Fault::invalid, "TAG_INVALID",
                  fmt::format("The image tag '{}' already exists in the '{}' repository and cannot be overwritten "
                              "because the repository is immutable.",
                              tag, repository));
    if (!outcome.changed) return outcome;
    if (is_new) put_image(tx, image, references);
    if (!tag.empty()) put_tag(tx, repository, tag, digest);
    database::append_journal(tx, now, "ecr.push", tag.empty() ? repository + "@" + digest : repository + ":" + tag,
                             fmt::format("{}{} is {}", repository, tag.empty() ? "" : ":" + tag, digest.substr(0, 19)),
                             {{"repository", repository}, {"tag", tag}, {"digest", digest}, {"event", event_id}});
    outbox->publish(tx, Event{.id = event_id,
                              .source = "aws.ecr",
                              .detail_type = "ECR Image Action",
                              .account = place.account,
                              .region = place.region,
                              .time = now,
                              .resources = {},
                              .detail = {{"action-type", "PUSH"},
                                         {"result", "SUCCESS"},
                                         {"repository-name", repository},
                                         {"image-tag", tag},
                                         {"image-digest", digest},
                                         {"manifest-media-type", parsed.media_type},
                                         {"artifact-media-type", parsed.artifact_type}}});
    return outcome;
  };
  co_return co_await db_.write(put);
}

task<http::Response> Registry::put_manifest(Target target, http::Request& request) {
  auto text = co_await http::read_all(*request.body, kManifestBytesMax);
  if (!text) {
    const bool large = text.error().code == "RequestEntityTooLarge";
    co_return registry_error(large ? 413 : 400, large ? "SIZE_INVALID" : "MANIFEST_INVALID", text.error().message);
  }
  const auto digest = parse_digest(target.reference);
  if (!digest && !valid_tag(target.reference))
    co_return registry_error(400, "TAG_INVALID", "'" + target.reference + "' is neither a tag nor a digest");
  const std::string tag = digest ? "" : target.reference;
  const std::string expected = digest ? target.reference : "";
  const std::string type = request.headers.get("Content-Type");
  const Instant now = clock_.now();
  auto pushed = co_await push(target.repository, tag, std::move(*text), type, expected, now);
  if (!pushed && pushed.error().code == "MANIFEST_BLOB_UNKNOWN") pushed.error().message += ": push it first";
  if (!pushed) co_return error_of(pushed.error());
  http::Response response =
      created(fmt::format("/v2/{}/manifests/{}", target.repository, pushed->digest), pushed->digest);
  if (!pushed->subject.empty()) response.headers.set("OCI-Subject", pushed->subject);
  co_return response;
}

http::Response Registry::get_manifest(const Target& target, bool is_pull) {
  std::string digest = target.reference;
  if (!parse_digest(digest)) digest = digest_of_tag(db_.read(), target.repository, target.reference).value_or("");
  auto image = get_image(db_.read(), target.repository, digest);
  if (!image)
    return registry_error(404, "MANIFEST_UNKNOWN",
                          fmt::format("Requested image not found: {}:{}", target.repository, target.reference));
  if (is_pull) record_pull(*image);
  http::Response response = http::text_response(200, std::move(image->manifest), image->media_type);
  response.headers.set("Docker-Content-Digest", image->digest);
  return response;
}

void Registry::record_pull(const Image& image) {
  const Instant now = clock_.now();
  Instant& noted = pulled_[{.repository = image.repository, .digest = image.digest}];
  if (std::max(noted, image.pulled_at) + kPullsApart > now) return;
  noted = now;
  tasks_.spawn("ecr.record_pull", write_pull(image.repository, image.digest, now));
}

task<void> Registry::write_pull(std::string repository, std::string digest, Instant at) {
  auto note = [repository, digest, at](database::Transaction& tx) { put_pulled_at(tx, repository, digest, at); };
  co_await db_.write(note);
}

Registry::Removal Registry::remove(database::Transaction& tx, const std::string& repository, const std::string& tag,
                                   const std::string& digest, Instant now) {
  const std::string of = digest.empty() ? digest_of_tag(tx, repository, tag).value_or("") : digest;
  const auto image = get_image(tx, repository, of);
  if (!image) return Removal::unknown;
  const bool referenced = !indexes_naming(tx, repository, of).empty();
  auto tags = tags_of(tx, repository, of);
  if (!tag.empty()) {
    if (!erase_tag(tx, repository, tag)) return Removal::unknown;
    // The last tag takes the image with it, as BatchDeleteImage does.
    if (tags.size() == 1 && !referenced) erase_image(tx, repository, of);
    tags = {tag};
  } else {
    if (referenced) return Removal::referenced;
    erase_image(tx, repository, of);
  }
  if (tags.empty()) tags.emplace_back("");
  for (const std::string& gone : tags) {
    outbox_.publish(tx, Event{.id = {},
                              .source = "aws.ecr",
                              .detail_type = "ECR Image Action",
                              .account = place_.account,
                              .region = place_.region,
                              .time = now,
                              .resources = {},
                              .detail = {{"action-type", "DELETE"},
                                         {"result", "SUCCESS"},
                                         {"repository-name", repository},
                                         {"image-tag", gone},
                                         {"image-digest", of},
                                         {"manifest-media-type", image->media_type},
                                         {"artifact-media-type", image->artifact_type}}});
  }
  return Removal::removed;
}

task<http::Response> Registry::delete_manifest(Target target) {
  const bool by_digest = parse_digest(target.reference).has_value();
  const Instant now = clock_.now();
  auto erase = [this, target, by_digest, now](database::Transaction& tx) {
    return remove(tx, target.repository, by_digest ? "" : target.reference, by_digest ? target.reference : "", now);
  };
  const Removal removal = co_await db_.write(erase);
  if (removal == Removal::referenced)
    co_return registry_error(405, "UNSUPPORTED",
                             "Requested image referenced by manifest list: delete the index that names it first");
  if (removal == Removal::unknown)
    co_return registry_error(404, "MANIFEST_UNKNOWN",
                             fmt::format("Requested image not found: {}:{}", target.repository, target.reference));
  http::Response response;
  response.status = 202;
  co_return response;
}

http::Response Registry::tags_list(const Target& target, const http::Request& request) {
  return names_page(request, fmt::format("/v2/{}/tags/list", target.repository), "tags",
                    list_tags(db_.read(), target.repository), {{"name", target.repository}});
}

http::Response Registry::referrers(const Target& target, const http::Request& request) {
  if (!parse_digest(target.reference))
    return registry_error(400, "DIGEST_INVALID", "'" + target.reference + "' is not a digest");
  const auto wanted = request.query_value("artifactType");
  json::array manifests;
  for (const Image& image : list_referrers(db_.read(), target.repository, target.reference)) {
    if (wanted && *wanted != image.artifact_type) continue;
    json::object descriptor = {
        {"mediaType", image.media_type}, {"digest", image.digest}, {"size", image.manifest.size()}};
    if (!image.artifact_type.empty()) descriptor["artifactType"] = image.artifact_type;
    const auto manifest = parse_manifest(image.manifest, "");
    if (manifest && !manifest->annotations.empty()) descriptor["annotations"] = manifest->annotations;
    manifests.push_back(descriptor);
  }
  const json::object index = {
      {"schemaVersion", 2}, {"mediaType", "application/vnd.oci.image.index.v1+json"}, {"manifests", manifests}};
  http::Response response = http::text_response(200, json::serialize(index), "application/vnd.oci.image.index.v1+json");
  if (wanted) response.headers.set("OCI-Filters-Applied", "artifactType");
  return response;
}

}  // namespace slipway::ecr
