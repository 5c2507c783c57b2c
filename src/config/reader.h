// Reader and Section: take YAML apart by the tables of schema.h and keep the first thing that is wrong, with its place
// in the file.  Internal to config.
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
#include "config/schema.h"

namespace slipway::config {

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

  // Every pair of a mapping with free keys, in order.
  std::vector<std::pair<std::string, YAML::Node>> entries(const YAML::Node& node, std::string_view what);
  void require_word(const YAML::Mark& place, std::string_view what, const std::string& word,
                    const std::vector<std::string>& allowed);
  // The text of a scalar; notes an error otherwise.
  std::string scalar(const YAML::Node& node, std::string_view what);

 private:
  std::string at(const YAML::Mark& place, std::string_view what) const;

  std::string file_;
  std::optional<Error> error_;
};

// One mapping, read by its table.  A getter leaves `into` as it is when the mapping or the table has no such member,
// so that what differs in an environment can be read on top of what holds everywhere.
class Section {
 public:
  // Notes an error when `node` is no mapping, or has a member that the table has not, or lacks one that is needed
  // (unless `on_top`: then another mapping may have said it).  `what` names it in errors; empty: as the table does.
  Section(Reader& reader, YAML::Node node, const Table& table, std::string what = {}, bool on_top = false);

  bool ok() const { return reader_.ok(); }
  bool has(const std::string& name) const { return static_cast<bool>(member(name)); }
  YAML::Node member(const std::string& name) const;
  // Where `name` stands, else where the mapping does.
  YAML::Mark place(const std::string& name) const;
  YAML::Mark place() const { return node_.Mark(); }
  // Notes that `name` is wrong.
  void wrong(const std::string& name, std::string_view what) { reader_.wrong(place(name), what); }
  Reader& reader() { return reader_; }

  void text(const std::string& name, std::string& into);
  void number(const std::string& name, int& into);
  void number(const std::string& name, long long& into);
  void time(const std::string& name, Duration& into);
  void texts(const std::string& name, std::vector<std::string>& into);
  void text_map(const std::string& name, std::map<std::string, std::string>& into);
  // One of the table's words; `values` in their order.
  template <class T>
  void word(const std::string& name, const std::vector<T>& values, T& into) {
    std::string chosen;
    const Member* const described = find(name);
    if (described == nullptr || !has(name)) return;
    text(name, chosen);
    if (!ok()) return;
    reader_.require_word(place(name), name, chosen, described->words);
    for (std::size_t i = 0; i < described->words.size(); ++i) {
      if (described->words[i] == chosen) into = values.at(i);
    }
  }

 private:
  const Member* find(const std::string& name) const { return find_member(table_, name); }
  Reader& reader_;
  YAML::Node node_;
  const Table& table_;
};

// "300ms", "5s", "2m", "1h"; nullopt when it is anything else.
std::optional<Duration> parse_duration(std::string_view text);

}  // namespace slipway::config
