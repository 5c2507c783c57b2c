// Timeline: turns the region's journal into what a person wants to read of one service: lines with offsets in
// milliseconds, a live tree of the deployment, and the verdict.  Pure: entries go in, text comes out.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/instant.h"
#include "base/json.h"

namespace slipway::cli {

// One entry of GET /_slipway/journal.
struct Entry {
  long long number = 0;
  Instant at{};
  std::string kind;
  std::string subject;
  std::string text;
  json::object detail;
};
std::vector<Entry> read_entries(const json::value& journal);  // Entries that are not of this form are left out.

// What belongs to one service: its own entries, pushes to its repository, and what carried the event to it.
struct Scope {
  std::string service;     // "where-car/rest-service"; empty: everything.
  std::string repository;  // "where-car-backend"; empty: every repository.
};

// How a deployment ended.
struct Verdict {
  enum class End { live, rolled_back, failed };
  End end = End::live;
  std::string deployment;
  std::string reason;
  int exit_code() const { return end == End::live ? 0 : end == End::rolled_back ? 3 : 1; }
};

class Timeline {
 public:
  explicit Timeline(Scope scope) : scope_(std::move(scope)) {}

  // Takes the next entry.  Returns its line ("+  12.0 ms  event received …"), or nullopt when it is not of this scope.
  // Offsets count from the last push, or from the first entry when there was none.
  std::optional<std::string> add(const Entry& entry);
  // The deployment as a tree, one string a line, for a terminal that is redrawn.
  std::vector<std::string> tree(Instant now) const;
  // The end of the newest deployment that was started since the timeline began; nullopt while it goes on.
  std::optional<Verdict> verdict() const { return verdict_; }

 private:
  struct TaskView {
    std::string deployment;
    std::string state;  // "started", "healthy", "in traffic", "draining", "stopped"
    std::string note;   // Why it stopped.
    Instant since{};
  };
  bool concerns(const Entry& entry) const;
  void note_deployment(const Entry& entry);
  void note_task(const Entry& entry);

  Scope scope_;
  std::optional<Instant> origin_;
  std::string push_;
  std::string deployment_;  // The newest.
  std::string deployment_image_;
  std::optional<Instant> deployment_at_;
  std::string failed_;  // A deployment that failed and is being rolled back.
  std::string failed_reason_;
  std::map<std::string, TaskView> tasks_;
  std::vector<std::string> task_order_;
  std::optional<Verdict> verdict_;
};

// "where-car-backend@sha256:0123…" with the digest cut to 12 digits, for people.
std::string short_image(const std::string& image);

}  // namespace slipway::cli
