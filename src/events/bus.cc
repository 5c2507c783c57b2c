#include "events/bus.h"

#include <algorithm>

#include "base/digest.h"
#include "base/log.h"
#include "database/journal.h"
#include "events/schedule.h"

namespace slipway::events {

namespace {

constexpr std::size_t kCompiledPatternsMax = 1000;

// A UUID made of 128 bits of `hash` (hexadecimal).
std::string uuid_of(std::string hash) {
  hash[12] = '4';
  hash[16] = "89ab"[hash[16] % 4];
  return hash.substr(0, 8) + "-" + hash.substr(8, 4) + "-" + hash.substr(12, 4) + "-" + hash.substr(16, 4) + "-" +
         hash.substr(20, 12);
}

void journal(database::Transaction& tx, Instant now, std::string kind, const DeliveryRow& row,
             const Result<void>& outcome) {
  json::object detail{{"event", row.event_id}, {"target", row.target_arn}, {"attempt", row.attempts}};
  std::string text = row.rule + " -> " + row.target_arn;
  if (!outcome) {
    detail["error"] = outcome.error().message;
    text += ": " + outcome.error().message;
  }
  database::append_journal(tx, now, std::move(kind), row.rule, std::move(text), std::move(detail));
}

// However a delivery ends, it is no longer under way, and the worker looks for the next one. Shares
// what it touches: the frame that holds it may be torn down after the bus.
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
    log_error("events", name + " failed: " + error.what());
  } catch (const std::exception& error) {
    log_error("events", name + " failed: " + error.what());
  }
  co_return false;
}

// What the row becomes after an attempt at the target, and what the journal calls it.
std::string apply(DeliveryRow& row, const Result<void>& outcome, const Decision& decision) {
  if (!outcome) {
    row.error_code = dead_letter_code(outcome.error());
    row.error_message = outcome.error().message;
  }
  switch (decision.step) {
    case NextStep::done:
      row.state = DeliveryState::delivered;
      return "events.delivered";
    case NextStep::again:
      row.next_at = decision.at;
      return "events.failed";
    case NextStep::give_up:
      break;
  }
  row.exhausted = decision.exhausted;
  row.state = row.dead_letter_arn.empty() ? DeliveryState::dead : DeliveryState::exhausted;
  return row.dead_letter_arn.empty() ? "events.dead" : "events.failed";
}

std::map<std::string, std::pair<std::string, std::string>> dead_letter_attributes(const DeliveryRow& row) {
  std::map<std::string, std::pair<std::string, std::string>> out;
  out["RULE_ARN"] = {"String", row.rule_arn};
  out["TARGET_ARN"] = {"String", row.target_arn};
  out["ERROR_CODE"] = {"String", row.error_code};
  out["ERROR_MESSAGE"] = {"String", row.error_message};
  if (!row.exhausted.empty()) out["EXHAUSTED_RETRY_CONDITION"] = {"String", row.exhausted};
  out["RETRY_ATTEMPTS"] = {"String", std::to_string(std::max(0, row.attempts - 1))};
  return out;
}

// A port's failure as an outcome: a throw is our own fault and worth another attempt.  Cancellation
// goes on as a throw.
task<Result<void>> tried(task<Result<void>> work) {
  try {
    auto outcome = co_await with_deadline(kDeliverLimit, std::move(work));
    if (!outcome) co_return fail(Fault::timed_out, "Timeout", "The target did not answer in 60 seconds.");
    co_return *std::move(outcome);
  } catch (const boost::system::system_error& error) {
    if (error.code() == asio::error::operation_aborted) throw;
    co_return fail(Fault::unavailable, "Unavailable", error.what());
  } catch (const std::exception& error) {
    co_return fail(Fault::internal, "InternalFailure", error.what());
  }
}

}  // namespace

// Compiled patterns of the rules, by their text.
class Bus::Patterns {
 public:
  const Pattern* get(const std::string& text) {
    const auto found = compiled_.find(text);
    if (found != compiled_.end()) return &found->second;
    auto pattern = compile(text);
    if (!pattern) {
      log_error("events", "a stored pattern does not compile: " + pattern.error().message);
      return nullptr;
    }
    if (compiled_.size() >= kCompiledPatternsMax) compiled_.clear();
    return &compiled_.emplace(text, *std::move(pattern)).first->second;
  }

  bool match(const Rule& rule, const Received& event) {
    if (!rule.enabled()) return false;
    if (!event.only_rule.empty()) return event.only_rule == rule.name;
    if (rule.pattern.empty()) return false;
    const auto* pattern = get(rule.pattern);
    return pattern && matches(*pattern, event.envelope);
  }

