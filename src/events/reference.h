// The pattern language once more, written straight from its grammar for the tests to compare with: slow, without an
// index, and sharing no code with what it checks.  It takes valid patterns and events only.
#pragma once
#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace slipway::events::reference {

// A JSON value that keeps what the language looks at: the spelling of numbers, and every member of a name.
struct Json {
  enum class Kind { null, yes, no, number, text, array, object } kind = Kind::null;
  std::string text;                // Of a number its spelling.
  std::vector<Json> items;         // Of an array, or the values of an object.
  std::vector<std::string> names;  // Of the values of an object.
};

inline void append_character(std::string& out, unsigned c) {
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += static_cast<char>(0xC0 | (c >> 6));
    out += static_cast<char>(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    out += static_cast<char>(0xE0 | (c >> 12));
    out += static_cast<char>(0x80 | ((c >> 6) & 0x3F));
    out += static_cast<char>(0x80 | (c & 0x3F));
  } else {
    out += static_cast<char>(0xF0 | (c >> 18));
    out += static_cast<char>(0x80 | ((c >> 12) & 0x3F));
    out += static_cast<char>(0x80 | ((c >> 6) & 0x3F));
    out += static_cast<char>(0x80 | (c & 0x3F));
  }
}

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}
  Json read() {
    skip();
    Json out;
    const char c = text_[at_];
    if (c == '{') {
      out.kind = Json::Kind::object;
      ++at_;
      for (skip(); text_[at_] != '}'; skip()) {
        if (text_[at_] == ',') ++at_;
        skip();
        auto name = string();
        skip();
        ++at_;  // The colon.
        out.names.push_back(std::move(name));
        out.items.push_back(read());
      }
      ++at_;
    } else if (c == '[') {
      out.kind = Json::Kind::array;
      ++at_;
      for (skip(); text_[at_] != ']'; skip()) {
        if (text_[at_] == ',') ++at_;
        out.items.push_back(read());
      }
      ++at_;
    } else if (c == '"') {
      out.kind = Json::Kind::text;
      out.text = string();
    } else {
      const auto from = at_;
      while (at_ < text_.size() && std::string_view(" \t\r\n,]}").find(text_[at_]) == std::string_view::npos) ++at_;
      out.text = text_.substr(from, at_ - from);
      out.kind = out.text == "null"    ? Json::Kind::null
                 : out.text == "true"  ? Json::Kind::yes
                 : out.text == "false" ? Json::Kind::no
                                       : Json::Kind::number;
    }
    return out;
  }

 private:
  void skip() {
    while (at_ < text_.size() && std::string_view(" \t\r\n").find(text_[at_]) != std::string_view::npos) ++at_;
  }
  std::string string() {
    std::string out;
    for (++at_; text_[at_] != '"'; ++at_) {
      if (text_[at_] != '\\') {
        out += text_[at_];
        continue;
      }
      const char c = text_[++at_];
      const auto hex = [&] {
        return static_cast<unsigned>(std::stoul(std::string(text_.substr(at_ + 1, 4)), nullptr, 16));
      };
      if (c == 'u') {
        unsigned unit = hex();
        at_ += 4;
        if (unit >= 0xD800 && unit < 0xDC00 && text_.substr(at_ + 1, 2) == "\\u") {
          at_ += 2;
          const unsigned low = hex();
          at_ += 4;
          unit = 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
        }
        append_character(out, unit);
      } else {
        out += c == 'b' ? '\b' : c == 'f' ? '\f' : c == 'n' ? '\n' : c == 'r' ? '\r' : c == 't' ? '\t' : c;
      }
    }
    ++at_;
    return out;
  }
  std::string_view text_;
  std::size_t at_ = 0;
};

// A number as sign, digits without zeros at either end, and the power of ten of the first.
struct Number {
  bool negative = false;
  std::string digits;
  long power = 0;
  bool operator==(const Number&) const = default;
};

