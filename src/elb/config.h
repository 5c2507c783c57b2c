// The load balancer's structure as HAProxy's configuration.  Pure.
// A route forwards by throwing a die for each request; where the first of two backends ends is a variable of the
// process, so that weights change at once, for all requests that come after, and without a reload.
// Targets live in slots that the configuration declares, since servers that are added at run time are slow and unsafe
// in HAProxy 2.6; their current addresses stand in the text, so that a reload or a restart loses none.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "elb/routing.h"

namespace slipway::elb {

struct Slot {
  int number = 0;  // From 1.
  std::string address;
  int port = 0;
  bool in_traffic = false;
};

struct Backend {
  std::string name;  // Of the target group; unique.
  std::vector<Slot> taken;
};

struct BackendShare {
  std::string backend;
  int weight = 1;
};

// What happens to the requests that fit all of its conditions.
struct Route {
  std::string name;  // Unique, of letters, digits and '_'.
  std::vector<Condition> conditions;
  std::vector<BackendShare> shares;
  std::optional<FixedResponse> fixed;
};

struct Frontend {
  std::string name;
  std::string address = "127.0.0.1";
  int port = 0;
  std::vector<Route> routes;  // The first that fits is taken; the last has no condition.
};

std::string render(const std::vector<Frontend>& frontends, const std::vector<Backend>& backends);

// The commands that give the shares of every route of two backends the weights they have in the text.  Those of more
// are part of the structure: HAProxy cannot change several numbers at once.
std::vector<std::string> weight_commands(const std::vector<Frontend>& frontends);

// The text without what changes at run time: two texts of the same structure differ in their servers' states and in
// their weights only.
std::string structure_of(const std::string& text);

// How many slots a backend gets for the highest slot in use: 16, 32, 64, …
int slot_count(int highest);
// The lowest number that is not taken.
int free_slot(const std::vector<int>& taken);

}  // namespace slipway::elb
