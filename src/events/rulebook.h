// Rulebook: the rules of every bus, in a matcher and with their targets, as the writer thread last read them.  It
// follows the tables: whoever changes a rule or its targets touches it in the same transaction. Used on the writer
// thread only, except where said.
#pragma once
#include <atomic>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "database/database.h"
#include "events/matcher.h"
#include "events/store.h"

namespace slipway::events {

class Rulebook {
 public:
  struct Entry {
    Rule rule;
    std::optional<Matcher::Rule> number;  // None: a schedule without a pattern.
    std::vector<Target> targets;
  };

  // The rule, or a target of it, has changed, was made or has gone.
  void touch(const std::string& bus, const std::string& rule) { touched_.emplace(bus, rule); }
  // Reads everything anew before the next match: a write was undone after it was read.  From any thread.
  void distrust() { trusted_ = false; }

  // The rules of the event's bus that want it, by name.  They stay where they are until the next call.
  std::vector<const Entry*> match(database::Connection& db, const Received& event);

 private:
  // The rules of one bus.
  struct Bus {
    std::map<std::string, Entry> by_name;
    Matcher matcher;
    std::vector<const Entry*> by_number;  // By the matcher's numbers.
  };

  void follow(database::Connection& db);
  void read(database::Connection& db, Rule rule);
  void forget(const std::string& bus, const std::string& rule);

  std::map<std::string, Bus> buses_;
  std::set<std::pair<std::string, std::string>> touched_;
  std::atomic<bool> trusted_ = false;
};

}  // namespace slipway::events
