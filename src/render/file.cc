#include "render/file.h"

namespace slipway::render {
namespace {

void write(const json::value& value, const std::string& indent, std::string& out);

template <class Items, class Each>
void write_all(const Items& items, char open, char close, const std::string& indent, std::string& out, Each each) {
  out += open;
  bool first = true;
  for (const auto& item : items) {
    out += first ? "\n" : ",\n";
    first = false;
    out += indent + "  ";
    each(item);
  }
  out += "\n" + indent + close;
}

void write(const json::value& value, const std::string& indent, std::string& out) {
  const std::string inner = indent + "  ";
  if (value.is_object() && !value.get_object().empty()) {
    write_all(value.get_object(), '{', '}', indent, out, [&](const auto& member) {
      out += json::serialize(json::string(member.key())) + ": ";
      write(member.value(), inner, out);
    });
  } else if (value.is_array() && value.get_array().size() == 1 && value.get_array()[0].is_primitive()) {
    out += "[" + json::serialize(value.get_array()[0]) + "]";
  } else if (value.is_array() && !value.get_array().empty()) {
    write_all(value.get_array(), '[', ']', indent, out, [&](const json::value& item) { write(item, inner, out); });
  } else {
    out += json::serialize(value);
  }
}

}  // namespace

std::string pretty_json(const json::value& value) {
  std::string out;
  write(value, "", out);
  return out + "\n";
}

}  // namespace slipway::render
