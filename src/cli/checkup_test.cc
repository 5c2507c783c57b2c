#include "cli/checkup.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace slipway::cli {
namespace {

constexpr std::uintmax_t kGiB = 1024ULL * 1024 * 1024;

SeenMachine healthy() {
  return {.engine = "Docker Engine 20.10.24",
          .engine_place = "unix:/var/run/docker.sock",
          .haproxy = "2.6.12",
          .python = "3.11.2",
          .aws_cli = true,
          .deployer = "/bin/bootstrap",
          .deployer_there = true,
          .ports = {{.port = 4566, .what = "the region"}},
          .state_folder = ".slipway",
          .disk = host::DiskSpace{.free_bytes = 50 * kGiB, .all_bytes = 100 * kGiB},
          .descriptors = {.soft = 65536, .hard = 65536},
          .clock_kept = true,
          .config = "slipway.yaml"};
}
std::string advice_of(const Finding& all, const std::string& what) {
  for (const Finding& part : all.parts) {
    if (part.what == what) return part.parts.empty() ? part.advice : part.parts.front().advice;
  }
  return "there is no " + what;
}

TEST(Checkup, AMachineThatHasEverythingIsGood) {
  EXPECT_EQ(worst(check_machine(healthy())), Finding::Mark::ok);
}

TEST(Checkup, WhatARegionCannotDoWithoutFailsAndSaysWhatToInstall) {
  SeenMachine seen = healthy();
  seen.engine.clear();
  seen.engine_refusal = "no such file";
  EXPECT_EQ(worst(check_machine(seen)), Finding::Mark::failed);
  EXPECT_NE(advice_of(check_machine(seen), "container engine").find("apt-get install docker.io"), std::string::npos);
  seen = healthy();
  seen.haproxy.clear();
  EXPECT_EQ(advice_of(check_machine(seen), "HAProxy"), "apt-get install haproxy");
  seen = healthy();
  seen.ports[0].free = false;
  EXPECT_EQ(advice_of(check_machine(seen), "ports"), "see which: ss -ltnp 'sport = :4566'");
  seen.ports[0].ours = true;
  EXPECT_EQ(worst(check_machine(seen)), Finding::Mark::ok);
}

TEST(Checkup, LittleRoomIsDoubtfulAndNoneFails) {
  SeenMachine seen = healthy();
  seen.disk->free_bytes = 3 * kGiB;
  EXPECT_EQ(worst(check_machine(seen)), Finding::Mark::warning);
  seen.disk->free_bytes = kGiB / 2;
  EXPECT_EQ(worst(check_machine(seen)), Finding::Mark::failed);
  seen = healthy();
  seen.descriptors.soft = 1024;
  EXPECT_EQ(worst(check_machine(seen)), Finding::Mark::warning);
  seen.descriptors.soft = 256;
  EXPECT_EQ(worst(check_machine(seen)), Finding::Mark::failed);
}

TEST(Checkup, PythonIsNeededByAFunctionInPythonOnly) {
  SeenMachine seen = healthy();
  seen.python.clear();
  EXPECT_EQ(worst(check_machine(seen)), Finding::Mark::note);
  seen.python_needed = true;
  EXPECT_EQ(worst(check_machine(seen)), Finding::Mark::failed);
}

TEST(Checkup, ListsWhatTheConfigurationSaysInVain) {
  SeenMachine seen = healthy();
  seen.config_warnings = {"slipway.yaml:3:1: strategy canary is not yet acted on"};
  EXPECT_EQ(worst(check_machine(seen)), Finding::Mark::warning);
  seen.config_error = "slipway.yaml:1:1: broken";
  EXPECT_EQ(worst(check_machine(seen)), Finding::Mark::failed);
}

TEST(Checkup, FindsTheNumberInWhatAProgramSays) {
  EXPECT_EQ(version_in("HAProxy version 2.6.12-1+deb12u1 2023/12/16"), "2.6.12");
  EXPECT_EQ(version_in("Python 3.11.2\n"), "3.11.2");
  EXPECT_EQ(version_in("nothing"), "");
}

}  // namespace
}  // namespace slipway::cli
