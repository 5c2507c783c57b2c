// The balancer: keeps HAProxy as the tables say, probes targets, and moves them into and out of traffic without a
// reload. A target takes requests only after a good answer; it leaves by draining, and its slot is free only when no
// request is left.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/arn.h"
#include "base/task.h"
#include "elb/config.h"
#include "elb/health.h"
#include "elb/store.h"
#include "host/clock.h"
#include "host/haproxy.h"

namespace slipway::elb {

struct TargetView {
  Target target;
  TargetHealth health;
};

// A listener or a rule of one names the group, be it with weight 0.
bool is_named(database::Connection& db, const std::string& group);

class Balancer {
 public:
  // `address` is where listeners bind.
  Balancer(asio::any_io_executor executor, database::Database& db, host::Clock& clock, host::Random& random,
           Place place, host::Proxy& proxy, std::string address = "127.0.0.1");

  // Brings HAProxy up when there are listeners, and takes up every target where the tables say it stands: those in
  // traffic stay in it while their probes begin again.
  task<Result<void>> start();
  task<void> stop();  // HAProxy goes on.

  bool in_use(const std::string& group) { return is_named(db_.read(), group); }
  // Gives the rule (or default rule) these shares, from the next request on.  No effect when it has them already.
  // Fault::not_found when there is no such rule, Fault::invalid when HAProxy refuses.
  task<Result<void>> set_shares(std::string rule, std::vector<Share> shares);
  // What the rule forwards to; nothing when there is no such rule, or it does not forward.
  std::vector<Share> shares_of(const std::string& rule);
  // Records the target and begins to probe it as soon as its group is in use.  No effect on one that is registered with
  // the same address.
  task<Result<void>> register_target(std::string group, std::string id, std::string address, int port);
  // Begins to drain; the target disappears from targets() when its last request is answered or the group's
  // deregistration delay is over.  No effect on one that drains; Fault::not_found when there is none.
  task<Result<void>> deregister_target(std::string group, std::string id);
  std::vector<TargetView> targets(const std::string& group);
  void on_change(std::function<void()> news) { news_ = std::move(news); }

  // Brings HAProxy to what the tables say: after listeners or groups changed, and at the start.  It is reloaded only
  // when the structure differs; servers' states are set through its socket.  Fault::invalid when HAProxy refuses it.
  task<Result<void>> restructure();

  database::Database& db() { return db_; }
  host::Clock& clock() { return clock_; }
  host::Random& random() { return random_; }
  const Place& place() const { return place_; }

 private:
  using Key = std::pair<std::string, std::string>;  // Group and id.

  task<void> watch_proxy();
  task<void> run_target(std::string group, std::string id);
  task<bool> examine(Target target, HealthCheck check);
  task<bool> rest(Target target);
  task<Probe> probe(Target target, HealthCheck check);
  task<Result<void>> set_traffic(Target target, bool on);
  task<void> drain(Target target, Duration delay);
  task<std::optional<long long>> requests_of(Target target);
  task<void> insist(Target target, std::vector<std::string> commands);
  // HAProxy's state, its file and the tables change together: one change at a time.
  task<void> take_turn();
  task<Result<void>> conform(std::string text);
  task<Result<void>> record_running();
  std::vector<std::string> commands_for_all();
  task<Result<void>> change_slot(Target target, std::vector<std::string> commands);
  std::vector<Frontend> frontends();
  std::string configuration();
  void tell() {
    if (news_) news_();
  }

  database::Database& db_;
  host::Clock& clock_;
  host::Random& random_;
  Place place_;
  host::Proxy& proxy_;
  std::string address_;
  std::function<void()> news_;
  bool changing_ = false;
  std::map<Key, TargetHealth> health_;
  std::map<Key, std::unique_ptr<Bell>> bells_;  // There while the target's coroutine runs.
  TaskGroup group_;
};

// The default rule of a listener has an ARN of its own; it is no document.
std::string default_rule_arn(const std::string& listener);
std::string listener_of_rule(const std::string& rule);  // ARN; of a default rule too.
// The rules of a listener by their priority, without the default one.
std::vector<Document> rules_of(database::Connection& db, const std::string& listener);

HealthCheck health_check_of(const json::object& group);
Duration deregistration_delay_of(const json::object& group);

}  // namespace slipway::elb
