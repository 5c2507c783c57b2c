// Case as the pattern language sees it: each character of a pattern stands for its lower and its upper form, and for
// nothing else.  Pure.
//
// That is what aws/event-ruler does (EqualsIgnoreCaseParser: toLowerCase and toUpperCase, root locale, one UTF-16 unit
// at a time), with what follows from it: "straße" matches "STRASSE" and "STRAßE" but not "strasse", "k" does not match
// the Kelvin sign, and a character beyond the basic plane is two units without case that UTF-8 spells "??".
#pragma once
#include <string>
#include <string_view>

namespace slipway::events {

// The character at `at`, which moves behind it.  A byte that begins no UTF-8 sequence counts as a character of its own.
char32_t next_character(std::string_view text, std::size_t& at);
// A surrogate, which UTF-8 cannot spell, becomes '?', as in Java.
void append_utf8(std::string& out, char32_t character);
bool is_ascii(std::string_view text);

enum class Part { whole, front, back };

// Whether `pattern` matches the given part of `text`.
bool matches_ignoring_case(std::string_view pattern, std::string_view text, Part part);

// A form that is the same for a pattern and for every text that it matches ignoring case; a front (back) of a text that
// matches has it as its front (back).  Texts with equal forms may differ still: look again with matches_ignoring_case,
// unless both texts are ASCII.  The form of an ASCII text is its lower case.
void fold_case(std::string_view text, std::string& out);
// The same of a pattern, in which a character beyond the basic plane is "??".
std::string fold_pattern(std::string_view pattern);

}  // namespace slipway::events
