// RuleIndex: the rules of a matcher, arranged so that an event finds those that it may satisfy.
//
// Equal predicates of one field are kept once, in a hash table by their text, so that the value of an event finds its
// exact predicates, its prefixes and its suffixes with one look for each length that occurs.  Each alternative of a
// rule is anchored at one of its conditions, the one at which the fewest are anchored so far: only when that holds is
// the rest looked at.  So the cost of an event grows with the rules that nearly match, not with the rules that there
// are.
#pragma once
#include <array>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "events/globs.h"
#include "events/id_table.h"
#include "events/pattern.h"
#include "events/range_tree.h"

namespace slipway::events {

using Id = std::uint32_t;
constexpr Id kNoId = 0xFFFFFFFF;

// What a predicate asks, in the form that is looked up.
enum class Sort : std::uint8_t {
  null,
  yes,
  no,
  text,
  number,          // By its value.
  number_as_text,  // One that does not compare.
  prefix,
  suffix,
  fold,  // equals-ignore-case
  prefix_fold,
  suffix_fold,
  wildcard,
  range,
  block,
  present,
  absent,
  anything_but,
  always,  // No predicate of a pattern: where alternatives are anchored that any event may satisfy.
};

// Bytes of a predicate: its text, or its number, range, block, or the predicates that it excludes.
class Payload {
 public:
  Payload() = default;
  explicit Payload(std::string_view bytes);
  std::string_view view() const { return {bytes_.get(), size_}; }
  bool is(std::string_view bytes) const {
    return bytes.size() == size_ && same_bytes(bytes.data(), bytes_.get(), size_);
  }
  template <class T>
  T as() const {
    T out;
    std::memcpy(&out, bytes_.get(), sizeof out);
    return out;
  }
  Id at(std::size_t i) const {
    Id out = 0;
    std::memcpy(&out, bytes_.get() + i * sizeof(Id), sizeof out);
    return out;
  }

