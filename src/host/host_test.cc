#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <csignal>
#include <fstream>
#include <thread>

#include "base/run.h"
#include "host/clock.h"
#include "host/files.h"
#include "host/haproxy.h"
#include "host/machine.h"
#include "host/process.h"

namespace slipway::host {
namespace {

using namespace std::chrono_literals;

std::filesystem::path fresh_folder() {
  const auto folder = std::filesystem::temp_directory_path() / ("slipway-host-test-" + std::to_string(::getpid()));
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  return folder;
}

TEST(Files, AWrittenFileIsThereWholeAndNothingElseIs) {
  const auto folder = fresh_folder();
  ASSERT_TRUE(write_file_durably(folder / "a", "content"));
  EXPECT_EQ(*read_file(folder / "a"), "content");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder), {}), 1);
  EXPECT_FALSE(write_file_durably(folder / "missing" / "a", "x"));
  EXPECT_EQ(read_file(folder / "b").error().code, "NotFound");
}

TEST(Files, AFileWithoutAFolderInItsNameIsWrittenHere) {
  const auto folder = fresh_folder();
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(folder);
  EXPECT_TRUE(write_file_durably("alone", "content"));
  std::filesystem::current_path(before);
  EXPECT_TRUE(std::filesystem::exists(folder / "alone"));
}

TEST(Machine, APortIsFreeUntilSomebodyListens) {
  asio::io_context io;
  asio::ip::tcp::acceptor listener(io, {asio::ip::make_address("127.0.0.1"), 0});
  const int port = listener.local_endpoint().port();
  EXPECT_FALSE(*port_is_free(port));
  listener.close();
  EXPECT_TRUE(*port_is_free(port));
}

TEST(Machine, TheDiskOfAFolderThatIsNotThereIsThatOfTheOneAbove) {
  const auto folder = fresh_folder();
  const auto there = disk_space(folder);
  const auto not_there = disk_space(folder / "a" / "b");
  ASSERT_TRUE(there && not_there);
  EXPECT_EQ(there->all_bytes, not_there->all_bytes);
  EXPECT_GT(descriptors_max().soft, 0u);
}

