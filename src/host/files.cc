#include "host/files.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <cerrno>
#include <cstring>

#include "base/text.h"

namespace slipway::host {
namespace {

constexpr std::size_t kZipEntriesMax = 100'000;
constexpr std::size_t kCopyBytes = 64 * 1024;

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

bool write_all(int fd, std::string_view content) {
  while (!content.empty()) {
    const ssize_t written = ::write(fd, content.data(), content.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    content.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

// A name inside an archive that stays inside the folder it is unpacked to.
bool stays_inside(std::string_view name) {
  if (name.empty() || name.starts_with('/')) return false;
  for (const std::string& step : split(name, '/')) {
    if (step == "..") return false;
  }
  return true;
}

Result<void> bad_zip(const std::string& why) {
  return fail(Fault::invalid, "InvalidZip", "Could not unzip uploaded file: " + why);
}

struct ArchiveReader {
  archive* handle = archive_read_new();
  ArchiveReader() = default;
  ArchiveReader(const ArchiveReader&) = delete;
  ArchiveReader& operator=(const ArchiveReader&) = delete;
  ~ArchiveReader() { archive_read_free(handle); }
};

Result<void> unpack_entry(archive* zip, archive_entry* entry, const std::filesystem::path& folder,
                          std::uint64_t& left) {
  const char* raw_name = archive_entry_pathname(entry);
  const std::string name = raw_name != nullptr ? raw_name : "";
  if (!stays_inside(name)) return bad_zip("the entry '" + name + "' leaves the folder");
  const auto path = folder / name;
  std::error_code error;
  if (archive_entry_filetype(entry) == AE_IFDIR) {
    std::filesystem::create_directories(path, error);
    return {};
  }
  if (archive_entry_filetype(entry) != AE_IFREG)
    return bad_zip("the entry '" + name + "' is neither a file nor a folder");
  std::filesystem::create_directories(path.parent_path(), error);
  const bool executable = (archive_entry_perm(entry) & 0111) != 0;
  const Descriptor out(
      ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, executable ? 0755 : 0644));
  if (out.get() < 0) return std::unexpected(file_error(path, "unpack to", errno));
  std::string piece(kCopyBytes, '\0');
  for (;;) {
    const la_ssize_t got = archive_read_data(zip, piece.data(), piece.size());
    if (got < 0) return bad_zip(archive_error_string(zip) != nullptr ? archive_error_string(zip) : "damaged data");
    if (got == 0) return {};
    if (static_cast<std::uint64_t>(got) > left) return bad_zip("Unzipped size is larger than the maximum allowed");
    left -= static_cast<std::uint64_t>(got);
    if (!write_all(out.get(), {piece.data(), static_cast<std::size_t>(got)}))
      return std::unexpected(file_error(path, "write", errno));
  }
}

}  // namespace

struct Pool::State {
  explicit State(int threads) : pool(static_cast<std::size_t>(threads)) {}
  asio::thread_pool pool;
};

Pool::Pool(int threads) : state_(std::make_unique<State>(threads)) {}
Pool::~Pool() {
  state_->pool.join();
}

task<void> Pool::perform(std::function<void()> work) {
  const auto loop = co_await asio::this_coro::executor;
  auto start = [this, loop](auto handler, std::function<void()> body) {
    auto shared = std::make_shared<decltype(handler)>(std::move(handler));
    asio::post(state_->pool, [shared, loop, run = std::move(body)] {
      std::exception_ptr failure;
      try {
        run();
      } catch (...) {
        failure = std::current_exception();
      }
      asio::post(loop, [shared, failure] { (*shared)(failure); });
    });
  };
  co_await asio::async_initiate<const asio::use_awaitable_t<>, void(std::exception_ptr)>(
      std::move(start), asio::use_awaitable, std::move(work));
}

Error file_error(const std::filesystem::path& path, std::string_view doing, int error_number) {
  const std::string message = fmt::format("cannot {} {}: {}", doing, path.native(), std::strerror(error_number));
  if (error_number == ENOSPC || error_number == EDQUOT)
    return {Fault::unavailable, "DiskFull", message + ". Free some space and try again."};
  if (error_number == ENOENT) return {Fault::not_found, "NotFound", message};
  return {Fault::unavailable, "DiskError", message};
}

Result<void> fsync_folder(const std::filesystem::path& folder) {
  const Descriptor fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd.get() < 0 || ::fsync(fd.get()) != 0) return std::unexpected(file_error(folder, "sync", errno));
  return {};
}

Result<void> write_file_durably(const std::filesystem::path& path, std::string_view content, unsigned mode) {
  static std::atomic<unsigned> next{0};
  const std::filesystem::path temporary = path.native() + fmt::format(".{}.{}.new", ::getpid(), next++);
  const auto give_up = [&](std::string_view doing) -> Result<void> {
    const Error error = file_error(path, doing, errno);
    ::unlink(temporary.c_str());
    return std::unexpected(error);
  };
  {
    const Descriptor fd(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode));
    if (fd.get() < 0) return give_up("create");
    if (!write_all(fd.get(), content)) return give_up("write");
    if (::fsync(fd.get()) != 0) return give_up("sync");
  }
  if (::rename(temporary.c_str(), path.c_str()) != 0) return give_up("name");
  return fsync_folder(path.has_parent_path() ? path.parent_path() : std::filesystem::path("."));
}

Result<std::string> read_file(const std::filesystem::path& path, std::size_t bytes_max) {
  const Descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (fd.get() < 0) return std::unexpected(file_error(path, "read", errno));
  std::string content;
  std::string piece(kCopyBytes, '\0');
  for (;;) {
    const ssize_t got = ::read(fd.get(), piece.data(), piece.size());
    if (got < 0) return std::unexpected(file_error(path, "read", errno));
    if (got == 0) return content;
    content.append(piece, 0, static_cast<std::size_t>(got));
    if (content.size() > bytes_max)
      return fail(Fault::invalid, "FileTooLarge", fmt::format("{} is larger than {} bytes", path.native(), bytes_max));
  }
}

Result<void> unpack_zip(std::string_view zip, const std::filesystem::path& folder, std::uint64_t bytes_max) {
  const ArchiveReader reader;
  archive_read_support_format_zip(reader.handle);
  if (archive_read_open_memory(reader.handle, zip.data(), zip.size()) != ARCHIVE_OK)
    return bad_zip("it is not a zip archive");
  std::uint64_t left = bytes_max;
  archive_entry* entry = nullptr;
  for (std::size_t count = 0; count <= kZipEntriesMax; ++count) {
    const int outcome = archive_read_next_header(reader.handle, &entry);
    if (outcome == ARCHIVE_EOF) return count == 0 ? bad_zip("it is empty") : Result<void>{};
    if (outcome != ARCHIVE_OK && outcome != ARCHIVE_WARN) return bad_zip("it is not a zip archive");
    if (auto unpacked = unpack_entry(reader.handle, entry, folder, left); !unpacked) return unpacked;
  }
  return bad_zip("it has too many entries");
}

Result<std::string> make_zip(const std::vector<ZipEntry>& entries) {
  std::size_t room = 4096;
  for (const ZipEntry& entry : entries)
    room += entry.content.size() + entry.content.size() / 1000 + 512 + 2 * entry.name.size();
  std::string out(room, '\0');
  std::size_t used = 0;
  archive* zip = archive_write_new();
  archive_write_set_format_zip(zip);
  archive_write_set_bytes_per_block(zip, 0);
  archive_write_set_options(zip, "zip:!experimental,zip:compression-level=6");
  bool good = archive_write_open_memory(zip, out.data(), out.size(), &used) == ARCHIVE_OK;
  for (const ZipEntry& entry : entries) {
    archive_entry* header = archive_entry_new();
    archive_entry_set_pathname(header, entry.name.c_str());
    archive_entry_set_size(header, static_cast<la_int64_t>(entry.content.size()));
    archive_entry_set_filetype(header, AE_IFREG);
    archive_entry_set_perm(header, entry.executable ? 0755 : 0644);
    // No time stamp: libarchive then writes 1980-01-01, the first that zip knows.  A given one would be written in
    // local time, and the same input would give other bytes in another time zone.
    good = good && archive_write_header(zip, header) == ARCHIVE_OK &&
           archive_write_data(zip, entry.content.data(), entry.content.size()) ==
               static_cast<la_ssize_t>(entry.content.size());
    archive_entry_free(header);
  }
  good = archive_write_close(zip) == ARCHIVE_OK && good;
  archive_write_free(zip);
  if (!good) return fail(Fault::internal, "InvalidZip", "cannot make a zip archive");
  out.resize(used);
  return out;
}

}  // namespace slipway::host
