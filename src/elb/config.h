// The load balancer's structure as HAProxy's configuration.  Pure.
// Targets live in slots that the configuration declares, since servers that are added at run time are slow and unsafe
// in HAProxy 2.6; their current addresses stand in the text, so that a reload or a restart loses none.
#pragma once
#include <string>
#include <vector>

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

struct Frontend {
  std::string name;
  std::string address = "127.0.0.1";
  int port = 0;
  std::string backend;
};

std::string render(const std::vector<Frontend>& frontends, const std::vector<Backend>& backends);

// The text without what changes at run time: two texts of the same structure differ in their servers' states only.
std::string structure_of(const std::string& text);

// How many slots a backend gets for the highest slot in use: 16, 32, 64, …
int slot_count(int highest);
// The lowest number that is not taken.
int free_slot(const std::vector<int>& taken);

}  // namespace slipway::elb
