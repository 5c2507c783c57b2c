#include "events/api.h"

#include <algorithm>

#include "events/entry.h"
#include "events/schedule.h"

namespace slipway::events {

namespace {

using wire::Answer;
using wire::Call;
using wire::Shape;

constexpr const char* kNamePattern = "[\\.\\-_A-Za-z0-9]+";

std::unexpected<Error> invalid(std::string message) {
  return fail(Fault::invalid, "ValidationException", std::move(message));
}

std::unexpected<Error> no_rule(const std::string& name) {
  return fail(Fault::not_found, "ResourceNotFoundException", "Rule " + name + " does not exist on EventBus default.");
}

// Only the default bus exists; every other name is answered as AWS answers a bus that is not there.
Result<void> check_bus(const Bus& bus, const json::object& input) {
  const auto name = get_string(input, "EventBusName", "default");
  if (name == "default" || name == bus.place().arn("events", "event-bus/default")) return {};
  return fail(Fault::not_found, "ResourceNotFoundException", "Event bus " + name + " does not exist.");
}

Shape name() {
  return wire::text(1, 64, kNamePattern);
}
Shape bus_name() {
  return wire::text(1, 1600);
}
Shape rule_arn_shape() {
  return wire::text(1, 1600);
}
Shape tag() {
  return wire::structure({wire::required("Key", wire::text(1, 128)), wire::required("Value", wire::text(0, 256))});
}
std::vector<wire::Member> paged(std::vector<wire::Member> members) {
  members.push_back(wire::optional("NextToken", wire::text(1, 2048)));
  members.push_back(wire::optional("Limit", wire::integer(1, 100)));
  return members;
}

// A page of `all`: after the item named by NextToken, at most Limit.
template <class Item, class NameOf>
std::pair<std::vector<Item>, std::string> page(const std::vector<Item>& all, const json::object& input,
                                               NameOf name_of) {
  const auto after = get_string(input, "NextToken");
  const auto limit = static_cast<std::size_t>(get_int(input, "Limit", 100));
  std::vector<Item> out;
  for (const auto& item : all) {
    if (!after.empty() && name_of(item) <= after) continue;
    if (out.size() == limit) return {out, name_of(out.back())};
    out.push_back(item);
  }
  return {out, std::string()};
}

json::object describe(const Bus& bus, const Rule& rule) {
  json::object out{
      {"Name", rule.name}, {"Arn", bus.rule_arn(rule.name)}, {"State", rule.state}, {"EventBusName", "default"}};
  if (!rule.pattern.empty()) out["EventPattern"] = rule.pattern;
  if (!rule.schedule.empty()) out["ScheduleExpression"] = rule.schedule;
  if (!rule.description.empty()) out["Description"] = rule.description;
  if (!rule.role_arn.empty()) out["RoleArn"] = rule.role_arn;
  return out;
}

// Reads the rule that PutRule asks for.
Result<Rule> read_rule(const Call& call) {
  Rule rule{.name = get_string(call.input, "Name"),
            .pattern = get_string(call.input, "EventPattern"),
            .schedule = get_string(call.input, "ScheduleExpression"),
            .state = get_string(call.input, "State", "ENABLED"),
            .description = get_string(call.input, "Description"),
            .created_by = call.caller.account};
  if (rule.pattern.empty() && rule.schedule.empty()) {
    return invalid("Parameter(s) EventPattern or ScheduleExpression must be specified.");
  }
  if (!rule.pattern.empty()) {
    const auto compiled = compile(rule.pattern);
    if (!compiled) return fail(compiled);
  }
  if (!rule.schedule.empty()) {
    const auto every = parse_rate(rule.schedule);
    if (!every) return fail(every);
    rule.due = call.now + *every;
  }
  return rule;
}

// Each member function is one operation; the operation table binds them.
class Api {
 public:
  explicit Api(Bus& bus) : bus_(bus) {}

