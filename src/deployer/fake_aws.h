// For tests: ECR, ECS, CloudWatch and their logs with one service, as far as the deployer asks, behind a real server.
// What happens in ECS is told by the test: complete(), fail(), roll_back().
#pragma once
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <map>
#include <set>

#include "base/run.h"
#include "base/text.h"
#include "client/client.h"
#include "deployer/ledger.h"
#include "http/server.h"

namespace slipway::deployer {

inline std::string fake_digest(char letter) {
  return "sha256:" + std::string(64, letter);
}

class FakeAws {
 public:
  explicit FakeAws(asio::io_context& io)
      : server_(io.get_executor(), {}, [this](http::Request& request) { return answer(request); }) {
    EXPECT_TRUE(server_.listen());
    service = {{"serviceArn", "arn:aws:ecs:r:1:service/cars/rest"},
               {"serviceName", "rest"},
               {"status", "ACTIVE"},
               {"desiredCount", 2},
               {"deploymentConfiguration",
                json::object{{"minimumHealthyPercent", 100},
                             {"maximumPercent", 200},
                             {"deploymentCircuitBreaker", json::object{{"enable", true}, {"rollback", true}}}}}};
    const json::object log = {
        {"logDriver", "awslogs"},
        {"options", json::object{{"awslogs-group", "/ecs/rest"}, {"awslogs-stream-prefix", "ecs"}}}};
    add_revision(
        {{"family", "rest"},
         {"containerDefinitions",
          json::array{json::object{{"name", "app"}, {"image", "host/backend:latest"}, {"logConfiguration", log}}}}});
    begin("rest:1");
    complete();
  }

  client::Options options() const {
    return {.endpoint = "http://127.0.0.1:" + std::to_string(server_.port()),
            .region = "eu-west-1",
            .credentials = client::Credentials{.access_key_id = "A", .secret_access_key = "S"}};
  }

  // ---- what happens ----
  void push(const std::string& tag, char letter) {
    tags[tag] = fake_digest(letter);
    pushed_at.try_emplace(fake_digest(letter), now);
  }
  // The newest deployment completes: its tasks run what its revision says.
  void complete() {
    json::object& primary = deployments.front();
    primary["rolloutState"] = "COMPLETED";
    deployments.resize(1);
    run_tasks(get_string(primary, "id"), digest_of(get_string(primary, "taskDefinition")));
    if (!records.empty())
      records.front()["status"] = has(records.front(), "rollback") ? "ROLLBACK_SUCCESSFUL" : "SUCCESSFUL";
  }
  // The newest deployment fails: one task stopped, and (when the breaker says so) ECS puts the older one in front.
  void fail(const std::string& reason = "Essential container in task exited", int exit_code = 1) {
    json::object failed = deployments.front();
    const std::string id = get_string(failed, "id");
    const std::string task = "task" + std::to_string(stopped.size());
    stopped.push_back({{"taskArn", "arn:aws:ecs:r:1:task/cars/" + task},
                       {"startedBy", id},
                       {"lastStatus", "STOPPED"},
                       {"stoppedReason", reason},
                       {"stopCode", "EssentialContainerExited"},
                       {"containers", json::array{json::object{{"name", "app"}, {"exitCode", exit_code}}}}});
    logs["ecs/app/" + task] = {"starting", "KeyError: STRIPE_KEY"};
    failed["rolloutState"] = "FAILED";
    const bool back = breaker_rolls_back() && deployments.size() > 1;
    if (back) {
      json::object older = deployments.at(1);
      older["status"] = "PRIMARY";
      older["rolloutState"] = "IN_PROGRESS";
      failed["status"] = "ACTIVE";
      deployments = {older, failed};
    } else {
      deployments.front() = failed;
    }
    if (!records.empty()) {
      records.front()["status"] = back ? "ROLLBACK_IN_PROGRESS" : "STOPPED";
      records.front()["statusReason"] = "the circuit breaker threshold was exceeded.";
      if (back) records.front()["rollback"] = true;
    }
  }
  void say(const std::string& message) {
    json::array events = get_array(service, "events");
    events.insert(events.begin(), json::object{{"createdAt", static_cast<double>(now)}, {"message", message}});
    service["events"] = events;
  }
  bool breaker_rolls_back() const {
    return service.at("deploymentConfiguration").at("deploymentCircuitBreaker").at("rollback").as_bool();
  }
  void set_breaker_rollback(bool on) {
    service["deploymentConfiguration"].as_object()["deploymentCircuitBreaker"].as_object()["rollback"] = on;
  }
  std::string primary() const { return get_string(deployments.front(), "id"); }
  std::string primary_revision() const {
    const std::string arn = get_string(deployments.front(), "taskDefinition");
    return arn.substr(arn.rfind('/') + 1);
  }
  // The digest that the newest deployment is pinned to.
  std::string primary_digest() const { return digest_of(get_string(deployments.front(), "taskDefinition")); }
  std::string service_tag(const std::string& key) const { return tag_value(service_tags, key); }
  std::string revision_tag(const std::string& revision, const std::string& key) {
    return tag_value(revision_tags[revision], key);
  }
  long long count(const std::string& operation) const { return std::ranges::count(calls, operation); }

