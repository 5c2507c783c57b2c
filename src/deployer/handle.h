// Handler: one event, carried out: read what is so now, decide, register, update.  Each step may be
// repeated: a second run finds the service updated and says so.
#pragma once
#include <functional>
#include <string>

#include "base/json.h"
#include "base/task.h"
#include "client/client.h"
#include "deployer/decide.h"
#include "deployer/routes.h"

namespace slipway::deployer {

// Takes one line of structured log.
using Log = std::function<void(const json::object& line)>;

class Handler {
 public:
  // `aws` must outlive the handler.
  Handler(client::AwsClient& aws, Routes routes, Log log);

  // Deploys what `event` asks for and returns the function's answer.  One service's failure does
  // not keep the others from deploying; it fails the whole at the end (code "DeployFailed"), so
  // that Lambda repeats the event.
  task<Result<json::object>> handle(json::value event);

 private:
  struct Outcome;
  task<Result<Outcome>> deploy(Route route, Push push);
  task<Result<std::optional<Image>>> read_image(json::object image_id, std::string repository);
  task<Result<ServiceState>> read_service(Route route, Push push);
  task<Result<void>> read_running(Route route, json::object deployment, ServiceState& into);
  task<Result<std::string>> repository_uri(Route route, json::object task_definition);
  task<Result<void>> register_revision(Decision decision, Outcome& outcome);
  task<Result<void>> update_service(Route route, Decision decision, Outcome& outcome);
  task<Result<json::object>> ecs(std::string operation, json::object input);
  task<Result<json::object>> ecr(std::string operation, json::object input);

  client::AwsClient& aws_;
  Routes routes_;
  Log log_;
};

}  // namespace slipway::deployer
