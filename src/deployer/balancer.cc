#include "deployer/balancer.h"

#include <fmt/format.h>

#include <charconv>

#include "base/text.h"
#include "client/chain.h"

namespace slipway::deployer {
namespace {

// The direct <member> elements of `list`, e.g. "Listeners", in an answer of a query API.
std::vector<std::string_view> members_of(std::string_view body, std::string_view list) {
  constexpr std::string_view kOpen = "<member>";
  constexpr std::string_view kClose = "</member>";
  std::vector<std::string_view> members;
  const auto begin = body.find(fmt::format("<{}>", list));
  if (begin == std::string_view::npos) return members;
  std::size_t depth = 0;
  std::size_t start = 0;
  for (std::size_t at = begin; at < body.size(); ++at) {
    const std::string_view rest = body.substr(at);
    if (rest.starts_with(kOpen) && depth++ == 0) start = at + kOpen.size();
    if (rest.starts_with(kClose) && --depth == 0) members.push_back(body.substr(start, at - start));
    if (depth == 0 && rest.starts_with(fmt::format("</{}>", list))) break;
  }
  return members;
}

task<Result<std::string>> ask_balancer(Cloud& cloud, std::string action, std::string name, std::string value) {
  const auto answer = co_await cloud.aws().query_call("elasticloadbalancing", "2015-12-01", action, {{name, value}});
  if (!answer) co_return fail(answer);
  co_return answer->body;
}

std::string group_of(const json::object& service) {
  const json::array balancers = get_array(service, "loadBalancers");
  return balancers.empty() ? "" : get_string(balancers.front().as_object(), "targetGroupArn");
}

long long number_in(std::string_view body, std::string_view tag, long long otherwise) {
  const std::string text = client::xml_text(body, tag);
  long long value = otherwise;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

}  // namespace

task<Result<std::string>> balancer_url(Cloud& cloud, json::object service) {
  const std::string group = group_of(service);
  if (group.empty())
    co_return fail(Fault::invalid, "NoLoadBalancer", "the service has no load balancer, so that a path has no address");
  const auto groups = co_await ask_balancer(cloud, "DescribeTargetGroups", "TargetGroupArns.member.1", group);
  if (!groups) co_return fail(groups);
  const auto arns = members_of(*groups, "LoadBalancerArns");
  if (arns.empty())
    co_return fail(Fault::invalid, "NoLoadBalancer", "no load balancer uses the service's target group");
  const std::string balancer(trim(arns.front()));
  const auto described = co_await ask_balancer(cloud, "DescribeLoadBalancers", "LoadBalancerArns.member.1", balancer);
  if (!described) co_return fail(described);
  const auto listeners = co_await ask_balancer(cloud, "DescribeListeners", "LoadBalancerArn", balancer);
  if (!listeners) co_return fail(listeners);
  for (const std::string_view listener : members_of(*listeners, "Listeners")) {
    if (!listener.contains(group)) continue;
    const std::string scheme = to_lower(client::xml_text(listener, "Protocol"));
    co_return fmt::format("{}://{}:{}", scheme, client::xml_text(*described, "DNSName"),
                          client::xml_text(listener, "Port"));
  }
  co_return fail(Fault::invalid, "NoLoadBalancer", "no listener forwards to the service's target group");
}

task<Result<std::optional<TargetGroup>>> target_group_of(Cloud& cloud, json::object service) {
  const std::string arn = group_of(service);
  if (arn.empty()) co_return std::nullopt;
  const auto described = co_await ask_balancer(cloud, "DescribeTargetGroups", "TargetGroupArns.member.1", arn);
  if (!described) co_return fail(described);
  TargetGroup group;
  group.interval = std::chrono::seconds(number_in(*described, "HealthCheckIntervalSeconds", 30));
  group.healthy = static_cast<int>(number_in(*described, "HealthyThresholdCount", 5));
  group.unhealthy = static_cast<int>(number_in(*described, "UnhealthyThresholdCount", 2));
  const auto attributes = co_await ask_balancer(cloud, "DescribeTargetGroupAttributes", "TargetGroupArn", arn);
  if (!attributes) co_return fail(attributes);
  for (const std::string_view attribute : members_of(*attributes, "Attributes")) {
    if (client::xml_text(attribute, "Key") == "deregistration_delay.timeout_seconds")
      group.deregistration_delay = std::chrono::seconds(number_in(attribute, "Value", 300));
  }
  co_return group;
}

}  // namespace slipway::deployer
