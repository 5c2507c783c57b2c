#include "elb/rules_api.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/text.h"
#include "elb/routing.h"

namespace slipway::elb {
namespace {

using wire::Answer;
using wire::Call;

constexpr long long kPriorityMax = 50000;
constexpr std::size_t kRulesMax = 100;  // Of a listener, without the default one.

std::unexpected<Error> no_rule() {
  return fail(Fault::not_found, "RuleNotFound", "One or more rules not found");
}
std::unexpected<Error> is_default(const std::string& arn, const char* what) {
  return fail(Fault::invalid, "OperationNotPermitted", fmt::format("Default rule '{}' cannot be {}", arn, what));
}
std::unexpected<Error> priority_taken(long long priority) {
  return fail(Fault::conflict, "PriorityInUse", fmt::format("Priority '{}' is currently in use", priority));
}

Answer rules_answer(json::array rules) {
  Answer answer;
  answer.output["Rules"] = std::move(rules);
  return answer;
}

json::object shown(const Document& rule) {
  return {{"RuleArn", rule.arn},
          {"Priority", std::to_string(get_int(rule.body, "Priority"))},
          {"Conditions", get_array(rule.body, "Conditions")},
          {"Actions", get_array(rule.body, "Actions")},
          {"IsDefault", false}};
}

json::object shown_default(const Document& listener) {
  return {{"RuleArn", default_rule_arn(listener.arn)},
          {"Priority", "default"},
          {"Conditions", json::array{}},
          {"Actions", get_array(listener.body, "DefaultActions")},
          {"IsDefault", true}};
}

class RulesApi {
 public:
  explicit RulesApi(Balancer& balancer) : balancer_(balancer) {}

  task<Result<Answer>> create(Call call) {
    const auto actions = normal_actions(get_array(call.input, "Actions"));
    if (!actions) co_return fail(actions);
    const auto conditions = normal_conditions(get_array(call.input, "Conditions"));
    if (!conditions) co_return fail(conditions);
    const std::string listener = get_string(call.input, "ListenerArn");
    const long long priority = get_int(call.input, "Priority");
    const std::string hash = balancer_.random().hex(16);
    auto make = [listener, priority, hash, acts = *actions,
                 conds = *conditions](database::Transaction& tx) -> Result<Document> {
      if (!get(tx, "listener", listener))
        return fail(Fault::not_found, "ListenerNotFound", "One or more listeners not found");
      const auto known = rules_of(tx, listener);
      if (known.size() >= kRulesMax)
        return fail(Fault::invalid, "TooManyRules",
                    fmt::format("You have reached the maximum number of rules of a listener: {}", kRulesMax));
      for (const Document& rule : known) {
        if (get_int(rule.body, "Priority") == priority) return priority_taken(priority);
      }
      if (auto there = check_groups(tx, acts); !there) return fail(there);
      std::string arn = listener + "/" + hash;
      arn.replace(arn.find(":listener/"), 10, ":listener-rule/");
      const Document made{
          .arn = arn,
          .name = hash,
          .body = {{"ListenerArn", listener}, {"Priority", priority}, {"Conditions", conds}, {"Actions", acts}}};
      put(tx, "rule", made);
      return made;
    };
    auto made = co_await balancer_.db().write(make);
    if (!made) co_return fail(made);
    auto carried = co_await carry_out(std::nullopt, made->arn);
    if (!carried) co_return fail(carried);
    co_return rules_answer({shown(*made)});
  }

  task<Result<Answer>> describe(Call call) {
    auto& db = balancer_.db().read();
    const auto arns = get_strings(call.input, "RuleArns");
    const std::string of = get_string(call.input, "ListenerArn");
    if (arns.empty() == of.empty())
      co_return fail(Fault::invalid, "ValidationError", "Specify either a listener ARN or rule ARNs");
    if (!of.empty() && !get(db, "listener", of))
      co_return fail(Fault::not_found, "ListenerNotFound", "One or more listeners not found");
    const auto wanted = [&](const std::string& listener, const std::string& rule) {
      return arns.empty() ? listener == of : std::ranges::find(arns, rule) != arns.end();
    };
    json::array found;
    for (const Document& listener : list(db, "listener")) {
      for (const Document& rule : rules_of(db, listener.arn)) {
        if (wanted(listener.arn, rule.arn)) found.push_back(shown(rule));
      }
      if (wanted(listener.arn, default_rule_arn(listener.arn))) found.push_back(shown_default(listener));
    }
    if (found.size() < arns.size()) co_return no_rule();
    co_return rules_answer(found);
  }

