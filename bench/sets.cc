#include "sets.h"

namespace slipway::bench {

namespace {

using Texts = std::vector<std::string>;

std::string property(const std::string& name, const std::string& item) {
  return R"({"properties":{")" + name + R"(":[)" + item + "]}}";
}
std::string quoted(const std::string& text) {
  return "\"" + text + "\"";
}
std::string geometry(const std::string& members) {
  return R"({"geometry":{)" + members + "}}";
}

// One rule for each text, on one property; `before` and `after` are put around the quoted text.
Texts each(const std::string& name, const std::string& before, const Texts& texts, const std::string& after) {
  Texts out;
  for (const auto& text : texts) out.push_back(property(name, before + quoted(text) + after));
  return out;
}

const std::string kType = R"("type":[")";

// The numeric rules, of firstCoordinates or of all coordinates.
Texts numeric(const std::string& field, const std::string& second) {
  const auto x = [&](const std::string& test) {
    return geometry("\"" + field + R"(":{"x":[{"numeric":[)" + test + "]}]}");
  };
  return {geometry(kType + R"(Polygon"],")" + field + R"(":{"x":[{"numeric":["=",-122.42916360922355]}]})"),
          geometry(kType + R"(MultiPolygon"],")" + field + R"(":{)" + second + "}"), x(R"("<",-122.41600944012424)"),
          x(R"(">",-122.41600944012424)"), x(R"(">",-122.46471267081272,"<",-122.4063085128395)")};
}

// anything-but of the five fields that the sets ask for.
Texts anything_but(const std::string& before, const Texts& texts, const std::string& after) {
  const auto item = [&](const std::string& text) {
    return R"({"anything-but":)" + before + quoted(text) + after + "}";
  };
  return {property("STREET", item(texts[0])), property("STREET", item(texts[1])), property("ST_TYPE", item(texts[2])),
          geometry("\"type\":[" + item(texts[3]) + "]"), property("FROM_ST", item(texts[4]))};
}

RuleSet joined(const std::string& name, const std::vector<RuleSet>& sets, double event_ruler) {
  RuleSet out{.name = name, .event_ruler = event_ruler};
  for (const auto& set : sets) {
    out.patterns.insert(out.patterns.end(), set.patterns.begin(), set.patterns.end());
    out.counts.insert(out.counts.end(), set.counts.begin(), set.counts.end());
  }
  return out;
}

RuleSet ignoring_case() {
  RuleSet out{.name = "EQUALS_IGNORE_CASE",
              .patterns = each("STREET", R"({"equals-ignore-case":)", {"jefferson", "bEaCh", "HyDe", "CHESTNUT"}, "}"),
              .counts = {131, 211, 1758, 825, 116386},
              .event_ruler = 370'532,
              .quamina = 1'272'207};
  out.patterns.push_back(property("ST_TYPE", R"({"equals-ignore-case":"st"})"));
  return out;
}

}  // namespace

