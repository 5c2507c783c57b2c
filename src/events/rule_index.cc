#include "events/rule_index.h"

#include <algorithm>
#include <tuple>

#include "events/casing.h"

namespace slipway::events {

namespace {

template <class Row>
Id take_row(std::vector<Row>& rows, std::vector<Id>& free) {
  if (free.empty()) {
    rows.emplace_back();
    return static_cast<Id>(rows.size() - 1);
  }
  const Id id = free.back();
  free.pop_back();
  return id;
}

// How far from good an anchor a sort of predicate is; alternatives go where the sum of this and of those already there
// is smallest.  What holds for most values comes last.
std::uint32_t reluctance(Sort sort, std::string_view payload) {
  constexpr std::uint32_t kUnselective = 1U << 30;
  switch (sort) {
    case Sort::text:
    case Sort::number:
    case Sort::number_as_text:
    case Sort::fold:
      return 0;
    case Sort::block:
      return 2;
    case Sort::prefix:
    case Sort::suffix:
    case Sort::prefix_fold:
    case Sort::suffix_fold:
      return payload.empty() ? 1000 : 2;
    case Sort::wildcard:
      return payload == "*" ? 1000 : 4;
    case Sort::null:
    case Sort::yes:
    case Sort::no:
      return 4;
    case Sort::range:
      return 8;
    default:
      return kUnselective;
  }
}

}  // namespace

RangeKey::RangeKey(const Range& range)
    : low(range.low.at.digits),
      high(range.high.at.digits),
      low_rank(range.low.at.rank),
      high_rank(range.high.at.rank),
      low_given(range.low.given),
      low_open(range.low.open),
      high_given(range.high.given),
      high_open(range.high.open) {}

Range RangeKey::range() const {
  return {.low = {.at = {low_rank, low}, .given = low_given != 0, .open = low_open != 0},
          .high = {.at = {high_rank, high}, .given = high_given != 0, .open = high_open != 0}};
}

// The first `size` bytes of an address with all but `bits` bits cleared.
BlockKey BlockKey::of(const Address& address, int size, int bits) {
  BlockKey out{.size = static_cast<std::uint8_t>(size), .bits = static_cast<std::uint8_t>(bits)};
  for (int bit = 0; bit < bits; bit += 8) {
    const int counted = std::min(8, bits - bit);
    out.bytes[static_cast<std::size_t>(bit / 8)] =
        static_cast<unsigned char>(address.bytes[bit / 8] & (0xFF00U >> static_cast<unsigned>(counted)));
  }
  return out;
}

Payload::Payload(std::string_view bytes) : size_(static_cast<std::uint32_t>(bytes.size())) {
  if (bytes.empty()) return;
  bytes_ = std::make_unique_for_overwrite<char[]>(bytes.size());
  std::memcpy(bytes_.get(), bytes.data(), bytes.size());
}

void Lengths::add(std::size_t length) {
  const auto at = std::lower_bound(all_.begin(), all_.end(), length,
                                   [](const Entry& entry, std::size_t x) { return entry.length < x; });
  if (at != all_.end() && at->length == length) {
    ++at->count;
  } else {
    all_.insert(at, {static_cast<std::uint32_t>(length), 1});
  }
}

void Lengths::remove(std::size_t length) {
  const auto at = std::lower_bound(all_.begin(), all_.end(), length,
                                   [](const Entry& entry, std::size_t x) { return entry.length < x; });
  if (--at->count == 0) all_.erase(at);
}

RuleIndex::RuleIndex() : nodes(1), predicates(1) {
  nodes[kRoot].uses = 1;
  predicates[kAlways].uses = 1;
}

std::size_t RuleIndex::bytes() const {
  std::size_t out = nodes.capacity() * sizeof(PathNode) + predicates.capacity() * sizeof(PredicateRow) +
                    postings.capacity() * sizeof(Posting) + rules.capacity() * sizeof(Rule) +
                    pool_.capacity() * sizeof(Id) + predicates_by_hash.bytes() + kids_by_hash_.bytes() + payload_bytes_;
  for (const auto& node : nodes) {
    out += node.kids.capacity() * sizeof(PathNode::Kid);
    if (node.key.capacity() > 15) out += node.key.capacity() + 1;
    if (node.extras) out += sizeof(FieldExtras) + node.extras->globs.bytes() + node.extras->ranges.bytes();
  }
  return out;
}

std::uint64_t RuleIndex::head_of(std::string_view key) {
  std::uint64_t out = 0;
  std::memcpy(&out, key.data(), std::min<std::size_t>(key.size(), 8));
  return out;
}

Id RuleIndex::find_hashed_kid(Id id, std::string_view key) const {
  Id out = kNoId;
  kids_by_hash_.each(hash_bytes(id, key.data(), key.size()), [&](Id kid) {
    if (nodes[kid].parent != id || nodes[kid].key != key) return false;
    out = kid;
    return true;
  });
  return out;
}

// The node of a path, made when it is not there.  A path is its keys joined with dots, whatever the keys were.
Id RuleIndex::node_of(std::string_view path) {
  Id at = kRoot;
  for (bool last = false; !last;) {
    const auto dot = path.find('.');
    last = dot == std::string_view::npos;
    const auto key = path.substr(0, dot);
    if (!last) path.remove_prefix(dot + 1);
    Id kid = find_kid(nodes[at], at, key, head_of(key));
    if (kid == kNoId) {
      kid = take_row(nodes, free_nodes_);
      nodes[kid].key = key;
      nodes[kid].parent = at;
      kids_by_hash_.insert(hash_bytes(at, key.data(), key.size()), kid);
      auto& parent = nodes[at];
      ++parent.uses;
      ++parent.kid_count;
      if (parent.kid_count > PathNode::kKidsInLine) {
        parent.by_hash = true;
        parent.kids = {};
      }
      if (!parent.by_hash) {
        parent.kids.push_back({head_of(key), tail_of(key), static_cast<std::uint32_t>(key.size()), kid});
      }
      if (parent.parent != kNoId) nodes[parent.parent].deep = true;
    }
    at = kid;
  }
  return at;
}

void RuleIndex::release_node(Id id) {
  while (id != kRoot && --nodes[id].uses == 0) {
    auto& node = nodes[id];
    const Id parent_id = node.parent;
    auto& parent = nodes[parent_id];
    kids_by_hash_.erase(hash_bytes(parent_id, node.key.data(), node.key.size()), id);
    --parent.kid_count;
    std::erase_if(parent.kids, [&](const PathNode::Kid& kid) { return kid.node == id; });
    node = {};
    free_nodes_.push_back(id);
    if (parent.kid_count == 0) parent.by_hash = false;
    id = parent_id;
  }
}

FieldExtras& RuleIndex::extras(Id field) {
  if (!nodes[field].extras) nodes[field].extras = std::make_unique<FieldExtras>();
  return *nodes[field].extras;
}

std::uint64_t RuleIndex::hash_of(const PredicateRow& row) const {
  const auto payload = row.payload.view();
  const auto seed = seed_of(row.field, row.sort);
  std::uint64_t hash = 0;
  switch (row.sort) {
    case Sort::prefix:
      for (const char c : payload) hash = hash_step(hash, c);
      return hash_end(hash, seed);
    case Sort::suffix:
      for (auto at = payload.rbegin(); at != payload.rend(); ++at) hash = hash_step(hash, *at);
      return hash_end(hash, seed);
    case Sort::prefix_fold:
      for (const char c : fold_pattern(payload)) hash = hash_step(hash, c);
      return hash_end(hash, seed);
    case Sort::suffix_fold: {
      const auto folded = fold_pattern(payload);
      for (auto at = folded.rbegin(); at != folded.rend(); ++at) hash = hash_step(hash, *at);
      return hash_end(hash, seed);
    }
    case Sort::fold: {
      const auto folded = fold_pattern(payload);
      return hash_bytes(seed, folded.data(), folded.size());
    }
    default:
      return hash_bytes(seed, payload.data(), payload.size());
  }
}

Id RuleIndex::intern(Id field, Sort sort, std::string_view payload) {
  PredicateRow row;
  row.payload = Payload(payload);
  row.sort = sort;
  row.field = field;
  row.ascii = is_ascii(payload);
  const auto hash = hash_of(row);
  Id found = kNoId;
  predicates_by_hash.each(hash, [&](Id id) {
    const auto& other = predicates[id];
    if (other.field != field || other.sort != sort || !other.payload.is(payload)) return false;
    found = id;
    return true;
  });
  if (found == kNoId) {
    found = take_row(predicates, free_predicates_);
    predicates[found] = std::move(row);
    payload_bytes_ += payload.size();
    predicates_by_hash.insert(hash, found);
    ++nodes[field].uses;
    enter(found);
  }
  ++predicates[found].uses;
  return found;
}

Id RuleIndex::intern(Id field, const Predicate& predicate) {
  switch (predicate.test) {
    case Test::null:
      return intern(field, Sort::null, {});
    case Test::yes:
      return intern(field, Sort::yes, {});
    case Test::no:
      return intern(field, Sort::no, {});
    case Test::text:
      return intern(field, Sort::text, predicate.text);
    case Test::number: {
      // One that compares has a text that compares as well: it is found by its value.
      if (!predicate.compares) return intern(field, Sort::number_as_text, predicate.text);
      return intern(field, Sort::number, bytes_of(NumberKey(predicate.number)));
    }
    case Test::prefix:
      return intern(field, Sort::prefix, predicate.text);
    case Test::suffix:
      return intern(field, Sort::suffix, predicate.text);
    case Test::same_ignoring_case:
      return intern(field, Sort::fold, predicate.text);
    case Test::prefix_ignoring_case:
      return intern(field, Sort::prefix_fold, predicate.text);
    case Test::suffix_ignoring_case:
      return intern(field, Sort::suffix_fold, predicate.text);
    case Test::wildcard:
      return intern(field, Sort::wildcard, predicate.text);
    case Test::range:
      return intern(field, Sort::range, bytes_of(RangeKey(predicate.range)));
    case Test::block: {
      const auto& block = predicate.block;
      return intern(field, Sort::block, bytes_of(BlockKey::of(block.network, block.network.size, block.bits)));
    }
    case Test::present:
      return intern(field, Sort::present, {});
    case Test::absent:
      return intern(field, Sort::absent, {});
    case Test::anything_but:
      break;
  }
  std::vector<Id> inner;
  for (const auto& excluded : predicate.none_of) inner.push_back(intern(field, excluded));
  drop_repeated(inner, 0);
  const std::string_view payload(reinterpret_cast<const char*>(inner.data()), inner.size() * sizeof(Id));
  const auto known = predicates.size() - free_predicates_.size();
  const Id out = intern(field, Sort::anything_but, payload);
  // One that was known already has its own holds on what it excludes.
  const bool is_new = predicates.size() - free_predicates_.size() != known;
  if (!is_new) {
    for (const Id id : inner) release(id);
  }
  return out;
}

// A predicate that stands twice in one list (1 and 1.0) counts, and is held, once.  Looks at the list from `first` on.
void RuleIndex::drop_repeated(std::vector<Id>& list, std::size_t first) {
  std::sort(list.begin() + static_cast<std::ptrdiff_t>(first), list.end());
  std::size_t kept = first;
  for (std::size_t i = first; i < list.size(); ++i) {
    if (i + 1 < list.size() && list[i] == list[i + 1]) {
      release(list[i]);
    } else {
      list[kept++] = list[i];
    }
  }
  list.resize(kept);
}

// Makes a new predicate known to what finds it.
void RuleIndex::enter(Id id) {
  const auto& row = predicates[id];
  auto& node = nodes[row.field];
  const auto payload = row.payload.view();
  switch (row.sort) {
    case Sort::null:
    case Sort::yes:
    case Sort::no:
      node.has |= PathNode::kLiterals;
      break;
    case Sort::text:
      node.has |= PathNode::kTexts;
      node.text_lengths |= std::uint64_t{1} << std::min<std::size_t>(payload.size(), 63);
      break;
    case Sort::number:
      node.has |= PathNode::kNumbers;
      break;
    case Sort::number_as_text:
      node.has |= PathNode::kNumberTexts;
      break;
    case Sort::prefix:
      node.has |= PathNode::kAffixes;
      extras(row.field).prefixes.add(payload.size());
      break;
    case Sort::suffix:
      node.has |= PathNode::kAffixes;
      extras(row.field).suffixes.add(payload.size());
      break;
    case Sort::fold:
      node.has |= PathNode::kFolds;
      ++extras(row.field).folds;
      break;
    case Sort::prefix_fold:
      node.has |= PathNode::kFolds;
      extras(row.field).prefix_folds.add(fold_pattern(payload).size());
      break;
    case Sort::suffix_fold:
      node.has |= PathNode::kFolds;
      extras(row.field).suffix_folds.add(fold_pattern(payload).size());
      break;
    case Sort::wildcard:
      node.has |= PathNode::kGlobs;
      extras(row.field).globs.add(read_glob(payload), id);
      break;
    case Sort::range:
      node.has |= PathNode::kRanges;
      extras(row.field).ranges.add(row.payload.as<RangeKey>().range(), id);
      break;
    case Sort::block: {
      node.has |= PathNode::kBlocks;
      const auto key = row.payload.as<BlockKey>();
      auto& blocks = extras(row.field).blocks;
      const auto same = std::find_if(blocks.begin(), blocks.end(),
                                     [&](const auto& c) { return c.size == key.size && c.bits == key.bits; });
      if (same != blocks.end()) {
        ++same->count;
      } else {
        blocks.push_back({key.size, key.bits, 1});
      }
      break;
    }
    case Sort::present:
      node.present = id;
      break;
    default:
      break;
  }
}

void RuleIndex::leave(Id id) {
  const auto& row = predicates[id];
  auto& node = nodes[row.field];
  const auto payload = row.payload.view();
  switch (row.sort) {
    case Sort::prefix:
      node.extras->prefixes.remove(payload.size());
      break;
    case Sort::suffix:
      node.extras->suffixes.remove(payload.size());
      break;
    case Sort::fold:
      --node.extras->folds;
      break;
    case Sort::prefix_fold:
      node.extras->prefix_folds.remove(fold_pattern(payload).size());
      break;
    case Sort::suffix_fold:
      node.extras->suffix_folds.remove(fold_pattern(payload).size());
      break;
    case Sort::wildcard:
      node.extras->globs.remove(read_glob(payload));
      break;
    case Sort::range:
      node.extras->ranges.remove(row.payload.as<RangeKey>().range(), id);
      break;
    case Sort::block: {
      const auto key = row.payload.as<BlockKey>();
      auto& blocks = node.extras->blocks;
      const auto same = std::find_if(blocks.begin(), blocks.end(),
                                     [&](const auto& c) { return c.size == key.size && c.bits == key.bits; });
      if (--same->count == 0) blocks.erase(same);
      break;
    }
    case Sort::present:
      node.present = kNoId;
      break;
    default:
      break;
  }
}

void RuleIndex::release(Id id) {
  if (--predicates[id].uses > 0) return;
  leave(id);
  const auto row = std::move(predicates[id]);
  predicates[id] = {};
  free_predicates_.push_back(id);
  predicates_by_hash.erase(hash_of(row), id);
  payload_bytes_ -= row.payload.view().size();
  if (row.sort == Sort::anything_but) {
    for (std::size_t i = 0; i < row.payload.view().size() / sizeof(Id); ++i) release(row.payload.at(i));
  }
  release_node(row.field);
}

Id RuleIndex::room(std::size_t words) {
  const auto free = free_rooms_.find(words);
  if (free != free_rooms_.end() && !free->second.empty()) {
    const Id at = free->second.back();
    free->second.pop_back();
    return at;
  }
  pool_.resize(pool_.size() + words);
  return static_cast<Id>(pool_.size() - words);
}

void RuleIndex::post(Id at, Id predicate) {
  const Id id = take_row(postings, free_postings_);
  auto& row = predicates[predicate];
  postings[id] = {
      .alternative = at, .predicate = predicate, .next = row.anchored, .sibling = alternative(at).postings()};
  if (row.anchored != kNoId) postings[row.anchored].previous = id;
  row.anchored = id;
  ++row.anchored_count;
  alternative(at).postings() = id;
}

// Anchors an alternative at its best condition.  When none is selective, at the presence of a field; when all may hold
// of a field that is not there, at every event.
void RuleIndex::anchor(Id at) {
  const auto own = alternative(at);
  using Cost = std::tuple<std::uint64_t, std::uint32_t>;
  Cost best{1U << 30, 0};
  const Id* chosen = nullptr;
  Id field = kNoId;
  const Id* condition = own.first();
  for (Id i = 0; i < own.conditions(); ++i, condition += 1 + *condition) {
    Cost cost{0, 0};
    bool maybe_absent = false;
    for (Id k = 1; k <= *condition; ++k) {
      const auto& row = predicates[condition[k]];
      maybe_absent = maybe_absent || row.sort == Sort::absent;
      cost =
          std::max(cost, Cost{std::uint64_t{row.anchored_count} + reluctance(row.sort, row.payload.view()), row.uses});
    }
    if (cost < best) {
      best = cost;
      chosen = condition;
    }
    if (!maybe_absent) field = predicates[condition[1]].field;
  }
  if (chosen != nullptr) {
    // The pool does not move while postings are made.
    for (Id k = 1; k <= *chosen; ++k) post(at, chosen[k]);
  } else if (field != kNoId) {
    post(at, intern(field, Sort::present, {}));
  } else {
    post(at, kAlways);
  }
}

Id RuleIndex::add_alternative(Id rule, const std::vector<Field>& fields) {
  std::vector<Id> words{rule, 0, kNoId, kNoId, static_cast<Id>(fields.size())};
  for (const auto& field : fields) {
    const Id node = node_of(field.path);
    ++nodes[node].uses;  // Until its predicates hold it.
    const auto count = words.size();
    words.push_back(0);
    for (const auto& predicate : *field.any_of) words.push_back(intern(node, predicate));
    drop_repeated(words, count + 1);
    words[count] = static_cast<Id>(words.size() - count - 1);
    --nodes[node].uses;
  }
  const Id at = room(words.size());
  std::copy(words.begin(), words.end(), pool_.begin() + at);
  anchor(at);
  return at;
}

void RuleIndex::remove_alternative(Id at) {
  const auto own = alternative(at);
  for (Id id = own.postings(); id != kNoId;) {
    const Posting posting = postings[id];
    auto& row = predicates[posting.predicate];
    (posting.previous == kNoId ? row.anchored : postings[posting.previous].next) = posting.next;
    if (posting.next != kNoId) postings[posting.next].previous = posting.previous;
    --row.anchored_count;
    postings[id] = {};
    free_postings_.push_back(id);
    if (row.sort == Sort::present) release(posting.predicate);  // anchor() holds it.
    id = posting.sibling;
  }
  Id* condition = own.first();
  for (Id i = 0; i < own.conditions(); ++i, condition += 1 + *condition) {
    for (Id k = 1; k <= *condition; ++k) release(condition[k]);
  }
  free_rooms_[static_cast<std::size_t>(condition - own.words)].push_back(at);
}

Id RuleIndex::add(const Pattern& pattern) {
  const Id rule = take_row(rules, free_rules_);
  rules[rule] = {};
  for (const auto& fields : pattern.any_of) {
    const Id at = add_alternative(rule, fields);
    alternative(at).next() = rules[rule].first;
    rules[rule].first = at;
  }
  ++rule_count_;
  return rule;
}

void RuleIndex::forget_events() {
  for (auto& node : nodes) node.event = 0;
  for (auto& predicate : predicates) predicate.event = 0;
  for (auto& rule : rules) {
    rule.event = 0;
    for (Id at = rule.first; at != kNoId; at = alternative(at).next()) alternative(at).event() = 0;
  }
}

void RuleIndex::remove(Id rule) {
  for (Id at = rules[rule].first; at != kNoId;) {
    const Id next = alternative(at).next();
    remove_alternative(at);
    at = next;
  }
  rules[rule] = {};
  free_rules_.push_back(rule);
  --rule_count_;
}

}  // namespace slipway::events
