#include "host/clock.h"

#include <sys/random.h>

#include <algorithm>
#include <stdexcept>

#include "base/text.h"
#include "base/wall_clock.h"

namespace slipway::host {
namespace {

// A wall clock that jumps is noticed at the latest after this long.
constexpr Duration kSleepStep = std::chrono::seconds(1);

}  // namespace

Instant SystemClock::now() const {
  return wall_clock();
}

task<void> SystemClock::sleep_until(Instant at) {
  for (Instant current = now(); current < at; current = now()) co_await pause(std::min(at - current, kSleepStep));
}

std::string Random::hex(std::size_t digits) {
  return slipway::hex(bytes((digits + 1) / 2)).substr(0, digits);
}

std::string Random::uuid() {
  std::string raw = bytes(16);
  raw[6] = static_cast<char>((raw[6] & 0x0F) | 0x40);
  raw[8] = static_cast<char>((raw[8] & 0x3F) | 0x80);
  const std::string digits = slipway::hex(raw);
  return digits.substr(0, 8) + "-" + digits.substr(8, 4) + "-" + digits.substr(12, 4) + "-" + digits.substr(16, 4) +
         "-" + digits.substr(20);
}

std::string Random::digits(std::size_t count) {
  std::string out;
  for (const char c : bytes(count)) out += static_cast<char>('0' + static_cast<unsigned char>(c) % 10);
  if (!out.empty() && out[0] == '0') out[0] = '1';
  return out;
}

std::string Random::alphanumeric_upper(std::size_t count) {
  constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  std::string out;
  for (const char c : bytes(count)) out += kAlphabet[static_cast<unsigned char>(c) % kAlphabet.size()];
  return out;
}

double Random::fraction() {
  unsigned value = 0;
  for (const char c : bytes(3)) value = value << 8 | static_cast<unsigned char>(c);
  return value / 16777216.0;
}

std::string SystemRandom::bytes(std::size_t count) {
  std::string out(count, '\0');
  std::size_t filled = 0;
  while (filled < count) {
    const ssize_t got = ::getrandom(out.data() + filled, count - filled, 0);
    if (got <= 0) throw std::runtime_error("the system gives no random bytes");
    filled += static_cast<std::size_t>(got);
  }
  return out;
}

std::string SeededRandom::bytes(std::size_t count) {
  std::string out;
  while (out.size() < count) {  // splitmix64
    state_ += 0x9E3779B97F4A7C15ULL;
    unsigned long long z = state_;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
    z ^= z >> 31;
    for (int i = 0; i < 8 && out.size() < count; ++i) out += static_cast<char>(z >> (8 * i) & 255);
  }
  return out;
}

}  // namespace slipway::host
