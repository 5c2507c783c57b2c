#include "ecr/worker.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <set>
#include <stdexcept>

#include "base/log.h"
#include "base/text.h"
#include "database/journal.h"

namespace slipway::ecr {
namespace {

using namespace std::chrono_literals;

constexpr Duration kTokenLifetime = 12h;                      // As ECR's.
constexpr std::size_t kPieceBytes = 1024 * 1024;              // Hashed and written at once, off the loop.
constexpr std::size_t kTagsPageMax = 1000;
constexpr std::size_t kUploadsMax = 1000;

http::Response registry_error(int status, std::string_view code, std::string_view message) {
  const json::object body = {{"errors", json::array{json::object{{"code", code}, {"message", message}}}}};
  http::Response response = http::json_response(status, json::serialize(body) + "\n");
  response.headers.set("Docker-Distribution-Api-Version", "registry/2.0");
  return response;
}

http::Response error_of(const Error& error) {
  int status = 400;
  if (error.fault == Fault::not_found) status = 404;
  if (error.fault == Fault::denied) status = 403;
  if (error.fault == Fault::unavailable) status = error.code == "DiskFull" ? 507 : 503;
  if (error.code == "RequestEntityTooLarge") status = 413;
  return registry_error(status, error.code, error.message);
}

std::unexpected<Error> no_repository(const std::string& name, const std::string& account) {
  return fail(Fault::not_found, "NAME_UNKNOWN",
              fmt::format("The repository with name '{}' does not exist in the registry with id '{}'. Make it: slipway aws ecr create-repository --repository-name {}", name, account, name));
}

http::Response created(std::string location, const std::string& digest) {
  http::Response response;
  response.status = 201;
  response.headers.set("Location", std::move(location));
  response.headers.set("Docker-Content-Digest", digest);
  return response;
}

}  // namespace

// One upload under way: its file, and the hash of what the file holds.
struct Registry::Upload {
  std::string id;
  std::string repository;
  std::filesystem::path path;
  int fd = -1;
  std::uint64_t bytes = 0;
  Hasher hasher;
  bool busy = false;
  Upload() = default;
  Upload(const Upload&) = delete;
  Upload& operator=(const Upload&) = delete;
  ~Upload() {
    if (fd >= 0) ::close(fd);
  }
};

Registry::Registry(asio::any_io_executor executor, database::Database& db, host::Pool& pool, host::Clock& clock, host::Random& random, Place place,
                   std::filesystem::path folder, std::string host, Outbox& outbox, Permissions& permissions)
    : executor_(std::move(executor)), db_(db), pool_(pool), clock_(clock), random_(random), place_(std::move(place)), folder_(std::move(folder)), host_(std::move(host)),
      outbox_(outbox), permissions_(permissions) {}

void Registry::start() {
  // Uploads are not resumed across a restart: clients begin again, and nothing of them was ever visible.
  std::filesystem::remove_all(folder_ / "uploads");
  std::filesystem::create_directories(folder_ / "uploads");
  for (const char* algorithm : {"sha256", "sha512"}) std::filesystem::create_directories(folder_ / "blobs" / algorithm);
  const auto key_file = folder_ / "token.key";
  if (auto key = host::read_file(key_file)) {
    token_key_ = *key;
  } else {
    token_key_ = random_.hex(64);
    if (auto written = host::write_file_durably(key_file, token_key_, 0600); !written) throw std::runtime_error(written.error().message);
  }
  const auto linked = linked_blobs(db_.read());
  const std::set<std::string> used(linked.begin(), linked.end());
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_ / "blobs")) {
    if (!entry.is_regular_file()) continue;
    const std::string algorithm = entry.path().parent_path().parent_path().filename();
    const std::string digest = algorithm + ":" + entry.path().filename().string();
    if (!used.contains(digest)) std::filesystem::remove(entry.path());
  }
}

std::filesystem::path Registry::blob_path(const std::string& digest) const {
  const Digest parsed{digest};
  const std::string value(parsed.value());
  return folder_ / "blobs" / std::string(parsed.algorithm()) / value.substr(0, 2) / value;
}

Instant Registry::token_expiry(Instant now) const { return now + kTokenLifetime; }

