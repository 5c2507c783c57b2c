#include "deployer/labels.h"

#include "client/endpoint.h"

namespace slipway::deployer {
namespace {

constexpr Duration kBlobLimit = std::chrono::seconds(2);
constexpr std::size_t kBlobMax = 1024 * 1024;  // A configuration has some kilobytes.

// https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_BatchGetImage.html
task<json::object> manifest_of(Cloud& cloud, std::string repository, std::string digest) {
  const json::object ask = {{"repositoryName", repository},
                            {"imageIds", json::array{json::object{{"imageDigest", digest}}}}};
  const auto answer = co_await cloud.call("ecr", "BatchGetImage", ask);
  const json::array images = answer ? get_array(*answer, "images") : json::array{};
  if (images.empty()) co_return json::object{};
  const auto manifest = parse_json(get_string(images.front().as_object(), "imageManifest"));
  co_return manifest && manifest->is_object() ? manifest->get_object() : json::object{};
}

// The first manifest of an index that is of a platform; attestations are of none.
std::string child_of(const json::object& index) {
  for (const json::value& value : get_array(index, "manifests")) {
    const json::object platform = get_object(value.as_object(), "platform");
    if (get_string(platform, "os") != "unknown") return get_string(value.as_object(), "digest");
  }
  return {};
}

}  // namespace

// https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_GetDownloadUrlForLayer.html
task<json::object> image_configuration(Cloud& cloud, std::string repository, std::string digest) {
  const json::object ask = {{"repositoryName", repository}, {"layerDigest", digest}};
  const auto answer = co_await cloud.call("ecr", "GetDownloadUrlForLayer", ask);
  if (!answer) co_return json::object{};
  const client::BaseUrl url = client::split_url(get_string(*answer, "downloadUrl"));
  http::ClientOptions options{.endpoint = url.endpoint, .connect_timeout = kBlobLimit, .read_timeout = kBlobLimit};
  options.body_bytes_max = kBlobMax;
  http::ClientRequest request{.target = url.prefix};
  auto fetching = http::fetch(std::move(options), std::move(request));
  const auto blob = co_await with_deadline(kBlobLimit, std::move(fetching));
  if (!blob || !*blob || (*blob)->status != 200) co_return json::object{};
  const auto parsed = parse_json((*blob)->body);
  co_return parsed && parsed->is_object() ? parsed->get_object() : json::object{};
}

Labels labels_of(const json::object& texts) {
  return {.commit = get_string(texts, "org.opencontainers.image.revision"),
          .author = get_string(texts, "slipway.commit.author"),
          .subject = get_string(texts, "slipway.commit.subject")};
}

task<Labels> read_labels(Cloud& cloud, std::string repository, std::string digest) {
  json::object manifest = co_await manifest_of(cloud, repository, digest);
  Labels found = labels_of(get_object(manifest, "annotations"));
  if (!found.commit.empty()) co_return found;
  if (const std::string child = child_of(manifest); !child.empty()) {
    manifest = co_await manifest_of(cloud, repository, child);
    found = labels_of(get_object(manifest, "annotations"));
    if (!found.commit.empty()) co_return found;
  }
  const std::string config = get_string(get_object(manifest, "config"), "digest");
  if (config.empty()) co_return Labels{};
  const json::object configuration = co_await image_configuration(cloud, repository, config);
  co_return labels_of(get_object(get_object(configuration, "config"), "Labels"));
}

}  // namespace slipway::deployer