  // ---- state ----
  long long now = 1'000;  // Seconds.
  std::map<std::string, std::string> tags;
  std::map<std::string, long long> pushed_at;
  std::set<std::string> archived;
  std::map<std::string, std::vector<std::string>> index_manifests;  // Digest of an index -> digests of its manifests.
  std::map<std::string, std::string> manifests;                     // Digest -> text, where it matters.
  json::object service;
  json::array service_tags;
  std::vector<json::object> deployments, running, stopped, records;
  std::map<std::string, json::object> definitions;
  std::map<std::string, json::array> revision_tags;
  std::map<std::string, std::vector<std::string>> logs;
  std::map<std::string, std::string> alarms;
  bool knows_service_deployments = true;
  bool knows_alarms = true;
  std::map<std::string, std::deque<std::pair<int, std::string>>> failures;
  std::vector<std::string> calls;
  std::vector<std::pair<std::string, json::object>> other_calls;  // Of other services: operation, input.
  std::map<std::string, json::object> other_answers;

 private:
  std::string digest_of(const std::string& definition_arn) const {
    const json::object& definition = definitions.at(definition_arn.substr(definition_arn.rfind('/') + 1));
    const std::string image = get_string(definition.at("containerDefinitions").at(0).as_object(), "image");
    const auto at = image.find('@');
    if (at != std::string::npos) return image.substr(at + 1);
    const auto tag = tags.find(image.substr(image.rfind(':') + 1));
    return tag == tags.end() ? "" : tag->second;
  }
  void run_tasks(const std::string& deployment, const std::string& digest) {
    running.clear();
    for (long long i = 0; i < get_int(service, "desiredCount"); ++i)
      running.push_back({{"taskArn", "arn:aws:ecs:r:1:task/cars/run" + std::to_string(i)},
                         {"startedBy", deployment},
                         {"lastStatus", "RUNNING"},
                         {"containers", json::array{json::object{{"name", "app"}, {"imageDigest", digest}}}}});
  }
  std::string add_revision(json::object definition) {
    const std::string name = get_string(definition, "family") + ":" + std::to_string(definitions.size() + 1);
    definition["taskDefinitionArn"] = "arn:aws:ecs:r:1:task-definition/" + name;
    definition["registeredAt"] = static_cast<double>(now);
    definition["revision"] = static_cast<long long>(definitions.size() + 1);
    definition["status"] = "ACTIVE";
    revision_tags[name] = get_array(definition, "tags");
    definition.erase("tags");
    definitions[name] = definition;
    return get_string(definition, "taskDefinitionArn");
  }
  void begin(const std::string& revision) {
    const std::string number = std::to_string(next_deployment_++);
    if (!records.empty() && get_string(records.front(), "status") == "IN_PROGRESS")
      records.front()["status"] = "STOPPED";
    if (!deployments.empty()) deployments.front()["status"] = "ACTIVE";
    deployments.insert(deployments.begin(),
                       {{"id", "ecs-svc/" + number},
                        {"status", "PRIMARY"},
                        {"taskDefinition", get_string(definitions.at(revision), "taskDefinitionArn")},
                        {"createdAt", static_cast<double>(now)},
                        {"rolloutState", "IN_PROGRESS"}});
    records.insert(records.begin(), {{"serviceDeploymentArn", "arn:sd/" + number},
                                     {"status", "IN_PROGRESS"},
                                     {"targetServiceRevisionArn", "arn:service-revision/cars/rest/" + number},
                                     {"createdAt", static_cast<double>(now)}});
  }

