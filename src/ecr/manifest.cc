#include "ecr/manifest.h"

#include <algorithm>
#include <charconv>

#include "base/text.h"

namespace slipway::ecr {
namespace {

constexpr std::size_t kRepositoryBytesMax = 256;
constexpr std::size_t kTagBytesMax = 128;

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
  out.image_bytes += get_int(descriptor, "size");
  if (!is_foreign(descriptor)) out.blobs.push_back(*digest);
  return {};
}

}  // namespace

Result<Manifest> parse_manifest(std::string_view text, std::string_view content_type) {
  const auto parsed = parse_json(text);
  if (!parsed || !parsed->is_object()) return broken(parsed ? "a manifest is a JSON object" : parsed.error().message);
  const json::object& from = parsed->get_object();
  if (get_int(from, "schemaVersion") != 2) return broken("schemaVersion must be 2");
  Manifest out;
  out.media_type = get_string(from, "mediaType", content_type);
  if (!content_type.empty() && has(from, "mediaType") && out.media_type != content_type)
    return broken("mediaType and Content-Type differ");
  out.annotations = get_object(from, "annotations");
  if (const auto* subject = find(from, "subject"); subject != nullptr && subject->is_object()) {
    auto digest = digest_in(subject->get_object());
    if (!digest) return fail(digest);
    out.subject = *digest;
  }
  const bool index = out.media_type.find("index") != std::string::npos ||
                     out.media_type.find("manifest.list") != std::string::npos || has(from, "manifests");
  if (index) {
    for (const json::value& child : get_array(from, "manifests")) {
      if (!child.is_object()) return broken("a child is not a descriptor");
      auto digest = digest_in(child.get_object());
      if (!digest) return fail(digest);
      out.manifests.push_back(*digest);
    }
    out.artifact_type = get_string(from, "artifactType");
    if (out.media_type.empty()) out.media_type = "application/vnd.oci.image.index.v1+json";
    return out;
  }
  const auto* config = find(from, "config");
  if (config == nullptr || !config->is_object()) return broken("an image manifest has a config");
  if (auto good = take_blob(config->get_object(), out); !good) return fail(good);
  out.artifact_type = get_string(from, "artifactType", get_string(config->get_object(), "mediaType"));
  for (const json::value& layer : get_array(from, "layers")) {
    if (!layer.is_object()) return broken("a layer is not a descriptor");
    if (auto good = take_blob(layer.get_object(), out); !good) return fail(good);
  }
  if (out.media_type.empty()) out.media_type = "application/vnd.oci.image.manifest.v1+json";
  return out;
}

bool valid_repository(std::string_view name) {
  if (name.size() < 2 || name.size() > kRepositoryBytesMax) return false;
  for (const std::string& part : split(name, '/')) {
    if (part.empty() || !is_alnum(part.front()) || !is_alnum(part.back())) return false;
    const bool good = std::ranges::all_of(part, [](char c) { return is_alnum(c) || c == '.' || c == '_' || c == '-'; });
    if (!good) return false;
  }
  return true;
}

bool valid_tag(std::string_view tag) {
  if (tag.empty() || tag.size() > kTagBytesMax || tag.front() == '.' || tag.front() == '-') return false;
  return std::ranges::all_of(
      tag, [](char c) { return is_alnum(c) || (c >= 'A' && c <= 'Z') || c == '.' || c == '_' || c == '-'; });
}

std::optional<ByteRange> parse_range(std::string_view header, std::uint64_t size) {
  if (header.starts_with("bytes=")) header.remove_prefix(6);
  const auto dash = header.find('-');
  if (dash == std::string_view::npos || size == 0) return std::nullopt;
  const auto number = [](std::string_view text) -> std::optional<std::uint64_t> {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return value;
  };
  const auto from = number(header.substr(0, dash));
  const auto to = number(header.substr(dash + 1));
  if (!from && !to) return std::nullopt;
  if (!from) {
    const std::uint64_t count = std::min(*to, size);
    if (count == 0) return std::nullopt;
    return ByteRange{.first = size - count, .count = count};
  }
  const std::uint64_t last = to ? std::min(*to, size - 1) : size - 1;
  if (*from > last) return std::nullopt;
  return ByteRange{.first = *from, .count = last - *from + 1};
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
