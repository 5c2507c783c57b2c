#include "http/framing.h"

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/status.hpp>
#include <boost/none.hpp>
#include <charconv>

#include "base/text.h"

namespace slipway::http {
namespace {

namespace beast_http = boost::beast::http;

constexpr std::size_t kChunkLineBytesMax = 4096;     // A chunk's size with its extensions, or one trailer.
constexpr std::size_t kTrailerBytesMax = 64 * 1024;  // All trailers together.

std::string_view view_of(boost::beast::string_view text) {
  return {text.data(), text.size()};
}

template <class Fields>
Headers headers_of(const Fields& fields) {
  Headers headers;
  for (const auto& field : fields)
    headers.add(std::string(view_of(field.name_string())), std::string(view_of(field.value())));
  return headers;
}

// The whole head, if it is there: up to and with the empty line.
std::optional<std::size_t> head_size(std::string_view stream) {
  const auto crlf = stream.find("\r\n\r\n");
  if (crlf != std::string_view::npos) return crlf + 4;
  return std::nullopt;
}

// Feeds one whole head.  An error code means that it is no HTTP.
template <class Parser>
boost::system::error_code feed(Parser& parser, std::string_view head) {
  parser.eager(false);
  parser.body_limit(boost::none);
  boost::system::error_code error;
  parser.put(boost::asio::buffer(head.data(), head.size()), error);
  if (error == beast_http::error::need_more) error = {};
  if (!error && !parser.is_header_done()) error = beast_http::error::partial_message;
  return error;
}

std::unexpected<Error> bad_request(std::string why) {
  return fail(Fault::invalid, "BadRequest", std::move(why));
}

// "http://host/path" -> "/path", which a server must take (RFC 9112 section 3.2.2); empty when it is no target.
std::string origin_form(std::string_view target) {
  if (target.starts_with('/') || target == "*") return std::string(target);
  const auto scheme = to_lower(target.substr(0, 8));
  if (!scheme.starts_with("http://") && scheme != "https://") return {};
  const auto rest = target.substr(target.find("//") + 2);
  const auto path = rest.find_first_of("/?");
  if (path == 0 || rest.empty()) return {};
  if (path == std::string_view::npos) return "/";
  return (rest[path] == '?' ? "/" : "") + std::string(rest.substr(path));
}

// What RFC 9112 (sections 3.2, 6.1 and 6.3) has a server refuse: proxies and servers that read such a head in two ways
// are how requests are smuggled.
Result<void> check_request(const Headers& headers, bool old) {
  const auto count = [&](std::string_view name) {
    return std::ranges::count_if(headers.entries(),
                                 [&](const auto& entry) { return equal_ignoring_case(entry.first, name); });
  };
  const auto hosts = count("Host");
  if (hosts > 1 || (hosts == 0 && !old)) return bad_request("a request needs one Host");
  const auto codings = count("Transfer-Encoding");
  if (count("Content-Length") > 1) return bad_request("more than one Content-Length");
  if (codings > 0 && (old || count("Content-Length") > 0))
    return bad_request("both Content-Length and Transfer-Encoding, or chunks in HTTP/1.0");
  if (codings > 1 || (codings == 1 && !equal_ignoring_case(trim(headers.get("Transfer-Encoding")), "chunked")))
    return fail(Fault::invalid, "UnknownCoding", "the only Transfer-Encoding known here is chunked");
  const std::string expectation = headers.get("Expect");
  if (!old && !expectation.empty() && !equal_ignoring_case(expectation, "100-continue"))
    return fail(Fault::invalid, "UnknownExpectation", "the only expectation known here is 100-continue");
  return {};
}

}  // namespace

BodyDecoder::Line BodyDecoder::take_line(std::string_view input, std::size_t& used) {
  const auto end = input.find('\n', used);
  const auto upto = end == std::string_view::npos ? input.size() : end;
  line_ += input.substr(used, upto - used);
  used = end == std::string_view::npos ? input.size() : end + 1;
  if (line_.size() > kChunkLineBytesMax) return {.text = {}, .broken = true};
  if (end == std::string_view::npos) return {};
  std::string line = std::move(line_);
  line_.clear();
  if (!line.ends_with('\r')) return {.text = {}, .broken = true};
  line.pop_back();
  return {.text = std::move(line), .broken = false};
}

std::optional<std::size_t> BodyDecoder::decode(std::string_view input, std::string& out) {
  std::size_t used = 0;
  while (used < input.size() && kind_ != Kind::done) {
    switch (kind_) {
      case Kind::length:
      case Kind::chunk_data: {
        const auto take = static_cast<std::size_t>(std::min<std::uint64_t>(left_, input.size() - used));
        out += input.substr(used, take);
        used += take;
        left_ -= take;
        if (left_ == 0) kind_ = kind_ == Kind::length ? Kind::done : Kind::chunk_end;
        break;
      }
      case Kind::chunk_size: {
        const Line line = take_line(input, used);
        if (line.broken) return std::nullopt;
        if (!line.text) break;
        const std::string digits(trim(std::string_view(*line.text).substr(0, line.text->find(';'))));
        const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), left_, 16);
        if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
        kind_ = left_ == 0 ? Kind::trailer : Kind::chunk_data;
        break;
      }
      case Kind::chunk_end: {
        const Line line = take_line(input, used);
        if (line.broken) return std::nullopt;
        if (!line.text) break;
        if (!line.text->empty()) return std::nullopt;
        kind_ = Kind::chunk_size;
        break;
      }
      case Kind::trailer: {
        const Line line = take_line(input, used);
        if (line.broken) return std::nullopt;
        if (!line.text) break;
        trailer_bytes_ += line.text->size() + 2;
        if (trailer_bytes_ > kTrailerBytesMax) return std::nullopt;
        if (line.text->empty()) kind_ = Kind::done;
        break;
      }
      case Kind::until_end:
        out += input.substr(used);
        used = input.size();
        break;
      case Kind::done:
        break;
    }
  }
  return used;
}

