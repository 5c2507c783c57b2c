#include "ecs/api_parts.h"

#include <algorithm>

#include "base/text.h"

namespace slipway::ecs {

std::string last_part(const std::string& name) {
  return name.substr(name.rfind('/') + 1);
}

std::string cluster_of(const json::object& input, const char* named) {
  if (has(input, "cluster")) return last_part(get_string(input, "cluster"));
  if (const auto arn = parse_arn(named == nullptr ? "" : get_string(input, named))) {
    // "service/cluster/name"; the old form without a cluster is of the default one.
    const auto parts = split(arn->resource, '/');
    if (parts.size() == 3) return parts[1];
  }
  return "default";
}

wire::ConditionKeys cluster_key(const wire::Call& call, const char* named) {
  return {{"ecs:cluster", {call.place.arn("ecs", "cluster/" + cluster_of(call.input, named))}}};
}

std::vector<wire::Need> others(const std::vector<std::string>& resources, std::string_view action) {
  std::vector<wire::Need> needs;
  for (std::size_t i = 1; i < resources.size(); ++i)
    needs.push_back({.action = std::string(action), .resource = resources[i], .keys = {}});
  return needs;
}

wire::Answer answer_with(const char* member, json::value value) {
  wire::Answer answer;
  answer.output[member] = std::move(value);
  return answer;
}

json::object missing(const std::string& arn) {
  return {{"arn", arn}, {"reason", "MISSING"}};
}

json::object tags_of(const json::array& list) {
  json::object tags;
  for (const json::value& tag : list) tags[get_string(tag.as_object(), "key")] = get_string(tag.as_object(), "value");
  return tags;
}

json::array list_tags(const json::object& tags) {
  json::array out;
  for (const auto& entry : tags) out.push_back({{"key", entry.key()}, {"value", entry.value()}});
  return out;
}

Result<Page> page(const std::vector<std::string>& keys, const json::object& input, std::size_t size) {
  const std::string after = get_string(input, "nextToken");
  std::size_t from = 0;
  if (!after.empty()) {
    const auto found = std::ranges::find(keys, after);
    if (found == keys.end()) return invalid("Invalid token");
    from = static_cast<std::size_t>(found - keys.begin()) + 1;
  }
  const auto wanted = static_cast<std::size_t>(get_int(input, "maxResults", static_cast<long long>(size)));
  Page out;
  for (std::size_t at = from; at < keys.size() && out.positions.size() < wanted; ++at) out.positions.push_back(at);
  if (from + out.positions.size() < keys.size() && !out.positions.empty()) out.next_token = keys[out.positions.back()];
  return out;
}

Result<wire::Answer> page_of(const std::vector<std::string>& keys, const json::object& input, const char* member,
                             std::size_t size) {
  auto one = page(keys, input, size);
  if (!one) return fail(one);
  json::array names;
  for (const std::size_t at : one->positions) names.emplace_back(keys[at]);
  wire::Answer answer = answer_with(member, names);
  if (!one->next_token.empty()) answer.output["nextToken"] = one->next_token;
  return answer;
}

}  // namespace slipway::ecs
