// Conditions of policies, and the texts with wildcards and variables that they and resources are written in.  Pure.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
#pragma once
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace slipway::iam {

// Condition keys of a request, lower case: "aws:sourcearn", "iam:passedtoservice", "aws:principalarn".
using ConditionKeys = std::map<std::string, std::vector<std::string>>;

// What policies are judged by: the request's keys, and whether "${…}" is a variable (version 2012-10-17) or just text.
struct Context {
  const ConditionKeys& keys;
  bool variables = true;
};

// Whether `text` is what `pattern` says: '*' is any run of characters, '?' any one; a variable stands for its value,
// whose characters are no wildcards; "${*}", "${?}" and "${$}" are those characters.  A variable without exactly one
// value, and without a default ("${key, 'default'}"), fits nothing.
bool pattern_fits(std::string_view pattern, std::string_view text, const Context& context);

// Whether every operator of the element Condition holds for every key that it names.
bool conditions_hold(const json::object& condition, const Context& context);

// Why an element Condition cannot be evaluated; empty: it can.  A condition that we ignored would allow too much.
std::string condition_trouble(const json::value& condition);
// Why the variables of a text cannot be: one that has no end, or no name.
std::string variable_trouble(std::string_view text);

// A text, a number or a truth value, or a list of them, as texts.
std::vector<std::string> texts_of(const json::value& value);

}  // namespace slipway::iam
