#include "iam/api.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"

namespace slipway::iam {
namespace {

using wire::Answer;
using wire::Call;

constexpr long long kSessionSecondsDefault = 3600;

std::unexpected<Error> no_role(const std::string& name) {
  return fail(Fault::not_found, "NoSuchEntity", fmt::format("The role with name {} cannot be found.", name));
}
constexpr const char* kProviderArn = "OpenIDConnectProviderArn";

std::unexpected<Error> no_provider(const std::string& arn) {
  return fail(Fault::not_found, "NoSuchEntity", fmt::format("OpenIDConnect Provider not found for arn {}", arn));
}
std::unexpected<Error> no_policy(const std::string& name) {
  return fail(Fault::not_found, "NoSuchEntity", fmt::format("Policy {} does not exist or is not attachable.", name));
}

Answer answer_with(const char* member, json::value value) {
  Answer answer;
  answer.output[member] = std::move(value);
  return answer;
}

json::array tag_list(const json::object& tags) {
  json::array out;
  for (const auto& entry : tags) out.push_back({{"Key", entry.key()}, {"Value", entry.value()}});
  return out;
}

json::object tags_in(const json::object& input) {
  json::object tags;
  for (const json::value& tag : get_array(input, "Tags"))
    tags[get_string(tag.as_object(), "Key")] = get_string(tag.as_object(), "Value");
  return tags;
}

json::object describe(const Role& role) {
  return {{"Path", "/"},
          {"RoleName", role.name},
          {"RoleId", role.id},
          {"Arn", role.arn},
          {"CreateDate", iso_seconds(role.created_at)},
          {"AssumeRolePolicyDocument", percent_encode(json::serialize(role.trust))},
          {"Description", get_string(role.about, "Description")},
          {"MaxSessionDuration", get_int(role.about, "MaxSessionDuration", kSessionSecondsDefault)},
          {"Tags", tag_list(get_object(role.about, "Tags"))}};
}

json::object describe(const ManagedPolicy& policy) {
  return {{"PolicyName", policy.name},
          {"PolicyId", policy.id},
          {"Arn", policy.arn},
          {"Path", "/"},
          {"DefaultVersionId", "v1"},
          {"AttachmentCount", 0},
          {"PermissionsBoundaryUsageCount", 0},
          {"IsAttachable", true},
          {"CreateDate", iso_seconds(policy.created_at)},
          {"UpdateDate", iso_seconds(policy.created_at)}};
}

class Api {
 public:
  explicit Api(Authority& authority, TokenKeys* keys = nullptr) : authority_(authority), keys_(keys) {}

  task<Result<Answer>> create_role(Call call) {
    auto trust = parse_trust(get_string(call.input, "AssumeRolePolicyDocument"));
    if (!trust) co_return fail(trust);
    Role role{.name = get_string(call.input, "RoleName"),
              .id = "AROA" + authority_.random().alphanumeric_upper(17),
              .trust = *trust,
              .created_at = call.now};
    role.arn = fmt::format("arn:aws:iam::{}:role/{}", call.place.account, role.name);
    role.about = {{"Description", get_string(call.input, "Description")},
                  {"MaxSessionDuration", get_int(call.input, "MaxSessionDuration", kSessionSecondsDefault)},
                  {"Tags", tags_in(call.input)}};
    auto create = [role](database::Transaction& tx) -> Result<void> {
      if (get_role(tx, role.name))
        return fail(Fault::conflict, "EntityAlreadyExists",
                    fmt::format("Role with name {} already exists.", role.name));
      put_role(tx, role);
      return {};
    };
    auto created = co_await authority_.db().write(create);
    if (!created) co_return fail(created);
    co_return answer_with("Role", describe(role));
  }

  task<Result<Answer>> get_one_role(Call call) {
    const auto role = get_role(authority_.db().read(), get_string(call.input, "RoleName"));
    if (!role) co_return no_role(get_string(call.input, "RoleName"));
    co_return answer_with("Role", describe(*role));
  }

