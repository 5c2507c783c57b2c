// Bus: the event buses of the region.  An event that was published in a committed transaction reaches every
// target of every rule that matches it at least once, or its dead-letter queue; a crash at any
// instant repeats and never forgets.
#pragma once
#include <atomic>
#include <map>
#include <memory>
#include <string>

#include "base/arn.h"
#include "base/event.h"
#include "database/database.h"
#include "events/http_caller.h"
#include "events/ports.h"
#include "events/rulebook.h"
#include "events/store.h"
#include "host/clock.h"

namespace slipway::events {

constexpr int kTogetherMax = 100;                             // Deliveries recorded in one transaction.
constexpr int kMatchBatch = 100;                              // Events matched in one transaction.
constexpr Duration kDeliverLimit = std::chrono::seconds(60);  // A target that has not answered by then has failed.
constexpr Duration kIdleWait = std::chrono::seconds(30);      // The worker looks around at least so often.
constexpr Duration kAfterTrouble = std::chrono::seconds(1);   // Pause after a write that failed.
constexpr Duration kPruneEvery = std::chrono::seconds(10);
constexpr Duration kKeepFinished = std::chrono::hours(24);
constexpr long long kKeepRows = 10'000;
constexpr int kPruneBatch = 2'000;  // Rows forgotten in one transaction.
constexpr int kRedriveMax = 1'000;  // Dead deliveries that one call starts anew.
// An event that rules pass on from bus to bus goes no further than this: two rules that point at each other's bus
// would keep it going for ever.
constexpr int kHopsMax = 5;

// What AWS lets an account raise.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html
struct Quotas {
  long long rules_per_bus = 300;
};

class Bus {
 public:
  Bus(asio::any_io_executor executor, database::Database& db, host::Clock& clock, host::Random& random, Place place,
      Targets& targets, DeadLetters& dead_letters, Permissions& permissions, Quotas quotas = {});

  // Begins to match and deliver, from where the tables say an earlier bus stopped.  Once.
  void start();
  // Ends the worker; deliveries under way are repeated by the next start.  Await it before the bus
  // is destroyed on a loop that still runs.
  task<void> stop();

  // Appends the event to the default bus's outbox in the caller's transaction; it goes out after the commit.  An
  // empty id, account or region is filled in.  `received` is the moment of ingestion; the event's
  // own time when it is not given.  Returns the id.
  std::string publish(database::Transaction& tx, Event event) { return publish(tx, std::move(event), event.time); }
  std::string publish(database::Transaction& tx, Event event, Instant received);
  std::string publish_on(database::Transaction& tx, const std::string& bus, Event event, Instant received,
                         std::string trace = {});
  // The same for an envelope that has its id: replayed, or passed on from another bus.
  void publish_again(database::Transaction& tx, Received event);

  // Dead deliveries start anew: those of `event_id`, or all when it is empty.  Returns how many.
  task<int> redrive(std::string event_id);

  // Gets the connection's token in the background, when it is an OAuth one.
  void authorize(const std::string& connection);

  void wake() { bell_->ring(); }  // Rules or the clock have changed.
  // In the transaction that changes a rule or its targets.
  void touch(database::Transaction& tx, const std::string& bus, const std::string& rule);
  bool idle() const;  // Nothing to match, nothing due, nothing under way.

  database::Database& db() { return db_; }
  host::Clock& clock() { return clock_; }
  host::Random& random() { return random_; }
  Targets& targets() { return targets_; }
  Permissions& permissions() { return permissions_; }
  const Place& place() const { return place_; }
  const Quotas& quotas() const { return quotas_; }
  std::string bus_arn(const std::string& bus) const { return place_.arn("events", "event-bus/" + bus); }

 private:
  task<void> work();
  task<void> look_around();
  task<void> fire_schedules();
  task<bool> match_some();  // False: nothing was left.
  task<void> replay_some();
  void start_due();
  void start_together(const std::string& target, Instant now);
  task<void> attempt(long long number);
  task<void> attempt_together(std::vector<long long> numbers);
  task<void> hand_over_together(std::vector<long long> numbers);
  task<void> attempt_target(DeliveryRow row);
  task<void> attempt_dead_letter(DeliveryRow row);
  task<Result<void>> call_destination(Delivery delivery);
  task<void> pass_on(DeliveryRow row, std::string bus);
  task<void> record(DeliveryRow row, Result<void> outcome);
  task<void> prune_sometimes();
  Duration until_next() const;
  std::string new_id();

  database::Database& db_;
  host::Clock& clock_;
  host::Random& random_;
  Place place_;
  Targets& targets_;
  DeadLetters& dead_letters_;
  Permissions& permissions_;
  Quotas quotas_;
  std::string id_salt_;  // Makes ids on the writer thread, where the random source may not be used.
  std::atomic<long long> ids_ = 0;
  HttpCaller http_;
  std::shared_ptr<Bell> bell_;
  std::shared_ptr<Rulebook> rulebook_;                           // Used by the writer thread only.
  std::shared_ptr<std::map<long long, std::string>> in_flight_;  // Delivery number -> target.
  Instant pruned_{};
  PrunePass pruning_;
  TaskGroup tasks_;
};

// Whether the ARN is one of an API destination of this place.
bool is_api_destination(const Place& place, const std::string& arn);
// The name in the ARN of a bus of this place; nullopt when it is none.
std::optional<std::string> bus_of_arn(const Place& place, const std::string& arn);

}  // namespace slipway::events
