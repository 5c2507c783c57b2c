#include "config/schema.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "config/secret.h"

namespace slipway::config {
namespace {

using Type = Member::Type;

constexpr long long kSecond = 1000;
constexpr long long kMinute = 60 * kSecond;
constexpr long long kHour = 60 * kMinute;

constexpr std::string_view kName = "[A-Za-z][A-Za-z0-9_-]{0,254}";
constexpr std::string_view kNameAllowed = "letters, digits, - and _, a letter first, at most 255";
constexpr std::string_view kRoleName = "[A-Za-z0-9_+=,.@-]{1,64}";
constexpr std::string_view kRoleAllowed =
    "the name of an IAM role, without its ARN: letters, digits and _+=,.@-, at most 64";
constexpr std::string_view kRepository = "(?=.{2,256}$)[a-z0-9]+([._-]+[a-z0-9]+)*(/[a-z0-9]+([._-]+[a-z0-9]+)*)*";
constexpr std::string_view kRepositoryAllowed =
    "an ECR repository's name, without a host or a tag: lower-case letters and digits, with . _ - / between them";
constexpr std::string_view kPath = "/[!-~]{0,1023}";
constexpr std::string_view kPathAllowed = "a path that begins with / and has no spaces";
constexpr std::string_view kCodes = "[2-5][0-9]{2}(-[2-5][0-9]{2})?(,[2-5][0-9]{2}(-[2-5][0-9]{2})?)*";
constexpr std::string_view kCodesAllowed = "HTTP codes like 200, 200-399 or 200,204";
constexpr std::string_view kFolder = "(?!/)(?!.*(^|/)\\.\\.(/|$))[A-Za-z0-9._/-]{1,255}";
constexpr std::string_view kFolderAllowed = "a path inside the repository: letters, digits and . _ - /";
constexpr std::string_view kGitHubRepository = "[A-Za-z0-9][A-Za-z0-9-]{0,38}/[A-Za-z0-9._-]{1,100}";
constexpr std::string_view kGitHubAllowed = "OWNER/NAME, as GitHub writes it";

Member tags_member(std::string_view otherwise) {
  return {.name = "tags",
          .type = Type::texts,
          .meaning = "Which tags deploy it: exact (`latest`), wildcard (`release-*`), or `{semver: \">=2 <3\"}`.",
          .otherwise = otherwise};
}

// Text as it stands in a cell of a Markdown table.
std::string cell(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '|') out += '\\';
    out += c;
  }
  return out;
}

}  // namespace

const Table& configuration_table() {
  static const Table table{
      .name = "the configuration",
      .where = "The file itself.",
      .members = {
          {.name = "project",
           .meaning = "The name of the whole; what Slipway makes is called after it.",
           .needed = true,
           .pattern = "[A-Za-z]([A-Za-z0-9-]{0,30}[A-Za-z0-9])?",
           .allowed = "letters, digits and -, a letter first, no - at the end, at most 32"},
          {.name = "region",
           .meaning = "The AWS region.",
           .otherwise = "what `--region` or AWS_REGION says, else us-east-1",
           .pattern = "[a-z]{2,}(-[a-z]+)+-[0-9]+",
           .allowed = "an AWS region, like ap-northeast-2"},
          {.name = "services", .type = Type::section, .meaning = "Name: service, at least one.", .needed = true},
          {.name = "environments",
           .type = Type::section,
           .meaning = "Name: environment. Every service is then deployed once in each of them.",
           .otherwise = "one nameless environment"},
          {.name = "function",
           .type = Type::section,
           .meaning = "A function of your own in the deployer's place, in the local region only."},
          {.name = "notify", .type = Type::sections, .meaning = "Who is told how deployments end."},
          {.name = "sweep",
           .type = Type::time,
           .meaning = "How often the deployer compares what runs with what the tags mean, to repair lost events.",
           .otherwise = "5m",
           .range = {kMinute, 24 * kHour}},
          {.name = "aws", .type = Type::section, .meaning = "What `slipway render` needs to know of the account."},
          {.name = "github", .type = Type::section, .meaning = "The repository whose workflow may push images."},
      }};
  return table;
}

