// PatternText: the text of a pattern, token by token, with the faults of its syntax in the words that AWS answers.
// Pure.
//
// AWS reads patterns with Jackson (the texts are those of jackson-core 2.14's ReaderBasedJsonParser and ParserBase); so
// the first fault in the order of the text is the one that is told, whether it is of JSON or of the pattern language,
// and what follows the closing brace is never looked at.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace slipway::events {

constexpr std::size_t kPatternDepthMax = 1000;  // Objects and arrays within each other (Jackson's default limit).

class PatternText {
 public:
  enum class Token { object_begin, object_end, array_begin, array_end, name, text, number, yes, no, null, fault };

  explicit PatternText(std::string_view text) : text_(text) {}

  // The next token; after a fault only faults.  Not to be called after the end of the outermost value.
  Token next();
  // Of a name or text its characters, escapes resolved; of any other token its spelling.
  const std::string& spelling() const { return spelling_; }
  // What follows the last token.
  std::string_view rest() const { return text_.substr(at_); }
  // What is wrong with the text, after Token::fault.
  const std::string& fault() const { return fault_; }

 private:
  struct Level {
    bool object;
    std::size_t at;    // Where it begins.
    bool any = false;  // It has an entry, so that a comma must come before the next.
  };

  Token fail(std::string why);
  Token unexpected(std::string_view expected);
  Token invalid_token(std::size_t from);
  void skip_space();
  bool at_end() const { return at_ >= text_.size(); }
  bool space_fault();
  std::string described(std::size_t at) const;
  std::string position(std::size_t at) const;
  Token close(char c);
  Token read_name();
  Token value();
  Token literal(std::string_view word, Token token);
  Token number();
  Token number_fault(std::string_view why);
  Token quoted(Token token);
  bool escape();

  std::string_view text_;
  std::size_t at_ = 0;
  std::vector<Level> levels_;
  // A value is looked at together with its name, as Jackson does: a fault in it is told before anything about the name.
  bool value_ready_ = false;
  Token ready_ = Token::null;
  std::string ready_spelling_;
  bool after_name_ = false;
  std::string spelling_;
  std::string fault_;
};

}  // namespace slipway::events
