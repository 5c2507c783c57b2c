// slipway_sim SEED N [rollout|region]: N seeded worlds from SEED; prints the seed of the first in which something bad
// happens, and what.  slipway_sim_planted hunts instead: every planted bug has to be found, or it fails.
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "ecs/planted.h"
#include "sim/region_world.h"
#include "sim/rollout_world.h"

namespace {

using namespace slipway;
using World = std::string (*)(unsigned long);

#ifdef SLIPWAY_PLANTED_BUGS

constexpr unsigned long kRolloutWorlds = 3000;
constexpr unsigned long kRegionWorlds = 150;

bool hunt(const char* name, World world, unsigned long worlds) {
  for (unsigned long seed = 1; seed <= worlds; ++seed) {
    const std::string wrong = world(seed);
    if (wrong.empty()) continue;
    std::printf("found  %-26s seed %4lu: %s\n", name, seed, wrong.c_str());
    return true;
  }
  return false;
}

int hunt_all(std::string_view only) {
  int missed = 0;
  for (int i = 1; i < static_cast<int>(ecs::Bug::count_); ++i) {
    ecs::planted_bug = static_cast<ecs::Bug>(i);
    const char* name = ecs::bug_name(ecs::planted_bug);
    if (!only.empty() && only != name) continue;
    // The rollout's own bugs show in the rollout's worlds, which are a hundred times faster.
    const bool found = ecs::planted_bug < ecs::Bug::signalled_in_traffic
                           ? hunt(name, sim::run_rollout_world, kRolloutWorlds)
                           : hunt(name, sim::run_region_world, kRegionWorlds);
    if (found) continue;
    std::printf("MISSED %s\n", name);
    ++missed;
  }
  return missed == 0 ? 0 : 1;
}

#endif

int run(World world, unsigned long first, unsigned long count) {
  for (unsigned long seed = first; seed < first + count; ++seed) {
    const std::string wrong = world(seed);
    if (wrong.empty()) continue;
    std::printf("seed %lu: %s\n", seed, wrong.c_str());
    return 1;
  }
  std::printf("%lu worlds from seed %lu: nothing bad, and all came to rest\n", count, first);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);
  // The daemon's own log would drown what is found.
  if (std::getenv("SLIPWAY_SIM_LOG") == nullptr && std::freopen("/dev/null", "w", stderr) == nullptr) return 1;
#ifdef SLIPWAY_PLANTED_BUGS
  if (argc < 3) return hunt_all(argc > 1 ? argv[1] : "");
#endif
  const unsigned long first = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 1;
  const unsigned long count = argc > 2 ? std::strtoul(argv[2], nullptr, 10) : 1;
  const std::string_view kind = argc > 3 ? argv[3] : "rollout";
  return run(kind == "region" ? sim::run_region_world : sim::run_rollout_world, first, count);
}
