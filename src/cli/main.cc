// slipway: the command line.
#include <CLI/CLI.hpp>
#include <exception>
#include <filesystem>
#include <iostream>
#include <optional>

#include "base/log.h"
#include "cli/commands.h"

namespace {

using namespace slipway;
using namespace slipway::cli;

// "90s", "500ms", "2m" -> milliseconds.
Duration duration_of(const std::string& text) {
  std::size_t digits = 0;
  const long value = std::stol(text, &digits);
  const std::string unit = text.substr(digits);
  if (value < 0) throw CLI::ValidationError("a duration cannot be negative: " + text);
  if (unit == "ms") return Duration{value};
  if (unit == "s" || unit.empty()) return std::chrono::seconds(value);
  if (unit == "m") return std::chrono::minutes(value);
  throw CLI::ValidationError("not a duration: " + text + " (write 500ms, 90s or 2m)");
}

std::string check_duration(const std::string& text) {
  try {
    duration_of(text);
    return {};
  } catch (const std::exception&) {
    return "not a duration: " + text + " (write 500ms, 90s or 2m)";
  }
}

// "token.actions.githubusercontent.com=keys.json", "…=http://127.0.0.1:9000/keys".  Keys that come from elsewhere come
// by TLS.
std::string check_key_source(const std::string& text) {
  const auto equals = text.find('=');
  if (equals == std::string::npos || equals == 0) return "write ISSUER=FILE or ISSUER=URL: " + text;
  const std::string source = text.substr(equals + 1);
  if (source.find("://") == std::string::npos)
    return std::filesystem::exists(source) ? "" : "there is no file " + source;
  for (const char* good :
       {"https://", "http://127.0.0.1:", "http://127.0.0.1/", "http://localhost:", "http://localhost/"}) {
    if (source.starts_with(good)) return {};
  }
  return "keys are read by https://, or from this machine: " + source;
}

// The options of every command, and what each fills.
struct Words {
  Common common;
  UpOptions up;
  WatchOptions watch;
  std::string watch_timeout;
  LogsOptions logs;
  RollbackOptions rollback;
  DeployOptions deploy;
  HoldOptions hold;
  HistoryOptions history;
  std::string follow_timeout;
  RenderOptions render;
  ProveOptions prove;
  PlanOptions plan;
  DoctorOptions doctor;
  VerifyOptions verify;
  InitOptions init;
  std::string validate;
  TailOptions tail;
  bool tail_once = false;
  std::string test_pattern, test_event, event_id;
  ReplayOptions replay;
  int exit_code = kLive;
};

void add_up(CLI::App& app, Words& words) {
  auto* command = app.add_subcommand("up", "Start the region on this machine and make what slipway.yaml describes");
  command->add_option("--config", words.up.config, "The configuration (default: slipway.yaml, when there is one)");
  command->add_option("--environment", words.up.environment, "Only this environment of the configuration");
  command->add_option("--port", words.up.port, "The one port of every API and the registry")
      ->capture_default_str()
      ->check(CLI::Range(1, 65535));
  command
      ->add_option("--oidc-keys", words.up.issuer_keys,
                   "ISSUER=FILE or ISSUER=URL: the key set of an issuer of OIDC tokens (default: what it publishes)")
      ->check(check_key_source);
  command->add_flag("--detach", words.up.detach,
                    "Return once the region serves; its log goes to daemon.log in the state folder");
  command->add_option("--account", words.up.account, "The account's number (default: 000000000000)")
      ->check([](const std::string& text) {
        const bool good = text.size() == 12 && text.find_first_not_of("0123456789") == std::string::npos;
        return good ? std::string() : std::string("an account has 12 digits: ") + text;
      });
  command->add_option("--region", words.up.region,
                      "The region's name (default: from the configuration, else us-east-1)");
  command->add_option("--docker", words.up.docker,
                      "The Docker Engine (default: $DOCKER_HOST, else unix:///var/run/docker.sock)");
  command
      ->add_option("--rules-per-bus", words.up.rules_per_bus,
                   "How many rules an event bus may have (a quota that AWS raises for who asks)")
      ->capture_default_str()
      ->check(CLI::Range(1, 1'000'000));
  command->add_flag("--accept-any-credentials", words.up.accept_any_credentials, "Check no signatures and no policies");
  command->callback([&] { words.exit_code = up(words.common, words.up); });
}

void add_watch(CLI::App& app, Words& words) {
  auto* command =
      app.add_subcommand("watch", "Follow what happens to a service: a live tree on a terminal, lines elsewhere");
  command->add_option("service", words.watch.service, "SERVICE or CLUSTER/SERVICE (not needed when there is only one)");
  command->add_flag("--until-verdict", words.watch.until_verdict,
                    "End with the next deployment: 0 live, 3 rolled back, 1 failed");
  command->add_option("--timeout", words.watch_timeout, "Give up after this long with status 4; the deployment goes on")
      ->check(check_duration);
  command->add_option("--ready-file", words.watch.ready_file, "A file to make once the watch has begun");
  command->callback([&] {
    if (!words.watch_timeout.empty()) words.watch.timeout = duration_of(words.watch_timeout);
    words.exit_code = watch(words.common, words.watch);
  });
}

void add_readers(CLI::App& app, Words& words) {
  app.add_subcommand("status", "Services, tasks and the last deployment on one screen")->callback([&] {
    words.exit_code = status(words.common);
  });
  auto* logs_command = app.add_subcommand("logs", "What the tasks of a service, or a function, wrote");
  logs_command->add_option("name", words.logs.service,
                           "A service or a function (not needed when there is only one service)");
  logs_command->add_flag("-f,--follow", words.logs.follow, "Go on with new lines");
  logs_command->add_option("-n,--lines", words.logs.lines, "How many lines to begin with")
      ->capture_default_str()
      ->check(CLI::Range(0, 10000));
  logs_command->callback([&] { words.exit_code = logs(words.common, words.logs); });
}

void add_events(CLI::App& app, Words& words) {
  auto* events = app.add_subcommand("events", "What happened on the event buses, and why not");
  events->require_subcommand(1);
  auto* tail = events->add_subcommand("tail", "Events, matches and deliveries as they happen");
  tail->add_flag("--once", words.tail_once, "Print what is there and end");
  tail->add_option("--pattern", words.tail.pattern, "Only the events that match this pattern (JSON, or a file)");
  tail->callback([&] {
    words.tail.follow = !words.tail_once;
    words.exit_code = events_tail(words.common, words.tail);
  });
  auto* test = events->add_subcommand("test", "Whether an event matches a pattern, and if not, why; needs no region");
  test->add_option("pattern", words.test_pattern, "The pattern: JSON, or a file")->required();
  test->add_option("event", words.test_event, "The event: JSON, or a file")->required();
  test->callback([&] { words.exit_code = events_test(words.common, words.test_pattern, words.test_event); });
  auto* show = events->add_subcommand("show", "What became of an event: rules, targets, attempts, answers");
  show->add_option("id", words.event_id, "The event's id")->required();
  show->callback([&] { words.exit_code = events_show(words.common, words.event_id); });
  events->add_subcommand("dead", "Deliveries that were given up, and why")->callback([&] {
    words.exit_code = events_dead(words.common);
  });
  auto* redrive = events->add_subcommand("redrive", "Try dead deliveries again");
  redrive->add_option("id", words.event_id, "Those of this event (default: all)");
  redrive->callback([&] { words.exit_code = events_redrive(words.common, words.event_id); });
  auto* replay = events->add_subcommand("replay", "Put the events of an archive on their bus again");
  replay->add_option("archive", words.replay.archive, "The archive's name")->required();
  replay->add_option("--name", words.replay.name, "The replay's name (default: of the archive and the time)");
  replay->add_option("--from", words.replay.from, "Events from this time on, as 2026-11-25T10:00:00Z");
  replay->add_option("--to", words.replay.to, "Events before this time (default: now)");
  replay->add_option("--rule", words.replay.rules, "Only to this rule; may be given several times");
  replay->callback([&] { words.exit_code = events_replay(words.common, words.replay); });
}

void add_others(CLI::App& app, Words& words) {
  app.add_subcommand("down", "Stop the region, its containers and its load balancer; what it knows is kept")
      ->callback([&] { words.exit_code = down(words.common); });
  app.add_subcommand("env", "Print export lines for other tools: eval \"$(slipway env)\"")->callback([&] {
    words.exit_code = env(words.common);
  });
  // Only for the help: run_command() hands its arguments to the AWS CLI as they are.
  app.add_subcommand("aws", "Run the AWS CLI against the region: slipway aws ecs list-services");
  auto* validate_command = app.add_subcommand("validate", "Check a slipway.yaml and say what is wrong in it");
  validate_command->add_option("config", words.validate, "The file")->default_val("slipway.yaml");
  validate_command->callback([&] { words.exit_code = validate(words.common, words.validate); });
}

void add_checks(CLI::App& app, Words& words) {
  auto* plan_command =
      app.add_subcommand("plan", "Which services a push would deploy, by which rule, and why not the others");
  plan_command->add_option("what", words.plan.what, "A file with an event (- for standard input), or REPOSITORY:TAG")
      ->required();
  plan_command->add_option("--config", words.plan.config, "The configuration")->capture_default_str();
  plan_command->add_flag("--live", words.plan.live,
                         "Ask the region too: what would happen now, and how the rollout would go");
  plan_command->add_flag("--aws", words.common.aws, "With --live: ask the AWS account that the environment names");
  plan_command->callback([&] { words.exit_code = plan(words.common, words.plan); });
  auto* doctor_command = app.add_subcommand("doctor", "Whether this machine has what a region needs");
  doctor_command->add_option("--config", words.doctor.config,
                             "The configuration (default: slipway.yaml, when there is one)");
  doctor_command->add_option("--docker", words.doctor.docker, "The container engine, as of up");
  doctor_command->callback([&] { words.exit_code = doctor(words.common, words.doctor); });
}

void add_verify(CLI::App& app, Words& words) {
  auto* command = app.add_subcommand(
      "verify", "Whether a push would really deploy: asks the local region when one runs, else the AWS account");
  command->add_option("--config", words.verify.config, "The configuration")->capture_default_str();
  command->add_option("--environment", words.verify.environment, "Only this environment of the configuration");
  command->add_option("--function", words.verify.function, "The deployer's name, when it is not the usual one");
  command->add_flag("--aws", words.verify.aws, "Ask AWS, also when a local region runs");
  command->callback([&] { words.exit_code = verify(words.common, words.verify); });
}

void add_init(CLI::App& app, Words& words) {
  InitOptions& options = words.init;
  auto* command = app.add_subcommand("init", "Write a slipway.yaml for this repository; shows it first");
  command->add_option("--project", options.project, "The project's name (default: the folder's)");
  command->add_option("--repository", options.repository, "The ECR repository that CI pushes to");
  command->add_option("--port", options.port, "What the container listens on")->check(CLI::Range(1, 65535));
  command->add_option("--region", options.region, "The AWS region");
  command->add_option("--account", options.account, "The AWS account");
  command->add_option("--github", options.github, "OWNER/NAME on GitHub");
  command->add_option("--service", options.service, "The ECS service (default: as the project)");
  command->add_option("--cluster", options.cluster, "The ECS cluster (default: as the project)");
  command->add_option("--tag", options.tag, "Which tags deploy (default: latest)");
  command->add_option("--health", options.health, "The path of the health check");
  command->add_flag("--create", options.create, "Terraform makes cluster, service and load balancer too");
  command->add_flag("--yes", options.yes, "Ask nothing");
  command->add_flag("--force", options.force, "Overwrite a slipway.yaml that differs");
  command->callback([&] { words.exit_code = init(words.common, words.init); });
}

void add_render(CLI::App& app, Words& words) {
  auto* command = app.add_subcommand("render", "Write what the configuration means as files");
  command->require_subcommand(1);
  RenderOptions& options = words.render;
  const auto add = [command, &words, &options](const std::string& what, const std::string& about) {
    auto* one = command->add_subcommand(what, about);
    if (what != "reference") one->add_option("--config", options.config, "The configuration")->capture_default_str();
    one->add_option("--out", options.out, "The folder to write to");
    one->add_flag("--stdout", options.to_stdout, "Print instead of writing files");
    one->add_flag("--force", options.force, "Overwrite what differs");
    one->callback([&words, &options, what] {
      options.what = what;
      words.exit_code = render_command(words.common, options);
    });
    return one;
  };
  auto* workflow = add("workflow", "The GitHub workflow that builds and pushes");
  workflow->add_flag("--static-keys", options.static_keys, "Two secrets with keys instead of a role");
  workflow->add_flag("--provenance", options.provenance, "Keep BuildKit's provenance");
  auto* policies = add("policies", "The IAM policies of CI, the deployer and the tasks");
  auto* events = add("events", "The rules of EventBridge");
  for (auto* one : {workflow, policies, events}) {
    one->add_option("--account", options.account, "The AWS account (default: the configuration's)");
    one->add_option("--region", options.region, "The AWS region (default: the configuration's)");
  }
  add("terraform", "All of it as Terraform");
  add("lambda", "The deployer's function as a zip");
  add("reference", "Every member of slipway.yaml as a page");
}

void add_policies(CLI::App& app, Words& words) {
  auto* command = app.add_subcommand("policies", "What the rendered roles may do");
  command->require_subcommand(1);
  auto* proving = command->add_subcommand(
      "prove", "Every role, action and resource that matters: allowed or refused, and by which statement");
  proving->add_option("--config", words.prove.config, "The configuration")->capture_default_str();
  proving->add_option("--policies", words.prove.policies,
                      "Judge the files of this folder (as render policies writes them) instead");
  proving->add_option("--account", words.prove.account, "The AWS account (default: the configuration's)");
  proving->add_option("--region", words.prove.region, "The AWS region (default: the configuration's)");
  proving->callback([&] { words.exit_code = prove_policies(words.common, words.prove); });
}

void add_where(CLI::App& command, Words& words, std::string& config) {
  command.add_option("--config", config, "The configuration (default: slipway.yaml, when there is one)");
  command.add_flag("--aws", words.common.aws, "Ask the AWS account that the environment names, instead of the region");
}

// What deploy and rollback share: they follow what they began.
template <class Options>
void add_following(CLI::App& command, Options& options, std::string& timeout) {
  command.add_flag("--no-wait", options.no_wait, "Return once the deployment has begun");
  command.add_option("--timeout", timeout, "Give up following after this long with status 4; the deployment goes on")
      ->check(check_duration);
}

void add_deploying(CLI::App& app, Words& words) {
  constexpr const char* kService =
      "SERVICE, ENVIRONMENT/SERVICE or CLUSTER/SERVICE (not needed when there is only one)";
  auto* deploying = app.add_subcommand("deploy", "Deploy an image now, and follow it to its verdict");
  deploying->add_option("service", words.deploy.service, kService);
  deploying->add_option("--image", words.deploy.image,
                        "A digest (sha256:…) or a tag (default: the newest that deploys)");
  deploying->add_flag("--dry-run", words.deploy.dry_run,
                      "Say what would happen and how the rollout would go; change nothing");
  add_where(*deploying, words, words.deploy.config);
  add_following(*deploying, words.deploy, words.follow_timeout);
  deploying->callback([&] {
    if (!words.follow_timeout.empty()) words.deploy.timeout = duration_of(words.follow_timeout);
    words.exit_code = deploy(words.common, words.deploy);
  });
  auto* back = app.add_subcommand("rollback", "Put a service back to the last good image, and hold the one that goes");
  back->add_option("service", words.rollback.service, kService);
  back->add_option("--to", words.rollback.to, "A digest (sha256:…), a tag or a release (r42; see slipway releases)");
  back->add_option("--reason", words.rollback.reason, "Why, for the history");
  back->add_flag("--no-input", words.rollback.no_input, "Ask nothing: the last good image");
  add_where(*back, words, words.rollback.config);
  add_following(*back, words.rollback, words.follow_timeout);
  back->callback([&] {
    if (!words.follow_timeout.empty()) words.rollback.timeout = duration_of(words.follow_timeout);
    words.exit_code = rollback(words.common, words.rollback);
  });
  auto* holding = app.add_subcommand("hold", "Keep pushes and sweeps from deploying to a service");
  holding->add_option("service", words.hold.service, kService);
  holding->add_option("--image", words.hold.digest, "This digest only");
  holding->add_option("--reason", words.hold.reason, "Why; shown to whoever is held");
  add_where(*holding, words, words.hold.config);
  holding->callback([&] { words.exit_code = hold(words.common, words.hold); });
  auto* unholding = app.add_subcommand("unhold", "Release every hold of a service");
  unholding->add_option("service", words.hold.service, kService);
  add_where(*unholding, words, words.hold.config);
  unholding->callback([&] { words.exit_code = unhold(words.common, words.hold); });
  const auto add_history = [&](const char* name, const char* about,
                               int (*command)(const Common&, const HistoryOptions&)) {
    auto* listing = app.add_subcommand(name, about);
    listing->add_option("service", words.history.service, kService);
    listing->add_option("-n", words.history.count, "How many")->capture_default_str()->check(CLI::Range(1, 100));
    add_where(*listing, words, words.history.config);
    listing->callback([&words, command] { words.exit_code = command(words.common, words.history); });
  };
  add_history("history", "What was deployed: verdicts, digests, durations, who and why", history);
  add_history("releases", "What a service may be rolled back to", releases);
}

// `slipway [--state DIR] aws ARGUMENTS…`: the arguments are another program's, so nothing here may read them.
std::optional<int> aws_command(int argc, char** argv) {
  Common common;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "aws") return aws(common, {argv + i + 1, argv + argc});
    if (word == "--state" && i + 1 < argc) {
      common.state = argv[++i];
    } else if (word.starts_with("--state=")) {
      common.state = word.substr(8);
    } else {
      return std::nullopt;
    }
  }
  return std::nullopt;
}

int run_command(int argc, char** argv) {
  if (const auto outcome = aws_command(argc, argv)) return *outcome;
  CLI::App app{"Slipway deploys a container image with zero downtime the moment it is pushed."};
  Words words;
  app.add_option("--state", words.common.state, "The region's folder (default: $SLIPWAY_STATE, else .slipway)");
  app.add_flag("--json", words.common.json, "Print JSON");
  app.set_version_flag("--version", "slipway " SLIPWAY_VERSION);
  app.require_subcommand(1);
  app.fallthrough();
  add_up(app, words);
  add_watch(app, words);
  add_readers(app, words);
  add_events(app, words);
  add_others(app, words);
  add_init(app, words);
  add_checks(app, words);
  add_verify(app, words);
  add_deploying(app, words);
  add_render(app, words);
  add_policies(app, words);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int outcome = app.exit(error);
    return outcome == 0 ? kLive : kUsage;
  }
  return words.exit_code;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run_command(argc, argv);
  } catch (const std::exception& error) {
    std::cerr << "slipway: SLW-100: " << error.what() << "\n";
    return kError;
  }
}
