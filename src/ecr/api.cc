#include "ecr/api.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"

namespace slipway::ecr {
namespace {

using wire::Answer;
using wire::Call;

constexpr std::size_t kPageSize = 100;

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

class Api {
 public:
  explicit Api(Registry& registry) : registry_(registry) {}

  task<Result<Answer>> create(Call call) {
    Repository repository{.name = name_of(call.input),
                          .mutability = get_string(call.input, "imageTagMutability", "MUTABLE"),
                          .created_at = call.now};
    if (!valid_repository(repository.name)) {
      co_return fail(
          Fault::invalid, "InvalidParameterException",
          fmt::format(
              "Invalid parameter at 'repositoryName' failed to satisfy constraint: 'must satisfy regular expression "
              "'(?:[a-z0-9]+(?:[._-][a-z0-9]+)*/)*[a-z0-9]+(?:[._-][a-z0-9]+)*''"));
    }
    for (const json::value& tag : get_array(call.input, "tags"))
      repository.tags[get_string(tag.as_object(), "Key")] = get_string(tag.as_object(), "Value");
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
    co_return answer_with("repository", describe(call, repository));
  }

  task<Result<Answer>> describe_repositories(Call call) {
    const auto names = get_strings(call.input, "repositoryNames");
    json::array out;
    for (const std::string& name : names) {
      const auto known = get_repository(registry_.db().read(), name);
      if (!known) co_return no_repository(call, name);
      out.push_back(describe(call, *known));
    }
    if (names.empty()) {
      for (const Repository& repository : list_repositories(registry_.db().read()))
        out.push_back(describe(call, repository));
    }
    co_return answer_with("repositories", out);
  }

