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

constexpr Duration kTokenLifetime = 12h;          // As ECR's.
constexpr std::size_t kPieceBytes = 1024 * 1024;  // Hashed and written at once, off the loop.
constexpr std::size_t kTagsPageMax = 1000;
constexpr std::size_t kUploadsMax = 256;  // Each holds a descriptor; beyond it the longest idle one gives way.

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

// Blocks.  The digest of a file, read piece by piece: a layer may be larger than memory.
Result<Digest> digest_of_file(const std::filesystem::path& path, std::string_view algorithm) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return std::unexpected(host::file_error(path, "read", errno));
  Hasher hasher(algorithm);
  std::string piece(kPieceBytes, '\0');
  ssize_t got = 0;
  while ((got = ::read(fd, piece.data(), piece.size())) > 0)
    hasher.update({piece.data(), static_cast<std::size_t>(got)});
  const int reason = errno;
  ::close(fd);
  if (got < 0) return std::unexpected(host::file_error(path, "read", reason));
  return hasher.finish();
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
  bool busy = false;  // A request writes or commits it; nobody else may meanwhile.
  Instant touched{};
  Upload() = default;
  Upload(const Upload&) = delete;
  Upload& operator=(const Upload&) = delete;
  ~Upload() {
    if (fd >= 0) ::close(fd);
  }
};

namespace {

// Holds an upload for the length of one request, however that ends.
template <class Held>
class Claim {
 public:
  explicit Claim(std::shared_ptr<Held> upload) : upload_(std::move(upload)) { upload_->busy = true; }
  ~Claim() { upload_->busy = false; }
  Claim(const Claim&) = delete;
  Claim& operator=(const Claim&) = delete;