inline Number number(const std::string& spelling) {
  Number out;
  const auto e = spelling.find_first_of("eE");
  std::string mantissa = spelling.substr(0, e);
  long exponent = e == std::string::npos ? 0 : std::strtol(spelling.c_str() + e + 1, nullptr, 10);
  out.negative = mantissa[0] == '-';
  if (out.negative) mantissa.erase(0, 1);
  const auto dot = mantissa.find('.');
  out.power = exponent + static_cast<long>(dot == std::string::npos ? mantissa.size() : dot);
  if (dot != std::string::npos) mantissa.erase(dot, 1);
  while (!mantissa.empty() && mantissa.front() == '0') {
    mantissa.erase(0, 1);
    --out.power;
  }
  while (!mantissa.empty() && mantissa.back() == '0') mantissa.pop_back();
  out.digits = mantissa;
  if (mantissa.empty()) out = {};
  return out;
}

// Whether a number is what the shortest decimal of its double says.
inline bool compares(const std::string& spelling) {
  const double value = std::strtod(spelling.c_str(), nullptr);
  if (!std::isfinite(value)) return false;
  for (int precision = 1; precision <= 17; ++precision) {
    std::array<char, 64> shown;
    std::snprintf(shown.data(), shown.size(), "%.*e", precision - 1, value);
    if (std::strtod(shown.data(), nullptr) == value) return number(shown.data()) == number(spelling);
  }
  return false;
}

inline int order(const std::string& a, const std::string& b) {
  const auto x = number(a);
  const auto y = number(b);
  const auto sign = [](const Number& n) { return n.digits.empty() ? 0 : n.negative ? -1 : 1; };
  if (sign(x) != sign(y)) return sign(x) < sign(y) ? -1 : 1;
  if (sign(x) == 0) return 0;
  int out = x.power != y.power ? (x.power < y.power ? -1 : 1) : x.digits.compare(y.digits);
  out = out < 0 ? -1 : out > 0 ? 1 : 0;
  return x.negative ? -out : out;
}

// Characters of a text, and the two spellings of one; of those beyond ASCII only the ones that the tests use.
inline std::vector<std::string> characters(const std::string& text) {
  std::vector<std::string> out;
  for (const char c : text) {
    if ((static_cast<unsigned char>(c) & 0xC0) == 0x80) {
      out.back() += c;
    } else {
      out.emplace_back(1, c);
    }
  }
  return out;
}
inline std::pair<std::string, std::string> cases(const std::string& c) {
  static const std::map<std::string, std::pair<std::string, std::string>> kKnown = {
      {"é", {"é", "É"}}, {"É", {"é", "É"}}, {"ß", {"ß", "SS"}}, {"\u212a", {"k", "\u212a"}}, {"𐐀", {"??", "??"}}};
  if (const auto known = kKnown.find(c); known != kKnown.end()) return known->second;
  std::string lower = c;
  std::string upper = c;
  if (c.size() == 1 && c[0] >= 'A' && c[0] <= 'Z') lower[0] = static_cast<char>(c[0] + 32);
  if (c.size() == 1 && c[0] >= 'a' && c[0] <= 'z') upper[0] = static_cast<char>(c[0] - 32);
  return {lower, upper};
}
// Whether the characters from `i` on spell `text`, or, unless `whole`, its beginning.
inline bool spells(const std::vector<std::string>& pattern, std::size_t i, std::string_view text, bool whole) {
  if (i == pattern.size()) return !whole || text.empty();
  const auto [lower, upper] = cases(pattern[i]);
  return (text.starts_with(lower) && spells(pattern, i + 1, text.substr(lower.size()), whole)) ||
         (text.starts_with(upper) && spells(pattern, i + 1, text.substr(upper.size()), whole));
}
inline bool folds(const std::string& pattern, const std::string& text) {
  return spells(characters(pattern), 0, text, true);
}

