#include "config/config.h"

#include <yaml-cpp/anchor.h>
#include <yaml-cpp/eventhandler.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>

#include "base/json.h"
#include "base/text.h"
#include "config/reader.h"

namespace slipway::config {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kFileBytesMax = 1024 * 1024;
constexpr int kDepthMax = 16;      // Of YAML nested in YAML; the format needs 6.
constexpr int kNodesMax = 20'000;  // Values, counting what an alias stands for once.
constexpr int kAliasesMax = 200;

// Counts what a text holds before anything is built of it, so that a hostile file costs little.
class Bounds final : public YAML::EventHandler {
 public:
  explicit Bounds(Reader& reader) : reader_(reader) {}
  void OnDocumentStart(const YAML::Mark& mark) override {
    if (++documents_ > 1) reader_.wrong(mark, "there is a second document; write one");
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t) override { count(mark); }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    if (++aliases_ > kAliasesMax) reader_.wrong(mark, fmt::format("more than {} aliases (*name)", kAliasesMax));
  }
  void OnScalar(const YAML::Mark& mark, const std::string&, YAML::anchor_t, const std::string&) override {
    count(mark);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t, YAML::EmitterStyle::value) override {
    enter(mark);
  }
  void OnSequenceEnd() override { --depth_; }
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t, YAML::EmitterStyle::value) override {
    enter(mark);
  }
  void OnMapEnd() override { --depth_; }

 private:
  void count(const YAML::Mark& mark) {
    if (++nodes_ > kNodesMax) reader_.wrong(mark, fmt::format("more than {} values", kNodesMax));
  }
  void enter(const YAML::Mark& mark) {
    count(mark);
    if (++depth_ > kDepthMax) reader_.wrong(mark, fmt::format("nested more than {} deep", kDepthMax));
  }
  Reader& reader_;
  int documents_ = 0;
  int depth_ = 0;
  int nodes_ = 0;
  int aliases_ = 0;
};

void require_match(Reader& reader, const YAML::Node& parent, const std::string& key, const std::string& value,
                   const char* pattern, std::string_view allowed) {
  if (!reader.ok() || std::regex_match(value, std::regex(pattern))) return;
  const YAML::Node node = parent[key];
  reader.wrong(node ? node.Mark() : parent.Mark(), fmt::format("{} is \"{}\"; allowed: {}", key, value, allowed));
}

Health read_health(Reader& reader, const YAML::Node& parent) {
  Health health;
  const YAML::Node node = parent["health"];
  if (!node ||
      !reader.mapping(node, "health", {"path", "interval", "timeout", "healthy", "unhealthy", "matcher", "grace"}))
    return health;
  reader.text(node, "path", health.path);
  require_match(reader, node, "path", health.path, "/[!-~]{0,1023}", "a path that begins with / and has no spaces");
  reader.duration(node, "interval", 100ms, 300s, health.interval);
  health.timeout = std::min(health.timeout, health.interval);
  reader.duration(node, "timeout", 100ms, 120s, health.timeout);
  reader.integer(node, "healthy", {1, 10}, health.healthy);
  reader.integer(node, "unhealthy", {1, 10}, health.unhealthy);
  reader.text(node, "matcher", health.matcher);
  require_match(reader, node, "matcher", health.matcher,
                "[2-5][0-9]{2}(-[2-5][0-9]{2})?(,[2-5][0-9]{2}(-[2-5][0-9]{2})?)*",
                "HTTP codes like 200, 200-399 or 200,204");
  reader.duration(node, "grace", 0s, 24h, health.grace);
  if (reader.ok() && health.timeout > health.interval) {
    reader.wrong(node["timeout"].Mark(),
                 fmt::format("timeout is {} and interval {}; allowed: a timeout that is not longer "
                             "than the interval",
                             duration_text(health.timeout), duration_text(health.interval)));
  }
  for (const char* key : {"interval", "timeout", "grace"}) {
    const auto value = node[key] ? parse_duration(node[key].Scalar()) : std::nullopt;
    if (reader.ok() && value && value->count() % 1000 != 0)
      reader.warn(node[key].Mark(),
                  fmt::format("{} is not a whole number of seconds; AWS counts in seconds, so it is rounded", key));
  }
  return health;
}

