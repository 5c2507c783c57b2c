// Buses and their policies.
#include "events/api_parts.h"
#include "events/bus_policy.h"

namespace slipway::events {

namespace {

using wire::Answer;
using wire::Call;

constexpr std::size_t kBusesMax = 100;

json::object dead_letter(const EventBus& bus) {
  return {{"Arn", bus.dead_letter_arn}};
}

class Buses {
 public:
  explicit Buses(Bus& bus) : bus_(bus) {}

  task<Result<Answer>> create(Call call) {
    const EventBus made{.name = get_string(call.input, "Name"),
                        .description = get_string(call.input, "Description"),
                        .dead_letter_arn = get_string(get_object(call.input, "DeadLetterConfig"), "Arn"),
                        .created = call.now,
                        .modified = call.now};
    if (made.name.contains('/')) co_return invalid("Event bus name must not contain '/'.");
    const auto tags = get_array(call.input, "Tags");
    if (const auto good = check_tags(tags); !good) co_return fail(good);
    auto store = [made, tags, arn = bus_.bus_arn(made.name)](database::Transaction& tx) -> Result<void> {
      if (find_bus(tx, made.name))
        return fail(Fault::conflict, "ResourceAlreadyExistsException", "Event bus " + made.name + " already exists.");
      if (list_buses(tx, "").size() >= kBusesMax) return over_limit();
      put_bus(tx, made);
      put_tags(tx, arn, tags);
      return {};
    };
    const auto stored = co_await bus_.db().write(std::move(store));
    if (!stored) co_return fail(stored);
    json::object out{{"EventBusArn", bus_.bus_arn(made.name)}};
    if (!made.description.empty()) out["Description"] = made.description;
    if (!made.dead_letter_arn.empty()) out["DeadLetterConfig"] = dead_letter(made);
    co_return Answer{.output = std::move(out)};
  }

  task<Result<Answer>> update(Call call) {
    auto change = [name = bus_of(bus_.place(), call.input, "Name"), input = call.input,
                   now = call.now](database::Transaction& tx) -> Result<EventBus> {
      auto bus = find_bus(tx, name);
      if (!bus) return no_bus(name);
      if (has(input, "Description")) bus->description = get_string(input, "Description");
      if (has(input, "DeadLetterConfig"))
        bus->dead_letter_arn = get_string(get_object(input, "DeadLetterConfig"), "Arn");
      bus->modified = now;
      put_bus(tx, *bus);
      return *bus;
    };
    const auto changed = co_await bus_.db().write(std::move(change));
    if (!changed) co_return fail(changed);
    json::object out{{"Arn", bus_.bus_arn(changed->name)}, {"Name", changed->name}};
    if (!changed->description.empty()) out["Description"] = changed->description;
    if (!changed->dead_letter_arn.empty()) out["DeadLetterConfig"] = dead_letter(*changed);
    co_return Answer{.output = std::move(out)};
  }

  task<Result<Answer>> describe(Call call) {
    const auto name = bus_of(bus_.place(), call.input, "Name");
    const auto bus = find_bus(bus_.db().read(), name);
    if (!bus) co_return no_bus(name);
    auto out = summary(*bus);
    if (!bus->dead_letter_arn.empty()) out["DeadLetterConfig"] = dead_letter(*bus);
    co_return Answer{.output = std::move(out)};
  }

  task<Result<Answer>> list(Call call) {
    const auto all = list_buses(bus_.db().read(), get_string(call.input, "NamePrefix"));
    const auto [shown, next] = page(all, call.input, [](const EventBus& bus) { return bus.name; });
    json::array buses;
    for (const auto& bus : shown) buses.push_back(summary(bus));
    json::object out{{"EventBuses", std::move(buses)}};
    if (!next.empty()) out["NextToken"] = next;
    co_return Answer{.output = std::move(out)};
  }

  task<Result<Answer>> remove(Call call) {
    const auto name = bus_of(bus_.place(), call.input, "Name");
    if (name == kDefaultBus) co_return invalid("Cannot delete event bus default.");
    auto forget = [name, arn = bus_.bus_arn(name)](database::Transaction& tx) -> Result<void> {
      if (count_rules(tx, name) > 0) return invalid("EventBus can't be deleted since it has rules.");
      delete_bus(tx, name);  // One that is not there is deleted already, as AWS has it.
      forget_tags(tx, arn);
      return {};
    };
    const auto removed = co_await bus_.db().write(std::move(forget));
    if (!removed) co_return fail(removed);
    co_return Answer{};
  }

