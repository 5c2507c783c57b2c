// The doors between rooms: what each room asks of others (its ports.h), answered by the room that can.  This file shows
// every coupling of the region.
#pragma once
#include <map>
#include <string>

#include "base/arn.h"
#include "ecr/ports.h"
#include "ecr/worker.h"
#include "ecs/ports.h"
#include "elb/worker.h"
#include "events/bus.h"
#include "events/ports.h"
#include "host/containers.h"
#include "iam/ports.h"
#include "iam/worker.h"
#include "lambda/ports.h"
#include "lambda/worker.h"
#include "logs/worker.h"
#include "sns/worker.h"
#include "sqs/queues.h"

namespace slipway::region {

// ecr -> events, iam
class PushOutbox final : public ecr::Outbox {
 public:
  explicit PushOutbox(events::Bus& bus) : bus_(bus) {}
  void publish(database::Transaction& tx, Event event) override { bus_.publish(tx, std::move(event)); }

 private:
  events::Bus& bus_;
};

class RegistryPermissions final : public ecr::Permissions {
 public:
  RegistryPermissions(iam::Authority& authority, bool open) : authority_(authority), open_(open) {}
  Result<void> allow(const wire::Caller& caller, const std::string& action, const std::string& resource,
                     const std::string& policy) override {
    return open_ ? Result<void>{} : authority_.authorize(caller, action, resource, {}, policy);
  }
  Result<void> check_policy(const std::string& policy) override {
    const auto read = iam::parse_policy(policy, true);
    return read ? Result<void>{} : fail(read);
  }

 private:
  iam::Authority& authority_;
  bool open_;
};

// events -> lambda, sqs, sns, logs, ecs
class EventTargets final : public events::Targets {
 public:
  EventTargets(lambda::Functions& functions, sqs::Queues& queues, sns::Topics& topics, logs::Archive& archive,
               host::Clock& clock, events::Permissions& permissions, Place place, bool open)
      : functions_(functions),
        queues_(queues),
        topics_(topics),
        archive_(archive),
        clock_(clock),
        permissions_(permissions),
        place_(std::move(place)),
        open_(open) {}
  void connect_tasks(const wire::Service& ecs) { ecs_ = &ecs; }
  Result<void> accepts(const json::object& target) override;
  task<Result<void>> deliver(events::Delivery delivery) override;
  bool in_database(const std::string& target_arn) const override;
  Result<void> deliver_in(database::Transaction& tx, const events::Delivery& delivery) override;

 private:
  lambda::Functions& functions_;
  sqs::Queues& queues_;
  sns::Topics& topics_;
  logs::Archive& archive_;
  task<Result<void>> run_task(events::Delivery delivery);
  task<Result<void>> publish(events::Delivery delivery);
  Result<void> send_in(database::Transaction& tx, const events::Delivery& delivery);

  host::Clock& clock_;
  events::Permissions& permissions_;
  Place place_;
  bool open_;
  const wire::Service* ecs_ = nullptr;  // Made after the targets.
};

// What a log group gets of an event: the payload, or, of one that is shaped as {"timestamp": …, "message": …}, just
// that. https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-targets.html
logs::LogEvent log_line(const std::string& payload, Instant now);

// Fails as iam does where the policy of a topic or a bus can not be understood.  Its statements may name resources,
// which those of a role's trust and of a repository must not.
Result<void> check_resource_policy(const std::string& text);

// A service that acts for a resource: EventBridge for a rule, SNS for a topic.
struct Sender {
  std::string principal;  // "events.amazonaws.com"
  std::string arn;        // Of the rule or topic.
};

// Whether the queue's policy lets the service send.  Without a policy nobody but the account's own identities may.
Result<void> queue_permits(database::Connection& db, const sqs::Queues& queues, const std::string& queue_arn,
                           const Sender& sender, bool open);
// The same for the topic and publishing.
Result<void> topic_permits(const sns::Topics& topics, const std::string& topic_arn, const Sender& sender, bool open);

// lambda -> sqs, events
class QueueLetters final : public lambda::DeadLetters {
 public:
  QueueLetters(sqs::Queues& queues, Place place) : queues_(queues), place_(std::move(place)) {}
  void connect(events::Bus& bus) { bus_ = &bus; }
  task<Result<void>> send(std::string arn, std::string body,
                          std::map<std::string, std::pair<std::string, std::string>> attributes) override;

 private:
  task<Result<void>> publish_record(std::string bus_arn, std::string name, std::string body);

  sqs::Queues& queues_;
  Place place_;
  events::Bus* bus_ = nullptr;  // Made after the letters.
};

// What an event bus gets of an asynchronous invocation that ended.
// https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
Event invocation_event(const json::object& record, const std::string& bus_arn, Instant now);

// events -> sqs
class RuleLetters final : public events::DeadLetters {
 public:
  RuleLetters(sqs::Queues& queues, bool open) : queues_(queues), open_(open) {}
  task<Result<void>> send(std::string queue_arn, std::string rule_arn, std::string body,
                          std::map<std::string, std::pair<std::string, std::string>> attributes) override;

 private:
  sqs::Queues& queues_;
  bool open_;
};

// sns -> sqs, lambda
class TopicEndpoints final : public sns::Endpoints {
 public:
  TopicEndpoints(lambda::Functions& functions, sqs::Queues& queues, bool open)
      : functions_(functions), queues_(queues), open_(open) {}
  task<Result<void>> deliver(sns::Handover handover) override;

