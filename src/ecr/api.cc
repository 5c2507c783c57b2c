#include "ecr/api.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"

namespace slipway::ecr {
namespace {

using wire::Answer;
using wire::Call;

constexpr long long kPageSize = 100;
constexpr std::size_t kTagsMax = 50;                   // Of a repository.
constexpr long long kPartBytes = 10 * 1024 * 1024;     // What we ask for.
constexpr long long kPartBytesMax = 20 * 1024 * 1024;  // What we take, as ECR does.
constexpr const char* kScansNothing = "imageScanningConfiguration: kept, but images are not scanned here";

// ECR's words for what is wrong with one parameter.
std::unexpected<Error> bad_parameter(std::string_view name, std::string_view why) {
  return fail(Fault::invalid, "InvalidParameterException",
              fmt::format("Invalid parameter at '{}' failed to satisfy constraint: '{}'", name, why));
}

std::unexpected<Error> no_repository(const Call& call, const std::string& name) {
  return fail(Fault::not_found, "RepositoryNotFoundException",
              fmt::format("The repository with name '{}' does not exist in the registry with id '{}'", name,
                          call.place.account));
}

Answer answer_with(const char* member, json::value value) {
  Answer answer;
  answer.output[member] = std::move(value);
  return answer;
}

std::string name_of(const json::object& input) {
  return get_string(input, "repositoryName");
}

std::unexpected<Error> nothing_there(const Call& call, const char* code, const char* what) {
  return fail(Fault::not_found, code,
              fmt::format("{} does not exist for the repository with name '{}' in the registry with id '{}'", what,
                          name_of(call.input), call.place.account));
}

Result<void> put_tags(Repository& repository, const json::array& tags) {
  for (const json::value& tag : tags) {
    const std::string key = get_string(tag.as_object(), "Key");
    if (to_lower(key).starts_with("aws:"))
      return fail(Fault::invalid, "InvalidTagParameterException",
                  "Tag keys that begin with 'aws:' are reserved for AWS: " + key);
    repository.tags[key] = get_string(tag.as_object(), "Value");
  }
  if (repository.tags.size() > kTagsMax)
    return fail(Fault::invalid, "TooManyTagsException",
                fmt::format("The list of tags on the repository is over the limit. The maximum number of tags that can "
                            "be applied to a repository is {}.",
                            kTagsMax));
  return {};
}

Result<void> put_mutability(Repository& repository, const json::object& input) {
  repository.mutability = get_string(input, "imageTagMutability", "MUTABLE");
  repository.exclusions.clear();
  for (const json::value& filter : get_array(input, "imageTagMutabilityExclusionFilters"))
    repository.exclusions.push_back(get_string(filter.as_object(), "filter"));
  if (repository.mutability.ends_with("_WITH_EXCLUSION") == repository.exclusions.empty())
    return bad_parameter("imageTagMutabilityExclusionFilters",
                         "filters are required with MUTABLE_WITH_EXCLUSION and IMMUTABLE_WITH_EXCLUSION, and only "
                         "allowed with them");
  return {};
}

// One element of a listing, and where it stands in the order: pages go on behind the last one seen, whatever was added
// or removed meanwhile.
struct Listed {
  std::string key;
  json::value value;
};
std::string image_key(const Image& image, std::string_view tag = {}) {
  return fmt::format("{:020} {} {}", image.pushed_at.ms(), image.digest, tag);
}

// `all` is in the order of its keys.
Result<Answer> page(const std::vector<Listed>& all, const json::object& input, const char* member) {
  const auto size = static_cast<std::size_t>(get_int(input, "maxResults", kPageSize));
  const std::string token = get_string(input, "nextToken");
  const auto last = base64_decode(token);
  if (!last) return bad_parameter("nextToken", "Invalid next token");
  json::array out;
  std::string seen;
  bool more = false;
  for (const Listed& listed : all) {
    if (!token.empty() && listed.key <= *last) continue;
    more = out.size() == size;
    if (more) break;
    out.push_back(listed.value);
    seen = listed.key;
  }
  Answer answer;
  answer.output[member] = std::move(out);
  if (more) answer.output["nextToken"] = base64_encode(seen);
  return answer;
}

struct Failure {
  const char* code;
  const char* reason;
};
constexpr Failure kNotFound{"ImageNotFound", "Requested image not found"};

// What is wrong with an image id before anybody looks for the image.
std::optional<Failure> broken_id(const json::object& id) {
  const std::string tag = get_string(id, "imageTag");
  const std::string digest = get_string(id, "imageDigest");
  if (tag.empty() && digest.empty())
    return Failure{"MissingDigestAndTag", "Invalid request parameters: both tag and digest cannot be null"};
  if (!digest.empty() && !parse_digest(digest))
    return Failure{"InvalidImageDigest",
                   "Invalid request parameters: image digest should satisfy the regex '[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+'"};
  if (!tag.empty() && !valid_tag(tag))
    return Failure{"InvalidImageTag", "Invalid request parameters: image tag is not valid"};
  return std::nullopt;
}

json::object failure_of(const json::value& id, const Failure& failure) {
  return {{"imageId", id}, {"failureCode", failure.code}, {"failureReason", failure.reason}};
}

class Api {
 public:
  explicit Api(Registry& registry) : registry_(registry) {}

