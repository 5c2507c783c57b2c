#include "region/front_door.h"

#include <charconv>

#include "base/text.h"
#include "iam/api.h"

namespace slipway::region {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kApiBytesMax = 8 * 1024 * 1024;
constexpr std::size_t kFunctionBytesMax = 80 * 1024 * 1024;   // A 50 MiB zip in base64, and its JSON.
constexpr std::size_t kLayerPartBytesMax = 28 * 1024 * 1024;  // A part of 20 MiB in base64, and its JSON.
constexpr int kJournalEntriesMax = 500;
constexpr Duration kJournalWaitMax = 30s;
constexpr Duration kJournalPoll = 20ms;

std::size_t body_limit(const http::Request& request) {
  if (request.headers.get("X-Amz-Target").ends_with(".UploadLayerPart")) return kLayerPartBytesMax;
  return request.raw_path().starts_with("/2015-03-31/functions") ? kFunctionBytesMax : kApiBytesMax;
}

long long number_of(const std::optional<std::string>& text) {
  long long number = 0;
  if (text) std::from_chars(text->data(), text->data() + text->size(), number);
  return number;
}

// The protocol that the caller seems to speak, for errors that come before any service is known.
wire::Protocol protocol_of(const http::Request& request) {
  const std::string type = request.headers.get("Content-Type");
  if (request.headers.find("X-Amz-Target") || type.starts_with("application/x-amz-json")) {
    return type.find("1.0") != std::string::npos ? wire::Protocol::json_1_0 : wire::Protocol::json_1_1;
  }
  if (request.raw_path().starts_with("/20")) return wire::Protocol::rest_json;
  return wire::Protocol::query;
}

}  // namespace

task<http::Response> FrontDoor::answer(http::Request& request) {
  const std::string_view path = request.raw_path();
  if (path == "/v2" || path.starts_with("/v2/")) co_return co_await parts_.registry(request);
  if (path.starts_with("/_slipway/")) co_return co_await answer_own(request);
  co_return co_await answer_aws(request);
}

// Clients with a wrong clock correct it by the Date of an answer, and try again.
task<http::Response> FrontDoor::answer_aws(http::Request& request) {
  const Instant now = parts_.clock->now();
  http::Response response = co_await answer_call(request, now);
  response.headers.set("Date", http_date(now));
  co_return response;
}

task<http::Response> FrontDoor::answer_call(http::Request& request, Instant now) {
  const std::string request_id = parts_.random->uuid();
  auto body = co_await http::read_all(*request.body, body_limit(request));
  if (!body) {
    auto refused = wire::error_response(protocol_of(request), nullptr, body.error(), request_id);
    if (body.error().code == "RequestEntityTooLarge") refused.status = 413;
    co_return refused;
  }
  const signing::Scope scope = parts_.scope(request);
  auto route = wire::route(parts_.services, request, *body, scope.service);
  // Who has no keys yet comes with a token, which the operation itself checks; a signature would say nothing.
  const auto* operation = route ? route->operation : nullptr;
  const bool unsigned_call = operation != nullptr && (operation->name == iam::kUnsignedOperation ||
                                                      (operation->unsigned_too && scope.service.empty()));
  auto caller = unsigned_call ? Result<wire::Caller>(wire::Caller{.account = parts_.place.account})
                              : parts_.authenticate(request, *body, now);
  if (!caller) {
    const auto protocol = route ? route->protocol : protocol_of(request);
    co_return wire::error_response(protocol, route ? route->service : nullptr, caller.error(), request_id);
  }
  if (!route) {
    const Error unknown{.fault = Fault::invalid,
                        .code = "UnknownOperationException",
                        .message = "this region has no API for " + request.method + " " +
                                   std::string(request.raw_path()) +
                                   (scope.service.empty() ? "" : " (signed for " + scope.service + ")")};
    co_return wire::error_response(protocol_of(request), nullptr, unknown, request_id);
  }
  const wire::Protocol protocol = route->protocol;
  const std::string& service = route->service->name;
  if (parts_.check_scope && !unsigned_call && scope.service != service) {
    const Error foreign{
        .fault = Fault::denied,
        .code = protocol == wire::Protocol::query ? "SignatureDoesNotMatch" : "InvalidSignatureException",
        .message = "Credential should be scoped to correct service: '" + service + "'. "};
    co_return wire::error_response(protocol, route->service, foreign, request_id);
  }
  wire::Call context;
  context.caller = *caller;
  context.place = parts_.place;
  context.request_id = request_id;
  context.now = now;
  context.headers = request.headers;
  // AWS would not know the key there; here one port serves one region, and says so.  IAM and STS have no region.
  const bool elsewhere =
      !scope.region.empty() && scope.region != parts_.place.region && service != "iam" && service != "sts";
  auto response = co_await wire::serve(std::move(*route), request, std::move(*body), std::move(context),
                                       unsigned_call ? wire::Allow{} : parts_.allow);
  if (elsewhere)
    response.headers.add("X-Slipway-Warning",
                         "signed for " + scope.region + ", answered by the region " + parts_.place.region);
  co_return response;
}

