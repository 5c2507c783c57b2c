// Random patterns on random events: the matcher with all patterns at once must say of each what the reference says of
// it alone; patterns come and go all the while.  And random texts, whole, damaged and cut off: every kernel must accept
// what the byte-by-byte reader accepts, and find the tokens that are found byte by byte.
//
//     patterns_differential [CASES [SEED]]        a case is one pattern on one event; 60,000 unless told
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "events/matcher.h"
#include "events/reference.h"

namespace {

using namespace slipway::events;

// What to choose from is little, so that much of it matches.
class Maker {
 public:
  explicit Maker(std::uint64_t seed) : random_(seed) {}

  std::size_t below(std::size_t n) { return random_() % n; }
  bool one_in(std::size_t n) { return below(n) == 0; }
  const std::string& of(const std::vector<std::string>& list) { return list[below(list.size())]; }

  std::string text() {
    static const std::vector<std::string> kTexts = {
        "",          "a",        "b",      "ab",
        "ba",        "aab",      "abc",    "Ab",
        "AB",        "x*y",      "x\\\\y", "10.0.0.1",
        "10.0.0.77", "::1",      "a00::1", "0.0.0.0",
        "é",         "É",        "straße", "STRASSE",
        "STRAßE",    "strasse",  "k",      "\xe2\x84\xaa",
        "K",         "𐐀",        "??",     "aXbXc",
        "\\u0061b",  "a\\nb",    "a\\\"b", "\\ud801\\udc00",
        "1",         "null",     "true",   "abcdefghijklmnopqrstuvwxyz0123456789",
        "abcdefgh",  "abcdefghi"};
    return "\"" + of(kTexts) + "\"";
  }
  std::string number() {
    static const std::vector<std::string> kNumbers = {"0",
                                                      "-0",
                                                      "0.0",
                                                      "1",
                                                      "1.0",
                                                      "10e-1",
                                                      "2",
                                                      "-1",
                                                      "1.5",
                                                      "15e-1",
                                                      "3",
                                                      "100",
                                                      "1E2",
                                                      "0.1",
                                                      "0.10",
                                                      "9007199254740993",
                                                      "9007199254740993.0",
                                                      "9007199254740992",
                                                      "1e400",
                                                      "1e-400",
                                                      "0.1000000000000000055",
                                                      "1e300",
                                                      "123456789012345678",
                                                      "0.30000000000000004",
                                                      "5e-324",
                                                      "-122.42916360922355"};
    return of(kNumbers);
  }
  std::string comparable() {
    for (;;) {
      auto out = number();
      if (reference::compares(out)) return out;
    }
  }
  // A long string with escapes anywhere.
  std::string long_text() {
    static const std::vector<std::string> kPieces = {"\\\\", "\\\"", "\\u00e9", "\\n",  "a",
                                                     "é",    "𐐀",    "{[,:]}",  " 1.5 "};
    std::string out = "\"" + std::string(below(70), 'x');
    for (auto n = below(12); n > 0; --n) {
      const auto& piece = of(kPieces);
      for (auto k = 1 + below(4); k > 0; --k) out += piece;
    }
    return out + "\"";
  }
  std::string nested() {
    std::string open;
    std::string close;
    for (auto n = below(140); n > 0; --n) {
      const bool object = one_in(2);
      open += object ? "{\"a\":" : "[";
      close.insert(0, object ? "}" : "]");
      if (one_in(4)) open += space();
    }
    return open + leaf() + close;
  }
  std::string leaf() {
    if (one_in(60)) return long_text();
    switch (below(8)) {
      case 0:
        return "null";
      case 1:
        return one_in(2) ? "true" : "false";
      case 2:
      case 3:
        return number();
      default:
        return text();
    }
  }
  std::string key() {
    static const std::vector<std::string> kKeys = {
        "a", "a", "b", "b", "c", "a.b", "b.c", "\\u0061", "longer than eight"};
    return "\"" + of(kKeys) + "\"";
  }
  std::string space() { return one_in(12) ? std::string(below(70), " \n\t\r"[below(4)]) : ""; }

