// The 16 rule sets of aws/event-ruler's Benchmarks.java on events of city lots, and two more, with the number of events
// that each rule matches among the 213,068; and what rivals were measured at.
//
// Figures of rivals are recorded, not measured by this program: aws/event-ruler 2.0.1 (OpenJDK 17.0.15, SerialGC, best
// pass of two runs) and timbray/quamina 2.0 (Go 1.23.5, mean), events per second of the matching thread's own CPU time,
// on synthetic lots of the same shape and counts, on a 2-core AMD EPYC (Zen 4).  event-ruler validates what it reads;
// quamina stops as soon as it has seen the fields that rules name.
#pragma once
#include <string>
#include <vector>

namespace slipway::bench {

struct RuleSet {
  std::string name;
  std::vector<std::string> patterns;
  std::vector<long> counts;
  double event_ruler = 0;  // Events per second; 0: not measured.
  double quamina = 0;
};

std::vector<RuleSet> rule_sets();

}  // namespace slipway::bench
