// Lifecycle policies: which images a repository may lose.  Pure.
// https://docs.aws.amazon.com/AmazonECR/latest/userguide/LifecyclePolicies.html
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "base/instant.h"
#include "base/result.h"

namespace slipway::ecr {

struct LifecycleRule {
  enum class Tags { tagged, untagged, any };
  enum class Count { more_than, days_since_pushed, days_since_pulled };
  long long priority = 0;
  Tags tags = Tags::any;
  std::vector<std::string> prefixes;  // An image fits when each is the beginning of one of its tags.
  std::vector<std::string> patterns;  // The same, with '*'.
  Count count = Count::more_than;
  long long number = 0;  // Images, or days.
};

// Fails with "InvalidParameterException" and what is wrong.  Rules come out by priority.
Result<std::vector<LifecycleRule>> parse_lifecycle(std::string_view text);

struct LifecycleImage {
  std::string digest;
  std::vector<std::string> tags;
  Instant pushed_at{};
  Instant pulled_at{};  // Zero: never.
};

// Digests of the images that the rules expire, oldest first.  A rule sees all images, but an image that fits a rule is
// not expired by a later one.
std::vector<std::string> expired_images(const std::vector<LifecycleRule>& rules, std::vector<LifecycleImage> images,
                                        Instant now);

}  // namespace slipway::ecr
