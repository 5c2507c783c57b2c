#include <gtest/gtest.h>
#include <unistd.h>

#include "base/run.h"
#include "host/clock.h"
#include "host/files.h"
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

}  // namespace
}  // namespace slipway::host