const Table& service_table() {
  static const Table table{
      .name = "service",
      .where = "Under `services`, by its name; under an environment's `services`, what differs there.",
      .members = {
          {.name = "cluster",
           .meaning = "The ECS cluster.",
           .otherwise = "the project's name; in an environment PROJECT-ENVIRONMENT",
           .pattern = kName,
           .allowed = kNameAllowed},
          {.name = "service",
           .meaning = "The name of the ECS service.",
           .otherwise = "its name in this file",
           .pattern = kName,
           .allowed = kNameAllowed},
          {.name = "family",
           .meaning = "The family of its task definitions.",
           .otherwise = "its name; in an environment ENVIRONMENT-NAME",
           .pattern = kName,
           .allowed = kNameAllowed},
          {.name = "container",
           .meaning = "The container of the task whose image is deployed.",
           .otherwise = "its name in this file",
           .pattern = kName,
           .allowed = kNameAllowed},
          {.name = "repository",
           .meaning = "The ECR repository that CI pushes to. Several services may share one.",
           .needed = true,
           .pattern = kRepository,
           .allowed = kRepositoryAllowed},
          tags_member("[latest]"),
          {.name = "environments",
           .type = Type::texts,
           .meaning = "The environments that it is deployed in.",
           .otherwise = "all of them"},
          {.name = "port",
           .type = Type::number,
           .meaning = "What the container listens on.",
           .needed = true,
           .range = {1, 65535}},
          {.name = "listen",
           .type = Type::number,
           .meaning = "The load balancer's port.",
           .otherwise = "no load balancer",
           .range = {1, 65535}},
          {.name = "health", .type = Type::section, .meaning = "When the load balancer lets a task take traffic."},
          {.name = "count", .type = Type::number, .meaning = "How many tasks.", .otherwise = "1", .range = {0, 1000}},
          {.name = "cpu",
           .type = Type::number,
           .meaning = "CPU of a task; 1024 is one virtual CPU.",
           .otherwise = "256",
           .range = {128, 16384}},
          {.name = "memory",
           .type = Type::number,
           .meaning = "Memory of a task in MiB.",
           .otherwise = "512",
           .range = {32, 122880}},
          {.name = "environment",
           .type = Type::text_map,
           .meaning = "Variables of the container; an environment adds its own."},
          {.name = "command",
           .type = Type::texts,
           .meaning = "Instead of the image's command.",
           .otherwise = "the image's"},
          {.name = "deploy", .type = Type::section, .meaning = "How a new image is brought in."},
          {.name = "verify",
           .type = Type::section,
           .meaning = "What must hold, beyond ECS's own word, before a deployment counts as good.",
           .otherwise = "nothing more"},
          {.name = "build", .type = Type::section, .meaning = "How the rendered workflow builds the image."},
          {.name = "roles", .type = Type::section, .meaning = "The IAM roles of its tasks."},
      }};
  return table;
}

const Table& health_table() {
  static const Table table{
      .name = "health",
      .where = "In a service.",
      .members = {
          {.name = "path", .meaning = "What is asked.", .otherwise = "/", .pattern = kPath, .allowed = kPathAllowed},
          {.name = "interval",
           .type = Type::time,
           .meaning = "From one question to the next.",
           .otherwise = "5s",
           .range = {100, 300 * kSecond}},
          {.name = "timeout",
           .type = Type::time,
           .meaning = "How long an answer may take; not longer than the interval.",
           .otherwise = "2s, or the interval when that is shorter",
           .range = {100, 120 * kSecond}},
          {.name = "healthy",
           .type = Type::number,
           .meaning = "Good answers in a row until a task takes traffic.",
           .otherwise = "2",
           .range = {1, 10}},
          {.name = "unhealthy",
           .type = Type::number,
           .meaning = "Bad answers in a row until a task is replaced.",
           .otherwise = "2",
           .range = {1, 10}},
          {.name = "matcher",
           .meaning = "Codes that are good answers.",
           .otherwise = "200-399",
           .pattern = kCodes,
           .allowed = kCodesAllowed},
          {.name = "grace",
           .type = Type::time,
           .meaning = "After a task's start, bad answers do not count for so long.",
           .otherwise = "0s",
           .range = {0, 24 * kHour}},
      }};
  return table;
}