 private:
  std::map<std::string, Pattern> compiled_;
};

namespace {

// The deliveries of one rule's targets.  Returns how many.
int add_deliveries(database::Transaction& tx, const Rule& rule, const std::string& rule_arn, const Received& event) {
  const auto targets = targets_of(tx, rule.name);
  for (const auto& target : targets) {
    DeliveryRow row;
    row.event_number = event.number;
    row.event_id = event.event_id;
    row.rule = rule.name;
    row.rule_arn = rule_arn;
    row.target_id = target.id;
    row.target_arn = target.arn;
    row.payload = shape_input(target.input(), event.envelope,
                              {.rule_arn = rule_arn, .rule_name = rule.name, .ingested = event.at});
    row.dead_letter_arn = target.dead_letter_arn();
    row.policy = target.policy();
    row.received = event.at;
    row.next_at = event.at;
    add_delivery(tx, row);
  }
  return static_cast<int>(targets.size());
}

}  // namespace

Bus::Bus(asio::any_io_executor executor, database::Database& db, host::Clock& clock, host::Random& random, Place place,
         Targets& targets, DeadLetters& dead_letters)
    : db_(db),
      clock_(clock),
      random_(random),
      place_(std::move(place)),
      targets_(targets),
      dead_letters_(dead_letters),
      id_salt_(random.bytes(32)),
      bell_(std::make_shared<Bell>(executor)),
      patterns_(std::make_shared<Patterns>()),
      in_flight_(std::make_shared<std::map<long long, std::string>>()),
      tasks_(executor) {}

void Bus::start() {
  tasks_.spawn("event bus", work());
}

task<void> Bus::stop() {
  co_await tasks_.stop();
}

std::string Bus::publish(database::Transaction& tx, Event event, Instant received) {
  if (event.account.empty()) event.account = place_.account;
  if (event.region.empty()) event.region = place_.region;
  const long long number = append_event(tx, event, received);
  if (event.id.empty()) {
    event.id = uuid_of(sha256_hex(id_salt_ + std::to_string(number)));
    name_event(tx, number, event);
  }
  json::object detail{{"source", event.source}, {"detail-type", event.detail_type}, {"event", to_json(event)}};
  database::append_journal(tx, received, "events.received", event.id, event.source + " " + event.detail_type,
                           std::move(detail));
  tx.after_commit([bell = bell_] { bell->ring(); });
  return event.id;
}

bool Bus::idle() const {
  return in_flight_->empty() && unmatched_events(db_.read(), 1).empty() &&
         due_by_target(db_.read(), clock_.now()).empty();
}

task<void> Bus::work() {
  for (;;) {
    auto looking = look_around();
    const bool well = co_await survived("the bus", std::move(looking));
    if (!well) co_await pause(kAfterTrouble);
    const auto limit = until_next();
    co_await bell_->wait(limit);
  }
}

task<void> Bus::look_around() {
  co_await fire_schedules();
  while (co_await match_some()) {
    start_due();
  }
  start_due();
  co_await prune_sometimes();
}

task<void> Bus::fire_schedules() {
  const auto now = clock_.now();
  const auto rules = all_rules(db_.read());
  const auto is_due = [&](const Rule& rule) { return !rule.schedule.empty() && rule.enabled() && rule.due <= now; };
  if (std::none_of(rules.begin(), rules.end(), is_due)) co_return;
  auto fire = [now, place = place_, salt = id_salt_](database::Transaction& tx) {
    for (auto& rule : all_rules(tx)) {
      if (rule.schedule.empty() || !rule.enabled() || rule.due > now) continue;
      const auto every = parse_rate(rule.schedule);
      if (!every) continue;
      Event event{.source = "aws.events",
                  .detail_type = "Scheduled Event",
                  .account = place.account,
                  .region = place.region,
                  .time = now,
                  .resources = {place.arn("events", "rule/" + rule.name)}};
      const auto number = append_event(tx, event, now, rule.name);
      event.id = uuid_of(sha256_hex(salt + std::to_string(number)));
      name_event(tx, number, event);
      rule.due = now + *every;
      put_rule(tx, rule);
    }
  };
  co_await db_.write(fire);
}

