// Handler: one event, carried out for every service that it concerns.
#pragma once
#include <functional>
#include <string>

#include "base/json.h"
#include "base/task.h"
#include "deployer/cloud.h"
#include "deployer/deploy.h"
#include "deployer/routes.h"

namespace slipway::deployer {

// Takes one line of structured log.
using Log = std::function<void(const json::object& line)>;

class Handler {
 public:
  // `aws` must outlive the handler.
  Handler(client::AwsClient& aws, Routes routes, Log log);

  // Does what `event` asks for and returns the function's answer.  One service's failure does
  // not keep the others from deploying; it fails the whole at the end (code "DeployFailed"), so
  // that Lambda repeats the event.
  task<Result<json::object>> handle(json::value event);

 private:
  task<void> push(Push push);
  void note(json::object line);
  void note_outcome(const Route& route, const Push& push, const std::string& rule, const Result<Outcome>& outcome);
  Result<json::object> answer() const;

  Cloud cloud_;
  Routes routes_;
  Log log_;
  // Of the event that is handled.
  json::array decisions_;
  std::vector<std::string> failures_;
};

}  // namespace slipway::deployer
