// Reads one service of slipway.yaml: what it says itself, and on top of that what its environment says.  Internal to
// config.
#pragma once
#include "config/config.h"
#include "config/reader.h"

namespace slipway::config {

struct ServiceSource {
  std::string label;  // Its name in the file.
  std::string stage;  // The environment's; empty without environments.
  std::string project;
  YAML::Node service;
  std::optional<YAML::Node> environment;
};
Service read_service(Reader& reader, const ServiceSource& source);

// Notes what is wrong with the environments themselves, also those that no service is in.
void check_environments(Reader& reader, const std::map<std::string, YAML::Node>& environments,
                        const std::vector<std::pair<std::string, YAML::Node>>& services);

}  // namespace slipway::config
