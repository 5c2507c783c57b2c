// slipway-load: requests at a constant arrival rate (open loop), counted honestly.  Request i is due at start + i /
// rate whether or not earlier ones were answered; nothing is ever repeated; a connection that breaks is a failure of
// its request.
#include <CLI/CLI.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/write.hpp>
#include <chrono>
#include <deque>
#include <fstream>
#include <iostream>
#include <random>

#include "base/run.h"
#include "base/text.h"
#include "http/framing.h"
#include "load/tally.h"

namespace slipway::load {
namespace {

using asio::ip::tcp;
using boost::system::error_code;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kHeadBytesMax = 64 * 1024;
constexpr Duration kTick{1};  // Due requests are started at least this often.
constexpr std::size_t kIdleConnectionsMax = 256;
constexpr Duration kIdleMax =
    std::chrono::seconds(20);  // A kept connection is not used after this: the other side may be closing it.

struct Path {
  std::string method;
  std::string target;
  double weight = 0;
};

struct Plan {
  std::string host;
  std::string port;
  double rate = 200;
  double keep_alive_share = 0.5;
  Duration timeout = std::chrono::seconds(5);
  std::vector<Path> mix;
};

double ms_since(Clock::time_point start, Clock::time_point at) {
  return std::chrono::duration<double, std::milli>(at - start).count();
}

class Generator {
 public:
  Generator(asio::io_context& io, Plan plan) : io_(io), plan_(std::move(plan)), random_(std::random_device{}()) {}

  task<void> run(Duration duration) {
    tcp::resolver resolver(io_);
    endpoints_ = co_await resolver.async_resolve(plan_.host, plan_.port, asio::use_awaitable);
    start_ = Clock::now();
    std::uint64_t started = 0;
    while (!stopping_ && (duration == Duration::zero() || Clock::now() - start_ < duration)) {
      const auto due = static_cast<std::uint64_t>(ms_since(start_, Clock::now()) / 1000 * plan_.rate);
      for (; started < due; ++started) {
        const auto at = start_ + std::chrono::duration_cast<Clock::duration>(
                                     std::chrono::duration<double>(static_cast<double>(started) / plan_.rate));
        ++in_flight_;
        asio::co_spawn(io_, request(at), asio::detached);
      }
      co_await pause(kTick);
    }
    while (in_flight_ > 0) co_await pause(kTick);
  }
  void stop() { stopping_ = true; }
  const Tally& tally() const { return tally_; }

 private:
  struct Idle {
    std::shared_ptr<tcp::socket> socket;
    Clock::time_point since;
  };

  const Path& choose() {
    double all = 0;
    for (const Path& path : plan_.mix) all += path.weight;
    double at = std::uniform_real_distribution<>(0, all)(random_);
    for (const Path& path : plan_.mix) {
      at -= path.weight;
      if (at <= 0) return path;
    }
    return plan_.mix.back();
  }

  // A kept connection that is still open, or none.
  std::shared_ptr<tcp::socket> take_idle() {
    while (!idle_.empty()) {
      const Idle kept = idle_.back();
      idle_.pop_back();
      if (Clock::now() - kept.since > kIdleMax) continue;
      error_code error;
      char byte = 0;
      kept.socket->non_blocking(true, error);
      const auto got = kept.socket->receive(asio::buffer(&byte, 1), tcp::socket::message_peek, error);
      // Nothing to read is what a live connection answers; an end means that the server closed it in order.
      if (error == asio::error::would_block && got == 0) return kept.socket;
    }
    return nullptr;
  }

  task<void> request(Clock::time_point due) {
    const Path path = choose();
    const bool keep = std::uniform_real_distribution<>(0, 1)(random_) < plan_.keep_alive_share;
    Sample sample;
    sample.due_ms = ms_since(start_, due);
    auto socket = keep ? take_idle() : nullptr;
    sample.kept_connection = socket != nullptr;
    if (!socket) socket = std::make_shared<tcp::socket>(io_);
    bool late = false;
    asio::steady_timer deadline(io_, plan_.timeout);
    deadline.async_wait([socket, &late](error_code error) {
      if (error) return;
      late = true;
      error_code ignored;
      socket->close(ignored);
    });
    const Outcome outcome = co_await exchange(socket, path, keep, sample.kept_connection);
    deadline.cancel();
    // The timer's handler refers to `late`: let it run before this frame ends.
    co_await asio::post(io_, asio::use_awaitable);
    sample.failure = late ? Failure::timed_out : outcome.failure;
    sample.version = outcome.version;
    sample.latency_ms = ms_since(due, Clock::now());
    tally_.add(sample);
    if (outcome.reusable && keep && !late && idle_.size() < kIdleConnectionsMax)
      idle_.push_back({socket, Clock::now()});
    --in_flight_;
  }

  struct Outcome {
    Failure failure = Failure::none;
    std::string version;
    bool reusable = false;
  };