  task<Result<Answer>> put_rule(Call call) {
    if (const auto ok = check_bus(bus_, call.input); !ok) co_return fail(ok);
    const auto rule = read_rule(call);
    if (!rule) co_return fail(rule);
    auto store = [rule = *rule, tags = get_array(call.input, "Tags"),
                  arn = bus_.rule_arn(rule->name)](database::Transaction& tx) -> Result<void> {
      const bool is_new = !find_rule(tx, rule.name);
      if (is_new && all_rules(tx).size() >= kRulesMax) {
        return fail(Fault::conflict, "LimitExceededException",
                    "The requested resource exceeds the maximum number allowed.");
      }
      events::put_rule(tx, rule);
      if (is_new) put_tags(tx, arn, tags);  // AWS ignores tags of an update.
      return {};
    };
    const auto stored = co_await bus_.db().write(std::move(store));
    if (!stored) co_return fail(stored);
    bus_.wake();
    co_return Answer{.output = {{"RuleArn", bus_.rule_arn(rule->name)}}};
  }

  task<Result<Answer>> describe_rule(Call call) {
    if (const auto ok = check_bus(bus_, call.input); !ok) co_return fail(ok);
    const auto rule = find_rule(bus_.db().read(), get_string(call.input, "Name"));
    if (!rule) co_return no_rule(get_string(call.input, "Name"));
    auto out = describe(bus_, *rule);
    out["CreatedBy"] = rule->created_by;
    co_return Answer{.output = std::move(out)};
  }

  task<Result<Answer>> list_rules(Call call) {
    if (const auto ok = check_bus(bus_, call.input); !ok) co_return fail(ok);
    auto rules = all_rules(bus_.db().read());
    const auto prefix = get_string(call.input, "NamePrefix");
    std::erase_if(rules, [&](const Rule& rule) { return !rule.name.starts_with(prefix); });
    const auto [shown, next] = page(rules, call.input, [](const Rule& rule) { return rule.name; });
    json::array list;
    for (const auto& rule : shown) list.push_back(describe(bus_, rule));
    json::object out{{"Rules", std::move(list)}};
    if (!next.empty()) out["NextToken"] = next;
    co_return Answer{.output = std::move(out)};
  }

  task<Result<Answer>> delete_rule(Call call) {
    if (const auto ok = check_bus(bus_, call.input); !ok) co_return fail(ok);
    auto remove = [rule = get_string(call.input, "Name"),
                   arn = bus_.rule_arn(get_string(call.input, "Name"))](database::Transaction& tx) -> Result<void> {
      if (!targets_of(tx, rule).empty()) return invalid("Rule can't be deleted since it has targets.");
      events::delete_rule(tx, rule);  // A rule that is not there is deleted already, as AWS has it.
      tx.execute("DELETE FROM events_tags WHERE arn = ?1", {arn});
      return {};
    };
    const auto removed = co_await bus_.db().write(std::move(remove));
    if (!removed) co_return fail(removed);
    co_return Answer{};
  }

  task<Result<Answer>> enable_rule(Call call) { return set_state(std::move(call), "ENABLED"); }
  task<Result<Answer>> disable_rule(Call call) { return set_state(std::move(call), "DISABLED"); }

  task<Result<Answer>> put_targets(Call call) {
    if (const auto ok = check_bus(bus_, call.input); !ok) co_return fail(ok);
    json::array failed;
    std::vector<Target> good;
    for (const auto& entry : get_array(call.input, "Targets")) {
      Target target{.rule = get_string(call.input, "Rule"),
                    .id = get_string(entry.as_object(), "Id"),
                    .arn = get_string(entry.as_object(), "Arn"),
                    .definition = entry.as_object()};
      if (const auto shape = check_input(target.input()); !shape) co_return fail(shape);
      const auto accepted = accepts(target);
      if (accepted) {
        good.push_back(std::move(target));
      } else {
        failed.push_back(json::object{
            {"TargetId", target.id}, {"ErrorCode", accepted.error().code}, {"ErrorMessage", accepted.error().message}});
      }
    }
    auto store = [good, rule = get_string(call.input, "Rule")](database::Transaction& tx) -> Result<void> {
      if (!find_rule(tx, rule)) return no_rule(rule);
      for (const auto& target : good) put_target(tx, target);
      if (targets_of(tx, rule).size() <= kTargetsPerRuleMax) return {};
      return fail(Fault::conflict, "LimitExceededException",
                  "The requested resource exceeds the maximum number allowed.");
    };
    const auto stored = co_await bus_.db().write(std::move(store));
    if (!stored) co_return fail(stored);
    co_return failures(std::move(failed));
  }

