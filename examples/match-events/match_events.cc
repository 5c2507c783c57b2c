// Which rules do these events match?  The pattern language and the matcher as a library, without a bus.
//
//     match_events RULES < EVENTS
//
// RULES has one rule a line, a name and a pattern: `pushes {"source": ["aws.ecr"]}`.  EVENTS has one event a line.  For
// each event it prints the names of the rules that match.
#include <fstream>
#include <iostream>
#include <map>
#include <string>

#include "events/matcher.h"

namespace events = slipway::events;

int main(int argc, char** argv) {
  std::ifstream rules(argc == 2 ? argv[1] : "");
  if (!rules) {
    std::cerr << "usage: match_events RULES < EVENTS\n";
    return 2;
  }
  events::Matcher matcher;
  std::map<events::Matcher::Rule, std::string> names;
  for (std::string line; std::getline(rules, line);) {
    const auto space = line.find(' ');
    if (line.empty() || space == std::string::npos) continue;
    const auto pattern = events::compile(std::string_view(line).substr(space + 1));
    if (!pattern) {
      std::cerr << line.substr(0, space) << ": " << pattern.error().message << "\n";
      return 1;
    }
    names[matcher.add(*pattern)] = line.substr(0, space);
  }
  for (std::string event; std::getline(std::cin, event);) {
    const auto matched = matcher.match(event);
    if (!matched) {
      std::cerr << matched.error().message << "\n";
      return 1;
    }
    std::string separator;
    for (const auto rule : *matched) {
      std::cout << separator << names[rule];
      separator = " ";
    }
    std::cout << "\n";
  }
  return 0;
}