  task<Outcome> exchange(std::shared_ptr<tcp::socket> socket, Path path, bool keep, bool connected) {
    error_code error;
    if (!connected) {
      co_await asio::async_connect(*socket, endpoints_, asio::redirect_error(asio::use_awaitable, error));
      if (error) co_return Outcome{.failure = Failure::connect};
      socket->set_option(tcp::no_delay(true), error);
    }
    const std::string head = path.method + " " + path.target + " HTTP/1.1\r\nHost: " + plan_.host + "\r\n" +
                             (keep ? "" : "Connection: close\r\n") + "\r\n";
    co_await asio::async_write(*socket, asio::buffer(head), asio::redirect_error(asio::use_awaitable, error));
    if (error) co_return Outcome{.failure = Failure::reset};
    std::string ahead;
    std::string piece(64 * 1024, '\0');
    std::optional<http::ResponseHead> answer;
    std::string body;
    for (;;) {
      if (!answer) {
        auto parsed = http::parse_response_head(ahead, false, kHeadBytesMax);
        if (!parsed) co_return Outcome{.failure = Failure::truncated};
        if (*parsed) {
          ahead.erase(0, (*parsed)->size);
          answer = std::move(**parsed);
        }
      }
      if (answer) {
        const auto used = answer->body.decode(ahead, body);
        if (!used) co_return Outcome{.failure = Failure::truncated};
        ahead.erase(0, *used);
        if (answer->body.done()) break;
      }
      const auto got =
          co_await socket->async_read_some(asio::buffer(piece), asio::redirect_error(asio::use_awaitable, error));
      ahead.append(piece, 0, got);
      if (!error) continue;
      if (answer && error == asio::error::eof && answer->body.ends_with_stream()) break;
      co_return Outcome{.failure = answer ? Failure::truncated : Failure::reset};
    }
    if (answer->status >= 500) co_return Outcome{.failure = Failure::server_error};
    if (answer->status >= 400) co_return Outcome{.failure = Failure::client_error};
    const std::string version = body.substr(0, body.find_first_of(" \r\n"));
    co_return Outcome{.version = version, .reusable = answer->keep_alive};
  }

  asio::io_context& io_;
  Plan plan_;
  std::mt19937_64 random_;
  tcp::resolver::results_type endpoints_;
  Clock::time_point start_;
  std::deque<Idle> idle_;
  std::uint64_t in_flight_ = 0;
  bool stopping_ = false;
  Tally tally_;
};

// "GET /version:80,GET /slow:20"
std::vector<Path> parse_mix(const std::string& text) {
  std::vector<Path> mix;
  for (const std::string& part : split(text, ',')) {
    const auto space = part.find(' ');
    const auto colon = part.rfind(':');
    if (space == std::string::npos || colon == std::string::npos || colon < space)
      throw CLI::ValidationError("not a mix: " + text + " (write \"GET /a:80,GET /b:20\")");
    mix.push_back({.method = part.substr(0, space),
                   .target = part.substr(space + 1, colon - space - 1),
                   .weight = std::stod(part.substr(colon + 1))});
  }
  return mix;
}

int run_load(int argc, char** argv) {
  CLI::App app{"Requests at a constant arrival rate, counted honestly."};
  std::string url = "http://127.0.0.1:8080";
  std::string mix = "GET /:100";
  std::string file;
  double seconds = 0;
  double timeout_seconds = 5;
  bool until_signal = false;
  Plan plan;
  app.add_option("--url", url, "http://HOST:PORT")->capture_default_str();
  app.add_option("--rate", plan.rate, "Requests per second")->capture_default_str()->check(CLI::Range(0.1, 1e6));
  app.add_option("--duration", seconds, "Seconds");
  app.add_flag("--until-signal", until_signal, "Go on until SIGINT or SIGTERM");
  app.add_option("--mix", mix, "What to ask, with weights: \"GET /a:80,GET /b:20\"")->capture_default_str();
  app.add_option("--keep-alive-share", plan.keep_alive_share, "Share of requests on kept connections")
      ->capture_default_str()
      ->check(CLI::Range(0.0, 1.0));
  app.add_option("--timeout", timeout_seconds, "Seconds until a request counts as timed out")->capture_default_str();
  app.add_option("--json", file, "Also write the figures to this file");
  CLI11_PARSE(app, argc, argv);
  if (seconds <= 0 && !until_signal) {
    std::cerr << "slipway-load: say how long: --duration SECONDS or --until-signal\n";
    return 2;
  }
  if (url.starts_with("http://")) url.erase(0, 7);
  plan.host = url.substr(0, url.find(':'));
  plan.port = url.find(':') == std::string::npos ? "80" : url.substr(url.find(':') + 1);
  plan.timeout = Duration{static_cast<long long>(timeout_seconds * 1000)};
  plan.mix = parse_mix(mix);
  asio::io_context io(1);
  Generator generator(io, plan);
  asio::signal_set signals(io, SIGINT, SIGTERM);
  signals.async_wait([&](error_code error, int) {
    if (!error) generator.stop();
  });
  run(generator.run(until_signal ? Duration::zero() : Duration{static_cast<long long>(seconds * 1000)}), io);
  std::cout << generator.tally().table();
  if (!file.empty()) std::ofstream(file) << json::serialize(generator.tally().to_json()) << "\n";
  return generator.tally().failed() == 0 ? 0 : 1;
}

}  // namespace
}  // namespace slipway::load

int main(int argc, char** argv) {
  try {
    return slipway::load::run_load(argc, argv);
  } catch (const std::exception& error) {
    std::cerr << "slipway-load: " << error.what() << "\n";
    return 1;
  }
}
