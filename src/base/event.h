// Event: what happened, in EventBridge's envelope.  Rooms draft one, the outbox keeps it, rules match it.
// https://docs.aws.amazon.com/eventbridge/latest/ref/overiew-event-structure.html
#pragma once
#include <string>
#include <vector>

#include "base/instant.h"
#include "base/json.h"

namespace slipway {

struct Event {
  std::string id;  // A UUID; made by the outbox when empty.
  std::string source;
  std::string detail_type;
  std::string account;
  std::string region;
  Instant time{};
  std::vector<std::string> resources;
  json::object detail;
};

// The envelope, members in the order in which AWS writes them.
inline json::object to_json(const Event& event) {
  json::object out;
  out["version"] = "0";
  out["id"] = event.id;
  out["detail-type"] = event.detail_type;
  out["source"] = event.source;
  out["account"] = event.account;
  out["time"] = iso_seconds(event.time);
  out["region"] = event.region;
  out["resources"] = to_array(event.resources);
  out["detail"] = event.detail;
  return out;
}

}  // namespace slipway
