// Where-car: a small HTTP service that tells where a car is.  It stands for a real one: a health check, a slow path,
// and an orderly end on SIGTERM.  One thread a connection, nothing but the C++ library and POSIX.
//
//   GET /         the car's position, as JSON      GET /version  the version, as text
//   GET /health   200 ok, or 500 when BEHAVIOUR=unhealthy
//   GET /slow     200 ms of work, then the version in front of 64 KiB
//
// `where_car --healthy` asks the one that runs beside it and ends with 0 when it is: for a container's health check.
//
// Environment: PORT (8080), VERSION (dev), BEHAVIOUR (ok | unhealthy | exit), LOG_LEVEL (info | debug).
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>

namespace {

using namespace std::chrono_literals;

constexpr auto kSlowWork = 200ms;
constexpr std::size_t kSlowBodyBytes = 64 * 1024;
constexpr std::size_t kHeadBytesMax = 16 * 1024;
constexpr int kPollMs = 50;      // How soon an idle connection notices that we stop.
constexpr auto kFinishMax = 5s;  // In-flight requests get this long after SIGTERM.

std::atomic<bool> stopping{false};
std::atomic<int> connections{0};

std::string setting(const char* name, const char* otherwise) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != '\0' ? value : otherwise;
}

void say(const std::string& line) {
  std::printf("%s\n", line.c_str());
  std::fflush(stdout);
}

struct Service {
  std::string version = setting("VERSION", "dev");
  std::string behaviour = setting("BEHAVIOUR", "ok");
  bool debug = setting("LOG_LEVEL", "info") == "debug";
};

struct Answer {
  int status = 200;
  std::string type = "text/plain";
  std::string body;
};

Answer answer(const Service& service, const std::string& path) {
  if (path == "/health")
    return service.behaviour == "unhealthy" ? Answer{500, "text/plain", "not healthy\n"}
                                            : Answer{200, "text/plain", "ok\n"};
  if (path == "/version") return {200, "text/plain", service.version + "\n"};
  if (path == "/slow") {
    std::this_thread::sleep_for(kSlowWork);
    return {200, "text/plain", service.version + "\n" + std::string(kSlowBodyBytes, '.')};
  }
  if (path == "/")
    return {200, "application/json",
            R"({"car":"12-3456","latitude":37.5665,"longitude":126.9780,"version":")" + service.version + "\"}\n"};
  return {404, "text/plain", "there is / /version /health /slow\n"};
}

bool send_all(int fd, const std::string& text) {
  std::size_t sent = 0;
  while (sent < text.size()) {
    const ssize_t wrote = ::send(fd, text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
    if (wrote <= 0) return false;
    sent += static_cast<std::size_t>(wrote);
  }
  return true;
}

// Waits for the next request's head.  Empty at the end of the connection, or when we stop and nothing has come.
std::string read_head(int fd, std::string& ahead) {
  for (;;) {
    const auto end = ahead.find("\r\n\r\n");
    if (end != std::string::npos) {
      const std::string head = ahead.substr(0, end + 4);
      ahead.erase(0, end + 4);
      return head;
    }
    if (ahead.size() > kHeadBytesMax) return {};
    pollfd wait{fd, POLLIN, 0};
    const int ready = ::poll(&wait, 1, kPollMs);
    if (ready == 0) {
      if (stopping && ahead.empty()) return {};
      continue;
    }
    char piece[4096];
    const ssize_t got = ::recv(fd, piece, sizeof piece, 0);
    if (got <= 0) return {};
    ahead.append(piece, static_cast<std::size_t>(got));
  }
}

void serve(int fd, const Service& service) {
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  std::string ahead;
  for (;;) {
    const std::string head = read_head(fd, ahead);
    if (head.empty()) break;
    const auto first = head.find(' ');
    const auto second = head.find(' ', first + 1);
    const std::string path =
        first == std::string::npos || second == std::string::npos ? "" : head.substr(first + 1, second - first - 1);
    const Answer reply = answer(service, path.substr(0, path.find('?')));
    const bool close = stopping || head.find("onnection: close") != std::string::npos;
    const std::string text = "HTTP/1.1 " + std::to_string(reply.status) + (reply.status == 200 ? " OK" : " Error") +
                             "\r\nContent-Type: " + reply.type +
                             "\r\nContent-Length: " + std::to_string(reply.body.size()) +
                             (close ? "\r\nConnection: close" : "") + "\r\n\r\n" + reply.body;
    if (service.debug) say(std::to_string(reply.status) + " " + path);
    if (!send_all(fd, text) || close) break;
  }
  ::shutdown(fd, SHUT_RDWR);
  ::close(fd);
  --connections;
}

int listen_on(int port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<unsigned short>(port));
  address.sin_addr.s_addr = htonl(INADDR_ANY);
  if (::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 || ::listen(fd, 1024) != 0) return -1;
  return fd;
}

bool healthy(int port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<unsigned short>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return false;
  if (!send_all(fd, "GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")) return false;
  std::string ahead;
  return read_head(fd, ahead).starts_with("HTTP/1.1 200 ");
}

}  // namespace

int main(int argc, char** argv) {
  const Service service;
  const int port = std::atoi(setting("PORT", "8080").c_str());
  if (argc > 1 && std::string(argv[1]) == "--healthy") return healthy(port) ? 0 : 1;
  if (service.behaviour == "exit") {
    say("where-car " + service.version + " cannot start: its configuration is missing");
    return 1;
  }
  std::signal(SIGTERM, [](int) { stopping = true; });
  std::signal(SIGINT, [](int) { stopping = true; });
  const int listener = listen_on(port);
  if (listener < 0) {
    say("cannot listen on port " + std::to_string(port));
    return 1;
  }
  say("where-car " + service.version + " listens on port " + std::to_string(port));
  while (!stopping) {
    pollfd wait{listener, POLLIN, 0};
    if (::poll(&wait, 1, kPollMs) <= 0) continue;
    const int fd = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) continue;
    ++connections;
    std::thread(serve, fd, std::cref(service)).detach();
  }
  ::close(listener);
  const auto give_up = std::chrono::steady_clock::now() + kFinishMax;
  while (connections > 0 && std::chrono::steady_clock::now() < give_up) std::this_thread::sleep_for(5ms);
  say("where-car " + service.version + " stops; " + std::to_string(connections.load()) + " connections left");
  std::_Exit(0);
}
