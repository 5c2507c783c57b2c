#include "deployer/handle.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"

namespace slipway::deployer {

Handler::Handler(client::AwsClient& aws, Routes routes, Log log)
    : cloud_(aws), routes_(std::move(routes)), log_(std::move(log)) {}

void Handler::note(json::object line) {
  log_(line);
  decisions_.push_back(std::move(line));
}

void Handler::note_outcome(const Route& route, const Push& push, const std::string& rule,
                           const Result<Outcome>& outcome) {
  json::object line = {{"event", push.event_id}, {"repository", push.repository}, {"tag", push.tag},
                       {"service", route.name},  {"cluster", route.cluster},      {"rule", rule},
                       {"action", "failed"}};
  if (!outcome) {
    const Error& error = outcome.error();
    failures_.push_back(fmt::format("{}/{}: {}: {}", route.cluster, route.name, error.code, error.message));
    line["why"] = error.code + ": " + error.message;
  } else {
    line["action"] = action_name(outcome->decision.action);
    line["why"] = outcome->decision.why;
    if (!outcome->decision.digest.empty()) line["digest"] = outcome->decision.digest;
    if (!outcome->task_definition.empty()) line["taskDefinition"] = outcome->task_definition;
    if (!outcome->deployment.empty()) line["deployment"] = outcome->deployment;
    if (!outcome->warnings.empty()) line["warnings"] = to_array(outcome->warnings);
  }
  note(std::move(line));
}

task<void> Handler::push(Push push) {
  bool routed = false;
  for (const Route& route : routes_.routes) {
    const config::TagRule* const rule = deploys(route, push.repository, push.tag);
    if (rule == nullptr && !route.any_push) continue;
    routed = true;
    const auto outcome = co_await deploy(cloud_, route, push);
    note_outcome(route, push, rule == nullptr ? "any push" : rule->text, outcome);
  }
  if (!routed)
    note({{"event", push.event_id},
          {"repository", push.repository},
          {"tag", push.tag},
          {"action", "ignore"},
          {"why", fmt::format("no service deploys {}:{}", push.repository, push.tag)}});
}

Result<json::object> Handler::answer() const {
  if (!failures_.empty()) return fail(Fault::unavailable, "DeployFailed", join(failures_, "; "));
  json::object answer = {{"statusCode", 200}};
  if (routes_.single) {
    const json::object& line = decisions_.front().as_object();
    const bool deployed = get_string(line, "action") == "force_new_deployment";
    answer["body"] = deployed ? "deployment started" : "nothing deployed: " + get_string(line, "why");
  } else {
    answer["decisions"] = decisions_;
  }
  return answer;
}

task<Result<json::object>> Handler::handle(json::value event) {
  decisions_.clear();
  failures_.clear();
  const Reading reading = read_event(event);
  const std::string event_id = event.is_object() ? get_string(event.get_object(), "id") : "";
  if (reading.push) {
    co_await push(*reading.push);
  } else {
    note({{"event", event_id}, {"action", "ignore"}, {"why", reading.reason}});
  }
  co_return answer();
}

}  // namespace slipway::deployer