const Table& deploy_table() {
  static const Table table{
      .name = "deploy",
      .where = "In a service or an environment.",
      .members = {
          {.name = "pin",
           .type = Type::word,
           .meaning = "`digest` registers a task definition with the image's digest; `tag` restarts what is there.",
           .otherwise = "digest",
           .words = {"digest", "tag"}},
          {.name = "strategy",
           .type = Type::word,
           .meaning = "How tasks are replaced.",
           .otherwise = "rolling",
           .words = {"rolling", "canary", "linear", "blue-green"}},
          {.name = "minimum_healthy_percent",
           .type = Type::number,
           .meaning = "So many of `count` keep running; ECS rounds up.",
           .otherwise = "100",
           .range = {0, 100}},
          {.name = "maximum_percent",
           .type = Type::number,
           .meaning = "So many of `count` may run at once; ECS rounds down.",
           .otherwise = "200",
           .range = {100, 200}},
          {.name = "rollback",
           .type = Type::word,
           .meaning = "Whether a failed deployment goes back by itself.",
           .otherwise = "auto",
           .words = {"auto", "never"}},
          {.name = "wave",
           .type = Type::number,
           .meaning = "Of services that one push deploys: it follows when all of lower waves are live with the image.",
           .otherwise = "1",
           .range = {1, 9}},
          {.name = "timeout",
           .type = Type::time,
           .meaning = "A deployment that has no end by then is reported as timed out; ECS goes on with it.",
           .otherwise = "30m",
           .range = {kMinute, 24 * kHour}},
      }};
  return table;
}

const Table& tag_table() {
  static const Table table{
      .name = "a tag",
      .where = "An entry of `tags` that is not a plain text.",
      .members = {{.name = "semver",
                   .meaning = "Versions in a range: comparisons that all hold, alternatives after `||`.",
                   .needed = true}}};
  return table;
}

const Table& verify_table() {
  static const Table table{
      .name = "verify",
      .where = "In a service or an environment.",
      .members = {
          {.name = "for",
           .type = Type::time,
           .meaning = "How long the checks are made, once the new tasks have the traffic.",
           .otherwise = "1m",
           .range = {kSecond, 14 * kMinute}},
          {.name = "interval",
           .type = Type::time,
           .meaning = "From one round of checks to the next.",
           .otherwise = "5s",
           .range = {kSecond, 5 * kMinute}},
          {.name = "error_budget",
           .meaning = "How many of the HTTP checks may fail.",
           .otherwise = "0%",
           .pattern = "(100|[0-9]{1,2}(\\.[0-9]{1,2})?)%",
           .allowed = "a percentage like 0.5%, from 0% to 100%"},
          {.name = "http", .type = Type::sections, .meaning = "What is asked in each round."},
          {.name = "alarms", .type = Type::texts, .meaning = "CloudWatch alarms, by name, that must not be in ALARM."},
      }};
  return table;
}

const Table& http_check_table() {
  static const Table table{
      .name = "an entry of http",
      .where = "In `verify`.",
      .members = {
          {.name = "url",
           .meaning = "What is asked; a path alone is asked at the service's load balancer.",
           .needed = true,
           .pattern = "(https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?)?/[!-~]{0,1023}",
           .allowed = "http://HOST/PATH, https://HOST/PATH or /PATH"},
          {.name = "status",
           .meaning = "Codes that are good answers.",
           .otherwise = "200-299",
           .pattern = kCodes,
           .allowed = kCodesAllowed},
          {.name = "contains", .meaning = "A text that the answer has in its first 64 KiB.", .otherwise = "any answer"},
          {.name = "timeout",
           .type = Type::time,
           .meaning = "How long an answer may take.",
           .otherwise = "2s",
           .range = {100, 30 * kSecond}},
      }};
  return table;
}

