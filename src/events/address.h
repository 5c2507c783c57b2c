// IP addresses and address blocks as the pattern language reads them.  Pure.
//
// What counts as an address is what aws/event-ruler's CIDR and Java's InetAddress take for one: four decimal numbers
// with leading zeros allowed, or hexadecimal groups with colons (no dots); ::ffff:a00:1 is the IPv4 address 10.0.0.1.
#pragma once
#include <string>
#include <string_view>

#include "base/result.h"

namespace slipway::events {

// 4 or 16 bytes; `size` 0 when a text is no address.
struct Address {
  unsigned char bytes[16] = {};
  int size = 0;
};
Address read_address(std::string_view text);

// The addresses whose first `bits` bits are those of `network`.  A block of IPv4 addresses also holds the IPv6
// addresses that begin with such bits: event-ruler compares hexadecimal digits and stops at the end of the block's, so
// 0.0.0.0/0 matches ::1.
struct Block {
  Address network;
  int bits = 0;
  bool contains(const Address& address) const;
};

// "10.0.0.0/8", "2001:db8::/32".  Host bits are ignored.  Fails with the reason that AWS gives.
Result<Block> read_block(std::string_view text);

}  // namespace slipway::events