  task<Result<Answer>> modify(Call call) {
    const std::string arn = get_string(call.input, "RuleArn");
    json::array actions;
    json::array conditions;
    if (has(call.input, "Actions")) {
      auto normal = normal_actions(get_array(call.input, "Actions"));
      if (!normal) co_return fail(normal);
      actions = *normal;
    }
    if (has(call.input, "Conditions")) {
      auto normal = normal_conditions(get_array(call.input, "Conditions"));
      if (!normal) co_return fail(normal);
      conditions = *normal;
    }
    const auto before = get(balancer_.db().read(), "rule", arn);
    auto change = [arn, actions, conditions](database::Transaction& tx) -> Result<Document> {
      auto rule = get(tx, "rule", arn);
      if (!rule && default_rule_arn(listener_of_rule(arn)) == arn && get(tx, "listener", listener_of_rule(arn)))
        return is_default(arn, "modified");
      if (!rule) return no_rule();
      if (auto there = check_groups(tx, actions); !there) return fail(there);
      if (!actions.empty()) rule->body["Actions"] = actions;
      if (!conditions.empty()) rule->body["Conditions"] = conditions;
      put(tx, "rule", *rule);
      return *rule;
    };
    auto changed = co_await balancer_.db().write(change);
    if (!changed) co_return fail(changed);
    auto carried = co_await carry_out(before, arn);
    if (!carried) co_return fail(carried);
    co_return rules_answer({shown(*changed)});
  }

  task<Result<Answer>> remove(Call call) {
    const std::string arn = get_string(call.input, "RuleArn");
    auto forget = [arn](database::Transaction& tx) -> Result<void> {
      if (get(tx, "rule", arn)) {
        erase(tx, "rule", arn);
        return {};
      }
      const std::string listener = listener_of_rule(arn);
      if (default_rule_arn(listener) == arn && get(tx, "listener", listener)) return is_default(arn, "deleted");
      return no_rule();
    };
    auto forgotten = co_await balancer_.db().write(forget);
    if (!forgotten) co_return fail(forgotten);
    auto written = co_await balancer_.restructure();
    if (!written) co_return fail(written);
    co_return Answer{};
  }

  // All at once: two rules can change places.
  task<Result<Answer>> set_priorities(Call call) {
    const json::array pairs = get_array(call.input, "RulePriorities");
    auto change = [pairs](database::Transaction& tx) -> Result<json::array> {
      std::map<std::string, long long> wanted;
      for (const json::value& pair : pairs)
        wanted[get_string(pair.as_object(), "RuleArn")] = get_int(pair.as_object(), "Priority");
      json::array out;
      std::string listener;
      for (const auto& [arn, priority] : wanted) {
        auto rule = get(tx, "rule", arn);
        if (!rule) return no_rule();
        const std::string own = get_string(rule->body, "ListenerArn");
        if (!listener.empty() && own != listener)
          return fail(Fault::invalid, "ValidationError", "All rules must belong to the same listener");
        listener = own;
        for (const Document& other : rules_of(tx, own)) {
          const auto moved = wanted.find(other.arn);
          const long long theirs = moved == wanted.end() ? get_int(other.body, "Priority") : moved->second;
          if (other.arn != arn && theirs == priority) return priority_taken(priority);
        }
      }
      for (const auto& [arn, priority] : wanted) {
        auto rule = get(tx, "rule", arn);
        rule->body["Priority"] = priority;
        put(tx, "rule", *rule);
        out.push_back(shown(*rule));
      }
      return out;
    };
    auto changed = co_await balancer_.db().write(change);
    if (!changed) co_return fail(changed);
    auto written = co_await balancer_.restructure();
    if (!written) co_return fail(written);
    co_return rules_answer(*changed);
  }

 private:
  // Brings HAProxy to the tables; where it refuses, the rule is again what it was before: nothing, or another.
  task<Result<void>> carry_out(std::optional<Document> before, std::string arn) {
    auto written = co_await balancer_.restructure();
    if (written) co_return written;
    auto undo = [before, arn](database::Transaction& tx) {
      if (before) {
        put(tx, "rule", *before);
      } else {
        erase(tx, "rule", arn);
      }
    };
    co_await balancer_.db().write(undo);
    (void)co_await balancer_.restructure();
    co_return fail(Fault::invalid, "InvalidConfigurationRequest", written.error().message);
  }