  json::object describe_service() {
    json::object out = service;
    json::array list;
    for (const json::object& one : deployments) list.push_back(one);
    out["deployments"] = list;
    out["tags"] = service_tags;
    out["taskDefinition"] = deployments.front().at("taskDefinition");
    return out;
  }
  json::object image_detail(const std::string& digest) const {
    json::array names;
    for (const auto& [tag, of] : tags) {
      if (of == digest) names.emplace_back(tag);
    }
    return {{"imageDigest", digest},
            {"imagePushedAt", static_cast<double>(pushed_at.at(digest))},
            {"imageStatus", archived.contains(digest) ? "ARCHIVED" : "ACTIVE"},
            {"imageTags", names}};
  }
  static void edit_tags(json::array& list, const json::object& input) {
    const auto drop = [&](const std::string& key) {
      json::array kept;
      for (const json::value& tag : list) {
        if (get_string(tag.as_object(), "key") != key) kept.push_back(tag);
      }
      list = kept;
    };
    for (const json::value& tag : get_array(input, "tags")) {
      drop(get_string(tag.as_object(), "key"));
      list.push_back(tag);
    }
    for (const std::string& key : get_strings(input, "tagKeys")) drop(key);
  }

  task<http::Response> answer(http::Request& request) {
    const std::string target = request.headers.get("x-amz-target");
    const auto body = co_await http::read_all(*request.body);
    if (target.empty()) {
      calls.push_back(body.value_or("").substr(0, body.value_or("").find('&')));
      forms.push_back(body.value_or(""));
      const std::string action = calls.back().substr(calls.back().find('=') + 1);
      co_return http::text_response(form_status, xml[action], "text/xml");
    }
    const std::string operation = target.substr(target.find('.') + 1);
    const json::object input = json::parse(body.value_or("{}")).as_object();
    calls.push_back(operation);
    auto& planned = failures[operation];
    if (!planned.empty()) {
      const auto [status, code] = planned.front();
      planned.pop_front();
      co_return error(status, code);
    }
    co_return answer_operation(operation, input);
  }
  static http::Response error(int status, const std::string& code) {
    return http::json_response(status, json::serialize(json::object{{"__type", code}, {"message", "as told"}}));
  }
  static http::Response ok(const json::object& body) { return http::json_response(200, json::serialize(body)); }