  task<Result<Answer>> list_targets_by_rule(Call call) {
    if (const auto ok = check_bus(bus_, call.input); !ok) co_return fail(ok);
    const auto rule = get_string(call.input, "Rule");
    if (!find_rule(bus_.db().read(), rule)) co_return no_rule(rule);
    const auto targets = targets_of(bus_.db().read(), rule);
    const auto [shown, next] = page(targets, call.input, [](const Target& target) { return target.id; });
    json::array list;
    for (const auto& target : shown) list.push_back(target.definition);
    json::object out{{"Targets", std::move(list)}};
    if (!next.empty()) out["NextToken"] = next;
    co_return Answer{.output = std::move(out)};
  }

  task<Result<Answer>> remove_targets(Call call) {
    if (const auto ok = check_bus(bus_, call.input); !ok) co_return fail(ok);
    const auto rule = get_string(call.input, "Rule");
    auto remove =
        [rule, ids = get_strings(call.input, "Ids")](database::Transaction& tx) -> Result<std::vector<std::string>> {
      if (!find_rule(tx, rule)) return no_rule(rule);
      std::vector<std::string> unknown;
      for (const auto& id : ids) {
        if (!delete_target(tx, rule, id)) unknown.push_back(id);
      }
      return unknown;
    };
    const auto unknown = co_await bus_.db().write(std::move(remove));
    if (!unknown) co_return fail(unknown);
    json::array failed;
    for (const auto& id : *unknown) {
      failed.push_back(json::object{{"TargetId", id},
                                    {"ErrorCode", "ResourceNotFoundException"},
                                    {"ErrorMessage", "Rule " + rule + " has no target with the Id " + id + "."}});
    }
    co_return failures(std::move(failed));
  }

  task<Result<Answer>> list_rule_names_by_target(Call call) {
    if (const auto ok = check_bus(bus_, call.input); !ok) co_return fail(ok);
    const auto names = rules_of_target(bus_.db().read(), get_string(call.input, "TargetArn"));
    const auto [shown, next] = page(names, call.input, [](const std::string& rule) { return rule; });
    json::object out{{"RuleNames", to_array(shown)}};
    if (!next.empty()) out["NextToken"] = next;
    co_return Answer{.output = std::move(out)};
  }

  task<Result<Answer>> put_events(Call call) {
    std::vector<Result<Event>> entries;
    std::size_t bytes = 0;
    for (const auto& entry : get_array(call.input, "Entries")) {
      bytes += entry_bytes(entry.as_object());
      const auto on_bus = check_bus(bus_, entry.as_object());
      entries.push_back(on_bus ? read_entry(entry.as_object(), call.now) : Result<Event>(fail(on_bus)));
    }
    if (bytes > kEntryBytesMax) {
      co_return invalid("Total size of the entries in the request is over the limit.");
    }
    auto publish = [this, entries, now = call.now](database::Transaction& tx) {
      json::array results;
      for (const auto& entry : entries) {
        results.push_back(
            entry ? json::object{{"EventId", bus_.publish(tx, *entry, now)}}
                  : json::object{{"ErrorCode", entry.error().code}, {"ErrorMessage", entry.error().message}});
      }
      return results;
    };
    auto results = co_await bus_.db().write(std::move(publish));
    const auto failed = std::count_if(entries.begin(), entries.end(), [](const auto& entry) { return !entry; });
    co_return Answer{.output = {{"FailedEntryCount", failed}, {"Entries", std::move(results)}}};
  }

