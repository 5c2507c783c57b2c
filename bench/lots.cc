#include "lots.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string_view>
#include <utility>

namespace slipway::bench {

namespace {

using Text = std::optional<std::string>;  // None is null.
using Texts = std::vector<std::string>;

// Draws in ways of its own: the standard distributions differ between libraries.
class Dice {
 public:
  std::size_t below(std::size_t n) { return static_cast<std::size_t>(random_() % n); }
  int between(int low, int high) {
    return low + static_cast<int>(below(static_cast<std::size_t>(high - low)));
  }  // Below high.
  double between(double low, double high) { return low + (high - low) * fraction(); }
  double fraction() { return static_cast<double>(random_() >> 11) * 0x1.0p-53; }
  bool chance(double p) { return fraction() < p; }
  template <class T>
  const T& of(const std::vector<T>& list) {
    return list[below(list.size())];
  }
  template <class T>
  void shuffle(std::vector<T>& list) {
    for (std::size_t i = list.size(); i > 1; --i) std::swap(list[i - 1], list[below(i)]);
  }

 private:
  std::mt19937_64 random_{20261125};
};

std::string padded(const char* format, int number) {
  std::array<char, 16> out;
  std::snprintf(out.data(), out.size(), format, number);
  return out.data();
}

std::string shortest(double value) {
  std::array<char, 32> out;
  return {out.data(), std::to_chars(out.data(), out.data() + out.size(), value).ptr};
}

// What one lot is to be.
struct Lot {
  std::string number;                                       // MAPBLKLOT
  std::string block;                                        // Given where a rule asks for it.
  Text even;                                                // ODD_EVEN, where a rule asks for it.
  enum class Type { any, street, other } type = Type::any;  // Whether ST_TYPE is "ST".
};

bool special(std::string_view s) {
  const auto in_order = [&](char first, std::string_view inner, char last) {
    if (s.size() < inner.size() + 2 || s.front() != first || s.back() != last) return false;
    auto rest = s.substr(1, s.size() - 2);
    for (const char c : inner) {
      const auto at = rest.find(c);
      if (at == std::string_view::npos) return false;
      rest.remove_prefix(at + 1);
    }
    return true;
  };
  return s.starts_with("143") || s.starts_with("VA") || s.ends_with("218") || in_order('2', "01", '7') ||
         in_order('3', "5", '2');
}

// MAPBLKLOT: those that the rules ask for in their exact numbers, and others that no rule matches.
class Numbers {
 public:
  explicit Numbers(Dice& dice) : dice_(dice) {}

  std::vector<Lot> make() {
    for (const auto& [number, count] :
         {std::pair{"1430022", 1}, {"2607117", 101}, {"2607218", 35}, {"3745012", 655}, {"VACSTWIL", 1}}) {
      exact_.insert(number);
      for (int i = 0; i < count; ++i) out_.push_back({number, "", {}, Lot::Type::any});
    }
    each(
        489, [&] { return "143" + padded("%d", dice_.between(0, 10)) + padded("%03d", dice_.between(1, 120)); },
        [](const std::string& s) { return !s.ends_with("218"); });
    each(
        612, [&] { return "2" + padded("%03d", dice_.between(0, 999)) + padded("%03d", dice_.between(1, 100)); },
        [](const std::string& s) { return special(s) && !s.ends_with("218"); });
    each(
        8, [&] { return padded("%04d", dice_.between(1, 7300)) + "218"; },
        [](const std::string& s) { return !s.starts_with("143") && !s.starts_with("2607"); });
    each(
        1885, [&] { return "3" + padded("%03d", dice_.between(500, 999)) + padded("%03d", dice_.between(1, 160)); },
        [](const std::string& s) { return special(s) && !s.ends_with("218") && !s.starts_with("3789"); });
    of_block("3027A", 59, {}, Lot::Type::any);
    of_block("2183", 27, "E", Lot::Type::any);
    of_block("2183", 21, "O", Lot::Type::any);
    of_block("3789", 527, {}, Lot::Type::street);
    of_block("3789", 33, {}, Lot::Type::other);
    while (out_.size() < kLots) others();
    std::stable_sort(out_.begin(), out_.end(), [](const Lot& a, const Lot& b) { return a.number < b.number; });
    return std::move(out_);
  }