  std::string value(int depth) {
    if (depth == 0 || one_in(2)) return leaf();
    if (one_in(60)) return nested();
    if (one_in(2)) return object(depth - 1);
    std::string out = "[" + space();
    const auto items = below(4);
    for (std::size_t i = 0; i < items; ++i) out += (i == 0 ? "" : ",") + space() + value(depth - 1) + space();
    return out + "]";
  }
  std::string object(int depth) {
    std::string out = "{" + space();
    const auto members = below(5);
    for (std::size_t i = 0; i < members; ++i) {
      out += (i == 0 ? "" : ",") + space() + key() + space() + ":" + space() + value(depth);
    }
    return out + space() + "}";
  }

  std::string wildcard() {
    static const std::vector<std::string> kWildcards = {"*",   "a*",      "*b",         "a*b", "*a*",
                                                        "",    "x\\\\*y", "x\\\\\\\\y", "*X*", "a*c",
                                                        "*é*", "a*b*c",   "ab*yz*9",    "?*",  "*\\\\**"};
    return "\"" + of(kWildcards) + "\"";
  }
  template <class Make>
  std::string list_of(Make make, std::size_t most = 3) {
    std::string out = "[" + make();
    for (auto n = below(most); n > 0; --n) out += "," + make();
    return out + "]";
  }
  std::string anything_but() {
    const auto one_or_list = [&](auto make) { return one_in(2) ? make() : list_of(make); };
    const auto full = [&] {
      for (;;) {
        auto out = text();
        if (out != "\"\"") return out;
      }
    };
    switch (below(6)) {
      case 0:
        return one_or_list([&] { return comparable(); });
      case 1:
        return "{\"prefix\":" + one_or_list(full) + "}";
      case 2:
        return "{\"suffix\":" + one_or_list(full) + "}";
      case 3:
        return "{\"equals-ignore-case\":" + one_or_list([&] { return text(); }) + "}";
      case 4:
        return "{\"wildcard\":" + one_or_list([&] { return wildcard(); }) + "}";
      default:
        return one_or_list([&] { return text(); });
    }
  }
  std::string numeric() {
    static const std::vector<std::string> kOps = {"=", "<", "<=", ">", ">="};
    const auto& op = of(kOps);
    auto low = comparable();
    if (op[0] != '>' || one_in(2)) return "[\"" + op + "\"," + low + "]";
    auto high = comparable();
    if (reference::order(low, high) == 0) return "[\"" + op + "\"," + low + "]";
    if (reference::order(low, high) > 0) std::swap(low, high);
    return "[\"" + op + "\"," + low + ",\"" + (one_in(2) ? "<" : "<=") + "\"," + high + "]";
  }
  std::string item() {
    static const std::vector<std::string> kBlocks = {"10.0.0.0/24", "10.0.0.77/31", "0.0.0.0/0",
                                                     "::/0",        "::1/127",      "a00::/7"};
    switch (below(13)) {
      case 0:
        return R"({"prefix":)" + text() + "}";
      case 1:
        return R"({"suffix":)" + text() + "}";
      case 2:
        return R"({"equals-ignore-case":)" + text() + "}";
      case 3:
        return R"({"prefix":{"equals-ignore-case":)" + text() + "}}";
      case 4:
        return R"({"suffix":{"equals-ignore-case":)" + text() + "}}";
      case 5:
        return R"({"wildcard":)" + wildcard() + "}";
      case 6:
        return R"({"numeric":)" + numeric() + "}";
      case 7:
        return R"({"cidr":")" + of(kBlocks) + "\"}";
      case 8:
        return one_in(2) ? R"({"exists":false})" : R"({"exists":true})";
      case 9:
      case 10:
        return R"({"anything-but":)" + anything_but() + "}";
      case 11:
        return R"({"exactly":)" + text() + "}";
      default:
        return leaf();
    }
  }
  std::string pattern(int depth) {
    std::string out = "{";
    const auto members = 1 + below(3);
    for (std::size_t i = 0; i < members; ++i) {
      out += i == 0 ? "" : ",";
      if (depth > 0 && one_in(8)) {
        out += R"("$or":)" + list_of([&] { return pattern(depth - 1); }, 2);
        out.insert(out.size() - 1, "," + pattern(depth - 1));
      } else if (depth > 0 && one_in(3)) {
        out += key() + ":" + pattern(depth - 1);
      } else {
        out += key() + ":" + list_of([&] { return item(); });
      }
    }
    return out + "}";
  }

