// Queues: standard SQS queues.  A message that was sent is on disk, is given out at least once, and
// stays until it is deleted, its retention period ends, or it was received too often and goes to the dead-letter queue.
#pragma once
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/arn.h"
#include "base/json.h"
#include "database/database.h"
#include "host/clock.h"
#include "sqs/message.h"

namespace slipway::sqs {

constexpr int kReceiveMax = 10;
constexpr Duration kPurgeEvery = std::chrono::seconds(60);
constexpr long long kInFlightMax = 120'000;              // Messages of a queue that are given out and not deleted.
constexpr Duration kWaitLook = std::chrono::seconds(1);  // A long poll looks again at least so often.

struct Queue {
  std::string name;
  QueueAttributes attributes;
  Instant created{};
  Instant modified{};
  long long number(const std::string& attribute) const;  // Of a numeric attribute.
  std::string policy() const;                            // The Policy attribute; empty: none.
};

struct Message {
  std::string id;
  std::string body;
  MessageAttributes attributes;
  std::string receipt;
  Instant sent{};
  Instant first_received{};
  int receives = 0;
  std::string dead_letter_of;  // ARN of the queue that gave it up; empty: none did.
};

struct Counts {
  long long visible = 0, in_flight = 0, delayed = 0;
};

database::Schema schema();

class Queues {
 public:
  // `base_url`: "http://127.0.0.1:4566"; a queue's URL is <base_url>/<account>/<name>.
  Queues(asio::any_io_executor executor, database::Database& db, host::Clock& clock, host::Random& random, Place place,
         std::string base_url);

  // For other rooms: type and value of each attribute.  Returns the message id.  Fails with
  // Fault::not_found, "AWS.SimpleQueueService.NonExistentQueue".
  task<Result<std::string>> send(std::string queue_arn, std::string body,
                                 std::map<std::string, std::pair<std::string, std::string>> attributes);
  // The same within a write of the caller's, under an id that he has made.  On any thread.
  Result<void> send_in(database::Transaction& tx, const std::string& queue_arn, const std::string& body,
                       const std::map<std::string, std::pair<std::string, std::string>>& attributes,
                       const std::string& id, Instant now);
  bool exists(const std::string& queue_arn) const;
  std::optional<Queue> find_arn(database::Connection& db, const std::string& queue_arn) const;  // On any thread.
  database::Database& db() { return db_; }

  std::string url(const std::string& name) const { return base_url_ + "/" + place_.account + "/" + name; }
  std::string arn(const std::string& name) const { return place_.arn("sqs", name); }
  // The name in a queue's URL (any host) or nullopt.
  std::optional<std::string> name_of(const std::string& url) const;

  // The queues whose dead letters go to `name`.
  std::vector<Queue> sources_of(const std::string& name) const;
  std::optional<Queue> find(const std::string& name) const;
  std::vector<Queue> list(const std::string& prefix) const;
  Counts counts(const std::string& name) const;
  json::object tags(const std::string& name) const;

  // Creates the queue; one that exists with the same attributes is answered as it is, else
  // QueueAlreadyExists.
  task<Result<void>> create(std::string name, QueueAttributes attributes, json::object tags);
  task<Result<void>> set_attributes(std::string name, QueueAttributes attributes);
  task<Result<void>> put_tags(std::string name, json::object tags);
  task<Result<void>> remove_tags(std::string name, std::vector<std::string> keys);
  task<Result<void>> remove(std::string name);
  task<Result<void>> purge(std::string name);  // PurgeQueueInProgress within 60 s of the last.

  // Checked by check_message().  `delay`: nullopt takes the queue's.  Returns the message id.
  task<Result<std::string>> send_message(std::string name, std::string body, MessageAttributes attributes,
                                         std::optional<Duration> delay);
  // At most `most` messages, hidden from others for `hidden` (nullopt: the queue's); waits up to
  // `wait` for the first.
  task<Result<std::vector<Message>>> receive(std::string name, int most, std::optional<Duration> hidden, Duration wait);
  // Deleting what is deleted already succeeds.  Fails with ReceiptHandleIsInvalid.
  task<Result<void>> delete_message(std::string name, std::string receipt);
  task<Result<void>> change_visibility(std::string name, std::string receipt, Duration hidden);

 private:
  Result<void> check_redrive(const std::string& name, const QueueAttributes& attributes) const;
  task<Result<std::vector<Message>>> take(std::string name, int most, std::optional<Duration> hidden);
  void ring();

  asio::any_io_executor executor_;
  database::Database& db_;
  host::Clock& clock_;
  host::Random& random_;
  Place place_;
  std::string base_url_;
  std::vector<std::weak_ptr<Bell>> waiting_;  // Long polls.
  std::map<std::string, Instant> purged_;     // When each queue was purged last, within a minute.
};

std::unexpected<Error> no_queue();

}  // namespace slipway::sqs