const Table& build_table() {
  static const Table table{.name = "build",
                           .where = "In a service. Services with one repository have the same.",
                           .members = {{.name = "context",
                                        .meaning = "The folder that `docker build` gets.",
                                        .otherwise = ".",
                                        .pattern = kFolder,
                                        .allowed = kFolderAllowed},
                                       {.name = "dockerfile",
                                        .meaning = "The Dockerfile, from the repository's root.",
                                        .otherwise = "CONTEXT/Dockerfile",
                                        .pattern = kFolder,
                                        .allowed = kFolderAllowed}}};
  return table;
}

const Table& roles_table() {
  static const Table table{.name = "roles",
                           .where = "In a service. The deployer may pass these two roles and no other.",
                           .members = {{.name = "task",
                                        .meaning = "What the program in the container may do.",
                                        .otherwise = "FAMILY-task",
                                        .pattern = kRoleName,
                                        .allowed = kRoleAllowed},
                                       {.name = "execution",
                                        .meaning = "With which ECS pulls the image and writes logs.",
                                        .otherwise = "FAMILY-execution",
                                        .pattern = kRoleName,
                                        .allowed = kRoleAllowed}}};
  return table;
}

const Table& environment_table() {
  static const Table table = [] {
    Table made{.name = "environment",
               .where = "Under `environments`, by its name. What it says holds for all its services.",
               .members = {tags_member("as each service has it"),
                           {.name = "services",
                            .type = Type::section,
                            .meaning = "Name: what differs for that service, in the words of a service."}}};
    for (const std::string_view shared : {"cluster", "count", "cpu", "memory", "environment", "deploy", "verify"})
      made.members.push_back(*find_member(service_table(), shared));
    for (Member& member : made.members) member.otherwise = "as each service has it";
    made.members[1].otherwise = "nothing";
    made.members[2].otherwise = "PROJECT-ENVIRONMENT";
    return made;
  }();
  return table;
}

const Table& function_table() {
  static const Table table{
      .name = "function",
      .where = "In the configuration.",
      .members = {
          {.name = "runtime",
           .meaning = "Lambda's name for what runs it.",
           .needed = true,
           .pattern = "(python3\\.[0-9]+|nodejs[0-9]+\\.x|provided\\.(al2|al2023))",
           .allowed = "python3.x, nodejsNN.x, provided.al2023 or provided.al2"},
          {.name = "handler",
           .meaning = "What Lambda calls, like `lambda_function.lambda_handler`.",
           .otherwise = "bootstrap for `provided`; needed otherwise"},
          {.name = "code", .meaning = "A file, a folder or a zip, from the file's folder.", .needed = true},
          {.name = "timeout",
           .type = Type::time,
           .meaning = "Of one invocation, in whole seconds.",
           .otherwise = "30s",
           .range = {kSecond, 900 * kSecond}},
          {.name = "memory", .type = Type::number, .meaning = "In MiB.", .otherwise = "128", .range = {128, 10240}},
          {.name = "environment", .type = Type::text_map, .meaning = "Its variables."},
      }};
  return table;
}

const Table& aws_table() {
  static const Table table{.name = "aws",
                           .where = "In the configuration.",
                           .members = {
                               {.name = "account",
                                .meaning = "The account's number.",
                                .otherwise = "what `--account` says",
                                .pattern = "[0-9]{12}",
                                .allowed = "twelve digits, in quotes"},
                               {.name = "create",
                                .type = Type::texts,
                                .meaning = "What the rendered Terraform makes; the rest exists and is referred to.",
                                .otherwise = "[repository]",
                                .words = {"repository", "cluster", "service", "load-balancer"}},
                               {.name = "keep_images",
                                .type = Type::number,
                                .meaning = "So many images of each kind of tag stay in a repository, to roll back to.",
                                .otherwise = "50",
                                .range = {5, 1000}},
                           }};
  return table;
}

