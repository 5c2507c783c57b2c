#include "events/entry.h"

namespace slipway::events {

namespace {

constexpr std::size_t kTimeBytes = 14;

std::unexpected<Error> missing(const std::string& member) {
  return fail(Fault::invalid, "InvalidArgument",
              "Parameter " + member + " is not valid. Reason: " + member + " is a required argument.");
}

}  // namespace

std::size_t entry_bytes(const json::object& entry) {
  std::size_t bytes = has(entry, "Time") ? kTimeBytes : 0;
  for (const auto* name : {"Source", "DetailType", "Detail"}) bytes += get_string(entry, name).size();
  for (const auto& resource : get_strings(entry, "Resources")) bytes += resource.size();
  return bytes;
}

Result<Event> read_entry(const json::object& entry, Instant now) {
  for (const auto* name : {"Source", "DetailType", "Detail"}) {
    if (get_string(entry, name).empty()) return missing(name);
  }
  const auto source = get_string(entry, "Source");
  if (source.starts_with("aws.")) {
    return fail(Fault::denied, "NotAuthorizedForSourceException", "Not authorized for the source.");
  }
  json::parse_options options;
  options.max_depth = kNestingMax - 1;  // The envelope is one more object around it.
  boost::system::error_code error;
  const auto detail = json::parse(get_string(entry, "Detail"), error, {}, options);
  if (error || !detail.is_object()) return fail(Fault::invalid, "MalformedDetail", "Detail is malformed.");
  return Event{.source = source,
               .detail_type = get_string(entry, "DetailType"),
               .time = has(entry, "Time") ? instant_ms(get_int(entry, "Time")) : now,
               .resources = get_strings(entry, "Resources"),
               .detail = detail.get_object()};
}

}  // namespace slipway::events
