// For tests: a bus on a database in memory, with a clock that is moved by hand and a target that does as it is told.
#pragma once
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/run.h"
#include "database/journal.h"
#include "events/api.h"
#include "events/bus.h"
#include "host/hand_clock.h"

namespace slipway::events {

inline constexpr int kPollsMax = 5000;

class FakeTargets final : public Targets {
 public:
  Result<void> accepts(const json::object& target) override {
    if (get_string(target, "Arn").starts_with("arn:aws:lambda:")) return {};
    return fail(Fault::invalid, "ValidationException", "Provided Arn is not in correct format.");
  }
  task<Result<void>> deliver(Delivery delivery) override {
    ++attempts;
    if (slow) co_await pause(Duration(1));
    if (hanging.contains(delivery.target_arn)) co_await pause(std::chrono::hours(1));
    if (fails_left > 0) {
      --fails_left;
      co_return fail(fault, "Code", "the target said no");
    }
    delivered.insert(delivery.event_id + " " + delivery.target_id);
    last = delivery;
    last_payload = delivery.payload;
    if (slow) co_await pause(Duration(1));
    co_return Result<void>{};
  }
  bool in_database(const std::string& target_arn) const override { return target_arn.ends_with(":kept"); }
  Result<void> deliver_in(database::Transaction&, const Delivery& delivery) override {
    ++attempts;
    if (throws) throw std::runtime_error("a bug");
    if (fails_left > 0) {
      --fails_left;
      return fail(fault, "Code", "the target said no");
    }
    delivered.insert(delivery.event_id + " " + delivery.target_id);
    return {};
  }
  std::atomic<bool> throws = false;
  std::multiset<std::string> delivered;
  std::set<std::string> hanging;  // Targets that never answer.
  std::string last_payload;
  Delivery last;
  std::atomic<int> attempts = 0;
  int fails_left = 0;
  bool slow = false;  // A cut can fall before and after the target takes the event.
  Fault fault = Fault::unavailable;
};

class FakeDeadLetters final : public DeadLetters {
 public:
  task<Result<void>> send(std::string queue_arn, std::string, std::string body,
                          std::map<std::string, std::pair<std::string, std::string>> attributes) override {
    letters.push_back({queue_arn, body});
    last = attributes;
    co_return Result<void>{};
  }
  std::vector<std::pair<std::string, std::string>> letters;
  std::map<std::string, std::pair<std::string, std::string>> last;
};

class FakePermissions final : public Permissions {
 public:
  Result<void> check_policy(const std::string& text) override {
    if (parse_json(text)) return {};
    return fail(Fault::invalid, "ValidationException", "Parameter Policy is not valid.");
  }
  Result<void> allow(const wire::Caller&, const std::string&, const std::string& bus_arn, const std::string&) override {
    if (!forbidden.contains(bus_arn)) return {};
    return fail(Fault::denied, "AccessDeniedException", "no");
  }
  Result<void> allow_role(const std::string& role_arn, const std::string&, const std::string&) override {
    if (!forbidden.contains(role_arn)) return {};
    return fail(Fault::denied, "AccessDenied", "no");
  }
  std::set<std::string> forbidden;
};

class BusTest : public testing::Test {
 protected:
  void SetUp() override {
    db.migrate(database::journal_schema());
    db.migrate(schema());
    restart();
  }
  void restart() {
    bus.reset();
    bus.emplace(io.get_executor(), db, clock, random, Place{}, targets, dead_letters, permissions, quotas);
  }
  json::object call(std::string operation, json::object input) {
    const auto api = service(*bus);
    auto answer = run(wire::call(api, std::move(operation), std::move(input), {.place = {}, .now = clock.now()}), io);
    last_error = answer ? Error{} : answer.error();
    last_warnings = answer ? answer->warnings : std::vector<std::string>{};
    return answer ? answer->output : json::object{};
  }
  void push_rule(json::object more = {}) {
    call("PutRule", {{"Name", "push"}, {"EventPattern", R"({"source":["shop"]})"}});
    json::object target{{"Id", "f"}, {"Arn", "arn:aws:lambda:us-east-1:000000000000:function:f"}};
    for (const auto& member : more) target[member.key()] = member.value();
    call("PutTargets", {{"Rule", "push"}, {"Targets", json::array{target}}});
  }
  std::string put_event(const char* source = "shop", const char* on = "default") {
    const json::object entry{
        {"Source", source}, {"DetailType", "Sold"}, {"Detail", R"({"n":1})"}, {"EventBusName", on}};
    const auto out = call("PutEvents", {{"Entries", json::array{entry}}});
    return get_string(out.at("Entries").at(0).as_object(), "EventId");
  }
  task<void> until_idle() {
    for (int i = 0; i < kPollsMax && !bus->idle(); ++i) co_await pause(Duration(1));
  }
  void settle() {
    bus->wake();
    run(until_idle(), io);
  }

  asio::io_context io{1};
  database::Database db{io.get_executor(), ":memory:"};
  host::HandClock clock;
  host::SeededRandom random{7};
  FakeTargets targets;
  FakeDeadLetters dead_letters;
  FakePermissions permissions;
  Quotas quotas;
  std::optional<Bus> bus;
  Error last_error;
  std::vector<std::string> last_warnings;
};

}  // namespace slipway::events
