#include "region/state_folder.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "base/digest.h"
#include "base/json.h"
#include "base/text.h"
#include "host/files.h"

namespace slipway::region {
namespace {

constexpr std::size_t kSocketFolderBytesMax = 80;  // Leaves room for a socket's name within sun_path's 107 bytes.

std::filesystem::path lock_file(const StateFolder& folder) {
  return folder.root / "lock";
}

// The descriptor of a lock attempt, or -1 with errno set.
int try_lock(const StateFolder& folder) {
  const int fd = ::open(lock_file(folder).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return -1;
  if (::flock(fd, LOCK_EX | LOCK_NB) == 0) return fd;
  const int why = errno;
  ::close(fd);
  errno = why;
  return -1;
}

}  // namespace

std::filesystem::path StateFolder::proxy() const {
  std::filesystem::path here = root / "haproxy";
  if (here.native().size() <= kSocketFolderBytesMax) return here;
  return std::filesystem::path("/tmp") / ("slipway-" + sha256_hex(root.native()).substr(0, 16));
}

StateFolder find_state_folder(const std::string& option) {
  std::string chosen = option;
  if (chosen.empty()) {
    const char* from_environment = std::getenv("SLIPWAY_STATE");
    chosen = from_environment != nullptr && *from_environment != '\0' ? from_environment : ".slipway";
  }
  return StateFolder{std::filesystem::absolute(chosen).lexically_normal()};
}

Result<void> lock_state_folder(const StateFolder& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder.root, error);
  if (error) {
    return fail(Fault::unavailable, "SLW-103",
                fmt::format("cannot make the state folder {}: {}. Choose another with --state DIR.",
                            folder.root.native(), error.message()));
  }
  ::chmod(folder.root.c_str(), 0700);    // It holds keys.
  if (try_lock(folder) >= 0) return {};  // Kept open on purpose: the lock lives as long as the process.
  if (errno == EWOULDBLOCK) {
    return fail(Fault::conflict, "SLW-101",
                fmt::format("a region already runs on {}. Use it (slipway status), end it (slipway down), or choose "
                            "another folder with --state DIR.",
                            folder.root.native()));
  }
  return fail(Fault::unavailable, "SLW-103",
              fmt::format("cannot write to the state folder {}: {}. Choose another with --state DIR.",
                          folder.root.native(), std::strerror(errno)));
}

Result<void> write_about(const StateFolder& folder, const About& about) {
  const json::object text = {{"pid", about.pid},
                             {"endpoint", about.endpoint},
                             {"instanceId", about.instance_id},
                             {"account", about.place.account},
                             {"region", about.place.region},
                             {"docker", about.docker}};
  return host::write_file_durably(folder.about(), json::serialize(text) + "\n", 0600);
}

Result<About> read_about(const StateFolder& folder) {
  const auto text = host::read_file(folder.about());
  const auto parsed = text ? parse_json(trim(*text)) : fail(text);
  if (!parsed || !parsed->is_object()) {
    return fail(Fault::not_found, "SLW-107",
                fmt::format("no region in {}. Start one with: slipway up (or name its folder with --state DIR)",
                            folder.root.native()));
  }
  const json::object& from = parsed->get_object();
  return About{.pid = static_cast<int>(get_int(from, "pid")),
               .endpoint = get_string(from, "endpoint"),
               .instance_id = get_string(from, "instanceId"),
               .place = {.account = get_string(from, "account"), .region = get_string(from, "region")},
               .docker = get_string(from, "docker")};
}

bool daemon_runs(const StateFolder& folder) {
  if (!std::filesystem::exists(lock_file(folder))) return false;
  const int fd = try_lock(folder);
  if (fd < 0) return errno == EWOULDBLOCK;
  ::close(fd);
  return false;
}

}  // namespace slipway::region
