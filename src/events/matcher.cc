#include "events/matcher.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <vector>

#include "events/casing.h"
#include "events/rule_index.h"

namespace slipway::events {

namespace {

// An element of an array, within the element that holds the array.  They are numbered in the order of the text, so that
// all that lies within an element has the numbers behind its own.
struct Element {
  Id parent;
  Id array;
};
struct Array {
  Id end;  // The first element's number behind all that lies in the array.
};

// A value of a field.
struct Leaf {
  std::uint32_t start, end;  // Of a number the end is somewhere behind it.
  Id element;                // The innermost, or kNoId.
  Id next;                   // Of the same field.
  Value::Kind kind;
};

// The elements that have been chosen so far, at most one of an array: a part of a row of them.
struct Choice {
  std::uint32_t first, count;
};

}  // namespace

struct Matcher::State {
  explicit State(Kernel kernel) : scan(kernel) {}

  RuleIndex index;
  Scan scan;
  std::uint32_t event = 0;  // The number of the event; stamps of others count as never.
  std::vector<Leaf> leaves;
  std::vector<Element> elements;
  std::vector<Array> arrays;
  std::vector<Id> fired;  // Predicates that hold, and at which alternatives are anchored.
  std::vector<Rule> matched;
  std::string key, value, folded;  // Escapes resolved; folded.

  // For comparing elements.
  std::size_t work = 0;
  std::vector<Id> conditions;    // Where the conditions of the alternative begin.
  std::vector<Id> needed_until;  // For each array the last condition that has a leaf in it.
  std::vector<Id> satisfying;    // Elements of the leaves that satisfy a condition; kNoId is the event itself.
  std::vector<Id> chosen, next_chosen, joined;
  std::vector<Choice> choices, next_choices;
};

// One event.
class Matcher::Run {
 public:
  Run(State& state, std::string_view text) : s_(state), index_(state.index), text_(text) {}

  void walk() {
    tokens_ = s_.scan.tokens();
    kinds_ = s_.scan.kinds();
    partners_ = s_.scan.partners();
    escapes_ = s_.scan.has_escapes();
    fire(RuleIndex::kAlways);
    object(RuleIndex::kRoot, 0, kNoId);
  }

  // False when it took too much work.
  bool judge() {
    for (const Id predicate : s_.fired) {
      for (Id at = index_.predicates[predicate].anchored; at != kNoId; at = index_.postings[at].next) {
        const auto alternative = index_.alternative(index_.postings[at].alternative);
        auto& rule = index_.rules[alternative.rule()];
        if (rule.event == s_.event || alternative.event() == s_.event) continue;
        alternative.event() = s_.event;
        if (!holds(alternative)) continue;
        rule.event = s_.event;
        s_.matched.push_back(alternative.rule());
      }
      if (s_.work > kMatchWorkMax) return false;
    }
    return true;
  }

 private:
  // Of a string.  White space may lie between it and the next token.
  std::uint32_t closing_quote(std::uint32_t token) const {
    std::uint32_t at = tokens_[token + 1] - 1;
    while (text_[at] != '"') --at;
    return at;
  }

  // The members of the object that begins at a token.
  void object(Id id, std::uint32_t token, Id element) {
    const std::uint32_t end = partners_[token];
    ++token;
    while (token < end) {
      const std::uint32_t start = tokens_[token] + 1;
      std::string_view key(text_.data() + start, closing_quote(token) - start);
      if (escapes_ && key.find('\\') != std::string_view::npos) {
        resolve_escapes(key, s_.key);
        key = s_.key;
      }
      token += 2;  // The key and the colon.
      const auto& node = index_.nodes[id];
      const auto head = head_of(key, start);
      const Id kid = index_.find_kid(node, id, key, head);
      if (kid != kNoId) {
        token = value(kid, token, element);
      } else {
        if (node.deep && has_dot(key, head)) dotted(id, key, token, element);
        token = behind(token);
      }
      ++token;  // The comma, or the bracket at the end.
    }
  }

  // RuleIndex::head_of() in one load where that does not leave the text.
  std::uint64_t head_of(std::string_view key, std::uint32_t start) const {
    if (start + 8 > text_.size() || key.data() != text_.data() + start) return RuleIndex::head_of(key);
    std::uint64_t head = 0;
    std::memcpy(&head, key.data(), 8);
    if (key.size() < 8) head &= (std::uint64_t{1} << (8 * key.size())) - 1;
    return head;
  }

