// What the operations of ecs share: errors in AWS's words, pages, tags.
#pragma once
#include <string>
#include <vector>

#include "ecs/worker.h"
#include "wire/service.h"

namespace slipway::ecs {

constexpr std::size_t kPageSize = 100;

inline std::unexpected<Error> invalid(std::string message) {
  return fail(Fault::invalid, "InvalidParameterException", std::move(message));
}
inline std::unexpected<Error> client(std::string message) {
  return fail(Fault::invalid, "ClientException", std::move(message));
}
inline std::unexpected<Error> no_cluster() {
  return fail(Fault::not_found, "ClusterNotFoundException", "Cluster not found.");
}
inline std::unexpected<Error> no_service() {
  return fail(Fault::not_found, "ServiceNotFoundException", "Service not found.");
}

// The part after the last '/': the name in an ARN.
std::string last_part(const std::string& name);
// Of the member `cluster`; else of the ARN in the member `named` ("service", "task"); else "default".
std::string cluster_of(const json::object& input, const char* named = nullptr);

// ---- what policies may ask of a call (https://docs.aws.amazon.com/service-authorization/latest/reference/
// list_amazonelasticcontainerservice.html) ----

// "ecs:cluster"; `named` as of cluster_of().
wire::ConditionKeys cluster_key(const wire::Call& call, const char* named = nullptr);
// The resources after the first: each needs `action` as well.
std::vector<wire::Need> others(const std::vector<std::string>& resources, std::string_view action);

wire::Answer answer_with(const char* member, json::value value);
json::object missing(const std::string& arn);  // An entry of `failures`.

json::object tags_of(const json::array& list);    // [{key, value}] -> key: value
json::array list_tags(const json::object& tags);  // And back.

// One page of `keys` in their order, as the positions of its elements; the token is the last key of the page before.
struct Page {
  std::vector<std::size_t> positions;
  std::string next_token;  // Empty on the last page.
};
Result<Page> page(const std::vector<std::string>& keys, const json::object& input, std::size_t size = kPageSize);
// The page as an answer: `member` holds the keys.
Result<wire::Answer> page_of(const std::vector<std::string>& keys, const json::object& input, const char* member,
                             std::size_t size = kPageSize);

}  // namespace slipway::ecs
