#include <gtest/gtest.h>
#include <unistd.h>

#include "base/run.h"
#include "base/text.h"
#include "database/journal.h"
#include "ecr/api.h"

namespace slipway::ecr {
namespace {

TEST(Manifest, ReadsTargets) {
  const auto target = parse_target("/v2/team/app/manifests/latest");
  EXPECT_EQ(target->repository, "team/app");
  EXPECT_EQ(target->reference, "latest");
  EXPECT_EQ(parse_target("/v2/a/blobs/uploads/")->kind, "uploads");
  EXPECT_EQ(parse_target("/v2/a/tags/list")->kind, "tags");
  EXPECT_FALSE(parse_target("/v2/nothing"));
}

TEST(Manifest, RangesAreClampedOrRefused) {
  EXPECT_EQ(parse_range("bytes=0-99", 10).count, 10U);
  EXPECT_EQ(parse_range("bytes=-3", 10).first, 7U);
  EXPECT_EQ(parse_range("bytes=5-", 10).count, 5U);
  for (const char* beyond : {"bytes=10-", "bytes=5-3", "bytes=-0"})
    EXPECT_EQ(parse_range(beyond, 10).kind, ByteRange::Kind::unsatisfiable) << beyond;
  EXPECT_EQ(parse_range("bytes=0-", 0).kind, ByteRange::Kind::unsatisfiable);
}

TEST(Manifest, RangesThatAreNotOneOfBytesAreIgnored) {
  for (const char* other : {"", "x", "lines=0-4", "bytes=0-1,3-4", "bytes=-", "bytes=a-b", "bytes=4"})
    EXPECT_EQ(parse_range(other, 10).kind, ByteRange::Kind::whole) << other;
}

TEST(Manifest, OneTextIsNotAnImageAndAnIndex) {
  const std::string d = digest_of("x").text;
  const std::string config = R"("config":{"mediaType":"m","digest":")" + d + R"(","size":1})";
  const auto parse = [](const std::string& members, const std::string& type) {
    return parse_manifest(R"({"schemaVersion":2,)" + members + "}", "application/vnd." + type + "+json").has_value();
  };
  EXPECT_TRUE(parse(config + R"(,"layers":[])", "oci.image.manifest.v1"));
  EXPECT_TRUE(parse(R"("manifests":[])", "docker.distribution.manifest.list.v2"));
  EXPECT_FALSE(parse(config + R"(,"manifests":[])", "oci.image.manifest.v1"));
  EXPECT_FALSE(parse(config + R"(,"manifests":[])", "oci.image.index.v1"));
  EXPECT_FALSE(parse(config, "oci.image.index.v1"));
  EXPECT_FALSE(parse(config + R"(,"layers":{})", "oci.image.manifest.v1"));
  EXPECT_FALSE(parse(config + R"(,"layers":["x"])", "oci.image.manifest.v1"));
  EXPECT_FALSE(parse(config + R"(,"subject":"x")", "oci.image.manifest.v1"));
  EXPECT_FALSE(parse(config, "oci.unheard.of"));
}

TEST(Manifest, TheContentTypeMayHaveParameters) {
  const std::string text =
      R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]})";
  EXPECT_TRUE(parse_manifest(text, "application/vnd.oci.image.index.v1+json; charset=utf-8"));
  EXPECT_FALSE(parse_manifest(text, "application/vnd.oci.image.manifest.v1+json"));
}

TEST(Manifest, NamesAndTagsAreChecked) {
  EXPECT_TRUE(valid_repository("team/where-car_backend.v2"));
  EXPECT_TRUE(valid_repository("a__b/c--d"));
  EXPECT_FALSE(valid_repository("Team"));
  for (const char* bad : {"a//b", "a", "/ab", "ab/", "a..b", "a___b", "a-.b", "ab-", "-ab", "a/-b", "a b"})
    EXPECT_FALSE(valid_repository(bad)) << bad;
  EXPECT_FALSE(valid_repository("../etc"));
  EXPECT_TRUE(valid_tag("v1.2_x-Y"));
  EXPECT_FALSE(valid_tag("-x"));
  EXPECT_FALSE(valid_tag("a/b"));
}

