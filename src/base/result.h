// Result<T>: a value, or the Error that a caller is expected to handle.
// Exceptions are for bugs and broken machines; they are caught at connection, task and main only.
#pragma once
#include <expected>
#include <string>
#include <utility>

namespace slipway {

// What kind of failure it is; the wire turns it into an HTTP status, the deployer into a retry or none.
enum class Fault {
  invalid,  // the caller's input is wrong; repeating it will not help
  denied,   // who asks may not, or is not who it says
  not_found,
  conflict,   // the thing exists already, or is in a state that forbids this
  throttled,  // try again later
  timed_out,
  unavailable,  // a part that we need does not answer; try again later
  unsupported,  // AWS can, we cannot yet: never answered with success
  internal,     // our own fault
};

struct Error {
  Fault fault = Fault::internal;
  std::string code;     // Stable name: AWS's error code in a room ("ClusterNotFoundException"), SLW-nnn in commands.
  std::string message;  // A sentence for a person: what happened, why, what to do.
  bool operator==(const Error&) const = default;
};

template <class T>
using Result = std::expected<T, Error>;

inline std::unexpected<Error> fail(Fault fault, std::string code, std::string message) {
  return std::unexpected(Error{.fault = fault, .code = std::move(code), .message = std::move(message)});
}

// Passes on the error of another Result: `if (!x) return fail(x);`
template <class T>
std::unexpected<Error> fail(const Result<T>& failed) {
  return std::unexpected(failed.error());
}

}  // namespace slipway
