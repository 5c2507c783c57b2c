// A matcher that is as simple as the pattern language allows: the event is taken apart into leaves, and each pattern is
// tried by itself.
#pragma once
#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "events/pattern.h"
#include "events/pattern_text.h"

namespace slipway::events {

// The leaves of an event below each path, with the array elements that each lies in, outermost first.
struct NaiveEvent {
  using Membership = std::vector<std::pair<int, int>>;  // Array (numbered in the order of the text), element.
  struct Leaf {
    Value::Kind kind;
    std::string text;
    Membership membership;
    Value value() const { return {.kind = kind, .text = text}; }
  };

  Result<void> read(std::string_view text) {
    PatternText tokens(text);
    if (tokens.next() != PatternText::Token::object_begin) return broken("Event must be a JSON object");
    if (!members(tokens, "", {})) return broken(tokens.fault());
    if (tokens.rest().find_first_not_of(" \t\r\n") == std::string_view::npos) return {};
    return broken("Event must be one JSON object");
  }

  static std::unexpected<Error> broken(const std::string& why) { return fail(Fault::invalid, "InvalidEvent", why); }

  bool members(PatternText& tokens, const std::string& prefix, const Membership& membership) {
    for (;;) {
      const auto token = tokens.next();
      if (token == PatternText::Token::object_end) return true;
      if (token == PatternText::Token::fault) return false;
      const auto path = prefix.empty() ? tokens.spelling() : prefix + "." + tokens.spelling();
      if (!take(tokens, tokens.next(), path, membership)) return false;
    }
  }

  bool take(PatternText& tokens, PatternText::Token token, const std::string& path, const Membership& membership) {
    using Token = PatternText::Token;
    if (token == Token::fault) return false;
    if (token == Token::object_begin) return members(tokens, path, membership);
    if (token == Token::array_begin) {
      const int array = arrays++;
      for (int element = 0; (token = tokens.next()) != Token::array_end; ++element) {
        auto inner = membership;
        inner.emplace_back(array, element);
        if (!take(tokens, token, path, inner)) return false;
      }
      return true;
    }
    const auto kind = token == Token::text     ? Value::Kind::text
                      : token == Token::number ? Value::Kind::number
                      : token == Token::yes    ? Value::Kind::yes
                      : token == Token::no     ? Value::Kind::no
                                               : Value::Kind::null;
    leaves[path].push_back({kind, tokens.spelling(), membership});
    return true;
  }

  const std::vector<Leaf>& at(const std::string& path) const {
    static const std::vector<Leaf> none;
    const auto found = leaves.find(path);
    return found == leaves.end() ? none : found->second;
  }

  std::map<std::string, std::vector<Leaf>> leaves;
  int arrays = 0;
};

// The element chosen in each array.
using NaiveChoice = std::map<int, int>;

inline std::optional<NaiveChoice> combine(const NaiveChoice& choice, const NaiveEvent::Membership& membership) {
  NaiveChoice out = choice;
  for (const auto& [array, element] : membership) {
    if (out.try_emplace(array, element).first->second != element) return std::nullopt;
  }
  return out;
}

// The arrays in which leaves of the fields from `first` on lie; choices in others no longer matter.
inline std::set<int> arrays_needed(const Alternative& alternative, std::size_t first, const NaiveEvent& event) {
  std::set<int> out;
  for (std::size_t i = first; i < alternative.size(); ++i) {
    for (const auto& leaf : event.at(alternative[i].path)) {
      for (const auto& [array, element] : leaf.membership) out.insert(array);
    }
  }
  return out;
}

// Every way in which the fields can hold, one field after the other in the order of their paths.
inline bool naive_match(const Alternative& alternative, const NaiveEvent& event) {
  std::set<NaiveChoice> choices{NaiveChoice{}};
  for (std::size_t i = 0; i < alternative.size(); ++i) {
    const auto& field = alternative[i];
    const auto& leaves = event.at(field.path);
    const auto needed = arrays_needed(alternative, i + 1, event);
    const auto keep = [&](NaiveChoice choice) {
      std::erase_if(choice, [&](const auto& chosen) { return !needed.contains(chosen.first); });
      return choice;
    };
    std::set<NaiveChoice> next;
    for (const auto& choice : choices) {
      bool fits = false;
      for (const auto& leaf : leaves) {
        const auto combined = combine(choice, leaf.membership);
        fits = fits || combined;
        const auto here = [&](const Predicate& predicate) { return holds(predicate, leaf.value()); };
        if (combined && std::any_of(field.any_of->begin(), field.any_of->end(), here)) next.insert(keep(*combined));
      }
      const auto absence = [](const Predicate& predicate) { return predicate.test == Test::absent; };
      if (!fits && std::any_of(field.any_of->begin(), field.any_of->end(), absence)) next.insert(keep(choice));
    }
    choices = std::move(next);
  }
  return !choices.empty();
}

inline bool naive_match(const Pattern& pattern, const NaiveEvent& event) {
  return std::any_of(pattern.any_of.begin(), pattern.any_of.end(),
                     [&](const Alternative& alternative) { return naive_match(alternative, event); });
}

}  // namespace slipway::events
