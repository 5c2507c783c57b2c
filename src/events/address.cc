#include "events/address.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

namespace slipway::events {

namespace {

constexpr int kIpv4Bytes = 4;
constexpr int kIpv6Bytes = 16;
constexpr std::size_t kIpv4TextMax = 15;  // Java takes no longer text for an IPv4 address.

std::unexpected<Error> reason(std::string text) {
  return fail(Fault::invalid, "InvalidEventPatternException", std::move(text));
}

bool only(std::string_view text, std::string_view characters) {
  return text.find_first_not_of(characters) == std::string_view::npos;
}

// Of the shape that makes event-ruler try to read an address.
bool looks_like_ipv4(std::string_view text) {
  return only(text, "0123456789.") && std::count(text.begin(), text.end(), '.') == 3 && text.front() != '.' &&
         text.back() != '.' && text.find("..") == std::string_view::npos;
}
bool looks_like_ipv6(std::string_view text) {
  return text.find(':') != std::string_view::npos && only(text, "0123456789abcdefABCDEF:");
}
bool looks_like_address(std::string_view text) {
  return !text.empty() && (looks_like_ipv4(text) || looks_like_ipv6(text));
}

Address read_ipv4(std::string_view text) {
  Address out;
  if (text.size() > kIpv4TextMax) return out;
  const char* at = text.data();
  const char* const end = at + text.size();
  for (int i = 0; i < kIpv4Bytes; ++i) {
    unsigned number = 0;
    const auto read = std::from_chars(at, end, number);
    if (read.ec != std::errc{} || number > 255) return {};
    out.bytes[i] = static_cast<unsigned char>(number);
    at = read.ptr + (i + 1 < kIpv4Bytes ? 1 : 0);
  }
  out.size = kIpv4Bytes;
  return out;
}

// Sixteen bytes that spell an IPv4 address become its four, as InetAddress has it.
Address without_mapping(const Address& address) {
  static constexpr std::array<unsigned char, 12> kMapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
  if (std::memcmp(address.bytes, kMapped.data(), kMapped.size()) != 0) return address;
  Address out;
  std::memcpy(out.bytes, address.bytes + kMapped.size(), kIpv4Bytes);
  out.size = kIpv4Bytes;
  return out;
}

Address read_ipv6(std::string_view text) {
  std::array<unsigned, 8> groups{};
  std::size_t count = 0;
  std::size_t gap = groups.size() + 1;  // Where "::" stands; beyond the groups when nowhere.
  const bool has_gap = text.find("::") != std::string_view::npos;
  if (text.front() == ':' && !text.starts_with("::")) return {};
  if (text.back() == ':' && !text.ends_with("::")) return {};
  for (std::size_t at = 0; at < text.size();) {
    if (text[at] == ':') {
      const bool twice = text.substr(at).starts_with("::");
      if (twice && gap <= groups.size()) return {};
      if (twice) gap = count;
      at += twice ? 2 : 1;
      if (twice && at < text.size() && text[at] == ':') return {};
      continue;
    }
    if (count == groups.size()) return {};
    const auto read = std::from_chars(text.data() + at, text.data() + text.size(), groups[count], 16);
    if (read.ec != std::errc{} || groups[count] > 0xFFFF) return {};
    ++count;
    at = static_cast<std::size_t>(read.ptr - text.data());
  }
  if (has_gap ? count >= groups.size() : count != groups.size()) return {};
  if (has_gap) {
    std::move_backward(groups.begin() + static_cast<std::ptrdiff_t>(gap),
                       groups.begin() + static_cast<std::ptrdiff_t>(count), groups.end());
    std::fill_n(groups.begin() + static_cast<std::ptrdiff_t>(gap), groups.size() - count, 0U);
  }
  Address out;
  for (std::size_t i = 0; i < groups.size(); ++i) {
    out.bytes[2 * i] = static_cast<unsigned char>(groups[i] >> 8);
    out.bytes[2 * i + 1] = static_cast<unsigned char>(groups[i] & 0xFF);
  }
  out.size = kIpv6Bytes;
  return without_mapping(out);
}

}  // namespace

Address read_address(std::string_view text) {
  if (!looks_like_address(text)) return {};
  return text.find(':') == std::string_view::npos ? read_ipv4(text) : read_ipv6(text);
}

bool Block::contains(const Address& address) const {
  if (address.size < network.size) return false;
  for (int bit = 0; bit < bits; bit += 8) {
    const int counted = std::min(8, bits - bit);
    const auto mask = static_cast<unsigned char>(0xFF00U >> static_cast<unsigned>(counted));
    if (((address.bytes[bit / 8] ^ network.bytes[bit / 8]) & mask) != 0) return false;
  }
  return true;
}

Result<Block> read_block(std::string_view text) {
  while (text.ends_with('/')) text.remove_suffix(1);  // Java's split() drops empty parts at the end.
  if (std::count(text.begin(), text.end(), '/') != 1) return reason("Malformed CIDR, one '/' required");
  const auto host = text.substr(0, text.find('/'));
  auto mask = text.substr(host.size() + 1);
  if (mask.starts_with('+') && !mask.starts_with("+-")) mask.remove_prefix(1);
  Block block;
  const auto read = std::from_chars(mask.data(), mask.data() + mask.size(), block.bits);
  if (read.ec != std::errc{} || read.ptr != mask.data() + mask.size()) {
    return reason("Malformed CIDR, mask bits must be an integer");
  }
  if (block.bits < 0) return reason("Malformed CIDR, mask bits must not be negative");
  if (!looks_like_address(host)) return reason("Nonstandard IP address: " + std::string(host));
  block.network = read_address(host);
  if (block.network.size == 0) return reason("Invalid IP address: " + std::string(host));
  if (block.network.size == kIpv4Bytes && block.bits > 31) return reason("IPv4 mask bits must be < 32");
  if (block.network.size == kIpv6Bytes && block.bits > 127) return reason("IPv6 mask bits must be < 128");
  return block;
}

}  // namespace slipway::events
