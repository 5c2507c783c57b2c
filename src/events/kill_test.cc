// A bus whose process is killed at random instants loses no event that it acknowledged.  SLIPWAY_KILLS and
// SLIPWAY_EVENTS ask for more than the few that every run does: 200 and 20000 are the promise.
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>

#include "events/bus_test.h"

extern char** environ;

namespace slipway::events {
namespace {

constexpr int kKills = 8;
constexpr int kEvents = 300;
constexpr int kPutters = 4;             // Publish side by side, so that a kill finds several writes under way.
constexpr int kAfterwardsMaxUs = 5000;  // A child is killed within so long of the event that its turn ends with.
constexpr std::size_t kDiaryLine = 37;  // Bytes: a UUID and its end of line.

int asked(const char* name, int otherwise) {
  const char* given = std::getenv(name);
  return given == nullptr ? otherwise : std::atoi(given);
}

// One line per word, in one write each: what was written before a kill stays.
class Diary {
 public:
  explicit Diary(const std::filesystem::path& file) : file_(std::fopen(file.c_str(), "a")) {}
  ~Diary() { std::fclose(file_); }
  Diary(const Diary&) = delete;
  Diary& operator=(const Diary&) = delete;
  void add(const std::string& word) {
    std::fputs((word + "\n").c_str(), file_);
    std::fflush(file_);
  }

 private:
  std::FILE* file_;
};

std::multiset<std::string> lines_of(const std::filesystem::path& file) {
  std::multiset<std::string> out;
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) out.insert(line);
  return out;
}

std::size_t lines_in(const std::filesystem::path& file) {
  std::error_code missing;
  const auto bytes = std::filesystem::file_size(file, missing);
  return missing ? 0 : static_cast<std::size_t>(bytes) / kDiaryLine;
}

class DiaryTargets final : public Targets {
 public:
  explicit DiaryTargets(const std::filesystem::path& file) : diary_(file) {}
  Result<void> accepts(const json::object&) override { return {}; }
  task<Result<void>> deliver(Delivery delivery) override {
    if (++calls_ % 5 == 0) co_await pause(Duration(1));
    diary_.add(delivery.event_id);
    co_return Result<void>{};
  }
  bool in_database(const std::string&) const override { return false; }
  Result<void> deliver_in(database::Transaction&, const Delivery&) override { return {}; }

 private:
  Diary diary_;
  int calls_ = 0;
};

// What the child does until it is killed, or until `events` have been acknowledged and delivered.
class Child {
 public:
  explicit Child(const std::filesystem::path& folder)
      : folder_(folder),
        db_(io_.get_executor(), folder / "db"),
        targets_(folder / "delivered"),
        acknowledged_(folder / "acknowledged") {
    db_.migrate(database::journal_schema());
    db_.migrate(schema());
    bus_.emplace(io_.get_executor(), db_, clock_, random_, Place{}, targets_, letters_, permissions_);
  }

  void work(std::size_t events) {
    bus_->start();
    run(put(events), io_);
  }

 private:
  task<void> put(std::size_t events) {
    co_await make_rule();
    left_ = events - std::min(events, lines_in(folder_ / "acknowledged"));
    std::ofstream(folder_ / "alive").put('\n');
    TaskGroup putters(io_.get_executor());
    for (int i = 0; i < kPutters; ++i) putters.spawn("putter", put_some());
    while (putters.running() > 0 || !bus_->idle()) co_await pause(Duration(1));
    std::ofstream(folder_ / "done").put('\n');
  }

  task<void> put_some() {
    while (left_ > 0) {
      --left_;
      auto publish = [this](database::Transaction& tx) {
        return bus_->publish(tx, {.source = "shop", .detail_type = "Sold", .time = clock_.now()});
      };
      const auto id = co_await db_.write(publish);
      acknowledged_.add(id);
    }
  }

