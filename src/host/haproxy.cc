#include "host/haproxy.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/write.hpp>
#include <charconv>
#include <csignal>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>

#include "base/log.h"
#include "base/text.h"
#include "host/files.h"
#include "host/process.h"

namespace slipway::host {
namespace {

using namespace std::chrono_literals;
using boost::system::error_code;

constexpr Duration kCheckMax = 10s;
constexpr Duration kStartMax = 10s;
constexpr Duration kStartPoll = 5ms;
constexpr Duration kCommandMax = 5s;

long long number_of(std::string_view text) {
  long long number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

// When a process was started, in ticks since boot; "" when there is no such process.  Tells a reused pid apart.
std::string start_time(int pid) {
  std::ifstream stat(fmt::format("/proc/{}/stat", pid));
  std::string text((std::istreambuf_iterator<char>(stat)), {});
  const auto end = text.rfind(')');
  if (end == std::string::npos) return {};
  const auto fields = split(std::string_view(text).substr(end + 2), ' ');
  return fields.size() > 19 && fields[0] != "Z" ? fields[19] : std::string();
}

enum class Then {
  wait,
  finish
};  // `finish`: says that nothing follows, without which a master keeps the connection open.

task<Result<std::string>> exchange(std::filesystem::path socket_path, std::string text, Then then = Then::wait) {
  error_code error;
  asio::local::stream_protocol::socket socket(co_await asio::this_coro::executor);
  const asio::local::stream_protocol::endpoint there(socket_path.string());
  co_await socket.async_connect(there, asio::redirect_error(asio::use_awaitable, error));
  if (error)
    co_return fail(Fault::unavailable, "ProxyUnavailable",
                   fmt::format("HAProxy does not answer at {}: {}", socket_path.native(), error.message()));
  co_await asio::async_write(socket, asio::buffer(text), asio::redirect_error(asio::use_awaitable, error));
  if (!error && then == Then::finish) socket.shutdown(asio::socket_base::shutdown_send, error);
  std::string answer;
  std::string piece(65536, '\0');
  while (!error) {
    const std::size_t got =
        co_await socket.async_read_some(asio::buffer(piece), asio::redirect_error(asio::use_awaitable, error));
    answer.append(piece, 0, got);
  }
  if (error != asio::error::eof)
    co_return fail(Fault::unavailable, "ProxyUnavailable", "HAProxy broke off: " + error.message());
  co_return answer;
}

// The rows of `show stat`: CSV below a line of names.
std::vector<ProxyStatRow> parse_stats(const std::string& text) {
  std::vector<ProxyStatRow> rows;
  std::map<std::string, std::size_t> columns;
  for (const std::string& line : split(text, '\n')) {
    if (line.empty()) continue;
    const auto fields = split(line, ',');
    if (line.starts_with("# ")) {
      for (std::size_t i = 0; i < fields.size(); ++i) columns[i == 0 ? fields[i].substr(2) : fields[i]] = i;
      continue;
    }
    const auto field = [&](const char* name) {
      const auto at = columns.find(name);
      return at != columns.end() && at->second < fields.size() ? fields[at->second] : std::string();
    };
    rows.push_back({.backend = field("pxname"),
                    .server = field("svname"),
                    .status = field("status"),
                    .sessions = number_of(field("scur")),
                    .queued = number_of(field("qcur")),
                    .responses_5xx = number_of(field("hrsp_5xx")),
                    .requests = number_of(field("stot"))});
  }
  return rows;
}

// The rows of `show servers conn`, words below a line of names: what a worker that stops accepting still tells, since
// `show stat` leaves stopped proxies out.  "b/s1 3/1 10.0.0.7 8080 - 5000 1 …": the seventh is the requests under way.
std::vector<ProxyStatRow> parse_connections(const std::string& text) {
  constexpr std::size_t kUsedNow = 6;
  std::vector<ProxyStatRow> rows;
  for (const std::string& line : split(text, '\n')) {
    const auto fields = split(line, ' ');
    const auto slash = fields.front().find('/');
    if (fields.front().starts_with('#') || slash == std::string::npos || fields.size() <= kUsedNow) continue;
    rows.push_back({.backend = fields.front().substr(0, slash),
                    .server = fields.front().substr(slash + 1),
                    .status = "",
                    .sessions = number_of(fields[kUsedNow])});
  }
  return rows;
}

// The pids that `show proc` lists behind "# old workers".
std::vector<long long> parse_old_workers(const std::string& text) {
  std::vector<long long> pids;
  bool old = false;
  for (const std::string& line : split(text, '\n')) {
    if (line.starts_with("#")) {
      old = line.starts_with("# old workers");
    } else if (old && number_of(line) > 0) {
      pids.push_back(number_of(line));
    }
  }
  return pids;
}

class HaProxy final : public Proxy {
 public:
  HaProxy(asio::any_io_executor executor, std::filesystem::path folder)
      : executor_(std::move(executor)), folder_(std::move(folder)) {}

  task<Result<void>> apply(std::string config) override {
    const std::string program = find_program("haproxy");
    if (program.empty())
      co_return fail(Fault::not_found, "SLW-105", "HAProxy is not installed. On Debian: apt-get install haproxy");
    std::error_code ignored;
    std::filesystem::create_directories(folder_, ignored);
    ::chmod(folder_.c_str(), 0700);
    replace(config, "%SOCKET%", socket().string());
    const bool runs = master() > 0;
    const auto current = read_file(config_file());
    if (runs && current && *current == config) co_return Result<void>{};
    const auto candidate = folder_ / "haproxy.cfg.new";
    if (auto written = write_file_durably(candidate, config, 0600); !written) co_return fail(written);
    auto checked = co_await check(program, candidate);
    if (!checked) co_return fail(checked);
    std::filesystem::rename(candidate, config_file(), ignored);
    auto changed = runs ? reload() : start(program);
    auto outcome = co_await std::move(changed);
    // A configuration that did not come to run must not pass for the running one.
    if (!outcome && current && runs) (void)write_file_durably(config_file(), *current, 0600);
    if (!outcome && !runs) std::filesystem::remove(config_file(), ignored);
    co_return outcome;
  }

  std::string current() override {
    if (master() == 0) return {};
    auto text = read_file(config_file());
    if (!text) return {};
    replace(*text, socket().string(), "%SOCKET%");
    return *text;
  }

  task<Result<void>> record(std::string config) override {
    replace(config, "%SOCKET%", socket().string());
    co_return write_file_durably(config_file(), config, 0600);
  }

  task<Result<std::vector<std::string>>> command(std::vector<std::string> commands) override {
    std::vector<std::string> answers;
    for (const std::string& one : commands) {
      auto asking = exchange(socket(), one + "\n");
      auto answer = co_await with_deadline_result(std::move(asking));
      if (!answer) co_return fail(answer);
      answers.emplace_back(trim(*answer));
    }
    co_return answers;
  }

  task<Result<std::vector<ProxyStatRow>>> stats() override {
    auto asking = exchange(socket(), "show stat -1 4 -1\n");  // Every server of every backend.
    auto answer = co_await with_deadline_result(std::move(asking));
    if (!answer) co_return fail(answer);
    auto rows = parse_stats(*answer);
    for (const long long old : co_await old_workers()) {
      auto asking_old = exchange(master_socket(), fmt::format("@!{} show servers conn\n", old), Then::finish);
      const auto more = co_await with_deadline_result(std::move(asking_old));
      // One that ended meanwhile serves nobody.
      if (more) std::ranges::move(parse_connections(*more), std::back_inserter(rows));
    }
    co_return rows;
  }

  task<Result<void>> stop() override {
    const int pid = master();
    if (pid > 0) {
      ::kill(pid, SIGTERM);
      for (Duration waited{}; waited < kStartMax && !start_time(pid).empty(); waited += kStartPoll)
        co_await pause(kStartPoll);
      if (!start_time(pid).empty()) ::kill(pid, SIGKILL);
    }
    std::error_code ignored;
    std::filesystem::remove(pid_file(), ignored);
    co_return Result<void>{};
  }

 private:
  std::filesystem::path config_file() const { return folder_ / "haproxy.cfg"; }
  std::filesystem::path pid_file() const { return folder_ / "haproxy.pid"; }
  std::filesystem::path socket() const { return folder_ / "haproxy.sock"; }
  std::filesystem::path master_socket() const { return folder_ / "haproxy-master.sock"; }
  std::filesystem::path log_file() const { return folder_ / "haproxy.log"; }

  static void replace(std::string& text, std::string_view what, const std::string& with) {
    for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + with.size()))
      text.replace(at, what.size(), with);
  }

