// Guess: what a repository's own files say about how it is built and deployed, for `slipway init`.  Pure.
#pragma once
#include <optional>
#include <string>

namespace slipway::cli {

struct Guess {
  std::string project;
  std::string repository;  // The ECR repository; empty: not known.
  int port = 0;            // 0: not known.
  std::string region;
  std::string github;  // "acme/web"
  std::string branch;
  std::string service;  // The name of the ECS service; empty: as the project.
  std::string cluster;
  std::string container;
  std::string tag = "latest";
  std::string health = "/";
  std::string account;
  bool create = false;  // Terraform makes cluster, service and load balancer.
};

// Each fills what `into` does not know yet.
void guess_from_dockerfile(const std::string& text, Guess& into);  // EXPOSE, and a HEALTHCHECK's path.
void guess_from_workflow(const std::string& text, Guess& into);    // The variables of GitHub's own examples.
void guess_from_git_config(const std::string& text, Guess& into);  // The remote "origin" on GitHub.
// A project's name made of a folder's.
std::string project_name(const std::string& folder);

// The slipway.yaml that says it.
std::string configuration_text(const Guess& guess);

}  // namespace slipway::cli