  static bool has_dot(std::string_view key, std::uint64_t head) {
    constexpr std::uint64_t kOnes = 0x0101010101010101;
    const std::uint64_t zero_at_dots = head ^ (kOnes * '.');
    if (((zero_at_dots - kOnes) & ~zero_at_dots & (kOnes * 0x80)) != 0) return true;
    return key.size() > 8 && key.find('.', 8) != std::string_view::npos;
  }

  // A key with dots in it may be several steps of a path.
  void dotted(Id id, std::string_view key, std::uint32_t token, Id element) {
    while (id != kNoId) {
      const auto dot = key.find('.');
      const auto step = key.substr(0, dot);
      id = index_.find_kid(index_.nodes[id], id, step, RuleIndex::head_of(step));
      if (dot == std::string_view::npos) break;
      key.remove_prefix(dot + 1);
    }
    if (id != kNoId) value(id, token, element);
  }

  // The token behind a value.
  std::uint32_t behind(std::uint32_t token) const {
    return (kinds_[token] & kOpen) != 0 ? partners_[token] + 1 : token + 1;
  }

  std::uint32_t value(Id id, std::uint32_t token, Id element) {
    const std::uint32_t start = tokens_[token];
    switch (kinds_[token]) {
      case kOpen | kCurly:
        if (index_.nodes[id].kid_count != 0) object(id, token, element);
        return partners_[token] + 1;
      case kOpen:
        array(id, token, element);
        return partners_[token] + 1;
      case kString:
        if (index_.nodes[id].has_predicates()) text(id, start + 1, closing_quote(token), element);
        return token + 1;
      default:
        if (index_.nodes[id].has_predicates()) scalar(id, start, tokens_[token + 1], element);
        return token + 1;
    }
  }

  // A number or literal; its end is somewhere before `end`.
  void scalar(Id id, std::uint32_t start, std::uint32_t end, Id element) {
    switch (text_[start]) {
      case 'n':
        return literal(id, start, Value::Kind::null, Sort::null, element);
      case 't':
        return literal(id, start, Value::Kind::yes, Sort::yes, element);
      case 'f':
        return literal(id, start, Value::Kind::no, Sort::no, element);
      default:
        return number(id, start, end, element);
    }
  }

  void array(Id id, std::uint32_t token, Id element) {
    const std::uint32_t end = partners_[token];
    const auto array = static_cast<Id>(s_.arrays.size());
    s_.arrays.push_back({});
    for (++token; token < end;) {
      const auto own = static_cast<Id>(s_.elements.size());
      s_.elements.push_back({element, array});
      token = value(id, token, own) + 1;  // And the comma.
    }
    s_.arrays[array].end = static_cast<Id>(s_.elements.size());
  }

  PathNode& leaf(Id id, std::uint32_t start, std::uint32_t end, Value::Kind kind, Id element) {
    auto& node = index_.nodes[id];
    const auto own = static_cast<Id>(s_.leaves.size());
    s_.leaves.push_back({start, end, element, kNoId, kind});
    if (node.event != s_.event) {
      node.event = s_.event;
      node.leaves = 1;
      node.in_arrays = element != kNoId;
      node.first_leaf = node.last_leaf = own;
      if (node.present != kNoId) fire(node.present);
    } else {
      ++node.leaves;
      node.in_arrays = node.in_arrays || element != kNoId;
      s_.leaves[node.last_leaf].next = own;
      node.last_leaf = own;
    }
    return node;
  }

  void fire(Id predicate) {
    auto& row = index_.predicates[predicate];
    if (row.event == s_.event) {
      ++row.leaves;
      return;
    }
    row.event = s_.event;
    row.leaves = 1;
    if (row.anchored != kNoId) s_.fired.push_back(predicate);
  }

  // Fires the predicate with just this payload, if there is one.
  void fire_exact(Id field, Sort sort, std::string_view payload, std::uint64_t hash) {
    index_.predicates_by_hash.each(hash, [&](Id id) { return fire_if(id, field, sort, payload); });
  }
  __attribute__((noinline)) bool fire_if(Id id, Id field, Sort sort, std::string_view payload) {
    const auto& row = index_.predicates[id];
    if (row.field != field || row.sort != sort || !row.payload.is(payload)) return false;
    fire(id);
    return true;
  }
  void fire_exact(Id field, Sort sort, std::string_view payload) {
    fire_exact(field, sort, payload, hash_bytes(RuleIndex::seed_of(field, sort), payload.data(), payload.size()));
  }

