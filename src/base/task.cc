#include "base/task.h"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/redirect_error.hpp>
#include <map>

#include "base/log.h"

namespace slipway {

task<void> pause(Duration delay) {
  asio::steady_timer timer(co_await asio::this_coro::executor, delay);
  co_await timer.async_wait(asio::use_awaitable);
}

struct TaskGroup::State {
  explicit State(asio::any_io_executor e)
      : executor(std::move(e)), empty(executor, asio::steady_timer::time_point::max()) {}
  struct Running {
    std::string name;
    asio::cancellation_signal cancel;
  };
  asio::any_io_executor executor;
  asio::steady_timer empty;  // Cancelled when the last coroutine ends.
  std::map<unsigned long, Running> running;
  unsigned long next_id = 1;
  bool stopping = false;
};

namespace {

void report(const std::string& name, const std::exception_ptr& failure) {
  if (!failure) return;
  try {
    std::rethrow_exception(failure);
  } catch (const boost::system::system_error& error) {
    if (error.code() != asio::error::operation_aborted) log_error("task", name + " ended with " + error.what());
  } catch (const std::exception& error) {
    log_error("task", name + " ended with " + error.what());
  }
}

}  // namespace

TaskGroup::TaskGroup(asio::any_io_executor executor) : state_(std::make_shared<State>(std::move(executor))) {}

TaskGroup::~TaskGroup() {
  for (auto& [id, running] : state_->running) running.cancel.emit(asio::cancellation_type::terminal);
}

void TaskGroup::spawn(std::string name, task<void> work) {
  if (state_->stopping) return;
  const auto id = state_->next_id++;
  auto& running = state_->running[id];
  running.name = std::move(name);
  auto ended = [state = state_, id](const std::exception_ptr& failure) {
    const auto entry = state->running.find(id);
    report(entry->second.name, failure);
    state->running.erase(entry);
    if (state->running.empty()) state->empty.cancel();
  };
  asio::co_spawn(state_->executor, std::move(work),
                 asio::bind_cancellation_slot(running.cancel.slot(), std::move(ended)));
}

task<void> TaskGroup::stop() {
  const auto state = state_;
  state->stopping = true;
  std::vector<unsigned long> ids;
  for (const auto& [id, running] : state->running) ids.push_back(id);
  for (const auto id : ids) {
    const auto entry = state->running.find(id);
    if (entry != state->running.end()) entry->second.cancel.emit(asio::cancellation_type::terminal);
  }
  while (!state->running.empty()) {
    boost::system::error_code woken;
    co_await state->empty.async_wait(asio::redirect_error(asio::use_awaitable, woken));
  }
}

std::size_t TaskGroup::running() const {
  return state_->running.size();
}
asio::any_io_executor TaskGroup::executor() const {
  return state_->executor;
}

Bell::Bell(asio::any_io_executor executor) : timer_(std::move(executor)) {}

void Bell::ring() {
  rung_ = true;
  timer_.cancel();
}

task<void> Bell::wait(Duration limit) {
  if (!rung_) {
    timer_.expires_after(limit);
    boost::system::error_code woken;
    co_await timer_.async_wait(asio::redirect_error(asio::use_awaitable, woken));
    const auto cancelled = (co_await asio::this_coro::cancellation_state).cancelled();
    if (cancelled != asio::cancellation_type::none) throw boost::system::system_error(asio::error::operation_aborted);
  }
  rung_ = false;
}

}  // namespace slipway
