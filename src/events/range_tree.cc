#include "events/range_tree.h"

#include <algorithm>
#include <limits>

namespace slipway::events {

namespace {

// Mixes a number so that the priorities of a treap are as good as random ones.
std::uint32_t scattered(std::uint32_t x) {
  x = (x ^ (x >> 16)) * 0x7FEB352D;  // Constants of Wellons' lowbias32, https://nullprogram.com/blog/2018/07/31/
  x = (x ^ (x >> 15)) * 0x846CA68B;
  return x ^ (x >> 16);
}

}  // namespace

Decimal RangeTree::low_of(const Range& range) {
  return range.low.given ? range.low.at : Decimal{std::numeric_limits<std::int32_t>::min(), 0};
}

Decimal RangeTree::high_of(const Range& range) {
  return range.high.given ? range.high.at : Decimal{std::numeric_limits<std::int32_t>::max(), 0};
}

bool RangeTree::before(std::uint32_t at, const Decimal& low, std::uint32_t id) const {
  const auto own = low_of(nodes_[at].range);
  return own < low || (own == low && nodes_[at].id < id);
}

void RangeTree::update(std::uint32_t at) {
  Node& node = nodes_[at];
  node.reach = high_of(node.range);
  if (node.left != kNone) node.reach = std::max(node.reach, nodes_[node.left].reach);
  if (node.right != kNone) node.reach = std::max(node.reach, nodes_[node.right].reach);
}

std::uint32_t RangeTree::merge(std::uint32_t left, std::uint32_t right) {
  if (left == kNone) return right;
  if (right == kNone) return left;
  if (nodes_[left].priority > nodes_[right].priority) {
    nodes_[left].right = merge(nodes_[left].right, right);
    update(left);
    return left;
  }
  nodes_[right].left = merge(left, nodes_[right].left);
  update(right);
  return right;
}

void RangeTree::split(std::uint32_t at, const Decimal& low, std::uint32_t id, std::uint32_t& left,
                      std::uint32_t& right) {
  if (at == kNone) {
    left = right = kNone;
    return;
  }
  std::uint32_t inner = kNone;
  if (before(at, low, id)) {
    split(nodes_[at].right, low, id, inner, right);
    nodes_[at].right = inner;
    left = at;
  } else {
    split(nodes_[at].left, low, id, left, inner);
    nodes_[at].left = inner;
    right = at;
  }
  update(at);
}

void RangeTree::add(const Range& range, std::uint32_t id) {
  std::uint32_t at = static_cast<std::uint32_t>(nodes_.size());
  if (free_.empty()) {
    nodes_.emplace_back();
  } else {
    at = free_.back();
    free_.pop_back();
  }
  nodes_[at] = {.range = range, .reach = high_of(range), .id = id, .priority = scattered(id)};
  std::uint32_t left = kNone;
  std::uint32_t right = kNone;
  split(root_, low_of(range), id, left, right);
  root_ = merge(merge(left, at), right);
}

void RangeTree::remove(const Range& range, std::uint32_t id) {
  std::uint32_t left = kNone;
  std::uint32_t middle = kNone;
  std::uint32_t right = kNone;
  split(root_, low_of(range), id, left, right);
  split(right, low_of(range), id + 1, middle, right);
  free_.push_back(middle);
  root_ = merge(left, right);
}

}  // namespace slipway::events