std::string Registry::token_for(const wire::Caller& caller, Instant now) const {
  const json::object claim = {{"account", caller.account}, {"arn", caller.arn}, {"id", caller.user_id}, {"admin", caller.administrator}, {"expires", token_expiry(now).ms()}};
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
  const bool signed_by_us = dot != std::string::npos && equal_in_constant_time(token.substr(dot + 1), hex(hmac_sha256(token_key_, body)));
  if (!signed_by_us || decoded.substr(0, colon) != "AWS") return fail(Fault::denied, "UNAUTHORIZED", "Not Authorized");
  const auto parsed = parse_json(base64_decode(body).value_or(""));
  const json::object claim = parsed && parsed->is_object() ? parsed->get_object() : json::object{};
  if (get_int(claim, "expires") < now.ms()) return fail(Fault::denied, "DENIED", "Your authorization token has expired. Reauthenticate and try again.");
  return wire::Caller{.account = get_string(claim, "account"), .arn = get_string(claim, "arn"), .user_id = get_string(claim, "id"), .access_key_id = "", .administrator = get_bool(claim, "admin")};
}

task<http::Response> Registry::serve(http::Request& request) {
  const auto caller = login(request, clock_.now());
  if (!caller && caller.error().code == "UNAUTHORIZED") {
    http::Response challenge = http::text_response(401, "Not Authorized\n", "text/plain; charset=utf-8");
    challenge.headers.set("Docker-Distribution-Api-Version", "registry/2.0");
    challenge.headers.set("Www-Authenticate", fmt::format("Basic realm=\"http://{}/\",service=\"ecr.amazonaws.com\"", host_));
    co_return challenge;
  }
  if (!caller) co_return error_of(caller.error());
  const std::string path = request.path();
  if (path == "/v2/" || path == "/v2") {
    http::Response response = http::json_response(200, "{}");
    response.headers.set("Docker-Distribution-Api-Version", "registry/2.0");
    co_return response;
  }
  const auto target = parse_target(path);
  if (!target) co_return registry_error(404, "UNSUPPORTED", "there is no " + request.method + " " + path);
  if (!valid_repository(target->repository)) co_return registry_error(400, "NAME_INVALID", "'" + target->repository + "' is not a repository name");
  const bool reads = request.method == "GET" || request.method == "HEAD";
  const std::string action = reads ? "ecr:BatchGetImage" : request.method == "DELETE" ? "ecr:BatchDeleteImage" : target->kind == "manifests" ? "ecr:PutImage" : "ecr:InitiateLayerUpload";
  auto allowed = permissions_.allow(*caller, action, place_.arn("ecr", "repository/" + target->repository));
  if (!allowed) co_return registry_error(403, "DENIED", allowed.error().message);
  if (!get_repository(db_.read(), target->repository)) co_return error_of(no_repository(target->repository, place_.account).error());
  const Target known = *target;
  http::Response response = co_await route(known, request);
  response.headers.set("Docker-Distribution-Api-Version", "registry/2.0");
  co_return response;
}

task<http::Response> Registry::route(Target target, http::Request& request) {
  const std::string& method = request.method;
  const bool reads = method == "GET" || method == "HEAD";
  if (target.kind == "blobs" && reads) co_return co_await get_blob(target, request);
  if (target.kind == "uploads") {
    if (method == "POST" && target.reference.empty()) co_return co_await begin_upload(target, request);
    if (method == "PATCH") co_return co_await continue_upload(target, request);
    if (method == "PUT") co_return co_await finish_upload(target, request);
    if (method == "GET") co_return upload_state(target);
    if (method == "DELETE") co_return co_await cancel_upload(target);
  }
  if (target.kind == "manifests") {
    if (method == "PUT") co_return co_await put_manifest(target, request);
    if (reads) co_return get_manifest(target);
    if (method == "DELETE") co_return co_await delete_manifest(target);
  }
  if (target.kind == "tags" && reads) co_return tags_list(target, request);
  if (target.kind == "referrers" && reads) co_return referrers(target, request);
  co_return registry_error(405, "UNSUPPORTED", "The operation is unsupported.");
}

// ---- blobs ----

