#include "region/state_folder.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "base/digest.h"
#include "base/json.h"
#include "base/run.h"
#include "base/text.h"
#include "host/files.h"
#include "http/client.h"

namespace slipway::region {
namespace {

using namespace std::chrono_literals;

// A daemon that was killed holds its lock until the kernel has taken it apart, which takes seconds on a busy disk.
constexpr auto kLockWait = 10s;
constexpr auto kLockPoll = 5ms;
constexpr Duration kAnswerMax = 500ms;
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

// Whether a daemon is there, as opposed to one that is ending: it answers.
bool answers(const StateFolder& folder) {
  const auto about = read_about(folder);
  if (!about) return false;
  const http::ClientOptions options{
      .endpoint = about->endpoint, .connect_timeout = kAnswerMax, .read_timeout = kAnswerMax};
  const http::ClientRequest request{.target = "/_slipway/health"};
  const auto answer = run(http::fetch(options, request));
  return answer && answer->status == 200;
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
  ::chmod(folder.root.c_str(), 0700);  // It holds keys.
  // The descriptor is kept open on purpose: the lock lives as long as the process.
  int locked = try_lock(folder);
  int why = errno;
  const auto give_up = std::chrono::steady_clock::now() + kLockWait;
  while (locked < 0 && why == EWOULDBLOCK && std::chrono::steady_clock::now() < give_up && !answers(folder)) {
    std::this_thread::sleep_for(kLockPoll);
    locked = try_lock(folder);
    why = errno;
  }
  if (locked >= 0) return {};
  if (why == EWOULDBLOCK) {
    return fail(Fault::conflict, "SLW-101",
                fmt::format("a region already runs on {}. Use it (slipway status), end it (slipway down), or choose "
                            "another folder with --state DIR.",
                            folder.root.native()));
  }
  return fail(Fault::unavailable, "SLW-103",
              fmt::format("cannot write to the state folder {}: {}. Choose another with --state DIR.",
                          folder.root.native(), std::strerror(why)));
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
