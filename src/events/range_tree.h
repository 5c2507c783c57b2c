// RangeTree: ranges of numbers, each with a number of its own, and which of them hold a value.  Adding, removing and
// asking take time logarithmic in the number of ranges, asking also in proportion to the answers.
#pragma once
#include <cstdint>
#include <vector>

#include "events/predicate.h"

namespace slipway::events {

class RangeTree {
 public:
  void add(const Range& range, std::uint32_t id);
  void remove(const Range& range, std::uint32_t id);
  bool empty() const { return root_ == kNone; }
  std::size_t bytes() const { return nodes_.capacity() * sizeof(Node); }

  // Calls `found` with the number of each range that holds `value`.
  template <class Found>
  void each(const Decimal& value, Found found) const {
    visit(root_, value, found);
  }

 private:
  static constexpr std::uint32_t kNone = 0xFFFFFFFF;
  // A treap: ordered by the lower bound (then the number), a heap by `priority`; `reach` is the highest upper bound
  // below.
  struct Node {
    Range range;
    Decimal reach;
    std::uint32_t id, priority;
    std::uint32_t left = kNone, right = kNone;
  };

  template <class Found>
  void visit(std::uint32_t at, const Decimal& value, Found& found) const {
    while (at != kNone) {
      const Node& node = nodes_[at];
      if (node.reach < value) return;
      visit(node.left, value, found);
      if (low_of(node.range) > value) return;  // And all to the right.
      if (node.range.contains(value)) found(node.id);
      at = node.right;
    }
  }

  static Decimal low_of(const Range& range);
  static Decimal high_of(const Range& range);
  bool before(std::uint32_t at, const Decimal& low, std::uint32_t id) const;
  void update(std::uint32_t at);
  std::uint32_t merge(std::uint32_t left, std::uint32_t right);
  // What comes before (low, id) goes left.
  void split(std::uint32_t at, const Decimal& low, std::uint32_t id, std::uint32_t& left, std::uint32_t& right);

  std::vector<Node> nodes_;
  std::vector<std::uint32_t> free_;
  std::uint32_t root_ = kNone;
};

}  // namespace slipway::events
