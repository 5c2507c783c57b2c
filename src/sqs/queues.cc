#include "sqs/queues.h"

#include <algorithm>

#include "base/text.h"

namespace slipway::sqs {

namespace {

std::string to_text(const MessageAttributes& attributes) {
  json::object out;
  for (const auto& [name, attribute] : attributes) {
    out[name] = json::array{attribute.type, attribute.binary() ? base64_encode(attribute.value) : attribute.value};
  }
  return json::serialize(out);
}

MessageAttributes message_attributes(const std::string& text) {
  MessageAttributes out;
  for (const auto& entry : json::parse(text).as_object()) {
    const auto& pair = entry.value().as_array();
    MessageAttribute attribute{.type = std::string(view(pair[0].as_string())),
                               .value = std::string(view(pair[1].as_string()))};
    if (attribute.binary()) attribute.value = base64_decode(attribute.value).value_or("");
    out[entry.key()] = std::move(attribute);
  }
  return out;
}

std::string to_text(const QueueAttributes& attributes) {
  json::object out;
  for (const auto& [name, value] : attributes) out[name] = value;
  return json::serialize(out);
}

Queue to_queue(const database::Row& row) {
  Queue queue{.name = row.text(0), .attributes = {}, .created = row.instant(2), .modified = row.instant(3)};
  for (const auto& entry : json::parse(row.text(1)).as_object())
    queue.attributes[entry.key()] = view(entry.value().as_string());
  return queue;
}

std::optional<Queue> find_queue(database::Connection& db, const std::string& name) {
  const auto row = db.query_one("SELECT name, attributes, created, modified FROM sqs_queues WHERE name = ?1", {name});
  if (!row) return std::nullopt;
  return to_queue(*row);
}

void store_queue(database::Transaction& tx, const Queue& queue) {
  tx.execute("INSERT OR REPLACE INTO sqs_queues VALUES (?1, ?2, ?3, ?4)",
             {queue.name, to_text(queue.attributes), queue.created.ms(), queue.modified.ms()});
}

void store_tags(database::Transaction& tx, const std::string& name, const json::object& tags) {
  for (const auto& tag : tags) {
    tx.execute("INSERT OR REPLACE INTO sqs_tags VALUES (?1, ?2, ?3)",
               {name, std::string(tag.key()), std::string(view(tag.value().as_string()))});
  }
}

Result<void> check_attributes(const QueueAttributes& attributes) {
  for (const auto& [name, value] : attributes) {
    const auto checked = check_attribute(name, value);
    if (!checked) return checked;
  }
  return {};
}

void forget_expired(database::Transaction& tx, const Queue& queue, Instant now) {
  const auto oldest = now - std::chrono::seconds(queue.number("MessageRetentionPeriod"));
  tx.execute("DELETE FROM sqs_messages WHERE queue = ?1 AND sent < ?2", {queue.name, oldest.ms()});
}

MessageAttributes typed_attributes(const std::map<std::string, std::pair<std::string, std::string>>& attributes) {
  MessageAttributes typed;
  for (const auto& [name, pair] : attributes) {
    if (!pair.second.empty()) typed[name] = {.type = pair.first, .value = pair.second};
  }
  return typed;
}

// `message` has its id, body, attributes and the time when it was sent.
Result<void> store_message(database::Transaction& tx, const Queue& queue, const Message& message,
                           std::optional<Duration> delay) {
  if (static_cast<long long>(message.body.size()) > queue.number("MaximumMessageSize")) {
    return fail(Fault::invalid, "InvalidParameterValue",
                "One or more parameters are invalid. Reason: Message must be shorter than " +
                    queue.attributes.at("MaximumMessageSize") + " bytes.");
  }
  forget_expired(tx, queue, message.sent);
  const auto visible = message.sent + delay.value_or(std::chrono::seconds(queue.number("DelaySeconds")));
  tx.execute(
      "INSERT INTO sqs_messages (queue, id, body, attributes, sent, visible_at, first_received, receives, receipt) "
      "VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0, 0, '')",
      {queue.name, message.id, message.body, to_text(message.attributes), message.sent.ms(), visible.ms()});
  return {};
}

// Moves what was received too often; returns whether something was moved.  Without its target a message stays.
bool redrive(database::Transaction& tx, const Queue& queue, const std::string& arn, Instant now) {
  const auto found = queue.attributes.find("RedrivePolicy");
  const auto wanted =
      found == queue.attributes.end() ? std::nullopt : parse_redrive(found->second).value_or(std::nullopt);
  const auto target = wanted ? parse_arn(wanted->dead_letter_arn) : std::nullopt;
  if (!target || !find_queue(tx, target->resource)) return false;
  return tx.execute(
             "UPDATE sqs_messages SET queue = ?4, receipt = '', first_received = 0, receives = 0, "
             "dead_letter_of = ?5 WHERE queue = ?1 AND visible_at <= ?2 AND receives >= ?3",
             {queue.name, now.ms(), static_cast<long long>(wanted->receives_max), target->resource, arn}) > 0;
}

// Gives out what is visible at `now`, each under a receipt of its own.
std::vector<Message> take_visible(database::Transaction& tx, const Queue& queue, int most, Duration hidden, Instant now,
                                  const std::vector<std::string>& receipts) {
  const auto rows = tx.query(
      "SELECT number, id, body, attributes, sent, first_received, receives, dead_letter_of FROM sqs_messages WHERE "
      "queue = ?1 AND visible_at <= ?2 "
      "ORDER BY number LIMIT ?3",
      {queue.name, now.ms(), static_cast<long long>(most)});
  std::vector<Message> out;
  for (const auto& row : rows) {
    Message message{.id = row.text(1),
                    .body = row.text(2),
                    .attributes = message_attributes(row.text(3)),
                    .receipt = receipts[out.size()],
                    .sent = row.instant(4),
                    .first_received = row.integer(6) == 0 ? now : row.instant(5),
                    .receives = static_cast<int>(row.integer(6)) + 1,
                    .dead_letter_of = row.text(7)};
    tx.execute(
        "UPDATE sqs_messages SET visible_at = ?2, first_received = ?3, receives = ?4, receipt = ?5 "
        "WHERE number = ?1",
        {row.integer(0), (now + hidden).ms(), message.first_received.ms(), static_cast<long long>(message.receives),
         message.receipt});
    out.push_back(std::move(message));
  }
  return out;
}

std::unexpected<Error> invalid_receipt() {
  return fail(Fault::invalid, "ReceiptHandleIsInvalid", "The input receipt handle is invalid.");
}

bool looks_like_receipt(const std::string& receipt) {
  return receipt.size() == 64 && receipt.find_first_not_of("0123456789abcdef") == std::string::npos;
}

}  // namespace

std::unexpected<Error> no_queue() {
  return fail(Fault::not_found, "AWS.SimpleQueueService.NonExistentQueue", "The specified queue does not exist.");
}

long long Queue::number(const std::string& attribute) const {
  const auto found = attributes.find(attribute);
  return found == attributes.end() ? 0 : std::atoll(found->second.c_str());
}

database::Schema schema() {
  return {.room = "sqs",
          .statements = {
              "CREATE TABLE sqs_queues (name TEXT PRIMARY KEY, attributes TEXT NOT NULL, created "
              "INTEGER NOT NULL, modified INTEGER NOT NULL)",
              "CREATE TABLE sqs_tags (queue TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, "
              "PRIMARY KEY (queue, key))",
              "CREATE TABLE sqs_messages (number INTEGER PRIMARY KEY AUTOINCREMENT, queue TEXT NOT "
              "NULL, id TEXT NOT NULL, body TEXT NOT "
              "NULL, attributes TEXT NOT NULL, sent INTEGER NOT NULL, visible_at INTEGER NOT NULL, "
              "first_received INTEGER NOT NULL, "
              "receives INTEGER NOT NULL, receipt TEXT NOT NULL)",
              "CREATE INDEX sqs_messages_visible ON sqs_messages (queue, visible_at)",
              "CREATE INDEX sqs_messages_receipt ON sqs_messages (queue, receipt)",
              "ALTER TABLE sqs_messages ADD COLUMN dead_letter_of TEXT NOT NULL DEFAULT ''",
              "CREATE INDEX sqs_messages_sent ON sqs_messages (queue, sent)",
          }};
}

Queues::Queues(asio::any_io_executor executor, database::Database& db, host::Clock& clock, host::Random& random,
               Place place, std::string base_url)
    : executor_(std::move(executor)),
      db_(db),
      clock_(clock),
      random_(random),
      place_(std::move(place)),
      base_url_(std::move(base_url)) {}

std::string Queue::policy() const {
  const auto found = attributes.find("Policy");
  return found == attributes.end() ? std::string() : found->second;
}

Result<void> Queues::send_in(database::Transaction& tx, const std::string& queue_arn, const std::string& body,
                             const std::map<std::string, std::pair<std::string, std::string>>& attributes,
                             const std::string& id, Instant now) {
  const auto queue = find_arn(tx, queue_arn);
  if (!queue) return no_queue();
  const auto typed = typed_attributes(attributes);
  if (auto checked = check_message(body, typed); !checked) return checked;
  if (auto stored = store_message(tx, *queue, {.id = id, .body = body, .attributes = typed, .sent = now}, std::nullopt);
      !stored)
    return stored;
  tx.after_commit([this] { ring(); });
  return {};
}

task<Result<std::string>> Queues::send(std::string queue_arn, std::string body,
                                       std::map<std::string, std::pair<std::string, std::string>> attributes) {
  if (!exists(queue_arn)) co_return no_queue();
  auto sent = co_await send_message(parse_arn(queue_arn)->resource, std::move(body), typed_attributes(attributes),
                                    std::nullopt);
  co_return sent;
}

bool Queues::exists(const std::string& queue_arn) const {
  return find_arn(db_.read(), queue_arn).has_value();
}

std::optional<Queue> Queues::find_arn(database::Connection& db, const std::string& queue_arn) const {
  const auto parsed = parse_arn(queue_arn);
  if (!parsed || queue_arn != arn(parsed->resource)) return std::nullopt;
  return find_queue(db, parsed->resource);
}

std::optional<std::string> Queues::name_of(const std::string& url) const {
  const auto parts = split(url, '/');
  if (parts.size() < 2 || parts[parts.size() - 2] != place_.account) return std::nullopt;
  return parts.back();
}

std::optional<Queue> Queues::find(const std::string& name) const {
  return find_queue(db_.read(), name);
}

std::vector<Queue> Queues::list(const std::string& prefix) const {
  std::vector<Queue> out;
  for (const auto& row : db_.read().query("SELECT name, attributes, created, modified FROM sqs_queues ORDER BY name")) {
    if (row.text(0).starts_with(prefix)) out.push_back(to_queue(row));
  }
  return out;
}

std::vector<Queue> Queues::sources_of(const std::string& name) const {
  auto all = list("");
  std::erase_if(all, [&](const Queue& queue) {
    const auto found = queue.attributes.find("RedrivePolicy");
    const auto redrive =
        found == queue.attributes.end() ? std::nullopt : parse_redrive(found->second).value_or(std::nullopt);
    return !redrive || redrive->dead_letter_arn != arn(name);
  });
  return all;
}

Result<void> Queues::check_redrive(const std::string& name, const QueueAttributes& attributes) const {
  const auto found = attributes.find("RedrivePolicy");
  if (found == attributes.end()) return {};
  const auto redrive = parse_redrive(found->second);
  if (!redrive) return fail(redrive);
  if (!*redrive) return {};
  const auto wrong = [&](const std::string& why) {
    return fail(Fault::invalid, "InvalidParameterValue",
                "Value " + found->second + " for parameter RedrivePolicy is invalid. Reason: " + why);
  };
  if (!exists((*redrive)->dead_letter_arn)) return wrong("Dead letter target does not exist.");
  const auto target = find(parse_arn((*redrive)->dead_letter_arn)->resource);
  const auto allow = target->attributes.find("RedriveAllowPolicy");
  if (allow != target->attributes.end() && !allows_redrive(allow->second, arn(name)))
    return wrong("The RedriveAllowPolicy of the dead letter target does not allow this queue.");
  return {};
}

Counts Queues::counts(const std::string& name) const {
  const auto row = db_.read().query_one(
      "SELECT COUNT(*) FILTER (WHERE visible_at <= ?2), COUNT(*) FILTER (WHERE visible_at > ?2 AND "
      "receives > 0), COUNT(*) FILTER (WHERE "
      "visible_at > ?2 AND receives = 0) FROM sqs_messages WHERE queue = ?1",
      {name, clock_.now().ms()});
  return {.visible = row->integer(0), .in_flight = row->integer(1), .delayed = row->integer(2)};
}

json::object Queues::tags(const std::string& name) const {
  json::object out;
  for (const auto& row : db_.read().query("SELECT key, value FROM sqs_tags WHERE queue = ?1 ORDER BY key", {name}))
    out[row.text(0)] = row.text(1);
  return out;
}

task<Result<void>> Queues::create(std::string name, QueueAttributes attributes, json::object tags) {
  auto checked = check_queue_name(name);
  if (checked) checked = check_attributes(attributes);
  if (checked) checked = check_redrive(name, attributes);
  if (!checked) co_return checked;
  auto store = [name, attributes, tags, now = clock_.now()](database::Transaction& tx) -> Result<void> {
    if (const auto there = find_queue(tx, name)) {
      for (const auto& [key, value] : attributes) {
        const auto found = there->attributes.find(key);
        const std::string own = found == there->attributes.end() ? "" : found->second;
        if (own != value)
          return fail(Fault::conflict, "QueueAlreadyExists",
                      "A queue already exists with the same name and a different value for attribute " + key);
      }
      return {};
    }
    Queue queue{.name = name, .attributes = default_attributes(), .created = now, .modified = now};
    for (const auto& [key, value] : attributes) queue.attributes[key] = value;
    store_queue(tx, queue);
    store_tags(tx, name, tags);
    return {};
  };
  co_return co_await db_.write(std::move(store));
}

task<Result<void>> Queues::set_attributes(std::string name, QueueAttributes attributes) {
  auto checked = check_attributes(attributes);
  if (checked) checked = check_redrive(name, attributes);
  if (!checked) co_return checked;
  auto store = [name, attributes, now = clock_.now()](database::Transaction& tx) -> Result<void> {
    auto queue = find_queue(tx, name);
    if (!queue) return no_queue();
    for (const auto& [key, value] : attributes) queue->attributes[key] = value;
    queue->modified = now;
    store_queue(tx, *queue);
    return {};
  };
  co_return co_await db_.write(std::move(store));
}

task<Result<void>> Queues::put_tags(std::string name, json::object tags) {
  auto store = [name, tags](database::Transaction& tx) -> Result<void> {
    if (!find_queue(tx, name)) return no_queue();
    store_tags(tx, name, tags);
    return {};
  };
  co_return co_await db_.write(std::move(store));
}

task<Result<void>> Queues::remove_tags(std::string name, std::vector<std::string> keys) {
  auto forget = [name, keys](database::Transaction& tx) -> Result<void> {
    if (!find_queue(tx, name)) return no_queue();
    for (const auto& key : keys) tx.execute("DELETE FROM sqs_tags WHERE queue = ?1 AND key = ?2", {name, key});
    return {};
  };
  co_return co_await db_.write(std::move(forget));
}

task<Result<void>> Queues::remove(std::string name) {
  auto forget = [name](database::Transaction& tx) -> Result<void> {
    if (!find_queue(tx, name)) return no_queue();
    for (const auto* table : {"sqs_messages", "sqs_tags"})
      tx.execute("DELETE FROM " + std::string(table) + " WHERE queue = ?1", {name});
    tx.execute("DELETE FROM sqs_queues WHERE name = ?1", {name});
    return {};
  };
  co_return co_await db_.write(std::move(forget));
}

task<Result<void>> Queues::purge(std::string name) {
  const Instant now = clock_.now();
  std::erase_if(purged_, [&](const auto& entry) { return now - entry.second >= kPurgeEvery; });
  if (purged_.contains(name))
    co_return fail(Fault::conflict, "AWS.SimpleQueueService.PurgeQueueInProgress",
                   "Only one PurgeQueue operation on " + name + " is allowed every 60 seconds.");
  purged_[name] = now;
  auto forget = [name](database::Transaction& tx) -> Result<void> {
    if (!find_queue(tx, name)) return no_queue();
    tx.execute("DELETE FROM sqs_messages WHERE queue = ?1", {name});
    return {};
  };
  co_return co_await db_.write(std::move(forget));
}

task<Result<std::string>> Queues::send_message(std::string name, std::string body, MessageAttributes attributes,
                                               std::optional<Duration> delay) {
  const auto checked = check_message(body, attributes);
  if (!checked) co_return fail(checked);
  auto store = [name, body, attributes, delay, now = clock_.now(),
                id = random_.uuid()](database::Transaction& tx) -> Result<std::string> {
    const auto queue = find_queue(tx, name);
    if (!queue) return no_queue();
    const Message message{.id = id, .body = body, .attributes = attributes, .sent = now};
    if (auto stored = store_message(tx, *queue, message, delay); !stored) return fail(stored);
    return id;
  };
  auto id = co_await db_.write(std::move(store));
  if (id) ring();
  co_return id;
}

task<Result<std::vector<Message>>> Queues::receive(std::string name, int most, std::optional<Duration> hidden,
                                                   Duration wait) {
  const auto until = clock_.now() + wait;
  const auto bell = std::make_shared<Bell>(executor_);
  std::erase_if(waiting_, [](const auto& one) { return one.expired(); });
  waiting_.push_back(bell);
  for (;;) {
    auto messages = co_await take(name, most, hidden);
    const auto now = clock_.now();
    if (!messages || !messages->empty() || now >= until) co_return messages;
    const auto limit = std::min(kWaitLook, until - now);
    co_await bell->wait(limit);
  }
}

task<Result<std::vector<Message>>> Queues::take(std::string name, int most, std::optional<Duration> hidden) {
  std::vector<std::string> receipts;
  for (int i = 0; i < most; ++i) receipts.push_back(random_.hex(64));
  auto work = [name, most, hidden, receipts, now = clock_.now(), own = arn(name),
               this](database::Transaction& tx) -> Result<std::vector<Message>> {
    const auto queue = find_queue(tx, name);
    if (!queue) return no_queue();
    forget_expired(tx, *queue, now);
    // Long polls at the dead-letter queue hear of it.
    if (redrive(tx, *queue, own, now)) tx.after_commit([this] { ring(); });
    const auto busy = tx.query_one(
        "SELECT COUNT(*) FROM sqs_messages WHERE queue = ?1 AND visible_at > ?2 AND receives > 0", {name, now.ms()});
    if (busy->integer(0) >= kInFlightMax)
      return fail(Fault::throttled, "OverLimit", "Too many messages of this queue are in flight.");
    return take_visible(tx, *queue, most, hidden.value_or(std::chrono::seconds(queue->number("VisibilityTimeout"))),
                        now, receipts);
  };
  co_return co_await db_.write(std::move(work));
}

task<Result<void>> Queues::delete_message(std::string name, std::string receipt) {
  if (!looks_like_receipt(receipt)) co_return invalid_receipt();
  auto forget = [name, receipt](database::Transaction& tx) -> Result<void> {
    if (!find_queue(tx, name)) return no_queue();
    tx.execute("DELETE FROM sqs_messages WHERE queue = ?1 AND receipt = ?2", {name, receipt});
    return {};
  };
  co_return co_await db_.write(std::move(forget));
}

task<Result<void>> Queues::change_visibility(std::string name, std::string receipt, Duration hidden) {
  if (!looks_like_receipt(receipt)) co_return invalid_receipt();
  auto change = [name, receipt, hidden, now = clock_.now()](database::Transaction& tx) -> Result<void> {
    if (!find_queue(tx, name)) return no_queue();
    const auto changed = tx.execute(
        "UPDATE sqs_messages SET visible_at = ?3 WHERE queue = ?1 AND receipt = ?2 AND visible_at "
        "> ?4",
        {name, receipt, (now + hidden).ms(), now.ms()});
    if (changed > 0) return {};
    return fail(Fault::invalid, "AWS.SimpleQueueService.MessageNotInflight",
                "The message referred to is not in flight.");
  };
  auto changed = co_await db_.write(std::move(change));
  if (changed) ring();
  co_return changed;
}

void Queues::ring() {
  for (const auto& one : waiting_) {
    if (const auto bell = one.lock()) bell->ring();
  }
}

}  // namespace slipway::sqs