  task<Result<Answer>> test_event_pattern(Call call) {
    const auto event = parse_json(get_string(call.input, "Event"));
    bool complete = event && event->is_object();
    for (const auto* member : {"id", "account", "source", "time", "region", "detail-type"}) {
      complete = complete && event->get_object().contains(member);
    }
    if (!complete) co_return invalid("Parameter Event is not valid.");
    const auto pattern = compile(get_string(call.input, "EventPattern"));
    if (!pattern) co_return fail(pattern);
    const auto matched = matches(*pattern, get_string(call.input, "Event"));
    if (!matched) co_return fail(matched);
    co_return Answer{.output = {{"Result", *matched}}};
  }

  task<Result<Answer>> tag_resource(Call call) {
    auto store = [arn = get_string(call.input, "ResourceARN"), tags = get_array(call.input, "Tags"),
                  known = rule_check(call)](database::Transaction& tx) -> Result<void> {
      if (const auto there = known(tx); !there) return fail(there);
      put_tags(tx, arn, tags);
      return {};
    };
    const auto stored = co_await bus_.db().write(std::move(store));
    if (!stored) co_return fail(stored);
    co_return Answer{};
  }

  task<Result<Answer>> untag_resource(Call call) {
    auto remove = [arn = get_string(call.input, "ResourceARN"), keys = get_strings(call.input, "TagKeys"),
                   known = rule_check(call)](database::Transaction& tx) -> Result<void> {
      if (const auto there = known(tx); !there) return fail(there);
      delete_tags(tx, arn, keys);
      return {};
    };
    const auto removed = co_await bus_.db().write(std::move(remove));
    if (!removed) co_return fail(removed);
    co_return Answer{};
  }

  task<Result<Answer>> list_tags_for_resource(Call call) {
    const auto known = rule_check(call);
    if (const auto there = known(bus_.db().read()); !there) co_return fail(there);
    co_return Answer{.output = {{"Tags", tags_of(bus_.db().read(), get_string(call.input, "ResourceARN"))}}};
  }

  task<Result<Answer>> describe_event_bus(Call call) {
    const json::object named{{"EventBusName", get_string(call.input, "Name", "default")}};
    if (const auto ok = check_bus(bus_, named); !ok) co_return fail(ok);
    co_return Answer{.output = default_bus()};
  }

  task<Result<Answer>> list_event_buses(Call call) {
    json::array buses;
    if (std::string_view("default").starts_with(get_string(call.input, "NamePrefix"))) buses.push_back(default_bus());
    co_return Answer{.output = {{"EventBuses", std::move(buses)}}};
  }

  task<Result<Answer>> create_event_bus(Call) {
    co_return fail(Fault::unsupported, "OperationDisabledException",
                   "Custom event buses are not supported yet; use the default bus.");
  }

 private:
  json::object default_bus() const {
    return {{"Name", "default"}, {"Arn", bus_.place().arn("events", "event-bus/default")}};
  }

  static Answer failures(json::array failed) {
    const auto count = failed.size();
    return {.output = {{"FailedEntryCount", count}, {"FailedEntries", std::move(failed)}}};
  }

  Result<void> accepts(const Target& target) const {
    const auto accepted = bus_.targets().accepts(target.arn);
    if (!accepted) return accepted;
    const auto queue = target.dead_letter_arn();
    if (queue.empty()) return {};
    const auto arn = parse_arn(queue);
    if (arn && arn->service == "sqs" && !arn->resource.ends_with(".fifo")) return {};
    return invalid("The dead-letter queue " + queue + " is not the ARN of a standard SQS queue.");
  }

  // Whether the rule that ResourceARN names exists, wherever it is asked.
  std::function<Result<void>(database::Connection&)> rule_check(const Call& call) const {
    const auto arn = get_string(call.input, "ResourceARN");
    const auto prefix = bus_.rule_arn("");
    const bool default_bus = arn == bus_.place().arn("events", "event-bus/default");
    return [arn, prefix, default_bus](database::Connection& db) -> Result<void> {
      if (default_bus) return {};
      const auto name = arn.starts_with(prefix) ? arn.substr(prefix.size()) : std::string();
      if (find_rule(db, name)) return {};
      return no_rule(name.empty() ? arn : name);
    };
  }

