// Archives and replays.
#include <algorithm>

#include "base/text.h"
#include "events/api_parts.h"
#include "events/archives.h"

namespace slipway::events {

namespace {

using wire::Answer;
using wire::Call;

std::unexpected<Error> not_found(const char* what, const std::string& name) {
  return fail(Fault::not_found, "ResourceNotFoundException", std::string(what) + " " + name + " does not exist.");
}

std::unexpected<Error> exists_already(const char* what, const std::string& name) {
  return fail(Fault::conflict, "ResourceAlreadyExistsException", std::string(what) + " " + name + " already exists.");
}

// "archive/sales" of this place -> "sales".
std::string archive_of_arn(const Place& place, const std::string& arn) {
  const auto prefix = place.arn("events", "archive/");
  return arn.starts_with(prefix) ? arn.substr(prefix.size()) : std::string();
}

// ListArchives and ListReplays take one filter of three.
Result<void> check_filters(const char* operation, const json::object& input) {
  int filters = 0;
  for (const auto* name : {"NamePrefix", "EventSourceArn", "State"}) filters += has(input, name) ? 1 : 0;
  if (filters <= 1) return {};
  return invalid(std::string("At most one filter is allowed for ") + operation +
                 ". Use either : State, EventSourceArn, or NamePrefix.");
}

bool passes(const json::object& input, const std::string& name, const std::string& source, const std::string& state) {
  return name.starts_with(get_string(input, "NamePrefix")) && get_string(input, "EventSourceArn", source) == source &&
         get_string(input, "State", state) == state;
}

class Archives {
 public:
  explicit Archives(Bus& bus) : bus_(bus) {}

  task<Result<Answer>> create(Call call) {
    const auto source = get_string(call.input, "EventSourceArn");
    const auto on = bus_of_arn(bus_.place(), source);
    if (!on) co_return invalid("Parameter EventSourceArn is not valid. Reason: Must contain an event bus ARN.");
    const Archive made{.name = get_string(call.input, "ArchiveName"),
                       .bus = *on,
                       .description = get_string(call.input, "Description"),
                       .pattern = get_string(call.input, "EventPattern"),
                       .retention_days = get_int(call.input, "RetentionDays"),
                       .created = call.now};
    if (const auto good = check_pattern(made.pattern); !good) co_return fail(good);
    auto store = [this, made, account = call.place.account](database::Transaction& tx) -> Result<void> {
      if (find_archive(tx, made.name)) return exists_already("Archive", made.name);
      if (!find_bus(tx, made.bus)) return no_bus(made.bus);
      if (count_rules(tx, made.bus) >= bus_.quotas().rules_per_bus) return over_limit();
      store_archive(tx, made, account);
      return {};
    };
    const auto stored = co_await bus_.db().write(std::move(store));
    if (!stored) co_return fail(stored);
    co_return Answer{.output = short_form(made)};
  }

  task<Result<Answer>> update(Call call) {
    const auto name = get_string(call.input, "ArchiveName");
    if (const auto good = check_pattern(get_string(call.input, "EventPattern")); !good) co_return fail(good);
    auto change = [this, name, input = call.input,
                   account = call.place.account](database::Transaction& tx) -> Result<Archive> {
      auto archive = find_archive(tx, name);
      if (!archive) return not_found("Archive", name);
      archive->description = get_string(input, "Description", archive->description);
      archive->pattern = get_string(input, "EventPattern", archive->pattern);
      archive->retention_days = get_int(input, "RetentionDays", archive->retention_days);
      store_archive(tx, *archive, account);
      return *archive;
    };
    const auto changed = co_await bus_.db().write(std::move(change));
    if (!changed) co_return fail(changed);
    co_return Answer{.output = short_form(*changed)};
  }

  task<Result<Answer>> describe(Call call) {
    const auto name = get_string(call.input, "ArchiveName");
    const auto archive = find_archive(bus_.db().read(), name);
    if (!archive) co_return not_found("Archive", name);
    auto out = listed(*archive);
    out["ArchiveArn"] = arn_of(*archive);
    if (!archive->description.empty()) out["Description"] = archive->description;
    if (!archive->pattern.empty()) out["EventPattern"] = archive->pattern;
    co_return Answer{.output = std::move(out)};
  }

  task<Result<Answer>> list(Call call) {
    if (const auto good = check_filters("ListArchives", call.input); !good) co_return fail(good);
    auto all = list_archives(bus_.db().read());
    std::erase_if(all, [&](const Archive& archive) {
      return !passes(call.input, archive.name, bus_.bus_arn(archive.bus), "ENABLED");
    });
    const auto [shown, next] = page(all, call.input, [](const Archive& archive) { return archive.name; });
    json::array archives;
    for (const auto& archive : shown) archives.push_back(listed(archive));
    json::object out{{"Archives", std::move(archives)}};
    if (!next.empty()) out["NextToken"] = next;
    co_return Answer{.output = std::move(out)};
  }

