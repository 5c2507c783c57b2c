// Topics: what is published to a topic reaches every confirmed subscription at least once, or is given up after SNS's
// own number of attempts; a crash at any instant repeats and never forgets.  Messages are rows before they are sent.
#pragma once
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/arn.h"
#include "base/task.h"
#include "database/database.h"
#include "host/clock.h"
#include "sns/ports.h"
#include "sns/store.h"

namespace slipway::sns {

constexpr int kInFlightMax = 64;                                   // Deliveries at a time, of all subscriptions.
constexpr int kInFlightPerSubscriptionMax = 8;                     // So that one that hangs does not hold them all.
constexpr Duration kEndpointLimit = std::chrono::seconds(15);      // An endpoint that has not answered has failed.
constexpr Duration kUnconfirmedKept = std::chrono::hours(24 * 3);  // Then a subscription that nobody confirmed goes.
constexpr Duration kIdleWait = std::chrono::minutes(1);
constexpr Duration kAfterTrouble = std::chrono::seconds(1);  // Pause after a write that failed.

class Topics {
 public:
  // `endpoint_url`: where confirmations and unsubscriptions are answered, "http://127.0.0.1:4566".
  Topics(asio::any_io_executor executor, database::Database& db, host::Clock& clock, host::Random& random, Place place,
         std::string endpoint_url, Endpoints& endpoints, Permissions& permissions);

  // Begins to deliver, from where the tables say an earlier one stopped.  Once.
  void start();
  task<void> stop();

  std::string arn(const std::string& name) const { return place_.arn("sns", name); }
  // The name in the ARN of a topic of this place; nullopt when it is none.
  std::optional<std::string> name_of(const std::string& arn) const;
  bool exists(const std::string& arn) const;
  std::string policy(const std::string& arn) const;  // The topic's Policy; empty: none was set.

  // Returns the message's id once it is on disk.  Fails with NotFound.
  task<Result<std::string>> publish(std::string topic_arn, Message message);

  // Makes the topic; one that exists with the same attributes and tags is left as it is.
  task<Result<void>> create(Topic topic);
  task<Result<void>> set_attribute(std::string name, std::string attribute, std::string value);
  task<void> remove(std::string name);
  task<Result<void>> put_tags(std::string name, json::object tags);
  task<Result<void>> remove_tags(std::string name, std::vector<std::string> keys);

  // Subscribes an endpoint that was checked; an HTTP endpoint is asked to confirm.  One that is subscribed already is
  // answered as it is.
  task<Result<Subscription>> subscribe(std::string name, std::string protocol, std::string endpoint, bool raw);
  task<Result<Subscription>> confirm(std::string name, std::string token);
  task<Result<void>> set_raw(std::string subscription_arn, bool raw);
  task<Result<void>> unsubscribe(std::string subscription_arn);

  bool idle() const;  // Nothing due, nothing under way.
  database::Database& db() { return db_; }
  host::Clock& clock() { return clock_; }
  Permissions& permissions() { return permissions_; }
  const Place& place() const { return place_; }

 private:
  task<void> work();
  task<void> look_around();
  void start_due();
  task<void> attempt(long long number);
  task<Result<void>> hand_over(Delivery delivery);
  task<Result<void>> post(Delivery delivery);
  task<void> record(Delivery delivery, Result<void> outcome);
  Duration until_next() const;
  std::string new_token();

  database::Database& db_;
  host::Clock& clock_;
  host::Random& random_;
  Place place_;
  std::string endpoint_url_;
  Endpoints& endpoints_;
  Permissions& permissions_;
  std::shared_ptr<Bell> bell_;
  std::shared_ptr<std::map<long long, std::string>> in_flight_;  // Delivery number -> subscription.
  TaskGroup tasks_;
};

std::unexpected<Error> no_topic();
std::unexpected<Error> no_subscription();

}  // namespace slipway::sns