  task<void> make_rule() {
    auto store = [this](database::Transaction& tx) {
      put_rule(tx, {.name = "push", .pattern = R"({"source":["shop"]})"});
      put_target(tx, {.rule = "push", .id = "t", .arn = "arn:aws:lambda:us-east-1:0:function:f"});
      bus_->touch(tx, kDefaultBus, "push");
    };
    co_await db_.write(store);
  }

  std::filesystem::path folder_;
  asio::io_context io_{1};
  database::Database db_;
  host::SystemClock clock_;
  host::SystemRandom random_;
  DiaryTargets targets_;
  FakeDeadLetters letters_;
  FakePermissions permissions_;
  Diary acknowledged_;
  std::size_t left_ = 0;  // Events still to be published.
  std::optional<Bus> bus_;
};

// Runs in the process that the test below starts.
TEST(BusChild, DISABLED_WorksUntilItIsKilled) {
  Child(std::getenv("SLIPWAY_KILL_FOLDER")).work(static_cast<std::size_t>(asked("SLIPWAY_EVENTS", kEvents)));
}

pid_t start_child() {
  const auto self = std::filesystem::read_symlink("/proc/self/exe").string();
  std::string filter = "--gtest_filter=BusChild.DISABLED_WorksUntilItIsKilled";
  std::string also = "--gtest_also_run_disabled_tests";
  std::string brief = "--gtest_brief=1";
  std::string name = self;
  char* arguments[] = {name.data(), filter.data(), also.data(), brief.data(), nullptr};
  pid_t pid = 0;
  return ::posix_spawn(&pid, self.c_str(), nullptr, nullptr, arguments, environ) == 0 ? pid : -1;
}

bool waited_for(const std::filesystem::path& file, pid_t child) {
  for (;;) {
    if (std::filesystem::exists(file)) return true;
    if (::waitpid(child, nullptr, WNOHANG) == child) return std::filesystem::exists(file);
    ::usleep(1000);
  }
}

TEST(BusKilled, AtAnyInstantLosesNothingThatItAcknowledged) {
  std::string pattern = (std::filesystem::temp_directory_path() / "slipway-kill-XXXXXX").string();
  const std::filesystem::path folder = ::mkdtemp(pattern.data());
  ::setenv("SLIPWAY_KILL_FOLDER", folder.c_str(), 1);
  const auto seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937 chance(seed);
  const int kills = asked("SLIPWAY_KILLS", kKills);
  // Each child has about the same share of the events, so that kills fall in the whole of them.
  const auto share = static_cast<std::size_t>(2 * asked("SLIPWAY_EVENTS", kEvents) / (kills + 1));
  int killed = 0;
  for (; killed < kills && !std::filesystem::exists(folder / "done"); ++killed) {
    std::filesystem::remove(folder / "alive");
    const pid_t child = start_child();
    ASSERT_GT(child, 0);
    ASSERT_TRUE(waited_for(folder / "alive", child)) << "the child ended by itself";
    const auto until = lines_in(folder / "acknowledged") + chance() % (share + 1);
    // A child that has done its work ends by itself.
    while (lines_in(folder / "acknowledged") < until && ::waitpid(child, nullptr, WNOHANG) == 0) ::usleep(100);
    ::usleep(static_cast<useconds_t>(chance() % kAfterwardsMaxUs));
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
  }
  const pid_t last = start_child();
  ASSERT_TRUE(waited_for(folder / "done", last)) << "the last child ended before its work";
  ::waitpid(last, nullptr, 0);
  const auto acknowledged = lines_of(folder / "acknowledged");
  const auto delivered = lines_of(folder / "delivered");
  std::size_t lost = 0;
  for (const auto& id : acknowledged) lost += delivered.contains(id) ? 0U : 1U;
  EXPECT_EQ(lost, 0U) << "of " << acknowledged.size();
  EXPECT_GE(killed, kills / 2) << "the work ended before the kills";
  EXPECT_GE(acknowledged.size(), static_cast<std::size_t>(asked("SLIPWAY_EVENTS", kEvents)));
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace slipway::events
