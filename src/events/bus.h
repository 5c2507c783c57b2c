// Bus: the default event bus.  An event that was published in a committed transaction reaches every
// target of every rule that matches it at least once, or its dead-letter queue; a crash at any
// instant repeats and never forgets.
#pragma once
#include <map>
#include <memory>
#include <string>

#include "base/arn.h"
#include "base/event.h"
#include "database/database.h"
#include "events/pattern.h"
#include "events/ports.h"
#include "events/store.h"
#include "host/clock.h"

namespace slipway::events {

constexpr int kMatchBatch = 100;                              // Events matched in one transaction.
constexpr Duration kDeliverLimit = std::chrono::seconds(60);  // A target that has not answered by then has failed.
constexpr Duration kIdleWait = std::chrono::seconds(30);      // The worker looks around at least so often.
constexpr Duration kAfterTrouble = std::chrono::seconds(1);   // Pause after a write that failed.
constexpr Duration kPruneEvery = std::chrono::minutes(1);
constexpr Duration kKeepFinished = std::chrono::hours(24);
constexpr long long kKeepRows = 10'000;

class Bus {
 public:
  Bus(asio::any_io_executor executor, database::Database& db, host::Clock& clock, host::Random& random, Place place,
      Targets& targets, DeadLetters& dead_letters);

  // Begins to match and deliver, from where the tables say an earlier bus stopped.  Once.
  void start();
  // Ends the worker; deliveries under way are repeated by the next start.  Await it before the bus
  // is destroyed on a loop that still runs.
  task<void> stop();

  // Appends the event to the outbox in the caller's transaction; it goes out after the commit.  An
  // empty id, account or region is filled in.  `received` is the moment of ingestion; the event's
  // own time when it is not given.  Returns the id.
  std::string publish(database::Transaction& tx, Event event) { return publish(tx, std::move(event), event.time); }
  std::string publish(database::Transaction& tx, Event event, Instant received);

  void wake() { bell_->ring(); }  // Rules or the clock have changed.
  bool idle() const;              // Nothing to match, nothing due, nothing under way.

  database::Database& db() { return db_; }
  host::Clock& clock() { return clock_; }
  Targets& targets() { return targets_; }
  const Place& place() const { return place_; }
  std::string rule_arn(const std::string& name) const { return place_.arn("events", "rule/" + name); }

 private:
  class Patterns;
  task<void> work();
  task<void> look_around();
  task<void> fire_schedules();
  task<bool> match_some();  // False: nothing was left.
  void start_due();
  task<void> attempt(long long number);
  task<void> attempt_target(DeliveryRow row);
  task<void> attempt_dead_letter(DeliveryRow row);
  task<void> prune_sometimes();
  Duration until_next() const;

  database::Database& db_;
  host::Clock& clock_;
  host::Random& random_;
  Place place_;
  Targets& targets_;
  DeadLetters& dead_letters_;
  std::string id_salt_;  // Makes ids on the writer thread, where the random source may not be used.
  std::shared_ptr<Bell> bell_;
  std::shared_ptr<Patterns> patterns_;                           // Used by the writer thread only.
  std::shared_ptr<std::map<long long, std::string>> in_flight_;  // Delivery number -> target.
  Instant pruned_{};
  TaskGroup tasks_;
};

}  // namespace slipway::events