  task<Result<Answer>> set_state(Call call, std::string state) {
    if (const auto ok = check_bus(bus_, call.input); !ok) co_return fail(ok);
    auto change = [name = get_string(call.input, "Name"), state,
                   now = call.now](database::Transaction& tx) -> Result<void> {
      auto rule = find_rule(tx, name);
      if (!rule) return no_rule(name);
      rule->state = state;
      if (!rule->schedule.empty()) rule->due = now + parse_rate(rule->schedule).value_or(Duration(0));
      events::put_rule(tx, *rule);
      return {};
    };
    const auto changed = co_await bus_.db().write(std::move(change));
    if (!changed) co_return fail(changed);
    bus_.wake();
    co_return Answer{};
  }

  Bus& bus_;
};

Shape put_rule_shape() {
  return wire::structure({
      wire::required("Name", name()),
      wire::optional("ScheduleExpression", wire::text(0, 256)),
      wire::optional("EventPattern", wire::text(0, 4096)),
      wire::optional("State", wire::one_of({"ENABLED", "DISABLED", "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"})),
      wire::optional("Description", wire::text(0, 512)),
      wire::warned("RoleArn", wire::text(1, 1600),
                   "The role of a rule is not used: targets check the caller events.amazonaws.com."),
      wire::optional("Tags", wire::list(tag())),
      wire::optional("EventBusName", bus_name()),
  });
}

Shape target_shape() {
  const auto refuse = [](const char* name, const char* what) {
    return wire::refused(name, wire::document(), std::string(what) + " targets are not supported yet");
  };
  return wire::structure({
      wire::required("Id", name()),
      wire::required("Arn", wire::text(1, 1600)),
      wire::warned("RoleArn", wire::text(1, 1600),
                   "The role of a target is not used: the target's own policy decides."),
      wire::optional("Input", wire::text(0, 8192)),
      wire::optional("InputPath", wire::text(0, 256)),
      wire::optional("InputTransformer",
                     wire::structure({wire::optional("InputPathsMap", wire::map(wire::text(0, 256))),
                                      wire::required("InputTemplate", wire::text(1, 8192))})),
      wire::optional("DeadLetterConfig", wire::structure({wire::optional("Arn", wire::text(1, 1600))})),
      wire::optional("RetryPolicy",
                     wire::structure({wire::optional("MaximumRetryAttempts", wire::integer(0, 185)),
                                      wire::optional("MaximumEventAgeInSeconds", wire::integer(60, 86400))})),
      refuse("KinesisParameters", "Kinesis"),
      refuse("RunCommandParameters", "Run Command"),
      refuse("EcsParameters", "ECS task"),
      refuse("BatchParameters", "Batch"),
      refuse("SqsParameters", "FIFO queue"),
      refuse("HttpParameters", "HTTP"),
      refuse("RedshiftDataParameters", "Redshift"),
      refuse("SageMakerPipelineParameters", "SageMaker"),
      refuse("AppSyncParameters", "AppSync"),
  });
}

Shape entry_shape() {
  return wire::structure({
      wire::optional("Time", wire::timestamp()),
      wire::optional("Source", wire::text()),
      wire::optional("Resources", wire::list(wire::text())),
      wire::optional("DetailType", wire::text()),
      wire::optional("Detail", wire::text()),
      wire::optional("EventBusName", bus_name()),
      wire::warned("TraceHeader", wire::text(1, 500), "X-Ray traces are not kept."),
  });
}

Shape rule_named(const char* member) {
  return wire::structure({wire::required(member, name()), wire::optional("EventBusName", bus_name())});
}

using Method = task<Result<Answer>> (Api::*)(Call);

wire::Operation operation(const std::shared_ptr<Api>& api, std::string op, Shape input, Method method) {
  auto handler = [api, method](Call call) { return ((*api).*method)(std::move(call)); };
  return {.name = std::move(op), .input = std::move(input), .handler = std::move(handler)};
}

// The rule that a call names, for iam.
wire::Operation on_rule(wire::Operation op, const char* member) {
  op.resource = [member](const Call& call) {
    return call.place.arn("events", "rule/" + get_string(call.input, member));
  };
  return op;
}

std::vector<wire::Operation> rule_operations(const std::shared_ptr<Api>& api) {
  return {
      on_rule(operation(api, "PutRule", put_rule_shape(), &Api::put_rule), "Name"),
      on_rule(operation(api, "DescribeRule", rule_named("Name"), &Api::describe_rule), "Name"),
      operation(
          api, "ListRules",
          wire::structure(paged({wire::optional("NamePrefix", name()), wire::optional("EventBusName", bus_name())})),
          &Api::list_rules),
      on_rule(operation(api, "DeleteRule",
                        wire::structure({wire::required("Name", name()), wire::optional("EventBusName", bus_name()),
                                         wire::ignored("Force", wire::boolean())}),
                        &Api::delete_rule),
              "Name"),
      on_rule(operation(api, "EnableRule", rule_named("Name"), &Api::enable_rule), "Name"),
      on_rule(operation(api, "DisableRule", rule_named("Name"), &Api::disable_rule), "Name"),
      operation(api, "ListRuleNamesByTarget",
                wire::structure(paged(
                    {wire::required("TargetArn", wire::text(1, 1600)), wire::optional("EventBusName", bus_name())})),
                &Api::list_rule_names_by_target),
      operation(
          api, "TagResource",
          wire::structure({wire::required("ResourceARN", rule_arn_shape()), wire::required("Tags", wire::list(tag()))}),
          &Api::tag_resource),
      operation(api, "UntagResource",
                wire::structure({wire::required("ResourceARN", rule_arn_shape()),
                                 wire::required("TagKeys", wire::list(wire::text(1, 128)))}),
                &Api::untag_resource),
      operation(api, "ListTagsForResource", wire::structure({wire::required("ResourceARN", rule_arn_shape())}),
                &Api::list_tags_for_resource),
  };
}

std::vector<wire::Operation> other_operations(const std::shared_ptr<Api>& api) {
  return {
      on_rule(operation(api, "PutTargets",
                        wire::structure({wire::required("Rule", name()), wire::optional("EventBusName", bus_name()),
                                         wire::required("Targets", wire::list(target_shape(), 1, 100))}),
                        &Api::put_targets),
              "Rule"),
      on_rule(operation(
                  api, "ListTargetsByRule",
                  wire::structure(paged({wire::required("Rule", name()), wire::optional("EventBusName", bus_name())})),
                  &Api::list_targets_by_rule),
              "Rule"),
      on_rule(operation(api, "RemoveTargets",
                        wire::structure({wire::required("Rule", name()), wire::optional("EventBusName", bus_name()),
                                         wire::required("Ids", wire::list(name(), 1, 100)),
                                         wire::ignored("Force", wire::boolean())}),
                        &Api::remove_targets),
              "Rule"),
      operation(
          api, "PutEvents",
          wire::structure({wire::required("Entries", wire::list(entry_shape(), 1, 10)),
                           wire::refused("EndpointId", wire::text(1, 50), "global endpoints are not supported yet")}),
          &Api::put_events),
      operation(
          api, "TestEventPattern",
          wire::structure({wire::required("EventPattern", wire::text(0, 4096)), wire::required("Event", wire::text())}),
          &Api::test_event_pattern),
      operation(api, "DescribeEventBus", wire::structure({wire::optional("Name", bus_name())}),
                &Api::describe_event_bus),
      operation(api, "ListEventBuses", wire::structure(paged({wire::optional("NamePrefix", wire::text(1, 256))})),
                &Api::list_event_buses),
      operation(api, "CreateEventBus", wire::structure({wire::required("Name", wire::text(1, 256))}),
                &Api::create_event_bus),
  };
}

}  // namespace

wire::Service service(Bus& bus) {
  const auto api = std::make_shared<Api>(bus);
  wire::Service out{.name = "events", .protocols = {wire::Protocol::json_1_1}, .target_prefix = "AWSEvents"};
  out.operations = rule_operations(api);
  std::ranges::move(other_operations(api), std::back_inserter(out.operations));
  return out;
}

}  // namespace slipway::events