TEST(Zip, UnpacksWhatItPackedWithExecutableBits) {
  const auto folder = fresh_folder();
  const auto zip = make_zip({{.name = "bootstrap", .content = "#!/bin/sh\n", .executable = true},
                             {.name = "d/a.txt", .content = std::string(100'000, 'x')}});
  ASSERT_TRUE(zip);
  EXPECT_EQ(*zip, *make_zip({{.name = "bootstrap", .content = "#!/bin/sh\n", .executable = true},
                             {.name = "d/a.txt", .content = std::string(100'000, 'x')}}));
  ASSERT_TRUE(unpack_zip(*zip, folder, 1'000'000));
  EXPECT_EQ(::access((folder / "bootstrap").c_str(), X_OK), 0);
  EXPECT_EQ(read_file(folder / "d/a.txt")->size(), 100'000U);
}

TEST(Zip, RefusesEscapesGarbageAndBombs) {
  const auto folder = fresh_folder();
  EXPECT_FALSE(unpack_zip(*make_zip({{.name = "../out", .content = "x"}}), folder, 1000));
  EXPECT_FALSE(std::filesystem::exists(folder / "../out"));
  EXPECT_FALSE(unpack_zip("not a zip", folder, 1000));
  EXPECT_FALSE(unpack_zip("", folder, 1000));
  EXPECT_FALSE(unpack_zip(*make_zip({{.name = "big", .content = std::string(2000, 'x')}}), folder, 1000));
}

TEST(Process, ReportsExitOutputAndSignals) {
  const auto ended = run(run_process({.argv = {"/bin/sh", "-c", "echo hi; exit 3"}}, 5s));
  ASSERT_TRUE(ended);
  EXPECT_EQ(ended->exit.code, 3);
  EXPECT_EQ(ended->output, "hi\n");
  EXPECT_EQ(run(run_process({.argv = {"/bin/sh", "-c", "kill -9 $$"}}, 5s))->exit.text(), "signal: killed");
}

TEST(Process, GetsOnlyTheEnvironmentThatItIsGiven) {
  EXPECT_EQ(run(run_process({.argv = {"/usr/bin/env"}, .environment = {{"A", "1"}}}, 5s))->output, "A=1\n");
}

TEST(Process, LeavesNoChildrenOfItsGroupBehind) {
  ProcessSpec spec{.argv = {"/bin/sh", "-c", "sleep 60 >/dev/null 2>&1 & echo $!"}, .environment = {}};
  spec.die_with_parent = true;
  const auto ended = run(run_process(spec, std::chrono::seconds(10)));
  ASSERT_TRUE(ended);
  const int child = std::stoi(ended->output);
  // A killed orphan goes when the machine's first process has reaped it; a zombie is dead too.
  bool gone = false;
  for (int i = 0; i < 200 && !gone; ++i) {
    std::ifstream stat("/proc/" + std::to_string(child) + "/stat");
    std::string id;
    std::string name;
    std::string state;
    stat >> id >> name >> state;
    gone = !stat || state == "Z";
    if (!gone) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  EXPECT_TRUE(gone);
}

TEST(Process, HasItsOwnTmpAndCannotWriteWhatIsReadOnly) {
  if (::geteuid() != 0) GTEST_SKIP() << "a mount namespace needs root";
  const auto base = std::filesystem::temp_directory_path() / ("slipway-process-test-" + std::to_string(::getpid()));
  std::filesystem::create_directories(base / "tmp");
  std::filesystem::create_directories(base / "code");
  const std::string script = "touch /tmp/mine; touch mine && echo wrote; pwd; ls /tmp/mine";
  ProcessSpec spec{.argv = {"/bin/sh", "-c", script}, .environment = {{"PATH", "/usr/bin:/bin"}}};
  spec.working_directory = base / "code";
  spec.private_tmp = base / "tmp";
  spec.read_only = {base / "code"};
  const auto ended = run(run_process(spec, std::chrono::seconds(10)));
  ASSERT_TRUE(ended);
  const bool isolated = std::filesystem::exists(base / "tmp" / "mine");
  const bool seen_outside = std::filesystem::exists("/tmp/mine");
  const bool wrote = std::filesystem::exists(base / "code" / "mine");
  std::filesystem::remove_all(base);
  if (!isolated && seen_outside) {
    std::filesystem::remove("/tmp/mine");
    GTEST_SKIP() << "this machine lets nobody make a mount namespace";
  }
  EXPECT_TRUE(isolated);
  EXPECT_FALSE(seen_outside);
  EXPECT_FALSE(wrote);
  EXPECT_NE(ended->output.find((base / "code").string()), std::string::npos);
}

TEST(Process, WhatAKilledDaemonLeftIsFoundByItsEnvironment) {
  const std::string mark = "SLIPWAY_TEST_MARK=" + std::to_string(::getpid());
  ProcessSpec spec{.argv = {"/bin/sleep", "60"}, .environment = {{"SLIPWAY_TEST_MARK", std::to_string(::getpid())}}};
  asio::io_context io(1);
  auto process = start_process(io.get_executor(), spec, {});
  ASSERT_TRUE(process);
  EXPECT_EQ(kill_processes_with("SLIPWAY_TEST_MARK=none"), 0);
  // start_process() returns while exec still goes on: the kernel shows the environment a little later.
  int killed = 0;
  for (int turn = 0; killed == 0 && turn < 500; ++turn) {
    killed = kill_processes_with(mark);
    if (killed == 0) std::this_thread::sleep_for(10ms);
  }
  EXPECT_EQ(killed, 1);
  EXPECT_EQ(run((*process)->wait(), io).signal, SIGKILL);
}

TEST(Process, AMissingProgramIsAnError) {
  EXPECT_EQ(run(run_process({.argv = {"/no/such/program"}}, 5s)).error().fault, Fault::not_found);
}

TEST(Process, IsKilledWhenItTakesTooLong) {
  EXPECT_EQ(run(run_process({.argv = {"/bin/sleep", "100"}}, 10ms)).error().fault, Fault::timed_out);
}

task<int> add_on_pool(Pool& pool) {
  auto add = [] { return 1 + 2; };
  co_return co_await pool.run(add);
}

TEST(Pool, ReturnsValuesToTheLoop) {
  Pool pool(2);
  EXPECT_EQ(run(add_on_pool(pool)), 3);
}

TEST(Random, TheSameSeedGivesTheSameIds) {
  SeededRandom a(7);
  SeededRandom b(7);
  EXPECT_EQ(a.uuid(), b.uuid());
  EXPECT_NE(a.uuid(), a.uuid());
  EXPECT_EQ(a.digits(19).size(), 19U);
}

// Sums over every worker's row of the server.
task<long long> sessions_of(Proxy& proxy) {
  const auto rows = co_await proxy.stats();
  long long sessions = -1;
  for (const ProxyStatRow& row : rows ? *rows : std::vector<ProxyStatRow>{}) {
    if (row.server == "s1") sessions = std::max(sessions, 0LL) + row.sessions;
  }
  co_return sessions;
}

// Waits until `proxy` says so, 5 s at most, and returns what it said last.
task<long long> wait_for_sessions(Proxy& proxy, long long wanted) {
  long long seen = -1;
  for (int i = 0; i < 500 && seen != wanted; ++i) {
    seen = co_await sessions_of(proxy);
    co_await pause(10ms);
  }
  co_return seen;
}

TEST(HaProxy, CountsTheRequestThatAReloadLeftToAnOldWorker) {
  if (find_program("haproxy").empty()) GTEST_SKIP() << "HAProxy is not installed";
  asio::io_context io(1);
  using asio::ip::tcp;
  tcp::acceptor service(io, {asio::ip::address_v4::loopback(), 0});
  const auto port_of = [](const tcp::acceptor& one) { return one.local_endpoint().port(); };
  std::uint16_t listen = 0;
  {
    const tcp::acceptor taken(io, {asio::ip::address_v4::loopback(), 0});
    listen = port_of(taken);
  }
  const auto config = [&](const char* what_differs) {
    return fmt::format(
        "# {}\nglobal\n  master-worker no-exit-on-failure\n  stats socket %SOCKET% level admin expose-fd listeners\n"
        "defaults\n  mode http\n  timeout connect 1s\n  timeout client 9s\n  timeout server 9s\n"
        "frontend f\n  bind 127.0.0.1:{}\n  default_backend b\nbackend b\n  server s1 127.0.0.1:{}\n",
        what_differs, listen, port_of(service));
  };
  const auto proxy = make_haproxy(io.get_executor(), fresh_folder());
  ASSERT_TRUE(run(proxy->apply(config("first")), io));
  tcp::socket client(io);
  client.connect({asio::ip::address_v4::loopback(), listen});
  asio::write(client, asio::buffer(std::string("GET / HTTP/1.1\r\nHost: a\r\n\r\n")));
  tcp::socket request = service.accept();
  EXPECT_EQ(run(wait_for_sessions(*proxy, 1), io), 1);
  ASSERT_TRUE(run(proxy->apply(config("second")), io));
  EXPECT_EQ(run(wait_for_sessions(*proxy, 1), io), 1);
  asio::write(request, asio::buffer(std::string("HTTP/1.1 204 No Content\r\n\r\n")));
  request.close();
  EXPECT_EQ(run(wait_for_sessions(*proxy, 0), io), 0);
  EXPECT_TRUE(run(proxy->stop(), io));
}

}  // namespace
}  // namespace slipway::host
