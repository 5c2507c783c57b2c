#include "ecr/store.h"

#include "base/text.h"

namespace slipway::ecr {
namespace {

constexpr const char* kRepositoryColumns =
    "name, mutability, scan_on_push, created_at, tags, exclusions, policy, lifecycle, lifecycle_run_at";

Repository read_repository(const database::Row& row) {
  auto tags = parse_json(row.text(4));
  return {.name = row.text(0),
          .mutability = row.text(1),
          .exclusions = row.text(5).empty() ? std::vector<std::string>{} : split(row.text(5), ' '),
          .scan_on_push = row.integer(2) != 0,
          .created_at = row.instant(3),
          .tags = tags && tags->is_object() ? tags->get_object() : json::object{},
          .policy = row.text(6),
          .lifecycle = row.text(7),
          .lifecycle_run_at = row.instant(8)};
}

constexpr const char* kImageColumns =
    "repository, digest, media_type, artifact_type, subject, manifest, bytes, pushed_at, pulled_at";

Image read_image(const database::Row& row) {
  return {.repository = row.text(0),
          .digest = row.text(1),
          .media_type = row.text(2),
          .artifact_type = row.text(3),
          .subject = row.text(4),
          .manifest = row.text(5),
          .bytes = row.integer(6),
          .pushed_at = row.instant(7),
          .pulled_at = row.instant(8)};
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
                         "NULL, PRIMARY KEY (repository, digest))",
                         "ALTER TABLE ecr_images ADD COLUMN pulled_at INTEGER NOT NULL DEFAULT 0",
                         "CREATE INDEX ecr_images_of_subject ON ecr_images (repository, subject)",
                         "CREATE TABLE ecr_references (repository TEXT NOT NULL, digest TEXT NOT NULL, target TEXT NOT "
                         "NULL, PRIMARY KEY (repository, digest, target)) WITHOUT ROWID",
                         "CREATE INDEX ecr_references_to ON ecr_references (repository, target)",
                         // Images that were pushed before this table was.
                         "INSERT OR IGNORE INTO ecr_references SELECT repository, digest, json_extract(manifest, "
                         "'$.config.digest') FROM ecr_images WHERE json_extract(manifest, '$.config.digest') IS NOT "
                         "NULL",
                         "INSERT OR IGNORE INTO ecr_references SELECT i.repository, i.digest, json_extract(e.value, "
                         "'$.digest') FROM ecr_images i, json_each(i.manifest, '$.layers') e",
                         "INSERT OR IGNORE INTO ecr_references SELECT i.repository, i.digest, json_extract(e.value, "
                         "'$.digest') FROM ecr_images i, json_each(i.manifest, '$.manifests') e",
                         "ALTER TABLE ecr_repositories ADD COLUMN exclusions TEXT NOT NULL DEFAULT ''",
                         "ALTER TABLE ecr_repositories ADD COLUMN policy TEXT NOT NULL DEFAULT ''",
                         "ALTER TABLE ecr_repositories ADD COLUMN lifecycle TEXT NOT NULL DEFAULT ''",
                         "ALTER TABLE ecr_repositories ADD COLUMN lifecycle_run_at INTEGER NOT NULL DEFAULT 0"}};
}

void put_repository(database::Transaction& tx, const Repository& r) {
  tx.execute("INSERT OR REPLACE INTO ecr_repositories VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
             {r.name, r.mutability, static_cast<long long>(r.scan_on_push), r.created_at.ms(), json::serialize(r.tags),
              join(r.exclusions, " "), r.policy, r.lifecycle, r.lifecycle_run_at.ms()});
}
std::optional<Repository> get_repository(database::Connection& db, const std::string& name) {
  const auto row =
      db.query_one(std::string("SELECT ") + kRepositoryColumns + " FROM ecr_repositories WHERE name = ?1", {name});
  if (!row) return std::nullopt;
  return read_repository(*row);
}
std::vector<Repository> list_repositories(database::Connection& db) {
  std::vector<Repository> all;
  for (const auto& row : db.query(std::string("SELECT ") + kRepositoryColumns + " FROM ecr_repositories ORDER BY name"))
    all.push_back(read_repository(row));
  return all;
}
void erase_repository(database::Transaction& tx, const std::string& name) {
  for (const char* table : {"ecr_tags", "ecr_images", "ecr_references", "ecr_blobs"})
    tx.execute(std::string("DELETE FROM ") + table + " WHERE repository = ?1", {name});
  tx.execute("DELETE FROM ecr_repositories WHERE name = ?1", {name});
}