 private:
  lambda::Functions& functions_;
  sqs::Queues& queues_;
  bool open_;
};

// sns -> iam
class TopicPermissions final : public sns::Permissions {
 public:
  Result<void> check_policy(const std::string& text) override { return check_resource_policy(text); }
};

// events -> iam
class BusPermissions final : public events::Permissions {
 public:
  BusPermissions(iam::Authority& authority, bool open) : authority_(authority), open_(open) {}
  Result<void> check_policy(const std::string& text) override;
  Result<void> allow(const wire::Caller& caller, const std::string& action, const std::string& bus_arn,
                     const std::string& bus_policy) override;
  Result<void> allow_role(const std::string& role_arn, const std::string& action, const std::string& resource) override;

 private:
  iam::Authority& authority_;
  bool open_;
};

// lambda -> logs, iam
class FunctionLogs final : public lambda::Logs {
 public:
  explicit FunctionLogs(logs::Archive& archive) : archive_(archive) {}
  void append(std::string group, std::string stream, Instant at, std::string message) override {
    archive_.append(std::move(group), std::move(stream), {{.at = at, .message = std::move(message)}});
  }

 private:
  logs::Archive& archive_;
};

class FunctionRoles final : public lambda::Roles {
 public:
  explicit FunctionRoles(iam::Authority& authority) : authority_(authority) {}
  Result<void> check(const std::string& role_arn) override {
    return authority_.check_role(role_arn, "lambda.amazonaws.com");
  }
  task<Result<lambda::RoleCredentials>> session(std::string role_arn, std::string session_name,
                                                Duration lifetime) override;

 private:
  iam::Authority& authority_;
};

// iam -> files and issuers of tokens: where the keys are that sign them.
class IssuerKeys final : public iam::TokenKeys {
 public:
  // `sources`: the issuer (host and path) -> a file, or a URL, of its key set; of others, what they publish.
  explicit IssuerKeys(std::map<std::string, std::string> sources) : sources_(std::move(sources)) {}
  // Read each time: a key that was changed is known at once.
  task<Result<std::string>> jwks(std::string provider) override;

 private:
  std::map<std::string, std::string> sources_;
};

// ecs -> ecr, the engine
class TaskImages final : public ecs::Images {
 public:
  TaskImages(ecr::Registry& registry, host::Containers& containers, host::Clock& clock, iam::Authority& authority,
             Place place)
      : registry_(registry), containers_(containers), clock_(clock), authority_(authority), place_(std::move(place)) {}
  task<Result<ecs::ResolvedImage>> resolve(std::string image) override;

 private:
  ecr::Registry& registry_;
  host::Containers& containers_;
  host::Clock& clock_;
  iam::Authority& authority_;
  Place place_;
};

// ecs -> elb
class TaskTargets final : public ecs::TargetGroups {
 public:
  explicit TaskTargets(elb::Balancer& balancer) : balancer_(balancer) {}
  Result<void> check(const std::string& arn) override;
  task<Result<void>> register_target(std::string arn, std::string id, std::string address, int port) override {
    return balancer_.register_target(std::move(arn), std::move(id), std::move(address), port);
  }
  task<Result<void>> deregister_target(std::string arn, std::string id) override {
    return balancer_.deregister_target(std::move(arn), std::move(id));
  }
  std::vector<ecs::TargetStatus> targets(const std::string& arn) override;
  Result<void> check_rule(const std::string& rule) override;
  std::optional<int> share(const std::string& rule, const std::string& arn, const std::string& alternate) override;
  task<Result<void>> set_share(std::string rule, std::string arn, std::string alternate, int share) override;
  void on_change(std::function<void()> news) override { balancer_.on_change(std::move(news)); }

 private:
  elb::Balancer& balancer_;
};

// ecs -> lambda, iam
class HookFunctions final : public ecs::Functions {
 public:
  HookFunctions(lambda::Functions& functions, iam::Authority& authority, bool open)
      : functions_(functions), authority_(authority), open_(open) {}
  task<Result<json::object>> call(std::string function_arn, std::string role_arn, json::object payload) override;

 private:
  lambda::Functions& functions_;
  iam::Authority& authority_;
  bool open_;
};

// ecs -> logs, events
class TaskLogs final : public ecs::Logs {
 public:
  explicit TaskLogs(logs::Archive& archive) : archive_(archive) {}
  void append(std::string group, std::string stream, ecs::LogEntry entry) override {
    archive_.append(std::move(group), std::move(stream), {{.at = entry.at, .message = std::move(entry.message)}});
  }

 private:
  logs::Archive& archive_;
};

class TaskEvents final : public ecs::EventSink {
 public:
  explicit TaskEvents(events::Bus& bus) : bus_(bus) {}
  void publish(database::Transaction& tx, Event event) override { bus_.publish(tx, std::move(event)); }

 private:
  events::Bus& bus_;
};

// The bus is made before what it delivers to: rooms that publish need it, and its targets need them.
class LateTargets final : public events::Targets {
 public:
  void connect(events::Targets& targets) { targets_ = &targets; }
  Result<void> accepts(const json::object& target) override { return targets_->accepts(target); }
  task<Result<void>> deliver(events::Delivery delivery) override { return targets_->deliver(std::move(delivery)); }
  bool in_database(const std::string& target_arn) const override { return targets_->in_database(target_arn); }
  Result<void> deliver_in(database::Transaction& tx, const events::Delivery& delivery) override {
    return targets_->deliver_in(tx, delivery);
  }

 private:
  events::Targets* targets_ = nullptr;
};

}  // namespace slipway::region