 private:
  template <class Make, class Good>
  void each(int count, Make make, Good good) {
    while (count > 0) {
      const std::string number = make();
      if (!good(number) || exact_.contains(number) || !used_.insert(number).second) continue;
      out_.push_back({number, "", {}, Lot::Type::any});
      --count;
    }
  }
  void of_block(const std::string& block, int count, const Text& even, Lot::Type type) {
    for (int lot = 1; count > 0; ++lot) {
      const auto number = block + padded("%03d", lot);
      if (special(number)) continue;
      for (int repeat = std::min(count, count > 100 ? 12 : 1); repeat > 0; --repeat, --count) {
        out_.push_back({number, block, even, type});
      }
    }
  }
  void others() {
    auto block = padded("%04d", dice_.between(1, 7336));
    if (block == "2183" || block == "3789" || block == "3027" || block.starts_with("143")) return;
    if (dice_.chance(0.02)) block += static_cast<char>('A' + dice_.between(0, 4));
    const auto number = block + padded("%03d", dice_.between(1, 130));
    if (special(number) || exact_.contains(number)) return;
    const int repeat = dice_.chance(0.93) ? 1 : dice_.between(2, 14);
    for (int i = 0; i < repeat && out_.size() < kLots; ++i) out_.push_back({number, block, {}, Lot::Type::any});
  }

