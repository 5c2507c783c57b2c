// The ECR API as its clients see it.
#include "ecr/api.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "base/run.h"
#include "base/text.h"
#include "database/journal.h"

namespace slipway::ecr {
namespace {

struct TextBody final : http::BodyReader {
  explicit TextBody(std::string t) : text(std::move(t)) {}
  std::string text;
  task<Result<std::string>> read_some() override { co_return std::exchange(text, {}); }
};
struct Events final : Outbox {
  std::vector<json::object> seen;
  void publish(database::Transaction&, Event event) override { seen.push_back(event.detail); }
};
struct Everything final : Permissions {
  Result<void> allow(const wire::Caller&, const std::string&, const std::string&, const std::string&) override {
    return {};
  }
  Result<void> check_policy(const std::string& policy) override {
    return parse_json(policy) ? Result<void>{} : fail(Fault::invalid, "MalformedPolicyDocument", "not JSON");
  }
};

constexpr const char* kOciManifest = "application/vnd.oci.image.manifest.v1+json";
constexpr const char* kOciIndex = "application/vnd.oci.image.index.v1+json";

class ApiTest : public testing::Test {
 protected:
  asio::io_context io{1};
  database::Database db{io.get_executor(), ":memory:"};
  host::Pool pool{1};
  host::SystemClock clock;
  host::SystemRandom random;
  Events events;
  Everything everything;
  std::filesystem::path folder =
      std::filesystem::temp_directory_path() / ("slipway-ecr-api-" + std::to_string(::getpid()));
  Registry registry{io.get_executor(), db, pool, clock, random, Place{}, folder, "localhost:4566", events, everything};
  wire::Service api = service(registry);

  void SetUp() override {
    db.migrate(schema());
    db.migrate(database::journal_schema());
    registry.start();
    ok("CreateRepository", {{"repositoryName", "app"}});
  }
  void TearDown() override { std::filesystem::remove_all(folder); }

  Result<wire::Answer> call(const std::string& operation, json::object input) {
    return run(wire::call(api, operation, std::move(input), {.place = Place{}, .now = clock.now()}), io);
  }
  json::object ok(const std::string& operation, json::object input) {
    auto answer = call(operation, std::move(input));
    EXPECT_TRUE(answer) << operation << ": " << answer.error().message;
    return answer ? answer->output : json::object{};
  }
  std::string error(const std::string& operation, json::object input) {
    const auto answer = call(operation, std::move(input));
    return answer ? "none" : answer.error().code;
  }
  std::string layer(const std::string& content) {
    const std::string upload = get_string(ok("InitiateLayerUpload", {{"repositoryName", "app"}}), "uploadId");
    const std::string digest = digest_of(content).text;
    ok("UploadLayerPart", part(upload, 0, content));
    ok("CompleteLayerUpload",
       {{"repositoryName", "app"}, {"uploadId", upload}, {"layerDigests", json::array{digest.c_str()}}});
    return digest;
  }
  static json::object part(const std::string& upload, std::size_t first, const std::string& content) {
    return {{"repositoryName", "app"},
            {"uploadId", upload},
            {"partFirstByte", first},
            {"partLastByte", first + content.size() - 1},
            {"layerPartBlob", base64_encode(content)}};
  }
  static std::string manifest(const std::string& config, int size = 2, const std::string& extra = "") {
    return std::string(R"({"schemaVersion":2,"mediaType":")") + kOciManifest +
           R"(","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":")" + config +
           R"(","size":)" + std::to_string(size) + R"(},"layers":[])" + extra + "}";
  }
  static std::string index(const std::vector<std::string>& children) {
    std::string list;
    for (const std::string& child : children)
      list += std::string(list.empty() ? "" : ",") + R"({"mediaType":")" + kOciManifest + R"(","size":1,"digest":")" +
              child + "\"}";
    return std::string(R"({"schemaVersion":2,"mediaType":")") + kOciIndex + R"(","manifests":[)" + list + "]}";
  }
  std::string put(const std::string& text, const std::string& tag) {
    json::object input = {{"repositoryName", "app"}, {"imageManifest", text}};
    if (!tag.empty()) input["imageTag"] = tag;
    ok("PutImage", input);
    return digest_of(text).text;
  }
  // An image that no other is like.
  std::string image(const std::string& tag) { return put(manifest(layer("config of " + tag)), tag); }
};

