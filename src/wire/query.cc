#include "wire/query.h"

#include <charconv>
#include <map>

#include "base/text.h"

namespace slipway::wire {
namespace {

// Fields as a tree: "A.member.1.B=x" is A -> member -> 1 -> B = x.
struct Node {
  std::string value;
  std::vector<std::string> names;  // Of the children, in order of arrival.
  std::vector<Node> children;

  Node& child(const std::string& name) {
    for (std::size_t i = 0; i < names.size(); ++i) {
      if (names[i] == name) return children[i];
    }
    names.push_back(name);
    return children.emplace_back();
  }
  const Node* find(std::string_view name) const {
    for (std::size_t i = 0; i < names.size(); ++i) {
      if (names[i] == name) return &children[i];
    }
    return nullptr;
  }
};

constexpr std::size_t kDepthMax = 20;  // Deeper names than any AWS input has.

std::optional<long long> integer_of(std::string_view text) {
  long long number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

// The numbered children in numeric order.
std::vector<const Node*> numbered(const Node& node) {
  std::map<long long, const Node*> ordered;
  for (std::size_t i = 0; i < node.names.size(); ++i) {
    if (const auto number = integer_of(node.names[i])) ordered[*number] = &node.children[i];
  }
  std::vector<const Node*> out;
  for (const auto& [number, child] : ordered) out.push_back(child);
  return out;
}

json::value decode(const Node& node, const Shape& shape);

json::value decode_list(const Node& node, const Shape& shape) {
  json::array out;
  const Node* elements = &node;
  if (!shape.element_name.empty()) {
    const Node* named = node.find(shape.element_name);
    if (named != nullptr) elements = named;
  }
  for (const Node* element : numbered(*elements)) out.push_back(decode(*element, shape.members.at(0).shape));
  return out;
}

json::value decode_map(const Node& node, const Shape& shape) {
  json::object out;
  const Node* entries = node.find("entry");
  if (entries == nullptr) entries = &node;
  for (const Node* entry : numbered(*entries)) {
    const Node* key = nullptr;
    const Node* value = nullptr;
    for (const char* name : {"key", "Key", "Name"}) key = key == nullptr ? entry->find(name) : key;
    for (const char* name : {"value", "Value"}) value = value == nullptr ? entry->find(name) : value;
    if (key != nullptr && value != nullptr) out[key->value] = decode(*value, shape.members.at(0).shape);
  }
  return out;
}

json::value decode_structure(const Node& node, const Shape& shape) {
  json::object out;
  for (std::size_t i = 0; i < node.names.size(); ++i) {
    const std::string& name = node.names[i];
    const Node& child = node.children[i];
    const Member* known = nullptr;
    for (const Member& member : shape.members) {
      const std::string& spelled = member.wire_name.empty() ? member.name : member.wire_name;
      if (spelled == name) known = &member;
    }
    if (known != nullptr) {
      out[known->name] = decode(child, known->shape);
    } else {
      out[name] = child.value;
    }
  }
  return out;
}

json::value decode(const Node& node, const Shape& shape) {
  switch (shape.type) {
    case Type::structure:
      return decode_structure(node, shape);
    case Type::list:
      return decode_list(node, shape);
    case Type::map:
      return decode_map(node, shape);
    case Type::integer: {
      const auto number = integer_of(node.value);
      return number ? json::value(*number) : json::value(node.value);
    }
    case Type::number: {
      double number = 0;
      const auto [end, error] = std::from_chars(node.value.data(), node.value.data() + node.value.size(), number);
      return error == std::errc() ? json::value(number) : json::value(node.value);
    }
    case Type::boolean:
      if (equal_ignoring_case(node.value, "true")) return true;
      if (equal_ignoring_case(node.value, "false")) return false;
      return json::value(node.value);
    default:
      return json::value(node.value);
  }
}

void encode_value(std::string_view name, const json::value& value, std::string& out);

void encode_members(const json::object& object, std::string& out) {
  for (const auto& entry : object) encode_value({entry.key().data(), entry.key().size()}, entry.value(), out);
}

std::string scalar(const json::value& value) {
  if (value.is_string()) return xml_escape(view(value.get_string()));
  if (value.is_bool()) return value.get_bool() ? "true" : "false";
  return json::serialize(value);
}

void open_close(std::string_view name, std::string_view inner, std::string& out) {
  out += '<';
  out += name;
  out += '>';
  out += inner;
  out += "</";
  out += name;
  out += '>';
}

void encode_value(std::string_view name, const json::value& value, std::string& out) {
  if (value.is_null()) return;
  const bool flat = name.starts_with('*');
  if (flat) name.remove_prefix(1);
  std::string inner;
  if (value.is_array()) {
    for (const json::value& element : value.get_array())
      encode_value(flat ? name : "member", element, flat ? out : inner);
    if (!flat) open_close(name, inner, out);
    return;
  }
  if (value.is_object()) {
    encode_members(value.get_object(), inner);
  } else {
    inner = scalar(value);
  }
  open_close(name, inner, out);
}

}  // namespace

Fields parse_form(std::string_view form) {
  Fields fields;
  if (form.empty()) return fields;
  for (const std::string& part : split(form, '&')) {
    if (part.empty()) continue;
    const auto equals = part.find('=');
    fields.emplace_back(percent_decode(part.substr(0, equals), true),
                        equals == std::string::npos ? "" : percent_decode(part.substr(equals + 1), true));
  }
  return fields;
}

json::object decode_fields(const Fields& fields, const Shape& shape) {
  Node root;
  for (const auto& [name, value] : fields) {
    if (name == "Action" || name == "Version" || name.starts_with("X-Amz-")) continue;
    Node* at = &root;
    const auto steps = split(name, '.');
    if (steps.size() > kDepthMax) continue;
    for (const std::string& step : steps) at = &at->child(step);
    at->value = value;
  }
  return decode_structure(root, shape).as_object();
}

std::string xml_escape(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    switch (c) {
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '&':
        out += "&amp;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\r':
        out += "&#xD;";
        break;
      default:
        // Control characters have no place in XML 1.0.
        if (static_cast<unsigned char>(c) >= 0x20 || c == '\n' || c == '\t') out += c;
    }
  }
  return out;
}

std::string encode_xml(const json::object& object) {
  std::string out;
  encode_members(object, out);
  return out;
}

}  // namespace slipway::wire
