#include "events/rulebook.h"

#include <algorithm>

#include "base/log.h"
#include "base/text.h"

namespace slipway::events {

void Rulebook::read(database::Connection& db, Rule rule) {
  Entry entry{.rule = std::move(rule), .pattern = std::nullopt, .targets = {}};
  if (!entry.rule.enabled()) return;
  if (!entry.rule.pattern.empty()) {
    auto pattern = compile(entry.rule.pattern);
    if (!pattern) log_error("events", "a stored pattern does not compile: " + pattern.error().message);
    if (pattern) entry.pattern = *std::move(pattern);
  }
  entry.targets = targets_of(db, entry.rule.bus, entry.rule.name);
  auto& rules = buses_[entry.rule.bus];
  auto name = entry.rule.name;
  rules.insert_or_assign(std::move(name), std::move(entry));
}

void Rulebook::follow(database::Connection& db) {
  if (!trusted_.exchange(true)) {
    buses_.clear();
    touched_.clear();
    for (auto& rule : all_rules(db)) read(db, std::move(rule));
    return;
  }
  for (const auto& [bus, name] : touched_) {
    buses_[bus].erase(name);
    if (auto rule = find_rule(db, bus, name)) read(db, *std::move(rule));
  }
  touched_.clear();
}

std::vector<const Rulebook::Entry*> Rulebook::match(database::Connection& db, const Received& event) {
  follow(db);
  std::vector<const Entry*> out;
  const auto rules = buses_.find(event.bus);
  if (rules == buses_.end()) return out;
  if (!event.only_rules.empty()) {
    for (const auto& name : split(event.only_rules, ',')) {
      const auto found = rules->second.find(name);
      if (found == rules->second.end()) continue;
      // A schedule's own event needs no pattern; a replayed one does.
      const auto& entry = found->second;
      const bool scheduled = !entry.rule.schedule.empty() && !find_path(event.envelope, {"replay-name"});
      if (scheduled || (entry.pattern && matches(*entry.pattern, event.envelope))) out.push_back(&entry);
    }
    return out;
  }
  for (const auto& [name, entry] : rules->second) {
    if (entry.pattern && matches(*entry.pattern, event.envelope)) out.push_back(&entry);
  }
  return out;
}

}  // namespace slipway::events