  task<Result<Answer>> list_all_roles(Call call) {
    json::array roles;
    // All roles have the path "/", so a longer prefix has none.
    const bool listed = get_string(call.input, "PathPrefix", "/") == "/";
    for (const Role& role : list_roles(authority_.db().read())) {
      if (listed) roles.push_back(describe(role));
    }
    Answer answer = answer_with("Roles", roles);
    answer.output["IsTruncated"] = false;
    co_return answer;
  }

  task<Result<Answer>> delete_role(Call call) {
    const std::string name = get_string(call.input, "RoleName");
    auto remove = [name](database::Transaction& tx) -> Result<void> {
      const auto role = get_role(tx, name);
      if (!role) return no_role(name);
      if (!role->inlined.empty())
        return fail(Fault::conflict, "DeleteConflict", "Cannot delete entity, must delete policies first.");
      if (!role->attached.empty())
        return fail(Fault::conflict, "DeleteConflict", "Cannot delete entity, must detach all policies first.");
      erase_role(tx, name);
      return {};
    };
    auto removed = co_await authority_.db().write(remove);
    if (!removed) co_return fail(removed);
    co_return Answer{};
  }

  task<Result<Answer>> update_trust(Call call) {
    auto trust = parse_trust(get_string(call.input, "PolicyDocument"));
    if (!trust) co_return fail(trust);
    const json::object document = *trust;
    co_return co_await edit(call, [document](Role& role) -> Result<void> {
      role.trust = document;
      return {};
    });
  }

  task<Result<Answer>> put_role_policy(Call call) {
    auto parsed = parse_policy(get_string(call.input, "PolicyDocument"), false);
    if (!parsed) co_return fail(parsed);
    const json::object document = *parsed;
    const std::string name = get_string(call.input, "PolicyName");
    co_return co_await edit(call, [document, name](Role& role) -> Result<void> {
      role.inlined[name] = document;
      return {};
    });
  }

  task<Result<Answer>> get_role_policy(Call call) {
    const auto role = get_role(authority_.db().read(), get_string(call.input, "RoleName"));
    if (!role) co_return no_role(get_string(call.input, "RoleName"));
    const std::string name = get_string(call.input, "PolicyName");
    if (!role->inlined.contains(name))
      co_return fail(Fault::not_found, "NoSuchEntity",
                     fmt::format("The role policy with name {} cannot be found.", name));
    Answer answer;
    answer.output = {{"RoleName", role->name},
                     {"PolicyName", name},
                     {"PolicyDocument", percent_encode(json::serialize(role->inlined.at(name)))}};
    co_return answer;
  }

  task<Result<Answer>> list_role_policies(Call call) {
    const auto role = get_role(authority_.db().read(), get_string(call.input, "RoleName"));
    if (!role) co_return no_role(get_string(call.input, "RoleName"));
    json::array names;
    for (const auto& [name, document] : role->inlined) names.emplace_back(name);
    Answer answer = answer_with("PolicyNames", names);
    answer.output["IsTruncated"] = false;
    co_return answer;
  }

  task<Result<Answer>> delete_role_policy(Call call) {
    const std::string name = get_string(call.input, "PolicyName");
    co_return co_await edit(call, [name](Role& role) -> Result<void> {
      if (role.inlined.erase(name) == 0)
        return fail(Fault::not_found, "NoSuchEntity",
                    fmt::format("The role policy with name {} cannot be found.", name));
      return {};
    });
  }

  task<Result<Answer>> attach(Call call) {
    const std::string arn = get_string(call.input, "PolicyArn");
    if (!get_policy(authority_.db().read(), arn)) co_return no_policy(arn);
    co_return co_await edit(call, [arn](Role& role) -> Result<void> {
      if (std::ranges::find(role.attached, arn) == role.attached.end()) role.attached.push_back(arn);
      return {};
    });
  }

