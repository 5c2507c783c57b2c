// Planted bugs: faults that the simulator has to find, or it is not worth its time.  They exist only in units that are
// compiled with SLIPWAY_PLANTED_BUGS (the target slipway_sim_planted), one at a time; elsewhere planted() is false at
// compile time and nothing of them is left.
#pragma once

namespace slipway::ecs {

enum class Bug {
  none,
  minimum_rounded_down,       // 75 % of 2 is 1.
  maximum_rounded_up,         // 125 % of 3 is 4.
  old_stopped_before_new,     // An old task that serves goes although fewer than the minimum would be left.
  health_without_traffic,     // A healthy task counts as serving before it is in traffic.
  failures_not_counted,       // The circuit breaker never trips.
  failed_goes_on,             // A failed deployment goes on launching tasks.
  rolls_back_to_anything,     // A rollback may go to a deployment that was never completed.
  completed_too_early,        // A deployment is completed while old tasks are still there.
  restarts_without_delay,     // Tasks that fail again and again are restarted at once.
  superseded_stays,           // Tasks of superseded deployments are kept.
  starts_old_and_stops_it,    // A task of the old revision that is needed is stopped before it serves.
  stopped_under_traffic,      // Tasks in between go although they may still get traffic.
  colours_mixed,              // New tasks come to a target group in which others still are.
  steps_not_baked,            // The next step is taken at once.
  shifted_before_whole,       // Traffic is moved to a revision that is not whole.
  hooks_not_awaited,          // A stage ends before its hooks have agreed.
  bake_cut_short,             // The old revision goes before the bake time is over.
  signalled_in_traffic,       // A task is signalled before it is out of traffic and drained.
  killed_without_grace,       // SIGKILL at once.
  tag_resolved_each_time,     // Every task resolves its tags anew.
  restart_forgets_the_dying,  // Tasks that were on their way out are not taken up after a restart.
  ended_by_a_full_disk,       // A coroutine whose write fails ends for good.
  news_never_lost,            // Without news nothing is looked at again.
  target_left_behind,         // A task that died by itself stays a target.
  count_,
};

inline const char* bug_name(Bug bug) {
  constexpr const char* kNames[] = {"none",
                                    "minimum_rounded_down",
                                    "maximum_rounded_up",
                                    "old_stopped_before_new",
                                    "health_without_traffic",
                                    "failures_not_counted",
                                    "failed_goes_on",
                                    "rolls_back_to_anything",
                                    "completed_too_early",
                                    "restarts_without_delay",
                                    "superseded_stays",
                                    "starts_old_and_stops_it",
                                    "stopped_under_traffic",
                                    "colours_mixed",
                                    "steps_not_baked",
                                    "shifted_before_whole",
                                    "hooks_not_awaited",
                                    "bake_cut_short",
                                    "signalled_in_traffic",
                                    "killed_without_grace",
                                    "tag_resolved_each_time",
                                    "restart_forgets_the_dying",
                                    "ended_by_a_full_disk",
                                    "news_never_lost",
                                    "target_left_behind"};
  static_assert(sizeof(kNames) / sizeof(kNames[0]) == static_cast<unsigned>(Bug::count_));
  return kNames[static_cast<int>(bug)];
}

#ifdef SLIPWAY_PLANTED_BUGS
inline Bug planted_bug = Bug::none;
inline bool planted(Bug bug) {
  return planted_bug == bug;
}
#else
constexpr bool planted(Bug) {
  return false;
}
#endif

}  // namespace slipway::ecs
