// What ecs asks of the rest of the region.  region/doors answers.
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/event.h"
#include "base/json.h"
#include "base/result.h"
#include "base/task.h"
#include "database/database.h"
#include "host/containers.h"

namespace slipway::ecs {

struct ResolvedImage {
  std::string reference;  // What the engine pulls: "localhost:4566/repo@sha256:…", or its own image's name.
  std::string digest;     // "sha256:…"; empty when the image is not of a registry that we know.
  std::optional<host::RegistryLogin> login;
};

class Images {
 public:
  virtual ~Images() = default;
  // What a reference means now.  An error's message becomes "CannotPullContainerError: …".
  virtual task<Result<ResolvedImage>> resolve(std::string image) = 0;
};

struct TargetStatus {
  enum class State { initial, healthy, unhealthy, draining };
  std::string id;  // The task's id.
  State state = State::initial;
  bool in_traffic = false;
  std::string description;  // "Health checks failed with these codes: [500]"
};

class TargetGroups {
 public:
  virtual ~TargetGroups() = default;
  virtual Result<void> check(const std::string& arn) = 0;  // Fails when there is no such group, or no listener uses it.
  // Both are idempotent.  A target that has drained disappears from targets().
  virtual task<Result<void>> register_target(std::string arn, std::string id, std::string address, int port) = 0;
  virtual task<Result<void>> deregister_target(std::string arn, std::string id) = 0;
  virtual std::vector<TargetStatus> targets(const std::string& arn) = 0;
  virtual Result<void> check_rule(const std::string& rule) = 0;  // Fails when there is none, or it forwards nowhere.
  // How a listener rule divides its requests between a target group and its alternate one: the alternate one's part in
  // per mille; nothing when there is no such rule, or it does not forward to just these two.
  virtual std::optional<int> share(const std::string& rule, const std::string& arn, const std::string& alternate) = 0;
  // From the next request on.  Fault::not_found when there is no such rule.
  virtual task<Result<void>> set_share(std::string rule, std::string arn, std::string alternate, int share) = 0;
  virtual void on_change(std::function<void()> news) = 0;  // Called on the loop whenever a target's status changed.
};

class Functions {
 public:
  virtual ~Functions() = default;
  // Calls a lifecycle hook's function as `role_arn`, and returns what it answers.  Fault::unavailable and
  // Fault::throttled pass; any other failure, and one of the function itself, is the hook's answer.
  virtual task<Result<json::object>> call(std::string function_arn, std::string role_arn, json::object payload) = 0;
};

struct LogEntry {
  Instant at{};
  std::string message;
};

class Logs {
 public:
  virtual ~Logs() = default;
  virtual void append(std::string group, std::string stream, LogEntry entry) = 0;
};

class EventSink {
 public:
  virtual ~EventSink() = default;
  virtual void publish(database::Transaction& tx, Event event) = 0;
};

}  // namespace slipway::ecs