  task<Result<Answer>> detach(Call call) {
    const std::string arn = get_string(call.input, "PolicyArn");
    co_return co_await edit(call, [arn](Role& role) -> Result<void> {
      if (std::erase(role.attached, arn) == 0)
        return fail(Fault::not_found, "NoSuchEntity", fmt::format("Policy {} was not found.", arn));
      return {};
    });
  }

  task<Result<Answer>> list_attached(Call call) {
    const auto role = get_role(authority_.db().read(), get_string(call.input, "RoleName"));
    if (!role) co_return no_role(get_string(call.input, "RoleName"));
    json::array attached;
    for (const std::string& arn : role->attached)
      attached.push_back({{"PolicyName", arn.substr(arn.rfind('/') + 1)}, {"PolicyArn", arn}});
    Answer answer = answer_with("AttachedPolicies", attached);
    answer.output["IsTruncated"] = false;
    co_return answer;
  }

  task<Result<Answer>> list_profiles(Call call) {
    if (!get_role(authority_.db().read(), get_string(call.input, "RoleName")))
      co_return no_role(get_string(call.input, "RoleName"));
    Answer answer = answer_with("InstanceProfiles", json::array{});
    answer.output["IsTruncated"] = false;
    co_return answer;
  }

  task<Result<Answer>> create_policy(Call call) {
    auto parsed = parse_policy(get_string(call.input, "PolicyDocument"), false);
    if (!parsed) co_return fail(parsed);
    ManagedPolicy policy{.name = get_string(call.input, "PolicyName"),
                         .id = "ANPA" + authority_.random().alphanumeric_upper(17),
                         .document = *parsed,
                         .created_at = call.now};
    policy.arn = fmt::format("arn:aws:iam::{}:policy/{}", call.place.account, policy.name);
    auto create = [policy](database::Transaction& tx) -> Result<void> {
      if (get_policy(tx, policy.arn))
        return fail(Fault::conflict, "EntityAlreadyExists",
                    fmt::format("A policy called {} already exists. Duplicate names are not allowed.", policy.name));
      put_policy(tx, policy);
      return {};
    };
    auto created = co_await authority_.db().write(create);
    if (!created) co_return fail(created);
    co_return answer_with("Policy", describe(policy));
  }

  task<Result<Answer>> get_one_policy(Call call) {
    const auto policy = get_policy(authority_.db().read(), get_string(call.input, "PolicyArn"));
    if (!policy) co_return no_policy(get_string(call.input, "PolicyArn"));
    co_return answer_with("Policy", describe(*policy));
  }

  task<Result<Answer>> get_version(Call call) {
    const auto policy = get_policy(authority_.db().read(), get_string(call.input, "PolicyArn"));
    if (!policy || get_string(call.input, "VersionId") != "v1")
      co_return no_policy(get_string(call.input, "PolicyArn"));
    co_return answer_with("PolicyVersion", json::object{{"Document", percent_encode(json::serialize(policy->document))},
                                                        {"VersionId", "v1"},
                                                        {"IsDefaultVersion", true},
                                                        {"CreateDate", iso_seconds(policy->created_at)}});
  }

  task<Result<Answer>> list_versions(Call call) {
    const auto policy = get_policy(authority_.db().read(), get_string(call.input, "PolicyArn"));
    if (!policy) co_return no_policy(get_string(call.input, "PolicyArn"));
    Answer answer = answer_with("Versions", json::array{json::object{{"VersionId", "v1"},
                                                                     {"IsDefaultVersion", true},
                                                                     {"CreateDate", iso_seconds(policy->created_at)}}});
    answer.output["IsTruncated"] = false;
    co_return answer;
  }

