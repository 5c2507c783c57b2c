// The tables of topics: topics, their tags and subscriptions, and the messages that are on their way.
// Every function runs on the connection it is given, so that callers decide what is one transaction.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/instant.h"
#include "base/json.h"
#include "database/database.h"
#include "sns/message.h"

namespace slipway::sns {

using Attributes = std::map<std::string, std::string>;

struct Topic {
  std::string name;
  Attributes attributes;  // Those that were set: Policy, DisplayName.
  json::object tags;
};

struct Subscription {
  std::string arn;  // <topic's ARN>:<UUID>
  std::string topic;
  std::string protocol;
  std::string endpoint;
  bool raw = false;   // RawMessageDelivery
  std::string token;  // What confirms it; empty: confirmed.
  Instant created{};
  bool confirmed() const { return token.empty(); }
};

// A message, or the request to confirm, on its way to one subscription.
struct Delivery {
  long long number = 0;
  std::string subscription;  // Its ARN.
  std::string topic;
  std::string protocol;
  std::string endpoint;
  std::string type;  // "Notification", "SubscriptionConfirmation"
  std::string message_id;
  bool raw = false;
  std::string body;              // As the endpoint receives it.
  MessageAttributes attributes;  // Of a raw message to a queue.
  int attempts = 0;              // Made so far.
  Instant next_at{};
};

database::Schema schema();

std::optional<Topic> find_topic(database::Connection& db, const std::string& name);
// By name, from the one after `after`; at most `limit`.
std::vector<Topic> list_topics(database::Connection& db, const std::string& after, long long limit);
void put_topic(database::Transaction& tx, const Topic& topic);
void delete_topic(database::Transaction& tx, const std::string& name);  // With its subscriptions and deliveries.

std::optional<Subscription> find_subscription(database::Connection& db, const std::string& arn);
// Of one topic, or of all when `topic` is empty; by ARN, from the one after `after`; at most `limit`.
std::vector<Subscription> list_subscriptions(database::Connection& db, const std::string& topic,
                                             const std::string& after, long long limit);
std::optional<Subscription> subscription_to(database::Connection& db, const std::string& topic,
                                            const std::string& protocol, const std::string& endpoint);
std::vector<Subscription> confirmed_subscriptions(database::Connection& db, const std::string& topic);
std::optional<Subscription> awaiting(database::Connection& db, const std::string& topic, const std::string& token);
struct SubscriptionCounts {
  long long confirmed = 0, pending = 0;
};
SubscriptionCounts count_subscriptions(database::Connection& db, const std::string& topic);
void put_subscription(database::Transaction& tx, const Subscription& subscription);
bool delete_subscription(database::Transaction& tx, const std::string& arn);  // With its deliveries.
// Subscriptions that nobody confirmed and that were made before `before`.
void forget_unconfirmed(database::Transaction& tx, Instant before);

void add_delivery(database::Transaction& tx, const Delivery& delivery);
std::optional<Delivery> find_delivery(database::Connection& db, long long number);
void put_off(database::Transaction& tx, long long number, int attempts, Instant next_at);
void end_delivery(database::Transaction& tx, long long number);
// Every subscription with something on its way.
std::vector<std::string> waiting_subscriptions(database::Connection& db);
std::vector<long long> due_for(database::Connection& db, const std::string& subscription, Instant now, int limit);
std::optional<Instant> next_due(database::Connection& db, Instant now);  // After `now`.

}  // namespace slipway::sns
