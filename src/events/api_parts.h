// What the operations of the EventBridge API share: shapes, paging, and how a call names a bus or a rule.
#pragma once
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "events/bus.h"
#include "wire/service.h"

namespace slipway::events {

std::unexpected<Error> invalid(std::string message);  // ValidationException
std::unexpected<Error> over_limit();                  // LimitExceededException
std::unexpected<Error> no_rule(const std::string& bus, const std::string& rule);
std::unexpected<Error> no_bus(const std::string& name);

wire::Shape name_shape();      // Of rules, targets, archives…
wire::Shape bus_name_shape();  // A name or an ARN.
wire::Shape arn_shape();
wire::Shape description_shape();
wire::Shape tags_shape();
std::vector<wire::Member> paged(std::vector<wire::Member> members);  // With NextToken and Limit.

// The bus that `member` of the input names, by name or ARN; "default" when it is not given.  An ARN of elsewhere stays
// as it is and is no bus.
std::string bus_of(const Place& place, const json::object& input, std::string_view member = "EventBusName");

// The rule or bus that an ARN names; both empty when it is neither.  Without a rule it is the bus.
struct Named {
  std::string bus;
  std::string rule;
};
Named named_by(const Place& place, const std::string& arn);

// Fails where a key or a number of tags is not AWS's.
Result<void> check_tags(const json::array& tags);

// A page of `all`, sorted by name: after the item named by NextToken, at most Limit.
template <class Item, class NameOf>
std::pair<std::vector<Item>, std::string> page(const std::vector<Item>& all, const json::object& input,
                                               NameOf name_of) {
  const auto after = get_string(input, "NextToken");
  const auto limit = static_cast<std::size_t>(get_int(input, "Limit", 100));
  std::vector<Item> out;
  for (const auto& item : all) {
    if (!after.empty() && name_of(item) <= after) continue;
    if (out.size() == limit) return {out, name_of(out.back())};
    out.push_back(item);
  }
  return {out, std::string()};
}

// An operation that `method` of `api` handles.
template <class Api>
wire::Operation operation(const std::shared_ptr<Api>& api, std::string name, wire::Shape input,
                          task<Result<wire::Answer>> (Api::*method)(wire::Call)) {
  auto handler = [api, method](wire::Call call) { return ((*api).*method)(std::move(call)); };
  return {.name = std::move(name), .input = std::move(input), .handler = std::move(handler)};
}

// The operation asks iam about the rule, or the bus, that `member` names.
wire::Operation on_rule(wire::Operation op, const char* member);
wire::Operation on_bus(wire::Operation op, const char* member);

// The operations, by subject.  `bus` must outlive them.
std::vector<wire::Operation> bus_operations(Bus& bus);
std::vector<wire::Operation> archive_operations(Bus& bus);
std::vector<wire::Operation> connection_operations(Bus& bus);

}  // namespace slipway::events