  task<Result<Answer>> delete_policy(Call call) {
    const std::string arn = get_string(call.input, "PolicyArn");
    auto remove = [arn](database::Transaction& tx) -> Result<void> {
      if (!get_policy(tx, arn)) return no_policy(arn);
      for (const Role& role : list_roles(tx)) {
        if (std::ranges::find(role.attached, arn) != role.attached.end())
          return fail(Fault::conflict, "DeleteConflict", "Cannot delete a policy attached to entities.");
      }
      erase_policy(tx, arn);
      return {};
    };
    auto removed = co_await authority_.db().write(remove);
    if (!removed) co_return fail(removed);
    co_return Answer{};
  }

  task<Result<Answer>> tag_role(Call call) {
    const json::array tags = get_array(call.input, "Tags");
    co_return co_await edit(call, [tags](Role& role) -> Result<void> {
      json::object known = get_object(role.about, "Tags");
      for (const json::value& tag : tags)
        known[get_string(tag.as_object(), "Key")] = get_string(tag.as_object(), "Value");
      role.about["Tags"] = known;
      return {};
    });
  }

  task<Result<Answer>> list_role_tags(Call call) {
    const auto role = get_role(authority_.db().read(), get_string(call.input, "RoleName"));
    if (!role) co_return no_role(get_string(call.input, "RoleName"));
    Answer answer = answer_with("Tags", tag_list(get_object(role->about, "Tags")));
    answer.output["IsTruncated"] = false;
    co_return answer;
  }

  // ---- providers of tokens ----

  task<Result<Answer>> create_provider(Call call) {
    const auto name = provider_of_url(get_string(call.input, "Url"));
    if (!name) co_return fail(name);
    const Provider provider{.arn = provider_arn(call.place, *name),
                            .name = *name,
                            .audiences = get_strings(call.input, "ClientIDList"),
                            .thumbprints = get_strings(call.input, "ThumbprintList"),
                            .tags = tags_in(call.input),
                            .created_at = call.now};
    auto create = [provider](database::Transaction& tx) -> Result<void> {
      if (get_provider(tx, provider.arn))
        return fail(Fault::conflict, "EntityAlreadyExists",
                    fmt::format("Provider with url https://{} already exists.", provider.name));
      put_provider(tx, provider);
      return {};
    };
    auto created = co_await authority_.db().write(create);
    if (!created) co_return fail(created);
    Answer answer = answer_with(kProviderArn, json::value(provider.arn));
    if (!provider.tags.empty()) answer.output["Tags"] = tag_list(provider.tags);
    co_return answer;
  }

  task<Result<Answer>> get_one_provider(Call call) {
    const std::string arn = get_string(call.input, kProviderArn);
    const auto provider = get_provider(authority_.db().read(), arn);
    if (!provider) co_return no_provider(arn);
    Answer answer;
    answer.output = {{"Url", provider->name},
                     {"ClientIDList", to_array(provider->audiences)},
                     {"ThumbprintList", to_array(provider->thumbprints)},
                     {"CreateDate", iso_seconds(provider->created_at)},
                     {"Tags", tag_list(provider->tags)}};
    co_return answer;
  }

  task<Result<Answer>> list_all_providers(Call) {
    json::array list;
    for (const Provider& provider : list_providers(authority_.db().read()))
      list.push_back(json::object{{"Arn", provider.arn}});
    co_return answer_with("OpenIDConnectProviderList", list);
  }

  // Of one that is not there, too (it is idempotent).
  task<Result<Answer>> delete_provider(Call call) {
    const std::string arn = get_string(call.input, kProviderArn);
    auto remove = [arn](database::Transaction& tx) { erase_provider(tx, arn); };
    co_await authority_.db().write(remove);
    co_return Answer{};
  }

  task<Result<Answer>> add_audience(Call call) {
    const std::string audience = get_string(call.input, "ClientID");
    co_return co_await edit_provider(call, [audience](Provider& provider) {
      std::erase(provider.audiences, audience);
      provider.audiences.push_back(audience);
    });
  }

  task<Result<Answer>> remove_audience(Call call) {
    const std::string audience = get_string(call.input, "ClientID");
    co_return co_await edit_provider(call,
                                     [audience](Provider& provider) { std::erase(provider.audiences, audience); });
  }

