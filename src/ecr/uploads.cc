#include "ecr/uploads.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <stdexcept>

#include "base/log.h"

namespace slipway::ecr {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kPieceBytes = 1024 * 1024;  // Hashed and written at once, off the loop.
constexpr std::size_t kUploadsMax = 1000;         // Beyond it the longest idle one gives way.
constexpr Duration kStaleAfter = 24h;
constexpr std::size_t kIdLength = 36;
constexpr std::size_t kOwnerDigits = 12;  // Of the repository's hash, at the end of the id.

class File {
 public:
  File(const std::filesystem::path& path, int flags) : fd_(::open(path.c_str(), flags | O_CLOEXEC, 0600)) {}
  ~File() {
    if (fd_ >= 0) ::close(fd_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  int fd() const { return fd_; }

 private:
  int fd_;
};

std::string owner_of(const std::string& repository) {
  return sha256_hex(repository).substr(0, kOwnerDigits);
}

// Blocks.  The hash of the first `bytes` of a file, read piece by piece: a layer may be larger than memory.
Result<Hasher> hash_file(const std::filesystem::path& path, std::uint64_t bytes, std::string_view algorithm) {
  const File file(path, O_RDONLY);
  if (file.fd() < 0) return std::unexpected(host::file_error(path, "read", errno));
  Hasher hasher(algorithm);
  std::string piece(kPieceBytes, '\0');
  while (bytes > 0) {
    const ssize_t got = ::read(file.fd(), piece.data(), std::min<std::uint64_t>(bytes, piece.size()));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return std::unexpected(host::file_error(path, "read", errno));
    if (got == 0) return fail(Fault::unavailable, "DiskError", path.native() + " became shorter");
    hasher.update({piece.data(), static_cast<std::size_t>(got)});
    bytes -= static_cast<std::uint64_t>(got);
  }
  return hasher;
}

// Blocks.  All of `piece` at `start`, or the file as it was: what a full disk let through must not stay behind.
Result<void> write_piece(int fd, const std::filesystem::path& path, std::string_view piece, std::uint64_t start) {
  for (std::size_t done = 0; done < piece.size();) {
    const ssize_t written = ::pwrite(fd, piece.data() + done, piece.size() - done, static_cast<off_t>(start + done));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) {
      const int reason = errno;
      if (::ftruncate(fd, static_cast<off_t>(start)) != 0) return std::unexpected(host::file_error(path, "cut", errno));
      return std::unexpected(host::file_error(path, "write", reason));
    }
    done += static_cast<std::size_t>(written);
  }
  return {};
}

// Blocks.
Result<void> make_folder(const std::filesystem::path& folder) {
  if (::mkdir(folder.c_str(), 0755) != 0 && errno != EEXIST)
    return std::unexpected(host::file_error(folder, "create", errno));
  return host::fsync_folder(folder.parent_path());
}

}  // namespace

Uploads::Uploads(host::Pool& pool, host::Clock& clock, host::Random& random, std::filesystem::path folder)
    : pool_(pool), clock_(clock), random_(random), folder_(std::move(folder)) {}

void Uploads::open() {
  std::filesystem::create_directories(folder_ / "uploads");
  std::filesystem::create_directories(folder_ / "trash");
  for (const char* algorithm : {"sha256", "sha512"}) std::filesystem::create_directories(folder_ / "blobs" / algorithm);
  for (const auto& place : {folder_.parent_path(), folder_, folder_ / "blobs"}) {
    if (auto kept = host::fsync_folder(place); !kept) throw std::runtime_error(kept.error().message);
  }
  for (const auto& entry : std::filesystem::directory_iterator(folder_ / "uploads")) {
    struct stat about{};
    const std::string id = entry.path().filename();
    if (id.size() != kIdLength || ::stat(entry.path().c_str(), &about) != 0 || !S_ISREG(about.st_mode)) continue;
    auto upload = std::make_shared<Upload>();
    upload->id = id;
    upload->path = entry.path();
    upload->bytes = static_cast<std::uint64_t>(about.st_size);
    upload->hashed = upload->bytes == 0;
    upload->touched = instant_ms(about.st_mtim.tv_sec * 1000LL + about.st_mtim.tv_nsec / 1'000'000);
    uploads_[id] = upload;
  }
}

bool Uploads::make_room() {
  if (uploads_.size() < kUploadsMax) return true;
  std::shared_ptr<Upload> idle;
  for (const auto& [id, upload] : uploads_) {
    if (!upload->busy && (!idle || upload->touched < idle->touched)) idle = upload;
  }
  if (!idle) return false;
  drop(*idle);
  return true;
}

Result<std::shared_ptr<Upload>> Uploads::begin(const std::string& repository) {
  if (!make_room()) return fail(Fault::throttled, "TOOMANYREQUESTS", "too many uploads are under way");
  auto upload = std::make_shared<Upload>();
  upload->id = random_.uuid().substr(0, kIdLength - kOwnerDigits) + owner_of(repository);
  upload->path = folder_ / "uploads" / upload->id;
  const File file(upload->path, O_WRONLY | O_CREAT | O_EXCL);
  if (file.fd() < 0) return std::unexpected(host::file_error(upload->path, "create", errno));
  upload->touched = clock_.now();
  uploads_[upload->id] = upload;
  return upload;
}

std::shared_ptr<Upload> Uploads::find(const std::string& repository, const std::string& id) {
  const auto found = uploads_.find(id);
  return found != uploads_.end() && id.ends_with(owner_of(repository)) ? found->second : nullptr;
}

task<Result<void>> Uploads::receive(std::shared_ptr<Upload> upload, http::BodyReader& body) {
  if (!upload->hashed) {
    auto hash = [upload] { return hash_file(upload->path, upload->bytes, "sha256"); };
    auto hasher = co_await pool_.run(hash);
    if (!hasher) co_return fail(hasher);
    upload->hasher = std::move(*hasher);
    upload->hashed = true;
  }
  const auto file = std::make_shared<File>(upload->path, O_WRONLY);
  if (file->fd() < 0) co_return std::unexpected(host::file_error(upload->path, "open", errno));
  Result<void> outcome;
  Result<void> arrival;
  bool more = true;
  while (more && outcome && arrival) {
    auto piece = std::make_shared<std::string>();
    while (more && piece->size() < kPieceBytes) {
      auto part = co_await body.read_some();
      if (!part) {
        arrival = fail(Fault::invalid, "BLOB_UPLOAD_INVALID", part.error().message);
        break;
      }
      more = !part->empty();
      if (piece->empty()) {
        *piece = std::move(*part);
      } else {
        *piece += *part;
      }
    }
    if (piece->empty()) break;
    const std::uint64_t start = upload->bytes;
    if (start + piece->size() > kBlobBytesMax) {
      outcome = fail(Fault::invalid, "SIZE_INVALID", fmt::format("a layer has at most {} bytes", kBlobBytesMax));
      break;
    }
    auto store = [upload, file, piece, start]() -> Result<void> {
      auto written = write_piece(file->fd(), upload->path, *piece, start);
      if (written) upload->hasher.update(*piece);
      return written;
    };
    outcome = co_await pool_.run(store);
    if (outcome) upload->bytes = start + piece->size();
  }
  upload->touched = clock_.now();
  co_return outcome ? arrival : outcome;
}

task<Result<void>> Uploads::commit(std::shared_ptr<Upload> upload, Digest digest) {
  const std::filesystem::path path = blob_path(digest.text);
  const bool folder_known = synced_folders_.contains(path.parent_path().native());
  auto settle = [upload, digest, path, folder_known]() -> Result<void> {
    Digest actual;
    if (digest.algorithm() == "sha256" && upload->hashed) {
      actual = upload->hasher.finish();
      upload->hashed = false;  // A hash can be finished once; another try reads the file.
    } else {
      auto hasher = hash_file(upload->path, upload->bytes, digest.algorithm());
      if (!hasher) return fail(hasher);
      actual = hasher->finish();
    }
    if (actual != digest)
      return fail(Fault::invalid, "DIGEST_INVALID",
                  fmt::format("the content has the digest {}, not {}; nothing was stored", actual.text, digest.text));
    const File file(upload->path, O_WRONLY);
    if (file.fd() < 0 || ::fsync(file.fd()) != 0) return std::unexpected(host::file_error(upload->path, "sync", errno));
    if (!folder_known) {
      if (auto made = make_folder(path.parent_path()); !made) return made;
    }
    if (::rename(upload->path.c_str(), path.c_str()) != 0)
      return std::unexpected(host::file_error(path, "name", errno));
    return host::fsync_folder(path.parent_path());
  };
  auto settled = co_await pool_.run(settle);
  if (settled) synced_folders_.insert(path.parent_path().native());
  co_return settled;
}

void Uploads::drop(const Upload& upload) {
  std::error_code ignored;
  std::filesystem::remove(upload.path, ignored);
  uploads_.erase(std::string(upload.id));
}

void Uploads::drop_stale(Instant now) {
  std::vector<std::shared_ptr<Upload>> stale;
  for (const auto& [id, upload] : uploads_) {
    if (!upload->busy && upload->touched + kStaleAfter < now) stale.push_back(upload);
  }
  for (const auto& upload : stale) drop(*upload);
}

std::filesystem::path Uploads::blob_path(const std::string& digest) const {
  const Digest parsed{digest};
  const std::string value(parsed.value());
  return folder_ / "blobs" / std::string(parsed.algorithm()) / value.substr(0, 2) / value;
}

bool Uploads::has_blob(const std::string& digest, std::uint64_t bytes) const {
  struct stat about{};
  return ::stat(blob_path(digest).c_str(), &about) == 0 && static_cast<std::uint64_t>(about.st_size) == bytes;
}

task<std::vector<std::string>> Uploads::list_blobs() {
  const std::filesystem::path folder = folder_ / "blobs";
  auto list = [folder] {
    std::vector<std::string> digests;
    std::error_code error;
    for (std::filesystem::recursive_directory_iterator at(folder, error), end; !error && at != end;
         at.increment(error)) {
      if (!at->is_regular_file(error)) continue;
      const std::string digest =
          at->path().parent_path().parent_path().filename().string() + ":" + at->path().filename().string();
      if (parse_digest(digest)) digests.push_back(digest);
    }
    if (error) log_warn("ecr", "cannot list the blobs: " + error.message());
    return digests;
  };
  co_return co_await pool_.run(list);
}

task<void> Uploads::remove_blobs(std::vector<std::string> digests) {
  std::error_code ignored;
  for (const std::string& digest : digests)
    std::filesystem::rename(blob_path(digest), folder_ / "trash" / Digest{digest}.value(), ignored);
  // Also what an earlier daemon had no time for.
  const std::filesystem::path trash = folder_ / "trash";
  auto remove = [trash] {
    std::error_code error;
    for (std::filesystem::directory_iterator at(trash, error), end; !error && at != end; at.increment(error))
      std::filesystem::remove(at->path(), error);
    return true;
  };
  co_await pool_.run(remove);
}

}  // namespace slipway::ecr