  // What all operations have in common: the registry is ours, and the name is one.
  task<Result<Answer>> run(Call call, task<Result<Answer>> (Api::*method)(Call)) {
    const std::string registry = get_string(call.input, "registryId", call.place.account);
    const std::string name = name_of(call.input);
    if (has(call.input, "repositoryName") && !valid_repository(name))
      co_return bad_parameter("repositoryName",
                              fmt::format("must satisfy regular expression '{}'", kRepositoryPattern));
    if (registry != call.place.account) {
      if (name.empty()) co_return bad_parameter("registryId", "there is no registry with id " + registry);
      call.place.account = registry;
      co_return no_repository(call, name);
    }
    co_return co_await (this->*method)(std::move(call));
  }

  task<Result<Answer>> create(Call call) {
    Repository repository{.name = name_of(call.input),
                          .scan_on_push = get_bool(get_object(call.input, "imageScanningConfiguration"), "scanOnPush"),
                          .created_at = call.now};
    if (auto good = put_mutability(repository, call.input); !good) co_return fail(good);
    if (auto good = put_tags(repository, get_array(call.input, "tags")); !good) co_return fail(good);
    const std::string account = call.place.account;
    auto put = [repository, account](database::Transaction& tx) -> Result<void> {
      if (get_repository(tx, repository.name))
        return fail(Fault::conflict, "RepositoryAlreadyExistsException",
                    fmt::format("The repository with name '{}' already exists in the registry with id '{}'",
                                repository.name, account));
      put_repository(tx, repository);
      return {};
    };
    auto done = co_await registry_.db().write(put);
    if (!done) co_return fail(done);
    Answer answer = answer_with("repository", describe(call, repository));
    if (repository.scan_on_push) answer.warnings.emplace_back(kScansNothing);
    co_return answer;
  }

  task<Result<Answer>> describe_repositories(Call call) {
    const auto names = get_strings(call.input, "repositoryNames");
    if (!names.empty() && (has(call.input, "maxResults") || has(call.input, "nextToken")))
      co_return bad_parameter("maxResults", "maxResults and nextToken cannot be used with repositoryNames");
    json::array out;
    for (const std::string& name : names) {
      const auto known = get_repository(registry_.db().read(), name);
      if (!known) co_return no_repository(call, name);
      out.push_back(describe(call, *known));
    }
    if (!names.empty()) co_return answer_with("repositories", out);
    std::vector<Listed> all;
    for (const Repository& repository : list_repositories(registry_.db().read()))
      all.push_back({.key = repository.name, .value = describe(call, repository)});
    co_return page(all, call.input, "repositories");
  }

  task<Result<Answer>> remove(Call call) {
    const std::string name = name_of(call.input);
    const bool force = get_bool(call.input, "force");
    auto erase = [name, force, call](database::Transaction& tx) -> Result<Repository> {
      const auto known = get_repository(tx, name);
      if (!known) return no_repository(call, name);
      if (!force && has_images(tx, name))
        return fail(Fault::conflict, "RepositoryNotEmptyException",
                    fmt::format("The repository with name '{}' in registry with id '{}' cannot be deleted because it "
                                "still contains images",
                                name, call.place.account));
      erase_repository(tx, name);
      return *known;
    };
    auto gone = co_await registry_.db().write(erase);
    if (!gone) co_return fail(gone);
    co_return answer_with("repository", describe(call, *gone));
  }

  task<Result<Answer>> authorization_token(Call call) {
    const std::string token = registry_.token_for(call.caller, call.now);
    const json::object data = {{"authorizationToken", base64_encode("AWS:" + token)},
                               {"expiresAt", epoch_seconds(registry_.token_expiry(call.now))},
                               {"proxyEndpoint", "http://" + registry_.host()}};
    co_return answer_with("authorizationData", json::array{data});
  }