  task<Result<Answer>> update_thumbprints(Call call) {
    const auto thumbprints = get_strings(call.input, "ThumbprintList");
    co_return co_await edit_provider(call, [thumbprints](Provider& provider) { provider.thumbprints = thumbprints; });
  }

  // ---- STS ----

  task<Result<Answer>> assume_with_token(Call call) {
    const std::string text = get_string(call.input, "WebIdentityToken");
    const auto token = read_web_token(text);
    if (!token) co_return fail(token);
    // Nobody is asked for the keys of an issuer that the account does not know.
    if (auto known = authority_.check_issuer(*token); !known) co_return fail(known);
    const auto jwks = co_await keys_->jwks(token->provider());
    if (!jwks)
      co_return fail(Fault::invalid, "IDPCommunicationError",
                     fmt::format("The keys of the identity provider {} could not be had: {}", token->issuer,
                                 jwks.error().message));
    const Duration lifetime = std::chrono::seconds(get_int(call.input, "DurationSeconds", kSessionSecondsDefault));
    auto made = co_await authority_.assume_with_token(*token, *jwks, get_string(call.input, "RoleArn"),
                                                      get_string(call.input, "RoleSessionName"), lifetime);
    if (!made) co_return fail(made);
    Answer answer;
    answer.output = {
        {"Credentials", credentials_of(*made)},
        {"SubjectFromWebIdentityToken", token->subject},
        {"AssumedRoleUser", json::object{{"AssumedRoleId", made->assumed_role_id}, {"Arn", made->assumed_role_arn}}},
        {"Provider", token->issuer},
        {"Audience", token->audience()}};
    co_return answer;
  }

  task<Result<Answer>> caller_identity(Call call) {
    Answer answer;
    answer.output = {{"Arn", call.caller.arn}, {"UserId", call.caller.user_id}, {"Account", call.caller.account}};
    co_return answer;
  }

  task<Result<Answer>> assume_role(Call call) {
    const Duration lifetime = std::chrono::seconds(get_int(call.input, "DurationSeconds", kSessionSecondsDefault));
    auto made = co_await authority_.assume(call.caller, get_string(call.input, "RoleArn"),
                                           get_string(call.input, "RoleSessionName"), lifetime,
                                           get_string(call.input, "ExternalId"));
    if (!made) co_return fail(made);
    Answer answer;
    answer.output = {
        {"Credentials", credentials_of(*made)},
        {"AssumedRoleUser", json::object{{"AssumedRoleId", made->assumed_role_id}, {"Arn", made->assumed_role_arn}}}};
    co_return answer;
  }

 private:
  task<Result<Answer>> edit(Call call, std::function<Result<void>(Role&)> change) {
    const std::string name = get_string(call.input, "RoleName");
    auto work = [name, change](database::Transaction& tx) -> Result<void> {
      auto role = get_role(tx, name);
      if (!role) return no_role(name);
      if (auto changed = change(*role); !changed) return changed;
      put_role(tx, *role);
      return {};
    };
    auto done = co_await authority_.db().write(work);
    if (!done) co_return fail(done);
    co_return Answer{};
  }

  task<Result<Answer>> edit_provider(Call call, std::function<void(Provider&)> change) {
    const std::string arn = get_string(call.input, kProviderArn);
    auto work = [arn, change](database::Transaction& tx) -> Result<void> {
      auto provider = get_provider(tx, arn);
      if (!provider) return no_provider(arn);
      change(*provider);
      put_provider(tx, *provider);
      return {};
    };
    auto done = co_await authority_.db().write(work);
    if (!done) co_return fail(done);
    co_return Answer{};
  }

  static json::object credentials_of(const Credentials& made) {
    return {{"AccessKeyId", made.access_key_id},
            {"SecretAccessKey", made.secret_access_key},
            {"SessionToken", made.session_token},
            {"Expiration", iso_seconds(made.expires)}};
  }

