#include <fmt/format.h>

#include <algorithm>
#include <iostream>

#include "base/run.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/inspection.h"
#include "client/chain.h"
#include "config/config.h"
#include "deployer/cloud.h"
#include "deployer/labels.h"
#include "render/names.h"

namespace slipway::cli {
namespace {

using namespace std::chrono_literals;

constexpr int kPagesMax = 20;  // Of one list; each has up to 1,000 images or 100 rules.
constexpr Duration kCallMax = 20s;

bool is_absent(const Error& error) {
  return error.fault == Fault::not_found || error.code.contains("NotFound") || error.code == "NoSuchEntity";
}
std::string trouble_of(const Error& error) {
  return error.message.empty() ? error.code : error.code + ": " + error.message;
}

// Asks one account, or the local region: the same APIs.
class Inspector {
 public:
  Inspector(asio::any_io_executor executor, client::Options options, bool local)
      : client_(executor, options), iam_(executor, iam_options(options, local)) {}

  task<Result<Place>> place(std::string region) {
    auto answer = co_await client_.query_call("sts", "2011-06-15", "GetCallerIdentity", {});
    if (!answer) co_return fail(answer);
    co_return Place{.account = client::xml_text(answer->body, "Account"), .region = region};
  }

  task<SeenService> see_service(config::Service service) {
    SeenService seen;
    const json::object named = {{"repositoryNames", json::array{service.repository}}};
    seen.repository = first_of(co_await ecr("DescribeRepositories", named), "repositories");
    if (seen.repository.value) co_await see_images(service, seen);
    const json::object cluster = {{"clusters", json::array{service.cluster}}};
    seen.cluster = active(first_of(co_await ecs("DescribeClusters", cluster), "clusters"));
    if (seen.cluster.value) {
      const json::object which = {{"cluster", service.cluster}, {"services", json::array{service.name}}};
      seen.service = active(first_of(co_await ecs("DescribeServices", which), "services"));
    }
    if (seen.service.value) co_await see_definition(service, seen);
    if (service.verify) {
      for (const std::string& name : service.verify->alarms) seen.alarms[name] = co_await alarm(name);
    }
    co_return seen;
  }

  task<SeenDeployer> see_deployer(std::string function) {
    SeenDeployer seen{.function = function};
    const std::string path = "/2015-03-31/functions/" + function;
    seen.configuration = co_await lambda(path + "/configuration");
    if (!seen.configuration.value) co_return seen;
    seen.arn = get_string(*seen.configuration.value, "FunctionArn");
    seen.policy = co_await lambda(path + "/policy");
    if (seen.policy.value) {
      const auto parsed = parse_json(get_string(*seen.policy.value, "Policy"));
      seen.policy.value = parsed && parsed->is_object() ? parsed->get_object() : json::object{};
    }
    const auto reserved = co_await lambda("/2019-09-30/functions/" + function + "/concurrency");
    seen.reserved_concurrency.trouble = reserved.trouble;
    if (reserved.value && has(*reserved.value, "ReservedConcurrentExecutions"))
      seen.reserved_concurrency.value = static_cast<int>(get_int(*reserved.value, "ReservedConcurrentExecutions"));
    seen.rules = co_await rules(seen.arn);
    co_return seen;
  }

 private:
  // IAM is one for all regions, and wants signatures of us-east-1.
  static client::Options iam_options(client::Options options, bool local) {
    if (!local) options.region = "us-east-1";
    return options;
  }

  template <class T>
  static Asked<T> from(Result<T> answer) {
    Asked<T> asked;
    if (answer) {
      asked.value = std::move(*answer);
    } else if (!is_absent(answer.error())) {
      asked.trouble = trouble_of(answer.error());
    }
    return asked;
  }
  static Asked<json::object> first_of(Asked<json::object> answer, std::string_view list) {
    if (!answer.value) return answer;
    const json::array found = get_array(*answer.value, list);
    answer.value.reset();
    if (!found.empty() && found.front().is_object()) answer.value = found.front().get_object();
    return answer;
  }
  static Asked<json::object> active(Asked<json::object> answer) {
    if (answer.value && get_string(*answer.value, "status") != "ACTIVE") answer.value.reset();
    return answer;
  }