  // A text with some bytes changed, moved or lost.
  std::string damaged(std::string text) {
    for (auto n = 1 + below(3); n > 0 && !text.empty(); --n) {
      static const std::string kBytes = "{}[]\",:\\ 0123456789-+.eEtrufalsn\n\x01\x80\xc3\xa9\xff";
      const auto at = below(text.size());
      switch (below(4)) {
        case 0:
          text[at] = kBytes[below(kBytes.size())];
          break;
        case 1:
          text.erase(at, 1 + below(3));
          break;
        case 2:
          text.insert(at, 1, kBytes[below(kBytes.size())]);
          break;
        default:
          text.insert(at, text.substr(below(text.size()), 1 + below(8)));
      }
    }
    return text;
  }

 private:
  std::mt19937_64 random_;
};

struct Rule {
  std::string pattern;
  Matcher::Rule id;
};

// What a scan must find in a valid text.
struct Found {
  std::vector<std::uint32_t> tokens;
  std::vector<std::uint8_t> kinds;
  std::vector<std::uint32_t> partners;  // Of opening brackets; else 0.
  bool operator==(const Found&) const = default;
};

Found found_by(const Scan& scan) {
  Found out;
  for (std::size_t i = 0; i < scan.size(); ++i) {
    out.tokens.push_back(scan.tokens()[i]);
    out.kinds.push_back(scan.kinds()[i]);
    out.partners.push_back((scan.kinds()[i] & kOpen) != 0 ? scan.partners()[i] : 0);
  }
  return out;
}

Found found_byte_by_byte(const std::string& text) {
  Found out;
  std::vector<std::size_t> open;
  for (std::size_t at = 0; at < text.size();) {
    const auto from = at;
    int kind = 0;
    switch (text[at++]) {
      case ' ':
      case '\t':
      case '\n':
      case '\r':
        continue;
      case '{':
        kind = kOpen | kCurly;
        break;
      case '[':
        kind = kOpen;
        break;
      case '}':
        kind = kClose | kCurly;
        break;
      case ']':
        kind = kClose;
        break;
      case ',':
        kind = kComma;
        break;
      case ':':
        kind = kColon;
        break;
      case '"':
        kind = kString;
        while (text[at] != '"') at += text[at] == '\\' ? 2 : 1;
        ++at;
        break;
      default:
        kind = kScalar;
        at = text.find_first_of(" \t\n\r,]}", at);
    }
    if ((kind & kOpen) != 0) open.push_back(out.tokens.size());
    if ((kind & kClose) != 0) {
      out.partners[open.back()] = static_cast<std::uint32_t>(out.tokens.size());
      open.pop_back();
    }
    out.tokens.push_back(static_cast<std::uint32_t>(from));
    out.kinds.push_back(static_cast<std::uint8_t>(kind));
    out.partners.push_back(0);
  }
  return out;
}

