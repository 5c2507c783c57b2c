#include "ecs/definitions_api.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "ecs/api_parts.h"
#include "ecs/definition_rules.h"
#include "ecs/shapes.h"

namespace slipway::ecs {
namespace {

using wire::Answer;
using wire::Call;

constexpr const char* kTags = "slipwayTags";  // Kept in the document, never shown in it.

class DefinitionsApi {
 public:
  explicit DefinitionsApi(Scheduler& scheduler) : scheduler_(scheduler) {}

  task<Result<Answer>> create(Call call) {
    if (auto good = check_definition(call.input); !good) co_return fail(good);
    const json::object tags = tags_of(get_array(call.input, "tags"));
    json::object definition = complete_definition(call.input);
    definition.erase("tags");
    definition["registeredAt"] = epoch_seconds(call.now);
    definition["registeredBy"] = call.caller.arn;
    definition[kTags] = tags;
    const Place place = call.place;
    auto add = [definition, place](database::Transaction& tx) { return add_definition(tx, definition, place); };
    const json::object made = co_await scheduler_.db().write(add);
    Answer answer = answer_with("taskDefinition", show(made));
    answer.output["tags"] = list_tags(tags);
    co_return answer;
  }

  task<Result<Answer>> describe(Call call) {
    auto definition = get_definition(scheduler_.db().read(), get_string(call.input, "taskDefinition"));
    if (!definition) co_return client("Unable to describe task definition.");
    Answer answer = answer_with("taskDefinition", show(*definition));
    const auto include = get_strings(call.input, "include");
    if (std::ranges::find(include, "TAGS") != include.end())
      answer.output["tags"] = list_tags(get_object(*definition, kTags));
    co_return answer;
  }

  task<Result<Answer>> deregister(Call call) {
    const std::string name = get_string(call.input, "taskDefinition");
    if (!names_revision(name)) co_return invalid("The revision of the task definition must be given: " + name);
    const Instant now = call.now;
    auto remove = [name, now](database::Transaction& tx) -> Result<json::object> {
      auto definition = get_definition(tx, name);
      if (!definition) return client("Unable to describe task definition.");
      if (get_string(*definition, "status") != "ACTIVE") return *definition;
      (*definition)["status"] = "INACTIVE";
      (*definition)["deregisteredAt"] = epoch_seconds(now);
      put_definition(tx, *definition);
      return *definition;
    };
    auto definition = co_await scheduler_.db().write(remove);
    if (!definition) co_return fail(definition);
    co_return answer_with("taskDefinition", show(*definition));
  }

  // Definitions that are INACTIVE go once nothing refers to them; until then they are DELETE_IN_PROGRESS.
  task<Result<Answer>> remove(Call call) {
    const auto names = get_strings(call.input, "taskDefinitions");
    const Instant now = call.now;
    auto remove = [names, now](database::Transaction& tx) {
      json::array removed;
      json::array failures;
      for (const std::string& name : names) {
        auto definition = names_revision(name) ? get_definition(tx, name) : std::nullopt;
        const char* reason = nullptr;
        if (!definition) {
          reason = "The specified task definition identifier is invalid. Specify a valid name or ARN and try again.";
        } else if (get_string(*definition, "status") == "ACTIVE") {
          reason =
              "The specified task definition is still in ACTIVE status. Please deregister the target and try again.";
        }
        if (reason != nullptr) {
          failures.push_back(json::object{{"arn", name}, {"reason", reason}});
          continue;
        }
        (*definition)["status"] = "DELETE_IN_PROGRESS";
        (*definition)["deleteRequestedAt"] = epoch_seconds(now);
        put_definition(tx, *definition);
        removed.push_back(show(*definition));
      }
      return json::object{{"taskDefinitions", removed}, {"failures", failures}};
    };
    Answer answer;
    answer.output = co_await scheduler_.db().write(remove);
    co_return answer;
  }

