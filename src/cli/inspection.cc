#include "cli/inspection.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "base/text.h"
#include "cli/offline_plan.h"
#include "events/pattern.h"

namespace slipway::cli {
namespace {

constexpr int kDrainSecondsLong = 120;   // Beyond it, draining is what a deployment mostly waits for.
constexpr int kDrainSecondsShort = 5;    // Below it, requests that take a little are cut.
constexpr int kStopSecondsDefault = 30;  // ECS's stopTimeout.
constexpr int kImagesKeptWished = 5;     // Fewer, and there is hardly anything to roll back to.
constexpr int kDaysKeptWished = 14;

Finding unknown(const std::string& what, const std::string& trouble) {
  return note(what, "could not be asked: " + trouble);
}

Finding repository(const config::Service& service, const SeenService& seen) {
  if (!seen.repository.known()) return unknown("repository", seen.repository.trouble);
  if (!seen.repository.value)
    return failed("repository", service.repository + " does not exist",
                  fmt::format("aws ecr create-repository --repository-name {}", service.repository));
  return good("repository", service.repository);
}

// Whether a rule of a lifecycle policy may take what one would roll back to.
Finding retention(const SeenService& seen) {
  if (!seen.lifecycle.known()) return unknown("retention", seen.lifecycle.trouble);
  if (!seen.lifecycle.value) return good("retention", "no image is ever deleted by a lifecycle policy");
  const auto policy = parse_json(*seen.lifecycle.value);
  if (!policy || !policy->is_object()) return unknown("retention", "the lifecycle policy is no JSON");
  for (const json::value& rule : get_array(policy->get_object(), "rules")) {
    if (!rule.is_object()) continue;
    const json::object selection = get_object(rule.get_object(), "selection");
    const bool by_count = get_string(selection, "countType") == "imageCountMoreThan";
    const long long number = get_int(selection, "countNumber");
    if (number >= (by_count ? kImagesKeptWished : kDaysKeptWished)) continue;
    return doubtful("retention",
                    fmt::format("a rule for {} images keeps {} {} only: what one would roll back to is deleted",
                                to_lower(get_string(selection, "tagStatus")), number, by_count ? "images" : "days"),
                    "take the policy of slipway render terraform, which protects what deploys");
  }
  return good("retention", "the lifecycle policy leaves enough to roll back to");
}

Finding image(const config::Service& service, const SeenService& seen) {
  if (!seen.image.known()) return unknown("image", seen.image.trouble);
  if (!seen.image.value)
    return doubtful("image", fmt::format("none is in {} by a tag that deploys", service.repository),
                    "push one; until then the service has nothing to run");
  const json::object definition = seen.task_definition.value.value_or(json::object{});
  const json::object platform = get_object(definition, "runtimePlatform");
  const bool arm = get_string(platform, "cpuArchitecture", "X86_64") == "ARM64";
  const std::string wanted = arm ? "linux/arm64" : "linux/amd64";
  if (!seen.platforms.empty() && std::ranges::find(seen.platforms, wanted) == seen.platforms.end())
    return failed(
        "image",
        fmt::format("{} is for {}, and the task runs {}", *seen.image.value, join(seen.platforms, ", "), wanted),
        "docker buildx build --platform " + wanted);
  return good("image", *seen.image.value + (seen.platforms.empty() ? "" : " for " + wanted));
}

Finding running(const SeenService& seen) {
  if (!seen.running_image.known()) return unknown("image that runs", seen.running_image.trouble);
  if (!seen.running_image.value) return note("image that runs", "it is not pinned to a digest yet");
  if (!*seen.running_image.value)
    return failed("image that runs", "its digest is no longer in the repository: no task can start again",
                  "push it again, or deploy another");
  return good("image that runs", "its digest is in the repository");
}

Finding roles(const config::Service& service, const SeenService& seen) {
  Finding all = good("roles", "");
  for (const SeenRole& role : seen.roles) {
    if (!role.trust.known()) {
      all.parts.push_back(unknown(role.name, role.trust.trouble));
    } else if (!role.trust.value) {
      all.parts.push_back(failed(role.name, "it does not exist", "make it, or name another in the task definition"));
    } else if (!role.trust.value->contains("ecs-tasks.amazonaws.com")) {
      all.parts.push_back(failed(role.name, "ECS may not take it", "let it trust ecs-tasks.amazonaws.com"));
    } else if (role.name != service.task_role && role.name != service.execution_role) {
      all.parts.push_back(failed(
          role.name, fmt::format("the deployer may pass {} and {} only", service.task_role, service.execution_role),
          "name it in slipway.yaml (roles: {task: …, execution: …}) and render the policies again"));
    } else {
      all.parts.push_back(good(role.name, "ECS may take it, and the deployer pass it"));
    }
  }
  if (all.parts.empty()) all.detail = "the task definition names none";
  return all;
}

Finding definition(const config::Service& service, const SeenService& seen) {
  if (!seen.task_definition.known()) return unknown("task definition", seen.task_definition.trouble);
  if (!seen.task_definition.value) return failed("task definition", "the service's is gone", "register it again");
  const json::object& found = *seen.task_definition.value;
  std::vector<std::string> containers;
  for (const json::value& container : get_array(found, "containerDefinitions"))
    if (container.is_object()) containers.push_back(get_string(container.get_object(), "name"));
  const std::string name = fmt::format("{}:{}", get_string(found, "family"), get_int(found, "revision"));
  if (std::ranges::find(containers, service.container) == containers.end())
    return failed("task definition",
                  fmt::format("{} has no container {}; it has {}", name, service.container, join(containers, ", ")),
                  "write container: NAME in slipway.yaml");
  if (get_string(found, "family") != service.family)
    return failed(
        "task definition",
        fmt::format("{} is not of the family {}, which alone the deployer may register", name, service.family),
        fmt::format("write family: {} in slipway.yaml", get_string(found, "family")));
  return good("task definition", name + " has the container " + service.container);
}

Finding percentages(const json::object& service) {
  const json::object configuration = get_object(service, "deploymentConfiguration");
  const auto low = static_cast<int>(get_int(configuration, "minimumHealthyPercent", 100));
  const auto high = static_cast<int>(get_int(configuration, "maximumPercent", 200));
  const auto count = static_cast<int>(get_int(service, "desiredCount"));
  const Bounds bounds = bounds_of(count, low, high);
  const std::string text =
      fmt::format("{}/{} of {}: at least {} run, at most {}", low, high, count, bounds.minimum, bounds.maximum);
  if (count == 0) return note("percentages", "the service is scaled to 0: nothing runs, whatever deploys");
  if (bounds.stuck)
    return failed("percentages", text + "; no task may stop and none may start",
                  "raise the maximum to 200, or run more tasks");
  if (bounds.minimum == 0)
    return doubtful("percentages", text + ": a deployment may stop them all", "raise the minimum to 100");
  return good("percentages", text);
}

Finding breaker(const json::object& service) {
  const json::object circuit = get_object(get_object(service, "deploymentConfiguration"), "deploymentCircuitBreaker");
  if (!get_bool(circuit, "enable"))
    return doubtful("circuit breaker", "it is off: a bad image is tried for ever",
                    "deploymentCircuitBreaker {enable: true, rollback: true}");
  if (!get_bool(circuit, "rollback"))
    return doubtful("circuit breaker", "it stops a bad deployment and leaves it there", "rollback: true");
  return good("circuit breaker", "on, with rollback");
}

Finding draining(const SeenService& seen) {
  if (!seen.target_group.known()) return unknown("draining", seen.target_group.trouble);
  if (!seen.target_group.value) return note("draining", "the service has no target group");
  int stop = kStopSecondsDefault;
  const json::object found = seen.task_definition.value.value_or(json::object{});
  for (const json::value& container : get_array(found, "containerDefinitions"))
    if (container.is_object())
      stop = std::max(stop, static_cast<int>(get_int(container.get_object(), "stopTimeout", kStopSecondsDefault)));
  const int drain = seen.target_group.value->deregistration_seconds;
  const std::string text = fmt::format("deregistration delay {} s, then up to {} s to stop", drain, stop);
  if (drain < kDrainSecondsShort)
    return doubtful("draining", text + ": longer requests are cut", "a deregistration delay of 30 s");
  if (drain + stop > kDrainSecondsLong)
    return doubtful("draining", text + ": every deployment waits for it", "a deregistration delay of 30 s");
  return good("draining", text);
}

Finding alarms(const SeenService& seen) {
  Finding all = good("alarms", "");
  for (const auto& [name, state] : seen.alarms) {
    if (!state.known()) {
      all.parts.push_back(unknown(name, state.trouble));
    } else if (!state.value) {
      all.parts.push_back(failed(name, "there is no such alarm", "make it, or take it out of verify"));
    } else if (*state.value == "ALARM") {
      all.parts.push_back(
          failed(name, "it is in ALARM already: every deployment would be taken back", "see what it tells of"));
    } else {
      all.parts.push_back(good(name, *state.value));
    }
  }
  return all;
}

// The statements of the function's policy that let EventBridge invoke it.
Finding permission(const SeenDeployer& seen, const std::string& rule_arn) {
  if (!seen.policy.known()) return unknown("permission", seen.policy.trouble);
  const json::object policy = seen.policy.value.value_or(json::object{});
  bool open = false;
  for (const json::value& value : get_array(policy, "Statement")) {
    if (!value.is_object()) continue;
    const json::object& statement = value.get_object();
    if (!json::serialize(get_object(statement, "Principal")).contains("events.amazonaws.com")) continue;
    const json::object condition = get_object(statement, "Condition");
    bool limited = false;
    for (const auto& test : condition) {
      if (!test.value().is_object()) continue;
      for (const auto& key : test.value().get_object()) {
        if (!equal_ignoring_case(std::string_view(key.key()), "aws:SourceArn")) continue;
        limited = true;
        const json::array wanted = key.value().is_array() ? key.value().get_array() : json::array{key.value()};
        for (const json::value& pattern : wanted)
          if (pattern.is_string() && glob_match(view(pattern.get_string()), rule_arn))
            return good("permission", "only its rules invoke the function");
      }
    }
    open = open || !limited;
  }
  if (open)
    return failed("permission", "any rule of any account may invoke the function", "give the permission a source ARN");
  return failed("permission", "the rule may not invoke the function",
                "aws lambda add-permission with --source-arn " + rule_arn);
}

Finding service_rule(const config::Service& service, const SeenDeployer& seen, const std::string& rule_arn_start) {
  Finding all = good(service.key, "");
  for (const config::TagRule& tag : service.tags) {
    const std::string sample = sample_tag(tag);
    const std::string what = "push of " + service.repository + ":" + (sample.empty() ? tag.text : sample);
    const auto event = event_of_tag(service.repository + ":" + sample);
    if (!event) {
      all.parts.push_back(note(what, "no version in the range was found to try"));
      continue;
    }
    const SeenRule* hearing = nullptr;
    for (const SeenRule& rule : *seen.rules.value) {
      const auto pattern = events::compile(rule.pattern);
      if (rule.pattern.empty() || !pattern || !events::matches(*pattern, *event)) continue;
      if (hearing == nullptr || (!hearing->enabled && rule.enabled)) hearing = &rule;
    }
    if (hearing == nullptr) {
      all.parts.push_back(failed(what, "no rule with the deployer as its target matches it",
                                 "slipway render events, or slipway render terraform"));
    } else if (!hearing->enabled) {
      all.parts.push_back(
          failed(what, "the rule " + hearing->name + " is disabled", "aws events enable-rule --name " + hearing->name));
    } else {
      Finding found = good(what, "the rule " + hearing->name + " takes it to the deployer");
      found.parts.push_back(permission(seen, rule_arn_start + hearing->name));
      found.parts.push_back(hearing->dead_letters
                                ? good("dead letters", "what cannot be delivered is kept")
                                : doubtful("dead letters", "after a day of failures the event is lost",
                                           "give the rule's target a dead-letter queue"));
      all.parts.push_back(std::move(found));
    }
  }
  return all;
}

}  // namespace

Bounds bounds_of(int count, int minimum_percent, int maximum_percent) {
  Bounds bounds{.minimum = (count * minimum_percent + 99) / 100, .maximum = count * maximum_percent / 100};
  bounds.stuck = count > 0 && bounds.minimum >= count && bounds.maximum <= count;
  return bounds;
}

std::string sample_tag(const config::TagRule& rule) {
  if (rule.kind == config::TagRule::Kind::exact) return rule.text;
  if (rule.kind == config::TagRule::Kind::wildcard) {
    std::string tag = rule.text;
    std::ranges::replace_if(tag, [](char c) { return c == '*' || c == '?'; }, '1');
    return tag;
  }
  // The bounds of a range, and what comes just after them, hold a version of nearly every range that has one.
  std::string digits = rule.text;
  std::ranges::replace_if(digits, [](char c) { return (c < '0' || c > '9') && c != '.'; }, ' ');
  for (const std::string& word : split(digits, ' ')) {
    if (word.empty()) continue;
    std::array<int, 3> parts{};
    const auto written = split(word, '.');
    for (std::size_t i = 0; i < std::min<std::size_t>(3, written.size()); ++i)
      std::from_chars(written[i].data(), written[i].data() + written[i].size(), parts[i]);
    for (const auto& [major, minor, patch] : std::initializer_list<std::array<int, 3>>{
             parts, {parts[0], parts[1], parts[2] + 1}, {parts[0], parts[1] + 1, 0}, {parts[0] + 1, 0, 0}, {0, 0, 0}}) {
      const std::string tag = fmt::format("{}.{}.{}", major, minor, patch);
      if (config::matches(rule, tag)) return tag;
    }
  }
  return {};
}

Finding judge_service(const config::Service& service, const SeenService& seen) {
  Finding all = good(service.key, fmt::format("service {} in cluster {}", service.name, service.cluster));
  all.parts = {repository(service, seen)};
  if (seen.repository.value) all.parts.push_back(retention(seen));
  if (seen.repository.value) all.parts.push_back(image(service, seen));
  if (!seen.service.known()) {
    all.parts.push_back(unknown("service", seen.service.trouble));
  } else if (!seen.service.value) {
    const bool cluster = seen.cluster.value.has_value();
    all.parts.push_back(failed(
        "service",
        cluster ? fmt::format("{} is not in cluster {}", service.name, service.cluster)
                : fmt::format("there is no cluster {}", service.cluster),
        "slipway render terraform with aws: {create: [repository, cluster, service]}, or name it in slipway.yaml"));
  } else {
    all.parts.push_back(good("service", "it is active"));
    all.parts.push_back(definition(service, seen));
    all.parts.push_back(roles(service, seen));
    all.parts.push_back(running(seen));
    all.parts.push_back(percentages(*seen.service.value));
    all.parts.push_back(breaker(*seen.service.value));
    all.parts.push_back(draining(seen));
  }
  if (!seen.alarms.empty()) all.parts.push_back(alarms(seen));
  return all;
}

Finding judge_deployer(const config::Config& config, const SeenDeployer& seen, const std::string& rule_arn_start) {
  Finding all = good("deployer", seen.function);
  if (!seen.configuration.known()) {
    all.parts.push_back(unknown("function", seen.configuration.trouble));
  } else if (!seen.configuration.value) {
    all.parts.push_back(failed("function", "there is no function " + seen.function,
                               "slipway render lambda, slipway render terraform, terraform apply"));
    return all;
  } else {
    const std::string state = get_string(*seen.configuration.value, "State", "Active");
    all.parts.push_back(
        state == "Active" || state == "Inactive"
            ? good("function", get_string(*seen.configuration.value, "Runtime") + ", " + to_lower(state))
            : failed("function", "its state is " + state, "see aws lambda get-function-configuration"));
  }
  if (!seen.reserved_concurrency.known()) {
    all.parts.push_back(unknown("one at a time", seen.reserved_concurrency.trouble));
  } else if (seen.reserved_concurrency.value.value_or(-1) != 1) {
    all.parts.push_back(doubtful(
        "one at a time", "two pushes at once may race for one service",
        fmt::format("aws lambda put-function-concurrency --function-name {} --reserved-concurrent-executions 1",
                    seen.function)));
  } else {
    all.parts.push_back(good("one at a time", "its concurrency is 1"));
  }
  if (!seen.rules.known()) {
    all.parts.push_back(unknown("rules", seen.rules.trouble));
    return all;
  }
  for (const auto& [key, service] : config.services) all.parts.push_back(service_rule(service, seen, rule_arn_start));
  return all;
}

}  // namespace slipway::cli
