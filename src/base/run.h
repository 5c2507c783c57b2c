// run(): drives one task to its end on a loop of its own.  For tests and for commands that do one thing.
#pragma once
#include <boost/asio/io_context.hpp>
#include <exception>
#include <optional>

#include "base/task.h"

namespace slipway {

// Returns the task's value, or throws what it threw.
template <class T>
T run(task<T> work, asio::io_context& io) {
  std::exception_ptr failure;
  std::optional<T> value;
  asio::co_spawn(io, std::move(work), [&](std::exception_ptr e, T v) {
    failure = std::move(e);
    value = std::move(v);
    io.stop();
  });
  io.run();
  io.restart();
  if (failure) std::rethrow_exception(failure);
  return std::move(*value);
}

inline void run(task<void> work, asio::io_context& io) {
  std::exception_ptr failure;
  asio::co_spawn(io, std::move(work), [&](std::exception_ptr e) {
    failure = std::move(e);
    io.stop();
  });
  io.run();
  io.restart();
  if (failure) std::rethrow_exception(failure);
}

template <class T>
T run(task<T> work) {
  asio::io_context io(1);
  return run(std::move(work), io);
}

}  // namespace slipway
