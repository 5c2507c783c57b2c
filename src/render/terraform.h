// Terraform: what the configuration needs in an AWS account, as files for `terraform apply`.  What `aws.create` does
// not list is there already and is referred to.
#pragma once
#include <vector>

#include "config/config.h"
#include "render/file.h"

namespace slipway::render {

// versions.tf, variables.tf, repositories.tf, deployer.tf, events.tf; roles.tf when `github` is set; services.tf and
// load_balancer.tf when they are made; outputs.tf.  They expect deployer.zip (`slipway render lambda`) beside them.
std::vector<File> terraform_files(const config::Config& config);

}  // namespace slipway::render
