#include "http/client.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <array>
#include <boost/asio/connect.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/write.hpp>
#include <cstdlib>
#include <filesystem>

#include "base/text.h"
#include "http/framing.h"

namespace slipway::http {
namespace {

using asio::ip::tcp;
using boost::system::error_code;
using StreamSocket = asio::generic::stream_protocol::socket;
using TlsStream = asio::ssl::stream<StreamSocket&>;

constexpr std::size_t kReadBytes = 64 * 1024;
constexpr std::size_t kHeadBytesMax = 256 * 1024;

struct Endpoint {
  enum class Kind { tcp, tls, unix_socket };
  Kind kind = Kind::tcp;
  std::string host;  // Or the socket's path.
  std::string port;
};

Result<Endpoint> parse_endpoint(std::string_view text) {
  if (text.starts_with("unix:")) return Endpoint{Endpoint::Kind::unix_socket, std::string(text.substr(5)), ""};
  Endpoint endpoint;
  if (text.starts_with("http://")) {
    text.remove_prefix(7);
    endpoint.port = "80";
  } else if (text.starts_with("https://")) {
    text.remove_prefix(8);
    endpoint.kind = Endpoint::Kind::tls;
    endpoint.port = "443";
  } else {
    return fail(Fault::invalid, "BadEndpoint",
                fmt::format("not an endpoint: {} (write http://HOST:PORT, https://HOST or unix:PATH)", text));
  }
  text = text.substr(0, text.find('/'));
  const auto colon = text.rfind(':');
  const bool has_port = colon != std::string_view::npos && text.find(']', colon) == std::string_view::npos;
  endpoint.host = text.substr(0, has_port ? colon : text.size());
  if (has_port) endpoint.port = text.substr(colon + 1);
  if (endpoint.host.starts_with('[') && endpoint.host.ends_with(']'))
    endpoint.host = endpoint.host.substr(1, endpoint.host.size() - 2);
  if (endpoint.host.empty()) return fail(Fault::invalid, "BadEndpoint", "an endpoint without a host");
  return endpoint;
}

// Where machines keep the authorities that they trust: a static binary cannot rely on OpenSSL's built-in folder.
void trust_system_authorities(asio::ssl::context& context) {
  for (const char* variable : {"AWS_CA_BUNDLE", "SSL_CERT_FILE"}) {
    const char* file = std::getenv(variable);
    error_code error;
    if (file != nullptr && *file != '\0') context.load_verify_file(file, error);
    if (file != nullptr && *file != '\0' && !error) return;
  }
  for (const char* file : {"/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/certs/ca-certificates.crt"}) {
    error_code error;
    if (std::filesystem::exists(file)) context.load_verify_file(file, error);
  }
}

Error closed() {
  return {Fault::unavailable, "ConnectionClosed", "the peer closed the connection before it had answered"};
}

}  // namespace

struct Client::State {
  State(asio::any_io_executor e, ClientOptions o)
      : executor(std::move(e)), options(std::move(o)), socket(executor), deadline(executor) {}
  asio::any_io_executor executor;
  ClientOptions options;
  Endpoint endpoint;
  StreamSocket socket;
  std::unique_ptr<asio::ssl::context> tls_context;
  std::unique_ptr<TlsStream> tls;
  asio::steady_timer deadline;
  bool open = false;
  bool late = false;  // The deadline closed the socket.
  // Counts limits.  A timer that has fired may have its handler run after cancel(), and after this State is gone: the
  // handler acts only while its own limit is the one in force.
  std::shared_ptr<unsigned> limits = std::make_shared<unsigned>(0);
  std::string ahead;

  void shut() {
    error_code ignored;
    tls.reset();
    socket.close(ignored);
    open = false;
    ahead.clear();
  }
  void limit(Duration duration) {
    late = false;
    ++*limits;
    if (duration == Duration::zero()) return;
    deadline.expires_after(duration);
    deadline.async_wait([this, own = *limits, known = std::weak_ptr(limits)](error_code error) {
      const auto current = known.lock();
      if (error || !current || *current != own) return;
      late = true;
      error_code ignored;
      socket.close(ignored);
    });
  }
  void in_time() {
    ++*limits;
    deadline.cancel();
  }
  Error failure(const error_code& error, std::string_view doing) const {
    if (late) return {Fault::timed_out, "Timeout", fmt::format("{} {} took too long", options.endpoint, doing)};
    return {Fault::unavailable, "ConnectionClosed",
            fmt::format("{}: {}: {}", options.endpoint, doing, error.message())};
  }

