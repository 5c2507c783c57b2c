// What a listener does with a request: conditions on path and host, and actions.  Pure: they are checked, brought into
// one form in which the tables keep them, and read back from it.
// https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_Action.html
// https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_RuleCondition.html
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace slipway::elb {

struct Share {
  std::string group;  // ARN
  int weight = 1;     // 0 to 999; a group's part is its weight of the sum.
};

struct FixedResponse {
  int status = 200;
  std::string content_type;  // Empty: none is sent.
  std::string body;
};

struct Action {
  std::vector<Share> shares;           // Forwards; empty with `fixed`.
  std::optional<FixedResponse> fixed;  // Answers by itself.
};

// Any of the patterns ('*' and '?') fits the path, or the host without its port.
struct Condition {
  bool host = false;
  std::vector<std::string> patterns;
};

// One action, as CreateRule and CreateListener take it, in the form that is kept and shown.
Result<json::array> normal_actions(const json::array& given);
Action action_of(const json::array& actions);                    // Of the kept form.
std::vector<std::string> groups_of(const json::array& actions);  // ARNs that it forwards to, by weight 0 too.

Result<json::array> normal_conditions(const json::array& given);
std::vector<Condition> conditions_of(const json::array& conditions);  // Of the kept form: all have to fit.

// Forwards to `shares`, in the form that is kept and shown.
json::array forward_to(const std::vector<Share>& shares);

}  // namespace slipway::elb
