// Filter patterns of plain terms.  Pure.
//   ERROR timeout      both occur
//   ?ERROR ?WARN       one of them occurs
//   ERROR -retried     the first occurs, the second does not
//   "not found"        a term with spaces or signs
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntaxForLogs.html
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace slipway::logs {

struct Pattern {
  std::vector<std::string> all;
  std::vector<std::string> any;  // Counts only where `all` and `none` are empty, as with CloudWatch.
  std::vector<std::string> none;
};

// Fails with InvalidParameterException; JSON, space-delimited and regular-expression patterns with Fault::unsupported.
Result<Pattern> parse_pattern(std::string_view text);
bool matches(const Pattern& pattern, std::string_view message);

}  // namespace slipway::logs
