// Machine: what can be asked of the machine itself, for `slipway doctor`.  Nothing here waits.
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>

#include "base/result.h"

namespace slipway::host {

// Whether a server could listen on 127.0.0.1:`port` now.  Fails (Fault::denied, "EACCES") when this user may not.
Result<bool> port_is_free(int port);

struct DiskSpace {
  std::uintmax_t free_bytes = 0;
  std::uintmax_t all_bytes = 0;
};
// Of the file system that `path`, or the nearest folder above it that exists, lies on.
Result<DiskSpace> disk_space(std::filesystem::path path);

// How many files and connections this process may have open (RLIMIT_NOFILE, soft and hard).
struct Descriptors {
  std::uintmax_t soft = 0;
  std::uintmax_t hard = 0;
};
Descriptors descriptors_max();

// Whether the kernel says that something keeps its clock right (adjtimex); nullopt when it does not say.
std::optional<bool> clock_is_kept();

}  // namespace slipway::host