  task<Result<Answer>> describe_images(Call call) {
    const std::string name = name_of(call.input);
    if (!get_repository(registry_.db().read(), name)) co_return no_repository(call, name);
    const json::array ids = get_array(call.input, "imageIds");
    if (!ids.empty() && (has(call.input, "maxResults") || has(call.input, "nextToken")))
      co_return bad_parameter("maxResults", "maxResults and nextToken cannot be used with imageIds");
    json::array details;
    for (const json::value& id : ids) {
      if (const auto broken = broken_id(id.as_object())) co_return bad_parameter("imageIds", broken->reason);
      const auto image = find_image(name, id.as_object());
      if (!image) {
        co_return fail(Fault::not_found, "ImageNotFoundException",
                       fmt::format("The image with imageId {{imageDigest:'{}', imageTag:'{}'}} does not exist within "
                                   "the repository with name '{}' in the registry with id '{}'",
                                   get_string(id.as_object(), "imageDigest", "null"),
                                   get_string(id.as_object(), "imageTag", "null"), name, call.place.account));
      }
      details.push_back(detail(call, *image));
    }
    if (!ids.empty()) co_return answer_with("imageDetails", details);
    const std::string status = get_string(get_object(call.input, "filter"), "tagStatus", "ANY");
    std::vector<Listed> all;
    for (const Image& image : list_images(registry_.db().read(), name)) {
      const bool tagged = !tags_of(registry_.db().read(), name, image.digest).empty();
      if (status == "ANY" || (status == "TAGGED") == tagged)
        all.push_back({.key = image_key(image), .value = detail(call, image)});
    }
    co_return page(all, call.input, "imageDetails");
  }

  task<Result<Answer>> list(Call call) {
    const std::string name = name_of(call.input);
    if (!get_repository(registry_.db().read(), name)) co_return no_repository(call, name);
    const std::string status = get_string(get_object(call.input, "filter"), "tagStatus", "ANY");
    std::vector<Listed> all;
    for (const Image& image : list_images(registry_.db().read(), name)) {
      const auto tags = tags_of(registry_.db().read(), name, image.digest);
      if (tags.empty() && status != "TAGGED")
        all.push_back({.key = image_key(image), .value = {{"imageDigest", image.digest}}});
      if (status == "UNTAGGED") continue;
      for (const std::string& tag : tags)
        all.push_back({.key = image_key(image, tag), .value = {{"imageDigest", image.digest}, {"imageTag", tag}}});
    }
    co_return page(all, call.input, "imageIds");
  }

  task<Result<Answer>> batch_get(Call call) {
    const std::string name = name_of(call.input);
    if (!get_repository(registry_.db().read(), name)) co_return no_repository(call, name);
    const auto accepted = get_strings(call.input, "acceptedMediaTypes");
    json::array images;
    json::array failures;
    for (const json::value& id : get_array(call.input, "imageIds")) {
      if (const auto broken = broken_id(id.as_object())) {
        failures.push_back(failure_of(id, *broken));
        continue;
      }
      const auto image = find_image(name, id.as_object());
      const bool wanted =
          image && (accepted.empty() || std::ranges::find(accepted, image->media_type) != accepted.end());
      if (!wanted) {
        failures.push_back(failure_of(id, kNotFound));
        continue;
      }
      registry_.record_pull(*image);
      images.push_back(described_image(call, *image, get_string(id.as_object(), "imageTag")));
    }
    Answer answer;
    answer.output = {{"images", images}, {"failures", failures}};
    co_return answer;
  }

  task<Result<Answer>> put_image(Call call) {
    const std::string name = name_of(call.input);
    const std::string tag = get_string(call.input, "imageTag");
    if (!tag.empty() && !valid_tag(tag))
      co_return bad_parameter("imageTag", "must satisfy regular expression '[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}'");
    const auto manifest = parse_json(get_string(call.input, "imageManifest"));
    const bool typed = manifest && manifest->is_object() && has(manifest->get_object(), "mediaType");
    if (!typed && !has(call.input, "imageManifestMediaType"))
      co_return bad_parameter("ImageManifest", "Invalid JSON syntax");
    auto pushed = co_await registry_.push(name, tag, get_string(call.input, "imageManifest"),
                                          get_string(call.input, "imageManifestMediaType"),
                                          get_string(call.input, "imageDigest"), call.now);
    if (!pushed) co_return std::unexpected(api_error(pushed.error(), call, name));
    if (!pushed->changed) {
      co_return fail(Fault::conflict, "ImageAlreadyExistsException",
                     fmt::format("Image with digest '{}' and tag '{}' already exists in the repository with name '{}' "
                                 "in registry with id '{}'",
                                 pushed->digest, tag, name, call.place.account));
    }
    const auto image = get_image(registry_.db().read(), name, pushed->digest);
    co_return answer_with("image", described_image(call, *image, tag));
  }

