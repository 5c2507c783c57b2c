#include "client/surroundings.h"

#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <random>

#include "base/text.h"

namespace slipway::client {
namespace {

constexpr std::size_t kFileBytesMax = 1024 * 1024;

class Machine final : public Surroundings {
 public:
  Machine() : random_(std::random_device{}()) {}

  Instant now() override {
    return Instant{std::chrono::floor<Duration>(std::chrono::system_clock::now().time_since_epoch())};
  }

  double fraction() override { return std::uniform_real_distribution<double>(0, 1)(random_); }

  task<void> wait(Duration delay) override { return pause(delay); }

  Result<std::string> read_file(const std::string& path) override {
    std::ifstream file(path, std::ios::binary);
    if (!file)
      return fail(errno == ENOENT ? Fault::not_found : Fault::denied, "FileUnreadable",
                  fmt::format("cannot read {}: {}", path, std::strerror(errno)));
    std::string text(kFileBytesMax, '\0');
    file.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(file.gcount()));
    return text;
  }

  task<Result<http::ClientResponse>> send(std::string endpoint, http::ClientRequest request, Duration limit) override {
    http::ClientOptions options{.endpoint = std::move(endpoint), .connect_timeout = limit, .read_timeout = limit};
    return http::fetch(std::move(options), std::move(request));
  }

  Result<std::string> run(const std::string& command) override {
    std::FILE* pipe = ::popen(command.c_str(), "re");
    if (pipe == nullptr)
      return fail(Fault::unavailable, "ProcessFailed", fmt::format("cannot start a shell: {}", std::strerror(errno)));
    std::string output;
    std::array<char, 4096> piece{};
    for (std::size_t got = 0;
         (got = std::fread(piece.data(), 1, piece.size(), pipe)) > 0 && output.size() < kFileBytesMax;)
      output.append(piece.data(), got);
    const int status = ::pclose(pipe);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
      return fail(Fault::denied, "ProcessFailed",
                  fmt::format("credential_process ended with exit status {}",
                              WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status)));
    return output;
  }

 private:
  std::mt19937_64 random_;
};

}  // namespace

Environment process_environment() {
  Environment out;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const char* equals = std::strchr(*entry, '=');
    if (equals != nullptr) out.emplace(std::string(*entry, static_cast<std::size_t>(equals - *entry)), equals + 1);
  }
  return out;
}

std::string variable(const Environment& environment, const std::string& name) {
  const auto found = environment.find(name);
  return found == environment.end() ? "" : std::string(trim(found->second));
}

std::shared_ptr<Surroundings> make_surroundings() {
  return std::make_shared<Machine>();
}

}  // namespace slipway::client
