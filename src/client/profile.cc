#include "client/profile.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"

namespace slipway::client {
namespace {

enum class File { config, credentials };

bool is_space(char c) {
  return c == ' ' || c == '\t';
}
bool begins_comment(char c) {
  return c == '#' || c == ';';
}

bool valid_name(std::string_view name) {
  return !name.empty() && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("-/.%@_:+").contains(c);
  });
}

// A comment after a value begins behind white space, so that a value may contain '#'.
std::string_view without_comment(std::string_view line) {
  for (std::size_t i = 1; i < line.size(); ++i) {
    if (begins_comment(line[i]) && is_space(line[i - 1])) return line.substr(0, i);
  }
  return line;
}

// Takes one file apart, line by line.
class Parser {
 public:
  Parser(File file, Profiles& out) : file_(file), out_(out) {}

  Result<void> parse(std::string_view text) {
    int number = 0;
    for (const std::string& raw : split(text, '\n')) {
      ++number;
      const std::string_view line =
          raw.ends_with('\r') ? std::string_view(raw).substr(0, raw.size() - 1) : std::string_view(raw);
      if (trim(line).empty() || begins_comment(line.front())) continue;
      const std::string problem = is_space(line.front()) ? continuation(line)
                                  : line.front() == '['  ? section(line)
                                                         : property(line);
      if (!problem.empty())
        return fail(Fault::invalid, "InvalidProfileFile",
                    fmt::format("could not parse profile file ({} file, line {}): {}", file_name(), number, problem));
    }
    return {};
  }

 private:
  std::string_view file_name() const { return file_ == File::config ? "config" : "credentials"; }

  // Each returns what is wrong with the line, empty when nothing is.
  std::string section(std::string_view line) {
    const auto end = line.find(']');
    // Whatever follows the bracket must be a comment.
    const std::string_view rest = end == std::string_view::npos ? "" : trim(line.substr(end + 1));
    if (end == std::string_view::npos || (!rest.empty() && !begins_comment(rest.front())))
      return "Profile definition must end with ']'";
    in_section_ = true;
    value_ = nullptr;
    has_property_ = false;
    properties_ = find_section(trim(line.substr(1, end - 1)));
    return {};
  }

  // Where the properties of a section go; nullptr when it is not one that we know.
  Properties* find_section(std::string_view title) {
    if (file_ == File::credentials) return valid_name(title) ? &out_.profiles[std::string(title)] : nullptr;
    const auto space = title.find_first_of(" \t");
    const std::string_view kind = title.substr(0, space);
    const std::string_view name = space == std::string_view::npos ? "" : trim(title.substr(space));
    if (title == "default") return default_is_prefixed_ ? nullptr : &out_.profiles["default"];
    if (!valid_name(name)) return nullptr;
    if (kind == "sso-session") return &out_.sso_sessions[std::string(name)];
    if (kind == "services") return &out_.services[std::string(name)];
    if (kind != "profile") return nullptr;
    // [profile default] takes the place of [default], wherever it stands.
    if (name == "default" && !default_is_prefixed_) {
      default_is_prefixed_ = true;
      out_.profiles.erase("default");
    }
    return &out_.profiles[std::string(name)];
  }

  std::string property(std::string_view line) {
    if (!in_section_) return "Expected a profile definition";
    const std::string_view text = without_comment(line);
    const auto equals = text.find('=');
    if (equals == std::string_view::npos) return "Expected an '=' sign defining a property";
    const std::string_view name = trim(text.substr(0, equals));
    if (name.empty()) return "Property did not have a name";
    const std::string_view value = trim(text.substr(equals + 1));
    has_property_ = true;
    nested_ = value.empty();
    value_ = nullptr;
    if (properties_ == nullptr || !valid_name(name)) return {};
    value_ = &(*properties_)[to_lower(name)];
    *value_ = value;
    return {};
  }

  std::string continuation(std::string_view line) {
    if (!in_section_) return "Expected a profile definition, found continuation";
    if (!has_property_) return "Expected a property definition, found continuation";
    const std::string_view text = trim(line);
    if (nested_) {
      const auto equals = text.find('=');
      if (equals == std::string_view::npos) return "Expected an '=' sign defining a sub-property";
      if (trim(text.substr(0, equals)).empty()) return "Sub-property did not have a name";
    }
    if (value_ != nullptr) *value_ += "\n" + std::string(text);
    return {};
  }

  File file_;
  Profiles& out_;
  bool in_section_ = false;
  bool has_property_ = false;
  bool nested_ = false;  // The property's value is a list of properties.
  bool default_is_prefixed_ = false;
  Properties* properties_ = nullptr;  // nullptr: a section that is skipped.
  std::string* value_ = nullptr;
};

std::string home_path(const Environment& environment, const std::string& override_variable, std::string_view name) {
  std::string path = variable(environment, override_variable);
  const std::string home = variable(environment, "HOME");
  if (path.empty()) return home.empty() ? "" : home + "/.aws/" + std::string(name);
  if (path.starts_with("~/") && !home.empty()) path.replace(0, 1, home);
  return path;
}

}  // namespace

Result<Profiles> parse_profiles(std::string_view config_file, std::string_view credentials_file) {
  Profiles out;
  const auto config = Parser(File::config, out).parse(config_file);
  if (!config) return fail(config);
  const auto credentials = Parser(File::credentials, out).parse(credentials_file);
  if (!credentials) return fail(credentials);
  return out;
}

std::string nested_value(std::string_view text, std::string_view name) {
  for (const std::string& line : split(text, '\n')) {
    const auto equals = line.find('=');
    if (equals == std::string::npos || trim(std::string_view(line).substr(0, equals)) != name) continue;
    return std::string(trim(std::string_view(line).substr(equals + 1)));
  }
  return {};
}

ProfileFiles profile_files(const Environment& environment) {
  const std::string profile = variable(environment, "AWS_PROFILE");
  return {.config = home_path(environment, "AWS_CONFIG_FILE", "config"),
          .credentials = home_path(environment, "AWS_SHARED_CREDENTIALS_FILE", "credentials"),
          .profile = profile.empty() ? "default" : profile};
}

}  // namespace slipway::client