  task<Result<Answer>> batch_delete(Call call) {
    const std::string name = name_of(call.input);
    const json::array ids = get_array(call.input, "imageIds");
    Registry* registry = &registry_;
    auto erase = [=](database::Transaction& tx) -> Result<Answer> {
      if (!get_repository(tx, name)) return no_repository(call, name);
      json::array gone;
      json::array failures;
      for (const json::value& id : ids) {
        if (const auto broken = broken_id(id.as_object())) {
          failures.push_back(failure_of(id, *broken));
          continue;
        }
        const std::string tag = get_string(id.as_object(), "imageTag");
        const std::string named = tag.empty() ? "" : digest_of_tag(tx, name, tag).value_or("");
        const std::string digest = get_string(id.as_object(), "imageDigest", named);
        if (!tag.empty() && !named.empty() && named != digest) {
          failures.push_back(
              failure_of(id, {"ImageTagDoesNotMatchDigest", "Requested image tag does not match the image digest"}));
          continue;
        }
        const auto tags = tag.empty() ? tags_of(tx, name, digest) : std::vector<std::string>{tag};
        switch (registry->remove(tx, name, tag, tag.empty() ? digest : "", call.now)) {
          case Registry::Removal::removed:
            // Each tag that went, beside its digest.
            for (const std::string& each : tags) gone.push_back({{"imageDigest", digest}, {"imageTag", each}});
            if (tags.empty()) gone.push_back({{"imageDigest", digest}});
            break;
          case Registry::Removal::unknown:
            failures.push_back(failure_of(id, kNotFound));
            break;
          case Registry::Removal::referenced:
            failures.push_back(
                failure_of(id, {"ImageReferencedByManifestList", "Requested image referenced by manifest list"}));
            break;
        }
      }
      Answer answer;
      answer.output = {{"imageIds", gone}, {"failures", failures}};
      return answer;
    };
    co_return co_await registry_.db().write(erase);
  }

  task<Result<Answer>> change_mutability(Call call) {
    auto change = [input = call.input](Repository& repository) { return put_mutability(repository, input); };
    auto changed = co_await edit(call, name_of(call.input), change);
    if (!changed) co_return fail(changed);
    Answer answer = named_answer(call);
    answer.output["imageTagMutability"] = changed->mutability;
    if (!changed->exclusions.empty()) answer.output["imageTagMutabilityExclusionFilters"] = filters_of(*changed);
    co_return answer;
  }

  task<Result<Answer>> change_scanning(Call call) {
    const bool scan = get_bool(get_object(call.input, "imageScanningConfiguration"), "scanOnPush");
    auto change = [scan](Repository& repository) -> Result<void> {
      repository.scan_on_push = scan;
      return {};
    };
    auto changed = co_await edit(call, name_of(call.input), change);
    if (!changed) co_return fail(changed);
    Answer answer = named_answer(call);
    answer.output["imageScanningConfiguration"] = {{"scanOnPush", scan}};
    if (scan) answer.warnings.emplace_back(kScansNothing);
    co_return answer;
  }
  task<Result<Answer>> scanning(Call call) {
    json::array found;
    json::array failures;
    for (const std::string& name : get_strings(call.input, "repositoryNames")) {
      const auto repository = get_repository(registry_.db().read(), name);
      if (!repository) {
        failures.push_back({{"repositoryName", name},
                            {"failureCode", "REPOSITORY_NOT_FOUND"},
                            {"failureReason", no_repository(call, name).error().message}});
        continue;
      }
      found.push_back({{"repositoryArn", call.place.arn("ecr", "repository/" + name)},
                       {"repositoryName", name},
                       {"scanOnPush", repository->scan_on_push},
                       {"scanFrequency", repository->scan_on_push ? "SCAN_ON_PUSH" : "MANUAL"},
                       {"appliedScanFilters", json::array{}}});
    }
    Answer answer;
    answer.output = {{"scanningConfigurations", found}, {"failures", failures}};
    co_return answer;
  }

  task<Result<Answer>> put_lifecycle(Call call) {
    const std::string text = get_string(call.input, "lifecyclePolicyText");
    if (const auto rules = parse_lifecycle(text); !rules) co_return fail(rules);
    auto change = [text](Repository& repository) -> Result<void> {
      repository.lifecycle = text;
      repository.lifecycle_run_at = {};
      return {};
    };
    auto changed = co_await edit(call, name_of(call.input), change);
    if (!changed) co_return fail(changed);
    registry_.run_lifecycle_soon(changed->name);
    Answer answer = named_answer(call);
    answer.output["lifecyclePolicyText"] = text;
    co_return answer;
  }
  task<Result<Answer>> get_lifecycle(Call call) {
    const auto repository = get_repository(registry_.db().read(), name_of(call.input));
    if (!repository) co_return no_repository(call, name_of(call.input));
    if (repository->lifecycle.empty())
      co_return nothing_there(call, "LifecyclePolicyNotFoundException", "Lifecycle policy");
    co_return lifecycle_answer(call, *repository);
  }
  task<Result<Answer>> delete_lifecycle(Call call) {
    auto before = std::make_shared<Repository>();
    auto change = [before, call](Repository& repository) -> Result<void> {
      *before = repository;
      if (repository.lifecycle.empty())
        return nothing_there(call, "LifecyclePolicyNotFoundException", "Lifecycle policy");
      repository.lifecycle.clear();
      return {};
    };
    auto changed = co_await edit(call, name_of(call.input), change);
    if (!changed) co_return fail(changed);
    co_return lifecycle_answer(call, *before);
  }

