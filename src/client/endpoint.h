// Endpoints: where an API is asked: what the user says, else AWS's host names.  Pure.
// https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html
#pragma once
#include <string>

#include "client/profile.h"

namespace slipway::client {

// AWS_REGION, AWS_DEFAULT_REGION, the profile's region; empty when nobody says one.
std::string find_region(const Environment& environment, const Profiles& profiles, const std::string& profile);

// The base URL for `service` (its signing name, "ecs"): AWS_ENDPOINT_URL_<SERVICE>,
// AWS_ENDPOINT_URL, the profile's services section, its endpoint_url, else https with AWS's host
// name in `region`, by AWS_USE_FIPS_ENDPOINT and _DUALSTACK_ENDPOINT.
std::string find_endpoint(const std::string& service, const std::string& region, const Environment& environment,
                          const Profiles& profiles, const std::string& profile);

// A URL in two: what to connect to, and what goes before each path ("" or "/prefix").
struct BaseUrl {
  std::string endpoint;
  std::string prefix;
  std::string host() const;  // As the Host header says it.
};
BaseUrl split_url(const std::string& url);

}  // namespace slipway::client
