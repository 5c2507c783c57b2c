// Profiles: AWS's configuration and credentials files as values.  Pure.
// https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html
#pragma once
#include <map>
#include <string>
#include <string_view>

#include "base/result.h"
#include "client/surroundings.h"

namespace slipway::client {

using Properties = std::map<std::string, std::string>;  // Names in lower case; a nested value keeps its lines.

struct Profiles {
  std::map<std::string, Properties> profiles;
  std::map<std::string, Properties> sso_sessions;
  std::map<std::string, Properties> services;
};

// Both files in one: what the credentials file says wins.  Fails with Fault::invalid,
// "InvalidProfileFile", naming the line.
Result<Profiles> parse_profiles(std::string_view config_file, std::string_view credentials_file);

// The nested value `name` in `text` ("\nname = value\nother = value"); empty when absent.
std::string nested_value(std::string_view text, std::string_view name);

// Where the files lie, and which profile is meant, by the environment.
struct ProfileFiles {
  std::string config;  // Empty: nowhere (there is no HOME).
  std::string credentials;
  std::string profile;
};
// https://docs.aws.amazon.com/sdkref/latest/guide/file-location.html
ProfileFiles profile_files(const Environment& environment);

}  // namespace slipway::client