class TextBody final : public http::BodyReader {
 public:
  explicit TextBody(std::string text, bool breaks_off = false) : text_(std::move(text)), breaks_off_(breaks_off) {}
  task<Result<std::string>> read_some() override {
    if (text_.empty() && breaks_off_) co_return fail(Fault::invalid, "IncompleteBody", "cut");
    co_return std::exchange(text_, {});
  }

 private:
  std::string text_;
  bool breaks_off_;
};

struct Events final : Outbox {
  std::vector<std::string> seen;
  void publish(database::Transaction&, Event event) override {
    seen.push_back(get_string(event.detail, "action-type") + " " + get_string(event.detail, "repository-name") + ":" +
                   get_string(event.detail, "image-tag"));
  }
};
struct Everything final : Permissions {
  Result<void> allow(const wire::Caller&, const std::string&, const std::string&, const std::string&) override {
    return {};
  }
  Result<void> check_policy(const std::string&) override { return {}; }
};

class RegistryTest : public testing::Test {
 protected:
  asio::io_context io{1};
  database::Database db{io.get_executor(), ":memory:"};
  host::Pool pool{1};
  host::SystemClock clock;
  host::SystemRandom random;
  Events events;
  Everything everything;
  std::filesystem::path folder =
      std::filesystem::temp_directory_path() / ("slipway-ecr-test-" + std::to_string(::getpid()));
  std::optional<Registry> registry;

  // A kill leaves the database and the folder, and nothing else.
  void restart() {
    registry.emplace(io.get_executor(), db, pool, clock, random, Place{}, folder, "localhost:4566", events, everything);
    registry->start();
  }
  std::string token;

  void SetUp() override {
    db.migrate(schema());
    db.migrate(database::journal_schema());
    restart();
    token = registry->token_for({.account = "000000000000", .administrator = true}, clock.now());
    auto make = [](database::Transaction& tx) { put_repository(tx, {.name = "app"}); };
    run(db.write(make), io);
  }
  void TearDown() override { std::filesystem::remove_all(folder); }

  http::Response ask(std::string method, std::string target, std::string body = {}, http::Headers headers = {},
                     bool breaks_off = false) {
    TextBody reader(std::move(body), breaks_off);
    http::Request request{.method = std::move(method),
                          .target = std::move(target),
                          .headers = std::move(headers),
                          .body = &reader,
                          .peer = {}};
    if (!request.headers.find("Authorization"))
      request.headers.set("Authorization", "Basic " + base64_encode("AWS:" + token));
    return run(registry->serve(request), io);
  }
  std::string push_blob(const std::string& content) {
    const std::string digest = digest_of(content).text;
    const auto begun = ask("POST", "/v2/app/blobs/uploads/");
    EXPECT_EQ(begun.status, 202);
    EXPECT_EQ(ask("PUT", begun.headers.get("Location") + "?digest=" + digest, content).status, 201);
    return digest;
  }
  std::string manifest(const std::string& config) {
    return R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":")" +
           config + R"(","size":2},"layers":[]})";
  }
  http::Response push_manifest(const std::string& text, const std::string& reference) {
    return ask("PUT", "/v2/app/manifests/" + reference, text,
               {{"Content-Type", "application/vnd.oci.image.manifest.v1+json"}});
  }
};

