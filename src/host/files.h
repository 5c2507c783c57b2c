// Files, with the promises that matter: a write that was awaited is on disk under its final name, or it did not happen.
// Blocking work runs on a small pool of threads; nothing here blocks the loop unless it says so.
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "base/digest.h"
#include "base/result.h"
#include "base/task.h"

namespace slipway::host {

// Runs `work` on the pool and returns its value on the caller's loop.  An exception reaches the caller.
class Pool {
 public:
  explicit Pool(int threads);
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;
  task<void> perform(std::function<void()> work);
  template <class Work>
  task<std::invoke_result_t<Work>> run(Work work) {
    auto slot = std::make_shared<std::optional<std::invoke_result_t<Work>>>();
    auto job = [slot, work = std::move(work)]() mutable { slot->emplace(work()); };
    co_await perform(std::move(job));
    co_return std::move(**slot);
  }

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Blocks.  Writes to a temporary name beside `path`, fsyncs file and folder, renames.  Fault::unavailable ("DiskFull",
// "DiskError") in the system's words; nothing is left behind then.
Result<void> write_file_durably(const std::filesystem::path& path, std::string_view content, unsigned mode = 0644);
Result<std::string> read_file(const std::filesystem::path& path, std::size_t bytes_max = 64 * 1024 * 1024);  // Blocks.
Result<void> fsync_folder(const std::filesystem::path& folder);                                              // Blocks.
// Turns errno into an Error that names `path`: ENOSPC and EDQUOT "DiskFull", ENOENT "NotFound", others "DiskError".
Error file_error(const std::filesystem::path& path, std::string_view doing, int error_number);

// Blocks.  Unpacks a zip held in memory into `folder`; keeps executable bits.  Refuses entries that leave the folder,
// and more than `bytes_max` unpacked.  Fault::invalid, code "InvalidZip".
Result<void> unpack_zip(std::string_view zip, const std::filesystem::path& folder, std::uint64_t bytes_max);
// Blocks.  Makes a zip with the same bytes for the same input: names in order, time stamps fixed.
struct ZipEntry {
  std::string name;
  std::string content;
  bool executable = false;
};
Result<std::string> make_zip(const std::vector<ZipEntry>& entries);

}  // namespace slipway::host
