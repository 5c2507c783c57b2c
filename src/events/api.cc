#include "events/api.h"

#include <algorithm>
#include <set>

#include "events/api_parts.h"
#include "events/entry.h"
#include "events/schedule.h"

namespace slipway::events {

namespace {

using wire::Answer;
using wire::Call;
using wire::Shape;

std::unexpected<Error> managed(const std::string& rule) {
  return fail(Fault::conflict, "ManagedRuleException",
              rule + " is a managed rule. Set 'force' parameter to true to override.");
}

json::object describe(const Bus& bus, const Rule& rule) {
  json::object out{{"Name", rule.name},
                   {"Arn", bus.place().arn("events", rule.resource())},
                   {"State", rule.state},
                   {"EventBusName", rule.bus}};
  if (!rule.pattern.empty()) out["EventPattern"] = rule.pattern;
  if (!rule.schedule.empty()) out["ScheduleExpression"] = rule.schedule;
  if (!rule.description.empty()) out["Description"] = rule.description;
  if (!rule.role_arn.empty()) out["RoleArn"] = rule.role_arn;
  if (!rule.managed_by.empty()) out["ManagedBy"] = rule.managed_by;
  return out;
}

// Reads the rule that PutRule asks for.
Result<Rule> read_rule(const Call& call) {
  Rule rule{.bus = bus_of(call.place, call.input),
            .name = get_string(call.input, "Name"),
            .pattern = get_string(call.input, "EventPattern"),
            .schedule = get_string(call.input, "ScheduleExpression"),
            .state = get_string(call.input, "State", "ENABLED"),
            .description = get_string(call.input, "Description"),
            .role_arn = get_string(call.input, "RoleArn"),
            .created_by = call.caller.account};
  if (rule.pattern.empty() && rule.schedule.empty()) {
    return invalid("Parameter(s) EventPattern or ScheduleExpression must be specified.");
  }
  if (!rule.pattern.empty()) {
    const auto compiled = compile(rule.pattern);
    if (!compiled) return fail(compiled);
  }
  if (!rule.schedule.empty()) {
    if (rule.bus != kDefaultBus) return invalid("ScheduleExpression is supported only on the default event bus.");
    const auto schedule = parse_schedule(rule.schedule);
    if (!schedule) return fail(schedule);
    rule.due = next_fire(*schedule, call.now, call.now).value_or(kNever);
  }
  return rule;
}

// Each member function is one operation; the operation table binds them.
class Api {
 public:
  explicit Api(Bus& bus) : bus_(bus) {}

  task<Result<Answer>> put_rule(Call call) {
    const auto rule = read_rule(call);
    if (!rule) co_return fail(rule);
    const auto tags = get_array(call.input, "Tags");
    if (const auto good = check_tags(tags); !good) co_return fail(good);
    const auto arn = bus_.place().arn("events", rule->resource());
    auto store = [this, rule = *rule, tags, arn](database::Transaction& tx) -> Result<void> {
      if (!find_bus(tx, rule.bus)) return no_bus(rule.bus);
      const auto known = find_rule(tx, rule.bus, rule.name);
      if (known && !known->managed_by.empty()) return managed(rule.name);
      if (!known && count_rules(tx, rule.bus) >= bus_.quotas().rules_per_bus) return over_limit();
      events::put_rule(tx, rule);
      bus_.touch(tx, rule.bus, rule.name);
      if (!known) put_tags(tx, arn, tags);  // AWS ignores tags of an update.
      return {};
    };
    const auto stored = co_await bus_.db().write(std::move(store));
    if (!stored) co_return fail(stored);
    co_return Answer{.output = {{"RuleArn", arn}}};
  }

  task<Result<Answer>> describe_rule(Call call) {
    const auto name = get_string(call.input, "Name");
    const auto bus = bus_of(bus_.place(), call.input);
    const auto rule = find_rule(bus_.db().read(), bus, name);
    if (!rule) co_return no_rule_on(bus, name);
    auto out = describe(bus_, *rule);
    out["CreatedBy"] = rule->created_by;
    co_return Answer{.output = std::move(out)};
  }