  task<Result<Answer>> set_policy(Call call) {
    const std::string text = get_string(call.input, "policyText");
    if (const auto good = registry_.permissions().check_policy(text); !good)
      co_return bad_parameter("PolicyText", "Invalid repository policy provided: " + good.error().message);
    auto change = [text](Repository& repository) -> Result<void> {
      repository.policy = text;
      return {};
    };
    auto changed = co_await edit(call, name_of(call.input), change);
    if (!changed) co_return fail(changed);
    co_return policy_answer(call, text);
  }
  task<Result<Answer>> get_policy(Call call) {
    const auto repository = get_repository(registry_.db().read(), name_of(call.input));
    if (!repository) co_return no_repository(call, name_of(call.input));
    if (repository->policy.empty())
      co_return nothing_there(call, "RepositoryPolicyNotFoundException", "Repository policy");
    co_return policy_answer(call, repository->policy);
  }
  task<Result<Answer>> delete_policy(Call call) {
    auto text = std::make_shared<std::string>();
    auto change = [text, call](Repository& repository) -> Result<void> {
      *text = std::exchange(repository.policy, {});
      if (text->empty()) return nothing_there(call, "RepositoryPolicyNotFoundException", "Repository policy");
      return {};
    };
    auto changed = co_await edit(call, name_of(call.input), change);
    if (!changed) co_return fail(changed);
    co_return policy_answer(call, *text);
  }

  task<Result<Answer>> begin_layer(Call call) {
    const std::string name = name_of(call.input);
    if (!get_repository(registry_.db().read(), name)) co_return no_repository(call, name);
    const auto upload = registry_.begin_layer(name);
    if (!upload) co_return fail(upload);
    Answer answer;
    answer.output = {{"uploadId", *upload}, {"partSize", kPartBytes}};
    co_return answer;
  }
  task<Result<Answer>> add_part(Call call) {
    const std::string name = name_of(call.input);
    if (!get_repository(registry_.db().read(), name)) co_return no_repository(call, name);
    const std::string upload = get_string(call.input, "uploadId");
    const auto first = static_cast<std::uint64_t>(get_int(call.input, "partFirstByte"));
    const auto last = static_cast<std::uint64_t>(get_int(call.input, "partLastByte"));
    auto received = co_await registry_.add_part(name, upload, first, last, get_string(call.input, "layerPartBlob"));
    if (!received) co_return fail(received);
    Answer answer = named_answer(call);
    answer.output["uploadId"] = upload;
    answer.output["lastByteReceived"] = *received;
    co_return answer;
  }
  task<Result<Answer>> complete_layer(Call call) {
    const std::string name = name_of(call.input);
    if (!get_repository(registry_.db().read(), name)) co_return no_repository(call, name);
    const std::string upload = get_string(call.input, "uploadId");
    auto digest = co_await registry_.complete_layer(name, upload, get_strings(call.input, "layerDigests"));
    if (!digest) co_return std::unexpected(api_error(digest.error(), call, name));
    Answer answer = named_answer(call);
    answer.output["uploadId"] = upload;
    answer.output["layerDigest"] = *digest;
    co_return answer;
  }
  task<Result<Answer>> download_url(Call call) {
    const std::string name = name_of(call.input);
    if (!get_repository(registry_.db().read(), name)) co_return no_repository(call, name);
    const std::string digest = get_string(call.input, "layerDigest");
    if (!registry_.blob_size(name, digest))
      co_return fail(
          Fault::not_found, "LayersNotFoundException",
          fmt::format("The layer with digest '{}' does not exist within the repository with name '{}' in the "
                      "registry with id '{}'",
                      digest, name, call.place.account));
    Answer answer;
    answer.output = {{"downloadUrl", registry_.download_url(name, digest, call.now)}, {"layerDigest", digest}};
    co_return answer;
  }