task<http::Response> FrontDoor::answer_own(http::Request& request) {
  if (request.raw_path() == "/_slipway/health")
    co_return http::json_response(200, json::serialize(parts_.health()) + "\n");
  auto caller = parts_.authenticate(request, {}, parts_.clock->now());
  if (!caller) co_return wire::error_response(wire::Protocol::json_1_1, nullptr, caller.error(), parts_.random->uuid());
  if (!caller->administrator) {
    const Error denied{.fault = Fault::denied,
                       .code = "AccessDeniedException",
                       .message = "only the region's administrator may read " + request.path()};
    co_return wire::error_response(wire::Protocol::json_1_1, nullptr, denied, parts_.random->uuid());
  }
  if (request.raw_path() == "/_slipway/journal" && request.method == "GET") co_return co_await answer_journal(request);
  constexpr std::string_view kEvents = "/_slipway/events/";
  if (request.raw_path().starts_with(kEvents)) {
    const std::string rest = request.path().substr(kEvents.size());
    auto answer = co_await parts_.events(request.method, rest);
    if (!answer)
      co_return wire::error_response(wire::Protocol::json_1_1, nullptr, answer.error(), parts_.random->uuid());
    co_return http::json_response(200, json::serialize(*answer) + "\n");
  }
  co_return http::json_response(
      404, "{\"message\":\"there is /_slipway/health, /_slipway/journal and /_slipway/events/\"}\n");
}

task<http::Response> FrontDoor::answer_journal(http::Request& request) {
  auto& db = parts_.database->read();
  if (request.query_value("end")) {
    const auto newest = db.query_one("SELECT COALESCE(MAX(number), 0) FROM journal");
    const json::object end = {{"end", newest->integer(0)}};
    co_return http::json_response(200, json::serialize(end) + "\n");
  }
  const long long after = number_of(request.query_value("after"));
  const Duration wait = std::min<Duration>(Duration{number_of(request.query_value("wait"))}, kJournalWaitMax);
  std::vector<database::JournalEntry> entries = database::read_journal(db, after, kJournalEntriesMax);
  // Polled, as entries come from every room's transactions: one indexed look-up each 20 ms while somebody watches.
  for (Duration waited{}; entries.empty() && waited < wait; waited += kJournalPoll) {
    co_await pause(kJournalPoll);
    entries = database::read_journal(db, after, kJournalEntriesMax);
  }
  json::array list;
  for (const auto& entry : entries) {
    list.push_back({{"number", entry.number},
                    {"at", entry.at.ms()},
                    {"kind", entry.kind},
                    {"subject", entry.subject},
                    {"text", entry.text},
                    {"detail", entry.detail}});
  }
  const json::object answer = {{"entries", list}};
  co_return http::json_response(200, json::serialize(answer) + "\n");
}

}  // namespace slipway::region