bool check_text(const std::string& text) {
  // In memory of its own that ends where the text ends, for sanitizers.
  const std::vector<char> alone(text.begin(), text.end());
  const std::string_view view(alone.data(), alone.size());
  std::size_t at = 0;
  const bool valid = json_fault(view, at).empty();
  for (const auto kernel : {Kernel::portable, Kernel::avx2, Kernel::avx512}) {
    if (kernel > best_kernel()) continue;
    static std::vector<Scan> scans{Scan(Kernel::portable), Scan(Kernel::avx2), Scan(Kernel::avx512)};
    auto& scan = scans[static_cast<std::size_t>(kernel)];  // What it has of the text before must not count.
    if (scan.read(view) != valid) {
      std::printf("kernel %d says %d, byte by byte %d (at %zu): %s\n", static_cast<int>(kernel), !valid, valid, at,
                  text.c_str());
      return false;
    }
    if (valid && found_by(scan) != found_byte_by_byte(text)) {
      std::printf("kernel %d finds other tokens in %s\n", static_cast<int>(kernel), text.c_str());
      return false;
    }
  }
  return true;
}

bool check_scan(Maker& make, const std::string& event) {
  // Anywhere in a block.
  const auto text = std::string(make.one_in(2) ? make.below(600) : 0, ' ') + event;
  if (!check_text(text)) return false;
  for (int i = 0; i < 3; ++i) {
    if (!check_text(make.damaged(text))) return false;
  }
  if (!make.one_in(40)) return true;
  for (std::size_t size = 0; size < text.size(); ++size) {
    if (!check_text(text.substr(0, size))) return false;
  }
  return true;
}

bool check_event(Matcher& matcher, const std::vector<Rule>& rules, const std::string& event) {
  const auto matched = matcher.match(event);
  if (!matched) {
    std::printf("refused: %s: %s\n", event.c_str(), matched.error().message.c_str());
    return false;
  }
  const std::vector<Matcher::Rule> found(matched->begin(), matched->end());
  for (const auto& rule : rules) {
    const bool expected = reference::match(rule.pattern, event);
    const auto times = std::count(found.begin(), found.end(), rule.id);
    if (times == (expected ? 1 : 0)) continue;
    std::printf("matched %td times, expected %d: %s on %s\n", times, expected, rule.pattern.c_str(), event.c_str());
    return false;
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  const std::size_t cases = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 60'000;
  const std::uint64_t seed = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : std::random_device{}();
  std::printf("%zu cases, seed %llu\n", cases, static_cast<unsigned long long>(seed));
  std::fflush(stdout);
  Maker make(seed);
  std::vector<Rule> rules;
  Matcher matcher;
  std::size_t done = 0;
  for (std::size_t round = 0; done < cases; ++round) {
    if (round % 500 == 499) {  // Now and then from the start.
      rules.clear();
      matcher = Matcher(static_cast<Kernel>(round / 500 % (static_cast<std::size_t>(best_kernel()) + 1)));
    }
    if (rules.size() >= 24 || (!rules.empty() && make.one_in(3))) {
      const auto at = make.below(rules.size());
      matcher.remove(rules[at].id);
      rules.erase(rules.begin() + static_cast<std::ptrdiff_t>(at));
    }
    for (auto n = make.below(3); n > 0; --n) {
      const auto text = make.pattern(2);
      const auto compiled = compile(text);
      if (!compiled) {
        // Several wildcards in one list may be too complex; nothing else that is made here is refused.
        if (compiled.error().message.find("Rule is too complex") != std::string::npos) continue;
        std::printf("refused: %s: %s\n", text.c_str(), compiled.error().message.c_str());
        return 1;
      }
      rules.push_back({text, matcher.add(*compiled)});
    }
    const auto event = make.object(3);
    if (!check_scan(make, event) || !check_event(matcher, rules, event)) {
      std::printf("case %zu of seed %llu\n", done, static_cast<unsigned long long>(seed));
      return 1;
    }
    done += std::max<std::size_t>(rules.size(), 1);
  }
  for (const auto& rule : rules) matcher.remove(rule.id);
  const auto none = matcher.match(R"({"a":1})");
  if (matcher.size() != 0 || !none || !none->empty()) {
    std::printf("rules are left behind\n");
    return 1;
  }
  std::printf("%zu cases passed, 0 failed\n", done);
  return 0;
}
