// Globs: many wildcards, and which of them match a text, in time that does not grow with their number.
//
// The wildcards form one automaton: a trie in which equal beginnings are shared.  It is made deterministic as texts
// need it (a lazy DFA, as in RE2: https://swtch.com/~rsc/regexp/regexp3.html), in a cache of bounded size that begins
// anew when it is full; so no wildcards take exponential time or memory.
#pragma once
#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "events/glob.h"
#include "events/id_table.h"

namespace slipway::events {

// The states that are kept take so many bytes at most (one state may be larger: 4 bytes for each character of the
// wildcards).
constexpr std::size_t kGlobCacheMax = 1UL << 20;

class Globs {
 public:
  Globs();
  void add(const Glob& glob, std::uint32_t id);
  void remove(const Glob& glob);
  bool empty() const { return wildcards_ == 0; }
  std::size_t bytes() const;

  // Calls `found` with the number of each wildcard that matches `text`, once.
  template <class Found>
  void each(std::string_view text, Found found) {
    if (stale_) reset();
    ++serial_;
    std::uint32_t state = kBegin;
    if (states_[state].early_count != 0) tell_early(state, found);
    for (const char c : text) {
      const std::uint32_t slot = state * row_ + classes_[static_cast<unsigned char>(c)];
      std::uint32_t next = moves_[slot];
      if (next == kUnknown) next = move(state, static_cast<unsigned char>(c));
      state = next;
      if (state == kDead) return;
      if (states_[state].early_count != 0) tell_early(state, found);
    }
    const State& last = states_[state];
    for (std::uint32_t i = 0; i < last.final_count; ++i) found(told_[last.final + i]);
  }

 private:
  static constexpr std::uint32_t kNone = 0xFFFFFFFF;
  static constexpr std::uint32_t kUnknown = 0xFFFFFFFF;
  static constexpr std::uint32_t kDead = 0;   // No wildcard can match any more.
  static constexpr std::uint32_t kBegin = 1;  // Nothing has been read.

  // A beginning of wildcards.  After a star it stays alive whatever comes.
  struct Node {
    std::uint32_t parent = kNone, first_kid = kNone, next_sibling = kNone;
    std::uint32_t star = kNone;  // The kid behind a star.
    std::uint32_t id = kNone;    // Of the wildcard that ends here.
    std::uint32_t uses = 0;
    std::uint32_t told = 0;  // The text for which the wildcard that ends here was told last.
    unsigned char byte = 0;
    bool is_star = false;
  };
  // A set of nodes that are alive at once; parts of nodes_alive_ and told_.
  struct State {
    std::uint32_t nodes = 0, node_count = 0;
    std::uint32_t early = 0, early_count = 0;  // Nodes behind a last star: they match whatever follows.
    std::uint32_t final = 0, final_count = 0;  // Numbers of wildcards that match if the text ends here.
  };

  template <class Found>
  void tell_early(std::uint32_t state, Found& found) {
    for (std::uint32_t i = 0; i < states_[state].early_count; ++i) {
      Node& node = nodes_[told_[states_[state].early + i]];
      if (node.told != serial_) found(node.id);
      node.told = serial_;
    }
  }

  std::uint32_t kid(std::uint32_t node, unsigned char byte, bool star, bool make);
  void reset();
  void enter(std::uint32_t node);
  std::uint32_t state_of_entered();
  std::uint32_t move(std::uint32_t state, unsigned char byte);

  std::vector<Node> nodes_;  // The first is the empty beginning.
  std::vector<std::uint32_t> free_;
  std::size_t wildcards_ = 0;
  std::uint32_t serial_ = 0;

  // Bytes that stood in no wildcard so far are class 0.  UTF-8 has no more than 243 bytes, so that all fit.
  std::array<std::uint8_t, 256> classes_{};
  std::uint32_t row_ = 1;  // Classes.

  // The states that are known, for the wildcards as they are.
  bool stale_ = true;
  std::vector<State> states_;
  std::vector<std::uint32_t> moves_;  // row_ for each state.
  std::vector<std::uint32_t> alive_, told_;
  std::vector<std::uint32_t> entered_;
  IdTable known_;  // States by their nodes.
};

}  // namespace slipway::events
