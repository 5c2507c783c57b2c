#include "events/globs.h"

#include <algorithm>

namespace slipway::events {

Globs::Globs() : nodes_(1) {
  nodes_[0].uses = 1;
}

std::uint32_t Globs::kid(std::uint32_t node, unsigned char byte, bool star, bool make) {
  std::uint32_t found = nodes_[node].star;
  if (!star) {
    found = nodes_[node].first_kid;
    while (found != kNone && nodes_[found].byte != byte) found = nodes_[found].next_sibling;
  }
  if (found != kNone || !make) return found;
  found = static_cast<std::uint32_t>(nodes_.size());
  if (free_.empty()) {
    nodes_.emplace_back();
  } else {
    found = free_.back();
    free_.pop_back();
  }
  nodes_[found] = {.parent = node, .byte = byte, .is_star = star};
  if (star) {
    nodes_[node].star = found;
  } else {
    nodes_[found].next_sibling = nodes_[node].first_kid;
    nodes_[node].first_kid = found;
  }
  return found;
}

void Globs::add(const Glob& glob, std::uint32_t id) {
  std::uint32_t at = 0;
  for (std::size_t i = 0; i < glob.bytes.size(); ++i) {
    at = kid(at, static_cast<unsigned char>(glob.bytes[i]), glob.star[i], true);
    ++nodes_[at].uses;
    auto& byte_class = classes_[static_cast<unsigned char>(glob.bytes[i])];
    if (byte_class == 0) byte_class = static_cast<std::uint8_t>(row_++);
  }
  nodes_[at].id = id;
  ++wildcards_;
  stale_ = true;
}

void Globs::remove(const Glob& glob) {
  std::uint32_t at = 0;
  for (std::size_t i = 0; i < glob.bytes.size(); ++i) {
    at = kid(at, static_cast<unsigned char>(glob.bytes[i]), glob.star[i], false);
  }
  nodes_[at].id = kNone;
  while (at != 0) {
    const std::uint32_t parent = nodes_[at].parent;
    if (--nodes_[at].uses == 0) {
      if (nodes_[at].is_star) {
        nodes_[parent].star = kNone;
      } else {
        std::uint32_t* link = &nodes_[parent].first_kid;
        while (*link != at) link = &nodes_[*link].next_sibling;
        *link = nodes_[at].next_sibling;
      }
      free_.push_back(at);
    }
    at = parent;
  }
  --wildcards_;
  stale_ = true;
}

std::size_t Globs::bytes() const {
  return nodes_.capacity() * sizeof(Node) + free_.capacity() * 4 + states_.capacity() * sizeof(State) +
         (moves_.capacity() + alive_.capacity() + told_.capacity() + entered_.capacity()) * 4 + known_.bytes();
}

// Forgets every state.
void Globs::reset() {
  stale_ = false;
  states_.clear();
  moves_.clear();
  alive_.clear();
  told_.clear();
  known_.clear();
  entered_.clear();
  states_.emplace_back();  // kDead
  moves_.assign(row_, kDead);
  enter(0);
  state_of_entered();  // kBegin
}

// Adds a node to those of the next state; a star matches nothing as well.
void Globs::enter(std::uint32_t node) {
  for (; node != kNone; node = nodes_[node].star) entered_.push_back(node);
}

// The state of the nodes in entered_, which are forgotten.
std::uint32_t Globs::state_of_entered() {
  std::sort(entered_.begin(), entered_.end());
  entered_.erase(std::unique(entered_.begin(), entered_.end()), entered_.end());
  if (entered_.empty()) return kDead;
  const auto count = static_cast<std::uint32_t>(entered_.size());
  const auto hash = hash_bytes(0, reinterpret_cast<const char*>(entered_.data()), count * sizeof(std::uint32_t));
  std::uint32_t out = kNone;
  known_.each(hash, [&](std::uint32_t id) {
    const State& known = states_[id];
    if (known.node_count != count || !std::equal(entered_.begin(), entered_.end(), alive_.begin() + known.nodes)) {
      return false;
    }
    out = id;
    return true;
  });
  if (out == kNone) {
    out = static_cast<std::uint32_t>(states_.size());
    State state{.nodes = static_cast<std::uint32_t>(alive_.size()), .node_count = count};
    alive_.insert(alive_.end(), entered_.begin(), entered_.end());
    state.early = static_cast<std::uint32_t>(told_.size());
    for (const auto node : entered_) {
      if (nodes_[node].is_star && nodes_[node].id != kNone) told_.push_back(node);
    }
    state.final = static_cast<std::uint32_t>(told_.size());
    state.early_count = state.final - state.early;
    for (const auto node : entered_) {
      if (!nodes_[node].is_star && nodes_[node].id != kNone) told_.push_back(nodes_[node].id);
    }
    state.final_count = static_cast<std::uint32_t>(told_.size()) - state.final;
    states_.push_back(state);
    moves_.resize(moves_.size() + row_, kUnknown);
    known_.insert(hash, out);
  }
  entered_.clear();
  return out;
}

// The state after one more byte; remembered, unless the cache had to begin anew.
std::uint32_t Globs::move(std::uint32_t state, unsigned char byte) {
  const State from = states_[state];
  for (std::uint32_t i = 0; i < from.node_count; ++i) {
    const std::uint32_t node = alive_[from.nodes + i];
    // A star that nothing follows has told what it has to tell.
    if (nodes_[node].is_star && nodes_[node].first_kid != kNone) entered_.push_back(node);
    enter(kid(node, byte, false, false));
  }
  const std::size_t used = states_.size() * (sizeof(State) + 16) + (moves_.size() + alive_.size() + told_.size()) * 4;
  if (used > kGlobCacheMax) {
    auto kept = entered_;
    reset();
    entered_ = std::move(kept);
    return state_of_entered();
  }
  const std::uint32_t next = state_of_entered();
  moves_[state * row_ + classes_[byte]] = next;
  return next;
}

}  // namespace slipway::events