  void literal(Id id, std::uint32_t start, Value::Kind kind, Sort sort, Id element) {
    const auto& node = leaf(id, start, start, kind, element);
    if ((node.has & PathNode::kLiterals) != 0) fire_exact(id, sort, {});
  }

  void number(Id id, std::uint32_t start, std::uint32_t end, Id element) {
    const auto& node = leaf(id, start, end, Value::Kind::number, element);
    if ((node.has & (PathNode::kNumbers | PathNode::kNumberTexts | PathNode::kRanges)) == 0) return;
    const auto read = read_decimal(text_.substr(start, end - start));
    const auto spelled = text_.substr(start, read.length);
    // Most numbers satisfy nothing; whether they compare at all is asked when it matters, and once.
    int known = -1;
    const auto compares = [&] {
      if (known < 0) known = is_comparable(read, spelled) ? 1 : 0;
      return known == 1;
    };
    if ((node.has & PathNode::kNumbers) != 0 && read.maybe_comparable) {
      const NumberKey key(read.value);
      const auto hash = hash_bytes(RuleIndex::seed_of(id, Sort::number), bytes_of(key).data(), sizeof key);
      index_.predicates_by_hash.each(hash, [&](Id found) {
        const auto& row = index_.predicates[found];
        if (row.field != id || row.sort != Sort::number || !row.payload.is(bytes_of(key))) return false;
        if (compares()) fire(found);
        return true;
      });
    }
    if ((node.has & PathNode::kRanges) != 0 && read.maybe_comparable) {
      node.extras->ranges.each(read.value, [&](Id found) {
        // How many leaves it holds for is asked of no range.
        if (index_.predicates[found].event != s_.event && compares()) fire(found);
      });
    }
    if ((node.has & PathNode::kNumberTexts) != 0 && !compares()) fire_exact(id, Sort::number_as_text, spelled);
  }

  void text(Id id, std::uint32_t start, std::uint32_t end, Id element) {
    const auto& node = leaf(id, start, end, Value::Kind::text, element);
    const auto value = resolved(text_.substr(start, end - start), s_.value);
    if ((node.has & PathNode::kTexts) != 0 && (node.text_lengths >> std::min<std::size_t>(value.size(), 63) & 1) != 0) {
      fire_exact(id, Sort::text, value);
    }
    if (node.extras) extras(id, node, value);
  }

  std::string_view resolved(std::string_view quoted, std::string& buffer) const {
    if (!escapes_ || quoted.find('\\') == std::string_view::npos) return quoted;
    resolve_escapes(quoted, buffer);
    return buffer;
  }

  void extras(Id id, const PathNode& node, std::string_view value) {
    auto& extras = *node.extras;
    const auto fire_one = [&](Id predicate) { fire(predicate); };
    if ((node.has & PathNode::kAffixes) != 0) {
      affixes<false>(extras.prefixes, value, [&](std::size_t length, std::uint64_t hash) {
        fire_exact(id, Sort::prefix, value.substr(0, length), hash_for(hash, id, Sort::prefix));
      });
      affixes<true>(extras.suffixes, value, [&](std::size_t length, std::uint64_t hash) {
        fire_exact(id, Sort::suffix, value.substr(value.size() - length), hash_for(hash, id, Sort::suffix));
      });
    }
    if ((node.has & PathNode::kFolds) != 0) folds(id, extras, value);
    if ((node.has & PathNode::kGlobs) != 0 && !extras.globs.empty()) extras.globs.each(value, fire_one);
    if ((node.has & PathNode::kBlocks) != 0) blocks(id, extras, value);
  }

  static std::uint64_t hash_for(std::uint64_t hash, Id field, Sort sort) {
    return RuleIndex::hash_end(hash, RuleIndex::seed_of(field, sort));
  }

  // Calls `look` with each length that occurs and the hash of so many first (last) bytes.
  template <bool Back, class Look>
  static void affixes(const Lengths& lengths, std::string_view value, Look look) {
    std::uint64_t hash = 0;
    std::size_t done = 0;
    for (const auto& entry : lengths.all()) {
      if (entry.length > value.size()) return;
      for (; done < entry.length; ++done) {
        hash = RuleIndex::hash_step(hash, Back ? value[value.size() - 1 - done] : value[done]);
      }
      look(entry.length, hash);
    }
  }

