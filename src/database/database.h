// The wall around SQLite: one file, one writer thread, one reader on the loop.  Nothing else includes sqlite3.h.
// A write that was awaited is on disk (WAL, synchronous=FULL); writes that wait together share one fsync (group
// commit).
#pragma once
#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>
#include <vector>

#include "base/task.h"

namespace slipway::database {

using Null = std::monostate;
using Value = std::variant<Null, long long, double, std::string>;  // A std::string holds text or a blob.

// One row of an answer; columns count from 0, in the order of the SELECT.
class Row {
 public:
  explicit Row(std::vector<Value> values) : values_(std::move(values)) {}
  long long integer(std::size_t column) const;  // 0 when null.
  double real(std::size_t column) const;
  std::string text(std::size_t column) const;  // "" when null.
  bool is_null(std::size_t column) const;
  Instant instant(std::size_t column) const { return instant_ms(integer(column)); }
  std::size_t size() const { return values_.size(); }

 private:
  std::vector<Value> values_;
};

using Rows = std::vector<Row>;
using Arguments = std::vector<Value>;  // Bound to ?1, ?2, …

// A place where SQL runs.  Throws std::runtime_error on broken SQL, a broken constraint or a broken disk, and
// std::system_error (no_space_on_device) on a full one: check first with a SELECT where a caller could be at fault.
class Connection {
 public:
  virtual ~Connection() = default;
  virtual Rows query(std::string_view sql, const Arguments& arguments = {}) = 0;
  std::optional<Row> query_one(std::string_view sql, const Arguments& arguments = {});  // The first row, if any.
};

// The connection inside a write.  Lives on the writer thread, for the length of the callback.
class Transaction : public Connection {
 public:
  // Returns how many rows changed.
  virtual long long execute(std::string_view sql, const Arguments& arguments = {}) = 0;
  virtual long long last_insert_id() = 0;
  // Runs `news` on the loop once this write is on disk; never when it was rolled back.
  virtual void after_commit(std::function<void()> news) = 0;
};

// Tables of one room.  Statements run in order, each once: append, never change one that has been released.
struct Schema {
  std::string room;                     // Key of the version record: "ecr".
  std::vector<std::string> statements;  // "CREATE TABLE repositories (…)", …
};

class Database {
 public:
  // Who does the writing.  `caller`: each write is done at once where it is asked for, for simulations, in which the
  // order of everything must be the seed's.
  enum class Writing { own_thread, caller };
  // Opens or creates `file` (":memory:" for tests: a private file-less database) and starts the writer thread.
  // Throws std::runtime_error with the path when it cannot.
  Database(asio::any_io_executor loop, const std::filesystem::path& file, Writing writing = Writing::own_thread);
  ~Database();  // Finishes queued writes, then ends the thread.
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  // Brings the room's tables up to date.  Blocks; call it before the loop runs.
  void migrate(const Schema& schema);

  // Reads on the loop: what the last committed write left.  Use it and let go before the next co_await.
  Connection& read();

  // Runs `work(Transaction&)` on the writer thread, alone, and returns its value once it is on disk.
  // `work` owns its captures (values only: the loop goes on meanwhile) and may throw, which undoes all it did and
  // reaches the caller.  To undo without throwing, return a Result that holds an error.
  //   auto insert = [name](Transaction& tx) { return tx.execute("INSERT INTO rules (name) VALUES (?1)", {name}); };
  //   const long long changed = co_await db.write(insert);
  template <class Work>
  task<std::invoke_result_t<Work, Transaction&>> write(Work work);

 private:
  struct Writer;
  // Type-erased: `job` returns false to roll back; an exception rolls back too and is rethrown to the caller.
  task<void> perform(std::function<bool(Transaction&)> job);
  std::unique_ptr<Writer> writer_;
};

namespace detail {
template <class T>
bool keeps(const T& value) {
  if constexpr (requires {
                  value.has_value();
                  value.error();
                }) {
    return value.has_value();
  } else {
    return true;
  }
}
}  // namespace detail

template <class Work>
task<std::invoke_result_t<Work, Transaction&>> Database::write(Work work) {
  using Outcome = std::invoke_result_t<Work, Transaction&>;
  if constexpr (std::is_void_v<Outcome>) {
    auto job = [work = std::move(work)](Transaction& tx) mutable {
      work(tx);
      return true;
    };
    co_await perform(std::move(job));
  } else {
    auto slot = std::make_shared<std::optional<Outcome>>();
    auto job = [work = std::move(work), slot](Transaction& tx) mutable {
      slot->emplace(work(tx));
      return detail::keeps(**slot);
    };
    co_await perform(std::move(job));
    co_return std::move(**slot);
  }
}

}  // namespace slipway::database
