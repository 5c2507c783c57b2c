#include "events/bus.h"

#include <algorithm>

#include "base/digest.h"
#include "base/log.h"
#include "database/journal.h"
#include "events/archives.h"
#include "events/schedule.h"

namespace slipway::events {

namespace {

constexpr const char* kTraceHeader = "TraceHeader";  // Kept with the parameters of a delivery.

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

// However deliveries end, they are no longer under way, and the worker looks for the next one. Shares
// what it touches: the frame that holds it may be torn down after the bus.
struct Landing {
  std::shared_ptr<std::map<long long, std::string>> in_flight;
  std::shared_ptr<Bell> bell;
  std::vector<long long> numbers;
  ~Landing() {
    for (const auto number : numbers) in_flight->erase(number);
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

// Records an attempt that was made, and what follows from it.
void finish_attempt(database::Transaction& tx, DeliveryRow& row, const Result<void>& outcome, Instant now,
                    double fraction) {
  const auto decision = decide(row.policy, row.received, row.attempts, outcome, now, fraction);
  const auto kind = apply(row, outcome, decision);
  update_delivery(tx, row);
  add_attempt(tx, row.number, row.attempts, now, outcome ? "" : outcome.error().code,
              outcome ? "" : outcome.error().message);
  journal(tx, now, kind, row, outcome);
}

Delivery delivery_of(const DeliveryRow& row, Instant now, std::string fresh_id) {
  return {.target_arn = row.target_arn,
          .target_id = row.target_id,
          .rule_arn = row.rule_arn,
          .rule_name = row.rule,
          .event_id = row.event_id,
          .payload = row.payload,
          .parameters = row.parameters,
          .trace = get_string(row.parameters, kTraceHeader),
          .key = row.rule_arn + "/" + std::to_string(row.number),
          .attempt = row.attempts,
          .at = now,
          .fresh_id = std::move(fresh_id)};
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

namespace {

// The deliveries of one rule's targets.  Returns how many.
int add_deliveries(database::Transaction& tx, const Rulebook::Entry& entry, const std::string& rule_arn,
                   const Received& event) {
  for (const auto& target : entry.targets) {
    DeliveryRow row;
    row.event_number = event.number;
    row.event_id = event.event_id;
    row.bus = event.bus;
    row.rule = entry.rule.name;
    row.rule_arn = rule_arn;
    row.target_id = target.id;
    row.target_arn = target.arn;
    row.payload = shape_input(target.input(), event.envelope.get_object(),
                              {.rule_arn = rule_arn, .rule_name = entry.rule.name, .ingested = event.at});
    row.parameters = resolve_parameters(target.parameters(), event.envelope.get_object());
    if (!event.trace.empty()) row.parameters[kTraceHeader] = event.trace;
    row.dead_letter_arn = target.dead_letter_arn();
    row.policy = target.policy();
    row.received = event.at;
    row.next_at = event.at;
    add_delivery(tx, row);
  }
  return static_cast<int>(entry.targets.size());
}

}  // namespace

bool is_api_destination(const Place& place, const std::string& arn) {
  return arn.starts_with(place.arn("events", "api-destination/"));
}

std::optional<std::string> bus_of_arn(const Place& place, const std::string& arn) {
  const auto prefix = place.arn("events", "event-bus/");
  if (!arn.starts_with(prefix) || arn.size() == prefix.size()) return std::nullopt;
  return arn.substr(prefix.size());
}

Bus::Bus(asio::any_io_executor executor, database::Database& db, host::Clock& clock, host::Random& random, Place place,
         Targets& targets, DeadLetters& dead_letters, Permissions& permissions, Quotas quotas)
    : db_(db),
      clock_(clock),
      random_(random),
      place_(std::move(place)),
      targets_(targets),
      dead_letters_(dead_letters),
      permissions_(permissions),
      quotas_(quotas),
      id_salt_(random.bytes(32)),
      http_(db, clock, place_),
      bell_(std::make_shared<Bell>(executor)),
      rulebook_(std::make_shared<Rulebook>()),
      in_flight_(std::make_shared<std::map<long long, std::string>>()),
      tasks_(executor) {}

void Bus::start() {
  for (const auto& connection : list_connections(db_.read())) {
    if (connection.state == ConnectionState::authorizing) authorize(connection.name);
  }
  tasks_.spawn("event bus", work());
}

task<void> Bus::stop() {
  co_await tasks_.stop();
}

std::string Bus::new_id() {
  return uuid_of(sha256_hex(id_salt_ + std::to_string(ids_++)));
}

std::string Bus::publish(database::Transaction& tx, Event event, Instant received) {
  return publish_on(tx, kDefaultBus, std::move(event), received);
}

std::string Bus::publish_on(database::Transaction& tx, const std::string& bus, Event event, Instant received,
                            std::string trace) {
  if (event.account.empty()) event.account = place_.account;
  if (event.region.empty()) event.region = place_.region;
  if (event.id.empty()) event.id = new_id();
  Received row{.bus = bus, .at = received, .event_id = event.id, .envelope = to_json(event), .trace = std::move(trace)};
  publish_again(tx, std::move(row));
  return event.id;
}

void Bus::publish_again(database::Transaction& tx, Received event) {
  append_event(tx, event);
  const auto& envelope = event.envelope.get_object();
  const auto source = get_string(envelope, "source");
  const auto type = get_string(envelope, "detail-type");
  json::object detail{{"source", source}, {"detail-type", type}, {"bus", event.bus}, {"event", envelope}};
  database::append_journal(tx, event.at, "events.received", event.event_id, source + " " + type, std::move(detail));
  tx.after_commit([bell = bell_] { bell->ring(); });
}

void Bus::touch(database::Transaction& tx, const std::string& bus, const std::string& rule) {
  rulebook_->touch(bus, rule);
  tx.after_commit([bell = bell_] { bell->ring(); });
}

void Bus::authorize(const std::string& connection) {
  tasks_.spawn("authorization of " + connection, http_.authorize(connection));
}

task<int> Bus::redrive(std::string event_id) {
  auto revive = [event_id, now = clock_.now()](database::Transaction& tx) {
    int revived = 0;
    for (const auto& row : event_id.empty() ? dead_deliveries(tx, kRedriveMax) : deliveries_of(tx, event_id)) {
      if (revive_delivery(tx, row.number, now)) ++revived;
    }
    return revived;
  };
  const int revived = co_await db_.write(std::move(revive));
  bell_->ring();
  co_return revived;
}

bool Bus::idle() const {
  if (!in_flight_->empty() || has_unmatched(db_.read())) return false;
  for (const auto& target : waiting_targets(db_.read())) {
    if (!due_for_target(db_.read(), target, clock_.now(), 1).empty()) return false;
  }
  return true;
}

task<void> Bus::work() {
  for (;;) {
    auto looking = look_around();
    const bool well = co_await survived("the bus", std::move(looking));
    if (!well) {
      rulebook_->distrust();  // It may have read what was then undone.
      co_await pause(kAfterTrouble);
    }
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
  co_await replay_some();
  co_await prune_sometimes();
}

task<void> Bus::fire_schedules() {
  const auto now = clock_.now();
  if (due_rules(db_.read(), now).empty()) co_return;
  auto fire = [now, this](database::Transaction& tx) {
    for (auto& rule : due_rules(tx, now)) {
      const auto schedule = parse_schedule(rule.schedule);
      // A rate keeps its beat: its intervals are counted from when it was due, not from when we looked.
      rule.due = (schedule ? next_fire(*schedule, rule.due, now) : std::nullopt).value_or(kNever);
      const Event event{.id = new_id(),
                        .source = "aws.events",
                        .detail_type = "Scheduled Event",
                        .account = place_.account,
                        .region = place_.region,
                        .time = now,
                        .resources = {place_.arn("events", rule.resource())}};
      append_event(
          tx, {.bus = rule.bus, .at = now, .event_id = event.id, .envelope = to_json(event), .only_rules = rule.name});
      put_rule(tx, rule);
    }
  };
  co_await db_.write(fire);
}

task<bool> Bus::match_some() {
  if (!has_unmatched(db_.read())) co_return false;
  const auto now = clock_.now();
  auto match = [now, place = place_, rulebook = rulebook_](database::Transaction& tx) {
    const auto events = unmatched_events(tx, kMatchBatch);
    for (const auto& event : events) {
      for (const auto* entry : rulebook->match(tx, event)) {
        if (entry->rule.managed_by == kArchiveManager) {
          keep_event(tx, entry->rule.name, event);
          continue;
        }
        const int targets = add_deliveries(tx, *entry, place.arn("events", entry->rule.resource()), event);
        database::append_journal(tx, now, "events.matched", entry->rule.name,
                                 entry->rule.name + " matched " + event.event_id,
                                 {{"event", event.event_id}, {"bus", event.bus}, {"targets", targets}});
      }
    }
    if (!events.empty()) advance_cursor(tx, events.back().number);
    return !events.empty();
  };
  const bool matched = co_await db_.write(match);
  co_return matched;
}

// One step of each replay: what it puts on a bus is matched and under way before the next step.
task<void> Bus::replay_some() {
  if (!replays_wait(db_.read())) co_return;
  const auto now = clock_.now();
  auto step = [this, now](database::Transaction& tx) {
    for (auto& replay : list_replays(tx)) {
      if (!replay.active()) continue;
      for (auto& event : replay_step(tx, replay, now)) publish_again(tx, std::move(event));
      put_replay(tx, replay);
    }
  };
  co_await db_.write(std::move(step));
  bell_->ring();
}

void Bus::start_due() {
  const auto now = clock_.now();
  std::map<std::string, int> busy;
  for (const auto& [number, target] : *in_flight_) ++busy[target];
  std::map<std::string, int> due;
  std::map<std::string, std::vector<long long>> waiting;
  for (const auto& target : waiting_targets(db_.read())) {
    if (targets_.in_database(target)) {
      if (busy[target] == 0) start_together(target, now);
      continue;
    }
    auto& numbers = waiting[target];
    // Those under way are due, too, and may come first.
    numbers = due_for_target(db_.read(), target, now, kInFlightPerTargetMax + busy[target]);
    std::erase_if(numbers, [&](long long number) { return in_flight_->contains(number); });
    due[target] = static_cast<int>(numbers.size());
  }
  for (const auto& [target, starts] : share_out(due, busy)) {
    for (int i = 0; i < starts; ++i) {
      const auto number = waiting[target][static_cast<std::size_t>(i)];
      (*in_flight_)[number] = target;
      tasks_.spawn("delivery", attempt(number));
    }
  }
}

// Nothing that such a target does can hang, so its deliveries take no places from the others.
void Bus::start_together(const std::string& target, Instant now) {
  auto numbers = due_for_target(db_.read(), target, now, kTogetherMax);
  if (numbers.empty()) return;
  for (const auto number : numbers) (*in_flight_)[number] = target;
  tasks_.spawn("deliveries", attempt_together(std::move(numbers)));
}

task<void> Bus::attempt_together(std::vector<long long> numbers) {
  const Landing landing{in_flight_, bell_, numbers};
  auto work = hand_over_together(numbers);
  const bool recorded = co_await survived("deliveries", std::move(work));
  if (recorded) co_return;
  // One of them may have spoiled it for the others.
  co_await pause(kAfterTrouble);
  for (const auto number : numbers) co_await attempt(number);
}

task<void> Bus::hand_over_together(std::vector<long long> numbers) {
  struct Start {
    long long number;
    std::string fresh_id;
    double fraction;
  };
  std::vector<Start> starts;
  for (const auto number : numbers) starts.push_back({number, random_.uuid(), random_.fraction()});
  auto hand_over = [this, starts = std::move(starts), now = clock_.now()](database::Transaction& tx) {
    std::vector<long long> letters;
    for (const auto& start : starts) {
      auto row = find_delivery(tx, start.number);
      if (row && row->state == DeliveryState::exhausted) letters.push_back(start.number);
      if (!row || row->state != DeliveryState::pending) continue;
      ++row->attempts;
      const auto outcome = targets_.deliver_in(tx, delivery_of(*row, now, start.fresh_id));
      finish_attempt(tx, *row, outcome, now, start.fraction);
    }
    return letters;
  };
  const auto letters = co_await db_.write(std::move(hand_over));
  for (const auto number : letters) co_await attempt(number);
}

task<void> Bus::attempt(long long number) {
  const Landing landing{in_flight_, bell_, {number}};
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
  if (auto bus = bus_of_arn(place_, row.target_arn)) {
    co_await pass_on(std::move(row), *std::move(bus));
    co_return;
  }
  auto delivery = delivery_of(row, clock_.now(), random_.uuid());
  auto handing_over = is_api_destination(place_, row.target_arn) ? call_destination(std::move(delivery))
                                                                 : targets_.deliver(std::move(delivery));
  auto outcome = co_await tried(std::move(handing_over));
  co_await record(std::move(row), std::move(outcome));
}

task<Result<void>> Bus::call_destination(Delivery delivery) {
  auto allowed = permissions_.allow_role(get_string(delivery.parameters, "RoleArn"), "events:InvokeApiDestination",
                                         delivery.target_arn);
  if (!allowed) co_return allowed;
  co_return co_await http_.deliver(std::move(delivery));
}

// To another bus: it is appended there and counts as delivered in the same transaction.
task<void> Bus::pass_on(DeliveryRow row, std::string bus) {
  const auto now = clock_.now();
  const double fraction = random_.fraction();
  auto pass = [this, row, bus, now, fraction](database::Transaction& tx) mutable {
    Result<void> outcome;
    const int hops = hops_of(tx, row.event_number) + 1;
    if (!find_bus(tx, bus)) {
      outcome = fail(Fault::not_found, "NO_RESOURCE", "Event bus " + bus + " does not exist.");
    } else if (hops > kHopsMax) {
      outcome = fail(Fault::unsupported, "INVALID_PARAMETER",
                     "The event was passed on from bus to bus " + std::to_string(kHopsMax) +
                         " times: a rule of one bus and a rule of another send it round.");
    } else {
      publish_again(
          tx, {.bus = bus, .at = now, .event_id = row.event_id, .envelope = stored_json(row.payload), .hops = hops});
    }
    finish_attempt(tx, row, outcome, now, fraction);
  };
  co_await db_.write(std::move(pass));
}

task<void> Bus::record(DeliveryRow row, Result<void> outcome) {
  auto store = [row = std::move(row), outcome = std::move(outcome), now = clock_.now(), fraction = random_.fraction()](
                   database::Transaction& tx) mutable { finish_attempt(tx, row, outcome, now, fraction); };
  co_await db_.write(std::move(store));
}

task<void> Bus::attempt_dead_letter(DeliveryRow row) {
  ++row.dead_attempts;
  auto body = envelope_of(db_.read(), row.event_number);
  if (body.empty()) body = row.payload;  // Redriven after the event itself was forgotten.
  auto sending = dead_letters_.send(row.dead_letter_arn, row.rule_arn, std::move(body), dead_letter_attributes(row));
  const auto outcome = co_await tried(std::move(sending));
  const auto now = clock_.now();
  const auto decision = decide({}, row.received, row.dead_attempts, outcome, now, random_.fraction());
  auto record = [row, outcome, decision, now](database::Transaction& tx) mutable {
    const bool again = decision.step == NextStep::again;
    if (again) row.next_at = decision.at;
    if (!again) row.state = DeliveryState::dead;
    if (!again && !outcome) row.error_message += "; and the dead-letter queue refused it: " + outcome.error().message;
    update_delivery(tx, row);
    if (again) return;
    const Result<void> why = fail(Fault::unavailable, row.error_code, row.error_message);
    journal(tx, now, "events.dead", row, why);
  };
  co_await db_.write(std::move(record));
}

task<void> Bus::prune_sometimes() {
  const auto now = clock_.now();
  if (now - pruned_ < kPruneEvery) co_return;
  auto forget = [now, from = pruning_](database::Transaction& tx) {
    expire_archived(tx, now, kPruneBatch);
    auto pass = prune(tx, now - kKeepFinished, kKeepRows, kPruneBatch, from);
    // Most of the journal is of events, so what forgets them forgets it, too.
    const bool more =
        database::prune_journal(tx, now - database::kJournalKept, database::kJournalEntriesKept, kPruneBatch);
    pass.more = pass.more || more;
    return pass;
  };
  pruning_ = co_await db_.write(forget);
  if (pruning_.more) {
    bell_->ring();  // The rest in turns, so that nobody waits long for the writer.
  } else {
    pruned_ = now;
  }
}

Duration Bus::until_next() const {
  const auto now = clock_.now();
  Duration wait = kIdleWait;
  if (const auto due = next_due(db_.read(), now)) wait = std::min(wait, *due - now);
  if (const auto due = next_rule_due(db_.read())) wait = std::min(wait, *due - now);
  return std::max(wait, Duration(1));
}

}  // namespace slipway::events
