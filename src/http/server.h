// HTTP/1.1 server on TCP: one coroutine a connection, keep-alive, 100-continue, streamed bodies both ways.
// The handler answers every request; an exception that leaves it becomes 500 with a request id, and is logged.
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
  Duration idle_timeout =
      std::chrono::seconds(75);  // Between requests on a kept connection.  A handler may take for ever.
  Duration body_timeout = std::chrono::seconds(60);  // Between two pieces of a body.
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
