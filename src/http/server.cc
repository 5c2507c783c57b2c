#include "http/server.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/sendfile.h>
#include <unistd.h>

#include <boost/asio/detached.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/write.hpp>
#include <cerrno>
#include <set>
#include <system_error>

#include "base/log.h"
#include "base/text.h"
#include "http/framing.h"

namespace slipway::http {
namespace {

using asio::ip::tcp;
using boost::system::error_code;

constexpr std::size_t kReadBytes = 256 * 1024;         // One read of a body from the socket.
constexpr std::size_t kHeadReadBytes = 8 * 1024;       // One read of a head: what every waiting connection keeps.
constexpr Duration kLinger = std::chrono::seconds(2);  // For the peer to read the last answer while it still sends.
constexpr std::size_t kDrainBytesMax =
    1024 * 1024;  // An unread body up to this is read and thrown away; beyond it we close.
constexpr std::size_t kSendfileBytes = 8 * 1024 * 1024;           // One sendfile call, so that the loop gets its turn.
constexpr Duration kAcceptRetry = std::chrono::milliseconds(50);  // After running out of descriptors.
constexpr Duration kCrowdRetry = std::chrono::milliseconds(1);    // For a connection that was pushed out to be gone.

// One accepted connection: its socket, what was read ahead, and the clock that cuts it off.
struct Connection {
  Connection(tcp::socket s, Duration write_limit_)
      : socket(std::move(s)), deadline(socket.get_executor()), write_limit(write_limit_) {}
  tcp::socket socket;
  asio::steady_timer deadline;
  Duration write_limit;
  unsigned limits = 0;  // How many there were.
  std::string ahead;    // Read, not yet used.
  bool busy = false;    // A handler works on a request.
  std::chrono::steady_clock::time_point waiting_since = std::chrono::steady_clock::now();  // When it is not busy.

  // A timer that has fired may have its handler run after cancel(): it acts only while its limit is the one in force.
  void limit(Duration duration, const std::weak_ptr<Connection>& self) {
    deadline.expires_after(duration);
    deadline.async_wait([self, own = ++limits](error_code error) {
      const auto connection = self.lock();
      if (!error && connection && connection->limits == own) connection->shut();
    });
  }
  void in_time() {
    ++limits;
    deadline.cancel();
  }
  void shut() {
    error_code ignored;
    socket.shutdown(tcp::socket::shutdown_both, ignored);
    socket.cancel(ignored);
  }
};

// Reads up to `bytes` more into `ahead`; false at the end of the stream or on any error.
task<bool> read_more(std::shared_ptr<Connection> connection, std::size_t bytes, Duration limit) {
  connection->limit(limit, connection);
  const std::size_t before = connection->ahead.size();
  connection->ahead.resize(before + bytes);
  error_code error;
  const auto into = asio::buffer(connection->ahead.data() + before, bytes);
  const std::size_t got =
      co_await connection->socket.async_read_some(into, asio::redirect_error(asio::use_awaitable, error));
  connection->ahead.resize(before + got);
  connection->in_time();
  co_return !error && got > 0;
}

task<bool> write_text(std::shared_ptr<Connection> connection, std::string_view text) {
  error_code error;
  while (!text.empty() && !error) {
    connection->limit(connection->write_limit, connection);
    const std::size_t sent = co_await connection->socket.async_write_some(
        asio::buffer(text.data(), text.size()), asio::redirect_error(asio::use_awaitable, error));
    connection->in_time();
    text.remove_prefix(sent);
  }
  co_return !error;
}

// Reads and throws away what the peer still sends: closing on unread bytes would reset the connection, and the peer
// would lose the answer that it is about to read.
task<void> linger(std::shared_ptr<Connection> connection) {
  error_code error;
  connection->socket.shutdown(tcp::socket::shutdown_send, error);
  connection->limit(kLinger, connection);
  std::string dropped(kHeadReadBytes, '\0');
  while (!error)
    co_await connection->socket.async_read_some(asio::buffer(dropped),
                                                asio::redirect_error(asio::use_awaitable, error));
}

class ConnectionBody final : public BodyReader {
 public:
  ConnectionBody(std::shared_ptr<Connection> connection, BodyDecoder decoder, bool expects_continue, Duration limit)
      : connection_(std::move(connection)),
        decoder_(std::move(decoder)),
        expects_continue_(expects_continue),
        limit_(limit) {}

