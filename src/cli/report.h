// Report: what was looked at and found, as a tree: each line good, doubtful or failed, with what to do.  Pure.
#pragma once
#include <string>
#include <vector>

#include "base/json.h"

namespace slipway::cli {

struct Finding {
  enum class Mark { ok, note, warning, failed };  // From best to worst.
  Mark mark = Mark::ok;
  std::string what;    // "the task definition"
  std::string detail;  // "web:7 has the container web"
  std::string advice;  // One thing to do; empty when nothing is wrong.
  std::vector<Finding> parts;
};

Finding good(std::string what, std::string detail);
Finding note(std::string what, std::string detail);  // Neither good nor bad: what could not be asked.
Finding doubtful(std::string what, std::string detail, std::string advice);
Finding failed(std::string what, std::string detail, std::string advice);

// The worst of a finding and its parts.
Finding::Mark worst(const Finding& finding);
int count(const Finding& finding, Finding::Mark mark);  // Of itself and its parts.

// The tree, one line a string; with `colour` for a terminal.
std::vector<std::string> tree(const Finding& finding, bool colour);
json::object to_json(const Finding& finding);

// Prints `finding` and, on a terminal or not, what it comes to.  Returns the exit code: 1 when something failed.
int show(const Finding& finding, bool as_json);

}  // namespace slipway::cli