  task<Result<Answer>> list_rules(Call call) {
    const auto bus = bus_of(bus_.place(), call.input);
    if (!find_bus(bus_.db().read(), bus)) co_return no_bus(bus);
    const auto limit = get_int(call.input, "Limit", 100);
    auto rules = events::list_rules(bus_.db().read(), bus, get_string(call.input, "NamePrefix"),
                                    get_string(call.input, "NextToken"), limit + 1);
    json::object out;
    if (static_cast<long long>(rules.size()) > limit) {
      rules.pop_back();
      out["NextToken"] = rules.back().name;
    }
    json::array list;
    for (const auto& rule : rules) list.push_back(describe(bus_, rule));
    out["Rules"] = std::move(list);
    co_return Answer{.output = std::move(out)};
  }

  task<Result<Answer>> delete_rule(Call call) {
    const Rule named{.bus = bus_of(bus_.place(), call.input), .name = get_string(call.input, "Name")};
    auto remove = [this, named, force = get_bool(call.input, "Force"),
                   arn = bus_.place().arn("events", named.resource())](database::Transaction& tx) -> Result<void> {
      if (!find_bus(tx, named.bus)) return no_bus(named.bus);
      const auto rule = find_rule(tx, named.bus, named.name);
      if (!rule) return {};  // A rule that is not there is deleted already, as AWS has it.
      if (!rule->managed_by.empty() && !force) return managed(named.name);
      if (!targets_of(tx, named.bus, named.name).empty()) return invalid("Rule can't be deleted since it has targets.");
      events::delete_rule(tx, named.bus, named.name);
      bus_.touch(tx, named.bus, named.name);
      forget_tags(tx, arn);
      return {};
    };
    const auto removed = co_await bus_.db().write(std::move(remove));
    if (!removed) co_return fail(removed);
    co_return Answer{};
  }

  task<Result<Answer>> enable_rule(Call call) { return set_state(std::move(call), "ENABLED"); }
  task<Result<Answer>> disable_rule(Call call) { return set_state(std::move(call), "DISABLED"); }

  task<Result<Answer>> put_targets(Call call) {
    const auto bus = bus_of(bus_.place(), call.input);
    const auto rule = get_string(call.input, "Rule");
    json::array failed;
    std::vector<Target> good;
    std::set<std::string> ids;
    for (const auto& entry : get_array(call.input, "Targets")) {
      Target target{.bus = bus,
                    .rule = rule,
                    .id = get_string(entry.as_object(), "Id"),
                    .arn = get_string(entry.as_object(), "Arn"),
                    .definition = entry.as_object()};
      if (!ids.insert(target.id).second) co_return invalid("Duplicate target id " + target.id + " in the request.");
      if (const auto shape = check_input(target.input()); !shape) co_return fail(shape);
      const auto accepted = accepts(target);
      if (accepted) {
        good.push_back(std::move(target));
      } else {
        failed.push_back(json::object{
            {"TargetId", target.id}, {"ErrorCode", accepted.error().code}, {"ErrorMessage", accepted.error().message}});
      }
    }
    auto store = [this, good, bus, rule](database::Transaction& tx) -> Result<void> {
      const auto known = rule_in(tx, bus, rule);
      if (!known) return fail(known);
      if (!known->managed_by.empty()) return managed(rule);
      for (const auto& target : good) put_target(tx, target);
      bus_.touch(tx, bus, rule);
      if (targets_of(tx, bus, rule).size() <= kTargetsPerRuleMax) return {};
      return over_limit();
    };
    const auto stored = co_await bus_.db().write(std::move(store));
    if (!stored) co_return fail(stored);
    co_return failures(std::move(failed));
  }

  task<Result<Answer>> list_targets_by_rule(Call call) {
    const auto bus = bus_of(bus_.place(), call.input);
    const auto rule = get_string(call.input, "Rule");
    if (const auto known = rule_in(bus_.db().read(), bus, rule); !known) co_return fail(known);
    const auto targets = targets_of(bus_.db().read(), bus, rule);
    const auto [shown, next] = page(targets, call.input, [](const Target& target) { return target.id; });
    json::array list;
    for (const auto& target : shown) list.push_back(target.definition);
    json::object out{{"Targets", std::move(list)}};
    if (!next.empty()) out["NextToken"] = next;
    co_return Answer{.output = std::move(out)};
  }

