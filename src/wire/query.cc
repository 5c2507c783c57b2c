#include "wire/query.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <deque>
#include <map>

#include "base/text.h"

namespace slipway::wire {
namespace {

// Fields as a tree: "A.member.1.B=x" is A -> member -> 1 -> B = x.
struct Node {
  std::string value;
  std::vector<std::string> names;  // Of the children, in order of arrival.
  std::deque<Node> children;
  std::map<std::string, std::size_t, std::less<>> places;  // Of the names.

  Node& child(const std::string& name) {
    const auto [place, added] = places.try_emplace(name, children.size());
    if (!added) return children[place->second];
    names.push_back(name);
    return children.emplace_back();
  }
  const Node* find(std::string_view name) const {
    const auto place = places.find(name);
    return place == places.end() ? nullptr : &children[place->second];
  }
};

constexpr std::size_t kDepthMax = 20;  // Deeper names than any AWS input has.

template <class Number>
std::optional<Number> number_of(std::string_view text) {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

// The numbered children in numeric order; nullopt when a child's name is no number.
std::optional<std::vector<const Node*>> numbered(const Node& node) {
  std::map<long long, const Node*> ordered;
  for (std::size_t i = 0; i < node.names.size(); ++i) {
    const auto number = number_of<long long>(node.names[i]);
    if (!number) return std::nullopt;
    ordered[*number] = &node.children[i];
  }
  std::vector<const Node*> out;
  for (const auto& [number, child] : ordered) out.push_back(child);
  return out;
}

json::value decode(const Node& node, const Shape& shape);

// What does not have the form of a list or map stays a text, which check() names as being of the wrong type.
json::value decode_list(const Node& node, const Shape& shape) {
  const Node* elements = &node;
  if (const Node* named = shape.element_name.empty() ? nullptr : node.find(shape.element_name);
      named != nullptr && node.children.size() == 1)
    elements = named;
  const auto ordered = numbered(*elements);
  if (!ordered || !node.value.empty()) return json::value(node.value);
  json::array out;
  for (const Node* element : *ordered) out.push_back(decode(*element, shape.members.at(0).shape));
  return out;
}

json::value decode_map(const Node& node, const Shape& shape) {
  const Node* entries = node.find("entry");
  if (entries == nullptr) entries = &node;
  const auto ordered = numbered(*entries);
  if (!ordered || !node.value.empty()) return json::value(node.value);
  json::object out;
  for (const Node* entry : *ordered) {
    const Node* key = nullptr;
    const Node* value = nullptr;
    for (const char* name : {"key", "Key", "Name"}) key = key == nullptr ? entry->find(name) : key;
    for (const char* name : {"value", "Value"}) value = value == nullptr ? entry->find(name) : value;
    if (key == nullptr || value == nullptr) return json::value(entry->value);
    out[key->value] = decode(*value, shape.members.at(0).shape);
  }
  return out;
}

json::value decode_structure(const Node& node, const Shape& shape) {
  if (!node.value.empty()) return json::value(node.value);
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
      // Something to be warned of, even where the name goes on.
      out[name] = child.children.empty() ? json::value(child.value) : json::value(child.names.front());
    }
  }
  return out;
}

json::value decode(const Node& node, const Shape& shape) {
  const bool scalar = shape.type != Type::structure && shape.type != Type::list && shape.type != Type::map;
  if (scalar && !node.children.empty()) return json::object{};  // "Name.x=1" is no value of Name.
  switch (shape.type) {
    case Type::structure:
      return decode_structure(node, shape);
    case Type::list:
      return decode_list(node, shape);
    case Type::map:
      return decode_map(node, shape);
    case Type::integer: {
      const auto number = number_of<long long>(node.value);
      return number ? json::value(*number) : json::value(node.value);
    }
    case Type::number: {
      const auto number = number_of<double>(node.value);
      return number && std::isfinite(*number) ? json::value(*number) : json::value(node.value);
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

Result<json::object> decode_fields(const Fields& fields, const Shape& shape) {
  if (fields.size() > kFieldsMax)
    return fail(Fault::invalid, "SerializationException", fmt::format("more than {} fields", kFieldsMax));
  Node root;
  for (const auto& [name, value] : fields) {
    if (name == "Action" || name == "Version" || name.starts_with("X-Amz-")) continue;
    if (!is_utf8(name) || !is_utf8(value))
      return fail(Fault::invalid, "SerializationException", "the form is not UTF-8");
    Node* at = &root;
    const auto steps = split(name, '.');
    if (steps.size() > kDepthMax)
      return fail(Fault::invalid, "SerializationException", "a field's name has more steps than any that AWS knows");
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
