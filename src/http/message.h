// HTTP messages as the rest of the project sees them: plain values, bodies that stream.
// Header names are compared without regard to case.
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/task.h"

namespace slipway::http {

// Bodies that are read whole are bounded by the reader; this is the default.
constexpr std::size_t kBodyBytesMax = 8 * 1024 * 1024;

class Headers {
 public:
  Headers() = default;
  Headers(std::initializer_list<std::pair<std::string, std::string>> entries) : entries_(entries) {}
  // The first value of `name`; nullopt when absent.
  std::optional<std::string> find(std::string_view name) const;
  std::string get(std::string_view name, std::string_view otherwise = {}) const;
  void set(std::string_view name, std::string value);  // Replaces every value of `name`.
  void add(std::string name, std::string value);
  const std::vector<std::pair<std::string, std::string>>& entries() const { return entries_; }  // In order of arrival.

 private:
  std::vector<std::pair<std::string, std::string>> entries_;
};

// A body that arrives piece by piece.  One reader.
class BodyReader {
 public:
  virtual ~BodyReader() = default;
  // The next piece, empty at the end.  Fails (Fault::invalid, "IncompleteBody") when the peer broke off.
  virtual task<Result<std::string>> read_some() = 0;
};

// Reads the rest of `body`.  Fails with Fault::invalid, code "RequestEntityTooLarge", beyond `bytes_max`.
task<Result<std::string>> read_all(BodyReader& body, std::size_t bytes_max = kBodyBytesMax);

struct Request {
  std::string method;  // "GET"
  std::string target;  // As it came: "/v2/a%2Fb/manifests/latest?n=1".
  Headers headers;
  BodyReader* body = nullptr;  // Never null in a handler; valid until it returns.
  std::string peer;            // "127.0.0.1:51234"

  std::string_view raw_path() const;   // Before '?', still encoded.
  std::string path() const;            // Decoded.
  std::string_view raw_query() const;  // After '?', still encoded; empty when there is none.
  // Decoded pairs in order of arrival.
  std::vector<std::pair<std::string, std::string>> query() const;
  std::optional<std::string> query_value(std::string_view name) const;
};

// A part of a file as the body of an answer; sent without passing through memory.
struct FileBody {
  std::filesystem::path path;
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
};

// Writes a body of unknown length, chunked, while the handler still works.
class BodyWriter {
 public:
  virtual ~BodyWriter() = default;
  virtual task<Result<void>> write(std::string piece) = 0;
};
using StreamBody = std::function<task<void>(BodyWriter&)>;

struct Response {
  int status = 200;
  Headers
      headers;  // Content-Length is set by the server.  To answer HEAD, set `body` as for GET: only its length is sent.
  std::string body;
  std::optional<FileBody> file;  // Instead of `body`.
  StreamBody stream;             // Instead of both.
};

Response text_response(int status, std::string body, std::string content_type = "text/plain");
Response json_response(int status, std::string body);

}  // namespace slipway::http
