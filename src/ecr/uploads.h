// Uploads: blobs on their way in, and the files of those that have arrived.
// What was acknowledged of an upload is in its file and outlives the daemon; a blob has its name only when its digest
// was verified and it is on disk.
#pragma once
#include <filesystem>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/digest.h"
#include "host/clock.h"
#include "host/files.h"
#include "http/message.h"

namespace slipway::ecr {

constexpr std::uint64_t kBlobBytesMax = 52'000ULL * 1024 * 1024;  // ECR's quota of a layer.

struct Upload {
  std::string id;  // A UUID whose last twelve digits are of the repository's name: no table has to remember that.
  std::filesystem::path path;
  std::uint64_t bytes = 0;  // Received; the file has them.
  Hasher hasher;
  bool hashed = true;  // `hasher` has seen all of the file; false after a restart, until the upload goes on.
  bool busy = false;   // A request writes or commits it; nobody else may meanwhile.
  Instant touched{};
  std::uint64_t last_part = 0;  // Bytes of the API's last part.
  bool short_part = false;      // A part before the last was shorter than ECR allows.
};

// Holds an upload for the length of one request, however that ends.
class Claim {
 public:
  explicit Claim(std::shared_ptr<Upload> upload) : upload_(std::move(upload)) { upload_->busy = true; }
  ~Claim() { upload_->busy = false; }
  Claim(const Claim&) = delete;
  Claim& operator=(const Claim&) = delete;

 private:
  std::shared_ptr<Upload> upload_;
};

class Uploads {
 public:
  Uploads(host::Pool& pool, host::Clock& clock, host::Random& random, std::filesystem::path folder);
  // Makes the folders, and finds the uploads that were under way when the daemon ended.  Blocks.  Throws on a broken
  // disk.
  void open();

  // Fails with Fault::throttled when every upload is being written to, and with the disk's errors.
  Result<std::shared_ptr<Upload>> begin(const std::string& repository);
  std::shared_ptr<Upload> find(const std::string& repository, const std::string& id);
  // Appends the body, and hashes it, off the loop.  The caller has claimed the upload.  What arrived before a failure
  // is kept.
  task<Result<void>> receive(std::shared_ptr<Upload> upload, http::BodyReader& body);
  // Verifies, syncs and names the blob.  "DIGEST_INVALID" when it is another; the disk's errors leave the upload as it
  // was.
  task<Result<void>> commit(std::shared_ptr<Upload> upload, Digest digest);
  void drop(const Upload& upload);
  void drop_stale(Instant now);  // Those that nobody has gone on with for a day.

  std::filesystem::path blob_path(const std::string& digest) const;
  // Whether the file of a blob is there, whole.  Blocks for one stat.
  bool has_blob(const std::string& digest, std::uint64_t bytes) const;
  task<std::vector<std::string>> list_blobs();  // Digests of all blob files.
  // The names are gone when it is called; the space is free when it returns.
  task<void> remove_blobs(std::vector<std::string> digests);

 private:
  bool make_room();
  host::Pool& pool_;
  host::Clock& clock_;
  host::Random& random_;
  std::filesystem::path folder_;
  std::map<std::string, std::shared_ptr<Upload>> uploads_;
  std::set<std::string> synced_folders_;  // Of blobs: at most 512, known to be on disk under their own names.
};

}  // namespace slipway::ecr