  void folds(Id id, const FieldExtras& extras, std::string_view value) {
    const bool ascii = is_ascii(value);
    if (ascii) {
      lower_ascii(value, s_.folded);
    } else {
      fold_case(value, s_.folded);
    }
    const std::string_view folded = s_.folded;
    const auto look = [&](Sort sort, Part part, std::string_view piece, std::uint64_t hash) {
      index_.predicates_by_hash.each(hash, [&](Id found) {
        const auto& row = index_.predicates[found];
        if (row.field != id || row.sort != sort) return false;
        // Several spellings fold to one form: the search goes on.
        const bool same = ascii && row.ascii ? equal_folded(piece, row.payload.view())
                                             : matches_ignoring_case(row.payload.view(), value, part);
        if (same) fire(found);
        return false;
      });
    };
    if (extras.folds != 0) {
      look(Sort::fold, Part::whole, folded,
           hash_bytes(RuleIndex::seed_of(id, Sort::fold), folded.data(), folded.size()));
    }
    affixes<false>(extras.prefix_folds, folded, [&](std::size_t length, std::uint64_t hash) {
      look(Sort::prefix_fold, Part::front, folded.substr(0, length), hash_for(hash, id, Sort::prefix_fold));
    });
    affixes<true>(extras.suffix_folds, folded, [&](std::size_t length, std::uint64_t hash) {
      look(Sort::suffix_fold, Part::back, folded.substr(folded.size() - length), hash_for(hash, id, Sort::suffix_fold));
    });
  }

