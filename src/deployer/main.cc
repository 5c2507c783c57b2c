// The deployer as a Lambda function: the binary `bootstrap`.  Nothing is set up before the first
// /next but the routes, so that a cold start takes as long as starting a process.
#include <fmt/format.h>
#include <netdb.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>

#include "base/run.h"
#include "base/wall_clock.h"
#include "deployer/handle.h"
#include "deployer/runtime.h"

#ifdef SLIPWAY_STATIC
// glibc has it and declares it in no public header.
extern "C" int __nss_configure_lookup(const char* database, const char* service_line) noexcept;
#endif

namespace slipway::deployer {
namespace {

// Kept of an invocation's time for saying how it ended.
constexpr Duration kAnswerReserve = std::chrono::milliseconds(500);
// Of one attempt: shorter than the budget of a call, so that a connection that hangs leaves time
// for another.
constexpr Duration kReadLimit = std::chrono::seconds(6);

std::string environment_variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::optional<std::string> read_slipway_json() {
  const std::string root = environment_variable("LAMBDA_TASK_ROOT");
  std::ifstream file((root.empty() ? "." : root) + "/slipway.json", std::ios::binary);
  if (!file) return std::nullopt;
  return std::string(std::istreambuf_iterator<char>(file), {});
}

std::string variable(const std::string& name) {
  return environment_variable(name.c_str());
}

// Lambda keeps each line of standard output in the function's log group.
void write_line(const json::object& line) {
  const std::string text = json::serialize(line) + "\n";
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

// The handler, made when the first event comes.
class Function {
 public:
  explicit Function(Routes routes) : routes_(std::move(routes)) {}

  task<Result<json::object>> answer(json::value event, Instant deadline) {
    if (!aws_) {
      const auto executor = co_await asio::this_coro::executor;
      client::Options options = client::options_from_environment();
      options.read_timeout = kReadLimit;
      aws_.emplace(executor, std::move(options));
      handler_.emplace(*aws_, routes_, HandlerOptions{write_line, wall_clock, variable});
    }
    std::optional<Instant> give_up;
    if (deadline > Instant{}) give_up = deadline - kAnswerReserve;
    if (give_up) aws_->give_up_at(*give_up);
    co_return co_await handler_->handle(std::move(event), give_up);
  }

 private:
  Routes routes_;
  std::optional<client::AwsClient> aws_;
  std::optional<Handler> handler_;
};

task<int> run_function() {
  const std::string address = environment_variable("AWS_LAMBDA_RUNTIME_API");
  if (address.empty()) {
    std::fputs("slipway deployer: AWS_LAMBDA_RUNTIME_API is not set; this program is started by Lambda\n", stderr);
    co_return 2;
  }
  const auto executor = co_await asio::this_coro::executor;
  RuntimeApi api(executor, address);
  auto routes =
      find_routes(read_slipway_json(), environment_variable("CLUSTER_NAME"), environment_variable("SERVICE_NAME"));
  if (!routes) {
    std::fputs(fmt::format("slipway deployer: {}\n", routes.error().message).c_str(), stderr);
    co_await api.fail_init("Function.InvalidRoutes", routes.error().message);
    co_return 1;
  }
  Function function(std::move(*routes));
  const Answer answer = [&function](json::value event, Instant deadline) {
    return function.answer(std::move(event), deadline);
  };
  const Error broken = co_await serve(api, answer);
  std::fputs(fmt::format("slipway deployer: {}: {}\n", broken.code, broken.message).c_str(), stderr);
  co_return 1;
}

}  // namespace
}  // namespace slipway::deployer

int main() {
#ifdef SLIPWAY_STATIC
  // Other name services would be loaded as shared libraries, each with a second libc.
  __nss_configure_lookup("hosts", "files dns");
#endif
  try {
    return slipway::run(slipway::deployer::run_function());
  } catch (const std::exception& bug) {
    std::fputs(fmt::format("slipway deployer: {}\n", bug.what()).c_str(), stderr);
    return 1;
  }
}
