// slipway-bus-function: the function that script/bench-bus delivers to.  Of each invocation it writes one byte to the
// file named by BENCH_FILE, so that who waits for the last one need only look at the file's size.
// https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <iostream>

#include "base/run.h"
#include "deployer/runtime.h"

namespace {

using namespace slipway;

task<Result<json::object>> count(int file, json::value, Instant) {
  // One byte appended at once: environments that run side by side do not lose each other's.
  if (::write(file, ".", 1) != 1) co_return fail(Fault::internal, "Function.Broken", "BENCH_FILE cannot be written");
  co_return json::object{};
}

task<Error> serve(std::string address, int file) {
  deployer::RuntimeApi api(co_await asio::this_coro::executor, address);
  const deployer::Answer answer = [file](json::value event, Instant deadline) {
    return count(file, std::move(event), deadline);
  };
  co_return co_await deployer::serve(api, answer);
}

}  // namespace

int main() {
  const char* address = std::getenv("AWS_LAMBDA_RUNTIME_API");
  const char* path = std::getenv("BENCH_FILE");
  const int file = path == nullptr ? -1 : ::open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
  if (address == nullptr || file < 0) {
    std::cerr << "AWS_LAMBDA_RUNTIME_API and BENCH_FILE (a file that can be written) must be set\n";
    return 2;
  }
  const Error broken = run(serve(address, file));
  std::cerr << broken.message << "\n";
  return 1;
}
