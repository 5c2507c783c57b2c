// Hcl: writes Terraform's notation, laid out as `terraform fmt` lays it out: two spaces, and the `=` of neighbouring
// one-line attributes in one column.  https://developer.hashicorp.com/terraform/language/style
#pragma once
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"

namespace slipway::render {

class Hcl {
 public:
  void comment(std::string_view text);  // "# text", above what follows.
  void open(const std::string& head);   // `resource "aws_lb" "main"`, without the brace.
  void close();
  void set(const std::string& name, std::string expression);  // May have several lines.
  std::string text();                                         // Everything closed.

 private:
  void line(std::string_view text);
  void flush();  // Writes the attributes that wait for their column.
  std::string out_;
  int depth_ = 0;
  bool fresh_ = true;  // Nothing stands in this block yet.
  bool after_comment_ = false;
  std::vector<std::pair<std::string, std::string>> waiting_;
};

// A text in quotes; "${…}" in it stays an expression.
std::string quoted(std::string_view text);
// A text in which "${" and "%{" are made letters, for what users wrote.
std::string literal(std::string_view text);
// "[a, b]" of expressions, one a line when there are several.
std::string list(const std::vector<std::string>& expressions);
// JSON as an HCL expression: {…} with `=`.  A text that is one "${…}" and nothing else is that expression.
std::string expression(const json::value& value);
inline std::string json_text(const json::value& value) {
  return "jsonencode(" + expression(value) + ")";
}

}  // namespace slipway::render
