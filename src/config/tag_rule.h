// TagRule: which image tags a service deploys: an exact tag, a wildcard, or a range of semantic
// versions.  Pure.
#pragma once
#include <array>
#include <compare>
#include <optional>
#include <string>
#include <string_view>

namespace slipway::config {

// MAJOR.MINOR.PATCH of https://semver.org, with or without a leading "v".
struct Version {
  std::array<long long, 3> parts{};
  auto operator<=>(const Version&) const = default;
};

// nullopt when `text` is not a complete release version.  Pre-releases ("2.0.0-rc.1") are none:
// they deploy by an exact tag or a wildcard only.
std::optional<Version> parse_version(std::string_view text);

struct TagRule {
  enum class Kind { exact, wildcard, semver };
  Kind kind = Kind::exact;
  std::string text;  // "latest", "release-*", ">=2 <3"
  bool operator==(const TagRule&) const = default;
};

// Whether `rule` deploys `tag`.
bool matches(const TagRule& rule, std::string_view tag);

// Whether `rule` is about versions, which CI pushes for a git tag: a range, or a wildcard that "v1.2.3" matches and the
// tag of a commit ("git-0123…") does not.
bool follows_versions(const TagRule& rule);

// A tag as written: with '*' or '?' a wildcard, else exact.
TagRule tag_rule(std::string text);

// Whether `text` is a range that matches() understands: comparisons (=, >, >=, <, <=, ^, ~) that
// all must hold, separated by spaces; alternatives are separated by "||".
bool valid_version_range(std::string_view text);

// Whether `text` can be a tag (https://github.com/opencontainers/distribution-spec, "Pulling
// manifests").
bool valid_tag(std::string_view text);

}  // namespace slipway::config