 private:
  std::shared_ptr<Held> upload_;
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
      permissions_(permissions) {}

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
    if (auto written = host::write_file_durably(key_file, token_key_, 0600); !written)
      throw std::runtime_error(written.error().message);
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
  const auto target = parse_target(path);
  if (!target) co_return registry_error(404, "UNSUPPORTED", "there is no " + request.method + " " + path);
  if (!valid_repository(target->repository))
    co_return registry_error(400, "NAME_INVALID", "'" + target->repository + "' is not a repository name");
  auto allowed = permissions_.allow(*caller, action_of(request.method, target->kind),
                                    place_.arn("ecr", "repository/" + target->repository));
  if (!allowed) co_return registry_error(403, "DENIED", allowed.error().message);
  if (!get_repository(db_.read(), target->repository))
    co_return error_of(no_repository(target->repository, place_.account).error());
  const Target known = *target;
  const wire::Caller who = *caller;
  http::Response response = co_await route(known, request, who);
  response.headers.set("Docker-Distribution-Api-Version", "registry/2.0");
  co_return response;
}

task<http::Response> Registry::route(Target target, http::Request& request, wire::Caller caller) {
  const std::string& method = request.method;
  const bool reads = method == "GET" || method == "HEAD";
  if (target.kind == "blobs" && reads) co_return co_await get_blob(target, request);
  if (target.kind == "uploads") {
    if (method == "POST" && target.reference.empty()) co_return co_await begin_upload(target, request, caller);
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
  if (!parse_digest(target.reference) || !bytes)
    co_return registry_error(404, "BLOB_UNKNOWN", "blob unknown to registry");
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
  response.headers.set("Content-Range",
                       fmt::format("bytes {}-{}/{}", range->first, range->first + range->count - 1, size));
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

std::optional<long long> Registry::mountable(const wire::Caller& caller, const std::string& from,
                                             const std::string& digest) {
  // Who may not read the source must not get at its content by way of a repository of its own.
  if (!permissions_.allow(caller, "ecr:GetDownloadUrlForLayer", place_.arn("ecr", "repository/" + from)))
    return std::nullopt;
  return blob_bytes(db_.read(), from, digest);
}

// False when every upload is being written to.
bool Registry::make_room_for_upload() {
  if (uploads_.size() < kUploadsMax) return true;
  std::shared_ptr<Upload> idle;
  for (const auto& [id, upload] : uploads_) {
    if (!upload->busy && (!idle || upload->touched < idle->touched)) idle = upload;
  }
  if (!idle) return false;
  drop_upload(*idle);
  return true;
}

void Registry::drop_upload(const Upload& upload) {
  std::error_code ignored;
  std::filesystem::remove(upload.path, ignored);
  uploads_.erase(std::string(upload.id));
}

task<http::Response> Registry::begin_upload(Target target, http::Request& request, wire::Caller caller) {
  const auto mount = request.query_value("mount");
  if (mount && parse_digest(*mount)) {
    const std::string from = request.query_value("from").value_or("");
    const auto bytes = mountable(caller, from, *mount);
    if (bytes) {
      const std::string digest = *mount;
      auto link = [target, digest, bytes](database::Transaction& tx) {
        link_blob(tx, target.repository, digest, *bytes);
      };
      co_await db_.write(link);
      co_return created(fmt::format("/v2/{}/blobs/{}", target.repository, digest), digest);
    }
  }
  if (!make_room_for_upload()) co_return registry_error(429, "TOOMANYREQUESTS", "too many uploads are under way");
  auto upload = std::make_shared<Upload>();
  upload->id = random_.uuid();
  upload->repository = target.repository;
  upload->path = folder_ / "uploads" / upload->id;
  upload->fd = ::open(upload->path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (upload->fd < 0) co_return error_of(host::file_error(upload->path, "create", errno));
  upload->touched = clock_.now();
  uploads_[upload->id] = upload;
  target.reference = upload->id;
  if (request.query_value("digest")) {
    http::Response finished = co_await finish_upload(target, request);
    // Nobody was told this upload's name, so nobody can go on with it.
    if (finished.status != 201 && uploads_.contains(upload->id)) drop_upload(*upload);
    co_return finished;
  }
  http::Response response = upload_state(target);
  response.status = 202;
  co_return response;
}

// Writes and hashes the body in pieces, off the loop.
task<Result<void>> Registry::receive(std::shared_ptr<Upload> upload, http::Request& request) {
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
    const std::uint64_t start = upload->bytes;
    // At its own place in the file: what a full disk let through of a piece is overwritten by the next try, so that the
    // file always holds what was hashed.
    auto store = [upload, piece, start]() -> Result<void> {
      for (std::size_t done = 0; done < piece->size();) {
        const ssize_t written =
            ::pwrite(upload->fd, piece->data() + done, piece->size() - done, static_cast<off_t>(start + done));
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) return std::unexpected(host::file_error(upload->path, "write", errno));
        done += static_cast<std::size_t>(written);
      }
      upload->hasher.update(*piece);
      return {};
    };
    outcome = co_await pool_.run(store);
    if (outcome) upload->bytes = start + piece->size();
  }
  upload->touched = clock_.now();
  co_return outcome;
}

task<http::Response> Registry::continue_upload(Target target, http::Request& request) {
  const auto upload = find_upload(target);
  if (!upload) co_return registry_error(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry");
  if (upload->busy) co_return upload_busy();
  const Claim claim(upload);
  if (const auto range = request.headers.find("Content-Range")) {
    const auto from = first_byte(request.headers, *range);
    if (!from)
      co_return registry_error(400, "BLOB_UPLOAD_INVALID",
                               "Content-Range must be <first>-<last> and agree with Content-Length");
    if (*from != upload->bytes) {
      http::Response refused =
          registry_error(416, "BLOB_UPLOAD_INVALID", fmt::format("the next byte is {}", upload->bytes));
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
    // A piece that failed half-way may have left bytes beyond the last whole one.
    if (::ftruncate(upload->fd, static_cast<off_t>(upload->bytes)) != 0)
      return std::unexpected(host::file_error(upload->path, "write", errno));
    Digest actual = upload->hasher.finish();
    if (digest.algorithm() != "sha256") {
      const auto other = digest_of_file(upload->path, digest.algorithm());
      if (!other) return fail(other);
      actual = *other;
    }
    if (actual != digest)
      return fail(Fault::invalid, "DIGEST_INVALID",
                  fmt::format("the content has the digest {}, not {}; nothing was stored", actual.text, digest.text));
    if (::fsync(upload->fd) != 0) return std::unexpected(host::file_error(upload->path, "sync", errno));
    std::error_code error;
    if (std::filesystem::create_directories(path.parent_path(), error)) {
      if (auto kept = host::fsync_folder(path.parent_path().parent_path()); !kept) return kept;
    }
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
  if (!digest)
    co_return registry_error(400, "DIGEST_INVALID", "the digest must be sha256:<64 hex> or sha512:<128 hex>");
  if (upload->busy) co_return upload_busy();
  const Claim claim(upload);
  if (const auto range = request.headers.find("Content-Range")) {
    const auto from = first_byte(request.headers, *range);
    if (!from)
      co_return registry_error(400, "BLOB_UPLOAD_INVALID",
                               "Content-Range must be <first>-<last> and agree with Content-Length");
    if (*from != upload->bytes)
      co_return registry_error(416, "BLOB_UPLOAD_INVALID", fmt::format("the next byte is {}", upload->bytes));
  }
  auto received = co_await receive(upload, request);
  if (!received) co_return error_of(received.error());
  const Digest wanted = *digest;
  auto committed = co_await commit(upload, wanted);
  drop_upload(*upload);
  if (!committed) co_return error_of(committed.error());
  const auto bytes = static_cast<long long>(upload->bytes);
  const std::string account = place_.account;
  auto link = [target, wanted, bytes, account](database::Transaction& tx) -> Result<void> {
    if (!get_repository(tx, target.repository)) return no_repository(target.repository, account);
    link_blob(tx, target.repository, wanted.text, bytes);
    return {};
  };
  auto linked = co_await db_.write(link);
  if (!linked) co_return error_of(linked.error());
  co_return created(fmt::format("/v2/{}/blobs/{}", target.repository, wanted.text), wanted.text);
}

task<http::Response> Registry::cancel_upload(Target target) {
  const auto upload = find_upload(target);
  if (!upload) co_return registry_error(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry");
  if (upload->busy) co_return upload_busy();
  drop_upload(*upload);
  http::Response response;
  response.status = 204;
  co_return response;
}

// ---- manifests ----

task<Result<PushOutcome>> Registry::push(std::string repository, std::string tag, std::string text,
                                         std::string content_type, std::string expected, Instant now) {
  if (text.size() > kManifestBytesMax)
    co_return fail(Fault::invalid, "RequestEntityTooLarge",
                   fmt::format("a manifest has at most {} bytes", kManifestBytesMax));
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
  const std::string event_id = random_.uuid();
  const Place place = place_;
  Outbox* outbox = &outbox_;
  auto put = [=](database::Transaction& tx) -> Result<PushOutcome> {
    const auto known = get_repository(tx, repository);
    if (!known) return no_repository(repository, place.account);
    for (const std::string& blob : parsed.blobs) {
      if (!blob_bytes(tx, repository, blob))
        return fail(Fault::not_found, "MANIFEST_BLOB_UNKNOWN",
                    fmt::format("the manifest names the blob {}, which is not in {}: push it first", blob, repository));
    }
    for (const std::string& child : parsed.manifests) {
      if (!get_image(tx, repository, child))
        return fail(
            Fault::not_found, "MANIFEST_BLOB_UNKNOWN",
            fmt::format("the index names the manifest {}, which is not in {}: push it first", child, repository));
    }
    const auto before = tag.empty() ? std::nullopt : digest_of_tag(tx, repository, tag);
    const bool is_new = !get_image(tx, repository, digest);
    PushOutcome outcome{
        .digest = digest, .changed = is_new || (!tag.empty() && before != digest), .subject = parsed.subject};
    if (before && before != digest && known->mutability == "IMMUTABLE")
      return fail(Fault::invalid, "TAG_INVALID",
                  fmt::format("The image tag '{}' already exists in the '{}' repository and cannot be overwritten "
                              "because the repository is immutable.",
                              tag, repository));
    if (!outcome.changed) return outcome;
    if (is_new) put_image(tx, image);
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
  if (!text)
    co_return text.error().code == "RequestEntityTooLarge"
        ? registry_error(413, "MANIFEST_INVALID", text.error().message)
        : error_of(text.error());
  const auto digest = parse_digest(target.reference);
  if (!digest && !valid_tag(target.reference))
    co_return registry_error(400, "TAG_INVALID", "'" + target.reference + "' is neither a tag nor a digest");
  const std::string tag = digest ? "" : target.reference;
  const std::string expected = digest ? target.reference : "";
  const std::string type = request.headers.get("Content-Type");
  const Instant now = clock_.now();
  auto pushed = co_await push(target.repository, tag, std::move(*text), type, expected, now);
  if (!pushed) co_return error_of(pushed.error());
  http::Response response =
      created(fmt::format("/v2/{}/manifests/{}", target.repository, pushed->digest), pushed->digest);
  if (!pushed->subject.empty()) response.headers.set("OCI-Subject", pushed->subject);
  co_return response;
}

http::Response Registry::get_manifest(const Target& target) {
  std::string digest = target.reference;
  if (!parse_digest(digest)) digest = digest_of_tag(db_.read(), target.repository, target.reference).value_or("");
  const auto image = get_image(db_.read(), target.repository, digest);
  if (!image)
    return registry_error(404, "MANIFEST_UNKNOWN",
                          fmt::format("Requested image not found: {}:{}", target.repository, target.reference));
  http::Response response = http::text_response(200, image->manifest, image->media_type);
  response.headers.set("Docker-Content-Digest", image->digest);
  return response;
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
  std::size_t count = kTagsPageMax;
  if (const auto n = request.query_value("n")) {
    const auto [end, error] = std::from_chars(n->data(), n->data() + n->size(), count);
    if (error != std::errc() || count > kTagsPageMax)
      return registry_error(400, "UNSUPPORTED",
                            "Invalid parameter at 'maxResults' failed to satisfy constraint: 'Member must have value "
                            "less than or equal to 1000'");
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
  http::Response response =
      http::json_response(200, json::serialize(json::object{{"name", target.repository}, {"tags", tags}}) + "\n");
  if (more && !tags.empty())
    response.headers.set("Link", fmt::format("</v2/{}/tags/list?n={}&last={}>; rel=\"next\"", target.repository, count,
                                             std::string_view(view(tags.back().as_string()))));
  return response;
}

http::Response Registry::referrers(const Target& target, const http::Request& request) {
  if (!parse_digest(target.reference))
    return registry_error(400, "DIGEST_INVALID", "'" + target.reference + "' is not a digest");
  const auto wanted = request.query_value("artifactType");
  json::array manifests;
  for (const Image& image : list_images(db_.read(), target.repository)) {
    if (image.subject != target.reference || (wanted && *wanted != image.artifact_type)) continue;
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
