// HTTP/1.1 server on TCP: one coroutine a connection, keep-alive, pipelining, 100-continue, streamed bodies both ways.
// The handler answers every request; an exception that leaves it becomes 500, and is logged.  A peer that is slow, or
// does not read, is cut off; a crowd of them pushes out those that wait longest, so that a new one is always served.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "http/message.h"

namespace slipway::http {

using Handler = std::function<task<Response>(Request&)>;

struct ServerOptions {
  std::string address = "127.0.0.1";
  std::uint16_t port = 0;  // 0: the machine chooses; see Server::port().
  std::size_t header_bytes_max = 64 * 1024;
  // Between requests on a kept connection.  A handler may take for ever.
  Duration idle_timeout = std::chrono::seconds(75);
  Duration head_timeout = std::chrono::seconds(20);   // From the first byte of a head to its last.
  Duration body_timeout = std::chrono::seconds(60);   // Between two pieces of a body.
  Duration write_timeout = std::chrono::seconds(60);  // In which a peer must take something of its answer.
  // More than these push out the one that has waited longest for a request.  Each takes a descriptor.
  std::size_t connections_max = 400;
};

class Server {
 public:
  Server(asio::any_io_executor executor, ServerOptions options, Handler handler);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Binds and begins to serve.  Fails with Fault::unavailable, code "SLW-102", saying which port is in use.
  Result<void> listen();
  std::uint16_t port() const;
  // Stops accepting, lets running handlers finish within `grace`, then closes what is left.
  task<void> stop(Duration grace);

  struct State;  // Known to server.cc alone.

 private:
  std::shared_ptr<State> state_;
};

}  // namespace slipway::http
