#include "events/pattern_text.h"

#include <fmt/format.h>

#include <utility>

#include "events/casing.h"

namespace slipway::events {

namespace {

constexpr std::string_view kValues =
    "expected a valid value (JSON String, Number, Array, Object or token 'null', 'true' or 'false')";
constexpr std::size_t kTokenShownMax = 256;   // Characters of a token that a fault shows.
constexpr std::size_t kSourceShownMax = 500;  // Bytes of the text that a position shows.

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// A character that may be part of a Java identifier, near enough: letters, digits, '_', '$' and all that is not ASCII.
bool is_identifier(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '$' ||
         static_cast<unsigned char>(c) >= 0x80;
}

int hex_value(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

PatternText::Token PatternText::fail(std::string why) {
  if (fault_.empty()) fault_ = std::move(why);
  return Token::fault;
}

std::string PatternText::described(std::size_t at) const {
  std::size_t end = at;
  const char32_t c = next_character(text_, end);
  if (c < 0x20 || (c >= 0x7F && c < 0xA0)) return fmt::format("(CTRL-CHAR, code {})", static_cast<unsigned>(c));
  const auto shown = text_.substr(at, end - at);
  if (c > 0xFF)
    return fmt::format("'{}' (code {} / 0x{:x})", shown, static_cast<unsigned>(c), static_cast<unsigned>(c));
  return fmt::format("'{}' (code {})", shown, static_cast<unsigned>(c));
}

PatternText::Token PatternText::unexpected(std::string_view expected) {
  return fail(fmt::format("Unexpected character ({}): {}", described(at_), expected));
}

// [Source: (String)"…"; line: L, column: C] of the character at `at`.
std::string PatternText::position(std::size_t at) const {
  std::size_t line = 1;
  std::size_t column = 1;
  for (std::size_t i = 0; i < at;) {
    const bool feed = text_[i] == '\n';
    next_character(text_, i);
    line += feed ? 1 : 0;
    column = feed ? 1 : column + 1;
  }
  const auto shown = text_.substr(0, kSourceShownMax);
  const auto rest = text_.size() - shown.size();
  return fmt::format("[Source: (String)\"{}\"{}; line: {}, column: {}]", shown,
                     rest == 0 ? "" : fmt::format("[truncated {} chars]", rest), line, column);
}

void PatternText::skip_space() {
  while (!at_end() && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n' || text_[at_] == '\r')) ++at_;
}

// True, and the fault is told, when a control character stands where only white space may.
bool PatternText::space_fault() {
  if (at_end() || static_cast<unsigned char>(text_[at_]) > 0x20) return false;
  fail(fmt::format("Illegal character ({}): only regular white space (\\r, \\n, \\t) is allowed between tokens",
                   described(at_)));
  return true;
}

PatternText::Token PatternText::next() {
  if (!fault_.empty()) return Token::fault;
  if (after_name_) {
    after_name_ = false;
    if (!value_ready_) return quoted(Token::text);
    value_ready_ = false;
    spelling_ = std::move(ready_spelling_);
    return ready_;
  }
  skip_space();
  if (space_fault()) return Token::fault;
  if (levels_.empty()) return at_end() ? fail("No content to map due to end-of-input") : value();
  auto& level = levels_.back();
  const char* kind = level.object ? "Object" : "Array";
  if (at_end()) {
    return fail(fmt::format("Unexpected end-of-input: expected close marker for {} (start marker at {})", kind,
                            position(level.at)));
  }
  if (text_[at_] == '}' || text_[at_] == ']') return close(text_[at_]);
  if (level.any) {
    if (text_[at_] != ',') return unexpected(fmt::format("was expecting comma to separate {} entries", kind));
    ++at_;
    skip_space();
    if (at_end()) return fail(fmt::format("Unexpected end-of-input within/between {} entries", kind));
    if (space_fault()) return Token::fault;
  }
  level.any = true;
  return level.object ? read_name() : value();
}

PatternText::Token PatternText::close(char c) {
  const auto level = levels_.back();
  if ((c == '}') != level.object) {
    return fail(fmt::format("Unexpected close marker '{}': expected '{}' (for {} starting at {})", c,
                            level.object ? '}' : ']', level.object ? "Object" : "Array", position(level.at)));
  }
  levels_.pop_back();
  ++at_;
  spelling_ = c;
  return c == '}' ? Token::object_end : Token::array_end;
}

PatternText::Token PatternText::read_name() {
  if (text_[at_] != '"') return unexpected("was expecting double-quote to start field name");
  if (quoted(Token::name) == Token::fault) return Token::fault;
  std::string name = std::move(spelling_);
  const auto expect = [&] {
    skip_space();
    if (at_end()) fail("Unexpected end-of-input within/between Object entries");
    return !at_end() && !space_fault();
  };
  if (!expect()) return Token::fault;
  if (text_[at_] != ':') return unexpected("was expecting a colon to separate field name and value");
  ++at_;
  if (!expect()) return Token::fault;
  after_name_ = true;
  if (text_[at_] != '"') {
    ready_ = value();
    if (ready_ == Token::fault) return Token::fault;
    ready_spelling_ = std::move(spelling_);
    value_ready_ = true;
  }
  spelling_ = std::move(name);
  return Token::name;
}

PatternText::Token PatternText::value() {
  const char c = text_[at_];
  switch (c) {
    case '"':
      return quoted(Token::text);
    case '{':
    case '[':
      if (levels_.size() >= kPatternDepthMax) {
        return fail(fmt::format("Document nesting depth ({}) exceeds the maximum allowed ({})", kPatternDepthMax + 1,
                                kPatternDepthMax));
      }
      levels_.push_back({.object = c == '{', .at = at_});
      ++at_;
      spelling_ = c;
      return c == '{' ? Token::object_begin : Token::array_begin;
    case 't':
      return literal("true", Token::yes);
    case 'f':
      return literal("false", Token::no);
    case 'n':
      return literal("null", Token::null);
    case '}':
      return unexpected("expected a value");
    case '+':
      return fail(
          fmt::format("Unexpected character ({}) in numeric value: JSON spec does not allow numbers to have plus "
                      "signs: enable `JsonReadFeature.ALLOW_LEADING_PLUS_SIGN_FOR_NUMBERS` to allow",
                      described(at_)));
    default:
      break;
  }
  if (c == '-' || is_digit(c)) return number();
  if (is_identifier(c)) return invalid_token(at_);
  return unexpected(kValues);
}

PatternText::Token PatternText::invalid_token(std::size_t from) {
  std::size_t end = from;
  while (end < text_.size() && is_identifier(text_[end])) ++end;
  auto shown = std::string(text_.substr(from, end - from));
  if (shown == "NaN" || shown == "Infinity") {
    return fail("Non-standard token '" + shown + "': enable `JsonReadFeature.ALLOW_NON_NUMERIC_NUMBERS` to allow");
  }
  if (shown.size() > kTokenShownMax) shown = shown.substr(0, kTokenShownMax) + "...";
  return fail("Unrecognized token '" + shown +
              "': was expecting (JSON String, Number, Array, Object or token 'null', 'true' or 'false')");
}

PatternText::Token PatternText::literal(std::string_view word, Token token) {
  const std::size_t end = at_ + word.size();
  if (!text_.substr(at_).starts_with(word) || (end < text_.size() && is_identifier(text_[end]))) {
    return invalid_token(at_);
  }
  at_ = end;
  spelling_ = word;
  return token;
}

PatternText::Token PatternText::number_fault(std::string_view why) {
  if (at_end()) return fail("Unexpected end-of-input in a Number value");
  return fail(fmt::format("Unexpected character ({}) in numeric value: {}", described(at_), why));
}

PatternText::Token PatternText::number() {
  const std::size_t from = at_;
  const auto digits = [&] {
    const std::size_t first = at_;
    while (!at_end() && is_digit(text_[at_])) ++at_;
    return at_ != first;
  };
  if (text_[at_] == '-') ++at_;
  const std::size_t whole = at_;
  if (!digits()) return number_fault("expected digit (0-9) to follow minus sign, for valid numeric value");
  if (text_[whole] == '0' && at_ - whole > 1) return fail("Invalid numeric value: Leading zeroes not allowed");
  if (!at_end() && text_[at_] == '.') {
    ++at_;
    if (!digits()) return number_fault("Decimal point not followed by a digit");
  }
  if (!at_end() && (text_[at_] == 'e' || text_[at_] == 'E')) {
    ++at_;
    if (!at_end() && (text_[at_] == '+' || text_[at_] == '-')) ++at_;
    if (!digits()) return number_fault("Exponent indicator not followed by a digit");
  }
  spelling_ = text_.substr(from, at_ - from);
  return Token::number;
}

// Reads the quoted characters at at_ into spelling_.
PatternText::Token PatternText::quoted(Token token) {
  const bool name = token == Token::name;
  spelling_.clear();
  for (++at_; !at_end() && text_[at_] != '"';) {
    const auto byte = static_cast<unsigned char>(text_[at_]);
    if (byte < 0x20) {
      return fail(fmt::format("Illegal unquoted character ({}): has to be escaped using backslash to be included in {}",
                              described(at_), name ? "name" : "string value"));
    }
    if (byte != '\\') {
      spelling_ += text_[at_++];
    } else if (!escape()) {
      return Token::fault;
    }
  }
  if (at_end()) {
    return fail(name ? "Unexpected end-of-input in field name"
                     : "Unexpected end-of-input: was expecting closing quote for a string value");
  }
  ++at_;
  return token;
}

// Resolves the escape at at_, a surrogate pair at once.
bool PatternText::escape() {
  static constexpr std::string_view kNames = "\"\\/bfnrt";
  static constexpr std::string_view kMeant = "\"\\/\b\f\n\r\t";
  const auto unit = [&](char32_t& value) {  // The four digits at at_.
    value = 0;
    for (int i = 0; i < 4; ++i, ++at_) {
      if (at_end()) {
        fail("Unexpected end-of-input in character escape sequence");
        return false;
      }
      const int digit = hex_value(text_[at_]);
      if (digit < 0) {
        unexpected("expected a hex-digit for character escape sequence");
        return false;
      }
      value = value * 16 + static_cast<char32_t>(digit);
    }
    return true;
  };
  ++at_;
  if (at_end()) {
    fail("Unexpected end-of-input in character escape sequence");
    return false;
  }
  const auto known = kNames.find(text_[at_]);
  if (known != std::string_view::npos) {
    spelling_ += kMeant[known];
    ++at_;
    return true;
  }
  if (text_[at_] != 'u') {
    fail("Unrecognized character escape " + described(at_));
    return false;
  }
  ++at_;
  char32_t character = 0;
  if (!unit(character)) return false;
  if (character >= 0xD800 && character < 0xDC00 && text_.substr(at_).starts_with("\\u")) {
    const auto resume = at_;
    char32_t low = 0;
    at_ += 2;
    if (!unit(low)) return false;
    if (low >= 0xDC00 && low < 0xE000) {
      character = 0x10000 + ((character - 0xD800) << 10) + (low - 0xDC00);
    } else {
      at_ = resume;
    }
  }
  append_utf8(spelling_, character);
  return true;
}

}  // namespace slipway::events