std::vector<RuleSet> rule_sets() {
  const Texts wildcards = {"143*", "2*0*1*7", "*218", "3*5*2", "VA*IL"};
  const RuleSet exact{"EXACT",
                      each("MAPBLKLOT", "", {"1430022", "2607117", "2607218", "3745012", "VACSTWIL"}, ""),
                      {1, 101, 35, 655, 1},
                      446'606,
                      2'022'621};
  const RuleSet wildcard{
      "WILDCARD", each("MAPBLKLOT", R"({"wildcard":)", wildcards, "}"), {490, 713, 43, 2540, 1}, 326'582, 1'849'400};
  const std::vector<long> prefixes = {24, 442, 38, 2387, 328};
  const RuleSet prefix{"PREFIX", each("STREET", R"({"prefix":)", {"AC", "BL", "DR", "FU", "RH"}, "}"), prefixes,
                       437'491, 1'685'754};
  const RuleSet prefix_fold{"PREFIX_EQUALS_IGNORE_CASE",
                            each("STREET", R"({"prefix":{"equals-ignore-case":)", {"Ac", "bL", "dR", "Fu", "rH"}, "}}"),
                            prefixes, 441'119};
  const std::vector<long> suffixes = {17921, 871, 13, 1963, 682};
  const RuleSet suffix{"SUFFIX", each("STREET", R"({"suffix":)", {"ON", "KE", "MM", "ING", "GO"}, "}"), suffixes,
                       428'266, 1'410'334};
  const RuleSet suffix_fold{
      "SUFFIX_EQUALS_IGNORE_CASE",
      each("STREET", R"({"suffix":{"equals-ignore-case":)", {"oN", "Ke", "mM", "InG", "gO"}, "}}"), suffixes, 425'410};
  const RuleSet numbers{"NUMERIC", numeric("firstCoordinates", R"("z":[0])"), {2, 120, 148948, 64120, 127053}, 223'598};
  const std::vector<long> others = {211158, 210411, 96682, 120, 210615};
  const RuleSet but{"ANYTHING_BUT", anything_but("[", {"FULTON", "MASON", "ST", "Polygon", "441"}, "]"), others,
                    240'957, 522'167};
  const RuleSet but_fold{"ANYTHING_BUT_IGNORE_CASE",
                         anything_but(R"({"equals-ignore-case":[)", {"Fulton", "Mason", "st", "polygon", "441"}, "]}"),
                         others, 239'974};
  const RuleSet but_prefix{"ANYTHING_BUT_PREFIX",
                           anything_but(R"({"prefix":)", {"FULTO", "MASO", "S", "Poly", "44"}, "}"),
                           {211158, 210118, 96667, 120, 209091},
                           251'868};
  const RuleSet but_suffix{"ANYTHING_BUT_SUFFIX",
                           anything_but(R"({"suffix":)", {"ULTON", "ASON", "T", "olygon", "41"}, "}"),
                           {211136, 210411, 94908, 0, 209055},
                           248'083};
  const RuleSet but_wildcard{"ANYTHING_BUT_WILDCARD",
                             each("MAPBLKLOT", R"({"anything-but":{"wildcard":)", wildcards, "}}"),
                             {212578, 212355, 213025, 210528, 213067},
                             256'144};
  const RuleSet arrays{
      "COMPLEX_ARRAYS", numeric("coordinates", R"("y":[37.729900216217324])"), {218, 1, 149446, 64368, 127485}, 53'956};
  const auto partial =
      joined("PARTIAL_COMBO", {numbers, exact, prefix, but, but_fold, but_prefix, but_suffix, but_wildcard}, 74'923);
  const auto combo = joined("COMBO", {partial, arrays}, 31'718);
  const RuleSet seven{
      "seven rules of one or two fields",
      {R"({"properties":{"STREET":["FOERSTER"],"FROM_ST":["755"]}})", R"({"properties":{"BLOCK_NUM":["3027A"]}})",
       R"({"properties":{"BLOCK_NUM":["2183"],"ODD_EVEN":["E"]}})", R"({"properties":{"STREET":["17TH"]}})",
       R"({"properties":{"FROM_ST":["2521"]},"geometry":{"type":["Polygon"]}})",
       R"({"properties":{"STREET":["FOLSOM"]}})", R"({"properties":{"BLOCK_NUM":["3789"],"ST_TYPE":["ST"]}})"},
      {1, 59, 27, 1619, 19, 1390, 527},
      279'993};
  const RuleSet three{"one rule of three anything-but",
                      {R"({"properties":{"ODD_EVEN":[{"anything-but":"E"}],"ST_TYPE":[{"anything-but":"ST"}]},)"
                       R"("geometry":{"coordinates":{"z":[{"anything-but":1}]}}})"},
                      {52527},
                      110'952};
  return {exact,    wildcard,   prefix,     prefix_fold,  suffix, suffix_fold, ignoring_case(), numbers, but,
          but_fold, but_prefix, but_suffix, but_wildcard, arrays, partial,     combo,           seven,   three};
}

}  // namespace slipway::bench
