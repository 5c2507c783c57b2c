// What must not go wrong: full disks, requests that race, callers who may not.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <boost/asio/detached.hpp>
#include <csignal>
#include <fstream>

#include "base/run.h"
#include "base/text.h"
#include "database/journal.h"
#include "ecr/api.h"
#include "ecr/worker.h"
namespace slipway::ecr {
namespace {
struct TextBody final : http::BodyReader {
  explicit TextBody(std::string t) : text(std::move(t)) {}
  std::string text;
  bool cut = false;
  Duration delay{};
  task<Result<std::string>> read_some() override {
    if (delay.count() > 0) co_await pause(delay);
    if (text.empty() && cut) co_return fail(Fault::invalid, "IncompleteBody", "cut");
    co_return std::exchange(text, {});
  }
};
struct Events final : Outbox {
  void publish(database::Transaction&, Event) override {}
};
struct OnlyApp final : Permissions {
  std::vector<std::string> asked;
  bool strict = false;
  Result<void> check_policy(const std::string&) override { return {}; }
  Result<void> allow(const wire::Caller&, const std::string& action, const std::string& resource,
                     const std::string&) override {
    asked.push_back(action);
    if (strict && !resource.ends_with("/app")) return fail(Fault::denied, "AccessDeniedException", "no");
    return {};
  }
};
struct FaultsTest : testing::Test {
  asio::io_context io{1};
  database::Database db{io.get_executor(), ":memory:"};
  host::Pool pool{2};
  host::SystemClock clock;
  host::SystemRandom random;
  Events events;
  OnlyApp perms;
  std::filesystem::path folder =
      std::filesystem::temp_directory_path() / ("slipway-ecr-faults-" + std::to_string(::getpid()));
  Registry registry{io.get_executor(), db, pool, clock, random, Place{}, folder, "localhost:4566", events, perms};
  std::string token;
  void SetUp() override {
    db.migrate(schema());
    db.migrate(database::journal_schema());
    registry.start();
    token = registry.token_for({.account = "000000000000", .administrator = true}, clock.now());
    auto make = [](database::Transaction& tx) {
      put_repository(tx, {.name = "app"});
      put_repository(tx, {.name = "secret"});
    };
    run(db.write(make), io);
  }
  void TearDown() override { std::filesystem::remove_all(folder); }
  task<http::Response> go(std::string method, std::string target, TextBody* body, http::Headers headers) {
    http::Request request{.method = method, .target = target, .headers = headers, .body = body, .peer = {}};
    request.headers.set("Authorization", "Basic " + base64_encode("AWS:" + token));
    co_return co_await registry.serve(request);
  }
  http::Response ask(std::string method, std::string target, std::string body = {}, http::Headers headers = {},
                     bool cut = false) {
    TextBody reader(std::move(body));
    reader.cut = cut;
    return run(go(method, target, &reader, headers), io);
  }
  std::string push_blob(const std::string& c, const std::string& repo = "app") {
    const std::string digest = digest_of(c).text;
    const auto begun = ask("POST", "/v2/" + repo + "/blobs/uploads/");
    EXPECT_EQ(ask("PUT", begun.headers.get("Location") + "?digest=" + digest, c).status, 201);
    return digest;
  }
  std::string manifest(const std::string& c, const std::string& extra = "") {
    return R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":")" +
           c + R"(","size":2},"layers":[])" + extra + "}";
  }
  http::Response put(const std::string& text, const std::string& ref,
                     const char* type = "application/vnd.oci.image.manifest.v1+json") {
    return ask("PUT", "/v2/app/manifests/" + ref, text, {{"Content-Type", type}});
  }
  std::string slurp(const http::Response& r) {
    std::ifstream f(r.file->path);
    return {std::istreambuf_iterator<char>(f), {}};
  }
  json::object call(const char* op, json::object in) {
    const auto api = service(registry);
    auto a = run(wire::call(api, op, in, {.place = {}, .now = clock.now()}), io);
    return a ? a->output : json::object{{"error", a.error().code}};
  }
};

