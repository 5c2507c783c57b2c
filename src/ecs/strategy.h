// How a new revision takes over from the old one.  Values only; `rollout.h` holds them, `shift.h` acts on them.
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-type-blue-green.html
#pragma once
#include <string>
#include <vector>

#include "base/instant.h"

namespace slipway::ecs {

constexpr int kAll = 1000;  // Traffic is counted in per mille.

enum class Strategy { rolling, blue_green, linear, canary };

struct Takeover {
  Strategy strategy = Strategy::rolling;
  Duration bake{};       // After all traffic is with the new revision: the old one stays warm this long.
  int step = kAll;       // Per mille: what moves at each step (linear), or first (canary).
  Duration step_bake{};  // Between two steps.
};

// Where a deployment that is no rolling one stands: ECS's lifecycle stages, in their order.
enum class Phase {
  none,  // It rolls, or is complete.
  reconcile,
  pre_scale_up,
  scale_up,
  post_scale_up,
  test_shift,
  post_test_shift,
  production_shift,
  post_production_shift,
  bake,
  clean_up,
};

const char* phase_text(Phase phase);           // "PRE_SCALE_UP", as lifecycleStage has it; "" for none.
const char* strategy_text(Strategy strategy);  // "BLUE_GREEN"

// Something that has to agree before a deployment goes on: a Lambda function, or a person (PAUSE).
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-lifecycle-hooks.html
struct Hook {
  bool pause = false;
  std::string function;  // ARN; empty for a pause.
  std::string role;      // ARN of who may call it.
  std::vector<Phase> phases;
  std::string details;  // JSON that the function is given; empty: none.
  Duration timeout = std::chrono::hours(24);
  bool continue_on_timeout = false;
};

// A hook at one stage, or at one step of the production shift.
struct HookRun {
  enum class Status { in_progress, awaiting_action, succeeded, failed, timed_out };
  std::string id;
  std::size_t hook = 0;  // Of the deployment's hooks.
  Phase phase = Phase::none;
  int step = 0;
  Status status = Status::in_progress;
  Instant expires_at{};
  Instant next_at{};  // The function is called then.
};

const char* status_text(HookRun::Status status);  // "AWAITING_ACTION"

// The share of the new revision after `steps` of them.
int share_after(const Takeover& how, int steps);

// What the load balancer carries out: the alternate target group's part of the requests, in per mille.
struct Traffic {
  int production = 0;
  int test = 0;
  bool operator==(const Traffic&) const = default;
};

}  // namespace slipway::ecs
