#include "config/config.h"

#include <yaml-cpp/anchor.h>
#include <yaml-cpp/eventhandler.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "base/json.h"
#include "base/text.h"
#include "config/read_service.h"
#include "config/reader.h"

namespace slipway::config {
namespace {

constexpr std::size_t kFileBytesMax = 1024 * 1024;
constexpr int kDepthMax = 16;      // Of YAML nested in YAML; the format needs 8.
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

// The environments that `service` is in: those that it names, else all.
std::vector<std::string> stages_of(Section& service, const std::vector<std::string>& stages) {
  std::vector<std::string> named = stages;
  if (!service.has("environments")) return named;
  if (stages.empty()) service.wrong("environments", "there are no environments; write environments: at the top");
  service.texts("environments", named);
  for (const std::string& name : named)
    if (service.ok()) service.reader().require_word(service.place("environments"), "environments", name, stages);
  return named;
}

// Two services must not be one in ECS, and must not build one repository's image in two ways.
void check_apart(Section& file, const Service& service, const Config& config) {
  for (const auto& [key, other] : config.services) {
    if (!file.ok()) return;
    if (other.cluster == service.cluster && other.name == service.name)
      file.wrong("services",
                 fmt::format("{} and {} are both the ECS service {} in cluster {}; allowed: clusters or services of "
                             "their own",
                             key, service.key, service.name, service.cluster));
    if (other.repository == service.repository && other.build != service.build)
      file.wrong("services", fmt::format("{} and {} build {} in two ways; allowed: the same build for one repository",
                                         key, service.key, service.repository));
  }
}

void check_listener(Section& file, const YAML::Node& node, const Service& service, const Config& config) {
  for (const auto& [key, other] : config.services) {
    if (!file.ok()) return;
    if (service.listen == 0 || other.stage != service.stage || other.listen != service.listen) continue;
    file.reader().wrong(node["listen"] ? node["listen"].Mark() : node.Mark(),
                        fmt::format("{} and {} both listen on {}; allowed: a port that no other service has", key,
                                    service.key, service.listen));
  }
}

void read_services(Section& file, Config& config) {
  Reader& reader = file.reader();
  const YAML::Node node = file.member("services");
  const auto entries = reader.entries(node, "services");
  if (reader.ok() && entries.empty()) reader.wrong(node.Mark(), "services is empty; write a service in it");
  std::map<std::string, YAML::Node> stages;
  if (file.has("environments")) {
    for (const auto& [name, value] : reader.entries(file.member("environments"), "environments")) {
      stages.emplace(name, value);
      config.stages.push_back(name);
    }
    if (reader.ok() && stages.empty())
      file.wrong("environments", "environments is empty; write one in it, or leave it out");
  }
  if (reader.ok()) check_environments(reader, stages, entries);
  for (const auto& [label, value] : entries) {
    if (!reader.ok()) return;
    Section section(reader, value, service_table(), "service " + label);
    if (!reader.ok()) return;
    auto in = stages_of(section, config.stages);
    if (config.stages.empty()) in = {""};
    for (const std::string& stage : in) {
      if (!reader.ok()) return;
      Service service =
          read_service(reader, {.label = label,
                                .stage = stage,
                                .project = config.project,
                                .service = value,
                                .environment = stage.empty() ? std::nullopt : std::optional(stages.at(stage))});
      if (!reader.ok()) return;
      check_listener(file, value, service, config);
      check_apart(file, service, config);
      config.services.emplace(service.key, std::move(service));
    }
  }
}

void read_function(Section& file, Config& config) {
  if (!file.has("function") || !file.ok()) return;
  Section section(file.reader(), file.member("function"), function_table());
  Function function;
  section.text("runtime", function.runtime);
  function.handler = function.runtime.starts_with("provided") ? "bootstrap" : "";
  section.text("handler", function.handler);
  if (section.ok() && function.handler.empty())
    section.reader().wrong(
        section.place(),
        fmt::format("function has no handler; {} needs one, like lambda_function.lambda_handler", function.runtime));
  section.text("code", function.code);
  section.time("timeout", function.timeout);
  if (section.ok() && function.timeout.count() % 1000 != 0)
    section.wrong("timeout", "timeout is not a whole number of seconds; Lambda counts in seconds");
  section.number("memory", function.memory);
  section.text_map("environment", function.environment);
  config.function = std::move(function);
}

// The channel of one entry of notify, and what it needs besides what its table says.
void read_channel(Section& entry, Notify& notify) {
  const std::map<std::string, const Table*> channels = {{"slack", &slack_table()},
                                                        {"sns", &sns_table()},
                                                        {"webhook", &webhook_table()},
                                                        {"github", &github_status_table()}};
  for (const auto& [name, table] : channels) {
    if (!entry.has(name)) continue;
    if (!notify.channel.empty())
      return entry.wrong(name, "an entry of notify has more than one channel; write an entry for each");
    notify.channel = name;
    Section channel(entry.reader(), entry.member(name), *table);
    for (const Member& member : table->members) {
      std::string value;
      channel.text(std::string(member.name), value);
      if (!value.empty()) notify.settings[std::string(member.name)] = value;
    }
    const bool webhook = notify.settings.contains("webhook");
    const bool bot = notify.settings.contains("token") && notify.settings.contains("channel");
    if (entry.ok() && name == "slack" && (webhook == bot || (webhook && notify.settings.size() > 1)))
      entry.wrong(name,
                  "slack has neither webhook nor token and channel, or both; allowed: {webhook: SECRET} or "
                  "{token: SECRET, channel: NAME}");
  }
  if (entry.ok() && notify.channel.empty())
    entry.reader().wrong(entry.place(), "an entry of notify has no channel; allowed: slack, sns, webhook or github");
}

void check_listed_services(Section& entry, Notify& notify, const Config& config) {
  std::vector<std::string> keys;
  for (const std::string& name : notify.services) {
    const std::size_t before = keys.size();
    for (const auto& [key, service] : config.services)
      if (key == name || service.label == name) keys.push_back(key);
    if (!entry.ok() || keys.size() != before) continue;
    std::vector<std::string> known;
    for (const auto& [key, service] : config.services) known.push_back(key);
    entry.reader().require_word(entry.place("services"), "services", name, known);
  }
  notify.services = keys;
}

void read_notify(Section& file, Config& config) {
  if (!file.has("notify") || !file.ok()) return;
  const YAML::Node node = file.member("notify");
  if (!node.IsSequence())
    return file.wrong("notify", "notify is not a list; write - slack: {webhook: env:NAME} or - sns: {topic: NAME}");
  for (const auto& item : node) {
    Section entry(file.reader(), item, notify_table());
    if (!entry.ok()) return;
    Notify notify{.on = find_member(notify_table(), "on")->words};
    read_channel(entry, notify);
    entry.texts("on", notify.on);
    entry.texts("services", notify.services);
    check_listed_services(entry, notify, config);
    if (!entry.ok()) return;
    config.notify.push_back(std::move(notify));
  }
}

void read_aws(Section& file, Config& config) {
  if (!file.has("aws") || !file.ok()) return;
  Section section(file.reader(), file.member("aws"), aws_table());
  section.text("account", config.aws.account);
  section.texts("create", config.aws.create);
  section.number("keep_images", config.aws.keep_images);
  if (section.ok() && config.aws.creates("load-balancer") && !config.aws.creates("service"))
    section.wrong("create",
                  "create has load-balancer without service; a service gets its load balancer when it is made, "
                  "so allowed: both, or service alone");
}

void read_github(Section& file, Config& config) {
  if (!file.has("github") || !file.ok()) return;
  Section section(file.reader(), file.member("github"), github_table());
  GitHub github;
  section.text("repository", github.repository);
  section.number("owner_id", github.owner_id);
  section.number("repository_id", github.repository_id);
  section.text("branch", github.branch);
  section.text("environment", github.environment);
  if (section.ok() && (github.owner_id == 0) != (github.repository_id == 0))
    section.reader().wrong(section.place(), "github has one of owner_id and repository_id; allowed: both or none");
  config.github = std::move(github);
}

Config read_config(Reader& reader, const YAML::Node& root) {
  Config config;
  if (!root || root.IsNull()) {
    reader.wrong(YAML::Mark(), "the file is empty; write project: and services:");
    return config;
  }
  Section file(reader, root, configuration_table());
  if (!reader.ok()) return config;
  file.text("project", config.project);
  file.text("region", config.region);
  file.time("sweep", config.sweep);
  if (reader.ok() && config.sweep.count() % 60'000 != 0)
    file.wrong("sweep", "sweep is not a whole number of minutes; EventBridge counts in minutes");
  if (reader.ok()) read_services(file, config);
  read_function(file, config);
  read_notify(file, config);
  read_aws(file, config);
  read_github(file, config);
  return config;
}

json::object verify_json(const Verify& verify) {
  json::array checks;
  for (const HttpCheck& check : verify.http)
    checks.push_back(json::object{{"url", check.url},
                                  {"status", check.status},
                                  {"contains", check.contains},
                                  {"timeout_milliseconds", check.timeout.count()}});
  return {{"seconds", verify.time.count() / 1000},
          {"interval_seconds", verify.interval.count() / 1000},
          {"error_budget_percent", verify.error_budget_percent},
          {"http", checks},
          {"alarms", to_array(verify.alarms)}};
}

json::object route_json(const Service& service) {
  json::array tags;
  for (const TagRule& tag : service.tags) {
    if (tag.kind == TagRule::Kind::semver) {
      tags.push_back(json::object{{"semver", tag.text}});
    } else {
      tags.emplace_back(tag.text);
    }
  }
  json::object route = {{"name", service.name},
                        {"cluster", service.cluster},
                        {"repository", service.repository},
                        {"tags", tags},
                        {"container", service.container},
                        {"pin", service.deploy.pin == Deploy::Pin::digest ? "digest" : "tag"}};
  if (!service.stage.empty()) route["environment"] = service.stage;
  if (service.label != service.name) route["label"] = service.label;
  if (service.family != service.name) route["family"] = service.family;
  if (service.deploy.rollback == Deploy::Rollback::never) route["rollback"] = "never";
  if (service.deploy.wave != Deploy{}.wave) route["wave"] = service.deploy.wave;
  if (service.deploy.timeout != Deploy{}.timeout) route["timeout"] = service.deploy.timeout.count() / 1000;
  if (service.verify) route["verify"] = verify_json(*service.verify);
  return route;
}

}  // namespace

bool Aws::creates(std::string_view what) const {
  return std::ranges::find(create, what) != create.end();
}

Result<Config> for_one_machine(const Config& config, const std::string& stage) {
  if (!stage.empty() && std::ranges::find(config.stages, stage) == config.stages.end())
    return fail(Fault::invalid, "SLW-203",
                config.stages.empty()
                    ? "the configuration has no environments; leave --environment out"
                    : fmt::format("there is no environment {}. There is: {}", stage, join(config.stages, ", ")));
  Config kept = config;
  std::erase_if(kept.services, [&](const auto& entry) { return !stage.empty() && entry.second.stage != stage; });
  std::map<int, std::string> listeners;
  for (const auto& [key, service] : kept.services) {
    const auto [other, free] = listeners.emplace(service.listen, key);
    if (service.listen != 0 && !free)
      return fail(Fault::invalid, "SLW-203",
                  fmt::format("{} and {} both listen on {}, and one machine has it once. Choose one environment with "
                              "--environment {}",
                              other->second, key, service.listen, service.stage));
  }
  return kept;
}

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
  for (const auto& [key, service] : config.services) services.push_back(route_json(service));
  json::object routes = {{"services", services}};
  if (config.notify.empty()) return json::serialize(routes);
  json::array told;
  for (const Notify& notify : config.notify) {
    json::object settings;
    for (const auto& [name, value] : notify.settings) settings[name] = value;
    if (notify.channel == "github" && !notify.settings.contains("repository") && config.github)
      settings["repository"] = config.github->repository;
    told.push_back(json::object{{"channel", notify.channel},
                                {"settings", settings},
                                {"on", to_array(notify.on)},
                                {"services", to_array(notify.services)}});
  }
  routes["project"] = config.project;
  routes["notify"] = told;
  return json::serialize(routes);
}

}  // namespace slipway::config
