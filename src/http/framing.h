// How HTTP/1.1 puts messages into a stream of bytes: heads, and bodies by length, by chunks or until the end
// (RFC 9112 sections 6 and 7).  Pure.  Beast parses the heads; this is the only place that sees it.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "http/message.h"

namespace slipway::http {

// Takes body bytes out of the stream that follows a head.
class BodyDecoder {
 public:
  static BodyDecoder none() { return BodyDecoder(Kind::done, 0); }
  static BodyDecoder length(std::uint64_t bytes) { return BodyDecoder(bytes == 0 ? Kind::done : Kind::length, bytes); }
  static BodyDecoder chunked() { return BodyDecoder(Kind::chunk_size, 0); }
  static BodyDecoder until_end() { return BodyDecoder(Kind::until_end, 0); }

  // Consumes from the front of `input`, appending body bytes to `out`; returns how many bytes were consumed, nullopt
  // when they are not a body.  Needs more input when it consumed everything and is not done().
  std::optional<std::size_t> decode(std::string_view input, std::string& out);
  bool done() const { return kind_ == Kind::done; }
  bool ends_with_stream() const { return kind_ == Kind::until_end; }

 private:
  enum class Kind { length, chunk_size, chunk_data, chunk_end, trailer, until_end, done };
  BodyDecoder(Kind kind, std::uint64_t left) : kind_(kind), left_(left) {}
  // One line without its CRLF: empty while it is incomplete.  A line that is too long, or ends in a bare LF, is broken:
  // two parties could read it in two ways.
  struct Line {
    std::optional<std::string> text;
    bool broken = false;
  };
  Line take_line(std::string_view input, std::size_t& used);
  Kind kind_;
  std::uint64_t left_;
  std::string line_;
  std::size_t trailer_bytes_ = 0;
};

struct RequestHead {
  Request request;
  BodyDecoder body = BodyDecoder::none();
  bool keep_alive = true;
  bool expects_continue = false;
  bool old = false;      // HTTP/1.0: knows no chunks, and closes unless it is told otherwise.
  std::size_t size = 0;  // Bytes that the head took.
};

struct ResponseHead {
  int status = 0;
  Headers headers;
  BodyDecoder body = BodyDecoder::none();
  bool keep_alive = true;
  std::size_t size = 0;
};

// A head that is incomplete (nullopt in the Result's value), complete, or broken (Fault::invalid; code "HeadTooLarge"
// beyond `bytes_max`, "UnknownCoding" for a transfer coding that is not chunked, "UnknownExpectation", else
// "BadRequest" or "BadResponse").  What two parties could read in two ways is broken: no Host or two of them, two
// lengths, a length beside chunks.  An absolute target ("http://host/path") becomes its path.
Result<std::optional<RequestHead>> parse_request_head(std::string_view stream, std::size_t bytes_max);
// `to_head_request`: the answer to HEAD has no body whatever its headers say.
Result<std::optional<ResponseHead>> parse_response_head(std::string_view stream, bool to_head_request,
                                                        std::size_t bytes_max);

std::string_view reason_phrase(int status);

}  // namespace slipway::http