  task<Result<Answer>> put_permission(Call call) {
    const auto name = bus_of(bus_.place(), call.input);
    const auto whole = get_string(call.input, "Policy");
    if (!whole.empty()) {
      if (const auto good = bus_.permissions().check_policy(whole); !good) co_return fail(good);
    } else if (const auto good = check_statement(call.input); !good) {
      co_return fail(good);
    }
    auto store = [name, whole, input = call.input, arn = bus_.bus_arn(name),
                  now = call.now](database::Transaction& tx) -> Result<void> {
      auto bus = find_bus(tx, name);
      if (!bus) return no_bus(name);
      bus->policy = whole.empty() ? with_statement(bus->policy, input, arn) : whole;
      if (bus->policy.size() > kBusPolicyMax)
        return fail(Fault::invalid, "PolicyLengthExceededException",
                    "The policy of an event bus may have at most 10240 characters.");
      bus->modified = now;
      put_bus(tx, *bus);
      return {};
    };
    const auto stored = co_await bus_.db().write(std::move(store));
    if (!stored) co_return fail(stored);
    co_return Answer{};
  }

  task<Result<Answer>> remove_permission(Call call) {
    const auto name = bus_of(bus_.place(), call.input);
    const bool all = get_bool(call.input, "RemoveAllPermissions");
    const auto statement = get_string(call.input, "StatementId");
    if (!all && statement.empty()) co_return invalid("Parameter StatementId must be specified.");
    auto forget = [name, all, statement, now = call.now](database::Transaction& tx) -> Result<void> {
      auto bus = find_bus(tx, name);
      if (!bus) return no_bus(name);
      if (bus->policy.empty() && !all)
        return fail(Fault::not_found, "ResourceNotFoundException", "EventBus does not have a policy.");
      auto rest = all ? std::optional<std::string>(std::string()) : without_statement(bus->policy, statement);
      if (!rest)
        return fail(Fault::not_found, "ResourceNotFoundException", "Statement with the provided id does not exist.");
      bus->policy = *std::move(rest);
      bus->modified = now;
      put_bus(tx, *bus);
      return {};
    };
    const auto removed = co_await bus_.db().write(std::move(forget));
    if (!removed) co_return fail(removed);
    co_return Answer{};
  }

 private:
  json::object summary(const EventBus& bus) const {
    json::object out{{"Name", bus.name}, {"Arn", bus_.bus_arn(bus.name)}};
    if (!bus.description.empty()) out["Description"] = bus.description;
    if (!bus.policy.empty()) out["Policy"] = bus.policy;
    // The default bus was there before anybody looked.
    if (bus.created > Instant{}) out["CreationTime"] = epoch_seconds(bus.created);
    if (bus.modified > Instant{}) out["LastModifiedTime"] = epoch_seconds(bus.modified);
    return out;
  }

  Bus& bus_;
};

wire::Shape bus_shape(wire::Member name) {
  using namespace wire;
  return structure({std::move(name), optional("Description", description_shape()),
                    optional("DeadLetterConfig", structure({optional("Arn", text(1, 1600))})),
                    refused("KmsKeyIdentifier", text(0, 2048),
                            "events are kept as they are: there are no keys to encrypt them with"),
                    refused("LogConfig", document(), "what a bus does stands in the journal: slipway events tail",
                            R"({"Level":"OFF"})"),
                    refused("EventSourceName", text(1, 256), "there are no partner event sources here"),
                    optional("Tags", tags_shape())});
}

}  // namespace

std::vector<wire::Operation> bus_operations(Bus& bus) {
  using namespace wire;
  const auto api = std::make_shared<Buses>(bus);
  const auto only_name = text(1, 256, "[/\\.\\-_A-Za-z0-9]+");
  const auto statement_id = text(1, 64, "[a-zA-Z0-9-_]+");
  return {
      on_bus(operation(api, "CreateEventBus", bus_shape(required("Name", only_name)), &Buses::create), "Name"),
      on_bus(operation(api, "UpdateEventBus", bus_shape(optional("Name", only_name)), &Buses::update), "Name"),
      on_bus(operation(api, "DescribeEventBus", structure({optional("Name", bus_name_shape())}), &Buses::describe),
             "Name"),
      operation(api, "ListEventBuses", structure(paged({optional("NamePrefix", only_name)})), &Buses::list),
      on_bus(operation(api, "DeleteEventBus", structure({required("Name", only_name)}), &Buses::remove), "Name"),
      on_bus(operation(
                 api, "PutPermission",
                 structure({optional("EventBusName", only_name), optional("Action", text(1, 64, "events:[a-zA-Z]+")),
                            optional("Principal", text(1, 12, "(\\d{12}|\\*)")), optional("StatementId", statement_id),
                            optional("Condition", structure({required("Type", text()), required("Key", text()),
                                                             required("Value", text())})),
                            optional("Policy", text())}),
                 &Buses::put_permission),
             "EventBusName"),
      on_bus(operation(api, "RemovePermission",
                       structure({optional("StatementId", statement_id), optional("RemoveAllPermissions", boolean()),
                                  optional("EventBusName", only_name)}),
                       &Buses::remove_permission),
             "EventBusName"),
  };
}

}  // namespace slipway::events