  task<Result<Answer>> tag(Call call) {
    const auto name = name_in_arn(call);
    if (!name) co_return fail(name);
    auto change = [tags = get_array(call.input, "tags")](Repository& repository) { return put_tags(repository, tags); };
    auto changed = co_await edit(call, *name, change);
    if (!changed) co_return fail(changed);
    co_return Answer{};
  }
  task<Result<Answer>> untag(Call call) {
    const auto name = name_in_arn(call);
    if (!name) co_return fail(name);
    auto change = [keys = get_strings(call.input, "tagKeys")](Repository& repository) -> Result<void> {
      for (const std::string& key : keys) repository.tags.erase(key);
      return {};
    };
    auto changed = co_await edit(call, *name, change);
    if (!changed) co_return fail(changed);
    co_return Answer{};
  }
  task<Result<Answer>> list_resource_tags(Call call) {
    const auto name = name_in_arn(call);
    if (!name) co_return fail(name);
    const auto repository = get_repository(registry_.db().read(), *name);
    if (!repository) co_return no_repository(call, *name);
    json::array tags;
    for (const auto& entry : repository->tags) tags.push_back({{"Key", entry.key()}, {"Value", entry.value()}});
    co_return answer_with("tags", tags);
  }

  task<Result<Answer>> check_layers(Call call) {
    const std::string name = name_of(call.input);
    if (!get_repository(registry_.db().read(), name)) co_return no_repository(call, name);
    json::array layers;
    json::array failures;
    for (const std::string& digest : get_strings(call.input, "layerDigests")) {
      if (!parse_digest(digest)) {
        failures.push_back({{"layerDigest", digest},
                            {"failureCode", digest.empty() ? "MissingLayerDigest" : "InvalidLayerDigest"},
                            {"failureReason",
                             "Invalid request parameters: layer digest should satisfy the regex "
                             "'[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+'"}});
        continue;
      }
      const auto bytes = registry_.blob_size(name, digest);
      json::object layer = {{"layerDigest", digest}, {"layerAvailability", bytes ? "AVAILABLE" : "UNAVAILABLE"}};
      if (bytes) layer["layerSize"] = *bytes;
      layers.push_back(layer);
    }
    Answer answer;
    answer.output = {{"layers", layers}, {"failures", failures}};
    co_return answer;
  }

 private:
  static Result<std::string> name_in_arn(const Call& call) {
    const std::string arn = get_string(call.input, "resourceArn");
    const std::string before = call.place.arn("ecr", "repository/");
    if (!arn.starts_with(before)) return bad_parameter("resourceArn", "Invalid ARN");
    return arn.substr(before.size());
  }

  static Answer named_answer(const Call& call) {
    Answer answer;
    answer.output = {{"registryId", call.place.account}, {"repositoryName", name_of(call.input)}};
    return answer;
  }
  static Answer lifecycle_answer(const Call& call, const Repository& repository) {
    Answer answer = named_answer(call);
    answer.output["lifecyclePolicyText"] = repository.lifecycle;
    if (repository.lifecycle_run_at != Instant{})
      answer.output["lastEvaluatedAt"] = epoch_seconds(repository.lifecycle_run_at);
    return answer;
  }
  static Answer policy_answer(const Call& call, const std::string& text) {
    Answer answer = named_answer(call);
    answer.output["policyText"] = text;
    return answer;
  }
  static json::array filters_of(const Repository& repository) {
    json::array filters;
    for (const std::string& filter : repository.exclusions)
      filters.push_back({{"filterType", "WILDCARD"}, {"filter", filter}});
    return filters;
  }

  std::optional<Image> find_image(const std::string& repository, const json::object& id) {
    std::string digest = get_string(id, "imageDigest");
    const std::string tag = get_string(id, "imageTag");
    if (!tag.empty()) {
      const auto named = digest_of_tag(registry_.db().read(), repository, tag);
      if (!named || (!digest.empty() && *named != digest)) return std::nullopt;
      digest = *named;
    }
    return get_image(registry_.db().read(), repository, digest);
  }

  json::object describe(const Call& call, const Repository& repository) const {
    json::object out = {{"repositoryArn", call.place.arn("ecr", "repository/" + repository.name)},
                        {"registryId", call.place.account},
                        {"repositoryName", repository.name},
                        {"repositoryUri", registry_.host() + "/" + repository.name},
                        {"createdAt", epoch_seconds(repository.created_at)},
                        {"imageTagMutability", repository.mutability},
                        {"imageScanningConfiguration", json::object{{"scanOnPush", repository.scan_on_push}}},
                        {"encryptionConfiguration", json::object{{"encryptionType", "AES256"}}}};
    if (!repository.exclusions.empty()) out["imageTagMutabilityExclusionFilters"] = filters_of(repository);
    return out;
  }

