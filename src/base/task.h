// Coroutines as the project writes them: task<T>, with_deadline(), and TaskGroup, the owner of background work.
// One thread runs them all; nothing here is thread-safe unless it says so.
#pragma once
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "base/instant.h"

namespace slipway {

namespace asio = boost::asio;

template <class T = void>
using task = asio::awaitable<T>;

// Suspends for `delay`.  Throws operation_aborted when the coroutine is cancelled meanwhile.
task<void> pause(Duration delay);

// Returns nullopt when `limit` passed first; `work` is then cancelled and waited for.  A failure of `work` propagates
// at once: wait_for_one() ends the race on any completion, where operator|| would wait for a success.
template <class T>
task<std::optional<T>> with_deadline(Duration limit, task<T> work) {
  const auto executor = co_await asio::this_coro::executor;
  asio::steady_timer timer(executor, limit);
  auto race = asio::experimental::make_parallel_group(asio::co_spawn(executor, std::move(work), asio::deferred),
                                                      timer.async_wait(asio::deferred));
  auto finished = race.async_wait(asio::experimental::wait_for_one(), asio::use_awaitable);
  auto outcome = co_await std::move(finished);
  auto& [order, failure, value, timer_error] = outcome;
  if (order[0] == 1) co_return std::nullopt;
  if (failure) std::rethrow_exception(failure);
  co_return std::move(value);
}

// Owns coroutines that run on their own.  Declare it as the last member, so that it is destroyed first.
// An exception that leaves a coroutine is logged with its name; the others go on.
class TaskGroup {
 public:
  explicit TaskGroup(asio::any_io_executor executor);
  ~TaskGroup();  // Cancels what still runs; does not wait (the loop has ended or ends now).
  TaskGroup(const TaskGroup&) = delete;
  TaskGroup& operator=(const TaskGroup&) = delete;

  // Starts `work`.  Everything it refers to must outlive the group, or be passed by value.
  void spawn(std::string name, task<void> work);
  // Cancels every coroutine and returns when all have ended.  What is spawned from then on is dropped unstarted: a
  // coroutine that is on its way out may still start others.
  task<void> stop();
  std::size_t running() const;
  asio::any_io_executor executor() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

// A bell that a worker waits at: rings are remembered until somebody waits, so that none is lost.
class Bell {
 public:
  explicit Bell(asio::any_io_executor executor);
  void ring();
  // Returns when the bell rang (since the last wait) or `limit` passed.  One waiter at a time.
  task<void> wait(Duration limit);

 private:
  asio::steady_timer timer_;
  bool rung_ = false;
};

}  // namespace slipway
