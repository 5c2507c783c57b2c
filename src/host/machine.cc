#include "host/machine.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timex.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace slipway::host {

Result<bool> port_is_free(int port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return fail(Fault::unavailable, "NoSocket", std::strerror(errno));
  // As servers do: a port that only old connections still hold is free.
  const int yes = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const bool bound =
      ::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 && ::listen(fd, 1) == 0;
  const int why = errno;
  ::close(fd);
  if (bound) return true;
  if (why == EACCES) return fail(Fault::denied, "EACCES", std::strerror(why));
  return false;
}

Result<DiskSpace> disk_space(std::filesystem::path path) {
  std::error_code error;
  path = std::filesystem::absolute(path, error);
  while (!std::filesystem::exists(path, error) && path.has_relative_path()) path = path.parent_path();
  const auto space = std::filesystem::space(path, error);
  if (error) return fail(Fault::unavailable, "DiskError", path.string() + ": " + error.message());
  return DiskSpace{.free_bytes = space.available, .all_bytes = space.capacity};
}

Descriptors descriptors_max() {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  return {.soft = limit.rlim_cur, .hard = limit.rlim_max};
}

std::optional<bool> clock_is_kept() {
  timex state{};
  const int answer = ::adjtimex(&state);
  if (answer < 0) return std::nullopt;
  return answer != TIME_ERROR && (state.status & STA_UNSYNC) == 0;
}

}  // namespace slipway::host