  task<Result<std::string>> read_some() override {
    std::string piece;
    while (piece.empty() && !decoder_.done() && !broken_) {
      if (connection_->ahead.empty()) {
        if (expects_continue_) {
          expects_continue_ = false;
          if (!co_await write_text(connection_, "HTTP/1.1 100 Continue\r\n\r\n")) broken_ = true;
        }
        if (!co_await read_more(connection_, kReadBytes, limit_)) broken_ = true;
        if (broken_) break;
      }
      const auto used = decoder_.decode(connection_->ahead, piece);
      if (!used) {
        broken_ = true;
        co_return fail(Fault::invalid, "IncompleteBody", "the body is not framed as HTTP says");
      }
      connection_->ahead.erase(0, *used);
    }
    if (broken_ && piece.empty())
      co_return fail(Fault::invalid, "IncompleteBody", "the peer broke off before the end of the body");
    co_return piece;
  }

  // Reads what the handler left, so that the next request can follow; false when the connection must close.
  task<bool> drain() {
    if (decoder_.done()) co_return true;
    if (expects_continue_) co_return false;
    std::size_t dropped = 0;
    while (dropped <= kDrainBytesMax) {
      auto piece = co_await read_some();
      if (!piece) co_return false;
      if (piece->empty()) co_return true;
      dropped += piece->size();
    }
    co_return false;
  }

 private:
  std::shared_ptr<Connection> connection_;
  BodyDecoder decoder_;
  bool expects_continue_;
  Duration limit_;
  bool broken_ = false;
};

class StreamWriter final : public BodyWriter {
 public:
  StreamWriter(std::shared_ptr<Connection> connection, bool chunked)
      : connection_(std::move(connection)), chunked_(chunked) {}
  task<Result<void>> write(std::string piece) override {
    if (piece.empty()) co_return Result<void>{};
    const std::string framed = chunked_ ? fmt::format("{:x}\r\n", piece.size()) + piece + "\r\n" : std::move(piece);
    if (!co_await write_text(connection_, framed))
      co_return fail(Fault::unavailable, "ConnectionClosed", "the peer is gone");
    co_return Result<void>{};
  }