json::object app(json::object more = {}) {
  more["repositoryName"] = "app";
  return more;
}

TEST_F(ApiTest, RepositoriesComeInPages) {
  for (const char* name : {"b1", "b2", "b3"}) ok("CreateRepository", {{"repositoryName", name}});
  std::vector<std::string> seen;
  json::object input = {{"maxResults", 2}};
  for (int pages = 0; pages < 3; ++pages) {
    const json::object answer = ok("DescribeRepositories", input);
    EXPECT_LE(get_array(answer, "repositories").size(), 2U);
    for (const auto& one : get_array(answer, "repositories"))
      seen.push_back(get_string(one.as_object(), "repositoryName"));
    if (!has(answer, "nextToken")) break;
    input["nextToken"] = get_string(answer, "nextToken");
    // What changes behind the reader's back moves nothing.
    if (pages == 0) ok("DeleteRepository", {{"repositoryName", "app"}});
  }
  EXPECT_EQ(seen, (std::vector<std::string>{"app", "b1", "b2", "b3"}));
  EXPECT_EQ(error("DescribeRepositories", {{"nextToken", "*"}}), "InvalidParameterException");
  EXPECT_EQ(error("DescribeRepositories", {{"maxResults", 1}, {"repositoryNames", json::array{"b1"}}}),
            "InvalidParameterException");
}

TEST_F(ApiTest, AnotherRegistryHasNoneOfOurRepositories) {
  const auto refused = call("ListImages", app({{"registryId", "123456789012"}}));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message,
            "The repository with name 'app' does not exist in the registry with id '123456789012'");
}

TEST_F(ApiTest, ImagesComeInPagesAndByStatus) {
  for (const char* tag : {"a", "b", "c"}) image(tag);
  put(manifest(layer("untagged")), "");
  const json::object first = ok("ListImages", app({{"maxResults", 3}}));
  const json::object second = ok("ListImages", app({{"nextToken", get_string(first, "nextToken")}}));
  EXPECT_EQ(get_array(first, "imageIds").size() + get_array(second, "imageIds").size(), 4U);
  EXPECT_FALSE(has(second, "nextToken"));
  const auto count = [&](const char* status) {
    const json::object answer = ok("DescribeImages", app({{"filter", json::object{{"tagStatus", status}}}}));
    return get_array(answer, "imageDetails").size();
  };
  EXPECT_EQ(count("TAGGED"), 3U);
  EXPECT_EQ(count("UNTAGGED"), 1U);
  EXPECT_EQ(count("ANY"), 4U);
}

TEST_F(ApiTest, AnIndexIsAsLargeAsItsLargestImage) {
  const std::string small = put(manifest(layer("s"), 10), "");
  const std::string large = put(manifest(layer("l"), 30), "");
  const std::string both = put(index({small, large}), "multi");
  const json::object answer =
      ok("DescribeImages", app({{"imageIds", json::array{json::object{{"imageTag", "multi"}}}}}));
  const json::object detail = get_array(answer, "imageDetails").at(0).as_object();
  EXPECT_EQ(get_int(detail, "imageSizeInBytes"), 30);
  EXPECT_EQ(get_string(detail, "imageManifestMediaType"), kOciIndex);
  EXPECT_FALSE(has(detail, "artifactMediaType"));
  EXPECT_EQ(get_string(detail, "imageDigest"), both);
}

TEST_F(ApiTest, AnImageSaysWhenItWasPulled) {
  image("v1");
  const json::array ids = {json::object{{"imageTag", "v1"}}};
  const auto pulled = [&] {
    const json::object answer = ok("DescribeImages", app({{"imageIds", ids}}));
    return has(get_array(answer, "imageDetails").at(0).as_object(), "lastRecordedPullTime");
  };
  EXPECT_FALSE(pulled());
  ok("BatchGetImage", app({{"imageIds", ids}}));
  run(pause(Duration{20}), io);
  EXPECT_TRUE(pulled());
}

