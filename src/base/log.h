// The daemon's own log: one line a fact, on standard error, "2026-11-23T17:24:23.123Z warn ecs: message".
// Secrets never go in.  Thread-safe.
#pragma once
#include <string_view>

namespace slipway {

enum class LogLevel { debug, info, warn, error };

void set_log_level(LogLevel at_least);  // Default: info.
void log_line(LogLevel level, std::string_view room, std::string_view message);

inline void log_debug(std::string_view room, std::string_view message) {
  log_line(LogLevel::debug, room, message);
}
inline void log_info(std::string_view room, std::string_view message) {
  log_line(LogLevel::info, room, message);
}
inline void log_warn(std::string_view room, std::string_view message) {
  log_line(LogLevel::warn, room, message);
}
inline void log_error(std::string_view room, std::string_view message) {
  log_line(LogLevel::error, room, message);
}

}  // namespace slipway