  task<Result<Answer>> remove(Call call) {
    const auto name = get_string(call.input, "ArchiveName");
    auto forget = [this, name](database::Transaction& tx) -> Result<void> {
      const auto archive = find_archive(tx, name);
      if (!archive) return not_found("Archive", name);
      const auto rule = archive_rule(*archive, "");
      delete_rule(tx, rule.bus, rule.name);
      bus_.touch(tx, rule.bus, rule.name);
      delete_archive(tx, name);
      return {};
    };
    const auto removed = co_await bus_.db().write(std::move(forget));
    if (!removed) co_return fail(removed);
    co_return Answer{};
  }

  task<Result<Answer>> start_replay(Call call) {
    const auto replay = read_replay(call);
    if (!replay) co_return fail(replay);
    auto store = [made = *replay](database::Transaction& tx) -> Result<void> {
      if (find_replay(tx, made.name)) return exists_already("Replay", made.name);
      const auto archive = find_archive(tx, made.archive);
      if (!archive)
        return invalid("Parameter EventSourceArn is not valid. Reason: Archive " + made.archive + " does not exist.");
      if (!find_bus(tx, made.bus)) return no_bus(made.bus);
      if (archive->bus != made.bus)
        return invalid("Parameter Destination.Arn is not valid. Reason: Cross event bus replay is not permitted.");
      const auto all = list_replays(tx);
      const auto active = std::ranges::count_if(all, &Replay::active);
      if (static_cast<std::size_t>(active) >= kReplaysActiveMax) return over_limit();
      put_replay(tx, made);
      return {};
    };
    const auto stored = co_await bus_.db().write(std::move(store));
    if (!stored) co_return fail(stored);
    bus_.wake();
    co_return Answer{.output = {{"ReplayArn", replay_arn(replay->name)},
                                {"State", replay_word(replay->state)},
                                {"ReplayStartTime", epoch_seconds(replay->started)}}};
  }

  task<Result<Answer>> describe_replay(Call call) {
    const auto name = get_string(call.input, "ReplayName");
    const auto replay = find_replay(bus_.db().read(), name);
    if (!replay) co_return not_found("Replay", name);
    auto out = listed(*replay);
    out["ReplayArn"] = replay_arn(name);
    if (!replay->description.empty()) out["Description"] = replay->description;
    json::object destination{{"Arn", bus_.bus_arn(replay->bus)}};
    if (!replay->rules.empty()) {
      json::array rules;
      for (const auto& rule : replay->rules)
        rules.emplace_back(bus_.place().arn("events", Rule{.bus = replay->bus, .name = rule}.resource()));
      destination["FilterArns"] = std::move(rules);
    }
    out["Destination"] = std::move(destination);
    co_return Answer{.output = std::move(out)};
  }

  task<Result<Answer>> list_replays_of(Call call) {
    if (const auto good = check_filters("ListReplays", call.input); !good) co_return fail(good);
    auto all = list_replays(bus_.db().read());
    std::erase_if(all, [&](const Replay& replay) {
      return !passes(call.input, replay.name, archive_arn(replay.archive), replay_word(replay.state));
    });
    const auto [shown, next] = page(all, call.input, [](const Replay& replay) { return replay.name; });
    json::array replays;
    for (const auto& replay : shown) replays.push_back(listed(replay));
    json::object out{{"Replays", std::move(replays)}};
    if (!next.empty()) out["NextToken"] = next;
    co_return Answer{.output = std::move(out)};
  }

  task<Result<Answer>> cancel_replay(Call call) {
    const auto name = get_string(call.input, "ReplayName");
    auto cancel = [name](database::Transaction& tx) -> Result<void> {
      auto replay = find_replay(tx, name);
      if (!replay) return not_found("Replay", name);
      if (replay->state > ReplayState::running)
        return fail(Fault::conflict, "IllegalStatusException",
                    "Replay " + name + " is not in a valid state for this operation.");
      replay->state = ReplayState::cancelling;
      put_replay(tx, *replay);
      return {};
    };
    const auto cancelled = co_await bus_.db().write(std::move(cancel));
    if (!cancelled) co_return fail(cancelled);
    bus_.wake();
    co_return Answer{.output = {{"ReplayArn", replay_arn(name)}, {"State", replay_word(ReplayState::cancelling)}}};
  }

 private:
  std::string archive_arn(const std::string& name) const { return bus_.place().arn("events", "archive/" + name); }
  std::string arn_of(const Archive& archive) const { return archive_arn(archive.name); }
  std::string replay_arn(const std::string& name) const { return bus_.place().arn("events", "replay/" + name); }

  static Result<void> check_pattern(const std::string& pattern) {
    if (pattern.empty()) return {};
    const auto compiled = compile(pattern);
    return compiled ? Result<void>{} : fail(compiled);
  }

  void store_archive(database::Transaction& tx, const Archive& archive, const std::string& account) {
    put_archive(tx, archive);
    const auto rule = archive_rule(archive, account);
    put_rule(tx, rule);
    bus_.touch(tx, rule.bus, rule.name);
  }

  json::object short_form(const Archive& archive) const {
    return {{"ArchiveArn", arn_of(archive)}, {"State", "ENABLED"}, {"CreationTime", epoch_seconds(archive.created)}};
  }