  Dice& dice_;
  std::vector<Lot> out_;
  std::set<std::string> exact_, used_;
};

// STREET, in runs as neighbours have them.
std::vector<Text> make_streets(Dice& dice) {
  // Those that rules match: their numbers are given.
  const std::map<std::string, int> exact = {
      {"ACADIA", 24},        {"BLANKEN", 442},   {"DRUMM", 13},     {"DRAKE", 25},      {"FULTON", 1910},
      {"FUNSTON", 477},      {"MOULTON", 22},    {"MASON", 2657},   {"MASONIC", 293},   {"BEACH", 211},
      {"RHODE ISLAND", 328}, {"JEFFERSON", 131}, {"HYDE", 1758},    {"CHESTNUT", 825},  {"IRVING", 1700},
      {"DEEMING", 263},      {"SANTIAGO", 400},  {"HIDALGO", 282},  {"LAKE", 500},      {"DUKE", 346},
      {"17TH", 1619},        {"FOLSOM", 1390},   {"FOERSTER", 160}, {"CRANLEIGH", 7},   {"MISSION", 5300},
      {"CLAYTON", 1100},     {"JACKSON", 1500},  {"STOCKTON", 900}, {"HARRISON", 1400}, {"WASHINGTON", 2024},
      {"DAWSON", 500}};
  const auto matched = [&](const std::string& s) {
    for (const auto* start : {"AC", "BL", "DR", "FU", "RH", "MASO"}) {
      if (s.starts_with(start)) return true;
    }
    for (const auto* end : {"ON", "KE", "MM", "ING", "GO"}) {
      if (s.ends_with(end)) return true;
    }
    return exact.contains(s);
  };
  const Texts syllables = {"AL",  "BER", "CAR",  "DEL",  "EL",   "FAR",  "GAR",   "HAR",   "IN",    "JAR",  "KEL",
                           "LOR", "MAR", "NEL",  "OR",   "PAL",  "RO",   "SAL",   "TER",   "VAL",   "WES",  "YAR",
                           "TA",  "LEY", "VIEW", "WOOD", "DALE", "MONT", "RIDGE", "FIELD", "HURST", "CREST"};
  std::map<std::string, double> weights;  // Of the others.
  for (int i = 1; i <= 48; ++i) {
    if (i != 17) weights[padded("%02d", i) + "TH"] = 3;
  }
  while (weights.size() < 1'700) {
    std::string name;
    for (int n = dice.between(2, 4); n > 0; --n) name += dice.of(syllables);
    if (!matched(name)) weights.emplace(name, weights.size() < 220 ? 1.5 : 0.1);
  }
  constexpr int kWithout = 2'900;
  std::map<Text, int> counts{{std::nullopt, kWithout}};
  auto left = static_cast<int>(kLots) - kWithout;
  for (const auto& [name, count] : exact) {
    counts[name] = count;
    left -= count;
  }
  double total = 0;
  for (const auto& [name, weight] : weights) total += weight;
  int given = 0;
  for (const auto& [name, weight] : weights) given += counts[name] = static_cast<int>(left * weight / total);
  counts[weights.begin()->first] += left - given;
  std::vector<std::pair<Text, int>> runs;
  for (const auto& [name, count] : counts) {
    for (int rest = count; rest > 0; rest -= runs.back().second) {
      runs.emplace_back(name, std::min(rest, dice.between(4, 40)));
    }
  }
  dice.shuffle(runs);
  std::vector<Text> out;
  for (const auto& [name, length] : runs) out.insert(out.end(), static_cast<std::size_t>(length), name);
  return out;
}

// ST_TYPE: "ST" 116,386 times; what ends with a T otherwise 1,774 times, what begins with an S otherwise 15 times.
std::vector<Text> make_types(Dice& dice, const std::vector<Lot>& lots) {
  constexpr std::size_t kStreets = 116'386;
  const std::vector<std::pair<Text, double>> mix = {{"BLVD", .06}, {"WAY", .06},  {"DR", .09},         {"TER", .03},
                                                    {"PL", .02},   {"LN", .012},  {"ALY", .008},       {"CIR", .01},
                                                    {"RD", .005},  {"PLZ", .003}, {std::nullopt, .045}};
  std::vector<Text> others(15, "STWY");
  others.insert(others.end(), 1'774, "CT");
  const auto rest = kLots - kStreets - others.size();
  for (const auto& [name, part] : mix)
    others.insert(others.end(), static_cast<std::size_t>(static_cast<double>(rest) * part), name);
  others.resize(kLots - kStreets, "AVE");
  dice.shuffle(others);
  std::vector<Text> out(kLots);
  std::size_t streets = 0;
  std::vector<std::size_t> free;
  for (std::size_t i = 0; i < kLots; ++i) {
    if (lots[i].type == Lot::Type::street) {
      out[i] = "ST";
      ++streets;
    } else if (lots[i].type == Lot::Type::other) {
      out[i] = others.back();
      others.pop_back();
    } else {
      free.push_back(i);
    }
  }
  others.insert(others.end(), kStreets - streets, "ST");
  dice.shuffle(others);
  for (std::size_t i = 0; i < free.size(); ++i) out[free[i]] = others[i];
  return out;
}

// ODD_EVEN: 52,527 lots are neither "E" nor of a type "ST".
std::vector<Text> make_evens(Dice& dice, const std::vector<Lot>& lots, const std::vector<Text>& types) {
  std::vector<Text> out(kLots);
  std::vector<std::size_t> free;
  std::size_t left = 52'527;
  for (std::size_t i = 0; i < kLots; ++i) {
    if (lots[i].even) {
      out[i] = lots[i].even;
      if (out[i] != "E" && types[i] != "ST") --left;
    } else if (types[i] == "ST") {
      out[i] = dice.chance(0.5) ? "E" : "O";
    } else {
      free.push_back(i);
    }
  }
  dice.shuffle(free);
  for (std::size_t i = 0; i < free.size(); ++i) {
    out[free[i]] = i >= left ? Text("E") : dice.chance(0.96) ? Text("O") : Text();
  }
  return out;
}

// FROM_ST: "441", what begins with 44, what ends with 41, "2521", and one "755" in FOERSTER, each as often as rules
// want.
std::vector<Text> make_froms(Dice& dice, const std::vector<Text>& streets) {
  std::vector<Text> out(2'453, "441");
  Texts with_44;
  Texts with_41;
  for (int i = 440; i < 450; ++i) with_44.push_back(std::to_string(i));
  for (int i = 4400; i < 4500; ++i) with_44.push_back(std::to_string(i));
  std::erase_if(with_44, [](const std::string& s) { return s.ends_with("41"); });
  for (int i = 1; i < 40; ++i) with_41.push_back(std::to_string(i) + "41");
  std::erase_if(with_41, [](const std::string& s) { return s.starts_with("44"); });
  for (int i = 0; i < 1'524; ++i) out.emplace_back(dice.of(with_44));
  for (int i = 0; i < 1'560; ++i) out.emplace_back(dice.of(with_41));
  out.insert(out.end(), 19, "2521");
  out.insert(out.end(), 1'500, std::nullopt);
  out.insert(out.end(), 3'000, "0");
  while (out.size() < kLots - 1) {
    const auto number = std::to_string(dice.between(1, std::array{400, 1500, 3500}[dice.below(3)]));
    if (number.starts_with("44") || number.ends_with("41") || number == "2521" || number == "755" || number == "0")
      continue;
    out.emplace_back(number);
  }
  dice.shuffle(out);
  const auto foerster = std::find(streets.begin(), streets.end(), "FOERSTER") - streets.begin();
  out.insert(out.begin() + foerster, "755");
  return out;
}

// Where the x of a lot's points lie.  The numeric rules cut the city into four strips; some lots reach across a cut.
class Shapes {
 public:
  static constexpr double kWest = -122.46471267081272, kMiddle = -122.41600944012424, kEast = -122.4063085128395,
                          kSought = -122.42916360922355, kSoughtNorth = 37.729900216217324;

  Shapes(Dice& dice, const std::vector<Text>& froms)
      : dice_(dice), strip_(kLots, 0), across_(kLots, -1), sought_(kLots, 0) {
    while (several_.size() < 120) {
      const auto lot = dice.below(kLots);
      if (froms[lot] != "2521") several_.insert(lot);
    }
    // As many as the rules on the first coordinate match: x < middle, x > middle, west < x < east.
    constexpr std::size_t kEastOfMiddle = 23'053;
    const std::array<std::size_t, 4> sizes = {148'948 - (127'053 - kEastOfMiddle), 127'053 - kEastOfMiddle,
                                              kEastOfMiddle, 64'120 - kEastOfMiddle};
    std::size_t at = 0;
    for (int strip = 0; strip < 4; ++strip) {
      for (std::size_t i = 0; i < sizes[static_cast<std::size_t>(strip)]; ++i) strip_[at++] = strip;
    }
    dice.shuffle(strip_);
    std::array<std::vector<std::size_t>, 4> lots;
    for (std::size_t i = 0; i < kLots; ++i) {
      if (!several_.contains(i)) lots[static_cast<std::size_t>(strip_[i])].push_back(i);
    }
    for (auto& list : lots) dice.shuffle(list);
    const auto reach = [&](std::size_t from, int count, int to) {
      for (; count > 0; --count) {
        across_[lots[from].back()] = to;
        lots[from].pop_back();
      }
    };
    // As many more as the rules on all coordinates match.
    reach(1, 248, 2);
    reach(2, 498, 1);
    reach(0, 232, 1);
    reach(3, 200, 2);
    for (int i = 0; i < 218; ++i) {
      sought_[lots[1].back()] = i < 2 ? 1 : 2;  // The first point, or another one.
      lots[1].pop_back();
    }
  }

  std::string geometry(std::size_t lot) {
    const auto points = make_points(lot);
    const bool several = several_.contains(lot);
    const auto half = several ? points.size() / 2 : points.size();
    std::string out =
        several ? R"({ "type": "MultiPolygon", "coordinates": [ [ [ )" : R"({ "type": "Polygon", "coordinates": [ [ )";
    for (std::size_t i = 0; i < points.size(); ++i) {
      out += i == 0 ? "" : i == half ? " ] ], [ [ " : ", ";
      out += point(points[i]);
    }
    out += several ? " ] ] ]" : " ] ]";
    return out + R"(, "firstCoordinates": )" + point(points[0]) + " }";
  }

 private:
  using Point = std::pair<double, double>;

  static std::string point(const Point& p) {
    return R"({ "x": )" + shortest(p.first) + R"(, "y": )" + shortest(p.second) + R"(, "z": 0.0 })";
  }
  bool within(double x, int strip) const {
    return x > limits_[static_cast<std::size_t>(strip)] && x < limits_[static_cast<std::size_t>(strip) + 1];
  }
  std::size_t count() {
    const double u = dice_.fraction();
    const std::array<std::pair<double, std::size_t>, 7> parts = {
        {{.34, 5}, {.44, 6}, {.56, 7}, {.64, 8}, {.74, 9}, {.80, 10}, {.86, 11}}};
    for (const auto& [below, points] : parts) {
      if (u < below) return points;
    }
    return static_cast<std::size_t>(u < .955   ? dice_.between(12, 20)
                                    : u < .995 ? dice_.between(20, 45)
                                               : dice_.between(45, 200));
  }

  std::vector<Point> make_points(std::size_t lot) {
    const int strip = strip_[lot];
    const double low = limits_[static_cast<std::size_t>(strip)];
    const double high = limits_[static_cast<std::size_t>(strip) + 1];
    const int to = across_[lot];
    const double cut = to < 0 ? 0 : to > strip ? high : low;
    double x = dice_.between(low + 1e-5, high - 1e-5);
    if (to >= 0) x = cut + (to > strip ? -1 : 1) * dice_.between(2e-5, 1e-4);
    if (sought_[lot] == 1) x = kSought;
    const double y = dice_.between(37.7085, 37.8325);
    std::vector<Point> out{{x, y}};
    for (std::size_t i = count() - 2; i > 0; --i) {
      double near = 0;
      do {
        near = x + dice_.between(-4e-4, 4e-4);
      } while (!within(near, strip) || near == kSought);
      out.emplace_back(near, y + dice_.between(-3e-4, 3e-4));
    }
    if (to >= 0) out[1].first = cut + (to > strip ? 1 : -1) * dice_.between(1e-5, 9e-5);
    if (sought_[lot] == 2) out[1].first = kSought;
    if (lot == *several_.begin()) out[1].second = kSoughtNorth;
    out.push_back(out[0]);
    return out;
  }

  Dice& dice_;
  std::vector<int> strip_, across_, sought_;
  std::set<std::size_t> several_;  // MultiPolygons.
  std::array<double, 5> limits_ = {-122.5150, kWest, kMiddle, kEast, -122.3660};
};

std::string quoted(const Text& text) {
  return text ? "\"" + *text + "\"" : "null";
}

}  // namespace

std::vector<std::string> make_lots() {
  Dice dice;
  const auto lots = Numbers(dice).make();
  const auto streets = make_streets(dice);
  const auto types = make_types(dice, lots);
  const auto evens = make_evens(dice, lots, types);
  const auto froms = make_froms(dice, streets);
  Shapes shapes(dice, froms);
  std::vector<std::string> out;
  out.reserve(kLots);
  for (std::size_t i = 0; i < kLots; ++i) {
    const auto& number = lots[i].number;
    const auto block = lots[i].block.empty() ? number.substr(0, number.size() == 8 ? 5 : 4) : lots[i].block;
    const auto other = dice.chance(0.85) ? number : block + padded("%03d", dice.between(1, 200));
    Text to = froms[i];
    if (to && dice.chance(0.2)) to = std::to_string(std::stoi(*to) + 2 * dice.between(1, 6));
    std::string line = R"({ "type": "Feature", "properties": { "MAPBLKLOT": ")" + number;
    line += R"(", "BLKLOT": ")" + other + R"(", "BLOCK_NUM": ")" + block + R"(", "LOT_NUM": ")" +
            number.substr(block.size());
    line +=
        R"(", "FROM_ST": )" + quoted(froms[i]) + R"(, "TO_ST": )" + quoted(to) + R"(, "STREET": )" + quoted(streets[i]);
    line += R"(, "ST_TYPE": )" + quoted(types[i]) + R"(, "ODD_EVEN": )" + quoted(evens[i]) + R"( }, "geometry": )";
    line += shapes.geometry(i) + " }";
    out.push_back(std::move(line));
  }
  return out;
}

}  // namespace slipway::bench
