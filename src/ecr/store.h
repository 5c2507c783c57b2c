// The tables of ecr: repositories, images with what they refer to, tags, and which blobs a repository holds.  Blobs
// themselves are files.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "database/database.h"
#include "ecr/lifecycle.h"

namespace slipway::ecr {

database::Schema schema();

struct Repository {
  std::string name;
  std::string mutability = "MUTABLE";   // Or IMMUTABLE, or either with "_WITH_EXCLUSION".
  std::vector<std::string> exclusions;  // Tags, with '*', that are the other way round.
  bool scan_on_push = false;            // Kept for the tools that ask; nothing is scanned.
  Instant created_at{};
  json::object tags;
  std::string policy;          // Its text; empty for none.
  std::string lifecycle;       // The same.
  Instant lifecycle_run_at{};  // When `lifecycle` was last evaluated; zero for never.
};
void put_repository(database::Transaction& tx, const Repository& repository);
std::optional<Repository> get_repository(database::Connection& db, const std::string& name);
std::vector<Repository> list_repositories(database::Connection& db);
void erase_repository(database::Transaction& tx, const std::string& name);  // With its images, tags and blob links.

struct Image {
  std::string repository;
  std::string digest;
  std::string media_type;
  std::string artifact_type;
  std::string subject;
  std::string manifest;  // The exact bytes.
  long long bytes = 0;   // Of config and layers.
  Instant pushed_at{};
  Instant pulled_at{};  // The last pull that was recorded; zero for none.
};
// `references`: digests of the blobs and manifests that it names.
void put_image(database::Transaction& tx, const Image& image, const std::vector<std::string>& references);
void put_pulled_at(database::Transaction& tx, const std::string& repository, const std::string& digest, Instant at);
std::optional<Image> get_image(database::Connection& db, const std::string& repository, const std::string& digest);
bool has_image(database::Connection& db, const std::string& repository, const std::string& digest);
std::vector<Image> list_images(database::Connection& db, const std::string& repository);  // By time of push.
bool has_images(database::Connection& db, const std::string& repository);
std::vector<Image> list_referrers(database::Connection& db, const std::string& repository, const std::string& subject);
// Digests of the indexes in the repository that name `digest` as a child.
std::vector<std::string> indexes_naming(database::Connection& db, const std::string& repository,
                                        const std::string& digest);
void erase_image(database::Transaction& tx, const std::string& repository,
                 const std::string& digest);  // With its tags.

void put_tag(database::Transaction& tx, const std::string& repository, const std::string& tag,
             const std::string& digest);
std::optional<std::string> digest_of_tag(database::Connection& db, const std::string& repository,
                                         const std::string& tag);
std::vector<std::string> tags_of(database::Connection& db, const std::string& repository,
                                 const std::string& digest);                                  // Sorted.
std::vector<std::string> list_tags(database::Connection& db, const std::string& repository);  // Sorted.
bool erase_tag(database::Transaction& tx, const std::string& repository, const std::string& tag);

void link_blob(database::Transaction& tx, const std::string& repository, const std::string& digest, long long bytes);
std::optional<long long> blob_bytes(database::Connection& db, const std::string& repository, const std::string& digest);
std::vector<std::string> linked_blobs(database::Connection& db);  // Of every repository.
// What lifecycle rules see of the images that no index names.
std::vector<LifecycleImage> lifecycle_images(database::Connection& db, const std::string& repository);
// A blob that no image of its repository names.
struct Link {
  std::string repository;
  std::string digest;
  auto operator<=>(const Link&) const = default;
};
std::vector<Link> unused_links(database::Connection& db);
void erase_unused_link(database::Transaction& tx, const Link& link);  // Unless an image names it by now.

}  // namespace slipway::ecr