Deploy read_deploy(Reader& reader, const YAML::Node& parent) {
  Deploy deploy;
  const YAML::Node node = parent["deploy"];
  if (!node) return deploy;
  if (!reader.mapping(node, "deploy", {"pin", "strategy", "minimum_healthy_percent", "maximum_percent", "rollback"}))
    return deploy;
  reader.choice<Deploy::Pin>(node, "pin", {{"digest", Deploy::Pin::digest}, {"tag", Deploy::Pin::tag}}, deploy.pin);
  reader.choice<Deploy::Strategy>(node, "strategy",
                                  {{"rolling", Deploy::Strategy::rolling},
                                   {"canary", Deploy::Strategy::canary},
                                   {"linear", Deploy::Strategy::linear},
                                   {"blue-green", Deploy::Strategy::blue_green}},
                                  deploy.strategy);
  reader.integer(node, "minimum_healthy_percent", {0, 100}, deploy.minimum_healthy_percent);
  reader.integer(node, "maximum_percent", {100, 200}, deploy.maximum_percent);
  reader.choice<Deploy::Rollback>(
      node, "rollback", {{"auto", Deploy::Rollback::automatic}, {"never", Deploy::Rollback::never}}, deploy.rollback);
  if (!reader.ok()) return deploy;
  if (deploy.minimum_healthy_percent == 100 && deploy.maximum_percent == 100) {
    reader.wrong(node.Mark(),
                 "minimum_healthy_percent 100 with maximum_percent 100 lets no task stop and none "
                 "start; raise the maximum or lower the minimum");
  }
  if (deploy.strategy != Deploy::Strategy::rolling)
    reader.warn(node["strategy"].Mark(),
                fmt::format("strategy {} is not yet acted on: the service deploys rolling", node["strategy"].Scalar()));
  return deploy;
}