  json::object listed(const Archive& archive) const {
    return {{"ArchiveName", archive.name},
            {"EventSourceArn", bus_.bus_arn(archive.bus)},
            {"State", "ENABLED"},
            {"RetentionDays", archive.retention_days},
            {"SizeBytes", archive.bytes},
            {"EventCount", archive.events},
            {"CreationTime", epoch_seconds(archive.created)}};
  }

  json::object listed(const Replay& replay) const {
    json::object out{{"ReplayName", replay.name},
                     {"EventSourceArn", archive_arn(replay.archive)},
                     {"State", replay_word(replay.state)},
                     {"EventStartTime", epoch_seconds(replay.from)},
                     {"EventEndTime", epoch_seconds(replay.to)},
                     {"ReplayStartTime", epoch_seconds(replay.started)}};
    if (replay.cursor > 0) out["EventLastReplayedTime"] = epoch_seconds(replay.last);
    if (!replay.active()) out["ReplayEndTime"] = epoch_seconds(replay.ended);
    return out;
  }

  Result<Replay> read_replay(const Call& call) const {
    const auto destination = get_object(call.input, "Destination");
    const auto on = bus_of_arn(bus_.place(), get_string(destination, "Arn"));
    if (!on) return invalid("Parameter Destination.Arn is not valid. Reason: Must contain an event bus ARN.");
    const auto source = get_string(call.input, "EventSourceArn");
    const auto archive = archive_of_arn(bus_.place(), source);
    if (archive.empty()) return invalid("Parameter EventSourceArn is not valid. Reason: Must contain an archive ARN.");
    Replay replay{.name = get_string(call.input, "ReplayName"),
                  .archive = archive,
                  .bus = *on,
                  .description = get_string(call.input, "Description"),
                  .from = instant_ms(get_int(call.input, "EventStartTime")),
                  .to = instant_ms(get_int(call.input, "EventEndTime")),
                  .started = call.now};
    if (replay.to <= replay.from)
      return invalid("Parameter EventEndTime is not valid. Reason: EventStartTime must be before EventEndTime.");
    for (const auto& arn : get_strings(destination, "FilterArns")) {
      const auto named = named_by(bus_.place(), arn);
      if (named.bus != replay.bus || named.rule.empty())
        return invalid(
            "Parameter Destination.FilterArns is not valid. Reason: Must contain rule ARNs of the event bus.");
      replay.rules.push_back(named.rule);
    }
    return replay;
  }

  Bus& bus_;
};

}  // namespace

std::vector<wire::Operation> archive_operations(Bus& bus) {
  using namespace wire;
  const auto api = std::make_shared<Archives>(bus);
  const auto archive_name = text(1, 48, "[\\.\\-_A-Za-z0-9]+");
  const auto contents = [&](Member first) {
    std::vector<Member> members{required("ArchiveName", archive_name), optional("Description", description_shape()),
                                optional("EventPattern", text(0, 4096)), optional("RetentionDays", integer(0)),
                                refused("KmsKeyIdentifier", text(0, 2048),
                                        "events are kept as they are: there are no keys to encrypt them with")};
    if (!first.name.empty()) members.push_back(std::move(first));
    return structure(std::move(members));
  };
  const auto states = [](std::vector<std::string> words) { return optional("State", one_of(std::move(words))); };
  const auto archive = structure({required("ArchiveName", archive_name)});
  const auto replay = structure({required("ReplayName", name_shape())});
  return {
      operation(api, "CreateArchive", contents(required("EventSourceArn", arn_shape())), &Archives::create),
      operation(api, "UpdateArchive", contents({}), &Archives::update),
      operation(api, "DescribeArchive", archive, &Archives::describe),
      operation(api, "DeleteArchive", archive, &Archives::remove),
      operation(
          api, "ListArchives",
          structure(paged({optional("NamePrefix", archive_name), optional("EventSourceArn", arn_shape()),
                           states({"ENABLED", "DISABLED", "CREATING", "UPDATING", "CREATE_FAILED", "UPDATE_FAILED"})})),
          &Archives::list),
      operation(api, "StartReplay",
                structure({required("ReplayName", name_shape()), optional("Description", description_shape()),
                           required("EventSourceArn", arn_shape()), required("EventStartTime", timestamp()),
                           required("EventEndTime", timestamp()),
                           required("Destination", structure({required("Arn", arn_shape()),
                                                              optional("FilterArns", list(arn_shape()))}))}),
                &Archives::start_replay),
      operation(api, "DescribeReplay", replay, &Archives::describe_replay),
      operation(api, "CancelReplay", replay, &Archives::cancel_replay),
      operation(api, "ListReplays",
                structure(paged({optional("NamePrefix", name_shape()), optional("EventSourceArn", arn_shape()),
                                 states({"STARTING", "RUNNING", "CANCELLING", "COMPLETED", "CANCELLED", "FAILED"})})),
                &Archives::list_replays_of),
  };
}

}  // namespace slipway::events