task<http::Response> Registry::get_blob(Target target, http::Request& request) {
  const auto bytes = blob_bytes(db_.read(), target.repository, target.reference);
  if (!parse_digest(target.reference) || !bytes) co_return registry_error(404, "BLOB_UNKNOWN", "blob unknown to registry");
  const auto size = static_cast<std::uint64_t>(*bytes);
  http::Response response;
  response.headers.set("Docker-Content-Digest", target.reference);
  response.headers.set("Content-Type", "application/octet-stream");
  response.headers.set("Accept-Ranges", "bytes");
  response.file = http::FileBody{.path = blob_path(target.reference), .offset = 0, .size = size};
  const auto wanted = request.headers.find("Range");
  if (!wanted) co_return response;
  const auto range = parse_range(*wanted, size);
  if (!range) {
    http::Response refused = registry_error(416, "BLOB_UNKNOWN", "the range cannot be satisfied");
    refused.headers.set("Content-Range", fmt::format("bytes */{}", size));
    co_return refused;
  }
  response.status = 206;
  response.headers.set("Content-Range", fmt::format("bytes {}-{}/{}", range->first, range->first + range->count - 1, size));
  response.file->offset = range->first;
  response.file->size = range->count;
  co_return response;
}

std::shared_ptr<Registry::Upload> Registry::find_upload(const Target& target) {
  const auto found = uploads_.find(target.reference);
  return found != uploads_.end() && found->second->repository == target.repository ? found->second : nullptr;
}

