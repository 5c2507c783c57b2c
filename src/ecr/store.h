// The tables of ecr: repositories, images, tags, and which blobs a repository holds.  Blobs themselves are files.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "database/database.h"

namespace slipway::ecr {

database::Schema schema();

struct Repository {
  std::string name;
  std::string mutability = "MUTABLE";  // Or IMMUTABLE.
  bool scan_on_push = false;
  Instant created_at{};
  json::object tags;
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
};
void put_image(database::Transaction& tx, const Image& image);
std::optional<Image> get_image(database::Connection& db, const std::string& repository, const std::string& digest);
std::vector<Image> list_images(database::Connection& db, const std::string& repository);  // By time of push.
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

}  // namespace slipway::ecr