TEST_F(ApiTest, BatchGetImageSaysWhatItDidNotFind) {
  const std::string one = image("one");
  const std::string two = image("two");
  const json::array ids = {json::object{{"imageTag", "one"}}, json::object{},
                           json::object{{"imageTag", "one"}, {"imageDigest", two}},
                           json::object{{"imageDigest", "sha256:0"}}};
  const json::object answer = ok("BatchGetImage", app({{"imageIds", ids}}));
  EXPECT_EQ(get_array(answer, "images").size(), 1U);
  std::vector<std::string> codes;
  for (const auto& failure : get_array(answer, "failures"))
    codes.push_back(get_string(failure.as_object(), "failureCode"));
  EXPECT_EQ(codes, (std::vector<std::string>{"MissingDigestAndTag", "ImageNotFound", "InvalidImageDigest"}));
  const json::object other = ok("BatchGetImage", app({{"imageIds", json::array{json::object{{"imageDigest", one}}}},
                                                      {"acceptedMediaTypes", json::array{kOciIndex}}}));
  EXPECT_TRUE(get_array(other, "images").empty());
}

TEST_F(ApiTest, BatchDeleteImageNamesAllThatWent) {
  const std::string text = manifest(layer("x"));
  const std::string digest = put(text, "one");
  put(text, "two");
  events.seen.clear();
  const json::object answer =
      ok("BatchDeleteImage", app({{"imageIds", json::array{json::object{{"imageDigest", digest}}}}}));
  const json::array expected = {json::object{{"imageDigest", digest}, {"imageTag", "one"}},
                                json::object{{"imageDigest", digest}, {"imageTag", "two"}}};
  EXPECT_EQ(get_array(answer, "imageIds"), expected);
  ASSERT_EQ(events.seen.size(), 2U);
  EXPECT_EQ(events.seen[0], (json::object{{"action-type", "DELETE"},
                                          {"result", "SUCCESS"},
                                          {"repository-name", "app"},
                                          {"image-tag", "one"},
                                          {"image-digest", digest},
                                          {"manifest-media-type", kOciManifest},
                                          {"artifact-media-type", "application/vnd.oci.image.config.v1+json"}}));
}

TEST_F(ApiTest, PutImageRefusesInAWSsWords) {
  const std::string nowhere = digest_of("nowhere").text;
  const auto missing = call("PutImage", app({{"imageManifest", manifest(nowhere)}}));
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, "LayersNotFoundException");
  EXPECT_EQ(missing.error().message,
            "Layers with digests '[" + nowhere +
                "]' required for pushing image into repository with name 'app' in the registry with id '000000000000' "
                "do not exist");
  EXPECT_EQ(error("PutImage", app({{"imageManifest", index({nowhere})}})), "ReferencedImagesNotFoundException");
  const std::string text = manifest(layer("x"));
  put(text, "v1");
  EXPECT_EQ(error("PutImage", app({{"imageManifest", text}, {"imageTag", "v1"}})), "ImageAlreadyExistsException");
  EXPECT_EQ(error("PutImage", app({{"imageManifest", text}, {"imageDigest", nowhere}})),
            "ImageDigestDoesNotMatchException");
  const auto untyped = call("PutImage", app({{"imageManifest", "{\"schemaVersion\":2}"}}));
  ASSERT_FALSE(untyped);
  EXPECT_EQ(untyped.error().message,
            "Invalid parameter at 'ImageManifest' failed to satisfy constraint: 'Invalid JSON syntax'");
}

TEST_F(ApiTest, ImmutableTagsStayButForTheExclusions) {
  const json::array filters = {json::object{{"filterType", "WILDCARD"}, {"filter", "dev-*"}}};
  EXPECT_EQ(error("PutImageTagMutability", app({{"imageTagMutability", "IMMUTABLE_WITH_EXCLUSION"}})),
            "InvalidParameterException");
  ok("PutImageTagMutability",
     app({{"imageTagMutability", "IMMUTABLE_WITH_EXCLUSION"}, {"imageTagMutabilityExclusionFilters", filters}}));
  const std::string one = manifest(layer("1"));
  const std::string two = manifest(layer("2"));
  put(one, "v1");
  put(one, "dev-1");
  EXPECT_EQ(error("PutImage", app({{"imageManifest", two}, {"imageTag", "v1"}})), "ImageTagAlreadyExistsException");
  put(two, "dev-1");
  const json::object answer = ok("DescribeRepositories", {{"repositoryNames", json::array{"app"}}});
  EXPECT_EQ(get_array(get_array(answer, "repositories").at(0).as_object(), "imageTagMutabilityExclusionFilters"),
            filters);
}