inline bool wildcard(std::string_view pattern, std::string_view text) {
  if (pattern.empty()) return text.empty();
  if (pattern[0] == '*') {
    return wildcard(pattern.substr(1), text) || (!text.empty() && wildcard(pattern, text.substr(1)));
  }
  if (pattern[0] == '\\') pattern.remove_prefix(1);
  return !text.empty() && text[0] == pattern[0] && wildcard(pattern.substr(1), text.substr(1));
}

// The bits of an address, 32 or 128 of them.
inline std::string address_bits(const std::string& text) {
  std::array<unsigned char, 16> bytes{};
  std::size_t size = 0;
  if (inet_pton(AF_INET, text.c_str(), bytes.data()) == 1) size = 4;
  if (size == 0 && inet_pton(AF_INET6, text.c_str(), bytes.data()) == 1) size = 16;
  std::string out;
  for (std::size_t i = 0; i < size; ++i) {
    for (int bit = 7; bit >= 0; --bit) out += (bytes[i] >> bit & 1) != 0 ? '1' : '0';
  }
  return out;
}

// Whether one item of a list holds for a leaf.
inline bool holds(const Json& item, const Json& leaf);

inline bool numeric(const std::vector<Json>& terms, const Json& leaf) {
  if (leaf.kind != Json::Kind::number || !compares(leaf.text)) return false;
  for (std::size_t i = 0; i + 1 < terms.size(); i += 2) {
    const int side = order(leaf.text, terms[i + 1].text);
    const auto& op = terms[i].text;
    const bool fits = op == "="    ? side == 0
                      : op == "<"  ? side < 0
                      : op == "<=" ? side <= 0
                      : op == ">"  ? side > 0
                                   : side >= 0;
    if (!fits) return false;
  }
  return true;
}

inline bool text_matcher(const std::string& name, const Json& asked, const std::string& text) {
  if (asked.kind == Json::Kind::object) {  // prefix and suffix ignoring case
    const auto& pattern = asked.items[0].text;
    if (name == "prefix") return spells(characters(pattern), 0, text, false);
    for (std::size_t from = 0; from <= text.size(); ++from) {
      if (folds(pattern, text.substr(from))) return true;
    }
    return false;
  }
  if (name == "exactly") return text == asked.text;
  if (name == "prefix") return text.starts_with(asked.text);
  if (name == "suffix") return text.ends_with(asked.text);
  if (name == "equals-ignore-case") return folds(asked.text, text);
  if (name == "wildcard") return wildcard(asked.text, text);
  const auto slash = asked.text.find('/');  // cidr
  const auto bits = static_cast<std::size_t>(std::stoul(asked.text.substr(slash + 1)));
  const auto network = address_bits(asked.text.substr(0, slash));
  const auto own = address_bits(text);
  return own.size() >= network.size() && !own.empty() && own.substr(0, bits) == network.substr(0, bits);
}

inline bool anything_but(const Json& asked, const Json& leaf) {
  const bool named = asked.kind == Json::Kind::object;
  const auto& values = named ? asked.items[0] : asked;
  const auto list = values.kind == Json::Kind::array ? values.items : std::vector<Json>{values};
  return std::none_of(list.begin(), list.end(), [&](const Json& one) {
    if (named) return leaf.kind == Json::Kind::text && text_matcher(asked.names[0], one, leaf.text);
    if (one.kind == Json::Kind::text) return leaf.kind == Json::Kind::text && leaf.text == one.text;
    return leaf.kind == Json::Kind::number && compares(leaf.text) && order(leaf.text, one.text) == 0;
  });
}