 private:
  std::shared_ptr<Connection> connection_;
  bool chunked_;
};

// How the request wants to be answered.
struct Manner {
  bool is_head = false;
  bool old = false;  // HTTP/1.0
  bool keep_alive = false;
};

bool bodiless(int status) {
  return status / 100 == 1 || status == 204 || status == 304;
}

std::string head_text(const Response& response, const Manner& manner, std::optional<std::uint64_t> length) {
  std::string head = fmt::format("HTTP/1.1 {} {}\r\n", response.status, reason_phrase(response.status));
  for (const auto& [name, value] : response.headers.entries()) {
    if (equal_ignoring_case(name, "Content-Length")) continue;
    head += name;
    head += ": ";
    // A line break in a value would let it write headers of its own; other control characters break clients.
    for (const char c : value) head += (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f ? ' ' : c;
    head += "\r\n";
  }
  if (length && !bodiless(response.status)) head += fmt::format("Content-Length: {}\r\n", *length);
  if (!length && !manner.old) head += "Transfer-Encoding: chunked\r\n";
  if (!manner.keep_alive) head += "Connection: close\r\n";
  if (manner.keep_alive && manner.old) head += "Connection: keep-alive\r\n";
  return head + "\r\n";
}

task<bool> send_file(std::shared_ptr<Connection> connection, FileBody file) {
  const int fd = ::open(file.path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) co_return false;
  connection->socket.native_non_blocking(true);
  auto offset = static_cast<off_t>(file.offset);
  std::uint64_t left = file.size;
  bool good = true;
  while (left > 0 && good) {
    const ssize_t sent =
        ::sendfile(connection->socket.native_handle(), fd, &offset, std::min<std::uint64_t>(left, kSendfileBytes));
    if (sent > 0) {
      left -= static_cast<std::uint64_t>(sent);
    } else if (sent < 0 && (errno == EAGAIN || errno == EINTR)) {
      error_code error;
      connection->limit(connection->write_limit, connection);
      co_await connection->socket.async_wait(tcp::socket::wait_write, asio::redirect_error(asio::use_awaitable, error));
      connection->in_time();
      good = !error;
    } else {
      good = false;  // The file became shorter, or the peer is gone.
    }
  }
  ::close(fd);
  co_return good;
}

task<bool> send_response(std::shared_ptr<Connection> connection, Response& response, Manner manner) {
  if (response.stream) {
    if (!co_await write_text(connection, head_text(response, manner, std::nullopt))) co_return false;
    if (manner.is_head) co_return true;
    StreamWriter writer(connection, !manner.old);
    co_await response.stream(writer);
    co_return manner.old || co_await write_text(connection, "0\r\n\r\n");
  }
  const std::uint64_t length = response.file ? response.file->size : response.body.size();
  std::string head = head_text(response, manner, length);
  if (manner.is_head || bodiless(response.status)) co_return co_await write_text(connection, head);
  if (response.file) co_return co_await write_text(connection, head) && co_await send_file(connection, *response.file);
  head += response.body;
  co_return co_await write_text(connection, head);
}

}  // namespace

struct Server::State : std::enable_shared_from_this<Server::State> {
  State(asio::any_io_executor e, ServerOptions o, Handler h)
      : executor(std::move(e)),
        options(std::move(o)),
        handler(std::move(h)),
        acceptor(executor),
        changed(executor, asio::steady_timer::time_point::max()) {}
  asio::any_io_executor executor;
  ServerOptions options;
  Handler handler;
  tcp::acceptor acceptor;
  asio::steady_timer changed;  // Cancelled when a connection ends.
  std::set<std::shared_ptr<Connection>> connections;
  bool stopping = false;
};

namespace {

// What the handler answers, or 500 when it throws; 507 when it throws because the disk is full.
task<Response> handle(const Handler& handler, Request& request) {
  std::string why;
  bool full = false;
  try {
    co_return co_await handler(request);
  } catch (const std::system_error& error) {
    why = error.what();
    full = error.code() == std::errc::no_space_on_device;
  } catch (const std::exception& error) {
    why = error.what();
  }
  log_error("http", fmt::format("{} {} failed: {}", request.method, request.raw_path(), why));
  if (full)
    co_return json_response(507,
                            "{\"__type\":\"ServiceUnavailable\",\"message\":\"the disk of the region's state is full: "
                            "nothing was changed; free some space and try again\"}");
  co_return json_response(
      500, "{\"__type\":\"InternalFailure\",\"message\":\"internal error; the daemon's log says more\"}");
}

Response refusal(const Error& error) {
  const int status = error.code == "HeadTooLarge"         ? 431
                     : error.code == "UnknownCoding"      ? 501
                     : error.code == "UnknownExpectation" ? 417
                                                          : 400;
  return text_response(status, error.message + "\n");
}

enum class Next { serve, close, linger };

// The head of the next request.  An Error is the peer's fault and is answered; nullopt: the peer is gone or too slow.
task<Result<std::optional<RequestHead>>> read_head(std::shared_ptr<Server::State> state,
                                                   std::shared_ptr<Connection> connection) {
  using Clock = std::chrono::steady_clock;
  std::optional<Clock::time_point> give_up;  // Once a head has begun, so that no byte now and then holds it open.
  for (;;) {
    auto parsed = parse_request_head(connection->ahead, state->options.header_bytes_max);
    if (!parsed || *parsed) co_return parsed;
    if (!connection->ahead.empty() && !give_up) give_up = Clock::now() + state->options.head_timeout;
    const Duration limit =
        give_up ? std::chrono::duration_cast<Duration>(*give_up - Clock::now()) : state->options.idle_timeout;
    const bool more = limit > Duration::zero() && co_await read_more(connection, kHeadReadBytes, limit);
    if (!more) co_return std::optional<RequestHead>{};
  }
}

task<Next> serve_one(std::shared_ptr<Server::State> state, std::shared_ptr<Connection> connection) {
  auto read = co_await read_head(state, connection);
  if (!read) {
    Response refused = refusal(read.error());
    const bool told = co_await send_response(connection, refused, Manner{});
    co_return told ? Next::linger : Next::close;
  }
  if (!*read) co_return Next::close;
  RequestHead head = std::move(**read);
  connection->ahead.erase(0, head.size);
  connection->busy = true;
  error_code ignored;
  const auto peer = connection->socket.remote_endpoint(ignored);
  Request& request = head.request;
  request.peer = fmt::format("{}:{}", peer.address().to_string(), peer.port());
  ConnectionBody body(connection, std::move(head.body), head.expects_continue, state->options.body_timeout);
  request.body = &body;
  Response response = co_await handle(state->handler, request);
  Manner manner{.is_head = request.method == "HEAD", .old = head.old, .keep_alive = head.keep_alive};
  if (manner.old && response.stream) manner.keep_alive = false;  // Its end is the end of the connection.
  const bool drained = !state->stopping && co_await body.drain();
  manner.keep_alive = manner.keep_alive && drained;
  const bool sent = co_await send_response(connection, response, manner);
  connection->busy = false;
  connection->waiting_since = std::chrono::steady_clock::now();
  // What a large body needed is given back while the connection waits.
  if (connection->ahead.empty()) connection->ahead = std::string();
  if (!sent) co_return Next::close;
  co_return manner.keep_alive ? Next::serve : Next::linger;
}

task<void> serve_connection(std::shared_ptr<Server::State> state, std::shared_ptr<Connection> connection) {
  try {
    Next next = Next::serve;
    while (!state->stopping && next == Next::serve) next = co_await serve_one(state, connection);
    if (!state->stopping && next == Next::linger) co_await linger(connection);
  } catch (const std::exception& error) {
    log_warn("http", std::string("connection ended: ") + error.what());
  }
  connection->in_time();
  error_code ignored;
  connection->socket.shutdown(tcp::socket::shutdown_both, ignored);
  connection->socket.close(ignored);
  state->connections.erase(connection);
  state->changed.cancel();
}

// Ends the connection that has waited longest for a request, so that its descriptor becomes free.
void push_out_one(Server::State& state) {
  std::shared_ptr<Connection> oldest;
  for (const auto& connection : state.connections) {
    if (!connection->busy && (!oldest || connection->waiting_since < oldest->waiting_since)) oldest = connection;
  }
  if (oldest) oldest->shut();
}

task<void> accept_connections(std::shared_ptr<Server::State> state) {
  bool refused_before = false;
  while (!state->stopping) {
    error_code error;
    tcp::socket socket = co_await state->acceptor.async_accept(asio::redirect_error(asio::use_awaitable, error));
    if (error == asio::error::operation_aborted || state->stopping) co_return;
    if (error) {
      if (!refused_before) log_warn("http", "cannot accept a connection: " + error.message());
      refused_before = true;
      push_out_one(*state);
      co_await pause(kAcceptRetry);
      continue;
    }
    refused_before = false;
    socket.set_option(tcp::no_delay(true), error);
    ::fcntl(socket.native_handle(), F_SETFD, FD_CLOEXEC);
    auto connection = std::make_shared<Connection>(std::move(socket), state->options.write_timeout);
    state->connections.insert(connection);
    asio::co_spawn(state->executor, serve_connection(state, connection), asio::detached);
    while (state->connections.size() > state->options.connections_max && !state->stopping) {
      push_out_one(*state);
      co_await pause(kCrowdRetry);
    }
  }
}

}  // namespace

Server::Server(asio::any_io_executor executor, ServerOptions options, Handler handler)
    : state_(std::make_shared<State>(std::move(executor), std::move(options), std::move(handler))) {}

Server::~Server() {
  state_->stopping = true;
  error_code ignored;
  state_->acceptor.close(ignored);
  for (const auto& connection : state_->connections) connection->shut();
}

Result<void> Server::listen() {
  error_code error;
  const tcp::endpoint endpoint(asio::ip::make_address(state_->options.address, error), state_->options.port);
  if (!error) state_->acceptor.open(endpoint.protocol(), error);
  if (!error) state_->acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) state_->acceptor.bind(endpoint, error);
  if (!error) state_->acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error) {
    error_code ignored;
    state_->acceptor.close(ignored);  // So that it can be tried again.
    return fail(Fault::unavailable, "SLW-102",
                fmt::format("cannot listen on {}:{}: {}. Choose another port.", state_->options.address,
                            state_->options.port, error.message()));
  }
  ::fcntl(state_->acceptor.native_handle(), F_SETFD, FD_CLOEXEC);
  asio::co_spawn(state_->executor, accept_connections(state_), asio::detached);
  return {};
}

std::uint16_t Server::port() const {
  error_code ignored;
  return state_->acceptor.local_endpoint(ignored).port();
}

task<void> Server::stop(Duration grace) {
  const auto state = state_;
  state->stopping = true;
  error_code ignored;
  state->acceptor.close(ignored);
  for (const auto& connection : state->connections) {
    if (!connection->busy) connection->shut();
  }
  const auto give_up = std::chrono::steady_clock::now() + grace;
  while (!state->connections.empty() && std::chrono::steady_clock::now() < give_up) {
    state->changed.expires_at(give_up);
    co_await state->changed.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }
  for (const auto& connection : state->connections) connection->shut();
}

}  // namespace slipway::http
