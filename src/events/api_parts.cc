#include "events/api_parts.h"

#include "base/text.h"

namespace slipway::events {

namespace {

constexpr std::size_t kTagsMax = 50;

}  // namespace

std::unexpected<Error> invalid(std::string message) {
  return fail(Fault::invalid, "ValidationException", std::move(message));
}

std::unexpected<Error> over_limit() {
  return fail(Fault::conflict, "LimitExceededException", "The requested resource exceeds the maximum number allowed.");
}

std::unexpected<Error> no_rule(const std::string& bus, const std::string& rule) {
  return fail(Fault::not_found, "ResourceNotFoundException",
              "Rule " + rule + " does not exist on EventBus " + bus + ".");
}

std::unexpected<Error> no_bus(const std::string& name) {
  return fail(Fault::not_found, "ResourceNotFoundException", "Event bus " + name + " does not exist.");
}

wire::Shape name_shape() {
  return wire::text(1, 64, "[\\.\\-_A-Za-z0-9]+");
}

wire::Shape bus_name_shape() {
  return wire::text(1, 1600,
                    "(arn:aws[\\w-]*:events:[a-z]+-[a-z]+-[\\w-]+:[0-9]{12}:event-bus\\/)?[/\\.\\-_A-Za-z0-9]+");
}

wire::Shape arn_shape() {
  return wire::text(1, 1600);
}

wire::Shape description_shape() {
  return wire::text(0, 512);
}

wire::Shape tags_shape() {
  return wire::list(
      wire::structure({wire::required("Key", wire::text(1, 128)), wire::required("Value", wire::text(0, 256))}));
}

std::vector<wire::Member> paged(std::vector<wire::Member> members) {
  members.push_back(wire::optional("NextToken", wire::text(1, 2048)));
  members.push_back(wire::optional("Limit", wire::integer(1, 100)));
  return members;
}

std::string bus_of(const Place& place, const json::object& input, std::string_view member) {
  auto name = get_string(input, member, kDefaultBus);
  return bus_of_arn(place, name).value_or(name);
}

Named named_by(const Place& place, const std::string& arn) {
  if (auto bus = bus_of_arn(place, arn)) return {.bus = *std::move(bus), .rule = {}};
  const auto prefix = place.arn("events", "rule/");
  if (!arn.starts_with(prefix)) return {};
  const auto rest = arn.substr(prefix.size());
  const auto slash = rest.rfind('/');
  if (slash == std::string::npos) return {.bus = kDefaultBus, .rule = rest};
  return {.bus = rest.substr(0, slash), .rule = rest.substr(slash + 1)};
}

Result<void> check_tags(const json::array& tags) {
  if (tags.size() > kTagsMax) return invalid("A resource may have at most 50 tags.");
  for (const auto& tag : tags) {
    if (to_lower(get_string(tag.as_object(), "Key")).starts_with("aws:"))
      return invalid("aws: prefixed tag key names are not allowed for external use.");
  }
  return {};
}

wire::Operation on_rule(wire::Operation op, const char* member) {
  op.resource = [member](const wire::Call& call) {
    const Rule rule{.bus = bus_of(call.place, call.input), .name = get_string(call.input, member)};
    return call.place.arn("events", rule.resource());
  };
  return op;
}

wire::Operation on_bus(wire::Operation op, const char* member) {
  op.resource = [member](const wire::Call& call) {
    return call.place.arn("events", "event-bus/" + bus_of(call.place, call.input, member));
  };
  return op;
}

}  // namespace slipway::events
