#include "sns/worker.h"

#include <algorithm>

#include "base/log.h"
#include "database/journal.h"
#include "http/client.h"

namespace slipway::sns {

namespace {

constexpr std::size_t kAnswerBytesMax = 64 * 1024;  // Read of what an HTTP endpoint answers; it is not looked at.
constexpr std::size_t kTagsMax = 50;

// However a delivery ends, it is no longer under way.  Shares what it touches: the frame that holds it may be torn down
// after the topics.
struct Landing {
  std::shared_ptr<std::map<long long, std::string>> in_flight;
  std::shared_ptr<Bell> bell;
  long long number;
  ~Landing() {
    in_flight->erase(number);
    bell->ring();
  }
};

// False when `work` threw (a full disk, a bug), which is logged.  Cancellation goes on as a throw.
task<bool> survived(std::string name, task<void> work) {
  try {
    co_await std::move(work);
    co_return true;
  } catch (const boost::system::system_error& error) {
    if (error.code() == asio::error::operation_aborted) throw;
    log_error("sns", name + " failed: " + error.what());
  } catch (const std::exception& error) {
    log_error("sns", name + " failed: " + error.what());
  }
  co_return false;
}

// An endpoint's failure as an outcome: a throw is our own fault and worth another attempt.
task<Result<void>> tried(task<Result<void>> work) {
  try {
    auto outcome = co_await with_deadline(kEndpointLimit, std::move(work));
    if (!outcome) co_return fail(Fault::timed_out, "Timeout", "The endpoint did not answer in 15 seconds.");
    co_return *std::move(outcome);
  } catch (const boost::system::system_error& error) {
    if (error.code() == asio::error::operation_aborted) throw;
    co_return fail(Fault::unavailable, "Unavailable", error.what());
  } catch (const std::exception& error) {
    co_return fail(Fault::internal, "InternalError", error.what());
  }
}

void journal(database::Transaction& tx, Instant now, const char* kind, const Delivery& delivery,
             const Result<void>& outcome) {
  json::object detail{{"message", delivery.message_id},
                      {"subscription", delivery.subscription},
                      {"endpoint", delivery.endpoint},
                      {"attempt", delivery.attempts}};
  std::string text = delivery.topic + " -> " + delivery.endpoint;
  if (!outcome) {
    detail["error"] = outcome.error().message;
    text += ": " + outcome.error().message;
  }
  database::append_journal(tx, now, kind, delivery.topic, std::move(text), std::move(detail));
}

// The message on its way to one of its subscriptions.
Delivery delivery_of(const Message& message, const Subscription& to, const std::string& endpoint_url) {
  const Origin origin{.subscription_arn = to.arn, .endpoint_url = endpoint_url};
  Delivery out{.subscription = to.arn,
               .topic = to.topic,
               .protocol = to.protocol,
               .endpoint = to.endpoint,
               .type = "Notification",
               .message_id = message.id,
               .raw = to.raw,
               .body = {},
               .attributes = {},
               .next_at = message.at};
  if (to.raw) {
    out.body = text_for(message, to.protocol);
    out.attributes = message.attributes;
  } else {
    out.body = to.protocol == "lambda" ? function_event(message, origin) : notification(message, to.protocol, origin);
  }
  return out;
}

std::string path_of(const std::string& url) {
  const auto host = url.find("://") + 3;
  const auto path = url.find_first_of("/?#", host);
  if (path == std::string::npos) return "/";
  const auto target = url.substr(path, url.find('#') - path);
  return target.starts_with('/') ? target : "/" + target;
}

std::string origin_of(const std::string& url) {
  const auto host = url.find("://") + 3;
  return url.substr(0, url.find_first_of("/?#", host));
}

}  // namespace

std::unexpected<Error> no_topic() {
  return fail(Fault::not_found, "NotFound", "Topic does not exist");
}

std::unexpected<Error> no_subscription() {
  return fail(Fault::not_found, "NotFound", "Subscription does not exist");
}

Topics::Topics(asio::any_io_executor executor, database::Database& db, host::Clock& clock, host::Random& random,
               Place place, std::string endpoint_url, Endpoints& endpoints, Permissions& permissions)
    : db_(db),
      clock_(clock),
      random_(random),
      place_(std::move(place)),
      endpoint_url_(std::move(endpoint_url)),
      endpoints_(endpoints),
      permissions_(permissions),
      bell_(std::make_shared<Bell>(executor)),
      in_flight_(std::make_shared<std::map<long long, std::string>>()),
      tasks_(executor) {}

void Topics::start() {
  tasks_.spawn("topics", work());
}

task<void> Topics::stop() {
  co_await tasks_.stop();
}

std::optional<std::string> Topics::name_of(const std::string& topic_arn) const {
  const auto prefix = place_.arn("sns", "");
  if (!topic_arn.starts_with(prefix) || topic_arn.find(':', prefix.size()) != std::string::npos) return std::nullopt;
  return topic_arn.substr(prefix.size());
}

bool Topics::exists(const std::string& topic_arn) const {
  const auto name = name_of(topic_arn);
  return name && find_topic(db_.read(), *name).has_value();
}

std::string Topics::policy(const std::string& topic_arn) const {
  const auto name = name_of(topic_arn);
  const auto topic = name ? find_topic(db_.read(), *name) : std::nullopt;
  if (!topic || !topic->attributes.contains("Policy")) return {};
  return topic->attributes.at("Policy");
}

task<Result<std::string>> Topics::publish(std::string topic_arn, Message message) {
  const auto name = name_of(topic_arn);
  if (!name) co_return no_topic();
  message.id = random_.uuid();
  message.topic_arn = topic_arn;
  message.at = clock_.now();
  auto store = [name = *name, message, url = endpoint_url_](database::Transaction& tx) -> Result<void> {
    if (!find_topic(tx, name)) return no_topic();
    const auto subscribed = confirmed_subscriptions(tx, name);
    for (const auto& one : subscribed) add_delivery(tx, delivery_of(message, one, url));
    database::append_journal(tx, message.at, "sns.published", name,
                             name + " to " + std::to_string(subscribed.size()) + " subscriptions",
                             {{"message", message.id}, {"subject", message.subject}});
    return {};
  };
  const auto stored = co_await db_.write(std::move(store));
  if (!stored) co_return fail(stored);
  bell_->ring();
  co_return message.id;
}

task<Result<void>> Topics::create(Topic topic) {
  auto store = [topic](database::Transaction& tx) -> Result<void> {
    const auto there = find_topic(tx, topic.name);
    if (!there) {
      put_topic(tx, topic);
      return {};
    }
    const auto differs = [](const char* what) {
      return fail(Fault::invalid, "InvalidParameter",
                  std::string("Invalid parameter: ") + what + " Reason: Topic already exists with different " +
                      (std::string_view(what) == "Tags" ? "tags" : "attributes"));
    };
    for (const auto& [name, value] : topic.attributes) {
      const auto own = there->attributes.find(name);
      if ((own == there->attributes.end() ? "" : own->second) != value) return differs("Attributes");
    }
    if (!topic.tags.empty() && topic.tags != there->tags) return differs("Tags");
    return {};
  };
  co_return co_await db_.write(std::move(store));
}

task<Result<void>> Topics::set_attribute(std::string name, std::string attribute, std::string value) {
  auto store = [name, attribute, value](database::Transaction& tx) -> Result<void> {
    auto topic = find_topic(tx, name);
    if (!topic) return no_topic();
    topic->attributes[attribute] = value;
    if (value.empty()) topic->attributes.erase(attribute);
    put_topic(tx, *topic);
    return {};
  };
  co_return co_await db_.write(std::move(store));
}

task<void> Topics::remove(std::string name) {
  auto forget = [name](database::Transaction& tx) { delete_topic(tx, name); };
  co_await db_.write(std::move(forget));
}

task<Result<void>> Topics::put_tags(std::string name, json::object tags) {
  auto store = [name, tags](database::Transaction& tx) -> Result<void> {
    auto topic = find_topic(tx, name);
    if (!topic) return fail(Fault::not_found, "ResourceNotFound", "Resource does not exist");
    for (const auto& tag : tags) topic->tags[tag.key()] = tag.value();
    if (topic->tags.size() > kTagsMax)
      return fail(Fault::invalid, "TagLimitExceeded", "Could not complete request: tag quota of per resource exceeded");
    put_topic(tx, *topic);
    return {};
  };
  co_return co_await db_.write(std::move(store));
}

task<Result<void>> Topics::remove_tags(std::string name, std::vector<std::string> keys) {
  auto store = [name, keys](database::Transaction& tx) -> Result<void> {
    auto topic = find_topic(tx, name);
    if (!topic) return fail(Fault::not_found, "ResourceNotFound", "Resource does not exist");
    for (const auto& key : keys) topic->tags.erase(key);
    put_topic(tx, *topic);
    return {};
  };
  co_return co_await db_.write(std::move(store));
}

std::string Topics::new_token() {
  return random_.hex(64);
}

task<Result<Subscription>> Topics::subscribe(std::string name, std::string protocol, std::string endpoint, bool raw) {
  const bool asks = protocol == "http" || protocol == "https";
  Subscription made{.arn = arn(name) + ":" + random_.uuid(),
                    .topic = name,
                    .protocol = protocol,
                    .endpoint = endpoint,
                    .raw = raw,
                    .token = asks ? new_token() : "",
                    .created = clock_.now()};
  const Message request{.id = random_.uuid(), .topic_arn = arn(name), .at = made.created};
  auto store = [made, request, url = endpoint_url_](database::Transaction& tx) -> Result<Subscription> {
    if (!find_topic(tx, made.topic)) return no_topic();
    auto there = subscription_to(tx, made.topic, made.protocol, made.endpoint);
    if (there && there->confirmed()) {
      if (there->raw == made.raw) return *there;
      return fail(Fault::invalid, "InvalidParameter",
                  "Invalid parameter: Attributes Reason: Subscription already exists with different attributes");
    }
    // One that is still to be confirmed is asked again, with another token.
    Subscription one = made;
    if (there) one.arn = there->arn;
    put_subscription(tx, one);
    if (one.confirmed()) return one;
    const Origin origin{.subscription_arn = one.arn, .endpoint_url = url};
    add_delivery(tx, {.subscription = one.arn,
                      .topic = one.topic,
                      .protocol = one.protocol,
                      .endpoint = one.endpoint,
                      .type = "SubscriptionConfirmation",
                      .message_id = request.id,
                      .body = confirmation(request, one.token, origin),
                      .attributes = {},
                      .next_at = request.at});
    return one;
  };
  auto stored = co_await db_.write(std::move(store));
  bell_->ring();
  co_return stored;
}

task<Result<Subscription>> Topics::confirm(std::string name, std::string token) {
  auto store = [name, token](database::Transaction& tx) -> Result<Subscription> {
    if (!find_topic(tx, name)) return no_topic();
    auto one = awaiting(tx, name, token);
    if (!one) return fail(Fault::invalid, "InvalidParameter", "Invalid parameter: Token");
    one->token.clear();
    put_subscription(tx, *one);
    return *one;
  };
  co_return co_await db_.write(std::move(store));
}

task<Result<void>> Topics::set_raw(std::string subscription_arn, bool raw) {
  auto store = [subscription_arn, raw](database::Transaction& tx) -> Result<void> {
    auto one = find_subscription(tx, subscription_arn);
    if (!one) return no_subscription();
    one->raw = raw;
    put_subscription(tx, *one);
    return {};
  };
  co_return co_await db_.write(std::move(store));
}

task<Result<void>> Topics::unsubscribe(std::string subscription_arn) {
  auto forget = [subscription_arn](database::Transaction& tx) -> Result<void> {
    if (!delete_subscription(tx, subscription_arn)) return no_subscription();
    return {};
  };
  co_return co_await db_.write(std::move(forget));
}

bool Topics::idle() const {
  if (!in_flight_->empty()) return false;
  const auto waiting = waiting_subscriptions(db_.read());
  return std::ranges::all_of(
      waiting, [this](const std::string& one) { return due_for(db_.read(), one, clock_.now(), 1).empty(); });
}

task<void> Topics::work() {
  for (;;) {
    auto looking = look_around();
    const bool well = co_await survived("the topics", std::move(looking));
    if (!well) co_await pause(kAfterTrouble);
    const auto limit = until_next();
    co_await bell_->wait(limit);
  }
}

task<void> Topics::look_around() {
  start_due();
  const auto before = clock_.now() - kUnconfirmedKept;
  const auto old =
      db_.read().query_one("SELECT 1 FROM sns_subscriptions WHERE token <> '' AND created < ?1", {before.ms()});
  if (!old) co_return;
  auto forget = [before](database::Transaction& tx) { forget_unconfirmed(tx, before); };
  co_await db_.write(std::move(forget));
}

void Topics::start_due() {
  const auto now = clock_.now();
  std::map<std::string, int> busy;
  for (const auto& [number, subscription] : *in_flight_) ++busy[subscription];
  auto free = kInFlightMax - static_cast<int>(in_flight_->size());
  for (const auto& subscription : waiting_subscriptions(db_.read())) {
    const int own = busy[subscription];
    // Those under way are due, too, and may come first.
    auto numbers = due_for(db_.read(), subscription, now, kInFlightPerSubscriptionMax + own);
    std::erase_if(numbers, [this](long long number) { return in_flight_->contains(number); });
    int starts = std::min(kInFlightPerSubscriptionMax - own, free);
    // Subscriptions that hang may hold every place, and still each other one has one.
    if (own == 0) starts = std::max(starts, 1);
    for (const auto number : numbers) {
      if (starts-- <= 0) break;
      --free;
      (*in_flight_)[number] = subscription;
      tasks_.spawn("notification", attempt(number));
    }
  }
}

task<void> Topics::attempt(long long number) {
  const Landing landing{in_flight_, bell_, number};
  auto delivery = find_delivery(db_.read(), number);
  if (!delivery) co_return;
  ++delivery->attempts;
  auto handing = hand_over(*delivery);
  auto outcome = co_await tried(std::move(handing));
  auto recording = record(*std::move(delivery), std::move(outcome));
  // What could not be recorded is done again, but not in a hurry.
  const bool recorded = co_await survived("a notification", std::move(recording));
  if (!recorded) co_await pause(kAfterTrouble);
}

task<Result<void>> Topics::hand_over(Delivery delivery) {
  if (delivery.protocol == "http" || delivery.protocol == "https") co_return co_await post(std::move(delivery));
  Handover handover{.topic_arn = arn(delivery.topic),
                    .protocol = delivery.protocol,
                    .endpoint = delivery.endpoint,
                    .body = std::move(delivery.body),
                    .attributes = {}};
  for (const auto& [name, attribute] : delivery.attributes)
    handover.attributes[name] = {attribute.type, attribute.value};
  co_return co_await endpoints_.deliver(std::move(handover));
}

// https://docs.aws.amazon.com/sns/latest/dg/sns-http-https-endpoint-as-subscriber.html
task<Result<void>> Topics::post(Delivery delivery) {
  http::ClientRequest request{.method = "POST", .target = path_of(delivery.endpoint), .body = std::move(delivery.body)};
  request.headers.set("Content-Type", "text/plain; charset=UTF-8");
  request.headers.set("User-Agent", "Amazon Simple Notification Service Agent");
  request.headers.set("x-amz-sns-message-type", delivery.type);
  request.headers.set("x-amz-sns-message-id", delivery.message_id);
  request.headers.set("x-amz-sns-topic-arn", arn(delivery.topic));
  if (delivery.type == "Notification") request.headers.set("x-amz-sns-subscription-arn", delivery.subscription);
  if (delivery.raw) request.headers.set("x-amz-sns-rawdelivery", "true");
  http::ClientOptions options{
      .endpoint = origin_of(delivery.endpoint), .read_timeout = kEndpointLimit, .body_bytes_max = kAnswerBytesMax};
  auto answer = co_await http::fetch(std::move(options), std::move(request));
  if (!answer) {
    // An answer that is too long or broken was an answer that we cannot read: it may be better next time.
    co_return fail(Fault::unavailable, answer.error().code, answer.error().message);
  }
  co_return outcome_of_status(answer->status);
}

task<void> Topics::record(Delivery delivery, Result<void> outcome) {
  const auto now = clock_.now();
  const auto again =
      !outcome && worth_another(outcome.error()) ? retry_after(delivery.protocol, delivery.attempts) : std::nullopt;
  auto store = [delivery, outcome, again, now](database::Transaction& tx) {
    if (again) {
      put_off(tx, delivery.number, delivery.attempts, now + *again);
    } else {
      end_delivery(tx, delivery.number);
    }
    journal(tx, now, outcome ? "sns.delivered" : (again ? "sns.failed" : "sns.given_up"), delivery, outcome);
  };
  co_await db_.write(std::move(store));
  if (!outcome && !again)
    log_warn("sns", "a message of " + delivery.topic + " was given up: " + outcome.error().message);
}

Duration Topics::until_next() const {
  const auto now = clock_.now();
  Duration wait = kIdleWait;
  if (const auto due = next_due(db_.read(), now)) wait = std::min(wait, *due - now);
  return std::max(wait, Duration(1));
}

}  // namespace slipway::sns