  // Of an index: the largest of its images.
  long long size_of(const Image& image) const {
    if (image.bytes > 0) return image.bytes;
    long long largest = 0;
    const auto manifest = parse_manifest(image.manifest, image.media_type);
    for (const std::string& child : manifest ? manifest->manifests : std::vector<std::string>{}) {
      const auto found = get_image(registry_.db().read(), image.repository, child);
      if (found) largest = std::max(largest, found->bytes);
    }
    return largest;
  }

  json::object detail(const Call& call, const Image& image) const {
    json::object out = {{"registryId", call.place.account},
                        {"repositoryName", image.repository},
                        {"imageDigest", image.digest},
                        {"imageSizeInBytes", size_of(image)},
                        {"imagePushedAt", epoch_seconds(image.pushed_at)},
                        {"imageManifestMediaType", image.media_type}};
    if (!image.artifact_type.empty()) out["artifactMediaType"] = image.artifact_type;
    if (!image.subject.empty()) out["subjectManifestDigest"] = image.subject;
    if (image.pulled_at != Instant{}) out["lastRecordedPullTime"] = epoch_seconds(image.pulled_at);
    const auto tags = tags_of(registry_.db().read(), image.repository, image.digest);
    if (!tags.empty()) out["imageTags"] = to_array(tags);
    return out;
  }

  static json::object described_image(const Call& call, const Image& image, const std::string& tag) {
    json::object id = {{"imageDigest", image.digest}};
    if (!tag.empty()) id["imageTag"] = tag;
    return {{"registryId", call.place.account},
            {"repositoryName", image.repository},
            {"imageId", id},
            {"imageManifest", image.manifest},
            {"imageManifestMediaType", image.media_type}};
  }

  // The registry speaks the distribution API's codes; this API has its own.
  static Error api_error(Error error, const Call& call, const std::string& name) {
    if (error.code == "NAME_UNKNOWN") return no_repository(call, name).error();
    if (error.code == "TAG_INVALID") error.code = "ImageTagAlreadyExistsException";
    if (error.code == "MANIFEST_BLOB_UNKNOWN")
      error.code =
          error.message.starts_with("Images") ? "ReferencedImagesNotFoundException" : "LayersNotFoundException";
    if (error.code == "DIGEST_INVALID") error.code = "ImageDigestDoesNotMatchException";
    if (error.code == "MANIFEST_INVALID") return bad_parameter("ImageManifest", error.message).error();
    if (error.code == "SIZE_INVALID") error.code = "LimitExceededException";
    return error;
  }

  // The repository as it is after `change`.
  task<Result<Repository>> edit(Call call, std::string name, std::function<Result<void>(Repository&)> change) {
    auto work = [call, name, change](database::Transaction& tx) -> Result<Repository> {
      auto repository = get_repository(tx, name);
      if (!repository) return no_repository(call, name);
      if (auto good = change(*repository); !good) return fail(good);
      put_repository(tx, *repository);
      return *repository;
    };
    co_return co_await registry_.db().write(work);
  }

