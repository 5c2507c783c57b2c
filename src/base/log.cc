#include "base/log.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <atomic>

#include "base/wall_clock.h"

namespace slipway {
namespace {

std::atomic<LogLevel> threshold{LogLevel::info};
constexpr std::array<std::string_view, 4> kNames = {"debug", "info", "warn", "error"};

}  // namespace

void set_log_level(LogLevel at_least) {
  threshold = at_least;
}

void log_line(LogLevel level, std::string_view room, std::string_view message) {
  if (level < threshold) return;
  const std::string line =
      fmt::format("{} {} {}: {}\n", iso_millis(wall_clock()), kNames[static_cast<std::size_t>(level)], room, message);
  // One write a line, so that lines of several threads never mix; a lost log line is no reason to fail.
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace slipway