  task<Asked<json::object>> ecs(std::string operation, json::object input) {
    auto answer = co_await client_.json_call("ecs", "AmazonEC2ContainerServiceV20141113", operation, input);
    co_return from(std::move(answer));
  }
  task<Asked<json::object>> ecr(std::string operation, json::object input) {
    auto answer = co_await client_.json_call("ecr", "AmazonEC2ContainerRegistry_V20150921", operation, input);
    co_return from(std::move(answer));
  }
  task<Asked<json::object>> events(std::string operation, json::object input) {
    auto answer = co_await client_.json_call("events", "AWSEvents", operation, input);
    co_return from(std::move(answer));
  }
  task<Asked<json::object>> lambda(std::string path) {
    auto answer = co_await client_.rest_call("lambda", "GET", path, {}, "");
    Asked<json::object> asked;
    if (!answer) {
      if (!is_absent(answer.error())) asked.trouble = trouble_of(answer.error());
      co_return asked;
    }
    const auto parsed = parse_json(answer->body.empty() ? "{}" : answer->body);
    asked.value = parsed && parsed->is_object() ? parsed->get_object() : json::object{};
    co_return asked;
  }

  // The newest image by a tag that deploys, what it runs on, and what the lifecycle policy leaves.
  task<void> see_images(config::Service service, SeenService& seen) {
    const json::object named = {{"repositoryName", service.repository}};
    const auto policy = co_await ecr("GetLifecyclePolicy", named);
    seen.lifecycle.trouble = policy.trouble;
    if (policy.value) seen.lifecycle.value = get_string(*policy.value, "lifecyclePolicyText");
    double newest = -1;
    json::object ask = named;
    for (int page = 0; page < kPagesMax; ++page) {
      const auto answer = co_await ecr("DescribeImages", ask);
      seen.image.trouble = answer.trouble;
      if (!answer.value) break;
      for (const json::value& value : get_array(*answer.value, "imageDetails")) {
        const json::object& detail = value.as_object();
        const auto tags = get_strings(detail, "imageTags");
        const bool deploys = std::ranges::any_of(tags, [&](const std::string& tag) {
          return std::ranges::any_of(service.tags,
                                     [&](const config::TagRule& rule) { return config::matches(rule, tag); });
        });
        const double pushed = get_double(detail, "imagePushedAt");
        if (!deploys || pushed < newest) continue;
        newest = pushed;
        seen.image.value = get_string(detail, "imageDigest");
      }
      const std::string next = get_string(*answer.value, "nextToken");
      if (next.empty()) break;
      ask["nextToken"] = next;
    }
    if (seen.image.value) co_await see_platforms(service.repository, seen);
  }

  task<void> see_platforms(std::string repository, SeenService& seen) {
    const json::object ask = {{"repositoryName", repository},
                              {"imageIds", json::array{json::object{{"imageDigest", *seen.image.value}}}}};
    const auto image = first_of(co_await ecr("BatchGetImage", ask), "images");
    if (!image.value) co_return;
    const auto manifest = parse_json(get_string(*image.value, "imageManifest"));
    if (!manifest || !manifest->is_object()) co_return;
    for (const json::value& part : get_array(manifest->get_object(), "manifests")) {
      if (!part.is_object()) continue;
      const json::object platform = get_object(part.get_object(), "platform");
      const std::string name = get_string(platform, "os") + "/" + get_string(platform, "architecture");
      if (name != "/" && name != "unknown/unknown") seen.platforms.push_back(name);  // Attestations run nowhere.
    }
    // An image of one platform says it in its configuration.
    const std::string config = get_string(get_object(manifest->get_object(), "config"), "digest");
    if (!seen.platforms.empty() || config.empty()) co_return;
    deployer::Cloud cloud(client_);
    const json::object read = co_await deployer::image_configuration(cloud, repository, config);
    if (!get_string(read, "os").empty())
      seen.platforms.push_back(get_string(read, "os") + "/" + get_string(read, "architecture"));
  }

