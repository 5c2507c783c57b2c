// Shapes: what an AWS operation accepts, as tables.  Validation says what AWS says; what we do not act on is refused or
// warned about, never silently kept.
//
//   const Shape input = structure({
//       required("Name", text(1, 64, "[\\.\\-_A-Za-z0-9]+")),
//       optional("State", one_of({"ENABLED", "DISABLED"})),
//       warned("Tags", list(tag()), "tags of rules are not stored yet"),
//       refused("RoleArn", text(1, 1600), "roles of rules are not supported yet"),
//   });
#pragma once
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace slipway::wire {

enum class Type { text, integer, number, boolean, timestamp, blob, list, map, structure, document };

struct Member;

struct Shape {
  Type type = Type::document;
  long long min = 0;  // Length of a text, value of an integer, number of elements.
  long long max = std::numeric_limits<long long>::max();
  std::string pattern;               // ECMAScript, must match the whole text; empty: anything.
  std::vector<std::string> allowed;  // Values of an enumeration; empty: anything.
  std::vector<Member> members;       // Of a structure; of a list or map one, its element or value.
  std::string element_name =
      "member";  // Query protocol: "Tags.member.1"; "" when the list is flattened ("Attribute.1").
};

// How we treat a member that the caller sent.
enum class Support {
  acted,    // We do what it says.
  ignored,  // Safe to accept: it changes nothing that a caller could see (client tokens, request metadata).
  warned,   // Kept or dropped, not acted on; the answer carries a warning.
  refused,  // 400, saying so.  A value that asks for the default (false, empty, the named neutral value) passes.
};

// rest-json: where the member travels.
enum class Where { body, path, query, header, payload };

struct Member {
  std::string name;
  Shape shape;
  bool required = false;
  Support support = Support::acted;
  std::string note;  // Why it is warned about or refused, a sentence for a person.
  Where where = Where::body;
  std::string wire_name;  // Name of the path label, query key or header; empty: as `name`.
  std::string neutral;    // For Support::refused: a text value that passes, as it is what we do anyway.
};

Shape text(long long min = 0, long long max = std::numeric_limits<long long>::max(), std::string pattern = {});
Shape one_of(std::vector<std::string> allowed);
Shape integer(long long min = std::numeric_limits<long long>::min(),
              long long max = std::numeric_limits<long long>::max());
Shape number();
Shape boolean();
Shape timestamp();
Shape blob(long long max = std::numeric_limits<long long>::max());
Shape list(Shape element, long long min = 0, long long max = std::numeric_limits<long long>::max());
Shape flattened(Shape list_shape);  // Query protocol only: "Attribute.1.Name", not "Attribute.member.1.Name".
Shape map(Shape value);
Shape structure(std::vector<Member> members);
Shape document();  // Any JSON.

Member required(std::string name, Shape shape);
Member optional(std::string name, Shape shape);
Member ignored(std::string name, Shape shape);
Member warned(std::string name, Shape shape, std::string note);
Member refused(std::string name, Shape shape, std::string note, std::string neutral = {});
Member in_path(Member member, std::string label = {});
Member in_query(Member member, std::string key = {});
Member in_header(Member member, std::string header);
Member as_payload(Member member);

// How a service words a rejected input.
enum class Wording {
  plain,       // ECS, IAM-like: code "InvalidParameterException"/"ValidationError" chosen by Service.
  constraint,  // "1 validation error detected: Value 'x' at 'name' failed to satisfy constraint: Member must …"
};

struct Checked {
  json::object input;  // Members as declared: integers as int64, timestamps as epoch milliseconds (int64),
                       // blobs decoded to text.  Unknown members are dropped, with a warning.
  std::vector<std::string> warnings;  // One sentence a member that is not acted on.
};

// Checks `input` against `shape`.  All faults of constraint are gathered in one message, as AWS does:
// "2 validation errors detected: Value '' at 'name' failed to satisfy constraint: Member must have length greater than
// or equal to 1; Value …".  Paths are written as AWS writes them: 'targets.1.member.id'. Fails with Fault::invalid and
// `code`; a member of the wrong JSON type, a text that is not UTF-8 and a number that fits no type with
// "SerializationException".  Of many faults or warnings the first kShownMax are told.
constexpr std::size_t kShownMax = 20;
Result<Checked> check(const Shape& shape, const json::object& input, std::string_view code = "ValidationException");

}  // namespace slipway::wire
