#include "region/permit.h"

namespace slipway::region {

std::string resource_of(const wire::Operation& operation, const wire::Call& call) {
  return operation.resource ? operation.resource(call) : "*";
}

Result<void> permit(iam::Authority& authority, const wire::Service& service, const wire::Operation& operation,
                    const wire::Call& call, const std::string& resource_policy) {
  const std::string action = operation.action.empty() ? service.name + ":" + operation.name : operation.action;
  const wire::ConditionKeys keys = operation.keys ? operation.keys(call) : wire::ConditionKeys{};
  auto allowed = authority.authorize(call.caller, action, resource_of(operation, call), keys, resource_policy);
  if (!allowed || !operation.also) return allowed;
  for (const wire::Need& need : operation.also(call)) {
    wire::ConditionKeys all = need.keys;
    all.insert(keys.begin(), keys.end());
    if (auto also = authority.authorize(call.caller, need.action, need.resource, all); !also) return also;
  }
  return {};
}

}  // namespace slipway::region