  task<void> see_definition(config::Service service, SeenService& seen) {
    const json::object which = {{"taskDefinition", get_string(*seen.service.value, "taskDefinition")}};
    seen.task_definition = co_await ecs("DescribeTaskDefinition", which);
    if (!seen.task_definition.value) co_return;
    seen.task_definition.value = get_object(*seen.task_definition.value, "taskDefinition");
    const json::object definition = *seen.task_definition.value;
    for (const char* member : {"taskRoleArn", "executionRoleArn"}) {
      const std::string arn = get_string(definition, member);
      if (!arn.empty()) seen.roles.push_back(co_await role(arn.substr(arn.rfind('/') + 1)));
    }
    for (const json::value& container : get_array(definition, "containerDefinitions")) {
      const std::string image = get_string(container.as_object(), "image");
      const auto at = image.find('@');
      if (get_string(container.as_object(), "name") != service.container || at == std::string::npos) continue;
      const json::object ask = {{"repositoryName", service.repository},
                                {"imageIds", json::array{json::object{{"imageDigest", image.substr(at + 1)}}}}};
      const auto there = co_await ecr("DescribeImages", ask);
      seen.running_image.trouble = there.trouble;
      if (there.known()) seen.running_image.value = there.value.has_value();
    }
    const json::array balancers = get_array(*seen.service.value, "loadBalancers");
    if (!balancers.empty())
      seen.target_group = co_await target_group(get_string(balancers.front().as_object(), "targetGroupArn"));
  }

  task<SeenRole> role(std::string name) {
    SeenRole seen{.name = name};
    auto answer = co_await iam_.query_call("iam", "2010-05-08", "GetRole", {{"RoleName", name}});
    if (answer) {
      seen.trust.value = percent_decode(client::xml_text(answer->body, "AssumeRolePolicyDocument"));
    } else if (!is_absent(answer.error())) {
      seen.trust.trouble = trouble_of(answer.error());
    }
    co_return seen;
  }

  task<Asked<SeenTargetGroup>> target_group(std::string arn) {
    Asked<SeenTargetGroup> asked;
    auto answer = co_await client_.query_call("elasticloadbalancing", "2015-12-01", "DescribeTargetGroupAttributes",
                                              {{"TargetGroupArn", arn}});
    if (!answer) {
      asked.trouble = trouble_of(answer.error());
      co_return asked;
    }
    // The attribute's value stands in the same member as its key, before or after it.
    for (const std::string& member : members(answer->body)) {
      if (client::xml_text(member, "Key") == "deregistration_delay.timeout_seconds")
        asked.value = SeenTargetGroup{.deregistration_seconds = std::atoi(client::xml_text(member, "Value").c_str())};
    }
    if (!asked.value) asked.trouble = "the answer has no deregistration delay";
    co_return asked;
  }
  static std::vector<std::string> members(const std::string& body) {
    std::vector<std::string> out;
    for (auto from = body.find("<member>"); from != std::string::npos; from = body.find("<member>", from + 1))
      out.push_back(body.substr(from, body.find("</member>", from) - from));
    return out;
  }

  task<Asked<std::string>> alarm(std::string name) {
    Asked<std::string> asked;
    auto answer =
        co_await client_.query_call("monitoring", "2010-08-01", "DescribeAlarms", {{"AlarmNames.member.1", name}});
    if (!answer) {
      asked.trouble = trouble_of(answer.error());
      co_return asked;
    }
    const std::string state = client::xml_text(answer->body, "StateValue");
    if (!state.empty()) asked.value = state;
    co_return asked;
  }