TEST_F(ApiTest, LayersArriveInParts) {
  const std::string first(5 * 1024 * 1024, 'a');
  const std::string digest = digest_of(first + "rest").text;
  const json::object begun = ok("InitiateLayerUpload", app());
  const std::string upload = get_string(begun, "uploadId");
  EXPECT_GE(get_int(begun, "partSize"), 5 * 1024 * 1024);
  EXPECT_EQ(get_int(ok("UploadLayerPart", part(upload, 0, first)), "lastByteReceived"), 5 * 1024 * 1024 - 1);
  EXPECT_EQ(error("UploadLayerPart", part(upload, 7, "rest")), "InvalidLayerPartException");
  ok("UploadLayerPart", part(upload, first.size(), "rest"));
  const json::object wanted = app({{"uploadId", upload}, {"layerDigests", json::array{digest.c_str()}}});
  EXPECT_EQ(get_string(ok("CompleteLayerUpload", wanted), "layerDigest"), digest);
  EXPECT_EQ(error("CompleteLayerUpload", wanted), "UploadNotFoundException");
}

TEST_F(ApiTest, LayersThatCannotBeAreRefused) {
  const auto begin = [&] { return get_string(ok("InitiateLayerUpload", app()), "uploadId"); };
  const auto complete = [&](const std::string& upload, const std::string& content) {
    const std::string digest = digest_of(content).text;
    return error("CompleteLayerUpload", app({{"uploadId", upload}, {"layerDigests", json::array{digest.c_str()}}}));
  };
  EXPECT_EQ(complete(begin(), ""), "EmptyUploadException");
  const std::string wrong = begin();
  ok("UploadLayerPart", part(wrong, 0, "x"));
  EXPECT_EQ(complete(wrong, "y"), "InvalidLayerException");
  const std::string small = begin();
  ok("UploadLayerPart", part(small, 0, "x"));
  ok("UploadLayerPart", part(small, 1, "y"));
  EXPECT_EQ(complete(small, "xy"), "LayerPartTooSmallException");
  layer("here");
  const std::string again = begin();
  ok("UploadLayerPart", part(again, 0, "here"));
  EXPECT_EQ(complete(again, "here"), "LayerAlreadyExistsException");
}

TEST_F(ApiTest, ALayersUrlNeedsNoTokenWhileItHolds) {
  const std::string digest = layer("content");
  const std::string url =
      get_string(ok("GetDownloadUrlForLayer", app({{"layerDigest", digest.c_str()}})), "downloadUrl");
  ASSERT_TRUE(url.starts_with("http://localhost:4566/v2/app/blobs/" + digest)) << url;
  const auto get = [&](std::string target) {
    TextBody body("");
    http::Request request{.method = "GET", .target = std::move(target), .headers = {}, .body = &body, .peer = {}};
    return run(registry.serve(request), io);
  };
  const std::string target = url.substr(std::string("http://localhost:4566").size());
  EXPECT_EQ(get(target).status, 200);
  EXPECT_EQ(get(target + "0").status, 401);
  const std::string old = registry.download_url("app", digest, clock.now() - std::chrono::hours(2));
  EXPECT_EQ(get(old.substr(std::string("http://localhost:4566").size())).status, 401);
  EXPECT_EQ(error("GetDownloadUrlForLayer", app({{"layerDigest", digest_of("other").text.c_str()}})),
            "LayersNotFoundException");
}

TEST_F(ApiTest, LayerAvailabilitySaysWhatIsNoDigest) {
  const std::string here = layer("here");
  const json::object answer =
      ok("BatchCheckLayerAvailability", app({{"layerDigests", json::array{here.c_str(), "x"}}}));
  EXPECT_EQ(get_string(get_array(answer, "layers").at(0).as_object(), "layerAvailability"), "AVAILABLE");
  EXPECT_EQ(get_string(get_array(answer, "failures").at(0).as_object(), "failureCode"), "InvalidLayerDigest");
}

