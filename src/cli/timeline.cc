#include "cli/timeline.h"

#include <fmt/format.h>

#include <algorithm>

namespace slipway::cli {
namespace {

constexpr std::size_t kTaskIdShown = 8;  // Digits of a task's id that people read.
constexpr std::size_t kDigestDigitsShown = 12;

std::string short_task(const std::string& id) {
  return id.substr(0, kTaskIdShown);
}

std::string milliseconds(Duration since) {
  return fmt::format("+{:>7} ms", since.count());
}

// The words of the timeline, by the journal's kind.  Kinds that are not here do not belong in it.
const std::map<std::string, std::string, std::less<>>& headings() {
  static const std::map<std::string, std::string, std::less<>> kHeadings = {
      {"ecr.push", "push accepted"},
      {"events.received", "event"},
      {"events.matched", "rule matched"},
      {"events.delivered", "delivered"},
      {"events.failed", "delivery failed"},
      {"events.dead", "dead letter"},
      {"lambda.invoked", "invocation"},
      {"lambda.finished", "function answered"},
      {"ecs.update_service", "UpdateService"},
      {"ecs.deployment.started", "deployment started"},
      {"ecs.task.started", "task started"},
      {"ecs.task.healthy", "task healthy"},
      {"ecs.task.in_traffic", "task in traffic"},
      {"ecs.task.draining", "old draining"},
      {"ecs.task.stopping", "task stopping"},
      {"ecs.task.stopped", "task stopped"},
      {"ecs.deployment.completed", "deployment completed"},
      {"ecs.deployment.failed", "deployment failed"},
      {"ecs.deployment.rolled_back", "rolled back"},
  };
  return kHeadings;
}

}  // namespace

std::string short_image(const std::string& image) {
  const auto at = image.find("sha256:");
  if (at == std::string::npos) return image;
  return image.substr(0, at + 7 + kDigestDigitsShown);
}

std::vector<Entry> read_entries(const json::value& journal) {
  std::vector<Entry> entries;
  if (!journal.is_object()) return entries;
  for (const json::value& value : get_array(journal.get_object(), "entries")) {
    if (!value.is_object()) continue;
    const json::object& from = value.get_object();
    entries.push_back({.number = get_int(from, "number"),
                       .at = instant_ms(get_int(from, "at")),
                       .kind = get_string(from, "kind"),
                       .subject = get_string(from, "subject"),
                       .text = get_string(from, "text"),
                       .detail = get_object(from, "detail")});
  }
  return entries;
}

bool Timeline::concerns(const Entry& entry) const {
  if (entry.kind.starts_with("ecs.")) return scope_.service.empty() || entry.subject == scope_.service;
  if (entry.kind == "ecr.push")
    return scope_.repository.empty() || get_string(entry.detail, "repository") == scope_.repository;
  if (entry.kind == "events.received") {
    // Of the events only pushes start something; those of the deployment itself stand in the timeline already.
    const json::value detail = entry.detail;
    const auto* repository = find_path(detail, {"event", "detail", "repository-name"});
    return repository != nullptr && (scope_.repository.empty() || view(repository->as_string()) == scope_.repository);
  }
  return true;
}

std::optional<std::string> Timeline::add(const Entry& entry) {
  const auto heading = headings().find(entry.kind);
  if (heading == headings().end() || !concerns(entry)) return std::nullopt;
  if (entry.kind == "ecr.push") {
    origin_ = entry.at;
    push_ = entry.subject;
  }
  if (!origin_) origin_ = entry.at;
  if (entry.kind.starts_with("ecs.deployment.")) note_deployment(entry);
  if (entry.kind.starts_with("ecs.task.")) note_task(entry);
  return fmt::format("{}  {:<20}  {}", milliseconds(entry.at - *origin_), heading->second, entry.text);
}

void Timeline::note_deployment(const Entry& entry) {
  const std::string deployment = get_string(entry.detail, "deployment");
  if (entry.kind == "ecs.deployment.started") {
    deployment_ = deployment;
    deployment_image_ = get_string(entry.detail, "image");
    deployment_at_ = entry.at;
    failed_.clear();
    verdict_.reset();
    return;
  }
  if (!deployment_at_) return;  // The end of something that began before we looked.
  if (entry.kind == "ecs.deployment.failed") {
    failed_ = deployment;
    failed_reason_ = entry.text;
    if (!get_bool(entry.detail, "rollback")) verdict_ = Verdict{Verdict::End::failed, deployment, entry.text};
    return;
  }
  if (entry.kind == "ecs.deployment.rolled_back") {
    verdict_ = Verdict{Verdict::End::rolled_back, failed_.empty() ? deployment : failed_,
                       failed_reason_.empty() ? entry.text : failed_reason_};
    return;
  }
  if (failed_.empty()) verdict_ = Verdict{Verdict::End::live, deployment, entry.text};
}

void Timeline::note_task(const Entry& entry) {
  const std::string id = get_string(entry.detail, "task");
  if (id.empty()) return;
  const auto [at, fresh] = tasks_.try_emplace(id);
  if (fresh) task_order_.push_back(id);
  TaskView& task = at->second;
  task.deployment = get_string(entry.detail, "deployment", task.deployment);
  task.state = entry.kind.substr(std::string_view("ecs.task.").size());
  std::ranges::replace(task.state, '_', ' ');
  task.since = entry.at;
  if (entry.kind == "ecs.task.stopped") task.note = get_string(entry.detail, "reason");
}

std::vector<std::string> Timeline::tree(Instant now) const {
  std::vector<std::string> lines;
  lines.push_back(push_.empty() ? scope_.service : fmt::format("{}  <-  {}", scope_.service, push_));
  std::map<std::string, std::vector<std::string>> by_deployment;
  for (const std::string& id : task_order_) by_deployment[tasks_.at(id).deployment].push_back(id);
  for (const auto& [deployment, ids] : by_deployment) {
    const bool newest = deployment == deployment_;
    lines.push_back(
        fmt::format("├─ {} {}{}", newest ? "new" : "old", deployment,
                    newest && deployment_at_
                        ? fmt::format("  {:.1f} s", static_cast<double>((now - *deployment_at_).count()) / 1000)
                        : ""));
    for (const std::string& id : ids) {
      const TaskView& task = tasks_.at(id);
      lines.push_back(fmt::format("│  ├─ {}  {:<10} {}", short_task(id), task.state, task.note));
    }
  }
  if (!failed_.empty()) lines.push_back("├─ failed: " + failed_reason_);
  if (verdict_) {
    const char* word = verdict_->end == Verdict::End::live          ? "live"
                       : verdict_->end == Verdict::End::rolled_back ? "rolled back"
                                                                    : "failed";
    lines.push_back(fmt::format("└─ {}: {}", word, verdict_->reason));
  } else {
    lines.push_back("└─ …");
  }
  return lines;
}

}  // namespace slipway::cli