// One entry of `tags`: a tag, a wildcard, or {semver: RANGE}.
TagRule read_tag(Reader& reader, const YAML::Node& node) {
  if (node.IsMap()) {
    TagRule rule{.kind = TagRule::Kind::semver};
    if (!reader.mapping(node, "a tag", {"semver"})) return rule;
    reader.text(node, "semver", rule.text);
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

std::vector<TagRule> read_tags(Reader& reader, const YAML::Node& parent) {
  const YAML::Node node = parent["tags"];
  if (!node) return {TagRule{.kind = TagRule::Kind::exact, .text = "latest"}};
  std::vector<TagRule> tags;
  if (!node.IsSequence() || node.size() == 0) {
    reader.wrong(node.Mark(),
                 "tags is not a list with an entry; write [latest], [release-*] or [{semver: \">=2 <3\"}]");
    return tags;
  }
  for (const auto& item : node) tags.push_back(read_tag(reader, item));
  return tags;
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

constexpr const char* kName = "[A-Za-z][A-Za-z0-9_-]{0,254}";
constexpr const char* kNameAllowed = "letters, digits, - and _, a letter first, at most 255";

void read_size(Reader& reader, const YAML::Node& node, Service& service) {
  reader.integer(node, "count", {0, 1000}, service.count);
  reader.integer(node, "cpu", {128, 16384}, service.cpu);
  reader.integer(node, "memory", {32, 122880}, service.memory);
  if (reader.ok() && !fargate_has(service.cpu, service.memory)) {
    const YAML::Node place = node["memory"] ? node["memory"] : node["cpu"];
    reader.warn(place.Mark(), fmt::format("AWS Fargate has no task of cpu {} with memory {}; on this machine it runs",
                                          service.cpu, service.memory));
  }
}

Service read_service(Reader& reader, const std::string& name, const YAML::Node& node, const std::string& project) {
  Service service;
  service.name = name;
  service.cluster = project;
  if (!reader.mapping(node, "service " + name,
                      {"cluster", "repository", "tags", "port", "health", "count", "cpu", "memory", "listen",
                       "environment", "command", "deploy"}))
    return service;
  if (!std::regex_match(name, std::regex(kName)))
    reader.wrong(node.Mark(), fmt::format("the service's name is \"{}\"; allowed: {}", name, kNameAllowed));
  for (const char* needed : {"repository", "port"}) {
    if (!node[needed]) reader.wrong(node.Mark(), fmt::format("service {} has no {}; it is needed", name, needed));
  }
  reader.text(node, "cluster", service.cluster);
  require_match(reader, node, "cluster", service.cluster, kName, kNameAllowed);
  reader.text(node, "repository", service.repository);
  require_match(reader, node, "repository", service.repository,
                "(?=.{2,256}$)[a-z0-9]+([._-]+[a-z0-9]+)*(/[a-z0-9]+([._-]+[a-z0-9]+)*)*",
                "an ECR repository's name, without a host or a tag: lower-case letters and digits, "
                "with . _ - / between them");
  if (reader.ok()) service.tags = read_tags(reader, node);
  reader.integer(node, "port", {1, 65535}, service.port);
  reader.integer(node, "listen", {1, 65535}, service.listen);
  read_size(reader, node, service);
  service.health = read_health(reader, node);
  reader.text_map(node, "environment", service.environment);
  reader.texts(node, "command", service.command);
  service.deploy = read_deploy(reader, node);
  return service;
}

void read_services(Reader& reader, const YAML::Node& root, Config& config) {
  const YAML::Node node = root["services"];
  if (!node) return reader.wrong(root.Mark(), "there are no services; write services: with a service in it");
  const auto entries = reader.entries(node, "services");
  if (reader.ok() && entries.empty()) reader.wrong(node.Mark(), "services is empty; write a service in it");
  std::map<int, std::string> listeners;
  for (const auto& [name, value] : entries) {
    if (!reader.ok()) return;
    Service service = read_service(reader, name, value, config.project);
    if (!reader.ok()) return;
    const auto [other, free] = listeners.emplace(service.listen, name);
    if (service.listen != 0 && !free) {
      reader.wrong(value["listen"].Mark(),
                   fmt::format("{} and {} both listen on {}; allowed: a port that no other service has", other->second,
                               name, service.listen));
    }
    config.services.emplace(name, std::move(service));
  }
}

void read_function(Reader& reader, const YAML::Node& root, Config& config) {
  const YAML::Node node = root["function"];
  if (!node) return;
  Function function;
  if (!reader.mapping(node, "function", {"runtime", "handler", "code", "timeout", "memory", "environment"})) return;
  for (const char* needed : {"runtime", "code"}) {
    if (!node[needed]) reader.wrong(node.Mark(), fmt::format("function has no {}; it is needed", needed));
  }
  reader.text(node, "runtime", function.runtime);
  require_match(reader, node, "runtime", function.runtime,
                "(python3\\.[0-9]+|nodejs[0-9]+\\.x|provided\\.(al2|al2023))",
                "python3.x, nodejsNN.x, provided.al2023 or provided.al2");
  function.handler = function.runtime.starts_with("provided") ? "bootstrap" : "";
  reader.text(node, "handler", function.handler);
  if (reader.ok() && function.handler.empty())
    reader.wrong(node.Mark(), fmt::format("function has no handler; {} needs one, like lambda_function.lambda_handler",
                                          function.runtime));
  reader.text(node, "code", function.code);
  reader.duration(node, "timeout", 1s, 900s, function.timeout);
  if (reader.ok() && function.timeout.count() % 1000 != 0)
    reader.wrong(node["timeout"].Mark(), "timeout is not a whole number of seconds; Lambda counts in seconds");
  reader.integer(node, "memory", {128, 10240}, function.memory);
  reader.text_map(node, "environment", function.environment);
  config.function = std::move(function);
}

void read_notify(Reader& reader, const YAML::Node& root, Config& config) {
  const YAML::Node node = root["notify"];
  if (!node) return;
  if (!node.IsSequence())
    return reader.wrong(node.Mark(),
                        "notify is not a list; write - slack: {webhook: env:NAME} or - sns: {topic: NAME}");
  for (const auto& item : node) {
    if (!reader.mapping(item, "an entry of notify", {"slack", "sns", "on"})) return;
    Notify notify;
    notify.channel = item["slack"] ? "slack" : "sns";
    if (!item[notify.channel] || (item["slack"] && item["sns"]))
      return reader.wrong(item.Mark(), "an entry of notify has not exactly one channel; allowed: slack or sns");
    const std::string setting = item["slack"] ? "webhook" : "topic";
    if (!reader.mapping(item[notify.channel], notify.channel, {setting})) return;
    std::string value;
    reader.text(item[notify.channel], setting, value);
    if (reader.ok() && value.empty())
      reader.wrong(item[notify.channel].Mark(), fmt::format("{} has no {}; it is needed", notify.channel, setting));
    notify.settings[setting] = value;
    notify.on = {"started", "succeeded", "failed", "rolled-back"};
    const std::vector<std::string> allowed = notify.on;
    reader.texts(item, "on", notify.on);
    for (const std::string& word : notify.on)
      reader.require_word(item["on"] ? item["on"].Mark() : item.Mark(), "on", word, allowed);
    config.notify.push_back(std::move(notify));
  }
  if (!config.notify.empty()) reader.warn(node.Mark(), "notify is not yet acted on: nothing is sent");
}

Config read_config(Reader& reader, const YAML::Node& root) {
  Config config;
  if (!root || root.IsNull()) {
    reader.wrong(YAML::Mark(), "the file is empty; write project: and services:");
    return config;
  }
  if (!reader.mapping(root, "the configuration", {"project", "region", "services", "function", "notify"}))
    return config;
  if (!root["project"]) reader.wrong(root.Mark(), "there is no project; write project: NAME");
  reader.text(root, "project", config.project);
  require_match(reader, root, "project", config.project, "[A-Za-z]([A-Za-z0-9-]{0,30}[A-Za-z0-9])?",
                "letters, digits and -, a letter first, no - at the end, at most 32");
  reader.text(root, "region", config.region);
  if (root["region"])
    require_match(reader, root, "region", config.region, "[a-z]{2,}(-[a-z]+)+-[0-9]+",
                  "an AWS region, like ap-northeast-2");
  if (reader.ok()) read_services(reader, root, config);
  if (reader.ok()) read_function(reader, root, config);
  if (reader.ok()) read_notify(reader, root, config);
  return config;
}

}  // namespace

Result<Config> parse(std::string_view text, std::string_view name) {
  Reader reader(name);
  if (text.size() > kFileBytesMax) {
    reader.wrong(YAML::Mark(), fmt::format("the file has more than {} bytes", kFileBytesMax));
    return std::unexpected(*reader.error());
  }
  try {
    const std::string copy(text);
    std::istringstream stream(copy);
    YAML::Parser parser(stream);
    Bounds bounds(reader);
    while (reader.ok() && parser.HandleNextDocument(bounds)) {
    }
    if (!reader.ok()) return std::unexpected(*reader.error());
    Config config = read_config(reader, YAML::Load(copy));
    if (!reader.ok()) return std::unexpected(*reader.error());
    config.warnings = std::move(reader.warnings);
    return config;
  } catch (const YAML::Exception& broken) {
    // yaml-cpp reports by exception only; its words say what is wrong with the notation.
    reader.wrong(broken.mark, "this is not YAML: " + broken.msg);
    return std::unexpected(*reader.error());
  }
}

Result<Config> load(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const int opened = errno;
  std::error_code error;
  if (!file || std::filesystem::is_directory(path, error)) {
    const char* why = file ? "it is a folder" : std::strerror(opened);
    return fail(Fault::not_found, "SLW-201", fmt::format("{}: cannot be read: {}", path, why));
  }
  std::string text(kFileBytesMax + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(file.gcount()));
  auto config = parse(text, path);
  if (config && config->function) {
    const std::filesystem::path code = config->function->code;
    if (code.is_relative())
      config->function->code = (std::filesystem::path(path).parent_path() / code).lexically_normal().string();
  }
  return config;
}

std::string routes_json(const Config& config) {
  json::array services;
  for (const auto& [name, service] : config.services) {
    json::array tags;
    for (const TagRule& tag : service.tags) {
      if (tag.kind == TagRule::Kind::semver) {
        tags.push_back(json::object{{"semver", tag.text}});
      } else {
        tags.emplace_back(tag.text);
      }
    }
    services.push_back(json::object{{"name", name},
                                    {"cluster", service.cluster},
                                    {"repository", service.repository},
                                    {"tags", tags},
                                    {"container", name},
                                    {"pin", service.deploy.pin == Deploy::Pin::digest ? "digest" : "tag"}});
  }
  return json::serialize(json::object{{"services", services}});
}

}  // namespace slipway::config