TEST_F(ApiTest, ALifecyclePolicyExpiresImages) {
  const std::string text =
      R"({"rules":[{"rulePriority":1,"selection":{"tagStatus":"any","countType":"imageCountMoreThan","countNumber":1},"action":{"type":"expire"}}]})";
  EXPECT_EQ(error("GetLifecyclePolicy", app()), "LifecyclePolicyNotFoundException");
  image("old");
  run(pause(Duration{5}), io);
  image("new");
  events.seen.clear();
  EXPECT_EQ(get_string(ok("PutLifecyclePolicy", app({{"lifecyclePolicyText", text}})), "lifecyclePolicyText"), text);
  run(pause(Duration{50}), io);
  ASSERT_EQ(events.seen.size(), 1U);
  EXPECT_EQ(get_string(events.seen[0], "image-tag"), "old");
  EXPECT_TRUE(has(ok("GetLifecyclePolicy", app()), "lastEvaluatedAt"));
  run(pause(Duration{5}), io);
  image("newer");
  run(registry.sweep(clock.now()), io);
  EXPECT_EQ(list_tags(db.read(), "app"), (std::vector<std::string>{"newer"}));
  EXPECT_EQ(get_string(ok("DeleteLifecyclePolicy", app()), "lifecyclePolicyText"), text);
  EXPECT_EQ(error("DeleteLifecyclePolicy", app()), "LifecyclePolicyNotFoundException");
}

TEST_F(ApiTest, RepositoriesHavePolicies) {
  const auto none = call("GetRepositoryPolicy", app());
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, "RepositoryPolicyNotFoundException");
  EXPECT_EQ(none.error().message,
            "Repository policy does not exist for the repository with name 'app' in the registry with id "
            "'000000000000'");
  EXPECT_EQ(error("SetRepositoryPolicy", app({{"policyText", "x"}})), "InvalidParameterException");
  ok("SetRepositoryPolicy", app({{"policyText", "{}"}}));
  EXPECT_EQ(get_string(ok("GetRepositoryPolicy", app()), "policyText"), "{}");
  EXPECT_EQ(registry.policy_of(Place{}.arn("ecr", "repository/app")), "{}");
  EXPECT_EQ(get_string(ok("DeleteRepositoryPolicy", app()), "policyText"), "{}");
  EXPECT_EQ(error("DeleteRepositoryPolicy", app()), "RepositoryPolicyNotFoundException");
}

TEST_F(ApiTest, ScanningIsKeptWithAWarning) {
  const auto put =
      call("PutImageScanningConfiguration", app({{"imageScanningConfiguration", json::object{{"scanOnPush", true}}}}));
  ASSERT_TRUE(put);
  EXPECT_EQ(put->warnings.size(), 1U);
  const json::object answer =
      ok("BatchGetRepositoryScanningConfiguration", {{"repositoryNames", json::array{"app", "other"}}});
  const json::object found = get_array(answer, "scanningConfigurations").at(0).as_object();
  EXPECT_EQ(get_string(found, "scanFrequency"), "SCAN_ON_PUSH");
  EXPECT_EQ(get_string(get_array(answer, "failures").at(0).as_object(), "failureCode"), "REPOSITORY_NOT_FOUND");
}

TEST_F(ApiTest, TagsOfARepositoryAreChecked) {
  const std::string arn = Place{}.arn("ecr", "repository/app");
  const auto tag = [](const std::string& key) { return json::object{{"Key", key}, {"Value", "v"}}; };
  json::array many;
  for (int i = 0; i < 51; ++i) many.push_back(tag("k" + std::to_string(i)));
  EXPECT_EQ(error("TagResource", {{"resourceArn", arn}, {"tags", json::array{tag("aws:x")}}}),
            "InvalidTagParameterException");
  ok("TagResource", {{"resourceArn", arn}, {"tags", json::array(many.begin(), many.begin() + 50)}});
  EXPECT_EQ(error("TagResource", {{"resourceArn", arn}, {"tags", json::array{tag("another")}}}),
            "TooManyTagsException");
  EXPECT_EQ(error("TagResource", {{"resourceArn", "app"}, {"tags", json::array{tag("x")}}}),
            "InvalidParameterException");
  EXPECT_EQ(error("ListTagsForResource", {{"resourceArn", Place{}.arn("ecr", "repository/none")}}),
            "RepositoryNotFoundException");
}

TEST_F(ApiTest, ANameThatIsNoneIsSaidToBeSo) {
  const auto refused = call("CreateRepository", {{"repositoryName", "Upper"}});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message.find("Invalid parameter at 'repositoryName' failed to satisfy constraint: 'must"),
            0U);
}

}  // namespace
}  // namespace slipway::ecr
