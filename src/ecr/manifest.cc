#include "ecr/manifest.h"

#include <algorithm>
#include <charconv>

#include "base/text.h"

namespace slipway::ecr {
namespace {

constexpr std::size_t kRepositoryBytesMax = 256;
constexpr std::size_t kTagBytesMax = 128;

constexpr std::string_view kOciManifest = "application/vnd.oci.image.manifest.v1+json";
constexpr std::string_view kOciIndex = "application/vnd.oci.image.index.v1+json";
constexpr std::string_view kDockerManifest = "application/vnd.docker.distribution.manifest.v2+json";
constexpr std::string_view kDockerList = "application/vnd.docker.distribution.manifest.list.v2+json";

std::unexpected<Error> broken(std::string why) {
  return fail(Fault::invalid, "MANIFEST_INVALID", std::move(why));
}

bool is_alnum(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

// Layers that a registry need not hold: they are fetched from elsewhere.
bool is_foreign(const json::object& descriptor) {
  const std::string type = get_string(descriptor, "mediaType");
  return type.find("nondistributable") != std::string::npos || type.find("foreign") != std::string::npos;
}

Result<std::string> digest_in(const json::object& descriptor) {
  const std::string text = get_string(descriptor, "digest");
  if (!parse_digest(text)) return broken("'" + text + "' is not a digest");
  return text;
}

Result<void> take_blob(const json::object& descriptor, Manifest& out) {
  auto digest = digest_in(descriptor);
  if (!digest) return fail(digest);
  const long long size = get_int(descriptor, "size");
  if (size < 0) return broken("the size of " + *digest + " is negative");
  out.image_bytes += size;
  (is_foreign(descriptor) ? out.foreign : out.blobs).push_back(*digest);
  return {};
}

// The elements of `name`, which is absent or a list of descriptors.
Result<std::vector<json::object>> descriptors(const json::object& from, const char* name) {
  std::vector<json::object> out;
  const auto* list = find(from, name);
  if (list == nullptr || list->is_null()) return out;
  if (!list->is_array()) return broken(std::string(name) + " must be a list");
  for (const json::value& element : list->get_array()) {
    if (!element.is_object()) return broken(std::string(name) + " must hold descriptors");
    out.push_back(element.get_object());
  }
  return out;
}

Result<void> read_index(const json::object& from, Manifest& out) {
  // One text must not be an image to one client and an index to another (CVE-2021-41190).
  if (has(from, "config") || has(from, "layers")) return broken("an index has neither config nor layers");
  if (!has(from, "manifests")) return broken("an index has manifests");
  auto children = descriptors(from, "manifests");
  if (!children) return fail(children);
  for (const json::object& child : *children) {
    auto digest = digest_in(child);
    if (!digest) return fail(digest);
    out.manifests.push_back(*digest);
  }
  out.artifact_type = get_string(from, "artifactType");
  return {};
}

Result<void> read_image(const json::object& from, Manifest& out) {
  if (has(from, "manifests")) return broken("an image manifest has no manifests");
  const auto* config = find(from, "config");
  if (config == nullptr || !config->is_object()) return broken("an image manifest has a config");
  if (auto good = take_blob(config->get_object(), out); !good) return good;
  out.artifact_type = get_string(from, "artifactType");
  if (out.artifact_type.empty()) out.artifact_type = get_string(config->get_object(), "mediaType");
  auto layers = descriptors(from, "layers");
  if (!layers) return fail(layers);
  for (const json::object& layer : *layers) {
    if (auto good = take_blob(layer, out); !good) return good;
  }
  return {};
}

}  // namespace

Result<Manifest> parse_manifest(std::string_view text, std::string_view content_type) {
  content_type = trim(content_type.substr(0, content_type.find(';')));
  const auto parsed = parse_json(text);
  if (!parsed || !parsed->is_object()) return broken(parsed ? "a manifest is a JSON object" : parsed.error().message);
  const json::object& from = parsed->get_object();
  if (get_int(from, "schemaVersion") != 2) return broken("schemaVersion must be 2");
  Manifest out;
  out.media_type = get_string(from, "mediaType", content_type);
  if (!content_type.empty() && has(from, "mediaType") && out.media_type != content_type)
    return broken("mediaType and Content-Type differ");
  if (out.media_type.empty()) out.media_type = has(from, "manifests") ? kOciIndex : kOciManifest;
  out.annotations = get_object(from, "annotations");
  if (const auto* subject = find(from, "subject"); subject != nullptr && !subject->is_null()) {
    if (!subject->is_object()) return broken("subject must be a descriptor");
    auto digest = digest_in(subject->get_object());
    if (!digest) return fail(digest);
    out.subject = *digest;
  }
  if (out.media_type == kOciIndex || out.media_type == kDockerList) {
    if (auto good = read_index(from, out); !good) return fail(good);
  } else if (out.media_type == kOciManifest || out.media_type == kDockerManifest) {
    if (auto good = read_image(from, out); !good) return fail(good);
  } else {
    return broken("'" + out.media_type + "' is not the media type of a manifest");
  }
  return out;
}

bool valid_repository(std::string_view name) {
  if (name.size() < 2 || name.size() > kRepositoryBytesMax) return false;
  // Between letters or digits stands one of ".", "_", "__", "/", or any number of "-".
  std::string between;
  for (const char c : name) {
    if (is_alnum(c)) {
      const bool dashes = !between.empty() && between.find_first_not_of('-') == std::string::npos;
      if (!between.empty() && !dashes && between != "." && between != "_" && between != "__" && between != "/")
        return false;
      between.clear();
    } else {
      between += c;
    }
  }
  return between.empty() && is_alnum(name.front());
}

bool tag_is_fixed(std::string_view mutability, const std::vector<std::string>& exclusions, std::string_view tag) {
  const bool excluded = mutability.ends_with("_WITH_EXCLUSION") &&
                        std::ranges::any_of(exclusions, [&](const auto& pattern) { return glob_match(pattern, tag); });
  return mutability.starts_with("IMMUTABLE") != excluded;
}

bool valid_tag(std::string_view tag) {
  if (tag.empty() || tag.size() > kTagBytesMax || tag.front() == '.' || tag.front() == '-') return false;
  return std::ranges::all_of(
      tag, [](char c) { return is_alnum(c) || (c >= 'A' && c <= 'Z') || c == '.' || c == '_' || c == '-'; });
}

std::optional<std::size_t> parse_count(std::string_view text) {
  std::size_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

ByteRange parse_range(std::string_view header, std::uint64_t size) {
  constexpr ByteRange kUnsatisfiable{.kind = ByteRange::Kind::unsatisfiable};
  if (!header.starts_with("bytes=")) return {};
  header.remove_prefix(6);
  const auto dash = header.find('-');
  if (dash == std::string_view::npos) return {};
  const std::string_view left = trim(header.substr(0, dash));
  const std::string_view right = trim(header.substr(dash + 1));
  const auto from = parse_count(left);
  const auto to = parse_count(right);
  if ((!from && !left.empty()) || (!to && !right.empty()) || (!from && !to)) return {};
  if (size == 0) return kUnsatisfiable;
  if (!from) {
    const std::uint64_t count = std::min<std::uint64_t>(*to, size);
    if (count == 0) return kUnsatisfiable;
    return {.kind = ByteRange::Kind::part, .first = size - count, .count = count};
  }
  const std::uint64_t last = to ? std::min<std::uint64_t>(*to, size - 1) : size - 1;
  if (*from > last) return kUnsatisfiable;
  return {.kind = ByteRange::Kind::part, .first = *from, .count = last - *from + 1};
}

std::optional<Target> parse_target(std::string_view path) {
  if (!path.starts_with("/v2/")) return std::nullopt;
  std::vector<std::string> steps = split(path.substr(4), '/');
  // Read from the end, as a repository may be called "team/manifests/app".
  const auto take = [&](std::size_t count, std::string kind, std::string reference) -> std::optional<Target> {
    if (steps.size() <= count) return std::nullopt;
    steps.resize(steps.size() - count);
    return Target{.repository = join(steps, "/"), .kind = std::move(kind), .reference = std::move(reference)};
  };
  const auto step = [&](std::size_t from_end) {
    return steps.size() < from_end ? std::string() : steps[steps.size() - from_end];
  };
  const std::string last = step(1);
  if (step(2) == "tags" && last == "list") return take(2, "tags", last);
  if (step(3) == "blobs" && step(2) == "uploads") return take(3, "uploads", last);
  if (step(2) == "blobs" && last == "uploads") return take(2, "uploads", "");
  for (const char* kind : {"manifests", "blobs", "referrers"}) {
    if (step(2) == kind) return take(2, kind, last);
  }
  return std::nullopt;
}

}  // namespace slipway::ecr