const Table& github_table() {
  static const Table table{
      .name = "github",
      .where = "In the configuration.",
      .members = {
          {.name = "repository",
           .meaning = "The only repository that may push.",
           .needed = true,
           .pattern = kGitHubRepository,
           .allowed = kGitHubAllowed},
          {.name = "owner_id",
           .type = Type::number,
           .meaning = "The owner's number, for GitHub's newer subjects (`repo:acme@1/web@2:…`); with repository_id.",
           .otherwise = "subjects without numbers",
           .range = {1, 999'999'999'999}},
          {.name = "repository_id",
           .type = Type::number,
           .meaning = "The repository's number.",
           .otherwise = "subjects without numbers",
           .range = {1, 999'999'999'999}},
          {.name = "branch",
           .meaning = "The branch whose pushes build images.",
           .otherwise = "main",
           .pattern = "(?!/)(?!.*//)[A-Za-z0-9._/-]{1,200}",
           .allowed = "a branch's name: letters, digits and . _ - /"},
          {.name = "environment",
           .meaning = "The GitHub environment of the job; the role then trusts it instead of the branch.",
           .otherwise = "none",
           .pattern = "[A-Za-z0-9._-]{1,255}",
           .allowed = "letters, digits and . _ -"},
      }};
  return table;
}

const Table& notify_table() {
  static const Table table{
      .name = "an entry of notify",
      .where = "In the configuration. Each has one of slack, sns, webhook and github.",
      .members = {
          {.name = "slack", .type = Type::section, .meaning = "A Slack channel."},
          {.name = "sns", .type = Type::section, .meaning = "An SNS topic."},
          {.name = "webhook", .type = Type::section, .meaning = "An address that gets a signed JSON."},
          {.name = "github", .type = Type::section, .meaning = "The deployment status on GitHub."},
          {.name = "on",
           .type = Type::texts,
           .meaning = "What is told.",
           .otherwise = "all four",
           .words = {"started", "succeeded", "failed", "rolled-back"}},
          {.name = "services",
           .type = Type::texts,
           .meaning = "Whose deployments are told, by name or ENVIRONMENT/NAME.",
           .otherwise = "all services"},
      }};
  return table;
}

const Table& slack_table() {
  static const Table table{.name = "slack",
                           .where = "In an entry of notify: either `webhook`, or `token` and `channel`.",
                           .members = {{.name = "webhook",
                                        .meaning = "An incoming webhook; it cannot edit what it sent.",
                                        .pattern = kSecretPattern,
                                        .allowed = kSecretAllowed},
                                       {.name = "token",
                                        .meaning = "A bot's token; it edits one message in place.",
                                        .pattern = kSecretPattern,
                                        .allowed = kSecretAllowed},
                                       {.name = "channel",
                                        .meaning = "With a token: the channel.",
                                        .pattern = "(#?[a-z0-9_-]{1,80}|[CGD][A-Z0-9]{8,})",
                                        .allowed = "a channel's name or its id"}}};
  return table;
}

const Table& sns_table() {
  static const Table table{
      .name = "sns",
      .where = "In an entry of notify.",
      .members = {{.name = "topic",
                   .meaning = "The topic's name, in the same account and region, or its ARN.",
                   .needed = true,
                   .pattern = "([A-Za-z0-9_-]{1,256}|arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,256})",
                   .allowed = "a topic's name or ARN"}}};
  return table;
}

const Table& webhook_table() {
  static const Table table{.name = "webhook",
                           .where = "In an entry of notify.",
                           .members = {{.name = "url",
                                        .meaning = "Where it is posted.",
                                        .needed = true,
                                        .pattern = "https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[!-~]{0,1023})?",
                                        .allowed = "http://HOST/PATH or https://HOST/PATH"},
                                       {.name = "secret",
                                        .meaning = "The key of the HMAC-SHA256 over the body.",
                                        .needed = true,
                                        .pattern = kSecretPattern,
                                        .allowed = kSecretAllowed}}};
  return table;
}

const Table& github_status_table() {
  static const Table table{.name = "github",
                           .where = "In an entry of notify.",
                           .members = {{.name = "token",
                                        .meaning = "A token that may write deployments.",
                                        .needed = true,
                                        .pattern = kSecretPattern,
                                        .allowed = kSecretAllowed},
                                       {.name = "repository",
                                        .meaning = "The repository.",
                                        .otherwise = "`github.repository` of the configuration",
                                        .pattern = kGitHubRepository,
                                        .allowed = kGitHubAllowed},
                                       {.name = "environment",
                                        .meaning = "GitHub's environment.",
                                        .otherwise = "the environment of the service, else the project's name",
                                        .pattern = "[A-Za-z0-9._-]{1,255}",
                                        .allowed = "letters, digits and . _ -"}}};
  return table;
}

const Member* find_member(const Table& table, std::string_view name) {
  const auto found = std::ranges::find(table.members, name, &Member::name);
  return found == table.members.end() ? nullptr : &*found;
}

std::vector<std::string> member_names(const Table& table) {
  std::vector<std::string> names;
  for (const Member& member : table.members) names.emplace_back(member.name);
  return names;
}

std::string milliseconds_text(long long milliseconds) {
  if (milliseconds % 1000 == 0) return fmt::format("{}s", milliseconds / 1000);
  return fmt::format("{}ms", milliseconds);
}

std::string allowed_text(const Member& member) {
  switch (member.type) {
    case Type::number:
      return fmt::format("a whole number from {} to {}", member.range.low, member.range.high);
    case Type::time:
      return fmt::format("a time like 5s or 300ms, from {} to {}", milliseconds_text(member.range.low),
                         milliseconds_text(member.range.high));
    case Type::word:
      return join(member.words, ", ");
    case Type::texts:
      return member.words.empty() ? "a list" : "a list of " + join(member.words, ", ");
    case Type::text_map:
      return "a mapping of names to texts";
    case Type::section:
      return "a mapping";
    case Type::sections:
      return "a list of mappings";
    case Type::text:
      return member.allowed.empty() ? "a text" : std::string(member.allowed);
  }
  return {};
}

std::string reference_markdown() {
  std::string out =
      "# slipway.yaml: every member\n\n"
      "`slipway render reference` prints this page from the tables that `slipway validate` checks by. Times are "
      "written "
      "`300ms`,\n`5s`, `2m` or `1h`. A member that is not listed is refused, with its place in the file.\n";
  for (const Table* table :
       {&configuration_table(), &service_table(), &tag_table(), &health_table(), &deploy_table(), &verify_table(),
        &http_check_table(), &build_table(), &roles_table(), &environment_table(), &notify_table(), &slack_table(),
        &sns_table(), &webhook_table(), &github_status_table(), &aws_table(), &github_table(), &function_table()}) {
    const std::string title = table == &github_status_table() ? "github, in notify" : std::string(table->name);
    out += fmt::format("\n## {}\n\n{}\n\n| member | what it means | allowed | when left out |\n|---|---|---|---|\n",
                       title, table->where);
    for (const Member& member : table->members) {
      const std::string otherwise = member.needed              ? "**needed**"
                                    : member.otherwise.empty() ? "nothing"
                                                               : std::string(member.otherwise);
      out += fmt::format("| `{}` | {} | {} | {} |\n", member.name, cell(member.meaning), cell(allowed_text(member)),
                         otherwise);
    }
  }
  return out;
}

}  // namespace slipway::config