  Registry& registry_;
};

using Method = task<Result<Answer>> (Api::*)(Call);

}  // namespace

wire::Service service(Registry& registry) {
  using namespace wire;
  auto api = std::make_shared<Api>(registry);
  Service out;
  out.name = "ecr";
  out.protocols = {Protocol::json_1_1};
  out.target_prefix = "AmazonEC2ContainerRegistry_V20150921";
  out.validation_code = "InvalidParameterException";
  const auto add = [&](const char* name, Shape input, Method method) {
    out.operations.push_back({.name = name,
                              .input = std::move(input),
                              .handler = [api, method](Call call) { return api->run(std::move(call), method); },
                              .resource =
                                  [](const Call& call) {
                                    const std::string arn = get_string(call.input, "resourceArn");
                                    const auto names = get_strings(call.input, "repositoryNames");
                                    const std::string repository =
                                        names.size() == 1 ? names.front() : name_of(call.input);
                                    return !arn.empty()         ? arn
                                           : repository.empty() ? std::string("*")
                                                                : call.place.arn("ecr", "repository/" + repository);
                                  }});
  };
  const Member registry_id = optional("registryId", text(12, 12, "[0-9]{12}"));
  const Member repository = required("repositoryName", text(2, 256));
  const Shape tags = list(structure({required("Key", text(1, 128)), required("Value", text(0, 256))}), 0, 50);
  const Shape ids = list(structure({optional("imageDigest", text()), optional("imageTag", text(1, 300))}), 1, 100);
  const Shape status = structure({optional("tagStatus", one_of({"TAGGED", "UNTAGGED", "ANY"}))});
  const Member mutability = optional(
      "imageTagMutability", one_of({"MUTABLE", "IMMUTABLE", "MUTABLE_WITH_EXCLUSION", "IMMUTABLE_WITH_EXCLUSION"}));
  const Member exclusions = optional("imageTagMutabilityExclusionFilters",
                                     list(structure({required("filterType", one_of({"WILDCARD"})),
                                                     required("filter", text(1, 128, "[0-9a-zA-Z._*-]{1,128}"))}),
                                          1, 5));
  const Member scanning = optional("imageScanningConfiguration", structure({optional("scanOnPush", boolean())}));
  const Member upload =
      required("uploadId", text(1, 64, "[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"));
  const Member max = optional("maxResults", integer(1, 1000));
  const Member next = optional("nextToken", text());
  add("CreateRepository",
      structure({registry_id, repository, optional("tags", tags), mutability, exclusions, scanning,
                 refused("encryptionConfiguration",
                         structure({optional("encryptionType", one_of({"AES256", "KMS", "KMS_DSSE"})),
                                    optional("kmsKey", text(1, 2048))}),
                         "images are not encrypted here", R"({"encryptionType":"AES256"})")}),
      &Api::create);
  add("DescribeRepositories",
      structure({registry_id, optional("repositoryNames", list(text(2, 256), 1, 100)), max, next}),
      &Api::describe_repositories);
  add("DeleteRepository", structure({registry_id, repository, optional("force", boolean())}), &Api::remove);
  add("GetAuthorizationToken", structure({ignored("registryIds", list(text()))}), &Api::authorization_token);
  add("DescribeImages",
      structure({registry_id, repository, optional("imageIds", ids), optional("filter", status), max, next}),
      &Api::describe_images);
  add("ListImages", structure({registry_id, repository, optional("filter", status), max, next}), &Api::list);
  add("BatchGetImage",
      structure(
          {registry_id, repository, required("imageIds", ids), optional("acceptedMediaTypes", list(text(), 1, 100))}),
      &Api::batch_get);
  add("PutImage",
      structure({registry_id, repository, required("imageManifest", text(1, 4194304)),
                 optional("imageManifestMediaType", text()), optional("imageTag", text(1, 300)),
                 optional("imageDigest", text())}),
      &Api::put_image);
  add("BatchDeleteImage", structure({registry_id, repository, required("imageIds", ids)}), &Api::batch_delete);
  add("PutImageTagMutability",
      structure({registry_id, repository, required("imageTagMutability", mutability.shape), exclusions}),
      &Api::change_mutability);
  add("PutImageScanningConfiguration",
      structure({registry_id, repository, required("imageScanningConfiguration", scanning.shape)}),
      &Api::change_scanning);
  add("BatchGetRepositoryScanningConfiguration", structure({required("repositoryNames", list(text(2, 256), 1, 25))}),
      &Api::scanning);
  add("PutLifecyclePolicy", structure({registry_id, repository, required("lifecyclePolicyText", text(100, 30720))}),
      &Api::put_lifecycle);
  add("GetLifecyclePolicy", structure({registry_id, repository}), &Api::get_lifecycle);
  add("DeleteLifecyclePolicy", structure({registry_id, repository}), &Api::delete_lifecycle);
  // `force` guards against a policy that locks its author out; the administrator is bound by none.
  add("SetRepositoryPolicy",
      structure({registry_id, repository, required("policyText", text(0, 10240)), ignored("force", boolean())}),
      &Api::set_policy);
  add("GetRepositoryPolicy", structure({registry_id, repository}), &Api::get_policy);
  add("DeleteRepositoryPolicy", structure({registry_id, repository}), &Api::delete_policy);
  add("InitiateLayerUpload", structure({registry_id, repository}), &Api::begin_layer);
  add("UploadLayerPart",
      structure({registry_id, repository, upload, required("partFirstByte", integer(0)),
                 required("partLastByte", integer(0)), required("layerPartBlob", blob(kPartBytesMax))}),
      &Api::add_part);
  add("CompleteLayerUpload",
      structure({registry_id, repository, upload, required("layerDigests", list(text(), 1, 100))}),
      &Api::complete_layer);
  add("GetDownloadUrlForLayer", structure({registry_id, repository, required("layerDigest", text())}),
      &Api::download_url);
  add("BatchCheckLayerAvailability",
      structure({registry_id, repository, required("layerDigests", list(text(), 1, 100))}), &Api::check_layers);
  add("TagResource", structure({required("resourceArn", text()), required("tags", tags)}), &Api::tag);
  add("UntagResource", structure({required("resourceArn", text()), required("tagKeys", list(text()))}), &Api::untag);
  add("ListTagsForResource", structure({required("resourceArn", text())}), &Api::list_resource_tags);
  return out;
}

}  // namespace slipway::ecr
