// Reader: takes YAML apart key by key and keeps the first thing that is wrong, with its place in
// the file. Internal to config.
#pragma once
#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/instant.h"
#include "base/result.h"

namespace slipway::config {

struct Range {
  long long low;
  long long high;
};

// The allowed word that is nearest to `word`; empty when none is near.
std::string nearest(std::string_view word, const std::vector<std::string>& allowed);

class Reader {
 public:
  explicit Reader(std::string_view file) : file_(file) {}

  // Notes that something is wrong at `place`; the first note wins.
  void wrong(const YAML::Mark& place, std::string_view what);
  void warn(const YAML::Mark& place, std::string_view what);
  bool ok() const { return !error_; }
  const std::optional<Error>& error() const { return error_; }
  std::vector<std::string> warnings;

  // Whether `node` is a mapping whose keys are all allowed and named once; `what` names it in the
  // error.
  bool mapping(const YAML::Node& node, std::string_view what, const std::vector<std::string>& allowed);
  // Every pair of a mapping with free keys, in order.
  std::vector<std::pair<std::string, YAML::Node>> entries(const YAML::Node& node, std::string_view what);

  // Each reads the member `key` of `parent` and leaves `into` as it is when the member is absent.
  void text(const YAML::Node& parent, const std::string& key, std::string& into);
  void integer(const YAML::Node& parent, const std::string& key, Range range, int& into);
  void duration(const YAML::Node& parent, const std::string& key, Duration low, Duration high, Duration& into);
  void texts(const YAML::Node& parent, const std::string& key, std::vector<std::string>& into);
  void text_map(const YAML::Node& parent, const std::string& key, std::map<std::string, std::string>& into);
  // One of the words of `choices`.
  template <class T>
  void choice(const YAML::Node& parent, const std::string& key, const std::vector<std::pair<std::string, T>>& choices,
              T& into) {
    std::string word;
    text(parent, key, word);
    if (!ok() || !parent[key]) return;
    std::vector<std::string> words;
    for (const auto& [name, value] : choices) {
      if (name == word) into = value;
      words.push_back(name);
    }
    require_word(parent[key].Mark(), key, word, words);
  }
  void require_word(const YAML::Mark& place, std::string_view what, const std::string& word,
                    const std::vector<std::string>& allowed);

  // The text of a scalar; notes an error otherwise.
  std::string scalar(const YAML::Node& node, std::string_view what);

 private:
  std::string at(const YAML::Mark& place, std::string_view what) const;

  std::string file_;
  std::optional<Error> error_;
};

// "300ms", "5s", "2m", "1h"; nullopt when it is anything else.
std::optional<Duration> parse_duration(std::string_view text);
// "5s", "300ms".
std::string duration_text(Duration duration);

}  // namespace slipway::config
