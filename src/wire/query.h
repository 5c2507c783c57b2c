// The query protocol: form fields in, XML out.  Pure.
// https://smithy.io/2.0/aws/protocols/aws-query-protocol.html
#pragma once
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"
#include "wire/shape.h"

namespace slipway::wire {

using Fields = std::vector<std::pair<std::string, std::string>>;

// "A=1&B=x+y" -> decoded pairs.
Fields parse_form(std::string_view form);

// Gathers "Tags.member.1.Key=a" and its like into the JSON that `shape` describes: lists in the order of their numbers,
// maps from "X.entry.N.key/value" or, flattened, "X.N.Name/Value".  Texts become numbers and booleans where the shape
// says so; what does not fit the shape stays what it is and fails check().  Unknown fields stay as texts under their
// first name.  Fails (Fault::invalid, "SerializationException") beyond kFieldsMax fields or 20 steps of a name.
constexpr std::size_t kFieldsMax = 10'000;
Result<json::object> decode_fields(const Fields& fields, const Shape& shape);

// {"Role": {"Tags": [{"Key": "a"}]}} -> <Role><Tags><member><Key>a</Key></member></Tags></Role>.
// A name that begins with '*' is flattened: {"*Message": [{…},{…}]} -> <Message>…</Message><Message>…</Message>.
std::string encode_xml(const json::object& object);
std::string xml_escape(std::string_view text);

}  // namespace slipway::wire
