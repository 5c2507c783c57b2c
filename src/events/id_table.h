// IdTable: a hash table of numbers whose keys are kept elsewhere.  Several numbers may have one hash.
#pragma once
#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

namespace slipway::events {

__extension__ using Wide = unsigned __int128;

inline std::uint64_t mix(std::uint64_t a, std::uint64_t b) {
  const Wide product = static_cast<Wide>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

constexpr std::uint64_t kHashMultiplier = 0x9E3779B97F4A7C15;  // 2^64 / golden ratio, odd.

// A hash of `size` bytes, eight at a time.
inline std::uint64_t hash_bytes(std::uint64_t seed, const char* bytes, std::size_t size) {
  std::uint64_t hash = seed ^ (size * kHashMultiplier);
  std::uint64_t word = 0;
  if (size >= 8) {
    for (std::size_t at = 0; at + 8 < size; at += 8) {
      std::memcpy(&word, bytes + at, 8);
      hash = mix(hash ^ word, kHashMultiplier);
    }
    std::memcpy(&word, bytes + size - 8, 8);  // The last eight, some of them for the second time.
  } else if (size >= 4) {
    std::uint32_t low = 0;
    std::uint32_t high = 0;
    std::memcpy(&low, bytes, 4);
    std::memcpy(&high, bytes + size - 4, 4);
    word = static_cast<std::uint64_t>(high) << 32 | low;
  } else if (size > 0) {
    const auto byte = [&](std::size_t i) { return static_cast<std::uint64_t>(static_cast<unsigned char>(bytes[i])); };
    word = byte(0) | byte(size / 2) << 8 | byte(size - 1) << 16;
  }
  return mix(hash ^ word, kHashMultiplier ^ (seed << 1));
}

// Whether `size` bytes are the same; without a call, as most texts are short.
inline bool same_bytes(const char* a, const char* b, std::size_t size) {
  const auto differ = [&]<class Word>(Word, std::size_t at) {
    Word left{};
    Word right{};
    std::memcpy(&left, a + at, sizeof left);
    std::memcpy(&right, b + at, sizeof right);
    return left != right;
  };
  if (size >= 8) {
    for (std::size_t at = 0; at + 8 < size; at += 8) {
      if (differ(std::uint64_t{}, at)) return false;
    }
    return !differ(std::uint64_t{}, size - 8);
  }
  if (size >= 4) return !differ(std::uint32_t{}, 0) && !differ(std::uint32_t{}, size - 4);
  for (std::size_t at = 0; at < size; ++at) {
    if (a[at] != b[at]) return false;
  }
  return true;
}

class IdTable {
 public:
  static constexpr std::uint32_t kEmpty = 0xFFFFFFFF;

  // Calls `found` for each number with this hash (or one that looks the same) until it answers true.
  // Inlined, as mostly there is none.
  template <class Found>
  __attribute__((always_inline)) void each(std::uint64_t hash, Found found) const {
    if (count_ == 0) return;
    const std::uint32_t tag = tag_of(hash);
    for (std::size_t at = tag & mask_; slots_[at].id != kEmpty; at = (at + 1) & mask_) {
      if (slots_[at].tag == tag && found(slots_[at].id)) return;
    }
  }

  void insert(std::uint64_t hash, std::uint32_t id) {
    if ((count_ + 1) * 4 > slots_.size() * 3) grow();
    place({tag_of(hash), id});
    ++count_;
  }

  void erase(std::uint64_t hash, std::uint32_t id) {
    std::size_t hole = tag_of(hash) & mask_;
    while (slots_[hole].id != id) hole = (hole + 1) & mask_;
    // What the number that goes away had pushed on moves back.
    for (std::size_t at = (hole + 1) & mask_; slots_[at].id != kEmpty; at = (at + 1) & mask_) {
      const std::size_t home = slots_[at].tag & mask_;
      if (((at - home) & mask_) < ((at - hole) & mask_)) continue;
      slots_[hole] = slots_[at];
      hole = at;
    }
    slots_[hole] = {};
    --count_;
  }

  void clear() {
    slots_.assign(slots_.size(), {});
    count_ = 0;
  }
  std::size_t bytes() const { return slots_.capacity() * sizeof(Slot); }

 private:
  // The half of the hash that is kept tells numbers apart and says where they belong.
  struct Slot {
    std::uint32_t tag = 0;
    std::uint32_t id = kEmpty;
  };
  static std::uint32_t tag_of(std::uint64_t hash) { return static_cast<std::uint32_t>(hash >> 32); }

  void place(Slot slot) {
    std::size_t at = slot.tag & mask_;
    while (slots_[at].id != kEmpty) at = (at + 1) & mask_;
    slots_[at] = slot;
  }
  void grow() {
    const auto before = std::exchange(slots_, {});
    slots_.resize(before.empty() ? 16 : 2 * before.size());
    mask_ = slots_.size() - 1;
    for (const auto& slot : before) {
      if (slot.id != kEmpty) place(slot);
    }
  }

  std::vector<Slot> slots_;
  std::size_t mask_ = 0;
  std::size_t count_ = 0;
};

}  // namespace slipway::events