  task<Result<Answer>> remove_targets(Call call) {
    const auto bus = bus_of(bus_.place(), call.input);
    const auto rule = get_string(call.input, "Rule");
    auto remove = [this, bus, rule, force = get_bool(call.input, "Force"), ids = get_strings(call.input, "Ids")](
                      database::Transaction& tx) -> Result<std::vector<std::string>> {
      const auto known = rule_in(tx, bus, rule);
      if (!known) return fail(known);
      if (!known->managed_by.empty() && !force) return managed(rule);
      std::vector<std::string> unknown;
      for (const auto& id : ids) {
        if (!delete_target(tx, bus, rule, id)) unknown.push_back(id);
      }
      bus_.touch(tx, bus, rule);
      return unknown;
    };
    const auto unknown = co_await bus_.db().write(std::move(remove));
    if (!unknown) co_return fail(unknown);
    json::array failed;
    for (const auto& id : *unknown) {
      failed.push_back(
          json::object{{"TargetId", id},
                       {"ErrorCode", "ResourceNotFoundException"},
                       {"ErrorMessage", "Rule '" + rule + "' does not have a target with the Id '" + id + "'."}});
    }
    co_return failures(std::move(failed));
  }

  task<Result<Answer>> list_rule_names_by_target(Call call) {
    const auto bus = bus_of(bus_.place(), call.input);
    if (!find_bus(bus_.db().read(), bus)) co_return no_bus(bus);
    const auto names = rules_of_target(bus_.db().read(), bus, get_string(call.input, "TargetArn"));
    const auto [shown, next] = page(names, call.input, [](const std::string& rule) { return rule; });
    json::object out{{"RuleNames", to_array(shown)}};
    if (!next.empty()) out["NextToken"] = next;
    co_return Answer{.output = std::move(out)};
  }

  task<Result<Answer>> put_events(Call call) {
    struct Entry {
      std::string bus;
      Result<Event> event;
      std::string trace;
    };
    std::vector<Entry> entries;
    std::set<std::string> buses;
    std::size_t bytes = 0;
    for (const auto& value : get_array(call.input, "Entries")) {
      const auto& entry = value.as_object();
      bytes += entry_bytes(entry);
      entries.push_back({.bus = bus_of(bus_.place(), entry),
                         .event = read_entry(entry, call.now),
                         .trace = get_string(entry, "TraceHeader")});
      buses.insert(entries.back().bus);
    }
    if (bytes > kEntryBytesMax) co_return invalid("Total size of the entries in the request is over the limit.");
    Answer answer;
    for (const auto& name : buses) {
      const auto bus = find_bus(bus_.db().read(), name);
      // AWS takes events for a bus that does not exist, and drops them.
      if (!bus) answer.warnings.push_back("Event bus " + name + " does not exist; its events go nowhere.");
      const auto allowed =
          bus_.permissions().allow(call.caller, "events:PutEvents", bus_.bus_arn(name), bus ? bus->policy : "");
      if (!allowed) co_return fail(allowed);
    }
    auto publish = [this, entries, now = call.now](database::Transaction& tx) {
      json::array results;
      for (const auto& [bus, event, trace] : entries) {
        results.push_back(
            event ? json::object{{"EventId", bus_.publish_on(tx, bus, *event, now, trace)}}
                  : json::object{{"ErrorCode", event.error().code}, {"ErrorMessage", event.error().message}});
      }
      return results;
    };
    auto results = co_await bus_.db().write(std::move(publish));
    const auto failed = std::ranges::count_if(entries, [](const Entry& entry) { return !entry.event; });
    answer.output = {{"FailedEntryCount", failed}, {"Entries", std::move(results)}};
    co_return answer;
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
    const auto tags = get_array(call.input, "Tags");
    if (const auto good = check_tags(tags); !good) co_return fail(good);
    auto store = [this, arn = get_string(call.input, "ResourceARN"), tags](database::Transaction& tx) -> Result<void> {
      if (const auto there = taggable(tx, arn); !there) return there;
      put_tags(tx, arn, tags);
      return check_tags(tags_of(tx, arn));
    };
    const auto stored = co_await bus_.db().write(std::move(store));
    if (!stored) co_return fail(stored);
    co_return Answer{};
  }

