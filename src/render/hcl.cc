#include "render/hcl.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"

namespace slipway::render {
namespace {

bool identifier(std::string_view text) {
  if (text.empty() || !(std::isalpha(static_cast<unsigned char>(text.front())) || text.front() == '_')) return false;
  return std::ranges::all_of(
      text, [](char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '-'; });
}

// The expression inside, when the text is one "${…}" and nothing else.
std::string_view bare(std::string_view text) {
  if (!text.starts_with("${") || !text.ends_with('}')) return {};
  text = text.substr(2, text.size() - 3);
  return text.find_first_of("{}\"") == std::string_view::npos ? text : std::string_view();
}

// Neighbouring one-line attributes share a column; one of several lines stands for itself.
std::string aligned(const std::vector<std::pair<std::string, std::string>>& attributes, const std::string& indent) {
  std::string out;
  for (std::size_t from = 0; from < attributes.size();) {
    std::size_t to = from;
    std::size_t width = 0;
    while (to < attributes.size() && attributes[to].second.find('\n') == std::string::npos)
      width = std::max(width, attributes[to++].first.size());
    if (to == from) width = attributes[to++].first.size();
    for (; from < to; ++from) {
      std::string value;
      for (const char c : attributes[from].second) {
        value += c;
        if (c == '\n') value += indent;
      }
      out += fmt::format("{}{:<{}} = {}\n", indent, attributes[from].first, width, value);
    }
  }
  return out;
}

}  // namespace

void Hcl::line(std::string_view text) {
  out_ += std::string(static_cast<std::size_t>(depth_) * 2, ' ');
  out_ += text;
  out_ += '\n';
}

void Hcl::flush() {
  out_ += aligned(waiting_, std::string(static_cast<std::size_t>(depth_) * 2, ' '));
  if (!waiting_.empty()) fresh_ = false;
  waiting_.clear();
}

void Hcl::comment(std::string_view text) {
  flush();
  if (!fresh_ && !after_comment_) out_ += '\n';
  line(fmt::format("# {}", text));
  after_comment_ = true;
}

void Hcl::open(const std::string& head) {
  flush();
  if (!fresh_ && !after_comment_) out_ += '\n';
  line(head + " {");
  ++depth_;
  fresh_ = true;
  after_comment_ = false;
}

void Hcl::close() {
  flush();
  --depth_;
  line("}");
  fresh_ = false;
}

void Hcl::set(const std::string& name, std::string value) {
  if (waiting_.empty() && !fresh_ && !after_comment_) out_ += '\n';  // After a block.
  after_comment_ = false;
  waiting_.emplace_back(name, std::move(value));
}

std::string Hcl::text() {
  flush();
  return out_;
}

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (c == '\n') {
      out += "\\n";
    } else if (c == '\r') {
      out += "\\r";
    } else if (c == '\t') {
      out += "\\t";
    } else {
      out += c;
    }
  }
  return out + "\"";
}

std::string literal(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if ((text[i] == '$' || text[i] == '%') && i + 1 < text.size() && text[i + 1] == '{') out += text[i];
    out += text[i];
  }
  return out;
}

std::string list(const std::vector<std::string>& expressions) {
  if (expressions.empty()) return "[]";
  if (expressions.size() == 1 && expressions[0].find('\n') == std::string::npos) return "[" + expressions[0] + "]";
  std::string out = "[\n";
  for (const std::string& each : expressions) {
    out += "  ";
    for (const char c : each) {
      out += c;
      if (c == '\n') out += "  ";
    }
    out += ",\n";
  }
  return out + "]";
}

std::string expression(const json::value& value) {
  if (value.is_string()) {
    const std::string_view text = view(value.get_string());
    const std::string_view inside = bare(text);
    return inside.empty() ? quoted(text) : std::string(inside);
  }
  if (value.is_array()) {
    std::vector<std::string> items;
    for (const json::value& item : value.get_array()) items.push_back(expression(item));
    return list(items);
  }
  if (!value.is_object()) return json::serialize(value);
  if (value.get_object().empty()) return "{}";
  std::vector<std::pair<std::string, std::string>> members;
  for (const auto& member : value.get_object()) {
    const std::string key(member.key());
    members.emplace_back(identifier(key) ? key : quoted(key), expression(member.value()));
  }
  return "{\n" + aligned(members, "  ") + "}";
}

}  // namespace slipway::render