Result<std::optional<RequestHead>> parse_request_head(std::string_view stream, std::size_t bytes_max) {
  // No method begins otherwise.  A TLS hello must be answered at once: clients that try HTTPS first wait for that.
  const bool method = stream.empty() || (stream.front() >= 'A' && stream.front() <= 'Z') || stream.front() == '\r' ||
                      stream.front() == '\n';
  if (!method) return fail(Fault::invalid, "BadRequest", "this is not HTTP (TLS is not spoken here)");
  const auto size = head_size(stream);
  if (!size && stream.size() <= bytes_max) return std::nullopt;
  if (!size || *size > bytes_max) return fail(Fault::invalid, "HeadTooLarge", "the request's head is too large");
  beast_http::request_parser<beast_http::empty_body> parser;
  parser.header_limit(static_cast<std::uint32_t>(bytes_max));
  if (const auto error = feed(parser, stream.substr(0, *size))) return bad_request(error.message());
  const auto& message = parser.get();
  RequestHead head;
  head.size = *size;
  head.old = message.version() < 11;
  head.request.method = std::string(view_of(message.method_string()));
  head.request.target = origin_form(view_of(message.target()));
  if (head.request.target.empty()) return bad_request("the target must be a path or a URL");
  head.request.headers = headers_of(message);
  if (auto checked = check_request(head.request.headers, head.old); !checked) return fail(checked);
  head.keep_alive = message.keep_alive();
  head.expects_continue = !head.old && head.request.headers.find("Expect");
  if (head.request.headers.find("Transfer-Encoding")) {
    head.body = BodyDecoder::chunked();
  } else if (parser.content_length()) {
    head.body = BodyDecoder::length(*parser.content_length());
  }
  return head;
}

Result<std::optional<ResponseHead>> parse_response_head(std::string_view stream, bool to_head_request,
                                                        std::size_t bytes_max) {
  const auto size = head_size(stream);
  if (!size && stream.size() <= bytes_max) return std::nullopt;
  if (!size || *size > bytes_max) return fail(Fault::invalid, "BadResponse", "the answer's head is too large");
  beast_http::response_parser<beast_http::empty_body> parser;
  parser.header_limit(static_cast<std::uint32_t>(bytes_max));
  parser.skip(true);
  if (const auto error = feed(parser, stream.substr(0, *size)))
    return fail(Fault::invalid, "BadResponse", error.message());
  const auto& message = parser.get();
  ResponseHead head;
  head.size = *size;
  head.status = static_cast<int>(message.result_int());
  head.headers = headers_of(message);
  head.keep_alive = message.keep_alive();
  const bool bodiless = to_head_request || head.status / 100 == 1 || head.status == 204 || head.status == 304;
  if (bodiless) {
    head.body = BodyDecoder::none();
  } else if (to_lower(head.headers.get("Transfer-Encoding")).find("chunked") != std::string::npos) {
    head.body = BodyDecoder::chunked();
  } else if (const auto length = head.headers.find("Content-Length")) {
    std::uint64_t bytes = 0;
    const auto [end, error] = std::from_chars(length->data(), length->data() + length->size(), bytes);
    if (error != std::errc() || end != length->data() + length->size())
      return fail(Fault::invalid, "BadResponse", "a broken Content-Length");
    head.body = BodyDecoder::length(bytes);
  } else {
    head.body = BodyDecoder::until_end();
    head.keep_alive = false;
  }
  return head;
}

std::string_view reason_phrase(int status) {
  const auto known = beast_http::int_to_status(static_cast<unsigned>(status));
  return view_of(beast_http::obsolete_reason(known));
}

}  // namespace slipway::http