http::Response Registry::upload_state(const Target& target) {
  const auto upload = find_upload(target);
  if (!upload) return registry_error(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry");
  http::Response response;
  response.status = 204;
  response.headers.set("Location", fmt::format("/v2/{}/blobs/uploads/{}", target.repository, upload->id));
  response.headers.set("Range", fmt::format("0-{}", upload->bytes == 0 ? 0 : upload->bytes - 1));
  response.headers.set("Docker-Upload-UUID", upload->id);
  return response;
}

task<http::Response> Registry::begin_upload(Target target, http::Request& request) {
  const auto mount = request.query_value("mount");
  if (mount && parse_digest(*mount)) {
    const std::string from = request.query_value("from").value_or("");
    const auto bytes = blob_bytes(db_.read(), from, *mount);
    if (bytes) {
      const std::string digest = *mount;
      auto link = [target, digest, bytes](database::Transaction& tx) { link_blob(tx, target.repository, digest, *bytes); };
      co_await db_.write(link);
      co_return created(fmt::format("/v2/{}/blobs/{}", target.repository, digest), digest);
    }
  }
  if (uploads_.size() >= kUploadsMax) co_return registry_error(429, "TOOMANYREQUESTS", "too many uploads are under way");
  auto upload = std::make_shared<Upload>();
  upload->id = random_.uuid();
  upload->repository = target.repository;
  upload->path = folder_ / "uploads" / upload->id;
  upload->fd = ::open(upload->path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (upload->fd < 0) co_return error_of(host::file_error(upload->path, "create", errno));
  uploads_[upload->id] = upload;
  target.reference = upload->id;
  if (request.query_value("digest")) co_return co_await finish_upload(target, request);
  http::Response response = upload_state(target);
  response.status = 202;
  co_return response;
}

// Writes and hashes the body in pieces, off the loop.
task<Result<void>> Registry::receive(std::shared_ptr<Upload> upload, http::Request& request) {
  if (upload->busy) co_return fail(Fault::invalid, "BLOB_UPLOAD_INVALID", "another request writes to this upload");
  upload->busy = true;
  Result<void> outcome;
  bool more = true;
  while (more && outcome) {
    auto piece = std::make_shared<std::string>();
    while (more && piece->size() < kPieceBytes) {
      auto part = co_await request.body->read_some();
      if (!part) {
        outcome = fail(Fault::invalid, "BLOB_UPLOAD_INVALID", part.error().message);
        break;
      }
      more = !part->empty();
      if (piece->empty()) {
        *piece = std::move(*part);
      } else {
        *piece += *part;
      }
    }
    if (!outcome || piece->empty()) break;
    auto store = [upload, piece]() -> Result<void> {
      std::string_view left = *piece;
      while (!left.empty()) {
        const ssize_t written = ::write(upload->fd, left.data(), left.size());
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) return std::unexpected(host::file_error(upload->path, "write", errno));
        left.remove_prefix(static_cast<std::size_t>(written));
      }
      upload->hasher.update(*piece);
      upload->bytes += piece->size();
      return {};
    };
    outcome = co_await pool_.run(store);
  }
  upload->busy = false;
  co_return outcome;
}

task<http::Response> Registry::continue_upload(Target target, http::Request& request) {
  const auto upload = find_upload(target);
  if (!upload) co_return registry_error(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry");
  if (const auto range = request.headers.find("Content-Range")) {
    std::uint64_t from = 0;
    std::from_chars(range->data(), range->data() + range->size(), from);
    if (from != upload->bytes) {
      http::Response refused = registry_error(416, "BLOB_UPLOAD_INVALID", fmt::format("the next byte is {}", upload->bytes));
      refused.headers.set("Range", fmt::format("0-{}", upload->bytes == 0 ? 0 : upload->bytes - 1));
      refused.headers.set("Location", fmt::format("/v2/{}/blobs/uploads/{}", target.repository, upload->id));
      co_return refused;
    }
  }
  auto received = co_await receive(upload, request);
  if (!received) co_return error_of(received.error());
  http::Response response = upload_state(target);
  response.status = 202;
  co_return response;
}

// Verifies, syncs, names: only then do rows make the blob visible.
task<Result<void>> Registry::commit(std::shared_ptr<Upload> upload, Digest digest) {
  const std::filesystem::path path = blob_path(digest.text);
  auto settle = [upload, digest, path]() -> Result<void> {
    Digest actual = upload->hasher.finish();
    if (digest.algorithm() != "sha256") {
      const auto content = host::read_file(upload->path, std::numeric_limits<std::size_t>::max());
      if (!content) return fail(content);
      Hasher other(digest.algorithm());
      other.update(*content);
      actual = other.finish();
    }
    if (actual != digest)
      return fail(Fault::invalid, "DIGEST_INVALID", fmt::format("the content has the digest {}, not {}; nothing was stored", actual.text, digest.text));
    if (::fsync(upload->fd) != 0) return std::unexpected(host::file_error(upload->path, "sync", errno));
    std::error_code error;
    std::filesystem::create_directories(path.parent_path(), error);
    std::filesystem::rename(upload->path, path, error);
    if (error) return std::unexpected(host::file_error(path, "name", error.value()));
    return host::fsync_folder(path.parent_path());
  };
  co_return co_await pool_.run(settle);
}

task<http::Response> Registry::finish_upload(Target target, http::Request& request) {
  const auto upload = find_upload(target);
  if (!upload) co_return registry_error(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry");
  const auto digest = parse_digest(request.query_value("digest").value_or(""));
  if (!digest) co_return registry_error(400, "DIGEST_INVALID", "the digest must be sha256:<64 hex> or sha512:<128 hex>");
  if (const auto range = request.headers.find("Content-Range")) {
    std::uint64_t from = 0;
    std::from_chars(range->data(), range->data() + range->size(), from);
    if (from != upload->bytes) co_return registry_error(416, "BLOB_UPLOAD_INVALID", fmt::format("the next byte is {}", upload->bytes));
  }
  auto received = co_await receive(upload, request);
  if (!received) co_return error_of(received.error());
  const Digest wanted = *digest;
  auto committed = co_await commit(upload, wanted);
  uploads_.erase(upload->id);
  if (!committed) {
    std::error_code ignored;
    std::filesystem::remove(upload->path, ignored);
    co_return error_of(committed.error());
  }
  const auto bytes = static_cast<long long>(upload->bytes);
  auto link = [target, wanted, bytes](database::Transaction& tx) { link_blob(tx, target.repository, wanted.text, bytes); };
  co_await db_.write(link);
  co_return created(fmt::format("/v2/{}/blobs/{}", target.repository, wanted.text), wanted.text);
}

task<http::Response> Registry::cancel_upload(Target target) {
  const auto upload = find_upload(target);
  if (!upload) co_return registry_error(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry");
  uploads_.erase(upload->id);
  std::error_code ignored;
  std::filesystem::remove(upload->path, ignored);
  http::Response response;
  response.status = 204;
  co_return response;
}

// ---- manifests ----

task<Result<PushOutcome>> Registry::push(std::string repository, std::string tag, std::string text, std::string content_type, std::string expected, Instant now) {
  if (text.size() > kManifestBytesMax) co_return fail(Fault::invalid, "RequestEntityTooLarge", fmt::format("a manifest has at most {} bytes", kManifestBytesMax));
  auto manifest = parse_manifest(text, content_type);
  if (!manifest) co_return fail(manifest);
  std::string digest = digest_of(text).text;
  if (expected.starts_with("sha512:")) {
    Hasher hasher("sha512");
    hasher.update(text);
    digest = hasher.finish().text;
  }
  if (!expected.empty() && expected != digest) co_return fail(Fault::invalid, "DIGEST_INVALID", fmt::format("the manifest has the digest {}, not {}", digest, expected));
  const Manifest parsed = *manifest;
  const Image image{.repository = repository, .digest = digest, .media_type = parsed.media_type, .artifact_type = parsed.artifact_type, .subject = parsed.subject,
                    .manifest = text, .bytes = parsed.image_bytes, .pushed_at = now};
  const std::string event_id = random_.uuid();
  const Place place = place_;
  Outbox* outbox = &outbox_;
  auto put = [=](database::Transaction& tx) -> Result<PushOutcome> {
    const auto known = get_repository(tx, repository);
    if (!known) return no_repository(repository, place.account);
    for (const std::string& blob : parsed.blobs) {
      if (!blob_bytes(tx, repository, blob)) return fail(Fault::not_found, "MANIFEST_BLOB_UNKNOWN", fmt::format("the manifest names the blob {}, which is not in {}: push it first", blob, repository));
    }
    for (const std::string& child : parsed.manifests) {
      if (!get_image(tx, repository, child)) return fail(Fault::not_found, "MANIFEST_BLOB_UNKNOWN", fmt::format("the index names the manifest {}, which is not in {}: push it first", child, repository));
    }
    const auto before = tag.empty() ? std::nullopt : digest_of_tag(tx, repository, tag);
    const bool is_new = !get_image(tx, repository, digest);
    PushOutcome outcome{.digest = digest, .changed = is_new || (!tag.empty() && before != digest), .subject = parsed.subject};
    if (before && before != digest && known->mutability == "IMMUTABLE")
      return fail(Fault::invalid, "TAG_INVALID", fmt::format("The image tag '{}' already exists in the '{}' repository and cannot be overwritten because the repository is immutable.", tag, repository));
    if (!outcome.changed) return outcome;
    if (is_new) put_image(tx, image);
    if (!tag.empty()) put_tag(tx, repository, tag, digest);
    outbox->publish(tx, Event{.id = event_id, .source = "aws.ecr", .detail_type = "ECR Image Action", .account = place.account, .region = place.region, .time = now, .resources = {},
                              .detail = {{"action-type", "PUSH"}, {"result", "SUCCESS"}, {"repository-name", repository}, {"image-tag", tag}, {"image-digest", digest},
                                         {"manifest-media-type", parsed.media_type}, {"artifact-media-type", parsed.artifact_type}}});
    database::append_journal(tx, now, "ecr.push", tag.empty() ? repository + "@" + digest : repository + ":" + tag,
                             fmt::format("{}{} is {}", repository, tag.empty() ? "" : ":" + tag, digest.substr(0, 19)),
                             {{"repository", repository}, {"tag", tag}, {"digest", digest}, {"event", event_id}});
    return outcome;
  };
  co_return co_await db_.write(put);
}

task<http::Response> Registry::put_manifest(Target target, http::Request& request) {
  auto text = co_await http::read_all(*request.body, kManifestBytesMax);
  if (!text) co_return text.error().code == "RequestEntityTooLarge" ? registry_error(413, "MANIFEST_INVALID", text.error().message) : error_of(text.error());
  const auto digest = parse_digest(target.reference);
  if (!digest && !valid_tag(target.reference)) co_return registry_error(400, "TAG_INVALID", "'" + target.reference + "' is neither a tag nor a digest");
  const std::string tag = digest ? "" : target.reference;
  const std::string expected = digest ? target.reference : "";
  const std::string type = request.headers.get("Content-Type");
  const Instant now = clock_.now();
  auto pushed = co_await push(target.repository, tag, std::move(*text), type, expected, now);
  if (!pushed) co_return error_of(pushed.error());
  http::Response response = created(fmt::format("/v2/{}/manifests/{}", target.repository, pushed->digest), pushed->digest);
  if (!pushed->subject.empty()) response.headers.set("OCI-Subject", pushed->subject);
  co_return response;
}

http::Response Registry::get_manifest(const Target& target) {
  std::string digest = target.reference;
  if (!parse_digest(digest)) digest = digest_of_tag(db_.read(), target.repository, target.reference).value_or("");
  const auto image = get_image(db_.read(), target.repository, digest);
  if (!image) return registry_error(404, "MANIFEST_UNKNOWN", fmt::format("Requested image not found: {}:{}", target.repository, target.reference));
  http::Response response = http::text_response(200, image->manifest, image->media_type);
  response.headers.set("Docker-Content-Digest", image->digest);
  return response;
}

bool Registry::remove(database::Transaction& tx, const std::string& repository, const std::string& tag, const std::string& digest, Instant now) {
  const std::string of = digest.empty() ? digest_of_tag(tx, repository, tag).value_or("") : digest;
  const auto image = get_image(tx, repository, of);
  if (!image) return false;
  auto tags = tags_of(tx, repository, of);
  if (!tag.empty()) {
    if (!erase_tag(tx, repository, tag)) return false;
    // The last tag takes the image with it, as BatchDeleteImage does.
    if (tags.size() == 1) erase_image(tx, repository, of);
    tags = {tag};
  } else {
    erase_image(tx, repository, of);
  }
  if (tags.empty()) tags.emplace_back("");
  for (const std::string& gone : tags) {
    outbox_.publish(tx, Event{.id = {}, .source = "aws.ecr", .detail_type = "ECR Image Action", .account = place_.account, .region = place_.region, .time = now, .resources = {},
                              .detail = {{"action-type", "DELETE"}, {"result", "SUCCESS"}, {"repository-name", repository}, {"image-tag", gone}, {"image-digest", of},
                                         {"manifest-media-type", image->media_type}, {"artifact-media-type", image->artifact_type}}});
  }
  return true;
}

task<http::Response> Registry::delete_manifest(Target target) {
  const bool by_digest = parse_digest(target.reference).has_value();
  const Instant now = clock_.now();
  auto erase = [this, target, by_digest, now](database::Transaction& tx) {
    return remove(tx, target.repository, by_digest ? "" : target.reference, by_digest ? target.reference : "", now);
  };
  const bool removed = co_await db_.write(erase);
  if (!removed) co_return registry_error(404, "MANIFEST_UNKNOWN", fmt::format("Requested image not found: {}:{}", target.repository, target.reference));
  http::Response response;
  response.status = 202;
  co_return response;
}

http::Response Registry::tags_list(const Target& target, const http::Request& request) {
  std::size_t count = kTagsPageMax;
  if (const auto n = request.query_value("n")) {
    const auto [end, error] = std::from_chars(n->data(), n->data() + n->size(), count);
    if (error != std::errc() || count > kTagsPageMax)
      return registry_error(400, "UNSUPPORTED", "Invalid parameter at 'maxResults' failed to satisfy constraint: 'Member must have value less than or equal to 1000'");
  }
  const std::string last = request.query_value("last").value_or("");
  json::array tags;
  bool more = false;
  for (const std::string& tag : list_tags(db_.read(), target.repository)) {
    if (!last.empty() && tag <= last) continue;
    more = tags.size() >= count;
    if (more) break;
    tags.emplace_back(tag);
  }
  http::Response response = http::json_response(200, json::serialize(json::object{{"name", target.repository}, {"tags", tags}}) + "\n");
  if (more && !tags.empty())
    response.headers.set("Link", fmt::format("</v2/{}/tags/list?n={}&last={}>; rel=\"next\"", target.repository, count, std::string_view(view(tags.back().as_string()))));
  return response;
}

http::Response Registry::referrers(const Target& target, const http::Request& request) {
  if (!parse_digest(target.reference)) return registry_error(400, "DIGEST_INVALID", "'" + target.reference + "' is not a digest");
  const auto wanted = request.query_value("artifactType");
  json::array manifests;
  for (const Image& image : list_images(db_.read(), target.repository)) {
    if (image.subject != target.reference || (wanted && *wanted != image.artifact_type)) continue;
    json::object descriptor = {{"mediaType", image.media_type}, {"digest", image.digest}, {"size", image.manifest.size()}, {"artifactType", image.artifact_type}};
    const auto manifest = parse_manifest(image.manifest, "");
    if (manifest && !manifest->annotations.empty()) descriptor["annotations"] = manifest->annotations;
    manifests.push_back(descriptor);
  }
  const json::object index = {{"schemaVersion", 2}, {"mediaType", "application/vnd.oci.image.index.v1+json"}, {"manifests", manifests}};
  http::Response response = http::text_response(200, json::serialize(index), "application/vnd.oci.image.index.v1+json");
  if (wanted) response.headers.set("OCI-Filters-Applied", "artifactType");
  return response;
}

}  // namespace slipway::ecr