  task<Result<Answer>> untag_resource(Call call) {
    auto remove = [this, arn = get_string(call.input, "ResourceARN"),
                   keys = get_strings(call.input, "TagKeys")](database::Transaction& tx) -> Result<void> {
      if (const auto there = taggable(tx, arn); !there) return there;
      delete_tags(tx, arn, keys);
      return {};
    };
    const auto removed = co_await bus_.db().write(std::move(remove));
    if (!removed) co_return fail(removed);
    co_return Answer{};
  }

  task<Result<Answer>> list_tags_for_resource(Call call) {
    const auto arn = get_string(call.input, "ResourceARN");
    if (const auto there = taggable(bus_.db().read(), arn); !there) co_return fail(there);
    co_return Answer{.output = {{"Tags", tags_of(bus_.db().read(), arn)}}};
  }

 private:
  static Answer failures(json::array failed) {
    const auto count = failed.size();
    return {.output = {{"FailedEntryCount", count}, {"FailedEntries", std::move(failed)}}};
  }

  // A rule that is not there, or whose bus is not.
  std::unexpected<Error> no_rule_on(const std::string& bus, const std::string& rule) const {
    return find_bus(bus_.db().read(), bus) ? no_rule(bus, rule) : no_bus(bus);
  }
  static Result<Rule> rule_in(database::Connection& db, const std::string& bus, const std::string& name) {
    if (!find_bus(db, bus)) return no_bus(bus);
    auto rule = find_rule(db, bus, name);
    if (!rule) return no_rule(bus, name);
    return *rule;
  }

  Result<void> accepts(const Target& target) const {
    const auto arn = parse_arn(target.arn);
    if (!arn || arn->service.empty())
      return invalid("Parameter " + target.arn + " is not valid. Reason: Provided Arn is not in correct format.");
    if (const auto good = accepts_kind(target, *arn); !good) return good;
    const auto queue = target.dead_letter_arn();
    if (queue.empty()) return {};
    const auto letters = parse_arn(queue);
    if (letters && letters->service == "sqs" && !letters->resource.ends_with(".fifo")) return {};
    return invalid("The dead-letter queue " + queue + " is not the ARN of a standard SQS queue.");
  }

  // Other buses are the bus's own business, all else is asked of the region.
  Result<void> accepts_kind(const Target& target, const Arn& arn) const {
    if (is_api_destination(bus_.place(), target.arn)) {
      if (has(target.definition, "RoleArn")) return {};
      return invalid("RoleArn is required for target " + target.arn + ".");
    }
    if (arn.service != "events" || !arn.resource.starts_with("event-bus/"))
      return bus_.targets().accepts(target.definition);
    const auto other = bus_of_arn(bus_.place(), target.arn);
    if (!other)
      return invalid("The event bus " + target.arn + " is of another account or region; only own ones exist.");
    if (*other == target.bus) return invalid("An event bus cannot be a target of its own rule.");
    const auto& given = target.definition;
    if (has(given, "Input") || has(given, "InputPath") || has(given, "InputTransformer"))
      return invalid(
          "An event bus as a target takes the event as it is: leave out Input, InputPath and InputTransformer.");
    return {};
  }

  // Whether the rule or the bus that the ARN names exists.
  Result<void> taggable(database::Connection& db, const std::string& arn) const {
    const auto [bus, rule] = named_by(bus_.place(), arn);
    if (bus.empty()) return no_rule(kDefaultBus, arn);
    if (!find_bus(db, bus)) return no_bus(bus);
    if (!rule.empty() && !find_rule(db, bus, rule)) return no_rule(bus, rule);
    return {};
  }

  task<Result<Answer>> set_state(Call call, std::string state) {
    auto change = [this, bus = bus_of(bus_.place(), call.input), name = get_string(call.input, "Name"), state,
                   now = call.now](database::Transaction& tx) -> Result<void> {
      auto rule = rule_in(tx, bus, name);
      if (!rule) return fail(rule);
      if (!rule->managed_by.empty()) return managed(name);
      rule->state = state;
      const auto schedule = parse_schedule(rule->schedule);
      if (schedule) rule->due = next_fire(*schedule, now, now).value_or(kNever);
      events::put_rule(tx, *rule);
      bus_.touch(tx, bus, name);
      return {};
    };
    const auto changed = co_await bus_.db().write(std::move(change));
    if (!changed) co_return fail(changed);
    co_return Answer{};
  }

