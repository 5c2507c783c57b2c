// Handler: one event, carried out for every service that it concerns.
#pragma once
#include <functional>
#include <set>
#include <string>

#include "base/json.h"
#include "base/task.h"
#include "deployer/channels.h"
#include "deployer/cloud.h"
#include "deployer/deploy.h"
#include "deployer/judge.h"
#include "deployer/routes.h"

namespace slipway::deployer {

// Takes one line of structured log.
using Log = std::function<void(const json::object& line)>;

struct HandlerOptions {
  Log log;
  Clock clock;
  Lookup environment = [](const std::string&) { return std::string(); };  // For secrets that it names.
};

class Handler {
 public:
  // `aws` must outlive the handler.
  Handler(client::AwsClient& aws, Routes routes, HandlerOptions options);

  // Does what `event` asks for and returns the function's answer.  One service's failure does
  // not keep the others from deploying; it fails the whole at the end (code "DeployFailed"), so
  // that Lambda repeats the event.
  // `deadline` is the invocation's.
  task<Result<json::object>> handle(json::value event, std::optional<Instant> deadline = std::nullopt);

 private:
  task<void> push(Push push);
  task<void> change(DeploymentChange change);
  task<void> sweep(std::string event_id);
  task<void> sweep_service(Route route, std::string event_id);
  task<void> judge_one(Route route, std::optional<DeploymentChange> change, std::string event_id);
  // Deploys, unless it has to wait for services of lower waves.
  task<Result<Outcome>> deploy_in_turn(Route route, Push push);
  task<Result<std::string>> waits_for(Route route, Push push);
  task<void> next_waves(Route live, std::string tag, std::string event_id);
  task<void> tell();
  task<void> tell_again();
  task<void> tell_again_of(Route route);
  void log_deliveries(const Telling& news, const std::vector<Delivery>& deliveries);
  task<std::string> keep_untold(Telling news, std::string before, std::vector<Delivery> deliveries);
  void note(json::object line);
  void note_outcome(const Route& route, const Push& push, const std::string& rule, const Result<Outcome>& outcome);
  Result<json::object> answer() const;

  Cloud cloud_;
  Routes routes_;
  HandlerOptions options_;
  Messenger messenger_;
  std::optional<Instant> deadline_;
  // Of the event that is handled.
  json::array decisions_;
  std::vector<std::string> failures_;
  // What people are to hear once the work is done, and the revision whose tags say where the messages stand.
  struct Pending {
    Telling news;
    std::string revision_arn;
    std::string repository;
    std::string untold;  // The service's tag slipway:untold.
  };
  std::vector<Pending> pending_;
  std::set<std::string> told_;  // Revisions whose news was sent because of this event.
};

}  // namespace slipway::deployer