task<bool> Bus::match_some() {
  if (unmatched_events(db_.read(), 1).empty()) co_return false;
  const auto now = clock_.now();
  auto match = [now, place = place_, patterns = patterns_](database::Transaction& tx) {
    const auto rules = all_rules(tx);
    const auto events = unmatched_events(tx, kMatchBatch);
    for (const auto& event : events) {
      for (const auto& rule : rules) {
        if (!patterns->match(rule, event)) continue;
        const int targets = add_deliveries(tx, rule, place.arn("events", "rule/" + rule.name), event);
        database::append_journal(tx, now, "events.matched", rule.name, rule.name + " matched " + event.event_id,
                                 {{"event", event.event_id}, {"targets", targets}});
      }
    }
    if (!events.empty()) advance_cursor(tx, events.back().number);
    return !events.empty();
  };
  const bool matched = co_await db_.write(match);
  co_return matched;
}

void Bus::start_due() {
  const auto now = clock_.now();
  std::map<std::string, int> busy;
  for (const auto& [number, target] : *in_flight_) ++busy[target];
  auto due = due_by_target(db_.read(), now);
  for (auto& [target, count] : due) count -= busy.contains(target) ? busy[target] : 0;
  for (const auto& [target, starts] : share_out(due, busy)) {
    int left = starts;
    for (const auto number : due_for_target(db_.read(), target, now, starts + busy[target])) {
      if (left == 0 || in_flight_->contains(number)) continue;
      --left;
      (*in_flight_)[number] = target;
      tasks_.spawn("delivery " + std::to_string(number), attempt(number));
    }
  }
}

task<void> Bus::attempt(long long number) {
  const Landing landing{in_flight_, bell_, number};
  auto row = find_delivery(db_.read(), number);
  if (!row) co_return;
  const bool to_target = row->state == DeliveryState::pending;
  auto work = to_target ? attempt_target(*std::move(row)) : attempt_dead_letter(*std::move(row));
  // What could not be recorded is done again, but not in a hurry.
  const bool recorded = co_await survived("a delivery", std::move(work));
  if (!recorded) co_await pause(kAfterTrouble);
}

task<void> Bus::attempt_target(DeliveryRow row) {
  ++row.attempts;
  Delivery delivery{.target_arn = row.target_arn,
                    .target_id = row.target_id,
                    .rule_arn = row.rule_arn,
                    .rule_name = row.rule,
                    .event_id = row.event_id,
                    .payload = row.payload,
                    .attempt = row.attempts};
  auto handing_over = targets_.deliver(std::move(delivery));
  const auto outcome = co_await tried(std::move(handing_over));
  const auto now = clock_.now();
  const auto decision = decide(row.policy, row.received, row.attempts, outcome, now, random_.fraction());
  auto record = [row, outcome, decision, now](database::Transaction& tx) mutable {
    const auto kind = apply(row, outcome, decision);
    update_delivery(tx, row);
    add_attempt(tx, row.number, row.attempts, now, outcome ? "" : outcome.error().code,
                outcome ? "" : outcome.error().message);
    journal(tx, now, kind, row, outcome);
  };
  co_await db_.write(std::move(record));
}

task<void> Bus::attempt_dead_letter(DeliveryRow row) {
  ++row.dead_attempts;
  auto body = envelope_of(db_.read(), row.event_number);
  auto sending = dead_letters_.send(row.dead_letter_arn, std::move(body), dead_letter_attributes(row));
  const auto outcome = co_await tried(std::move(sending));
  const auto now = clock_.now();
  const auto decision = decide({}, row.received, row.dead_attempts, outcome, now, random_.fraction());
  auto record = [row, outcome, decision, now](database::Transaction& tx) mutable {
    const bool again = decision.step == NextStep::again;
    if (again) row.next_at = decision.at;
    if (!again) row.state = DeliveryState::dead;
    update_delivery(tx, row);
    if (again) return;
    const Result<void> why =
        fail(Fault::unavailable, row.error_code,
             outcome ? row.error_message
                     : row.error_message + "; and the dead-letter queue refused it: " + outcome.error().message);
    journal(tx, now, "events.dead", row, why);
  };
  co_await db_.write(std::move(record));
}

task<void> Bus::prune_sometimes() {
  const auto now = clock_.now();
  if (now - pruned_ < kPruneEvery) co_return;
  pruned_ = now;
  auto forget = [now](database::Transaction& tx) { prune(tx, now - kKeepFinished, kKeepRows); };
  co_await db_.write(forget);
}

Duration Bus::until_next() const {
  const auto now = clock_.now();
  Duration wait = kIdleWait;
  if (const auto due = next_due(db_.read(), now)) wait = std::min(wait, *due - now);
  for (const auto& rule : all_rules(db_.read())) {
    if (!rule.schedule.empty() && rule.enabled()) wait = std::min(wait, rule.due - now);
  }
  return std::max(wait, Duration(1));
}

}  // namespace slipway::events
