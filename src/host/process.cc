#include "host/process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <boost/asio/detached.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/redirect_error.hpp>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fstream>

#include "base/text.h"
#include "host/files.h"

namespace slipway::host {
namespace {

using boost::system::error_code;

constexpr std::size_t kOutputBytes = 64 * 1024;
constexpr std::size_t kOutputKeptMax = 1024 * 1024;  // Of run_process().
constexpr int kCannotExec = 127;

// Everything the child needs, made before the fork: after it only async-signal-safe calls are allowed.
struct Launch {
  std::vector<char*> argv;
  std::vector<std::string> environment_texts;
  std::vector<char*> environment;
  std::string program;
  std::string private_tmp;
  // Of each read-only folder: itself and, where /tmp will cover it, the folders to make again on the way to it.
  std::vector<std::pair<std::string, std::vector<std::string>>> read_only;
};

// The folders below /tmp on the way to `path`, outermost first: "/tmp/a/b" -> {"/tmp/a", "/tmp/a/b"}.
std::vector<std::string> steps_below_tmp(const std::string& path) {
  std::vector<std::string> steps;
  if (!path.starts_with("/tmp/")) return steps;
  for (auto slash = path.find('/', 5); slash != std::string::npos; slash = path.find('/', slash + 1))
    steps.push_back(path.substr(0, slash));
  steps.push_back(path);
  return steps;
}

Launch prepare(ProcessSpec& spec) {
  Launch launch;
  launch.program = spec.argv.at(0).find('/') != std::string::npos ? spec.argv[0] : find_program(spec.argv[0]);
  for (std::string& word : spec.argv) launch.argv.push_back(word.data());
  launch.argv.push_back(nullptr);
  for (const auto& [name, value] : spec.environment) launch.environment_texts.push_back(name + "=" + value);
  for (std::string& text : launch.environment_texts) launch.environment.push_back(text.data());
  launch.environment.push_back(nullptr);
  launch.private_tmp = spec.private_tmp;
  for (const auto& folder : spec.read_only)
    launch.read_only.emplace_back(folder, steps_below_tmp(std::filesystem::absolute(folder).lexically_normal()));
  return launch;
}

// The child's own view of the files, as far as the machine lets it.  Returns false when /tmp covers a folder that the
// process needs.
bool isolate(const Launch& launch) {
  constexpr std::size_t kFoldersMax = 8;
  if (launch.private_tmp.empty() || launch.read_only.size() > kFoldersMax) return true;
  if (::unshare(CLONE_NEWNS) != 0) return true;
  if (::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return true;
  // Held open, as /tmp may come to lie over them; in the new namespace, as mounts do not reach across.
  std::array<int, kFoldersMax> folders{};
  for (std::size_t i = 0; i < launch.read_only.size(); ++i)
    folders[i] = ::open(launch.read_only[i].first.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (::mount(launch.private_tmp.c_str(), "/tmp", nullptr, MS_BIND, nullptr) != 0) return true;
  for (std::size_t i = 0; i < launch.read_only.size(); ++i) {
    const char* path = launch.read_only[i].first.c_str();
    for (const std::string& step : launch.read_only[i].second) ::mkdir(step.c_str(), 0755);
    std::array<char, 32> held{"/proc/self/fd/"};
    std::size_t length = std::strlen(held.data());
    if (folders[i] >= 100) held[length++] = static_cast<char>('0' + folders[i] / 100 % 10);
    if (folders[i] >= 10) held[length++] = static_cast<char>('0' + folders[i] / 10 % 10);
    held[length] = static_cast<char>('0' + folders[i] % 10);
    const bool there =
        folders[i] >= 0 && folders[i] < 1000 && ::mount(held.data(), path, nullptr, MS_BIND, nullptr) == 0;
    if (there) ::mount("none", path, nullptr, MS_BIND | MS_REMOUNT | MS_RDONLY, nullptr);
    if (!there && !launch.read_only[i].second.empty()) return false;
  }
  return true;
}

[[noreturn]] void become(const ProcessSpec& spec, const Launch& launch, int output, int report) {
  if (spec.own_session) ::setsid();
  if (spec.die_with_parent) ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  const int input = ::open("/dev/null", O_RDONLY);
  ::dup2(input, STDIN_FILENO);
  ::dup2(output, STDOUT_FILENO);
  ::dup2(output, STDERR_FILENO);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::signal(SIGPIPE, SIG_DFL);
  if (spec.address_space_bytes > 0) {
    const auto bytes = static_cast<rlim_t>(spec.address_space_bytes);
    const rlimit limit{bytes, bytes};
    ::setrlimit(RLIMIT_AS, &limit);
  }
  const bool moved =
      isolate(launch) && (spec.working_directory.empty() || ::chdir(spec.working_directory.c_str()) == 0);
  if (moved) ::execve(launch.program.c_str(), launch.argv.data(), launch.environment.data());
  const int why = errno;
  [[maybe_unused]] const auto told = ::write(report, &why, sizeof why);
  ::_exit(kCannotExec);
}

class SystemProcess final : public Process {
 public:
  SystemProcess(asio::any_io_executor executor, int pid, int pidfd, bool takes_group)
      : pid_(pid),
        takes_group_(takes_group),
        exit_(executor, pidfd),
        ended_(executor, asio::steady_timer::time_point::max()) {}
  ~SystemProcess() override {
    if (!running_) return;
    ::kill(-pid_, SIGKILL);
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  int pid() const override { return pid_; }
  bool running() const override { return running_; }
  void signal(int number) override {
    if (!running_) return;
    if (::kill(-pid_, number) != 0) ::kill(pid_, number);
  }

  task<ExitStatus> wait() override {
    if (running_) {
      error_code error;
      if (!waiting_) {
        waiting_ = true;
        co_await exit_.async_wait(asio::posix::stream_descriptor::wait_read,
                                  asio::redirect_error(asio::use_awaitable, error));
        waiting_ = false;
        if (error) throw boost::system::system_error(error);
        reap();
        ended_.cancel();
      } else {
        while (running_) {
          co_await ended_.async_wait(asio::redirect_error(asio::use_awaitable, error));
          const auto cancelled = (co_await asio::this_coro::cancellation_state).cancelled();
          if (cancelled != asio::cancellation_type::none)
            throw boost::system::system_error(asio::error::operation_aborted);
        }
      }
    }
    co_return status_;
  }

  long long memory_bytes() const override {
    if (!running_) return 0;
    std::ifstream statm(fmt::format("/proc/{}/statm", pid_));
    long long size = 0;
    long long resident = 0;
    statm >> size >> resident;
    return resident * ::sysconf(_SC_PAGESIZE);
  }

 private:
  void reap() {
    int status = 0;
    rusage usage{};
    // Before it is reaped: until then nobody else can have its number.
    if (takes_group_) ::kill(-pid_, SIGKILL);
    if (::wait4(pid_, &status, 0, &usage) == pid_) {
      if (WIFEXITED(status)) status_.code = WEXITSTATUS(status);
      if (WIFSIGNALED(status)) status_.signal = WTERMSIG(status);
      status_.memory_bytes_max = usage.ru_maxrss * 1024;
    }
    running_ = false;
  }

  int pid_;
  bool takes_group_;
  asio::posix::stream_descriptor exit_;
  asio::steady_timer ended_;
  ExitStatus status_;
  bool running_ = true;
  bool waiting_ = false;
};

// Hands over output until every writer has closed its end.
task<void> read_output(asio::posix::stream_descriptor pipe, OutputSink sink) {
  std::string piece(kOutputBytes, '\0');
  for (;;) {
    error_code error;
    const std::size_t got =
        co_await pipe.async_read_some(asio::buffer(piece), asio::redirect_error(asio::use_awaitable, error));
    if (got > 0 && sink) sink(std::string_view(piece).substr(0, got));
    if (error) co_return;
  }
}

Result<std::unique_ptr<Process>> launch_failed(const ProcessSpec& spec, int why) {
  const std::string message = fmt::format("cannot start {}: {}", spec.argv.at(0), std::strerror(why));
  if (why == ENOENT) return fail(Fault::not_found, "ENOENT", message);
  return fail(Fault::invalid, "CannotStart", message);
}

}  // namespace

std::string ExitStatus::text() const {
  if (signal == SIGKILL) return "signal: killed";
  if (signal != 0) return fmt::format("signal: {}", ::strsignal(signal));
  return fmt::format("exit status {}", code);
}

Result<std::unique_ptr<Process>> start_process(asio::any_io_executor executor, ProcessSpec spec, OutputSink output) {
  const Launch launch = prepare(spec);
  if (launch.program.empty()) return launch_failed(spec, ENOENT);
  std::array<int, 2> out{};
  std::array<int, 2> report{};
  if (::pipe2(out.data(), O_CLOEXEC) != 0) return launch_failed(spec, errno);
  if (::pipe2(report.data(), O_CLOEXEC) != 0) return launch_failed(spec, errno);
  // The child borrows our memory until it becomes the program, and become() does nothing but ask the kernel: to copy
  // the tables of our pages for that, and to fault on each page written afterwards, would be most of a cold start.
  const pid_t pid = ::vfork();
  if (pid == 0) become(spec, launch, out[1], report[1]);
  ::close(out[1]);
  ::close(report[1]);
  int why = pid < 0 ? errno : 0;
  // Returns at once: with the reason, or with nothing when exec closed the pipe.
  if (pid > 0 && ::read(report[0], &why, sizeof why) <= 0) why = 0;
  ::close(report[0]);
  if (why != 0) {
    ::close(out[0]);
    if (pid > 0) ::waitpid(pid, nullptr, 0);
    return launch_failed(spec, why);
  }
  const int pidfd = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
  asio::posix::stream_descriptor pipe(executor, out[0]);
  asio::co_spawn(executor, read_output(std::move(pipe), std::move(output)), asio::detached);
  return std::make_unique<SystemProcess>(executor, pid, pidfd, spec.own_session && spec.die_with_parent);
}

task<Result<ProcessOutput>> run_process(ProcessSpec spec, Duration limit) {
  const std::string name = spec.argv.at(0);
  auto text = std::make_shared<std::string>();
  auto keep = [text](std::string_view piece) {
    if (text->size() < kOutputKeptMax) *text += piece;
  };
  auto process = start_process(co_await asio::this_coro::executor, std::move(spec), keep);
  if (!process) co_return fail(process);
  auto waiting = (*process)->wait();
  auto ended = co_await with_deadline(limit, std::move(waiting));
  if (!ended)
    co_return fail(Fault::timed_out, "Timeout", fmt::format("{} did not end within {} ms", name, limit.count()));
  // What it wrote last may still be on its way through the pipe.
  co_await pause(Duration{1});
  co_return ProcessOutput{.exit = *ended, .output = *text};
}

int kill_processes_with(const std::string& entry) {
  int killed = 0;
  std::error_code error;
  const std::string wanted = '\0' + entry + '\0';
  for (const auto& folder : std::filesystem::directory_iterator("/proc", error)) {
    const std::string name = folder.path().filename();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    const std::string environment = '\0' + read_file(folder.path() / "environ").value_or("");
    const int pid = std::atoi(name.c_str());
    if (pid == ::getpid() || environment.find(wanted) == std::string::npos) continue;
    if (::kill(pid, SIGKILL) == 0) ++killed;
  }
  return killed;
}

std::string find_program(const std::string& program) {
  const char* path = std::getenv("PATH");
  std::vector<std::string> folders = path != nullptr ? split(path, ':') : std::vector<std::string>{};
  for (const char* usual : {"/usr/sbin", "/usr/bin", "/sbin", "/bin", "/usr/local/bin"}) folders.emplace_back(usual);
  for (const std::string& folder : folders) {
    const std::string candidate = folder + "/" + program;
    if (!folder.empty() && ::access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  return {};
}

}  // namespace slipway::host
