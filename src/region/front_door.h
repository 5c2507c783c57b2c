// The front door: one port for every API and the registry.
//   /v2/…          the registry (Basic, as ECR)
//   /_slipway/…    health (open), journal (signed)
//   all else       AWS APIs: authenticated by SigV4, routed by X-Amz-Target, path, credential scope or Action=
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "database/journal.h"
#include "host/clock.h"
#include "http/message.h"
#include "signing/sigv4.h"
#include "wire/door.h"

namespace slipway::region {

struct FrontDoorParts {
  std::vector<const wire::Service*> services;  // Outlive the door.
  std::function<task<http::Response>(http::Request&)> registry;
  // Who signed the request; an Error says why nobody did.
  std::function<Result<wire::Caller>(const http::Request&, std::string_view body, Instant now)> authenticate;
  std::function<signing::Scope(const http::Request&)> scope;  // Empty when unsigned.
  bool check_scope = true;                                    // A signature is good for the service that it names only.
  wire::Allow allow;
  std::function<json::object()> health;
  // /_slipway/events/REST, asked by the administrator: what the bus knows of an event, its dead deliveries.
  std::function<task<Result<json::object>>(std::string method, std::string rest)> events;
  database::Database* database = nullptr;  // Of the journal.
  host::Clock* clock = nullptr;
  host::Random* random = nullptr;
  Place place;
};

class FrontDoor {
 public:
  explicit FrontDoor(FrontDoorParts parts) : parts_(std::move(parts)) {}
  task<http::Response> answer(http::Request& request);

 private:
  task<http::Response> answer_aws(http::Request& request);
  task<http::Response> answer_call(http::Request& request, Instant now);
  task<http::Response> answer_own(http::Request& request);
  task<http::Response> answer_journal(http::Request& request);
  FrontDoorParts parts_;
};

}  // namespace slipway::region