  // Where the host may be reached.  A number is its own answer: a resolver would start a thread for it.
  task<Result<std::vector<tcp::endpoint>>> addresses() {
    error_code error;
    const auto number = asio::ip::make_address(endpoint.host, error);
    const int port = std::atoi(endpoint.port.c_str());
    if (!error && port > 0 && port <= 65535)
      co_return std::vector<tcp::endpoint>{{number, static_cast<std::uint16_t>(port)}};
    tcp::resolver resolver(executor);
    const auto found =
        co_await resolver.async_resolve(endpoint.host, endpoint.port, asio::redirect_error(asio::use_awaitable, error));
    if (error)
      co_return fail(Fault::unavailable, "ConnectFailed",
                     fmt::format("cannot find {}: {}", endpoint.host, error.message()));
    std::vector<tcp::endpoint> all;
    for (const auto& entry : found) all.push_back(entry.endpoint());
    co_return all;
  }

  task<Result<void>> connect_tcp() {
    const auto found = co_await addresses();
    if (!found) co_return fail(found);
    error_code error;
    for (const tcp::endpoint& address : *found) {
      const auto attempt = std::make_shared<tcp::socket>(executor);
      auto connecting = attempt->async_connect(address, asio::redirect_error(asio::use_awaitable, error));
      // The time-out closes `attempt` by its own timer: `socket` is not open yet.  The handler may run after this frame
      // is gone, as a timer that has fired cannot be cancelled any more.
      asio::steady_timer timer(executor, options.connect_timeout);
      timer.async_wait([known = std::weak_ptr(attempt)](error_code fired) {
        error_code ignored;
        const auto late_one = known.lock();
        if (!fired && late_one) late_one->close(ignored);
      });
      co_await std::move(connecting);
      timer.cancel();
      if (error) continue;
      attempt->set_option(tcp::no_delay(true), error);
      socket = std::move(*attempt);
      co_return Result<void>{};
    }
    const bool timed_out = error == asio::error::operation_aborted;
    co_return fail(
        timed_out ? Fault::timed_out : Fault::unavailable, timed_out ? "Timeout" : "ConnectFailed",
        fmt::format("cannot connect to {}: {}", options.endpoint, timed_out ? "no answer in time" : error.message()));
  }

  task<Result<void>> connect_unix() {
    error_code error;
    asio::local::stream_protocol::socket attempt(executor);
    const asio::local::stream_protocol::endpoint path(endpoint.host);
    co_await attempt.async_connect(path, asio::redirect_error(asio::use_awaitable, error));
    if (error)
      co_return fail(Fault::unavailable, "ConnectFailed",
                     fmt::format("cannot connect to {}: {}", endpoint.host, error.message()));
    socket = std::move(attempt);
    co_return Result<void>{};
  }

  task<Result<void>> start_tls() {
    if (!tls_context) {
      tls_context = std::make_unique<asio::ssl::context>(asio::ssl::context::tls_client);
      trust_system_authorities(*tls_context);
    }
    tls = std::make_unique<TlsStream>(socket, *tls_context);
    tls->set_verify_mode(asio::ssl::verify_peer);
    tls->set_verify_callback(asio::ssl::host_name_verification(endpoint.host));
    if (SSL_set_tlsext_host_name(tls->native_handle(), endpoint.host.c_str()) != 1)
      co_return fail(Fault::unavailable, "TlsFailed", "cannot name the host to " + endpoint.host);
    error_code error;
    limit(options.connect_timeout);
    co_await tls->async_handshake(asio::ssl::stream_base::client, asio::redirect_error(asio::use_awaitable, error));
    in_time();
    if (error)
      co_return fail(Fault::unavailable, "TlsFailed",
                     fmt::format("{}: no trusted connection: {}", options.endpoint, error.message()));
    co_return Result<void>{};
  }

  task<Result<void>> connect() {
    auto parsed = parse_endpoint(options.endpoint);
    if (!parsed) co_return fail(parsed);
    endpoint = std::move(*parsed);
    ahead.clear();
    auto connected = endpoint.kind == Endpoint::Kind::unix_socket ? connect_unix() : connect_tcp();
    auto outcome = co_await std::move(connected);
    if (!outcome) co_return fail(outcome);
    ::fcntl(socket.native_handle(), F_SETFD, FD_CLOEXEC);
    if (endpoint.kind == Endpoint::Kind::tls) {
      auto secure = co_await start_tls();
      if (!secure) {
        shut();
        co_return fail(secure);
      }
    }
    open = true;
    co_return Result<void>{};
  }

  task<Result<void>> write(std::string_view text) {
    error_code error;
    const auto buffer = asio::buffer(text.data(), text.size());
    limit(options.read_timeout);
    if (tls) {
      co_await asio::async_write(*tls, buffer, asio::redirect_error(asio::use_awaitable, error));
    } else {
      co_await asio::async_write(socket, buffer, asio::redirect_error(asio::use_awaitable, error));
    }
    in_time();
    if (error) co_return std::unexpected(failure(error, "sending"));
    co_return Result<void>{};
  }

