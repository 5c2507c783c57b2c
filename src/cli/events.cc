// slipway events …: what the buses did, and why.

#include <fmt/format.h>

#include <iostream>

#include "base/run.h"
#include "base/text.h"
#include "base/wall_clock.h"
#include "cli/commands.h"
#include "events/explain.h"
#include "events/pattern.h"
#include "host/files.h"

namespace slipway::cli {
namespace {

using namespace std::chrono_literals;

constexpr Duration kJournalWait = 10s;  // One long poll.
constexpr Duration kReplayPoll = 200ms;

// JSON text as it is, or what the file of that name holds.
Result<std::string> text_or_file(const std::string& word) {
  const auto begin = trim(word);
  if (begin.starts_with('{') || begin.starts_with('[')) return word;
  return host::read_file(word);
}

void print_entry(const Common& common, const Entry& entry) {
  if (common.json) {
    const json::object line{{"number", entry.number},   {"at", iso_millis(entry.at)}, {"kind", entry.kind},
                            {"subject", entry.subject}, {"text", entry.text},         {"detail", entry.detail}};
    std::cout << json::serialize(line) << "\n";
    return;
  }
  std::cout << fmt::format("{}  {:<17}  {:<36}  {}\n", iso_millis(entry.at), entry.kind, entry.subject, entry.text);
}

// An event that matched --pattern: the event itself, as a rule's target would get it.
void print_event(const Common& common, const Entry& entry) {
  const auto event = get_object(entry.detail, "event");
  if (common.json) {
    std::cout << json::serialize(event) << "\n";
    return;
  }
  std::cout << fmt::format("{}  {}  {}\n", iso_millis(entry.at), entry.text,
                           json::serialize(get_object(event, "detail")));
}

task<int> tail(Common common, bool follow, std::optional<events::Pattern> pattern, RegionKey key) {
  RegionApi api(co_await asio::this_coro::executor, key);
  long long after = 0;
  for (;;) {
    auto entries = co_await api.journal(after, follow ? kJournalWait : Duration::zero());
    if (!entries) co_return complain(entries.error());
    for (const Entry& entry : *entries) {
      after = entry.number;
      if (!entry.kind.starts_with("events.")) continue;
      if (!pattern) {
        print_entry(common, entry);
      } else if (entry.kind == "events.received" && events::matches(*pattern, get_object(entry.detail, "event"))) {
        print_event(common, entry);
      }
    }
    std::cout << std::flush;
    if (!follow && entries->empty()) co_return kLive;
  }
}

void print_delivery(const json::object& delivery, bool with_event) {
  std::cout << fmt::format("{}{} -> {}: {}\n", with_event ? get_string(delivery, "event") + " " : "  ",
                           get_string(delivery, "rule"), get_string(delivery, "target"), get_string(delivery, "state"));
  for (const auto& value : get_array(delivery, "attempts")) {
    const auto& attempt = value.as_object();
    std::cout << fmt::format("      {}  attempt {}: {}\n", get_string(attempt, "at"), get_int(attempt, "attempt"),
                             get_string(attempt, "answer"));
  }
  if (has(delivery, "next")) std::cout << "      next attempt at " << get_string(delivery, "next") << "\n";
  if (has(delivery, "errorCode")) {
    const auto exhausted = get_string(delivery, "exhausted");
    std::cout << fmt::format("      {}{}: {}\n", get_string(delivery, "errorCode"),
                             exhausted.empty() ? "" : " (" + exhausted + ")", get_string(delivery, "errorMessage"));
  }
}

void print_record(const json::object& record) {
  if (has(record, "event")) {
    const auto event = get_object(record, "event");
    std::cout << fmt::format("{} {} on {}, received {}\n{}\n", get_string(event, "source"),
                             get_string(event, "detail-type"), get_string(record, "bus"),
                             get_string(record, "received"), json::serialize(event));
  } else {
    std::cout << "the event itself is forgotten; its deliveries are not\n";
  }
  std::cout << "rules\n";
  for (const auto& value : get_array(record, "rules")) {
    const auto& rule = value.as_object();
    const bool matched = get_bool(rule, "matched");
    std::cout << fmt::format("  {}: {}\n", get_string(rule, "rule"), matched ? "matches" : get_string(rule, "why"));
  }
  std::cout << "deliveries\n";
  for (const auto& delivery : get_array(record, "deliveries")) print_delivery(delivery.as_object(), false);
}

task<int> show(Common common, std::string id, RegionKey key) {
  RegionApi api(co_await asio::this_coro::executor, key);
  auto record = co_await api.event_records("GET", "event/" + id);
  if (!record) co_return complain(record.error());
  if (common.json) {
    std::cout << json::serialize(*record) << "\n";
  } else {
    print_record(*record);
  }
  co_return kLive;
}

task<int> dead(Common common, RegionKey key) {
  RegionApi api(co_await asio::this_coro::executor, key);
  auto records = co_await api.event_records("GET", "dead");
  if (!records) co_return complain(records.error());
  const auto deliveries = get_array(*records, "deliveries");
  for (const auto& delivery : deliveries) {
    if (common.json) {
      std::cout << json::serialize(delivery) << "\n";
    } else {
      print_delivery(delivery.as_object(), true);
    }
  }
  if (deliveries.empty() && !common.json) std::cout << "no delivery was given up\n";
  co_return kLive;
}

task<int> redrive(Common common, std::string id, RegionKey key) {
  RegionApi api(co_await asio::this_coro::executor, key);
  auto answer = co_await api.event_records("POST", id.empty() ? "redrive" : "redrive/" + id);
  if (!answer) co_return complain(answer.error());
  const auto count = get_int(*answer, "redriven");
  if (common.json) {
    std::cout << json::serialize(*answer) << "\n";
  } else {
    std::cout << fmt::format("{} {} again; see: slipway events tail\n", count,
                             count == 1 ? "delivery is tried" : "deliveries are tried");
  }
  co_return kLive;
}

// What StartReplay is asked for.
Result<json::object> replay_input(const ReplayOptions& options, const json::object& archive, Instant now) {
  const auto time = [](const std::string& text, double otherwise) -> Result<double> {
    if (text.empty()) return otherwise;
    const auto read = parse_iso(text);
    if (read) return epoch_seconds(*read);
    return fail(Fault::invalid, "SLW-311", "not a time: " + text + " (write 2026-11-25T10:00:00Z)");
  };
  const auto from = time(options.from, 0);
  const auto to = time(options.to, epoch_seconds(now) + 1);
  if (!from) return fail(from);
  if (!to) return fail(to);
  const auto bus = get_string(archive, "EventSourceArn");
  json::object destination{{"Arn", bus}};
  if (!options.rules.empty()) {
    const auto slash = bus.rfind("event-bus/");
    const auto name = bus.substr(slash + 10);
    json::array rules;
    for (const auto& rule : options.rules)
      rules.emplace_back(bus.substr(0, slash) + "rule/" + (name == "default" ? "" : name + "/") + rule);
    destination["FilterArns"] = std::move(rules);
  }
  const auto name = options.name.empty() ? fmt::format("{}-{}", options.archive, now.ms()) : options.name;
  return json::object{{"ReplayName", name},
                      {"EventSourceArn", get_string(archive, "ArchiveArn")},
                      {"EventStartTime", *from},
                      {"EventEndTime", *to},
                      {"Destination", std::move(destination)}};
}

task<int> replay(Common common, ReplayOptions options, RegionKey key) {
  RegionApi api(co_await asio::this_coro::executor, key);
  const json::object which{{"ArchiveName", options.archive}};
  auto archive = co_await api.events("DescribeArchive", which);
  if (!archive) co_return complain(archive.error());
  const auto input = replay_input(options, *archive, wall_clock());
  if (!input) co_return complain(input.error());
  auto started = co_await api.events("StartReplay", *input);
  if (!started) co_return complain(started.error());
  const json::object named{{"ReplayName", get_string(*input, "ReplayName")}};
  if (!common.json) std::cerr << "replaying as " << get_string(named, "ReplayName") << "\n";
  for (;;) {
    auto state = co_await api.events("DescribeReplay", named);
    if (!state) co_return complain(state.error());
    const auto word = get_string(*state, "State");
    if (word == "COMPLETED" || word == "CANCELLED" || word == "FAILED") {
      std::cout << (common.json ? json::serialize(*state) : get_string(named, "ReplayName") + ": " + word) << "\n";
      co_return word == "COMPLETED" ? kLive : kError;
    }
    co_await pause(kReplayPoll);
  }
}

}  // namespace

int events_tail(const Common& common, const TailOptions& options) {
  std::optional<events::Pattern> pattern;
  if (!options.pattern.empty()) {
    const auto text = text_or_file(options.pattern);
    auto compiled = text ? events::compile(*text) : fail(text);
    if (!compiled) return complain(compiled.error());
    pattern = *std::move(compiled);
  }
  const auto key = read_key(common.folder());
  if (!key) return complain(key.error());
  return run(tail(common, options.follow, std::move(pattern), *key));
}

int events_test(const Common& common, const std::string& pattern, const std::string& event) {
  const auto pattern_text = text_or_file(pattern);
  if (!pattern_text) return complain(pattern_text.error());
  const auto event_text = text_or_file(event);
  if (!event_text) return complain(event_text.error());
  const auto parsed = parse_json(trim(*event_text));
  if (!parsed) return complain(parsed.error());
  const auto answer = events::explain(*pattern_text, *parsed);
  if (!answer) return complain(answer.error());
  if (common.json) {
    json::object out{{"matches", !answer->has_value()}};
    if (*answer) {
      out["field"] = (*answer)->field;
      out["found"] = (*answer)->found;
      out["asked"] = (*answer)->asked;
    }
    std::cout << json::serialize(out) << "\n";
  } else {
    std::cout << (*answer ? "no match: " + (*answer)->text() : "matches") << "\n";
  }
  return *answer ? kError : kLive;
}

int events_show(const Common& common, const std::string& id) {
  const auto key = read_key(common.folder());
  return key ? run(show(common, id, *key)) : complain(key.error());
}

int events_dead(const Common& common) {
  const auto key = read_key(common.folder());
  return key ? run(dead(common, *key)) : complain(key.error());
}

int events_redrive(const Common& common, const std::string& id) {
  const auto key = read_key(common.folder());
  return key ? run(redrive(common, id, *key)) : complain(key.error());
}

int events_replay(const Common& common, const ReplayOptions& options) {
  const auto key = read_key(common.folder());
  return key ? run(replay(common, options, *key)) : complain(key.error());
}

}  // namespace slipway::cli
