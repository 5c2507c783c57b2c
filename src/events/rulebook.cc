#include "events/rulebook.h"

#include <algorithm>

#include "base/log.h"
#include "base/text.h"

namespace slipway::events {

void Rulebook::read(database::Connection& db, Rule rule) {
  if (!rule.enabled()) return;
  auto& bus = buses_[rule.bus];
  auto& entry = bus.by_name[rule.name];
  entry = {.rule = std::move(rule), .number = std::nullopt, .targets = {}};
  entry.targets = targets_of(db, entry.rule.bus, entry.rule.name);
  if (entry.rule.pattern.empty()) return;
  const auto pattern = compile(entry.rule.pattern);
  if (!pattern) {
    log_error("events", "a stored pattern does not compile: " + pattern.error().message);
    return;
  }
  entry.number = bus.matcher.add(*pattern);
  if (bus.by_number.size() <= *entry.number) bus.by_number.resize(*entry.number + 1);
  bus.by_number[*entry.number] = &entry;
}

void Rulebook::forget(const std::string& bus, const std::string& rule) {
  auto& rules = buses_[bus];
  const auto found = rules.by_name.find(rule);
  if (found == rules.by_name.end()) return;
  if (found->second.number) rules.matcher.remove(*found->second.number);
  rules.by_name.erase(found);
}

void Rulebook::follow(database::Connection& db) {
  if (!trusted_.exchange(true)) {
    buses_.clear();
    touched_.clear();
    for (auto& rule : all_rules(db)) read(db, std::move(rule));
    return;
  }
  for (const auto& [bus, name] : touched_) {
    forget(bus, name);
    if (auto rule = find_rule(db, bus, name)) read(db, *std::move(rule));
  }
  touched_.clear();
}

std::vector<const Rulebook::Entry*> Rulebook::match(database::Connection& db, const Received& event) {
  follow(db);
  std::vector<const Entry*> out;
  const auto found = buses_.find(event.bus);
  if (found == buses_.end()) return out;
  auto& bus = found->second;
  const auto matched = bus.matcher.match(event.text.empty() ? json::serialize(event.envelope) : event.text);
  if (!matched) log_error("events", "event " + event.event_id + " is matched by no rule: " + matched.error().message);
  if (matched) {
    for (const auto number : *matched) out.push_back(bus.by_number[number]);
  }
  std::sort(out.begin(), out.end(), [](const Entry* a, const Entry* b) { return a->rule.name < b->rule.name; });
  if (event.only_rules.empty()) return out;
  std::vector<const Entry*> chosen;
  for (const auto& name : split(event.only_rules, ',')) {
    const auto rule = bus.by_name.find(name);
    if (rule == bus.by_name.end()) continue;
    // A schedule's own event needs no pattern; a replayed one does.
    const auto& entry = rule->second;
    const bool scheduled = !entry.rule.schedule.empty() && !find_path(event.envelope, {"replay-name"});
    if (scheduled || std::find(out.begin(), out.end(), &entry) != out.end()) chosen.push_back(&entry);
  }
  return chosen;
}

}  // namespace slipway::events
