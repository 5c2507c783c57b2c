#include "ecr/store.h"

#include <algorithm>

#include "ecr/manifest.h"

namespace slipway::ecr {
namespace {

Repository read_repository(const database::Row& row) {
  auto tags = parse_json(row.text(4));
  return {.name = row.text(0),
          .mutability = row.text(1),
          .scan_on_push = row.integer(2) != 0,
          .created_at = row.instant(3),
          .tags = tags && tags->is_object() ? tags->get_object() : json::object{}};
}

constexpr const char* kImageColumns =
    "repository, digest, media_type, artifact_type, subject, manifest, bytes, pushed_at";

Image read_image(const database::Row& row) {
  return {.repository = row.text(0),
          .digest = row.text(1),
          .media_type = row.text(2),
          .artifact_type = row.text(3),
          .subject = row.text(4),
          .manifest = row.text(5),
          .bytes = row.integer(6),
          .pushed_at = row.instant(7)};
}

std::vector<std::string> texts(const database::Rows& rows) {
  std::vector<std::string> out;
  for (const auto& row : rows) out.push_back(row.text(0));
  return out;
}

}  // namespace

database::Schema schema() {
  return {.room = "ecr",
          .statements = {"CREATE TABLE ecr_repositories (name TEXT PRIMARY KEY, mutability TEXT NOT NULL, scan_on_push "
                         "INTEGER NOT NULL, created_at INTEGER NOT NULL, tags TEXT NOT NULL)",
                         "CREATE TABLE ecr_images (repository TEXT NOT NULL, digest TEXT NOT NULL, media_type TEXT NOT "
                         "NULL, artifact_type TEXT NOT NULL, subject TEXT NOT NULL, "
                         "manifest TEXT NOT NULL, bytes INTEGER NOT NULL, pushed_at INTEGER NOT NULL, PRIMARY KEY "
                         "(repository, digest))",
                         "CREATE TABLE ecr_tags (repository TEXT NOT NULL, tag TEXT NOT NULL, digest TEXT NOT NULL, "
                         "PRIMARY KEY (repository, tag))",
                         "CREATE INDEX ecr_tags_of ON ecr_tags (repository, digest)",
                         "CREATE TABLE ecr_blobs (repository TEXT NOT NULL, digest TEXT NOT NULL, bytes INTEGER NOT "
                         "NULL, PRIMARY KEY (repository, digest))"}};
}

void put_repository(database::Transaction& tx, const Repository& r) {
  tx.execute(
      "INSERT OR REPLACE INTO ecr_repositories VALUES (?1, ?2, ?3, ?4, ?5)",
      {r.name, r.mutability, static_cast<long long>(r.scan_on_push), r.created_at.ms(), json::serialize(r.tags)});
}
std::optional<Repository> get_repository(database::Connection& db, const std::string& name) {
  const auto row = db.query_one(
      "SELECT name, mutability, scan_on_push, created_at, tags FROM ecr_repositories WHERE name = ?1", {name});
  if (!row) return std::nullopt;
  return read_repository(*row);
}
std::vector<Repository> list_repositories(database::Connection& db) {
  std::vector<Repository> all;
  for (const auto& row :
       db.query("SELECT name, mutability, scan_on_push, created_at, tags FROM ecr_repositories ORDER BY name"))
    all.push_back(read_repository(row));
  return all;
}
void erase_repository(database::Transaction& tx, const std::string& name) {
  for (const char* table : {"ecr_tags", "ecr_images", "ecr_blobs"})
    tx.execute(std::string("DELETE FROM ") + table + " WHERE repository = ?1", {name});
  tx.execute("DELETE FROM ecr_repositories WHERE name = ?1", {name});
}

void put_image(database::Transaction& tx, const Image& i) {
  tx.execute("INSERT OR REPLACE INTO ecr_images VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
             {i.repository, i.digest, i.media_type, i.artifact_type, i.subject, i.manifest, i.bytes, i.pushed_at.ms()});
}
std::optional<Image> get_image(database::Connection& db, const std::string& repository, const std::string& digest) {
  const auto row =
      db.query_one(std::string("SELECT ") + kImageColumns + " FROM ecr_images WHERE repository = ?1 AND digest = ?2",
                   {repository, digest});
  if (!row) return std::nullopt;
  return read_image(*row);
}
std::vector<Image> list_images(database::Connection& db, const std::string& repository) {
  std::vector<Image> all;
  for (const auto& row : db.query(
           std::string("SELECT ") + kImageColumns + " FROM ecr_images WHERE repository = ?1 ORDER BY pushed_at, digest",
           {repository}))
    all.push_back(read_image(row));
  return all;
}
std::vector<std::string> indexes_naming(database::Connection& db, const std::string& repository,
                                        const std::string& digest) {
  std::vector<std::string> out;
  // instr() leaves few to parse: most images are named by no index.
  const auto rows = db.query(
      "SELECT digest, manifest, media_type FROM ecr_images WHERE repository = ?1 AND digest <> ?2 AND instr(manifest, "
      "?2) > 0",
      {repository, digest});
  for (const auto& row : rows) {
    const auto manifest = parse_manifest(row.text(1), row.text(2));
    if (manifest && std::ranges::find(manifest->manifests, digest) != manifest->manifests.end())
      out.push_back(row.text(0));
  }
  return out;
}
void erase_image(database::Transaction& tx, const std::string& repository, const std::string& digest) {
  tx.execute("DELETE FROM ecr_tags WHERE repository = ?1 AND digest = ?2", {repository, digest});
  tx.execute("DELETE FROM ecr_images WHERE repository = ?1 AND digest = ?2", {repository, digest});
}

void put_tag(database::Transaction& tx, const std::string& repository, const std::string& tag,
             const std::string& digest) {
  tx.execute("INSERT OR REPLACE INTO ecr_tags VALUES (?1, ?2, ?3)", {repository, tag, digest});
}
std::optional<std::string> digest_of_tag(database::Connection& db, const std::string& repository,
                                         const std::string& tag) {
  const auto row = db.query_one("SELECT digest FROM ecr_tags WHERE repository = ?1 AND tag = ?2", {repository, tag});
  if (!row) return std::nullopt;
  return row->text(0);
}
std::vector<std::string> tags_of(database::Connection& db, const std::string& repository, const std::string& digest) {
  return texts(
      db.query("SELECT tag FROM ecr_tags WHERE repository = ?1 AND digest = ?2 ORDER BY tag", {repository, digest}));
}
std::vector<std::string> list_tags(database::Connection& db, const std::string& repository) {
  return texts(db.query("SELECT tag FROM ecr_tags WHERE repository = ?1 ORDER BY tag", {repository}));
}
bool erase_tag(database::Transaction& tx, const std::string& repository, const std::string& tag) {
  return tx.execute("DELETE FROM ecr_tags WHERE repository = ?1 AND tag = ?2", {repository, tag}) > 0;
}

void link_blob(database::Transaction& tx, const std::string& repository, const std::string& digest, long long bytes) {
  tx.execute("INSERT OR REPLACE INTO ecr_blobs VALUES (?1, ?2, ?3)", {repository, digest, bytes});
}
std::optional<long long> blob_bytes(database::Connection& db, const std::string& repository,
                                    const std::string& digest) {
  const auto row =
      db.query_one("SELECT bytes FROM ecr_blobs WHERE repository = ?1 AND digest = ?2", {repository, digest});
  if (!row) return std::nullopt;
  return row->integer(0);
}
std::vector<std::string> linked_blobs(database::Connection& db) {
  return texts(db.query("SELECT DISTINCT digest FROM ecr_blobs"));
}

}  // namespace slipway::ecr