  task<Result<Answer>> list(Call call) {
    const std::string family = get_string(call.input, "familyPrefix");
    const std::string status = get_string(call.input, "status", "ACTIVE");
    std::vector<std::string> arns;
    for (const json::object& definition : list_definitions(scheduler_.db().read())) {
      const bool wanted =
          (family.empty() || get_string(definition, "family") == family) && get_string(definition, "status") == status;
      if (wanted) arns.push_back(get_string(definition, "taskDefinitionArn"));
    }
    if (get_string(call.input, "sort") == "DESC") std::ranges::reverse(arns);
    co_return page_of(arns, call.input, "taskDefinitionArns");
  }

  task<Result<Answer>> list_families(Call call) {
    const std::string prefix = get_string(call.input, "familyPrefix");
    const std::string status = get_string(call.input, "status", "ACTIVE");
    std::set<std::string> active;
    std::set<std::string> all;
    for (const json::object& definition : list_definitions(scheduler_.db().read())) {
      const std::string family = get_string(definition, "family");
      if (!family.starts_with(prefix)) continue;
      all.insert(family);
      if (get_string(definition, "status") == "ACTIVE") active.insert(family);
    }
    std::vector<std::string> families;
    for (const std::string& family : all) {
      if (status == "ALL" || active.contains(family) == (status == "ACTIVE")) families.push_back(family);
    }
    co_return page_of(families, call.input, "families");
  }

 private:
  static json::object show(json::object definition) {
    definition.erase(kTags);
    return definition;
  }
  static bool names_revision(const std::string& name) { return last_part(name).find(':') != std::string::npos; }

  Scheduler& scheduler_;
};

std::string family_arn(const Call& call) {
  return call.place.arn("ecs", "task-definition/" + get_string(call.input, "family") + ":*");
}

// Its roles are handed to the tasks; its tags need ecs:TagResource.
std::vector<wire::Need> registering(const Call& call) {
  std::vector<wire::Need> needs;
  for (const char* member : {"taskRoleArn", "executionRoleArn"}) {
    const std::string role = get_string(call.input, member);
    if (role.empty()) continue;
    needs.push_back(
        {.action = "iam:PassRole",
         .resource = parse_arn(role) ? role : fmt::format("arn:aws:iam::{}:role/{}", call.place.account, role),
         .keys = {{"iam:passedtoservice", {"ecs-tasks.amazonaws.com"}}}});
  }
  if (!get_array(call.input, "tags").empty())
    needs.push_back({.action = "ecs:TagResource", .resource = family_arn(call), .keys = {}});
  return needs;
}

using Method = task<Result<Answer>> (DefinitionsApi::*)(Call);

}  // namespace

void add_definition_operations(wire::Service& out, Scheduler& scheduler) {
  using namespace wire;
  auto api = std::make_shared<DefinitionsApi>(scheduler);
  const auto add = [&](const char* name, Shape input, Method method,
                       std::function<std::string(const Call&)> resource = {}) {
    out.operations.push_back({.name = name,
                              .input = std::move(input),
                              .handler = [api, method](Call call) { return ((*api).*method)(std::move(call)); },
                              .resource = std::move(resource)});
  };
  add("RegisterTaskDefinition", task_definition_shape(), &DefinitionsApi::create, family_arn);
  out.operations.back().also = registering;
  add("DescribeTaskDefinition",
      structure({required("taskDefinition", text(1)), optional("include", list(one_of({"TAGS"})))}),
      &DefinitionsApi::describe);
  add("DeregisterTaskDefinition", structure({required("taskDefinition", text(1))}), &DefinitionsApi::deregister);
  add("DeleteTaskDefinitions", structure({required("taskDefinitions", list(text(1), 1, 10))}), &DefinitionsApi::remove);
  add("ListTaskDefinitions",
      paging_shape({optional("familyPrefix", text()),
                    optional("status", one_of({"ACTIVE", "INACTIVE", "DELETE_IN_PROGRESS"})),
                    optional("sort", one_of({"ASC", "DESC"}))}),
      &DefinitionsApi::list);
  add("ListTaskDefinitionFamilies",
      paging_shape({optional("familyPrefix", text()), optional("status", one_of({"ACTIVE", "INACTIVE", "ALL"}))}),
      &DefinitionsApi::list_families);
}

}  // namespace slipway::ecs
