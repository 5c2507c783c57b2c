// Events of city lots: made up, the same on every machine, and of the shape of event-ruler's citylots2.json, so that
// the rule sets of its benchmarks match exactly as many of them as they do there (sets.h).  Not the real data; say
// "citylots2-shaped" of figures.
#pragma once
#include <string>
#include <vector>

namespace slipway::bench {

constexpr std::size_t kLots = 213'068;

std::vector<std::string> make_lots();

}  // namespace slipway::bench