  task<Asked<std::vector<SeenRule>>> rules(std::string function_arn) {
    Asked<std::vector<SeenRule>> all;
    all.value.emplace();
    json::object ask = {{"TargetArn", function_arn}};
    for (int page = 0; page < kPagesMax; ++page) {
      const auto names = co_await events("ListRuleNamesByTarget", ask);
      if (!names.value) {
        all.trouble = names.trouble.empty() ? "the rules cannot be listed" : names.trouble;
        co_return all;
      }
      for (const std::string& name : get_strings(*names.value, "RuleNames"))
        all.value->push_back(co_await rule(name, function_arn));
      const std::string next = get_string(*names.value, "NextToken");
      if (next.empty()) break;
      ask["NextToken"] = next;
    }
    co_return all;
  }

  task<SeenRule> rule(std::string name, std::string function_arn) {
    SeenRule seen{.name = name};
    const json::object named = {{"Name", name}};
    const auto described = co_await events("DescribeRule", named);
    if (described.value) {
      seen.enabled = get_string(*described.value, "State").starts_with("ENABLED");
      seen.pattern = get_string(*described.value, "EventPattern");
    }
    const json::object of = {{"Rule", name}};
    const auto targets = co_await events("ListTargetsByRule", of);
    if (!targets.value) co_return seen;
    for (const json::value& target : get_array(*targets.value, "Targets")) {
      const json::object& one = target.as_object();
      if (get_string(one, "Arn") == function_arn) seen.dead_letters = has(get_object(one, "DeadLetterConfig"), "Arn");
    }
    co_return seen;
  }

  client::AwsClient client_;
  client::AwsClient iam_;
};

struct Where {
  client::Options options;
  bool local = false;
  std::string region;
};

// The local region when one runs and nobody asks for AWS; else what the environment's credentials lead to.
Result<Where> where_to_ask(const Common& common, const VerifyOptions& options, const config::Config& config) {
  Where where;
  if (!options.aws) {
    const auto key = read_key(common.folder());
    if (key) {
      where.options = {.endpoint = key->about.endpoint,
                       .region = key->about.place.region,
                       .credentials = client::Credentials{.access_key_id = key->access_key_id,
                                                          .secret_access_key = key->secret_access_key},
                       .budget = kCallMax};
      where.local = true;
      where.region = key->about.place.region;
      return where;
    }
  }
  where.options = client::options_from_environment();
  where.options.budget = kCallMax;
  if (where.options.region.empty()) where.options.region = config.region;
  where.region = where.options.region;
  if (where.region.empty()) where.region = client::variable(where.options.environment, "AWS_REGION");
  if (where.region.empty()) where.region = client::variable(where.options.environment, "AWS_DEFAULT_REGION");
  if (where.region.empty())
    return fail(Fault::invalid, "SLW-206",
                "the region is not known. Write region: in the configuration, or set AWS_REGION");
  where.options.region = where.region;
  return where;
}

task<int> inspect(Common common, VerifyOptions options, config::Config config, Where where) {
  Inspector inspector(co_await asio::this_coro::executor, where.options, where.local);
  const auto place = co_await inspector.place(where.region);
  if (!place) co_return complain(place.error());
  Finding all = good(where.local ? "the local region" : "account " + place->account, place->region);
  for (const auto& [key, service] : config.services) {
    const SeenService seen = co_await inspector.see_service(service);
    all.parts.push_back(judge_service(service, seen));
  }
  const std::string function = options.function.empty() ? render::Names(config).deployer : options.function;
  const SeenDeployer deployer = co_await inspector.see_deployer(function);
  const render::Account account{
      .partition = render::partition_of(place->region), .id = place->account, .region = place->region};
  all.parts.push_back(judge_deployer(config, deployer, account.arn("events", "rule/")));
  co_return show(all, common.json);
}

}  // namespace

int verify(const Common& common, const VerifyOptions& options) {
  const auto loaded = config::load(options.config);
  if (!loaded) return complain(loaded.error());
  config::Config config = *loaded;
  if (!options.environment.empty()) {
    auto some = config::for_one_machine(config, options.environment);
    if (!some) return complain(some.error());
    config = std::move(*some);
  }
  const auto where = where_to_ask(common, options, config);
  if (!where) return complain(where.error());
  return run(inspect(common, options, config, *where));
}

}  // namespace slipway::cli