inline bool holds(const Json& item, const Json& leaf) {
  switch (item.kind) {
    case Json::Kind::text: {
      if (leaf.kind != Json::Kind::text) return false;
      const auto address = address_bits(item.text);
      if (address.empty()) return leaf.text == item.text;
      return address_bits(leaf.text).starts_with(address);
    }
    case Json::Kind::number:
      if (leaf.kind != Json::Kind::number) return false;
      return leaf.text == item.text || (compares(leaf.text) && compares(item.text) && order(leaf.text, item.text) == 0);
    case Json::Kind::object:
      break;
    default:
      return leaf.kind == item.kind;
  }
  const auto& name = item.names[0];
  const auto& asked = item.items[0];
  if (name == "exists") return asked.kind == Json::Kind::yes;
  if (name == "numeric") return numeric(asked.items, leaf);
  if (name == "anything-but") return anything_but(asked, leaf);
  return leaf.kind == Json::Kind::text && text_matcher(name, asked, leaf.text);
}

using Alternative = std::map<std::string, std::vector<Json>>;

inline std::string joined(const std::string& path, const std::string& key) {
  return path.empty() ? key : path + "." + key;
}

inline void gather(const Json& object, const std::string& path, std::vector<Alternative>& alternatives) {
  for (std::size_t i = 0; i < object.names.size(); ++i) {
    const auto& key = object.names[i];
    const auto& value = object.items[i];
    if (key == "$or") {
      std::vector<Alternative> all;
      for (const auto& branch : value.items) {
        auto own = alternatives;
        gather(branch, path, own);
        all.insert(all.end(), own.begin(), own.end());
      }
      alternatives = all;
    } else if (value.kind == Json::Kind::object) {
      gather(value, joined(path, key), alternatives);
    } else {
      for (auto& alternative : alternatives) alternative[joined(path, key)] = value.items;
    }
  }
}

// The leaves of an event by their paths, with the element of each array that they lie in.
using Membership = std::map<int, int>;
struct Event {
  std::multimap<std::string, std::pair<Json, Membership>> leaves;
  int arrays = 0;

  void take(const std::string& path, const Json& value, const Membership& in) {
    if (value.kind == Json::Kind::object) {
      for (std::size_t i = 0; i < value.names.size(); ++i) take(joined(path, value.names[i]), value.items[i], in);
    } else if (value.kind == Json::Kind::array) {
      const int array = arrays++;
      for (std::size_t i = 0; i < value.items.size(); ++i) {
        auto deeper = in;
        deeper[array] = static_cast<int>(i);
        take(path, value.items[i], deeper);
      }
    } else {
      leaves.emplace(path, std::make_pair(value, in));
    }
  }
};

inline std::optional<Membership> together(Membership a, const Membership& b) {
  for (const auto& [array, element] : b) {
    if (a.try_emplace(array, element).first->second != element) return std::nullopt;
  }
  return a;
}

// The paths that `alternative` asks about from `field` on.
inline bool match(const Alternative& alternative, Alternative::const_iterator field, const Event& event,
                  const Membership& in) {
  if (field == alternative.end()) return true;
  const auto [first, last] = event.leaves.equal_range(field->first);
  bool any = false;
  for (auto leaf = first; leaf != last; ++leaf) {
    const auto both = together(in, leaf->second.second);
    if (!both) continue;
    any = true;
    const bool here = std::any_of(field->second.begin(), field->second.end(),
                                  [&](const Json& item) { return holds(item, leaf->second.first); });
    if (here && match(alternative, std::next(field), event, *both)) return true;
  }
  const auto absence = [](const Json& item) {
    return item.names == std::vector<std::string>{"exists"} && item.items[0].kind == Json::Kind::no;
  };
  return !any && std::any_of(field->second.begin(), field->second.end(), absence) &&
         match(alternative, std::next(field), event, in);
}

inline bool match(std::string_view pattern, std::string_view event) {
  std::vector<Alternative> alternatives(1);
  gather(Reader(pattern).read(), "", alternatives);
  Event taken;
  taken.take("", Reader(event).read(), {});
  return std::any_of(alternatives.begin(), alternatives.end(), [&](const Alternative& alternative) {
    return match(alternative, alternative.begin(), taken, {});
  });
}

}  // namespace slipway::events::reference