  Authority& authority_;
  TokenKeys* keys_;  // Of STS.
};

using Method = task<Result<Answer>> (Api::*)(Call);

struct Adder {
  wire::Service& service;
  std::shared_ptr<Api> api;
  void operator()(const char* name, wire::Shape input, Method method) const {
    auto own = api;
    service.operations.push_back({.name = name,
                                  .input = std::move(input),
                                  .handler = [own, method](Call call) { return ((*own).*method)(std::move(call)); },
                                  .resource =
                                      [](const Call& call) {
                                        const std::string role = get_string(call.input, "RoleName");
                                        if (!role.empty())
                                          return fmt::format("arn:aws:iam::{}:role/{}", call.place.account, role);
                                        // CreatePolicy; elsewhere a policy's name stands beside its role's.
                                        const std::string policy = get_string(call.input, "PolicyName");
                                        if (!policy.empty())
                                          return fmt::format("arn:aws:iam::{}:policy/{}", call.place.account, policy);
                                        const std::string provider = get_string(call.input, kProviderArn);
                                        if (!provider.empty()) return provider;
                                        if (const auto name = provider_of_url(get_string(call.input, "Url")))
                                          return provider_arn(call.place, *name);
                                        return get_string(call.input, "RoleArn",
                                                          get_string(call.input, "PolicyArn", "*"));
                                      }});
  }
};

}  // namespace

wire::Service iam_service(Authority& authority) {
  using namespace wire;
  Service out;
  out.name = "iam";
  out.protocols = {Protocol::query};
  out.xml_namespace = "https://iam.amazonaws.com/doc/2010-05-08/";
  out.version = "2010-05-08";
  out.validation_code = "ValidationError";
  const Adder add{out, std::make_shared<Api>(authority)};
  const Shape name = text(1, 64, "[\\w+=,.@-]+");
  const Shape policy_name = text(1, 128, "[\\w+=,.@-]+");
  const Shape document = text(1, 131072);
  const Member role = required("RoleName", name);
  const Member arn = required("PolicyArn", text(20, 2048));
  const Shape tags = list(structure({optional("Key", text(1, 128)), optional("Value", text(0, 256))}));
  const std::vector<Member> pages = {ignored("Marker", text()), ignored("MaxItems", integer(1, 1000))};
  const auto paged = [&](std::vector<Member> members) {
    members.insert(members.end(), pages.begin(), pages.end());
    return structure(std::move(members));
  };
  add("CreateRole",
      structure({role, required("AssumeRolePolicyDocument", document), optional("Description", text(0, 1000)),
                 optional("MaxSessionDuration", integer(3600, 43200)), optional("Tags", tags),
                 refused("Path", text(), "roles have no paths here", "/"),
                 refused("PermissionsBoundary", text(), "boundaries are not supported yet")}),
      &Api::create_role);
  add("GetRole", structure({role}), &Api::get_one_role);
  add("ListRoles", paged({optional("PathPrefix", text(1, 512))}), &Api::list_all_roles);
  add("DeleteRole", structure({role}), &Api::delete_role);
  add("UpdateAssumeRolePolicy", structure({role, required("PolicyDocument", document)}), &Api::update_trust);
  add("PutRolePolicy", structure({role, required("PolicyName", policy_name), required("PolicyDocument", document)}),
      &Api::put_role_policy);
  add("GetRolePolicy", structure({role, required("PolicyName", policy_name)}), &Api::get_role_policy);
  add("ListRolePolicies", paged({role}), &Api::list_role_policies);
  add("DeleteRolePolicy", structure({role, required("PolicyName", policy_name)}), &Api::delete_role_policy);
  add("AttachRolePolicy", structure({role, arn}), &Api::attach);
  add("DetachRolePolicy", structure({role, arn}), &Api::detach);
  add("ListAttachedRolePolicies", paged({role, refused("PathPrefix", text(), "policies have no paths here", "/")}),
      &Api::list_attached);
  add("ListInstanceProfilesForRole", paged({role}), &Api::list_profiles);
  add("TagRole", structure({role, required("Tags", tags)}), &Api::tag_role);
  add("ListRoleTags", paged({role}), &Api::list_role_tags);
  add("CreatePolicy",
      structure({required("PolicyName", policy_name), required("PolicyDocument", document),
                 ignored("Description", text()), refused("Path", text(), "policies have no paths here", "/"),
                 warned("Tags", tags, "tags of policies are not kept yet")}),
      &Api::create_policy);
  add("GetPolicy", structure({arn}), &Api::get_one_policy);
  add("GetPolicyVersion", structure({arn, required("VersionId", text())}), &Api::get_version);
  add("ListPolicyVersions", paged({arn}), &Api::list_versions);
  add("DeletePolicy", structure({arn}), &Api::delete_policy);
  const Member provider = required(kProviderArn, text(20, 2048));
  const Shape client_id = text(1, 255);
  const Shape thumbprints = list(text(40, 40), 0, 5);
  add("CreateOpenIDConnectProvider",
      structure({required("Url", text(1, 255)), optional("ClientIDList", list(client_id, 0, 100)),
                 optional("ThumbprintList", thumbprints), optional("Tags", tags)}),
      &Api::create_provider);
  add("GetOpenIDConnectProvider", structure({provider}), &Api::get_one_provider);
  add("ListOpenIDConnectProviders", structure({}), &Api::list_all_providers);
  add("DeleteOpenIDConnectProvider", structure({provider}), &Api::delete_provider);
  add("AddClientIDToOpenIDConnectProvider", structure({provider, required("ClientID", client_id)}), &Api::add_audience);
  add("RemoveClientIDFromOpenIDConnectProvider", structure({provider, required("ClientID", client_id)}),
      &Api::remove_audience);
  add("UpdateOpenIDConnectProviderThumbprint", structure({provider, required("ThumbprintList", thumbprints)}),
      &Api::update_thumbprints);
  return out;
}

wire::Service sts_service(Authority& authority, TokenKeys& keys) {
  using namespace wire;
  Service out;
  out.name = "sts";
  out.protocols = {Protocol::query};
  out.xml_namespace = "https://sts.amazonaws.com/doc/2011-06-15/";
  out.version = "2011-06-15";
  out.validation_code = "ValidationError";
  const Adder add{out, std::make_shared<Api>(authority, &keys)};
  add("GetCallerIdentity", structure({}), &Api::caller_identity);
  add("AssumeRole",
      structure({required("RoleArn", text(20, 2048)), required("RoleSessionName", text(2, 64, "[\\w+=,.@-]*")),
                 optional("DurationSeconds", integer(900, 43200)),
                 refused("Policy", text(), "session policies are not supported yet"),
                 refused("PolicyArns", list(document()), "session policies are not supported yet"),
                 optional("ExternalId", text(2, 1224, "[\\w+=,.@:/-]*")),
                 refused("SerialNumber", text(), "MFA is not supported"),
                 refused("TokenCode", text(), "MFA is not supported"),
                 refused("Tags", list(document()), "session tags are not supported yet")}),
      &Api::assume_role);
  add(std::string(kUnsignedOperation).c_str(),
      structure({required("RoleArn", text(20, 2048)), required("RoleSessionName", text(2, 64, "[\\w+=,.@-]*")),
                 required("WebIdentityToken", text(4, 20000)), optional("DurationSeconds", integer(900, 43200)),
                 refused("ProviderId", text(), "only OpenID Connect tokens are accepted, which name their issuer"),
                 refused("Policy", text(), "session policies are not supported yet"),
                 refused("PolicyArns", list(document()), "session policies are not supported yet")}),
      &Api::assume_with_token);
  return out;
}

}  // namespace slipway::iam
