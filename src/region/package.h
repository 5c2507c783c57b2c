// Package: the deployer's function as a zip: its binary and the routes that it reads.  The same configuration and the
// same binary give the same bytes, on every machine and in every time zone.
#pragma once
#include <string>

#include "base/result.h"
#include "config/config.h"

namespace slipway::region {

// Where the deployer's `bootstrap` lies: beside this program.
std::string deployer_binary();

// Blocks.  Fails with SLW-112 when `binary` is missing.
Result<std::string> deployer_package(const config::Config& config, const std::string& binary);

}  // namespace slipway::region
