// The registry: the distribution API over /v2/, and what it shares with the ECR API.
// A blob is visible only when its digest was verified and it is on disk; a manifest only when everything it names is
// there.
#pragma once
#include <filesystem>
#include <map>
#include <string>

#include "base/arn.h"
#include "base/digest.h"
#include "ecr/manifest.h"
#include "ecr/ports.h"
#include "ecr/store.h"
#include "ecr/uploads.h"
#include "host/clock.h"
#include "host/files.h"
#include "http/message.h"

namespace slipway::ecr {

struct PushOutcome {
  std::string digest;
  bool changed = false;  // A tag was set or moved, or the image is new.
  std::string subject;
};

class Registry {
 public:
  // `host` is how clients name the registry: "localhost:4566".
  Registry(asio::any_io_executor executor, database::Database& db, host::Pool& pool, host::Clock& clock,
           host::Random& random, Place place, std::filesystem::path folder, std::string host, Outbox& outbox,
           Permissions& permissions);
  // Makes the folders and the token key, finds uploads that were under way, and begins to sweep now and then.  Throws
  // on a broken disk.
  void start();
  // Removes what nothing needs any more: stale uploads, blobs that for an hour no image has named and nobody has asked
  // for, and files without a row.
  task<void> sweep(Instant now);

  task<http::Response> serve(http::Request& request);

  // "AWS:<token>" is what `docker login` wants; tokens hold for twelve hours and need no table.
  std::string token_for(const wire::Caller& caller, Instant now) const;
  Instant token_expiry(Instant now) const;

  // Stores a manifest under a tag ("" for none) and publishes its event.  Failures: "MANIFEST_INVALID",
  // "MANIFEST_BLOB_UNKNOWN", "NAME_UNKNOWN", "TAG_INVALID" (immutable), "DIGEST_INVALID" when `expected` is another.
  task<Result<PushOutcome>> push(std::string repository, std::string tag, std::string text, std::string content_type,
                                 std::string expected, Instant now);
  // Removes an image or one of its tags and publishes the event.  An image that an index names loses its last tag, but
  // stays.
  enum class Removal { removed, unknown, referenced };
  Removal remove(database::Transaction& tx, const std::string& repository, const std::string& tag,
                 const std::string& digest, Instant now);

  // Layers by parts, as the API pushes them.  Failures are the API's: "UploadNotFoundException" and on.
  Result<std::string> begin_layer(const std::string& repository);  // The upload's id.
  // `first` and `last` are positions in the layer.  Returns the last byte received.
  task<Result<std::uint64_t>> add_part(std::string repository, std::string upload, std::uint64_t first,
                                       std::uint64_t last, std::string part);
  task<Result<std::string>> complete_layer(std::string repository, std::string upload,
                                           std::vector<std::string> digests);
  // Reads without a token until it expires, an hour later.
  std::string download_url(const std::string& repository, const std::string& digest, Instant now) const;
  // nullopt also when the file is gone: the client then pushes it again.
  std::optional<long long> blob_size(const std::string& repository, const std::string& digest);

  // Expires what the repository's lifecycle policy says.
  task<void> run_lifecycle(std::string repository, Instant now);
  void run_lifecycle_soon(const std::string& repository);
  Permissions& permissions() { return permissions_; }
  std::string policy_of(const std::string& arn);  // The policy of the repository with this ARN; "" for none.

  // Notes that the image was pulled, at most once a minute.  The pull does not wait for it, nor fail with it.
  void record_pull(const Image& image);

  database::Database& db() { return db_; }
  host::Clock& clock() { return clock_; }
  const Place& place() const { return place_; }
  const std::string& host() const { return host_; }

 private:
  Result<wire::Caller> login(const http::Request& request, Instant now) const;
  task<http::Response> answer(http::Request& request);
  task<http::Response> route(Target target, http::Request& request, wire::Caller caller);
  http::Response get_blob(const Target& target, const http::Request& request);
  task<http::Response> begin_upload(Target target, http::Request& request, wire::Caller caller);
  // The size of the blob in the repository to mount it from; nullopt when it is not there or the caller may not read
  // it.
  std::optional<long long> mountable(const wire::Caller& caller, const std::string& from, const std::string& digest);
  // Makes the finished upload a blob of the repository.  Ends the upload, unless the disk was at fault.
  task<Result<void>> keep(std::shared_ptr<Upload> upload, std::string repository, Digest digest);
  task<http::Response> continue_upload(Target target, http::Request& request);
  task<http::Response> finish_upload(Target target, http::Request& request);
  http::Response upload_state(const Target& target);
  http::Response out_of_order(const Target& target, const Upload& upload);
  task<http::Response> cancel_upload(Target target);
  task<http::Response> put_manifest(Target target, http::Request& request);
  http::Response get_manifest(const Target& target, bool is_pull);
  task<http::Response> delete_manifest(Target target);
  http::Response tags_list(const Target& target, const http::Request& request);
  http::Response referrers(const Target& target, const http::Request& request);
  std::string download_signature(const std::string& repository, const std::string& digest,
                                 const std::string& expires) const;
  bool signed_for_download(const Target& target, const http::Request& request) const;
  task<void> tend();
  task<void> write_pull(std::string repository, std::string digest, Instant at);

  asio::any_io_executor executor_;
  database::Database& db_;
  host::Pool& pool_;
  host::Clock& clock_;
  host::Random& random_;
  Place place_;
  std::filesystem::path folder_;
  std::string host_;
  Outbox& outbox_;
  Permissions& permissions_;
  std::string token_key_;
  Uploads uploads_;
  std::map<std::string, int> arriving_;   // Digests between their file and their row: how many requests.
  std::map<Link, Instant> unused_since_;  // Blobs that no image names: since when, or when somebody last asked.
  std::map<Link, Instant> pulled_;        // Images whose pull was recorded since the last sweep.
  TaskGroup tasks_;                       // Last, so that it ends first.
};

}  // namespace slipway::ecr
