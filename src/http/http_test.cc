#include <gtest/gtest.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/write.hpp>
#include <filesystem>
#include <fstream>
#include <thread>

#include "base/run.h"
#include "http/client.h"
#include "http/server.h"

namespace slipway::http {
namespace {

using asio::ip::tcp;
using namespace std::chrono_literals;

task<void> count_down(BodyWriter& writer) {
  for (int i = 3; i > 0; --i) {
    const auto written = co_await writer.write(std::to_string(i));
    if (!written) co_return;
  }
}

// What the tests ask: each path shows one thing.
task<Response> answer(Request& request) {
  if (request.path() == "/throw") throw std::runtime_error("broken");
  if (request.path() == "/full") throw std::system_error(ENOSPC, std::generic_category(), "database");
  if (request.path() == "/size") {
    std::size_t size = 0;
    for (;;) {
      auto piece = co_await request.body->read_some();
      if (!piece) co_return text_response(400, piece.error().code);
      if (piece->empty()) break;
      size += piece->size();
    }
    co_return text_response(200, std::to_string(size));
  }
  if (request.path() == "/echo") {
    auto body = co_await read_all(*request.body, 1000);
    co_return body ? text_response(200, *body) : text_response(413, body.error().code);
  }
  if (request.path() == "/stream") {
    Response response;
    response.stream = count_down;
    co_return response;
  }
  if (request.path() == "/file") {
    Response response;
    response.file = FileBody{.path = request.query_value("path").value_or(""), .offset = 1, .size = 3};
    co_return response;
  }
  if (request.path() == "/late") co_await pause(50ms);
  if (request.path() == "/large") co_return text_response(200, std::string(8'000'000, 'x'));
  if (request.path() == "/nothing") co_return text_response(204, "a body that may not be sent");
  co_return text_response(200, request.method + " " + request.path() + "?" + std::string(request.raw_query()));
}

class HttpTest : public testing::Test {
 protected:
  asio::io_context io{1};
  Server server{io.get_executor(), ServerOptions{.head_timeout = 50ms, .write_timeout = 100ms, .connections_max = 4},
                answer};
  void SetUp() override { ASSERT_TRUE(server.listen()); }
  ClientOptions to_server() { return {.endpoint = "http://127.0.0.1:" + std::to_string(server.port())}; }
  ClientResponse get(std::string target, std::string method = "GET", std::string body = {}) {
    auto response =
        run(fetch(to_server(),
                  {.method = std::move(method), .target = std::move(target), .headers = {}, .body = std::move(body)}),
            io);
    return response ? *response : ClientResponse{.status = -1, .headers = {}, .body = response.error().message};
  }
  // Sends raw bytes and returns everything that comes back until the server closes.
  std::string raw(std::string bytes) { return run(exchange_raw(server.port(), std::move(bytes)), io); }
  static task<std::string> exchange_raw(std::uint16_t port, std::string bytes) {
    asio::ip::tcp::socket socket(co_await asio::this_coro::executor);
    const asio::ip::tcp::endpoint there(asio::ip::make_address("127.0.0.1"), port);
    co_await socket.async_connect(there, asio::use_awaitable);
    co_await asio::async_write(socket, asio::buffer(bytes), asio::use_awaitable);
    std::string all;
    std::string piece(4096, '\0');
    for (;;) {
      boost::system::error_code error;
      const auto got =
          co_await socket.async_read_some(asio::buffer(piece), asio::redirect_error(asio::use_awaitable, error));
      all.append(piece, 0, got);
      if (error) co_return all;
    }
  }
};

TEST_F(HttpTest, AnswersAndDecodesTheTarget) {
  EXPECT_EQ(get("/a%2Fb?x=1").body, "GET /a/b?x=1");
  EXPECT_EQ(get("/x", "POST", "ignored body").body, "POST /x?");
}

TEST_F(HttpTest, AThrowingHandlerIs500AndTheConnectionServesOn) {
  EXPECT_EQ(get("/throw").status, 500);
  EXPECT_EQ(get("/after").status, 200);
}

TEST_F(HttpTest, AFullDiskIsSaidToBeFull) {
  const auto refused = get("/full");
  EXPECT_EQ(refused.status, 507);
  EXPECT_NE(refused.body.find("disk"), std::string::npos) << refused.body;
}

TEST_F(HttpTest, BodiesAreBoundedWhereTheHandlerSaysSo) {
  EXPECT_EQ(get("/echo", "POST", "hello").body, "hello");
  EXPECT_EQ(get("/echo", "POST", std::string(1001, 'x')).status, 413);
}

TEST_F(HttpTest, StreamsALargeBodyIn) {
  EXPECT_EQ(get("/size", "POST", std::string(20'000'000, 'x')).body, "20000000");
}

TEST_F(HttpTest, ChunksOutAndIn) {
  EXPECT_EQ(get("/stream").body, "321");
  const auto answer =
      raw("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: "
          "close\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nT: r\r\n\r\n");
  EXPECT_NE(answer.find("abcde"), std::string::npos);
}

TEST_F(HttpTest, SendsPartOfAFile) {
  const auto path = std::filesystem::temp_directory_path() / "slipway-http-test";
  std::ofstream(path) << "abcdef";
  EXPECT_EQ(get("/file?path=" + path.string()).body, "bcd");
  EXPECT_EQ(get("/file?path=" + path.string(), "HEAD").headers.get("Content-Length"), "3");
  std::filesystem::remove(path);
}

TEST_F(HttpTest, PipelinedRequestsAreAnsweredInOrder) {
  const auto answer = raw("GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  const auto first = answer.find("GET /1");
  const auto second = answer.find("GET /2");
  EXPECT_NE(first, std::string::npos);
  EXPECT_LT(first, second);
}

TEST_F(HttpTest, GarbageIsRefusedAndClosed) {
  EXPECT_TRUE(raw("nonsense\r\n\r\n").starts_with("HTTP/1.1 400"));
  EXPECT_TRUE(raw(std::string("\x16\x03\x01", 3)).starts_with("HTTP/1.1 400"));  // A TLS hello, at once.
  EXPECT_TRUE(raw("GET / HTTP/1.1\r\nX: " + std::string(70'000, 'y') + "\r\n\r\n").starts_with("HTTP/1.1 431"));
  EXPECT_TRUE(
      raw("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n").find("IncompleteBody") !=
      std::string::npos);
  EXPECT_TRUE(raw("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
                  .starts_with("HTTP/1.1 400"));
}

TEST_F(HttpTest, SaysContinueBeforeABodyIsRead) {
  const auto answer =
      raw("POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
  EXPECT_NE(answer.find("200 OK"), std::string::npos);
}

TEST_F(HttpTest, WhatCouldBeReadInTwoWaysIsRefused) {
  const auto refused = [&](const std::string& head) {
    return raw(head + "\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n");
  };
  for (const char* head :
       {"GET / HTTP/1.1", "GET / HTTP/1.1\r\nHost: a\r\nHost: b", "GET a HTTP/1.1\r\nHost: x",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 3",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +3", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999",
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\nContent-Length: 3",
        "POST / HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked", "POST / HTTP/1.1\r\nHost : x"}) {
    const auto answer = refused(head);
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 400")) << head << "\n" << answer;
    EXPECT_EQ(answer.find("smuggled"), std::string::npos) << head;
  }
  for (const char* coding : {"gzip, chunked", "identity", "chunked, identity", "xchunked"}) {
    const auto answer = refused(std::string("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: ") + coding);
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 501")) << coding << "\n" << answer;
  }
  EXPECT_TRUE(refused("POST / HTTP/1.1\r\nHost: x\r\nExpect: miracles").starts_with("HTTP/1.1 417"));
}

TEST_F(HttpTest, ChunksAreFramedAsHttpSaysOrRefused) {
  const auto sent = [&](const std::string& chunks) {
    return raw("POST /size HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks);
  };
  EXPECT_TRUE(sent("A\r\n0123456789\r\n0\r\n\r\n").ends_with("\r\n\r\n10"));
  for (const std::string& chunks :
       {std::string("3\nabc\r\n0\r\n\r\n"), std::string("3\r\nabcd\r\n0\r\n\r\n"), std::string("-3\r\nabc\r\n"),
        std::string("11111111111111111\r\n"), "3;" + std::string(5000, 'x') + "\r\nabc\r\n0\r\n\r\n"})
    EXPECT_NE(sent(chunks).find("IncompleteBody"), std::string::npos) << chunks.substr(0, 20);
  std::string trailers = "0\r\n";
  for (int i = 0; i < 10'000; ++i) trailers += "Trailer: one of far too many\r\n";
  EXPECT_NE(sent(trailers + "\r\n").find("IncompleteBody"), std::string::npos);
}

TEST_F(HttpTest, AnAbsoluteTargetIsItsPath) {
  const auto asked = [&](const std::string& target) {
    return raw("GET " + target + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  };
  EXPECT_TRUE(asked("http://localhost:4566/a?b=c").ends_with("GET /a?b=c"));
  EXPECT_TRUE(asked("http://localhost").ends_with("GET /?"));
  EXPECT_TRUE(asked("HTTP://localhost?b=c").ends_with("GET /?b=c"));
}

TEST_F(HttpTest, OldClientsGetNoChunksAndKeepTheirConnectionWhenTheyAsk) {
  const auto streamed = raw("GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_TRUE(streamed.ends_with("\r\n\r\n321")) << streamed;
  EXPECT_EQ(streamed.find("chunked"), std::string::npos);
  const auto kept = raw("GET /1 HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /2 HTTP/1.0\r\n\r\n");
  EXPECT_NE(kept.find("Connection: keep-alive"), std::string::npos);
  EXPECT_TRUE(kept.ends_with("GET /2?"));
}

TEST_F(HttpTest, AnAnswerWithoutABodySendsNone) {
  const auto answer =
      raw("GET /nothing HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(answer.find("may not be sent"), std::string::npos);
  EXPECT_TRUE(answer.ends_with("GET /2?"));
}

// Sends `bytes`, does not read for a while, and then reads to the end.
task<std::size_t> read_late(std::uint16_t port, std::string bytes, Duration late) {
  asio::ip::tcp::socket socket(co_await asio::this_coro::executor);
  const asio::ip::tcp::endpoint there(asio::ip::make_address("127.0.0.1"), port);
  socket.open(there.protocol());
  socket.set_option(asio::socket_base::receive_buffer_size(65536));  // So that the kernel does not take it all.
  co_await socket.async_connect(there, asio::use_awaitable);
  co_await asio::async_write(socket, asio::buffer(bytes), asio::use_awaitable);
  co_await pause(late);
  std::size_t all = 0;
  std::string piece(65536, '\0');
  for (;;) {
    boost::system::error_code error;
    all += co_await socket.async_read_some(asio::buffer(piece), asio::redirect_error(asio::use_awaitable, error));
    if (error) co_return all;
  }
}

TEST_F(HttpTest, APeerThatDoesNotReadIsCutOff) {
  const std::string request = "GET /large HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
  EXPECT_GT(run(read_late(server.port(), request, 1ms), io), 8'000'000U);
  EXPECT_LT(run(read_late(server.port(), request, 1s), io), 8'000'000U);
}

TEST_F(HttpTest, AHeadThatTricklesIsCutOff) {
  const auto began = std::chrono::steady_clock::now();
  EXPECT_EQ(raw("GET / HTTP/1.1\r\nHost: x\r\nX: "), "");
  EXPECT_LT(std::chrono::steady_clock::now() - began, 2s);
}

TEST_F(HttpTest, ARefusalOfALargeBodyReachesThePeer) {
  const std::string body(8'000'000, 'x');
  const auto answer = raw("POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 8000000\r\n\r\n" + body);
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 200")) << answer.substr(0, 40);
}

task<std::string> after_a_crowd(std::uint16_t port, ClientOptions options) {
  const auto executor = co_await asio::this_coro::executor;
  const asio::ip::tcp::endpoint there(asio::ip::make_address("127.0.0.1"), port);
  std::vector<asio::ip::tcp::socket> crowd;
  for (int i = 0; i < 20; ++i) {
    crowd.emplace_back(executor);
    co_await crowd.back().async_connect(there, asio::use_awaitable);
  }
  auto answered = co_await fetch(std::move(options), {.target = "/x"});
  co_return answered ? answered->body : answered.error().message;
}

TEST_F(HttpTest, ACrowdOfIdleConnectionsKeepsNobodyOut) {
  EXPECT_EQ(run(after_a_crowd(server.port(), to_server()), io), "GET /x?");
}

task<std::string> two_on_one(Client& client) {
  const ClientRequest request{.target = "/x"};
  auto first = co_await client.send(request);
  auto second = co_await client.send(request);
  co_return first->body + second->body;
}

TEST_F(HttpTest, AClientKeepsItsConnection) {
  Client client(io.get_executor(), to_server());
  EXPECT_EQ(run(two_on_one(client), io), "GET /x?GET /x?");
}

TEST_F(HttpTest, NobodyThereIsAnError) {
  const auto response = run(fetch({.endpoint = "http://127.0.0.1:1"}, {}), io);
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, "ConnectFailed");
}

TEST_F(HttpTest, ALateAnswerIsATimeOut) {
  auto options = to_server();
  options.read_timeout = 5ms;
  const auto response = run(fetch(options, {.target = "/late"}), io);
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().fault, Fault::timed_out);
}

// Answers two requests, 5 ms after each came; returns on how many connections they came.
int answer_two(tcp::acceptor& acceptor) {
  int connections = 0;
  for (int answered = 0; answered < 2;) {
    tcp::socket peer = acceptor.accept();
    ++connections;
    boost::system::error_code error;
    std::string request(4096, '\0');
    while (answered < 2 && peer.read_some(asio::buffer(request), error) > 0 && !error) {
      std::this_thread::sleep_for(5ms);
      asio::write(peer, asio::buffer(std::string("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")), error);
      ++answered;
    }
  }
  return connections;
}

task<int> ask_twice(Client& client) {
  int good = 0;
  for (int i = 0; i < 2; ++i) {
    const ClientRequest request{.target = "/"};
    const auto answer = co_await client.send(request);
    if (answer && answer->status == 200) ++good;
    co_await pause(1ms);
  }
  co_return good;
}

TEST(ClientTimeOut, ThatFiresAsTheAnswerArrivesIsForgotten) {
  asio::io_context there(1);
  tcp::acceptor acceptor(there, {asio::ip::address_v4::loopback(), 0});
  int connections = 0;
  std::thread server([&] { connections = answer_two(acceptor); });
  asio::io_context io(1);
  Client client(io.get_executor(), {.endpoint = "http://127.0.0.1:" + std::to_string(acceptor.local_endpoint().port()),
                                    .read_timeout = 30ms});
  // The loop is busy from before the answer until after the time-out, and then finds both.
  asio::steady_timer busy(io, 2ms);
  busy.async_wait([](boost::system::error_code) { std::this_thread::sleep_for(60ms); });
  EXPECT_EQ(run(ask_twice(client), io), 2);
  server.join();
  EXPECT_EQ(connections, 1);
}

TEST_F(HttpTest, APortInUseIsNamed) {
  Server second(io.get_executor(), ServerOptions{.port = server.port()}, answer);
  const auto listening = second.listen();
  ASSERT_FALSE(listening);
  EXPECT_EQ(listening.error().code, "SLW-102");
  EXPECT_NE(listening.error().message.find(std::to_string(server.port())), std::string::npos);
}

}  // namespace
}  // namespace slipway::http