  Bus& bus_;
};

Shape put_rule_shape() {
  return wire::structure({
      wire::required("Name", name_shape()),
      wire::optional("ScheduleExpression", wire::text(0, 256)),
      wire::optional("EventPattern", wire::text(0, 4096)),
      wire::optional("State", wire::one_of({"ENABLED", "DISABLED", "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"})),
      wire::optional("Description", description_shape()),
      wire::warned("RoleArn", arn_shape(), "The role of a rule is not used: its targets' own roles and policies are."),
      wire::optional("Tags", tags_shape()),
      wire::optional("EventBusName", bus_name_shape()),
  });
}

Shape ecs_shape() {
  using namespace wire;
  const auto network = structure({required("Subnets", list(text())), optional("SecurityGroups", list(text())),
                                  optional("AssignPublicIp", one_of({"ENABLED", "DISABLED"}))});
  return structure({required("TaskDefinitionArn", arn_shape()), optional("TaskCount", integer(1, 10)),
                    optional("LaunchType", one_of({"EC2", "FARGATE", "EXTERNAL"})),
                    warned("NetworkConfiguration", structure({optional("awsvpcConfiguration", network)}),
                           "tasks join the engine's bridge network"),
                    optional("PlatformVersion", text()), optional("Group", text()),
                    refused("CapacityProviderStrategy", list(document()), "there are no capacity providers here"),
                    optional("EnableECSManagedTags", boolean()),
                    refused("EnableExecuteCommand", boolean(), "not supported yet"),
                    refused("PlacementConstraints", list(document()), "there is one machine to place tasks on"),
                    refused("PlacementStrategy", list(document()), "there is one machine to place tasks on"),
                    refused("PropagateTags", text(), "tags of task definitions are not copied"),
                    refused("ReferenceId", text(), "not supported yet"), optional("Tags", tags_shape())});
}

Shape target_shape() {
  const auto refuse = [](const char* name, const char* what) {
    return wire::refused(name, wire::document(), std::string(what) + " targets are not supported yet");
  };
  return wire::structure({
      wire::required("Id", name_shape()),
      wire::required("Arn", arn_shape()),
      wire::optional("RoleArn", arn_shape()),
      wire::optional("Input", wire::text(0, 8192)),
      wire::optional("InputPath", wire::text(0, 256)),
      wire::optional("InputTransformer",
                     wire::structure({wire::optional("InputPathsMap", wire::map(wire::text(0, 256))),
                                      wire::required("InputTemplate", wire::text(1, 8192))})),
      wire::optional("DeadLetterConfig", wire::structure({wire::optional("Arn", arn_shape())})),
      wire::optional("RetryPolicy",
                     wire::structure({wire::optional("MaximumRetryAttempts", wire::integer(0, 185)),
                                      wire::optional("MaximumEventAgeInSeconds", wire::integer(60, 86400))})),
      refuse("KinesisParameters", "Kinesis"),
      refuse("RunCommandParameters", "Run Command"),
      wire::optional("EcsParameters", ecs_shape()),
      refuse("BatchParameters", "Batch"),
      refuse("SqsParameters", "FIFO queue"),
      wire::optional("HttpParameters",
                     wire::structure({wire::optional("PathParameterValues", wire::list(wire::text())),
                                      wire::optional("HeaderParameters", wire::map(wire::text(0, 512))),
                                      wire::optional("QueryStringParameters", wire::map(wire::text(0, 512)))})),
      refuse("RedshiftDataParameters", "Redshift"),
      refuse("SageMakerPipelineParameters", "SageMaker"),
      refuse("AppSyncParameters", "AppSync"),
  });
}

Shape entry_shape() {
  return wire::structure({
      wire::optional("Time", wire::timestamp()),
      wire::optional("Source", wire::text()),
      wire::optional("Resources", wire::list(wire::text(0, 2048))),
      wire::optional("DetailType", wire::text()),
      wire::optional("Detail", wire::text()),
      wire::optional("EventBusName", bus_name_shape()),
      wire::optional("TraceHeader", wire::text(1, 500)),
  });
}

Shape rule_named(const char* member) {
  return wire::structure({wire::required(member, name_shape()), wire::optional("EventBusName", bus_name_shape())});
}

std::vector<wire::Operation> rule_operations(const std::shared_ptr<Api>& api) {
  using namespace wire;
  const auto bus_name = optional("EventBusName", bus_name_shape());
  return {
      on_rule(operation(api, "PutRule", put_rule_shape(), &Api::put_rule), "Name"),
      on_rule(operation(api, "DescribeRule", rule_named("Name"), &Api::describe_rule), "Name"),
      operation(api, "ListRules", structure(paged({optional("NamePrefix", name_shape()), bus_name})), &Api::list_rules),
      on_rule(operation(api, "DeleteRule",
                        structure({required("Name", name_shape()), bus_name, optional("Force", boolean())}),
                        &Api::delete_rule),
              "Name"),
      on_rule(operation(api, "EnableRule", rule_named("Name"), &Api::enable_rule), "Name"),
      on_rule(operation(api, "DisableRule", rule_named("Name"), &Api::disable_rule), "Name"),
      operation(api, "ListRuleNamesByTarget", structure(paged({required("TargetArn", arn_shape()), bus_name})),
                &Api::list_rule_names_by_target),
      operation(api, "TagResource", structure({required("ResourceARN", arn_shape()), required("Tags", tags_shape())}),
                &Api::tag_resource),
      operation(api, "UntagResource",
                structure({required("ResourceARN", arn_shape()), required("TagKeys", list(text(1, 128)))}),
                &Api::untag_resource),
      operation(api, "ListTagsForResource", structure({required("ResourceARN", arn_shape())}),
                &Api::list_tags_for_resource),
  };
}

std::vector<wire::Operation> event_operations(const std::shared_ptr<Api>& api) {
  using namespace wire;
  const auto bus_name = optional("EventBusName", bus_name_shape());
  auto put_events = operation(api, "PutEvents",
                              structure({required("Entries", list(entry_shape(), 1, 10)),
                                         refused("EndpointId", text(1, 50), "global endpoints are not supported yet")}),
                              &Api::put_events);
  // The first entry's bus; the operation itself asks about every bus.
  put_events.resource = [](const Call& call) {
    const auto entries = get_array(call.input, "Entries");
    return call.place.arn("events", "event-bus/" + bus_of(call.place, entries.at(0).as_object()));
  };
  return {
      on_rule(operation(api, "PutTargets",
                        structure({required("Rule", name_shape()), bus_name,
                                   required("Targets", list(target_shape(), 1, 100))}),
                        &Api::put_targets),
              "Rule"),
      on_rule(operation(api, "ListTargetsByRule", structure(paged({required("Rule", name_shape()), bus_name})),
                        &Api::list_targets_by_rule),
              "Rule"),
      on_rule(operation(api, "RemoveTargets",
                        structure({required("Rule", name_shape()), bus_name,
                                   required("Ids", list(name_shape(), 1, 100)), optional("Force", boolean())}),
                        &Api::remove_targets),
              "Rule"),
      std::move(put_events),
      operation(api, "TestEventPattern",
                structure({required("EventPattern", text(0, 4096)), required("Event", text())}),
                &Api::test_event_pattern),
  };
}

}  // namespace

wire::Service service(Bus& bus) {
  const auto api = std::make_shared<Api>(bus);
  wire::Service out{.name = "events", .protocols = {wire::Protocol::json_1_1}, .target_prefix = "AWSEvents"};
  out.operations = rule_operations(api);
  std::ranges::move(event_operations(api), std::back_inserter(out.operations));
  std::ranges::move(bus_operations(bus), std::back_inserter(out.operations));
  std::ranges::move(archive_operations(bus), std::back_inserter(out.operations));
  std::ranges::move(connection_operations(bus), std::back_inserter(out.operations));
  return out;
}

}  // namespace slipway::events