TEST_F(FaultsTest, DiskFullThenResumeKeepsContentTrue) {
  const std::string all = random.bytes(900'000);
  const std::string loc = ask("POST", "/v2/app/blobs/uploads/").headers.get("Location");
  ::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  ::getrlimit(RLIMIT_FSIZE, &before);
  rlimit tight{.rlim_cur = 500'000, .rlim_max = before.rlim_max};
  ::setrlimit(RLIMIT_FSIZE, &tight);
  const auto full = ask("PATCH", loc, all);
  ::setrlimit(RLIMIT_FSIZE, &before);
  EXPECT_GE(full.status, 500) << full.body;
  const auto again = ask("PATCH", loc, all, {{"Content-Range", "0-899999"}});
  if (again.status == 202) {
    const std::string digest = digest_of(all).text;
    const auto done = ask("PUT", loc + "?digest=" + digest);
    if (done.status == 201) {
      EXPECT_TRUE(slurp(ask("GET", "/v2/app/blobs/" + digest)) == all)
          << "a blob whose content is not its digest was made visible";
    }
  }
}

TEST_F(FaultsTest, PatchDuringCommitCannotChangeABlob) {
  const std::string all = random.bytes(30'000'000);
  const std::string digest = digest_of(all).text;
  for (int i = 0; i < 8; ++i) {
    const std::string loc = ask("POST", "/v2/app/blobs/uploads/").headers.get("Location");
    ASSERT_EQ(ask("PATCH", loc, all).status, 202);
    TextBody late("EVIL");
    late.delay = Duration{1 + 3 * i};
    TextBody none("");
    int put_status = 0, patch_status = 0, left = 2;
    auto one = [](FaultsTest* p, std::string m, std::string t, TextBody* b, int* out, int* n) -> task<void> {
      auto r = co_await p->go(m, t, b, {});
      *out = r.status;
      --*n;
    };
    asio::co_spawn(io, one(this, "PUT", loc + "?digest=" + digest, &none, &put_status, &left), asio::detached);
    // The patch begins once the PUT has read its (empty) body.
    auto later = [](FaultsTest* p, std::string t, TextBody* b, int* out, int* n) -> task<void> {
      co_await pause(Duration{1});
      auto r = co_await p->go("PATCH", t, b, {});
      *out = r.status;
      --*n;
    };
    asio::co_spawn(io, later(this, loc, &late, &patch_status, &left), asio::detached);
    try {
      while (left > 0) run(pause(Duration{5}), io);
    } catch (const std::exception& e) {
      ADD_FAILURE() << e.what();
    }
    const auto got = ask("GET", "/v2/app/blobs/" + digest);
    ASSERT_TRUE(got.file);
    ASSERT_EQ(std::filesystem::file_size(got.file->path), all.size())
        << "the blob file was written to after its verification";
  }
}

TEST_F(FaultsTest, TwoPutsOfOneUpload) {
  const std::string all = random.bytes(3'000'000);
  const std::string loc = ask("POST", "/v2/app/blobs/uploads/").headers.get("Location");
  ASSERT_EQ(ask("PATCH", loc, all).status, 202);
  TextBody a(""), b("");
  int s1 = 0, s2 = 0, left = 2;
  std::string threw;
  auto one = [](FaultsTest* p, std::string t, TextBody* x, int* out, int* n, std::string* w) -> task<void> {
    try {
      auto r = co_await p->go("PUT", t, x, {});
      *out = r.status;
    } catch (const std::exception& e) {
      *w = e.what();
    }
    --*n;
  };
  asio::co_spawn(io, one(this, loc + "?digest=" + digest_of(all).text, &a, &s1, &left, &threw), asio::detached);
  asio::co_spawn(io, one(this, loc + "?digest=" + digest_of(all).text, &b, &s2, &left, &threw), asio::detached);
  while (left > 0) run(pause(Duration{5}), io);
  EXPECT_EQ(threw, "");
  EXPECT_EQ((s1 == 201) + (s2 == 201), 1);
  EXPECT_EQ(ask("HEAD", "/v2/app/blobs/" + digest_of(all).text).status, 200);
}

TEST_F(FaultsTest, MountNeedsTheRightToReadTheSource) {
  const std::string digest = push_blob("top secret", "secret");
  perms.strict = true;
  EXPECT_EQ(ask("GET", "/v2/secret/blobs/" + digest).status, 403);
  EXPECT_NE(ask("POST", "/v2/app/blobs/uploads/?mount=" + digest + "&from=secret").status, 201);
  EXPECT_NE(ask("GET", "/v2/app/blobs/" + digest).status, 200);
}

TEST_F(FaultsTest, ActionsAreThoseOfPoliciesForEcr) {
  const std::string d = push_blob("x");
  perms.asked.clear();
  ask("HEAD", "/v2/app/blobs/" + d);
  ask("GET", "/v2/app/blobs/" + d);
  ask("GET", "/v2/app/tags/list");
  const std::string loc = ask("POST", "/v2/app/blobs/uploads/").headers.get("Location");
  ask("GET", loc);
  ask("DELETE", loc);
  EXPECT_EQ(perms.asked, (std::vector<std::string>{"ecr:BatchCheckLayerAvailability", "ecr:GetDownloadUrlForLayer",
                                                   "ecr:ListImages", "ecr:InitiateLayerUpload",
                                                   "ecr:InitiateLayerUpload", "ecr:InitiateLayerUpload"}));
}

TEST_F(FaultsTest, TagAndDigestThatDifferDeleteNothing) {
  const auto one = put(manifest(push_blob("1")), "v1").headers.get("Docker-Content-Digest");
  const auto two = put(manifest(push_blob("2")), "v2").headers.get("Docker-Content-Digest");
  call("BatchDeleteImage",
       {{"repositoryName", "app"}, {"imageIds", json::array{json::object{{"imageTag", "v1"}, {"imageDigest", two}}}}});
  EXPECT_EQ(ask("GET", "/v2/app/manifests/v1").status, 200);
}

TEST_F(FaultsTest, ChildOfAnIndexCannotBeDeleted) {
  const auto child = put(manifest(push_blob("1")), "v1").headers.get("Docker-Content-Digest");
  const std::string index =
      R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","size":1,"digest":")" +
      child + "\"}]}";
  ASSERT_EQ(put(index, "multi", "application/vnd.oci.image.index.v1+json").status, 201);
  ask("DELETE", "/v2/app/manifests/" + child);
  EXPECT_EQ(ask("GET", "/v2/app/manifests/" + child).status, 200);
}

TEST_F(FaultsTest, CutUploadsDoNotFillTheRegistry) {
  int status = 0;
  for (int i = 0; i < 1001; ++i) {
    const auto r = ask("POST", "/v2/app/blobs/uploads/?digest=" + digest_of("x").text, "", {}, true);
    status = r.status;
    if (status != 400) break;
  }
  EXPECT_EQ(ask("POST", "/v2/app/blobs/uploads/").status, 202) << "after 1000 cut uploads, nobody can push: " << status;
}

TEST_F(FaultsTest, RepositoriesMayBeNamedLikeThePaths) {
  auto make = [](database::Transaction& tx) { put_repository(tx, {.name = "team/manifests/app"}); };
  run(db.write(make), io);
  EXPECT_EQ(ask("GET", "/v2/team/manifests/app/blobs/" + digest_of("x").text).body.find("NAME_UNKNOWN"),
            std::string::npos);
}

TEST_F(FaultsTest, IndexRefererHasNoEmptyArtifactType) {
  const auto s = put(manifest(push_blob("1")), "v1").headers.get("Docker-Content-Digest");
  const std::string index =
      R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[],"subject":{"mediaType":"application/vnd.oci.image.manifest.v1+json","size":1,"digest":")" +
      s + "\"}}";
  ASSERT_EQ(put(index, digest_of(index).text, "application/vnd.oci.image.index.v1+json").status, 201);
  EXPECT_EQ(ask("GET", "/v2/app/referrers/" + s).body.find("\"artifactType\":\"\""), std::string::npos);
}

TEST_F(FaultsTest, BadContentRangeIsRefused) {
  const std::string loc = ask("POST", "/v2/app/blobs/uploads/").headers.get("Location");
  EXPECT_NE(ask("PATCH", loc, "abc", {{"Content-Range", "junk"}}).status, 202);
}

TEST_F(FaultsTest, ChunkLengthMustMatchItsRange) {
  const std::string loc = ask("POST", "/v2/app/blobs/uploads/").headers.get("Location");
  EXPECT_NE(ask("PATCH", loc, "abc", {{"Content-Range", "0-99"}, {"Content-Length", "3"}}).status, 202);
}
}  // namespace
}  // namespace slipway::ecr