void put_image(database::Transaction& tx, const Image& i, const std::vector<std::string>& references) {
  tx.execute("INSERT OR REPLACE INTO ecr_images VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
             {i.repository, i.digest, i.media_type, i.artifact_type, i.subject, i.manifest, i.bytes, i.pushed_at.ms(),
              i.pulled_at.ms()});
  for (const std::string& target : references)
    tx.execute("INSERT OR IGNORE INTO ecr_references VALUES (?1, ?2, ?3)", {i.repository, i.digest, target});
}
void put_pulled_at(database::Transaction& tx, const std::string& repository, const std::string& digest, Instant at) {
  tx.execute("UPDATE ecr_images SET pulled_at = ?3 WHERE repository = ?1 AND digest = ?2",
             {repository, digest, at.ms()});
}
std::optional<Image> get_image(database::Connection& db, const std::string& repository, const std::string& digest) {
  const auto row =
      db.query_one(std::string("SELECT ") + kImageColumns + " FROM ecr_images WHERE repository = ?1 AND digest = ?2",
                   {repository, digest});
  if (!row) return std::nullopt;
  return read_image(*row);
}
bool has_image(database::Connection& db, const std::string& repository, const std::string& digest) {
  return db.query_one("SELECT 1 FROM ecr_images WHERE repository = ?1 AND digest = ?2", {repository, digest})
      .has_value();
}
std::vector<Image> list_images(database::Connection& db, const std::string& repository) {
  std::vector<Image> all;
  for (const auto& row : db.query(
           std::string("SELECT ") + kImageColumns + " FROM ecr_images WHERE repository = ?1 ORDER BY pushed_at, digest",
           {repository}))
    all.push_back(read_image(row));
  return all;
}
bool has_images(database::Connection& db, const std::string& repository) {
  return db.query_one("SELECT 1 FROM ecr_images WHERE repository = ?1 LIMIT 1", {repository}).has_value();
}
std::vector<Image> list_referrers(database::Connection& db, const std::string& repository, const std::string& subject) {
  std::vector<Image> all;
  for (const auto& row : db.query(std::string("SELECT ") + kImageColumns +
                                      " FROM ecr_images WHERE repository = ?1 AND subject = ?2 ORDER BY digest",
                                  {repository, subject}))
    all.push_back(read_image(row));
  return all;
}
std::vector<std::string> indexes_naming(database::Connection& db, const std::string& repository,
                                        const std::string& digest) {
  return texts(db.query("SELECT digest FROM ecr_references WHERE repository = ?1 AND target = ?2 AND digest <> ?2",
                        {repository, digest}));
}
void erase_image(database::Transaction& tx, const std::string& repository, const std::string& digest) {
  tx.execute("DELETE FROM ecr_tags WHERE repository = ?1 AND digest = ?2", {repository, digest});
  tx.execute("DELETE FROM ecr_references WHERE repository = ?1 AND digest = ?2", {repository, digest});
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
std::vector<LifecycleImage> lifecycle_images(database::Connection& db, const std::string& repository) {
  std::vector<LifecycleImage> all;
  for (const auto& row : db.query("SELECT digest, pushed_at, pulled_at FROM ecr_images i WHERE repository = ?1 AND NOT "
                                  "EXISTS (SELECT 1 FROM ecr_references r WHERE r.repository = i.repository AND "
                                  "r.target = i.digest)",
                                  {repository}))
    all.push_back({.digest = row.text(0),
                   .tags = tags_of(db, repository, row.text(0)),
                   .pushed_at = row.instant(1),
                   .pulled_at = row.instant(2)});
  return all;
}
std::vector<Link> unused_links(database::Connection& db) {
  std::vector<Link> all;
  for (const auto& row : db.query("SELECT repository, digest FROM ecr_blobs b WHERE NOT EXISTS (SELECT 1 FROM "
                                  "ecr_references r WHERE r.repository = b.repository AND r.target = b.digest)"))
    all.push_back({.repository = row.text(0), .digest = row.text(1)});
  return all;
}
void erase_unused_link(database::Transaction& tx, const Link& link) {
  tx.execute(
      "DELETE FROM ecr_blobs WHERE repository = ?1 AND digest = ?2 AND NOT EXISTS (SELECT 1 FROM "
      "ecr_references WHERE repository = ?1 AND target = ?2)",
      {link.repository, link.digest});
}

}  // namespace slipway::ecr