 private:
  std::unique_ptr<char[]> bytes_;
  std::uint32_t size_ = 0;
};

// One predicate of one field, shared by all rules that have it.
struct PredicateRow {
  Payload payload;
  Sort sort = Sort::always;
  bool ascii = true;  // Of texts that ignore case.
  Id field = kNoId;
  std::uint32_t uses = 0;
  Id anchored = kNoId;  // The first posting.
  std::uint32_t anchored_count = 0;
  // Of the event that is being matched: whether it holds (of the event with this number), and for how many leaves.
  std::uint32_t event = 0;
  std::uint32_t leaves = 0;
};

// That an alternative is anchored at a predicate.
struct Posting {
  Id alternative = kNoId;
  Id predicate = kNoId;
  Id previous = kNoId, next = kNoId;  // At the same predicate.
  Id sibling = kNoId;                 // Of the same alternative.
};

// A range, and a block with its host bits cleared, as payloads: every byte of them counts.
struct RangeKey {
  std::uint64_t low, high;
  std::int32_t low_rank, high_rank;
  std::uint8_t low_given, low_open, high_given, high_open;
  std::uint32_t zero = 0;
  explicit RangeKey(const Range& range);
  RangeKey() = default;
  Range range() const;
};
struct BlockKey {
  std::uint8_t size = 0, bits = 0;
  std::array<unsigned char, 16> bytes{};
  static BlockKey of(const Address& address, int size, int bits);
};
struct NumberKey {
  std::uint64_t digits;
  std::int64_t rank;
  explicit NumberKey(const Decimal& value) : digits(value.digits), rank(value.rank) {}
};
template <class T>
std::string_view bytes_of(const T& value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

// How many predicates there are of each length of their text.
class Lengths {
 public:
  struct Entry {
    std::uint32_t length, count;
  };
  void add(std::size_t length);
  void remove(std::size_t length);
  const std::vector<Entry>& all() const { return all_; }  // By length.

 private:
  std::vector<Entry> all_;
};

// What a field has beside exact texts and numbers.
struct FieldExtras {
  Lengths prefixes, suffixes, prefix_folds, suffix_folds;  // The folds by the length of their folded form.
  std::uint32_t folds = 0;
  Globs globs;
  RangeTree ranges;
  // Blocks by size and bits.
  struct BlockClass {
    int size, bits;
    std::uint32_t count;
  };
  std::vector<BlockClass> blocks;
};

// A step on the paths of the fields, and perhaps a field.
struct PathNode {
  struct Kid {
    std::uint64_t head;  // The first eight bytes of the key, zeros behind.
    std::uint64_t tail;  // The last eight of a longer one.
    std::uint32_t length;
    Id node;
  };
  static constexpr std::size_t kKidsInLine = 8;  // More than so many are found by a hash table.

  // What there is among the predicates of the field; bits of `has`.
  enum Has : std::uint32_t {
    kLiterals = 1,
    kTexts = 2,
    kNumbers = 4,
    kNumberTexts = 8,
    kAffixes = 16,  // Prefixes and suffixes.
    kFolds = 32,
    kGlobs = 64,
    kRanges = 128,
    kBlocks = 256,
  };

  std::vector<Kid> kids;
  std::uint32_t kid_count = 0;
  bool by_hash = false;            // There are, or were, too many kids for the line.
  bool deep = false;               // A kid has had kids: an event may step over it with a dotted key.
  std::uint32_t has = 0;           // Sticks until the field goes.
  std::uint64_t text_lengths = 0;  // Bit min(length, 63) of each exact text; sticks, too.
  std::uint32_t uses = 0;          // Predicates and kids.
  Id parent = kNoId;
  std::string key;
  Id present = kNoId;  // The predicate `present` of the field, when there is one.
  std::unique_ptr<FieldExtras> extras;
  bool has_predicates() const { return uses != kid_count; }

  // Of the event that is being matched.
  std::uint32_t event = 0;
  std::uint32_t leaves = 0;
  bool in_arrays = false;  // A leaf lies in an array.
  Id first_leaf = kNoId, last_leaf = kNoId;
};

class RuleIndex {
 public:
  RuleIndex();
  Id add(const Pattern& pattern);
  void remove(Id rule);
  std::size_t size() const { return rule_count_; }
  // Of memory, near enough: what the index itself has asked for.
  std::size_t bytes() const;

  // Takes every stamp of an event back.
  void forget_events();

  static constexpr Id kRoot = 0;
  static constexpr Id kAlways = 0;  // The predicate.

  // An alternative, as it lies in the pool.
  struct Alternative {
    Id* words;
    Id rule() const { return words[0]; }
    Id& event() const { return words[1]; }
    Id& postings() const { return words[2]; }
    Id& next() const { return words[3]; }  // Of the same rule.
    Id conditions() const { return words[4]; }
    Id* first() const { return words + 5; }
  };
  // A condition is a count and so many predicates, of which one must hold.
  Alternative alternative(Id at) { return {pool_.data() + at}; }

  // The node of a key below a node, or kNoId; `head` is head_of(key).
  Id find_kid(const PathNode& node, Id id, std::string_view key, std::uint64_t head) const {
    if (node.by_hash) return find_hashed_kid(id, key);
    for (const auto& kid : node.kids) {
      if (kid.head != head || kid.length != key.size()) continue;
      if (key.size() <= 8 || (kid.tail == tail_of(key) && (key.size() <= 16 || nodes[kid.node].key == key))) {
        return kid.node;
      }
    }
    return kNoId;
  }
  static std::uint64_t tail_of(std::string_view key) {
    std::uint64_t out = 0;
    if (key.size() > 8) std::memcpy(&out, key.data() + key.size() - 8, 8);
    return out;
  }
  static std::uint64_t head_of(std::string_view key);
  static std::uint64_t seed_of(Id field, Sort sort) {
    return (static_cast<std::uint64_t>(field) << 8 | static_cast<std::uint64_t>(sort)) * kHashMultiplier;
  }
  // Of texts that are looked up by their first (last) bytes: so that all beginnings of a value are hashed in one run.
  static std::uint64_t hash_step(std::uint64_t hash, char c) {
    return (hash ^ static_cast<unsigned char>(c)) * kHashMultiplier;
  }
  static std::uint64_t hash_end(std::uint64_t hash, std::uint64_t seed) { return mix(hash ^ seed, kHashMultiplier); }

  std::vector<PathNode> nodes;
  std::vector<PredicateRow> predicates;
  std::vector<Posting> postings;
  struct Rule {
    Id first = kNoId;  // Alternative.
    std::uint32_t event = 0;
  };
  std::vector<Rule> rules;
  IdTable predicates_by_hash;

 private:
  Id find_hashed_kid(Id id, std::string_view key) const;
  Id node_of(std::string_view path);
  void release_node(Id id);
  Id intern(Id field, const Predicate& predicate);
  Id intern(Id field, Sort sort, std::string_view payload);
  void release(Id predicate);
  void drop_repeated(std::vector<Id>& list, std::size_t first);
  std::uint64_t hash_of(const PredicateRow& row) const;
  void enter(Id id);
  void leave(Id id);
  FieldExtras& extras(Id field);
  Id add_alternative(Id rule, const std::vector<Field>& fields);
  void remove_alternative(Id at);
  void anchor(Id at);
  void post(Id at, Id predicate);
  Id room(std::size_t words);

  std::vector<Id> free_nodes_, free_predicates_, free_postings_, free_rules_;
  std::vector<Id> pool_;
  std::map<std::size_t, std::vector<Id>> free_rooms_;  // By their size in words.
  IdTable kids_by_hash_;
  std::size_t rule_count_ = 0;
  std::size_t payload_bytes_ = 0;
};

}  // namespace slipway::events
