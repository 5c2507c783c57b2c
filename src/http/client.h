// HTTP/1.1 client over TCP, TLS and Unix sockets.  A connection is kept and used again by the Client that opened it.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "http/message.h"

namespace slipway::http {

// Where to connect: "http://127.0.0.1:4566", "https://ecs.us-east-1.amazonaws.com", "unix:/var/run/docker.sock".
struct ClientOptions {
  std::string endpoint;
  Duration connect_timeout = std::chrono::seconds(3);
  // Until the head of the answer is there, and between two pieces of its body.  Zero: wait for ever (the Runtime API's
  // /next).
  Duration read_timeout = std::chrono::seconds(60);
  std::size_t body_bytes_max = 64 * 1024 * 1024;
};

struct ClientRequest {
  std::string method = "GET";
  std::string target = "/";
  Headers headers;  // Host and Content-Length are set when absent.
  std::string body;
};

struct ClientResponse {
  int status = 0;
  Headers headers;
  std::string body;
};

// Called for each piece of a streamed answer; return false to stop reading and close.
using Sink = std::function<bool(std::string_view piece)>;

// Not for two coroutines at once: give each its own Client.
// Failures: Fault::unavailable ("ConnectFailed", "ConnectionClosed", "TlsFailed"), Fault::timed_out ("Timeout"),
// Fault::invalid ("ResponseTooLarge", "BadResponse").  A request on a kept connection that turns out to be closed
// before any byte of the answer is repeated once on a new one only when its method is GET or HEAD.
class Client {
 public:
  Client(asio::any_io_executor executor, ClientOptions options);
  ~Client();
  Client(Client&&) noexcept;
  Client& operator=(Client&&) noexcept;

  task<Result<ClientResponse>> send(ClientRequest request);
  // As send(), but hands the body of a 2xx answer to `sink` piece by piece; `body` of the result is then empty.
  task<Result<ClientResponse>> stream(ClientRequest request, Sink sink);
  void close();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// One request on a connection of its own.
task<Result<ClientResponse>> fetch(ClientOptions options, ClientRequest request);

}  // namespace slipway::http