  // Appends to `ahead`; the number of bytes, 0 at the end of the stream.
  task<Result<std::size_t>> read_more() {
    const std::size_t before = ahead.size();
    ahead.resize(before + kReadBytes);
    const auto into = asio::buffer(ahead.data() + before, kReadBytes);
    error_code error;
    std::size_t got = 0;
    limit(options.read_timeout);
    if (tls) {
      got = co_await tls->async_read_some(into, asio::redirect_error(asio::use_awaitable, error));
    } else {
      got = co_await socket.async_read_some(into, asio::redirect_error(asio::use_awaitable, error));
    }
    in_time();
    ahead.resize(before + got);
    if (error && error != asio::error::eof && error != asio::ssl::error::stream_truncated)
      co_return std::unexpected(failure(error, "reading"));
    co_return got;
  }

  std::string head_text(const ClientRequest& request) const {
    std::string head = fmt::format("{} {} HTTP/1.1\r\n", request.method, request.target);
    if (!request.headers.find("Host")) {
      const bool usual = endpoint.port == (endpoint.kind == Endpoint::Kind::tls ? "443" : "80");
      head += endpoint.kind == Endpoint::Kind::unix_socket
                  ? "Host: localhost\r\n"
                  : fmt::format("Host: {}{}\r\n", endpoint.host, usual ? "" : ":" + endpoint.port);
    }
    for (const auto& [name, value] : request.headers.entries()) head += fmt::format("{}: {}\r\n", name, value);
    const bool may_have_body = request.method != "GET" && request.method != "HEAD" && request.method != "DELETE";
    if ((may_have_body || !request.body.empty()) && !request.headers.find("Content-Length"))
      head += fmt::format("Content-Length: {}\r\n", request.body.size());
    return head + "\r\n";
  }

  // `answered` becomes true with the first byte of the answer.
  task<Result<ClientResponse>> exchange(const ClientRequest& request, const Sink& sink, bool& answered) {
    std::string text = head_text(request);
    text += request.body;
    auto sent = co_await write(text);
    if (!sent) co_return fail(sent);
    std::optional<ResponseHead> head;
    while (!head) {
      auto parsed = parse_response_head(ahead, request.method == "HEAD", kHeadBytesMax);
      if (!parsed) co_return fail(parsed);
      if (*parsed) {
        const bool interim = (*parsed)->status / 100 == 1 && (*parsed)->status != 101;
        ahead.erase(0, (*parsed)->size);
        if (!interim) head = std::move(**parsed);
        continue;
      }
      auto got = co_await read_more();
      if (!got) co_return fail(got);
      if (*got == 0) co_return std::unexpected(closed());
      answered = true;
    }
    co_return co_await read_body(std::move(*head), sink);
  }

  task<Result<ClientResponse>> read_body(ResponseHead head, const Sink& sink) {
    ClientResponse response{.status = head.status, .headers = std::move(head.headers), .body = {}};
    const bool streaming = sink && response.status / 100 == 2;
    for (;;) {
      std::string piece;
      const auto used = head.body.decode(ahead, piece);
      if (!used) co_return fail(Fault::invalid, "BadResponse", options.endpoint + " answered with a broken body");
      ahead.erase(0, *used);
      if (streaming && !piece.empty() && !sink(piece)) {
        shut();
        co_return response;
      }
      if (!streaming) response.body += piece;
      if (response.body.size() > options.body_bytes_max) {
        shut();
        co_return fail(Fault::invalid, "ResponseTooLarge",
                       fmt::format("{} answered with more than {} bytes", options.endpoint, options.body_bytes_max));
      }
      if (head.body.done()) break;
      auto got = co_await read_more();
      if (!got) co_return fail(got);
      if (*got > 0) continue;
      if (!head.body.ends_with_stream()) co_return std::unexpected(closed());
      break;
    }
    if (!head.keep_alive) shut();
    co_return response;
  }

  task<Result<ClientResponse>> send(ClientRequest request, Sink sink) {
    const bool may_repeat = request.method == "GET" || request.method == "HEAD";
    for (int attempt = 0;; ++attempt) {
      const bool reused = open;
      if (!open) {
        auto connected = co_await connect();
        if (!connected) co_return fail(connected);
      }
      bool answered = false;
      auto response = co_await exchange(request, sink, answered);
      if (response) co_return response;
      shut();
      const bool stale = reused && !answered && response.error().code == "ConnectionClosed";
      if (!stale || !may_repeat || attempt > 0) co_return response;
    }
  }
};

Client::Client(asio::any_io_executor executor, ClientOptions options)
    : state_(std::make_unique<State>(std::move(executor), std::move(options))) {}
Client::~Client() = default;
Client::Client(Client&&) noexcept = default;
Client& Client::operator=(Client&&) noexcept = default;

task<Result<ClientResponse>> Client::send(ClientRequest request) {
  return state_->send(std::move(request), {});
}
task<Result<ClientResponse>> Client::stream(ClientRequest request, Sink sink) {
  return state_->send(std::move(request), std::move(sink));
}
void Client::close() {
  state_->shut();
}

task<Result<ClientResponse>> fetch(ClientOptions options, ClientRequest request) {
  Client client(co_await asio::this_coro::executor, std::move(options));
  co_return co_await client.send(std::move(request));
}

}  // namespace slipway::http