  http::Response answer_operation(const std::string& operation, const json::object& input) {
    if (operation == "DescribeImages") return describe_images(input);
    if (operation == "BatchGetImage") {
      json::array children;
      const std::string wanted = get_string(get_array(input, "imageIds").at(0).as_object(), "imageDigest");
      if (manifests.contains(wanted))
        return ok({{"images", json::array{json::object{{"imageManifest", manifests[wanted]}}}}});
      for (const std::string& digest :
           index_manifests[get_string(get_array(input, "imageIds").at(0).as_object(), "imageDigest")])
        children.push_back(json::object{{"digest", digest}});
      const std::string manifest = json::serialize(json::object{{"manifests", children}});
      return ok({{"images", json::array{json::object{{"imageManifest", manifest}}}}});
    }
    if (operation == "DescribeServices") {
      if (get_strings(input, "services").at(0) != "rest") return ok({{"services", json::array{}}});
      return ok({{"services", json::array{describe_service()}}});
    }
    if (operation == "DescribeTaskDefinition") {
      const std::string name = get_string(input, "taskDefinition");
      const auto found = definitions.find(name.substr(name.rfind('/') + 1));
      if (found == definitions.end()) return error(400, "ClientException");
      return ok({{"taskDefinition", found->second}, {"tags", revision_tags[found->first]}});
    }
    if (operation == "ListTaskDefinitions") {
      json::array arns;
      for (auto revision = static_cast<long long>(definitions.size()); revision > 0; --revision)
        arns.emplace_back("arn:aws:ecs:r:1:task-definition/rest:" + std::to_string(revision));
      return ok({{"taskDefinitionArns", arns}});
    }
    if (operation == "RegisterTaskDefinition")
      return ok({{"taskDefinition", json::object{{"taskDefinitionArn", add_revision(input)}}}});
    if (operation == "UpdateService") {
      const std::string wanted = get_string(input, "taskDefinition", get_string(deployments.front(), "taskDefinition"));
      begin(wanted.substr(wanted.rfind('/') + 1));
      return ok({{"service", describe_service()}});
    }
    if (operation == "TagResource" || operation == "UntagResource") {
      const std::string arn = get_string(input, "resourceArn");
      const bool revision = arn.contains("task-definition/");
      edit_tags(revision ? revision_tags[arn.substr(arn.rfind('/') + 1)] : service_tags, input);
      return ok({});
    }
    if (operation == "ListTasks") {
      json::array arns;
      for (const json::object& task : get_string(input, "desiredStatus") == "RUNNING" ? running : stopped)
        arns.push_back(task.at("taskArn"));
      return ok({{"taskArns", arns}});
    }
    if (operation == "DescribeTasks") {
      json::array tasks;
      for (const std::string& arn : get_strings(input, "tasks")) {
        for (const auto* list : {&running, &stopped}) {
          for (const json::object& task : *list) {
            if (get_string(task, "taskArn") == arn) tasks.push_back(task);
          }
        }
      }
      return ok({{"tasks", tasks}});
    }
    if (operation == "ListServiceDeployments" && knows_service_deployments) {
      json::array list;
      for (const json::object& record : records) list.push_back(record);
      return ok({{"serviceDeployments", list}});
    }
    if (operation == "GetLogEvents") {
      json::array events;
      for (const std::string& line : logs[get_string(input, "logStreamName")])
        events.push_back(json::object{{"message", line}});
      return ok({{"events", events}});
    }
    if (operation == "DescribeAlarms" && knows_alarms) {
      json::array list;
      for (const auto& [name, state] : alarms)
        list.push_back(json::object{{"AlarmName", name}, {"StateValue", state}, {"StateReason", "too many errors"}});
      return ok({{"MetricAlarms", list}});
    }
    if (other_answers.contains(operation)) {
      other_calls.emplace_back(operation, input);
      return ok(other_answers[operation]);
    }
    return error(400, "UnknownOperationException");
  }

  http::Response describe_images(const json::object& input) {
    json::array details;
    if (!has(input, "imageIds")) {
      for (const auto& [digest, at] : pushed_at) {
        const json::object detail = image_detail(digest);
        if (!get_array(detail, "imageTags").empty()) details.push_back(detail);
      }
      return ok({{"imageDetails", details}});
    }
    const json::object id = get_array(input, "imageIds").at(0).as_object();
    const std::string tag = get_string(id, "imageTag");
    const std::string digest = tag.empty() ? get_string(id, "imageDigest") : tags[tag];
    if (!pushed_at.contains(digest)) return error(400, "ImageNotFoundException");
    details.push_back(image_detail(digest));
    return ok({{"imageDetails", details}});
  }

 public:
  std::vector<std::string> forms;  // Bodies of query calls, e.g. SNS Publish.
  int form_status = 200;
  std::map<std::string, std::string> xml;  // Answers to query calls, by action.

 private:
  long long next_deployment_ = 1;
  http::Server server_;
};

}  // namespace slipway::deployer
