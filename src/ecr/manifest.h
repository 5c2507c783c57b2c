// Manifests and references, as registries read them.  Pure.
// https://github.com/opencontainers/distribution-spec/blob/v1.1.0/spec.md,
// https://github.com/opencontainers/image-spec/blob/v1.1.0/manifest.md
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "base/json.h"

namespace slipway::ecr {

constexpr std::size_t kManifestBytesMax = 4 * 1024 * 1024;  // ECR's limit of PutImage.

struct Manifest {
  std::string media_type;
  std::string artifact_type;           // Else the config's media type.
  std::vector<std::string> blobs;      // Config and layers that must be in the repository.
  std::vector<std::string> foreign;    // Layers that need not be.
  std::vector<std::string> manifests;  // Children of an index.
  std::string subject;                 // Digest of what it refers to.
  long long image_bytes = 0;           // Config and layers together.
  json::object annotations;
};

// Fails with "MANIFEST_INVALID" and what is wrong.  `content_type` is what the client calls it; the text itself decides
// when both are there.
Result<Manifest> parse_manifest(std::string_view text, std::string_view content_type);

// As ECR's API has it.
constexpr const char* kRepositoryPattern = R"([a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*)";
bool valid_repository(std::string_view name);
bool valid_tag(std::string_view tag);
// Whether a tag that is there may not move, by the repository's mutability and its exclusions.
bool tag_is_fixed(std::string_view mutability, const std::vector<std::string>& exclusions, std::string_view tag);

// What a Range header asks of `size` bytes: "bytes=0-4", "bytes=5-", "bytes=-3".
// https://www.rfc-editor.org/rfc/rfc9110#name-range
struct ByteRange {
  enum class Kind {
    whole,  // Not a single range of bytes: the header is ignored.
    part,
    unsatisfiable,
  };
  Kind kind = Kind::whole;
  std::uint64_t first = 0;
  std::uint64_t count = 0;
};
ByteRange parse_range(std::string_view header, std::uint64_t size);

// A "limit" of a listing: digits and nothing else.
std::optional<std::size_t> parse_count(std::string_view text);

// "/v2/a/b/manifests/latest" -> {"a/b", "manifests", "latest"}.
struct Target {
  std::string repository;
  std::string kind;  // "manifests", "blobs", "uploads", "tags", "referrers"
  std::string reference;
};
std::optional<Target> parse_target(std::string_view path);

}  // namespace slipway::ecr