  Balancer& balancer_;
};

wire::Shape conditions_shape() {
  using namespace wire;
  const Shape values = structure({required("Values", list(text(1, 128), 1))});
  return list(
      structure({required("Field", one_of({"path-pattern", "host-header"})), optional("Values", list(text(1, 128))),
                 optional("PathPatternConfig", values), optional("HostHeaderConfig", values),
                 refused("HttpHeaderConfig", document(), "conditions are on path and host only"),
                 refused("HttpRequestMethodConfig", document(), "conditions are on path and host only"),
                 refused("QueryStringConfig", document(), "conditions are on path and host only"),
                 refused("SourceIpConfig", document(), "conditions are on path and host only"),
                 refused("RegexValues", list(text()), "patterns have * and ? only")}));
}

}  // namespace

wire::Shape actions_shape() {
  using namespace wire;
  const Shape groups = list(structure({required("TargetGroupArn", text(1)), optional("Weight", integer(0, 999))}), 1);
  const Shape sticky = structure({refused("Enabled", boolean(), "stickiness between target groups is not supported"),
                                  ignored("DurationSeconds", integer(1, 604800))});
  const Shape fixed = structure({required("StatusCode", text(3, 3)), optional("MessageBody", text(0, 1024)),
                                 optional("ContentType", one_of({"text/plain", "text/css", "text/html",
                                                                 "application/javascript", "application/json"}))});
  return list(
      structure({required("Type", one_of({"forward", "fixed-response"})), optional("TargetGroupArn", text()),
                 ignored("Order", integer()),
                 optional("ForwardConfig", structure({optional("TargetGroups", groups),
                                                      optional("TargetGroupStickinessConfig", sticky)})),
                 optional("FixedResponseConfig", fixed), refused("RedirectConfig", document(), "not supported yet"),
                 refused("AuthenticateOidcConfig", document(), "not supported"),
                 refused("AuthenticateCognitoConfig", document(), "not supported")}),
      1, 1);
}

Result<void> check_groups(database::Connection& db, const json::array& actions) {
  for (const std::string& group : groups_of(actions)) {
    if (!get(db, "group", group))
      return fail(Fault::not_found, "TargetGroupNotFound", "One or more target groups not found");
  }
  return {};
}

void add_rule_operations(wire::Service& out, Balancer& balancer) {
  using namespace wire;
  auto api = std::make_shared<RulesApi>(balancer);
  using Method = task<Result<Answer>> (RulesApi::*)(Call);
  const auto add = [&](const char* name, Shape input, Method method, const char* resource) {
    out.operations.push_back(
        {.name = name,
         .input = std::move(input),
         .handler = [api, method](Call call) { return ((*api).*method)(std::move(call)); },
         .resource = [resource](const Call& call) { return get_string(call.input, resource, "*"); }});
  };
  add("CreateRule",
      structure({required("ListenerArn", text(1)), required("Priority", integer(1, kPriorityMax)),
                 required("Conditions", conditions_shape()), required("Actions", actions_shape()),
                 warned("Tags", list(document()), "use AddTags"),
                 refused("Transforms", list(document()), "not supported")}),
      &RulesApi::create, "ListenerArn");
  add("DescribeRules",
      structure({optional("ListenerArn", text()), optional("RuleArns", list(text())),
                 ignored("PageSize", integer(1, 400)), ignored("Marker", text())}),
      &RulesApi::describe, "*");
  add("ModifyRule",
      structure({required("RuleArn", text(1)), optional("Conditions", conditions_shape()),
                 optional("Actions", actions_shape()), refused("Transforms", list(document()), "not supported"),
                 refused("ResetTransforms", boolean(), "not supported")}),
      &RulesApi::modify, "RuleArn");
  add("DeleteRule", structure({required("RuleArn", text(1))}), &RulesApi::remove, "RuleArn");
  const Shape pair = structure({required("RuleArn", text(1)), required("Priority", integer(1, kPriorityMax))});
  add("SetRulePriorities", structure({required("RulePriorities", list(pair, 1))}), &RulesApi::set_priorities, "*");
}

}  // namespace slipway::elb