TEST_F(RegistryTest, ChallengesAsEcrDoes) {
  const auto anonymous = ask("GET", "/v2/", "", {{"Authorization", "none"}});
  EXPECT_EQ(anonymous.status, 401);
  EXPECT_EQ(anonymous.headers.get("Www-Authenticate"),
            R"(Basic realm="http://localhost:4566/",service="ecr.amazonaws.com")");
  EXPECT_EQ(ask("GET", "/v2/").status, 200);
  EXPECT_EQ(ask("GET", "/v2/", "", {{"Authorization", "Basic " + base64_encode("AWS:" + token + "0")}}).status, 401);
}

TEST_F(RegistryTest, ATokenThatExpiredIsDenied) {
  token = registry->token_for({.account = "000000000000"}, clock.now() - std::chrono::hours(13));
  const auto denied = ask("GET", "/v2/");
  EXPECT_EQ(denied.status, 403);
  EXPECT_NE(denied.body.find("expired"), std::string::npos);
}

TEST_F(RegistryTest, AnImageIsPushedAndPulledByTagAndDigest) {
  const std::string config = push_blob("{}");
  const auto pushed = push_manifest(manifest(config), "latest");
  ASSERT_EQ(pushed.status, 201);
  EXPECT_EQ(ask("GET", "/v2/app/manifests/latest").body, manifest(config));
  EXPECT_EQ(ask("GET", "/v2/app/manifests/" + pushed.headers.get("Docker-Content-Digest")).status, 200);
  EXPECT_EQ(ask("GET", "/v2/app/blobs/" + config).file->size, 2U);
  EXPECT_EQ(events.seen, std::vector<std::string>{"PUSH app:latest"});
}

TEST_F(RegistryTest, OnlyAPushThatChangesSomethingMakesAnEvent) {
  const std::string text = manifest(push_blob("{}"));
  push_manifest(text, "v1");
  push_manifest(text, "v1");
  push_manifest(text, "latest");
  push_manifest(text, digest_of(text).text);
  EXPECT_EQ(events.seen, (std::vector<std::string>{"PUSH app:v1", "PUSH app:latest"}));
}

TEST_F(RegistryTest, AWrongDigestStoresNothing) {
  const std::string other = digest_of("other").text;
  const auto begun = ask("POST", "/v2/app/blobs/uploads/");
  const auto refused = ask("PUT", begun.headers.get("Location") + "?digest=" + other, "content");
  EXPECT_EQ(refused.status, 400);
  EXPECT_NE(refused.body.find("DIGEST_INVALID"), std::string::npos);
  EXPECT_EQ(ask("HEAD", "/v2/app/blobs/" + other).status, 404);
  EXPECT_TRUE(std::filesystem::is_empty(folder / "uploads"));
}

TEST_F(RegistryTest, ACutUploadIsNotVisible) {
  const auto begun = ask("POST", "/v2/app/blobs/uploads/");
  EXPECT_EQ(ask("PATCH", begun.headers.get("Location"), "part", {}, true).status, 400);
  EXPECT_EQ(ask("HEAD", "/v2/app/blobs/" + digest_of("part").text).status, 404);
}

TEST_F(RegistryTest, ChunksComeInOrderOrAreRefused) {
  const auto begun = ask("POST", "/v2/app/blobs/uploads/");
  const std::string location = begun.headers.get("Location");
  EXPECT_EQ(ask("PATCH", location, "abc", {{"Content-Range", "0-2"}}).headers.get("Range"), "0-2");
  EXPECT_EQ(ask("PATCH", location, "xyz", {{"Content-Range", "7-9"}}).status, 416);
  EXPECT_EQ(ask("GET", location).headers.get("Range"), "0-2");
  EXPECT_EQ(ask("PUT", location + "?digest=" + digest_of("abcdef").text, "def").status, 201);
}

TEST_F(RegistryTest, AManifestThatNamesAMissingBlobIsRefused) {
  const auto refused = push_manifest(manifest(digest_of("nowhere").text), "latest");
  EXPECT_EQ(refused.status, 404);
  EXPECT_NE(refused.body.find("MANIFEST_BLOB_UNKNOWN"), std::string::npos);
  EXPECT_NE(refused.body.find("do not exist: push it first"), std::string::npos) << refused.body;
  EXPECT_EQ(ask("GET", "/v2/app/manifests/latest").status, 404);
  EXPECT_TRUE(events.seen.empty());
}

TEST_F(RegistryTest, AnUnknownRepositorySaysWhatToDo) {
  const auto missing = ask("POST", "/v2/other/blobs/uploads/");
  EXPECT_EQ(missing.status, 404);
  EXPECT_NE(missing.body.find("slipway aws ecr create-repository --repository-name other"), std::string::npos);
}

TEST_F(RegistryTest, MountsFromAnotherRepositoryAndServesRanges) {
  auto make = [](database::Transaction& tx) { put_repository(tx, {.name = "other"}); };
  run(db.write(make), io);
  const std::string digest = push_blob("0123456789");
  EXPECT_EQ(ask("POST", "/v2/other/blobs/uploads/?mount=" + digest + "&from=app").status, 201);
  const auto part = ask("GET", "/v2/other/blobs/" + digest, "", {{"Range", "bytes=2-4"}});
  EXPECT_EQ(part.status, 206);
  EXPECT_EQ(part.headers.get("Content-Range"), "bytes 2-4/10");
  EXPECT_EQ(ask("GET", "/v2/other/blobs/" + digest, "", {{"Range", "bytes=10-"}}).status, 416);
}

TEST_F(RegistryTest, DeletingTheLastTagDeletesTheImageAndSaysSo) {
  push_manifest(manifest(push_blob("{}")), "latest");
  EXPECT_EQ(ask("DELETE", "/v2/app/manifests/latest").status, 202);
  EXPECT_EQ(ask("GET", "/v2/app/manifests/latest").status, 404);
  EXPECT_EQ(events.seen.back(), "DELETE app:latest");
}

TEST_F(RegistryTest, FilesWithoutARowAreSweptAway) {
  const std::string kept = push_blob("kept");
  const auto stray = folder / "blobs/sha256/aa" / std::string(64, 'a');
  std::filesystem::create_directories(stray.parent_path());
  ASSERT_TRUE(host::write_file_durably(stray, "x"));
  run(registry->sweep(clock.now()), io);
  EXPECT_FALSE(std::filesystem::exists(stray));
  EXPECT_EQ(ask("HEAD", "/v2/app/blobs/" + kept).status, 200);
}

TEST_F(RegistryTest, BlobsOfADeletedImageGoAnHourLater) {
  const std::string shared = push_blob("shared");
  const std::string own = push_blob("own");
  push_manifest(manifest(shared), "stays");
  push_manifest(manifest(own), "goes");
  ask("DELETE", "/v2/app/manifests/goes");
  const Instant now = clock.now();
  run(registry->sweep(now), io);
  run(registry->sweep(now + std::chrono::minutes(59)), io);
  EXPECT_EQ(ask("HEAD", "/v2/app/blobs/" + own).status, 200);  // Asked for: it may be pushed again.
  run(registry->sweep(now + std::chrono::minutes(59)), io);
  EXPECT_EQ(ask("HEAD", "/v2/app/blobs/" + own).status, 200);
  run(registry->sweep(now + std::chrono::hours(2)), io);
  EXPECT_EQ(ask("HEAD", "/v2/app/blobs/" + own).status, 404);
  EXPECT_EQ(ask("HEAD", "/v2/app/blobs/" + shared).status, 200);
  EXPECT_TRUE(std::filesystem::is_empty(folder / "trash"));
}

TEST_F(RegistryTest, ABlobWhoseFileIsGoneIsAskedForAgain) {
  const std::string digest = push_blob("lost");
  std::filesystem::remove_all(folder / "blobs/sha256");
  std::filesystem::create_directories(folder / "blobs/sha256");
  EXPECT_EQ(ask("HEAD", "/v2/app/blobs/" + digest).status, 404);
}

TEST_F(RegistryTest, AnUploadGoesOnAfterARestart) {
  const std::string location = ask("POST", "/v2/app/blobs/uploads/").headers.get("Location");
  EXPECT_EQ(ask("PATCH", location, "abc").status, 202);
  const std::string empty = ask("POST", "/v2/app/blobs/uploads/").headers.get("Location");
  restart();
  EXPECT_EQ(ask("GET", location).headers.get("Range"), "0-2");
  EXPECT_EQ(ask("PATCH", location, "def", {{"Content-Range", "3-5"}}).headers.get("Range"), "0-5");
  restart();
  EXPECT_EQ(ask("PUT", location + "?digest=" + digest_of("abcdef").text).status, 201);
  EXPECT_EQ(ask("PUT", empty + "?digest=" + digest_of("x").text, "x").status, 201);
}

TEST_F(RegistryTest, AnUploadBelongsToItsRepositoryAlsoAfterARestart) {
  auto make = [](database::Transaction& tx) { put_repository(tx, {.name = "other"}); };
  run(db.write(make), io);
  const std::string location = ask("POST", "/v2/app/blobs/uploads/").headers.get("Location");
  restart();
  const std::string elsewhere = "/v2/other/" + location.substr(std::string("/v2/app/").size());
  EXPECT_EQ(ask("PATCH", elsewhere, "abc").status, 404);
}

TEST_F(RegistryTest, AnUploadThatNobodyGoesOnWithIsDroppedAfterADay) {
  const std::string location = ask("POST", "/v2/app/blobs/uploads/").headers.get("Location");
  run(registry->sweep(clock.now() + std::chrono::hours(23)), io);
  EXPECT_EQ(ask("GET", location).status, 204);
  run(registry->sweep(clock.now() + std::chrono::hours(25)), io);
  EXPECT_EQ(ask("GET", location).status, 404);
  EXPECT_TRUE(std::filesystem::is_empty(folder / "uploads"));
}

TEST_F(RegistryTest, TheLastChunkOutOfOrderSaysWhereToGoOn) {
  const std::string location = ask("POST", "/v2/app/blobs/uploads/").headers.get("Location");
  ask("PATCH", location, "abc");
  const auto refused = ask("PUT", location + "?digest=" + digest_of("abcdef").text, "def", {{"Content-Range", "4-6"}});
  EXPECT_EQ(refused.status, 416);
  EXPECT_EQ(refused.headers.get("Range"), "0-2");
}

TEST_F(RegistryTest, TagsAreListedInPages) {
  const std::string text = manifest(push_blob("{}"));
  for (const char* tag : {"a", "b", "c"}) push_manifest(text, tag);
  const auto first = ask("GET", "/v2/app/tags/list?n=2");
  EXPECT_EQ(first.body, "{\"name\":\"app\",\"tags\":[\"a\",\"b\"]}\n");
  EXPECT_EQ(first.headers.get("Link"), "</v2/app/tags/list?n=2&last=b>; rel=\"next\"");
  EXPECT_EQ(ask("GET", "/v2/app/tags/list?n=2&last=b").body, "{\"name\":\"app\",\"tags\":[\"c\"]}\n");
  for (const char* bad : {"x", "-1", "1001", "2x", ""})
    EXPECT_EQ(ask("GET", std::string("/v2/app/tags/list?n=") + bad).status, 400) << bad;
}

TEST_F(RegistryTest, TheCatalogListsRepositoriesInPages) {
  auto make = [](database::Transaction& tx) { put_repository(tx, {.name = "team/other"}); };
  run(db.write(make), io);
  const auto first = ask("GET", "/v2/_catalog?n=1");
  EXPECT_EQ(first.body, "{\"repositories\":[\"app\"]}\n");
  EXPECT_EQ(first.headers.get("Link"), "</v2/_catalog?n=1&last=app>; rel=\"next\"");
  EXPECT_EQ(ask("GET", "/v2/_catalog?n=1&last=app").body, "{\"repositories\":[\"team/other\"]}\n");
}

TEST_F(RegistryTest, APullIsRecordedAndALookIsNot) {
  push_manifest(manifest(push_blob("{}")), "latest");
  const auto pulled_at = [&] { return list_images(db.read(), "app").front().pulled_at; };
  ask("HEAD", "/v2/app/manifests/latest");
  run(pause(Duration{20}), io);
  EXPECT_EQ(pulled_at(), Instant{});
  ask("GET", "/v2/app/manifests/latest");
  run(pause(Duration{20}), io);
  EXPECT_GT(pulled_at(), Instant{});
}

}  // namespace
}  // namespace slipway::ecr
