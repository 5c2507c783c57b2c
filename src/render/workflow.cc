#include "render/workflow.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "render/names.h"

namespace slipway::render {
namespace {

// Actions are named by full commit: a tag can be moved to other code.
constexpr std::string_view kCheckout = "actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1";
constexpr std::string_view kCredentials =
    "aws-actions/configure-aws-credentials@e6de054238d6b7531b4efff3b6587d9aade6a06c # v6.2.3";
constexpr std::string_view kLogin = "aws-actions/amazon-ecr-login@03f1aad4c6c7ffd436567f42f9384779290529bd # v2.1.7";

// What one repository's image is built of, and under which tags it is pushed.
struct Image {
  std::string repository;
  config::Build build;
  std::vector<std::string> branch_tags;  // For a push to the branch, after git-COMMIT.
  bool versions = false;                 // A git tag like v1.2.3 is pushed as that tag.
};

// The tag that a rule deploys, as the shell writes it; empty when git-COMMIT is one already.
std::string shell_tag(const config::TagRule& rule) {
  if (rule.kind == config::TagRule::Kind::exact) return rule.text;
  if (glob_match(rule.text, "git-0123456789abcdef0123456789abcdef01234567")) return {};
  std::string tag;
  bool named = false;
  for (const char c : rule.text) {
    if (c == '?') {
      tag += '0';
    } else if (c != '*') {
      tag += c;
    } else if (!named) {  // The commit once; further stars may stand for nothing.
      tag += "$GITHUB_SHA";
      named = true;
    }
  }
  return tag;
}

std::vector<Image> images_of(const config::Config& config) {
  std::vector<Image> images;
  for (const std::string& repository : repositories(config)) {
    Image image{.repository = repository};
    for (const auto& [key, service] : config.services) {
      if (service.repository != repository) continue;
      image.build = service.build;
      for (const config::TagRule& rule : service.tags) {
        if (config::follows_versions(rule)) {
          image.versions = true;
          continue;
        }
        const std::string tag = shell_tag(rule);
        if (!tag.empty() && std::ranges::find(image.branch_tags, tag) == image.branch_tags.end())
          image.branch_tags.push_back(tag);
      }
    }
    images.push_back(std::move(image));
  }
  return images;
}

std::string job_name(const std::string& repository) {
  const std::string name = plain_name(repository, 60);
  return name.find_first_of("0123456789") == 0 ? "image-" + name : name;
}

std::string build_arguments(const config::Build& build) {
  if (build.dockerfile.empty()) return build.context;
  return fmt::format("--file {} {}", build.dockerfile, build.context);
}

std::string push_tag(const std::string& tag, const std::string& indent) {
  return fmt::format(
      "{0}docker tag \"$IMAGE:git-$GITHUB_SHA\" \"$IMAGE:{1}\"\n"
      "{0}docker push \"$IMAGE:{1}\"\n",
      indent, tag);
}

// The pushes that deploy.  They come last, when all else has gone well.
std::string deploying_pushes(const Image& image) {
  const std::string margin(10, ' ');
  std::string branch;
  for (const std::string& tag : image.branch_tags) branch += push_tag(tag, margin + (image.versions ? "  " : ""));
  if (!image.versions) return branch;
  std::string out = margin + "if [ \"$GITHUB_REF_TYPE\" = tag ]; then\n" + push_tag("$GITHUB_REF_NAME", margin + "  ");
  if (!branch.empty()) out += margin + "else\n" + branch;
  return out + margin + "fi\n";
}

std::string credentials_step(const config::Config& config, const WorkflowOptions& options) {
  std::string out = fmt::format("      - uses: {}\n        with:\n", kCredentials);
  if (options.static_keys) {
    out +=
        "          aws-access-key-id: ${{ secrets.AWS_ACCESS_KEY_ID }}\n"
        "          aws-secret-access-key: ${{ secrets.AWS_SECRET_ACCESS_KEY }}\n";
  } else {
    const Account account{.partition = partition_of(options.region), .id = options.account, .region = options.region};
    out += fmt::format("          role-to-assume: {}\n", options.account.empty()
                                                             ? "${{ vars.SLIPWAY_PUSH_ROLE }}"
                                                             : account.iam_arn("role/" + Names(config).push_role));
    out += "          role-session-name: push-${{ github.run_id }}\n";
  }
  return out + "          aws-region: ${{ env.AWS_REGION }}\n";
}

std::string job(const config::Config& config, const Image& image, const WorkflowOptions& options) {
  std::string out =
      fmt::format("\n  {}:\n    runs-on: ubuntu-24.04\n    timeout-minutes: 20\n", job_name(image.repository));
  if (config.github && !config.github->environment.empty())
    out += fmt::format("    environment: {}\n", config.github->environment);
  out += "    permissions:\n      contents: read\n";
  if (!options.static_keys) out += "      id-token: write # to assume the role\n";
  out += fmt::format(
      "    outputs:\n"
      "      digest: ${{{{ steps.push.outputs.digest }}}}\n"
      "    steps:\n"
      "      - uses: {}\n"
      "        with:\n"
      "          persist-credentials: false\n",
      kCheckout);
  out += credentials_step(config, options);
  out += fmt::format("      - id: ecr\n        uses: {}\n", kLogin);
  out += fmt::format(
      "      - id: push\n"
      "        name: Build and push {0}\n"
      "        env:\n"
      "          IMAGE: ${{{{ steps.ecr.outputs.registry }}}}/{0}\n",
      image.repository);
  if (!options.provenance) out += "          BUILDX_NO_DEFAULT_ATTESTATIONS: '1' # one push, one image, one event\n";
  out += fmt::format(
      "        run: |\n"
      "          docker build --label \"org.opencontainers.image.revision=$GITHUB_SHA\" \\\n"
      "            -t \"$IMAGE:git-$GITHUB_SHA\" {}\n"
      "          docker push \"$IMAGE:git-$GITHUB_SHA\"\n",
      build_arguments(image.build));
  out += deploying_pushes(image);
  out +=
      "          digest=$(docker inspect --format '{{ index .RepoDigests 0 }}' \"$IMAGE:git-$GITHUB_SHA\" | cut -d@ "
      "-f2)\n"
      "          echo \"digest=$digest\" >> \"$GITHUB_OUTPUT\"\n"
      "          echo \"pushed \\`$IMAGE:git-$GITHUB_SHA\\` as \\`$digest\\`\" >> \"$GITHUB_STEP_SUMMARY\"\n";
  return out;
}

}  // namespace

Result<std::string> workflow_yaml(const config::Config& config, const WorkflowOptions& options) {
  if (!config.github && !options.static_keys)
    return fail(Fault::invalid, "SLW-204",
                "the configuration does not say which repository on GitHub may push. Write github: {repository: "
                "OWNER/NAME} in it, or take keys instead of a role: slipway render workflow --static-keys");
  const std::vector<Image> images = images_of(config);
  const bool versions = std::ranges::any_of(images, &Image::versions);
  std::string out = fmt::format(
      "# Made by `slipway render workflow`. It pushes images and may do nothing else; the push is what deploys.\n"
      "name: images\n"
      "on:\n"
      "  push:\n"
      "    branches: [{}]\n",
      config.github ? config.github->branch : "main");
  if (versions) out += "    tags: ['v*']\n";
  out += fmt::format(
      "  workflow_dispatch:\n"
      "\n"
      "permissions: {{}}\n"
      "concurrency:\n"
      "  group: images-${{{{ github.ref }}}}\n"
      "  cancel-in-progress: false\n"
      "defaults:\n"
      "  run:\n"
      "    shell: bash\n"
      "env:\n"
      "  AWS_REGION: {}\n"
      "\n"
      "jobs:",
      options.region);
  std::string jobs;
  for (const Image& image : images) jobs += job(config, image, options);
  return out + jobs;
}

}  // namespace slipway::render