  // Eight characters at once.
  static void lower_ascii(std::string_view text, std::string& out) {
    out.resize((text.size() + 7) / 8 * 8);
    for (std::size_t at = 0; at < text.size(); at += 8) {
      std::uint64_t word = 0;
      std::memcpy(&word, text.data() + at, std::min<std::size_t>(8, text.size() - at));
      constexpr std::uint64_t kOnes = 0x0101010101010101;
      // The highest bit of a byte: it is 'A' or beyond, and not beyond 'Z'.
      const std::uint64_t upper = (word + kOnes * (0x80 - 'A')) & ~(word + kOnes * (0x80 - 'Z' - 1)) & (kOnes * 0x80);
      word |= upper >> 2;
      std::memcpy(out.data() + at, &word, 8);
    }
    out.resize(text.size());
  }
  static char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 0x20) : c; }
  static bool equal_folded(std::string_view folded, std::string_view pattern) {
    return folded.size() == pattern.size() &&
           std::equal(folded.begin(), folded.end(), pattern.begin(), [](char a, char b) { return a == lower(b); });
  }

  void blocks(Id id, const FieldExtras& extras, std::string_view value) {
    const auto address = read_address(value);
    if (address.size == 0) return;
    for (const auto& one : extras.blocks) {
      if (one.size > address.size) continue;
      const auto key = BlockKey::of(address, one.size, one.bits);
      fire_exact(id, Sort::block, bytes_of(key));
    }
  }

  // Judging.

  bool has_leaves(const PathNode& node) const { return node.event == s_.event; }

  // Whether all conditions hold.
  bool holds(const RuleIndex::Alternative& alternative) {
    int in_arrays = 0;
    bool by_choice = false;  // Some field may be absent from the elements that the others choose.
    const Id* condition = alternative.first();
    for (Id i = 0; i < alternative.conditions(); ++i, condition += 1 + *condition) {
      const auto& node = index_.nodes[index_.predicates[condition[1]].field];
      const bool arrays = has_leaves(node) && node.in_arrays;
      if (arrays) ++in_arrays;
      bool some = false;
      for (Id k = 1; k <= *condition && !some; ++k) some = holds(condition[k]);
      if (some) continue;
      if (!arrays || !asks_for_absence(condition)) return false;
      by_choice = true;
    }
    return in_arrays < 2 ? !by_choice : elements_agree(alternative);
  }

  bool asks_for_absence(const Id* condition) const {
    return std::any_of(condition + 1, condition + 1 + *condition,
                       [&](Id predicate) { return index_.predicates[predicate].sort == Sort::absent; });
  }

  // Whether a predicate holds for some leaf, whatever elements the leaf lies in.
  bool holds(Id predicate) {
    const auto& row = index_.predicates[predicate];
    switch (row.sort) {
      case Sort::present:
        return has_leaves(index_.nodes[row.field]);
      case Sort::absent:
        return !has_leaves(index_.nodes[row.field]);
      case Sort::anything_but:
        return anything_but(row);
      default:
        return row.event == s_.event;
    }
  }

  // Whether there is a leaf for which none of the excluded predicates holds.
  bool anything_but(const PredicateRow& row) {
    const auto& node = index_.nodes[row.field];
    if (!has_leaves(node)) return false;
    const std::size_t count = row.payload.view().size() / sizeof(Id);
    std::size_t leaves = 0;  // For which one holds; a leaf counts once for each that holds.
    bool apart = true;       // No two can hold for one leaf.
    for (std::size_t i = 0; i < count; ++i) {
      const auto& inner = index_.predicates[row.payload.at(i)];
      if (inner.event == s_.event) leaves += inner.leaves;
      apart = apart && (inner.sort == Sort::text || inner.sort == Sort::number);
    }
    if (leaves < node.leaves) return true;
    if (apart || node.leaves == 1) return false;
    for (Id at = node.first_leaf; at != kNoId; at = s_.leaves[at].next) {
      if (holds_for(row, value_of(s_.leaves[at]))) return true;
    }
    return false;
  }

  Value value_of(const Leaf& leaf) {
    if (leaf.kind == Value::Kind::text) {
      return {leaf.kind, resolved(text_.substr(leaf.start, leaf.end - leaf.start), s_.value)};
    }
    if (leaf.kind != Value::Kind::number) return {leaf.kind, {}};
    const auto rest = text_.substr(leaf.start, leaf.end - leaf.start);
    return {leaf.kind, rest.substr(0, read_decimal(rest).length)};
  }

  // Whether a predicate holds for one value, found out without the index.
  bool holds_for(const PredicateRow& row, const Value& value) {
    const auto payload = row.payload.view();
    s_.work += 1 + (payload.size() + value.text.size()) / 64;
    switch (row.sort) {
      case Sort::null:
        return value.kind == Value::Kind::null;
      case Sort::yes:
        return value.kind == Value::Kind::yes;
      case Sort::no:
        return value.kind == Value::Kind::no;
      case Sort::present:
        return true;
      case Sort::absent:
      case Sort::always:
        return false;
      case Sort::anything_but:
        for (std::size_t i = 0; i < payload.size() / sizeof(Id); ++i) {
          if (holds_for(index_.predicates[row.payload.at(i)], value)) return false;
        }
        return true;
      case Sort::number:
      case Sort::range:
      case Sort::number_as_text:
        return value.kind == Value::Kind::number && number_holds(row, value.text);
      default:
        return value.kind == Value::Kind::text && text_holds(row, value.text);
    }
  }

  static bool number_holds(const PredicateRow& row, std::string_view text) {
    const auto read = read_decimal(text);
    if (row.sort == Sort::number_as_text) return text == row.payload.view() && !is_comparable(read, text);
    const bool fits = row.sort == Sort::number ? row.payload.view() == bytes_of(NumberKey(read.value))
                                               : row.payload.as<RangeKey>().range().contains(read.value);
    return fits && is_comparable(read, text);
  }

  bool text_holds(const PredicateRow& row, std::string_view text) {
    const auto payload = row.payload.view();
    switch (row.sort) {
      case Sort::prefix:
        return text.starts_with(payload);
      case Sort::suffix:
        return text.ends_with(payload);
      case Sort::fold:
        return matches_ignoring_case(payload, text, Part::whole);
      case Sort::prefix_fold:
        return matches_ignoring_case(payload, text, Part::front);
      case Sort::suffix_fold:
        return matches_ignoring_case(payload, text, Part::back);
      case Sort::wildcard:
        s_.work += payload.size() * text.size() / 64;
        return glob_matches(read_glob(payload), text);
      case Sort::block: {
        const auto key = row.payload.as<BlockKey>();
        const auto address = read_address(text);
        return address.size >= key.size && bytes_of(BlockKey::of(address, key.size, key.bits)) == payload;
      }
      default:
        return text == payload;
    }
  }

  // Comparing elements: whether there is one choice of elements, at most one of each array, in which all conditions
  // hold.
  //
  // One condition after the other, in the order of their paths, extends every choice that is possible so far by the
  // elements of each of its leaves.  Of a choice only what later conditions can disagree with is kept, so that
  // independent arrays do not multiply.  The order matters to `absent` alone: it holds when no leaf lies in the
  // elements chosen up to it, as in event-ruler.
  bool elements_agree(const RuleIndex::Alternative& alternative) {
    s_.conditions.clear();
    const Id* condition = alternative.first();
    for (Id i = 0; i < alternative.conditions(); ++i, condition += 1 + *condition) {
      s_.conditions.push_back(static_cast<Id>(condition - alternative.words));
    }
    find_needed(alternative);
    s_.choices.assign(1, {0, 0});
    s_.chosen.clear();
    for (Id i = 0; i < s_.conditions.size(); ++i) {
      s_.next_choices.clear();
      s_.next_chosen.clear();
      if (!extend(alternative.words + s_.conditions[i], i)) return false;
      std::swap(s_.choices, s_.next_choices);
      std::swap(s_.chosen, s_.next_chosen);
      if (s_.choices.empty()) return false;
    }
    return true;
  }

  void find_needed(const RuleIndex::Alternative& alternative) {
    s_.needed_until.assign(s_.arrays.size(), 0);
    for (Id i = 0; i < s_.conditions.size(); ++i) {
      const auto& node = node_of(alternative.words + s_.conditions[i]);
      if (!has_leaves(node)) continue;
      for (Id at = node.first_leaf; at != kNoId; at = s_.leaves[at].next) {
        for (Id e = s_.leaves[at].element; e != kNoId; e = s_.elements[e].parent, ++s_.work) {
          s_.needed_until[s_.elements[e].array] = i;
        }
      }
    }
  }

  const PathNode& node_of(const Id* condition) const { return index_.nodes[index_.predicates[condition[1]].field]; }

  // The choices after condition `number`, into next_choices.  False when it is too much work.
  bool extend(const Id* condition, Id number) {
    const auto& node = node_of(condition);
    s_.satisfying.clear();
    bool outside = false;  // A leaf lies in no array.
    if (has_leaves(node)) {
      for (Id at = node.first_leaf; at != kNoId; at = s_.leaves[at].next) {
        const auto leaf = s_.leaves[at];
        outside = outside || leaf.element == kNoId;
        const bool again = !s_.satisfying.empty() && s_.satisfying.back() == leaf.element;
        if (!again && satisfies(condition, leaf)) s_.satisfying.push_back(leaf.element);
        if (++s_.work > kMatchWorkMax) return false;
      }
      // By element: leaves outside all arrays first, then in the order of the text.
      std::sort(s_.satisfying.begin(), s_.satisfying.end(), [](Id a, Id b) { return a + 1 < b + 1; });
      s_.satisfying.erase(std::unique(s_.satisfying.begin(), s_.satisfying.end()), s_.satisfying.end());
    }
    const bool absence = asks_for_absence(condition);
    for (const auto& choice : s_.choices) {
      for (std::size_t i = 0; i < s_.satisfying.size();) {
        if (++s_.work > kMatchWorkMax) return false;
        const Id conflict = first_conflict(choice, s_.satisfying[i]);
        if (conflict == kNoId) {
          join(choice, s_.satisfying[i++], number);
        } else {
          i = behind_conflict(choice, conflict, i);
        }
      }
      if (absence && !outside && !any_agrees(choice, node)) join(choice, kNoId, number);
    }
    drop_repeated();
    return true;
  }

  bool satisfies(const Id* condition, const Leaf& leaf) {
    const auto value = value_of(leaf);
    return std::any_of(condition + 1, condition + 1 + *condition,
                       [&](Id predicate) { return holds_for(index_.predicates[predicate], value); });
  }

  // The element that `choice` has of an array; kNoId when none.
  Id chosen_of(const Choice& choice, Id array) const {
    for (std::uint32_t i = 0; i < choice.count; ++i) {
      const Id e = s_.chosen[choice.first + i];
      if (s_.elements[e].array == array) return e;
    }
    return kNoId;
  }

  // The outermost element around (and with) `element` instead of which the choice has another one of its array.
  Id first_conflict(const Choice& choice, Id element) {
    Id out = kNoId;
    for (Id e = element; e != kNoId; e = s_.elements[e].parent) {
      s_.work += 1 + choice.count / 8;
      const Id other = chosen_of(choice, s_.elements[e].array);
      if (other != kNoId && other != e) out = e;
    }
    return out;
  }

  // The place in `satisfying` where to look on: at the element that was chosen, or behind the whole array.
  std::size_t behind_conflict(const Choice& choice, Id conflict, std::size_t i) const {
    const Id array = s_.elements[conflict].array;
    const Id other = chosen_of(choice, array);
    const Id target = other > conflict ? other : s_.arrays[array].end;
    const auto from = s_.satisfying.begin() + static_cast<std::ptrdiff_t>(i) + 1;
    return static_cast<std::size_t>(std::lower_bound(from, s_.satisfying.end(), target) - s_.satisfying.begin());
  }

  bool any_agrees(const Choice& choice, const PathNode& node) {
    if (!has_leaves(node)) return false;
    for (Id at = node.first_leaf; at != kNoId; at = s_.leaves[at].next) {
      if (first_conflict(choice, s_.leaves[at].element) == kNoId) return true;
    }
    return false;
  }

  // Adds a choice with `element` and those around it, without what no later condition asks about.
  void join(const Choice& choice, Id element, Id number) {
    s_.joined.clear();
    const auto add = [&](Id e) {
      if (s_.needed_until[s_.elements[e].array] > number) s_.joined.push_back(e);
    };
    for (std::uint32_t i = 0; i < choice.count; ++i) add(s_.chosen[choice.first + i]);
    for (Id e = element; e != kNoId; e = s_.elements[e].parent) add(e);
    std::sort(s_.joined.begin(), s_.joined.end());
    s_.joined.erase(std::unique(s_.joined.begin(), s_.joined.end()), s_.joined.end());
    s_.work += s_.joined.size();
    s_.next_choices.push_back(
        {static_cast<std::uint32_t>(s_.next_chosen.size()), static_cast<std::uint32_t>(s_.joined.size())});
    s_.next_chosen.insert(s_.next_chosen.end(), s_.joined.begin(), s_.joined.end());
  }

  void drop_repeated() {
    const auto elements = [&](const Choice& choice) {
      return std::span<const Id>(s_.next_chosen).subspan(choice.first, choice.count);
    };
    std::sort(s_.next_choices.begin(), s_.next_choices.end(), [&](const Choice& a, const Choice& b) {
      return std::ranges::lexicographical_compare(elements(a), elements(b));
    });
    const auto same = [&](const Choice& a, const Choice& b) { return std::ranges::equal(elements(a), elements(b)); };
    s_.next_choices.erase(std::unique(s_.next_choices.begin(), s_.next_choices.end(), same), s_.next_choices.end());
  }

  State& s_;
  RuleIndex& index_;
  std::string_view text_;
  const std::uint32_t* tokens_ = nullptr;
  const std::uint8_t* kinds_ = nullptr;
  const std::uint32_t* partners_ = nullptr;
  bool escapes_ = false;
};

