#include "config/read_service.h"

#include <algorithm>
#include <charconv>
#include <regex>

#include "base/text.h"

namespace slipway::config {
namespace {

void read_health(Section& parent, Health& health) {
  if (!parent.has("health") || !parent.ok()) return;
  Section section(parent.reader(), parent.member("health"), health_table());
  section.text("path", health.path);
  section.time("interval", health.interval);
  if (!section.has("timeout")) health.timeout = std::min(health.timeout, health.interval);
  section.time("timeout", health.timeout);
  section.number("healthy", health.healthy);
  section.number("unhealthy", health.unhealthy);
  section.text("matcher", health.matcher);
  section.time("grace", health.grace);
  if (section.ok() && health.timeout > health.interval)
    section.wrong("timeout",
                  fmt::format("timeout is {} and interval {}; allowed: a timeout that is not longer than the interval",
                              milliseconds_text(health.timeout.count()), milliseconds_text(health.interval.count())));
  for (const char* key : {"interval", "timeout", "grace"}) {
    Duration value{};
    section.time(key, value);
    if (section.ok() && value.count() % 1000 != 0)
      section.reader().warn(
          section.place(key),
          fmt::format("{} is not a whole number of seconds; AWS counts in seconds, so it is rounded", key));
  }
}

void read_deploy(Section& parent, Deploy& deploy) {
  if (!parent.has("deploy") || !parent.ok()) return;
  Section section(parent.reader(), parent.member("deploy"), deploy_table());
  section.word<Deploy::Pin>("pin", {Deploy::Pin::digest, Deploy::Pin::tag}, deploy.pin);
  section.word<Deploy::Strategy>(
      "strategy",
      {Deploy::Strategy::rolling, Deploy::Strategy::canary, Deploy::Strategy::linear, Deploy::Strategy::blue_green},
      deploy.strategy);
  section.number("minimum_healthy_percent", deploy.minimum_healthy_percent);
  section.number("maximum_percent", deploy.maximum_percent);
  section.word<Deploy::Rollback>("rollback", {Deploy::Rollback::automatic, Deploy::Rollback::never}, deploy.rollback);
  section.number("wave", deploy.wave);
  section.time("timeout", deploy.timeout);
  if (section.ok() && deploy.timeout.count() % 1000 != 0)
    section.wrong("timeout", "timeout is not a whole number of seconds");
  if (!section.ok()) return;
  if (deploy.minimum_healthy_percent == 100 && deploy.maximum_percent == 100)
    section.reader().wrong(section.place(),
                           "minimum_healthy_percent 100 with maximum_percent 100 lets no task stop and none start; "
                           "raise the maximum or lower the minimum");
  if (deploy.strategy != Deploy::Strategy::rolling)
    section.reader().warn(section.place("strategy"),
                          fmt::format("strategy {} is not yet acted on: the service deploys rolling",
                                      section.member("strategy").Scalar()));
}

// One entry of `tags`: a tag, a wildcard, or {semver: RANGE}.
TagRule read_tag(Reader& reader, const YAML::Node& node) {
  if (node.IsMap()) {
    TagRule rule{.kind = TagRule::Kind::semver};
    Section section(reader, node, tag_table());
    section.text("semver", rule.text);
    if (reader.ok() && !valid_version_range(rule.text))
      reader.wrong(
          node.Mark(),
          fmt::format("semver is \"{}\"; allowed: a range like \">=2 <3\", \"^1.4\" or \"~2.1 || 3\"", rule.text));
    return rule;
  }
  const TagRule rule = tag_rule(reader.scalar(node, "a tag"));
  std::string letters = rule.text;
  std::erase_if(letters, [](char c) { return c == '*' || c == '?'; });
  if (reader.ok() && !valid_tag(letters.empty() ? "x" : letters))
    reader.wrong(node.Mark(), fmt::format("\"{}\" is no image tag; allowed: up to 128 letters, "
                                          "digits, _ . -, with * and ? as wildcards",
                                          rule.text));
  return rule;
}

void read_tags(Section& parent, std::vector<TagRule>& tags) {
  if (!parent.has("tags") || !parent.ok()) return;
  const YAML::Node node = parent.member("tags");
  if (!node.IsSequence() || node.size() == 0)
    return parent.wrong("tags",
                        "tags is not a list with an entry; write [latest], [release-*] or [{semver: \">=2 <3\"}]");
  tags.clear();
  for (const auto& item : node) tags.push_back(read_tag(parent.reader(), item));
}

void read_http_checks(Section& verify, std::vector<HttpCheck>& checks) {
  if (!verify.has("http") || !verify.ok()) return;
  const YAML::Node node = verify.member("http");
  if (!node.IsSequence()) return verify.wrong("http", "http is not a list; write - url: /health");
  checks.clear();
  for (const auto& item : node) {
    Section section(verify.reader(), item, http_check_table());
    HttpCheck check;
    section.text("url", check.url);
    section.text("status", check.status);
    section.text("contains", check.contains);
    section.time("timeout", check.timeout);
    if (!verify.ok()) return;
    checks.push_back(std::move(check));
  }
}

void read_verify(Section& parent, std::optional<Verify>& into) {
  if (!parent.has("verify") || !parent.ok()) return;
  Section section(parent.reader(), parent.member("verify"), verify_table());
  Verify verify = into.value_or(Verify{});
  section.time("for", verify.time);
  section.time("interval", verify.interval);
  std::string budget;
  section.text("error_budget", budget);
  if (!budget.empty()) std::from_chars(budget.data(), budget.data() + budget.size(), verify.error_budget_percent);
  read_http_checks(section, verify.http);
  section.texts("alarms", verify.alarms);
  if (!section.ok()) return;
  for (const char* key : {"for", "interval"}) {
    Duration value{};
    section.time(key, value);
    if (value.count() % 1000 != 0) section.wrong(key, fmt::format("{} is not a whole number of seconds", key));
  }
  if (verify.http.empty() && verify.alarms.empty())
    section.reader().wrong(section.place(), "verify checks nothing; write http: or alarms: in it");
  into = std::move(verify);
}

// Fargate's combinations:
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-cpu-memory-error.html
bool fargate_has(int cpu, int memory) {
  struct Size {
    int cpu, low, high, step;
  };
  constexpr Size kSizes[] = {{256, 512, 2048, 512},       {512, 1024, 4096, 1024},   {1024, 2048, 8192, 1024},
                             {2048, 4096, 16384, 1024},   {4096, 8192, 30720, 1024}, {8192, 16384, 61440, 4096},
                             {16384, 32768, 122880, 8192}};
  for (const Size& size : kSizes) {
    if (size.cpu != cpu || memory < size.low || memory > size.high || memory % size.step != 0) continue;
    return cpu != 256 || memory != 1536;
  }
  return false;
}

void read_size(Section& section, Service& service) {
  section.number("count", service.count);
  section.number("cpu", service.cpu);
  section.number("memory", service.memory);
  if (!section.ok() || fargate_has(service.cpu, service.memory)) return;
  if (!section.has("cpu") && !section.has("memory")) return;  // Said where they were written.
  section.reader().warn(section.place(section.has("memory") ? "memory" : "cpu"),
                        fmt::format("AWS Fargate has no task of cpu {} with memory {}; on this machine it runs",
                                    service.cpu, service.memory));
}

// What one mapping says of `service`: the service's own, an environment's, or what differs in an environment.
void read_layer(Section& section, Service& service) {
  section.text("cluster", service.cluster);
  section.text("service", service.name);
  section.text("family", service.family);
  section.text("container", service.container);
  section.text("repository", service.repository);
  read_tags(section, service.tags);
  section.number("port", service.port);
  section.number("listen", service.listen);
  read_size(section, service);
  read_health(section, service.health);
  section.text_map("environment", service.environment);
  section.texts("command", service.command);
  read_deploy(section, service.deploy);
  read_verify(section, service.verify);
  if (section.has("build") && section.ok()) {
    Section build(section.reader(), section.member("build"), build_table());
    build.text("context", service.build.context);
    build.text("dockerfile", service.build.dockerfile);
  }
  if (section.has("roles") && section.ok()) {
    Section roles(section.reader(), section.member("roles"), roles_table());
    roles.text("task", service.task_role);
    roles.text("execution", service.execution_role);
  }
}

const std::regex& name_pattern() {
  static const std::regex pattern("[A-Za-z][A-Za-z0-9_-]{0,63}");
  return pattern;
}

void check_name(Reader& reader, const YAML::Mark& place, const std::string& what, const std::string& name) {
  if (name.size() <= 64 && std::regex_match(name, name_pattern())) return;
  reader.wrong(
      place, fmt::format("the {}'s name is \"{}\"; allowed: letters, digits, - and _, a letter first, at most 64", what,
                         name));
}

}  // namespace

void check_environments(Reader& reader, const std::map<std::string, YAML::Node>& environments,
                        const std::vector<std::pair<std::string, YAML::Node>>& services) {
  std::vector<std::string> known;
  for (const auto& [name, node] : services) known.push_back(name);
  for (const auto& [name, node] : environments) {
    check_name(reader, node.Mark(), "environment", name);
    Section section(reader, node, environment_table(), "environment " + name);
    if (!reader.ok() || !section.has("services")) continue;
    for (const auto& [service, what] : reader.entries(section.member("services"), "services"))
      if (reader.ok()) reader.require_word(what.Mark(), "a service of environment " + name, service, known);
  }
}

Service read_service(Reader& reader, const ServiceSource& source) {
  Service service;
  service.label = source.label;
  service.stage = source.stage;
  service.key = source.stage.empty() ? source.label : source.stage + "/" + source.label;
  service.name = source.label;
  service.container = source.label;
  service.cluster = source.stage.empty() ? source.project : source.project + "-" + source.stage;
  service.family = source.stage.empty() ? source.label : source.stage + "-" + source.label;
  service.tags = {TagRule{.kind = TagRule::Kind::exact, .text = "latest"}};
  check_name(reader, source.service.Mark(), "service", source.label);
  if (!reader.ok()) return service;
  Section own(reader, source.service, service_table(), "service " + source.label);
  read_layer(own, service);
  if (source.environment && reader.ok()) {
    Section shared(reader, *source.environment, environment_table(), "environment " + source.stage);
    read_layer(shared, service);
    const YAML::Node differing = shared.has("services") ? shared.member("services")[source.label] : YAML::Node();
    if (reader.ok() && differing && !differing.IsNull()) {
      Section layer(reader, differing, service_table(), fmt::format("service {} in {}", source.label, source.stage),
                    true);
      if (layer.has("environments")) layer.wrong("environments", "environments stands in the service itself, not here");
      read_layer(layer, service);
    }
  }
  if (service.task_role.empty()) service.task_role = service.family + "-task";
  if (service.execution_role.empty()) service.execution_role = service.family + "-execution";
  return service;
}

}  // namespace slipway::config