  task<Result<Answer>> remove(Call call) {
    const std::string name = name_of(call.input);
    const bool force = get_bool(call.input, "force");
    auto erase = [name, force, call](database::Transaction& tx) -> Result<Repository> {
      const auto known = get_repository(tx, name);
      if (!known) return no_repository(call, name);
      if (!force && !list_images(tx, name).empty())
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
    json::array details;
    const json::array ids = get_array(call.input, "imageIds");
    for (const json::value& id : ids) {
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
    const std::string status = get_string(get_object(call.input, "filter"), "tagStatus", "ANY");
    if (ids.empty()) {
      for (const Image& image : list_images(registry_.db().read(), name)) {
        const bool tagged = !tags_of(registry_.db().read(), name, image.digest).empty();
        if (status == "ANY" || (status == "TAGGED") == tagged) details.push_back(detail(call, image));
      }
    }
    co_return page(details, call.input, "imageDetails");
  }

  task<Result<Answer>> list(Call call) {
    const std::string name = name_of(call.input);
    if (!get_repository(registry_.db().read(), name)) co_return no_repository(call, name);
    const std::string status = get_string(get_object(call.input, "filter"), "tagStatus", "ANY");
    json::array ids;
    for (const Image& image : list_images(registry_.db().read(), name)) {
      const auto tags = tags_of(registry_.db().read(), name, image.digest);
      if (tags.empty() && status != "TAGGED") ids.push_back({{"imageDigest", image.digest}});
      if (status == "UNTAGGED") continue;
      for (const std::string& tag : tags) ids.push_back({{"imageDigest", image.digest}, {"imageTag", tag}});
    }
    co_return page(ids, call.input, "imageIds");
  }

  task<Result<Answer>> batch_get(Call call) {
    const std::string name = name_of(call.input);
    if (!get_repository(registry_.db().read(), name)) co_return no_repository(call, name);
    json::array images;
    json::array failures;
    for (const json::value& id : get_array(call.input, "imageIds")) {
      const auto image = find_image(name, id.as_object());
      if (!image) {
        failures.push_back(
            {{"imageId", id}, {"failureCode", "ImageNotFound"}, {"failureReason", "Requested image not found"}});
        continue;
      }
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
      co_return fail(Fault::invalid, "InvalidParameterException",
                     "Invalid parameter at 'imageTag' failed to satisfy constraint: it is not a tag");
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
        const std::string tag = get_string(id.as_object(), "imageTag");
        const std::string digest = get_string(id.as_object(), "imageDigest");
        const auto refuse = [&](const char* code, const char* reason) {
          failures.push_back({{"imageId", id}, {"failureCode", code}, {"failureReason", reason}});
        };
        const auto named = tag.empty() ? std::nullopt : digest_of_tag(tx, name, tag);
        if (tag.empty() && digest.empty()) {
          refuse("MissingDigestAndTag", "Invalid request parameters: both tag and digest cannot be null");
          continue;
        }
        if (named && !digest.empty() && *named != digest) {
          refuse("ImageTagDoesNotMatchDigest", "Requested image tag does not match the image digest");
          continue;
        }
        switch (registry->remove(tx, name, tag, tag.empty() ? digest : "", call.now)) {
          case Registry::Removal::removed:
            gone.push_back(id);
            break;
          case Registry::Removal::unknown:
            refuse("ImageNotFound", "Requested image not found");
            break;
          case Registry::Removal::referenced:
            refuse("ImageReferencedByManifestList", "Requested image referenced by manifest list");
            break;
        }
      }
      Answer answer;
      answer.output = {{"imageIds", gone}, {"failures", failures}};
      return answer;
    };
    co_return co_await registry_.db().write(erase);
  }

  task<Result<Answer>> put_mutability(Call call) {
    const std::string name = name_of(call.input);
    const std::string mutability = get_string(call.input, "imageTagMutability");
    auto changed =
        co_await edit(call, name, [mutability](Repository& repository) { repository.mutability = mutability; });
    if (!changed) co_return fail(changed);
    Answer answer;
    answer.output = {{"registryId", call.place.account}, {"repositoryName", name}, {"imageTagMutability", mutability}};
    co_return answer;
  }

  task<Result<Answer>> tag(Call call) {
    const json::array tags = get_array(call.input, "tags");
    auto changed = co_await edit(call, name_in_arn(call), [tags](Repository& repository) {
      for (const json::value& tag : tags)
        repository.tags[get_string(tag.as_object(), "Key")] = get_string(tag.as_object(), "Value");
    });
    if (!changed) co_return fail(changed);
    co_return Answer{};
  }
  task<Result<Answer>> untag(Call call) {
    const auto keys = get_strings(call.input, "tagKeys");
    auto changed = co_await edit(call, name_in_arn(call), [keys](Repository& repository) {
      for (const std::string& key : keys) repository.tags.erase(key);
    });
    if (!changed) co_return fail(changed);
    co_return Answer{};
  }
  task<Result<Answer>> list_resource_tags(Call call) {
    const auto repository = get_repository(registry_.db().read(), name_in_arn(call));
    if (!repository) co_return no_repository(call, name_in_arn(call));
    json::array tags;
    for (const auto& entry : repository->tags) tags.push_back({{"Key", entry.key()}, {"Value", entry.value()}});
    co_return answer_with("tags", tags);
  }

  task<Result<Answer>> check_layers(Call call) {
    const std::string name = name_of(call.input);
    if (!get_repository(registry_.db().read(), name)) co_return no_repository(call, name);
    json::array layers;
    for (const std::string& digest : get_strings(call.input, "layerDigests")) {
      const auto bytes = blob_bytes(registry_.db().read(), name, digest);
      json::object layer = {{"layerDigest", digest}, {"layerAvailability", bytes ? "AVAILABLE" : "UNAVAILABLE"}};
      if (bytes) layer["layerSize"] = *bytes;
      layers.push_back(layer);
    }
    Answer answer;
    answer.output = {{"layers", layers}, {"failures", json::array{}}};
    co_return answer;
  }

 private:
  static std::string name_in_arn(const Call& call) {
    const std::string arn = get_string(call.input, "resourceArn");
    const auto at = arn.find(":repository/");
    return at == std::string::npos ? arn : arn.substr(at + 12);
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
    return {{"repositoryArn", call.place.arn("ecr", "repository/" + repository.name)},
            {"registryId", call.place.account},
            {"repositoryName", repository.name},
            {"repositoryUri", registry_.host() + "/" + repository.name},
            {"createdAt", epoch_seconds(repository.created_at)},
            {"imageTagMutability", repository.mutability},
            {"imageScanningConfiguration", json::object{{"scanOnPush", false}}},
            {"encryptionConfiguration", json::object{{"encryptionType", "AES256"}}}};
  }

  json::object detail(const Call& call, const Image& image) const {
    json::object out = {{"registryId", call.place.account},
                        {"repositoryName", image.repository},
                        {"imageDigest", image.digest},
                        {"imageSizeInBytes", image.bytes},
                        {"imagePushedAt", epoch_seconds(image.pushed_at)},
                        {"imageManifestMediaType", image.media_type},
                        {"artifactMediaType", image.artifact_type}};
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
          error.message.starts_with("the index") ? "ReferencedImagesNotFoundException" : "LayersNotFoundException";
    if (error.code == "DIGEST_INVALID") error.code = "ImageDigestDoesNotMatchException";
    if (error.code == "MANIFEST_INVALID" || error.code == "RequestEntityTooLarge")
      error.code = "InvalidParameterException";
    return error;
  }

  static Answer page(const json::array& all, const json::object& input, const char* member) {
    const auto size = static_cast<std::size_t>(get_int(input, "maxResults", kPageSize));
    const std::string token = get_string(input, "nextToken");
    std::size_t from = token.empty() ? 0 : static_cast<std::size_t>(std::strtoull(token.c_str(), nullptr, 10));
    json::array out;
    for (; from < all.size() && out.size() < size; ++from) out.push_back(all[from]);
    Answer answer = answer_with(member, out);
    if (from < all.size()) answer.output["nextToken"] = std::to_string(from);
    return answer;
  }

  task<Result<int>> edit(Call call, std::string name, std::function<void(Repository&)> change) {
    auto work = [call, name, change](database::Transaction& tx) -> Result<int> {
      auto repository = get_repository(tx, name);
      if (!repository) return no_repository(call, name);
      change(*repository);
      put_repository(tx, *repository);
      return 0;
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
                              .handler = [api, method](Call call) { return ((*api).*method)(std::move(call)); },
                              .resource =
                                  [](const Call& call) {
                                    const std::string arn = get_string(call.input, "resourceArn");
                                    const std::string repository = name_of(call.input);
                                    return !arn.empty()         ? arn
                                           : repository.empty() ? std::string("*")
                                                                : call.place.arn("ecr", "repository/" + repository);
                                  }});
  };
  const Member registry_id = ignored("registryId", text(12, 12, "[0-9]{12}"));
  const Member repository = required("repositoryName", text(2, 256));
  const Shape tags = list(structure({required("Key", text(1, 128)), required("Value", text(0, 256))}), 0, 50);
  const Shape ids = list(structure({optional("imageDigest", text()), optional("imageTag", text(1, 300))}), 1, 100);
  const Shape status = structure({optional("tagStatus", one_of({"TAGGED", "UNTAGGED", "ANY"}))});
  const Shape mutability = one_of({"MUTABLE", "IMMUTABLE"});
  const Member max = optional("maxResults", integer(1, 1000));
  const Member next = optional("nextToken", text());
  add("CreateRepository",
      structure({registry_id, repository, optional("tags", tags), optional("imageTagMutability", mutability),
                 refused("imageScanningConfiguration", structure({optional("scanOnPush", boolean())}),
                         "images are not scanned here", R"({"scanOnPush":false})"),
                 ignored("encryptionConfiguration", structure({optional("encryptionType", one_of({"AES256"}))}))}),
      &Api::create);
  add("DescribeRepositories",
      structure({registry_id, optional("repositoryNames", list(text(2, 256), 1, 100)),
                 ignored("maxResults", integer(1, 1000)), ignored("nextToken", text())}),
      &Api::describe_repositories);
  add("DeleteRepository", structure({registry_id, repository, optional("force", boolean())}), &Api::remove);
  add("GetAuthorizationToken", structure({ignored("registryIds", list(text()))}), &Api::authorization_token);
  add("DescribeImages",
      structure({registry_id, repository, optional("imageIds", ids), optional("filter", status), max, next}),
      &Api::describe_images);
  add("ListImages", structure({registry_id, repository, optional("filter", status), max, next}), &Api::list);
  add("BatchGetImage",
      structure({registry_id, repository, required("imageIds", ids), ignored("acceptedMediaTypes", list(text()))}),
      &Api::batch_get);
  add("PutImage",
      structure({registry_id, repository, required("imageManifest", text(1, 4194304)),
                 optional("imageManifestMediaType", text()), optional("imageTag", text(1, 300)),
                 optional("imageDigest", text())}),
      &Api::put_image);
  add("BatchDeleteImage", structure({registry_id, repository, required("imageIds", ids)}), &Api::batch_delete);
  add("PutImageTagMutability", structure({registry_id, repository, required("imageTagMutability", mutability)}),
      &Api::put_mutability);
  add("BatchCheckLayerAvailability",
      structure({registry_id, repository, required("layerDigests", list(text(), 1, 100))}), &Api::check_layers);
  add("TagResource", structure({required("resourceArn", text()), required("tags", tags)}), &Api::tag);
  add("UntagResource", structure({required("resourceArn", text()), required("tagKeys", list(text()))}), &Api::untag);
  add("ListTagsForResource", structure({required("resourceArn", text())}), &Api::list_resource_tags);
  return out;
}

}  // namespace slipway::ecr