Matcher::Matcher(Kernel kernel) : state_(std::make_unique<State>(kernel)) {}
Matcher::~Matcher() = default;
Matcher::Matcher(Matcher&&) noexcept = default;
Matcher& Matcher::operator=(Matcher&&) noexcept = default;

Matcher::Rule Matcher::add(const Pattern& pattern) {
  return state_->index.add(pattern);
}
void Matcher::remove(Rule rule) {
  state_->index.remove(rule);
}
std::size_t Matcher::size() const {
  return state_->index.size();
}
std::size_t Matcher::bytes() const {
  return state_->index.bytes();
}

Result<std::span<const Matcher::Rule>> Matcher::match(std::string_view event) {
  auto& s = *state_;
  s.matched.clear();
  if (!s.scan.read(event)) return std::unexpected(s.scan.fault(event));
  if (s.event == std::numeric_limits<std::uint32_t>::max()) {
    s.index.forget_events();
    s.event = 0;
  }
  ++s.event;
  s.work = 0;
  s.leaves.clear();
  s.elements.clear();
  s.arrays.clear();
  s.fired.clear();
  Run run(s, event);
  run.walk();
  if (!run.judge()) {
    return fail(Fault::invalid, "EventTooComplex",
                "The event's arrays hold too many elements to compare for the rules that there are.");
  }
  return std::span<const Rule>(s.matched);
}

}  // namespace slipway::events
