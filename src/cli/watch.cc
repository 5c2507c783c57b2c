#include <fmt/format.h>
#include <unistd.h>

#include <fstream>
#include <iostream>

#include "base/run.h"
#include "base/wall_clock.h"
#include "cli/commands.h"

namespace slipway::cli {
namespace {

using namespace std::chrono_literals;

constexpr Duration kJournalWait = 10s;    // One long poll.
constexpr Duration kRedraw = 1s;          // The tree's clock moves at least so often.
constexpr Duration kHeartbeat = 30s;      // Without a terminal: a sign of life this often.
constexpr Duration kDaemonAwayMax = 60s;  // A daemon that restarts is waited for.

// Draws the tree over the one drawn before.
class Screen {
 public:
  void draw(const std::vector<std::string>& lines) {
    clear();
    for (const std::string& line : lines) std::cout << line << "\n";
    std::cout << std::flush;
    drawn_ = lines.size();
  }
  void clear() {
    if (drawn_ > 0) std::cout << fmt::format("\x1b[{}A\x1b[J", drawn_);
    drawn_ = 0;
  }

 private:
  std::size_t drawn_ = 0;
};

json::object to_json(const Entry& entry) {
  return {{"number", entry.number},   {"at", iso_millis(entry.at)}, {"kind", entry.kind},
          {"subject", entry.subject}, {"text", entry.text},         {"detail", entry.detail}};
}

int say_verdict(const Verdict& verdict) {
  const char* word = verdict.end == Verdict::End::live          ? "live"
                     : verdict.end == Verdict::End::rolled_back ? "failed and rolled back"
                                                                : "failed";
  std::cout << fmt::format("verdict: {} ({})", word, verdict.deployment);
  if (verdict.end != Verdict::End::live) std::cout << ": " << verdict.reason;
  std::cout << std::endl;
  return verdict.exit_code();
}

class Watcher {
 public:
  Watcher(const Common& common, const WatchOptions& options, Scope scope)
      : json_(common.json),
        drawing_(!common.json && is_terminal(STDOUT_FILENO)),
        options_(options),
        timeline_(std::move(scope)) {}

  task<int> follow(RegionApi& api) {
    const auto start = co_await api.journal_end();
    if (!start) co_return complain(start.error());
    long long after = *start;
    if (!options_.ready_file.empty()) std::ofstream(options_.ready_file).put('\n');
    const Instant began = wall_clock();
    Instant heard = began;
    for (;;) {
      auto entries = co_await api.journal(after, drawing_ ? kRedraw : kJournalWait);
      const Instant now = wall_clock();
      if (entries) {
        heard = now;
        for (const Entry& entry : *entries) show(entry);
        if (!entries->empty()) after = entries->back().number;
      } else if (entries.error().fault != Fault::unavailable || now - heard > kDaemonAwayMax) {
        co_return complain(entries.error());
      } else {
        co_await pause(200ms);
      }
      if (drawing_) screen_.draw(timeline_.tree(now));
      if (options_.until_verdict && timeline_.verdict()) co_return say_verdict(*timeline_.verdict());
      if (options_.timeout > Duration::zero() && now - began > options_.timeout) {
        const Error late{.fault = Fault::timed_out,
                         .code = "SLW-301",
                         .message = "no verdict in time. The deployment goes on; follow it with: slipway watch"};
        complain(late);
        co_return kTimedOut;
      }
      if (!drawing_ && now - shown_ > kHeartbeat) {
        std::cerr << "… still watching\n";
        shown_ = now;
      }
    }
  }

 private:
  void show(const Entry& entry) {
    const auto line = timeline_.add(entry);
    if (!line) return;
    shown_ = wall_clock();
    if (json_) {
      std::cout << json::serialize(to_json(entry)) << std::endl;
    } else {
      screen_.clear();
      std::cout << *line << std::endl;
    }
  }

  bool json_;
  bool drawing_;
  WatchOptions options_;
  Timeline timeline_;
  Screen screen_;
  Instant shown_ = wall_clock();
};

task<Result<Scope>> scope_of(RegionApi& api, std::string name) {
  auto found = co_await find_service(api, name);
  if (!found) co_return fail(found);
  const json::object ask = {{"cluster", found->cluster}, {"services", json::array{found->service}}};
  auto described = co_await api.ecs("DescribeServices", ask);
  if (!described) co_return fail(described);
  Scope scope{.service = found->text(), .repository = {}};
  for (const json::value& service : get_array(*described, "services")) {
    const json::object which = {{"taskDefinition", get_string(service.as_object(), "taskDefinition")}};
    auto definition = co_await api.ecs("DescribeTaskDefinition", which);
    if (!definition) continue;
    const json::object from = get_object(*definition, "taskDefinition");
    for (const json::value& container : get_array(from, "containerDefinitions"))
      scope.repository = repository_of(get_string(container.as_object(), "image"));
  }
  co_return scope;
}

task<int> watch_service(Common common, WatchOptions options, RegionKey key) {
  RegionApi api(co_await asio::this_coro::executor, key);
  auto scope = co_await scope_of(api, options.service);
  if (!scope) co_return complain(scope.error());
  if (!common.json)
    std::cerr << "watching " << scope->service << "; waiting for a push to " << scope->repository << "\n";
  Watcher watcher(common, options, *scope);
  co_return co_await watcher.follow(api);
}

}  // namespace

int watch(const Common& common, const WatchOptions& options) {
  const auto key = read_key(common.folder());
  if (!key) return complain(key.error());
  return run(watch_service(common, options, *key));
}

}  // namespace slipway::cli