  // The master that we started, if it still runs: the file holds its pid and start time.
  int master() const {
    const auto text = read_file(pid_file());
    if (!text) return 0;
    const auto words = split(trim(*text), ' ');
    const int pid = static_cast<int>(number_of(words[0]));
    return pid > 0 && words.size() == 2 && start_time(pid) == words[1] ? pid : 0;
  }

  static task<Result<std::string>> with_deadline_result(task<Result<std::string>> asking) {
    auto answer = co_await with_deadline(kCommandMax, std::move(asking));
    if (!answer) co_return fail(Fault::timed_out, "Timeout", "HAProxy does not answer in time");
    co_return std::move(*answer);
  }

  task<Result<void>> check(std::string program, std::filesystem::path file) {
    const ProcessSpec spec{.argv = {program, "-c", "-q", "-f", file.string()}};
    auto checked = co_await run_process(spec, kCheckMax);
    if (!checked) co_return fail(checked);
    if (!checked->exit.ok())
      co_return fail(Fault::invalid, "SLW-106",
                     "HAProxy refuses its configuration: " + std::string(trim(checked->output)));
    co_return Result<void>{};
  }

  // Starts the master in a session of its own, with its log in a file: it must outlive us.
  task<Result<void>> start(std::string program) {
    std::error_code ignored;
    std::filesystem::remove(socket(), ignored);
    const int pid = ::fork();
    if (pid == 0) {
      ::setsid();
      const int in = ::open("/dev/null", O_RDONLY);
      const int out = ::open(log_file().c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
      ::dup2(in, 0);
      ::dup2(out, 1);
      ::dup2(out, 2);
      ::close_range(3, ~0U, 0);
      // One fork more, so that the master is nobody's child and needs nobody to reap it.
      const pid_t grandchild = ::fork();
      if (grandchild != 0) {
        const std::string text = fmt::format("{} {}\n", grandchild, start_time(grandchild));
        const int file = ::open(pid_file().c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
        [[maybe_unused]] const auto written = ::write(file, text.data(), text.size());
        ::_exit(0);
      }
      ::execl(program.c_str(), program.c_str(), "-W", "-S", master_socket().c_str(), "-f", config_file().c_str(),
              static_cast<char*>(nullptr));
      ::_exit(127);
    }
    if (pid < 0)
      co_return fail(Fault::unavailable, "SLW-106", std::string("cannot start HAProxy: ") + std::strerror(errno));
    int status = 0;
    ::waitpid(pid, &status, 0);
    for (Duration waited{}; waited < kStartMax; waited += kStartPoll) {
      auto alive = co_await stats();
      if (alive) co_return Result<void>{};
      if (master() == 0) break;
      co_await pause(kStartPoll);
    }
    const auto said = read_file(log_file());
    co_return fail(Fault::invalid, "SLW-106",
                   "HAProxy did not start: " + std::string(said ? trim(*said) : std::string_view("it said nothing")));
  }

  // Workers that a reload has replaced and that still serve connections.  Drains ask every few milliseconds, so the
  // master is not asked while there can be none.
  task<std::vector<long long>> old_workers() {
    if (!reloaded_) co_return std::vector<long long>{};
    auto asking = exchange(master_socket(), "show proc\n", Then::finish);
    const auto answer = co_await with_deadline_result(std::move(asking));
    if (!answer) co_return std::vector<long long>{};
    auto old = parse_old_workers(*answer);
    if (old.empty()) reloaded_ = false;
    co_return old;
  }

  // The pid of the worker that answers the socket now; 0 when none does.
  task<long long> worker() {
    auto asking = exchange(socket(), "show info\n");
    auto answer = co_await with_deadline_result(std::move(asking));
    if (!answer) co_return 0;
    for (const std::string& line : split(*answer, '\n')) {
      if (line.starts_with("Pid: ")) co_return number_of(std::string_view(line).substr(5));
    }
    co_return 0;
  }

  task<Result<void>> reload() {
    const long long before = co_await worker();
    ::kill(master(), SIGUSR2);
    reloaded_ = true;
    for (Duration waited{}; waited < kStartMax; waited += kStartPoll) {
      const long long now = co_await worker();
      if (now != 0 && now != before) co_return Result<void>{};
      co_await pause(kStartPoll);
    }
    const auto said = read_file(log_file());
    co_return fail(Fault::invalid, "SLW-106",
                   "HAProxy did not take its new configuration: " +
                       std::string(said ? trim(*said) : std::string_view("it said nothing")));
  }

  asio::any_io_executor executor_;
  std::filesystem::path folder_;
  // Whether old workers may be there: from the start, since an earlier daemon may have reloaded, until none is seen.
  bool reloaded_ = true;
};

}  // namespace

std::unique_ptr<Proxy> make_haproxy(asio::any_io_executor executor, std::filesystem::path folder) {
  return std::make_unique<HaProxy>(std::move(executor), std::move(folder));
}

}  // namespace slipway::host
