// Schema: every member that slipway.yaml may have: what it means, what is allowed, what it is when it is left out.
// Reading checks by these tables, errors quote them, and docs/configuration.md is printed from them.  Pure.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace slipway::config {

struct Range {
  long long low = 0;
  long long high = 0;
};

struct Member {
  enum class Type { text, number, time, word, texts, text_map, section, sections };
  std::string_view name;
  Type type = Type::text;
  std::string_view meaning;
  std::string_view otherwise;      // What it is when left out, in words; empty: nothing.
  bool needed = false;             // There is no default: without it the file is refused.
  Range range;                     // Of a number; of a time in milliseconds.
  std::string_view pattern;        // Of a text: the ECMAScript expression that the whole of it matches.
  std::string_view allowed;        // What the pattern allows, in words.
  std::vector<std::string> words;  // Of a word, or of each of `texts` when there are any.
};

// One mapping of the file.
struct Table {
  std::string_view name;  // As errors and the reference call it.
  std::string_view where;
  std::vector<Member> members;
};

const Table& configuration_table();
const Table& service_table();
const Table& health_table();
const Table& deploy_table();
const Table& tag_table();
const Table& verify_table();
const Table& http_check_table();
const Table& build_table();
const Table& roles_table();
const Table& environment_table();
const Table& function_table();
const Table& aws_table();
const Table& github_table();
const Table& notify_table();
const Table& slack_table();
const Table& sns_table();
const Table& webhook_table();
const Table& github_status_table();

// nullptr when `table` has no such member.
const Member* find_member(const Table& table, std::string_view name);
std::vector<std::string> member_names(const Table& table);
// "a whole number from 1 to 65535": how errors and the reference say what `member` may be.
std::string allowed_text(const Member& member);
// "5s", "300ms".
std::string milliseconds_text(long long milliseconds);

// The reference of slipway.yaml, in Markdown.
std::string reference_markdown();

}  // namespace slipway::config
